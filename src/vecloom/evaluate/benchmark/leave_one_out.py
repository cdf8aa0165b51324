"""How well the scores of one task follow from those of all others: predictions for models that were left out.

Source: MMTEB's task selection (mteb's ``task_selection`` module until 2025-05): for each task t and each model i a
LinearRegression is fitted on all other models, from their scores on all other tasks to their scores on t, and predicts
model i. With M models and T tasks these are M x T fits. Ours: all tasks of a left-out model from one decomposition.

Let X ``(M - 1, T)`` hold the other models' scores, centred, and z the left-out model's, less the same means.
scikit-learn centres, then takes the least-squares coefficients of smallest norm, with fewer models than tasks too (no
ridge: this is what the authors ran). With N the projection on the null space of X and G = (X'X)+, the coefficients
that predict column t from the others are

- -N[j, t] / N[t, t] where the others span column t: since X N = 0 they reproduce it, and they are orthogonal to every
  null vector that is 0 at t, so that no other solution is shorter;
- -G[j, t] / G[t, t] where N[t, t] = 0: the known form of partial regression.

Either way the prediction is score[i, t] - (W z)[t] / W[t, t], with W = N or G. Where rank is a matter of rounding (a
singular value, or what column t adds to one, near scikit-learn's cut-off), its own LinearRegression is fitted instead.

When to use it: to select tasks. When not: to predict scores of a model that nobody has run; with few models these are
interpolations, not estimates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SURE = 1e-5  # of the largest singular value: above it no scikit-learn takes a direction for noise (1.9 cuts at 1e-6)
ZERO = 1e-12  # below it every one does


def linear_predictions(values: Floats) -> Floats:
    """Leave-one-out predictions by LinearRegression: ``(M, T)`` of scores ``(M, T)``, M >= 3, T >= 2.

    Equals ``estimator_predictions(values, LinearRegression())`` up to rounding (1e-8), and is much faster.
    """
    predicted = np.empty_like(values)
    for row, asked in enumerate(values):
        others = np.delete(values, row, axis=0)
        predicted[row], sure = _row_predictions(others, asked)
        for column in np.flatnonzero(~sure):
            predicted[row, column] = _fitted(others, asked, int(column), None)
    return predicted


def estimator_predictions(values: Floats, estimator: Any) -> Floats:
    """The same by any scikit-learn regressor, cloned for each of the M x T fits."""
    predicted = np.empty_like(values)
    for row, asked in enumerate(values):
        others = np.delete(values, row, axis=0)
        predicted[row] = [_fitted(others, asked, column, estimator) for column in range(len(asked))]
    return predicted


def _row_predictions(others: Floats, asked: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Predictions ``(T,)`` for one model, and where they can be trusted."""
    means = others.mean(axis=0)
    _, sizes, rows = np.linalg.svd(others - means, full_matrices=False)
    rank = int((sizes > ZERO * sizes[0]).sum())
    if not rank:  # the others all scored the same
        return means, np.ones(len(asked), bool)
    least = sizes[rank - 1] / sizes[0]
    if least <= SURE:
        return means, np.zeros(len(asked), bool)
    null = np.linalg.qr(rows[:rank].T, mode="complete")[0][:, rank:]  # (T, T - rank), N = null null'
    inverse = rows[:rank].T / sizes[:rank]  # (T, rank), G = inverse inverse'
    free = np.linalg.norm(null, axis=1)  # what column t adds to the smallest singular value is at least least * free
    spanned, alone = least * free > SURE, free <= ZERO
    centred = asked - means
    share = np.where(spanned, _share(null, centred), _share(inverse, centred))
    return asked - share, spanned | alone


def _share(factor: Floats, centred: Floats) -> Floats:
    """(W z)[t] / W[t, t] for every t, with W = factor factor'; 0 where W[t, t] is 0."""
    product, diagonal = factor @ (factor.T @ centred), (factor**2).sum(axis=1)
    share: Floats = np.divide(product, diagonal, out=np.zeros_like(centred), where=diagonal > 0)
    return share


def _fitted(others: Floats, asked: Floats, column: int, estimator: Any) -> float:
    from sklearn.base import clone
    from sklearn.linear_model import LinearRegression

    regressor = LinearRegression() if estimator is None else clone(estimator)
    regressor.fit(np.delete(others, column, axis=1), others[:, column])
    return float(np.ravel(regressor.predict(np.delete(asked, column)[None, :]))[0])
