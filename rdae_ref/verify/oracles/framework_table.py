"""The package compared with each framework, over units, orders and shapes."""

import importlib
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from ... import models
from ..._validation import Array, as_choice
from ...autoencoder import Parameters, forward
from ...matrices import gaussian_gram
from ...numerics.spectrum import SingularGramWarning
from ...objective import RateDistortion
from ...pytree import Pytree, leaves

__all__ = ["FRAMEWORKS", "SHAPES", "Row", "Shape", "agreement", "as_table", "degenerate_cases", "load", "wrong"]

FRAMEWORKS = ("autograd", "torch", "jax")
PACKAGE = "rdae_ref"
TOLERANCE = 1e-10  # relative to the largest element of an array
INEXACT = 1e-6  # at the edge float64 may lose that much: the rounding of a matrix element, to the power α < 1

ACTIVATIONS = ("linear", "logsig", "relu", "satlin", "softplus")
ALPHAS = (0.5, 1.0, 1.01, 2.0, 3.0, 10.0)
LAYERED = (*ACTIVATIONS, "tanh")  # the paper has no hyperbolic tangent; the networks of its neighbours do
NEIGHBOURS = ("Reconstruction", "FixedDenoising", "Contractive", "FixedBetaVAE", "IRMAE")
CORE: dict[str, Any] = {"RateDistortion": RateDistortion} | {name: getattr(models, name) for name in NEIGHBOURS}


class Oracle(Protocol):
    """What the module of every framework has."""

    def value_and_gradient(
        self, parameters: Pytree, X: Any, *, model: str = "RateDistortion", **settings: Any
    ) -> tuple[float, Pytree]:
        """Return an objective, which is maximised, and its gradient.

        Parameters
        ----------
        parameters, X : pytree, and array_like of shape (N, d)
            Where, and the inputs in rows.
        model, settings : str, and its arguments
            The class of this package that has the same objective, and what it takes.
        """


class Problem(NamedTuple):
    """An objective at a point, before anyone computes it."""

    name: str
    parameters: Pytree
    X: Array
    settings: dict[str, Any]
    model: str = "RateDistortion"
    derivative_exists: bool = True


class Shape(NamedTuple):
    """N samples of d features with standard deviation 2, p units, and the kernel sizes and μ that suit them."""

    N: int
    d: int
    p: int
    sigma_x: float
    sigma_xhat: float
    mu: float


SHAPES = (Shape(5, 2, 3, 0.7, 0.5, 1.5), Shape(12, 3, 8, 1.0, 0.6, 0.3), Shape(8, 1, 4, 0.2, 0.1, 8.0))


class Row(NamedTuple):
    """How far two computations of one objective are apart: relative errors of its value and its gradients.

    The error of an array is relative to its largest element, and NaN where the framework returns NaN. For a network of
    layers W and c are the worst of the encoder's weights and offsets (square linear layers included), A and b those of
    the decoder. The verdict is ``"right"`` to 1e-10, ``"inexact"`` to 1e-6, ``"wrong"`` or ``"NaN"``. Where no
    derivative exists, right is the mean of the slopes on both sides, and any other finite one is a ``"convention"``.
    """

    case: str
    framework: str
    value: float
    W: float
    c: float
    A: float
    b: float
    verdict: str


def load(framework: str) -> Oracle:
    """Import the module of ``"autograd"``, ``"torch"``, ``"jax"`` or ``"mpmath"``, or say how to install it."""
    return importlib.import_module(f".{as_choice(framework, 'framework', (*FRAMEWORKS, 'mpmath'))}_oracle", __package__)


def agreement(frameworks: Iterable[str] = FRAMEWORKS, shapes: Iterable[Shape] = SHAPES) -> list[Row]:
    """Compare the package with each framework where the Gram matrices have full rank: every model, unit and order."""
    return list(_rows(ordinary_problems(shapes), frameworks, PACKAGE))


