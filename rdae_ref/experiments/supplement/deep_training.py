"""How the deep auto-encoders of the neighbours are trained, in one place: two figures look at the same networks."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...autoencoder import distortion
from ...data import SHAPE_RANGES, curved_manifold, shapes
from ...models import (
    IRMAE,
    BetaVAE,
    effective_rank,
    initial_irmae_parameters,
    initial_vae_parameters,
    latent_singular_values,
)
from ...optimize import MiniBatches, adam
from ...pytree import ravel
from ..runs import Outcome
from ..training import finished

__all__ = ["MANIFOLD", "SHAPES", "DeepTask", "DeepTraining", "Network", "Samples", "draw_samples", "network", "train"]


@dataclass(frozen=True)
class DeepTraining:
    """Settings of a training run.

    Parameters
    ----------
    data : str
        ``"manifold"``: `curved_manifold`, centred; or ``"shapes"``.
    n_samples, n_test : int
        How many to train on, and how many to measure on.
    hidden : tuple of int
        Numbers of ReLU units of the encoder's hidden layers; the decoder has them in reverse.
    n_latents : int
        k, more than the data need.
    stages : tuple of (float, int)
        Step size and number of steps of Adam, one after another.
    n_dimensions, n_features : int
        Of the manifold, and of the space that it is in.
    size : int
        Pixels in a row of an image of a shape.
    batch_size : int
        Samples in each step.
    beta, variance : float
        Of the beta-VAE, with a Gaussian likelihood.
    """

    data: str
    n_samples: int
    n_test: int
    hidden: tuple[int, ...]
    n_latents: int
    stages: tuple[tuple[float, int], ...]
    n_dimensions: int = 3
    n_features: int = 30
    size: int = 16
    batch_size: int = 100
    beta: float = 1.0
    variance: float = 0.05

    @property
    def dimension(self) -> int:
        """Return the number of coordinates, or factors, that the data have."""
        return 1 + len(SHAPE_RANGES) if self.data == "shapes" else self.n_dimensions


MANIFOLD = DeepTraining("manifold", 2000, 2000, (64,), 16, ((1e-3, 4000),))
SHAPES = DeepTraining("shapes", 4000, 2000, (128, 64), 32, ((1e-3, 4000), (2e-4, 1000)))


class DeepTask(NamedTuple):
    """One training run.

    Parameters
    ----------
    model : str
        ``"irmae"`` or ``"beta-vae"``.
    n_linear : int
        l, the number of linear layers; 0 is the plain auto-encoder.
    seed : int
        Of data, start and batches.
    training : DeepTraining
        The rest.
    """

    model: str
    n_linear: int
    seed: int
    training: DeepTraining


class Samples(NamedTuple):
    """What a network is trained on, and what it is measured on.

    Parameters
    ----------
    X, X_test : Array, shapes (N, d) and (M, d)
        Samples in rows.
    factors_test : Array, shape (M, f)
        What those of `X_test` were generated from.
    """

    X: Array
    X_test: Array
    factors_test: Array


class Network(NamedTuple):
    """A trained network.

    Parameters
    ----------
    objective : IRMAE or BetaVAE
        Of its training.
    parameters : IRMAEParameters or VAEParameters
        What it ended in.
    """

    objective: Any
    parameters: Any

    def codes(self, X: Array) -> Array:
        """Return the codes of inputs; of the beta-VAE, their means.

        Parameters
        ----------
        X : Array, shape (M, d)
            Inputs in rows.

        Returns
        -------
        Array, shape (M, k)
            Z.
        """
        encoded = self.objective.encode(self.parameters, X)
        return encoded if isinstance(self.objective, IRMAE) else encoded.M

    def drawn_codes(self, X: Array, rng: np.random.Generator) -> Array:
        """Return the codes of inputs; of the beta-VAE, drawn from q(z | x), as its decoder was trained.

        Parameters
        ----------
        X : Array, shape (M, d)
            Inputs in rows.
        rng : numpy.random.Generator
            The source of randomness.

        Returns
        -------
        Array, shape (M, k)
            Z.
        """
        encoded = self.objective.encode(self.parameters, X)
        return encoded if isinstance(self.objective, IRMAE) else encoded.sample(rng)

    def decode(self, Z: Array) -> Array:
        """Return the outputs for codes.

        Parameters
        ----------
        Z : Array, shape (M, k)
            Codes in rows.

        Returns
        -------
        Array, shape (M, d)
            X̂.
        """
        return self.objective.decode(self.parameters, Z)


def draw_samples(training: DeepTraining, seed: int) -> Samples:
    """Draw the data of a run: those to train on and those to measure on, from the same manifold.

    Parameters
    ----------
    training : DeepTraining
        Which, and how many.
    seed : int
        Of the data.

    Returns
    -------
    Samples
        X, X_test and factors_test.
    """
    rng, n = np.random.default_rng(seed), training.n_samples
    if training.data == "shapes":
        images = shapes(n + training.n_test, rng, size=training.size)
        return Samples(images.X[:n], images.X[n:], images.factors[n:])
    sample = curved_manifold(
        n + training.n_test, rng, n_dimensions=training.n_dimensions, n_features=training.n_features
    )
    X = sample.X - sample.X[:n].mean(axis=0)
    return Samples(X[:n], X[n:], sample.coordinates[n:])


def train(task: DeepTask) -> dict[str, Any]:
    """Train one network, and measure its codes and outputs on samples that it has not seen.

    Parameters
    ----------
    task : DeepTask
        Model, seed and settings.

    Returns
    -------
    dict
        parameters, flat; singular_values of the covariance of the codes, and their number above 1 % of the largest as
        rank; distortion, of samples that it was trained on and, as test_distortion, of the others; variance of these.
    """
    samples = draw_samples(task.training, task.seed)
    rng = np.random.default_rng([task.seed, 1])
    objective, x = _start(task, samples.X, rng)
    for step_size, n_steps in task.training.stages:
        batches = MiniBatches(objective, task.training.batch_size, rng)
        x = finished(adam(batches, x, step_size=step_size, n_steps=n_steps)).x
    trained = Network(objective, x)
    values = latent_singular_values(trained.codes(samples.X_test))
    return {
        "parameters": ravel(x)[0],
        "singular_values": values,
        "rank": effective_rank(values),
        "distortion": distortion(samples.X, objective.reconstruct(x)),
        "test_distortion": distortion(samples.X_test, objective.reconstruct(x, samples.X_test)),
        "variance": samples.X_test.var(axis=0).sum(),
    }


def network(task: DeepTask, outcome: Outcome) -> Network:
    """Return the network that a run has trained.

    Parameters
    ----------
    task : DeepTask
        Of the run.
    outcome : dict
        What `train` returned.

    Returns
    -------
    Network
        Objective, on the samples that it was trained on, and parameters.
    """
    objective, start = _start(task, draw_samples(task.training, task.seed).X, np.random.default_rng(0))
    return Network(objective, ravel(start)[1](outcome["parameters"]))


def _start(task: DeepTask, X: Array, rng: np.random.Generator) -> tuple[Any, Any]:
    training, d = task.training, X.shape[1]
    if task.model == "beta-vae":
        vae = BetaVAE(X, activation="relu", beta=training.beta, variance=training.variance, rng=rng)
        return vae, initial_vae_parameters(d, training.n_latents, rng, hidden=training.hidden)
    start = initial_irmae_parameters(d, training.n_latents, task.n_linear, rng, hidden=training.hidden)
    return IRMAE(X, activation="relu"), start
