"""Eq. (25) for models written in JAX: `check` says whether a model and its loss are right."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .pytree import tree_map
from .verify.model_check import Check, Evaluation, check_model

try:
    import jax  # JAX itself: imports are absolute
    import jax.numpy as jnp
except ImportError as error:  # pragma: no cover
    raise ImportError('rdae_ref.jax needs JAX: pip install "rdae_ref[oracles]"') from error

__all__ = ["check"]


def check(
    model: Callable[..., Any],
    X: Any,
    parameters: Any = None,
    *,
    loss: Callable[[Any, Any], Any],
    alpha: float,
    mu: float,
    sigma_x: float,
    sigma_xhat: float,
    base: float = 2,
    max_elements: int = 5,
    quiet: bool = False,
) -> Check:
    """Check a model and its loss against (25), and the gradient of its parameters by finite differences.

    Parameters
    ----------
    model : callable
        ``model(parameters, X)``, or ``model(X)`` without `parameters`, returns the outputs X̂. It runs in float64.
    X : array_like, shape (N, d)
        Inputs in rows.
    parameters : pytree, optional
        Arrays in tuples, NamedTuples, lists and dicts.
    loss, alpha, mu, sigma_x, sigma_xhat, base, max_elements, quiet
        As in `rdae_ref.torch.check`, with the same return value and errors.
    """
    settings = {"alpha": alpha, "mu": mu, "sigma_x": sigma_x, "sigma_xhat": sigma_xhat, "base": base}
    with jax.enable_x64(True):
        return check_model(_Function(model, X, parameters, loss), settings, max_elements, quiet)


class _Function:
    """A model in float64 with its loss."""

    def __init__(self, model: Callable[..., Any], X: Any, parameters: Any, loss: Callable[[Any, Any], Any]) -> None:
        self.model, self.X, self.loss = model, jnp.asarray(np.asarray(X), dtype=float), loss
        self.parameters = tree_map(lambda array: np.asarray(array, dtype=float), parameters)

    def evaluation(self) -> Evaluation:
        Xhat = self._outputs(_exact(self.parameters))
        value, slope = jax.value_and_grad(lambda Xhat: self.loss(self.X, Xhat))(Xhat)
        return Evaluation(np.array(self.X), np.array(Xhat), float(value), np.array(slope))

    def value_only(self, parameters: Any) -> float:
        return float(self._loss(_exact(parameters)))

    def value_and_gradient(self, parameters: Any) -> tuple[float, Any]:
        value, gradient = jax.value_and_grad(self._loss)(_exact(parameters))
        return float(value), tree_map(np.array, gradient)

    def _outputs(self, parameters: Any) -> Any:
        return self.model(self.X) if parameters is None else self.model(parameters, self.X)

    def _loss(self, parameters: Any) -> Any:
        return self.loss(self.X, self._outputs(parameters))


def _exact(parameters: Any) -> Any:
    return tree_map(lambda array: jnp.asarray(array, dtype=float), parameters)
