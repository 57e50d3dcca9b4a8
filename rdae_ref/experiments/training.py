"""How the auto-encoders of the figures are trained, in one place: what the paper fixes, and what it leaves open."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..autoencoder import Parameters, forward, initial_parameters
from ..models import Reconstruction
from ..objective import RateDistortion
from ..optimize import Result, maximize

__all__ = [
    "MIXTURE",
    "N_MIXTURE",
    "SEEDS",
    "VARIANTS",
    "Task",
    "Trained",
    "Training",
    "finished",
    "jacobians",
    "rate_distortion",
    "starting_point",
    "train_plain",
    "train_rate_distortion",
    "variant",
    "variant_name",
]  # fmt: skip


@dataclass(frozen=True)
class Training:
    """Settings of a training run. The paper states `n_hidden`, `mu` and `sigma`; the others are ours."""

    n_hidden: int  # p
    alpha: float = 1.01  # close to Shannon's entropy, as in the authors' other work
    mu: float = 1.5
    sigma: float = 0.2 * 2**0.5  # of both kernels
    base: float = 2  # of the entropy: bits by Eq. (10), nats by the gradients (15) and (16)
    start: float = 0.5  # standard deviation of the normal start
    factors: tuple[float, ...] = (64, 32, 16, 8, 4, 2, 1)  # multiples of mu, in turn; see `rdae_ref.continuation`
    max_iterations: tuple[int, ...] = (60, 60, 60, 60, 60, 60, 250)  # of L-BFGS, for each factor
    n_quadratic: int = 0  # of the first factors, at which alpha is 2: that needs no eigenvalues
    n_first: int | None = None  # samples for all factors; the last iterations, at mu, are on all samples
    last_iterations: int = 0
    plain_iterations: int = 3000  # of L-BFGS, for a conventional auto-encoder
    method: str = "auto"  # of `RateDistortion`; "paper" evaluates the printed equations
    shift: float = 0.0  # std of normal noise on the start: 1e-12 shows what depends on rounding


# Figures 2 and 3 need more samples than Figure 1 (see figure_samples), but not for the way down to mu.
MIXTURE = Training(n_hidden=20, max_iterations=(60,) * 7, n_quadratic=4, n_first=200, last_iterations=100)
N_MIXTURE = 500
SEEDS = tuple(range(17))  # of a 95 % interval of the median that leaves out four seeds at each end


# The runs that show what depends on rounding: what each changes in a training, and what its files' names end in.
VARIANTS: dict[str, dict[str, Any]] = {"shifted": {"shift": 1e-12}, "literal": {"method": "paper"}}


def variant(settings: Any, name: str) -> Any:
    """Return the settings of a figure for one of `VARIANTS`."""
    return replace(settings, training=replace(settings.training, **VARIANTS[name]))


def variant_name(name: str, training: Training) -> str:
    """Return the name of a figure's files, such as ``figure1_literal``."""
    return next((f"{name}_{of}" for of, changes in VARIANTS.items() if replace(training, **changes) == training), name)


class Task(NamedTuple):
    """One training run."""

    model: str  # "rate-distortion", "plain", or "sweep" over mu
    activation: str
    seed: int  # of data and start
    settings: Any  # of the figure


class Trained(NamedTuple):
    """Trained parameters, and X, Xhat and the terms of the objective as a run keeps them."""

    parameters: Parameters
    outputs: dict[str, Array | float]


def train(model: str, X: Array, activation: str, training: Training, rng: np.random.Generator) -> Trained:
    """Train an auto-encoder of a figure, "plain" or "rate-distortion"."""
    return (train_plain if model == "plain" else train_rate_distortion)(X, activation, training, rng)


def train_rate_distortion(X: Array, activation: str, training: Training, rng: np.random.Generator) -> Trained:
    """Train a rate-distortion auto-encoder, from a good reconstruction down to μ."""
    objective, parameters = rate_distortion(X, activation, training), starting_point(X, training, rng)
    for k, (factor, iterations) in enumerate(zip(training.factors, training.max_iterations, strict=True)):
        way = replace(training, mu=factor * training.mu, alpha=2.0 if k < training.n_quadratic else training.alpha)
        first = rate_distortion(X[: training.n_first], activation, way)
        parameters = finished(maximize(first, parameters, max_iterations=iterations)).x
    if training.last_iterations:
        parameters = finished(maximize(objective, parameters, max_iterations=training.last_iterations)).x
    terms = objective.terms(parameters)
    L = terms.conditional_entropy - training.mu * terms.distortion
    return Trained(parameters, {"X": X, "Xhat": objective.reconstruct(parameters), "L": L, **terms._asdict()})


def train_plain(X: Array, activation: str, training: Training, rng: np.random.Generator) -> Trained:
    """Train a conventional auto-encoder of the same size from the same start."""
    objective, start = Reconstruction(X, activation=activation), starting_point(X, training, rng)
    found = finished(maximize(objective, start, max_iterations=training.plain_iterations, tolerance=1e-9))
    terms = objective.terms(found.x)._asdict()
    return Trained(found.x, {"X": X, "Xhat": objective.reconstruct(found.x), **terms})


def starting_point(X: Array, training: Training, rng: np.random.Generator) -> Parameters:
    """Return where every training of a figure starts."""
    start = initial_parameters(X.shape[1], training.n_hidden, rng, scale=training.start)
    return Parameters(*(part + training.shift * rng.normal(size=part.shape) for part in start))


def finished(result: Result) -> Result:
    """Return the result of an optimiser; raise ``KeyboardInterrupt`` if it was interrupted, so that no part is kept."""
    if result.message == "interrupted":
        raise KeyboardInterrupt
    return result


def rate_distortion(X: Array, activation: str, training: Training) -> RateDistortion:
    """Return the objective (25) with the settings of a training run."""
    settings = {name: getattr(training, name) for name in ("alpha", "mu", "base", "method")}
    return RateDistortion(X, activation=activation, sigma_x=training.sigma, sigma_xhat=training.sigma, **settings)


def jacobians(parameters: Parameters, X: Array, activation: str) -> Array:
    """Return the Jacobian A diag(g′(W x + c)) W of the auto-encoder at each point, shape (N, d, d)."""
    W, _, A, _ = parameters
    return np.einsum("ik,nk,kj->nij", A, forward(parameters, X, activation).Gprime, W)
