"""R(D) of a finite sample with squared error, bounded from both sides, whatever the reproduction points.

Notation of the paper: p(x) is the source, here with the weight p_i on the sample x_i (1/N for an empirical
distribution); d(x, x̂) = |x − x̂|², and x̂ may be any point of R^d. β is the slope in nats, rates are in bits.

`blahut_arimoto` certifies a rate among the given reproductions; here all of R^d is allowed. For any output distribution
q, with Z_i = Σ_x̂ q(x̂) exp(−β |x_i − x̂|²), and for any map q(x̂|x),

    I + β D  ≥  −Σ p_i log Z_i − log sup c        c(y) = Σ_i (p_i / Z_i) exp(−β |x_i − y|²),  sup over y in R^d

Proof: with s = sup c, the numbers m(x_i|x̂) = p_i/(s Z_i) exp(−β |x_i − x̂|²) sum to c(x̂)/s ≤ 1 over i. So the backward
map p(x|x̂) of any q(x̂|x) has E log p(x|x̂)/m(x|x̂) ≥ 0, and I = E log p(x|x̂)/p(x) ≥ E log m(x|x̂)/p(x), which is
−Σ p_i log Z_i − log s − β D. So each q gives a line of slope −β below R(D) = min I.

The supremum of the sum of Gaussians c lies in a box around the samples: moving y to the nearest point of the box brings
it nearer to each of them. And log c(y) + β |y|², the logarithm of a sum of exponentials of linear functions, is convex.
Within a cube of side h it is at most the interpolation of its values at the 2^d corners, so that

    log c(y)  ≤  max log c(corners) + β d h²/4

and halving the cubes that may still contain the supremum brackets it as closely as needed (`_supremum`).

As a problem in q this is the maximum-likelihood mixture of Gaussians of variance 1/(2β) (J. Kiefer, J. Wolfowitz
1956): where c(y) > 1, a new letter at y raises the likelihood. So letters are moved uphill on c and weighted by
Blahut's and Arimoto's algorithm, until c is nowhere above 1.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax

from .._validation import (
    LARGEST_SAMPLE,
    Array,
    as_count,
    as_increasing,
    as_nonnegative_array,
    as_positive,
    as_probabilities,
    as_samples,
    as_vector,
)
from .blahut_arimoto import ConvergenceWarning, blahut_arimoto

__all__ = ["SampleRateDistortion", "dual_bound", "sample_rate_distortion"]

MOST_FEATURES = 3  # a cube has 2^d corners, and the number of cubes is exponential in d
MOST_CUBES = 1_000_000
ROUNDING = 1e-14  # of log c, relative to its largest term
BATCH = 2_000_000  # kernel values at a time
UPHILL_STEPS = 10  # of all letters, between two rounds of weighting
SAME_PLACE = 0.01  # of 1/√β: letters nearer than that are one
USED = 0.01  # of the least p_i: letters with less mass are dropped


class SampleRateDistortion(NamedTuple):
    """R(D) of a sample at k slopes, from both sides: arrays of shape (k,)."""

    slope: Array  #: β, in nats per unit of squared distance
    rate: Array  #: I(X; X̂) in bits of the maps found: with `distortion`, points on or above R(D)
    distortion: Array  #: E |x − x̂|² of the maps found
    intercept: Array  #: in bits: R(D) ≥ intercept − β D / ln 2 at every D, whatever the reproductions

    def lower_bound(self, distortion: npt.ArrayLike) -> Array:
        """Return the largest of 0 and the k lines, in bits, at each D ≥ 0 in an array of any shape."""
        D = as_nonnegative_array(distortion, "distortion")
        with np.errstate(over="ignore"):  # such a line is far below 0
            lines = self.intercept - self.slope * D[..., None] / math.log(2)
        return np.maximum(lines.max(axis=-1), 0.0)


def dual_bound(
    X: npt.ArrayLike,
    points: npt.ArrayLike,
    weights: npt.ArrayLike,
    slope: float,
    *,
    p_x: npt.ArrayLike | None = None,
    tolerance: float = 1e-3,
) -> float:
    """Return the intercept of the line below R(D) that an output distribution certifies: R(D) ≥ intercept − β D / ln 2.

    intercept = (−Σ p_i log Z_i − log sup c) / ln 2. It holds for maps to any points, not only to `points`, and for any
    q; the better q, the tighter. This is the dual of Eqs. (2) and (3) (T. Berger, Rate distortion theory, 1971).

    Parameters
    ----------
    X, points, weights, slope, p_x : array_like, shapes (N, d), (K, d), (K,) and (N,), and float
        Samples, of up to three features; x̂; q(x̂) of sum 1; β > 0, in nats per unit of squared distance; p_i, or 1/N.
    tolerance : float
        How far, in bits, the line may be too low, but not below rounding.

    Returns
    -------
    float
        In bits.

    Examples
    --------
    >>> two = [[-1.0], [1.0]]  # a bit tells them apart
    >>> intercept = dual_bound(two, two, [0.5, 0.5], slope=10.0, tolerance=1e-6)
    >>> print(f"R(0.02) >= {intercept - 10.0 * 0.02 / np.log(2):.3f} bits")
    R(0.02) >= 0.711 bits
    """
    X, p = _as_source(X, p_x)
    points, beta = as_samples(points, "points", X.shape[1]), as_positive(slope, "slope")
    weights = as_probabilities(as_vector(weights, "weights", len(points)), "weights")
    used, nats = weights > 0, as_positive(tolerance, "tolerance") * math.log(2)
    return _line(X, p, points[used], weights[used], beta, nats).intercept / math.log(2)


def sample_rate_distortion(
    X: npt.ArrayLike,
    slopes: npt.ArrayLike,
    *,
    p_x: npt.ArrayLike | None = None,
    tolerance: float = 1e-3,
    max_rounds: int = 50,
) -> SampleRateDistortion:
    """Return R(D), Eqs. (2) and (3), of a sample with squared error and any reproductions, between two bounds.

    Letters x̂ start at the samples, are weighted by `blahut_arimoto`, and move to where c(y) > 1, until the map found
    and the line of `dual_bound` agree.

    Parameters
    ----------
    X, slopes, p_x : array_like, shapes (N, d), (k,) and (N,)
        Samples, of up to three features; rising β > 0, in nats per unit of squared distance; and p_i, or 1/N, which
        gives the R(D) of the empirical distribution: at most log₂ N bits.
    tolerance, max_rounds : float and int
        Largest distance between map and line, in bits, and how often letters are added for one slope.

    Returns
    -------
    SampleRateDistortion
        With a `ConvergenceWarning` if `max_rounds` is too small for a slope; both bounds still hold.

    Examples
    --------
    >>> found = sample_rate_distortion([[-1.0], [1.0]], [1.0, 4.0])
    >>> print(found.distortion.round(3), found.rate.round(2), found.lower_bound(found.distortion).round(2))
    [0.083 0.   ] [0.85 1.  ] [0.85 1.  ]
    """
    X, p = _as_source(X, p_x)
    slopes, max_rounds = as_increasing(slopes, "slopes"), as_count(max_rounds, "max_rounds")
    tolerance = as_positive(tolerance, "tolerance")
    rows = [_solve(X, p, beta, tolerance, max_rounds) for beta in slopes]
    rate, distortion, intercept = np.array(rows).T
    return SampleRateDistortion(slopes, rate, distortion, intercept)


class _Line(NamedTuple):
    """A line below R(D), and where c is largest."""

    intercept: float  # −Σ p log Z − log sup c, in nats
    place: Array  # shape (1, d), where c is largest
    log_weights: Array  # log p/Z


def _solve(X: Array, p: Array, beta: float, tolerance: float, max_rounds: int) -> tuple[float, float, float]:
    """Return rate (bits), distortion and intercept (bits) for one slope."""
    quarter, letters = tolerance / 4, X  # of the tolerance: for weights, line, supremum, and dropped letters
    for _ in range(max_rounds):
        found = blahut_arimoto(p, cdist(X, letters, "sqeuclidean"), beta, tolerance=quarter)
        q = p @ found.conditional
        used = q > USED * p.min()
        letters, q = letters[used], q[used] / q[used].sum()
        line = _line(X, p, letters, q, beta, quarter * math.log(2))
        gap = found.rate * math.log(2) + beta * found.distortion - line.intercept
        if gap <= tolerance * math.log(2):
            break
        missing = _missing(np.vstack([letters, line.place]), X, line.log_weights, beta, quarter * math.log(2))
        letters = np.vstack([letters, missing])
    else:
        message = f"the bounds at slope {beta:.3g} differ by {gap / math.log(2):.3g} bits"
        warnings.warn(f"{message}: raise max_rounds or tolerance", ConvergenceWarning, stacklevel=3)
    return found.rate, found.distortion, line.intercept / math.log(2)


def _line(X: Array, p: Array, points: Array, q: Array, beta: float, tolerance: float) -> _Line:
    with np.errstate(over="ignore"):
        log_Z = logsumexp(np.log(q) - beta * cdist(X, points, "sqeuclidean"), axis=1)
    least = ROUNDING * max(1.0, float(np.abs(log_Z).max()))
    if not tolerance >= least:
        message = f"tolerance must be at least {least / math.log(2):.3g} bits, which is rounding here"
        raise ValueError(f"{message}: raise it, or choose points nearer to the samples")
    log_weights = np.log(p) - log_Z
    top, place = _supremum(X, log_weights, beta, tolerance)
    return _Line(float(-(p @ log_Z)) - (top + tolerance), place, log_weights)


def _supremum(X: Array, log_weights: Array, beta: float, tolerance: float) -> tuple[float, Array]:
    """Return the largest log c at a corner of a cube, and where; the supremum is above it by `tolerance` at most."""
    d, low = X.shape[1], X.min(axis=0)
    side = min(1 / math.sqrt(beta), LARGEST_SAMPLE)
    counts = np.maximum(np.ceil(np.ptp(X, axis=0) / side), 1)
    n_cubes = math.prod(counts.tolist())
    if n_cubes > MOST_CUBES:
        steepest = beta * (MOST_CUBES / n_cubes) ** (2 / d)
        raise ValueError(f"the slope {beta:.3g} is too steep for samples of this extent: {steepest:.3g} at most")
    cubes, unit = _lattice(counts.astype(int)), _lattice(np.full(d, 2))
    top, place = -math.inf, X[:1]
    while len(cubes):
        corners, which = np.unique((cubes[:, None] + unit).reshape(-1, d), axis=0, return_inverse=True)
        values = _log_c(low + side * corners, X, log_weights, beta)
        if values.max() > top:
            top, place = float(values.max()), low + side * corners[values.argmax()][None]
        highest = values[which].reshape(len(cubes), -1).max(axis=1)
        open_ = highest + beta * d * side**2 / 4 > top + tolerance
        cubes, side = (2 * cubes[open_][:, None] + unit).reshape(-1, d), side / 2
    return top, place


def _lattice(counts: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    """Return all points (i, j, …) with 0 ≤ i < counts[0], and so on, in rows."""
    return np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), axis=-1).reshape(-1, len(counts))


def _log_c(Y: Array, X: Array, log_weights: Array, beta: float) -> Array:
    parts = np.array_split(Y, math.ceil(len(Y) * len(X) / BATCH))
    return np.concatenate([logsumexp(log_weights - beta * cdist(y, X, "sqeuclidean"), axis=1) for y in parts])


def _missing(letters: Array, X: Array, log_weights: Array, beta: float, tolerance: float) -> Array:
    """Return places with log c > tolerance, uphill from letters: y ← Σ_i x_i p(x_i|y), as in `optimal_manifold`."""
    Y = letters
    for _ in range(UPHILL_STEPS):
        Y = softmax(log_weights - beta * cdist(Y, X, "sqeuclidean"), axis=1) @ X
    Y = Y[_log_c(Y, X, log_weights, beta) > tolerance]
    _, first = np.unique(np.rint(Y * math.sqrt(beta) / SAME_PLACE), axis=0, return_index=True)
    return Y[first]


def _as_source(X: npt.ArrayLike, p_x: npt.ArrayLike | None) -> tuple[Array, Array]:
    X = as_samples(X, "X")
    as_count(X.shape[1], "the number of features of X", maximum=MOST_FEATURES)
    if p_x is None:
        return X, np.full(len(X), 1 / len(X))
    p = as_probabilities(as_vector(p_x, "p_x", len(X)), "p_x")
    occurs = p > 0
    return X[occurs], p[occurs] / math.fsum(p)
