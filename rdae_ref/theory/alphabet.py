"""R(D) of thousands of samples of any dimension whose reproductions are the samples themselves: Eqs. (2) and (3).

The algorithm is that of `blahut_arimoto`, for N samples of equal probability and as many letters. Its two matrices of
N² elements are in float32, and results are summed in float64, some rows at a time. Newton steps would need N³
operations; instead the update is over-relaxed, q ← q c^η / Σ, with η growing as long as −Σ p log Z falls. It visits the
letters that have mass or may get some; after a round of updates all letters are checked.

Reproductions anywhere in space do better, but not by more than a factor 2 in the distortion:

    R(2D; samples as reproductions)  ≤  R(D; any reproductions)

Proof: for any map to Y, draw X′ from p(x|Y), which is a sample. Then I(X; X′) ≤ I(X; Y), and E |X − X′|² is twice the
mean variance of X given Y, which is at most E |X − Y|². So a bound among samples also gives one for all reproductions.
And the map to the means E(X|X̂) of the samples that share a reproduction has the rate of X̂ and less distortion.
"""

import math
import warnings
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from .._validation import Array, as_count, as_increasing, as_nonnegative_array, as_positive, as_samples
from ..numerics.distances import take_differences
from .blahut_arimoto import ConvergenceWarning

__all__ = ["AlphabetRateDistortion", "alphabet_rate_distortion"]

Float32: TypeAlias = npt.NDArray[np.float32]

TILE = 250  # rows at a time
GROWTH, LARGEST_POWER = 1.15, 60.0  # of η
NOISE = 1e-7  # of −Σ p log Z, in float32
ROUND = 40  # updates among some letters, until all are looked at
NEGLIGIBLE, ALMOST = 1e-3, 0.995  # q N and c: letters below both are left out of a round
RETURNING = 0.1  # of the mass, shared out evenly at the next slope
STEEPEST = 1e30
LEAST = 1e-30  # of q: in float32 its inverse is finite
LARGEST = 5e18  # from the mean: squared distances stay in the range of float32
HALF_ULP = 2.0**-25  # relative, of float32
USED = 1e-3  # of 1/N: letters with more mass are counted


class AlphabetRateDistortion(NamedTuple):
    """R(D) at k slopes: arrays of shape (k,), rates in bits."""

    slope: Array  #: β, in nats per unit of squared distance
    rate: Array  #: I(X; X̂) of the maps found: R(D) is at most this
    distortion: Array  #: E |x − x̂|² of the maps, x̂ being one of the samples
    lower_bound: Array  #: of R at `distortion`, among the samples; below 0 where it says nothing
    centroid_distortion: Array  #: of the maps to E(X|X̂), which have the same rate
    letters: Array  #: number of samples that are used as reproductions
    n_iterations: Array

    def lower_bound_anywhere(self, distortion: npt.ArrayLike) -> Array:
        """Return a lower bound on R(D), in bits, whatever the reproductions: that among samples at 2D."""
        D = as_nonnegative_array(distortion, "distortion")[..., None]
        with np.errstate(over="ignore"):  # such a line is far below 0
            lines = self.lower_bound + self.slope * (self.distortion - 2 * D) / math.log(2)
        return np.maximum(lines.max(axis=-1), 0.0)


def alphabet_rate_distortion(
    X: npt.ArrayLike, slopes: npt.ArrayLike, *, tolerance: float = 1e-3, max_iterations: int = 2000
) -> AlphabetRateDistortion:
    """Return R(D) of samples of equal probability for squared error, reproduced by samples, between two bounds.

    Distances are rounded to float32, which changes a rate by less than 6e-8 β max |x − x̂|² nats.

    Parameters
    ----------
    X, slopes : array_like, shapes (N, d) and (k,)
        Samples in rows (8 N² bytes are needed); and increasing β > 0, in nats per unit of squared distance.
    tolerance, max_iterations : float and int
        Largest gap between the bounds, in bits; and number of updates for each slope.

    Returns
    -------
    AlphabetRateDistortion
        With a `ConvergenceWarning` if `max_iterations` is too small; the bounds still hold.

    Examples
    --------
    >>> found = alphabet_rate_distortion(np.random.default_rng(0).normal(size=(200, 50)), [0.02, 0.05])
    >>> print(found.rate.round(2), (found.rate - found.lower_bound < 1e-3).all())
    [0.02 0.14] True
    """
    samples, slopes = as_samples(X, "X"), as_increasing(slopes, "slopes")
    tolerance, max_iterations = as_positive(tolerance, "tolerance"), as_count(max_iterations, "max_iterations")
    if slopes[-1] > STEEPEST:
        raise ValueError(f"slopes must be at most {STEEPEST:g}, in float32, got {slopes[-1]:.3g}")
    distances = _squared_distances(samples)
    samples = samples - samples.mean(axis=0)  # for the centroids
    N = len(samples)
    rows, q = [], np.full(N, 1 / N)
    for beta in slopes:
        q, row = _solve(distances, samples, float(beta), q, tolerance, max_iterations)
        rows.append(row)
        q = (1 - RETURNING) * q + RETURNING / N
    return AlphabetRateDistortion(slopes, *np.array(rows).T)


