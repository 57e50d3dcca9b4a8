"""Gram matrices, Eq. (11), and the pull-back of a gradient through them: the graph Laplacian.

Notation of the paper: N samples in rows, X and Y are (N, d); K and P are (N, N).
"""

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_count, as_positive, as_samples, as_symmetric, check_same_shape

__all__ = [
    "gaussian_gram",
    "gram_pullback",
    "graph_laplacian",
    "median_distance",
    "normalize_gram",
    "squared_distances",
]


def squared_distances(X: npt.ArrayLike) -> Array:
    """Return |x_i − x_j|² for all pairs of rows.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Samples in rows.

    Returns
    -------
    Array, shape (N, N)
        Symmetric, zero on the diagonal, nowhere negative.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite real matrix.
    """
    return _squared_distances(as_samples(X, "X"))


def _squared_distances(X: Array) -> Array:
    # Far from the origin |x|² + |y|² − 2xy cancels; distances do not see the origin, so it is moved into the data.
    centred = X - X.mean(axis=0)
    inner = centred @ centred.T  # one array and its transpose: NumPy calls syrk, symmetric to the bit and half the work
    norms = inner.diagonal()
    distances = norms[:, None] + norms[None, :] - 2 * inner
    np.maximum(distances, 0, out=distances)
    np.fill_diagonal(distances, 0)
    return distances


def median_distance(X: npt.ArrayLike) -> float:
    """Return the median of |x_i − x_j| over all pairs of rows: a kernel size that follows the scale of the data.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Samples in rows, at least two.

    Returns
    -------
    float
        In the units of `X`; 0 where more than half of the pairs are equal.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite real matrix with two rows or more.

    Examples
    --------
    >>> median_distance([[0.0], [1.0], [5.0]])
    4.0
    """
    X = as_samples(X, "X")
    N = as_count(len(X), "the number of rows of X", minimum=2)
    return float(np.sqrt(np.median(squared_distances(X)[np.triu_indices(N, k=1)])))


def gaussian_gram(X: npt.ArrayLike, sigma: float) -> Array:
    """Return the normalised Gaussian Gram matrix A_ij = exp(−|x_i − x_j|² / (2σ²)) / N.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Samples in rows.
    sigma : float
        Kernel size σ > 0, in the units of `X`.

    Returns
    -------
    Array, shape (N, N)
        Symmetric positive semidefinite, with diagonal 1/N and so trace 1.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite real matrix, or `sigma` no finite number above 0.

    Notes
    -----
    Eq. (11) for the kernel of §3.2 of the paper, which has κ(x, x) = 1.
    """
    return gram_of(as_samples(X, "X"), as_positive(sigma, "sigma"))


def gram_of(X: Array, sigma: float) -> Array:
    """Return the Gaussian Gram matrix of samples that were checked."""
    A = _squared_distances(X)
    with np.errstate(over="ignore"):  # far beyond the kernel: exp(−∞) = 0
        A /= sigma  # twice, so that σ² cannot underflow
        A /= sigma
    A *= -0.5
    np.exp(A, out=A)
    A /= len(X)
    return A


def normalize_gram(K: npt.ArrayLike) -> Array:
    """Return the Gram matrix of unit trace A_ij = K_ij / (N sqrt(K_ii K_jj)).

    Parameters
    ----------
    K : array_like, shape (N, N)
        Symmetric, with positive diagonal: any Gram matrix of a positive definite kernel.

    Returns
    -------
    Array, shape (N, N)
        With diagonal 1/N.

    Raises
    ------
    TypeError, ValueError
        If `K` is no symmetric finite matrix with positive diagonal.

    Notes
    -----
    Eq. (11) of the paper.
    """
    K = as_symmetric(K, "K")
    if K.diagonal().min() <= 0:
        raise ValueError(f"K must have a positive diagonal, got {K.diagonal().min():.6g}: k(x, x) > 0 for every sample")
    scale = np.sqrt(K.diagonal())
    return K / scale[:, None] / scale[None, :] / len(K)


def graph_laplacian(P: npt.ArrayLike) -> Array:
    """Return the graph Laplacian D(P) − P, with the degrees D(P) = diag(P 1).

    Parameters
    ----------
    P : array_like, shape (N, N)
        Symmetric weights of the edges; here they are of both signs. The diagonal of `P` does not matter.

    Returns
    -------
    Array, shape (N, N)
        L_P, with L_P 1 = 0.

    Raises
    ------
    TypeError, ValueError
        If `P` is no symmetric finite matrix.

    Notes
    -----
    The matrix that (17), (19) and (20) of the paper have in common.
    """
    return _laplacian(as_symmetric(P, "P"))


def _laplacian(P: Array) -> Array:
    L = -P
    # Without the diagonal, which cancels: near α = 1 it is far larger than all the rest and would swamp the sum.
    np.fill_diagonal(L, 0)
    np.fill_diagonal(L, -L.sum(axis=1))
    return L


def gram_pullback(dS_dK: npt.ArrayLike, K: npt.ArrayLike, Y: npt.ArrayLike, sigma: float) -> Array:
    """Pull a gradient with respect to a Gaussian Gram matrix back to the samples: ∂S/∂Y = −4 (D(P) − P) Y.

    Parameters
    ----------
    dS_dK : array_like, shape (N, N)
        Symmetric gradient, dS = Σ_ij dS_dK_ij dK_ij. Its diagonal does not matter, as that of K is constant.
    K : array_like, shape (N, N)
        The Gram matrix of `Y`, ``gaussian_gram(Y, sigma)`` or a multiple of it.
    Y : array_like, shape (N, d)
        Samples in rows.
    sigma : float
        Kernel size.

    Returns
    -------
    Array, shape (N, d)
        ∂S/∂Y, with P = dS_dK ∘ K / (2σ²).

    Raises
    ------
    TypeError, ValueError
        If a matrix is not symmetric and finite, shapes differ, or `sigma` is no finite number above 0.

    Notes
    -----
    The step between (15), (16) and (17)–(20) of the paper.
    """
    dS_dK, K = as_symmetric(dS_dK, "dS_dK"), as_symmetric(K, "K")
    Y, sigma = as_samples(Y, "Y"), as_positive(sigma, "sigma")
    check_same_shape(dS_dK, K, "dS_dK and K")
    if len(Y) != len(K):
        raise ValueError(f"Y must have one row for each of the {len(K)} rows of K, got shape {Y.shape}")
    return pull_back(dS_dK, K, Y, sigma)


def pull_back(dS_dK: Array, K: Array, Y: Array, sigma: float) -> Array:
    """Return −4 L_P Y from arrays that were checked."""
    L = _laplacian(dS_dK * K)  # L 1 = 0: centring changes nothing but the rounding far from the origin
    return -2 * (L @ (Y - Y.mean(axis=0))) / sigma / sigma  # L_P = L / (2σ²), but σ² may overflow, and 1/σ²


def edge_weights(dS_dK: Array, K: Array, sigma: float) -> Array:
    """Return P = ∂S/∂K ∘ K / (2σ²), the weights of the graph, from matrices that were checked."""
    return dS_dK * K / (2 * sigma * sigma)  # not σ**2, which raises where it is infinite
