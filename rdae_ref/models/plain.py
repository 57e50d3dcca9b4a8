"""The plain auto-encoder: reconstruction and nothing else. X and X̂ = f(X) are (N, d)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .. import paper
from .._validation import Array
from ..autoencoder import Forward, Parameters, as_parameters
from ..objective import AutoencoderObjective
from ..pytree import tree_map
from .divergence import raises_on_overflow

__all__ = ["Reconstruction", "ReconstructionTerms", "minus_distortion"]


class ReconstructionTerms(NamedTuple):
    """The parts of L = −distortion."""

    distortion: float  #: D_emp


@dataclass(frozen=True, eq=False)
class Reconstruction(AutoencoderObjective):
    """The plain auto-encoder's objective L = −D_emp = −(1/N) Σ_i |x_i − f(x_i)|²: Eq. (9), negated, for Figure 3.

    Parameters
    ----------
    X, activation : array_like, and str or Activation
        Inputs in rows, shape (N, d), and the units g.
    """

    @raises_on_overflow
    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        """Return L and ∂L/∂(W, c, A, b)."""
        return minus_distortion(self._forward(parameters), parameters, self.X, self.X)

    def terms(self, parameters: Parameters) -> ReconstructionTerms:
        """Return the distortion."""
        return ReconstructionTerms(paper.distortion(self.X, self._forward(parameters).Xhat))


def minus_distortion(
    forward_pass: Forward, parameters: Parameters, X: Array, target: Array
) -> tuple[float, Parameters]:
    """Return −(1/N) Σ_i |target_i − x̂_i|² and its gradient, for the forward pass of X: (9), (21)–(24), negated."""
    gradient = paper.distortion_gradients(forward_pass, as_parameters(parameters, X.shape[1]), X, target)
    return -paper.distortion(target, forward_pass.Xhat), tree_map(np.negative, gradient)
