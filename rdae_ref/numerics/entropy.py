"""S_α of a matrix of trace 1 and its derivative, Eqs. (10) and (15), for every α > 0 and degenerate spectra, in nats.

`ORDERS` says how each α is computed. Eigenvalues are divided by their sum: it differs from 1 by rounding only, but
1/(1−α) would magnify that rounding. A derivative is taken as if all N² elements were independent.
"""

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._validation import Array
from .low_rank import MOST_RANK, nonzero_spectrum
from .spectrum import (
    SingularGramWarning,
    Spectrum,
    check_semidefinite,
    eigenvalues,
    spectral_product,
    spectrum,
    zero_below,
)

__all__ = [
    "EntropyAndGradient", "EntropyAndWeights", "Order", "entropy_and_gradient", "entropy_and_weights",
    "entropy_of_spectrum", "factor", "gradient", "order_of", "renyi_entropy", "traceless_gradient",
]  # fmt: skip


class EntropyAndGradient(NamedTuple):
    """S_α(A) with a gradient that is right up to a multiple of I."""

    value: float
    gradient: Array


class EntropyAndWeights(NamedTuple):
    """S_α(A) with w of shape (r,): up to a multiple of I the gradient is V diag(w) Vᵀ, with w of one sign."""

    value: float
    weights: Array


# How each order is computed, from eigenvalues λ > 0 with Σ λ = 1


def _shannon(p: Array, alpha: float) -> float:
    return -np.sum(p * np.log(p))


def _shannon_weights(p: Array, alpha: float) -> Array:
    return -(np.log(p) + 1)


def _near_one(p: Array, alpha: float) -> float:
    return np.log1p(np.sum(p * np.expm1((alpha - 1) * np.log(p)))) / (1 - alpha)


def _power(p: Array, alpha: float) -> float:
    largest = p.max()  # p / max p and not p, so that large α does not underflow
    return np.log(np.sum((p / largest) ** alpha)) / (1 - alpha) + alpha / (1 - alpha) * np.log(largest)


def _power_weights(p: Array, alpha: float) -> Array:
    ratio = p / p.max()
    return alpha / (1 - alpha) * ratio ** (alpha - 1) / (p.max() * np.sum(ratio**alpha))


def _min_entropy(p: Array, alpha: float) -> float:
    return -np.log(p.max())


def _min_entropy_weights(p: Array, alpha: float) -> Array:
    largest = p > p.max() * (1 - len(p) * np.finfo(float).eps)  # equal ones: the limit of α → ∞ shares among them
    return -1.0 * largest / (largest.sum() * p.max())


def _shannon_tangent(p: Array, spectrum: Array, alpha: float) -> Array:
    with np.errstate(divide="ignore"):
        return -np.log(p)


def _power_tangent(p: Array, spectrum: Array, alpha: float) -> Array:
    """Return α (p^(α−1) − 1) / ((1−α) Σ λ^α) for eigenvalues p of a spectrum λ."""
    power_trace = np.sum(spectrum**alpha)
    if power_trace == 0:
        return _infinite_tangent(p, spectrum, alpha)
    with np.errstate(divide="ignore", over="ignore"):  # at p = 0 for α < 1 infinite, and not used
        return alpha / (1 - alpha) * np.expm1((alpha - 1) * np.log(p)) / power_trace


def _infinite_tangent(p: Array, spectrum: Array, alpha: float) -> Array:
    raise ValueError(f"the tangent part of the derivative overflows at alpha = {alpha}: use tangent=False")


def _by_products(A: Array, alpha: float) -> EntropyAndGradient:
    power = np.linalg.matrix_power(A, int(alpha) - 1)
    power_trace = float(np.vdot(power, A))
    value = math.log(power_trace / np.trace(A) ** alpha) / (1 - alpha)
    return EntropyAndGradient(max(0.0, value), alpha / ((1 - alpha) * power_trace) * power)


