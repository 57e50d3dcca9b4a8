"""The contractive auto-encoder: reconstruction, with an encoder that changes little around the data.

Notation of the paper: N samples in rows, Z = X Wᵀ + 1 cᵀ and G′ = g′(Z) are (N, p); here also G″ = g″(Z).
"""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .. import paper
from .._validation import Array, as_nonnegative
from ..activations import as_activation
from ..autoencoder import Parameters, as_parameters
from ..objective import AutoencoderObjective
from .divergence import raises_on_overflow
from .plain import minus_distortion

__all__ = ["Contractive", "ContractiveTerms", "contraction", "contraction_gradients"]


class ContractiveTerms(NamedTuple):
    """The parts of L = −distortion − strength · contraction."""

    distortion: float  #: D_emp
    contraction: float  #: mean squared Frobenius norm of the encoder's Jacobian, without its strength


@dataclass(frozen=True, eq=False)
class Contractive(AutoencoderObjective):
    """The contractive objective L = −D_emp − λ (1/N) Σ_i |∂h/∂x (x_i)|_F², where h(x) = g(W x + c).

    §1 of the paper. S. Rifai, P. Vincent, X. Muller, X. Glorot, Y. Bengio: Contractive auto-encoders: explicit
    invariance during feature extraction, ICML 2011. The weights are tied there; use `Tied` here. Without tied weights
    the penalty is evaded: W shrinks while A grows.

    Parameters
    ----------
    X, activation, strength : array_like, str or Activation, and float
        Inputs in rows, shape (N, d); the units g, with a second derivative; and λ ≥ 0, in the units of the data to the
        fourth power where the code has none.
    """

    _: dataclasses.KW_ONLY
    strength: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._accept(strength=as_nonnegative(self.strength, "strength"))

    @raises_on_overflow
    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        """Return L and ∂L/∂(W, c, A, b); A and b are not in the contraction."""
        forward_pass, W = self._forward(parameters), as_parameters(parameters, self.X.shape[1]).W
        value, gradient = minus_distortion(forward_pass, parameters, self.X, self.X)
        G2 = as_activation(self.activation).second_derivative(forward_pass.Z)
        dW, dc = contraction_gradients(forward_pass.Gprime, G2, W, self.X)
        return value - self.strength * contraction(forward_pass.Gprime, W), gradient._replace(
            W=gradient.W - self.strength * dW, c=gradient.c - self.strength * dc
        )

    @raises_on_overflow
    def terms(self, parameters: Parameters) -> ContractiveTerms:
        """Return the distortion and the contraction."""
        forward_pass, W = self._forward(parameters), as_parameters(parameters, self.X.shape[1]).W
        return ContractiveTerms(paper.distortion(self.X, forward_pass.Xhat), contraction(forward_pass.Gprime, W))


def contraction(Gprime: Array, W: Array) -> float:
    """Return Ω = (1/N) Σ_i |∂h/∂x (x_i)|_F² = (1/N) Σ_i Σ_k g′(z_ik)² |w_k|².

    The Jacobian at x_i is diag(g′(z_i)) W, so with n_k = |w_k|² this is (1/N) 1ᵀ (G′ ∘ G′) n.
    """
    n = np.sum(W**2, axis=1)
    return float(np.sum(Gprime**2 @ n) / len(Gprime))


def contraction_gradients(Gprime: Array, G2: Array, W: Array, X: Array) -> tuple[Array, Array]:
    """Return ∂Ω/∂W and ∂Ω/∂c.

    W is in Ω twice, in the norms n and, through g′(z), in Z. With E = (2/N) G′ ∘ G″ ∘ 1 nᵀ = ∂Ω/∂Z ::

        ∂Ω/∂W = (2/N) diag(1ᵀ (G′ ∘ G′)) W + Eᵀ X
        ∂Ω/∂c = Eᵀ 1
    """
    N, n = len(X), np.sum(W**2, axis=1)
    E = 2 / N * Gprime * G2 * n
    return 2 / N * np.sum(Gprime**2, axis=0)[:, None] * W + E.T @ X, E.sum(axis=0)
