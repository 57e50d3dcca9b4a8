"""Matrix-based Rényi entropies and their derivatives, side by side: (10), (12), (13), (15), (16) of the paper.

Notation of the paper: A, B and K are (N, N), symmetric positive semidefinite; λ are eigenvalues; α > 0, ∞ included.
Entropies are in bits unless `base` says otherwise; ``base=math.e`` gives nats, and the derivatives as printed.

Three things happen to α:

* Near 1, S = log1p(Σ λ expm1((α−1) ln λ)) / (1−α), which is exact in the limit −Σ λ ln λ; elsewhere ln Σ λ^α / (1−α).
* At 2, S = −ln |A|²: no eigenvalues.
* At ∞, S = −ln λ_max.

The eigenvalues are divided by their sum. It differs from 1 by rounding only, but 1/(1−α) would magnify that rounding.

A derivative with respect to a matrix is taken as if its N² elements were independent: dS = Σ_ij G_ij dK_ij.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_base, as_order, as_symmetric, check_same_shape, check_unit_trace
from .spectrum import SingularGramWarning, check_semidefinite, eigenvalues, spectral_product, spectrum, zero_below

__all__ = [
    "conditional_entropy",
    "joint_entropy",
    "joint_entropy_gradient",
    "mutual_information",
    "product_entropy_gradient",
    "renyi_entropy",
    "renyi_entropy_gradient",
]


def renyi_entropy(A: npt.ArrayLike, alpha: float, base: float = 2) -> float:
    """Return the matrix-based Rényi entropy S_α(A) = log tr(A^α) / (1 − α).

    Parameters
    ----------
    A : array_like, shape (N, N)
        Symmetric positive semidefinite, trace 1.
    alpha : float
        Order α > 0. At 1 it is −Σ λ log λ, at infinity −log λ_max.
    base : float
        Of the logarithm: 2 for bits, ``math.e`` for nats.

    Returns
    -------
    float
        Between 0 and log N.

    Raises
    ------
    TypeError, ValueError
        If `A` is not finite, symmetric, positive semidefinite and of trace 1, or `alpha` or `base` out of range.

    Notes
    -----
    Eq. (10) of the paper.
    """
    A, alpha, base = _as_gram(A, "A"), as_order(alpha), as_base(base)
    return _entropy(A, alpha) / math.log(base)


def renyi_entropy_gradient(A: npt.ArrayLike, alpha: float, base: float = 2, tangent: bool = False) -> Array:
    """Return ∂S_α(A)/∂A = α / ((1 − α) tr A^α) · U Λ^(α−1) Uᵀ / ln(base).

    Parameters
    ----------
    A : array_like, shape (N, N)
        Symmetric positive semidefinite, trace 1.
    alpha : float
        Order α > 0. At 1 the derivative is −(ln A + I), at infinity −u uᵀ / λ_max, averaged over equal λ_max.
    base : float
        Of the logarithm; ``math.e`` gives the form printed in the paper.
    tangent : bool
        Give the part that is left along directions of constant trace: Λ^(α−1) − I for Λ^(α−1). It differs from the
        literal form by a multiple of I, and goes through α = 1 smoothly, where the literal form has no limit.

    Returns
    -------
    Array, shape (N, N)
        Symmetric.

    Raises
    ------
    TypeError, ValueError
        If `A` is not finite, symmetric, positive semidefinite and of trace 1, `alpha` or `base` is out of range, or the
        tangent part is asked for at infinity, where it is infinite.

    Warns
    -----
    SingularGramWarning
        If α ≤ 1 and `A` is singular: the true derivative is infinite, the one on the range of `A` is returned.

    Notes
    -----
    Eq. (15) of the paper, times 1/ln(base), which the paper leaves out.
    """
    A, alpha, base = _as_gram(A, "A"), as_order(alpha), as_base(base)
    return _gradient(A, alpha, tangent=tangent) / math.log(base)


def joint_entropy(A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2) -> float:
    """Return the joint entropy S_α(A, B) = S_α(A ∘ B / tr(A ∘ B)).

    Parameters
    ----------
    A, B : array_like, shape (N, N)
        Symmetric positive semidefinite. Their scale does not matter.
    alpha : float
        Order α > 0.
    base : float
        Of the logarithm: 2 for bits.

    Returns
    -------
    float
        Not below S(A) and S(B), if both diagonals are constant.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a matrix is not finite, symmetric and positive semidefinite, tr(A ∘ B) is not above 0, or
        `alpha` or `base` is out of range.

    Notes
    -----
    Eq. (12) of the paper.
    """
    alpha, base = as_order(alpha), as_base(base)
    A, B = _as_pair(A, B)
    return _entropy(_joint(A, B), alpha) / math.log(base)


def joint_entropy_gradient(
    A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2, tangent: bool = False
) -> Array:
    """Return ∂S_α(A, B)/∂B = α / ((1−α) ln base) · [A ∘ (A∘B)^(α−1) / tr (A∘B)^α − A ∘ I / tr(A∘B)].

    Parameters
    ----------
    A, B : array_like, shape (N, N)
        Symmetric positive semidefinite. Their scale does not matter.
    alpha : float
        Order α > 0.
    base : float
        Of the logarithm: 2 for bits.
    tangent : bool
        Give A ∘ T / tr(A∘B) with the tangent part T of (15) instead: it differs by a multiple of A ∘ I only. This one
        is finite at α = 1 and so is the full form; only the tangent one is infinite at α = ∞.

    Returns
    -------
    Array, shape (N, N)
        Symmetric. With unit-diagonal kernels it is (16) minus α/((1−α) ln base) · I.

    Raises
    ------
    TypeError, ValueError
        As `joint_entropy`; and at infinity with `tangent`.

    Warns
    -----
    SingularGramWarning
        If α ≤ 1 and A ∘ B is singular.

    Notes
    -----
    The derivative of (12) for any A and B: the second term comes from tr(A ∘ B), which the paper's (16) holds constant.
    """
    alpha, base = as_order(alpha), as_base(base)
    A, B = _as_pair(A, B)
    G = _gradient(_joint(A, B), alpha, tangent=True) if tangent else _traceless_gradient(_joint(A, B), alpha)
    unit = A / np.abs(A).max()
    return unit * G / np.sum(unit.diagonal() * B.diagonal()) / math.log(base)


def product_entropy_gradient(
    K_X: npt.ArrayLike, K: npt.ArrayLike, alpha: float, base: float = 2, tangent: bool = False
) -> Array:
    """Return ∂S_α(N K_X ∘ K)/∂K = α / ((1−α) tr (N K_X∘K)^α) · N K_X ∘ V Γ^(α−1) Vᵀ / ln(base).

    Parameters
    ----------
    K_X, K : array_like, shape (N, N)
        Gram matrices of the inputs and of the outputs: symmetric positive semidefinite, diagonal 1/N.
    alpha : float
        Order α > 0.
    base : float
        Of the logarithm; ``math.e`` gives the form printed in the paper.
    tangent : bool
        As in `renyi_entropy_gradient`.

    Returns
    -------
    Array, shape (N, N)
        Symmetric.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, or N K_X ∘ K is not finite, symmetric, positive semidefinite and of trace 1, or `alpha` or
        `base` is out of range.

    Warns
    -----
    SingularGramWarning
        If α ≤ 1 and K_X ∘ K is singular.

    Notes
    -----
    Eq. (16) of the paper, times 1/ln(base). `joint_entropy_gradient` is the one for matrices of any diagonal.
    """
    K_X, K = as_symmetric(K_X, "K_X"), as_symmetric(K, "K")
    check_same_shape(K_X, K, "K_X and K")
    N = len(K)
    return N * K_X * renyi_entropy_gradient(N * K_X * K, alpha, base, tangent)


def conditional_entropy(A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2) -> float:
    """Return the conditional entropy S_α(A | B) = S_α(A, B) − S_α(B).

    Parameters
    ----------
    A, B : array_like, shape (N, N)
        Symmetric positive semidefinite; `B` of trace 1.
    alpha : float
        Order α > 0.
    base : float
        Of the logarithm: 2 for bits.

    Returns
    -------
    float
        Not negative, if both diagonals are constant.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a matrix is not finite, symmetric and positive semidefinite, `B` is not of trace 1, or
        `alpha` or `base` is out of range.

    Notes
    -----
    Eq. (13) of the paper.
    """
    return joint_entropy(A, B, alpha, base) - renyi_entropy(_as_gram(B, "B"), alpha, base)


def mutual_information(A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2) -> float:
    """Return the mutual information I_α(A; B) = S_α(A) + S_α(B) − S_α(A, B).

    Parameters
    ----------
    A, B : array_like, shape (N, N)
        Symmetric positive semidefinite, trace 1.
    alpha : float
        Order α > 0.
    base : float
        Of the logarithm: 2 for bits.

    Returns
    -------
    float
        S(A) − S(A | B).

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a matrix is not finite, symmetric, positive semidefinite and of trace 1, or `alpha` or `base`
        is out of range.

    Notes
    -----
    The matrix-based counterpart of Eq. (6) of the paper.
    """
    return renyi_entropy(_as_gram(A, "A"), alpha, base) - conditional_entropy(A, B, alpha, base)


# Always the same words, so that Python's filter shows them once for each place and not at each step of an ascent.
SINGULAR = (
    "the derivative of S_α at α ≤ 1 is infinite along eigenvectors whose eigenvalue counts as zero, and here are some: "
    "equal samples, or samples nearer than the kernel resolves. They are left out; α > 1 has no such directions"
)


class EntropyAndGradient(NamedTuple):
    """S_α(A) in nats with a gradient that is right up to a multiple of I."""

    value: float
    gradient: Array


def entropy_and_gradient(A: Array, alpha: float) -> EntropyAndGradient:
    """Return S_α(A) in nats and its gradient up to a multiple of I, from one decomposition of a checked matrix.

    The multiple is the one that costs least: the tangent form near α = 1, where the literal one diverges, the literal
    one elsewhere, since at α = 10 the tangent form is 10⁵ times larger than the part of it that matters.
    """
    if alpha == 2:
        return EntropyAndGradient(_collision_entropy(A), _collision_gradient(A))
    values, vectors = spectrum(A)
    if _near_one(alpha, len(A)):
        weights = _tangent_weights(values, alpha)
        if alpha > 1:
            # An exact zero weighs 1/(α−1), which magnifies the rounding of its eigenvector. It is the rounding of some
            # eigenvalue below the threshold, where S does not change: the weight at the threshold is as right.
            weights = np.minimum(weights, _tangent_weight(zero_below(values) / values.sum(), values, alpha))
    else:
        weights = _literal_weights(values, alpha)
    return EntropyAndGradient(_spectral_entropy(values, alpha), spectral_product(vectors, weights))


def _near_one(alpha: float, N: int) -> bool:
    # |(α−1) ln λ| is small for the eigenvalues that matter: here expm1 and log1p save the digits that 1 − λ^(α−1)
    # loses; further away log1p would lose what it saves, up to a bit at α = 10.
    return abs(alpha - 1) * math.log(N) < 0.3


def _entropy(A: Array, alpha: float) -> float:
    """S_α(A) in nats, Eq. (10)."""
    if alpha == 2:
        check_semidefinite(A)
        return _collision_entropy(A)
    return _spectral_entropy(eigenvalues(A), alpha)


def _gradient(A: Array, alpha: float, *, tangent: bool) -> Array:
    """∂S_α(A)/∂A in nats, Eq. (15)."""
    if alpha == 2 and not tangent:
        check_semidefinite(A)
        return _collision_gradient(A)
    values, vectors = spectrum(A)
    weights = _tangent_weights(values, alpha) if tangent else _literal_weights(values, alpha)
    return spectral_product(vectors, weights)


def _traceless_gradient(A: Array, alpha: float) -> Array:
    """Return the gradient G of S_α(A / tr A) in nats at tr A = 1: tr(G A) = 0, and a limit at every α."""
    G = _gradient(A, alpha, tangent=_near_one(alpha, len(A)))
    return G - np.vdot(G, A) * np.eye(len(A))


def _collision_entropy(A: Array) -> float:
    return max(0.0, -math.log(np.vdot(A, A) / np.trace(A) ** 2))


def _collision_gradient(A: Array) -> Array:
    return -2 / np.vdot(A, A) * A


def _spectral_entropy(values: Array, alpha: float) -> float:
    """S_α in nats of the eigenvalues; those that are zero do not count, also where λ^α would be 0^0."""
    p = values[values > 0] / values.sum()
    if alpha == 1:
        entropy = -np.sum(p * np.log(p))
    elif _near_one(alpha, len(values)):
        entropy = np.log1p(np.sum(p * np.expm1((alpha - 1) * np.log(p)))) / (1 - alpha)
    elif alpha == math.inf:
        entropy = -np.log(p.max())
    else:  # p / max p and not p, so that large α does not underflow
        entropy = (np.log(np.sum((p / p.max()) ** alpha)) + alpha * np.log(p.max())) / (1 - alpha)
    return max(0.0, float(entropy))  # −0 and the rounding of a zero


def _literal_weights(values: Array, alpha: float) -> Array:
    """Return the eigenvalues of ∂S/∂A in nats: α λ^(α−1) / ((1−α) Σ λ^α)."""
    p, positive = _support(values, alpha)
    ratio = p / p.max()
    if alpha == 1:
        weights = -(np.log(p) + 1)
    elif alpha == math.inf:
        largest = ratio > 1 - len(values) * np.finfo(float).eps  # equal ones: the limit of α → ∞ shares among them
        weights = -1.0 * largest / (largest.sum() * p.max())
    else:
        weights = alpha / (1 - alpha) * ratio ** (alpha - 1) / (p.max() * np.sum(ratio**alpha))
    return _scatter(weights, positive)


def _tangent_weights(values: Array, alpha: float) -> Array:
    """Return the literal weights with λ^(α−1) − 1 for λ^(α−1), never negative: −ln λ at α = 1."""
    p, positive = _support(values, alpha)
    weights = _scatter(_tangent_weight(p, values, alpha), positive)
    if alpha > 1:
        weights[~positive] = _tangent_weight(np.array(0.0), values, alpha)
    return weights


def _tangent_weight(p: Array, values: Array, alpha: float) -> Array:
    """Return α (p^(α−1) − 1) / ((1−α) Σ λ^α) for eigenvalues p of a spectrum with these values."""
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
    if alpha == 1:
        return -log_p
    power_trace = np.sum((values[values > 0] / values.sum()) ** alpha)
    if alpha == math.inf or power_trace == 0:
        raise ValueError(f"the tangent part of the derivative overflows at alpha = {alpha}: use tangent=False")
    return alpha / (1 - alpha) * np.expm1((alpha - 1) * log_p) / power_trace


def _support(values: Array, alpha: float) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return the positive eigenvalues over their sum, and where they are."""
    positive = values > 0
    if alpha <= 1 and not positive.all():
        warnings.warn(SINGULAR, SingularGramWarning, stacklevel=5)
    return values[positive] / values.sum(), positive


def _scatter(weights: Array, positive: npt.NDArray[np.bool_]) -> Array:
    everywhere = np.zeros(len(positive))
    everywhere[positive] = weights
    return everywhere


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
