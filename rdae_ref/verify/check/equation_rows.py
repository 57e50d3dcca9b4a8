"""The rows of (9) to (25), for the functions of the package and for those of paper.py."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from ... import autoencoder, matrices, paper
from ..._validation import Array
from ...activations import ACTIVATIONS
from ...autoencoder import Parameters
from ...gradcheck import check_gradient
from ...objective import RateDistortion
from .rows import ALPHAS, BELOW, DIFFERENCES, DIGITS, ROUNDING, Row, point, relative, report_row, worst


class Code(NamedTuple):
    """The functions of one layer of the package, derivatives in the unit of the entropies."""

    name: str
    alphas: tuple[float, ...]
    alphas_of_singular: tuple[float, ...]  # the orders for which a Gram matrix may be singular
    distortion: Callable[..., float]
    gaussian_gram: Callable[..., Array]
    renyi_entropy: Callable[..., float]
    joint_entropy: Callable[..., float]
    conditional_entropy: Callable[..., float]
    entropy_gradient: Callable[..., Array]
    joint_entropy_gradient: Callable[..., Array]
    edge_weights: Callable[..., Array]
    entropy_gradients: Callable[..., Parameters]
    distortion_gradients: Callable[..., Parameters]
    objective: Callable[..., Any]


def package() -> Code:
    """Return the functions that users call."""
    return Code(
        name="",
        alphas=(*BELOW, *ALPHAS),
        alphas_of_singular=(*BELOW, *ALPHAS),
        distortion=autoencoder.distortion,
        gaussian_gram=matrices.gaussian_gram,
        renyi_entropy=matrices.renyi_entropy,
        joint_entropy=matrices.joint_entropy,
        conditional_entropy=matrices.conditional_entropy,
        entropy_gradient=matrices.renyi_entropy_gradient,
        joint_entropy_gradient=matrices.product_entropy_gradient,
        edge_weights=paper.edge_weights,
        entropy_gradients=autoencoder.entropy_gradients,
        distortion_gradients=autoencoder.distortion_gradients,
        objective=RateDistortion,
    )


def as_printed() -> Code:
    """Return the functions of paper.py, with the factor 1/ln 2 that the printed derivatives lack."""
    bits = math.log(2)
    printed: dict[str, Any] = {name: getattr(paper, name) for name in Code._fields if hasattr(paper, name)}
    printed |= {
        "entropy_gradient": lambda A, alpha: paper.entropy_gradient(A, alpha) / bits,
        "joint_entropy_gradient": lambda K_X, K, alpha: paper.joint_entropy_gradient(K_X, K, alpha) / bits,
    }
    alphas = (1.01, 2.0, 3.0, 10.0)
    return package()._replace(
        name="paper.py: ", alphas=(0.5, *alphas), alphas_of_singular=alphas, objective=_Printed, **printed
    )


class _Printed:
    """(25) of paper.py as an objective."""

    def __init__(self, X: Array, *, activation: str, **settings: Any) -> None:
        self.arguments = {"X": X, "g": ACTIVATIONS[activation], **settings}

    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        value, gradient = paper.value_and_gradient(paper.Parameters(*parameters), **self.arguments)
        return value, Parameters(*gradient)


# Values


def distortion_rows(code: Code, rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (9) and (11)."""
    X, Y = rng.normal(size=(2, 30, 3))
    loops = sum(sum((x - y) ** 2 for x, y in zip(*rows, strict=True)) for rows in zip(X, Y, strict=True)) / 30
    yield Row("(9)", f"{code.name}D_emp", "sums written out", 1, relative(code.distortion(X, Y), loops), ROUNDING)

    errors = []
    for offset, sigma in itertools.product((0.0, 1e6), (0.1, 1.0, 10.0)):
        expected = np.exp(-cdist(X + offset, X + offset, "sqeuclidean") / (2 * sigma**2)) / 30
        errors.append(relative(code.gaussian_gram(X + offset, sigma), expected))
    against = "cdist, also 1e6 from the origin"
    yield Row("(11)", f"{code.name}Gaussian Gram matrix", against, len(errors), worst(errors), 1e-11)


