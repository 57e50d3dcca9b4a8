"""Checks of arguments, all in one place.

Every function returns the accepted value as float64 (or unchanged, where nothing needs converting) and never
repairs one: bad input raises a ``TypeError`` (wrong kind) or a ``ValueError`` (right kind, wrong value) that says what
was expected, what was passed and what to do.
"""

import difflib
import functools
import inspect
import math
from collections.abc import Callable, Collection, Iterable
from numbers import Integral, Real
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

__all__ = [
    "LARGEST_SAMPLE", "Array", "as_array", "as_base", "as_choice", "as_count", "as_distortions", "as_fraction",
    "as_generator", "as_increasing", "as_matrix", "as_nonnegative", "as_nonnegative_array", "as_order", "as_parts",
    "as_positive", "as_probabilities", "as_samples", "as_symmetric", "as_vector", "as_weights",
    "check_same_shape", "check_unit_interval", "check_unit_trace", "hints_at_names", "is_masked", "refuses_overflow",
]  # fmt: skip

Array = npt.NDArray[np.float64]
Function = TypeVar("Function", bound=Callable[..., Any])
Named = TypeVar("Named")

SYMMETRY_TOLERANCE = 1e-10  # relative to the largest element: rounding passes, a different matrix does not
TRACE_TOLERANCE = 1e-10  # the sum of N diagonal elements 1/N errs by at most N eps: 2e-10 at N = 10⁶
LARGEST_SAMPLE = 1e140  # sums over the squared distances of larger ones exceed float64
LARGEST_COUNT = 2**53
PROBABILITY_TOLERANCE = 1e-9  # probabilities written with ten decimals pass


def hints_at_names(cls: type) -> type:
    """Let the constructor of a class name the argument that is nearest to one it does not know."""
    make, known = cls.__init__, list(inspect.signature(cls).parameters)  # type: ignore[misc]

    @functools.wraps(make)
    def checked(self: Any, *args: Any, **named: Any) -> None:
        for name in named:
            if name not in known:
                near = difflib.get_close_matches(name.lower(), known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
                raise TypeError(f"{cls.__name__} has no argument {name!r}: {hint}")
        make(self, *args, **named)

    cls.__init__ = checked  # type: ignore[misc]
    return cls


def as_array(value: npt.ArrayLike, name: str, *, finite: bool = True) -> Array:
    """Return a real array as float64, or say why it is not one."""
    if is_masked(value):
        raise TypeError(f"{name} must be an array without a mask: pass .filled(number), or drop what is masked")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular array, but its rows have different lengths") from error
    if array.dtype.kind not in "biuf":
        hint = "pass .real and .imag as features" if array.dtype.kind == "c" else "convert it with .astype(float)"
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}: {hint}")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    given = array
    if given.dtype != np.float64:
        with np.errstate(over="ignore"):
            array = given.astype(np.float64)
    if given.dtype.itemsize > array.dtype.itemsize and (np.isinf(array) & np.isfinite(given)).any():
        raise ValueError(f"{name} must hold numbers that float64 can hold, got a long double beyond 1e308: rescale it")
    if finite and not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, got {array[where]} at index {list(where)}: remove or impute it")
    return array


def as_matrix(value: npt.ArrayLike, name: str, shape: tuple[int | None, int | None] = (None, None)) -> Array:
    """Return a finite matrix, of the stated shape where it is stated."""
    return _of_shape(as_array(value, name), name, shape)


def as_vector(value: npt.ArrayLike, name: str, length: int | None = None) -> Array:
    """Return a finite vector, of the stated length where it is stated."""
    return _of_shape(as_array(value, name), name, (length,))


def as_parts(value: Any, name: str, form: str) -> tuple[Any, ...]:
    """Return what a tuple holds whose form is as in ``"Parameters(W, c, A, b)"``."""
    try:
        parts = tuple(value)
    except (TypeError, ValueError):
        parts = ()
    if len(parts) != form.count(",") + 1:
        raise TypeError(f"{name} must be {form}, got {type(value).__name__}")
    return parts


