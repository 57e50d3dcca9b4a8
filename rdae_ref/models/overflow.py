"""What overflows is refused: no objective returns an infinity or a NaN for finite parameters."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from ..pytree import leaves

__all__ = ["refuses_overflow"]

Method = TypeVar("Method", bound=Callable[..., Any])


def refuses_overflow(method: Method) -> Method:
    """Let a method raise FloatingPointError, and nothing warn, where a number in what it returns is not finite."""

    @functools.wraps(method)
    def checked(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            result = method(*args, **kwargs)
        if not all(np.isfinite(part).all() for _, part in leaves(result)):
            hint = "the parameters are too large, or a setting is out of all proportion to the data"
            raise FloatingPointError(f"{method.__qualname__} overflows: {hint}")
        return result

    return cast(Method, checked)
