"""The rows of (9) to (25): values, derivatives by a matrix, derivatives by the parameters, fifty digits."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from ..._validation import Array
from ...activations import ACTIVATIONS
from ...autoencoder import Parameters, distortion, distortion_gradients, entropy_gradients, forward
from ...entropy import (
    conditional_entropy,
    joint_entropy,
    joint_entropy_gradient,
    mutual_information,
    product_entropy_gradient,
    renyi_entropy,
    renyi_entropy_gradient,
)
from ...gradcheck import check_gradient
from ...gram import edge_weights, gaussian_gram, gram_pullback, normalize_gram
from ...objective import RateDistortion
from .rows import ALPHAS, BELOW, DIFFERENCES, DIGITS, ROUNDING, Row, point, relative, report_row, worst

# Values


def distortion_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (9) and (11)."""
    X, Y = rng.normal(size=(2, 30, 3))
    loops = sum(sum((x - y) ** 2 for x, y in zip(*rows, strict=True)) for rows in zip(X, Y, strict=True)) / 30
    yield Row("(9)", "D_emp", "sums written out", 1, relative(distortion(X, Y), loops), ROUNDING)

    errors = []
    for offset, sigma in itertools.product((0.0, 1e6), (0.1, 1.0, 10.0)):
        expected = np.exp(-cdist(X + offset, X + offset, "sqeuclidean") / (2 * sigma**2)) / 30
        errors.append(relative(gaussian_gram(X + offset, sigma), expected))
    yield Row("(11)", "Gaussian Gram matrix", "cdist, also 1e6 from the origin", len(errors), worst(errors), 1e-11)

    K = (1 + X @ X.T) ** 3
    expected = [[K[i, j] / (30 * math.sqrt(K[i, i] * K[j, j])) for j in range(30)] for i in range(30)]
    error = relative(normalize_gram(K), expected)
    yield Row("(11)", "normalised Gram matrix", "elements written out", 1, error, ROUNDING)


def entropy_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (10), (12) and (13)."""
    errors = []
    for alpha, k in itertools.product((*BELOW, *ALPHAS), (0.1, 0.5, 0.9)):
        errors.append(relative(renyi_entropy([[0.5, k / 2], [k / 2, 0.5]], alpha, math.e), _two_samples(k, alpha)))
    yield Row("(10)", "S_α of two samples", "closed form, λ = (1 ± k)/2", len(errors), worst(errors), 1e-11)

    X, Y = rng.normal(size=(20, 2)), rng.normal(size=(20, 3))
    A, B = gaussian_gram(X, 0.5), gaussian_gram(Y, 0.8)
    both = gaussian_gram(np.hstack([X / 0.5, Y / 0.8]), 1.0)
    joint, conditional, information = [], [], []
    for alpha in (*BELOW, *ALPHAS):
        together, first, second = (renyi_entropy(K, alpha) for K in (both, A, B))
        joint.append(relative(joint_entropy(A, B, alpha), together))
        conditional.append(relative(conditional_entropy(A, B, alpha), together - second))
        information.append(relative(mutual_information(A, B, alpha), first + second - together))
    with_ = "S_α of the concatenated features"
    yield Row("(12)", "joint entropy", with_, len(joint), worst(joint), 1e-11)
    yield Row("(13)", "conditional entropy", with_, len(joint), worst(conditional), 1e-9)
    yield Row("(13)", "mutual information", with_, len(joint), worst(information), 1e-9)


def _two_samples(k: float, alpha: float) -> float:
    p = np.array([1 + k, 1 - k]) / 2
    if alpha == 1:
        return float(-np.sum(p * np.log(p)))
    if alpha == math.inf:
        return float(-np.log(p.max()))
    return float(np.log(np.sum(p**alpha)) / (1 - alpha))


# Derivatives by a matrix


class _OfMatrix:
    """A function of the elements of a symmetric matrix on and below its diagonal, with its gradient at one point.

    The gradient is not asked for elsewhere: a difference leaves trace 1, which (15) does not.
    """

    def __init__(self, value: Callable[[Array], float], G: Array) -> None:
        self.value, self.G, self.lower = value, G, np.tril_indices(len(G))

    def value_and_gradient(self, elements: Array) -> tuple[float, Array]:
        K = np.zeros_like(self.G)
        K[self.lower] = elements
        K = K + np.tril(K, -1).T
        return self.value(K), (2 * self.G - np.diag(self.G.diagonal()))[self.lower]  # K_ij and K_ji move together


def _plain_entropy(A: Array, alpha: float) -> float:
    """Return (10) as it stands, in bits, for a matrix of any trace: so that the trace can be varied, too."""
    values = np.linalg.eigvalsh(A)
    if alpha == 1:
        return float(-np.sum(values * np.log2(values)))
    if alpha == math.inf:
        return float(-np.log2(values.max()))
    return float(np.log2(np.sum(values**alpha)) / (1 - alpha))


def entropy_gradient_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (15), (16) and the pull-back."""
    n = 6
    K_X, K = (gaussian_gram(rng.normal(size=(n, 2)), 0.4) for _ in range(2))
    A, B = (np.cov(rng.normal(size=(n, 30))) for _ in range(2))

    def of_product(k: Array, alpha: float) -> float:
        return _plain_entropy(n * K_X * k, alpha)

    def of_joint(b: Array, alpha: float) -> float:
        return _plain_entropy(A * b / np.trace(A * b), alpha)

    literal, joint = functools.partial(product_entropy_gradient, K_X), functools.partial(joint_entropy_gradient, A)
    yield _matrix_row("(15)", "∂S_α(K)/∂K, every element", K, _plain_entropy, renyi_entropy_gradient, rng)
    yield _matrix_row("(16)", "∂S_α(N K_X∘K)/∂K, every element", K, of_product, literal, rng)
    yield _matrix_row("(16)", "∂S_α(A, B)/∂B with its trace term", B, of_joint, joint, rng)
    pulled = [_pullback_report(alpha, rng) for alpha in ALPHAS]
    yield report_row("(17)", "pull-back −4 (D(P) − P) X̂", pulled)