SHANNON = (_shannon, _shannon_weights, _shannon_tangent)
NEAR_ONE = (_near_one, _power_weights, _power_tangent)
POWER = (_power, _power_weights, _power_tangent)
MIN_ENTROPY = (_min_entropy, _min_entropy_weights, _infinite_tangent)


class Order(NamedTuple):
    """How S_α and ∂S_α/∂A are computed for some α."""

    applies: Callable[[float, int], bool]  # α and N
    entropy: Callable[[Array, float], float]  # (10)
    weights: Callable[[Array, float], Array]  # the eigenvalues of (15)
    tangent: Callable[[Array, Array, float], Array]  # those with Λ^(α−1) replaced by Λ^(α−1) − I
    diverges: bool = False  # (15) does as α → 1: where a multiple of I does not matter, the tangent form is taken
    by_products: Callable[[Array, float], EntropyAndGradient] | None = None  # from tr A^α, without eigenvalues
    by_elements: bool = False  # tr A² is a sum over elements and needs no N×N matrix
    alpha: float = math.nan
    N: int = 0

    def __reduce__(self) -> tuple[Callable[..., "Order"], tuple[float, int]]:
        return order_of, (self.alpha, self.N)  # a pickle cannot hold the functions of the table

    @property
    def needs_all(self) -> bool:
        """Whether the smallest eigenvalues matter most: for α ≤ 1, where the weights are ≥ 0, and ≤ 0 for α > 1."""
        return self.alpha <= 1


ORDERS = (  # the first that applies
    Order(lambda alpha, N: alpha == 1, *SHANNON, diverges=True),
    # α − 1 so small that expm1 and log1p save the digits which 1 − λ^(α−1) loses; further away they would lose some.
    Order(lambda alpha, N: abs(alpha - 1) * math.log(N) < 0.3, *NEAR_ONE, diverges=True),
    Order(lambda alpha, N: alpha == 2, *POWER, by_products=_by_products, by_elements=True),
    Order(lambda alpha, N: alpha in (3, 4, 5), *POWER, by_products=_by_products),
    Order(lambda alpha, N: alpha == math.inf, *MIN_ENTROPY),
    Order(lambda alpha, N: True, *POWER),
)


def order_of(alpha: float, N: int) -> Order:
    """Return how S_α of an N×N matrix is computed."""
    return next(order for order in ORDERS if order.applies(alpha, N))._replace(alpha=alpha, N=N)


def renyi_entropy(A: Array, order: Order) -> float:
    """Return S_α(A). Eq. (10)."""
    if order.by_products is None:
        return _entropy_of_values(eigenvalues(A), order)
    check_semidefinite(A)
    return order.by_products(A, order.alpha).value


def entropy_of_spectrum(decomposition: Spectrum, order: Order) -> float:
    """Return S_α of the matrix with this spectrum. Eq. (10)."""
    return _entropy_of_values(decomposition.values, order)


def gradient(A: Array, order: Order, *, tangent: bool) -> Array:
    """Return ∂S_α(A)/∂A or, for constant traces, its tangent part: Λ^(α−1) replaced by Λ^(α−1) − I. Eq. (15)."""
    if order.by_products is not None and not tangent:
        check_semidefinite(A)
        return order.by_products(A, order.alpha).gradient
    values, vectors, _ = spectrum(A)
    return spectral_product(vectors, (_tangent_weights if tangent else _literal_weights)(values, order))


def traceless_gradient(A: Array, order: Order) -> Array:
    """Return the gradient G of S_α(A / tr A) at tr A = 1: tr(G A) = 0, and a limit at every α."""
    G = gradient(A, order, tangent=order.diverges)
    return G - np.vdot(G, A) * np.eye(len(A))


