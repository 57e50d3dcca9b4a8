"""Gram matrices, their entropies and the derivatives of both, for any symmetric matrices: (10)-(13), (15), (16).

These functions check their arguments and call `rdae_ref.numerics`, which has every α, size and degenerate spectrum;
`rdae_ref.paper` has the equations as printed. N samples in rows; A, B and K are (N, N), symmetric and positive
semidefinite; λ are eigenvalues; α > 0, ∞ included. Entropies are in bits unless `base` says otherwise; ``base=math.e``
gives nats, and the derivatives as printed. A derivative is taken as if all N² elements were independent:
dS = Σ_ij G_ij dK_ij.

In every function an argument that does not fit its description (finite, symmetric, positive semidefinite, of trace 1,
of the same shape, in range) raises `TypeError` or `ValueError`.
"""

import math

import numpy as np
import numpy.typing as npt

from ._validation import (
    Array,
    as_base,
    as_count,
    as_order,
    as_positive,
    as_samples,
    as_symmetric,
    check_same_shape,
    check_unit_trace,
    refuses_overflow,
)
from .numerics import distances, entropy, laplacian
from .numerics.entropy import order_of
from .numerics.spectrum import check_semidefinite

__all__ = [
    "conditional_entropy", "gaussian_gram", "gram_pullback", "graph_laplacian", "joint_entropy",
    "joint_entropy_gradient", "median_distance", "mutual_information", "normalize_gram",
    "product_entropy_gradient", "renyi_entropy", "renyi_entropy_gradient",
]  # fmt: skip


def gaussian_gram(X: npt.ArrayLike, sigma: float) -> Array:
    """Return the normalised Gaussian Gram matrix A_ij = exp(−|x_i − x_j|² / (2σ²)) / N.

    Eq. (11) for the kernel of §3.2 of the paper, for which κ(x, x) = 1.

    Parameters
    ----------
    X, sigma : array_like of shape (N, d), and float
        Samples in rows, and the kernel size σ > 0, in the units of `X`.

    Returns
    -------
    Array, shape (N, N)
        Symmetric positive semidefinite, with diagonal 1/N and so trace 1; N A is accurate to 1e-12 for any finite data.
    """
    return distances.gaussian_gram(as_samples(X, "X"), as_positive(sigma, "sigma"))


@refuses_overflow
def normalize_gram(K: npt.ArrayLike) -> Array:
    """Return the Gram matrix of unit trace A_ij = K_ij / (N sqrt(K_ii K_jj)). Eq. (11) of the paper.

    Parameters
    ----------
    K : array_like, shape (N, N)
        Symmetric, with positive diagonal: any Gram matrix of a positive definite kernel.

    Returns
    -------
    Array, shape (N, N)
        With diagonal 1/N.
    """
    K = as_symmetric(K, "K")
    if K.diagonal().min() <= 0:
        raise ValueError(f"K must have a positive diagonal, got {K.diagonal().min():.6g}: k(x, x) > 0 for every sample")
    scale = np.sqrt(K.diagonal())
    return K / scale[:, None] / scale[None, :] / len(K)


def median_distance(X: npt.ArrayLike) -> float:
    """Return the median of |x_i − x_j| over all pairs of rows: a kernel size that follows the scale of the data.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Samples in rows, at least two. If there are more than 5000, a random 5000 are used, with a fixed seed.

    Returns
    -------
    float
        In the units of `X`; 0 where more than half of the pairs are equal.

    Examples
    --------
    >>> median_distance([[0.0], [1.0], [5.0]])
    4.0
    """
    X = as_samples(X, "X")
    as_count(len(X), "the number of rows of X", minimum=2)
    return distances.median_distance(X)


@refuses_overflow
def renyi_entropy(A: npt.ArrayLike, alpha: float, base: float = 2) -> float:
    """Return the matrix-based Rényi entropy S_α(A) = log tr(A^α) / (1 − α). Eq. (10) of the paper.

    Parameters
    ----------
    A, alpha, base : array_like of shape (N, N), and floats
        Symmetric positive semidefinite, trace 1; order α > 0 (at 1 it is −Σ λ log λ, at infinity −log λ_max), and base
        of the logarithm.

    Returns
    -------
    float
        Between 0 and log N.
    """
    A, alpha, base = _as_gram(A, "A"), as_order(alpha), as_base(base)
    return entropy.renyi_entropy(A, order_of(alpha, len(A))) / math.log(base)


