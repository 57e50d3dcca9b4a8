"""The matrix-based entropy of Gaussian data in the limit of many samples, and the gains of a linear auto-encoder.

Notation of the paper: γ_i² are the variances of independent components, σ the kernel size, μ the trade-off of Eq. (25),
and g_i the gain with which a linear map passes a component on: x̂_i = g_i x_i.

As N → ∞ the eigenvalues of the Gram matrix of N samples of N(0, γ²) tend to a geometric sequence (C. E. Rasmussen,
C. K. I. Williams, Gaussian Processes for Machine Learning, 2006, §4.3.1),

    λ_n = (1 − q) qⁿ      q = (ν − ½)/(ν + ½)      ν² = ¼ + γ²/σ²

so S_α has a closed form: finite, and about log₂(γ/σ) plus a constant for small σ. Independent components add up. In the
joint entropy of x and g x the exponents add: 1/σ² becomes 1/σ_x² + g²/σ_x̂². So (25) is known without samples, and each
component has the gain that maximises

    S_α(x, g x) − S_α(g x) − μ (1 − g)² γ²

For small σ_x = σ_x̂ the entropies together are ½ log₂(1 + 1/g²), and the gain is a root of g (1 − g) (1 + g²) = λ/γ²
with λ = 1/(2 μ ln 2), the level of the same slope in `water_filling`: g ≈ 1 − λ/(2γ²), as √(1 − λ/γ²) is there. Weak
components have no such maximum: their gain is near 0.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from .._validation import Array, as_base, as_nonnegative, as_order, as_positive, as_weights

__all__ = ["gaussian_kernel_entropy", "linear_gains"]

# Of gains. Two maxima are usual, one of them near 0, and narrow if σ is small.
GRID = np.concatenate([[0], np.geomspace(1e-6, 0.05, 100), np.linspace(0.05, 1, 400)[1:]])
MIN_ENTROPY_FROM = 1e15  # above this order S_α is −log λ_max to rounding
FINE = 80.0  # the log of γ²/σ² above which ν = γ/σ to rounding


def gaussian_kernel_entropy(variances: npt.ArrayLike, sigma: float, alpha: float, base: float = 2) -> float:
    """Return the limit of S_α, Eq. (10), of the Gram matrix of N samples with independent Gaussian components, N → ∞.

    S_α = Σ 1/(1−α) log((1 − q)^α/(1 − q^α)), q = (ν − ½)/(ν + ½), ν² = ¼ + γ_i²/σ².

    Parameters
    ----------
    variances, sigma, alpha, base : array_like, shape (d,), and floats
        γ_i² ≥ 0, the kernel size σ, the order (1 and infinity included), and 2 for bits, ``math.e`` for nats.

    Returns
    -------
    float
        S_α. It is finite for every σ > 0, and so is the matrix-based rate of a deterministic map.

    Examples
    --------
    >>> from rdae_ref import gaussian_gram, renyi_entropy
    >>> X = np.random.default_rng(0).normal(size=(1000, 1))
    >>> limit = gaussian_kernel_entropy([1.0], 0.5, alpha=2)
    >>> print(f"{renyi_entropy(gaussian_gram(X, 0.5), 2):.2f} bits, {limit:.2f} in the limit")
    2.00 bits, 2.04 in the limit
    """
    log_t = _log(as_weights(variances, "variances")) - 2 * math.log(as_positive(sigma, "sigma"))
    return float(_entropy(log_t, as_order(alpha)).sum()) / math.log(as_base(base))


def linear_gains(
    variances: npt.ArrayLike, mu: float, sigma_x: float, sigma_xhat: float, alpha: float, base: float = 2
) -> Array:
    """Return the gains of the linear auto-encoder that maximises Eq. (25) for Gaussian data, as N → ∞.

    Parameters
    ----------
    variances, mu, sigma_x, sigma_xhat, alpha, base : array_like, shape (d,), and floats
        γ_i² ≥ 0, the trade-off μ ≥ 0, the kernel sizes of inputs and outputs; others as in `gaussian_kernel_entropy`.

    Returns
    -------
    Array, shape (d,)
        g_i in [0, 1]: x̂_i = g_i x_i, the best of the maps that act on each component separately.

    Examples
    --------
    >>> print(linear_gains([4.0, 1.0, 0.25], mu=2.0, sigma_x=0.7, sigma_xhat=0.7, alpha=1.01).round(2))
    [0.95 0.74 0.17]
    """
    gamma2, mu = as_weights(variances, "variances"), as_nonnegative(mu, "mu")
    log_a, log_b = (-2 * math.log(as_positive(s, n)) for s, n in ((sigma_x, "sigma_x"), (sigma_xhat, "sigma_xhat")))
    alpha, unit = as_order(alpha), math.log(as_base(base))

    def loss(g: Array, variance: float) -> Array:
        """Return the negative objective of one component, divided by max(1, μ γ²)."""
        log_outputs = math.log(variance) + log_b + 2 * _log(g)
        joint = _entropy(np.logaddexp(math.log(variance) + log_a, log_outputs), alpha)
        weight = mu * variance
        return min(weight, 1.0) * (1 - g) ** 2 - (joint - _entropy(log_outputs, alpha)) / unit / max(weight, 1.0)

    if mu == 0:
        return np.zeros_like(gamma2)  # nothing pays for a distortion
    return np.array([_best_gain(functools.partial(loss, variance=float(v))) if v > 0 else 0.0 for v in gamma2])


def _best_gain(loss: Callable[[Any], Any]) -> float:
    k = int(loss(GRID).argmin())
    bounds = GRID[max(k - 1, 0)], GRID[min(k + 1, GRID.size - 1)]
    return float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x)


def _entropy(log_t: Array, alpha: float) -> Array:
    """Return S_α in nats of one component, from log t with t = γ²/σ²: 0 where t = 0, continuous in α."""
    # With m = ν + ½ = 1/(1 − q) and ℓ = −log q it is −(α log m + log(1 − q^α))/(1 − α).
    absent, log_t = np.isneginf(log_t), np.maximum(log_t, -1e4)
    t = np.exp(np.minimum(log_t, FINE))
    log_m = np.where(log_t < FINE, np.log1p(t / (0.5 + np.sqrt(0.25 + t))), log_t / 2)  # m − 1 = t/m
    u = np.exp(-log_m)  # 1 − q
    ell = np.where(log_t < 0, 2 * log_m - log_t, -np.log1p(-np.minimum(u, 0.7)))  # q = t/m²; u < .62 where t > 1
    m_ell, q = np.where(log_t < FINE, ell * np.exp(np.minimum(log_m, FINE)), 1.0), np.exp(-ell)
    if alpha > MIN_ENTROPY_FROM:
        S = log_m
    elif alpha == 1:
        S = log_m + q * m_ell
    elif alpha < 0.5:
        log_ell = np.log(m_ell) - log_m
        S = (alpha * log_m + _log_one_minus_exp(alpha * ell, math.log(alpha) + log_ell)) / (alpha - 1)
    else:
        # m (1 − q^α) = 1 + m (q − q^α), which has its full accuracy near α = 1
        x = np.maximum((alpha - 1) * ell, -700.0)
        S = log_m - np.log1p((alpha - 1) * q * m_ell * _phi(x)) / (1 - alpha)
    return np.where(absent, 0.0, S)


def _phi(x: Array) -> Array:
    """Return (1 − exp(−x))/x, which is 1 at 0."""
    return np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=x != 0)


def _log_one_minus_exp(y: Array, log_y: Array) -> Array:
    """Return log(1 − exp(−y)) for y ≥ 0, also where y underflows and its logarithm does not."""
    return np.where(y > 0.7, np.log1p(-np.exp(-np.maximum(y, 0.7))), log_y + np.log(_phi(y)))


def _log(x: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(x)
