"""Runs of digests that are killed (SIGKILL) before their nth statement that writes, and the runs that follow.

    python killed.py FOLDER PORT

For each n a desk of its own, with readers of their own, on the SMTP server at PORT: one run that is killed, one an hour
later, one on the next day. Prints n when all is done, and "end" when a run was not reached by its kill. Then the same
between the mark that a mail is on its way and its first byte. Each run is a fork: nothing of the killed one is left but files.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fakes import DAY, HOUR, MONDAY, SENDER, FakeSource

from vecloom.desk import digests, readers, subscriptions
from vecloom.desk.items import sync
from vecloom.desk.smtp import Smtp, SmtpSettings
from vecloom.desk.state import Desk

NINE = MONDAY + 9 * HOUR
WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT")


def opened(path):
    """A desk whose commits do not wait for the disk: a kill loses nothing that the system has."""
    desk = Desk(path)
    desk.db.execute("PRAGMA synchronous = OFF")
    return desk


def prepare(path, name):
    """Two readers, one of them with two subscriptions; three new papers, of which the first run has to tell."""
    source, desk = FakeSource(), opened(path)
    source.add("old", "something else", date="2001-01-01")
    sync(desk, {"papers": source}, MONDAY - 30 * DAY)
    for who in ("ann", "bob"):
        reader = readers.enrol(desk, SENDER, f"{who}-{name}@reader.example", MONDAY)
        desk.db.execute("UPDATE reader SET confirmed_at = 1")
        desk.db.execute("DELETE FROM letter")
        subscriptions.subscribe(desk, reader.id, "papers", "query", "text embedding", now=MONDAY)
        if who == "ann":
            subscriptions.subscribe(desk, reader.id, "papers", "trending", now=MONDAY)
    desk.close()
    source.add("a", "text embedding", title="First")
    source.add("b", "embedding text", title="Second")
    source.add("c", "cooking", title="Third")
    return source


class Dying(Smtp):
    """Killed when the nth mail is marked as on its way, before its content leaves."""

    left = 0

    def send(self, recipient, content, before_content):
        def mark():
            before_content()
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        super().send(recipient, content, mark)


def run(path, source, port, *times, statement=0, mail=0):
    """Runs at these times in a process of their own; whether it was killed."""
    child = os.fork()
    if child == 0:
        desk = opened(path)
        count = 0

        def trace(sql):
            nonlocal count
            count += sql.lstrip().upper().startswith(WRITES)
            if count == statement:
                os.kill(os.getpid(), signal.SIGKILL)

        desk.db.set_trace_callback(trace if statement else None)
        smtp = Dying(SmtpSettings("127.0.0.1", port, "none"), SENDER.address)
        smtp.left = mail
        for now in times:
            digests.run(desk, {"papers": source}, SENDER, smtp, now)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def main(folder, port):
    for kind in ("statement", "mail"):
        for n in range(1, 500):
            path = Path(folder, f"{kind}{n}.sqlite")
            source = prepare(path, f"{kind}{n}")
            killed = run(path, source, port, NINE, **{kind: n})
            run(path, source, port, NINE + HOUR, NINE + DAY)
            print(f"{kind}{n}", flush=True)
            if not killed:
                print("end", flush=True)
                break


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