def degenerate_cases(frameworks: Iterable[str] = FRAMEWORKS) -> list[Row]:
    """Judge the package and each framework by fifty digits at α < 1, singular Gram matrices and kinks."""
    return list(_rows(edge_problems(), (PACKAGE, *frameworks), "mpmath"))


def wrong(rows: Iterable[Row]) -> list[Row]:
    """Return the rows whose verdict is ``"wrong"`` or ``"NaN"``."""
    return [row for row in rows if row.verdict in ("wrong", "NaN")]


def as_table(rows: Iterable[Row]) -> str:
    """Return the rows as aligned text with a heading."""
    rows = list(rows)
    width = max((len(row.case) for row in rows), default=4)
    heading = f"{'case':{width}}  {'framework':9}" + "".join(f"{name:>9}" for name in ("value", *"WcAb")) + "  verdict"
    lines = [
        f"{row.case:{width}}  {row.framework:9}" + "".join(f"{error:9.0e}" for error in row[2:7]) + f"  {row.verdict}"
        for row in rows
    ]
    return "\n".join([heading, *lines])


def ordinary_problems(shapes: Iterable[Shape]) -> Iterator[Problem]:
    """Iterate over objectives at points where all Gram matrices are well conditioned."""
    for N, d, p, sigma_x, sigma_xhat, mu in shapes:
        rng = np.random.default_rng(25)
        for activation in ACTIVATIONS:
            settings = {"activation": activation, "mu": mu, "sigma_x": sigma_x, "sigma_xhat": sigma_xhat}
            parameters, X = _well_conditioned(rng, N, d, p, activation, sigma_xhat)
            for alpha in ALPHAS:
                name = f"(25) {activation}, α = {alpha:g}, N = {N}, d = {d}, p = {p}"
                yield Problem(name, parameters, X, {**settings, "alpha": alpha})
            yield from _other_models(rng, parameters, X, activation)
        rng = np.random.default_rng(21)  # one where saturated units leave no layer without a gradient
        for activation in LAYERED:
            yield from _layered_models(rng, N, d, p, activation)


def edge_problems() -> Iterator[Problem]:
    """Iterate over objectives with α < 1, singular or nearly singular Gram matrices, and kinks; all small."""
    yield from _low_orders()
    yield from _few_samples()
    yield from _repeated_samples()
    yield from _repeated_outputs()
    yield from _repeated_eigenvalues()
    yield from _kinks()


def _rows(problems: Iterable[Problem], frameworks: Iterable[str], reference: str) -> Iterator[Row]:
    # All at once, so that a missing framework is known before the work is done.
    oracles = {name: _package if name == PACKAGE else load(name).value_and_gradient for name in frameworks}
    judge = _package if reference == PACKAGE else load(reference).value_and_gradient
    for problem in problems:
        expected = judge(problem.parameters, problem.X, model=problem.model, **problem.settings)
        for name, oracle in oracles.items():
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                # Each of them may complain about what is singular; the row says what came of it.
                warnings.simplefilter("ignore", RuntimeWarning)
                got = oracle(problem.parameters, problem.X, model=problem.model, **problem.settings)
            errors = _errors(got, expected)
            yield Row(problem.name, name, *errors, _verdict(errors, problem.derivative_exists))


def _package(parameters: Pytree, X: Array, *, model: str, **settings: Any) -> tuple[float, Pytree]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularGramWarning)
        return CORE[model](X, **settings).value_and_gradient(parameters)


def _errors(got: tuple[float, Pytree], expected: tuple[float, Pytree]) -> tuple[float, float, float, float, float]:
    (value, gradient), (right_value, right_gradient) = got, expected
    largest = max(float(np.abs(array).max()) for _, array in leaves(right_gradient))
    columns: dict[str, list[float]] = {column: [] for column in "WcAb"}
    for (name, right), (_, array) in zip(leaves(right_gradient), leaves(gradient), strict=True):
        # An array that is zero, or nearly, is measured against the others: what cancels leaves rounding of their size.
        scale = max(float(np.abs(right).max()), 1e-6 * largest) or 1.0
        columns[_column(name)].append(float(np.abs(array - right).max()) / scale)
    W, c, A, b = (float(np.max(errors)) for errors in columns.values())  # Python's max would pass over a NaN
    return abs(value - right_value) / (abs(right_value) or 1.0), W, c, A, b


