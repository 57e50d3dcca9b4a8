"""Upper bounds on R(D) of a Gaussian source by trained beta-VAEs that see samples only, at distortions met exactly."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from ..._validation import Array
from ...models import BetaVAE, LinearBetaVAE, Posterior, VAEParameters, initial_vae_parameters, kl_divergence
from ...models.mlp import forward_layers
from .staged import train_in_stages

__all__ = ["GaussianTraining", "UpperBound", "upper_bounds"]

ACTIVATION = "relu"
GAIN = 1.5  # D rises more slowly than the level where components without rate have much of it
STEP = 1e-3  # of a shift, for the slope
SHIFTS = (-9.0, 4.0)  # of log variances: from nearly no noise to nearly no signal


@dataclass(frozen=True)
class GaussianTraining:
    """Settings of the models: one chain of trainings, from the smallest distortion to the largest."""

    distortions: tuple[float, ...] = (0.1869, 0.3051, 0.4549, 0.7872, 1.8202, 4.3502)  # of NERD
    n_features: int = 40
    hidden: tuple[int, ...] = (64,)  # units of encoder and decoder, for "mlp-beta-vae"
    n_latents: int = 10
    first: tuple[tuple[float, int], ...] = ((3e-3, 2500),)  # step size and number of steps of Adam, before the chain
    stages: tuple[tuple[float, int], ...] = (*((3e-3, 500),) * 3, *((1e-3, 500),) * 2, (3e-4, 500), (1e-4, 500))
    batch_size: int = 500
    n_drawn: int = 50_000  # fresh samples for each stage
    n_measured: int = 50_000  # others for each bound
    controls: int = 12  # coordinates whose moments are known in the measurement

    @property
    def scales(self) -> Array:
        """The standard deviations σ_k = 2 exp(−k/2)."""
        return np.asarray(2 * np.exp(-np.arange(self.n_features) / 2))


class UpperBound(NamedTuple):
    """A bound on R(D), in bits, and its standard error."""

    rate: float
    standard_error: float
    shift: float  # of all log variances, so that the distortion is D


def upper_bounds(model: str, training: GaussianTraining, rng: np.random.Generator) -> list[UpperBound]:
    """Train "linear-beta-vae" or "mlp-beta-vae", and return its bound at each distortion.

    β is 1, and the variance s² of the decoder, which is the water level that is learned, follows the distortion: after
    each stage it is multiplied by a power of what the distortion on fresh samples is off.
    """
    hidden = training.hidden if model == "mlp-beta-vae" else ()
    x = initial_vae_parameters(training.n_features, training.n_latents, rng, hidden=hidden)
    level, bounds = training.distortions[0] / training.n_latents, []
    for i, D in enumerate(training.distortions):
        stages = (training.first if i == 0 else ()) + training.stages
        for step_size, n_steps in stages:
            objective = _objective(model, training, level, rng)
            x = train_in_stages(objective, x, ((step_size, n_steps),), training.batch_size, rng)
            if step_size > training.stages[-1][0]:
                level *= (D / _objective(model, training, level, rng).terms(x).distortion) ** GAIN
        bounds.append(measured(x, D, training, rng))
    return bounds


def _objective(model: str, training: GaussianTraining, level: float, rng: np.random.Generator) -> Any:
    X = rng.normal(size=(training.n_drawn, training.n_features)) * training.scales
    if model == "linear-beta-vae":
        return LinearBetaVAE(X, variance=level)
    return BetaVAE(X, activation=ACTIVATION, variance=level, rng=rng)


def measured(x: VAEParameters, D: float, training: GaussianTraining, rng: np.random.Generator) -> UpperBound:
    """Return the rate of a model on samples it has not seen, all log variances shifted so that its distortion is D.

    D and R are means over samples and codes, less their regression on products of coordinates and of the noise, whose
    means are known: control variates, which leave the means as they are and take most of the variance. The error of R
    at a given D is that of R + βD, β being the slope −dR/dD along the shift.
    """
    n, k = training.n_measured, len(x.decoder[0].W.T)
    U, noise = rng.normal(size=(n, training.n_features)), rng.normal(size=(n, k))
    X = U * training.scales
    M, T = np.hsplit(forward_layers(x.encoder, X, ACTIVATION).Y, 2)
    mean = _control_variates(np.hstack([U[:, : training.controls], noise]))

    def terms(shift: float) -> tuple[Array, Array]:
        outputs = forward_layers(x.decoder, M + np.exp((T + shift) / 2) * noise, ACTIVATION).Y
        return kl_divergence(Posterior(M, T + shift)).sum(axis=1), np.sum((X - outputs) ** 2, axis=1)

    shift = float(brentq(lambda t: mean(terms(t)[1])[0] - D, *SHIFTS, xtol=1e-6))
    (rates, distortions), (fewer, larger) = terms(shift), terms(shift + STEP)
    slope = (rates - fewer).mean() / (larger - distortions).mean()
    error = mean(rates + slope * distortions)[1]
    return UpperBound(mean(rates)[0] / math.log(2), error / math.log(2), shift)


def _control_variates(V: Array) -> Callable[[Array], tuple[float, float]]:
    """Return a function from numbers to their mean and its error, given the standard normal V that come with them."""
    i, j = np.triu_indices(V.shape[1])
    B = np.hstack([np.ones((len(V), 1)), V, V[:, i] * V[:, j] - (i == j)])
    G = B.T @ B

    def mean(values: Array) -> tuple[float, float]:
        weights = np.linalg.solve(G, B.T @ values)
        rest = values - B @ weights
        return float(weights[0]), float(np.sqrt(rest @ rest / (len(V) - len(G)) / len(V)))

    return mean
