"""Tied weights and weight decay, around any objective: the constraints that the paper does without.

Each is an objective itself, with ``mu`` and ``with_mu`` where the one inside has them.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_nonnegative
from ..autoencoder import Parameters
from ..objective import distortion_of
from ..pytree import Pytree, leaves, tree_map

__all__ = ["Tied", "TiedParameters", "WeightDecay"]


class TiedParameters(NamedTuple):
    """The parameters of an auto-encoder whose decoder has the transposed weights of its encoder, A = Wᵀ.

    Parameters
    ----------
    W : Array, shape (p, d)
        Analysis basis, one row for each unit, and so the synthesis basis.
    c : Array, shape (p,)
        Offsets of the units.
    b : Array, shape (d,)
        Offset of the outputs.
    """

    W: Array
    c: Array
    b: Array

    def untied(self) -> Parameters:
        """Return the parameters (W, c, Wᵀ, b).

        Returns
        -------
        parameters : Parameters
            Of the auto-encoder with the same outputs.
        """
        return Parameters(W=self.W, c=self.c, A=np.transpose(self.W), b=self.b)


@dataclass(frozen=True, eq=False)
class _Around:
    """An objective around another one, whose trade-off it has."""

    objective: Any

    @property
    def mu(self) -> float:
        """The trade-off of the objective inside."""
        return self.objective.mu

    def with_mu(self, mu: float) -> Any:
        """Return the same objective with another trade-off.

        Parameters
        ----------
        mu : float
            Trade-off μ ≥ 0.

        Returns
        -------
        object
            A new one of the same class; this one stays as it is.

        Raises
        ------
        AttributeError
            If the objective inside has no trade-off.
        TypeError, ValueError
            If `mu` is out of its range.
        """
        return dataclasses.replace(self, objective=self.objective.with_mu(mu))


@dataclass(frozen=True, eq=False)
class Tied(_Around):
    """An objective under the constraint A = Wᵀ, with the gradient dL/dW = ∂L/∂W + (∂L/∂A)ᵀ.

    Parameters
    ----------
    objective : Objective
        On `Parameters`, such as `RateDistortion`, `Reconstruction` or `Contractive`.

    Notes
    -----
    §3.2 of the paper: "there is no imposed constraint on the mapping such as tied weights or explicit weight decay".

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref.models import Reconstruction, Tied, TiedParameters
    >>> objective = Tied(Reconstruction([[-1.0, 0.0], [1.0, 0.0]], activation="linear"))
    >>> start = TiedParameters(W=np.array([[0.5, 0.0]]), c=np.zeros(1), b=np.zeros(2))
    >>> objective.value_and_gradient(start)[0]
    -0.5625
    """

    def value_and_gradient(self, parameters: TiedParameters) -> tuple[float, TiedParameters]:
        """Return L(W, c, Wᵀ, b) and its gradient by W, c, b.

        Parameters
        ----------
        parameters : TiedParameters
            W, c, b.

        Returns
        -------
        value : float
            L.
        gradient : TiedParameters
            Uphill: L is maximised.
        """
        value, (dW, dc, dA, db) = self.objective.value_and_gradient(_untied(parameters))
        return value, TiedParameters(W=dW + dA.T, c=dc, b=db)

    def terms(self, parameters: TiedParameters) -> Any:
        """Return the parts of L.

        Parameters
        ----------
        parameters : TiedParameters
            W, c, b.

        Returns
        -------
        NamedTuple
            The terms of the objective inside.
        """
        return self.objective.terms(_untied(parameters))

    def distortion(self, parameters: TiedParameters) -> float:
        """Return the distortion, alone where the objective inside can.

        Parameters
        ----------
        parameters : TiedParameters
            W, c, b.

        Returns
        -------
        float
            That of the objective inside.
        """
        return distortion_of(self.objective, _untied(parameters))

    def reconstruct(self, parameters: TiedParameters, X: npt.ArrayLike | None = None) -> Array:
        """Return the outputs X̂ of the auto-encoder.

        Parameters
        ----------
        parameters : TiedParameters
            W, c, b.
        X : array_like, shape (M, d), optional
            Inputs; those of the objective, if there are none.

        Returns
        -------
        Array, shape (M, d)
            X̂.
        """
        return self.objective.reconstruct(_untied(parameters), X)


class WeightDecayTerms(NamedTuple):
    """The parts of L under weight decay.

    Parameters
    ----------
    inside : NamedTuple
        The terms of the objective inside.
    squared_weights : float
        Σ |W|², without its strength.
    """

    inside: Any
    squared_weights: float

    @property
    def distortion(self) -> float:
        """That of the objective inside, which a bound on it asks for."""
        return self.inside.distortion


@dataclass(frozen=True, eq=False)
class WeightDecay(_Around):
    """An objective with a price on the weights: L − λ Σ |weights|², as in L − λ (|W|_F² + |A|_F²).

    Weights are the matrices among the parameters; offsets, the vectors, are free. Around `Tied` there is one matrix;
    inside it there are two, so that λ counts twice.

    Parameters
    ----------
    objective : Objective
        Any, on nested parameters of any form.
    strength : float
        λ ≥ 0, in the units of the objective where the weights have none.

    Raises
    ------
    TypeError, ValueError
        If `strength` is out of its range.

    Notes
    -----
    §3.2 and §4.2 of the paper.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref.autoencoder import Parameters
    >>> from rdae_ref.models import Reconstruction, WeightDecay
    >>> objective = WeightDecay(Reconstruction([[-2.0], [2.0]], activation="linear"), strength=0.5)
    >>> objective.terms(Parameters(W=np.eye(1), c=np.zeros(1), A=np.eye(1) / 2, b=np.zeros(1)))
    WeightDecayTerms(inside=ReconstructionTerms(distortion=1.0), squared_weights=1.25)
    """

    _: dataclasses.KW_ONLY
    strength: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", as_nonnegative(self.strength, "strength"))

    def value_and_gradient(self, parameters: Pytree) -> tuple[float, Pytree]:
        """Return L − λ Σ |weights|² and its gradient.

        Parameters
        ----------
        parameters : pytree
            As the objective inside takes them.

        Returns
        -------
        value : float
            What is maximised.
        gradient : pytree
            Uphill, in the form of the parameters.
        """
        value, gradient = self.objective.value_and_gradient(parameters)
        decayed = tree_map(
            lambda slope, weights: slope - 2 * self.strength * weights if np.ndim(weights) > 1 else slope,
            gradient,
            parameters,
        )
        return value - self.strength * _squared_weights(parameters), decayed

    def terms(self, parameters: Pytree) -> "WeightDecayTerms":
        """Return the parts of L.

        Parameters
        ----------
        parameters : pytree
            As the objective inside takes them.

        Returns
        -------
        WeightDecayTerms
            The terms of the objective inside, and squared_weights, without its strength.
        """
        return WeightDecayTerms(self.objective.terms(parameters), _squared_weights(parameters))

    def distortion(self, parameters: Pytree) -> float:
        """Return the distortion, alone where the objective inside can.

        Parameters
        ----------
        parameters : pytree
            As the objective inside takes them.

        Returns
        -------
        float
            That of the objective inside.
        """
        return distortion_of(self.objective, parameters)

    def reconstruct(self, parameters: Pytree, X: npt.ArrayLike | None = None) -> Array:
        """Return the outputs X̂ of the auto-encoder.

        Parameters
        ----------
        parameters : pytree
            As the objective inside takes them.
        X : array_like, shape (M, d), optional
            Inputs; those of the objective, if there are none.

        Returns
        -------
        Array, shape (M, d)
            X̂.
        """
        return self.objective.reconstruct(parameters, X)


def _untied(parameters: TiedParameters) -> Parameters:
    try:
        W, c, b = parameters
    except (TypeError, ValueError):
        raise TypeError(f"parameters must be TiedParameters(W, c, b), got {type(parameters).__name__}") from None
    return TiedParameters(W, c, b).untied()


def _squared_weights(parameters: Pytree) -> float:
    return sum(float(np.sum(array**2)) for _, array in leaves(parameters) if array.ndim > 1)