def _matrix_row(equation: str, compared: str, point: Array, value: Any, gradient: Any, rng: np.random.Generator) -> Row:
    reports = []
    for alpha in (*BELOW, *ALPHAS):
        function = _OfMatrix(functools.partial(value, alpha=alpha), gradient(point, alpha=alpha))
        reports.append(check_gradient(function, point[function.lower], rng=rng, tolerance=DIFFERENCES))
    return report_row(equation, compared, reports)


def _pullback_report(alpha: float, rng: np.random.Generator) -> Any:
    class OfSamples:
        def value_and_gradient(self, Y: Array) -> tuple[float, Array]:
            K = gaussian_gram(Y, 0.4)
            return renyi_entropy(K, alpha), gram_pullback(renyi_entropy_gradient(K, alpha), K, Y, 0.4)

    return check_gradient(OfSamples(), rng.normal(size=(15, 2)), rng=rng, tolerance=DIFFERENCES)


# Derivatives by the parameters


class _Entropy:
    """S_α(K_X̂), or with K_X the joint S_α(N K_X ∘ K_X̂), as a function of the parameters: (17)–(20) with P or Q."""

    def __init__(self, X: Array, activation: str, alpha: float, sigma: float, K_X: Array | None) -> None:
        self.X, self.activation, self.alpha, self.sigma, self.K_X = X, activation, alpha, sigma, K_X

    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        forward_pass = forward(parameters, self.X, self.activation)
        K = gaussian_gram(forward_pass.Xhat, self.sigma)
        if self.K_X is None:
            value, dS_dK = renyi_entropy(K, self.alpha), renyi_entropy_gradient(K, self.alpha)
        else:
            value = renyi_entropy(len(K) * self.K_X * K, self.alpha)
            dS_dK = product_entropy_gradient(self.K_X, K, self.alpha)
        return value, entropy_gradients(edge_weights(dS_dK, K, self.sigma), forward_pass, parameters, self.X)


class _Distortion:
    """D_emp as a function of the parameters: (21)–(24)."""

    def __init__(self, X: Array, activation: str) -> None:
        self.X, self.activation = X, activation

    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        forward_pass = forward(parameters, self.X, self.activation)
        return distortion(self.X, forward_pass.Xhat), distortion_gradients(forward_pass, parameters, self.X, self.X)


def parameter_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (17) to (24), each array of parameters on its own."""
    X, parameters = point(rng)
    K_X = gaussian_gram(X, 0.4)
    alphas = (1.01, 2.0, 3.0)
    entropies = [_Entropy(X, unit, alpha, 0.4, K) for unit in ACTIVATIONS for alpha in alphas for K in (None, K_X)]
    yield from _by_array(entropies, parameters, "S_α(K_X̂) with P, S_α(N K_X∘K_X̂) with Q", (17, 18, 19, 20), rng)
    distortions = [_Distortion(X, unit) for unit in ACTIVATIONS]
    yield from _by_array(distortions, parameters, "D_emp", (21, 22, 23, 24), rng)


def _by_array(
    objectives: Sequence[Any], parameters: Parameters, of: str, equations: Sequence[int], rng: np.random.Generator
) -> Iterator[Row]:
    reports = [check_gradient(f, parameters, rng=rng, tolerance=DIFFERENCES) for f in objectives]
    for equation, name in zip(equations, "AbWc", strict=True):
        rows = [row for report in reports for row in report.arrays if row.name == name]
        yield report_row(f"({equation})", f"∂/∂{name} of {of}", rows)


def objective_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (25)."""
    for alphas, name in ((ALPHAS, "α > 1"), (BELOW, "α = 1/2 and 1")):
        reports = []
        for unit, alpha in itertools.product(ACTIVATIONS, alphas):
            X, parameters = point(rng)
            f = RateDistortion(X, activation=unit, alpha=alpha, mu=1.5, sigma_x=0.2, sigma_xhat=0.3)
            reports.append(check_gradient(f, parameters, rng=rng, tolerance=DIFFERENCES))
        yield report_row("(25)", f"∇L, {name}, all units", reports)


