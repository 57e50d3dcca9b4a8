"""The objectives from their definitions, with HIPS autograd: NumPy, differentiated.

It shares no mathematics with the rest of the package: no Laplacian, no closed form, no thresholds. At a singular Gram
matrix it returns what automatic differentiation makes of it.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from ...pytree import Pytree, leaves, tree_map

try:
    import autograd
    import autograd.numpy as np
    from autograd.scipy.stats import norm
except ImportError as error:  # pragma: no cover
    raise ImportError('the autograd oracle needs HIPS autograd: pip install "rdae_ref[test]"') from error

__all__ = ["MODELS", "value_and_gradient"]

UNITS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "logsig": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "satlin": lambda z: np.clip(z, 0, 1),
    "softplus": lambda z: np.logaddexp(0, z),
    "tanh": np.tanh,
}


def value_and_gradient(
    parameters: Pytree, X: npt.ArrayLike, *, model: str = "RateDistortion", **settings: Any
) -> tuple[float, Pytree]:
    """Return what `Oracle.value_and_gradient` does, by reverse-mode differentiation."""

    def objective(arrays: Any) -> Any:
        return MODELS[model](_filled(parameters, arrays), np.array(X, dtype=float), **settings)

    value, slopes = autograd.value_and_grad(objective)(tuple(array for _, array in leaves(parameters)))
    return float(value), _filled(parameters, slopes)


def _filled(form: Pytree, arrays: Any) -> Pytree:
    """Return the arrays in the form of a nested structure: autograd itself knows no NamedTuple."""
    pieces = iter(arrays)
    return tree_map(lambda _: next(pieces), form)


def _encode(W: Any, c: Any, X: Any, activation: str) -> Any:
    return UNITS[activation](np.dot(X, W.T) + c)


def _forward(parameters: Any, X: Any, activation: str) -> Any:
    W, c, A, b = parameters
    return np.dot(_encode(W, c, X, activation), A.T) + b


def _distortion(X: Any, Xhat: Any) -> Any:
    return np.sum((X - Xhat) ** 2) / len(X)


def _gram(X: Any, sigma: float) -> Any:
    distances = np.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2)
    return np.exp(-distances / (2 * sigma**2)) / len(X)


def _entropy(A: Any, alpha: float) -> Any:
    values, _ = np.linalg.eigh(A)
    if alpha == 1:
        return -np.sum(values * np.log(values))
    if alpha == math.inf:
        return -np.log(np.max(values))
    return np.log(np.sum(values**alpha)) / (1 - alpha)


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
    errors = [_distortion(X, _forward(parameters, copy, activation)) for copy in np.array(corrupted)]
    return -sum(errors) / len(errors)


def _contractive(parameters: Any, X: Any, *, activation: str, strength: float) -> Any:
    W, c, _, _ = parameters
    jacobian = autograd.jacobian(lambda x: _encode(W, c, x, activation))
    contraction = sum(np.sum(jacobian(x) ** 2) for x in X) / len(X)
    return _reconstruction(parameters, X, activation=activation) - strength * contraction


def _layers(layers: Any, X: Any, activation: str) -> Any:
    *hidden, (W, b) = layers
    for V, c in hidden:
        X = _encode(V, c, X, activation)
    return np.dot(X, W.T) + b


def _log_likelihood(X: Any, Y: Any, likelihood: str, variance: float) -> Any:
    if likelihood == "bernoulli":
        # log(1 - p) is log p at the opposite logit.
        densities = -X * np.logaddexp(0, -Y) - (1 - X) * np.logaddexp(0, Y)
    else:
        densities = norm.logpdf(X, Y, math.sqrt(variance))
    return np.sum(densities) / len(X)


def _price(kl: Any, beta: float, capacity: float | None, capacity_of: str) -> Any:
    if capacity is None:
        return beta * np.mean(kl)
    if capacity_of == "mean":
        return beta * abs(np.mean(kl) - capacity)
    return beta * np.mean(np.abs(kl - capacity))


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
    M, T = np.split(_layers(encoder, X, activation), 2, axis=1)
    codes = [M + np.exp(T / 2) * epsilon for epsilon in np.array(noise)]
    fits = [_log_likelihood(X, _layers(decoder, Z, activation), likelihood, variance) for Z in codes]
    nats = None if capacity is None else capacity * math.log(base)
    price = _price(np.sum(M**2 + np.exp(T) - T - 1, axis=1) / 2, beta, nats, capacity_of)
    return (sum(fits) / len(fits) - price) / math.log(base)


def _irmae(parameters: Any, X: Any, *, activation: str) -> Any:
    encoder, linear, decoder = parameters
    Z = _layers(encoder, X, activation)
    for M in linear:
        Z = np.dot(Z, M.T)
    return -_distortion(X, _layers(decoder, Z, activation))


MODELS: dict[str, Callable[..., Any]] = {
    "RateDistortion": _rate_distortion,
    "Reconstruction": _reconstruction,
    "FixedDenoising": _denoising,
    "Contractive": _contractive,
    "FixedBetaVAE": _beta_vae,
    "IRMAE": _irmae,
}
