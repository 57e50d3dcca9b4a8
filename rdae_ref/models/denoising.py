"""The denoising auto-encoder: reconstruct x from x + ε, with isotropic Gaussian ε of standard deviation s.

Three forms of L = −E |x − f(x + ε)|²: fresh noise at each evaluation, noise drawn once, and for linear units the
expectation itself. Notation of the paper: N samples in rows, X and X̃ (the corrupted inputs) are (N, d).
"""

import copy
import dataclasses
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .. import paper
from .._validation import Array, as_array, as_count, as_generator, as_matrix, as_nonnegative
from ..activations import LINEAR, Activation
from ..autoencoder import Parameters, as_parameters
from ..objective import AutoencoderObjective
from .divergence import raises_on_overflow
from .plain import minus_distortion

__all__ = ["Denoising", "DenoisingTerms", "FixedDenoising", "LinearDenoising"]


class DenoisingTerms(NamedTuple):
    """The parts of L = −denoising_error."""

    distortion: float  #: D_emp, of the inputs without noise
    denoising_error: float  #: mean squared distance of the outputs for corrupted inputs from the inputs


@dataclass(frozen=True, eq=False)
class Denoising(AutoencoderObjective):
    """The denoising objective L = −(1/N) Σ_i |x_i − f(x_i + ε_i)|², with fresh noise at each evaluation.

    L is random, so use `gradient_ascent`; `with_fixed_noise` is for L-BFGS and the gradient checker.

    §1 of the paper, and its Figure 3, which does not state the noise. P. Vincent, H. Larochelle, Y. Bengio,
    P.-A. Manzagol: Extracting and composing robust features with denoising autoencoders, ICML 2008.

    Parameters
    ----------
    X, activation, noise, rng : array_like, str or Activation, float, and numpy.random.Generator
        Inputs in rows, shape (N, d); the units g; the standard deviation s ≥ 0 of each coordinate of ε, in the units of
        the data; and its source, which advances.
    """

    _: dataclasses.KW_ONLY
    noise: float
    rng: np.random.Generator

    def __post_init__(self) -> None:
        super().__post_init__()
        self._accept(noise=_as_noise(self.noise), rng=as_generator(self.rng))

    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        """Return L and ∂L/∂(W, c, A, b) for noise drawn now."""
        return self.with_fixed_noise().value_and_gradient(parameters)

    def terms(self, parameters: Parameters) -> DenoisingTerms:
        """Return the parts of L, for the noise that the next evaluation will draw."""
        # From a copy of the generator: looking at the terms must not change the course of an ascent.
        return dataclasses.replace(self, rng=copy.deepcopy(self.rng)).with_fixed_noise().terms(parameters)

    def with_fixed_noise(self, n_copies: int = 1) -> "FixedDenoising":
        """Draw noise now, and return the deterministic objective with this noise.

        Parameters
        ----------
        n_copies : int
            Copies of each input, each with its own noise.

        Returns
        -------
        FixedDenoising
            On these copies.
        """
        shape = (as_count(n_copies, "n_copies"), *self.X.shape)
        corrupted = self.X + self.noise * self.rng.normal(size=shape)
        return FixedDenoising(self.X, activation=self.activation, corrupted=corrupted)


@dataclass(frozen=True, eq=False)
class FixedDenoising(AutoencoderObjective):
    """The denoising objective L = −(1/(mN)) Σ_k Σ_i |x_i − f(x̃_ki)|² for given corrupted inputs."""

    _: dataclasses.KW_ONLY
    corrupted: Array  #: X̃, m corrupted copies of the inputs, whatever corrupted them, shape (m, N, d)

    def __post_init__(self) -> None:
        super().__post_init__()
        corrupted = np.atleast_1d(as_array(self.corrupted, "corrupted"))
        copies = [as_matrix(copy, f"corrupted[{k}]", self.X.shape) for k, copy in enumerate(corrupted)]
        self._accept(corrupted=np.stack(copies))

    @raises_on_overflow
    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        """Return L and ∂L/∂(W, c, A, b)."""
        inputs, targets = self._pairs()
        return minus_distortion(self._forward(parameters, inputs), parameters, inputs, targets)

    def terms(self, parameters: Parameters) -> DenoisingTerms:
        """Return the distortion without noise, and the error with it."""
        inputs, targets = self._pairs()
        error = paper.distortion(targets, self._forward(parameters, inputs).Xhat)
        return DenoisingTerms(paper.distortion(self.X, self._forward(parameters).Xhat), error)

    def _pairs(self) -> tuple[Array, Array]:
        m, _, d = self.corrupted.shape
        return self.corrupted.reshape(-1, d), np.tile(self.X, (m, 1))


@dataclass(frozen=True, eq=False)
class LinearDenoising(AutoencoderObjective):
    """The expectation over ε of the denoising objective for linear units: L = −D_emp − s² |A W|_F².

    With Ẑ = Z the output for x + ε is f(x) + A W ε, and E |A W ε|² = s² |A W|_F²; the cross term has mean 0. So ::

        ∂|AW|²/∂W = 2 Aᵀ (A W)          ∂|AW|²/∂A = 2 (A W) Wᵀ

    With p ≥ d units it is maximal where A W = S (S + s² I)⁻¹, S being the covariance of the data: the Wiener filter.
    (C. M. Bishop: Training with noise is equivalent to Tikhonov regularization, Neural Computation 7, 1995.)

    Parameters
    ----------
    X, noise : array_like, shape (N, d), and float
        Inputs in rows, and the standard deviation s ≥ 0 of each coordinate of ε.
    """

    activation: Activation = field(default=LINEAR, init=False)
    _: dataclasses.KW_ONLY
    noise: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._accept(noise=_as_noise(self.noise))

    @raises_on_overflow
    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        """Return L and ∂L/∂(W, c, A, b)."""
        value, gradient = minus_distortion(self._forward(parameters), parameters, self.X, self.X)
        W, _, A, _ = as_parameters(parameters, self.X.shape[1])
        AW, variance = A @ W, self.noise**2
        return value - variance * float(np.sum(AW**2)), gradient._replace(
            W=gradient.W - 2 * variance * A.T @ AW, A=gradient.A - 2 * variance * AW @ W.T
        )

    @raises_on_overflow
    def terms(self, parameters: Parameters) -> DenoisingTerms:
        """Return the distortion without noise, and the expected error with it."""
        W, _, A, _ = as_parameters(parameters, self.X.shape[1])
        D = paper.distortion(self.X, self._forward(parameters).Xhat)
        return DenoisingTerms(D, D + self.noise**2 * float(np.sum((A @ W) ** 2)))


def _as_noise(noise: float) -> float:
    s = as_nonnegative(noise, "noise")
    as_nonnegative(s * s, "the square of noise")
    return s
