"""The stochastic map onto a manifold, reference [5] of the paper, with the information of Eq. (1).

Notation of the paper: N samples x in rows of X, K points μ that represent the manifold, p(μ|x) the stochastic map
(a row for each sample), p(μ) its average over the samples. β is the trade-off, in nats per unit of squared distance.

For a given β the map and the points together minimise

    F = D + I/β        D = E |x − μ|²,  I = I(X; M) in nats, Eq. (1)

by three projections in turn, each the exact minimum over one of its arguments, so that F never rises:

    p(μ|x) ∝ p(μ) exp(−β |x − μ|²)        p(μ) = (1/N) Σ_x p(μ|x)        μ = Σ_x x p(x|μ)

The first two are Blahut's and Arimoto's. The third moves the reproduction letters and makes the problem non-convex: the
result is a local minimum. Annealing (raising β step by step, each time from the previous points) finds good ones.
No term asks for smoothness: the trade-off itself lines the points up along a curve, as long as β is below
1/(2 · variance of the noise across the curve). Above that, they spread across it.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import svdvals
from scipy.spatial.distance import cdist
from scipy.special import log_softmax, logsumexp, softmax

from .._validation import Array, as_count, as_generator, as_increasing, as_positive, as_samples
from .blahut_arimoto import ConvergenceWarning

__all__ = ["AnnealingStage", "Manifold", "annealing_slopes", "critical_slope", "optimal_manifold"]

SPLITTING_NOISE = 1e-3  # of the data's standard deviation: without it, points that coincide stay together
FLATTEST, LARGEST_EXPONENT = 1e-290, 1e300  # of β, and of β |x − μ|²: I/β and exp(−β |x − μ|²) stay in range


class AnnealingStage(NamedTuple):
    """The result for one trade-off."""

    beta: float  #: β, in nats per unit of squared distance
    rate: float  #: I(X; M) in bits
    distortion: float  #: E |x − μ|²
    objective: Array  #: F = D + I/β after each iteration, with I in nats


class Manifold(NamedTuple):
    """Points along the manifold, the stochastic map onto them, its rate and its distortion."""

    points: Array  #: μ, shape (K, d); points that are not needed coincide with others
    assignments: Array  #: p(μ|x), shape (N, K), rows of sum 1; the mean of the rows is p(μ)
    rate: float  #: I(X; M) in bits
    distortion: float  #: E |x − μ|²
    stages: tuple[AnnealingStage, ...]  #: one for each β; `rate` and `distortion` are those of the last


def optimal_manifold(
    X: npt.ArrayLike,
    n_points: int,
    betas: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    tolerance: float = 1e-7,
    max_iterations: int = 5000,
) -> Manifold:
    """Return points μ and the map p(μ|x) that minimise D + I(X; M)/β, annealed over a rising sequence of β: Eq. (1).

    D. Chigirev, W. Bialek, "Optimal manifold representation of data: an information theoretic approach", NIPS 2003.

    Parameters
    ----------
    X, n_points, betas : array_like, shape (N, d), int, and array_like, shape (k,)
        Samples; K, better too many, since points that are not needed coincide with others; and rising trade-offs, such
        as `annealing_slopes`, in nats per unit of squared distance. The result is for the last.
    rng, tolerance, max_iterations : numpy.random.Generator, float and int
        For the start at random samples, and for small moves before each β, so that coinciding points can part. A stage
        ends when an iteration lowers F by no more than tolerance · F, or after so many iterations.

    Returns
    -------
    Manifold
        With a `ConvergenceWarning` if F still falls after `max_iterations` of the last β.

    Examples
    --------
    >>> found = optimal_manifold([[-1.0], [1.0]], 2, [0.5, 50.0], rng=np.random.default_rng(0))
    >>> print(np.sort(found.points.ravel()).round(2), f"{found.rate:.2f} bits")
    [-1.  1.] 1.00 bits
    """
    X, n_points, betas = as_samples(X, "X"), as_count(n_points, "n_points"), as_increasing(betas, "betas")
    rng, tolerance = as_generator(rng), as_positive(tolerance, "tolerance")
    max_iterations = as_count(max_iterations, "max_iterations")
    steepest = LARGEST_EXPONENT / max(float(np.sum(np.ptp(X, axis=0) ** 2)), 1.0)
    if not FLATTEST <= betas[0] <= betas[-1] <= steepest:
        raise ValueError(f"betas must be from {FLATTEST:g} to {steepest:.3g} for data of this extent, got {betas}")
    points = X[rng.choice(len(X), n_points, replace=n_points > len(X))]
    log_p = np.full(n_points, -math.log(n_points))
    noise, stages = SPLITTING_NOISE * math.sqrt(X.var(axis=0).sum()), []
    for beta in betas.tolist():
        points = points + noise * rng.normal(size=points.shape)
        points, log_p, log_map, objective = _descend(X, points, log_p, beta, tolerance, max_iterations)
        distortion, nats = _distortion(X, points, log_map), _information(log_map, log_p)
        stages.append(AnnealingStage(beta, nats / math.log(2), distortion, np.array(objective)))
    if not _settled(objective, tolerance):
        hint = "raise max_iterations or tolerance"
        warnings.warn(f"F still falls after {max_iterations} iterations: {hint}", ConvergenceWarning, stacklevel=2)
    return Manifold(points, np.exp(log_map), stages[-1].rate, stages[-1].distortion, tuple(stages))


def critical_slope(X: npt.ArrayLike) -> float:
    """Return the β = 1/(2 λ_max) up to which all points of the optimal manifold coincide with the mean of the data.

    It is the slope of the Gaussian R(D) of Eq. (4) where the first component comes in.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Samples, not all equal; λ_max is their variance along the first principal component.

    Returns
    -------
    float
        In nats per unit of squared distance.

    Examples
    --------
    >>> print(f"{critical_slope([[-2.0, 1.0], [2.0, -1.0]]):.3f}")
    0.100
    """
    X = as_samples(X, "X")
    variance = as_positive(float(svdvals(X - X.mean(axis=0))[0] ** 2 / len(X)), "the largest variance of X")
    return as_positive(0.5 / variance, "1/(2 largest variance of X)")


def annealing_slopes(X: npt.ArrayLike, beta: float, n_slopes: int = 12) -> Array:
    """Return trade-offs for `optimal_manifold` in geometric progression, from where the points first split up to β.

    Parameters
    ----------
    X, beta, n_slopes : array_like, shape (N, d), float and int
        Samples, not all equal; the last trade-off; and the number of trade-offs, at least 2.

    Returns
    -------
    Array, shape (n_slopes,)
        From `critical_slope` to `beta`; `beta` alone if it is not above `critical_slope`.

    Examples
    --------
    >>> print(annealing_slopes([[-2.0, 1.0], [2.0, -1.0]], 10.0, n_slopes=3))
    [ 0.1  1.  10. ]
    """
    first, beta, n_slopes = critical_slope(X), as_positive(beta, "beta"), as_count(n_slopes, "n_slopes", minimum=2)
    with np.errstate(over="ignore"):  # of the last, which geomspace then sets
        return np.geomspace(first, beta, n_slopes) if beta > first else np.array([beta])


def _descend(
    X: Array, points: Array, log_p: Array, beta: float, tolerance: float, max_iterations: int
) -> tuple[Array, Array, Array, list[float]]:
    objective: list[float] = []
    while len(objective) < max_iterations and not _settled(objective, tolerance):
        log_map = log_softmax(log_p - beta * cdist(X, points, "sqeuclidean"), axis=1)  # p(μ|x) ∝ p(μ) exp(−β |x − μ|²)
        log_p = logsumexp(log_map, axis=0) - math.log(len(X))  # p(μ) = (1/N) Σ p(μ|x)
        points = softmax(log_map, axis=0).T @ X  # μ = Σ x p(x|μ)
        objective.append(_distortion(X, points, log_map) + _information(log_map, log_p) / beta)
    return points, log_p, log_map, objective


def _settled(objective: list[float], tolerance: float) -> bool:
    return len(objective) > 1 and objective[-2] - objective[-1] <= tolerance * objective[-1]


def _distortion(X: Array, points: Array, log_map: Array) -> float:
    return float((np.exp(log_map) * cdist(X, points, "sqeuclidean")).sum()) / len(X)


def _information(log_map: Array, log_p: Array) -> float:
    """I(X; M) = Σ p(x, μ) log p(x, μ)/(p(x) p(μ)) in nats, p(x) = 1/N. Eq. (1)."""
    return float((np.exp(log_map) * (log_map - log_p)).sum()) / len(log_map)
