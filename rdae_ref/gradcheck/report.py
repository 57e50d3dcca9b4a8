"""What the gradient checker found: a report that names the worst element, prints as a table and serialises."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ..files import json_ready

__all__ = ["ArrayReport", "Element", "GradientReport"]

SEVERITY = ("right", "kink", "noisy", "wrong")


class Element(NamedTuple):
    """One element of the gradient: what the gradient says, and what differences of the value say."""

    name: str  # of its array, as in encoder[0].W
    index: tuple[int, ...]  # type: ignore[assignment]  # hides tuple.index, which no element needs
    analytic: float
    numeric: float

    @property
    def label(self) -> str:
        """The element as one writes it: ``W[3, 1]``."""
        return self.name + (str(list(self.index)) if self.index else "")


@dataclass(frozen=True)
class ArrayReport:
    """The results for one array of parameters: a row of the table."""

    name: str  # as in encoder[0].W; a lone array is called x
    size: int
    n_checked: int
    n_wrong: int
    n_noisy: int  # elements that could not be decided
    worst: Element  # a wrong one before a noisy one before a right one, then by relative error
    relative_error: float  # of the worst element
    difference_error: float  # the difference's own estimated error there, on the same scale
    taylor_slope: float  # as in the whole report, along a direction in this array only
    status: str  # "right", "kink" (right but for elements at a kink), "noisy" or "wrong"
    kinks: tuple[str, ...]  # elements at a kink, accepted because they lie between its one-sided slopes
    remark: str  # what the wrong elements have in common, or why elements that were not checked are in doubt


@dataclass(frozen=True)
class GradientReport:
    """The verdict of `check_gradient` with its reasons; ``str(report)`` is a table.

    Parameters
    ----------
    verdict : str
        ``wrong`` if any element is; ``right`` if every checked element is (and, where only some were checked, also the
        slope along each array); ``inconclusive`` otherwise: at least one difference is too noisy to tell.
    arrays : tuple of ArrayReport
        One row per array of parameters.
    taylor_slope : float
        Order of |f(x + hv) − f(x) − h g·v| in h, along a random direction v of all parameters, at the shortest steps
        above the noise: 2 for a right gradient, 1 for a wrong one (and at a kink). ``inf`` if there is no remainder,
        as for a linear function; ``nan`` if too few steps are above the noise. For information only: the verdict
        depends on the elements.
    tolerance, noise, n_evaluations : float, float and int
        The requested tolerance; the estimated standard deviation of the value's noise; and the number of evaluations.
    taylor_errors : tuple of (float, float)
        Steps h with |f(x + hv) − f(x) − h g·v|, which `plot` draws.
    """

    verdict: str
    arrays: tuple[ArrayReport, ...]
    taylor_slope: float
    tolerance: float
    noise: float
    n_evaluations: int
    taylor_errors: tuple[tuple[float, float], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the verdict is ``right``."""
        return self.verdict == "right"

    @property
    def worst(self) -> Element:
        """The worst element: a wrong one before a noisy one before a right one, then by relative error."""
        return self._worst_array.worst

    @property
    def max_relative_error(self) -> float:
        """The relative error of the worst element."""
        return self._worst_array.relative_error

    @property
    def _worst_array(self) -> ArrayReport:
        return max(self.arrays, key=lambda row: rank(row.status, row.relative_error))

    def plot(self, ax: Any = None) -> Any:
        """Draw the Taylor errors over the step, with lines of slope 1 (a wrong gradient) and 2 (a right one).

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
            With logarithmic scales.
        """
        if ax is None:
            import matplotlib.pyplot as plt  # noqa: PLC0415  # optional

            ax = plt.figure().add_subplot()
        steps, errors = zip(*((h, error) for h, error in self.taylor_errors if error > 0), strict=True)
        ax.loglog(steps, errors, "o-", label="Taylor error")
        for slope in (1, 2):
            ax.loglog(steps, [errors[0] * (h / steps[0]) ** slope for h in steps], ":", label=f"slope {slope}")
        ax.axhline(self.noise, color="0.7", label="noise of the value")
        ax.set(xlabel="step h", ylabel="|f(x + hv) − f(x) − h g·v|", title=self.verdict)
        ax.legend()
        return ax

    def to_dict(self) -> dict[str, Any]:
        """Return the report for a JSON file, in which ``inf`` and ``nan`` are None."""
        rows = [{**asdict(row), "worst": row.worst._asdict()} for row in self.arrays]
        summary = {"passed": self.passed, "worst": self.worst._asdict(), "max_relative_error": self.max_relative_error}
        plain = json_ready({**asdict(self), **summary, "arrays": rows})
        assert isinstance(plain, dict)
        return plain

    def __str__(self) -> str:
        header = ("array", "checked", "worst", "analytic", "numeric", "rel. error", "own error", "slope", "status")
        lines = aligned([header, *(_cells(row) for row in self.arrays)])
        remarks = [f"{row.name}: {row.remark}" for row in self.arrays if row.remark]
        remarks += [
            f"{row.name}: {len(row.kinks)} at a kink, accepted between its one-sided slopes: {_some(row.kinks)}"
            for row in self.arrays
            if row.kinks
        ]
        unseen = sum(row.size - row.n_checked for row in self.arrays)
        remarks += [
            f"{unseen} elements were not checked individually: the slope along a random direction of each array shows "
            "errors that are large compared with the whole array, and may miss smaller ones"
        ] * (unseen > 0)
        return "\n".join([*lines, *remarks, self._sentence()])

    def _sentence(self) -> str:
        checked, wrong, noisy = (
            sum(getattr(row, key) for row in self.arrays) for key in ("n_checked", "n_wrong", "n_noisy")
        )
        doubt = max((row.difference_error for row in self.arrays), default=0.0)
        allowed = (
            f" to {doubt:.0e}, limited by noise in the value," if self.passed and doubt > 10 * self.tolerance else ""
        )
        worst = f"{self.worst.label} has relative error {self.max_relative_error:.1e}"
        count = {"wrong": f"{wrong} of {checked} elements are wrong", "right": f"{checked} elements agree"}.get(
            self.verdict, f"{noisy} of {checked} elements cannot be decided, as the value has noise of {self.noise:.0e}"
        )
        return (
            f"{self.verdict.upper()}{allowed} at tolerance {self.tolerance:g}: {count}; {worst}; "
            f"Taylor slope {self.taylor_slope:.2f}; {self.n_evaluations} evaluations"
        )


