"""The computation of (25) under other people's conventions: one literal forward and backward pass with switches.

Notation of the paper: N samples in rows, X and X̂ are (N, d), K_X, K, P are (N, N).
A convention turns one switch of `Settings`; with all of them as they stand there the results are those of the package.
"""

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from ..._validation import LARGEST_SAMPLE, Array
from ...activations import Activation
from ...autoencoder import Forward, Parameters, distortion, forward
from ...matrices import gaussian_gram, renyi_entropy, renyi_entropy_gradient
from ...numerics.laplacian import graph_laplacian, pull_back
from ...numerics.spectrum import SingularGramWarning
from ...paper import edge_weights
from ..conventions import KERNELS, power_entropy
from . import guards
from .settings import Settings

__all__ = [
    "ENTROPIES", "GRADIENTS", "NAMES", "NUMBERS", "SLOPES", "SPECTRAL", "Prediction", "Problem", "Variants",
    "standardised", "switches", "variants_of",
]  # fmt: skip

ENTROPIES = ("joint_entropy", "output_entropy", "conditional_entropy")
NUMBERS = ("distortion", *ENTROPIES, "value")
GRADIENTS = ("dW", "dc", "dA", "db")
SLOPES = ("dXhat", *GRADIENTS)
SPECTRAL = (*ENTROPIES, "value", "dXhat", "dW", "dc", "dA")  # what needs eigenvalues
NAMES = ("Xhat", "K_X", "K_Xhat", "distortion", *ENTROPIES, "value", *SLOPES)  # in the order of the computation


LARGEST_JACOBIAN = 3e7  # elements: a quarter of a gigabyte
OFFSET = 1e-8  # nicolasigor/entropy adds it to variances
NEAR_ONE = 0.1  # where (15) has a multiple of I that is all rounding, and that no Laplacian sees


class Problem(NamedTuple):
    """A point at which (25) is computed: the outputs are those of the parameters, or given."""

    X: Array
    parameters: Parameters | None
    activation: str | Activation | None
    alpha: float
    mu: float
    sigma_x: float
    sigma_xhat: float
    base: float
    Xhat: Array | None = None  # in place of the outputs of the parameters
    outer: Array | None = None  # derivative of units at the output
    others: tuple["Problem", ...] = ()  # further points, at which only numbers are compared, as those of a loss curve


class Prediction(NamedTuple):
    """What an array would be."""

    array: Array
    scale: float  # size of the largest parts that it is the sum of, to which its rounding is relative
    slack: float = 0.0  # how much it depends on eigenvalues that are rounding


class Sizes(NamedTuple):
    """Kernel sizes for inputs and outputs, and a name for the pair."""

    x: float
    xhat: float
    key: str


class Entropies(NamedTuple):
    """S_α(N K_X ∘ K) and S_α(K), in nats, of matrices of trace 1."""

    joint: float
    output: float


class Parts(NamedTuple):
    """What the gradient of (25) consists of, for one array, in nats: ∂S_joint − ∂S_output − μ ∂D."""

    joint: Array
    output: Array
    distortion: Array


def switches(name: str, alpha: float) -> tuple[str, ...]:
    """Name the switches on which an array depends."""
    gram = ("kernel", "sizes", "gram", "size", "power", "distance", "samples", "after")
    entropy = ("base", *gram, "joint", "eigenvalues", "frobenius", "alpha", "guard")
    error = ("distortion", "half")
    whole = (*error, "weights", "sign")
    # The trace shifts S by a constant at α ≠ 1; at α = 1 it multiplies −Σ λ ln λ and so the gradient.
    slope = ("base", *gram, "alpha", "guard", *(("joint",) if alpha == 1 else ()), *whole)
    slope = tuple(switch for switch in slope if alpha == 1 or switch != "gram")
    slope += ("gradient_unit", "edges", "off_diagonal", "statistics")
    table = {"Xhat": (), "K_X": gram, "K_Xhat": gram, "distortion": error, "value": entropy + whole, "db": whole}
    table |= dict.fromkeys(ENTROPIES, entropy) | dict.fromkeys(("dA", "dXhat"), slope)
    table |= dict.fromkeys(("dW", "dc"), (*slope, "eq19", "eq23"))
    return table[name]


