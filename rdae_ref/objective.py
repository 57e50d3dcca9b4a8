"""The objective of the paper, Eq. (25).

Sign: L is *maximised*, and so is every objective in this package; a loss is its negative.
Units: S_α is in bits unless `base` says otherwise, and μ weighs it against D_emp in the units of the data squared. With
(15) and (16) as the paper prints them an ascent is that of nats, i.e. of μ/ln 2 in bits: μ = 1.5 acts as 2.16.
"""

import copy
import dataclasses
import functools
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ._validation import LARGEST_SAMPLE, Array, as_base, as_choice, as_nonnegative, as_order, as_positive, as_samples
from .activations import Activation, as_activation
from .autoencoder import Forward, Parameters, as_parameters, backpropagate, distortion, forward, run
from .entropy import BY_PRODUCTS, renyi_entropy
from .gram import gaussian_gram
from .numerics.conditional import ConditionalEntropy, collision, from_matrices, from_spectra, spectra
from .numerics.spectrum import SPECTRA, kernel_is_low_rank
from .numerics.tiles import GaussianBlocks
from .pytree import Pytree
from .workers import Parallel, Workers, mapping

__all__ = ["AutoencoderObjective", "DataObjective", "Objective", "RateDistortion", "Terms", "distortion_of"]


class Objective(Protocol):
    """What optimisers and the gradient checker need of an objective."""

    def value_and_gradient(self, parameters: Pytree) -> tuple[float, Pytree]:
        """Return the value, to be maximised, and its gradient.

        Parameters
        ----------
        parameters : pytree
            An array, or nested tuples of arrays.

        Returns
        -------
        value : float
            L.
        gradient : pytree
            Of the form of the parameters.
        """
        ...


class Terms(NamedTuple):
    """The parts of L.

    Parameters
    ----------
    joint_entropy : float
        S_α(K_X, K_X̂) = S_α(N K_X ∘ K_X̂).
    output_entropy : float
        S_α(K_X̂).
    conditional_entropy : float
        S_α(K_X | K_X̂), their difference.
    distortion : float
        D_emp.
    """

    joint_entropy: float
    output_entropy: float
    conditional_entropy: float
    distortion: float


@dataclass(frozen=True, eq=False)
class DataObjective:
    """What all objectives on data have in common: data and units, which nobody can write to.

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
    """

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


@dataclass(frozen=True, eq=False)
class AutoencoderObjective(DataObjective):
    """What the objectives on one auto-encoder have in common: the forward pass.

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
    """

    def reconstruct(self, parameters: Parameters, X: npt.ArrayLike | None = None) -> Array:
        """Return the outputs X̂ of the auto-encoder.

        Parameters
        ----------
        parameters : Parameters
            W, c, A, b.
        X : array_like, shape (M, d), optional
            Inputs; those of the objective, if there are none.

        Returns
        -------
        Array, shape (M, d)
            X̂.
        """
        return forward(parameters, self.X if X is None else X, self.activation).Xhat

    def _forward(self, parameters: Parameters, X: Array | None = None) -> Forward:
        X, g = self.X if X is None else X, as_activation(self.activation)
        with np.errstate(over="ignore", invalid="ignore"):
            forward_pass = run(as_parameters(parameters, X.shape[1]), X, g)
        if not np.abs(forward_pass.Xhat).max() < LARGEST_SAMPLE:  # also where it is NaN
            raise FloatingPointError("the outputs of the auto-encoder overflow: the parameters are too large")
        return forward_pass


