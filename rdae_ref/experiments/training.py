"""How the auto-encoders of the figures are trained, in one place: what the paper fixes, and what it leaves open."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..autoencoder import Parameters, forward, initial_parameters
from ..models import Reconstruction
from ..objective import RateDistortion
from ..optimize import Result, continuation, maximize

__all__ = [
    "Task",
    "Trained",
    "Training",
    "finished",
    "jacobians",
    "rate_distortion",
    "train_plain",
    "train_rate_distortion",
]


@dataclass(frozen=True)
class Training:
    """Settings of a training run.

    Parameters
    ----------
    n_hidden : int
        p. Stated.
    alpha : float
        Not stated; 1.01 is the habit of the authors' other work.
    mu, sigma : float
        Trade-off and both kernel sizes. Stated.
    base : float
        Of the entropy. Not stated; bits by Eq. (10), nats by the gradients (15) and (16).
    start : float
        Standard deviation of the normal start. Not stated.
    factors : tuple of float
        μ is lowered through these multiples, see `rdae_ref.continuation`. Not in the paper.
    max_iterations : tuple of int
        Of L-BFGS, for each factor: fixed, not run to the last digit.
    plain_iterations : int
        Of L-BFGS, for a conventional auto-encoder.
    """

    n_hidden: int
    alpha: float = 1.01
    mu: float = 1.5
    sigma: float = 0.2 * 2**0.5
    base: float = 2
    start: float = 0.5
    factors: tuple[float, ...] = (64, 32, 16, 8, 4, 2, 1)
    max_iterations: tuple[int, ...] = (60, 60, 60, 60, 60, 60, 250)
    plain_iterations: int = 3000


class Task(NamedTuple):
    """One training run.

    Parameters
    ----------
    model : str
        ``"rate-distortion"`` or ``"plain"``; ``"sweep"`` for one over μ.
    activation : str
        The units.
    seed : int
        Of data and start.
    settings : Settings
        Of the figure.
    """

    model: str
    activation: str
    seed: int
    settings: Any


class Trained(NamedTuple):
    """What training ended in.

    Parameters
    ----------
    parameters : Parameters
        W, c, A, b.
    outputs : dict of arrays
        X, Xhat and the terms of the objective, as a run keeps them.
    """

    parameters: Parameters
    outputs: dict[str, Array | float]


def train_rate_distortion(X: Array, activation: str, training: Training, rng: np.random.Generator) -> Trained:
    """Train a rate-distortion auto-encoder, from a good reconstruction down to μ.

    Parameters
    ----------
    X : Array, shape (N, d)
        Inputs.
    activation : str
        The units.
    training : Training
        The rest.
    rng : numpy.random.Generator
        Draws the start.

    Returns
    -------
    Trained
        Parameters; X, Xhat, L and its terms.
    """
    objective = rate_distortion(X, activation, training)
    start = initial_parameters(X.shape[1], training.n_hidden, rng, scale=training.start)
    found = finished(continuation(objective, start, factors=training.factors, max_iterations=training.max_iterations))
    terms = objective.terms(found.x)._asdict()
    return Trained(found.x, {"X": X, "Xhat": objective.reconstruct(found.x), "L": found.fun, **terms})


def train_plain(X: Array, activation: str, training: Training, rng: np.random.Generator) -> Trained:
    """Train a conventional auto-encoder of the same size, from the same start.

    Parameters
    ----------
    X : Array, shape (N, d)
        Inputs.
    activation : str
        The units.
    training : Training
        The rest.
    rng : numpy.random.Generator
        Draws the start.

    Returns
    -------
    Trained
        Parameters; X, Xhat and distortion.
    """
    objective = Reconstruction(X, activation=activation)
    start = initial_parameters(X.shape[1], training.n_hidden, rng, scale=training.start)
    found = finished(maximize(objective, start, max_iterations=training.plain_iterations, tolerance=1e-9))
    terms = objective.terms(found.x)._asdict()
    return Trained(found.x, {"X": X, "Xhat": objective.reconstruct(found.x), **terms})


def finished(result: Result) -> Result:
    """Return the result, unless Ctrl-C broke it off: a run that is kept must be whole.

    Parameters
    ----------
    result : Result
        Of an optimiser.

    Returns
    -------
    Result
        The same.

    Raises
    ------
    KeyboardInterrupt
        If the result was "interrupted".
    """
    if result.message == "interrupted":
        raise KeyboardInterrupt
    return result


def rate_distortion(X: Array, activation: str, training: Training) -> RateDistortion:
    """Return the objective (25) with the settings of a training run.

    Parameters
    ----------
    X : Array, shape (N, d)
        Inputs.
    activation : str
        The units.
    training : Training
        α, μ, σ and base.

    Returns
    -------
    RateDistortion
        To be maximised.
    """
    return RateDistortion(
        X,
        activation=activation,
        alpha=training.alpha,
        mu=training.mu,
        sigma_x=training.sigma,
        sigma_xhat=training.sigma,
        base=training.base,
        spectrum="auto",
    )


def jacobians(parameters: Parameters, X: Array, activation: str) -> Array:
    """Return the Jacobian A diag(g′(W x + c)) W of the auto-encoder at each point.

    Parameters
    ----------
    parameters : Parameters
        W, c, A, b.
    X : Array, shape (N, d)
        Where.
    activation : str
        The units.

    Returns
    -------
    Array, shape (N, d, d)
        J, with singular values below 1 where the map contracts.
    """
    W, _, A, _ = parameters
    return np.einsum("ik,nk,kj->nij", A, forward(parameters, X, activation).Gprime, W)
