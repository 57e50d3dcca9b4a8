"""The beta-VAE in three forms, which differ in how the expectation over the codes is taken.

`BetaVAE` draws noise at each evaluation, `FixedBetaVAE` has given noise, `LinearBetaVAE` needs none. Notation, sign,
units and the normalisation of every term are those of `variational`.
"""

import copy
import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validation import Array, as_array, as_count, as_generator, as_matrix
from ..activations import Activation
from .mlp import Layers, as_layers, backward_layers, forward_layers
from .variational import Fidelity, Posterior, VAEParameters, Variational

__all__ = ["BetaVAE", "FixedBetaVAE", "LinearBetaVAE"]


@dataclass(frozen=True, eq=False)
class BetaVAE(Variational):
    """The beta-VAE's objective L = (1/N) Σ_i [log p(x_i | z_i) − β KL_i], with noise drawn at each evaluation.

    L is random, so use `adam`; `with_fixed_noise` is for L-BFGS and the gradient checker.

    I. Higgins et al.: beta-VAE, ICLR 2017; C. P. Burgess et al.: Understanding disentangling in β-VAE, 2018 (capacity);
    A. Alemi et al.: Fixing a broken ELBO, ICML 2018 (rate and distortion).

    Parameters
    ----------
    X, activation : array_like, and str or Activation
        Inputs in rows, shape (N, d), and the units g of all hidden layers, also ``"tanh"``.
    beta, likelihood, variance : float, str and float
        Weight β ≥ 0 of the rate, 1 for the evidence lower bound; ``"gaussian"`` with variance s² > 0, or
        ``"bernoulli"`` for data in [0, 1].
    capacity, capacity_of : float, optional, and str
        C ≥ 0 in `base`: |KL − C| is penalised instead of KL. There are two readings of the formula: ``"mean"`` is
        β |(1/N) Σ KL_i − C|, ``"sample"`` is β (1/N) Σ |KL_i − C|.
    base, rng : float and numpy.random.Generator
        Of the logarithm in L, rates and C: 2 for bits, ``math.e`` for nats; and the source of the noise.

    Examples
    --------
    >>> from rdae_ref.models import BetaVAE, initial_vae_parameters
    >>> from rdae_ref.optimize import MiniBatches, adam
    >>> rng = np.random.default_rng(0)
    >>> objective = BetaVAE(rng.normal(size=(200, 4)), activation="tanh", beta=4.0, rng=rng)
    >>> start = initial_vae_parameters(4, 2, rng, hidden=[16])
    >>> found = adam(MiniBatches(objective, 50, rng), start, step_size=0.01, n_steps=100)
    >>> objective.terms(found.x).rates.shape
    (2,)
    """

    _: dataclasses.KW_ONLY
    rng: np.random.Generator

    def __post_init__(self) -> None:
        super().__post_init__()
        self._accept(rng=as_generator(self.rng))

    def with_fixed_noise(self, n_latents: int, n_copies: int = 1) -> "FixedBetaVAE":
        """Draw noise now, and return the deterministic objective with this noise.

        Parameters
        ----------
        n_latents, n_copies : int
            Latents, and copies of each input, each with its own noise.

        Returns
        -------
        FixedBetaVAE
            With the settings of this one.
        """
        shape = (as_count(n_copies, "n_copies"), len(self.X), as_count(n_latents, "n_latents"))
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(Variational)}
        return FixedBetaVAE(**settings, noise=self.rng.normal(size=shape))

    def _noise(self, n_latents: int, peek: bool = False) -> Array:
        rng = copy.deepcopy(self.rng) if peek else self.rng
        return rng.normal(size=(1, len(self.X), n_latents))


