"""The equation check: every numbered equation against something that shares no code with it.

One function for each group of equations makes its rows; `equation_check` runs them all.
"""

import importlib.util
import warnings
from collections.abc import Callable, Iterator

import numpy as np

from ...numerics.spectrum import SingularGramWarning
from .equation_rows import (
    distortion_rows,
    entropy_gradient_rows,
    entropy_rows,
    fifty_digit_rows,
    low_rank_rows,
    objective_rows,
    parameter_rows,
)
from .framework_rows import OracleCheck, oracle_check
from .model_rows import model_rows
from .rows import Row, check_table, number
from .theory_rows import theory_rows

__all__ = ["OracleCheck", "Row", "check_table", "equation_check", "has_mpmath", "oracle_check"]


def equation_check(seed: int = 0) -> list[Row]:
    """Compare every equation with something that shares no code with it.

    Parameters
    ----------
    seed : int
        Of data and parameters.

    Returns
    -------
    list of Row
        In the order of the paper. Those that need mpmath are there if it is installed.
    """
    groups: list[Callable[[np.random.Generator], Iterator[Row]]] = [
        theory_rows,
        distortion_rows,
        entropy_rows,
        entropy_gradient_rows,
        parameter_rows,
        objective_rows,
        low_rank_rows,
        model_rows,
    ]
    if has_mpmath():
        groups.append(fifty_digit_rows)
    with warnings.catch_warnings():
        # At α ≤ 1 a singular Gram matrix is a warning for the user; here the error of the row says what it costs.
        warnings.simplefilter("ignore", SingularGramWarning)
        rows = [row for group in groups for row in group(np.random.default_rng(seed))]
    return sorted(rows, key=lambda row: number(row.equation))


def has_mpmath() -> bool:
    """Tell whether the fifty-digit oracle can be loaded.

    Returns
    -------
    bool
        Whether mpmath is installed.
    """
    return importlib.util.find_spec("mpmath") is not None
