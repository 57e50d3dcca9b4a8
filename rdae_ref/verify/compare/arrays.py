"""What the user gives: a point, results at it, and their layout. Bad input is refused here or in _validation."""

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..._validation import (
    Array,
    as_array,
    as_base,
    as_matrix,
    as_nonnegative,
    as_order,
    as_parts,
    as_positive,
    as_samples,
    as_vector,
)
from ...activations import Activation, as_activation
from ...autoencoder import Parameters
from .variants import GRADIENTS, NAMES, NUMBERS, SLOPES, Problem

__all__ = ["Given", "Reading", "accept", "layouts"]

# Relative to the size of what is added up; PyTorch comes a hundred times closer, but where α is near 1 or below.
LIMITS = {"float64": 1e-10, "float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}
NEAR_ONE = {"value": 0.02, "gradient": 0.2}  # 1/(1−α) magnifies rounding: at α = 1.01 by 3 and by 21
ROUNDING = 1e-12  # of a sum that is zero, (18), in units of 1/σ: float32 leaves more, float64 less
DECIMALS = range(2, 11)  # numbers that were typed or printed, with so many
FEWEST = {True: 2, False: 3}  # of a number, and of an array: 0.5 or 0.25 may be exact
LARGEST_N = 20_000  # its Gram matrices have 3 GB each

EXACT = ("Xhat", "K_X", "K_Xhat", "distortion")  # which α does not enter
LAYOUT = {"X": "(N, d), samples in rows", "W": "(p, d), one row for each unit", "A": "(d, p), one column for each unit"}
PREFIXES = ("", "d", "grad_")  # of a parameter's name, for its gradient
SAME_SHAPE = {"Xhat": "X", "dXhat": "X", "dW": "W", "dA": "A"}


class Given(NamedTuple):
    """One result that the user gives."""

    name: str  # one of `NAMES`
    array: Array
    precision: str  # of the computation: float64, float32, float16, bfloat16, or as in "4 decimals"
    limit: float  # what its relative error may be
    resolution: float = 0.0  # half a unit of the last decimal

    def allowed(self, scale: Any) -> Any:
        """Return what a difference may be, where ours is the sum of parts of some size."""
        return 1.001 * self.resolution + 0 * scale if self.resolution else self.limit * scale


class Reading(NamedTuple):
    """One way to read what was brought: of a square array either axis may be that of the samples."""

    problem: Problem
    given: tuple[Given, ...]
    transposed: frozenset[str]  # inputs that were read as transposed; results of their shape are expected so, too
    notes: tuple[str, ...]  # a sentence for each of them

    def expected(self, name: str, array: Array) -> Array:
        """Return an array of the package in the layout of the person's own inputs."""
        return array.T if SAME_SHAPE.get(name) in self.transposed else array


def accept(
    X: npt.ArrayLike,
    parameters: Parameters | Mapping[str, npt.ArrayLike] | list[Any] | None,
    Xhat: npt.ArrayLike | None,
    results: Mapping[str, npt.ArrayLike] | None,
    settings: Mapping[str, Any],
) -> list[Reading]:
    """Return the ways to read what was brought, the usual one first; more than one if N = d or p = d."""
    X, named = as_samples(_plain(X, "X")[0], "X"), _by_name(results, parameters)
    sign = -1 if results and "loss" in results else 1  # of a loss −L and its gradients
    if len(X) > LARGEST_N:
        raise ValueError(f"X must have at most {LARGEST_N} samples, got {len(X)}: compare on some of them")
    checked = _as_settings(settings, needs_activation=parameters is not None)
    if parameters is None:
        return [_without_parameters(X, Xhat, named, checked, sign)]
    if Xhat is not None:
        named = {"Xhat": Xhat, **named}
    if isinstance(parameters, list) and all(isinstance(one, (tuple, Mapping)) for one in parameters):
        return [_as_curve(X, parameters, named, checked, sign)]
    W, c, A, b = _as_four(parameters)
    p, d = c.size, b.size
    ways = {"X": _ways("X", X, (None, d)), "W": _ways("W", W, (p, d)), "A": _ways("A", A, (d, p))}
    readings = []
    for turned in itertools.product(*ways.values()):
        transposed = frozenset(name for name, turn in zip(ways, turned, strict=True) if turn)
        X_, W_, A_ = (M.T if turn else M for M, turn in zip((X, W, A), turned, strict=True))
        problem = Problem(X_, Parameters(W_, c, A_, b), *checked)
        notes = tuple(f"{name} was read as transposed: the layout here is {LAYOUT[name]}" for name in transposed)
        readings.append(Reading(problem, _as_results(named, problem, sign), transposed, notes))
    return readings


def _without_parameters(
    X: Array, Xhat: npt.ArrayLike | None, named: Mapping[str, npt.ArrayLike], settings: Any, sign: int
) -> Reading:
    if Xhat is None and "Xhat" not in named:
        raise ValueError("Xhat must be given where there are no parameters W, c, A, b: it is what K_Xhat is made of")
    outputs = as_samples(_plain(named["Xhat"] if Xhat is None else Xhat, "Xhat")[0], "Xhat")
    results = {name: array for name, array in named.items() if name != "Xhat"}
    unknown = [name for name in results if name in GRADIENTS]
    if unknown:
        raise ValueError(f"{unknown[0]} can be compared only with the parameters W, c, A, b; dXhat without them")
    problem = Problem(X, None, *settings)._replace(Xhat=as_matrix(outputs, "Xhat", X.shape))
    return Reading(problem, _as_results(results, problem, sign), frozenset(), ())


def _as_curve(X: Array, parameters: list[Any], named: Mapping[str, npt.ArrayLike], settings: Any, sign: int) -> Reading:
    """Read the results for a list of parameters."""
    if not parameters:
        raise ValueError("parameters must hold at least one point, got an empty list")
    unknown = [name for name in named if name not in NUMBERS]
    if unknown:
        raise ValueError(f"with a list of parameters only {', '.join(NUMBERS)} can be compared, got {unknown[0]}")
    first = _as_four(parameters[0])
    p, d = len(first.c), X.shape[1]
    points = list[Problem]()
    for theta in map(_as_four, parameters):
        shapes = zip(theta, Parameters._fields, ((p, d), (p,), (d, p), (d,)), strict=True)
        arrays = (as_matrix(a, n, s) if len(s) == 2 else as_vector(a, n, s[0]) for a, n, s in shapes)
        points.append(Problem(X, Parameters(*arrays), *settings))
    problem = points[0]._replace(others=tuple(points[1:]))
    return Reading(problem, _as_results(named, problem, sign), frozenset(), ())


def layouts(array: Array, shape: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Yield the ways in which an array can have come into a shape: words that follow its name, and the array."""
    if array.shape == shape:
        yield "", array
    if array.ndim == 2 and array.T.shape == shape:
        yield "transposed", array.T
    if array.ndim == 2:
        moved = array.T if array.shape == shape else array
        yield "reshaped where it should be transposed", moved.reshape(shape)


def _ways(name: str, array: Array, shape: tuple[int | None, int | None]) -> list[bool]:
    """Return whether an array may be read as it is, transposed, or both."""
    fits = [all(n in (None, m) for n, m in zip(shape, shape_, strict=True)) for shape_ in (array.shape, array.T.shape)]
    if not any(fits):
        as_matrix(array, name, shape)  # says what was expected
    return [turn for turn, fit in zip((False, True), fits, strict=True) if fit]


def _plain(value: Any, name: str) -> tuple[npt.NDArray[Any], str]:
    """Return an array of all that came and its type; a tensor gives up its derivative, a mask is not ignored."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array, whose mask would be lost: leave its rows out")
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            return value.float().numpy(), "bfloat16"
    try:
        array = np.asarray(value)
    except ValueError:
        array = as_array(value, name)  # says what is wrong
    except (RuntimeError, TypeError) as error:
        kind = type(value).__name__
        raise TypeError(
            f"{name} must be an array that NumPy can read, got {kind} ({error}): pass {name}.detach().cpu() of a tensor"
        ) from None
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32), "bfloat16"
    return array, array.dtype.name


