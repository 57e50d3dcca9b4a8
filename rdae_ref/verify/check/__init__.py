"""The equation check: every numbered equation is compared with something that shares no code with it."""

import importlib.util
import warnings
from collections.abc import Iterator

import numpy as np

from ...numerics.spectrum import SingularGramWarning
from . import equation_rows
from .framework_rows import OracleCheck, oracle_check
from .model_rows import model_rows
from .rows import Row, check_table, number, place_in_paper
from .theory_rows import theory_rows

__all__ = ["OracleCheck", "Row", "check_table", "equation_check", "has_mpmath", "oracle_check", "place_in_paper"]


def equation_check(seed: int = 0) -> list[Row]:
    """Compare every equation, in the package and in paper.py, with something that shares no code with it."""
    with warnings.catch_warnings():
        # At α ≤ 1 a singular Gram matrix is a warning for the user; here the error of the row shows its effect.
        warnings.simplefilter("ignore", SingularGramWarning)
        rows = [row._replace(paper=place_in_paper(row.equation)) for row in _rows(seed)]
    return sorted(rows, key=lambda row: number(row.equation))


def _rows(seed: int) -> Iterator[Row]:
    both = [
        equation_rows.distortion_rows,
        equation_rows.entropy_rows,
        equation_rows.entropy_gradient_rows,
        equation_rows.parameter_rows,
        equation_rows.objective_rows,
        *([equation_rows.fifty_digit_rows] if has_mpmath() else []),
    ]
    for group in both:
        for code in (equation_rows.package(), equation_rows.as_printed()):
            yield from group(code, np.random.default_rng(seed))
    for rows in (theory_rows, equation_rows.normalize_rows, equation_rows.low_rank_rows, model_rows):
        yield from rows(np.random.default_rng(seed))


def has_mpmath() -> bool:
    """Tell whether mpmath, which computes the fifty digits, is installed."""
    return importlib.util.find_spec("mpmath") is not None
