"""Ways uphill: gradient ascent (the paper's), line search, SciPy's L-BFGS-B, and continuation in μ.

None of them knows a model. An objective has ``value_and_gradient(parameters)``, parameters being an array or nested
tuples of arrays; `continuation` needs its ``mu`` and ``with_mu`` as well. All of them *maximise*.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
from scipy.optimize import OptimizeResult as Result

from ._validation import Array, as_count, as_nonnegative, as_positive
from .objective import Objective
from .pytree import Pytree, ravel

__all__ = [
    "DivergenceError",
    "Result",
    "Step",
    "continuation",
    "gradient_ascent",
    "maximize",
    "maximize_at_distortion",
    "progress_bar",
]

# Finding 6: from a small random start the trade-off itself often ends in the collapsed optimum; from a good
# reconstruction, which the first factor makes, it never did.
FACTORS = (64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0)


ACTIVE = 1.01  # an active constraint is met to 1 %


class DivergenceError(ArithmeticError):
    """The objective, or its gradient, stopped being finite.

    Parameters
    ----------
    message : str
        What happened and what to change.
    parameters : pytree
        The last parameters at which both were finite.
    """

    def __init__(self, message: str, parameters: Pytree) -> None:
        super().__init__(message)
        self.parameters = parameters


class Step:
    """What a callback sees after each iteration.

    Parameters
    ----------
    iteration : int
        From 1 on.
    parameters : pytree
        Where the ascent stands.
    value : float
        L there.
    gradient_norm : float
        Euclidean norm of the gradient there.
    objective : Objective
        What is maximised.
    """

    def __init__(
        self, iteration: int, parameters: Pytree, value: float, gradient_norm: float, objective: Objective
    ) -> None:
        self.iteration = iteration
        self.parameters = parameters
        self.value = value
        self.gradient_norm = gradient_norm
        self.objective = objective

    @cached_property
    def terms(self) -> Any:
        """The parts of L at these parameters, computed when they are asked for."""
        return self.objective.terms(self.parameters)  # type: ignore[attr-defined]


Callback = Callable[[Step], object]


def gradient_ascent(
    objective: Objective,
    parameters: Pytree,
    *,
    step_size: float,
    n_steps: int,
    momentum: float = 0.0,
    line_search: bool = False,
    callback: Callback | None = None,
) -> Result:
    """Climb by v ← momentum · v + step_size · ∇L, θ ← θ + v: the algorithm of the paper.

    Parameters
    ----------
    objective : Objective
        To be maximised.
    parameters : pytree
        Where to start.
    step_size : float
        Above 0; with `line_search` the first step that is tried, and after that twice the last one accepted.
    n_steps : int
        Number of steps.
    momentum : float
        From 0 (none) to below 1.
    line_search : bool
        Halve each step until L rises by at least 10⁻⁴ of what the gradient promises (Armijo's rule). It needs a
        deterministic objective, and no momentum.
    callback : callable, optional
        Called with a `Step` after each one.

    Returns
    -------
    Result
        x (the parameters), fun (L), nit, success, message, history. Ctrl-C returns what was reached.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.
    DivergenceError
        If L or its gradient is not finite; it carries the last good parameters.

    Notes
    -----
    §3.2 of the paper, which states neither step nor start.
    """
    step_size, n_steps = as_positive(step_size, "step_size"), as_count(n_steps, "n_steps")
    if not 0 <= as_nonnegative(momentum, "momentum") < 1:
        raise ValueError(f"momentum must be below 1, got {momentum}")
    if line_search and momentum > 0:
        raise ValueError(f"a line search takes no momentum, got momentum={momentum}: set one of the two")

    climb = _Climb(objective, parameters, callback)
    x, value, gradient = climb.start
    velocity = np.zeros_like(x)
    try:
        for _ in range(n_steps):
            if line_search:
                accepted = _backtrack(climb, x, value, gradient, step_size)
                if accepted is None:
                    return climb.result(True, "no step along the gradient raises the objective any further")
                step_size, (x, value, gradient) = accepted
            else:
                velocity = momentum * velocity + step_size * gradient
                x, value, gradient = climb.evaluate(x + velocity)
            climb.accept(x, value, gradient)
    except KeyboardInterrupt:
        return climb.result(False, "interrupted")
    return climb.result(True, f"{n_steps} steps done")


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
    climb = _Climb(objective, parameters, callback)
    latest = climb.start

    def negative(x: Array) -> tuple[float, Array]:
        nonlocal latest
        latest = climb.evaluate(x)
        return -latest.value, -latest.gradient

    def accepted(x: Array) -> None:
        # SciPy passes the point only; its value and gradient were the last ones asked for.
        climb.accept(*(latest if np.array_equal(latest.x, x) else climb.evaluate(x)))

    try:
        found = scipy.optimize.minimize(
            negative,
            climb.start.x,
            jac=True,
            method="L-BFGS-B",
            callback=accepted,
            options={"maxiter": max_iterations, "maxfun": 100 * max_iterations, "maxcor": 20}
            | {"gtol": tolerance, "ftol": 1e-3 * tolerance},
        )
    except KeyboardInterrupt:
        return climb.result(False, "interrupted")
    return climb.result(bool(found.success), str(found.message))


def continuation(
    objective: Any,
    parameters: Pytree,
    *,
    factors: Iterable[float] = FACTORS,
    max_iterations: int = 500,
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
    max_iterations : int
        For each factor.
    tolerance : float
        For each factor, as in `maximize`.
    callback : callable, optional
        Called with a `Step` after each iteration.

    Returns
    -------
    Result
        Of the last factor; nit and history are those of all of them.

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
    history: list[dict[str, float]] = []
    for factor in factors:
        result = maximize(
            objective.with_mu(factor * objective.mu),
            parameters,
            max_iterations=max_iterations,
            tolerance=tolerance,
            callback=callback,
        )
        history += [{"factor": factor, **entry} for entry in result.history]
        parameters = result.x
        if result.message == "interrupted":
            break
    result.history, result.nit = history, len(history)
    return result


def maximize_at_distortion(
    objective: Any,
    parameters: Pytree,
    distortion: float,
    *,
    max_iterations: int = 100,
    n_rounds: int = 30,
    tolerance: float = 1e-6,
    callback: Callback | None = None,
) -> Result:
    """Maximise the conditional entropy under the constraint D_emp ≤ distortion, by an augmented Lagrangian.

    Each round maximises S − (m² − μ²) / (2ρ) with m = max(0, μ + ρ (D_emp − distortion)), whose gradient is that of
    (25) at the multiplier m, and then sets μ to m. A search on μ alone could not do it: D jumps at some μ, and no value
    of it gives a distortion inside of the gap.

    Parameters
    ----------
    objective : RateDistortion
        With ``mu``, the multiplier to begin with, ``with_mu`` and ``terms``.
    parameters : pytree
        Where to start; best a good reconstruction.
    distortion : float
        The bound D > 0.
    max_iterations : int
        Of L-BFGS, in each round.
    n_rounds : int
        At most.
    tolerance : float
        Of L-BFGS, as in `maximize`.
    callback : callable, optional
        Called with a `Step` after each iteration.

    Returns
    -------
    Result
        x, fun (the conditional entropy), mu (the multiplier), terms, nit, success (whether the bound is met, to 1 %
        where it is active), message, history.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.
    DivergenceError
        If L or its gradient is not finite; it carries the last good parameters.

    Notes
    -----
    Eq. (14) of the paper, and its footnote 3: a fixed μ enforces an equality.
    """
    bound, n_rounds = as_positive(distortion, "distortion"), as_count(n_rounds, "n_rounds")
    mu, excess = objective.mu, np.inf
    stiffness = 10 * max(mu, 1.0) / bound
    history: list[dict[str, float]] = []
    best: Result | None = None
    for _ in range(n_rounds):
        lagrangian = _AugmentedLagrangian(objective, bound, mu, stiffness)
        found = maximize(
            lagrangian, parameters, max_iterations=max_iterations, tolerance=tolerance, callback=callback
        )
        parameters, terms = found.x, objective.terms(found.x)
        history += [{"mu": mu, **entry} for entry in found.history]
        mu = lagrangian.multiplier(terms.distortion)
        change = abs(mu - lagrangian.mu)
        found.fun, found.mu, found.terms = terms.conditional_entropy, mu, terms
        if best is None or _better(found, best, bound):
            best = found
        settled = abs(terms.distortion - bound) < 1e-3 * bound and change < 1e-3 * (1 + mu)
        if settled or found.message == "interrupted" or (mu == 0 and terms.distortion <= bound):
            break
        # Methods of multipliers stiffen the penalty where a round did not bring the constraint a good deal nearer.
        if abs(terms.distortion - bound) > 0.25 * excess:
            stiffness *= 2
        excess = abs(terms.distortion - bound)
    assert best is not None
    best.success = bool(best.terms.distortion <= ACTIVE * bound)
    best.message = found.message if found.message == "interrupted" else _says(best, bound)
    best.history, best.nit = history, len(history)
    return best


class _AugmentedLagrangian:
    """S − (m² − μ²) / (2ρ), m = max(0, μ + ρ (D − bound)): its gradient is that of S − m D."""

    def __init__(self, objective: Any, bound: float, mu: float, stiffness: float) -> None:
        self.objective, self.bound, self.mu, self.stiffness = objective, bound, mu, stiffness
        self.terms = objective.terms

    def multiplier(self, distortion: float) -> float:
        return max(0.0, self.mu + self.stiffness * (distortion - self.bound))

    def value_and_gradient(self, parameters: Pytree) -> tuple[float, Pytree]:
        distortion = self.objective.terms(parameters).distortion
        m = self.multiplier(distortion)
        value, gradient = self.objective.with_mu(m).value_and_gradient(parameters)
        return value + m * distortion - (m**2 - self.mu**2) / (2 * self.stiffness), gradient


def _better(found: Result, best: Result, bound: float) -> bool:
    """Tell whether a solution meets the bound and has more entropy, or misses it by less."""
    meets, met = (r.terms.distortion <= ACTIVE * bound for r in (found, best))
    if meets and met:
        return bool(found.fun > best.fun)
    return bool(meets or (not met and found.terms.distortion < best.terms.distortion))


def _says(best: Result, bound: float) -> str:
    return f"D = {best.terms.distortion:.6g} for the bound {bound:.6g}, with the multiplier {best.mu:.4g}"


def progress_bar(total: int, description: str = "") -> AbstractContextManager[Callback | None]:
    """Return a context that gives a callback which draws a progress bar, where there is somebody to see it.

    Parameters
    ----------
    total : int
        Number of iterations.
    description : str
        Stands before the bar.

    Returns
    -------
    context manager
        Gives a callback if tqdm is installed and stderr a terminal, and otherwise None.
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


class _Point(NamedTuple):
    x: Array
    value: float
    gradient: Array


class _Climb:
    """The objective on flat vectors, with the best that was reached and the way there."""

    def __init__(self, objective: Objective, parameters: Pytree, callback: Callback | None) -> None:
        self.objective, self.callback = objective, callback
        x, self.unravel = ravel(parameters)
        self.history: list[dict[str, float]] = []
        self.reached = _Point(x, np.nan, x)
        self.start = self.reached = self.evaluate(x)

    def evaluate(self, x: Array) -> _Point:
        try:
            value, gradient = self.objective.value_and_gradient(self.unravel(x))
        except FloatingPointError as error:
            raise self._divergence(str(error)) from error
        point = _Point(x.copy(), float(value), ravel(gradient)[0])
        if not (np.isfinite(point.value) and np.isfinite(point.gradient).all()):
            raise self._divergence(f"the value is {point.value}, or its gradient is not finite")
        return point

    def accept(self, x: Array, value: float, gradient: Array) -> None:
        self.reached = _Point(x, value, gradient)
        norm = float(np.linalg.norm(gradient))
        self.history.append({"value": value, "gradient_norm": norm})
        if self.callback is not None:
            self.callback(Step(len(self.history), self.unravel(x), value, norm, self.objective))

    def result(self, success: bool, message: str) -> Result:
        x, value, _ = self.reached
        return Result(
            x=self.unravel(x), fun=value, nit=len(self.history), success=success, message=message, history=self.history
        )

    def _divergence(self, reason: str) -> DivergenceError:
        return DivergenceError(
            f"the ascent diverged after {len(self.history)} iterations: {reason}; take a smaller step_size or a "
            "smaller start (the last good parameters are in .parameters)",
            self.unravel(self.reached.x),
        )


def _backtrack(
    climb: _Climb, x: Array, value: float, gradient: Array, step_size: float
) -> tuple[float, _Point] | None:
    """Return the accepted step, doubled for the next time, and the point there; None where no step helps."""
    promise = float(gradient @ gradient)
    while step_size * np.sqrt(promise) > np.finfo(float).eps * (1 + np.linalg.norm(x)):
        try:
            point = climb.evaluate(x + step_size * gradient)
        except DivergenceError:  # too far: that is what the search is for
            pass
        else:
            if point.value >= value + 1e-4 * step_size * promise:
                return 2 * step_size, point
        step_size /= 2
    return None
