"""Tied weights and weight decay, which the paper does without (§3.2): objectives that wrap any other objective."""

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_nonnegative, as_parts
from ..autoencoder import Parameters
from ..objective import distortion_of
from ..pytree import Pytree, leaves, tree_map
from .divergence import raises_on_overflow

__all__ = ["Tied", "TiedParameters", "WeightDecay", "WeightDecayTerms"]


class TiedParameters(NamedTuple):
    """The parameters of an auto-encoder whose decoder has the transposed weights of its encoder, A = Wᵀ."""

    W: Array  #: analysis basis, shape (p, d), a row for each unit; transposed, the synthesis basis
    c: Array  #: offsets of the units, shape (p,)
    b: Array  #: offset of the outputs, shape (d,)

    def untied(self) -> Parameters:
        """Return the parameters (W, c, Wᵀ, b) of the auto-encoder with the same outputs."""
        return Parameters(W=self.W, c=self.c, A=np.transpose(self.W), b=self.b)


@dataclass(frozen=True, eq=False)
class _Wrapper:
    """An objective around another one, to which it passes its parameters on."""

    objective: Any

    @property
    def mu(self) -> float:
        """The trade-off of the objective inside."""
        return self.objective.mu

    def with_mu(self, mu: float) -> Any:
        """Return the same objective with another trade-off; AttributeError if the one inside has none."""
        return dataclasses.replace(self, objective=self.objective.with_mu(mu))

    def distortion(self, parameters: Any) -> float:
        """Return the distortion, alone where the objective inside can."""
        return distortion_of(self.objective, self._inside(parameters))

    def reconstruct(self, parameters: Any, X: npt.ArrayLike | None = None) -> Array:
        """Return the outputs X̂ of the auto-encoder, for the inputs of the objective or others."""
        return self.objective.reconstruct(self._inside(parameters), X)

    def _inside(self, parameters: Any) -> Any:
        """Return the parameters of the objective inside."""
        return parameters


@dataclass(frozen=True, eq=False)
class Tied(_Wrapper):
    """An objective under the constraint A = Wᵀ, with the gradient dL/dW = ∂L/∂W + (∂L/∂A)ᵀ.

    Parameters
    ----------
    objective : Objective
        On `Parameters`, such as `RateDistortion`, `Reconstruction` or `Contractive`.
    """

    @raises_on_overflow
    def value_and_gradient(self, parameters: TiedParameters) -> tuple[float, TiedParameters]:
        """Return L(W, c, Wᵀ, b) and its gradient with respect to W, c, b."""
        value, (dW, dc, dA, db) = self.objective.value_and_gradient(self._inside(parameters))
        return value, TiedParameters(W=dW + dA.T, c=dc, b=db)

    def terms(self, parameters: TiedParameters) -> Any:
        """Return the terms of the objective inside."""
        return self.objective.terms(self._inside(parameters))

    def _inside(self, parameters: Any) -> Parameters:
        return TiedParameters(*as_parts(parameters, "parameters", "TiedParameters(W, c, b)")).untied()


class WeightDecayTerms(NamedTuple):
    """The parts of L under weight decay."""

    inside: Any  #: the terms of the objective inside
    squared_weights: float  #: Σ |weights|², without its strength

    @property
    def distortion(self) -> float:
        """That of the objective inside, which a bound on it asks for."""
        return self.inside.distortion


@dataclass(frozen=True, eq=False)
class WeightDecay(_Wrapper):
    """An objective with a penalty on the weights: L − λ Σ |weights|², as in L − λ (|W|_F² + |A|_F²).

    Weights are the matrices among the parameters; offsets, the vectors, are not penalised. Around `Tied` there is one
    matrix; inside it there are two, so λ counts twice.

    Parameters
    ----------
    objective, strength : Objective and float
        On nested parameters of any form; and λ ≥ 0, in the units of the objective where the weights have none.
    """

    _: dataclasses.KW_ONLY
    strength: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", as_nonnegative(self.strength, "strength"))

    @raises_on_overflow
    def value_and_gradient(self, parameters: Pytree) -> tuple[float, Pytree]:
        """Return L − λ Σ |weights|² and its gradient ∂L/∂W − 2λ W."""
        value, gradient = self.objective.value_and_gradient(parameters)
        decayed = tree_map(
            lambda weights, slope: slope - 2 * self.strength * weights if np.ndim(weights) > 1 else slope,
            parameters,
            gradient,
        )
        return value - self.strength * _squared_weights(parameters), decayed

    @raises_on_overflow
    def terms(self, parameters: Pytree) -> WeightDecayTerms:
        """Return the terms of the objective inside, and the squared weights."""
        return WeightDecayTerms(self.objective.terms(parameters), _squared_weights(parameters))


def _squared_weights(parameters: Pytree) -> float:
    return sum(float(np.sum(array**2)) for _, array in leaves(parameters) if array.ndim > 1)
