"""The objective of the paper, Eq. (25), and what all objectives have in common.

Sign: L is *maximised*, and so is every objective in this package; a loss is its negative.
Units: S_α is in bits unless `base` says otherwise, and μ weighs it against D_emp in the units of the data squared. With
(15) and (16) as printed an ascent maximises L in nats, which means μ/ln 2 in bits: μ = 1.5 acts like 2.16.
"""

import copy
import dataclasses
import functools
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from . import paper
from ._validation import (
    LARGEST_SAMPLE,
    Array,
    as_base,
    as_choice,
    as_nonnegative,
    as_order,
    as_positive,
    as_samples,
    hints_at_names,
)
from .activations import Activation, as_activation
from .autoencoder import Forward, Parameters, as_parameters, backpropagate, forward
from .numerics.conditional import FromFactors, FromMatrices, FromSquares, OfOutputs
from .numerics.distances import GaussianKernel, gaussian_gram
from .numerics.entropy import order_of
from .numerics.low_rank import is_low_rank
from .pytree import Pytree
from .threads import by_strips, one_blas_thread
from .workers import Workers, mapping

__all__ = ["METHODS", "AutoencoderObjective", "DataObjective", "Objective", "RateDistortion", "Terms", "distortion_of"]

NOT_GIVEN = float("nan")  # told by its identity
METHODS = ("auto", "paper", "exact", "low-rank")


class Objective(Protocol):
    """What optimisers and the gradient checker need of an objective."""

    def value_and_gradient(self, parameters: Pytree) -> tuple[float, Pytree]:
        """Return the value, to be maximised, and its gradient.

        Parameters
        ----------
        parameters : pytree
            An array, or nested tuples or dicts of arrays.

        Returns
        -------
        value : float
            L.
        gradient : pytree
            Of the same form as the parameters; L increases along it.

        Raises
        ------
        FloatingPointError
            If the outputs or the gradient overflow, as they do when an ascent diverges.
        """
        ...


class Terms(NamedTuple):
    """The parts of L = conditional_entropy − μ distortion."""

    joint_entropy: float  #: S_α(K_X, K_X̂) = S_α(N K_X ∘ K_X̂)
    output_entropy: float  #: S_α(K_X̂)
    conditional_entropy: float  #: S_α(K_X | K_X̂), their difference
    distortion: float  #: D_emp


@dataclass(frozen=True, eq=False)
class DataObjective:
    """What all objectives on data have in common: data and units, read-only."""

    X: Array
    _: dataclasses.KW_ONLY
    activation: str | Activation

    def __post_init__(self) -> None:
        self._accept(X=as_samples(self.X, "X").copy(), activation=as_activation(self.activation))

    def __setstate__(self, state: dict[str, object]) -> None:
        self._accept(**state)  # a copy, or what comes out of a pickle, cannot be written to either

    def _accept(self, **accepted: object) -> None:
        for name, value in accepted.items():
            object.__setattr__(self, name, _read_only(value) if isinstance(value, np.ndarray) else value)


class AutoencoderObjective(DataObjective):
    """What the objectives on one auto-encoder have in common: the forward pass."""

    def reconstruct(self, parameters: Parameters, X: npt.ArrayLike | None = None) -> Array:
        """Return the outputs X̂ of the auto-encoder, shape (M, d), by default for the inputs of the objective."""
        return forward(parameters, self.X if X is None else X, self.activation).Xhat

    def _forward(self, parameters: Parameters, X: Array | None = None) -> Forward:
        X, g = self.X if X is None else X, as_activation(self.activation)
        with np.errstate(over="ignore", invalid="ignore"):
            theta = as_parameters(parameters, X.shape[1])
            parts = by_strips(lambda rows: paper.forward(theta, X[rows], g), len(X), X.size * len(theta.W))
            forward_pass = parts[0] if len(parts) == 1 else Forward(*map(_joined, zip(*parts, strict=True)))
        if not np.abs(forward_pass.Xhat).max() < LARGEST_SAMPLE:  # also where it is NaN
            raise FloatingPointError("the outputs of the auto-encoder overflow: the parameters are too large")
        return forward_pass