def as_samples(value: npt.ArrayLike, name: str, n_features: int | None = None) -> Array:
    """Return N samples in rows, shape (N, n_features)."""
    array = as_array(value, name)
    if array.ndim == 1:
        raise ValueError(
            f"{name} must have shape (samples, features), got one axis of length {array.size}: "
            f"use {name}.reshape(-1, 1) for one feature, {name}.reshape(1, -1) for one sample"
        )
    if float(np.abs(array).max()) > LARGEST_SAMPLE:
        raise ValueError(f"{name} must stay below {LARGEST_SAMPLE:g}, where its squares would overflow: rescale it")
    return _of_shape(array, name, (None, n_features))


def as_symmetric(value: npt.ArrayLike, name: str) -> Array:
    """Return a symmetric matrix: LAPACK would silently read only one triangle."""
    matrix = as_matrix(value, name)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{name} must be square, got shape {matrix.shape}")
    asymmetry = float(np.abs(matrix - matrix.T).max())
    if asymmetry > SYMMETRY_TOLERANCE * float(np.abs(matrix).max()):
        raise ValueError(
            f"{name} must be symmetric, but it differs from its transpose by up to {asymmetry:.3g}: "
            f"if that is rounding, pass ({name} + {name}.T) / 2"
        )
    return matrix


def check_unit_trace(matrix: Array, name: str) -> None:
    """Refuse a matrix whose trace is not 1."""
    trace = float(np.trace(matrix))
    if abs(trace - 1) > TRACE_TOLERANCE:
        raise ValueError(f"{name} must have trace 1, got {trace:.10g}: normalise it by normalize_gram, Eq. (11)")


def check_unit_interval(array: Array, name: str) -> None:
    """Refuse an array that has elements outside of [0, 1]."""
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        raise ValueError(f"{name} must lie in [0, 1], got {low:.6g} to {high:.6g}: rescale it")


def check_same_shape(first: Array, second: Array, names: str) -> None:
    """Refuse two arrays of different shapes."""
    if first.shape != second.shape:
        raise ValueError(f"{names} must have the same shape, got {first.shape} and {second.shape}")


def as_positive(value: float, name: str) -> float:
    """Return a finite number above zero."""
    number = _as_number(value, name)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be a finite number above 0, got {number!r}")
    return number


def as_nonnegative(value: float, name: str) -> float:
    """Return a finite number that is not below zero."""
    number = _as_number(value, name)
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} must be a finite number, 0 or above, got {number!r}")
    return number


def as_fraction(value: float, name: str) -> float:
    """Return a number from 0 to below 1."""
    number = _as_number(value, name)
    if not 0 <= number < 1:
        raise ValueError(f"{name} must be from 0 to below 1, got {number!r}")
    return number


def as_order(value: float, name: str = "alpha") -> float:
    """Return the order α of an entropy: above zero, infinity included."""
    number = _as_number(value, name)
    if not number > 0:
        raise ValueError(f"{name} must be above 0 (infinity is allowed), got {number!r}")
    return number


def as_base(value: float, name: str = "base") -> float:
    """Return the base of a logarithm: above one."""
    number = _as_number(value, name)
    if not 1 < number < math.inf:
        raise ValueError(f"{name} must be a finite number above 1 (2 for bits, math.e for nats), got {number!r}")
    return number