@dataclass(frozen=True, eq=False)
class RateDistortion(AutoencoderObjective):
    """The rate-distortion objective L = S_α(N K_X ∘ K_X̂) − S_α(K_X̂) − μ D_emp, with its gradient.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Inputs in rows.
    activation : str or Activation
        The units g.
    alpha : float
        Order α > 0 of the entropy.
    mu : float
        Trade-off μ ≥ 0.
    sigma_x, sigma_xhat : float
        Kernel sizes for inputs and outputs.
    base : float
        Of the logarithm: 2 for bits, ``math.e`` for the form printed in the paper.
    spectrum : str
        How eigenvalues are computed. ``"exact"``: all that do not count as zero. ``"low-rank"``: for α > 1, those that
        are no rounding, as long as there are few, without any N×N matrix; `truncation_error` bounds what that does to
        L. ``"auto"``: the one of the two that is likely to be faster. At α = 2 nothing needs them, and N×N matrices
        neither; at 3, 4 and 5 products of N×N matrices take their place, whatever was chosen.
    workers : int or callable, optional
        Who works on the tiles, where L needs no N×N matrix: so many processes, which live as long as the objective, or
        a ``map``-like callable, such as the ``map`` of an executor. See `rdae_ref.workers`. It pays from some thousands
        of samples on; without, and with N×N matrices, all is done here. An objective with the workers of another cannot
        be pickled.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Notes
    -----
    Eq. (25) of the paper.

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
    sigma_x: float
    sigma_xhat: float
    base: float = 2
    spectrum: str = "exact"
    workers: Workers = None
    _path: str = field(init=False, repr=False)
    _map: Parallel | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._accept(
            alpha=as_order(self.alpha),
            mu=as_nonnegative(self.mu, "mu"),
            sigma_x=as_positive(self.sigma_x, "sigma_x"),
            sigma_xhat=as_positive(self.sigma_xhat, "sigma_xhat"),
            base=as_base(self.base),
            spectrum=as_choice(self.spectrum, "spectrum", SPECTRA),
            _map=None if self.workers is None else mapping(self.workers),
        )
        # What all copies of this objective share is computed now.
        self._accept(_path=self._fastest_path())
        _ = self.K_X if self._path == "exact" else self._inputs

    @functools.cached_property
    def K_X(self) -> Array:  # noqa: N802  # the paper's name
        """The Gram matrix of the inputs, shape (N, N)."""
        return _read_only(gaussian_gram(self.X, self.sigma_x))

    @functools.cached_property
    def _inputs(self) -> GaussianBlocks:
        return GaussianBlocks(self.X, self.sigma_x)

    def _fastest_path(self) -> str:
        if self.alpha == 2:
            return "collision"
        if self.spectrum == "exact" or self.alpha <= 1 or self.alpha in BY_PRODUCTS:
            return "exact"
        # N K_X ∘ K_X̂ has hardly fewer eigenvalues than K_X: inputs that fill many dimensions are refused at once.
        return "low-rank" if self.spectrum == "low-rank" or kernel_is_low_rank(self._inputs, len(self.X)) else "exact"

    def value_and_gradient(self, parameters: Parameters) -> tuple[float, Parameters]:
        """Return L and ∂L/∂(W, c, A, b), in `base`.

        Parameters
        ----------
        parameters : Parameters
            W, c, A, b.

        Returns
        -------
        value : float
            L.
        gradient : Parameters
            Uphill: L is maximised.

        Raises
        ------
        FloatingPointError
            If the outputs overflow, as they do when an ascent diverges, or the gradient does.
        """
        parameters = as_parameters(parameters, self.X.shape[1])
        forward_pass = self._forward(parameters)
        joint, output, dS = self._conditional_entropy(forward_pass, parameters)
        unit, error = math.log(self.base), self.X - forward_pass.Xhat
        value = (joint - output) / unit - self.mu * float(np.vdot(error, error)) / len(error)
        dL = dS / unit + 2 * self.mu / len(error) * error
        if not np.isfinite(dL).all():
            raise FloatingPointError("the gradient overflows: mu or a kernel size is out of all proportion to the data")
        return value, backpropagate(dL, forward_pass, parameters, self.X)

    def _conditional_entropy(self, forward_pass: Forward, parameters: Parameters) -> ConditionalEntropy:
        """Return S_α(K_X | K_X̂) in nats, and its gradient by X̂."""
        if self._path != "exact":
            outputs = GaussianBlocks(forward_pass.Xhat, self.sigma_xhat)
            if self._path == "collision":
                return collision(self._inputs, outputs, forward_pass.Xhat, self._map)
            found = spectra(self._inputs, outputs)
            if found is not None:
                return from_spectra(found, self._inputs, outputs, forward_pass.Xhat, self.alpha, self._map)
        return from_matrices(self.K_X, forward_pass, parameters.A, self.sigma_xhat, self.alpha)

    def terms(self, parameters: Parameters) -> Terms:
        """Return the parts of L: L = conditional_entropy − μ distortion.

        Parameters
        ----------
        parameters : Parameters
            W, c, A, b.

        Returns
        -------
        Terms
            joint_entropy, output_entropy, conditional_entropy in `base`, and distortion.

        Raises
        ------
        FloatingPointError
            If the outputs overflow.
        """
        Xhat = self._forward(parameters).Xhat
        joint, output = self._entropies(Xhat)
        return Terms(joint, output, joint - output, distortion(self.X, Xhat))

    def distortion(self, parameters: Parameters) -> float:
        """Return D_emp alone, for which no entropy is needed.

        Parameters
        ----------
        parameters : Parameters
            W, c, A, b.

        Returns
        -------
        float
            That of `terms`.

        Raises
        ------
        FloatingPointError
            If the outputs overflow.
        """
        return distortion(self.X, self._forward(parameters).Xhat)

    def _entropies(self, Xhat: Array) -> tuple[float, float]:
        """Return S_α(N K_X ∘ K_X̂) and S_α(K_X̂) in `base`."""
        if self._path != "exact":
            unit, outputs = math.log(self.base), GaussianBlocks(Xhat, self.sigma_xhat)
            if self._path == "collision":
                joint, output, _ = collision(self._inputs, outputs, Xhat[:, :0], self._map)
                return joint / unit, output / unit
            found = spectra(self._inputs, outputs)
            if found is not None:
                joint, output = found.entropies(self.alpha)
                return joint / unit, output / unit
        K = gaussian_gram(Xhat, self.sigma_xhat)
        return renyi_entropy(len(K) * self.K_X * K, self.alpha, self.base), renyi_entropy(K, self.alpha, self.base)

    def truncation_error(self, parameters: Parameters) -> float:
        """Return a proven bound on what a low-rank spectrum changes in L.

        Parameters
        ----------
        parameters : Parameters
            W, c, A, b.

        Returns
        -------
        float
            In `base`; 0 where the path that is taken leaves no eigenvalue out.

        Raises
        ------
        FloatingPointError
            If the outputs overflow.

        Notes
        -----
        `rdae_ref.entropy.truncation_error`, for both entropies; docs/low_rank.md proves it.
        """
        if self._path != "low-rank":
            return 0.0
        found = spectra(self._inputs, GaussianBlocks(self._forward(parameters).Xhat, self.sigma_xhat))
        return 0.0 if found is None else found.truncation_error(self.alpha) / math.log(self.base)

    def with_mu(self, mu: float) -> "RateDistortion":
        """Return the same objective with another trade-off.

        Parameters
        ----------
        mu : float
            Trade-off μ ≥ 0.

        Returns
        -------
        RateDistortion
            A new object; this one stays as it is.

        Raises
        ------
        TypeError, ValueError
            If `mu` is not a finite number, 0 or above.
        """
        other = copy.copy(self)  # the Gram matrix of the inputs does not depend on μ, and is shared
        other._accept(mu=as_nonnegative(mu, "mu"))
        return other


def distortion_of(objective: Any, parameters: Pytree) -> float:
    """Return the distortion of any objective whose terms have one; alone, where it can be had alone.

    Parameters
    ----------
    objective : Objective
        With ``terms``, and perhaps a method ``distortion`` that spares the rest of them.
    parameters : pytree
        As the objective takes them.

    Returns
    -------
    float
        D.
    """
    alone = getattr(objective, "distortion", None)
    return float(objective.terms(parameters).distortion if alone is None else alone(parameters))


def _read_only(array: Array) -> Array:
    """Return a view that cannot be written to: what was computed from the array would not follow a change."""
    view = array.view()  # with flags of its own, so that a user's array stays as it is
    view.setflags(write=False)
    return view
