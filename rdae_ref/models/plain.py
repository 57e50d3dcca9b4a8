"""The plain auto-encoder: reconstruction and nothing else.

Notation of the paper: N samples in rows, X and X̂ = f(X) are (N, d).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .._validation import Array
from ..autoencoder import Forward, Parameters, distortion, distortion_gradients
from ..objective import AutoencoderObjective
from ..pytree import tree_map

__all__ = ["Reconstruction", "ReconstructionTerms", "fidelity"]


class ReconstructionTerms(NamedTuple):
    """The parts of L = −distortion.

    Parameters
    ----------
    distortion : float
        D_emp.
    """

    distortion: float


@dataclass(frozen=True, eq=False)
class Reconstruction(AutoencoderObjective):
    """The plain auto-encoder's objective L = −D_emp = −(1/N) Σ_i |x_i − f(x_i)|², with its gradient.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Inputs in rows.
    activation : str or Activation
        The units g.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite real matrix, or the activation is not known.

    Notes
    -----
    Eq. (9) of the paper, negated; "non-regularized" in its Figure 3.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref.autoencoder import initial_parameters
    >>> from rdae_ref.models import Reconstruction
    >>> rng = np.random.default_rng(0)
    >>> objective = Reconstruction(rng.normal(size=(50, 2)), activation="softplus")
    >>> value, gradient = objective.value_and_gradient(initial_parameters(2, 10, rng))
    >>> gradient.W.shape
    (10, 2)
    """

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
        return fidelity(self._forward(parameters), parameters, self.X, self.X)

    def terms(self, parameters: Parameters) -> ReconstructionTerms:
        """Return the parts of L.

        Parameters
        ----------
        parameters : Parameters
            W, c, A, b.

        Returns
        -------
        ReconstructionTerms
            The distortion.

        Raises
        ------
        FloatingPointError
            If the outputs overflow.
        """
        return ReconstructionTerms(distortion(self.X, self._forward(parameters).Xhat))


def fidelity(forward_pass: Forward, parameters: Parameters, X: Array, target: Array) -> tuple[float, Parameters]:
    """Return −D_emp and its gradient, the part that all models share.

    Parameters
    ----------
    forward_pass : Forward
        The forward pass of `X`.
    parameters : Parameters
        W, c, A, b.
    X : Array, shape (N, d)
        Inputs in rows.
    target : Array, shape (N, d)
        What the outputs are compared with: `X` itself, unless the inputs were corrupted.

    Returns
    -------
    value : float
        −(1/N) Σ_i |target_i − x̂_i|².
    gradient : Parameters
        Uphill.

    Notes
    -----
    Eqs. (9) and (21)–(24) of the paper, negated.
    """
    gradient = distortion_gradients(forward_pass, parameters, X, target)
    return -distortion(target, forward_pass.Xhat), tree_map(np.negative, gradient)