def _as_four(parameters: Any) -> Parameters:
    if isinstance(parameters, Mapping):
        names = list(parameters)
        if set(names) == set(Parameters._fields):
            names = list(Parameters._fields)
        elif [np.ndim(_plain(parameters[name], str(name))[0]) for name in names] != [2, 1, 2, 1]:
            raise TypeError(
                "parameters must have the names W, c, A, b, or be the state_dict of two linear layers, got "
                + ", ".join(map(str, names))
            )
        parameters = Parameters(*(parameters[name] for name in names))
    W, c, A, b = as_parts(parameters, "parameters", "Parameters(W, c, A, b)")
    W, c, A, b = (_plain(value, name)[0] for value, name in zip((W, c, A, b), "WcAb", strict=True))
    return Parameters(as_matrix(W, "W"), as_vector(c, "c"), as_matrix(A, "A"), as_vector(b, "b"))


def _as_settings(
    settings: Mapping[str, Any], needs_activation: bool
) -> tuple[str | Activation | None, float, float, float, float, float]:
    if needs_activation and settings["activation"] is None:
        raise TypeError("activation must be given with parameters: the units g, as in activation='logsig'")
    return (
        as_activation(settings["activation"]) if needs_activation else None,
        as_order(settings["alpha"]),
        as_nonnegative(settings["mu"], "mu"),
        as_positive(settings["sigma_x"], "sigma_x"),
        as_positive(settings["sigma_xhat"], "sigma_xhat"),
        as_base(settings["base"]),
    )


def canonical(name: str) -> str:
    """Return the name in `NAMES` for what people call a result: grad_W, W.grad and dL_dW are dW, loss is value."""
    found = re.fullmatch(r"(?:grad_|dL_d|dloss_d)(W|c|A|b|Xhat)|(W|c|A|b|Xhat)[._]grad", name)
    return "d" + (found[1] or found[2]) if found else {"loss": "value", "L": "value"}.get(name, name)


