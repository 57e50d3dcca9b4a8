"""Golden test vectors: inputs and outputs of every equation, right to 17 digits, as JSON that any language can read.

README.md beside them describes the files. `scripts/make_vectors.py` computed them with fifty digits, from the
definitions and not with this package.
"""

import json
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from ..._validation import as_choice

__all__ = ["Case", "Vectors", "load", "names"]


class Case(NamedTuple):
    """One point: inputs, the outputs that belong to it, and how near a float64 computation can come."""

    name: str  # what is particular about it
    inputs: dict[str, Any]  # by the paper's symbols: arrays, floats, or the name of an activation
    outputs: dict[str, Any]
    tolerance: float  # relative to the largest element of an output, or absolute if all of them are zero
    reason: str  # why the tolerance is what it is


class Vectors(NamedTuple):
    """One file of vectors."""

    name: str
    equation: str  # the number in the paper, as in "(15)", or the name of a model
    statement: str
    units: str
    gradient_form: str  # of a derivative by a matrix: "literal" or "tangent"; "none" for other outputs
    cases: tuple[Case, ...]


def names() -> list[str]:
    """Return the names of all files of vectors, sorted."""
    return sorted(path.name[:-5] for path in resources.files(__name__).iterdir() if path.name.endswith(".json"))


def load(name: str) -> Vectors:
    """Read one file of vectors, one of `names`; numbers are float64, each the nearest to its string in the file.

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
