"""The multilayer perceptron of the beta-VAE and of IRMAE: affine layers with units g between them.

Notation of the paper, N samples in rows. Layer l has W_l (n_l, n_{l−1}) and b_l (n_l,); with H_0 = X ::

    Z_l = H_{l−1} W_lᵀ + 1 b_lᵀ      H_l = g(Z_l)      Y = Z_L      (no unit after the last layer)

With B_L = ∂L/∂Y for any L, the backward pass is ::

    ∂L/∂W_l = B_lᵀ H_{l−1}      ∂L/∂b_l = B_lᵀ 1      B_{l−1} = (B_l W_l) ∘ g′(Z_{l−1})
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import (
    LARGEST_SAMPLE,
    Array,
    as_count,
    as_generator,
    as_matrix,
    as_nonnegative,
    as_samples,
    as_vector,
)
from ..activations import Activation, as_activation
from ..objective import DataObjective

__all__ = [
    "Layer", "LayeredObjective", "Layers", "LayersForward", "as_layers", "backward_layers", "forward_layers",
    "initial_layers",
]  # fmt: skip


class Layer(NamedTuple):
    """An affine map x ↦ W x + b."""

    W: Array  #: weights, shape (m, n), a row for each output
    b: Array  #: offsets, shape (m,)


Layers = tuple[Layer, ...]


class LayersForward(NamedTuple):
    """A forward pass, with the arrays that the backward pass needs."""

    H: tuple[Array, ...]  # what enters each layer: the inputs, then the values of the units
    Gprime: tuple[Array, ...]  # g′(Z_l) of all layers but the last
    Y: Array  # outputs, shape (N, n_L)


def initial_layers(sizes: Sequence[int], rng: np.random.Generator, gain: float = 1.0) -> Layers:
    """Return layers to start from: weights and offsets uniform in ± gain/√n, n being the number of inputs of a layer.

    Parameters
    ----------
    sizes, rng, gain : sequence of int, numpy.random.Generator and float
        Numbers of inputs, of units of each hidden layer, of outputs; the source of randomness; and 1 for the start of
        PyTorch's ``Linear``, with weights of variance 1/(3n).

    Returns
    -------
    tuple of Layer
        The layers, in order.
    """
    sizes = [as_count(size, f"sizes[{i}]") for i, size in enumerate(sizes)]
    as_count(len(sizes), "the number of sizes", minimum=2)
    rng, gain = as_generator(rng), as_nonnegative(gain, "gain")
    as_nonnegative(2 * gain, "twice the gain")  # the width of the interval
    layers = []
    for n, m in itertools.pairwise(sizes):
        bound = gain / np.sqrt(n)
        layers.append(Layer(W=rng.uniform(-bound, bound, size=(m, n)), b=rng.uniform(-bound, bound, size=m)))
    return tuple(layers)


def forward_layers(layers: Layers, X: Array, activation: str | Activation) -> LayersForward:
    """Run the layers: Z_l = H_{l−1} W_lᵀ + 1 b_lᵀ, H_l = g(Z_l), Y = Z_L; FloatingPointError if Y overflows."""
    g, H, slopes, Z = as_activation(activation), [X], [], X
    with np.errstate(over="ignore", invalid="ignore"):
        for i, (W, b) in enumerate(layers):
            if i > 0:
                slopes.append(g.derivative(Z))
                H.append(g.value(Z))
            Z = H[i] @ W.T + b
    if not np.abs(Z).max() < LARGEST_SAMPLE:  # also where it is NaN
        raise FloatingPointError("the outputs of the network overflow: the parameters are too large")
    return LayersForward(tuple(H), tuple(slopes), Z)


def backward_layers(layers: Layers, forward_pass: LayersForward, dL_dY: Array) -> tuple[Layers, Array]:
    """Return ∂L/∂(W_l, b_l) of all layers and B_1, with which ∂L/∂X = B_1 W_1, from a forward pass and ∂L/∂Y."""
    gradient, B = [], dL_dY
    for i in reversed(range(len(layers))):
        gradient.append(Layer(W=B.T @ forward_pass.H[i], b=B.sum(axis=0)))
        if i > 0:
            B = (B @ layers[i].W) * forward_pass.Gprime[i - 1]
    return tuple(reversed(gradient)), B


def as_layers(layers: Any, name: str, n_inputs: int | None = None, n_outputs: int | None = None) -> Layers:
    """Return layers in float64 whose shapes fit together, or say which does not; `name` is what an error calls them."""
    try:
        pairs = [(W, b) for W, b in layers]
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a tuple of Layer(W, b), got {type(layers).__name__}") from None
    as_count(len(pairs), f"the number of layers in {name}")
    checked: list[Layer] = []
    for i, (W, b) in enumerate(pairs):
        last = i == len(pairs) - 1
        weights = as_matrix(W, f"{name}[{i}].W", (n_outputs if last else None, n_inputs))
        n_inputs = len(weights)
        checked.append(Layer(weights, as_vector(b, f"{name}[{i}].b", n_inputs)))
    return tuple(checked)


class LayeredObjective(DataObjective):
    """What the objectives on layered networks have in common: they can also be evaluated at other inputs."""

    def encode(self, parameters: Any, X: npt.ArrayLike | None = None) -> Any:
        """Return the codes of inputs.

        Parameters
        ----------
        parameters, X : of encoder and decoder; and array_like, shape (M, d), optional
            Where, and inputs in rows: by default those of the objective.

        Returns
        -------
        Array, shape (M, k), or Posterior
            Z, after any linear layers; of the beta-VAE q(z | x), a row for each input.
        """
        raise NotImplementedError

    def decode(self, parameters: Any, Z: npt.ArrayLike) -> Array:
        """Return the outputs for codes.

        Parameters
        ----------
        parameters, Z : of encoder and decoder; and array_like, shape (M, k)
            Where, and codes in rows, also drawn or interpolated ones.

        Returns
        -------
        Array, shape (M, d)
            X̂; of the beta-VAE, the mean of p(x | z).
        """
        raise NotImplementedError

    def _inputs(self, X: Any) -> Array:
        return self.X if X is None else as_samples(X, "X", self.X.shape[1])
