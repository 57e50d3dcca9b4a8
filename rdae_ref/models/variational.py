"""What the forms of the beta-VAE share: an auto-encoder whose code is a distribution, and whose rate is penalised.

Notation: N samples in rows. The encoder returns [M, T], both (N, k): q(z | x_i) is Gaussian with means M_ij and
variances exp(T_ij), m(z) is the standard normal distribution, and p(x | z) has the decoder's outputs Y as means or as
logits ::

    L = (1/N) Σ_i E_q log p(x_i | z) − β (1/N) Σ_i KL_i      KL_i = ½ Σ_j (M_ij² + exp(T_ij) − T_ij − 1)

Normalisation: log p and KL are *sums* over features and latents, and *means* over samples; the Gaussian log p is
−|x − y|²/(2s²) − (d/2) log(2πs²), so the squared error has the factor 1/(2s²) and not 1. Libraries differ in all of
these; `convert_beta` converts between them. Units: bits per sample, unless `base` says otherwise.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logsumexp

from .. import paper
from .._validation import (
    Array,
    as_base,
    as_choice,
    as_count,
    as_generator,
    as_nonnegative,
    as_parts,
    as_positive,
    as_samples,
    check_same_shape,
    check_unit_interval,
    refuses_overflow,
)
from . import mlp
from .divergence import raises_on_overflow

__all__ = [
    "LIKELIHOODS", "Fidelity", "Likelihood", "Posterior", "VAEParameters", "VAETerms", "Variational",
    "initial_vae_parameters", "kl_divergence",
]  # fmt: skip

CAPACITIES = ("mean", "sample")


class VAEParameters(NamedTuple):
    """The parameters of encoder and decoder.

    Examples
    --------
    >>> from rdae_ref.models import Layer, LinearBetaVAE, VAEParameters
    >>> blind = VAEParameters((Layer(np.zeros((2, 1)), np.zeros(2)),), (Layer(np.zeros((1, 1)), np.zeros(1)),))
    >>> print(LinearBetaVAE([[1.0], [-1.0]]).terms(blind).distortion)  # its code says nothing of x: the variance
    1.0
    """

    encoder: mlp.Layers  #: from d inputs to 2k outputs: k means, then k log variances
    decoder: mlp.Layers  #: from k codes to d outputs: means, or logits if the likelihood is Bernoulli's


def initial_vae_parameters(
    n_features: int, n_latents: int, rng: np.random.Generator, *, hidden: Sequence[int] = (), gain: float = 1.0
) -> VAEParameters:
    """Return parameters to start from, each layer as in `initial_layers`.

    Parameters
    ----------
    n_features, n_latents, rng, hidden, gain : int, int, numpy.random.Generator, sequence of int, and float
        d, k, and as in `initial_layers`; `hidden` are the numbers of units of the encoder, for the decoder in reverse.

    Returns
    -------
    parameters : VAEParameters
        Encoder and decoder.

    Examples
    --------
    >>> [layer.W.shape for layers in initial_vae_parameters(144, 8, np.random.default_rng(0)) for layer in layers]
    [(16, 144), (144, 8)]
    """
    d, k, rng = as_count(n_features, "n_features"), as_count(n_latents, "n_latents"), as_generator(rng)
    encoder = mlp.initial_layers([d, *hidden, 2 * k], rng, gain)
    return VAEParameters(encoder, mlp.initial_layers([k, *reversed(hidden), d], rng, gain))


class Posterior(NamedTuple):
    """The distributions q(z | x_i) that the encoder returns.

    In a code drawn from one, a latent without rate is noise; its mean, however small, still tells inputs apart.

    Examples
    --------
    >>> nearly_certain = Posterior(M=np.array([[0.0, 3.0]]), T=np.full((1, 2), -50.0))
    >>> print(nearly_certain.sample(np.random.default_rng(0)).round(6) + 0)
    [[0. 3.]]
    """

    M: Array  #: means, shape (N, k)
    T: Array  #: logarithms of the variances, shape (N, k)

    @refuses_overflow
    def sample(self, rng: np.random.Generator) -> Array:
        """Draw a code for each input, z = M + exp(T/2) ∘ ε."""
        M, T = _as_posterior(self)
        return M + np.exp(T / 2) * as_generator(rng).normal(size=M.shape)


@refuses_overflow
def kl_divergence(posterior: Posterior) -> Array:
    """Return KL(q(z_j | x_i) ‖ N(0, 1)) = ½ (M² + exp T − T − 1), element by element, in nats.

    Its derivatives are M with respect to M and ½ (exp T − 1) with respect to T.

    Parameters
    ----------
    posterior : Posterior
        M and T.

    Returns
    -------
    Array, shape (N, k)
        0 or above; the sum over latents is KL_i.

    Examples
    --------
    >>> print(kl_divergence(Posterior(M=np.array([[0.0, 2.0]]), T=np.zeros((1, 2)))))
    [[0. 2.]]
    """
    return _kl(*_as_posterior(posterior))


def _kl(M: Array, T: Array) -> Array:
    return 0.5 * (M**2 + np.expm1(T) - T)


def _as_posterior(posterior: Any) -> Posterior:
    M, T = as_parts(posterior, "posterior", "a Posterior(M, T)")
    M, T = as_samples(M, "M"), as_samples(T, "T")
    check_same_shape(M, T, "M and T")
    return Posterior(M, T)


class Likelihood(NamedTuple):
    """A distribution p(x | y) of inputs for the decoder's outputs y; X and Y are (N, d)."""

    log_density: Callable[[Array, Array, float], tuple[Array, Array]]  # log p(x | y) and its derivative by Y, in nats
    mean: Callable[[Array], Array]  # the mean of x, from Y


