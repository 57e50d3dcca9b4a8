"""The unit functions g and their derivatives, 0 where there is none: for relu at 0, for satlin at 0 and 1."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from ._validation import Array, as_choice

__all__ = ["ACTIVATIONS", "TANH", "Activation", "as_activation"]


class Activation(NamedTuple):
    """A unit function with its first two derivatives, on arrays of any shape."""

    name: str  #: as in ``"relu"``
    value: Callable[[Array], Array]  #: g
    derivative: Callable[[Array], Array]  #: g′
    second_derivative: Callable[[Array], Array]  #: g″, which the contractive auto-encoder needs


def _logsig_derivative(z: Array) -> Array:
    # The same at z and −z; expit(z) (1 − expit(z)) would be 0 from z = 37 on.
    t = np.exp(-np.abs(z))
    return t / (1 + t) ** 2


def _tanh_derivative(z: Array) -> Array:
    # 4 logsig(2z) logsig(-2z) and not 1 - tanh(z)², which is 0 from z = 19 on.
    return 4 * _logsig_derivative(2 * z)


def _tanh_second_derivative(z: Array) -> Array:
    return -2 * np.tanh(z) * _tanh_derivative(z)


def _logsig_second_derivative(z: Array) -> Array:
    return -_logsig_derivative(z) * np.tanh(z / 2)


def _relu(z: Array) -> Array:
    return np.maximum(z, 0)


def _relu_derivative(z: Array) -> Array:
    return (z > 0).astype(np.float64)


def _satlin(z: Array) -> Array:
    return np.clip(z, 0, 1)


def _satlin_derivative(z: Array) -> Array:
    return ((z > 0) & (z < 1)).astype(np.float64)


def _softplus(z: Array) -> Array:
    return np.logaddexp(0, z)


# Functions at the top level and not lambdas: an objective goes to other processes by pickle.
LINEAR = Activation("linear", np.array, np.ones_like, np.zeros_like)
LOGSIG = Activation("logsig", expit, _logsig_derivative, _logsig_second_derivative)
RELU = Activation("relu", _relu, _relu_derivative, np.zeros_like)
SATLIN = Activation("satlin", _satlin, _satlin_derivative, np.zeros_like)
SOFTPLUS = Activation("softplus", _softplus, expit, _logsig_derivative)

TANH = Activation("tanh", np.tanh, _tanh_derivative, _tanh_second_derivative)

ACTIVATIONS = {unit.name: unit for unit in (LINEAR, LOGSIG, RELU, SATLIN, SOFTPLUS)}

# The paper has no hyperbolic tangent; the networks of its neighbours do.
UNITS = ACTIVATIONS | {TANH.name: TANH}


def as_activation(activation: str | Activation) -> Activation:
    """Return the activation of that name, or the activation itself."""
    if isinstance(activation, Activation):
        return activation
    return UNITS[as_choice(activation, "activation", UNITS)]
