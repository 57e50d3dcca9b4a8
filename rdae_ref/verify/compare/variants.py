"""The computation of (25) under other people's conventions: one literal forward and backward pass with switches.

Notation of the paper: N samples in rows, X and X̂ are (N, d), K_X, K, P are (N, N).
A convention turns one switch of `Settings`; with all of them as they stand there the results are those of the package.
"""

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..._validation import LARGEST_SAMPLE, Array
from ...activations import Activation
from ...autoencoder import Parameters, distortion, distortion_gradients, entropy_gradients, forward
from ...matrices import gaussian_gram, graph_laplacian, renyi_entropy
from ...numerics.entropy import entropy_and_gradient
from ...numerics.spectrum import SingularGramWarning
from ...paper import edge_weights
from ...pytree import tree_map
from ..conventions import KERNELS, power_entropy
from .settings import Settings

__all__ = ["ENTROPIES", "GRADIENTS", "NAMES", "SPECTRAL", "Prediction", "Problem", "Variants", "switches"]

ENTROPIES = ("joint_entropy", "output_entropy", "conditional_entropy")
GRADIENTS = ("dW", "dc", "dA", "db")
SPECTRAL = (*ENTROPIES, "value", "dW", "dc", "dA")  # what needs eigenvalues
NAMES = ("Xhat", "K_X", "K_Xhat", "distortion", *ENTROPIES, "value", *GRADIENTS)  # in the order of the computation


class Problem(NamedTuple):
    """A point at which (25) is computed."""

    X: Array
    parameters: Parameters
    activation: str | Activation
    alpha: float
    mu: float
    sigma_x: float
    sigma_xhat: float
    base: float


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


class EntropyGradients(NamedTuple):
    """Their gradients by the parameters."""

    joint: Parameters
    output: Parameters


def switches(name: str, alpha: float) -> tuple[str, ...]:
    """Name the switches on which an array depends."""
    gram = ("kernel", "sizes", "gram")
    entropy = ("base", *gram, "joint", "eigenvalues", "frobenius")
    error = ("distortion", "half")
    whole = (*error, "weights", "sign")
    # The trace shifts S by a constant at α ≠ 1; at α = 1 it multiplies −Σ λ ln λ and so the gradient.
    slope = ("base", *(gram if alpha == 1 else gram[:2]), *(("joint",) if alpha == 1 else ()), *whole)
    slope += ("gradient_unit", "edges", "off_diagonal")
    table = {"Xhat": (), "K_X": gram, "K_Xhat": gram, "distortion": error, "value": entropy + whole, "db": whole}
    table |= dict.fromkeys(ENTROPIES, entropy) | {"dA": slope} | dict.fromkeys(("dW", "dc"), (*slope, "eq19", "eq23"))
    return table[name]