def _column(name: str) -> str:
    """Return W, c, A or b for an array of that name: of encoder[1].b it is c."""
    if name in Parameters._fields:
        return name
    weights, offsets = ("A", "b") if name.startswith("decoder") else ("W", "c")
    return offsets if name.endswith(".b") else weights


def _verdict(errors: tuple[float, ...], derivative_exists: bool) -> str:
    if not all(map(math.isfinite, errors)):
        return "NaN"
    if max(errors) <= TOLERANCE:
        return "right"
    if not derivative_exists and errors[0] <= TOLERANCE:
        return "convention"
    return "inexact" if max(errors) <= INEXACT else "wrong"


def _random_parameters(rng: np.random.Generator, d: int, p: int) -> Parameters:
    return Parameters(*(rng.normal(size=shape) for shape in ((p, d), (p,), (d, p), (d,))))


def _well_conditioned(
    rng: np.random.Generator, N: int, d: int, p: int, activation: str, sigma: float
) -> tuple[Parameters, Array]:
    """Draw until no two outputs are near each other and no unit is near a kink."""
    while True:
        parameters, X = _random_parameters(rng, d, p), 2 * rng.normal(size=(N, d))
        Z, _, _, Xhat = forward(parameters, X, activation)
        smallest = np.linalg.eigvalsh(N * gaussian_gram(Xhat, sigma))[0]
        if smallest > 0.02 and np.abs(Z).min() > 1e-4 and np.abs(Z - 1).min() > 1e-4:
            return parameters, X


def _other_models(rng: np.random.Generator, parameters: Parameters, X: Array, activation: str) -> Iterator[Problem]:
    corrupted = X + 0.3 * rng.normal(size=(3, *X.shape))
    settings: Mapping[str, dict[str, Any]] = {
        "Reconstruction": {},
        "FixedDenoising": {"corrupted": corrupted},
        "Contractive": {"strength": 0.3},
    }
    for model, more in settings.items():
        name = f"{model} {activation}, N = {len(X)}, d = {X.shape[1]}, p = {len(parameters.W)}"
        yield Problem(name, parameters, X, {"activation": activation, **more}, model)


def _layered_models(rng: np.random.Generator, N: int, d: int, p: int, activation: str) -> Iterator[Problem]:
    X, k, shape = rng.normal(size=(N, d)), 2, f"N = {N}, d = {d}, p = {p}"
    vae = {"activation": activation, "noise": rng.normal(size=(3, N, k))}
    parameters = models.initial_vae_parameters(d, k, rng, hidden=[p], gain=2)
    settings: Mapping[str, dict[str, Any]] = {
        "gaussian": {"beta": 4.0, "variance": 0.5},
        "gaussian, C of the mean": {"beta": 2.0, "capacity": 0.3, "base": math.e},
        "bernoulli": {"beta": 0.5, "likelihood": "bernoulli"},
        "bernoulli, C of each sample": {"likelihood": "bernoulli", "capacity": 1.0, "capacity_of": "sample"},
    }
    for name, more in settings.items():
        data = np.sin(X) ** 2 if "likelihood" in more else X
        yield Problem(f"FixedBetaVAE {activation}, {name}, {shape}", parameters, data, vae | more, "FixedBetaVAE")
    deep = models.initial_irmae_parameters(d, k, 2, rng, hidden=[p], gain=2)
    yield Problem(f"IRMAE {activation}, {shape}", deep, X, {"activation": activation}, "IRMAE")


