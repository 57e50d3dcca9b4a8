"""The graph Laplacian D(P) − P of (17), (19) and (20), and its products: whole, and tile by tile without N×N matrices.

The diagonal of P cancels. It is left out everywhere: near α = 1 it is far larger than all the rest and would swamp it.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from .._validation import Array
from ..threads import product, thread_map
from ..workers import Parallel
from .distances import Rows

__all__ = [
    "LaplacianProducts", "Weights", "graph_laplacian", "laplacian_product_of_spectrum", "laplacian_products",
    "pull_back",
]  # fmt: skip

STRIP = 4096  # rows whose products are formed at once
SHARES, SUMMED = 8, 2**21  # of the tiles, for threads, as long as the sums of all have at most so many elements
TILE = 256  # rows: some tiles of half a megabyte stay in a cache, and their products are large enough for BLAS


def graph_laplacian(P: Array) -> Array:
    """Return D(P) − P."""
    L = -P
    np.fill_diagonal(L, 0)
    np.fill_diagonal(L, -L.sum(axis=1))
    return L


def pull_back(dS_dK: Array, K: Array, Y: Array, sigma: float) -> Array:
    """Return ∂S/∂Y = −4 (D(P) − P) Y with P = dS_dK ∘ K / (2σ²), for the Gram matrix K of Y."""
    L = graph_laplacian(dS_dK * K)  # L 1 = 0: centring changes nothing but the rounding far from the origin
    return -2 * product(L, Y - Y.mean(axis=0)) / sigma / sigma  # twice, as σ² may overflow


def laplacian_product_of_spectrum(vectors: Array, weights: Array, values: Array, Y: Array) -> Array:
    """Return (D(P) − P) Y for P = V diag(w) Vᵀ ∘ V diag(λ) Vᵀ, in N r² operations for each column of Y.

    V has orthonormal columns. P y is the diagonal of V diag(w) M diag(λ) Vᵀ with M = Vᵀ diag(y) V, and P 1 that with
    M = I. For a kernel of low rank the samples lie close together: the diagonal of P, which cancels, is no larger than
    its neighbours.
    """
    Y = Y - Y.mean(axis=0)
    V = [vectors[rows] for rows in _slices(0, len(Y), STRIP)]
    degrees = np.concatenate([np.square(some) @ (weights * values) for some in V])
    both = np.outer(weights, values) / 2
    both += both.T
    return degrees[:, None] * Y - np.stack([_diagonal(V, y, both) for y in Y.T], axis=1)


def _diagonal(V: list[Array], y: Array, both: Array) -> Array:
    """Return the diagonal of V (M ∘ both) Vᵀ with M = Vᵀ diag(y) V, for V in strips."""
    M = np.zeros_like(both)
    for some, its_y in zip(V, np.split(y, range(STRIP, len(y), STRIP)), strict=True):
        scaled = some * np.sqrt(np.abs(its_y))[:, None]
        for sign in (1, -1):  # syrk: half the work
            part = scaled[sign * its_y > 0]
            M += sign * (part.T @ part)
    M *= both
    return np.concatenate([np.einsum("ij,ij->i", some @ M, some) for some in V])


class Weights(Protocol):
    """Symmetric matrices P of weights between samples, of which only blocks are formed."""

    def __call__(self, rows: slice, columns: slice) -> Sequence[Array]:
        """Return a new block of each matrix, on or above the diagonal."""
        ...

    def among(self, samples: Rows) -> "Weights":
        """Return the weights between some of the samples: all that a worker needs for them."""
        ...


class LaplacianProducts(NamedTuple):
    """Of m matrices P: the degrees Σ_j P_ij without the diagonal, (m, N), and (D(P) − P) Y, (m, N, d)."""

    degrees: Array
    products: Array


def laplacian_products(weights: Weights, Y: Array, workers: Parallel | None = None) -> LaplacianProducts:
    """Return degrees and (D(P) − P) Y for matrices P of which only blocks are asked for.

    With workers, each task sums the tiles between two groups of samples; as many groups as workers balance the load and
    minimise the data sent, which takes up to four times the memory of the weights. The last bits depend on the groups.
    """
    centred = Y - Y.mean(axis=0)  # (D(P) − P) 1 = 0: centring changes nothing but the rounding
    sums = _sums(weights, centred, 0) if workers is None else _sums_between_groups(weights, centred, workers)
    for k, degrees in enumerate(sums.degrees):  # one after another: the product is as large as the outputs
        sums.products[k] += degrees[:, None] * centred
    return sums


def _sums_between_groups(weights: Weights, Y: Array, workers: Parallel) -> LaplacianProducts:
    """Return degrees and −P Y, summed up over pairs of groups."""
    groups = _slices(0, len(Y), -(-len(Y) // workers.count))
    # Two groups and the tiles between them, then single groups and the tiles within them: those are half as many.
    jobs = [(np.r_[rows, columns], rows.stop - rows.start) for rows, columns in itertools.combinations(groups, 2)]
    jobs += [(np.r_[rows], 0) for rows in groups]
    sums = None
    for first in range(0, len(jobs), 2 * workers.count):  # in portions, to limit memory
        samples, splits = zip(*jobs[first : first + 2 * workers.count], strict=True)
        parts = workers(_sums, map(weights.among, samples), map(Y.__getitem__, samples), splits)
        for those, part in zip(samples, parts, strict=True):
            sums = sums or _zeros(len(part.degrees), Y)
            sums.degrees[:, those] += part.degrees
            sums.products[:, those] += part.products
    assert sums is not None
    return sums


def _sums(weights: Weights, Y: Array, split: int) -> LaplacianProducts:
    """Return degrees and −P Y: of all P or, with a split, of the blocks between the samples before and behind it."""
    tiles = list(itertools.combinations_with_replacement(_slices(0, len(Y), TILE), 2))
    if split:
        tiles = list(itertools.product(_slices(0, split, TILE), _slices(split, len(Y), TILE)))
    shares = max(1, min(SHARES, SUMMED // max(1, Y.size)))  # each has sums of its own
    parts = thread_map(lambda k: _sums_over(tiles[k::shares], weights, Y), range(min(shares, len(tiles))))
    for part in parts[1:]:
        for total, addend in zip(parts[0], part, strict=True):
            np.add(total, addend, out=total)
    return parts[0]


def _sums_over(tiles: Sequence[tuple[slice, slice]], weights: Weights, Y: Array) -> LaplacianProducts:
    sums = None
    for rows, columns in tiles:
        blocks = weights(rows, columns)
        sums = sums or _zeros(len(blocks), Y)
        for P, degrees, products in zip(blocks, *sums, strict=True):
            if rows == columns:
                np.fill_diagonal(P, 0)
            else:
                degrees[columns] += P.sum(axis=0)
                products[columns] -= P.T @ Y[rows]
            degrees[rows] += P.sum(axis=1)
            products[rows] -= P @ Y[columns]
    assert sums is not None
    return sums


def _zeros(m: int, Y: Array) -> LaplacianProducts:
    return LaplacianProducts(np.zeros((m, len(Y))), np.zeros((m, *Y.shape)))


def _slices(start: int, stop: int, side: int) -> list[slice]:
    return [slice(first, min(first + side, stop)) for first in range(start, stop, side)]
