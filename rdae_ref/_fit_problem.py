"""What a fit of the estimator maximises: in the units of the data, and as the optimiser sees it."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._pca_start import InVariables, PcaVariables, linear_point
from ._validation import Array, as_choice, as_positive
from .activations import as_activation
from .autoencoder import Parameters
from .data.batches import clustered_batches, random_batches
from .matrices import median_distance
from .numerics.distances import GaussianKernel
from .numerics.low_rank import is_low_rank
from .objective import RateDistortion
from .optimize import BatchedObjective, Step

__all__ = ["FitProblem", "Frame", "columns_apart", "standardisation"]

BITS = 24  # of what the optimiser is given

# What "auto" chooses: docs/howto/choose.md has the measurements.
WHOLE, BATCH = 600, 250  # samples: up to the first all at once, above it batches of the second
WIDE = 0.7  # kernel sizes relative to the median distance from which a PCA start ends as high as continuation
FEW = 1000  # samples that tell the median distance
CHEAP = 200  # samples up to which continuation takes seconds, so that it is tried though it may gain little
APART = 100.0  # standard deviations of two columns, one relative to the other, that are worth a warning


def standardisation(X: Array) -> tuple[Array, Array]:
    """Return the mean and the standard deviation of each column, 1 for the deviation of one that is constant."""
    mean, constant = X.mean(axis=0), X.min(axis=0) == X.max(axis=0)
    largest = np.where(constant, 1.0, np.abs(X - mean).max(axis=0))
    return mean, np.where(constant, 1.0, largest * ((X - mean) / largest).std(axis=0))  # no square underflows


def columns_apart(X: Array) -> tuple[int, int, float] | None:
    """Return the columns of the largest and the smallest standard deviation, and their ratio if it is large."""
    varies = np.flatnonzero(X.min(axis=0) != X.max(axis=0))
    if not len(varies):
        return None
    scale = standardisation(X)[1][varies]
    ratio = float(scale.max() / scale.min())
    return (int(varies[scale.argmax()]), int(varies[scale.argmin()]), ratio) if ratio > APART else None


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
    end elsewhere. So all that the optimiser is given is rounded to 24 bits; what is reported is not.
    """

    def __init__(self, model: Any, X: Array, rng: np.random.Generator) -> None:
        self.model, self.X = model, X
        self.choices: dict[str, str] = {}
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
        self.batch_size = self._batch_size()
        self.batches = None if self.batch_size is None else self._divided(rng)
        self.objective = self._on(self.samples, **self.inside)
        self.variables = self._variables()
        self.starts = self._starts()

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

    def _batch_size(self) -> int | None:
        model, n = self.model, len(self.X)
        if model.batch_size != "auto":
            size: int | None = model.batch_size
            return size
        if n <= WHOLE or model.solver != "lbfgs":
            self.choices["batch_size"] = f"none: the entropies are those of all {n} samples"
        elif model.alpha > 1 and is_low_rank(GaussianKernel(self.samples, self.inside["sigma_x"]), n):
            self.choices["batch_size"] = f"none: {n} samples, whose Gram matrix has few eigenvalues above rounding"
        else:
            self.choices["batch_size"] = f"{BATCH}: {n} samples are more than {WHOLE}, so L is a mean over batches"
            return BATCH
        return None

    def _variables(self) -> PcaVariables | None:
        """Return the variables of a PCA start, None where it is not wanted or there is none."""
        if not isinstance(self.model.init, str) or self.model.init not in ("auto", "pca"):
            return None
        g = as_activation(self.model.activation)
        at = linear_point(g)
        if at is not None and self.samples.any():
            return PcaVariables(self.samples, self.model.n_hidden, g, at)
        if self.model.init == "pca":
            raise ValueError(f"init='pca' needs samples that differ and units that are nearly linear, got {g.name}")
        return None

    def _starts(self) -> list[str]:
        """Return the starts to try: of several the best result is kept."""
        model, (n, d) = self.model, self.X.shape
        if not isinstance(model.init, str):
            return ["given"]
        if model.init != "auto":
            return [model.init]
        few = self.samples[np.random.default_rng(0).permutation(n)[:FEW]]
        narrowest = min(self.inside["sigma_x"], self.inside["sigma_xhat"])
        wide = model.sigma == "median" == (model.sigma_xhat or "median") or narrowest >= WIDE * median_distance(few)
        many, spare = n > CHEAP, model.n_hidden > d
        if self.variables is None or model.solver != "lbfgs":
            starts, reason = ["continuation"], "a PCA start is for lbfgs and units that are nearly linear somewhere"
        elif wide and (many or not spare):
            units = f"{n} samples are many" if spare else f"{model.n_hidden} units for {d} features"
            starts, reason = ["pca"], f"the kernel is wide for the data, and {units}"
        else:
            starts = ["continuation"] if model.distortion is not None else ["pca", "continuation"]
            reason = "there are more units than features" if wide else "the kernel is narrow for the data"
        self.choices["init"] = f"{' and '.join(starts)}: {reason}"
        return starts

    def _divided(self, rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
        n, largest = len(self.samples), self.batch_size
        assert largest is not None
        if self.model.batches == "clustered":
            return clustered_batches(self.samples, largest, rng)
        return random_batches([len(rows) for rows in np.array_split(np.arange(n), math.ceil(n / largest))], rng)

    def _one(self, X: Array, alpha: float | None = None, **units: Any) -> RateDistortion:
        model = self.model
        settings = {"activation": model.activation, "base": model.base, "method": model.method} | units
        return RateDistortion(X, alpha=model.alpha if alpha is None else alpha, **settings)

    def _on(self, X: Array, alpha: float | None = None, **units: Any) -> Any:
        if self.batches is None:
            return self._one(X, alpha, **units)
        parts = [self._one(X[rows], alpha, **units) for rows in self.batches]
        return BatchedObjective(parts, list(map(len, self.batches)))

    def of_few(self, rng: np.random.Generator, alpha: float) -> Any:
        """Return the objective of order α on one batch drawn at random, or on all samples if there are no batches."""
        few = slice(None) if self.batch_size is None else rng.choice(len(self.X), self.batch_size, replace=False)
        return self._one(self.samples[few], alpha, **self.inside)

    @property
    def in_variables(self) -> InVariables:
        """The objective as a function of the variables of the PCA start."""
        assert self.variables is not None
        return InVariables(self.objective, self.variables)

    @functools.cached_property
    def in_units(self) -> Any:
        """The objective in the units of the data."""
        return self._in_units(None)

    def _in_units(self, alpha: float | None) -> Any:
        return self._on(self.X, alpha, mu=self.model.mu, sigma_x=self.sigma_x, sigma_xhat=self.sigma_xhat)

    @property
    def input_entropy(self) -> float:
        """S_α(K_X), the joint entropy with outputs that are all equal; with batches their mean."""
        d = self.X.shape[1]
        nothing = Parameters(np.zeros((1, d)), np.zeros(1), np.zeros((d, 1)), np.zeros(d))
        return float(self.in_units.terms(nothing).joint_entropy)

    def leave(self, found: Parameters, start: str) -> Parameters:
        """Return the parameters, in the units of the data, of what an ascent from a start works on."""
        if start == "pca":
            assert self.variables is not None
            found = self.variables.leave(found)
        return self.frame.leave(found)

    def step(self, step: Step, start: str, alpha: float | None) -> Step:
        """Return a step of an ascent, at an order other than that of the fit unless None, in the units of the data."""
        mu = getattr(step.objective, "mu", self.inside["mu"]) / self.frame.scale / self.frame.scale
        objective = _OnDemand(lambda: (self.in_units if alpha is None else self._in_units(alpha)).with_mu(mu))
        return Step(step.iteration, self.leave(step.parameters, start), step.value, step.gradient_norm, objective)


class _OnDemand:
    """An object that is made when it is used."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what copy and pickle ask for does not come from the object
            raise AttributeError(name)
        return getattr(self._make(), name)
