"""Eq. (25) for models written in JAX: `check` says whether a person's model and loss are right."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .pytree import tree_map
from .verify.in_hand import Check, Evaluation, report

try:
    import jax  # JAX itself: imports are absolute
    import jax.numpy as jnp
    from threadpoolctl import threadpool_limits
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
    """Check a model and its loss against (25), and the gradient by its parameters against differences.

    Parameters
    ----------
    model : callable
        ``model(parameters, X)``, or ``model(X)`` without `parameters`, returns the outputs X̂. It runs in float64.
    X : array_like, shape (N, d)
        Inputs in rows.
    parameters : pytree, optional
        Arrays in tuples, NamedTuples, lists and dicts.
    loss : callable
        Takes X and X̂ to your scalar: L of (25), or the loss −L.
    alpha, mu, sigma_x, sigma_xhat, base : float
        What your scalar should be computed with, as in `rdae_ref.RateDistortion`.
    max_elements : int
        Elements of each array of parameters that are checked, beside the slope along the whole array.
    quiet : bool
        Return the report without printing it.

    Returns
    -------
    Check
        With ``passed``, ``comparison`` (see `rdae_ref.compare`) and ``gradient`` (see `rdae_ref.check_gradient`).

    Raises
    ------
    TypeError, ValueError
        If the outputs do not have the shape of `X`, the loss is not a scalar, or a setting is out of range.
    """
    settings = {"alpha": alpha, "mu": mu, "sigma_x": sigma_x, "sigma_xhat": sigma_xhat, "base": base}
    # One BLAS thread: JAX's eigh beside a threaded OpenBLAS has corrupted products of NumPy (jax issue 38056).
    with jax.enable_x64(True), threadpool_limits(limits=1, user_api="blas"):
        inputs = jnp.asarray(np.asarray(X), dtype=float)

        def run(arrays: Any) -> Any:
            return model(inputs) if parameters is None else model(arrays, inputs)

        def value_and_gradient(arrays: Any) -> tuple[float, Any]:
            exact = tree_map(lambda array: jnp.asarray(array, dtype=float), arrays)
            value, gradient = jax.value_and_grad(lambda theta: loss(inputs, run(theta)))(exact)
            return float(value), tree_map(np.array, gradient)

        at = None if parameters is None else tree_map(lambda array: np.asarray(array, dtype=float), parameters)
        outputs = run(None if at is None else tree_map(lambda array: jnp.asarray(array, dtype=float), at))
        value, slope = jax.value_and_grad(lambda Xhat: loss(inputs, Xhat))(outputs)
        found = Evaluation(np.array(inputs), np.array(outputs), float(value), np.array(slope))
        return report(found, settings, None if at is None else value_and_gradient, at, max_elements, quiet)
