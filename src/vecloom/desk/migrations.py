"""The desk's tables, as numbered steps: a database at step n is brought up by the steps after n, each in one transaction.

Times are whole seconds since 1970 in UTC. The number of the last step is SQLite's ``user_version``. A step that was released
is never edited; a change is a new step.
"""

from __future__ import annotations

import sqlite3

from vecloom.errors import DeskError

LOCAL_READER = 1
"""The reader of a desk that one person uses without logging in."""

_ITEMS_AND_MARKS = """
CREATE TABLE item (
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- grows with each commit: what came after an item has a larger id
  index_name TEXT NOT NULL,
  doc_id TEXT NOT NULL,
  title TEXT NOT NULL,
  url TEXT NOT NULL,
  authors TEXT NOT NULL,
  published_at INTEGER,
  added_at INTEGER NOT NULL,
  present INTEGER NOT NULL DEFAULT 1,  -- 0: the index has it no more
  UNIQUE (index_name, doc_id)
);
CREATE INDEX item_by_age ON item (index_name, coalesce(published_at, added_at));
CREATE INDEX item_by_added ON item (index_name, added_at);
CREATE TABLE shelf (index_name TEXT PRIMARY KEY, stamp TEXT NOT NULL);
CREATE TABLE reader (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  email TEXT UNIQUE COLLATE NOCASE,
  confirmed_at INTEGER,
  created_at INTEGER NOT NULL
);
INSERT INTO reader (id, created_at) VALUES (1, CAST(strftime('%s', 'now') AS INTEGER));
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  reader_id INTEGER NOT NULL REFERENCES reader ON DELETE CASCADE,
  item_id INTEGER NOT NULL REFERENCES item ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('view', 'save', 'upvote', 'hide')),
  day TEXT NOT NULL,  -- of a view; '' for the others, of which there is one at most
  at INTEGER NOT NULL,
  UNIQUE (reader_id, item_id, kind, day)
);
CREATE INDEX event_by_item ON event (item_id);
CREATE TABLE tag (
  reader_id INTEGER NOT NULL REFERENCES reader ON DELETE CASCADE,
  item_id INTEGER NOT NULL REFERENCES item ON DELETE CASCADE,
  name TEXT NOT NULL,
  PRIMARY KEY (reader_id, item_id, name)
);
CREATE TABLE signing_key (version INTEGER PRIMARY KEY AUTOINCREMENT, secret BLOB NOT NULL, created_at INTEGER NOT NULL);
CREATE TABLE used_token (mac TEXT PRIMARY KEY, at INTEGER NOT NULL);
CREATE TABLE session (
  digest TEXT PRIMARY KEY,
  reader_id INTEGER NOT NULL REFERENCES reader ON DELETE CASCADE,
  expires_at INTEGER NOT NULL
);
"""

_SUBSCRIPTIONS_AND_MAIL = """
CREATE TABLE subscription (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  reader_id INTEGER NOT NULL REFERENCES reader ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('query', 'tag', 'for_you', 'trending')),
  index_name TEXT NOT NULL,
  query TEXT NOT NULL DEFAULT '',
  mode TEXT NOT NULL CHECK (mode IN ('vector', 'keyword', 'hybrid')),
  filters TEXT NOT NULL DEFAULT '',
  threshold REAL NOT NULL,
  max_items INTEGER NOT NULL CHECK (max_items > 0),
  period TEXT NOT NULL CHECK (period IN ('daily', 'weekly')),
  hour INTEGER NOT NULL CHECK (hour BETWEEN 0 AND 23),
  timezone TEXT NOT NULL,
  active INTEGER NOT NULL DEFAULT 1,
  failures INTEGER NOT NULL DEFAULT 0,  -- permanent refusals in a row
  seen_item INTEGER NOT NULL,  -- items up to here were looked at
  created_at INTEGER NOT NULL
);
CREATE TABLE letter (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  reader_id INTEGER NOT NULL REFERENCES reader ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('digest', 'confirm', 'login')),
  message_id TEXT NOT NULL UNIQUE,
  recipient TEXT NOT NULL,
  content BLOB NOT NULL,  -- the whole mail: sent again, it is the same to the byte
  state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sending', 'sent', 'failed', 'dropped')),
  doubtful INTEGER NOT NULL DEFAULT 0,  -- an attempt ended without the server's word: it may have arrived
  attempts INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  next_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  sent_at INTEGER
);
CREATE INDEX letter_waiting ON letter (next_at) WHERE state IN ('queued', 'sending');
CREATE TABLE digest (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  subscription_id INTEGER NOT NULL REFERENCES subscription ON DELETE CASCADE,
  period_key TEXT NOT NULL,
  letter_id INTEGER NOT NULL UNIQUE REFERENCES letter ON DELETE CASCADE,
  since_item INTEGER NOT NULL,  -- what subscription.seen_item was before
  at INTEGER NOT NULL,
  UNIQUE (subscription_id, period_key)
);
CREATE TABLE delivery (
  reader_id INTEGER NOT NULL REFERENCES reader ON DELETE CASCADE,
  item_id INTEGER NOT NULL REFERENCES item ON DELETE CASCADE,
  digest_id INTEGER REFERENCES digest ON DELETE SET NULL,  -- what was delivered stays so without its subscription
  PRIMARY KEY (reader_id, item_id)  -- one reader gets one item once, whatever subscriptions select it
);
CREATE INDEX delivery_by_digest ON delivery (digest_id);
"""

_FOR_YOU = """
CREATE TABLE suggestion (
  reader_id INTEGER NOT NULL REFERENCES reader ON DELETE CASCADE,
  item_id INTEGER NOT NULL REFERENCES item ON DELETE CASCADE,
  score REAL NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (reader_id, item_id)
);
CREATE TABLE suggestion_state (
  reader_id INTEGER NOT NULL REFERENCES reader ON DELETE CASCADE,
  index_name TEXT NOT NULL,
  stamp TEXT NOT NULL,  -- of the marks and items that they were computed from
  at INTEGER NOT NULL,
  PRIMARY KEY (reader_id, index_name)
);
"""

_BY_DATE = """
DROP INDEX item_by_age;
CREATE INDEX item_by_date ON item (index_name, published_at DESC, added_at DESC, id);
"""

MIGRATIONS = (_ITEMS_AND_MARKS, _SUBSCRIPTIONS_AND_MAIL, _FOR_YOU, _BY_DATE)


def migrate(connection: sqlite3.Connection, path: str) -> int:
    """Bring a database to the newest step; safe where several processes do it at once.

    Returns:
        How many steps were done.

    Raises:
        DeskError: a newer vecloom made the database.
    """
    done = 0
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > len(MIGRATIONS):
                raise DeskError(
                    f"{path} is a desk of format {version}; this vecloom knows {len(MIGRATIONS)}.", "Update vecloom."
                )
            if version == len(MIGRATIONS):
                connection.execute("ROLLBACK")
                return done
            for statement in statements(MIGRATIONS[version]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        done += 1


def statements(script: str) -> list[str]:
    """A script's statements; ``executescript`` would commit before it begins, and again after each."""
    found, rest = [], ""
    for line in script.splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            found.append(rest.strip())
            rest = ""
    return found
