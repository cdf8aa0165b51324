"""Apply a trained hypernetwork: one row for each token of any vocabulary, without training.

Source: ZeTT (arXiv:2405.07883), sections 3.2 and 4.3. A fine-tuned sibling of the hypernetwork's model gets the rows that its
own model would get; its other weights stay. Special tokens keep the rows of the model that is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vecloom.encoders.protocol import Vectors
from vecloom.errors import ModelError, UsageError
from vecloom.extend.vocabulary.methods import Context, spare_row
from vecloom.extend.zett.forms import as_array, form
from vecloom.extend.zett.storage import Trained, load

if TYPE_CHECKING:
    from vecloom.extend.vocabulary.alignment import Alignment


def zett(
    table: Vectors, alignment: Alignment, context: Context, *, hypernetwork: str = "", copy: bool = False
) -> Vectors:
    """Rows that a hypernetwork predicts.

    Args:
        table: (V, c) float32: rows of the hypernetwork's model, or of a sibling with the same vocabulary.
        alignment: of the vocabularies.
        context: not used.
        hypernetwork: folder of a trained one.
        copy: shared tokens keep their rows, and only new ones are predicted; the paper predicts all.

    Returns:
        (V', c) float32.

    Raises:
        UsageError: no hypernetwork was named, or there is none.
        ModelError: it is broken, or of another vocabulary than the model.
    """
    if not hypernetwork:
        raise UsageError(
            "The method zett needs a hypernetwork.",
            "Train one with 'vecloom extend hypernetwork', and name it: --hypernetwork H.",
        )
    trained = load(hypernetwork)
    check_belongs(trained, table, alignment, hypernetwork)
    rows = predicted_rows(trained, alignment)
    kept = alignment.special | (alignment.copied >= 0) if copy else alignment.special
    known = np.flatnonzero(kept & (alignment.copied >= 0))
    rows[known] = table[alignment.copied[known]]
    rows[alignment.special & (alignment.copied < 0)] = spare_row(table, alignment)
    return rows


def predicted_rows(trained: Trained, alignment: Alignment) -> Vectors:
    """A row for each id of the target, in the columns of the model's own rows: (V', c) float32; special tokens' mean nothing."""
    import torch

    shape = trained.network.shape
    surfaces = alignment.target.by_id
    forms = []
    for number, pieces in enumerate(alignment.pieces):
        found = form(pieces, surfaces.get(number) or b"", shape.vocabulary, shape.length)
        forms.append(
            found or (0,)
        )  # a special token, or a gap in the ids: some row, for it is overwritten or never read
    distinct = list(dict.fromkeys(forms))
    numbers = {found: number for number, found in enumerate(distinct)}
    predicted = trained.network.predict(torch.from_numpy(as_array(distinct))).numpy()
    rows = np.empty((alignment.size, shape.columns), np.float32)
    order = [numbers[found] for found in forms]
    for part, (start, stop) in zip(shape.parts, trained.places, strict=True):
        rows[:, start:stop] = predicted[order][:, part]
    return rows


def check_belongs(trained: Trained, table: Vectors, alignment: Alignment, name: str) -> None:
    """Have a hypernetwork of the model's own vocabulary.

    Raises:
        ModelError: tokens or columns differ.
    """
    shape = trained.network.shape
    of = trained.record.get("model", {}).get("name", "another model")
    todo = f"Give {of} or a model that was tuned from it, or train a hypernetwork for this one."
    if table.shape[1] != shape.columns:
        raise ModelError(
            f"The hypernetwork {name} predicts rows of {shape.columns} numbers, and the model's have {table.shape[1]}.",
            todo,
        )
    theirs, ours = trained.tokenizer.get_vocab(), alignment.source.ids
    if theirs != ours or shape.vocabulary != len(table):
        other = next((token for token, number in ours.items() if theirs.get(token) != number), None)
        where = f": it differs at {other!r}" if other is not None else ""
        raise ModelError(f"The hypernetwork {name} was trained for {of}, which has another vocabulary{where}.", todo)