def _squared_distances(X: Array) -> Float32:
    """Return |x_i − x_j|², exactly symmetric, by differences where float64 products would lose digits of float32."""
    centred = X - X.mean(axis=0)
    halves = np.einsum("ij,ij->i", centred, centred) / 2
    if 2 * float(halves.max()) > LARGEST**2:
        raise ValueError(f"X must stay within {LARGEST:.0e} of its mean, since squares are in float32: rescale it")
    lost = (X.shape[1] + 8) * np.finfo(float).eps / HALF_ULP  # of |x|² + |y|²: what products may be off by
    d = np.empty((len(X), len(X)), np.float32)
    for first in range(0, len(X), TILE):
        rows = slice(first, first + TILE)
        sums = halves[rows, None] + halves[: rows.stop]
        tile = centred[rows] @ centred[: rows.stop].T - sums
        take_differences(tile, X[rows], X[: rows.stop], *np.nonzero(tile >= -lost * sums))
        d[rows, : rows.stop] = -2 * tile
        d[: rows.start, rows] = d[rows, : rows.start].T
        square = d[rows, rows]
        np.copyto(square, np.tril(square) + np.tril(square, -1).T)
    np.fill_diagonal(d, 0)
    return d


def _solve(
    d: Float32, X: Array, beta: float, q: Array, tolerance: float, max_iterations: int
) -> tuple[Array, tuple[float, ...]]:
    """Return q(x̂) and a row of the result."""
    with np.errstate(over="ignore"):  # so far away that exp(−β d) is 0
        K = np.multiply(d, np.float32(-beta))
    np.exp(K, out=K)
    active, n_iterations, N = np.arange(len(d)), 0, len(d)
    while True:
        letters = K if active.size == N else K[:, active]  # a copy, of half the size at most
        weights, steps = _relaxed(letters, q[active], tolerance / 2, min(ROUND, max_iterations - n_iterations))
        q, n_iterations = np.zeros(N), n_iterations + steps
        q[active] = weights
        c = _c(K, letters, weights)
        gap = (math.log(c.max()) - float(xlogy(q * c, c).sum())) / math.log(2)
        if gap <= 0.95 * tolerance or n_iterations >= max_iterations:  # float32 is off by less than the rest
            break
        active = np.flatnonzero((q > NEGLIGIBLE / N) | (c > ALMOST))
        active = active if 2 * active.size < N else np.arange(N)
        del letters
        q[active] = np.maximum(q[active], NEGLIGIBLE / N)
        q /= q.sum()
    del K, letters
    rate, distortion, lower, centroid = _in_float64(d, X, beta, q)
    if rate - lower > tolerance:
        message = f"slope {beta:.3g}: the bounds on R still differ by {rate - lower:.3g} bits (they hold)"
        warnings.warn(f"{message}: raise max_iterations or tolerance", ConvergenceWarning, stacklevel=3)
    return q, (rate, distortion, lower, centroid, float(np.sum(q > USED / N)), float(n_iterations))


def _relaxed(letters: Float32, q: Array, tolerance: float, n_steps: int) -> tuple[Array, int]:
    """Return q(x̂) after over-relaxed updates among some letters, whose columns of exp(−β d) are given."""
    before, power = None, 1.0
    for n_iterations in range(n_steps + 1):
        Z = (letters @ q.astype(np.float32)).astype(float)
        c = ((1 / Z).astype(np.float32) @ letters).astype(float) / len(Z)
        if math.log(c.max()) - float(q * c @ np.log(c)) <= tolerance * math.log(2) or n_iterations == n_steps:
            break
        value = -float(np.log(Z).mean())
        if before is not None and value > before[0] + NOISE:  # too far
            (value, q, c), power = before, 1.0
        before, power = (value, q, c), min(GROWTH * power, LARGEST_POWER)
        q = np.maximum(q * c**power, LEAST)
        q /= q.sum()
    return q, n_iterations


def _c(K: Float32, letters: Float32, q: Array) -> Array:
    """Return c(x̂) of all letters for a distribution on some of them."""
    Z = (letters @ q.astype(np.float32)).astype(float)
    return (K @ (1 / Z).astype(np.float32)).astype(float) / len(K)


def _in_float64(d: Float32, X: Array, beta: float, q: Array) -> tuple[float, float, float, float]:
    """Return rate, distortion, lower bound and the distortion of the centroids for an output distribution q."""
    N, tiles = len(d), [slice(first, first + TILE) for first in range(0, len(d), TILE)]
    log_Z, c, distortion = np.empty(N), np.zeros(N), 0.0
    sums = np.zeros((N, X.shape[1]))  # of p(x) q(x̂|x) x, for each x̂
    for rows in tiles:
        far = d[rows].astype(float)
        K = np.exp(-beta * far)
        Z = K @ q
        log_Z[rows], weights = np.log(Z), K / Z[:, None] / N
        c += weights.sum(axis=0)
        distortion += float(np.einsum("ij,ij,j->", weights, far, q))
        sums += weights.T @ X[rows]
    r = q * c
    rate = -float(log_Z.mean()) - beta * distortion - float(r @ np.log(c))
    lower = -float(log_Z.mean()) - math.log(c.max()) - beta * distortion
    to_centroids = sums / c[:, None] - X  # E(X|X̂) − X̂
    within = distortion - float(r @ np.einsum("ij,ij->i", to_centroids, to_centroids))
    unit = math.log(2)
    return max(rate, 0.0) / unit, distortion, lower / unit, max(within, 0.0)