class Variants:
    """The results at one point under any settings; what is expensive is computed once."""

    def __init__(self, problem: Problem, precision: str = "float64") -> None:
        self.problem, self.precision = problem, precision
        with np.errstate(over="ignore", invalid="ignore"):
            self.forward = forward(problem.parameters, problem.X, problem.activation)
        if not np.abs(self.forward.Xhat).max() < LARGEST_SAMPLE:  # also where it is NaN
            raise ValueError("the outputs of the auto-encoder overflow at this point: W, c, A or b is too large")
        self.distortion = distortion(problem.X, self.forward.Xhat)
        self._cache: dict[tuple[object, ...], object] = {}

    def sizes(self, settings: Settings) -> Sizes:
        """Return the kernel sizes that make our kernel the one of the settings."""

        def compute() -> Sizes:
            x, xhat = self.problem.sigma_x, self.problem.sigma_xhat
            chosen = {"own": (x, xhat), "input": (x, x), "output": (xhat, xhat), "swapped": (xhat, x)}[settings.sizes]
            x, xhat = (KERNELS[settings.kernel](size) for size in chosen)
            return Sizes(x, xhat, f"{x:.12g} {xhat:.12g}")  # kernels that differ by rounding only are one

        return self._once(("sizes", settings.kernel, settings.sizes), compute)

    def predict(self, name: str, settings: Settings) -> Prediction:
        """Return what an array would be."""
        if name == "Xhat":
            return _alone(self.forward.Xhat)
        if name in ("K_X", "K_Xhat"):
            trace = len(self.problem.X) if settings.gram == "raw" else 1
            return _alone(self._grams(self.sizes(settings))[name == "K_Xhat"] * trace)
        if name == "distortion":
            return _alone(np.array(self._reduction(settings) * self.distortion))
        if name in GRADIENTS:
            return self._gradient(GRADIENTS.index(name), settings)
        return self._value(name, settings)

    def needs(self, name: str, settings: Settings) -> int:
        """Count the eigendecompositions that a prediction still needs."""
        key = self.sizes(settings).key
        entry = ("gradients", key) if name in GRADIENTS else ("entropies", key, settings.eigenvalues)
        return 2 * (name in SPECTRAL and entry not in self._cache)

    # -------------------------------------------------------------------------------------------------------- values

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
        pure = self._entropies(self.sizes(settings), settings.eigenvalues)
        unit = math.log(settings.base)
        shift = 2 * math.log(len(self.problem.X)) if settings.frobenius == "over_n2" and self.problem.alpha == 2 else 0
        return Entropies(
            *((self._of_trace(S, t) + shift) / unit for S, t in zip(pure, self._traces(settings), strict=True))
        )

    def _traces(self, settings: Settings) -> tuple[float, float]:
        """Return the traces of the matrices whose entropies are taken; ours are 1."""
        N = len(self.problem.X)
        diagonal = 1 if settings.gram == "raw" else 1 / N  # K/N and K/tr K are one for a Gaussian kernel
        joint = {"n": N**2 * diagonal**2, "without_n": N * diagonal**2, "trace": 1}[settings.joint]
        return joint, N * diagonal

    def _of_trace(self, S: float, t: float) -> float:
        """Return ln tr(A^α)/(1−α) at t A, or −Σ λ ln λ, where S is that of A."""
        alpha = self.problem.alpha
        if alpha == 1:
            return t * (S - math.log(t))
        return S + (-1.0 if alpha == math.inf else alpha / (1 - alpha)) * math.log(t)

    def _entropies(self, sizes: Sizes, rule: str) -> Entropies:
        alpha = self.problem.alpha

        def compute() -> Entropies:
            K_X, K = self._grams(sizes)
            grams = (len(K) * K_X * K, K)
            if rule == "zero":
                return Entropies(*(renyi_entropy(A, alpha, math.e) for A in grams))
            rounded = (A.astype(self.precision).astype(float) for A in grams)
            return Entropies(*(power_entropy(A, alpha, rule, renormalised=rule == "dropped") for A in rounded))

        return self._once(("entropies", sizes.key, rule), compute)

    # ----------------------------------------------------------------------------------------------------- gradients

    def _gradient(self, index: int, settings: Settings) -> Prediction:
        """(17)–(24), weighted as in (25)."""
        sizes = self.sizes(settings)
        entropy_weight, distortion_weight, sign = self._weights(settings)
        entropy_weight *= settings.off_diagonal / (1 if settings.gradient_unit == "nats" else math.log(settings.base))
        entropy_weight *= {"half": 1, "without": 2 * sizes.xhat**2, "whole": 2}[settings.edges]
        distortion_weight *= self._reduction(settings)
        traces = self._traces(settings) if self.problem.alpha == 1 else (1, 1)
        dS = self._entropy_gradients(sizes, settings.eq19) if index < 3 else None  # (18): ∂S/∂b = 0
        parts = [-distortion_weight * self._distortion_gradients(settings.eq23)[index]]
        if sign == "added":
            parts[0] = -parts[0]
        if dS:
            parts += [entropy_weight * traces[0] * dS.joint[index], -entropy_weight * traces[1] * dS.output[index]]
        total = np.sum(parts, axis=0) * (-1 if sign in ("minimised", "downhill") else 1)
        scale = float(sum(np.abs(part).max() for part in parts))
        return Prediction(total, scale if dS else scale + self._weights(settings)[0] * self._cancelled())

    def _cancelled(self) -> float:
        """Return the size of what (18) sums to zero, Σ |∂S/∂X̂| over samples, of both entropies and under no convention.

        Reverse mode adds it up: what is left of it is rounding, however small the gradient of the distortion is.
        """

        def compute() -> float:
            edges = self._entropy_edges(self.sizes(Settings()))
            slopes = (4 * np.abs(graph_laplacian(P) @ self.forward.Xhat).sum(axis=0).max() for P in edges)
            return float(sum(slopes)) / math.log(self.problem.base)

        return self._once(("cancelled",), compute)

    def _entropy_edges(self, sizes: Sizes) -> list[Array]:
        """Return Q and P of (17)–(20), those of the joint entropy and of the output's."""

        def compute() -> list[Array]:
            K_X, K = self._grams(sizes)
            N, alpha = len(K), self.problem.alpha
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SingularGramWarning)  # the verdict says it, where it matters
                dS_joint = N * K_X * entropy_and_gradient(N * K_X * K, alpha).gradient
                dS_output = entropy_and_gradient(K, alpha).gradient
            return [edge_weights(dS_dK, K, sizes.xhat) for dS_dK in (dS_joint, dS_output)]

        return self._once(("edges", sizes.key), compute)

    def _entropy_gradients(self, sizes: Sizes, eq19: str) -> EntropyGradients:
        def compute() -> dict[str, EntropyGradients]:
            p = self.problem
            (n, units), run, P = self.forward.Gprime.shape, self.forward, self._entropy_edges(sizes)
            misread = run._replace(Gprime=run.Gprime.reshape(units, n).T)
            return {
                layout: EntropyGradients(*(entropy_gradients(P_, forward_, p.parameters, p.X) for P_ in P))
                for layout, forward_ in (("transposed", run), ("reshaped", misread))
            }

        return self._once(("gradients", sizes.key), compute)[eq19]

    def _distortion_gradients(self, eq23: str) -> Parameters:
        def compute() -> Parameters:
            p = self.problem
            parameters = p.parameters._replace(A=p.parameters.A.T) if eq23 == "printed" else p.parameters
            return tree_map(np.asarray, distortion_gradients(self.forward, parameters, p.X, p.X))

        return self._once(("distortion", eq23), compute)

    # -------------------------------------------------------------------------------------------------------- shared

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

    def _grams(self, sizes: Sizes) -> tuple[Array, Array]:
        return gaussian_gram(self.problem.X, sizes.x), gaussian_gram(self.forward.Xhat, sizes.xhat)

    def _once(self, key: tuple[object, ...], compute: Callable[[], object]):  # type: ignore[no-untyped-def]
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]


def _alone(array: Array) -> Prediction:
    return Prediction(array, float(np.abs(array).max()))
