"""The rate-distortion auto-encoder, Eqs. (9)-(25) of arXiv:1312.7381, in the paper's order and as printed.

Misprints are corrected, each where it occurs; docs/derivations.md derives every line.

N samples in rows: X, Xhat (N, d); Z, Zhat, Gprime (N, p); W (p, d); c (p,); A (d, p); b (d,).
Gram matrices K_X and K, the paper's K_X and K_X̂, are (N, N) with diagonal 1/N, and so have trace 1; P and Q are (N, N).
In (10), (12) and (13) A and B are Gram matrices, as in the paper; from §3.2 on A is the decoder.
Entropies are in bits, their gradients (15)-(20) in nats as printed.

Arguments are trusted: the public functions of `rdae_ref` check theirs. α is neither 1 nor infinite, and for α < 1 no
eigenvalue may vanish. 1/(1 − α) magnifies rounding: about 1e-16/|α − 1| of an entropy is lost. Distances take memory
for N·N·d numbers. `rdae_ref.numerics` has the same equations for every α, every size and every matrix.

>>> from rdae_ref.activations import ACTIVATIONS
>>> X, rng = np.random.default_rng(0).normal(size=(50, 2)), np.random.default_rng(1)
>>> start = Parameters(W=rng.normal(size=(10, 2)), c=np.zeros(10), A=rng.normal(size=(2, 10)), b=np.zeros(2))
>>> settings = {"alpha": 1.01, "mu": 1.5, "sigma_x": 0.28, "sigma_xhat": 0.28}
>>> def gradient(parameters):
...     return value_and_gradient(parameters, X, ACTIVATIONS["linear"], **settings)[1]
>>> found = ascend(gradient, start, step_size=0.01, n_steps=20)
"""

from collections.abc import Callable, Sequence
from math import inf, log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .activations import Activation

Array = npt.NDArray[np.float64]
GENERAL = 'use rdae_ref.renyi_entropy and renyi_entropy_gradient, or method="exact"'


class Parameters(NamedTuple):
    """Encoder g(W x + c) and decoder A ẑ + b."""

    W: Array
    c: Array
    A: Array
    b: Array


class Forward(NamedTuple):
    """The intermediate arrays of the forward pass."""

    Z: Array
    Zhat: Array
    Gprime: Array
    Xhat: Array


# §3  Distortion and entropy of samples


def distortion(X: Array, Xhat: Array) -> float:
    """Return D_emp = (1/N) Σ_i |x_i − x̂_i|². Eq. (9)."""
    N = len(X)
    return float(np.sum((X - Xhat) ** 2) / N)


def _nonnegative(eigenvalues: npt.NDArray[np.floating], alpha: float) -> Array:
    """Return eigenvalues with those within rounding of zero set to zero; refuse an α without a printed form."""
    if alpha in (1, inf):
        raise ValueError(f"there is no printed form at alpha = {alpha:g}: {GENERAL}")
    is_zero = eigenvalues <= len(eigenvalues) * np.finfo(float).eps * eigenvalues.max()
    if alpha < 1 and is_zero.any():
        raise ValueError(f"the matrix is singular, and there is no printed form at alpha = {alpha:g} < 1: {GENERAL}")
    return np.where(is_zero, 0.0, eigenvalues)


def renyi_entropy(A: Array, alpha: float, base: float = 2) -> float:
    """Return S_α(A) = log tr(A^α) / (1 − α) for a matrix of trace 1. Eq. (10)."""
    eigenvalues = _nonnegative(np.linalg.eigvalsh(A), alpha)
    tr_A_alpha = np.sum(eigenvalues**alpha)
    return float(1 / (1 - alpha) * np.log(tr_A_alpha) / log(base))


def gaussian_gram(X: Array, sigma: float) -> Array:
    """Return A_ij = K_ij / (N sqrt(K_ii K_jj)) for K_ij = exp(−|x_i − x_j|² / (2σ²)), so that K_ii = 1. Eq. (11)."""
    N = len(X)
    squared_distances = np.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2)
    return np.exp(-squared_distances / (2 * sigma**2)) / N


def joint_entropy(A: Array, B: Array, alpha: float, base: float = 2) -> float:
    """Return S_α(A, B) = S_α(A∘B / tr(A∘B)). Eq. (12)."""
    AB = A * B
    return renyi_entropy(AB / np.trace(AB), alpha, base)


def conditional_entropy(A: Array, B: Array, alpha: float, base: float = 2) -> float:
    """Return S_α(A | B) = S_α(A, B) − S_α(B). Eq. (13)."""
    joint = joint_entropy(A, B, alpha, base)
    return joint - renyi_entropy(B, alpha, base)


# §3.2  The auto-encoder: maximise S_α(K_X | K_X̂) subject to D_emp ≤ D, Eq. (14)


def forward(parameters: Parameters, X: Array, g: Activation) -> Forward:
    """Return Z = X Wᵀ + 1 cᵀ, Ẑ = g(Z), G′ = g′(Z) and X̂ = Ẑ Aᵀ + 1 bᵀ. §3.2."""
    W, c, A, b = parameters
    Z = X @ W.T + c
    Zhat = g.value(Z)
    Gprime = g.derivative(Z)
    Xhat = Zhat @ A.T + b
    return Forward(Z, Zhat, Gprime, Xhat)


