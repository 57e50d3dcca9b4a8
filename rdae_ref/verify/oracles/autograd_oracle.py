"""The objectives of `definitions`, differentiated by HIPS autograd."""

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from ...pytree import Pytree, leaves, tree_map
from .definitions import Definitions

try:
    import autograd
    import autograd.numpy as np
    from autograd.scipy.stats import norm
except ImportError as error:  # pragma: no cover
    raise ImportError('the autograd oracle needs HIPS autograd: pip install "rdae_ref[test]"') from error

__all__ = ["DEFINITIONS", "MODELS", "value_and_gradient"]

UNITS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "logsig": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "satlin": lambda z: np.clip(z, 0, 1),
    "softplus": lambda z: np.logaddexp(0, z),
    "tanh": np.tanh,
}
DEFINITIONS = Definitions(
    xp=np,
    array=np.array,
    units=UNITS,
    eigenvalues=lambda A: np.linalg.eigh(A)[0],
    jacobians=lambda f, X: np.array([autograd.jacobian(f)(x) for x in X]),
    # log(1 - p) is log p at the opposite logit.
    log_bernoulli=lambda X, logits: -X * np.logaddexp(0, -logits) - (1 - X) * np.logaddexp(0, logits),
    log_normal=norm.logpdf,
    kl_divergence=lambda M, T: np.sum(M**2 + np.exp(T) - T - 1, axis=1) / 2,
)
MODELS = DEFINITIONS.models


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
