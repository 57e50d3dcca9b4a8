"""N×N matrices that never exist as a whole: Gaussian Gram matrices by blocks, and the graph Laplacian times a matrix.

What the objective needs of an N×N matrix is its product with the N×d outputs. Here that product is summed up tile by
tile, so that memory grows as N times the side of a tile. `gram` has the same matrices as a whole, as the paper writes
them.
"""

import copy
from collections.abc import Iterable, Sequence
from itertools import combinations, combinations_with_replacement, product
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from .._validation import Array
from ..workers import Parallel

__all__ = ["GaussianBlocks", "LaplacianProducts", "Weights", "laplacian_products"]

Rows: TypeAlias = slice | np.ndarray

TILE = 256  # rows: some tiles of half a megabyte stay in a cache, and their products are large enough for BLAS


class GaussianBlocks:
    """The kernel exp(−|x_i − x_j|² / (2σ²)) of samples, evaluated for some rows and some columns.

    N times a block of `rdae_ref.gaussian_gram`, but for the diagonal, which is 1 up to rounding.

    Parameters
    ----------
    X : Array, shape (N, d)
        Samples in rows, finite.
    sigma : float
        Kernel size σ > 0.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref.numerics.tiles import GaussianBlocks
    >>> block = GaussianBlocks(np.array([[0.0], [1.0], [3.0]]), sigma=1.0)
    >>> block(slice(0, 1), slice(0, 3)).round(4)
    array([[1.    , 0.6065, 0.0111]])
    """

    def __init__(self, X: Array, sigma: float) -> None:
        self.sigma = sigma
        self._points = X - X.mean(axis=0)  # centred: far from the origin the distances would cancel
        self._halves = np.einsum("ij,ij->i", self._points, self._points) / 2
        self._scale = min(1 / sigma / sigma, 1e300)  # finite, so that a distance of 0 stays 0

    def __len__(self) -> int:
        return len(self._points)

    def among(self, samples: Rows) -> "GaussianBlocks":
        """Return the kernel of some of the samples, with the same bits.

        Parameters
        ----------
        samples : slice or array of int
            Which samples.

        Returns
        -------
        GaussianBlocks
            Of these alone.
        """
        other = copy.copy(self)
        other._points, other._halves = self._points[samples], self._halves[samples]
        return other

    def __call__(self, rows: Rows, columns: Rows) -> Array:
        """Return the block.

        Parameters
        ----------
        rows, columns : slice or array of int
            Which samples.

        Returns
        -------
        Array
            One row for each of `rows`; a new one, which the caller may write to.
        """
        block = self._points[rows] @ self._points[columns].T  # −|x − y|²/2 = xy − |x|²/2 − |y|²/2
        block -= self._halves[rows][:, None]
        block -= self._halves[columns]
        np.minimum(block, 0, out=block)
        with np.errstate(over="ignore"):  # far beyond the kernel: exp(−∞) = 0
            block *= self._scale
        return np.exp(block, out=block)


class Weights(Protocol):
    """The weights between samples: symmetric matrices P of which only blocks are formed."""

    def __call__(self, rows: slice, columns: slice) -> Sequence[Array]:
        """Return one block of each matrix.

        Parameters
        ----------
        rows, columns : slice
            Which samples; on or above the diagonal.

        Returns
        -------
        sequence of Array
            New ones, which the caller may write to. The diagonals of the matrices do not matter.
        """
        ...

    def among(self, samples: Rows) -> "Weights":
        """Return the weights between some of the samples.

        Parameters
        ----------
        samples : slice or array of int
            Which samples.

        Returns
        -------
        Weights
            All that is needed for them, to be sent to where they are worked on.
        """
        ...


class LaplacianProducts(NamedTuple):
    """What is left of m symmetric matrices P of shape (N, N).

    Parameters
    ----------
    degrees : Array, shape (m, N)
        Σ_j P_ij without the diagonal, for each of the matrices.
    products : Array, shape (m, N, d)
        (D(P) − P) Y, for each.
    """

    degrees: Array
    products: Array


def laplacian_products(weights: Weights, Y: Array, workers: Parallel | None = None) -> LaplacianProducts:
    """Return (D(P) − P) Y for symmetric matrices P of which only blocks are asked for.

    Parameters
    ----------
    weights : Weights
        The matrices P.
    Y : Array, shape (N, d)
        What the Laplacians are multiplied with.
    workers : Processes or ExternalMap, optional
        Who sums up the tiles, those between two groups of samples at a time: as many groups as workers, for each to
        have the same to do and the least to be sent. The last bits depend on the groups. What is sent takes up to four
        times the memory of the weights.

    Returns
    -------
    LaplacianProducts
        Degrees and products.

    Notes
    -----
    The matrix of (17), (19) and (20) of the paper, `rdae_ref.graph_laplacian`, times the outputs.
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
    for first in range(0, len(jobs), 2 * workers.count):  # in portions, since all that is handed out is in memory
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
                np.fill_diagonal(P, 0)  # it cancels, and near α = 1 it would swamp the sum
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