@dataclass(frozen=True, eq=False)
class FixedBetaVAE(Variational):
    """The beta-VAE's objective for given noise: z_ci = M_i + exp(T_i/2) ∘ ε_ci, mean over c.

    Parameters
    ----------
    X, activation, beta, likelihood, variance, capacity, capacity_of, base, noise : as in `BetaVAE`; array_like
        And ε, shape (m, N, k): m copies of noise, of mean 0 and variance 1 in any sense.

    Examples
    --------
    >>> BetaVAE(np.eye(4), activation="tanh", rng=np.random.default_rng(0)).with_fixed_noise(2, n_copies=8).noise.shape
    (8, 4, 2)
    """

    _: dataclasses.KW_ONLY
    noise: Array

    def __post_init__(self) -> None:
        super().__post_init__()
        noise = np.atleast_1d(as_array(self.noise, "noise"))
        self._accept(noise=np.stack([as_matrix(E, f"noise[{c}]", (len(self.X), None)) for c, E in enumerate(noise)]))

    def _noise(self, n_latents: int, peek: bool = False) -> Array:
        return self.noise

    def _checked(self, parameters: Any) -> VAEParameters:
        encoder, decoder = super()._checked(parameters)
        return VAEParameters(encoder, as_layers(decoder, "decoder", n_inputs=self.noise.shape[2]))


@dataclass(frozen=True, eq=False)
class LinearBetaVAE(Variational):
    """The expectation over the codes of the beta-VAE's objective, exact if the decoder is one affine layer (A, b).

    For a Gaussian likelihood, E_q |x − A z − b|² = |x − A m − b|² + Σ_j |a_j|² exp(t_j), a_j being the columns of A;
    the rest is as in `BetaVAE`, and the encoder may have any depth. If the encoder is also affine and the covariance of
    the data has the eigenvalues γ_i², L is maximal where each principal component with γ_i² > βs² has its own latent,
    D_i = βs² and KL_i = ½ log(γ_i²/(βs²)): reverse water-filling, Eqs. (4) and (5), at the level βs².
    (J. Lucas, G. Tucker, R. Grosse, M. Norouzi: Don't blame the ELBO!, NeurIPS 2019, has the optima for β = 1.)

    Parameters
    ----------
    X, activation, beta, variance, capacity, capacity_of, base : as in BetaVAE
        Data, units of the encoder's hidden layers, weight of the rate, variance of the decoder, unit of information.

    Examples
    --------
    >>> from rdae_ref.models import LinearBetaVAE, initial_vae_parameters
    >>> from rdae_ref.optimize import maximize
    >>> from rdae_ref.theory import gaussian_rate_distortion
    >>> X = np.sqrt(2 * np.array([2.0, 1.0])) * np.vstack([np.eye(2), -np.eye(2)])  # variances 2 and 1, exactly
    >>> objective = LinearBetaVAE(X, variance=0.5)
    >>> found = maximize(objective, initial_vae_parameters(2, 2, np.random.default_rng(0)), tolerance=1e-10)
    >>> terms = objective.terms(found.x)
    >>> print(f"D = {terms.distortion:.5f}, R = {terms.rate:.5f}; "
    ...       f"the curve: {gaussian_rate_distortion([2.0, 1.0], terms.distortion).rate:.5f}")
    D = 1.00000, R = 1.50000; the curve: 1.50000
    """

    _: dataclasses.KW_ONLY
    activation: str | Activation = "linear"
    likelihood: str = dataclasses.field(default="gaussian", init=False)

    def _fidelity(self, posterior: Posterior, decoder: Layers, noise: Array | None) -> Fidelity:
        """Return the expectation: with V = exp T and n_j = |a_j|², D = (1/N) (|X − Y|² + 1ᵀ V n)."""
        M, T = posterior
        (A, _), X, s2, unit = decoder[0], self.X, self.variance, math.log(self.base)
        V, n, forward_pass = np.exp(T), np.sum(A**2, axis=0), forward_layers(decoder, M, self.activation)
        D = (np.sum((X - forward_pass.Y) ** 2) + np.sum(V @ n)) / len(X)
        scale = s2 * unit * len(X)
        (layer,), B = backward_layers(decoder, forward_pass, (X - forward_pass.Y) / scale)
        dA = layer.W - A * V.mean(axis=0) / (s2 * unit)
        value = (-0.5 * D / s2 - 0.5 * X.shape[1] * math.log(2 * math.pi * s2)) / unit
        return Fidelity(float(value), (layer._replace(W=dA),), B @ A, -0.5 * V * n / scale, lambda: float(D))

    def _checked(self, parameters: Any) -> VAEParameters:
        encoder, decoder = super()._checked(parameters)
        as_count(len(decoder), "the number of layers in decoder", maximum=1)
        return VAEParameters(encoder, decoder)