def _gaussian(X: Array, Y: Array, s2: float) -> tuple[Array, Array]:
    error = X - Y
    return -0.5 * np.sum(error**2, axis=1) / s2 - 0.5 * X.shape[1] * math.log(2 * math.pi * s2), error / s2


def _bernoulli(X: Array, Y: Array, s2: float) -> tuple[Array, Array]:
    """Return x y − ln(1 + e^y), summed, and x − logsig y, with exponentials that cannot overflow."""
    t = np.exp(-np.abs(Y))
    return np.sum(X * Y - np.maximum(Y, 0) - np.log1p(t), axis=1), X - np.exp(np.minimum(Y, 0)) / (1 + t)


LIKELIHOODS = {"gaussian": Likelihood(_gaussian, np.array), "bernoulli": Likelihood(_bernoulli, expit)}


class Fidelity(NamedTuple):
    """The fidelity F = (1/N) Σ_i E_q log p(x_i | z) in `base`, with its derivatives."""

    value: float
    by_decoder: mlp.Layers
    by_mean: Array
    by_log_variance: Array
    distortion: Callable[[], float]  # (1/N) Σ_i E_q |x_i − x̂|² of the same outputs, computed on demand


class VAETerms(NamedTuple):
    """The parts of L, per sample: L = log_likelihood − β rate, without a capacity.

    Examples
    --------
    >>> from rdae_ref.models import LinearBetaVAE
    >>> terms = LinearBetaVAE(np.eye(4)).terms(initial_vae_parameters(4, 2, np.random.default_rng(0)))
    >>> bool(np.isclose(terms.rates.sum(), terms.rate))
    True
    """

    log_likelihood: float  #: (1/N) Σ_i E_q log p(x_i | z), summed over features; in `base`, as the rates
    distortion: float  #: (1/N) Σ_i E_q |x_i − x̂|², x̂ being the mean of p(x | z): Eq. (9) for this map
    rate: float  #: (1/N) Σ_i KL_i, an upper bound on I(X; Z)
    rates: Array  #: the share of each latent in the rate, shape (k,)


