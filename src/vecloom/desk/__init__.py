"""The literature desk: saved searches over indexes, what readers marked, and digests by mail and as feeds.

Floor: above the verbs, below ``serve`` and ``cli``. It holds no HTTP and no clock: a page calls it with the time, and with the
address under which it is served (``Sender.base_url``). The links in mails are ``BASE/c/TOKEN`` (confirm), ``/l/TOKEN`` (log in),
``/u/TOKEN`` (unsubscribe: GET asks, POST does), and ``/f/TOKEN.atom`` or ``.rss`` (feed).

Modules by what they do: ``items`` (papers), ``marks`` (views, saves, up-votes, tags), ``trending``, ``for_you``, ``listing``
(lists of a page), ``readers`` (addresses, logins, sessions), ``subscriptions``, ``feeds``, ``digests`` (compose and send).
"""

from __future__ import annotations

from vecloom.desk import digests, feeds, for_you, items, listing, marks, readers, subscriptions, tokens, trending
from vecloom.desk.items import Item, Library, sync
from vecloom.desk.mail import Sender
from vecloom.desk.marks import Marks
from vecloom.desk.readers import Reader
from vecloom.desk.smtp import Smtp, SmtpSettings, sender_settings, smtp_settings
from vecloom.desk.sources import IndexSource, Source
from vecloom.desk.state import Desk, beside
from vecloom.desk.subscriptions import Subscription, subscribe

__all__ = [
    "Desk",
    "IndexSource",
    "Item",
    "Library",
    "Marks",
    "Reader",
    "Sender",
    "Smtp",
    "SmtpSettings",
    "Source",
    "Subscription",
    "beside",
    "digests",
    "feeds",
    "for_you",
    "items",
    "listing",
    "marks",
    "readers",
    "sender_settings",
    "smtp_settings",
    "subscribe",
    "subscriptions",
    "sync",
    "tokens",
    "trending",
]