def normalize_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield the row of (11) for a kernel of any diagonal, which paper.py does not have."""
    X = rng.normal(size=(30, 3))
    K = (1 + X @ X.T) ** 3
    expected = [[K[i, j] / (30 * math.sqrt(K[i, i] * K[j, j])) for j in range(30)] for i in range(30)]
    error = relative(matrices.normalize_gram(K), expected)
    yield Row("(11)", "normalised Gram matrix", "elements written out", 1, error, ROUNDING)


def entropy_rows(code: Code, rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (10), (12) and (13)."""
    errors = []
    for alpha, k in itertools.product(code.alphas, (0.1, 0.5, 0.9)):
        A = np.array([[0.5, k / 2], [k / 2, 0.5]])
        errors.append(relative(code.renyi_entropy(A, alpha, math.e), _two_samples(k, alpha)))
    against = "closed form, λ = (1 ± k)/2"
    yield Row("(10)", f"{code.name}S_α of two samples", against, len(errors), worst(errors), 1e-11)

    X, Y = rng.normal(size=(20, 2)), rng.normal(size=(20, 3))
    A, B = code.gaussian_gram(X, 0.5), code.gaussian_gram(Y, 0.8)
    both = code.gaussian_gram(np.hstack([X / 0.5, Y / 0.8]), 1.0)
    joint, conditional, information = [], [], []
    for alpha in code.alphas:
        together, first, second = (code.renyi_entropy(K, alpha) for K in (both, A, B))
        joint.append(relative(code.joint_entropy(A, B, alpha), together))
        conditional.append(relative(code.conditional_entropy(A, B, alpha), together - second))
        information.append(relative(matrices.mutual_information(A, B, alpha), first + second - together))
    against = "S_α of the concatenated features"
    yield Row("(12)", f"{code.name}joint entropy", against, len(joint), worst(joint), 1e-11)
    yield Row("(13)", f"{code.name}conditional entropy", against, len(joint), worst(conditional), 1e-9)
    if not code.name:
        yield Row("(13)", "mutual information", against, len(joint), worst(information), 1e-9)


def _two_samples(k: float, alpha: float) -> float:
    p = np.array([1 + k, 1 - k]) / 2
    if alpha == 1:
        return float(-np.sum(p * np.log(p)))
    if alpha == math.inf:
        return float(-np.log(p.max()))
    return float(np.log(np.sum(p**alpha)) / (1 - alpha))


# Derivatives by a matrix


class _OfMatrix:
    """A function of the elements on and below the diagonal of a symmetric matrix, with its gradient at one point."""

    # The gradient is needed at that point only: a difference leaves trace 1, which (15) does not.

    def __init__(self, value: Callable[[Array], float], G: Array) -> None:
        self.value, self.G, self.lower = value, G, np.tril_indices(len(G))

    def value_and_gradient(self, elements: Array) -> tuple[float, Array]:
        K = np.zeros_like(self.G)
        K[self.lower] = elements
        K = K + np.tril(K, -1).T
        return self.value(K), (2 * self.G - np.diag(self.G.diagonal()))[self.lower]  # K_ij and K_ji move together


def _plain_entropy(A: Array, alpha: float) -> float:
    """Return (10) in bits for a matrix of any trace, so that the trace can vary, too."""
    values = np.linalg.eigvalsh(A)
    if alpha == 1:
        return float(-np.sum(values * np.log2(values)))
    if alpha == math.inf:
        return float(-np.log2(values.max()))
    return float(np.log2(np.sum(values**alpha)) / (1 - alpha))