def low_rank_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (25) with a low-rank spectrum: its gradient, and its value over the proven bound.

    The gradient at samples that repeat: their rank is low for any parameters. Where it is low up to a residual only,
    the factor's length changes along a difference, and the value by up to the bound: a jump that differences would see.
    The value at samples that do not repeat, with kernels so wide that there is a residual.
    """
    X, parameters = point(rng)
    repeated, many = np.repeat(X, 4, axis=0), rng.normal(size=(300, 2))
    reports, errors = [], []
    for unit, alpha in itertools.product(ACTIVATIONS, (1.01, 1.5, math.inf)):
        settings: dict[str, Any] = {"activation": unit, "alpha": alpha, "mu": 1.5}
        narrow, wide = settings | {"sigma_x": 0.2, "sigma_xhat": 0.3}, settings | {"sigma_x": 3.0, "sigma_xhat": 3.0}
        low = RateDistortion(repeated, **narrow, spectrum="low-rank")
        reports.append(check_gradient(low, parameters, rng=rng, tolerance=DIFFERENCES))
        errors.append(_error_over_bound(many, parameters, wide))
    yield report_row("(25)", "∇L, low-rank spectrum", reports)
    yield Row("(25)", "L, low-rank spectrum", "exact, error over bound", len(errors), worst(errors), 1.0)


def _error_over_bound(X: Array, parameters: Parameters, settings: dict[str, Any]) -> float:
    low, exact = RateDistortion(X, **settings, spectrum="low-rank"), RateDistortion(X, **settings)
    bound = low.truncation_error(parameters)
    if bound == 0:  # the exact path was taken after all, and shows nothing
        return math.inf
    error = abs(low.value_and_gradient(parameters)[0] - exact.value_and_gradient(parameters)[0])
    return error / (bound + ROUNDING)


# Fifty digits


def fifty_digit_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows that mpmath judges."""
    from ..oracles import mpmath_oracle as fifty  # noqa: PLC0415  # optional, and slow to load

    A = gaussian_gram(rng.normal(size=(8, 2)), 0.5)
    alphas = (*BELOW, 1 - 1e-10, 1 + 1e-10, *ALPHAS)
    exact = fifty.exact(A)
    unit_trace = exact / sum(exact.diagonal())  # 1/N in binary is not quite 1/N, and 1/(1−α) would show it
    errors = [relative(renyi_entropy(A, alpha), float(fifty.renyi_entropy(unit_trace, alpha))) for alpha in alphas]
    yield Row("(10)", "S_α(A), N = 8, α to 1e-10 from 1", "50 digits", len(errors), worst(errors), DIGITS)

    errors = []
    for alpha in (*BELOW, *ALPHAS):
        expected = fifty.rounded(fifty.renyi_entropy_gradient(A, alpha))
        errors.append(relative(renyi_entropy_gradient(A, alpha), expected))
    yield Row("(15)", "∂S_α(A)/∂A, N = 8", "50 digits", len(errors), worst(errors), DIGITS)

    values, gradients = [], []
    for unit, alpha in itertools.product(ACTIVATIONS, (*BELOW, *ALPHAS)):
        X, parameters = point(rng, n=5, p=2)
        settings: dict[str, Any] = {"alpha": alpha, "mu": 1.5, "sigma_x": 0.4, "sigma_xhat": 0.3, "activation": unit}
        value, gradient = RateDistortion(2 * X, **settings).value_and_gradient(parameters)
        expected_value, expected = fifty.value_and_gradient(parameters, 2 * X, **settings)
        values.append(relative(value, expected_value))
        gradients += [relative(g, e) for g, e in zip(gradient, expected, strict=True)]
    yield Row("(25)", "L, N = 5, all units", "50 digits", len(values), worst(values), DIGITS)
    yield Row("(25)", "∇L, N = 5, all units", "50 digits", len(values), worst(gradients), DIGITS)
