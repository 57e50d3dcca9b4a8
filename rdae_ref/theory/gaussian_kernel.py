"""What the matrix-based entropy of Gaussian data tends to, and what a linear rate-distortion auto-encoder keeps of it.

Notation of the paper: γ_i² are the variances of independent components, σ the kernel size, g_i the gain with which a
linear map passes a component on, μ the trade-off of Eq. (25).

With more and more samples of N(0, γ²) the eigenvalues of the Gram matrix tend to a geometric sequence,

    λ_n = (1 − q) qⁿ      q = (ν − ½)/(ν + ½)      ν² = ¼ + γ²/σ²

and S_α with them to a closed form: finite, and about log₂(γ/σ) plus a constant for small σ. Components add up. In the
joint entropy of x and g x the exponents add up, 1/σ² becoming 1/σ_x² + g²/σ_x̂². So (25) is known without samples, and a
component is passed on with the gain that maximises, for itself,

    S_α(x, g x) − S_α(g x) − μ (1 − g)² γ²

For small σ_x = σ_x̂ the first two terms are ½ log₂(1 + 1/g²), and the gain is a root of g (1 − g) (1 + g²) = λ/γ² with
the level λ = 1/(2 μ ln 2) of the same slope in `water_filling`: g ≈ 1 − λ/(2γ²), as √(1 − λ/γ²) there. Weak components
have no such maximum: their gain is near 0.
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


def gaussian_kernel_entropy(variances: npt.ArrayLike, sigma: float, alpha: float, base: float = 2) -> float:
    """Return the limit for N → ∞ of S_α of the Gram matrix of N samples, of independent Gaussian components.

    S_α = Σ 1/(1−α) log((1 − q)^α/(1 − q^α)), q = (ν − ½)/(ν + ½), ν² = ¼ + γ_i²/σ².

    Parameters
    ----------
    variances : array_like, shape (d,)
        γ_i², 0 allowed.
    sigma : float
        σ, the kernel size.
    alpha : float
        Order, above 0; 1 and infinity included.
    base : float
        Of the logarithm: 2 for bits, ``math.e`` for nats.

    Returns
    -------
    float
        S_α, finite for every σ > 0: as it is, so is the matrix-based rate of a deterministic map.

    Raises
    ------
    TypeError, ValueError
        If a variance is negative or not finite, or another argument is out of range.

    Notes
    -----
    The limit of Eq. (10) of the paper. The eigenvalues are those in §4.3.1 of C. E. Rasmussen and C. K. I. Williams,
    Gaussian Processes for Machine Learning, 2006.

    Examples
    --------
    >>> from rdae_ref import gaussian_gram, renyi_entropy
    >>> X = np.random.default_rng(0).normal(size=(1000, 1))
    >>> sampled, limit = renyi_entropy(gaussian_gram(X, 0.5), 2), gaussian_kernel_entropy([1.0], 0.5, 2)
    >>> print(f"{sampled:.2f} bits from 1000 samples, {limit:.2f} in the limit")
    2.00 bits from 1000 samples, 2.04 in the limit
    """
    sigma = as_positive(sigma, "sigma")
    with np.errstate(over="ignore"):
        t = as_weights(variances, "variances") / sigma / sigma  # twice, so that σ² cannot underflow
    if np.isinf(t).any():
        return math.inf  # a kernel of no width tells all samples apart, and there are infinitely many
    return float(_entropy(t, as_order(alpha)).sum()) / math.log(as_base(base))


def linear_gains(
    variances: npt.ArrayLike, mu: float, sigma_x: float, sigma_xhat: float, alpha: float, base: float = 2
) -> Array:
    """Return the gains of the best linear rate-distortion auto-encoder of Gaussian data, in the limit N → ∞.

    Parameters
    ----------
    variances : array_like, shape (d,)
        γ_i².
    mu : float
        Trade-off between conditional entropy and distortion.
    sigma_x, sigma_xhat : float
        Kernel sizes of inputs and outputs.
    alpha : float
        Order, above 0; 1 and infinity included.
    base : float
        Of the entropy.

    Returns
    -------
    Array, shape (d,)
        g_i in [0, 1]: x̂_i = g_i x_i, the best of the maps that act on each component by itself.

    Raises
    ------
    TypeError, ValueError
        If a variance is negative or not finite, or another argument is out of range.

    Notes
    -----
    The limit of Eq. (25) of the paper, with linear units.

    Examples
    --------
    >>> print(linear_gains([4.0, 1.0, 0.25], mu=2.0, sigma_x=0.7, sigma_xhat=0.7, alpha=1.01).round(2))
    [0.95 0.74 0.17]
    """
    gamma2, mu = as_weights(variances, "variances"), as_nonnegative(mu, "mu")
    a, b = as_positive(sigma_x, "sigma_x") ** -2, as_positive(sigma_xhat, "sigma_xhat") ** -2
    alpha, unit = as_order(alpha), math.log(as_base(base))

    def loss(g: Array, variance: float) -> Array:
        nats = _entropy(variance * (a + b * g**2), alpha) - _entropy(variance * b * g**2, alpha)
        return mu * variance * (1 - g) ** 2 - nats / unit

    if mu == 0:
        return np.zeros_like(gamma2)  # nothing pays for a distortion
    return np.array([_best_gain(functools.partial(loss, variance=v)) if v > 0 else 0.0 for v in gamma2])


def _best_gain(loss: Callable[[Any], Any]) -> float:
    k = int(loss(GRID).argmin())
    bounds = GRID[max(k - 1, 0)], GRID[min(k + 1, GRID.size - 1)]
    return float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x)


def _entropy(t: Array, alpha: float) -> Array:
    """Return S_α in nats of one component with t = γ²/σ²: 0 at t = 0, continuous in α."""
    more = 0.5 + np.sqrt(0.25 + t)  # ν + ½ = 1/(1 − q)
    q = np.where(t > 0, t / more**2, 1)  # 1 in place of 0, so that 0 log 0 and 0^(α−1) are 0 below
    if alpha == 1:
        return np.log(more) - q * np.log(q) * more
    if alpha == math.inf:
        return np.log(more)
    # (1−q)^α/(1−q^α) by the ratio (1−q^α)/(1−q) = 1 + (q − q^α)/(1−q), which has its full accuracy near α = 1
    ratio = np.log1p(-np.expm1((alpha - 1) * np.log(q)) * q * more)
    return np.log(more) - ratio / (1 - alpha)
