"""The implicit rank-minimising auto-encoder: square linear layers between encoder and decoder, and no penalty at all.

Notation of the paper: N samples in rows, E = e(X) and the codes Z are (N, k), X̂ = f(Z) is (N, d) ::

    Z = E M_1ᵀ M_2ᵀ … M_lᵀ      X̂ = decoder(Z)

Without the linear layers (l = 0) it is the plain deep auto-encoder. They add nothing that the encoder's last layer
could not do alone: `collapse` multiplies them into it. What they change is where gradient descent goes: to low rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_count, as_generator, as_matrix, as_positive, as_samples
from ..autoencoder import distortion
from .mlp import (
    Layer,
    LayeredObjective,
    Layers,
    LayersForward,
    as_layers,
    backward_layers,
    forward_layers,
    initial_layers,
)
from .plain import ReconstructionTerms

__all__ = [
    "IRMAE",
    "IRMAEParameters",
    "collapse",
    "effective_rank",
    "initial_irmae_parameters",
    "latent_singular_values",
]


class IRMAEParameters(NamedTuple):
    """The parameters of encoder, linear layers and decoder.

    Parameters
    ----------
    encoder : Layers
        From d inputs to k outputs.
    linear : tuple of Array, each of shape (k, k)
        M_1, … M_l, in the order in which a code goes through them; the empty tuple for the plain auto-encoder.
    decoder : Layers
        From k codes to d outputs.
    """

    encoder: Layers
    linear: tuple[Array, ...]
    decoder: Layers


def initial_irmae_parameters(
    n_features: int,
    n_latents: int,
    n_linear: int,
    rng: np.random.Generator,
    *,
    hidden: Sequence[int] = (),
    gain: float = 1.0,
) -> IRMAEParameters:
    """Return parameters to start from, each layer as in `initial_layers`, the linear ones without their offsets.

    Parameters
    ----------
    n_features : int
        d.
    n_latents : int
        k, the length of a code.
    n_linear : int
        l ≥ 0, the number of square linear layers.
    rng : numpy.random.Generator
        The source of randomness.
    hidden : sequence of int
        Numbers of units of the encoder's hidden layers; the decoder has them in reverse.
    gain : float
        Of all layers. The smaller the linear ones start, the more they do.

    Returns
    -------
    parameters : IRMAEParameters
        encoder, linear, decoder.

    Raises
    ------
    TypeError, ValueError
        If a size is out of its range, `rng` is no Generator, or `gain` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref.models import initial_irmae_parameters
    >>> start = initial_irmae_parameters(4, 3, 2, np.random.default_rng(0), hidden=[8])
    >>> [W.shape for W, _ in start.encoder], [M.shape for M in start.linear], [W.shape for W, _ in start.decoder]
    ([(8, 4), (3, 8)], [(3, 3), (3, 3)], [(8, 3), (4, 8)])
    """
    d, k, n_linear = as_count(n_features, "n_features"), as_count(n_latents, "n_latents"), _n_linear(n_linear)
    rng = as_generator(rng)
    encoder = initial_layers([d, *hidden, k], rng, gain)
    linear = tuple(initial_layers([k, k], rng, gain)[0].W for _ in range(n_linear))
    return IRMAEParameters(encoder, linear, initial_layers([k, *reversed(hidden), d], rng, gain))


@dataclass(frozen=True, eq=False)
class IRMAE(LayeredObjective):
    """The implicit rank-minimising auto-encoder's objective L = −D_emp = −(1/N) Σ_i |x_i − x̂_i|², with its gradient.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Inputs in rows.
    activation : str or Activation
        The units g of all hidden layers of encoder and decoder.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite real matrix, or the activation is not known.

    Notes
    -----
    L. Jing, J. Zbontar, Y. LeCun: Implicit rank-minimizing autoencoder, NeurIPS 2020. Code that takes the mean over
    features as well differs by the factor d, which Adam does not see, but for its ε.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref.models import IRMAE, initial_irmae_parameters, latent_singular_values
    >>> from rdae_ref.optimize import adam
    >>> rng = np.random.default_rng(0)
    >>> objective = IRMAE(rng.normal(size=(50, 4)), activation="relu")
    >>> found = adam(objective, initial_irmae_parameters(4, 3, 2, rng, hidden=[8]), step_size=0.01, n_steps=20)
    >>> latent_singular_values(objective.encode(found.x)).shape
    (3,)
    """

    def value_and_gradient(self, parameters: IRMAEParameters) -> tuple[float, IRMAEParameters]:
        """Return L and its gradient: of the linear layers, with B = ∂L/∂(what M_j returns), ∂L/∂M_j = Bᵀ · its inputs.

        Parameters
        ----------
        parameters : IRMAEParameters
            encoder, linear, decoder.

        Returns
        -------
        value : float
            L, in the units of the data squared.
        gradient : IRMAEParameters
            Uphill: L is maximised.

        Raises
        ------
        FloatingPointError
            If the outputs overflow.
        """
        encoder, linear, decoder = self._checked(parameters)
        encoded, codes, decoded = self._forward(encoder, linear, decoder, self.X)
        error = self.X - decoded.Y
        ddecoder, back = backward_layers(decoder, decoded, 2 / len(error) * error)
        dlinear = []
        for M, inputs in zip(reversed(linear), reversed(codes[:-1]), strict=True):
            dlinear.append(back.T @ inputs)
            back = back @ M
        dencoder, _ = backward_layers(encoder, encoded, back)
        return -distortion(self.X, decoded.Y), IRMAEParameters(dencoder, tuple(reversed(dlinear)), ddecoder)

    def terms(self, parameters: IRMAEParameters) -> ReconstructionTerms:
        """Return the parts of L.

        Parameters
        ----------
        parameters : IRMAEParameters
            encoder, linear, decoder.

        Returns
        -------
        ReconstructionTerms
            The distortion: mean over samples of the squared error, summed over features.

        Raises
        ------
        FloatingPointError
            If the outputs overflow.
        """
        return ReconstructionTerms(distortion(self.X, self.reconstruct(parameters)))

    def encode(self, parameters: IRMAEParameters, X: npt.ArrayLike | None = None) -> Array:
        """Return the codes Z, behind the linear layers.

        Parameters
        ----------
        parameters : IRMAEParameters
            encoder, linear, decoder.
        X : array_like, shape (M, d), optional
            Inputs; those of the objective, if there are none.

        Returns
        -------
        Array, shape (M, k)
            Z.
        """
        return self._forward(*self._checked(parameters), self._inputs(X))[1][-1]

    def decode(self, parameters: IRMAEParameters, Z: npt.ArrayLike) -> Array:
        """Return the outputs for codes, drawn or interpolated ones as well.

        Parameters
        ----------
        parameters : IRMAEParameters
            encoder, linear, decoder.
        Z : array_like, shape (M, k)
            Codes in rows.

        Returns
        -------
        Array, shape (M, d)
            X̂.
        """
        decoder = self._checked(parameters).decoder
        return forward_layers(decoder, as_samples(Z, "Z", decoder[0].W.shape[1]), self.activation).Y

    def reconstruct(self, parameters: IRMAEParameters, X: npt.ArrayLike | None = None) -> Array:
        """Return the outputs X̂ of the auto-encoder.

        Parameters
        ----------
        parameters : IRMAEParameters
            encoder, linear, decoder.
        X : array_like, shape (M, d), optional
            Inputs; those of the objective, if there are none.

        Returns
        -------
        Array, shape (M, d)
            X̂.
        """
        return self._forward(*self._checked(parameters), self._inputs(X))[2].Y

    def _forward(
        self, encoder: Layers, linear: tuple[Array, ...], decoder: Layers, X: Array
    ) -> tuple[LayersForward, list[Array], LayersForward]:
        encoded = forward_layers(encoder, X, self.activation)
        codes = [encoded.Y]
        with np.errstate(over="ignore", invalid="ignore"):
            for M in linear:
                codes.append(codes[-1] @ M.T)
        return encoded, codes, forward_layers(decoder, codes[-1], self.activation)

    def _checked(self, parameters: Any) -> IRMAEParameters:
        return _as_irmae_parameters(parameters, self.X.shape[1])


def collapse(parameters: IRMAEParameters) -> IRMAEParameters:
    """Return the plain auto-encoder with the same codes and outputs: the linear layers go into the encoder's last one.

    With M = M_l … M_1 its weights become M W and its offsets M b.

    Parameters
    ----------
    parameters : IRMAEParameters
        encoder, linear, decoder.

    Returns
    -------
    parameters : IRMAEParameters
        Without linear layers; the others unchanged.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit or something is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref.models import collapse, initial_irmae_parameters
    >>> plain = collapse(initial_irmae_parameters(4, 3, 8, np.random.default_rng(0), hidden=[8]))
    >>> plain.linear, [layer.W.shape for layer in plain.encoder]
    ((), [(8, 4), (3, 8)])
    """
    encoder, linear, decoder = _as_irmae_parameters(parameters)
    W, b = encoder[-1]
    for M in linear:
        W, b = M @ W, M @ b
    return IRMAEParameters((*encoder[:-1], Layer(W, b)), (), decoder)


def latent_singular_values(Z: npt.ArrayLike) -> Array:
    """Return the singular values of the covariance of codes, (1/N) Σ (z − z̄)(z − z̄)ᵀ.

    Parameters
    ----------
    Z : array_like, shape (N, k)
        Codes in rows.

    Returns
    -------
    Array, shape (k,)
        Largest first; divide by the first to compare models.

    Raises
    ------
    TypeError, ValueError
        If `Z` is no finite real matrix.

    Notes
    -----
    They are the squares, over N, of the singular values of Z − 1 z̄ᵀ, and computed as such: from the covariance itself
    all below 1e-16 of the largest would be rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from rdae_ref.models import latent_singular_values
    >>> Z = 7 + np.array([[2.0, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0]])
    >>> print(latent_singular_values(Z) + 0)
    [2.  0.5 0. ]
    """
    Z = as_samples(Z, "Z")
    values = np.linalg.svd(Z - Z.mean(axis=0), compute_uv=False) ** 2 / len(Z)
    return np.concatenate([values, np.zeros(Z.shape[1] - len(values))])


def effective_rank(singular_values: npt.ArrayLike, threshold: float = 0.01) -> int:
    """Return how many singular values exceed a fraction of the largest.

    Parameters
    ----------
    singular_values : array_like, shape (k,)
        As from `latent_singular_values`.
    threshold : float
        The fraction; the count depends on it, so it belongs beside each count.

    Returns
    -------
    int
        From 0, where all are zero, to k.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> effective_rank([4.0, 1.0, 0.02])
    2
    """
    values = as_matrix(np.atleast_2d(singular_values), "singular_values")
    return int(np.sum(values > as_positive(threshold, "threshold") * values.max()))


def _n_linear(n_linear: int) -> int:
    return as_count(n_linear, "n_linear", minimum=0)


def _as_irmae_parameters(parameters: Any, n_features: int | None = None) -> IRMAEParameters:
    try:
        encoder, linear, decoder = parameters
        linear = tuple(linear)
    except (TypeError, ValueError):
        name = type(parameters).__name__
        raise TypeError(f"parameters must be IRMAEParameters(encoder, linear, decoder), got {name}") from None
    encoder = as_layers(encoder, "encoder", n_inputs=n_features)
    k = len(encoder[-1].W)
    linear = tuple(as_matrix(M, f"linear[{j}]", (k, k)) for j, M in enumerate(linear))
    return IRMAEParameters(encoder, linear, as_layers(decoder, "decoder", n_inputs=k, n_outputs=n_features))