def _by_name(results: Mapping[str, npt.ArrayLike] | None, parameters: Any) -> dict[str, npt.ArrayLike]:
    """Return the results by their names in `NAMES`; gradients may have those of the parameters, as encoder.weight."""
    if not isinstance(results, Mapping):
        raise TypeError(f"results must map names to arrays, as {{'value': 1.2}} does, got {type(results).__name__}")
    strange = [name for name in results if not isinstance(name, str)]
    if strange:
        raise TypeError(f"the names of results must be strings, got {strange[0]!r}: results are {', '.join(NAMES)}")
    if not results:
        raise ValueError(f"there is nothing to compare: give at least one of {', '.join(NAMES)}")
    if isinstance(parameters, Mapping) and set(parameters) != set(Parameters._fields):
        own = {f"{pre}{name}": f"d{field}" for name, field in zip(parameters, "WcAb", strict=False) for pre in PREFIXES}
        results = {own.get(name.removesuffix(".grad"), name): array for name, array in results.items()}
    unknown = [name for name in results if canonical(name) not in NAMES]
    if unknown:
        raise ValueError(f"{unknown_name(unknown[0], NAMES)}: results are {', '.join(NAMES)}")
    named = {canonical(name): array for name, array in results.items()}
    if len(named) < len(results):
        raise ValueError(f"each result can be given once, got {', '.join(results)}")
    return named


def _as_results(results: Mapping[str, npt.ArrayLike], problem: Problem, sign: int) -> tuple[Given, ...]:
    if not results:
        raise ValueError(f"there is nothing to compare: give at least one of {', '.join(NAMES)}")
    N, d = problem.X.shape
    shapes: dict[str, tuple[int, ...]] = {"Xhat": (N, d), "dXhat": (N, d), "K_X": (N, N), "K_Xhat": (N, N)}
    if problem.others:
        shapes |= dict.fromkeys(NUMBERS, (1 + len(problem.others),))
    if problem.parameters is not None:
        shapes |= {f"d{name}": array.shape for name, array in problem.parameters._asdict().items()}
    given = []
    for name in (name for name in NAMES if name in results):
        raw, kind = _plain(results[name], name)
        array = _as_shape(as_array(raw, name, finite=False), name, shapes.get(name, ()))
        rounding = ROUNDING / problem.sigma_xhat if name == "db" else 0.0
        precision = _precision(array, kind, rounding, FEWEST[name in NUMBERS])
        limit, resolution = rounding_limit(name, precision, problem.alpha), 0.0
        if precision.endswith("decimals"):
            resolution = 0.5 * 10.0 ** -int(precision.split()[0])
            limit = max(limit, resolution / float(np.abs(array).max()))
        given.append(Given(name, sign * array if name in ("value", *SLOPES) else array, precision, limit, resolution))
    return tuple(given)


def _as_shape(array: Array, name: str, shape: tuple[int, ...]) -> Array:
    if not shape and array.size == 1:
        return array.reshape(())
    if array.shape not in (shape, shape[::-1]):
        wanted = " or ".join(dict.fromkeys(f"shape {s}" for s in (shape, shape[::-1]))) if shape else "one number"
        raise ValueError(f"{name} must have {wanted}, as X, W, c, A and b have it, got shape {array.shape}")
    return array


def _precision(array: Array, kind: str, rounding: float, fewest: int) -> str:
    """Return the precision of a computation; what only holds numbers of a narrower type came from one in that."""
    # Elements of the size of rounding do not count: those of float64 have few digits, and most are float32 numbers.
    known = kind if kind in LIMITS else "float64"
    if known in ("float16", "bfloat16") or not np.isfinite(array).all():
        return known
    array = np.where(np.abs(array) > rounding, array, 0)
    if np.array_equal(np.round(array, fewest - 1), array):  # as 0.5 is, or K of equal samples
        return known
    with np.errstate(over="ignore", under="ignore"):
        narrow, half = array.astype(np.float32), array.astype(np.float16)
    single = np.array_equal(narrow, array)
    if single and not (narrow.view(np.uint32) & 0xFFFF).any():  # the first 16 bits are all there is
        return "bfloat16"
    if np.array_equal(half, array):
        return "float16"
    finest = 1e-12 * float(np.abs(array).max())  # float64 has no more decimals than that
    typed = (k for k in DECIMALS if 10.0**-k > finest and np.array_equal(np.round(array, k), array))
    decimals = 0 if known == "float32" else next(typed, 0)
    return f"{decimals} decimals" if decimals else "float32" if single else known


def rounding_limit(name: str, precision: str, alpha: float) -> float:
    """Return what the relative error of an array may be that was computed in some precision."""
    limit = LIMITS.get(precision, LIMITS["float64"])
    if alpha == 1 or name in EXACT:
        return limit
    return limit * (1 + NEAR_ONE["gradient" if name in SLOPES else "value"] / abs(alpha - 1))


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Return the beginning of a sentence that refuses a name, with a guess at what was meant."""
    folded = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), list(folded), 1)
    return f"{name!r} is not a known name" + (f", did you mean {folded[near[0]]!r}" if near else "")
