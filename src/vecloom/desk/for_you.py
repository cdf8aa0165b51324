"""For you: what is new and near to what a reader kept, by a linear support vector machine on stored vectors.

A document's vector is the sum of its chunks' unit vectors, scaled to length 1. Positives are what the reader saved, up-voted or
tagged (for a tag's own list: what carries it); negatives are what was hidden and a random sample of the index, 10 for each
positive, drawn with a fixed seed. A linear SVM (C = 0.01, classes balanced: arxiv-sanity-lite's choice on tf-idf) is fitted, and
items that came in the last days and that the reader has not touched are ranked by its decision value. The reason given is the
nearest positive. With fewer than 3 positives there is nothing to learn from: what trends is given instead, and says so.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vecloom.desk.items import BY_DATE, COLUMNS, Item, Library, from_row
from vecloom.desk.sources import Source
from vecloom.desk.state import Desk
from vecloom.desk.trending import top
from vecloom.encoders.protocol import Vectors
from vecloom.search.catalogue import Chunks

LEAST_POSITIVES = 3
NEGATIVES_EACH = 10
PENALTY = 0.01  # arxiv-sanity-lite's C
SEED = 0
DAYS = 7
MOST = 200
DAY = 86_400
NOT_YET = "trending; this list learns from {} papers that you kept, so far there are {}"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An item, how it was ranked (decision value, or trending score), and why it is here."""

    item: Item
    score: float
    reason: str


def for_you(
    desk: Desk,
    library: Library,
    reader_id: int,
    index_name: str,
    now: int,
    *,
    tag: str | None = None,
    days: int = DAYS,
    limit: int = MOST,
) -> list[Suggestion]:
    """Items of an index that a reader may want, best first.

    Args:
        desk: the desk.
        library: has the index.
        reader_id: whose marks count.
        index_name: where to look.
        now: seconds since 1970.
        tag: learn from what carries this tag alone.
        days: only items added in so many days.
        limit: at most so many.
    """
    positives = _positives(desk, reader_id, index_name, tag)
    touched, since = _touched(desk, reader_id), now - days * DAY
    if len(positives) < LEAST_POSITIVES:
        why = NOT_YET.format(LEAST_POSITIVES, len(positives))
        if tag is not None:
            return []
        found = top(desk, index_name, now, limit + len(touched))
        young_ones = [(item, score) for item, score in found if item.id not in touched and item.added_at >= since]
        return [Suggestion(item, score, why) for item, score in young_ones[:limit]]
    young = _young(desk, index_name, since, touched)
    negatives = _negatives(desk, reader_id, index_name, positives)
    return rank(library[index_name], positives, negatives, young)[:limit]


def rank(
    source: Source, positives: Sequence[Item], negatives: Sequence[Item], young: Sequence[Item]
) -> list[Suggestion]:
    """Fit on positives and negatives, and rank ``young`` by decision value; ties by date, then number."""
    every = {item.doc_id: item for item in (*positives, *negatives, *young)}
    vectors = document_vectors(source.chunks(list(every)))
    good = [item for item in positives if item.doc_id in vectors]
    bad = [item for item in negatives if item.doc_id in vectors]
    asked = [item for item in young if item.doc_id in vectors]
    if not good or not bad or not asked:
        return []
    kept = np.stack([vectors[item.doc_id] for item in good])
    new = np.stack([vectors[item.doc_id] for item in asked])
    scores = decide(kept, np.stack([vectors[item.doc_id] for item in bad]), new)
    nearest = (new @ kept.T).argmax(axis=1)
    found = [
        Suggestion(item, float(score), f"like “{good[near].title}”, which you kept")
        for item, score, near in zip(asked, scores, nearest, strict=True)
    ]
    return sorted(found, key=lambda one: (one.score, one.item.newness), reverse=True)


def decide(positives: Vectors, negatives: Vectors, asked: Vectors) -> npt.NDArray[np.float64]:
    """Decision values ``(k,)`` of ``asked`` ``(k, d)`` by a linear SVM between ``(m, d)`` and ``(n, d)`` unit vectors."""
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=PENALTY, class_weight="balanced", random_state=SEED, max_iter=10_000)
    model.fit(np.concatenate([positives, negatives]), np.repeat([1, 0], [len(positives), len(negatives)]))
    values: npt.NDArray[np.float64] = model.decision_function(asked)
    return values


def document_vectors(chunks: Chunks) -> dict[str, Vectors]:
    """Document -> ``(dim,)``: the sum of its chunks' unit vectors, scaled to length 1; those without direction are left out."""
    sums = dict[str, Vectors]()
    for name, vector in zip(chunks.documents, chunks.vectors, strict=True):
        sums[name] = sums[name] + vector if name in sums else vector
    lengths = {name: float(np.linalg.norm(total)) for name, total in sums.items()}
    return {name: total / lengths[name] for name, total in sums.items() if lengths[name] > 1e-6}


