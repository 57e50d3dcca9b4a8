"""Ways uphill: gradient ascent (the paper's), line search, Adam, SciPy's L-BFGS-B, and continuation in μ.

None of them knows a model. An objective has ``value_and_gradient(parameters)``, parameters being an array or nested
tuples of arrays; `continuation` needs its ``mu`` and ``with_mu`` as well. All of them *maximise*.
"""

import dataclasses
import math
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.optimize
from scipy.optimize import OptimizeResult as Result

from ._validation import Array, as_count, as_fraction, as_generator, as_nonnegative, as_positive
from .objective import Objective
from .pytree import Pytree, ravel, ravel_gradient

__all__ = [
    "DivergenceError",
    "MiniBatches",
    "Result",
    "Step",
    "adam",
    "continuation",
    "gradient_ascent",
    "maximize",
    "maximize_at_distortion",
    "progress_bar",
]

# Finding 6: from a small random start the trade-off itself often ends in the collapsed optimum; from a good
# reconstruction, which the first factor makes, it never did.
FACTORS = (64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0)


HALVINGS = 60  # of a line search: a step of 1e-18 of the first one raises nothing
ACTIVE = 1.01  # an active constraint is met to 1 %
MET = 1e-3  # what the method of multipliers aims at, for distortion, multiplier and entropy


class DivergenceError(ArithmeticError):
    """The objective, or its gradient, stopped being finite.

    Parameters
    ----------
    message : str
        What happened and what to change.
    parameters : pytree or None
        The last parameters at which both were finite; None if they were not at the start.
    """

    def __init__(self, message: str, parameters: Pytree) -> None:
        super().__init__(message, parameters)  # both: a pickle makes it anew from its arguments
        self.parameters = parameters

    def __str__(self) -> str:
        return str(self.args[0])


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
                    at_top = float(np.linalg.norm(gradient)) <= 1e-6 * max(1.0, abs(value))
                    return climb.result(at_top, "no step along the gradient raises the objective any further")
                step_size, (x, value, gradient) = accepted
            else:
                velocity = momentum * velocity + step_size * gradient
                x, value, gradient = climb.evaluate(x + velocity)
            climb.accept(x, value, gradient)
    except KeyboardInterrupt:
        return climb.result(False, "interrupted")
    return climb.result(True, f"{n_steps} steps done")


def adam(
    objective: Objective,
    parameters: Pytree,
    *,
    step_size: float = 1e-3,
    n_steps: int,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    callback: Callback | None = None,
) -> Result:
    """Climb by Adam: steps along a running mean m of the gradient, over the root of a running mean v of its square.

    With the gradient g, element by element, and t = 1, 2, …: ::

        m ← β₁ m + (1 − β₁) g      v ← β₂ v + (1 − β₂) g²
        θ ← θ + step_size · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)

    Parameters
    ----------
    objective : Objective
        To be maximised; it may be random, and with `MiniBatches` it sees a few samples at a time.
    parameters : pytree
        Where to start.
    step_size : float
        Above 0; about how far each parameter moves in a step.
    n_steps : int
        Number of steps.
    betas : (float, float)
        β₁ and β₂, each from 0 to below 1.
    epsilon : float
        ε > 0.
    callback : callable, optional
        Called with a `Step` after each one.

    Returns
    -------
    Result
        x (the parameters), fun (L as last evaluated, on one batch if there are batches), nit, success, message,
        history. Ctrl-C returns what was reached.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.
    DivergenceError
        If L or its gradient is not finite; it carries the last good parameters.

    Examples
    --------
    >>> import numpy as np
    >>> class Parabola:
    ...     def value_and_gradient(self, x):
    ...         return -float(x @ x), -2 * x
    >>> print(adam(Parabola(), np.array([1.0, -3.0]), step_size=0.1, n_steps=500).x.round(6) + 0)
    [0. 0.]

    Notes
    -----
    D. P. Kingma, J. Ba: Adam: a method for stochastic optimization, ICLR 2015, Algorithm 1, with its defaults.
    """
    step_size, n_steps = as_positive(step_size, "step_size"), as_count(n_steps, "n_steps")
    beta1, beta2 = (as_fraction(beta, f"betas[{i}]") for i, beta in enumerate(betas))
    epsilon = as_positive(epsilon, "epsilon")

    climb = _Climb(objective, parameters, callback)
    x, value, g = climb.start
    m, v = np.zeros_like(x), np.zeros_like(x)
    try:
        for t in range(1, n_steps + 1):
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g**2
            step = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
            x, value, g = climb.evaluate(x + step_size * step)
            climb.accept(x, value, g)
    except KeyboardInterrupt:
        return climb.result(False, "interrupted")
    return climb.result(True, f"{n_steps} steps done")


