"""Golden test vectors: inputs and outputs of every equation, right to 17 digits, as JSON that any language reads.

The files lie beside this one and are described in README.md there. They were computed with fifty digits and not with
this package, by `rdae_ref.verify.vectors.generate`.
"""

import json
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from ..._validation import as_choice

__all__ = ["Case", "Vectors", "load", "names"]


class Case(NamedTuple):
    """One point: inputs, the outputs that belong to it, and how near a float64 computation can come.

    Parameters
    ----------
    name : str
        What is particular about it.
    inputs : dict
        Arrays, floats, or the name of an activation, by the paper's symbols.
    outputs : dict
        Arrays or floats.
    tolerance : float
        Relative to the largest element of an output, or absolute if all of them are zero.
    reason : str
        Why the tolerance is what it is.
    """

    name: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    tolerance: float
    reason: str


class Vectors(NamedTuple):
    """One file.

    Parameters
    ----------
    name : str
        Of the file.
    equation : str
        Number in the paper, as in ``"(15)"``, or the name of a model.
    statement : str
        The formula.
    units : str
        Of the outputs.
    gradient_form : str
        ``"literal"`` or ``"tangent"`` for derivatives of an entropy by a matrix, ``"none"`` where there is none.
    cases : tuple of Case
        The points.
    """

    name: str
    equation: str
    statement: str
    units: str
    gradient_form: str
    cases: tuple[Case, ...]


def names() -> list[str]:
    """Return the names of all files of vectors.

    Returns
    -------
    list of str
        Sorted.
    """
    return sorted(path.name[:-5] for path in resources.files(__name__).iterdir() if path.name.endswith(".json"))


def load(name: str) -> Vectors:
    """Read one file of vectors.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    Vectors
        With arrays and numbers as float64, each nearest to what the file says.

    Raises
    ------
    ValueError
        If there is no file of that name.

    Examples
    --------
    >>> from rdae_ref import renyi_entropy
    >>> from rdae_ref.verify import vectors
    >>> case = vectors.load("equation-10").cases[0]
    >>> abs(renyi_entropy(**case.inputs) - case.outputs["S"]) < case.tolerance
    True
    """
    text = resources.files(__name__).joinpath(as_choice(name, "name", names()) + ".json").read_text(encoding="utf-8")
    content = json.loads(text)
    cases = tuple(
        Case(
            case["name"],
            {key: _decoded(value) for key, value in case["inputs"].items()},
            {key: _decoded(value) for key, value in case["outputs"].items()},
            float(case["tolerance"]),
            case["reason"],
        )
        for case in content["cases"]
    )
    content["cases"] = cases
    return Vectors(*(content[field] for field in Vectors._fields))


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        return np.array([float(text) for text in value["values"]]).reshape(value["shape"])
    try:
        return float(value)
    except ValueError:
        return value
