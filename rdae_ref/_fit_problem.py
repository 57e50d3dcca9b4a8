"""What a fit of the estimator maximises: in the units of the data, and as the optimiser sees it."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_choice, as_positive
from .autoencoder import Parameters
from .data.batches import clustered_batches, random_batches
from .matrices import median_distance
from .objective import RateDistortion
from .optimize import BatchedObjective, Step

__all__ = ["FitProblem", "Frame"]

BITS = 30  # of what the optimiser is given


class Frame(NamedTuple):
    """Samples as the optimiser sees them: (X − centre) / scale, whose root mean square is 1."""

    centre: npt.NDArray[np.longdouble]
    scale: float

    @classmethod
    def of(cls, X: Array) -> "tuple[Frame, Array]":
        """Return the frame of some samples, and the samples in it."""
        first = np.mean(X, axis=0, dtype=np.float64)
        centred = X - first
        second = centred.mean(axis=0)  # what rounding left in the first mean: much, far from the origin
        centred -= second
        largest = float(np.abs(centred).max())
        scale = largest * math.sqrt(np.mean((centred / largest) ** 2)) if largest else 1.0  # no square overflows
        return cls(first.astype(np.longdouble) + second, scale), centred / scale

    def enter(self, parameters: Parameters) -> Parameters:
        """Return the parameters that do to (X − centre) / scale what these do to X."""
        W, c, A, b = parameters
        offsets = c + W.astype(np.longdouble) @ self.centre
        return Parameters(W * self.scale, _float(offsets), A / self.scale, _float((b - self.centre) / self.scale))

    def leave(self, parameters: Parameters) -> Parameters:
        """Undo `enter`."""
        W, c, A, b = parameters
        W = W / self.scale
        offsets = c - W.astype(np.longdouble) @ self.centre
        return Parameters(W, _float(offsets), A * self.scale, _float(self.scale * b + self.centre))


def _float(array: npt.NDArray[np.longdouble]) -> Array:
    return array.astype(np.float64)


class FitProblem:
    """The objective of a fit, in the units of the data (`in_units`) and in those of the optimiser (`objective`).

    Hundreds of iterations amplify rounding: a fit to data that have lost their last digits far from the origin would
    end elsewhere. So all that the optimiser is given is rounded to 30 bits; what is reported is not.
    """

    def __init__(self, model: Any, X: Array, rng: np.random.Generator) -> None:
        self.model, self.X = model, X
        self.frame, inside = Frame.of(X)
        self.sigma_x = self._kernel_size(model.sigma, "sigma", inside)
        one = model.sigma_xhat is None
        self.sigma_xhat = self.sigma_x if one else self._kernel_size(model.sigma_xhat, "sigma_xhat", inside)
        self.inside = {
            "mu": self.scaled("mu", model.mu, -2),
            "sigma_x": self.scaled("sigma", self.sigma_x, 1),
            "sigma_xhat": self.scaled("sigma_xhat", self.sigma_xhat, 1),
        }
        self.bound = None if model.distortion is None else self.scaled("distortion", model.distortion, 2)
        step = math.ldexp(1, min(0, math.frexp(self.inside["sigma_x"])[1]) - BITS)
        self.samples: Array = np.round(inside / step) * step if step > np.finfo(float).eps ** 2 else inside
        self.batches = None if model.batch_size is None else self._divided(rng)
        self.objective = self._on(self.samples, **self.inside)

    def scaled(self, name: str, value: float, power: int) -> float:
        """Return a setting, a power of the unit of the data, in the units of the optimiser."""
        scaled, scale = float(value), self.frame.scale
        for _ in range(abs(power)):
            scaled = scaled / scale if power > 0 else scaled * scale
        if value != 0 and not 0 < scaled < math.inf:
            raise ValueError(f"{name} = {value:g} is out of proportion to data of scale {scale:g}: change one of them")
        fraction, exponent = math.frexp(scaled)
        return math.ldexp(round(math.ldexp(fraction, BITS)), exponent - BITS)

    def _kernel_size(self, sigma: Any, name: str, inside: Array) -> float:
        if not isinstance(sigma, str):
            return as_positive(sigma, name)
        as_choice(sigma, name, ("median",))
        size = median_distance(inside) * self.frame.scale
        if size == 0:
            words = "more than half of the pairs of samples are equal, or too near for float64 to square their distance"
            raise ValueError(f"{name}='median' is 0, as {words}: pass a number, or rescale them")
        return size

    def _divided(self, rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
        n, largest = len(self.samples), self.model.batch_size
        assert largest is not None
        if self.model.batches == "clustered":
            return clustered_batches(self.samples, largest, rng)
        return random_batches([len(rows) for rows in np.array_split(np.arange(n), math.ceil(n / largest))], rng)

    def _one(self, X: Array, **units: Any) -> RateDistortion:
        model = self.model
        return RateDistortion(
            X, activation=model.activation, alpha=model.alpha, base=model.base, method=model.method, **units
        )

    def _on(self, X: Array, **units: Any) -> Any:
        if self.batches is None:
            return self._one(X, **units)
        return BatchedObjective([self._one(X[rows], **units) for rows in self.batches], list(map(len, self.batches)))

    def of_few(self, rng: np.random.Generator) -> Any:
        """Return the objective on one batch drawn at random, or on all samples if there are no batches."""
        if self.batches is None:
            return self.objective
        return self._one(self.samples[rng.choice(len(self.X), self.model.batch_size, replace=False)], **self.inside)

    @functools.cached_property
    def in_units(self) -> Any:
        """The objective in the units of the data."""
        return self._on(self.X, mu=self.model.mu, sigma_x=self.sigma_x, sigma_xhat=self.sigma_xhat)

    def step(self, step: Step) -> Step:
        """Return a step of the optimiser in the units of the data."""
        mu = getattr(step.objective, "mu", self.inside["mu"]) / self.frame.scale / self.frame.scale
        objective = _OnDemand(lambda: self.in_units.with_mu(mu))
        return Step(step.iteration, self.frame.leave(step.parameters), step.value, step.gradient_norm, objective)


class _OnDemand:
    """An object that is made when it is used."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what copy and pickle ask for does not come from the object
            raise AttributeError(name)
        return getattr(self._make(), name)
