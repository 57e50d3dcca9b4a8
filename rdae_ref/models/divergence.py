"""An objective that overflows has diverged: it raises FloatingPointError and returns neither infinity nor NaN."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from ..pytree import leaves

__all__ = ["raises_on_overflow"]

Method = TypeVar("Method", bound=Callable[..., Any])


def raises_on_overflow(method: Method) -> Method:
    """Make a method raise FloatingPointError, and nothing warn, where a number in what it returns is not finite."""

    @functools.wraps(method)
    def guarded(*arguments: Any, **named: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            result = method(*arguments, **named)
        if not all(np.isfinite(part).all() for _, part in leaves(result)):
            hint = "the parameters are too large, or a setting is out of all proportion to the data"
            raise FloatingPointError(f"{method.__qualname__} overflows: {hint}")
        return result

    return cast(Method, guarded)
