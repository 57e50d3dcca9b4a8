"""The Gaussian kernel of samples, whole or by blocks, accurate to `TOLERANCE` for any finite data.

|x|² + |y|² − 2xy is fast for many features, but loses digits where two samples are close together and far from the
mean. With few features differences are always used; with many, for pairs whose rounding error would matter.
"""

import copy
import functools
import math
from typing import TypeAlias

import numpy as np
from scipy.spatial.distance import cdist, pdist, squareform

from .._validation import Array
from ..threads import one_blas_thread

__all__ = ["GaussianKernel", "Rows", "gaussian_gram", "median_distance", "take_differences"]

Rows: TypeAlias = slice | np.ndarray

TOLERANCE = 5e-13  # largest absolute error of the kernel, whose values are from 0 to 1
FEW_FEATURES = 16  # up to here a whole matrix, of which half is enough, is as fast by differences
FEW_FOR_BLOCKS = 4  # and a block
STRIP, PAIRS = 256, 4096  # rows that are looked at, and pairs whose differences are taken, at once
ORDINARY = 1e50  # samples and kernel sizes that need no scaling
SMALLEST = 1e-140  # distance whose square has all its digits
LARGEST = 1e140  # of scaled samples: their squares stay far from overflow


class GaussianKernel:
    """exp(−|x_i − x_j|² / (2σ²)) for some rows and some columns: N times a block of the Gram matrix (11)."""

    def __init__(self, X: Array, sigma: float) -> None:
        self.sigma = sigma
        self._points, self._size = _scaled(X, sigma)  # exactly: by a power of two
        self._scale = min(1 / self._size / self._size, 1e300)  # finite, so that a distance of 0 stays 0
        self._centred = None
        if X.shape[1] > FEW_FOR_BLOCKS:
            self._centred = self._points - self._points.mean(axis=0)
            self._halves = np.einsum("ij,ij->i", self._centred, self._centred) / 2

    def __len__(self) -> int:
        return len(self._points)

    def among(self, samples: Rows) -> "GaussianKernel":
        """Return the kernel of some of the samples, bitwise identical."""
        other = copy.copy(self)
        other._points = self._points[samples]
        if self._centred is not None:
            other._centred, other._halves = self._centred[samples], self._halves[samples]
        return other

    def __call__(self, rows: Rows, columns: Rows) -> Array:
        """Return a new block, one row for each of `rows`; diagonal elements are 1 up to rounding."""
        if self._centred is None:
            block = cdist(self._points[rows], self._points[columns], "sqeuclidean")
            return self._exponential(np.multiply(block, -0.5, out=block))
        block = self._centred[rows] @ self._centred[columns].T
        self._complete(block, rows, columns)
        return self._exponential(block)

    def matrix(self) -> Array:
        """Return the whole kernel matrix, exactly symmetric, with ones on its diagonal."""
        if self._points.shape[1] <= FEW_FEATURES:
            K = squareform(self._exponential(-0.5 * pdist(self._points, "sqeuclidean")), checks=False)
            K = K if len(self) > 1 else np.empty((1, 1))
        else:
            assert self._centred is not None
            with one_blas_thread(len(self)):  # so that the number of threads changes no bit
                K = self._centred @ self._centred.T  # with its transpose: syrk, symmetric and half the work
            self._complete(K, slice(None), slice(None))
            K = self._exponential(K)
        np.fill_diagonal(K, 1)
        return K

    def _exponential(self, negative_halves: Array) -> Array:
        with np.errstate(over="ignore"):  # far beyond the kernel: exp(−∞) = 0
            negative_halves *= self._scale
        return np.exp(negative_halves, out=negative_halves)

    def _complete(self, block: Array, rows: Rows, columns: Rows) -> None:
        """Turn inner products into −|x − y|²/2, by differences where rounding could exceed the tolerance.

        Products, sums and the centring change |x − y|²/2 by at most γ (|x|² + |y|²)/2. Over σ² that is the error e
        of an exponent t, which can be seen where e · exp(e − t) > `TOLERANCE`.
        """
        down, across = self._halves[rows], self._halves[columns]
        block -= np.add.outer(down, across)  # one sum, so that the whole matrix stays symmetric to the bit
        np.minimum(block, 0, out=block)
        gamma = (self._points.shape[1] + 8) * np.finfo(float).eps * self._scale
        with np.errstate(over="ignore"):
            largest = float(gamma * (down.max() + across.max()))
        if largest <= TOLERANCE:
            return
        near = -(largest + math.log(largest / TOLERANCE)) / self._scale  # further pairs pass with any e up to this one
        some, others = self._points[rows], self._points[columns]
        for first in range(0, len(block), STRIP):
            strip, here = block[first : first + STRIP], slice(first, first + STRIP)
            pairs = np.flatnonzero(strip > near)
            i, j = np.divmod(pairs, strip.shape[1])
            with np.errstate(over="ignore", invalid="ignore"):
                e = gamma * (down[here][i] + across[j])
                unseen = e <= TOLERANCE * np.exp(-strip.ravel()[pairs] * self._scale - e)
            seen = ~unseen  # also where e is infinite
            take_differences(strip, some[here], others, i[seen], j[seen])


def take_differences(strip: Array, some: Array, others: Array, i: np.ndarray, j: np.ndarray) -> None:
    """Set −|x − y|²/2 for some pairs of rows, or for all if these are many, from differences of coordinates."""
    if len(i) > strip.size / 8:
        strip[:] = -0.5 * cdist(some, others, "sqeuclidean")
        return
    for first in range(0, len(i), PAIRS):
        k, m = i[first : first + PAIRS], j[first : first + PAIRS]
        strip[k, m] = -0.5 * np.square(some[k] - others[m]).sum(axis=1)


def gaussian_gram(X: Array, sigma: float) -> Array:
    """Return exp(−|x_i − x_j|² / (2σ²)) / N. Eq. (11)."""
    K = GaussianKernel(X, sigma).matrix()
    K /= len(X)
    return K


MEDIAN_ROWS = 5000  # above this the median is estimated from a subsample


def median_distance(X: Array) -> float:
    """Return the median of |x_i − x_j| over all pairs of up to 5000 rows, chosen with a fixed seed."""
    if len(X) > MEDIAN_ROWS:
        X = X[np.random.default_rng(0).choice(len(X), MEDIAN_ROWS, replace=False)]
    spread = float(np.abs(X - X[0]).max()) or 1.0
    points, size = _scaled(X, spread)
    median = float(np.median(pdist(points)))
    if median > SMALLEST or np.median(pdist(X, "chebyshev")) == 0:
        return median * (spread / size)
    return float(np.median(functools.reduce(np.hypot, (pdist(x[:, None], "chebyshev") for x in X.T))))  # no squares


def _scaled(X: Array, sigma: float) -> tuple[Array, float]:
    """Return samples and σ over the same power of two, so that neither squares of samples nor of σ leave float64."""
    largest = float(np.abs(X).max())
    if max(largest, sigma, 1 / sigma) < ORDINARY:
        return X, sigma
    exponent = math.frexp(sigma)[1]
    if largest > 0:
        exponent = max(exponent, math.frexp(largest)[1] - math.frexp(LARGEST)[1])
    return np.ldexp(X, -exponent), math.ldexp(sigma, -exponent)