def entropy_and_gradient(A: Array, order: Order) -> EntropyAndGradient:
    """Return S_α(A) and its gradient up to a multiple of I, from one decomposition of a Gram matrix."""
    if order.by_products is not None:
        return order.by_products(A, order.alpha)
    decomposition = spectrum(A) if order.needs_all else nonzero_spectrum(A)
    value, weights = entropy_and_weights(decomposition, order)
    B = factor(decomposition.vectors, weights)
    product = B @ B.T  # syrk: symmetric, and half the work
    return EntropyAndGradient(value, product if order.needs_all else np.negative(product, out=product))


def entropy_and_weights(decomposition: Spectrum, order: Order) -> EntropyAndWeights:
    """Return S_α and the weights of its gradient, up to the constant for which an eigenvalue 0 has the weight 0.

    So eigenvectors of weight zero, and those that a low-rank spectrum left out, are not needed. Near α = 1 this is the
    tangent form, elsewhere the literal one: at α = 10 the tangent form is 10⁵ times larger than the part that matters.
    """
    values, vectors, _ = decomposition
    return EntropyAndWeights(entropy_of_spectrum(decomposition, order), _factor_weights(values, order, len(vectors)))


def factor(vectors: Array, weights: Array) -> Array:
    """Return B with B Bᵀ = V diag(|w|) Vᵀ."""
    used = slice(None) if np.count_nonzero(weights) > MOST_RANK * len(weights) else weights != 0
    return vectors[:, used] * np.sqrt(np.abs(weights[used]))


def _entropy_of_values(values: Array, order: Order) -> float:
    p = values[values > 0] / values.sum()  # zeros do not count, also where λ^α would be 0^0
    return max(0.0, float(order.entropy(p, order.alpha)))  # −0 and the rounding of a zero


def _factor_weights(values: Array, order: Order, N: int) -> Array:
    """Return weights of the gradient up to a common constant: for α > 1 nonpositive, and 0 for zero eigenvalues."""
    if not order.diverges:
        return _literal_weights(values, order)
    if order.needs_all:
        return _tangent_weights(values, order)
    # An exact zero weighs 1/(α−1), which magnifies the rounding of its eigenvector. It is the rounding of some
    # eigenvalue below the threshold, where S does not change: the weight at the threshold is equally valid.
    smallest = values[0] if len(values) == N else 0.0
    weights = _tangents(np.append(values, max(smallest, zero_below(values, N))), values, order)
    return np.minimum(weights[:-1] - weights[-1], 0)


def _literal_weights(values: Array, order: Order) -> Array:
    """Return the eigenvalues of ∂S/∂A: α λ^(α−1) / ((1−α) Σ λ^α)."""
    positive = _positive(values, order)
    weights = np.zeros(len(values))
    weights[positive] = order.weights(values[positive] / values.sum(), order.alpha)
    return weights


def _tangent_weights(values: Array, order: Order) -> Array:
    """Return the literal weights with λ^(α−1) − 1 for λ^(α−1), never negative: −ln λ at α = 1."""
    positive = _positive(values, order)
    weights = _tangents(np.where(positive, values, 0.0), values, order)
    return np.where(positive, weights, 0.0) if order.needs_all else weights


def _tangents(some: Array, values: Array, order: Order) -> Array:
    """Return the tangent weights of some eigenvalues of a matrix with these."""
    return order.tangent(some / values.sum(), values[values > 0] / values.sum(), order.alpha)


# A constant message, so that Python's filter shows it once for each place and not at each step of an ascent.
SINGULAR = (
    "the derivative of S_α at α ≤ 1 is infinite along eigenvectors whose eigenvalue counts as zero, and this matrix "
    "has such eigenvectors: equal samples, or samples closer than the kernel resolves. They are left out; "
    "α > 1 avoids this"
)


def _positive(values: Array, order: Order) -> np.ndarray:
    """Return which eigenvalues are not zero, and warn if any is zero for α ≤ 1."""
    positive = values > 0
    if order.needs_all and not positive.all():
        warnings.warn(SINGULAR, SingularGramWarning, stacklevel=6)
    return positive