@hints_at_names
@dataclass(frozen=True, eq=False)
class RateDistortion(AutoencoderObjective):
    """The rate-distortion objective L = S_α(N K_X ∘ K_X̂) − S_α(K_X̂) − μ D_emp, with its gradient.

    Eq. (25) of the paper.

    Parameters
    ----------
    X, activation : array_like of shape (N, d), and str or Activation
        Inputs in rows, and the units g.
    alpha, mu : float
        Order α > 0 of the entropy, and trade-off μ ≥ 0.
    sigma_x, sigma_xhat, sigma : float
        Kernel sizes for inputs and outputs, or `sigma` for both.
    base : float
        Of the logarithm: 2 for bits, ``math.e`` for the form printed in the paper.
    method : str
        How the entropy is computed. ``"exact"``: from all eigenvalues that do not count as zero. ``"low-rank"``: for
        α > 1, from the eigenvalues above rounding if they are few, without N×N matrices; `truncation_error` bounds the
        change in L. ``"auto"``: whichever of the two is likely to be faster. ``"paper"``: `rdae_ref.paper`, every
        equation as printed, for data of the size of the figures, at orders other than 1 and infinity. At α = 2, 3, 4
        and 5 the first three need no eigenvalues, and at 2 no N×N matrices.
    workers : int or callable, optional
        How tiles are computed in parallel, where L needs no N×N matrix: a number of processes, which live as long as
        the objective, or a ``map``-like callable, such as the ``map`` of an executor. See `rdae_ref.workers`.
        Worthwhile above a few thousand samples. An objective whose `workers` is a callable cannot be pickled.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref import RateDistortion, initial_parameters
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 2))
    >>> objective = RateDistortion(X, activation="relu", alpha=1.01, mu=1.5, sigma_x=0.28, sigma_xhat=0.28)
    >>> value, gradient = objective.value_and_gradient(initial_parameters(2, 10, rng))
    >>> gradient.W.shape
    (10, 2)
    """

    _: dataclasses.KW_ONLY
    alpha: float
    mu: float
    sigma_x: float = NOT_GIVEN
    sigma_xhat: float = NOT_GIVEN
    sigma: dataclasses.InitVar[float | None] = None
    base: float = 2
    method: str = "exact"
    workers: Workers = None
    _equations: "_Equations" = field(init=False, repr=False)

    def __post_init__(self, sigma: float | None) -> None:
        super().__post_init__()
        given = [name for name in ("sigma_x", "sigma_xhat") if getattr(self, name) is not NOT_GIVEN]
        if len(given) != (0 if sigma is not None else 2):
            raise TypeError(f"give sigma_x and sigma_xhat, or sigma for both, got {' and '.join(given) or 'neither'}")
        if sigma is not None:
            self._accept(sigma_x=as_positive(sigma, "sigma"), sigma_xhat=sigma)
        self._accept(
            alpha=as_order(self.alpha),
            mu=as_nonnegative(self.mu, "mu"),
            sigma_x=as_positive(self.sigma_x, "sigma_x"),
            sigma_xhat=as_positive(self.sigma_xhat, "sigma_xhat"),
            base=as_base(self.base),
            method=as_choice(self.method, "method", METHODS),
        )
        self._accept(_equations=_chosen(self))  # computed once and shared by all copies

    @functools.cached_property
    def K_X(self) -> Array:  # noqa: N802  # the paper's name
        """The Gram matrix of the inputs, shape (N, N)."""
        return _read_only(gaussian_gram(self.X, self.sigma_x))

    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        """Return L and ∂L/∂(W, c, A, b), in `base`."""
        with np.errstate(over="ignore", invalid="ignore"), one_blas_thread(len(self.X)):
            value, gradient = self._equations.value_and_gradient(self, as_parameters(parameters, self.X.shape[1]))
        if not all(np.isfinite(part).all() for part in gradient):
            raise FloatingPointError("the gradient overflows: mu or a kernel size is too extreme for these data")
        return value, gradient

    def terms(self, parameters: Parameters) -> Terms:
        """Return the parts of L, entropies in `base`."""
        Xhat = self._forward(parameters).Xhat
        with one_blas_thread(len(Xhat)):
            joint, output = self._equations.entropies(self, Xhat)
        return Terms(joint, output, joint - output, paper.distortion(self.X, Xhat))

    def distortion(self, parameters: Parameters) -> float:
        """Return D_emp as in `terms`, without computing entropies."""
        return paper.distortion(self.X, self._forward(parameters).Xhat)

    def truncation_error(self, parameters: Parameters) -> float:
        """Return a bound on the error in L from low-rank spectra, the sum of those that docs/low_rank.md proves.

        Parameters
        ----------
        parameters : Parameters
            W, c, A, b.

        Returns
        -------
        float
            In `base`; 0 if no eigenvalue is omitted.
        """
        return self._equations.truncation_error(self, self._forward(parameters).Xhat)

    def with_mu(self, mu: float) -> "RateDistortion":
        """Return a new objective with another trade-off μ ≥ 0 and otherwise the same settings."""
        other = copy.copy(self)  # the Gram matrix of the inputs does not depend on μ, and is shared
        other._accept(mu=as_nonnegative(mu, "mu"))
        return other


