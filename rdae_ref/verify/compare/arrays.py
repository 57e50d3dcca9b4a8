"""What a person brings: a point, results at it, and their layout. Bad input is refused here or in _validation."""

import difflib
import itertools
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
    as_positive,
    as_samples,
    as_vector,
)
from ...activations import Activation, as_activation
from ...autoencoder import Parameters
from .variants import GRADIENTS, NAMES, Problem

__all__ = ["Given", "Reading", "accept", "layouts"]

# Relative to the size of what is added up; PyTorch comes a hundred times closer, but where α is near 1 or below.
LIMITS = {"float64": 1e-10, "float32": 1e-5, "float16": 1e-2}
NEAR_ONE = {"value": 0.02, "gradient": 0.2}  # 1/(1−α) magnifies rounding: at α = 1.01 by 3 and by 21
ROUNDING = 1e-12  # of a sum that is zero, (18), in units of 1/σ: float32 leaves more, float64 less
LARGEST_N = 20_000  # its Gram matrices have 3 GB each

EXACT = ("Xhat", "K_X", "K_Xhat", "distortion")  # which α does not enter
LAYOUT = {"X": "(N, d), samples in rows", "W": "(p, d), one row for each unit", "A": "(d, p), one column for each unit"}


class Given(NamedTuple):
    """One result that a person brings."""

    name: str  # one of `NAMES`
    array: Array
    precision: str  # of the computation: float64, float32 or float16
    limit: float  # what its relative error may be


class Reading(NamedTuple):
    """One way to read what was brought: of a square array either axis may be that of the samples."""

    problem: Problem
    given: tuple[Given, ...]
    transposed: frozenset[str]  # inputs that were read as transposed; results of their shape are expected so, too
    notes: tuple[str, ...]  # a sentence for each of them

    def expected(self, name: str, array: Array) -> Array:
        """Return an array of the package in the layout of the person's own inputs."""
        return array.T if {"Xhat": "X", "dW": "W", "dA": "A"}.get(name) in self.transposed else array


def accept(
    X: npt.ArrayLike,
    parameters: Parameters | Mapping[str, npt.ArrayLike],
    results: Mapping[str, npt.ArrayLike],
    settings: Mapping[str, Any],
) -> list[Reading]:
    """Return the ways to read what was brought, the usual one first; more than one if N = d or p = d."""
    X, (W, c, A, b), checked = as_samples(_plain(X, "X"), "X"), _as_four(parameters), _as_settings(settings)
    p, d = c.size, b.size
    ways = {"X": _ways("X", X, (None, d)), "W": _ways("W", W, (p, d)), "A": _ways("A", A, (d, p))}
    readings = []
    for turned in itertools.product(*ways.values()):
        transposed = frozenset(name for name, turn in zip(ways, turned, strict=True) if turn)
        X_, W_, A_ = (M.T if turn else M for M, turn in zip((X, W, A), turned, strict=True))
        problem = Problem(X_, Parameters(W_, c, A_, b), *checked)
        notes = tuple(f"{name} was read as transposed: the layout here is {LAYOUT[name]}" for name in transposed)
        readings.append(Reading(problem, _as_results(results, problem), transposed, notes))
    return readings


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