class Variants:
    """The results at one point under any settings; what is expensive is computed once."""

    def __init__(self, problem: Problem, precision: str = "float64") -> None:
        self.problem, self.precision = problem, precision
        self.forward = None if problem.parameters is None else _forward(problem)
        Xhat = self.forward.Xhat if self.forward and problem.Xhat is None else problem.Xhat
        assert Xhat is not None, "without parameters the outputs are given"
        self.Xhat = Xhat
        if not np.abs(self.Xhat).max() < LARGEST_SAMPLE:  # also where it is NaN
            raise ValueError("the outputs of the auto-encoder overflow at this point: W, c, A or b is too large")
        self.distortion = distortion(problem.X, self.Xhat)
        self._cache: dict[tuple[object, ...], object] = {}

    @property
    def distortions(self) -> Array:
        """The distortion, at every point."""
        return np.array(self.distortion)

    def sizes(self, settings: Settings) -> Sizes:
        """Return the kernel sizes that make our kernel the one of the settings."""

        def compute() -> Sizes:
            x, xhat = self.problem.sigma_x, self.problem.sigma_xhat
            chosen = {"own": (x, xhat), "input": (x, x), "output": (xhat, xhat), "swapped": (xhat, x)}[settings.sizes]
            x, xhat = settings.size or (KERNELS[settings.kernel](size) for size in chosen)
            return Sizes(x, xhat, f"{x:.12g} {xhat:.12g}")  # kernels that differ by rounding only are one

        return self._once(("sizes", settings.kernel, settings.sizes, settings.size), compute)

    def alpha(self, settings: Settings) -> float:
        """Return the order of the settings, or that of the problem."""
        return self.problem.alpha if settings.alpha is None else settings.alpha

    def predict(self, name: str, settings: Settings) -> Prediction:
        """Return what an array would be."""
        if name == "Xhat":
            return _alone(self.Xhat)
        if name in ("K_X", "K_Xhat"):
            trace = len(self.problem.X) if settings.gram == "raw" else 1
            return _alone(self.grams(settings)[name == "K_Xhat"] * trace)
        if name == "distortion":
            return _alone(np.array(self._reduction(settings) * self.distortion))
        if name in SLOPES:
            return self._gradient(name, settings)
        return self._value(name, settings)

    def needs(self, name: str, settings: Settings) -> int:
        """Count the eigendecompositions that a prediction still needs."""
        key, alpha = self.kernel(settings), self.alpha(settings)
        slope = ("edges", key, alpha, settings.guard)
        entry = slope if name in SLOPES else ("entropies", key, alpha, settings.eigenvalues, settings.guard)
        decomposed = settings.guard is not None and ("spectrum", key, 0) in self._cache
        return 2 * (name in SPECTRAL and not decomposed and entry not in self._cache)

    def _value(self, name: str, settings: Settings) -> Prediction:
        """(12), (10), (13) and (25)."""
        joint, output = self._scaled_entropies(settings)
        slack = 0.0
        if settings.eigenvalues != "zero":
            exact = self._scaled_entropies(settings._replace(eigenvalues="zero"))
            slack = 2 * (abs(joint - exact.joint) + abs(output - exact.output))
        # Near α = 1 rounding is magnified however small the entropy is: it is relative to one unit at least.
        size = abs(joint) + abs(output) + 1
        if name != "value":
            pair = {"joint_entropy": (joint,), "output_entropy": (output,)}.get(name, (joint, -output))
            return Prediction(np.array(sum(pair)), size, slack)
        entropy_weight, distortion_weight, sign = self._weights(settings)
        D = self._reduction(settings) * distortion_weight * self.distortion
        L = entropy_weight * (joint - output) + (D if sign == "added" else -D)
        return Prediction(np.array(-L if sign == "minimised" else L), entropy_weight * size + D, slack * entropy_weight)

    def _scaled_entropies(self, settings: Settings) -> Entropies:
        pure, alpha = self._entropies(settings), self.alpha(settings)
        unit = math.log(settings.base)
        shift = 2 * math.log(len(self.problem.X)) if settings.frobenius == "over_n2" and alpha == 2 else 0
        traces = self._traces(settings)
        return Entropies(*((_of_trace(S, t, alpha) + shift) / unit for S, t in zip(pure, traces, strict=True)))

    def input_entropy(self, settings: Settings) -> float:
        """Return S_α(K_X) in nats."""
        alpha, guard, K_X = self.alpha(settings), settings.guard, self.grams(settings)[0]

        def compute() -> float:
            if guard is None:
                return renyi_entropy(K_X, alpha, math.e)
            values = self._once(("input", self.kernel(settings)), lambda: np.linalg.eigvalsh(K_X))
            return guards.entropy(guards.guarded(guard, values, False, len(K_X)), alpha)

        return float(self._once(("input", self.kernel(settings), alpha, guard), compute))

    def _traces(self, settings: Settings) -> tuple[float, float]:
        """Return the traces of the matrices whose entropies are taken; ours are 1."""
        N = len(self.problem.X)
        diagonal = 1 if settings.gram == "raw" else 1 / N  # K/N and K/tr K are one for a Gaussian kernel
        joint = {"n": N**2 * diagonal**2, "without_n": N * diagonal**2, "trace": 1}[settings.joint]
        return joint, N * diagonal

    def _entropies(self, settings: Settings) -> Entropies:
        alpha, rule, guard = self.alpha(settings), settings.eigenvalues, settings.guard

        def compute() -> Entropies:
            if guard is not None:
                spectra = (self._spectrum(settings, i)[0] for i in range(2))
                values = (guards.guarded(guard, found, i == 0, len(found)) for i, found in enumerate(spectra))
                return Entropies(*(guards.entropy(kept, alpha) for kept in values))
            if rule == "zero":
                return Entropies(*(renyi_entropy(A, alpha, math.e) for A in self._pair(settings)))
            rounded = (A.astype(self.precision).astype(float) for A in self._pair(settings))
            return Entropies(*(power_entropy(A, alpha, rule, renormalised=rule == "dropped") for A in rounded))

        return self._once(("entropies", self.kernel(settings), alpha, rule, guard), compute)

    def _spectrum(self, settings: Settings, i: int) -> tuple[Array, Array]:
        """Return eigenvalues and eigenvectors of N K_X ∘ K (0) or K (1) as LAPACK returns them."""
        return self._once(("spectrum", self.kernel(settings), i), lambda: np.linalg.eigh(self._pair(settings)[i]))

    def _pair(self, settings: Settings) -> tuple[Array, Array]:
        K_X, K = self.grams(settings)
        return len(K) * K_X * K, K

    def _gradient(self, name: str, settings: Settings) -> Prediction:
        """(17)–(24), weighted as in (25)."""
        entropy_weight, distortion_weight, sign = self._weights(settings)
        entropy_weight *= settings.off_diagonal / (1 if settings.gradient_unit == "nats" else math.log(settings.base))
        entropy_weight *= {"half": 1, "without": 2 * self.sizes(settings).xhat ** 2, "whole": 2}[settings.edges]
        distortion_weight *= self._reduction(settings) * (-1 if sign == "added" else 1)
        traces = self._traces(settings) if self.alpha(settings) == 1 else (1, 1)
        weights = (entropy_weight * traces[0], -entropy_weight * traces[1], -distortion_weight)
        terms = [w * part for w, part in zip(weights, self.parts(name, settings), strict=True)]
        total = np.sum(terms, axis=0) * (-1 if sign in ("minimised", "downhill") else 1)
        scale = float(sum(np.abs(term).max() for term in terms))
        return Prediction(total, scale + self._weights(settings)[0] * self._cancelled() if name == "db" else scale)

    def parts(self, name: str, settings: Settings) -> Parts:
        """Return the derivatives of both entropies, in nats, and of the distortion by what an array is named for."""
        D = self._distortion_gradients(settings.eq23)[name]
        if name == "db":
            return Parts(np.zeros_like(D), np.zeros_like(D), D)  # (18)
        joint, output = (dS[name] for dS in self._entropy_gradients(settings))
        return Parts(joint, output, D)

    def _cancelled(self) -> float:
        """Return the size of what (18) sums to zero, Σ |∂S/∂X̂|, of both entropies and under no convention."""
        # Reverse mode adds it up: what is left is rounding, however small the gradient of the distortion is.

        def compute() -> float:
            edges = self.edges(Settings())
            slopes = (4 * np.abs(graph_laplacian(P) @ self.Xhat).sum(axis=0).max() for P in edges)
            return float(sum(slopes)) / math.log(self.problem.base)

        return self._once(("cancelled",), compute)

    def edges(self, settings: Settings) -> tuple[Array, Array]:
        """Return Q and P of (17)–(20), those of the joint entropy and of the output's."""
        sizes = self.sizes(settings)
        K = self.grams(settings)[1]
        joint, output = (edge_weights(dS, K, sizes.xhat) for dS in self._derivatives(settings))
        return joint, output

    def _derivatives(self, settings: Settings) -> tuple[Array, Array]:
        """Return ∂S_joint/∂K and ∂S_output/∂K in nats, (16) and (15)."""
        alpha, guard = self.alpha(settings), settings.guard

        def compute() -> tuple[Array, Array]:
            K_X, K = self.grams(settings)
            N = len(K)
            if guard is None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", SingularGramWarning)  # the verdict says it, where it matters
                    tangent = abs(alpha - 1) < NEAR_ONE
                    dS = [renyi_entropy_gradient(A, alpha, math.e, tangent) for A in (N * K_X * K, K)]
            else:
                dS = [self._weighted(settings, i) for i in range(2)]
            return N * K_X * dS[0], dS[1]

        return self._once(("edges", self.kernel(settings), alpha, guard), compute)

    def _weighted(self, settings: Settings, i: int) -> Array:
        values, vectors = self._spectrum(settings, i)
        return (vectors * self._weights_of(settings, values, i)) @ vectors.T

    def _weights_of(self, settings: Settings, values: Array, i: int) -> Array:
        assert settings.guard is not None
        return guards.weights(settings.guard, values, self.alpha(settings), joint=i == 0)

    def _entropy_gradients(self, settings: Settings) -> list[dict[str, Array]]:
        def compute() -> list[dict[str, Array]]:
            if self.is_linear(settings):
                slopes = [self._of_eigenvalues(settings, i) for i in range(2)]
            else:
                slopes = [self._slope(dS_dK, settings) for dS_dK in self._derivatives(settings)]
            if settings.samples == "code":
                return [self._from_code(slope) for slope in slopes]
            slopes = [self._of_outputs(slope, settings) for slope in slopes]
            return [self.backward(slope, settings.eq19) for slope in slopes]

        key = (self.kernel(settings), self.alpha(settings), settings.guard, settings.eq19, settings.statistics)
        return self._once(("gradients", *key), compute)

    def _slope(self, dS_dK: Array, settings: Settings) -> Array:
        """Return the derivative by what the kernel compares from that by K."""
        K, size, Y = self._gaps(settings), self.sizes(settings).xhat, self._compared(settings)[1]
        if settings.after == "centred":
            dS_dK = _centred(dS_dK)
        if settings.distance == "cityblock":
            weights = dS_dK * K / size**2
            return -np.stack([(weights * np.sign(y[:, None] - y)).sum(axis=1) for y in Y.T], axis=1)
        return pull_back(dS_dK, K, Y, size)

    def _gaps(self, settings: Settings) -> Array:
        """Return T with ∂K_ij/∂y_i = −T_ij (y_i − y_j)/σ², which is K where the kernel is ours."""

        def compute() -> Array:
            Y, power = self._compared(settings)[1], settings.power
            K = _kernel(Y, self.sizes(settings).xhat, settings._replace(after=""))
            if power == 2 or settings.distance == "cityblock":
                return K
            d = cdist(Y, Y)
            return K * (power / 2) * np.where(d > 0, d, 1.0) ** (power - 2)

        return self._once(("gaps", self.kernel(settings)), compute)

    def is_linear(self, settings: Settings) -> bool:
        """Tell whether ∂λ/∂Y of all eigenvalues is worth having, which all orders and guards share."""
        plain = settings.after != "centred" and settings.distance == "euclidean"
        return settings.guard is not None and plain and len(self.Xhat) * self.Xhat.size <= LARGEST_JACOBIAN

    def _of_eigenvalues(self, settings: Settings, i: int) -> Array:
        """Return ∂S/∂Y = Σ_k ∂S/∂λ_k ∂λ_k/∂Y, whose last factor is common to all orders and guards."""
        values, vectors = self._spectrum(settings, i)

        def compute() -> Array:
            T, Y = self._gaps(settings), self._compared(settings)[1]
            T = T if i else len(T) * self.grams(settings)[0] * T
            Y = Y - Y.mean(axis=0)
            sums: Array = T @ vectors
            moved = [vectors * (y[:, None] * sums - T @ (vectors * y[:, None])) for y in Y.T]
            return -2 / self.sizes(settings).xhat ** 2 * np.stack(moved, axis=1)

        by_samples: Array = self._once(("eigenvalues by samples", self.kernel(settings), i), compute)
        return by_samples @ self._weights_of(settings, values, i)

    def _of_outputs(self, slope: Array, settings: Settings) -> Array:
        """Return the derivative with respect to X̂ from that with respect to samples that may be standardised."""
        if settings.samples in ("own", "inputs"):
            return slope if settings.samples == "own" else 0 * slope
        Y, spread = standardised(self.Xhat, OFFSET if settings.samples == "offset" else 0.0)
        if settings.statistics == "differentiated":
            slope = slope - slope.mean(axis=0) - Y * np.mean(slope * Y, axis=0)
        return slope / spread

    def _from_code(self, slope: Array) -> dict[str, Array]:
        """Propagate a derivative with respect to the code to the parameters before it; the others have none."""
        run, X = self.forward, self.problem.X
        assert run is not None, "without parameters no code is known"
        found = self.backward(np.zeros_like(self.Xhat))
        dZ = slope * run.Gprime
        return found | {"dW": dZ.T @ X, "dc": dZ.sum(axis=0)}

    def _distortion_gradients(self, eq23: str) -> dict[str, Array]:
        X = self.problem.X
        slope = -2 / len(X) * (X - self.Xhat)
        return self._once(("distortion", eq23), lambda: self.backward(slope, eq23=eq23))

    def backward(
        self,
        dXhat: Array,
        eq19: str = "transposed",
        eq23: str = "conforming",
        Gprime: Array | None = None,
        decoder: Array | None = None,
    ) -> dict[str, Array]:
        """Propagate a derivative with respect to X̂ to the parameters, as (17) to (24) do."""
        p, run = self.problem, self.forward
        if p.parameters is None or run is None:
            return {"dXhat": dXhat}
        G = run.Gprime if Gprime is None else Gprime
        G = G.reshape(G.T.shape).T if eq19 == "reshaped" else G
        A = p.parameters.A if decoder is None else decoder
        outer = dXhat if p.outer is None else dXhat * p.outer
        dZ = outer @ (A.T if eq23 == "printed" else A) * G
        slopes = {"dW": dZ.T @ p.X, "dc": dZ.sum(axis=0), "dA": outer.T @ run.Zhat, "db": outer.sum(axis=0)}
        return {"dXhat": dXhat, **slopes}

    def _weights(self, settings: Settings) -> tuple[float, float, str]:
        """Return what multiplies the entropies and the distortion, and the sign of the whole."""
        mu, (N, d) = self.problem.mu, self.problem.X.shape
        entropy, error = {
            "mu_distortion": (1.0, mu),
            "mu_entropy": (mu, 1.0),
            "over_mu": (1 / mu if mu else math.inf, 1.0),
            "half_mu": (1.0, mu / 2),
            "n_mu": (1.0, N * mu),
            "mu_over_d": (1.0, mu / d),
        }[settings.weights]
        return entropy, error, settings.sign

    def _reduction(self, settings: Settings) -> float:
        """Return what turns the mean over samples into the distortion of the settings."""
        N, d = self.problem.X.shape
        return {"samples": 1.0, "sum": float(N), "everything": 1 / d}[settings.distortion] * settings.half

    def grams(self, settings: Settings) -> tuple[Array, Array]:
        """Return K_X and K, of diagonal 1/N."""
        sizes, compared = self.sizes(settings), self._compared(settings)

        def compute() -> tuple[Array, Array]:
            return _kernel(compared[0], sizes.x, settings), _kernel(compared[1], sizes.xhat, settings)

        return self._once(("grams", self.kernel(settings)), compute)

    def _compared(self, settings: Settings) -> tuple[Array, Array]:
        """Return the samples that the kernels compare."""
        X, Xhat, samples = self.problem.X, self.Xhat, settings.samples
        if samples == "code":
            assert self.forward is not None, "without parameters no code is known"
            return X, self.forward.Zhat
        if samples in ("own", "inputs"):
            return X, Xhat if samples == "own" else X
        offset = OFFSET if samples == "offset" else 0.0
        return standardised(X, offset)[0], standardised(Xhat, offset)[0]

    def kernel(self, settings: Settings) -> str:
        """Return a name of the kernels, which have one spectrum under all other settings."""
        s = settings
        return f"{self.sizes(s).key} {s.power} {s.distance} {s.samples} {s.after}"

    def _once(self, key: tuple[object, ...], compute: Callable[[], object]):  # type: ignore[no-untyped-def]
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]