class MiniBatches:
    """An objective on a few samples at a time: each evaluation takes the next rows of a sample that is shuffled anew.

    A pass goes through all N samples; its last batch may be smaller. Its mean over a pass is the objective on all
    samples where that is a mean over samples, as (9) is; entropies are none.

    Parameters
    ----------
    objective : Objective
        A dataclass with the samples as its field ``X``, or one around such an objective.
    batch_size : int
        From 1 to N.
    rng : numpy.random.Generator
        Shuffles; each pass advances it.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref.autoencoder import initial_parameters
    >>> from rdae_ref.models import Reconstruction
    >>> rng = np.random.default_rng(0)
    >>> objective = Reconstruction(rng.normal(size=(50, 2)), activation="relu")
    >>> batches = MiniBatches(objective, 10, rng)
    >>> adam(batches, initial_parameters(2, 10, rng), n_steps=20).message
    '20 steps done'
    """

    def __init__(self, objective: Any, batch_size: int, rng: np.random.Generator) -> None:
        self.objective, self.rng = objective, as_generator(rng)
        self.n_samples = len(_innermost(objective).X)
        self.batch_size = as_count(batch_size, "batch_size", maximum=self.n_samples)
        self._left = np.arange(0)

    def value_and_gradient(self, parameters: Pytree) -> tuple[float, Pytree]:
        """Return the value on the next batch, and its gradient.

        Parameters
        ----------
        parameters : pytree
            As the objective takes them.

        Returns
        -------
        value : float
            Of the batch.
        gradient : pytree
            Uphill, in the form of the parameters.
        """
        if not self._left.size:
            self._left = self.rng.permutation(self.n_samples)
        rows, self._left = np.split(self._left, [self.batch_size])
        return _on_rows(self.objective, rows).value_and_gradient(parameters)

    def terms(self, parameters: Pytree) -> Any:
        """Return the parts of the objective on all samples.

        Parameters
        ----------
        parameters : pytree
            As the objective takes them.

        Returns
        -------
        NamedTuple
            The terms of the objective inside.
        """
        return self.objective.terms(parameters)


def _innermost(objective: Any) -> Any:
    return _innermost(objective.objective) if hasattr(objective, "objective") else objective


def _on_rows(objective: Any, rows: npt.NDArray[np.intp]) -> Any:
    if hasattr(objective, "objective"):
        return dataclasses.replace(objective, objective=_on_rows(objective.objective, rows))
    return dataclasses.replace(objective, X=objective.X[rows])


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
            # maxls: the way back from a first step of length 1 into a stiff penalty can take more than SciPy's 20.
            options={"maxiter": max_iterations, "maxfun": 100 * max_iterations, "maxcor": 20, "maxls": 40}
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
            callback=_later(callback, len(history)),
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
    (25) at the multiplier m, and then sets μ to m, until D, μ and S come to rest within a thousandth. A search on μ
    alone could not do it: D jumps at some μ, and no value of it gives a distortion inside of the gap.

    Parameters
    ----------
    objective : RateDistortion
        With ``mu``, the multiplier to begin with, ``with_mu`` and ``terms``.
    parameters : pytree
        Where to start. There are many optima, with units that are not linear: from several starts, keep the best.
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
        Of the best round: x, fun (the conditional entropy), mu (the multiplier, 0 where the bound is not active),
        terms, nit, success (whether the bound is met, to 1 % where it is active), message, history. Ctrl-C returns what
        was reached.

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
    search = _MultiplierSearch(objective, bound)
    try:
        for _ in range(n_rounds):
            found = maximize(
                search.lagrangian,
                parameters,
                max_iterations=max_iterations,
                tolerance=tolerance,
                callback=_later(callback, len(search.history)),
            )
            parameters, settled = found.x, search.accept(found)
            if settled or found.message == "interrupted":
                break
    except KeyboardInterrupt:  # between two climbs
        if search.best is None:
            raise
        return search.result(interrupted=True)
    return search.result(interrupted=found.message == "interrupted")


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


