"""R(D) of a Gaussian source in closed form, by reverse water-filling: Eqs. (4) and (5) of the paper.

Notation of the paper: γ_i² are the variances of d independent components (the eigenvalues of a covariance matrix), λ is
the level, D_i the distortion of a component, D = Σ D_i. Rates are in bits unless `base` says otherwise.
The slope of the curve at level λ is dR/dD = −1/(2λ) nats: λ is 1/(2β) for the β of `blahut_arimoto` and `manifold`.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_base, as_nonnegative, as_nonnegative_array, as_weights

__all__ = [
    "WaterFilling", "gaussian_distortion_rate", "gaussian_rate_distortion", "gaussian_test_channel",
    "kept_components",
]  # fmt: skip


class WaterFilling(NamedTuple):
    """A point of the Gaussian R(D), or arrays of points, one for each distortion or rate."""

    rate: float | Array  #: R in the base that was asked for: exactly 0 for D ≥ Σ γ_i², infinite for D = 0
    level: float | Array  #: λ; max γ_i² where R = 0
    distortions: Array  #: D_i in the order of the variances, shape (..., d)

    @property
    def distortion(self) -> float | Array:
        """The total D = Σ D_i."""
        return self.distortions.sum(axis=-1)


def gaussian_rate_distortion(variances: npt.ArrayLike, distortion: npt.ArrayLike, base: float = 2) -> WaterFilling:
    """Return the smallest rate that describes independent Gaussians with a total squared error D: Eqs. (4) and (5).

    R(D) = Σ ½ log(γ_i² / D_i) with D_i = min(λ, γ_i²), where the level λ, found by sorting, is such that Σ D_i = D.

    Parameters
    ----------
    variances, distortion, base : array_like, array_like and float
        γ_i² ≥ 0 of shape (d,); D ≥ 0 of any shape, the mean of the squared error, summed over the components; and the
        base of the logarithm: 2 for bits, ``math.e`` for nats.

    Returns
    -------
    WaterFilling
        Rate, level and the distortions of the components.

    Examples
    --------
    >>> rate, level, distortions = gaussian_rate_distortion([2.0, 1.0], 1.0)
    >>> print(f"{rate:.3f} bits at level {level:.3f}, distortions {distortions}")
    1.500 bits at level 0.500, distortions [0.5 0.5]
    """
    gamma2, D, base = _as_variances(variances), as_nonnegative_array(distortion, "distortion"), as_base(base)
    level = _level_at_distortion(gamma2, D)
    kept = gamma2 > level[..., None]
    with np.errstate(divide="ignore"):  # the level 0 stands for an infinite rate
        nats = 0.5 * (np.log(np.where(kept, gamma2, 1)) - np.log(np.where(kept, level[..., None], 1)))
    return WaterFilling(nats.sum(axis=-1) / math.log(base), level[()], np.minimum(level[..., None], gamma2))


def gaussian_distortion_rate(variances: npt.ArrayLike, rate: npt.ArrayLike, base: float = 2) -> WaterFilling:
    """Return the smallest total squared error with which independent Gaussians can be described at a rate R.

    The inverse of `gaussian_rate_distortion`: Σ ½ log(γ_i² / D_i) = R with D_i = min(λ, γ_i²), D = Σ D_i.

    Parameters
    ----------
    variances, rate, base : array_like, array_like and float
        γ_i² of shape (d,); R ≥ 0 of any shape, infinity included; and the base of the logarithm.

    Returns
    -------
    WaterFilling
        The given R, level and distortions; its `distortion` is D.

    Examples
    --------
    >>> filling = gaussian_distortion_rate([2.0, 1.0], 1.5)
    >>> print(f"D = {filling.distortion:.3f} at level {filling.level:.3f}")
    D = 1.000 at level 0.500
    """
    gamma2, R, base = _as_variances(variances), as_nonnegative_array(rate, "rate"), as_base(base)
    with np.errstate(over="ignore"):  # such a rate leaves no distortion
        level = _level_at_rate(gamma2, R * math.log(base))
    return WaterFilling(R[()], level[()], np.minimum(level[..., None], gamma2))


def kept_components(variances: npt.ArrayLike, level: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return which components receive any rate, Eq. (5): those with γ_i² > λ, as PCA keeps those above a threshold.

    Parameters
    ----------
    variances, level : array_like
        γ_i² of shape (d,), and one or more levels λ ≥ 0, as `gaussian_rate_distortion` returns them.

    Returns
    -------
    ndarray of bool, shape (d,) or (..., d)
        For each level: True where the component is described, False where it is replaced by its mean.

    Examples
    --------
    >>> print(kept_components([2.0, 1.0], gaussian_rate_distortion([2.0, 1.0], 2.5).level))
    [ True False]
    """
    return as_weights(variances, "variances") > as_nonnegative_array(level, "level")[..., None]


def gaussian_test_channel(variances: npt.ArrayLike, level: npt.ArrayLike) -> tuple[Array, Array]:
    """Return the stochastic map that attains R(D): x̂_i = a_i x_i + n_i with a_i = 1 − D_i/γ_i², n_i ~ N(0, a_i D_i).

    It is the solution of Eq. (2) for this source: the backward channel x = x̂ + N(0, D_i), reversed.

    Parameters
    ----------
    variances, level : array_like
        γ_i² and λ, as for `kept_components`; D_i = min(λ, γ_i²).

    Returns
    -------
    gain, noise_variance : Array, shape (d,) or (..., d)
        a_i and a_i D_i, 0 for components that are not kept: the outputs have variance a_i γ_i² = γ_i² − D_i.
        A deterministic map has no noise, and needs an infinite rate.

    Examples
    --------
    >>> gain, noise_variance = gaussian_test_channel([2.0, 1.0], 0.5)
    >>> print(gain, noise_variance)
    [0.75 0.5 ] [0.375 0.25 ]
    """
    kept = kept_components(variances, level)
    gamma2 = as_weights(variances, "variances")
    D = np.minimum(as_nonnegative_array(level, "level")[..., None], gamma2)
    gain = np.where(kept, 1 - D / np.where(kept, gamma2, 1), 0)
    return gain, gain * D


def _as_variances(variances: npt.ArrayLike) -> Array:
    gamma2 = as_weights(variances, "variances")
    with np.errstate(over="ignore"):
        as_nonnegative(float(gamma2.size * gamma2.max()), "the largest of variances, times their number,")
    return gamma2


def _level_at_distortion(gamma2: Array, D: Array) -> Array:
    ascending, d = np.sort(gamma2), gamma2.size
    below = np.concatenate([[0.0], np.cumsum(ascending)])  # the variance of the k smallest components
    knots = below[:-1] + ascending * np.arange(d, 0, -1)  # D at which the level reaches the next component
    k = np.minimum(np.searchsorted(knots, D, side="right"), d - 1)
    level = np.minimum((D - below[k]) / (d - k), ascending[-1])
    return np.where(gamma2.sum() <= D, ascending[-1], level)  # the sum in the user's order: R must be exactly 0 there


def _level_at_rate(gamma2: Array, nats: Array) -> Array:
    descending = np.sort(gamma2[gamma2 > 0])[::-1]
    if not descending.size:
        return np.zeros_like(nats)
    drops = -np.diff(np.log(descending))
    knots = np.concatenate([[0.0], np.cumsum(drops * np.arange(1, descending.size) / 2)])  # R at which each comes in
    k = np.searchsorted(knots, nats, side="right")
    return descending[k - 1] * np.exp(-2 * (nats - knots[k - 1]) / k)
