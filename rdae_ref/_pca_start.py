"""A start that reconstructs as PCA does, and variables in which an ascent from there is short."""

from typing import Any

import numpy as np

from ._validation import Array
from .activations import Activation
from .autoencoder import Parameters
from .objective import distortion_of
from .pytree import Pytree

__all__ = ["InVariables", "PcaVariables", "linear_point"]

CODES = 0.1  # standard deviation of the activations z: small, so that the units are nearly linear
SPARE = 0.01  # that of units beyond the number of components, relative to CODES
NEGLIGIBLE = 1e-6  # standard deviation of a component, relative to the largest, below which W does not see it


def linear_point(g: Activation) -> float | None:
    """Return where a unit is nearly linear for all but a few codes; None if it is not at 0, 1/2 or 1."""
    for at in (0.0, 0.5, 1.0):
        slopes = np.abs(g.derivative(np.array([[at - 3 * CODES, at, at + 3 * CODES]])))
        if np.ptp(slopes) < 0.2 * slopes.max():
            return at
    return None


class PcaVariables:
    """Variables V, c′, A′, b′ of an auto-encoder, in which L is curved about alike in all directions.

    With the principal axes U and standard deviations s of the samples, a unit z₀, and scales r of the units::

        W = diag(r) V diag(1/s) Uᵀ    c = z₀ + r c′    A = A′ / (τ g′(z₀))    b = b′ − A g(z₀)

    D is a quadratic form in V with the covariance of whitened inputs, and in A′ with that of codes around zero.
    """

    def __init__(self, samples: Array, n_hidden: int, g: Activation, at: float) -> None:
        axes, deviations = _components(samples)
        kept = deviations > NEGLIGIBLE * deviations[0]
        self.axes, self.deviations = axes[:, kept], deviations[kept]
        self.n_units = min(n_hidden, len(self.deviations))  # with a component of their own
        least = self.deviations[self.n_units - 1]
        self.rows = CODES / np.append(self.deviations[: self.n_units], np.full(n_hidden - self.n_units, least))
        self.whitening = (self.axes / self.deviations).T
        self.at, point = at, np.array([[at]])
        self.value, self.column = g.value(point).item(), 1 / (CODES * g.derivative(point).item())

    def start(self, rng: np.random.Generator) -> Parameters:
        """Return the variables of the first components, one for each unit, and small ones for the units left."""
        p, k, (d, kept) = len(self.rows), self.n_units, self.axes.shape
        V, A = np.zeros((p, kept)), np.zeros((d, p))
        V[:k, :k] = np.diag(self.deviations[:k])
        V[k:] = SPARE * self.deviations[k - 1] * rng.normal(size=(p - k, kept))
        A[:, :k] = self.axes[:, :k] * self.deviations[:k]
        return Parameters(V, np.zeros(p), A, np.zeros(d))

    def leave(self, variables: Parameters) -> Parameters:
        """Return the parameters W, c, A, b that belong to variables."""
        V, c, A, b = variables
        A = self.column * A
        return Parameters(
            self.rows[:, None] * V @ self.whitening, self.at + self.rows * c, A, b - self.value * A.sum(1)
        )

    def gradient(self, gradient: Parameters) -> Parameters:
        """Return the gradient with respect to the variables from that with respect to the parameters."""
        W, c, A, b = gradient
        return Parameters(
            self.rows[:, None] * (W @ self.whitening.T), self.rows * c, self.column * (A - self.value * b[:, None]), b
        )


def _components(samples: Array) -> tuple[Array, Array]:
    """Return the principal axes in columns, with signs that do not depend on LAPACK, and the standard deviations."""
    n, d = samples.shape
    if n < d:
        _, singular, rows = np.linalg.svd(samples, full_matrices=False)
        axes, deviations = rows.T, singular / np.sqrt(n)
    else:
        values, vectors = np.linalg.eigh(samples.T @ samples / n)
        axes, deviations = vectors[:, ::-1], np.sqrt(values[::-1].clip(0))
    return axes * np.where(np.cos(np.arange(d)) @ axes < 0, -1.0, 1.0), deviations


class InVariables:
    """An objective as a function of other variables."""

    def __init__(self, objective: Any, variables: PcaVariables) -> None:
        self.objective, self.variables = objective, variables

    @property
    def mu(self) -> float:
        """The trade-off of the objective."""
        return float(self.objective.mu)

    def with_mu(self, mu: float) -> "InVariables":
        """Return the same objective with another trade-off."""
        return InVariables(self.objective.with_mu(mu), self.variables)

    def value_and_gradient(self, parameters: Any) -> tuple[float, Pytree]:
        """Return the value, and its gradient with respect to the variables."""
        value, gradient = self.objective.value_and_gradient(self.variables.leave(parameters))
        return value, self.variables.gradient(gradient)

    def terms(self, parameters: Any) -> Any:
        """Return the terms of the objective."""
        return self.objective.terms(self.variables.leave(parameters))

    def distortion(self, parameters: Any) -> float:
        """Return the distortion alone."""
        return distortion_of(self.objective, self.variables.leave(parameters))
