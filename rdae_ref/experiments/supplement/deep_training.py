"""How the deep auto-encoders of `irmae` and `digits` are trained, in one place: both use the same networks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...autoencoder import distortion
from ...data import SHAPE_RANGES, curved_manifold, shapes
from ...data.digits import load_digits
from ...measures import effective_rank, latent_singular_values
from ...models import IRMAE, BetaVAE, initial_irmae_parameters, initial_vae_parameters
from ...pytree import ravel
from ..output import Folder, Table
from ..runs import Outcome
from .staged import train_in_stages

__all__ = [
    "DIGITS", "EXACT", "DeepTask", "DeepTraining", "Network", "Samples", "draw_samples", "network", "spectra_table",
    "train",
]  # fmt: skip


@dataclass(frozen=True)
class DeepTraining:
    """Settings of a training run."""

    data: str  # "manifold", a centred `curved_manifold`, "shapes" or "digits", less the mean of those to train on
    n_samples: int  # to train on
    n_test: int  # to measure on
    hidden: tuple[int, ...]  # ReLU units of the encoder's hidden layers; the decoder has them in reverse
    n_latents: int  # k, more than the data need
    stages: tuple[tuple[float, int], ...]  # step size and number of steps of Adam, in turn
    n_dimensions: int = 3  # of the manifold
    n_features: int = 30  # of the space that contains it
    curvature: float = 0.7
    size: int = 16  # pixels in a row of an image of a shape
    batch_size: int = 100
    decay: float = 0.0  # decoupled, of all weights
    beta: float = 1.0  # this and the next of the beta-VAE, with a Gaussian likelihood
    variance: float = 0.05

    @property
    def dimension(self) -> int | None:
        """The number of coordinates, or factors, of the data, where it is known."""
        return {"shapes": 1 + len(SHAPE_RANGES), "manifold": self.n_dimensions}.get(self.data)

    @property
    def name(self) -> str:
        """The name of the data in tables: ``shapes``, ``manifold-5`` or ``digits``."""
        return f"manifold-{self.n_dimensions}" if self.data == "manifold" else self.data


# One recipe, with linear layers and decoupled weight decay; see docs/irmae.md.
# The curvature falls with the dimension, so that the sines of `curved_manifold` are as steep for each.
_RECIPE: dict[str, Any] = {
    "n_samples": 20_000, "n_test": 2000, "hidden": (256, 128), "n_latents": 32, "decay": 0.04,
    "stages": ((1e-3, 16_000), (2e-4, 4000)),
}  # fmt: skip
EXACT = (
    DeepTraining("shapes", **_RECIPE),
    *(DeepTraining("manifold", n_dimensions=d, curvature=0.4 * (3 / d) ** 0.5, **_RECIPE) for d in (3, 5, 8)),
)
DIGITS = DeepTraining("digits", 15_000, 10_000, (256,), 32, ((1e-3, 3000), (2e-4, 1000)), variance=0.5)


@dataclass(frozen=True)
class DeepTask:
    """One training run. Neither `source` nor `folder` changes the numbers, nor the name of the run."""

    model: str  # "irmae" or "beta-vae"
    n_linear: int  # l, the number of linear layers; 0 is the plain auto-encoder
    seed: int  # of data, start and batches
    training: DeepTraining
    digits: str = ""  # their fingerprint
    source: str = field(default="", repr=False)  # where they are: see `rdae_ref.data.digits.load_digits`
    folder: Folder | None = field(default=None, repr=False)  # of the checkpoints

    @property
    def key(self) -> tuple[str, int, float, int, int]:
        """Data, l, decay, width and seed, which name a run of IRMAE in the tables."""
        return self.training.name, self.n_linear, self.training.decay, self.training.hidden[0], self.seed


class Samples(NamedTuple):
    """Samples to train on, others to measure on, and the factors that the latter were generated from."""

    X: Array
    X_test: Array
    factors_test: Any  # Array; the labels of digits


class Network(NamedTuple):
    """A trained network: the objective of its training, and its parameters."""

    objective: Any  # IRMAE or BetaVAE
    parameters: Any

    def codes(self, X: Array) -> Array:
        """Return the codes Z of inputs; of the beta-VAE, their means."""
        encoded = self.objective.encode(self.parameters, X)
        return encoded if isinstance(self.objective, IRMAE) else encoded.M

    def decode(self, Z: Array) -> Array:
        """Return the outputs X̂ for codes."""
        return self.objective.decode(self.parameters, Z)


def draw_samples(task: DeepTask) -> Samples:
    """Draw the samples of a run: those to train on and those to measure on, from the same manifold."""
    training, rng, n = task.training, np.random.default_rng(task.seed), task.training.n_samples
    if training.data == "digits":
        drawn, new = load_digits(task.source, n), load_digits(task.source, training.n_test, "test")
        mean = drawn.pixels.mean(axis=0)
        return Samples(drawn.pixels - mean, new.pixels - mean, new.labels)
    if training.data == "shapes":
        images = shapes(n + training.n_test, rng, size=training.size)
        return Samples(images.X[:n], images.X[n:], images.factors[n:])
    names = ("n_dimensions", "n_features", "curvature")
    sample = curved_manifold(n + training.n_test, rng, **{name: getattr(training, name) for name in names})
    X = sample.X - sample.X[:n].mean(axis=0)
    return Samples(X[:n], X[n:], sample.coordinates[n:])


def train(task: DeepTask) -> dict[str, Any]:
    """Train one network, and measure its codes and outputs on samples that it has not seen.

    ``singular_values`` are those of the covariance of the codes, ``rank`` their number above 1 % of the largest;
    ``variance`` is that of the samples not trained on, whose distortion is ``test_distortion``.
    """
    samples = draw_samples(task)
    rng = np.random.default_rng([task.seed, 1])
    objective, x = _start(task, samples.X, rng)
    training, folder = task.training, None if task.folder is None else Path(task.folder) / ".runs"
    x = train_in_stages(objective, x, training.stages, training.batch_size, rng, decay=training.decay, folder=folder)
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
    """Return the network that a run has trained, from the outcome of `train`."""
    objective, start = _start(task, draw_samples(task).X, np.random.default_rng(0))
    return Network(objective, ravel(start)[1](outcome["parameters"]))


def _start(task: DeepTask, X: Array, rng: np.random.Generator) -> tuple[Any, Any]:
    training, d = task.training, X.shape[1]
    if task.model == "beta-vae":
        vae = BetaVAE(X, activation="relu", beta=training.beta, variance=training.variance, rng=rng)
        return vae, initial_vae_parameters(d, training.n_latents, rng, hidden=training.hidden)
    start = initial_irmae_parameters(d, training.n_latents, task.n_linear, rng, hidden=training.hidden)
    return IRMAE(X, activation="relu"), start


def spectra_table(runs: Iterator[tuple[tuple[Any, ...], Outcome]]) -> Table:
    """Return the singular values of runs by their keys, `DeepTask.key`, for a CSV file."""
    columns = ("data", "n_linear", "decay", "width", "seed", "index", "singular_value")
    return columns, ((*key, i, float(v)) for key, out in runs for i, v in enumerate(out["singular_values"], 1))
