"""The information bottleneck: the least T must say about X to tell Y (N. Tishby, F. Pereira, W. Bialek 1999).

It is Eqs. (2) and (3) with letters r_t(y), which are distributions of Y, and d(x, t) = KL(p(y|x) ‖ r_t): with the best
letters, r_t(y) = p(y|t), the mean distortion is I(X; Y) − I(T; Y). `blahut_arimoto` gives the map for given letters,
and each letter moves to the mean of p(y|x) under q(x|t): both steps lower I(X; T) + β (I(X; Y) − I(T; Y)).
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr

from .._validation import Array, as_count, as_matrix, as_positive, as_probabilities, as_weights
from .blahut_arimoto import ConvergenceWarning, blahut_arimoto

__all__ = ["Bottleneck", "information_bottleneck"]


class Bottleneck(NamedTuple):
    """The curve at k slopes: arrays of shape (k,), in bits."""

    slope: Array  #: β
    rate: Array  #: I(X; T)
    information: Array  #: I(T; Y), at most I(X; Y)


def information_bottleneck(
    joint: npt.ArrayLike, slopes: npt.ArrayLike, *, tolerance: float = 1e-9, max_rounds: int = 10_000
) -> Bottleneck:
    """Return the largest I(T; Y) for the I(X; T) at which the curve has the slope dI(X; T)/dI(T; Y) = β.

    The letters start at p(y|x), at p(y) and halfway between. The result is a local optimum: the problem is not convex.

    Parameters
    ----------
    joint, slopes : array_like, shapes (n, m) and (k,)
        p(x, y), of sum 1, for any n and m; and β ≥ 0: up to 1, T says nothing.
    tolerance, max_rounds : float and int
        Stop where a round lowers I(X; T) + β (I(X; Y) − I(T; Y)) by less than this, in bits; and rounds for a slope.

    Returns
    -------
    Bottleneck
        Rate and information; with a `ConvergenceWarning` if `max_rounds` is too small.

    Examples
    --------
    >>> curve = information_bottleneck([[0.5, 0, 0], [0, 0.25, 0.25]], slopes=[0.5, 2.0])  # Y tells X, one bit
    >>> print(curve.rate.round(6), curve.information.round(6))
    [0. 1.] [0. 1.]
    """
    p_xy = as_matrix(joint, "joint")
    as_probabilities(p_xy.ravel(), "joint")
    slopes, tolerance = as_weights(slopes, "slopes"), as_positive(tolerance, "tolerance")
    max_rounds = as_count(max_rounds, "max_rounds")
    p_xy = p_xy[p_xy.sum(axis=1) > 0] / math.fsum(p_xy.ravel())
    p = p_xy.sum(axis=1)
    rows = [_point(p_xy / p[:, None], p / math.fsum(p), beta, tolerance, max_rounds) for beta in slopes]
    return Bottleneck(slopes, *np.array(rows).T)


def _point(given_x: Array, p: Array, beta: float, tolerance: float, max_rounds: int) -> tuple[float, float]:
    """Return I(X; T) and I(T; Y) in bits; `given_x` is p(y|x)."""
    letters, before = np.vstack([given_x, (given_x + p @ given_x) / 2, p @ given_x]), math.inf
    for _ in range(max_rounds):
        found = blahut_arimoto(p, _divergence(given_x, letters), beta, tolerance=tolerance / 10)
        weights = p[:, None] * found.conditional
        weights = weights[:, weights.any(axis=0)]
        letters = (weights / weights.sum(axis=0)).T @ given_x
        d = np.where(weights > 0, _divergence(given_x, letters), 0.0)
        lost = float(np.sum(weights * d)) / math.log(2)
        total = found.rate + beta * lost
        if before - total < tolerance:
            break
        before = total
    else:
        warnings.warn(f"slope {beta:.3g}: raise max_rounds or tolerance", ConvergenceWarning, stacklevel=3)
    information = float(p @ rel_entr(given_x, p @ given_x).sum(axis=1)) / math.log(2)
    return found.rate, information - lost


def _divergence(given_x: Array, letters: Array) -> Array:
    """Return KL(p(y|x) ‖ r_t), shape (n, letters)."""
    return np.maximum(rel_entr(given_x[:, None], letters).sum(axis=2), 0.0)
