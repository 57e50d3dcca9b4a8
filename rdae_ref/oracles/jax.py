"""The objectives from their definitions, with JAX in float64.

Shares no mathematics with the rest of the package: no Laplacian, no closed form, no thresholds. So where a Gram matrix
is singular, this is what an autograd framework makes of it. The caller's configuration of JAX stays as it is.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..autoencoder import Parameters

try:
    import jax
    import jax.numpy as jnp
    from threadpoolctl import threadpool_limits
except ImportError as error:  # pragma: no cover
    raise ImportError('the JAX oracle needs jax and threadpoolctl: pip install "rdae_ref[oracles]"') from error

__all__ = ["MODELS", "value_and_gradient"]

UNITS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "logsig": lambda z: 1 / (1 + jnp.exp(-z)),
    "relu": jax.nn.relu,
    "satlin": lambda z: jnp.clip(z, 0, 1),
    "softplus": lambda z: jnp.logaddexp(0, z),
}


def value_and_gradient(
    parameters: Parameters, X: npt.ArrayLike, *, model: str = "RateDistortion", **settings: Any
) -> tuple[float, Parameters]:
    """Return an objective and its gradient by reverse-mode differentiation.

    Parameters
    ----------
    parameters : Parameters
        W, c, A, b.
    X : array_like, shape (N, d)
        Inputs in rows.
    model : str
        The class of this package that has the same objective: ``"RateDistortion"``, which is L of (25),
        ``"Reconstruction"``, ``"FixedDenoising"`` or ``"Contractive"``.
    **settings : float, str or array_like
        The arguments of that class: activation; alpha, mu, sigma_x, sigma_xhat, base; corrupted; strength.

    Returns
    -------
    value : float
        The objective, to be maximised.
    gradient : Parameters
        By W, c, A, b.

    Notes
    -----
    Eq. (25) of the paper.
    """
    # One BLAS thread: JAX's eigh beside a threaded OpenBLAS has corrupted products of NumPy (jax issue 38056).
    with jax.enable_x64(True), threadpool_limits(limits=1, user_api="blas"):

        def objective(arrays: Any) -> Any:
            return MODELS[model](arrays, jnp.asarray(X, dtype=float), **settings)

        arrays = tuple(jnp.asarray(array, dtype=float) for array in parameters)
        value, gradient = jax.value_and_grad(objective)(arrays)
        return float(value), Parameters(*(np.array(array) for array in gradient))


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


MODELS: dict[str, Callable[..., Any]] = {
    "RateDistortion": _rate_distortion,
    "Reconstruction": _reconstruction,
    "FixedDenoising": _denoising,
    "Contractive": _contractive,
}
