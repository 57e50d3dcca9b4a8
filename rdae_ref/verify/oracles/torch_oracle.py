"""The objectives from their definitions, with PyTorch in float64.

It shares no mathematics with the rest of the package: no Laplacian, no closed form, no thresholds. At a singular Gram
matrix it returns what automatic differentiation makes of it.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...pytree import Pytree, tree_map

try:
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError('the PyTorch oracle needs torch: pip install "rdae_ref[oracles]"') from error

__all__ = ["MODELS", "value_and_gradient"]

UNITS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "logsig": torch.sigmoid,
    "relu": torch.relu,
    "satlin": lambda z: torch.clamp(z, 0, 1),
    # torch.nn.functional.softplus is the identity from z = 20 on.
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),
    "tanh": torch.tanh,
}


def value_and_gradient(
    parameters: Pytree, X: npt.ArrayLike, *, model: str = "RateDistortion", **settings: Any
) -> tuple[float, Pytree]:
    """Return what `Oracle.value_and_gradient` does, by reverse-mode differentiation."""
    tensors = tree_map(lambda array: _tensor(array).requires_grad_(), parameters)
    value = MODELS[model](tensors, _tensor(X), **settings)
    value.backward()
    return value.item(), tree_map(lambda tensor: tensor.grad.numpy(), tensors)


def _tensor(array: npt.ArrayLike) -> Any:
    return torch.tensor(np.asarray(array), dtype=torch.float64)


def _encode(W: Any, c: Any, X: Any, activation: str) -> Any:
    return UNITS[activation](X @ W.T + c)


def _forward(parameters: Any, X: Any, activation: str) -> Any:
    W, c, A, b = parameters
    return _encode(W, c, X, activation) @ A.T + b


def _distortion(X: Any, Xhat: Any) -> Any:
    return ((X - Xhat) ** 2).sum() / len(X)


def _gram(X: Any, sigma: float) -> Any:
    distances = ((X[:, None, :] - X[None, :, :]) ** 2).sum(dim=2)
    return torch.exp(-distances / (2 * sigma**2)) / len(X)


def _entropy(A: Any, alpha: float) -> Any:
    values = torch.linalg.eigvalsh(A)
    if alpha == 1:
        return -(values * values.log()).sum()
    if alpha == math.inf:
        return -values.max().log()
    return (values**alpha).sum().log() / (1 - alpha)


def _rate_distortion(
    parameters: Any,
    X: Any,
    *,
    activation: str,
    alpha: float,
    mu: float,
    sigma_x: float,
    sigma_xhat: float,
    base: float = 2,
) -> Any:
    Xhat = _forward(parameters, X, activation)
    K_X, K = _gram(X, sigma_x), _gram(Xhat, sigma_xhat)
    nats = _entropy(len(X) * K_X * K, alpha) - _entropy(K, alpha)
    return nats / math.log(base) - mu * _distortion(X, Xhat)


def _reconstruction(parameters: Any, X: Any, *, activation: str) -> Any:
    return -_distortion(X, _forward(parameters, X, activation))


def _denoising(parameters: Any, X: Any, *, activation: str, corrupted: npt.ArrayLike) -> Any:
    errors = [_distortion(X, _forward(parameters, copy, activation)) for copy in _tensor(corrupted)]
    return -sum(errors) / len(errors)


def _contractive(parameters: Any, X: Any, *, activation: str, strength: float) -> Any:
    W, c, _, _ = parameters
    jacobians = torch.func.vmap(torch.func.jacrev(lambda x: _encode(W, c, x, activation)))(X)
    return _reconstruction(parameters, X, activation=activation) - strength * (jacobians**2).sum() / len(X)


def _layers(layers: Any, X: Any, activation: str) -> Any:
    *hidden, (W, b) = layers
    for V, c in hidden:
        X = _encode(V, c, X, activation)
    return X @ W.T + b


def _log_likelihood(X: Any, Y: Any, likelihood: str, variance: float) -> Any:
    if likelihood == "bernoulli":
        densities = -torch.nn.functional.binary_cross_entropy_with_logits(Y, X, reduction="none")
    else:
        densities = torch.distributions.Normal(Y, math.sqrt(variance)).log_prob(X)
    return densities.sum() / len(X)


def _kl_divergence(M: Any, T: Any) -> Any:
    prior = torch.distributions.Normal(torch.zeros_like(M), torch.ones_like(M))
    return torch.distributions.kl_divergence(torch.distributions.Normal(M, torch.exp(T / 2)), prior).sum(dim=1)


def _price(kl: Any, beta: float, capacity: float | None, capacity_of: str) -> Any:
    if capacity is None:
        return beta * kl.mean()
    if capacity_of == "mean":
        return beta * abs(kl.mean() - capacity)
    return beta * (kl - capacity).abs().mean()


def _beta_vae(
    parameters: Any,
    X: Any,
    *,
    activation: str,
    noise: npt.ArrayLike,
    beta: float = 1,
    likelihood: str = "gaussian",
    variance: float = 1,
    capacity: float | None = None,
    capacity_of: str = "mean",
    base: float = 2,
) -> Any:
    encoder, decoder = parameters
    M, T = _layers(encoder, X, activation).chunk(2, dim=1)
    codes = [M + torch.exp(T / 2) * epsilon for epsilon in _tensor(noise)]
    fits = [_log_likelihood(X, _layers(decoder, Z, activation), likelihood, variance) for Z in codes]
    nats = None if capacity is None else capacity * math.log(base)
    price = _price(_kl_divergence(M, T), beta, nats, capacity_of)
    return (sum(fits) / len(fits) - price) / math.log(base)


def _irmae(parameters: Any, X: Any, *, activation: str) -> Any:
    encoder, linear, decoder = parameters
    Z = _layers(encoder, X, activation)
    for M in linear:
        Z = Z @ M.T
    return -_distortion(X, _layers(decoder, Z, activation))


MODELS: dict[str, Callable[..., Any]] = {
    "RateDistortion": _rate_distortion,
    "Reconstruction": _reconstruction,
    "FixedDenoising": _denoising,
    "Contractive": _contractive,
    "FixedBetaVAE": _beta_vae,
    "IRMAE": _irmae,
}