@dataclass(frozen=True, eq=False)
class Variational(mlp.LayeredObjective):
    """What the forms of the beta-VAE share; they differ in `_noise` and `_fidelity`: how E_q is taken."""

    _: dataclasses.KW_ONLY
    beta: float = 1.0
    likelihood: str = "gaussian"
    variance: float = 1.0
    capacity: float | None = None
    capacity_of: str = "mean"
    base: float = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._accept(
            beta=as_nonnegative(self.beta, "beta"),
            likelihood=as_choice(self.likelihood, "likelihood", LIKELIHOODS),
            variance=as_positive(self.variance, "variance"),
            capacity=None if self.capacity is None else as_nonnegative(self.capacity, "capacity"),
            capacity_of=as_choice(self.capacity_of, "capacity_of", CAPACITIES),
            base=as_base(self.base),
        )
        if self.likelihood == "bernoulli":
            check_unit_interval(self.X, "X")

    @raises_on_overflow
    def value_and_gradient(self, parameters: VAEParameters) -> tuple[float, VAEParameters]:
        """Return L in `base` and its gradient: ∂L/∂M and ∂L/∂T have a part from the likelihood and one from the KL."""
        encoder, decoder = self._checked(parameters)
        (M, T), encoded = self._encode(encoder, self.X)
        fidelity = self._fidelity(Posterior(M, T), decoder, self._noise(M.shape[1]))
        penalty, dpenalty_dkl = self._penalty(_kl(M, T).sum(axis=1))
        dM = fidelity.by_mean - dpenalty_dkl[:, None] * M
        dT = fidelity.by_log_variance - dpenalty_dkl[:, None] * 0.5 * np.expm1(T)
        dencoder, _ = mlp.backward_layers(encoder, encoded, np.hstack([dM, dT]))
        return fidelity.value - penalty, VAEParameters(dencoder, fidelity.by_decoder)

    @raises_on_overflow
    def terms(self, parameters: VAEParameters) -> VAETerms:
        """Return the parts of L, for the noise that the next evaluation will have."""
        encoder, decoder = self._checked(parameters)
        posterior, _ = self._encode(encoder, self.X)
        fidelity = self._fidelity(posterior, decoder, self._noise(posterior.M.shape[1], peek=True))
        rates = _kl(*posterior).mean(axis=0) / math.log(self.base)
        return VAETerms(fidelity.value, fidelity.distortion(), float(rates.sum()), rates)

    def encode(self, parameters: VAEParameters, X: npt.ArrayLike | None = None) -> Posterior:
        return self._encode(self._checked(parameters).encoder, self._inputs(X))[0]

    def decode(self, parameters: VAEParameters, Z: npt.ArrayLike) -> Array:
        decoder = self._checked(parameters).decoder
        Z = as_samples(Z, "Z", decoder[0].W.shape[1])
        return LIKELIHOODS[self.likelihood].mean(mlp.forward_layers(decoder, Z, self.activation).Y)

    def reconstruct(self, parameters: VAEParameters, X: npt.ArrayLike | None = None) -> Array:
        """Return the outputs X̂ for the mean codes z = M, without the noise that `terms` has in its distortion."""
        return self.decode(parameters, self.encode(parameters, X).M)

    @raises_on_overflow
    def importance_log_likelihood(
        self, parameters: VAEParameters, X: npt.ArrayLike | None = None, *, n_draws: int = 500, rng: np.random.Generator
    ) -> Array:
        """Return log (1/K) Σ_k p(x | z_k) m(z_k)/q(z_k | x) for each input, z_k being drawn from q(z | x).

        Its expectation is at most log p(x), and for K = 1 the evidence lower bound: Y. Burda, R. Grosse, R.
        Salakhutdinov, Importance weighted autoencoders, ICLR 2016.

        Parameters
        ----------
        parameters, X : VAEParameters; and array_like, shape (M, d), optional
            Where, and inputs in rows: by default those of the objective.
        n_draws, rng : int and numpy.random.Generator
            K, and the source of the draws.

        Returns
        -------
        Array, shape (M,)
            In `base`; minus the mean estimates the negative log likelihood from above.
        """
        (encoder, decoder), X, rng = self._checked(parameters), self._inputs(X), as_generator(rng)
        n_draws, (M, T) = as_count(n_draws, "n_draws"), self._encode(encoder, X)[0]
        log_density, weights = LIKELIHOODS[self.likelihood].log_density, np.empty((len(X), n_draws))
        for k in range(n_draws):
            noise = rng.normal(size=M.shape)
            Z = M + np.exp(T / 2) * noise
            Y = mlp.forward_layers(decoder, Z, self.activation).Y
            log_prior_over_q = 0.5 * np.sum(noise**2 + T - Z**2, axis=1)  # both have the same (k/2) log 2π
            weights[:, k] = log_density(X, Y, self.variance)[0] + log_prior_over_q
        return np.asarray(logsumexp(weights, axis=1) - math.log(n_draws)) / math.log(self.base)

    def with_beta(self, beta: float) -> Any:
        """Return the same objective with another weight β ≥ 0 of the rate."""
        return dataclasses.replace(self, beta=beta)

    def _noise(self, n_latents: int, peek: bool = False) -> Array | None:
        """Return ε of shape (m, N, k), if the form has any; `peek` leaves the next evaluation the same."""
        return None

    def _fidelity(self, posterior: Posterior, decoder: mlp.Layers, noise: Array | None) -> Fidelity:
        """Return the sampled form: z = M + exp(T/2) ∘ ε, with ∂z/∂M = 1 and ∂z/∂T = ½ exp(T/2) ∘ ε."""
        assert noise is not None
        M, T = posterior
        std, likelihood = np.exp(T / 2), LIKELIHOODS[self.likelihood]
        forward_pass = mlp.forward_layers(decoder, (M + std * noise).reshape(-1, M.shape[1]), self.activation)
        targets = np.tile(self.X, (len(noise), 1))
        log_p, dlog_p = likelihood.log_density(targets, forward_pass.Y, self.variance)
        unit = len(targets) * math.log(self.base)
        ddecoder, B = mlp.backward_layers(decoder, forward_pass, dlog_p / unit)
        dL_dZ = (B @ decoder[0].W).reshape(noise.shape)
        dT = np.sum(dL_dZ * noise, axis=0) * std / 2
        return Fidelity(
            float(log_p.sum()) / unit, ddecoder, dL_dZ.sum(axis=0), dT,
            lambda: paper.distortion(targets, likelihood.mean(forward_pass.Y)),
        )  # fmt: skip

    def _penalty(self, kl: Array) -> tuple[float, Array]:
        """Return what is subtracted from the log likelihood, in `base`, and its derivative by the KL_i in `kl`."""
        N, beta = len(kl), self.beta / math.log(self.base)  # per nat
        if self.capacity is None:
            return beta * float(kl.mean()), np.full(N, beta / N)
        excess = kl - self.capacity * math.log(self.base)
        if self.capacity_of == "mean":
            return beta * abs(float(excess.mean())), np.full(N, beta * np.sign(excess.mean()) / N)
        return beta * float(np.abs(excess).mean()), beta * np.sign(excess) / N

    def _encode(self, encoder: mlp.Layers, X: Array) -> tuple[Posterior, mlp.LayersForward]:
        forward_pass = mlp.forward_layers(encoder, X, self.activation)
        M, T = np.hsplit(forward_pass.Y, 2)
        return Posterior(M, T), forward_pass

    def _checked(self, parameters: Any) -> VAEParameters:
        encoder, decoder = as_parts(parameters, "parameters", "VAEParameters(encoder, decoder)")
        d = self.X.shape[1]
        decoder = mlp.as_layers(decoder, "decoder", n_outputs=d)
        # Two outputs of the encoder, mean and log variance, for each input of the decoder.
        return VAEParameters(mlp.as_layers(encoder, "encoder", d, 2 * decoder[0].W.shape[1]), decoder)
