"""Matrix-based Rényi entropies and their derivatives, side by side: (10), (12), (13), (15), (16) of the paper.

Notation of the paper: A, B and K are (N, N), symmetric positive semidefinite; λ are eigenvalues; α > 0, ∞ included.
Entropies are in bits unless `base` says otherwise; ``base=math.e`` gives nats, and the derivatives as printed.

Three things happen to α:

* Near 1, S = log1p(Σ λ expm1((α−1) ln λ)) / (1−α), which is exact in the limit −Σ λ ln λ; elsewhere ln Σ λ^α / (1−α).
* At 2, S = −ln |A|²: no eigenvalues. Nor does the objective need them at 3, 4 and 5, where it multiplies matrices.
* At ∞, S = −ln λ_max.

The eigenvalues are divided by their sum. It differs from 1 by rounding only, but 1/(1−α) would magnify that rounding.

A derivative with respect to a matrix is taken as if its N² elements were independent: dS = Σ_ij G_ij dK_ij.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_base, as_choice, as_order, as_symmetric, check_same_shape, check_unit_trace
from .numerics.spectrum import (
    SPECTRA,
    SingularGramWarning,
    Spectrum,
    check_semidefinite,
    eigenvalues,
    low_rank_if_chosen,
    nonzero_spectrum,
    spectral_product,
    zero_below,
)
from .numerics.spectrum import spectrum as decompose

__all__ = [
    "conditional_entropy",
    "joint_entropy",
    "joint_entropy_gradient",
    "mutual_information",
    "product_entropy_gradient",
    "renyi_entropy",
    "renyi_entropy_gradient",
    "truncation_error",
]


def renyi_entropy(A: npt.ArrayLike, alpha: float, base: float = 2, *, spectrum: str = "exact") -> float:
    """Return the matrix-based Rényi entropy S_α(A) = log tr(A^α) / (1 − α).

    Parameters
    ----------
    A : array_like, shape (N, N)
        Symmetric positive semidefinite, trace 1.
    alpha : float
        Order α > 0. At 1 it is −Σ λ log λ, at infinity −log λ_max.
    base : float
        Of the logarithm: 2 for bits, ``math.e`` for nats.
    spectrum : str
        ``"exact"``, ``"low-rank"`` or ``"auto"``, see `rdae_ref.RateDistortion`.

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
    return _entropy(A, alpha, as_choice(spectrum, "spectrum", SPECTRA)) / math.log(base)


def renyi_entropy_gradient(
    A: npt.ArrayLike, alpha: float, base: float = 2, tangent: bool = False, *, spectrum: str = "exact"
) -> Array:
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
    spectrum : str
        ``"exact"``, ``"low-rank"`` or ``"auto"``, see `rdae_ref.RateDistortion`.

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
    return _gradient(A, alpha, as_choice(spectrum, "spectrum", SPECTRA), tangent=tangent) / math.log(base)


def joint_entropy(
    A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2, *, spectrum: str = "exact"
) -> float:
    """Return the joint entropy S_α(A, B) = S_α(A ∘ B / tr(A ∘ B)).

    Parameters
    ----------
    A, B : array_like, shape (N, N)
        Symmetric positive semidefinite. Their scale does not matter.
    alpha : float
        Order α > 0.
    base : float
        Of the logarithm: 2 for bits.
    spectrum : str
        ``"exact"``, ``"low-rank"`` or ``"auto"``, see `rdae_ref.RateDistortion`.

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
    alpha, base, how = as_order(alpha), as_base(base), as_choice(spectrum, "spectrum", SPECTRA)
    A, B = _as_pair(A, B)
    return _entropy(_joint(A, B), alpha, how) / math.log(base)


def joint_entropy_gradient(
    A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2, tangent: bool = False, *, spectrum: str = "exact"
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
    spectrum : str
        ``"exact"``, ``"low-rank"`` or ``"auto"``, see `rdae_ref.RateDistortion`.

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
    alpha, base, how = as_order(alpha), as_base(base), as_choice(spectrum, "spectrum", SPECTRA)
    A, B = _as_pair(A, B)
    joint = _joint(A, B)
    G = _gradient(joint, alpha, how, tangent=True) if tangent else _traceless_gradient(joint, alpha, how)
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


def conditional_entropy(
    A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2, *, spectrum: str = "exact"
) -> float:
    """Return the conditional entropy S_α(A | B) = S_α(A, B) − S_α(B).

    Parameters
    ----------
    A, B : array_like, shape (N, N)
        Symmetric positive semidefinite; `B` of trace 1.
    alpha : float
        Order α > 0.
    base : float
        Of the logarithm: 2 for bits.
    spectrum : str
        ``"exact"``, ``"low-rank"`` or ``"auto"``, see `rdae_ref.RateDistortion`.

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
    output = renyi_entropy(_as_gram(B, "B"), alpha, base, spectrum=spectrum)
    return joint_entropy(A, B, alpha, base, spectrum=spectrum) - output


