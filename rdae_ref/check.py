"""The equation check: every numbered equation against something that shares no code with it.

One function for each group of equations makes its rows; `equation_check` runs them all.
"""

import functools
import importlib.util
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from ._validation import Array
from .activations import ACTIVATIONS
from .autoencoder import (
    Parameters,
    distortion,
    distortion_gradients,
    entropy_gradients,
    forward,
    initial_parameters,
)
from .entropy import (
    conditional_entropy,
    joint_entropy,
    joint_entropy_gradient,
    mutual_information,
    product_entropy_gradient,
    renyi_entropy,
    renyi_entropy_gradient,
)
from .gradcheck import ArrayReport, GradientReport, check_gradient
from .gram import edge_weights, gaussian_gram, gram_pullback, normalize_gram
from .objective import RateDistortion
from .spectrum import SingularGramWarning

__all__ = ["OracleCheck", "Row", "check_table", "equation_check", "oracle_check"]

DIFFERENCES = 1e-7  # what central differences can show
DIGITS = 1e-11  # what fifty digits show
ROUNDING = 1e-12  # two ways of writing the same float64 computation

ALPHAS = (1.01, 2.0, 3.0, 10.0, math.inf)
BELOW = (0.5, 1.0)


class Row(NamedTuple):
    """One line of the equation check.

    Parameters
    ----------
    equation : str
        Number in the paper.
    compared : str
        What was computed.
    against : str
        With what it was compared.
    cases : int
        How many settings.
    error : float
        Worst relative error.
    limit : float
        What it may be.
    slope : float or None
        Smallest slope of the Taylor remainder, where a gradient was checked: 2 if it is right.
    """

    equation: str
    compared: str
    against: str
    cases: int
    error: float
    limit: float
    slope: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the error is within the limit, and the slope that of a right gradient."""
        return self.error <= self.limit and (self.slope is None or not self.slope < 1.5)

    def to_dict(self) -> dict[str, Any]:
        """Return the row for a JSON file; an infinite slope, of a function without remainder, becomes None.

        Returns
        -------
        dict
            The fields, and ``verdict``.
        """
        finite = self.slope is not None and math.isfinite(self.slope)
        return self._asdict() | {"slope": self.slope if finite else None, "verdict": "ok" if self.passed else "FAILED"}


def equation_check(seed: int = 0) -> list[Row]:
    """Compare every equation with something that shares no code with it.

    Parameters
    ----------
    seed : int
        Of data and parameters.

    Returns
    -------
    list of Row
        In the order of the paper. Those that need mpmath are there if it is installed.
    """
    groups: list[Callable[[np.random.Generator], Iterator[Row]]] = [
        _distortion_rows,
        _entropy_rows,
        _entropy_gradient_rows,
        _parameter_rows,
        _objective_rows,
    ]
    if has_mpmath():
        groups.append(_fifty_digit_rows)
    with warnings.catch_warnings():
        # At α ≤ 1 a singular Gram matrix is a warning for the user; here the error of the row says what it costs.
        warnings.simplefilter("ignore", SingularGramWarning)
        rows = [row for group in groups for row in group(np.random.default_rng(seed))]
    return sorted(rows, key=lambda row: _number(row.equation))


def has_mpmath() -> bool:
    """Tell whether the fifty-digit oracle can be loaded."""
    return importlib.util.find_spec("mpmath") is not None


class OracleCheck(NamedTuple):
    """The package beside automatic differentiation.

    Parameters
    ----------
    frameworks : tuple of str
        Those that were there.
    missing : tuple of str
        For each of the others, the command that installs it.
    agreement : list of oracles.Row
        On full-rank Gram matrices, against the package.
    degenerate : list of oracles.Row
        For α < 1, singular matrices and kinks, of the package and of each framework, against 50 digits.
    """

    frameworks: tuple[str, ...]
    missing: tuple[str, ...]
    agreement: list[Any]
    degenerate: list[Any]

    @property
    def passed(self) -> bool:
        """Whether all agree to 1e-10 on full-rank matrices, and the package is right where they do not."""
        ours = [row for row in self.degenerate if row.framework == "rdae_ref"]
        return all(row.verdict == "right" for row in self.agreement) and not any(
            row.verdict in ("wrong", "NaN") for row in ours
        )

    def __str__(self) -> str:
        from .oracles import as_table, wrong  # noqa: PLC0415  # only when it is asked for

        failures = len(wrong(self.degenerate))
        return "\n\n".join(
            [
                "Worst relative difference to the package, full-rank Gram matrices, α from 1/2 to 10, all units:",
                self._agreement_table(),
                f"Where they part, by 50 digits (wrong or NaN: {failures} of {len(self.degenerate)}):",
                as_table(self.degenerate),
                *self.missing,
            ]
        )

    def _agreement_table(self) -> str:
        models = dict.fromkeys(row.case.split()[0] for row in self.agreement)
        lines = [f"{'':26}" + "".join(f"{framework:>10}" for framework in self.frameworks)]
        for model, field in itertools.product(models, ("value", *"WcAb")):
            name = field if field == "value" else f"d{field}"
            worst = [
                max(
                    getattr(row, field)
                    for row in self.agreement
                    if row.framework == framework and row.case.split()[0] == model
                )
                for framework in self.frameworks
            ]
            lines.append(f"{model:20}{name:6}" + "".join(f"{error:10.0e}" for error in worst))
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return both tables for a JSON file, NaN as None.

        Returns
        -------
        dict
            ``agreement``, ``degenerate`` and ``missing``.
        """

        def plain(row: Any) -> dict[str, Any]:
            fields = row._asdict().items()
            return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fields}

        tables = {"agreement": [*map(plain, self.agreement)], "degenerate": [*map(plain, self.degenerate)]}
        return tables | {"missing": list(self.missing)}


