"""What network made a person's outputs, where they are not those of the parameters and units stated."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...activations import ACTIVATIONS, TANH, as_activation
from ...autoencoder import Parameters, forward
from .causes import Cause, cause
from .variants import Problem

__all__ = ["Network", "networks"]

UNITS = {**ACTIVATIONS, "tanh": TANH}
AT_OUTPUT = {"a sigmoid": ACTIVATIONS["logsig"], "tanh": TANH, "relu": ACTIVATIONS["relu"]}


class Network(NamedTuple):
    """Another network than the one stated."""

    causes: tuple[Cause, ...]
    problem: Problem


def networks(problem: Problem, array: str) -> Iterator[Network]:
    """Iterate over networks that people have in place of the one stated, those with one change first."""
    assert problem.parameters is not None
    assert problem.activation is not None
    W, c, A, b = problem.parameters
    own = as_activation(problem.activation)
    units = [("", own), *((name, unit) for name, unit in UNITS.items() if unit.name != own.name)]
    biases = [
        ("", problem.parameters),
        ("c dropped", Parameters(W, 0 * c, A, b)),
        ("b dropped", Parameters(W, c, A, 0 * b)),
        ("c and b dropped", Parameters(W, 0 * c, A, 0 * b)),
    ]
    outputs = ["", *AT_OUTPUT]
    every = list(itertools.product(units, biases, outputs))
    every.sort(key=lambda choice: sum(bool(words) for words in (choice[0][0], choice[1][0], choice[2])))
    for (name, unit), (dropped, parameters), at_output in every[1:]:
        causes = (
            *([cause("activation", array, None, f"{name} for {own.name}")] if name else []),
            *([cause("bias_dropped", array, None, dropped)] if dropped else []),
            *([cause("output_activation", array, None, at_output)] if at_output else []),
        )
        other = problem._replace(parameters=parameters, activation=unit)
        if at_output:
            with np.errstate(over="ignore", invalid="ignore"):
                Xhat = forward(parameters, problem.X, unit).Xhat
            last = AT_OUTPUT[at_output]
            other = other._replace(Xhat=last.value(Xhat), outer=last.derivative(Xhat))
        yield Network(causes, other)
