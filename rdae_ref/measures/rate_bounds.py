"""The chain behind the beta-VAE, I(X; Z) = E KL(q(z | x) ‖ m(z)) − KL(q(z) ‖ m(z)), where all three can be computed.

The rate in the objective of the beta-VAE is an upper bound on the information. The gap is the distance of q(z), the
codes of all inputs together, from the prior m(z) = N(0, I).
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import svdvals

from .._validation import Array, as_base, as_matrix, as_samples, as_symmetric, as_vector, refuses_overflow
from ..models.variational import Posterior, kl_divergence

__all__ = ["RateBound", "gaussian_rate_bound", "scalar_rate_bound"]

REACH = 12.0  # in standard deviations: the density there is below 1e-31 of its peak
FINENESS = 6.0  # points per standard deviation: the trapezoidal rule errs by exp(−2π² · 6²) there, below rounding
LARGEST_GRID = 10_000_000


class RateBound(NamedTuple):
    """The two sides of I(X; Z) ≤ rate and their difference: rate = information + gap.

    Examples
    --------
    >>> wide = gaussian_rate_bound([[2.0]], [0.0], [0.0], [[1.0]])  # z = 2 x + noise: its variance is 5, not 1
    >>> print(f"{wide.rate:.3f} = {wide.information:.3f} + {wide.gap:.3f} bits")
    2.885 = 1.161 + 1.724 bits
    """

    information: float  #: I(X; Z)
    rate: float  #: E KL(q(z | x) ‖ m(z))
    gap: float  #: KL(q(z) ‖ m(z)) ≥ 0


@refuses_overflow
def gaussian_rate_bound(
    W: npt.ArrayLike,
    c: npt.ArrayLike,
    log_variances: npt.ArrayLike,
    covariance: npt.ArrayLike,
    mean: npt.ArrayLike | None = None,
    base: float = 2,
) -> RateBound:
    """Return the bound for Gaussian x ~ N(µ, S) and an affine encoder, z | x ~ N(W x + c, V) with V = diag(exp t).

    Then q(z) = N(ν, Q) with ν = W µ + c and Q = W S Wᵀ + V, and in nats ::

        I(X; Z) = ½ ln(det Q / det V)
        rate    = ½ (tr(W S Wᵀ) + |ν|² + Σ_j (exp t_j − t_j − 1))
        gap     = ½ (tr Q + |ν|² − k − ln det Q)

    Parameters
    ----------
    W, c, log_variances, covariance, mean, base : array_like, shapes (k, d), (k,), (k,), (d, d) and (d,), and float
        Of the encoder: W, c and t; of the source: S, positive semidefinite, and µ, 0 by default; of the logarithm.

    Returns
    -------
    RateBound
        Information, rate and gap.

    Examples
    --------
    >>> bound = gaussian_rate_bound([[1.0]], [0.0], [0.0], [[3.0]])
    >>> print(f"I = {bound.information:.3f} <= {bound.rate:.3f} bits, {bound.gap:.3f} between them")
    I = 1.000 <= 2.164 bits, 1.164 between them
    """
    S = as_symmetric(covariance, "covariance")
    W, unit = as_matrix(W, "W", (None, len(S))), math.log(as_base(base))
    k = len(W)
    t, c = as_vector(log_variances, "log_variances", k), as_vector(c, "c", k)
    nu = c if mean is None else W @ as_vector(mean, "mean", len(S)) + c
    root = W @ _root(S)
    signal, noise = np.sum(root**2), np.sum(np.exp(t))
    # det Q / det V = Π (1 + s²), with the singular values s of V^(−½) W S^(½): a singular Q needs no care.
    scaled = np.exp(-t / 2)[:, None] * root
    if not np.isfinite(scaled).all():
        raise ValueError("the noise is too small for the signal: raise log_variances or lower W and covariance")
    log_s = 2 * np.log(np.maximum(svdvals(scaled), 1e-300))
    information = 0.5 * np.sum(np.logaddexp(0, log_s))
    log_det_Q = 2 * information + t.sum()
    rate = 0.5 * (signal + nu @ nu + np.sum(np.expm1(t) - t))
    gap = 0.5 * (signal + noise + nu @ nu - k - log_det_Q)
    return RateBound(float(information / unit), float(rate / unit), float(gap / unit))


def _root(S: Array) -> Array:
    """Return R with R Rᵀ = S."""
    values, U = np.linalg.eigh(S)
    if values[0] < -1e-10 * values[-1]:
        raise ValueError(f"covariance must be positive semidefinite, but has the eigenvalue {values[0]:.6g}")
    return U * np.sqrt(np.maximum(values, 0))


@refuses_overflow
def scalar_rate_bound(means: npt.ArrayLike, log_variances: npt.ArrayLike, base: float = 2) -> RateBound:
    """Return the bound for N inputs of equal probability and one latent, by quadrature: any encoder, any depth.

    q(z) = (1/N) Σ_i N(z; m_i, exp t_i) is a mixture; I(X; Z) = (1/N) Σ_i ∫ q_i ln(q_i/q) dz and ∫ q ln(q/m) dz are
    taken by the trapezoidal rule, which for such functions is exact to rounding. ValueError if its grid would be too
    large: it grows with N and with the ratio of the widest to the narrowest length.

    Parameters
    ----------
    means, log_variances, base : array_like, shape (N, 1), and float
        m_i and t_i, the M and T of a `Posterior`; and the base of the logarithm.

    Returns
    -------
    RateBound
        Information (at most log N), rate and gap.

    Examples
    --------
    >>> bound = scalar_rate_bound([[-9.0], [9.0]], [[0.0], [0.0]])  # two inputs, told apart: one bit
    >>> print(f"I = {bound.information:.3f} <= {bound.rate:.3f} bits, {bound.gap:.3f} between them")
    I = 1.000 <= 58.429 bits, 57.429 between them
    """
    M, T = as_samples(means, "means", 1), as_samples(log_variances, "log_variances", 1)
    unit, rate = math.log(as_base(base)), kl_divergence(Posterior(M, T)).mean()
    std = np.exp(T / 2)
    low, high = (M - REACH * std).min(), (M + REACH * std).max()
    with np.errstate(divide="ignore"):
        n = FINENESS * (high - low) / std.min()
    if not n * len(M) <= LARGEST_GRID:
        raise ValueError(f"the grid would have {n:.3g} points for each of {len(M)} samples: pass fewer of them")
    z, dz = np.linspace(low, high, math.ceil(n), retstep=True)
    log_qi = -0.5 * ((z - M) / std) ** 2 - 0.5 * T - 0.5 * math.log(2 * math.pi)
    log_q = np.logaddexp.reduce(log_qi, axis=0) - math.log(len(M))
    log_m = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    information = np.sum(np.exp(log_qi) * (log_qi - log_q)) * dz / len(M)
    gap = np.sum(np.exp(log_q) * (log_q - log_m)) * dz
    return RateBound(float(information / unit), float(rate / unit), float(gap / unit))