def oracle_check() -> OracleCheck:
    """Compare (25) and the other models with each framework that is installed, and judge the edge by 50 digits.

    Returns
    -------
    OracleCheck
        Its ``str`` is a table.

    Raises
    ------
    ImportError
        If mpmath is missing, which judges.
    """
    from . import oracles  # noqa: PLC0415  # only when it is asked for

    there, missing = [], []
    for framework in oracles.FRAMEWORKS:
        try:
            oracles.load(framework)
            there.append(framework)
        except ImportError as error:
            missing.append(str(error))
    return OracleCheck(tuple(there), tuple(missing), oracles.agreement(there), oracles.degenerate_cases(there))


def check_table(rows: Sequence[Row]) -> str:
    """Return the rows as a table of text.

    Parameters
    ----------
    rows : sequence of Row
        Of `equation_check`.

    Returns
    -------
    str
        A line of heading, one for each row, and one that says how many passed.
    """
    cells = [("equation", "compared", "with", "cases", "error", "limit", "slope", "verdict")]
    cells += [
        (
            row.equation,
            row.compared,
            row.against,
            str(row.cases),
            f"{row.error:.1e}",
            f"{row.limit:.0e}",
            "" if row.slope is None else f"{row.slope:.2f}",
            "ok" if row.passed else "FAILED",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    passed = sum(row.passed for row in rows)
    return "\n".join([*lines, f"{passed} of {len(rows)} comparisons passed"])


def _number(equation: str) -> int:
    return int(equation.strip("()").split(")")[0].split("–")[0])


def relative(value: Any, expected: Any) -> float:
    """Return the largest difference over the largest expected element, or over 1e-300 where all are zero."""
    value, expected = np.asarray(value, dtype=float), np.asarray(expected, dtype=float)
    return float(np.abs(value - expected).max() / max(np.abs(expected).max(), 1e-300))


# Values


def _distortion_rows(rng: np.random.Generator) -> Iterator[Row]:
    X, Y = rng.normal(size=(2, 30, 3))
    loops = sum(sum((x - y) ** 2 for x, y in zip(*rows, strict=True)) for rows in zip(X, Y, strict=True)) / 30
    yield Row("(9)", "D_emp", "sums written out", 1, relative(distortion(X, Y), loops), ROUNDING)

    errors = []
    for offset, sigma in itertools.product((0.0, 1e6), (0.1, 1.0, 10.0)):
        expected = np.exp(-cdist(X + offset, X + offset, "sqeuclidean") / (2 * sigma**2)) / 30
        errors.append(relative(gaussian_gram(X + offset, sigma), expected))
    yield Row("(11)", "Gaussian Gram matrix", "cdist, also 1e6 from the origin", len(errors), max(errors), 1e-11)

    K = (1 + X @ X.T) ** 3
    expected = [[K[i, j] / (30 * math.sqrt(K[i, i] * K[j, j])) for j in range(30)] for i in range(30)]
    error = relative(normalize_gram(K), expected)
    yield Row("(11)", "normalised Gram matrix", "elements written out", 1, error, ROUNDING)


def _entropy_rows(rng: np.random.Generator) -> Iterator[Row]:
    errors = []
    for alpha, k in itertools.product((*BELOW, *ALPHAS), (0.1, 0.5, 0.9)):
        errors.append(relative(renyi_entropy([[0.5, k / 2], [k / 2, 0.5]], alpha, math.e), _two_samples(k, alpha)))
    yield Row("(10)", "S_α of two samples", "closed form, λ = (1 ± k)/2", len(errors), max(errors), 1e-11)

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
    yield Row("(12)", "joint entropy", with_, len(joint), max(joint), 1e-11)
    yield Row("(13)", "conditional entropy", with_, len(joint), max(conditional), 1e-9)
    yield Row("(13)", "mutual information", with_, len(joint), max(information), 1e-9)


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


def _entropy_gradient_rows(rng: np.random.Generator) -> Iterator[Row]:
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
    yield _report_row("(17)", "pull-back −4 (D(P) − P) X̂", pulled)


def _matrix_row(equation: str, compared: str, point: Array, value: Any, gradient: Any, rng: np.random.Generator) -> Row:
    reports = []
    for alpha in (*BELOW, *ALPHAS):
        function = _OfMatrix(functools.partial(value, alpha=alpha), gradient(point, alpha=alpha))
        reports.append(check_gradient(function, point[function.lower], rng=rng, tolerance=DIFFERENCES))
    return _report_row(equation, compared, reports)


def _report_row(equation: str, compared: str, reports: Sequence[GradientReport | ArrayReport]) -> Row:
    """Return the worst of several reports: of whole gradients, or of one array in each."""
    error = max(r.max_relative_error if isinstance(r, GradientReport) else r.relative_error for r in reports)
    slopes = [r.taylor_slope for r in reports if not math.isnan(r.taylor_slope)]
    slope = min(slopes, default=math.inf)
    return Row(equation, compared, "central differences", len(reports), error, DIFFERENCES, slope)


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
        trace = forward(parameters, self.X, self.activation)
        K = gaussian_gram(trace.Xhat, self.sigma)
        if self.K_X is None:
            value, dS_dK = renyi_entropy(K, self.alpha), renyi_entropy_gradient(K, self.alpha)
        else:
            value = renyi_entropy(len(K) * self.K_X * K, self.alpha)
            dS_dK = product_entropy_gradient(self.K_X, K, self.alpha)
        return value, entropy_gradients(edge_weights(dS_dK, K, self.sigma), trace, parameters, self.X)


class _Distortion:
    """D_emp as a function of the parameters: (21)–(24)."""

    def __init__(self, X: Array, activation: str) -> None:
        self.X, self.activation = X, activation

    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        trace = forward(parameters, self.X, self.activation)
        return distortion(self.X, trace.Xhat), distortion_gradients(trace, parameters, self.X, self.X)


def _point(rng: np.random.Generator, n: int = 20, d: int = 2, p: int = 4) -> tuple[Array, Parameters]:
    """Draw data, and parameters that leave the outputs far enough apart for a well-conditioned Gram matrix."""
    X, parameters = rng.normal(size=(n, d)), initial_parameters(d, p, rng, scale=0.8)
    return X, parameters._replace(c=0.3 * rng.normal(size=p), A=3 * parameters.A, b=0.3 * rng.normal(size=d))


def _parameter_rows(rng: np.random.Generator) -> Iterator[Row]:
    X, parameters = _point(rng)
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
        yield _report_row(f"({equation})", f"∂/∂{name} of {of}", rows)


def _objective_rows(rng: np.random.Generator) -> Iterator[Row]:
    for alphas, name in ((ALPHAS, "α > 1"), (BELOW, "α = 1/2 and 1")):
        reports = []
        for unit, alpha in itertools.product(ACTIVATIONS, alphas):
            X, parameters = _point(rng)
            f = RateDistortion(X, activation=unit, alpha=alpha, mu=1.5, sigma_x=0.2, sigma_xhat=0.3)
            reports.append(check_gradient(f, parameters, rng=rng, tolerance=DIFFERENCES))
        yield _report_row("(25)", f"∇L, {name}, all units", reports)


# Fifty digits


def _fifty_digit_rows(rng: np.random.Generator) -> Iterator[Row]:
    from .oracles import mpmath as fifty  # noqa: PLC0415  # optional, and slow to load

    A = gaussian_gram(rng.normal(size=(8, 2)), 0.5)
    alphas = (*BELOW, 1 - 1e-10, 1 + 1e-10, *ALPHAS)
    exact = fifty.exact(A)
    unit_trace = exact / sum(exact.diagonal())  # 1/N in binary is not quite 1/N, and 1/(1−α) would show it
    errors = [relative(renyi_entropy(A, alpha), float(fifty.renyi_entropy(unit_trace, alpha))) for alpha in alphas]
    yield Row("(10)", "S_α(A), N = 8, α to 1e-10 from 1", "50 digits", len(errors), max(errors), DIGITS)

    errors = []
    for alpha in (*BELOW, *ALPHAS):
        expected = fifty.rounded(fifty.renyi_entropy_gradient(A, alpha))
        errors.append(relative(renyi_entropy_gradient(A, alpha), expected))
    yield Row("(15)", "∂S_α(A)/∂A, N = 8", "50 digits", len(errors), max(errors), DIGITS)

    values, gradients = [], []
    for unit, alpha in itertools.product(ACTIVATIONS, (*BELOW, *ALPHAS)):
        X, parameters = _point(rng, n=5, p=2)
        settings: dict[str, Any] = {"alpha": alpha, "mu": 1.5, "sigma_x": 0.4, "sigma_xhat": 0.3, "activation": unit}
        value, gradient = RateDistortion(2 * X, **settings).value_and_gradient(parameters)
        expected_value, expected = fifty.value_and_gradient(parameters, 2 * X, **settings)
        values.append(relative(value, expected_value))
        gradients += [relative(g, e) for g, e in zip(gradient, expected, strict=True)]
    yield Row("(25)", "L, N = 5, all units", "50 digits", len(values), max(values), DIGITS)
    yield Row("(25)", "∇L, N = 5, all units", "50 digits", len(values), max(gradients), DIGITS)