def rank(status: str, relative_error: float) -> tuple[int, float]:
    """Order elements and arrays from best to worst."""
    return SEVERITY.index(status), math.inf if math.isnan(relative_error) else relative_error


def pattern(wrong: list[Element]) -> str:
    """Say what wrong elements have in common: a factor, or that the array is transposed."""
    if len(wrong) < 2:
        return ""
    ratios = [element.analytic / element.numeric if element.numeric else math.nan for element in wrong]
    if max(ratios) - min(ratios) <= 1e-5 * max(map(abs, ratios)):
        return f"analytic = {ratios[0]:.6g} x numeric in each of {len(wrong)} wrong elements"
    analytic = {element.index: element.analytic for element in wrong}
    mirrored = [(analytic.get(element.index[::-1], math.nan), element.numeric) for element in wrong]
    crossed = all(math.isclose(*pair, rel_tol=1e-5) for pair in mirrored)
    return "the analytic array is the transpose of the numeric one" if crossed else ""


def _cells(row: ArrayReport) -> tuple[str, ...]:
    checked = str(row.size) if row.n_checked == row.size else f"{row.n_checked} of {row.size}"
    errors = (f"{row.relative_error:.1e}", f"{row.difference_error:.1e}", f"{row.taylor_slope:.2f}")
    sides = (f"{row.worst.analytic:.9g}", f"{row.worst.numeric:.9g}")
    return (row.name, checked, row.worst.label, *sides, *errors, row.status)


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows of cells as lines, with columns of one width each."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _some(labels: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(labels[:most]) + (f" and {len(labels) - most} more" if len(labels) > most else "")