@refuses_overflow
def renyi_entropy_gradient(A: npt.ArrayLike, alpha: float, base: float = 2, tangent: bool = False) -> Array:
    """Return ∂S_α(A)/∂A = α / ((1 − α) tr A^α) · U Λ^(α−1) Uᵀ / ln(base).

    Eq. (15) of the paper, times 1/ln(base), which the paper leaves out.

    Parameters
    ----------
    A : array_like, shape (N, N)
        Symmetric positive semidefinite, trace 1.
    alpha, base : float
        Order α > 0 (at 1 the derivative is −(ln A + I), at infinity −u uᵀ / λ_max, averaged over equal λ_max), and base
        of the logarithm.
    tangent : bool
        Return the form for directions of constant trace, with Λ^(α−1) − I in place of Λ^(α−1). It differs from the
        literal form by a multiple of I and is smooth at α = 1, where the literal form has no limit; at infinity it does
        not exist.

    Returns
    -------
    Array, shape (N, N)
        Symmetric.

    Warns
    -----
    SingularGramWarning
        If α ≤ 1 and `A` is singular: the true derivative is infinite, and the one on the range of `A` is returned. The
        gradients of the joint entropy warn likewise.
    """
    A, alpha, base = _as_gram(A, "A"), as_order(alpha), as_base(base)
    return entropy.gradient(A, order_of(alpha, len(A)), tangent=tangent) / math.log(base)


@refuses_overflow
def joint_entropy(A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2) -> float:
    """Return the joint entropy S_α(A, B) = S_α(A ∘ B / tr(A ∘ B)). Eq. (12) of the paper.

    Parameters
    ----------
    A, B, alpha, base : array_like of shape (N, N), and floats
        Symmetric positive semidefinite matrices of any scale, tr(A ∘ B) > 0; order α > 0, and base of the logarithm.

    Returns
    -------
    float
        Not below S(A) and S(B), if both diagonals are constant.
    """
    alpha, base = as_order(alpha), as_base(base)
    AB = _joint(*_as_pair(A, B))
    return entropy.renyi_entropy(AB, order_of(alpha, len(AB))) / math.log(base)


@refuses_overflow
def joint_entropy_gradient(
    A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2, tangent: bool = False
) -> Array:
    """Return ∂S_α(A, B)/∂B = α / ((1−α) ln base) · [A ∘ (A∘B)^(α−1) / tr (A∘B)^α − A ∘ I / tr(A∘B)].

    Parameters
    ----------
    A, B, alpha, base : array_like of shape (N, N), and floats
        Symmetric positive semidefinite matrices of any scale, tr(A ∘ B) > 0; order α > 0, and base of the logarithm.
    tangent : bool
        Return A ∘ T / tr(A∘B) with the tangent form T of (15), which differs only by a multiple of A ∘ I. Both forms
        are finite at α = 1; at α = ∞ the tangent form is infinite, and refused.

    Returns
    -------
    Array, shape (N, N)
        Symmetric. With unit-diagonal kernels it is (16) minus α/((1−α) ln base) · I.

    Notes
    -----
    The derivative of (12) for any A and B: the second term comes from tr(A ∘ B), which the paper's (16) holds constant.
    """
    alpha, base = as_order(alpha), as_base(base)
    A, B = _as_pair(A, B)
    AB, order = _joint(A, B), order_of(alpha, len(A))
    G = entropy.gradient(AB, order, tangent=True) if tangent else entropy.traceless_gradient(AB, order)
    unit = A / np.abs(A).max()
    return unit * G / np.sum(unit.diagonal() * B.diagonal()) / math.log(base)


@refuses_overflow
def product_entropy_gradient(
    K_X: npt.ArrayLike, K: npt.ArrayLike, alpha: float, base: float = 2, tangent: bool = False
) -> Array:
    """Return ∂S_α(N K_X ∘ K)/∂K = α / ((1−α) tr (N K_X∘K)^α) · N K_X ∘ V Γ^(α−1) Vᵀ / ln(base).

    Eq. (16) of the paper, times 1/ln(base), which the paper leaves out. `joint_entropy_gradient` is for matrices of any
    diagonal.

    Parameters
    ----------
    K_X, K : array_like, shape (N, N)
        Gram matrices of the inputs and of the outputs: symmetric positive semidefinite, diagonal 1/N.
    alpha, base, tangent : float, float and bool
        As in `renyi_entropy_gradient`.

    Returns
    -------
    Array, shape (N, N)
        Symmetric.
    """
    K_X, K = as_symmetric(K_X, "K_X"), as_symmetric(K, "K")
    check_same_shape(K_X, K, "K_X and K")
    N = len(K)
    return N * K_X * renyi_entropy_gradient(N * K_X * K, alpha, base, tangent)


