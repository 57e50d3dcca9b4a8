"""Mini-batches by pre-clustering, §4.2: samples that the kernel sees as near go into the same batch.

The paper's reason: sorted by cluster, the Gram matrix is nearly block diagonal, so that eigenvectors are local and the
blocks say most of it. `rdae-ref figures batches` measures how nearly, and how well their gradients agree.
"""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.cluster.vq import kmeans2

from .._validation import Array, as_array, as_count, as_generator, as_samples

__all__ = ["clustered_batches", "energy_in_blocks", "random_batches"]

Rows = npt.NDArray[np.intp]

PRINCIPAL_COMPONENTS = 50  # of the data, for k-means: for digits nine tenths of the variance, at a tenth of the cost
ITERATIONS = 30  # of k-means: the batches need not be its optimum


def clustered_batches(X: npt.ArrayLike, largest: int, rng: np.random.Generator) -> list[Rows]:
    """Divide samples into batches of near ones, by k-means, until none is larger than it may be.

    A batch above the bound is divided into as many clusters as it has bounds, and these again. In more than fifty
    dimensions the distances are those of the first fifty principal components.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Samples in rows.
    largest : int
        Most samples in a batch.
    rng : numpy.random.Generator
        Chooses where k-means starts.

    Returns
    -------
    list of int arrays
        The rows of each batch, ascending; each of 0, …, N − 1 stands in exactly one.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite real matrix, `largest` no integer above 0, or `rng` no Generator.

    Notes
    -----
    §4.2 of the paper, which states neither the clustering nor the size.

    Examples
    --------
    >>> import numpy as np
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
    """Divide samples at random into batches of given sizes: what clustered ones are compared with.

    Parameters
    ----------
    sizes : sequence of int
        Their sum is N.
    rng : numpy.random.Generator
        Shuffles.

    Returns
    -------
    list of int arrays
        The rows of each batch; each of 0, …, N − 1 stands in exactly one.

    Raises
    ------
    TypeError, ValueError
        If a size is no integer above 0, or `rng` no Generator.

    Examples
    --------
    >>> import numpy as np
    >>> batches = random_batches([3, 2], np.random.default_rng(0))
    >>> [len(rows) for rows in batches], sorted(np.concatenate(batches).tolist())
    ([3, 2], [0, 1, 2, 3, 4])
    """
    counts = [as_count(size, f"sizes[{i}]") for i, size in enumerate(sizes)]
    if not counts:
        raise ValueError("sizes must hold at least one, got none")
    return np.split(as_generator(rng).permutation(sum(counts)), np.cumsum(counts)[:-1])


def energy_in_blocks(K: npt.ArrayLike, batches: Sequence[Rows]) -> float:
    """Return the share of Σ_ij K_ij² off the diagonal that lies within batches: 1 for a block-diagonal matrix.

    Parameters
    ----------
    K : array_like, shape (N, N)
        A Gram matrix.
    batches : sequence of int arrays
        The rows of each.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If `K` is not finite and real, or diagonal.
    """
    squared = as_array(K, "K") ** 2
    np.fill_diagonal(squared, 0)
    total = float(squared.sum())
    if total == 0:
        raise ValueError("K must have elements off its diagonal that are not 0: the kernel is too narrow to see any")
    return float(sum(squared[np.ix_(rows, rows)].sum() for rows in batches)) / total