def mutual_information(
    A: npt.ArrayLike, B: npt.ArrayLike, alpha: float, base: float = 2, *, spectrum: str = "exact"
) -> float:
    """Return the mutual information I_α(A; B) = S_α(A) + S_α(B) − S_α(A, B).

    Parameters
    ----------
    A, B : array_like, shape (N, N)
        Symmetric positive semidefinite, trace 1.
    alpha : float
        Order α > 0.
    base : float
        Of the logarithm: 2 for bits.
    spectrum : str
        ``"exact"``, ``"low-rank"`` or ``"auto"``, see `rdae_ref.RateDistortion`.

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
    of_A = renyi_entropy(_as_gram(A, "A"), alpha, base, spectrum=spectrum)
    return of_A - conditional_entropy(A, B, alpha, base, spectrum=spectrum)


# Always the same words, so that Python's filter shows them once for each place and not at each step of an ascent.
SINGULAR = (
    "the derivative of S_α at α ≤ 1 is infinite along eigenvectors whose eigenvalue counts as zero, and here are some: "
    "equal samples, or samples nearer than the kernel resolves. They are left out; α > 1 has no such directions"
)


class EntropyAndGradient(NamedTuple):
    """S_α(A) in nats with a gradient that is right up to a multiple of I."""

    value: float
    gradient: Array


class EntropyAndFactor(NamedTuple):
    """S_α(A) in nats, and B of shape (N, r): the gradient is sign · B Bᵀ, up to a multiple of I."""

    value: float
    factor: Array
    sign: float


def entropy_and_gradient(A: Array, alpha: float) -> EntropyAndGradient:
    """Return S_α(A) in nats and its gradient up to a multiple of I, from one decomposition of a checked matrix."""
    if alpha == 2:
        return EntropyAndGradient(_collision_entropy(A), _collision_gradient(A))
    if alpha in BY_PRODUCTS:
        return _by_products(A, int(alpha))
    # For α ≤ 1 the smallest eigenvalues matter most, and zeros are worth a warning.
    value, B, sign = entropy_and_factor(nonzero_spectrum(A) if alpha > 1 else decompose(A), alpha)
    gradient = B @ B.T  # syrk: symmetric, and half the work
    return EntropyAndGradient(value, np.negative(gradient, out=gradient) if sign < 0 else gradient)


BY_PRODUCTS = (3, 4, 5)  # one or two products of matrices, a fifth of what the eigenvectors cost


def _by_products(A: Array, alpha: int) -> EntropyAndGradient:
    power = np.linalg.matrix_power(A, alpha - 1)
    power_trace = float(np.vdot(power, A))
    value = math.log(power_trace / np.trace(A) ** alpha) / (1 - alpha)
    return EntropyAndGradient(max(0.0, value), alpha / ((1 - alpha) * power_trace) * power)


def entropy_and_factor(decomposition: Spectrum, alpha: float) -> EntropyAndFactor:
    """Return S_α in nats and the factor of its gradient, up to the multiple of I that costs least.

    Near α = 1 the tangent form, where the literal one diverges; the literal one elsewhere, since at α = 10 the tangent
    form is 10⁵ times larger than the part of it that matters. Eigenvectors of weight zero, and those that a low-rank
    spectrum left out, are not needed: the multiple of I is chosen so that the weight of an eigenvalue 0 is 0.
    """
    values, vectors, _ = decomposition
    N = len(vectors)
    weights = _gradient_weights(values, alpha, N)
    used = weights != 0
    B = (vectors if used.all() else vectors[:, used]) * np.sqrt(np.abs(weights[used]))
    return EntropyAndFactor(_spectral_entropy(values, alpha, N), B, 1.0 if alpha <= 1 else -1.0)


def entropy_of(decomposition: Spectrum, alpha: float) -> float:
    """Return S_α in nats, Eq. (10), of a matrix of which this is the spectrum."""
    return _spectral_entropy(decomposition.values, alpha, len(decomposition.vectors))


def truncation_error(decomposition: Spectrum, alpha: float, base: float = 2) -> float:
    """Return a bound on how far S_α of a low-rank spectrum is from that of the whole matrix of trace 1.

    With τ = tr R, p the eigenvalues over their sum 1 − τ, T = Σ p^α and |λ|_α = (Σ λ^α)^(1/α), the smaller of::

        E / (T − (α−1) E),  E = 2τ [1 + (1 − (2τ/N)^(α−1)) / (α−1)]
        α/(α−1) · max(−ln(1−τ), ln(1 + τ/|λ|_α))

    Parameters
    ----------
    decomposition : Spectrum
        With its residual τ.
    alpha : float
        Order α > 1, ∞ included.
    base : float
        Of the logarithm: 2 for bits.

    Returns
    -------
    float
        0 for a spectrum without residual. Rounding comes on top, as it does for every spectrum.

    Raises
    ------
    TypeError, ValueError
        If `alpha` is not above 1, or `base` out of range.

    Notes
    -----
    Proved in docs/low_rank.md.
    """
    alpha, base = as_order(alpha), as_base(base)
    if alpha <= 1:
        raise ValueError(f"alpha must be above 1, got {alpha:g}: below, eigenvalues however small can carry entropy")
    values, vectors, tau = decomposition
    if tau == 0:
        return 0.0
    if tau >= values.sum():
        return math.inf
    order = 1.0 if alpha == math.inf else alpha / (alpha - 1)
    norm = values[-1] * (1.0 if alpha == math.inf else np.sum((values / values[-1]) ** alpha) ** (1 / alpha))
    bound = order * max(-math.log1p(-tau), math.log1p(tau / norm))
    if alpha < math.inf and tau <= len(vectors) / 6:  # where x ↦ (x − x^α)/(α−1) still rises at 2τ/N
        E = 2 * tau * (1 - math.expm1((alpha - 1) * math.log(2 * tau / len(vectors))) / (alpha - 1))
        T = np.sum((values / values.sum()) ** alpha)
        if (alpha - 1) * E < T:
            bound = min(bound, E / (T - (alpha - 1) * E))
    return float(bound) / math.log(base)


def _gradient_weights(values: Array, alpha: float, N: int) -> Array:
    """Return eigenvalues of the gradient up to a common constant: all ≥ 0 for α ≤ 1, all ≤ 0 and 0 at zero above."""
    if not _near_one(alpha, N):
        return _literal_weights(values, alpha)
    weights = _tangent_weights(values, alpha)
    if alpha <= 1:
        return weights
    # An exact zero weighs 1/(α−1), which magnifies the rounding of its eigenvector. It is the rounding of some
    # eigenvalue below the threshold, where S does not change: the weight at the threshold is as right.
    smallest = values[0] if len(values) == N else 0.0
    largest = _tangent_weight(np.array(max(smallest, zero_below(values, N)) / values.sum()), values, alpha)
    return np.minimum(weights - largest, 0)


def _near_one(alpha: float, N: int) -> bool:
    # |(α−1) ln λ| is small for the eigenvalues that matter: here expm1 and log1p save the digits that 1 − λ^(α−1)
    # loses; further away log1p would lose what it saves, up to a bit at α = 10.
    return abs(alpha - 1) * math.log(N) < 0.3


def _entropy(A: Array, alpha: float, how: str) -> float:
    """S_α(A) in nats, Eq. (10)."""
    if alpha == 2:
        check_semidefinite(A)
        return _collision_entropy(A)
    found = low_rank_if_chosen(A, alpha, how)
    return _spectral_entropy(eigenvalues(A), alpha, len(A)) if found is None else entropy_of(found, alpha)


def _gradient(A: Array, alpha: float, how: str, *, tangent: bool) -> Array:
    """∂S_α(A)/∂A in nats, Eq. (15)."""
    if alpha == 2 and not tangent:
        check_semidefinite(A)
        return _collision_gradient(A)
    found = low_rank_if_chosen(A, alpha, how)
    values, vectors, _ = decompose(A) if found is None else found
    weights = _tangent_weights(values, alpha) if tangent else _literal_weights(values, alpha)
    if found is None or not tangent:  # the literal weight of an eigenvalue 0 is 0, for α > 1
        return spectral_product(vectors, weights)
    of_zero = float(_tangent_weight(np.array(0.0), values, alpha))
    return of_zero * np.eye(len(A)) + spectral_product(vectors, weights - of_zero)


def _traceless_gradient(A: Array, alpha: float, how: str) -> Array:
    """Return the gradient G of S_α(A / tr A) in nats at tr A = 1: tr(G A) = 0, and a limit at every α."""
    G = _gradient(A, alpha, how, tangent=_near_one(alpha, len(A)))
    return G - np.vdot(G, A) * np.eye(len(A))


def _collision_entropy(A: Array) -> float:
    return max(0.0, -math.log(np.vdot(A, A) / np.trace(A) ** 2))


def _collision_gradient(A: Array) -> Array:
    return -2 / np.vdot(A, A) * A


def _spectral_entropy(values: Array, alpha: float, N: int) -> float:
    """S_α in nats of the eigenvalues of an N×N matrix; zeros do not count, also where λ^α would be 0^0."""
    p = values[values > 0] / values.sum()
    if alpha == 1:
        entropy = -np.sum(p * np.log(p))
    elif _near_one(alpha, N):
        entropy = np.log1p(np.sum(p * np.expm1((alpha - 1) * np.log(p)))) / (1 - alpha)
    elif alpha == math.inf:
        entropy = -np.log(p.max())
    else:  # p / max p and not p, so that large α does not underflow
        entropy = np.log(np.sum((p / p.max()) ** alpha)) / (1 - alpha) + alpha / (1 - alpha) * np.log(p.max())
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
