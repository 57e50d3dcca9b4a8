"""SciPy's L-BFGS-B, and continuation in μ by it."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.optimize

from .._validation import Array, as_count, as_positive
from ..objective import Objective
from ..pytree import Pytree
from .iteration import Ascent, Callback, Result, counting_from

__all__ = ["continuation", "in_words", "maximize"]

# Why SciPy's L-BFGS stopped: what occurs in its message, and our words.
REASONS = {
    "PGTOL": "no element of the gradient exceeds the tolerance",
    "RELATIVE REDUCTION": "L no longer increases by more than a thousandth of the tolerance",
    "ITERATIONS REACHED LIMIT": "the largest number of iterations is reached",
    "EVALUATIONS EXCEEDS LIMIT": "too many evaluations for these iterations",
    "ABNORMAL": "the line search finds no higher point",
}
LARGEST_FTOL = 1e100  # SciPy divides it by the rounding unit
# Finding 6: a fit at μ itself often ends in the collapsed optimum from a small random start, and never did from a good
# reconstruction, which the first factor makes.
FACTORS = (64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0)


def maximize(
    objective: Objective,
    parameters: Pytree,
    *,
    max_iterations: int = 500,
    tolerance: float = 1e-6,
    callback: Callback | None = None,
) -> Result:
    """Maximise by SciPy's L-BFGS-B.

    Parameters
    ----------
    objective, parameters : Objective and pytree
        The function to maximise, which must be deterministic; and where to start.
    max_iterations : int
        Each takes one or two evaluations.
    tolerance : float
        Stop when no element of the gradient exceeds it, or when the relative increase of L is below a thousandth of it.
    callback : callable, optional
        Called with a `Step` after each iteration.

    Returns
    -------
    Result
        As for `gradient_ascent`; success tells whether a tolerance was met.
    """
    max_iterations, tolerance = as_count(max_iterations, "max_iterations"), as_positive(tolerance, "tolerance")
    ascent = Ascent(objective, parameters, callback)
    latest = ascent.start

    def negative(x: Array) -> tuple[float, Array]:
        nonlocal latest
        latest = ascent.evaluate(x.copy())  # SciPy may move on in the same array
        return -latest.value, -latest.gradient

    def accepted(x: Array) -> None:
        # SciPy passes the point only; its value and gradient are those of the last evaluation.
        ascent.accept(*(latest if np.array_equal(latest.x, x) else ascent.evaluate(x.copy())))

    try:
        found = scipy.optimize.minimize(
            negative,
            ascent.start.x,
            jac=True,
            method="L-BFGS-B",
            callback=accepted,
            # maxls: from a first step of length 1 into a stiff penalty SciPy's default of 20 may not suffice.
            options={"maxiter": max_iterations, "maxfun": 100 * max_iterations, "maxcor": 20, "maxls": 40}
            | {"gtol": tolerance, "ftol": min(1e-3 * tolerance, LARGEST_FTOL)},
        )
    except KeyboardInterrupt:
        return ascent.result(False, "interrupted")
    return ascent.result(bool(found.success), in_words(str(found.message)))


def in_words(message: str) -> str:
    """Return why SciPy's L-BFGS stopped, in our words; other messages are returned unchanged."""
    return next((words for said, words in REASONS.items() if said in message), message)


def continuation(
    objective: Any,
    parameters: Pytree,
    *,
    factors: Iterable[float] = FACTORS,
    max_iterations: int | Iterable[int] = 500,
    tolerance: float = 1e-6,
    callback: Callback | None = None,
) -> Result:
    """Maximise L with μ·f for each factor f in turn, starting from the previous optimum.

    The first factor makes a good reconstruction; lowering μ from there avoids the collapsed optimum, in which a small
    random start often ends.

    Parameters
    ----------
    objective, parameters : RateDistortion and pytree
        With ``mu`` and ``with_mu``; and where to start.
    factors : iterable of float
        Each above 0, the last one usually 1.
    max_iterations, tolerance, callback : int or iterable of int, float, and callable, optional
        For each factor, as in `maximize`.

    Returns
    -------
    Result
        Of the last factor; if that is not 1, `fun` is not L of `objective`. nit and history cover all factors.
    """
    if not isinstance(factors, Iterable):
        raise TypeError(f"factors must be a sequence of numbers, got {factors!r}: (1.0,) maximises at μ itself")
    factors = [as_positive(factor, "each of factors") for factor in factors]
    if not factors:
        raise ValueError("factors must not be empty: (1.0,) maximises at μ itself")
    try:
        counts = list(max_iterations)  # type: ignore[arg-type]
    except TypeError:  # one for all
        counts = [max_iterations] * len(factors)  # type: ignore[list-item]
    if len(counts) != len(factors):
        raise ValueError(f"max_iterations must be one number for each of the {len(factors)} factors, got {len(counts)}")
    history: list[dict[str, float]] = []
    for factor, count in zip(factors, counts, strict=True):
        result = maximize(
            objective.with_mu(factor * objective.mu),
            parameters,
            max_iterations=count,
            tolerance=tolerance,
            callback=counting_from(callback, len(history)),
        )
        history += [{"factor": factor, **entry} for entry in result.history]
        parameters = result.x
        if result.message == "interrupted":
            break
    result.history, result.nit = history, len(history)
    return result