def _low_orders() -> Iterator[Problem]:
    rng = np.random.default_rng(10)
    for activation in ACTIVATIONS:
        parameters, X = _well_conditioned(rng, 4, 2, 2, activation, 0.4)
        for alpha in (0.1, 0.5):
            settings = {"activation": activation, "alpha": alpha, "mu": 1.5, "sigma_x": 0.7, "sigma_xhat": 0.4}
            yield Problem(f"full rank, {activation}, α = {alpha:g}", parameters, X, settings)


def _few_samples() -> Iterator[Problem]:
    parameters, X = _well_conditioned(np.random.default_rng(11), 2, 2, 2, "logsig", 0.5)
    for N in (1, 2):
        for alpha in (0.5, 1.0, 2.0, math.inf):
            yield Problem(f"N = {N}, logsig, α = {alpha:g}", parameters, X[:N], _settings("logsig", alpha))


def _repeated_samples() -> Iterator[Problem]:
    parameters, X = _well_conditioned(np.random.default_rng(12), 3, 2, 2, "logsig", 0.5)
    for gap in (0.0, 1e-8, 1e-7):
        twice = np.concatenate([X, X[:1] + gap])
        what = "two equal samples" if gap == 0 else f"two samples {gap:g} apart"
        for alpha in (0.5, 1.0, 1.01, 2.0):
            yield Problem(f"{what}, logsig, α = {alpha:g}", parameters, twice, _settings("logsig", alpha))


def _repeated_outputs() -> Iterator[Problem]:
    """Map different inputs to the same output by saturated units, and all of them by A = 0."""
    rng = np.random.default_rng(13)
    parameters, X = _well_conditioned(rng, 4, 2, 2, "logsig", 0.5)
    steep = Parameters(W=np.array([[5.0, 0.0], [0.0, 5.0]]), c=np.zeros(2), A=np.eye(2), b=np.zeros(2))
    corners = np.array([[1.0, 2.0], [1.5, 1.0], [-1.0, 1.0], [1.0, -2.0]])
    collapsed = parameters._replace(A=np.zeros((2, 2)))
    for alpha in (0.5, 1.0, 1.01, 2.0):
        yield Problem(f"saturated units, satlin, α = {alpha:g}", steep, corners, _settings("satlin", alpha))
        exists = alpha > 1  # below, an entropy of 0 rises with infinite slope
        name = f"all outputs equal, logsig, α = {alpha:g}"
        yield Problem(name, collapsed, X, _settings("logsig", alpha), derivative_exists=exists)


def _repeated_eigenvalues() -> Iterator[Problem]:
    """Use the corners of a square, for a double eigenvalue, and two far pairs, for a double largest one."""
    identity = Parameters(np.eye(2), np.zeros(2), np.eye(2), np.array([0.1, -0.2]))
    square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]) / 2
    pairs = np.array([[0.0, 0.0], [0.5, 0.0], [10.0, 0.0], [10.5, 0.0]])
    for alpha in (0.5, 1.0, 2.0, math.inf):
        yield Problem(f"double eigenvalue, linear, α = {alpha:g}", identity, square, _settings("linear", alpha))
    name = "double largest eigenvalue, linear, α = inf"
    yield Problem(name, identity, pairs, _settings("linear", math.inf), derivative_exists=False)


def _kinks() -> Iterator[Problem]:
    """Have one sample where the argument of every unit is exactly 0, the kink of relu and of satlin."""
    rng = np.random.default_rng(14)
    for activation in ("relu", "satlin"):
        parameters, X = _well_conditioned(rng, 4, 2, 2, activation, 0.5)
        X[0], c = 0.0, np.zeros(2)
        name, settings = f"argument 0, {activation}, α = 2", _settings(activation, 2.0)
        yield Problem(name, parameters._replace(c=c), X, settings, derivative_exists=False)


def _settings(activation: str, alpha: float) -> dict[str, Any]:
    return {"activation": activation, "alpha": alpha, "mu": 1.5, "sigma_x": 0.7, "sigma_xhat": 0.5}