class _MultiplierSearch:
    """The rounds of the method of multipliers: the augmented Lagrangian of the next one, and the best so far."""

    def __init__(self, objective: Any, bound: float) -> None:
        # 1/D is the natural unit of μ where an entropy of some bits is traded for distortions of about D.
        stiffness = 10 * max(objective.mu, 1 / bound) / bound
        self.objective, self.bound = objective, bound
        self.lagrangian = _AugmentedLagrangian(objective, bound, objective.mu, stiffness)
        self.history: list[dict[str, float]] = []
        self.best: Result | None = None
        self.violation, self.entropy = np.inf, -np.inf

    def accept(self, found: Result) -> bool:
        """Take in what a round found, and tell whether multiplier, distortion and entropy have come to rest."""
        before, terms = self.lagrangian, self.objective.terms(found.x)
        mu = before.multiplier(terms.distortion)
        # How far D exceeds the bound or, below it, how far the multiplier is from the 0 that it then has to be.
        violation = abs(mu - before.mu) / before.stiffness
        meets = violation <= MET * self.bound
        found.fun, found.mu, found.terms = terms.conditional_entropy, mu, terms
        found.rank = (meets, found.fun if meets else -violation)
        if self.best is None or found.rank > self.best.rank:
            self.best = found
        self.history += [{"mu": before.mu, **entry} for entry in found.history]
        still = abs(mu - before.mu) <= MET * (mu + 1 / self.bound)
        rests = still and abs(found.fun - self.entropy) <= MET * abs(found.fun)
        # Methods of multipliers stiffen the penalty where a round did not bring the constraint a good deal nearer.
        stiffen = 2 if violation > max(0.25 * self.violation, MET * self.bound) else 1
        self.lagrangian = _AugmentedLagrangian(self.objective, self.bound, mu, stiffen * before.stiffness)
        self.violation, self.entropy = violation, found.fun
        return bool(meets and rests)

    def result(self, *, interrupted: bool) -> Result:
        best, bound = self.best, self.bound
        assert best is not None
        active, distortion = best.mu > 0, best.terms.distortion
        meets = distortion <= ACTIVE * bound and (not active or distortion >= bound / ACTIVE)
        best.success = bool(meets and not interrupted)
        reached = f"D = {distortion:.6g} for the bound {bound:.6g}, with the multiplier {best.mu:.4g}"
        best.message = "interrupted" if interrupted else reached
        best.history, best.nit = self.history, len(self.history)
        del best.rank
        return best


def _later(callback: Callback | None, iterations: int) -> Callback | None:
    """Return the callback for a climb that comes after others, with iterations that go on."""
    if callback is None:
        return None

    def later(step: Step) -> object:
        step.iteration += iterations
        return callback(step)

    return later


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

    Examples
    --------
    >>> from rdae_ref import maximize, progress_bar
    >>> class Hill:
    ...     def value_and_gradient(self, x):
    ...         return -float(x @ x), -2 * x
    >>> with progress_bar(100, "climbing") as callback:
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
        self.reached: _Point | None = None
        self.start = self.reached = self.evaluate(x)

    def evaluate(self, x: Array) -> _Point:
        try:
            value, gradient = self.objective.value_and_gradient(self.unravel(x))
        except FloatingPointError as error:
            raise self._divergence(str(error)) from error
        point = _Point(x.copy(), float(value), ravel_gradient(gradient, self.unravel(x)))
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


def _backtrack(
    climb: _Climb, x: Array, value: float, gradient: Array, step_size: float
) -> tuple[float, _Point] | None:
    """Return the accepted step, doubled for the next time, and the point there; None where no step helps."""
    promise = float(gradient @ gradient)
    if promise == 0:
        return None
    step_size = max(step_size, 1e-8 * float(np.linalg.norm(x)) / math.sqrt(promise))  # one that rounding shows
    for _ in range(HALVINGS):
        try:
            point = climb.evaluate(x + step_size * gradient)
        except DivergenceError:  # too far: that is what the search is for
            pass
        else:
            if point.value > value and point.value - value >= 1e-4 * step_size * promise:
                return 2 * step_size, point
        step_size /= 2
    return None