def _plain(value: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """Return an array of all that came, without ignoring a mask; name what NumPy cannot read."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array, whose mask would be lost: leave its rows out")
    try:
        return np.asarray(value)
    except ValueError:
        return as_array(value, name)  # says what is wrong
    except (RuntimeError, TypeError) as error:
        kind = type(value).__name__
        raise TypeError(
            f"{name} must be an array that NumPy can read, got {kind} ({error}): pass {name}.detach().cpu() of a tensor"
        ) from None


def _as_four(parameters: Parameters | Mapping[str, npt.ArrayLike]) -> Parameters:
    if isinstance(parameters, Mapping):
        if set(parameters) != set(Parameters._fields):
            raise TypeError(f"parameters must have the names W, c, A, b, got {', '.join(map(str, parameters))}")
        parameters = Parameters(*(parameters[name] for name in Parameters._fields))  # type: ignore[arg-type]
    try:
        W, c, A, b = parameters
    except (TypeError, ValueError):
        raise TypeError(f"parameters must be Parameters(W, c, A, b), got {type(parameters).__name__}") from None
    W, c, A, b = (_plain(value, name) for value, name in zip((W, c, A, b), "WcAb", strict=True))
    return Parameters(as_matrix(W, "W"), as_vector(c, "c"), as_matrix(A, "A"), as_vector(b, "b"))


def _as_settings(settings: Mapping[str, Any]) -> tuple[str | Activation, float, float, float, float, float]:
    return (
        as_activation(settings["activation"]),
        as_order(settings["alpha"]),
        as_nonnegative(settings["mu"], "mu"),
        as_positive(settings["sigma_x"], "sigma_x"),
        as_positive(settings["sigma_xhat"], "sigma_xhat"),
        as_base(settings["base"]),
    )


def _check_names(results: Mapping[str, npt.ArrayLike]) -> None:
    if not isinstance(results, Mapping):
        raise TypeError(f"results must map names to arrays, as {{'value': 1.2}} does, got {type(results).__name__}")
    strange = [name for name in results if not isinstance(name, str)]
    if strange:
        raise TypeError(f"the names of results must be strings, got {strange[0]!r}: results are {', '.join(NAMES)}")
    if not results:
        raise ValueError(f"there is nothing to compare: bring at least one of {', '.join(NAMES)}")
    unknown = [name for name in results if name not in NAMES]
    if unknown:
        raise ValueError(f"{unknown_name(unknown[0], NAMES)}: results are {', '.join(NAMES)}")


def _as_results(results: Mapping[str, npt.ArrayLike], problem: Problem) -> tuple[Given, ...]:
    _check_names(results)
    (N, d), p = problem.X.shape, problem.parameters.c.size
    square, W, A, X = (N, N), (p, d), (d, p), (N, d)
    shapes = dict(zip(GRADIENTS, (W, (p,), A, (d,)), strict=True)) | {"Xhat": X, "K_X": square, "K_Xhat": square}
    if N > LARGEST_N:
        raise ValueError(f"X must have at most {LARGEST_N} samples, got {N}: compare on some of them")
    given = []
    for name in (name for name in NAMES if name in results):
        raw = _plain(results[name], name)
        array = _as_shape(as_array(raw, name), name, shapes.get(name, ()))
        precision = _precision(raw, array, ROUNDING / problem.sigma_xhat if name == "db" else 0.0)
        given.append(Given(name, array, precision, rounding_limit(name, precision, problem.alpha)))
    return tuple(given)


def _as_shape(array: Array, name: str, shape: tuple[int, ...]) -> Array:
    if not shape and array.size == 1:
        return array.reshape(())
    if array.shape not in (shape, shape[::-1]):
        wanted = " or ".join(dict.fromkeys(f"shape {s}" for s in (shape, shape[::-1]))) if shape else "one number"
        raise ValueError(f"{name} must have {wanted}, as X, W, c, A and b have it, got shape {array.shape}")
    return array


def _precision(raw: npt.NDArray[Any], array: Array, rounding: float) -> str:
    """Return the precision of a computation; float64 that only holds float32 numbers came from one in float32.

    Elements of the size of rounding do not count: those of float64 have few digits, and most are float32 numbers.
    """
    if raw.dtype.kind == "f" and raw.dtype.itemsize < 8:
        return "float16" if raw.dtype.itemsize == 2 else "float32"
    array = np.where(np.abs(array) > rounding, array, 0)
    with np.errstate(over="ignore", under="ignore"):
        narrow = array.astype(np.float32)
    short = np.array_equal(narrow, array) and not np.array_equal(array, np.round(array, 3))
    return "float32" if short else "float64"


def rounding_limit(name: str, precision: str, alpha: float) -> float:
    """Return what the relative error of an array may be that was computed in some precision."""
    if alpha == 1 or name in EXACT:
        return LIMITS[precision]
    return LIMITS[precision] * (1 + NEAR_ONE["gradient" if name in GRADIENTS else "value"] / abs(alpha - 1))


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Return the beginning of a sentence that refuses a name, with a guess at what was meant."""
    folded = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), list(folded), 1)
    return f"{name!r} is no known name" + (f", did you mean {folded[near[0]]!r}" if near else "")
