"""R(D) of a finite source by the algorithm of R. E. Blahut and S. Arimoto (1972), with bounds: Eqs. (2) and (3).

Notation of the paper: p(x) is the source, q(x̂|x) the stochastic map (a row for each x), q(x̂) its output distribution,
d(x, x̂) the distortion. β ≥ 0 is the slope −dR/dD in nats per unit of distortion; rates are in bits.

For a given β the map that minimises I(X; X̂) + β E d(X, X̂) satisfies three equations,

    q(x̂|x) = q(x̂) exp(−β d(x, x̂)) / Z(x)         Z(x) = Σ_x̂ q(x̂) exp(−β d(x, x̂))
    c(x̂)   = Σ_x p(x) exp(−β d(x, x̂)) / Z(x)      c(x̂) = 1 where q(x̂) > 0, c(x̂) ≤ 1 elsewhere
    q(x̂)  ← q(x̂) c(x̂) = Σ_x p(x) q(x̂|x)

and the algorithm applies them in turn. Whatever q(x̂) is reached, the dual problem certifies it:

    I − log max c + Σ q c log c  ≤  R(D)  ≤  I         I, D: those of q(x̂|x), with the output distribution q c

Near a letter whose mass vanishes, and for smooth distortions, the third line converges like 1/n: 1e-9 bits would take
1e9 updates. Where it no longer divides the gap by five, Newton steps replace it (`_newton`): ten to twenty suffice.

For a given D in place of β, the maximum over β of −Σ p log Z − β D is also convex in q(x̂). The same steps minimise it;
each update first finds the β at which the map has the distortion D (`_slope_at`).
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.special import logsumexp, xlogy

from .._validation import (
    Array,
    as_count,
    as_distortions,
    as_nonnegative,
    as_positive,
    as_probabilities,
    as_vector,
    as_weights,
)

__all__ = [
    "ConvergenceWarning", "RateDistortionCurve", "RateDistortionPoint", "blahut_arimoto", "rate_distortion_curve",
]  # fmt: skip

FIXED_POINT_CONTRACTION = 0.2  # of the gap, per update: where it does less, Newton takes over
BARRIER_SHARE = 0.1  # of the gap that the next Newton step may leave
BOUNDARY_SHARE = 0.99  # of the way to zero mass that one step may go
SLOPE_STEPS = 100  # at most; a handful from the slope of the update before
RETURNING_MASS = 0.01  # shared out evenly before a warm start, so that letters without mass can return


class ConvergenceWarning(RuntimeWarning):
    """An iteration ended before it reached its tolerance."""


class RateDistortionPoint(NamedTuple):
    """A point of R(D), rates in bits, with its certificate and the map that attains it."""

    rate: float  #: I(X; X̂) of `conditional`, which is the upper bound
    distortion: float  #: E d(X, X̂) of `conditional`
    lower_bound: float  #: of R at that distortion
    upper_bound: float  #: of R at that distortion
    conditional: Array  #: q(x̂|x), shape (n, m), rows of sum 1; q(x̂) in the row of a symbol of probability 0
    n_iterations: int  #: updates of q(x̂)
    slope: float  #: β of `conditional`; infinite at the least D that is possible


class RateDistortionCurve(NamedTuple):
    """R(D) at k slopes β: arrays of shape (k,) of what `RateDistortionPoint` holds."""

    slope: Array  #: β, in nats per unit of distortion
    rate: Array
    distortion: Array
    lower_bound: Array
    upper_bound: Array
    n_iterations: npt.NDArray[np.int_]


def blahut_arimoto(
    p_x: npt.ArrayLike,
    distortion_matrix: npt.ArrayLike,
    slope: float | None = None,
    *,
    distortion: float | None = None,
    tolerance: float = 1e-9,
    max_iterations: int = 1000,
    initial: npt.ArrayLike | None = None,
) -> RateDistortionPoint:
    """Return R(D) = min I(X; X̂) subject to E d ≤ D, at a given D or where the curve has the slope −β: Eqs. (2) and (3).

    q(x̂|x) ∝ q(x̂) exp(−β d(x, x̂)), q(x̂) = Σ_x p(x) q(x̂|x), until the bounds on R at the distortion reached agree.
    Where R(D) is nearly straight, the point found for a slope may lie elsewhere along the straight part: only
    R ln 2 + β D is minimal.

    Parameters
    ----------
    p_x, distortion_matrix : array_like, shapes (n,) and (n, m)
        p(x), whose sum is 1 up to rounding (1e-9) and is divided out; and d(x, x̂) ≥ 0, where infinity forbids a pair.
    slope, distortion : float
        One of the two: β ≥ 0, in nats per unit of distortion (at 0: the smallest D at rate 0, if one letter serves
        every symbol); or D, at least Σ p(x) min d(x, x̂). Where R(D) is 0, the smallest D of rate 0 is returned.
    tolerance, max_iterations : float and int
        Largest gap between the bounds, in bits (rounding is at about 1e-13); and number of updates of q(x̂).
    initial : array_like, shape (m,), optional
        q(x̂) to start from, such as that of a neighbouring point of the curve; uniform if not given.

    Returns
    -------
    RateDistortionPoint
        With a `ConvergenceWarning` if `max_iterations` is too small; the bounds still hold.

    Examples
    --------
    >>> hamming = [[0, 1], [1, 0]]
    >>> point = blahut_arimoto([0.5, 0.5], hamming, slope=2.0)
    >>> print(f"R = {point.rate:.8f} bits at D = {point.distortion:.8f} = 1/(1 + e²)")
    R = 0.47293466 bits at D = 0.11920292 = 1/(1 + e²)
    >>> point = blahut_arimoto([0.5, 0.5], hamming, distortion=0.1)
    >>> print(f"R = {point.rate:.8f} bits at D = {point.distortion:.2f}, where the slope is ln 9 = {point.slope:.4f}")
    R = 0.53100441 bits at D = 0.10, where the slope is ln 9 = 2.1972
    """
    if (slope is None) == (distortion is None):
        raise TypeError(f"give one of slope and distortion, got slope={slope} and distortion={distortion}")
    p = _as_source(p_x)
    d = as_distortions(distortion_matrix, "distortion_matrix", p)
    tolerance, max_iterations = as_positive(tolerance, "tolerance"), as_count(max_iterations, "max_iterations")
    excess, within = _excess(p, d), None  # within: what Σ p(x) min d(x, x̂) leaves of D
    if distortion is None:
        beta = as_nonnegative(slope, "slope")  # type: ignore[arg-type]
    else:
        beta, within = _at_distortion(p, d, as_nonnegative(distortion, "distortion"))
    log_q, log_p = _log_start(p, d, beta, initial), _log(p)[:, None]
    previous_gap = barrier = math.inf
    for n_iterations in range(max_iterations + 1):
        if within is not None:
            beta = _slope_at(within, log_q, p, excess, beta)
        Q, log_Z = _map(log_q, excess, beta)
        log_c = logsumexp(log_p + _log_boltzmann(excess, beta) - log_Z, axis=0)
        gap = -xlogy(p @ Q, np.exp(log_c - log_c.max())).sum() / math.log(2)  # log max c − Σ q c log c
        if gap <= tolerance or n_iterations == max_iterations:
            break
        if barrier == math.inf and gap <= FIXED_POINT_CONTRACTION * previous_gap:
            log_q, previous_gap = log_q + log_c, gap
        else:
            barrier = min(barrier, BARRIER_SHARE * gap * math.log(2) / log_q.size)  # falling, or it can cycle
            log_q = _newton(log_q, p, Q, barrier, None if within is None else excess)
    if gap > tolerance:
        message = f"the bounds on R still differ by {gap:.3g} bits after {max_iterations} iterations (they hold)"
        warnings.warn(f"{message}: raise max_iterations or tolerance", ConvergenceWarning, stacklevel=2)
    rate, reached = _information(p, Q) / math.log(2), _expected_distortion(p, Q, d)
    return RateDistortionPoint(rate, reached, max(0.0, rate - gap), rate, Q, n_iterations, beta)


def rate_distortion_curve(
    p_x: npt.ArrayLike,
    distortion_matrix: npt.ArrayLike,
    slopes: npt.ArrayLike,
    *,
    tolerance: float = 1e-9,
    max_iterations: int = 1000,
) -> RateDistortionCurve:
    """Return R(D) at several slopes, each point started from the previous output distribution.

    Parameters
    ----------
    p_x, distortion_matrix, slopes, tolerance, max_iterations : as for `blahut_arimoto`
        The slopes β are an array of shape (k,), in any order; sorted is fastest.

    Returns
    -------
    RateDistortionCurve
        The points, in the order of the slopes.

    Examples
    --------
    >>> curve = rate_distortion_curve([0.5, 0.5], [[0, 1], [1, 0]], slopes=[0, 2, 4])
    >>> print(*(f"R({D:.4f}) = {R:.4f}" for D, R in zip(curve.distortion, curve.rate)), sep=", ")
    R(0.5000) = 0.0000, R(0.1192) = 0.4729, R(0.0180) = 0.8700
    """
    slopes, p = as_weights(slopes, "slopes"), _as_source(p_x)
    options: dict[str, Any] = {"tolerance": tolerance, "max_iterations": max_iterations}
    points, initial = [], None
    for slope in slopes:
        points.append(blahut_arimoto(p, distortion_matrix, slope, initial=initial, **options))
        initial = p @ points[-1].conditional
    columns = {name: np.array([getattr(point, name) for point in points]) for name in RateDistortionCurve._fields}
    return RateDistortionCurve(**columns)


def _newton(log_q: Array, p: Array, Q: Array, t: float, excess: Array | None) -> Array:
    """One Newton step for min −Σ p log Z + Σ q − t Σ log q, in the relative change u of q.

    Its optimality condition is q (1 − c) = t: with t → 0, c = 1 where q > 0 and c ≤ 1 elsewhere.
    With r = q c and the Boltzmann map Q in place of exp(−β d),

        (Qᵀ diag(p) Q + diag(w)) u = r − q + t,      q ← q (1 + u)

    where w = q − r for letters on their way out and t for the others. (With diag(q) for the matrix, and t = 0, this is
    q ← q c.) The rows of Qᵀ diag(p) Q sum to r ≤ 1: a few eps on its diagonal keep it positive definite in rounding.
    For a given D, `excess` adds a aᵀ/v to the matrix, the part of β: a_j = Σ p q(x̂_j|x) (d − E d), v = Σ p var d.
    """
    q, r = np.exp(log_q), p @ Q
    w = np.maximum(q - r, max(t, 4 * np.finfo(float).eps))
    H = (Q.T * p) @ Q + np.diag(w)
    if excess is not None:
        away, variance = _spread(p, Q, excess)
        a = p @ away
        H += np.outer(a, a / variance) if variance > 0 else 0.0
    u = cho_solve(cho_factor(H), r - q + t)
    return log_q + np.log1p(u * min(1.0, BOUNDARY_SHARE / max(-u.min(), BOUNDARY_SHARE)))


def _as_source(p_x: npt.ArrayLike) -> Array:
    p = as_probabilities(p_x, "p_x")
    return p / math.fsum(p)  # a table with ten decimals passes; bounds within 1e-9 need the exact sum


def _excess(p: Array, d: Array) -> Array:
    """d(x, x̂) − min d(x, ·): what divides out would be lost to rounding where β d is large."""
    occurs = p[:, None] > 0  # a symbol that never comes forbids nothing
    least = d.min(axis=1, keepdims=True, where=occurs, initial=math.inf)
    excess = np.subtract(d, least, out=np.zeros_like(d), where=occurs & np.isfinite(d))
    return np.where(occurs & np.isinf(d), math.inf, excess)


def _log_boltzmann(excess: Array, beta: float) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):  # β d beyond 1e308 forbids as infinity does
        return np.where(excess > 0, np.where(np.isinf(excess), -math.inf, -beta * excess), 0.0)


def _map(log_q: Array, excess: Array, beta: float) -> tuple[Array, Array]:
    """Return q(x̂|x) = q(x̂) exp(−β d)/Z and log Z."""
    log_joint = log_q + _log_boltzmann(excess, beta)
    log_Z = logsumexp(log_joint, axis=1, keepdims=True)
    return np.exp(log_joint - log_Z), log_Z


def _spread(p: Array, Q: Array, excess: Array) -> tuple[Array, float]:
    """Return q(x̂|x) (d − E d), and the mean over x of the variance of d: minus the derivative of E d by β."""
    d = np.where(Q > 0, excess, 0.0)
    away = d - (Q * d).sum(axis=1, keepdims=True)
    return Q * away, float(p @ (Q * away**2).sum(axis=1))


def _at_distortion(p: Array, d: Array, distortion: float) -> tuple[float, float | None]:
    """Return a slope to start from, and D less the least that is possible; None where the slope is known."""
    occurs = p > 0
    least = float(p[occurs] @ d[occurs].min(axis=1))
    if distortion < least * (1 - 1e-15):
        raise ValueError(f"distortion must be at least {least:.6g}, which no map goes below, got {distortion:.6g}")
    if distortion >= (p[occurs] @ d[occurs]).min():
        return 0.0, None
    if distortion <= least * (1 + 1e-15):
        return math.inf, None
    return 1 / (distortion - least), distortion - least


def _slope_at(D: float, log_q: Array, p: Array, excess: Array, beta: float) -> float:
    """Return the β ≥ 0 at which the map has E d = D, or 0 if that has less, by bracketed Newton steps on log E d."""
    low, high, guess, beta = 0.0, math.inf, beta or 1 / D, 0.0
    for _ in range(SLOPE_STEPS):
        Q, _ = _map(log_q, excess, beta)
        mean, (_, variance) = _expected_distortion(p, Q, excess), _spread(p, Q, excess)
        if abs(mean - D) <= 1e-15 * D or low >= (1 - 1e-15) * high or (beta == 0 and mean <= D):
            break
        low, high = (beta, high) if mean > D else (low, beta)
        step = beta + math.log(mean / D) * mean / variance if mean > 0 and variance > 0 else math.inf
        if beta == 0:
            beta = guess
        else:
            beta = step if low < step < high and step < 10 * beta else min((low + high) / 2, 2 * beta)
    return beta


def _log_start(p: Array, d: Array, beta: float, initial: npt.ArrayLike | None) -> Array:
    m = d.shape[1]
    average = p[p > 0] @ d[p > 0]
    if initial is not None:
        q = as_probabilities(as_vector(initial, "initial", m), "initial")
        q = (1 - RETURNING_MASS) * q + RETURNING_MASS / m
    else:
        q = np.full(m, 1 / m)
    if beta == 0 and np.isfinite(average).any():  # every distribution on such letters has rate 0: take the best letter
        q = np.eye(m)[average.argmin()]
    return _log(q)


def _log(probability: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(probability)


def _information(p: Array, Q: Array) -> float:
    joint = p[:, None] * Q
    ratio = np.divide(Q, p @ Q, out=np.ones_like(Q), where=joint > 0)
    return max(0.0, float(xlogy(joint, ratio).sum()))  # I ≥ 0; its rounding need not be


def _expected_distortion(p: Array, Q: Array, d: Array) -> float:
    joint = p[:, None] * Q
    return float(np.multiply(joint, d, out=np.zeros_like(d), where=joint > 0).sum())