def as_count(value: int, name: str, minimum: int = 1, maximum: int | None = None) -> int:
    """Return an integer that is not below the minimum, nor above the maximum where there is one."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {_shown(value)} of type {type(value).__name__}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {_shown(value)}")
    largest = LARGEST_COUNT if maximum is None else maximum
    if value > largest:
        raise ValueError(f"{name} must be at most {largest}, got {_shown(value)}")
    return int(value)


def as_probabilities(value: npt.ArrayLike, name: str) -> Array:
    """Return a vector of probabilities: none negative, sum 1."""
    vector = as_weights(value, name)
    total = math.fsum(vector)
    if abs(total - 1) > PROBABILITY_TOLERANCE:
        raise ValueError(f"{name} must sum to 1, got {total:.12g}: make it float64 first, then divide it by its sum")
    return vector


def as_weights(value: npt.ArrayLike, name: str) -> Array:
    """Return a vector without negative elements."""
    vector = as_vector(value, name)
    if vector.min() < 0:
        raise ValueError(f"{name} must not be negative, got {vector.min():.6g} at index [{vector.argmin()}]")
    return vector


def as_nonnegative_array(value: npt.ArrayLike, name: str) -> Array:
    """Return an array of any shape that holds no NaN and nothing negative; infinity is allowed."""
    array = as_array(value, name, finite=False)
    refused = ~(array >= 0)
    if refused.any():
        where = tuple(int(i) for i in np.argwhere(refused)[0])
        raise ValueError(f"{name} must be 0 or above (infinity is allowed), got {array[where]} at index {list(where)}")
    return array


def as_distortions(value: npt.ArrayLike, name: str, p_x: Array) -> Array:
    """Return a matrix d(x, x̂), one row per symbol of the source; infinity forbids a pair, but not all of a row."""
    matrix = _of_shape(as_nonnegative_array(value, name), name, (p_x.size, None))
    stuck = np.flatnonzero((p_x > 0) & np.isinf(matrix).all(axis=1))
    if stuck.size:
        raise ValueError(
            f"{name} must leave every symbol of positive probability a finite distortion, "
            f"but row {int(stuck[0])} is infinite throughout: make one of its elements finite"
        )
    return matrix


def as_increasing(value: npt.ArrayLike, name: str) -> Array:
    """Return a vector of numbers above zero, each larger than the one before."""
    vector = as_vector(value, name)
    if vector[0] <= 0 or (np.diff(vector) <= 0).any():
        raise ValueError(f"{name} must increase from a number above 0, got {vector}: sort it, drop repetitions")
    return vector


def as_choice(value: Named, name: str, choices: Collection[Named]) -> Named:
    """Return one of the names that are known."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {_listing(choices)}, got {_shown(value)}")
    return value


def as_generator(value: np.random.Generator, name: str = "rng") -> np.random.Generator:
    """Return a random generator; a seed is refused, since one used in two places repeats the same draws."""
    if not isinstance(value, np.random.Generator):
        raise TypeError(f"{name} must be a numpy Generator, got {_shown(value)}: pass numpy.random.default_rng(seed)")
    return value


def _as_number(value: float, name: str) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a real number, got {_shown(value)} of type {type(value).__name__}")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{name} must be a number that float64 can hold, got an integer beyond 1e308") from error


def refuses_overflow(function: Function) -> Function:
    """Make a function raise ``ValueError`` where finite arguments lead to a result that float64 cannot hold."""

    @functools.wraps(function)
    def guarded(*arguments: Any, **named: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            result = function(*arguments, **named)
        for part in result if isinstance(result, tuple) else (result,):
            if not np.isfinite(part).all():
                raise ValueError(f"{function.__name__} exceeds the range of float64 here: rescale the arguments")
        return result

    return cast(Function, guarded)


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "an integer of thousands of digits"
    return text if len(text) <= 80 else f"{text[:60]}..."


def is_masked(value: object) -> bool:
    """Return whether an array, or one in a list of arrays, is masked: NumPy would silently drop the mask."""
    if isinstance(value, (list, tuple)):
        return any(is_masked(item) for item in value)
    return isinstance(value, np.ma.MaskedArray)


def _of_shape(array: Array, name: str, shape: tuple[int | None, ...]) -> Array:
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        comma, hint = ("," if len(shape) == 1 else ""), (f": use [{name}]" if array.ndim == 0 else "")
        raise ValueError(f"{name} must have shape ({wanted}{comma}), got {array.shape}{hint}")
    return array


def _listing(names: Iterable[object]) -> str:
    return ", ".join(repr(name) for name in names)
