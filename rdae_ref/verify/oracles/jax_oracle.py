"""The objectives from their definitions, with JAX in float64.

It shares no mathematics with the rest of the package: no Laplacian, no closed form, no thresholds. At a singular Gram
matrix it returns what automatic differentiation makes of it. The caller's configuration of JAX stays as it is.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from ...pytree import Pytree, tree_map

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:  # pragma: no cover
    raise ImportError('the JAX oracle needs jax: pip install "rdae_ref[oracles]"') from error

__all__ = ["MODELS", "value_and_gradient"]

UNITS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "logsig": lambda z: 1 / (1 + jnp.exp(-z)),
    "relu": jax.nn.relu,
    "satlin": lambda z: jnp.clip(z, 0, 1),
    "softplus": lambda z: jnp.logaddexp(0, z),
    "tanh": jnp.tanh,
}


def value_and_gradient(
    parameters: Pytree, X: npt.ArrayLike, *, model: str = "RateDistortion", **settings: Any
) -> tuple[float, Pytree]:
    """Return what `Oracle.value_and_gradient` does, by reverse-mode differentiation."""
    # One BLAS thread: JAX's eigh beside a threaded OpenBLAS has corrupted products of NumPy (jax issue 38056).
    with jax.enable_x64(True), threadpool_limits(limits=1, user_api="blas"):

        def objective(arrays: Any) -> Any:
            return MODELS[model](arrays, jnp.asarray(X, dtype=float), **settings)

        arrays = tree_map(lambda array: jnp.asarray(array, dtype=float), parameters)
        value, gradient = jax.value_and_grad(objective)(arrays)
        return float(value), tree_map(np.array, gradient)


def _encode(W: Any, c: Any, X: Any, activation: str) -> Any:
    return UNITS[activation](X @ W.T + c)


def _forward(parameters: Any, X: Any, activation: str) -> Any:
    W, c, A, b = parameters
    return _encode(W, c, X, activation) @ A.T + b


def _distortion(X: Any, Xhat: Any) -> Any:
    return jnp.sum((X - Xhat) ** 2) / len(X)


def _gram(X: Any, sigma: float) -> Any:
    distances = jnp.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2)
    return jnp.exp(-distances / (2 * sigma**2)) / len(X)


def _entropy(A: Any, alpha: float) -> Any:
    values = jnp.linalg.eigvalsh(A)
    if alpha == 1:
        return -jnp.sum(values * jnp.log(values))
    if alpha == math.inf:
        return -jnp.log(jnp.max(values))
    return jnp.log(jnp.sum(values**alpha)) / (1 - alpha)


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
    errors = [_distortion(X, _forward(parameters, copy, activation)) for copy in jnp.asarray(corrupted)]
    return -sum(errors) / len(errors)


def _contractive(parameters: Any, X: Any, *, activation: str, strength: float) -> Any:
    W, c, _, _ = parameters
    jacobians = jax.vmap(jax.jacrev(lambda x: _encode(W, c, x, activation)))(X)
    return _reconstruction(parameters, X, activation=activation) - strength * jnp.sum(jacobians**2) / len(X)


def _layers(layers: Any, X: Any, activation: str) -> Any:
    *hidden, (W, b) = layers
    for V, c in hidden:
        X = _encode(V, c, X, activation)
    return X @ W.T + b


def _log_likelihood(X: Any, Y: Any, likelihood: str, variance: float) -> Any:
    if likelihood == "bernoulli":
        densities = X * jax.nn.log_sigmoid(Y) + (1 - X) * jax.nn.log_sigmoid(-Y)
    else:
        densities = jax.scipy.stats.norm.logpdf(X, Y, math.sqrt(variance))
    return jnp.sum(densities) / len(X)


def _price(kl: Any, beta: float, capacity: float | None, capacity_of: str) -> Any:
    if capacity is None:
        return beta * jnp.mean(kl)
    if capacity_of == "mean":
        return beta * abs(jnp.mean(kl) - capacity)
    return beta * jnp.mean(jnp.abs(kl - capacity))


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
    M, T = jnp.split(_layers(encoder, X, activation), 2, axis=1)
    codes = [M + jnp.exp(T / 2) * epsilon for epsilon in jnp.asarray(noise)]
    fits = [_log_likelihood(X, _layers(decoder, Z, activation), likelihood, variance) for Z in codes]
    nats = None if capacity is None else capacity * math.log(base)
    price = _price(jnp.sum(M**2 + jnp.exp(T) - T - 1, axis=1) / 2, beta, nats, capacity_of)
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
