"""The implicit rank-minimising auto-encoder: square linear layers between encoder and decoder, and no penalty at all.

Notation of the paper: N samples in rows, E = e(X) and the codes Z are (N, k), X̂ = f(Z) is (N, d) ::

    Z = E M_1ᵀ M_2ᵀ … M_lᵀ      X̂ = decoder(Z)

Without the linear layers (l = 0) it is the plain deep auto-encoder. They add nothing that the encoder's last layer
could not represent: `collapse` multiplies them into it. But they lead gradient descent to codes of low rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import paper
from .._validation import Array, as_count, as_generator, as_matrix, as_samples
from . import mlp
from .divergence import raises_on_overflow
from .plain import ReconstructionTerms

__all__ = ["IRMAE", "IRMAEParameters", "collapse", "initial_irmae_parameters"]


class IRMAEParameters(NamedTuple):
    """The parameters of encoder, linear layers and decoder."""

    encoder: mlp.Layers  #: from d inputs to k outputs
    linear: tuple[Array, ...]  #: M_1, … M_l of shape (k, k), in this order; empty for the plain auto-encoder
    decoder: mlp.Layers  #: from k codes to d outputs


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
    n_features, n_latents, n_linear, rng, hidden, gain : as in `initial_vae_parameters`
        And the number l ≥ 0 of square linear layers: the smaller they start, the stronger their effect.

    Returns
    -------
    parameters : IRMAEParameters
        Encoder, linear layers, decoder.
    """
    d, k, rng = as_count(n_features, "n_features"), as_count(n_latents, "n_latents"), as_generator(rng)
    n_linear = as_count(n_linear, "n_linear", minimum=0)
    encoder = mlp.initial_layers([d, *hidden, k], rng, gain)
    linear = tuple(mlp.initial_layers([k, k], rng, gain)[0].W for _ in range(n_linear))
    return IRMAEParameters(encoder, linear, mlp.initial_layers([k, *reversed(hidden), d], rng, gain))


@dataclass(frozen=True, eq=False)
class IRMAE(mlp.LayeredObjective):
    """The implicit rank-minimising auto-encoder's objective L = −D_emp = −(1/N) Σ_i |x_i − x̂_i|².

    L. Jing, J. Zbontar, Y. LeCun: Implicit rank-minimizing autoencoder, NeurIPS 2020. Code that also averages over
    features differs by the factor d, which does not affect Adam, except through its ε.

    Parameters
    ----------
    X, activation : array_like, and str or Activation
        Inputs in rows, shape (N, d), and the units g of all hidden layers, also ``"tanh"``.
    """

    @raises_on_overflow
    def value_and_gradient(self, parameters: IRMAEParameters) -> tuple[float, IRMAEParameters]:
        """Return L and its gradient: ∂L/∂M_j is Bᵀ times the inputs of M_j, B being ∂L/∂(its outputs)."""
        encoder, linear, decoder = self._checked(parameters)
        encoded, codes, decoded = self._forward(encoder, linear, decoder, self.X)
        error = self.X - decoded.Y
        ddecoder, B = mlp.backward_layers(decoder, decoded, 2 / len(error) * error)
        B, dlinear = B @ decoder[0].W, []
        for M, inputs in zip(reversed(linear), reversed(codes[:-1]), strict=True):
            dlinear.append(B.T @ inputs)
            B = B @ M
        dencoder, _ = mlp.backward_layers(encoder, encoded, B)
        return -paper.distortion(self.X, decoded.Y), IRMAEParameters(dencoder, tuple(reversed(dlinear)), ddecoder)

    def terms(self, parameters: IRMAEParameters) -> ReconstructionTerms:
        """Return the distortion: mean over samples of the squared error, summed over features."""
        return ReconstructionTerms(paper.distortion(self.X, self.reconstruct(parameters)))

    def encode(self, parameters: IRMAEParameters, X: npt.ArrayLike | None = None) -> Array:
        return self._forward(*self._checked(parameters), self._inputs(X))[1][-1]

    def decode(self, parameters: IRMAEParameters, Z: npt.ArrayLike) -> Array:
        decoder = self._checked(parameters).decoder
        return mlp.forward_layers(decoder, as_samples(Z, "Z", decoder[0].W.shape[1]), self.activation).Y

    def reconstruct(self, parameters: IRMAEParameters, X: npt.ArrayLike | None = None) -> Array:
        """Return the outputs X̂ for the rows of X, or of the objective's own data."""
        return self._forward(*self._checked(parameters), self._inputs(X))[2].Y

    def _forward(
        self, encoder: mlp.Layers, linear: tuple[Array, ...], decoder: mlp.Layers, X: Array
    ) -> tuple[mlp.LayersForward, list[Array], mlp.LayersForward]:
        encoded = mlp.forward_layers(encoder, X, self.activation)
        codes = [encoded.Y]
        with np.errstate(over="ignore", invalid="ignore"):
            for M in linear:
                codes.append(codes[-1] @ M.T)
        return encoded, codes, mlp.forward_layers(decoder, codes[-1], self.activation)

    def _checked(self, parameters: Any) -> IRMAEParameters:
        return _as_irmae_parameters(parameters, self.X.shape[1])


@raises_on_overflow
def collapse(parameters: IRMAEParameters) -> IRMAEParameters:
    """Return the plain auto-encoder with the same codes and outputs: the linear layers join the encoder's last one.

    With M = M_l … M_1 its weights become M W and its offsets M b.

    Parameters
    ----------
    parameters : IRMAEParameters
        Encoder, linear layers, decoder.

    Returns
    -------
    parameters : IRMAEParameters
        Without linear layers; the other layers are unchanged.
    """
    encoder, linear, decoder = _as_irmae_parameters(parameters)
    W, b = encoder[-1]
    for M in linear:
        W, b = M @ W, M @ b
    return IRMAEParameters((*encoder[:-1], mlp.Layer(W, b)), (), decoder)


def _as_irmae_parameters(parameters: Any, n_features: int | None = None) -> IRMAEParameters:
    try:
        encoder, linear, decoder = parameters
        linear = tuple(linear)
    except (TypeError, ValueError):
        name = type(parameters).__name__
        raise TypeError(f"parameters must be IRMAEParameters(encoder, linear, decoder), got {name}") from None
    encoder = mlp.as_layers(encoder, "encoder", n_inputs=n_features)
    k = len(encoder[-1].W)
    linear = tuple(as_matrix(M, f"linear[{j}]", (k, k)) for j, M in enumerate(linear))
    return IRMAEParameters(encoder, linear, mlp.as_layers(decoder, "decoder", n_inputs=k, n_outputs=n_features))