@refuses_overflow
def conditional_entropy(A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2) -> float:
    """Return the conditional entropy S_α(A | B) = S_α(A, B) − S_α(B). Eq. (13) of the paper.

    Parameters
    ----------
    A, B, alpha, base : array_like of shape (N, N), and floats
        Symmetric positive semidefinite matrices, `B` of trace 1; order α > 0, and base of the logarithm.

    Returns
    -------
    float
        Not negative, if both diagonals are constant.
    """
    alpha, base = as_order(alpha), as_base(base)
    A, B = _as_pair(A, _as_gram(B, "B"))
    order = order_of(alpha, len(B))
    nats = entropy.renyi_entropy(_joint(A, B), order) - entropy.renyi_entropy(B, order)
    return nats / math.log(base)


@refuses_overflow
def mutual_information(A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2) -> float:
    """Return the mutual information I_α(A; B) = S_α(A) + S_α(B) − S_α(A, B).

    The matrix-based counterpart of Eq. (6) of the paper.

    Parameters
    ----------
    A, B, alpha, base : array_like of shape (N, N), and floats
        Symmetric positive semidefinite matrices of trace 1; order α > 0, and base of the logarithm.

    Returns
    -------
    float
        S(A) − S(A | B).
    """
    return renyi_entropy(A, alpha, base) - conditional_entropy(A, B, alpha, base)


@refuses_overflow
def graph_laplacian(P: npt.ArrayLike) -> Array:
    """Return the graph Laplacian D(P) − P, with the degrees D(P) = diag(P 1).

    The matrix that (17), (19) and (20) of the paper have in common.

    Parameters
    ----------
    P : array_like, shape (N, N)
        Symmetric edge weights; here they may have both signs. The diagonal of `P` does not matter.

    Returns
    -------
    Array, shape (N, N)
        L_P, with L_P 1 = 0.
    """
    return laplacian.graph_laplacian(as_symmetric(P, "P"))


@refuses_overflow
def gram_pullback(dS_dK: npt.ArrayLike, K: npt.ArrayLike, Y: npt.ArrayLike, sigma: float) -> Array:
    """Pull a gradient with respect to a Gaussian Gram matrix back to the samples: ∂S/∂Y = −4 (D(P) − P) Y.

    Parameters
    ----------
    dS_dK : array_like, shape (N, N)
        Symmetric gradient, dS = Σ_ij dS_dK_ij dK_ij. Its diagonal does not matter, as that of K is constant.
    K, Y, sigma : array_like of shapes (N, N) and (N, d), and float
        Samples `Y` in rows, and their Gram matrix ``gaussian_gram(Y, sigma)`` or a multiple of it.

    Returns
    -------
    Array, shape (N, d)
        ∂S/∂Y, with P = dS_dK ∘ K / (2σ²).

    Notes
    -----
    The step between (15), (16) and (17)–(20) of the paper.
    """
    dS_dK, K = as_symmetric(dS_dK, "dS_dK"), as_symmetric(K, "K")
    Y, sigma = as_samples(Y, "Y"), as_positive(sigma, "sigma")
    check_same_shape(dS_dK, K, "dS_dK and K")
    if len(Y) != len(K):
        raise ValueError(f"Y must have one row for each of the {len(K)} rows of K, got shape {Y.shape}")
    return laplacian.pull_back(dS_dK, K, Y, sigma)


def _as_gram(A: npt.ArrayLike, name: str) -> Array:
    matrix = as_symmetric(A, name)
    check_unit_trace(matrix, name)
    return matrix


def _as_pair(A: npt.ArrayLike, B: npt.ArrayLike) -> tuple[Array, Array]:
    """Return two positive semidefinite matrices with a positive tr(A ∘ B)."""
    A, B = as_symmetric(A, "A"), as_symmetric(B, "B")
    check_same_shape(A, B, "A and B")
    for matrix in (A, B):
        check_semidefinite(matrix / (np.abs(matrix).max() or 1.0))
    if not np.any((A.diagonal() > 0) & (B.diagonal() > 0)):
        raise ValueError("tr(A ∘ B) must be above 0: some sample needs a positive diagonal in both")
    return A, B


def _joint(A: Array, B: Array) -> Array:
    product = (A / np.abs(A).max()) * (B / np.abs(B).max())  # their scale does not matter, and would overflow
    return product / np.trace(product)
