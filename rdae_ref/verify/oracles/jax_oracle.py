"""The objectives of `definitions`, differentiated by JAX in float64, whose configuration stays as it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from ...pytree import Pytree, tree_map
from .definitions import Definitions

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:  # pragma: no cover
    raise ImportError('the JAX oracle needs jax: pip install "rdae_ref[oracles]"') from error

__all__ = ["DEFINITIONS", "MODELS", "value_and_gradient"]

UNITS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "logsig": lambda z: 1 / (1 + jnp.exp(-z)),
    "relu": jax.nn.relu,
    "satlin": lambda z: jnp.clip(z, 0, 1),
    "softplus": lambda z: jnp.logaddexp(0, z),
    "tanh": jnp.tanh,
}
DEFINITIONS = Definitions(
    xp=jnp,
    array=jnp.asarray,
    units=UNITS,
    eigenvalues=jnp.linalg.eigvalsh,
    jacobians=lambda f, X: jax.vmap(jax.jacrev(f))(X),
    log_bernoulli=lambda X, logits: X * jax.nn.log_sigmoid(logits) + (1 - X) * jax.nn.log_sigmoid(-logits),
    log_normal=jax.scipy.stats.norm.logpdf,
    kl_divergence=lambda M, T: jnp.sum(M**2 + jnp.exp(T) - T - 1, axis=1) / 2,
)
MODELS = DEFINITIONS.models


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
