"""JAX with jit, written idiomatically; the formulas are those of `pytorch`."""

import math

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)

UNITS = {"relu": jax.nn.relu, "logsig": jax.nn.sigmoid}


def gram(X, sigma):
    """Return A_ij = exp(−|x_i − x_j|² / (2σ²)) / N."""
    norms = jnp.sum(X**2, axis=1)
    return jnp.exp((norms[:, None] + norms - 2 * X @ X.T) / (-2 * sigma**2)) / len(X)


def entropy(A, alpha):
    """Return S_α(A) in nats, Eq. (10)."""
    return jnp.log(jnp.sum(jnp.maximum(jnp.linalg.eigvalsh(A), 0) ** alpha)) / (1 - alpha)


def gradient(case):
    """Evaluate L and its gradient."""
    X = jnp.asarray(case.data())
    NK_X = case.N * gram(X, case.sigma)

    def rate_distortion(parameters, X, NK_X):
        W, c, A, b = parameters
        Xhat = UNITS[case.activation](X @ W.T + c) @ A.T + b
        K = gram(Xhat, case.sigma)
        S = entropy(NK_X * K, case.alpha) - entropy(K, case.alpha)
        return S / math.log(2) - case.mu * jnp.sum((X - Xhat) ** 2) / len(X)

    compiled = jax.jit(jax.value_and_grad(rate_distortion))
    parameters = tuple(map(jnp.asarray, case.parameters()))
    return lambda: jax.block_until_ready(compiled(parameters, X, NK_X))[1]
