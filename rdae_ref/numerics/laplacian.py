"""The graph Laplacian D(P) − P of (17), (19) and (20), and its products: whole, and tile by tile without N×N matrices.

The diagonal of P cancels. It is left out everywhere: near α = 1 it is far larger than all the rest and would swamp it.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations, combinations_with_replacement, product
from typing import NamedTuple, Protocol

import numpy as np

from .._validation import Array
from ..workers import Parallel
from .distances import Rows

__all__ = ["LaplacianProducts", "Weights", "graph_laplacian", "laplacian_products", "pull_back"]

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
    return -2 * (L @ (Y - Y.mean(axis=0))) / sigma / sigma  # twice, as σ² may overflow


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
    jobs = [(np.r_[rows, columns], rows.stop - rows.start) for rows, columns in combinations(groups, 2)]
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
    tiles: Iterable[tuple[slice, slice]] = combinations_with_replacement(_slices(0, len(Y), TILE), 2)
    if split:
        tiles = product(_slices(0, split, TILE), _slices(split, len(Y), TILE))
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
