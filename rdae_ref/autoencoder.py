"""The auto-encoder of §3.2 and the gradients of its parameters: (17)–(20) of the entropy, (21)–(24) of the distortion.

Notation of the paper, N samples in rows::

    X (N, d)   W (p, d)   c (p,)   A (d, p)   b (d,)
    Z = X Wᵀ + 1 cᵀ   Ẑ = g(Z)   G′ = g′(Z)   X̂ = Ẑ Aᵀ + 1 bᵀ
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_count, as_generator, as_matrix, as_nonnegative, as_samples, as_vector
from .activations import Activation, as_activation
from .gram import graph_laplacian

__all__ = [
    "Forward",
    "Parameters",
    "backpropagate",
    "distortion",
    "distortion_gradients",
    "entropy_gradients",
    "forward",
    "initial_parameters",
]


class Parameters(NamedTuple):
    """The parameters of encoder and decoder.

    Parameters
    ----------
    W : Array, shape (p, d)
        Analysis basis: one row for each unit.
    c : Array, shape (p,)
        Offsets of the units.
    A : Array, shape (d, p)
        Synthesis basis: one column for each unit.
    b : Array, shape (d,)
        Offset of the outputs.
    """

    W: Array
    c: Array
    A: Array
    b: Array


class Forward(NamedTuple):
    """What one forward pass computes on its way.

    Parameters
    ----------
    Z : Array, shape (N, p)
        Affine transform of the inputs.
    Zhat : Array, shape (N, p)
        Code, g(Z).
    Gprime : Array, shape (N, p)
        g′(Z).
    Xhat : Array, shape (N, d)
        Reconstructions.
    """

    Z: Array
    Zhat: Array
    Gprime: Array
    Xhat: Array


def initial_parameters(n_features: int, n_hidden: int, rng: np.random.Generator, scale: float = 0.1) -> Parameters:
    """Return parameters to start from: W and A normal with standard deviation `scale`, c and b zero.

    Parameters
    ----------
    n_features : int
        d.
    n_hidden : int
        p, the number of units.
    rng : numpy.random.Generator
        The source of randomness.
    scale : float
        Standard deviation; the paper does not state one.

    Returns
    -------
    parameters : Parameters
        Of shapes (p, d), (p,), (d, p), (d,).

    Raises
    ------
    TypeError, ValueError
        If a size is no integer above 0, `rng` is no Generator, or `scale` is negative.
    """
    d, p = as_count(n_features, "n_features"), as_count(n_hidden, "n_hidden")
    rng, scale = as_generator(rng), as_nonnegative(scale, "scale")
    W, A = scale * rng.normal(size=(p, d)), scale * rng.normal(size=(d, p))
    return Parameters(W=W, c=np.zeros(p), A=A, b=np.zeros(d))


def forward(parameters: Parameters, X: npt.ArrayLike, activation: str | Activation) -> Forward:
    """Run the auto-encoder: Z = X Wᵀ + 1 cᵀ, Ẑ = g(Z), G′ = g′(Z), X̂ = Ẑ Aᵀ + 1 bᵀ.

    Parameters
    ----------
    parameters : Parameters
        W, c, A, b.
    X : array_like, shape (N, d)
        Inputs in rows.
    activation : str or Activation
        The units g.

    Returns
    -------
    Forward
        Z, Ẑ, G′ of shape (N, p) and X̂ of shape (N, d).

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, something is not finite, or the activation is not known.

    Notes
    -----
    §3.2 of the paper.
    """
    X = as_samples(X, "X")
    return run(as_parameters(parameters, X.shape[1]), X, as_activation(activation))


def run(parameters: Parameters, X: Array, g: Activation) -> Forward:
    """Return the forward pass of arrays that were checked."""
    W, c, A, b = parameters
    Z = X @ W.T + c
    Zhat = g.value(Z)
    return Forward(Z, Zhat, g.derivative(Z), Zhat @ A.T + b)


def distortion(X: npt.ArrayLike, Xhat: npt.ArrayLike) -> float:
    """Return the empirical distortion D_emp = (1/N) Σ_i |x_i − x̂_i|².

    Parameters
    ----------
    X, Xhat : array_like, shape (N, d)
        Inputs and reconstructions in rows.

    Returns
    -------
    float
        Mean over samples of the squared distance, summed over coordinates.

    Raises
    ------
    TypeError, ValueError
        If the two are not finite real matrices of the same shape.

    Notes
    -----
    Eq. (9) of the paper.
    """
    X = as_samples(X, "X")
    Xhat = as_matrix(Xhat, "Xhat", X.shape)
    return float(np.sum((X - Xhat) ** 2) / len(X))


def entropy_gradients(P: npt.ArrayLike, forward_pass: Forward, parameters: Parameters, X: npt.ArrayLike) -> Parameters:
    """Return the gradients of S_α(K_X̂), or of S_α(N K_X ∘ K_X̂) with Q for P, by the parameters.

    With L_P = D(P) − P::

        ∂S/∂A = −4 (A Ẑᵀ) L_P Ẑ                        (17)
        ∂S/∂b = 0                                      (18)
        ∂S/∂W = −4 [(L_P Ẑ Aᵀ A) ∘ G′]ᵀ X              (19)
        ∂S/∂c = −4 [(L_P Ẑ Aᵀ A) ∘ G′]ᵀ 1              (20)

    Parameters
    ----------
    P : array_like, shape (N, N)
        ∂S/∂K_X̂ ∘ K_X̂ / (2σ²), symmetric. The gradients are linear in it: Q − P gives those of S_α(K_X | K_X̂).
    forward_pass : Forward
        The forward pass.
    parameters : Parameters
        W, c, A, b.
    X : array_like, shape (N, d)
        Inputs in rows.

    Returns
    -------
    gradient : Parameters
        The gradient by each parameter, in its shape.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, something is not finite, or `P` is not symmetric.

    Notes
    -----
    Eqs. (17)–(20) of the paper, which prints (19) and (20) with one factor transposed.
    """
    X = as_samples(X, "X")
    _, _, A, b = as_parameters(parameters, X.shape[1])
    L_P = graph_laplacian(as_matrix(P, "P", (len(X), len(X))))
    _, Zhat, Gprime, _ = as_forward(forward_pass, X, A)
    LZA = L_P @ (Zhat @ A.T)  # L_P Ẑ Aᵀ, which all four share: (N, d), smaller than L_P Ẑ
    back = (LZA @ A) * Gprime
    return Parameters(
        A=-4 * LZA.T @ Zhat,  # L_P is symmetric: (L_P Ẑ Aᵀ)ᵀ = A Ẑᵀ L_P
        b=np.zeros_like(b),
        W=-4 * back.T @ X,
        c=-4 * back.sum(axis=0),
    )


def distortion_gradients(
    forward_pass: Forward, parameters: Parameters, X: npt.ArrayLike, target: npt.ArrayLike
) -> Parameters:
    """Return the gradients of D_emp by the parameters.

    ::

        ∂D/∂A = −(2/N) (X − X̂)ᵀ Ẑ                      (21)
        ∂D/∂b = −(2/N) (X − X̂)ᵀ 1                      (22)
        ∂D/∂W = −(2/N) [((X − X̂) A) ∘ G′]ᵀ X           (23)
        ∂D/∂c = −(2/N) [((X − X̂) A) ∘ G′]ᵀ 1           (24)

    Parameters
    ----------
    forward_pass : Forward
        The forward pass.
    parameters : Parameters
        W, c, A, b.
    X : array_like, shape (N, d)
        Inputs in rows.
    target : array_like, shape (N, d)
        What the outputs are compared with, the X of X − X̂: `X` itself, unless the inputs were corrupted.

    Returns
    -------
    gradient : Parameters
        The gradient by each parameter, in its shape.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit or something is not finite.

    Notes
    -----
    Eqs. (21)–(24) of the paper, which prints (23) and (24) with Aᵀ, whose shape does not conform.
    """
    X = as_samples(X, "X")
    target = as_matrix(target, "target", X.shape)
    _, _, A, _ = as_parameters(parameters, X.shape[1])
    _, Zhat, Gprime, Xhat = as_forward(forward_pass, X, A)
    error = target - Xhat
    back = (error @ A) * Gprime
    return Parameters(
        A=-2 / len(X) * error.T @ Zhat,
        b=-2 / len(X) * error.sum(axis=0),
        W=-2 / len(X) * back.T @ X,
        c=-2 / len(X) * back.sum(axis=0),
    )


def backpropagate(dXhat: Array, forward_pass: Forward, parameters: Parameters, X: Array) -> Parameters:
    """Return the gradients by the parameters, from a gradient by the outputs and arrays that were checked.

    ::

        ∂/∂A = dXhatᵀ Ẑ        ∂/∂W = [(dXhat A) ∘ G′]ᵀ X
        ∂/∂b = dXhatᵀ 1        ∂/∂c = [(dXhat A) ∘ G′]ᵀ 1

    Parameters
    ----------
    dXhat : Array, shape (N, d)
        −4 L_P X̂ gives (17)–(20), −(2/N) (X − X̂) gives (21)–(24).
    forward_pass : Forward
        The forward pass.
    parameters : Parameters
        W, c, A, b.
    X : Array, shape (N, d)
        Inputs in rows.

    Returns
    -------
    gradient : Parameters
        The gradient by each parameter, in its shape.

    Notes
    -----
    The chain rule that (17)–(20) and (21)–(24) of the paper have in common.
    """
    back = (dXhat @ parameters.A) * forward_pass.Gprime
    return Parameters(A=dXhat.T @ forward_pass.Zhat, b=dXhat.sum(axis=0), W=back.T @ X, c=back.sum(axis=0))


def as_parameters(parameters: Parameters, n_features: int) -> Parameters:
    """Return four arrays whose shapes fit together and the data, or say which does not."""
    try:
        W, c, A, b = parameters
    except (TypeError, ValueError):
        raise TypeError(f"parameters must be Parameters(W, c, A, b), got {type(parameters).__name__}") from None
    W = as_matrix(W, "W", (None, n_features))
    p = len(W)
    return Parameters(W, as_vector(c, "c", p), as_matrix(A, "A", (n_features, p)), as_vector(b, "b", n_features))


def as_forward(forward_pass: Forward, X: Array, A: Array) -> Forward:
    """Return a forward pass that belongs to these inputs and units, or say what does not."""
    if not isinstance(forward_pass, Forward):
        raise TypeError(f"forward_pass must be the Forward that forward returns, got {type(forward_pass).__name__}")
    for name, array, wanted in zip(Forward._fields, forward_pass, 3 * [(len(X), A.shape[1])] + [X.shape], strict=True):
        as_matrix(array, f"forward_pass.{name}", wanted)
    return forward_pass
