"""The contractive auto-encoder: reconstruction, with an encoder that changes little where the data is.

Notation of the paper: N samples in rows, Z = X Wᵀ + 1 cᵀ and G′ = g′(Z) are (N, p); here also G″ = g″(Z).
"""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._validation import Array, as_nonnegative
from ..activations import as_activation
from ..autoencoder import Forward, Parameters, as_parameters, distortion
from ..objective import AutoencoderObjective
from .plain import fidelity

__all__ = ["Contractive", "ContractiveTerms", "contraction", "contraction_gradients"]


class ContractiveTerms(NamedTuple):
    """The parts of L = −distortion − strength · contraction.

    Parameters
    ----------
    distortion : float
        D_emp.
    contraction : float
        Mean squared Frobenius norm of the encoder's Jacobian.
    """

    distortion: float
    contraction: float


@dataclass(frozen=True, eq=False)
class Contractive(AutoencoderObjective):
    """The contractive objective L = −D_emp − λ (1/N) Σ_i |∂h/∂x (x_i)|_F², where h(x) = g(W x + c).

    Parameters
    ----------
    X : array_like, shape (N, d)
        Inputs in rows.
    activation : str or Activation
        The units g, with a second derivative.
    strength : float
        λ ≥ 0, in the units of the data to the fourth power where the code has none.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Notes
    -----
    §1 of the paper. S. Rifai, P. Vincent, X. Muller, X. Glorot, Y. Bengio: Contractive auto-encoders: explicit
    invariance during feature extraction, ICML 2011. Weights are tied there, by `Tied` here: without that, the price is
    escaped, W shrinking while A grows.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref.autoencoder import initial_parameters
    >>> from rdae_ref.models import Contractive
    >>> rng = np.random.default_rng(0)
    >>> objective = Contractive(rng.normal(size=(50, 2)), activation="logsig", strength=0.1)
    >>> value, gradient = objective.value_and_gradient(initial_parameters(2, 10, rng))
    >>> gradient.W.shape
    (10, 2)
    """

    _: dataclasses.KW_ONLY
    strength: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._accept(strength=as_nonnegative(self.strength, "strength"))

    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        """Return L and ∂L/∂(W, c, A, b).

        Parameters
        ----------
        parameters : Parameters
            W, c, A, b.

        Returns
        -------
        value : float
            L, in the units of the data squared.
        gradient : Parameters
            Uphill: L is maximised.

        Raises
        ------
        FloatingPointError
            If the outputs overflow.
        """
        forward_pass = self._forward(parameters)
        value, gradient = fidelity(forward_pass, parameters, self.X, self.X)
        W = as_parameters(parameters, self.X.shape[1]).W
        G2 = as_activation(self.activation).second_derivative(forward_pass.Z)
        dW, dc = contraction_gradients(forward_pass, G2, W, self.X)
        return value - self.strength * contraction(forward_pass, W), gradient._replace(
            W=gradient.W - self.strength * dW,
            c=gradient.c - self.strength * dc,
        )

    def terms(self, parameters: Parameters) -> ContractiveTerms:
        """Return the parts of L.

        Parameters
        ----------
        parameters : Parameters
            W, c, A, b.

        Returns
        -------
        ContractiveTerms
            The distortion and the contraction, without its strength.

        Raises
        ------
        FloatingPointError
            If the outputs overflow.
        """
        forward_pass = self._forward(parameters)
        W = as_parameters(parameters, self.X.shape[1]).W
        return ContractiveTerms(distortion(self.X, forward_pass.Xhat), contraction(forward_pass, W))


def contraction(forward_pass: Forward, W: Array) -> float:
    """Return Ω = (1/N) Σ_i |∂h/∂x (x_i)|_F² = (1/N) Σ_i Σ_k g′(z_ik)² |w_k|².

    The Jacobian at x_i is diag(g′(z_i)) W, so with n_k = |w_k|² this is (1/N) 1ᵀ (G′ ∘ G′) n.

    Parameters
    ----------
    forward_pass : Forward
        The forward pass.
    W : Array, shape (p, d)
        Analysis basis.

    Returns
    -------
    float
        Ω.
    """
    n = np.sum(W**2, axis=1)
    return float(np.sum(forward_pass.Gprime**2 @ n) / len(forward_pass.Gprime))


def contraction_gradients(forward_pass: Forward, G2: Array, W: Array, X: Array) -> tuple[Array, Array]:
    """Return the gradients of Ω by W and c; those by A and b are zero.

    W is in Ω twice, in the norms n and, through g′(z), in Z. With E = (2/N) G′ ∘ G″ ∘ 1 nᵀ = ∂Ω/∂Z ::

        ∂Ω/∂W = (2/N) diag(1ᵀ (G′ ∘ G′)) W + Eᵀ X
        ∂Ω/∂c = Eᵀ 1

    Parameters
    ----------
    forward_pass : Forward
        The forward pass.
    G2 : Array, shape (N, p)
        G″ = g″(Z).
    W : Array, shape (p, d)
        Analysis basis.
    X : Array, shape (N, d)
        Inputs in rows.

    Returns
    -------
    dW : Array, shape (p, d)
        ∂Ω/∂W.
    dc : Array, shape (p,)
        ∂Ω/∂c.
    """
    N, Gprime = len(X), forward_pass.Gprime
    n = np.sum(W**2, axis=1)
    E = 2 / N * Gprime * G2 * n
    return 2 / N * np.sum(Gprime**2, axis=0)[:, None] * W + E.T @ X, E.sum(axis=0)
