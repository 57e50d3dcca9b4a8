"""A row of the equation check, what makes one, and the table of all."""

import inspect
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ... import paper
from ..._validation import Array
from ...autoencoder import Parameters, initial_parameters
from ...files import json_ready
from ...gradcheck import ArrayReport, GradientReport
from ...gradcheck.report import aligned

__all__ = ["Row", "check_table", "place_in_paper"]

DIFFERENCES = 1e-7  # what central differences can show
DIGITS = 1e-11  # what fifty digits show
ROUNDING = 1e-12  # two ways of writing the same float64 computation

ALPHAS = (1.01, 2.0, 3.0, 10.0, math.inf)
BELOW = (0.5, 1.0)


class Row(NamedTuple):
    """One line of the equation check."""

    equation: str
    compared: str
    against: str
    cases: int
    error: float  # the worst relative error
    limit: float
    slope: float | None = None  # smallest slope of the Taylor remainder of a gradient: 2 if it is right
    paper: str = ""  # function and line of paper.py, as in entropy_gradient:87

    @property
    def passed(self) -> bool:
        """Whether the error is within the limit, and the slope that of a right gradient."""
        return self.error <= self.limit and (self.slope is None or not self.slope < 1.5)

    @property
    def verdict(self) -> str:
        """``ok`` or ``FAILED``."""
        return "ok" if self.passed else "FAILED"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and ``verdict`` for a JSON file; an infinite slope (no remainder) becomes None."""
        return json_ready(self._asdict() | {"verdict": self.verdict})


def check_table(rows: Sequence[Row]) -> str:
    """Return the rows as a table of text, with a last line that says how many passed."""
    cells = [("equation", "paper.py", "compared", "with", "cases", "error", "limit", "slope", "verdict")]
    for row in rows:
        slope = "" if row.slope is None else f"{row.slope:.2f}"
        numbers = (str(row.cases), f"{row.error:.1e}", f"{row.limit:.0e}", slope)
        cells.append((row.equation, row.paper, row.compared, row.against, *numbers, row.verdict))
    passed = sum(row.passed for row in rows)
    return "\n".join([*aligned(cells), f"{passed} of {len(rows)} comparisons passed"])


def place_in_paper(equation: str) -> str:
    """Return the function of paper.py that is an equation and its line there, or "" if there is none."""
    # The first paragraph of its docstring ends in its equation, or in several; then comments mark the line of each.
    for name, function in inspect.getmembers(paper, inspect.isfunction):
        summary = (inspect.getdoc(function) or "").partition("\n\n")[0]
        ending = re.search(r"(?:^|[.]\s)Eqs?[.]\s\((\d+)\)(?:-\((\d+)\))?[.]$", summary)
        if function.__module__ == paper.__name__ and ending:
            first, last = int(ending[1]), int(ending[2] or ending[1])
            if first <= number(equation) <= last:
                lines, start = inspect.getsourcelines(function)
                marked = [i for i, line in enumerate(lines) if line.rstrip().endswith(f"# {equation}")]
                return f"{name}:{start + marked[0] if marked else start}"
    return ""


def number(equation: str) -> int:
    """Return the first number of an equation; a model, which has none, comes last."""
    digits = re.match(r"\((\d+)", equation)
    return int(digits[1]) if digits else 100


def relative(value: Any, expected: Any) -> float:
    """Return the largest difference over the largest expected element, or over 1e-300 where all are zero."""
    value, expected = np.asarray(value, dtype=float), np.asarray(expected, dtype=float)
    return float(np.abs(value - expected).max() / max(np.abs(expected).max(), 1e-300))


def worst(errors: Iterable[float]) -> float:
    """Return the largest error, or NaN if one is NaN, which Python's max would pass over."""
    return float(np.max(list(errors)))


def report_row(equation: str, compared: str, reports: Sequence[GradientReport | ArrayReport]) -> Row:
    """Return the worst of several reports, of whole gradients or of one array in each."""
    error = worst(r.max_relative_error if isinstance(r, GradientReport) else r.relative_error for r in reports)
    slopes = [r.taylor_slope for r in reports if not math.isnan(r.taylor_slope)]
    slope = min(slopes, default=math.inf)
    return Row(equation, compared, "central differences", len(reports), error, DIFFERENCES, slope)


def point(rng: np.random.Generator, n: int = 20, d: int = 2, p: int = 4) -> tuple[Array, Parameters]:
    """Draw data, and parameters whose outputs are far enough apart for a well-conditioned Gram matrix."""
    X, parameters = rng.normal(size=(n, d)), initial_parameters(d, p, rng, scale=0.8)
    return X, parameters._replace(c=0.3 * rng.normal(size=p), A=3 * parameters.A, b=0.3 * rng.normal(size=d))
