"""Is this gradient right? Differences of the value decide, for any objective and with no step to choose.

Every question is asked along a line φ(h) = f(x + h v), where v is one element, all of one array, or everything.
Central differences (φ(h) − φ(−h)) / 2h are extrapolated to h = 0 (Richardson's idea, in Ridders' form: of the whole
table the entry with the least estimated error wins), and one-sided differences likewise, since at a kink they part.
An element costs six evaluations, at steps that a sweep along its array and the elements before it found good; only
where those leave doubt there are more. An analytic slope that is off by more than the tolerance *and* by clearly more
than the difference's own error, at two sets of steps, is wrong; a difference whose own error exceeds the tolerance
decides nothing.

The gradient is never asked at any other point than x, so a wrong one cannot vouch for itself.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_array, as_count, as_generator, as_positive
from ..objective import Objective
from ..pytree import Pytree, leaves, ravel, ravel_gradient
from .differences import EPS, SWEEP_TOP, Line, Slopes, noise_level, quantum, sweep
from .products import Products
from .report import SEVERITY, ArrayReport, Element, GradientReport, pattern, rank

__all__ = ["ArrayReport", "Element", "GradientReport", "check_gradient"]

CLEARLY = 5.0  # a deviation counts from this multiple of the difference's own error on
BEYOND_DOUBT = 1e3  # from this multiple on, the first look at an element decides against it
SMALL = 1e-4  # an element below this fraction of the largest is measured against it: cancellation leaves rounding
NEGLIGIBLE = 1e-3  # likewise, where only the difference's own error is in question
ROUNDING = 1e4  # units in the last place of the value: no difference over a natural step sees less
AT_KINK = 1e-3  # between slopes that differ, their ends need not be known better than to this fraction of the jump
ROUNDED = 0.3  # standard deviation of what is rounded to a multiple of 1: 1/sqrt(12)
COARSEST = 1e-3  # relative error up to which a value in float32, or of few decimals, still proves a gradient right
WIDE = 1e5  # elements of one array that differ by more have scales of their own
REPEATABLE = 1e-8  # two calls at one point may differ by rounding (threads, memory alignment), not by more
VERDICTS = {"right": "right", "kink": "right", "noisy": "inconclusive", "wrong": "wrong"}

Indices = npt.NDArray[np.intp]


def check_gradient(
    objective: Objective | Callable[..., Any],
    parameters: Pytree,
    *,
    gradient: Callable[..., Any] | Pytree | None = None,
    jvp: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    rng: np.random.Generator | None = None,
    tolerance: float = 1e-6,
    max_elements: int | None = None,
    names: Collection[str] | None = None,
) -> GradientReport:
    """Check a gradient against finite differences, element by element.

    Parameters
    ----------
    objective : Objective or callable
        Its ``value_and_gradient(parameters)`` returns the value and the gradient, in the form of the parameters. A
        function returns this pair itself, or with `gradient` the value. It receives copies, and must return the same
        each time. If there is a method ``value_only``, it is used for the differences.
    parameters : pytree
        The point: an array, or nested tuples, NamedTuples, lists and dicts of arrays. None and empty arrays are
        skipped.
    gradient : callable or pytree, optional
        The gradient at the point, or the function that returns it.
    jvp, vjp : callable, optional
        For a function that returns an array or a pytree: ``jvp(x, v)`` returns J v, and ``vjp(x, w)`` returns Jᵀ w. The
        gradient of ⟨w, f(x)⟩ for a random w is checked and, if both are given, ⟨w, J v⟩ = ⟨Jᵀ w, v⟩ in a separate row.
        ``jvp`` alone is called for every element.
    rng : numpy.random.Generator, optional
        Draws the directions, and with `max_elements` the elements; ``default_rng(0)`` by default.
    tolerance : float
        Largest relative error of a right element. Elements that are small compared with the rest of their array, or
        whose array is small compared with the others, are measured relative to a fraction of those.
    max_elements : int, optional
        Check only this many elements of each array, and the slope along a random direction of the whole array; if that
        disagrees, bisection finds a wrong element. By default every element is checked.
    names : collection of str, optional
        Check only these arrays, called as in the report: ``"W"`` or ``"encoder[0].W"``.

    Returns
    -------
    GradientReport
        Verdict, worst element and a row for each array.

    Raises
    ------
    TypeError, ValueError
        If an argument, or what the objective returns, is of the wrong kind; if a parameter, the value or the gradient
        is not finite; if there is nothing to check; if the form or shapes of the gradient are not those of the
        parameters; or if the objective changes its argument or returns something else the second time.

    Notes
    -----
    At a kink no gradient exists, and any value between the slopes from the left and from the right is accepted. A value
    outside by less than their difference is undecided, because several kinks at one point can cancel.

    Examples
    --------
    >>> import numpy as np
    >>> class Quartic:
    ...     def value_and_gradient(self, x):
    ...         return float(np.sum(x**4)), 4 * x**3
    >>> report = check_gradient(Quartic(), np.array([1.0, -2.0]), rng=np.random.default_rng(0))
    >>> report.verdict, round(report.taylor_slope, 1), bool(report.max_relative_error < 1e-9)
    ('right', 2.0, True)
    """
    rng = np.random.default_rng(0) if rng is None else as_generator(rng)
    tolerance = as_positive(tolerance, "tolerance")
    if max_elements is not None:
        max_elements = as_count(max_elements, "max_elements")
    if jvp is not None or vjp is not None:
        if gradient is not None or not callable(objective):
            raise TypeError("jvp and vjp are for a function of many values, without a gradient")
        objective = Products(objective, parameters, jvp, vjp, rng)
    problem = _Problem(_as_objective(objective, gradient), parameters)
    known = [name for name, _ in problem.arrays]
    chosen = range(len(known)) if names is None else [k for k, name in enumerate(known) if name in names]
    if names is not None and (isinstance(names, str) or not names or not set(names) <= set(known)):
        raise ValueError(f"names must be some of {', '.join(known)}, got {names!r}")
    chosen = [k for k in chosen if problem.arrays[k][1].size]
    if not chosen:
        raise ValueError(f"names must be those of arrays that are not empty, got {names!r}")
    rows = objective.identity(parameters, tolerance) if isinstance(objective, Products) else []
    return _Checker(problem, rng, tolerance).report(chosen, max_elements, rows)


class _OfFunctions:
    """An objective made of functions."""

    def __init__(self, function: Callable[..., Any], gradient: Any) -> None:
        self.function, self.gradient = function, gradient
        if gradient is not None:
            self.value_only = function

    def value_and_gradient(self, parameters: Pytree) -> Any:
        if self.gradient is None:
            return self.function(parameters)
        gradient = self.gradient(parameters) if callable(self.gradient) else self.gradient
        return self.function(parameters), gradient


def _as_objective(objective: Any, gradient: Any) -> Any:
    if hasattr(objective, "value_and_gradient"):
        if gradient is not None:
            raise TypeError("gradient is for a function; this objective has its own value_and_gradient")
        return objective
    if not callable(objective):
        raise TypeError(f"objective must be a function or have value_and_gradient, got {type(objective).__name__}")
    return _OfFunctions(objective, gradient)


class _Problem:
    """The point, its value and gradient as vectors, and the value at other points."""

    def __init__(self, objective: Objective, parameters: Pytree) -> None:
        self.arrays = [(name, as_array(array, name) if array.size else array) for name, array in leaves(parameters)]
        self.point, self.unravel = ravel(parameters)
        if not self.point.size:
            raise ValueError("parameters must hold at least one number, got empty arrays")
        self.objective = objective
        self.value, self.gradient = self._evaluate()
        self.n_evaluations = 2
        self._refuse_chance(*self._evaluate())
        if hasattr(objective, "value_only"):
            value = self._value(self.unravel(self.point))
            if abs(value - self.value) > REPEATABLE * abs(self.value):
                raise ValueError(f"value_only must return what value_and_gradient does, {self.value!r}, got {value!r}")

    def at(self, point: Array) -> float:
        """Return the value there; nan outside of the domain, into which a long step may lead."""
        self.n_evaluations += 1
        with np.errstate(all="ignore"):
            try:
                return self._value(self.unravel(point))
            except Exception:  # a boundary of the domain, whatever the class: LinAlgError, AssertionError
                return math.nan

    def _value(self, parameters: Pytree) -> float:
        if hasattr(self.objective, "value_only"):
            return float(self.objective.value_only(parameters))
        return float(self.objective.value_and_gradient(parameters)[0])

    def _evaluate(self) -> tuple[float, Array]:
        given = self.unravel(self.point)
        answer = self.objective.value_and_gradient(given)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise TypeError(f"value_and_gradient must return a pair (value, gradient), got {type(answer).__name__}")
        for (name, array), (_, now) in zip(self.arrays, leaves(given), strict=True):
            if not np.array_equal(array, now):
                raise ValueError(f"value_and_gradient must not change its argument, but changed {name}: use a copy")
        value = as_array(answer[0], "the objective's value", finite=False)
        if value.ndim or not np.isfinite(value):
            raise ValueError(f"the objective's value must be one finite number, got {answer[0]!r}")
        gradient = ravel_gradient(answer[1], given)
        if not np.isfinite(gradient).all():
            self._refuse_infinite(gradient)
        return float(value), gradient

    def _refuse_infinite(self, gradient: Array) -> None:
        for name, part in leaves(self.unravel(gradient)):
            for where in np.argwhere(~np.isfinite(part)):
                index = tuple(int(i) for i in where)
                label = Element(name, index, 0, 0).label
                raise ValueError(f"the gradient of {label} must be finite, got {part[index]}")

    def _refuse_chance(self, value: float, gradient: Array) -> None:
        size = max(abs(self.value), float(np.abs(self.gradient).max()))
        change = max(abs(value - self.value), float(np.abs(gradient - self.gradient).max()))
        if change > REPEATABLE * size:
            raise ValueError(
                f"the objective must return the same each time, but two calls at one point differ by {change:.3g}: "
                "fix its noise (draw it once, or from a generator seeded again in each call)"
            )


class _Check(NamedTuple):
    """One comparison of an analytic slope with differences."""

    analytic: float
    numeric: float
    error: float  # the difference's own
    relative_error: float
    relative_doubt: float  # `error` on the scale of `relative_error`
    status: str
    kinked: bool
    step: float
    noise_limited: bool  # a longer step would do better

    @property
    def beyond_doubt(self) -> bool:
        """Whether wrong by so much that curvature or noise at these steps cannot be the reason."""
        return self.status == "wrong" and abs(self.analytic - self.numeric) > BEYOND_DOUBT * self.error


def _settled(looks: list[_Check]) -> bool:
    """Whether right at the last look, or twice wrong beyond doubt; not while a kink is in sight."""
    return not looks[-1].kinked and (looks[-1].status == "right" or sum(look.beyond_doubt for look in looks) > 1)


def _conclude(looks: list[_Check]) -> _Check:
    """Return the look with the least error, or the last where a kink was in sight."""
    # Kinks may pile up, and look like noise or another slope: wrong is what is so at all steps, or twice beyond doubt.
    best = looks[-1] if any(look.kinked for look in looks) else min(looks, key=lambda look: look.error)
    proven = all(look.status == "wrong" for look in looks) or sum(look.beyond_doubt for look in looks) > 1
    return best._replace(status="noisy") if best.status == "wrong" and not proven else best


def _shares(array: Array) -> Array:
    """Return the natural step of each element over that of the array: 1, but in an array of many scales."""
    size = np.abs(array)
    if not size.any() or size.max() <= WIDE * size[size > 0].min():
        return np.ones_like(size)
    return np.where(size > 0, size / np.sqrt(np.mean(size**2)), 1.0)


def _from_zero(array: Array, steps: list[float]) -> list[float]:
    """Return more and shorter steps from zeros, which have no scale."""
    return steps if array.any() else [*steps, *(steps[-1] * 10.0**-i for i in range(1, 8))]


def _three(step: float) -> list[float]:
    return [4 * step, 2 * step, step]


class _Scale(NamedTuple):
    """What an element is measured against when it is small itself."""

    small: float
    negligible: float  # when it does not differ clearly, so that only the difference's own error is in question


def _judge(analytic: float, slopes: Slopes, scale: _Scale, tolerance: float, coarsest: float) -> _Check:
    numeric, error, jump = slopes.central.value, slopes.central.error, slopes.jump
    size = max(abs(analytic), abs(numeric), scale.small)
    kinked = jump > max(CLEARLY * slopes.jump_error, tolerance * size)
    low, high, slack = numeric, numeric, 0.0
    if kinked:
        low, high = sorted((slopes.left.value, slopes.right.value))
        error, slack = slopes.jump_error, AT_KINK * jump
    deviation = max(low - analytic, analytic - high, 0.0)
    clear = deviation > CLEARLY * error
    if not clear:
        size = max(size, scale.negligible)
    wrong = clear and deviation > tolerance * size and not (kinked and deviation <= jump)
    decided = max(deviation, error) <= max(tolerance * size, slack) or (not clear and error <= coarsest * size)
    status = "wrong" if wrong else "noisy" if not decided else "kink" if kinked else "right"
    relative = (deviation / size, error / size) if size else (deviation, error)
    noise_limited = slopes.central.noise > error / 2
    return _Check(analytic, numeric, error, *relative, status, kinked, slopes.central.step, noise_limited)


class _Checker:
    """Holds what all arrays share: a random direction, the natural steps, the noise."""

    def __init__(self, problem: _Problem, rng: np.random.Generator, tolerance: float) -> None:
        self.problem, self.rng, self.tolerance = problem, rng, tolerance
        n, sizes = problem.point.size, [array.size for _, array in problem.arrays]
        self.starts = np.cumsum([0, *sizes])
        # the natural step of an array: its root mean square (an array of zeros has no scale of its own)
        self.units = [float(np.sqrt(np.mean(array**2))) or 1.0 if array.size else 1.0 for _, array in problem.arrays]
        self.share = np.concatenate([_shares(array.ravel()) for _, array in problem.arrays])  # of an element in it
        self.natural = np.repeat(self.units, sizes) * self.share
        # neither Gaussian (some elements would hardly move) nor plain signs (two errors could cancel)
        self.direction = rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 1.5, n)
        self.whole = self._line(self.direction * self.natural).look(_from_zero(problem.point, sweep(1.0)))
        self.noise, self.quantum = EPS * abs(problem.value), quantum([*self.whole.after, *self.whole.before])
        self.best_step = self.whole.slopes(self.noise).central.step
        if math.isfinite(self.best_step):
            self.noise = max(self.noise, noise_level(self.whole.phi, self.best_step / 1000))
        self.noise = max(self.noise, ROUNDED * self.quantum)
        self.scales = self._scales()

    def report(self, chosen: Sequence[int], max_elements: int | None, rows: Sequence[ArrayReport]) -> GradientReport:
        """Check the chosen arrays, and add rows."""
        arrays = (*(self._array(k, max_elements) for k in chosen), *rows)
        verdict = VERDICTS[max((row.status for row in arrays), key=SEVERITY.index)]
        analytic = float((self.direction * self.natural) @ self.problem.gradient)
        taylor = self.whole.taylor_slope(analytic, self.noise)
        errors = self.whole.remainders(analytic)
        return GradientReport(verdict, arrays, taylor, self.tolerance, self.noise, self.problem.n_evaluations, errors)

    def _array(self, k: int, max_elements: int | None) -> ArrayReport:
        every = np.arange(self.starts[k], self.starts[k + 1])
        line = self._line(self._along(every)).look(self._sweep(k, self.units[k]))
        total = self._judge_along(every, k, line)
        step = total.step if math.isfinite(total.step) else self.units[k] * SWEEP_TOP / 100
        few = max_elements is not None and max_elements < every.size
        checks, pace = dict[int, _Check](), 10 * step
        for i in np.sort(self.rng.choice(every, max_elements, replace=False)) if few else every:
            checks[int(i)], pace = self._element(int(i), k, pace)
        unseen = few and total.status in ("wrong", "noisy") and all(c.status != "wrong" for c in checks.values())
        if unseen and total.status == "wrong":
            i = self._bisect(every, k, total.analytic - total.numeric, step)
            checks[i], _ = self._element(i, k, step)
        return self._row(k, checks, line.taylor_slope(total.analytic, self.noise), total.status if unseen else "")

    def _element(self, i: int, k: int, step: float) -> tuple[_Check, float]:
        """Check one element by three steps; if they leave doubt, or find it wrong, by three others, then by a sweep."""
        # Returns also the step for the next element: longer where noise was the limit, shorter where curvature was.
        unit, x = self.units[k], abs(float(self.problem.point[i])) / self.share[i]
        looks = [self._judge_element(i, k, _three(step))]
        longest = SWEEP_TOP * max(1.0, unit)
        retry, lasting = (10 * step, 2 * step) if looks[0].noise_limited else (step / 30, step / 2)
        for steps in (_three(min(retry, longest)), self._sweep(k, unit, x or unit)):
            if _settled(looks):
                break
            looks.append(self._judge_element(i, k, steps))
        return _conclude(looks), min(lasting, longest)

    def _judge_element(self, i: int, k: int, steps: list[float]) -> _Check:
        unit, share = np.zeros_like(self.natural), float(self.share[i])
        unit[i] = share
        slopes = self._line(unit).look(steps).slopes(self.noise)
        check = _judge(float(self.problem.gradient[i]) * share, slopes, self.scales[k], self.tolerance, self.coarsest)
        return check._replace(analytic=check.analytic / share, numeric=check.numeric / share)

    def _judge_along(self, indices: Indices, k: int, line: Line) -> _Check:
        slopes = self._along(indices) * self.problem.gradient
        size = max(float(np.linalg.norm(slopes)), self.scales[k].small)
        scale = _Scale(size, size)
        return _judge(float(slopes.sum()), line.slopes(self.noise), scale, self.tolerance, self.coarsest)

    def _bisect(self, indices: Indices, k: int, deviation: float, step: float) -> int:
        """Follow the larger deviation of the analytic from the numeric slope down to one element."""
        while indices.size > 1:
            half, other = np.array_split(indices, 2)
            check = self._judge_along(half, k, self._line(self._along(half)).look(_three(step)))
            here = check.analytic - check.numeric
            indices, deviation = (half, here) if abs(here) > abs(deviation - here) else (other, deviation - here)
        return int(indices[0])

    @property
    def coarsest(self) -> float:
        """How coarse a tolerance may be that the quantum of the value asks for: 0 where there is none."""
        return COARSEST if self.quantum else 0.0

    def _sweep(self, k: int, *scales: float) -> list[float]:
        """Return decades of steps for an array."""
        return _from_zero(self.problem.arrays[k][1], sweep(*scales))

    def _line(self, direction: Array) -> Line:
        problem = self.problem
        return Line(lambda h: problem.at(problem.point + h * direction), problem.value)

    def _along(self, indices: Indices) -> Array:
        along = np.zeros_like(self.direction)
        along[indices] = self.direction[indices] * self.share[indices]
        return along

    def _scales(self) -> list[_Scale]:
        """Return each array's scales: from its own largest slope, and from the largest change by a natural step."""
        problem, slopes = self.problem, np.abs(self.problem.gradient) * self.share
        steepest = float((slopes * self.natural / self.share).max())
        # where all slopes vanish, as at an optimum, there is still curvature
        near = [i for i, h in enumerate(self.whole.steps) if self.best_step <= h < 20 * self.best_step]
        variation = max((abs(self.whole.after[i] - problem.value) / self.whole.steps[i] for i in near), default=0.0)
        rounding = ROUNDING * EPS * abs(problem.value) / self.tolerance
        scales = []
        for unit, part in zip(self.units, np.split(slopes, self.starts[1:-1]), strict=True):
            # strict beside a tiny array, whose scale may be chance
            own, longest = float(part.max(initial=0.0)), max(unit, 1.0)
            small = max(SMALL * own, SMALL * steepest / longest)
            faint = max(NEGLIGIBLE * own, NEGLIGIBLE * max(steepest, variation) / longest, rounding / longest)
            scales.append(_Scale(small, max(small, faint)))
        return scales

    def _row(self, k: int, checks: dict[int, _Check], taylor_slope: float, unseen: str) -> ArrayReport:
        name, array = self.problem.arrays[k]
        elements = {i: _named(check, name, array.shape, i - self.starts[k]) for i, check in checks.items()}
        worst = max(checks, key=lambda i: rank(checks[i].status, checks[i].relative_error))
        count = Counter(check.status for check in checks.values())
        kinks = tuple(elements[i].label for i, check in checks.items() if check.status == "kink")
        status = checks[worst].status
        remark = pattern([elements[i] for i, check in checks.items() if check.status == "wrong"])
        if unseen and status != "wrong":
            status, remark = "noisy", f"the slope along all {array.size} elements is {unseen}: check every element"
        counts = (array.size, len(checks), count["wrong"], count["noisy"])
        errors = (checks[worst].relative_error, checks[worst].relative_doubt, taylor_slope)
        return ArrayReport(name, *counts, elements[worst], *errors, status, kinks, remark)


def _named(check: _Check, name: str, shape: tuple[int, ...], i: int) -> Element:
    return Element(name, tuple(int(j) for j in np.unravel_index(i, shape)), check.analytic, check.numeric)
