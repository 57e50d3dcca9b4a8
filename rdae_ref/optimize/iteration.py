"""What the optimisers share: the objective on flat vectors, the step that a callback sees, the result."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult as Result

from .._validation import Array, as_array
from ..objective import Objective
from ..pytree import Pytree, leaves, ravel, ravel_gradient

__all__ = ["DivergenceError", "Result", "Step", "progress_bar"]


class DivergenceError(ArithmeticError):
    """The objective or its gradient is not finite; `parameters` holds the last good ones, None at the start."""

    def __init__(self, message: str, parameters: Pytree) -> None:
        super().__init__(message, parameters)  # both, which a pickle needs
        self.parameters = parameters

    def __str__(self) -> str:
        return str(self.args[0])


class Step:
    """What a callback sees after each iteration."""

    def __init__(
        self, iteration: int, parameters: Pytree, value: float, gradient_norm: float, objective: Objective
    ) -> None:
        self.iteration = iteration  # from 1 on
        self.parameters = parameters
        self.value = value  # L there
        self.gradient_norm = gradient_norm  # Euclidean
        self.objective = objective

    @cached_property
    def terms(self) -> Any:
        """The parts of L at these parameters, computed on demand."""
        return self.objective.terms(self.parameters)  # type: ignore[attr-defined]


Callback = Callable[[Step], object]


class Point(NamedTuple):
    x: Array
    value: float
    gradient: Array


class Ascent:
    """The objective on flat vectors, with the last point that was accepted and the history."""

    def __init__(self, objective: Objective, parameters: Pytree, callback: Callback | None) -> None:
        self.objective, self.callback = objective, callback
        for name, array in leaves(parameters):
            as_array(array, name)  # finite: a non-finite start is an argument error, not a divergence
        x, self.unravel = ravel(parameters)
        self.form = self.unravel(x)  # of the gradient, too
        self.history: list[dict[str, float]] = []
        self.reached: Point | None = None
        self.start = self.reached = self.evaluate(x)

    def evaluate(self, x: Array) -> Point:
        if not np.isfinite(x).all():
            raise self._divergence("the step led to parameters that are not finite")
        try:
            value, gradient = self.objective.value_and_gradient(self.unravel(x))
        except FloatingPointError as error:
            raise self._divergence(str(error)) from error
        point = Point(x, float(value), ravel_gradient(gradient, self.form))
        if not (np.isfinite(point.value) and np.isfinite(point.gradient).all()):
            raise self._divergence(f"the value is {point.value}, or its gradient is not finite")
        return point

    def accept(self, x: Array, value: float, gradient: Array) -> None:
        self.reached = Point(x, value, gradient)
        norm = _norm(gradient)
        self.history.append({"value": value, "gradient_norm": norm})
        if self.callback is not None:
            self.callback(Step(len(self.history), self.unravel(x), value, norm, self.objective))

    def result(self, success: bool, message: str) -> Result:
        x, value, _ = self.reached or self.start
        return Result(
            x=self.unravel(x), fun=value, nit=len(self.history), success=success, message=message, history=self.history
        )

    def _divergence(self, reason: str) -> DivergenceError:
        if self.reached is None:
            return DivergenceError(f"the ascent cannot begin: {reason}; take a smaller start", None)
        return DivergenceError(
            f"the ascent diverged after {len(self.history)} iterations: {reason}; take smaller steps or another start "
            "(the last good parameters are in .parameters)",
            self.unravel(self.reached.x),
        )


def _norm(vector: Array) -> float:
    """Return the Euclidean norm, which may be finite where the sum of squares is not."""
    with np.errstate(over="ignore"):
        norm = float(np.linalg.norm(vector))
    if norm < np.inf:
        return norm
    largest = float(np.abs(vector).max())
    return largest * float(np.linalg.norm(vector / largest))


def counting_from(callback: Callback | None, iterations: int) -> Callback | None:
    """Return the callback for an ascent that follows so many iterations of others."""
    if callback is None:
        return None

    def counting(step: Step) -> object:
        step.iteration += iterations
        return callback(step)

    return counting


def progress_bar(total: int, description: str = "") -> AbstractContextManager[Callback | None]:
    """Return a context manager whose value is a callback that draws a progress bar.

    Parameters
    ----------
    total, description : int and str
        Number of iterations, and text before the bar.

    Returns
    -------
    context manager
        Its value is a callback if tqdm is installed and stderr is a terminal, and otherwise None.

    Examples
    --------
    >>> from rdae_ref import maximize, progress_bar
    >>> class Hill:
    ...     def value_and_gradient(self, x):
    ...         return -float(x @ x), -2 * x
    >>> with progress_bar(100, "L-BFGS") as callback:
    ...     result = maximize(Hill(), np.ones(2), max_iterations=100, callback=callback)
    >>> round(abs(result.fun), 6)
    0.0
    """
    if not sys.stderr.isatty():
        return nullcontext()
    try:
        from tqdm import tqdm  # noqa: PLC0415  # optional: the extra [progress]
    except ImportError:
        return nullcontext()
    return _Bar(tqdm(total=total, desc=description, leave=False))


class _Bar(AbstractContextManager[Callback]):
    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def __enter__(self) -> Callback:
        return self.update

    def update(self, step: Step) -> None:
        self.bar.set_postfix_str(f"L = {step.value:.4f}", refresh=False)
        self.bar.update()

    def __exit__(self, *exception: object) -> None:
        self.bar.close()
