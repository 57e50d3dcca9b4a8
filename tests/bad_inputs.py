"""Bad values for any argument, made from a good one, and how a call must take them: right numbers, or a refusal.

`variants` makes the values, `outcome` makes the call; a table of cases is all that a test adds.
"""

import math
import warnings
from collections.abc import Mapping

import numpy as np

from rdae_ref.theory import ConvergenceWarning

TINY, HUGE = 1e-300, 1e300
ANYTHING = {
    "NaN": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "minus one": -1.0,
    "zero": 0.0,
    "1e300": HUGE,
    "1e-300": TINY,
    "the largest float": 1.7976931348623157e308,
    "the smallest float": 5e-324,
    "10**400": 10**400,
    "-10**400": -(10**400),
    "complex": 1 + 1j,
    "text": "1.5",
    "bytes": b"1",
    "none": None,
    "truth": True,
    "object": object(),
    "function": len,
    "dict": {"a": 1.0},
    "set": {1.0},
    "empty list": [],
    "list of lists of different lengths": [[1.0, 2.0], [3.0]],
    "list of 10**400": [10**400, 1],
    "list of None": [None, 1.0],
    "number array": np.array(1.5),
    "vector": np.ones(3),
    "matrix": np.ones((3, 3)),
    "three axes": np.ones((2, 2, 2)),
    "masked number": np.ma.masked,
    "masked vector": np.ma.array([1.0, 999.0], mask=[False, True]),
    "masked matrix": np.ma.array(np.eye(3), mask=np.eye(3) > 0),
}


def of_array(array):
    """Yield what can go wrong with an array: names and arrays of a similar shape."""
    array = np.asarray(array)
    if array.dtype.kind != "f" or not array.size:
        return
    for name, number in (("NaN", math.nan), ("inf", math.inf), ("-inf", -math.inf), ("1e300", HUGE), ("-1e300", -HUGE)):
        spoilt = array.copy()
        spoilt.flat[-1] = number
        yield f"one element {name}", spoilt
    for name, factor in (
        ("1e300", HUGE),
        ("1e-300", TINY),
        ("-1", -1.0),
        ("0", 0.0),
        ("1e160", 1e160),
        ("1e140", 1e140),
    ):
        with np.errstate(over="ignore", under="ignore"):
            scaled = array * factor
        if np.isfinite(scaled).all():
            yield f"times {name}", scaled
    yield "complex", array + 0j
    yield "objects", array.astype(object)
    yield "text", array.astype(str)
    yield "masked", np.ma.array(array, mask=False)
    yield "dates", array.astype(int).astype("datetime64[s]")
    yield "empty", array[:0]
    yield "flat", array.ravel()
    yield "one axis more", array[None]
    yield "one row more", np.concatenate([array, array[-1:]]) if array.ndim else array
    yield "transposed", array.T
    yield "constant", np.ones_like(array)
    yield "float32", array.astype(np.float32)
    yield "integers", np.rint(array).astype(int)
    yield "longdouble", array.astype(np.longdouble)
    yield "longdouble beyond float64", array.astype(np.longdouble) * np.longdouble("1e4000")
    yield "backwards", array[::-1] if array.ndim else array
    yield "list", array.tolist()


def variants(value):
    """Yield bad values, and some odd ones that are not bad, for an argument whose good value is known."""
    yield from ANYTHING.items()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        yield "one part less", tuple(value)[:-1]
        for i, part in enumerate(value):
            for name, changed in variants(part):
                yield f"{value._fields[i]}: {name}", value._replace(**{value._fields[i]: changed})
    elif isinstance(value, tuple) and value and not isinstance(value[0], (int, float)):
        yield "one part less", value[:-1]
        yield from ((f"[0]: {name}", (changed, *value[1:])) for name, changed in variants(value[0]))
    elif isinstance(value, (np.ndarray, list)):
        yield from of_array(value)


def numbers(result):
    """Yield all numbers in a result, as arrays."""
    if isinstance(result, Mapping):
        result = tuple(result.values())
    if isinstance(result, (tuple, list)):
        for part in result:
            yield from numbers(part)
    elif isinstance(result, (float, int, complex, np.ndarray, np.number)):
        yield np.asarray(result)


def is_finite(argument):
    parts = [np.ma.getdata(part) for part in numbers(argument)]
    return all(np.isfinite(part).all() for part in parts if part.dtype.kind in "fiu")


def outcome(function, arguments, name, bad, *, refusals=(), may_be_infinite=False):
    """Call with one argument replaced; say what is wrong with the answer, or nothing.

    Right are finite numbers, TypeError, ValueError, and the refusals that are documented beside them. Infinity is right
    where it is documented, and for infinite arguments; NaN and warnings (but of convergence) never are.
    """
    try:
        with warnings.catch_warnings(), np.errstate(over="warn", invalid="warn", divide="warn"):
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            result = function(**(arguments | {name: bad}))
    except (TypeError, ValueError, *refusals) as refusal:
        return None if str(refusal) else f"{type(refusal).__name__} without a word"
    except Exception as other:
        return f"{type(other).__name__}: {other}"
    for part in numbers(result):
        if part.dtype.kind in "fc":
            if np.isnan(part).any():
                return f"NaN in {result!r}"
            if np.isinf(part).any() and not may_be_infinite and is_finite(bad):
                return f"infinity in {result!r}"
    return None


def failures(function, arguments, **allowed):
    """Try all variants of all arguments; return what went wrong as lines of text."""
    found = []
    for name, good in arguments.items():
        for kind, bad in variants(good):
            wrong = outcome(function, arguments, name, bad, **allowed)
            if wrong is not None:
                found.append(f"{name}, {kind}: {wrong[:300]}")
    return found