def _positives(desk: Desk, reader_id: int, index_name: str, tag: str | None) -> list[Item]:
    chosen = "SELECT item_id FROM tag WHERE reader_id = :reader"
    if tag is not None:
        chosen += " AND name = :tag"
    else:
        chosen += " UNION SELECT item_id FROM event WHERE reader_id = :reader AND kind IN ('save', 'upvote')"
    query = f"SELECT {COLUMNS} FROM item WHERE index_name = :name AND present AND id IN ({chosen}) ORDER BY id"
    values = {"reader": reader_id, "name": index_name, "tag": tag}
    return [from_row(row) for row in desk.db.execute(query, values)]


def _touched(desk: Desk, reader_id: int) -> set[int]:
    query = "SELECT item_id FROM event WHERE reader_id = :id UNION SELECT item_id FROM tag WHERE reader_id = :id"
    return {row[0] for row in desk.db.execute(query, {"id": reader_id})}


def _young(desk: Desk, index_name: str, since: int, touched: set[int]) -> list[Item]:
    query = f"SELECT {COLUMNS} FROM item WHERE index_name = ? AND present AND added_at >= ? ORDER BY id"
    return [from_row(row) for row in desk.db.execute(query, (index_name, since)) if row["id"] not in touched]


def _negatives(desk: Desk, reader_id: int, index_name: str, positives: Sequence[Item]) -> list[Item]:
    """What the reader hid, and the sample."""
    good = {item.id for item in positives}
    rows = desk.db.execute("SELECT id FROM item WHERE index_name = ? AND present ORDER BY id", (index_name,))
    others = [row[0] for row in rows if row[0] not in good]
    hidden = {
        row[0]
        for row in desk.db.execute("SELECT item_id FROM event WHERE reader_id = ? AND kind = 'hide'", (reader_id,))
    }
    drawn = random.Random(SEED).sample(others, min(len(others), NEGATIVES_EACH * len(good)))
    chosen = sorted({*drawn, *(hidden - good)})
    query = f"SELECT {COLUMNS} FROM item WHERE id = ? AND index_name = ? AND present"
    found = (desk.db.execute(query, (number, index_name)).fetchone() for number in chosen)
    return [from_row(row) for row in found if row is not None]


# ---- kept, so that a page answers at once ------------------------------------------------------------------------------


def refresh(desk: Desk, library: Library, reader_id: int, index_name: str, now: int) -> bool:
    """Compute a reader's list anew where marks or items changed since, and keep it; whether that was so.

    Call it in the background; ``kept`` gives the last list meanwhile.
    """
    stamp = _stamp(desk, reader_id, index_name, now)
    query = "SELECT stamp FROM suggestion_state WHERE reader_id = ? AND index_name = ?"
    row = desk.db.execute(query, (reader_id, index_name)).fetchone()
    if row is not None and row["stamp"] == stamp:
        return False
    found = for_you(desk, library, reader_id, index_name, now)
    with desk.transaction() as db:
        db.execute(
            "DELETE FROM suggestion WHERE reader_id = ? AND item_id IN (SELECT id FROM item WHERE index_name = ?)",
            (reader_id, index_name),
        )
        db.executemany(
            "INSERT INTO suggestion (reader_id, item_id, score, reason) VALUES (?, ?, ?, ?)",
            ((reader_id, one.item.id, one.score, one.reason) for one in found),
        )
        values = (reader_id, index_name, stamp, now)
        db.execute(
            "INSERT OR REPLACE INTO suggestion_state (reader_id, index_name, stamp, at) VALUES (?, ?, ?, ?)", values
        )
    return True


def computed(desk: Desk, reader_id: int, index_name: str) -> bool:
    """Whether ``refresh`` ever made this list."""
    query = "SELECT 1 FROM suggestion_state WHERE reader_id = ? AND index_name = ?"
    return desk.db.execute(query, (reader_id, index_name)).fetchone() is not None


def kept(desk: Desk, reader_id: int, index_name: str) -> list[Suggestion]:
    """The list that ``refresh`` made last, best first, without what the reader hid since."""
    query = f"""
      SELECT {COLUMNS}, score, reason FROM suggestion JOIN item ON item.id = item_id
      WHERE suggestion.reader_id = :reader AND index_name = :name AND present AND item.id NOT IN
        (SELECT item_id FROM event WHERE reader_id = :reader AND kind = 'hide')
      ORDER BY score DESC, {BY_DATE}"""
    rows = desk.db.execute(query, {"reader": reader_id, "name": index_name})
    return [Suggestion(from_row(row), row["score"], row["reason"]) for row in rows]


def _stamp(desk: Desk, reader_id: int, index_name: str, now: int) -> str:
    """Changes with the reader's marks, the index, and the day (items grow old)."""
    query = """
      SELECT (SELECT stamp FROM shelf WHERE index_name = :name),
        (SELECT count(*) || ' ' || coalesce(max(id), 0) FROM event WHERE reader_id = :reader),
        (SELECT group_concat(item_id || ' ' || name, '|') FROM
          (SELECT item_id, name FROM tag WHERE reader_id = :reader ORDER BY item_id, name))"""
    row = desk.db.execute(query, {"name": index_name, "reader": reader_id}).fetchone()
    return "|".join(map(str, (*row, now // DAY)))