def entropy_gradient_rows(code: Code, rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (15) and (16), and those of the pull-back and of the joint entropy of any two matrices."""
    n = 6
    K_X, K = (code.gaussian_gram(rng.normal(size=(n, 2)), 0.4) for _ in range(2))
    A, B = (np.cov(rng.normal(size=(n, 30))) for _ in range(2))

    def of_product(k: Array, alpha: float) -> float:
        return _plain_entropy(n * K_X * k, alpha)

    def of_joint(b: Array, alpha: float) -> float:
        return _plain_entropy(A * b / np.trace(A * b), alpha)

    product = functools.partial(code.joint_entropy_gradient, K_X)
    yield _matrix_row(
        "(15)", f"{code.name}∂S_α(K)/∂K, every element", K, _plain_entropy, code.entropy_gradient, code, rng
    )
    yield _matrix_row("(16)", f"{code.name}∂S_α(N K_X∘K)/∂K, every element", K, of_product, product, code, rng)
    if not code.name:
        joint = functools.partial(matrices.joint_entropy_gradient, A)
        yield _matrix_row("(16)", "∂S_α(A, B)/∂B with its trace term", B, of_joint, joint, code, rng)
        yield report_row("(17)", "pull-back −4 (D(P) − P) X̂", [_pullback_report(alpha, rng) for alpha in ALPHAS])


def _matrix_row(
    equation: str, compared: str, at: Array, value: Any, gradient: Any, code: Code, rng: np.random.Generator
) -> Row:
    reports = []
    for alpha in code.alphas:
        function = _OfMatrix(functools.partial(value, alpha=alpha), gradient(at, alpha=alpha))
        reports.append(check_gradient(function, at[function.lower], rng=rng, tolerance=DIFFERENCES))
    return report_row(equation, compared, reports)


def _pullback_report(alpha: float, rng: np.random.Generator) -> Any:
    class OfSamples:
        def value_and_gradient(self, Y: Array) -> tuple[float, Array]:
            K = matrices.gaussian_gram(Y, 0.4)
            dS_dY = matrices.gram_pullback(matrices.renyi_entropy_gradient(K, alpha), K, Y, 0.4)
            return matrices.renyi_entropy(K, alpha), dS_dY

    return check_gradient(OfSamples(), rng.normal(size=(15, 2)), rng=rng, tolerance=DIFFERENCES)


# Derivatives with respect to the parameters


class _Entropy:
    """S_α(K_X̂), or with K_X the joint S_α(N K_X ∘ K_X̂), as a function of the parameters: (17)-(20) with P or Q."""

    def __init__(self, code: Code, X: Array, activation: str, alpha: float, sigma: float, K_X: Array | None) -> None:
        self.code, self.X, self.activation, self.alpha, self.sigma, self.K_X = code, X, activation, alpha, sigma, K_X

    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        code, run = self.code, autoencoder.forward(parameters, self.X, self.activation)
        K = code.gaussian_gram(run.Xhat, self.sigma)
        if self.K_X is None:
            value, dS_dK = code.renyi_entropy(K, self.alpha), code.entropy_gradient(K, self.alpha)
        else:
            value = code.renyi_entropy(len(K) * self.K_X * K, self.alpha)
            dS_dK = code.joint_entropy_gradient(self.K_X, K, self.alpha)
        P = code.edge_weights(dS_dK, K, self.sigma)
        return value, Parameters(*code.entropy_gradients(P, run, parameters, self.X))


class _Distortion:
    """D_emp as a function of the parameters: (21)-(24)."""

    def __init__(self, code: Code, X: Array, activation: str) -> None:
        self.code, self.X, self.activation = code, X, activation

    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        run = autoencoder.forward(parameters, self.X, self.activation)
        gradient = self.code.distortion_gradients(run, parameters, self.X, self.X)
        return self.code.distortion(self.X, run.Xhat), Parameters(*gradient)


def parameter_rows(code: Code, rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (17) to (24), one for each array of parameters."""
    X, parameters = point(rng)
    K_X = code.gaussian_gram(X, 0.4)
    lowest = 1.5 if code.name else 1.01  # 1/(1 − α) magnifies the rounding of the printed value for the differences
    cases = itertools.product(ACTIVATIONS, (lowest, 2.0, 3.0), (None, K_X))
    entropies = [_Entropy(code, X, unit, alpha, 0.4, K) for unit, alpha, K in cases]
    of = "S_α(K_X̂) with P, S_α(N K_X∘K_X̂) with Q"
    yield from _by_array(entropies, parameters, code.name, of, (17, 18, 19, 20), rng)
    distortions = [_Distortion(code, X, unit) for unit in ACTIVATIONS]
    yield from _by_array(distortions, parameters, code.name, "D_emp", (21, 22, 23, 24), rng)


def _by_array(
    objectives: Sequence[Any], at: Parameters, code: str, of: str, equations: Sequence[int], rng: np.random.Generator
) -> Iterator[Row]:
    reports = [check_gradient(f, at, rng=rng, tolerance=DIFFERENCES) for f in objectives]
    for equation, name in zip(equations, "AbWc", strict=True):
        rows = [row for report in reports for row in report.arrays if row.name == name]
        yield report_row(f"({equation})", f"{code}∂/∂{name} of {of}", rows)


def objective_rows(code: Code, rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (25)."""
    for among, name in ((ALPHAS, "α > 1"), (BELOW, "α = 1/2 and 1")):
        alphas, reports = [alpha for alpha in among if alpha in code.alphas_of_singular], []
        for unit, alpha in itertools.product(ACTIVATIONS, alphas):
            X, parameters = point(rng)
            f = code.objective(X, activation=unit, alpha=alpha, mu=1.5, sigma_x=0.2, sigma_xhat=0.3)
            reports.append(check_gradient(f, parameters, rng=rng, tolerance=DIFFERENCES))
        if alphas:
            yield report_row("(25)", f"{code.name}∇L, {name}, all units", reports)


def low_rank_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (25) with a low-rank spectrum: its gradient, and its value over the proven bound."""
    # The gradient is checked at samples that repeat, whose rank is low for any parameters: where it is low up to a
    # residual only, the value jumps along a difference by up to the bound. The value is checked at samples that do not
    # repeat, with kernels so wide that there is a residual.
    X, parameters = point(rng)
    repeated, many = np.repeat(X, 4, axis=0), rng.normal(size=(300, 2))
    reports, errors = [], []
    for unit, alpha in itertools.product(ACTIVATIONS, (1.01, 1.5, math.inf)):
        settings: dict[str, Any] = {"activation": unit, "alpha": alpha, "mu": 1.5}
        narrow, wide = settings | {"sigma_x": 0.2, "sigma_xhat": 0.3}, settings | {"sigma_x": 3.0, "sigma_xhat": 3.0}
        low = RateDistortion(repeated, **narrow, method="low-rank")
        reports.append(check_gradient(low, parameters, rng=rng, tolerance=DIFFERENCES))
        errors.append(_error_over_bound(many, parameters, wide))
    yield report_row("(25)", "∇L, low-rank spectrum", reports)
    yield Row("(25)", "L, low-rank spectrum", "exact, error over bound", len(errors), worst(errors), 1.0)


def _error_over_bound(X: Array, parameters: Parameters, settings: dict[str, Any]) -> float:
    low, exact = RateDistortion(X, **settings, method="low-rank"), RateDistortion(X, **settings, method="exact")
    bound = low.truncation_error(parameters)
    if bound == 0:  # the exact path was taken after all, and shows nothing
        return math.inf
    error = abs(low.value_and_gradient(parameters)[0] - exact.value_and_gradient(parameters)[0])
    return error / (bound + ROUNDING)


# Fifty digits


def fifty_digit_rows(code: Code, rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows that mpmath judges."""
    from ..oracles import mpmath_oracle as fifty  # noqa: PLC0415  # optional, and slow to load

    A = code.gaussian_gram(rng.normal(size=(8, 2)), 0.5)
    near = (1 - 1e-10, 1 + 1e-10) if not code.name else ()
    exact = fifty.exact(A)
    unit_trace = exact / sum(exact.diagonal())  # 1/N in binary is not quite 1/N, and 1/(1−α) would show it
    alphas = (*near, *code.alphas)
    errors = [relative(code.renyi_entropy(A, a), float(fifty.renyi_entropy(unit_trace, a))) for a in alphas]
    name = f"{code.name}S_α(A), N = 8" + (", α to 1e-10 from 1" if near else "")
    yield Row("(10)", name, "50 digits", len(errors), worst(errors), DIGITS)

    expected = [fifty.rounded(fifty.renyi_entropy_gradient(A, alpha)) for alpha in code.alphas]
    errors = [relative(code.entropy_gradient(A, a), e) for a, e in zip(code.alphas, expected, strict=True)]
    yield Row("(15)", f"{code.name}∂S_α(A)/∂A, N = 8", "50 digits", len(errors), worst(errors), DIGITS)

    values, gradients = [], []
    for unit, alpha in itertools.product(ACTIVATIONS, code.alphas_of_singular):
        X, parameters = point(rng, n=5, p=2)
        settings: dict[str, Any] = {"alpha": alpha, "mu": 1.5, "sigma_x": 0.4, "sigma_xhat": 0.3, "activation": unit}
        value, gradient = code.objective(2 * X, **settings).value_and_gradient(parameters)
        expected_value, right = fifty.value_and_gradient(parameters, 2 * X, **settings)
        values.append(relative(value, expected_value))
        gradients += [relative(g, e) for g, e in zip(gradient, right, strict=True)]
    yield Row("(25)", f"{code.name}L, N = 5, all units", "50 digits", len(values), worst(values), DIGITS)
    yield Row("(25)", f"{code.name}∇L, N = 5, all units", "50 digits", len(values), worst(gradients), DIGITS)
