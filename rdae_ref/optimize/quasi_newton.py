"""SciPy's L-BFGS-B, and continuation in μ, which calls it again and again."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.optimize

from .._validation import Array, as_count, as_positive
from ..objective import Objective
from ..pytree import Pytree
from .iteration import Ascent, Callback, Result, counting_from

__all__ = ["continuation", "maximize"]

# Finding 6: from a small random start the trade-off itself often ends in the collapsed optimum; from a good
# reconstruction, which the first factor makes, it never did.
FACTORS = (64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0)


def maximize(
    objective: Objective,
    parameters: Pytree,
    *,
    max_iterations: int = 500,
    tolerance: float = 1e-6,
    callback: Callback | None = None,
) -> Result:
    """Climb by SciPy's L-BFGS-B.

    Parameters
    ----------
    objective : Objective
        To be maximised; deterministic.
    parameters : pytree
        Where to start.
    max_iterations : int
        Of L-BFGS; each takes one or two evaluations.
    tolerance : float
        Stop when no element of the gradient exceeds it, or when L rises, relatively, by less than a thousandth of it.
    callback : callable, optional
        Called with a `Step` after each iteration.

    Returns
    -------
    Result
        x (the parameters), fun (L), nit, success (whether a tolerance was met), message, history. Ctrl-C returns what
        was reached.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.
    DivergenceError
        If L or its gradient is not finite; it carries the last good parameters.
    """
    max_iterations, tolerance = as_count(max_iterations, "max_iterations"), as_positive(tolerance, "tolerance")
    ascent = Ascent(objective, parameters, callback)
    latest = ascent.start

    def negative(x: Array) -> tuple[float, Array]:
        nonlocal latest
        latest = ascent.evaluate(x)
        return -latest.value, -latest.gradient

    def accepted(x: Array) -> None:
        # SciPy passes the point only; its value and gradient were the last ones asked for.
        ascent.accept(*(latest if np.array_equal(latest.x, x) else ascent.evaluate(x)))

    try:
        found = scipy.optimize.minimize(
            negative,
            ascent.start.x,
            jac=True,
            method="L-BFGS-B",
            callback=accepted,
            # maxls: the way back from a first step of length 1 into a stiff penalty can take more than SciPy's 20.
            options={"maxiter": max_iterations, "maxfun": 100 * max_iterations, "maxcor": 20, "maxls": 40}
            | {"gtol": tolerance, "ftol": 1e-3 * tolerance},
        )
    except KeyboardInterrupt:
        return ascent.result(False, "interrupted")
    return ascent.result(bool(found.success), str(found.message))


def continuation(
    objective: Any,
    parameters: Pytree,
    *,
    factors: Iterable[float] = FACTORS,
    max_iterations: int | Iterable[int] = 500,
    tolerance: float = 1e-6,
    callback: Callback | None = None,
) -> Result:
    """Maximise L with μ·f for each f in turn, each from where the one before ended.

    The first factor makes a good reconstruction; lowering μ from there finds optima that a small random start misses,
    ending in the collapsed one.

    Parameters
    ----------
    objective : RateDistortion
        With ``mu`` and ``with_mu``.
    parameters : pytree
        Where to start.
    factors : iterable of float
        Above 0, the last one usually 1.
    max_iterations : int or iterable of int
        For each factor.
    tolerance : float
        For each factor, as in `maximize`.
    callback : callable, optional
        Called with a `Step` after each iteration.

    Returns
    -------
    Result
        Of the last factor, `fun` being L there: with a last factor other than 1, not that of `objective`. nit and
        history are those of all factors; a callback's iterations go on from one to the next.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.
    DivergenceError
        If L or its gradient is not finite; it carries the last good parameters.
    """
    factors = [as_positive(factor, "each of factors") for factor in factors]
    if not factors:
        raise ValueError("factors must not be empty: (1.0,) maximises at μ itself")
    counts = list(max_iterations) if isinstance(max_iterations, Iterable) else [max_iterations] * len(factors)
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
