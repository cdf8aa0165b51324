"""What a run of digests did."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """What a run did.

    Attributes:
        items: new items that it found in the indexes.
        due: subscriptions whose time had come.
        composed: digests written.
        sent: mails that the server took, confirmations and logins among them.
        later: mails that wait for another attempt.
        failed: mails that the server will not take.
        dropped: mails whose time or reader was gone.
        paused: subscriptions stopped after repeated refusals.
        notes: sentences on what went wrong.
    """

    items: int = 0
    due: int = 0
    composed: int = 0
    sent: int = 0
    later: int = 0
    failed: int = 0
    dropped: int = 0
    paused: int = 0
    notes: list[str] = field(default_factory=list)
