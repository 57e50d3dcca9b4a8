"""N×N matrices that never exist as a whole: Gaussian Gram matrices by blocks, and the graph Laplacian times a matrix.

What the objective needs of an N×N matrix is its product with the N×d outputs. Here that product is summed up tile by
tile, so that memory grows as N times the side of a tile. `gram` has the same matrices as a whole, as the paper writes
them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from ._validation import Array

__all__ = ["GaussianBlocks", "LaplacianProducts", "laplacian_products"]

Block: TypeAlias = Callable[["Rows", "Rows"], Array]
Rows: TypeAlias = slice | np.ndarray

TILE = 512  # rows: some tiles of 2 MB stay in a processor's cache, and their products are large enough for BLAS


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
    >>> from rdae_ref.tiles import GaussianBlocks
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


class LaplacianProducts(NamedTuple):
    """What is left of symmetric matrices P of shape (N, N).

    Parameters
    ----------
    degrees : list of Array, shape (N,)
        Σ_j P_ij without the diagonal, for each of the matrices.
    products : list of Array, shape (N, d)
        (D(P) − P) Y, for each.
    """

    degrees: list[Array]
    products: list[Array]


def laplacian_products(weights: Callable[[slice, slice], Sequence[Array]], Y: Array) -> LaplacianProducts:
    """Return (D(P) − P) Y for symmetric matrices P of which only blocks are asked for.

    Parameters
    ----------
    weights : callable
        Takes two slices to one block of each of m matrices. Asked for blocks on and above the diagonal; blocks are
        written to. The diagonals of the matrices do not matter.
    Y : Array, shape (N, d)
        What the Laplacians are multiplied with.

    Returns
    -------
    LaplacianProducts
        Degrees and products.

    Notes
    -----
    The matrix of (17), (19) and (20) of the paper, `rdae_ref.graph_laplacian`, times the outputs.
    """
    centred = Y - Y.mean(axis=0)  # (D(P) − P) 1 = 0: centring changes nothing but the rounding
    degrees: list[Array] = []
    products: list[Array] = []
    for rows, columns in _upper_tiles(len(Y)):
        for k, P in enumerate(weights(rows, columns)):
            if k == len(degrees):
                degrees.append(np.zeros(len(Y)))
                products.append(np.zeros(Y.shape))
            if rows == columns:
                np.fill_diagonal(P, 0)  # it cancels, and near α = 1 it would swamp the sum
            else:
                degrees[k][columns] += P.sum(axis=0)
                products[k][columns] -= P.T @ centred[rows]
            degrees[k][rows] += P.sum(axis=1)
            products[k][rows] -= P @ centred[columns]
    for k, degree in enumerate(degrees):
        products[k] += degree[:, None] * centred
    return LaplacianProducts(degrees, products)


def _upper_tiles(N: int) -> Iterator[tuple[slice, slice]]:
    tiles = [slice(start, min(start + TILE, N)) for start in range(0, N, TILE)]
    return ((rows, columns) for i, rows in enumerate(tiles) for columns in tiles[i:])
