"""The auto-encoder of §3.2, its distortion (9), and the gradients of its parameters: (17)–(20) and (21)–(24).

These functions check their arguments and call `rdae_ref.paper`, which has the notation. What is not finite, of another
shape or out of range raises `TypeError` or `ValueError`.
"""

import numpy as np
import numpy.typing as npt

from . import paper
from ._validation import (
    Array,
    as_count,
    as_generator,
    as_matrix,
    as_nonnegative,
    as_parts,
    as_samples,
    as_symmetric,
    as_vector,
    refuses_overflow,
)
from .activations import Activation, as_activation
from .paper import Forward, Parameters
from .threads import product

__all__ = [
    "Forward", "Parameters", "as_parameters", "backpropagate", "distortion", "distortion_gradients",
    "entropy_gradients", "forward", "initial_parameters",
]  # fmt: skip


@refuses_overflow
def initial_parameters(n_features: int, n_hidden: int, rng: np.random.Generator, scale: float = 0.1) -> Parameters:
    """Return parameters to start from: W and A normal with standard deviation `scale`, c and b zero.

    Parameters
    ----------
    n_features, n_hidden : int
        d, and p, the number of units.
    rng, scale : numpy.random.Generator and float
        The source of randomness, and the standard deviation, which the paper does not state.

    Returns
    -------
    parameters : Parameters
        Of shapes (p, d), (p,), (d, p), (d,).
    """
    d, p = as_count(n_features, "n_features"), as_count(n_hidden, "n_hidden")
    rng, scale = as_generator(rng), as_nonnegative(scale, "scale")
    W, A = scale * rng.normal(size=(p, d)), scale * rng.normal(size=(d, p))
    return Parameters(W=W, c=np.zeros(p), A=A, b=np.zeros(d))


@refuses_overflow
def forward(parameters: Parameters, X: npt.ArrayLike, activation: str | Activation) -> Forward:
    """Run the auto-encoder: Z = X Wᵀ + 1 cᵀ, Ẑ = g(Z), G′ = g′(Z), X̂ = Ẑ Aᵀ + 1 bᵀ. §3.2 of the paper.

    Parameters
    ----------
    parameters, X, activation : Parameters, array_like of shape (N, d), and str or Activation
        W, c, A, b; inputs in rows; and the units g.

    Returns
    -------
    Forward
        Z, Ẑ, G′ of shape (N, p) and X̂ of shape (N, d).
    """
    X = as_samples(X, "X")
    return paper.forward(as_parameters(parameters, X.shape[1]), X, as_activation(activation))


def distortion(X: npt.ArrayLike, Xhat: npt.ArrayLike) -> float:
    """Return the empirical distortion D_emp = (1/N) Σ_i |x_i − x̂_i|². Eq. (9) of the paper.

    Parameters
    ----------
    X, Xhat : array_like, shape (N, d)
        Inputs and reconstructions in rows.

    Returns
    -------
    float
        Mean over samples of the squared distance, summed over coordinates.
    """
    X = as_samples(X, "X")
    return paper.distortion(X, as_matrix(as_samples(Xhat, "Xhat"), "Xhat", X.shape))


