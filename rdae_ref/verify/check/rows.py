"""A row of the equation check, what makes one, and the table of all."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...autoencoder import Parameters, initial_parameters
from ...files import json_ready
from ...gradcheck import ArrayReport, GradientReport

__all__ = ["Row", "check_table"]

DIFFERENCES = 1e-7  # what central differences can show
DIGITS = 1e-11  # what fifty digits show
ROUNDING = 1e-12  # two ways of writing the same float64 computation

ALPHAS = (1.01, 2.0, 3.0, 10.0, math.inf)
BELOW = (0.5, 1.0)


class Row(NamedTuple):
    """One line of the equation check.

    Parameters
    ----------
    equation : str
        Number in the paper.
    compared : str
        What was computed.
    against : str
        With what it was compared.
    cases : int
        How many settings.
    error : float
        Worst relative error.
    limit : float
        What it may be.
    slope : float or None
        Smallest slope of the Taylor remainder, where a gradient was checked: 2 if it is right.
    """

    equation: str
    compared: str
    against: str
    cases: int
    error: float
    limit: float
    slope: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the error is within the limit, and the slope that of a right gradient."""
        return self.error <= self.limit and (self.slope is None or not self.slope < 1.5)

    def to_dict(self) -> dict[str, Any]:
        """Return the row for a JSON file; an infinite slope, of a function without remainder, becomes None.

        Returns
        -------
        dict
            The fields, and ``verdict``.
        """
        return json_ready(self._asdict() | {"verdict": "ok" if self.passed else "FAILED"})


def check_table(rows: Sequence[Row]) -> str:
    """Return the rows as a table of text.

    Parameters
    ----------
    rows : sequence of Row
        Of `equation_check`.

    Returns
    -------
    str
        A line of heading, one for each row, and one that says how many passed.
    """
    cells = [("equation", "compared", "with", "cases", "error", "limit", "slope", "verdict")]
    cells += [
        (
            row.equation,
            row.compared,
            row.against,
            str(row.cases),
            f"{row.error:.1e}",
            f"{row.limit:.0e}",
            "" if row.slope is None else f"{row.slope:.2f}",
            "ok" if row.passed else "FAILED",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    passed = sum(row.passed for row in rows)
    return "\n".join([*lines, f"{passed} of {len(rows)} comparisons passed"])


def number(equation: str) -> int:
    """Return the first number of an equation; what has none, a model, comes last."""
    digits = re.match(r"\((\d+)", equation)
    return int(digits[1]) if digits else 100


def relative(value: Any, expected: Any) -> float:
    """Return the largest difference over the largest expected element, or over 1e-300 where all are zero."""
    value, expected = np.asarray(value, dtype=float), np.asarray(expected, dtype=float)
    return float(np.abs(value - expected).max() / max(np.abs(expected).max(), 1e-300))


def worst(errors: Iterable[float]) -> float:
    """Return the largest error, or NaN if one is: Python's max would pass over it."""
    return float(np.max(list(errors)))


def report_row(equation: str, compared: str, reports: Sequence[GradientReport | ArrayReport]) -> Row:
    """Return the worst of several reports: of whole gradients, or of one array in each."""
    error = worst(r.max_relative_error if isinstance(r, GradientReport) else r.relative_error for r in reports)
    slopes = [r.taylor_slope for r in reports if not math.isnan(r.taylor_slope)]
    slope = min(slopes, default=math.inf)
    return Row(equation, compared, "central differences", len(reports), error, DIFFERENCES, slope)


def point(rng: np.random.Generator, n: int = 20, d: int = 2, p: int = 4) -> tuple[Array, Parameters]:
    """Draw data, and parameters that leave the outputs far enough apart for a well-conditioned Gram matrix."""
    X, parameters = rng.normal(size=(n, d)), initial_parameters(d, p, rng, scale=0.8)
    return X, parameters._replace(c=0.3 * rng.normal(size=p), A=3 * parameters.A, b=0.3 * rng.normal(size=d))