def entropy_gradient(K: Array, alpha: float) -> Array:
    """Return ∂S_α(K)/∂K = α / ((1 − α) tr K^α) · U Λ^(α−1) Uᵀ in nats. Eq. (15).

    For S_α in bits, as (10) defines it, the paper leaves out the factor 1/ln 2 here and in (16).
    """
    eigenvalues, U = np.linalg.eigh(K)
    Lambda = _nonnegative(eigenvalues, alpha)
    tr_K_alpha = np.sum(Lambda**alpha)
    U_Lambda = U * Lambda ** (alpha - 1)  # scales the columns: U diag(λ^(α−1))
    return alpha / ((1 - alpha) * tr_K_alpha) * U_Lambda @ U.T


def joint_entropy_gradient(K_X: Array, K: Array, alpha: float) -> Array:
    """Return ∂S_α(N K_X∘K)/∂K = α / ((1 − α) tr (N K_X∘K)^α) · N K_X ∘ V Γ^(α−1) Vᵀ in nats. Eq. (16)."""
    N = len(K)
    joint = N * K_X * K
    return N * K_X * entropy_gradient(joint, alpha)


def edge_weights(dS_dK: Array, K: Array, sigma: float) -> Array:
    """Return P = ∂S/∂K ∘ K / (2σ²), the edge weights of a graph on the samples; Q likewise. Below Eq. (20).

    The paper calls P positive definite. That holds for α < 1; for α > 1 it is negative definite, and neighbours repel.
    """
    return dS_dK * K / (2 * sigma**2)


def graph_laplacian(P: Array) -> Array:
    """Return L_P = D(P) − P with the degrees D(P) = diag(P 1). In Eqs. (17), (19) and (20)."""
    degrees = np.diag(P.sum(axis=1))
    return degrees - P


def entropy_gradients(P: Array, forward_pass: Forward, parameters: Parameters, X: Array) -> Parameters:
    """Return ∂S/∂(W, c, A, b) from P. Eqs. (17)-(20).

    (19) and (20) are printed with (Aᵀ A Ẑᵀ L_P) ∘ G′, whose factors are (p, N) and (N, p): one must be transposed.
    """
    A, b = parameters.A, parameters.b
    _, Zhat, Gprime, _ = forward_pass
    L_P = graph_laplacian(P)
    dS_dZ = -4 * (L_P @ Zhat @ A.T @ A) * Gprime
    return Parameters(
        A=-4 * (A @ Zhat.T) @ L_P @ Zhat,  # (17)
        b=np.zeros_like(b),  # (18)
        W=dS_dZ.T @ X,  # (19)
        c=dS_dZ.T @ np.ones(len(X)),  # (20)
    )


def distortion_gradients(forward_pass: Forward, parameters: Parameters, X: Array, target: Array) -> Parameters:
    """Return ∂D_emp/∂(W, c, A, b); the target is X, unless the inputs were corrupted. Eqs. (21)-(24).

    (23) and (24) are printed with Aᵀ, whose shape does not conform: A is meant.
    """
    N, A = len(X), parameters.A
    _, Zhat, Gprime, Xhat = forward_pass
    error = target - Xhat
    dD_dZ = -2 / N * (error @ A) * Gprime
    return Parameters(
        A=-2 / N * error.T @ Zhat,  # (21)
        b=-2 / N * error.T @ np.ones(N),  # (22)
        W=dD_dZ.T @ X,  # (23)
        c=dD_dZ.T @ np.ones(N),  # (24)
    )


def value_and_gradient(
    parameters: Parameters,
    X: Array,
    g: Activation,
    alpha: float,
    mu: float,
    sigma_x: float,
    sigma_xhat: float,
    base: float = 2,
) -> tuple[float, Parameters]:
    """Return L = S_α(N K_X∘K_X̂) − S_α(K_X̂) − μ D_emp, which is maximised, and ∂L/∂(W, c, A, b). Eq. (25)."""
    forward_pass = forward(parameters, X, g)
    K_X, K = gaussian_gram(X, sigma_x), gaussian_gram(forward_pass.Xhat, sigma_xhat)
    L = conditional_entropy(K_X, K, alpha, base) - mu * distortion(X, forward_pass.Xhat)
    P = edge_weights(entropy_gradient(K, alpha), K, sigma_xhat)
    Q = edge_weights(joint_entropy_gradient(K_X, K, alpha), K, sigma_xhat)
    dS = entropy_gradients(Q - P, forward_pass, parameters, X)  # in nats
    dD = distortion_gradients(forward_pass, parameters, X, X)
    return L, Parameters(*(dS_i / log(base) - mu * dD_i for dS_i, dD_i in zip(dS, dD, strict=True)))


def ascend(
    gradient: Callable[[Parameters], Sequence[Array]],
    parameters: Parameters,
    step_size: float,
    n_steps: int,
    momentum: float = 0.0,
) -> Parameters:
    """Return the parameters after gradient ascent, §3.2; the momentum is our addition."""
    velocity = [np.zeros_like(theta) for theta in parameters]
    for _ in range(n_steps):
        dL = gradient(parameters)
        velocity = [momentum * v + step_size * dL_i for v, dL_i in zip(velocity, dL, strict=True)]
        parameters = Parameters(*(theta + v for theta, v in zip(parameters, velocity, strict=True)))
    return parameters