@refuses_overflow
def entropy_gradients(P: npt.ArrayLike, forward_pass: Forward, parameters: Parameters, X: npt.ArrayLike) -> Parameters:
    """Return the gradients of S_α(K_X̂), or with Q for P of S_α(N K_X ∘ K_X̂), with respect to the parameters.

    Eqs. (17)–(20) of the paper, which prints (19) and (20) with one factor transposed.

    With L_P = D(P) − P::

        ∂S/∂A = −4 (A Ẑᵀ) L_P Ẑ                        (17)
        ∂S/∂b = 0                                      (18)
        ∂S/∂W = −4 [(L_P Ẑ Aᵀ A) ∘ G′]ᵀ X              (19)
        ∂S/∂c = −4 [(L_P Ẑ Aᵀ A) ∘ G′]ᵀ 1              (20)

    Parameters
    ----------
    P : array_like, shape (N, N)
        ∂S/∂K_X̂ ∘ K_X̂ / (2σ²), symmetric. The gradients are linear in it: Q − P gives those of S_α(K_X | K_X̂).
    forward_pass, parameters, X : Forward, Parameters, and array_like of shape (N, d)
        What `forward` returned, and what it was given.

    Returns
    -------
    gradient : Parameters
        The gradient of each parameter, in its shape.
    """
    X = as_samples(X, "X")
    parameters = as_parameters(parameters, X.shape[1])
    P = as_symmetric(as_matrix(P, "P", (len(X), len(X))), "P").copy()
    np.fill_diagonal(P, 0)  # it cancels, and near α = 1 it is far larger than all the rest
    return paper.entropy_gradients(P, as_forward(forward_pass, X, parameters.A), parameters, X)


@refuses_overflow
def distortion_gradients(
    forward_pass: Forward, parameters: Parameters, X: npt.ArrayLike, target: npt.ArrayLike
) -> Parameters:
    """Return the gradients of D_emp with respect to the parameters.

    Eqs. (21)–(24) of the paper, which prints (23) and (24) with Aᵀ, whose shape does not conform.

    ::

        ∂D/∂A = −(2/N) (X − X̂)ᵀ Ẑ                      (21)
        ∂D/∂b = −(2/N) (X − X̂)ᵀ 1                      (22)
        ∂D/∂W = −(2/N) [((X − X̂) A) ∘ G′]ᵀ X           (23)
        ∂D/∂c = −(2/N) [((X − X̂) A) ∘ G′]ᵀ 1           (24)

    Parameters
    ----------
    forward_pass, parameters, X : Forward, Parameters, and array_like of shape (N, d)
        What `forward` returned, and what it was given.
    target : array_like, shape (N, d)
        What the outputs are compared with, the X in X − X̂: `X` itself, unless the inputs were corrupted.

    Returns
    -------
    gradient : Parameters
        The gradient of each parameter, in its shape.
    """
    X = as_samples(X, "X")
    target = as_matrix(target, "target", X.shape)
    parameters = as_parameters(parameters, X.shape[1])
    return paper.distortion_gradients(as_forward(forward_pass, X, parameters.A), parameters, X, target)


def backpropagate(dXhat: Array, forward_pass: Forward, parameters: Parameters, X: Array) -> Parameters:
    """Return parameter gradients from a gradient with respect to the outputs: the chain rule of (17)–(24)."""
    # −4 L_P X̂ gives (17)–(20), −(2/N) (X − X̂) gives (21)–(24). Arguments are trusted.
    dZ = product(dXhat, parameters.A) * forward_pass.Gprime
    A, W = product(dXhat.T, forward_pass.Zhat), product(dZ.T, X)
    return Parameters(A=A, b=dXhat.sum(axis=0), W=W, c=dZ.sum(axis=0))


def as_parameters(parameters: Parameters, n_features: int) -> Parameters:
    """Return four arrays whose shapes fit together and the data; an error names the one that does not fit."""
    W, c, A, b = as_parts(parameters, "parameters", "Parameters(W, c, A, b)")
    W = as_matrix(W, "W", (None, n_features))
    p = len(W)
    return Parameters(W, as_vector(c, "c", p), as_matrix(A, "A", (n_features, p)), as_vector(b, "b", n_features))


def as_forward(forward_pass: Forward, X: Array, A: Array) -> Forward:
    """Return a forward pass that belongs to these inputs and units; an error names the array that does not fit."""
    if not isinstance(forward_pass, Forward):
        raise TypeError(f"forward_pass must be the Forward that forward returns, got {type(forward_pass).__name__}")
    named = zip(Forward._fields, forward_pass, 3 * [(len(X), A.shape[1])] + [X.shape], strict=True)
    return Forward(*(as_matrix(array, f"forward_pass.{name}", wanted) for name, array, wanted in named))