class Curve(Variants):
    """Numbers at several points."""

    def __init__(self, problem: Problem, precision: str = "float64") -> None:
        super().__init__(problem, precision)
        self.others = [Variants(other, precision) for other in problem.others]

    @property
    def distortions(self) -> Array:
        return np.array([self.distortion, *(other.distortion for other in self.others)])

    def predict(self, name: str, settings: Settings) -> Prediction:
        arrays, scales, slacks = zip(
            super().predict(name, settings), *(other.predict(name, settings) for other in self.others), strict=True
        )
        return Prediction(np.array(arrays), max(scales), max(slacks))

    def needs(self, name: str, settings: Settings) -> int:
        return super().needs(name, settings) + sum(other.needs(name, settings) for other in self.others)


def variants_of(problem: Problem, precision: str = "float64") -> Variants:
    """Return the results at one point, or at several."""
    return (Curve if problem.others else Variants)(problem, precision)


def _alone(array: Array) -> Prediction:
    return Prediction(array, float(np.abs(array).max()))


def _forward(problem: Problem) -> Forward:
    assert problem.parameters is not None
    assert problem.activation is not None
    with np.errstate(over="ignore", invalid="ignore"):
        return forward(problem.parameters, problem.X, problem.activation)


def standardised(Y: Array, offset: float = 0.0) -> tuple[Array, Array]:
    """Return samples of mean 0 and standard deviation 1, and what they were divided by."""
    spread = np.sqrt(Y.var(axis=0) + offset)
    spread = np.where(spread > 0, spread, 1.0)
    return (Y - Y.mean(axis=0)) / spread, spread


def _kernel(Y: Array, sigma: float, settings: Settings) -> Array:
    """Return exp(−d^p/(2σ²))/N, and what is done to it."""
    if settings.power == 2:
        K = gaussian_gram(Y, sigma)
    else:
        K = np.exp(-(cdist(Y, Y, settings.distance) ** settings.power) / (2 * sigma**2)) / len(Y)
    if settings.after == "zero_diagonal":
        np.fill_diagonal(K, 0)
    return _centred(K) if settings.after == "centred" else K


def _centred(K: Array) -> Array:
    return K - K.mean(axis=0) - K.mean(axis=1)[:, None] + K.mean()


def _of_trace(S: float, t: float, alpha: float) -> float:
    """Return ln tr(A^α)/(1−α) at t A, or −Σ λ ln λ, where S is that of A."""
    if alpha == 1:
        return t * (S - math.log(t))
    return S + (-1.0 if alpha == math.inf else alpha / (1 - alpha)) * math.log(t)