class _Equations(Protocol):
    """An implementation of (25): the paper as printed, or its equations for every order and size."""

    def value_and_gradient(self, objective: RateDistortion, parameters: Parameters) -> tuple[float, Parameters]: ...

    def entropies(self, objective: RateDistortion, Xhat: Array) -> tuple[float, float]: ...

    def truncation_error(self, objective: RateDistortion, Xhat: Array) -> float:
        return 0.0


def _chosen(objective: RateDistortion) -> _Equations:
    """Select the implementation: the only dispatch."""
    X, alpha, sigma, method = objective.X, objective.alpha, objective.sigma_xhat, objective.method
    workers = None if objective.workers is None else mapping(objective.workers)
    if method == "paper":
        return _Printed(alpha)
    inputs, order = GaussianKernel(X, objective.sigma_x), order_of(alpha, len(X))
    if order.by_elements:
        return _Numeric(FromSquares(inputs, sigma, workers))
    if method == "exact" or order.needs_all or order.by_products is not None:
        return _Numeric(FromMatrices(inputs, sigma, order))
    # N K_X ∘ K_X̂ has almost as many nonzero eigenvalues as K_X, so inputs in many dimensions are ruled out here.
    if method == "low-rank" or is_low_rank(inputs, len(X)):
        return _Numeric(FromFactors(inputs, sigma, order, workers))
    return _Numeric(FromMatrices(inputs, sigma, order))


class _Printed(_Equations):
    """`rdae_ref.paper`."""

    def __init__(self, alpha: float) -> None:
        paper.renyi_entropy(np.ones((1, 1)), alpha)  # which refuses an order without a printed form

    def value_and_gradient(self, objective: RateDistortion, parameters: Parameters) -> tuple[float, Parameters]:
        o, g = objective, as_activation(objective.activation)
        o._forward(parameters)  # which refuses outputs that overflow
        return paper.value_and_gradient(parameters, o.X, g, o.alpha, o.mu, o.sigma_x, o.sigma_xhat, o.base)

    def entropies(self, objective: RateDistortion, Xhat: Array) -> tuple[float, float]:
        o = objective
        K_X, K = paper.gaussian_gram(o.X, o.sigma_x), paper.gaussian_gram(Xhat, o.sigma_xhat)
        return paper.joint_entropy(K_X, K, o.alpha, o.base), paper.renyi_entropy(K, o.alpha, o.base)


class _Numeric(_Equations):
    """`rdae_ref.numerics`; entropy and distortion are backpropagated in one pass."""

    def __init__(self, entropy: OfOutputs) -> None:
        self.entropy = entropy

    def value_and_gradient(self, objective: RateDistortion, parameters: Parameters) -> tuple[float, Parameters]:
        X, mu, unit = objective.X, objective.mu, math.log(objective.base)
        forward_pass = objective._forward(parameters)
        joint, output, dS = self.entropy.with_gradient(forward_pass.Xhat)
        value = (joint - output) / unit - mu * paper.distortion(X, forward_pass.Xhat)
        dL_dXhat = dS / unit + 2 * mu / len(X) * (X - forward_pass.Xhat)
        return value, backpropagate(dL_dXhat, forward_pass, parameters, X)

    def entropies(self, objective: RateDistortion, Xhat: Array) -> tuple[float, float]:
        joint, output = self.entropy.entropies(Xhat)
        return joint / math.log(objective.base), output / math.log(objective.base)

    def truncation_error(self, objective: RateDistortion, Xhat: Array) -> float:
        return self.entropy.truncation_error(Xhat) / math.log(objective.base)


def distortion_of(objective: Any, parameters: Pytree) -> float:
    """Return the distortion of any objective whose terms have one, without the entropies if it has that method."""
    alone = getattr(objective, "distortion", None)
    return float(objective.terms(parameters).distortion if alone is None else alone(parameters))


def _joined(strips: tuple[Array, ...]) -> Array:
    is_constant = np.shape(strips[0])[:-1] in ((), (1,))  # as the derivative of a linear unit may be
    return strips[0] if is_constant else np.concatenate(strips)


def _read_only(array: Array) -> Array:
    """Return a view that cannot be written to: what was computed from the array would not follow a change."""
    view = array.view()  # with flags of its own, so that a user's array stays as it is
    view.setflags(write=False)
    return view
