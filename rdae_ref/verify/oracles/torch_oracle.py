"""The objectives of `definitions`, differentiated by PyTorch in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...pytree import Pytree, tree_map
from .definitions import Definitions

try:
    import torch
except ImportError as error:  # pragma: no cover
    raise ImportError('the PyTorch oracle needs torch: pip install "rdae_ref[oracles]"') from error

__all__ = ["DEFINITIONS", "MODELS", "value_and_gradient"]

UNITS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "logsig": torch.sigmoid,
    "relu": torch.relu,
    "satlin": lambda z: torch.clamp(z, 0, 1),
    # torch.nn.functional.softplus is the identity from z = 20 on.
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),
    "tanh": torch.tanh,
}


def _tensor(array: npt.ArrayLike) -> Any:
    return torch.tensor(np.asarray(array), dtype=torch.float64)


def _kl_divergence(M: Any, T: Any) -> Any:
    prior = torch.distributions.Normal(torch.zeros_like(M), torch.ones_like(M))
    return torch.distributions.kl_divergence(torch.distributions.Normal(M, torch.exp(T / 2)), prior).sum(dim=1)


DEFINITIONS = Definitions(
    xp=torch,
    array=_tensor,
    units=UNITS,
    eigenvalues=torch.linalg.eigvalsh,
    jacobians=lambda f, X: torch.func.vmap(torch.func.jacrev(f))(X),
    log_bernoulli=lambda X, logits: -torch.nn.functional.binary_cross_entropy_with_logits(logits, X, reduction="none"),
    log_normal=lambda X, mean, deviation: torch.distributions.Normal(mean, deviation).log_prob(X),
    kl_divergence=_kl_divergence,
)
MODELS = DEFINITIONS.models


def value_and_gradient(
    parameters: Pytree, X: npt.ArrayLike, *, model: str = "RateDistortion", **settings: Any
) -> tuple[float, Pytree]:
    """Return what `Oracle.value_and_gradient` does, by reverse-mode differentiation."""
    tensors = tree_map(lambda array: _tensor(array).requires_grad_(), parameters)
    value = MODELS[model](tensors, _tensor(X), **settings)
    value.backward()
    return value.item(), tree_map(lambda tensor: tensor.grad.numpy(), tensors)
