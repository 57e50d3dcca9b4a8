"""The stochastic map onto a manifold, reference [5] of the paper, with the information of Eq. (1).

Notation of the paper: N samples x in rows of X, K points μ that stand for the manifold, p(μ|x) the stochastic map
(a row per sample), p(μ) its average over the samples. β is the trade-off, in nats per unit of squared distance.

For a given β the map and the points minimise, together,

    F = D + I/β        D = E |x − μ|²,  I = I(X; M) in nats, Eq. (1)

by three projections in turn, each the exact minimum over one of its arguments, so that F never rises:

    p(μ|x) ∝ p(μ) exp(−β |x − μ|²)        p(μ) = (1/N) Σ_x p(μ|x)        μ = Σ_x x p(x|μ)

The first two are Blahut's and Arimoto's; the third moves the reproduction letters, and makes the problem non-convex:
the result is a local minimum. Annealing (β raised step by step, each from the points of the one before) finds good
ones. No term asks for smoothness: that the points line up along a curve is what the trade-off itself does, as long as
β is below 1/(2 · variance of the noise across the curve). Above that, they spread across it.
"""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import svdvals
from scipy.spatial.distance import cdist
from scipy.special import log_softmax, logsumexp, softmax

from .._validation import Array, as_count, as_generator, as_increasing, as_positive, as_samples
from .blahut_arimoto import ConvergenceWarning

__all__ = ["AnnealingStage", "Manifold", "annealing_slopes", "critical_slope", "optimal_manifold"]

SPLITTING_NOISE = 1e-3  # of the data's standard deviation: points that coincide stay together without it


class AnnealingStage(NamedTuple):
    """What one trade-off came to.

    Parameters
    ----------
    beta : float
        β, in nats per unit of squared distance.
    rate : float
        I(X; M) in bits.
    distortion : float
        E |x − μ|².
    objective : Array, shape (iterations,)
        F = D + I/β after each iteration, with I in nats: in units of squared distance.
    """

    beta: float
    rate: float
    distortion: float
    objective: Array


class Manifold(NamedTuple):
    """Points along the manifold, the stochastic map onto them, and where that lies in the rate-distortion plane.

    Parameters
    ----------
    points : Array, shape (K, d)
        μ. Points that are not needed coincide with others.
    assignments : Array, shape (N, K)
        p(μ|x), rows of sum 1; the mean of its rows is p(μ).
    rate : float
        I(X; M) in bits.
    distortion : float
        The mean of Σ_μ p(μ|x) |x − μ|².
    stages : tuple of AnnealingStage
        One for each β, in order; `rate` and `distortion` are those of the last.
    """

    points: Array
    assignments: Array
    rate: float
    distortion: float
    stages: tuple[AnnealingStage, ...]


def optimal_manifold(
    X: npt.ArrayLike,
    n_points: int,
    betas: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    tolerance: float = 1e-7,
    max_iterations: int = 5000,
) -> Manifold:
    """Return points μ and the map p(μ|x) that minimise D + I(X; M)/β, annealed over a rising sequence of β.

    p(μ|x) ∝ p(μ) exp(−β |x − μ|²), p(μ) = (1/N) Σ_x p(μ|x), μ = Σ_x x p(x|μ), in turn.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Samples.
    n_points : int
        K, the number of points: more than are needed, since those not needed coincide with others.
    betas : array_like, shape (k,)
        Trade-offs in nats per unit of squared distance, rising; the last one counts. `annealing_slopes` proposes some.
    rng : numpy.random.Generator
        Chooses the samples that the points start from, and moves the points a little before each β (by 1e-3 of the
        data's standard deviation), so that those that coincide can part.
    tolerance : float
        A β is done when an iteration lowers F by no more than this times F.
    max_iterations : int
        For one β.

    Returns
    -------
    Manifold
        (points, assignments, rate, distortion, stages), the rate in bits.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite (samples, features) array, `betas` do not rise from above 0, or another argument is out of
        range.

    Warns
    -----
    ConvergenceWarning
        If the last β was not done after `max_iterations`.

    Notes
    -----
    Eq. (1) of the paper; D. Chigirev and W. Bialek, "Optimal manifold representation of data: an information theoretic
    approach", NIPS 2003.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> angle = rng.uniform(0, 2 * np.pi, 200)
    >>> circle = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.normal(size=(200, 2))
    >>> manifold = optimal_manifold(circle, 30, annealing_slopes(circle, 20.0), rng=rng)
    >>> radii = np.linalg.norm(manifold.points, axis=1)
    >>> print(f"within 0.1 of the circle: {abs(radii - 1).max() < 0.1}, at {manifold.rate:.0f} bits")
    within 0.1 of the circle: True, at 3 bits
    """
    X, n_points, betas = as_samples(X, "X"), as_count(n_points, "n_points"), as_increasing(betas, "betas")
    rng, tolerance = as_generator(rng), as_positive(tolerance, "tolerance")
    max_iterations = as_count(max_iterations, "max_iterations")
    points = X[rng.choice(len(X), n_points, replace=n_points > len(X))]
    log_p = np.full(n_points, -math.log(n_points))
    noise, stages = SPLITTING_NOISE * math.sqrt(X.var(axis=0).sum()), []
    for beta in betas:
        points = points + noise * rng.normal(size=points.shape)
        points, log_p, log_map, objective = _descend(X, points, log_p, beta, tolerance, max_iterations)
        distortion, nats = _distortion(X, points, log_map), _information(log_map, log_p)
        stages.append(AnnealingStage(float(beta), nats / math.log(2), distortion, objective))
    if not _settled(objective, tolerance):
        hint = "raise max_iterations or tolerance"
        warnings.warn(f"F still falls after {max_iterations} iterations: {hint}", ConvergenceWarning, stacklevel=2)
    return Manifold(points, np.exp(log_map), stages[-1].rate, stages[-1].distortion, tuple(stages))


