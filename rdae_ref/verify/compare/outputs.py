"""The network behind a user's outputs, where they do not follow from the stated parameters and units."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...activations import ACTIVATIONS, TANH, Activation, as_activation
from ...autoencoder import Parameters, forward
from .causes import Cause, cause
from .variants import Problem

__all__ = ["Network", "networks"]

UNITS = {**ACTIVATIONS, "tanh": TANH}
AT_OUTPUT = {"a sigmoid": ACTIVATIONS["logsig"], "tanh": TANH, "relu": ACTIVATIONS["relu"]}

BIASES = {"": (1, 1), "c dropped": (0, 1), "b dropped": (1, 0), "c and b dropped": (0, 0)}


class Network(NamedTuple):
    """Another network than the one stated."""

    causes: tuple[Cause, ...]
    problem: Problem


def networks(problem: Problem, array: str) -> Iterator[Network]:
    """Iterate over networks that people have in place of the one stated, those with one change first."""
    own = as_activation(problem.activation or "linear")
    units = [("", own), *((name, unit) for name, unit in UNITS.items() if unit.name != own.name)]
    every = list(itertools.product(units, BIASES.items(), ["", *AT_OUTPUT]))
    every.sort(key=lambda choice: sum(bool(words) for words in (choice[0][0], choice[1][0], choice[2])))
    for (name, unit), (dropped, kept), at_output in every[1:]:
        causes = (
            *([cause("activation", array, None, f"{name} for {own.name}")] if name else []),
            *([cause("bias_dropped", array, None, dropped)] if dropped else []),
            *([cause("output_activation", array, None, at_output)] if at_output else []),
        )
        others = tuple(_changed(other, unit, kept, at_output) for other in problem.others)
        yield Network(causes, _changed(problem, unit, kept, at_output)._replace(others=others))


def _changed(problem: Problem, unit: Activation, kept: tuple[int, int], at_output: str) -> Problem:
    assert problem.parameters is not None
    W, c, A, b = problem.parameters
    parameters = Parameters(W, kept[0] * c, A, kept[1] * b)
    other = problem._replace(parameters=parameters, activation=unit)
    if not at_output:
        return other
    with np.errstate(over="ignore", invalid="ignore"):
        Xhat = forward(parameters, problem.X, unit).Xhat
    last = AT_OUTPUT[at_output]
    return other._replace(Xhat=last.value(Xhat), outer=last.derivative(Xhat))
