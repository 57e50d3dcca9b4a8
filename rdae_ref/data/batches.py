"""Mini-batches by pre-clustering, §4.2: samples that are close in the kernel go into the same batch.

The paper's reason: sorted by cluster, the Gram matrix is nearly block diagonal, so eigenvectors are local and the
blocks hold most of it. `rdae-ref figures batches` measures how nearly, and how well the gradients of batches agree.
"""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.cluster.vq import kmeans2

from .._validation import Array, as_count, as_generator, as_samples, as_symmetric

__all__ = ["clustered_batches", "energy_in_blocks", "random_batches"]

Rows = npt.NDArray[np.intp]

PRINCIPAL_COMPONENTS = 50  # of the data, for k-means: for digits nine tenths of the variance, at a tenth of the cost
ITERATIONS = 30  # of k-means: the batches need not be its optimum


def clustered_batches(X: npt.ArrayLike, largest: int, rng: np.random.Generator) -> list[Rows]:
    """Divide samples into batches of neighbours by k-means until no batch is too large: §4.2, which gives no details.

    A batch above the bound is divided into as many clusters as its size is multiples of the bound, and these again. In
    more than fifty dimensions the distances are those of the first fifty principal components.

    Parameters
    ----------
    X, largest, rng : array_like, shape (N, d), int, and numpy.random.Generator
        Samples in rows, the size of the largest batch allowed, and the source of the starts of k-means.

    Returns
    -------
    list of int arrays
        The rows of each batch, ascending; each of 0, …, N − 1 is in exactly one.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(6, 2)) + 100 * np.array([[0], [1], [0], [1], [0], [1]])
    >>> [rows.tolist() for rows in sorted(clustered_batches(X, 3, rng), key=min)]
    [[0, 2, 4], [1, 3, 5]]
    """
    X, largest, rng = as_samples(X, "X"), as_count(largest, "largest"), as_generator(rng)
    near = _principal(X)
    waiting, batches = [np.arange(len(X))], []
    while waiting:
        rows = waiting.pop()
        if len(rows) <= largest:
            batches.append(rows)
        else:
            waiting.extend(_divided(near, rows, math.ceil(len(rows) / largest), rng))
    return batches


def _principal(X: Array) -> Array:
    if X.shape[1] <= PRINCIPAL_COMPONENTS:
        return X
    centred = X - X.mean(axis=0)
    return centred @ np.linalg.eigh(centred.T @ centred)[1][:, -PRINCIPAL_COMPONENTS:]


def _divided(X: Array, rows: Rows, parts: int, rng: np.random.Generator) -> list[Rows]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")  # it is left out below
        _, labels = kmeans2(X[rows], parts, iter=ITERATIONS, minit="points", seed=rng)
    clusters = [rows[labels == label] for label in np.unique(labels)]
    return clusters if len(clusters) > 1 else np.array_split(rows, parts)  # equal samples are no clusters


def random_batches(sizes: Sequence[int], rng: np.random.Generator) -> list[Rows]:
    """Divide samples at random into batches of given sizes, to compare clustered batches with.

    Parameters
    ----------
    sizes, rng : sequence of int, and numpy.random.Generator
        The sizes, whose sum is N, and what shuffles.

    Returns
    -------
    list of int arrays
        The rows of each batch; each of 0, …, N − 1 is in exactly one.
    """
    counts = [as_count(size, f"sizes[{i}]") for i, size in enumerate(sizes)]
    if not counts:
        raise ValueError("sizes must hold at least one, got none")
    return np.split(as_generator(rng).permutation(sum(counts)), np.cumsum(counts)[:-1])


def energy_in_blocks(K: npt.ArrayLike, batches: Sequence[Rows]) -> float:
    """Return the share of Σ_ij K_ij² off the diagonal that lies within batches: 1 for a block-diagonal matrix.

    Parameters
    ----------
    K, batches : array_like, shape (N, N), and sequence of int arrays
        A Gram matrix with elements off the diagonal that are not 0, and the rows of each batch.

    Returns
    -------
    float
        From 0 to 1.
    """
    squared = as_symmetric(K, "K").copy()
    np.fill_diagonal(squared, 0)
    largest = float(np.abs(squared).max())
    if largest == 0:
        raise ValueError("K must have elements off its diagonal that are not 0: the kernel is too narrow to see any")
    squared = (squared / largest) ** 2
    return float(sum(squared[np.ix_(rows, rows)].sum() for rows in _as_batches(batches, len(squared)))) / squared.sum()


def _as_batches(batches: Sequence[Rows], n_samples: int) -> list[Rows]:
    checked = [np.asarray(rows) for rows in batches]
    for i, rows in enumerate(checked):
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise TypeError(f"batches[{i}] must be a vector of integers, got {rows.dtype} of shape {rows.shape}")
        if rows.size and not 0 <= rows.min() <= rows.max() < n_samples:
            raise ValueError(f"batches[{i}] must hold rows from 0 to {n_samples - 1}, got {rows}")
    return checked