def critical_slope(X: npt.ArrayLike) -> float:
    """Return the β = 1/(2 λ_max) up to which all points of the optimal manifold coincide with the mean of the data.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Samples.

    Returns
    -------
    float
        In nats per unit of squared distance; λ_max is the largest variance, that of the first principal component.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite (samples, features) array, or all its samples are equal.

    Notes
    -----
    The slope of the Gaussian R(D) of Eq. (4) where its first component comes in: 1/(2λ) at the level λ = λ_max.

    Examples
    --------
    >>> print(f"{critical_slope([[-2.0, 1.0], [2.0, -1.0]]):.3f}")
    0.100
    """
    X = as_samples(X, "X")
    return 0.5 / as_positive(svdvals(X - X.mean(axis=0))[0] ** 2 / len(X), "the largest variance of X")


def annealing_slopes(X: npt.ArrayLike, beta: float, n_slopes: int = 12) -> Array:
    """Return trade-offs in geometric progression, from where the data first split up to β.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Samples.
    beta : float
        The last trade-off, in nats per unit of squared distance.
    n_slopes : int
        How many, 2 or more.

    Returns
    -------
    Array, shape (n_slopes,)
        From `critical_slope` to `beta`; only `beta`, if that is not above it.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite (samples, features) array or all its samples are equal, or `beta` or `n_slopes` are out of
        range.

    Notes
    -----
    For `optimal_manifold`, Eq. (1) of the paper.

    Examples
    --------
    >>> print(annealing_slopes([[-2.0, 1.0], [2.0, -1.0]], 10.0, n_slopes=3))
    [ 0.1  1.  10. ]
    """
    first, beta, n_slopes = critical_slope(X), as_positive(beta, "beta"), as_count(n_slopes, "n_slopes", minimum=2)
    return np.geomspace(first, beta, n_slopes) if beta > first else np.array([beta])


def _descend(
    X: Array, points: Array, log_p: Array, beta: float, tolerance: float, max_iterations: int
) -> tuple[Array, Array, Array, Array]:
    objective: list[float] = []
    while len(objective) < max_iterations and not _settled(objective, tolerance):
        log_map = log_softmax(log_p - beta * cdist(X, points, "sqeuclidean"), axis=1)  # p(μ|x) ∝ p(μ) exp(−β |x − μ|²)
        log_p = logsumexp(log_map, axis=0) - math.log(len(X))  # p(μ) = (1/N) Σ p(μ|x)
        points = softmax(log_map, axis=0).T @ X  # μ = Σ x p(x|μ)
        objective.append(_distortion(X, points, log_map) + _information(log_map, log_p) / beta)
    return points, log_p, log_map, np.array(objective)


def _settled(objective: Sequence[float] | Array, tolerance: float) -> bool:
    return len(objective) > 1 and bool(objective[-2] - objective[-1] <= tolerance * objective[-1])


def _distortion(X: Array, points: Array, log_map: Array) -> float:
    return float((np.exp(log_map) * cdist(X, points, "sqeuclidean")).sum()) / len(X)


def _information(log_map: Array, log_p: Array) -> float:
    """I(X; M) = Σ p(x, μ) log p(x, μ)/(p(x) p(μ)) in nats, p(x) = 1/N. Eq. (1)."""
    return float((np.exp(log_map) * (log_map - log_p)).sum()) / len(log_map)
