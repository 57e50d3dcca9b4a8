"""What `rdae_ref.torch.check` and `rdae_ref.jax.check` have in common: a report on a person's model and loss."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..gradcheck import GradientReport, check_gradient
from ..pytree import Pytree
from .compare import Comparison, compare
from .compare.comparison import VERDICTS

__all__ = ["Check", "Evaluation", "report"]


class Check(NamedTuple):
    """A person's model and loss beside (25), and the gradient by its parameters beside differences; ``str`` reports."""

    comparison: Comparison
    gradient: GradientReport | None  # None for a model without parameters

    @property
    def passed(self) -> bool:
        """Whether value and ∂L/∂X̂ are ours, and the parameters' gradient is right."""
        return self.comparison.agrees and (self.gradient is None or self.gradient.passed)

    def __str__(self) -> str:
        gradient = "" if self.gradient is None else f"\n\nThe gradient by the parameters:\n{self.gradient}"
        return f"{self.comparison}{gradient}"


class Evaluation(NamedTuple):
    """What a framework computed, in float64."""

    X: Array
    Xhat: Array
    value: float
    slope: Array  # by the outputs


class _Objective(NamedTuple):
    value_and_gradient: Callable[[Pytree], tuple[float, Pytree]]


def report(
    found: Evaluation,
    settings: Mapping[str, float],
    value_and_gradient: Callable[[Pytree], tuple[float, Pytree]] | None,
    parameters: Pytree,
    max_elements: int,
    quiet: bool,
) -> Check:
    """Compare as an objective and as a loss, take the better reading, check the parameters, and print."""
    options: dict[str, Any] = {"Xhat": found.Xhat, **settings}
    results: list[dict[str, Any]] = [{name: found.value, "dXhat": found.slope} for name in ("value", "loss")]
    readings = [compare(found.X, results=one, **options) for one in results]
    best = min(readings, key=lambda one: (VERDICTS.index(one.verdict), len(one.causes)))
    gradient = None
    if value_and_gradient is not None:
        rng = np.random.default_rng(0)
        gradient = check_gradient(_Objective(value_and_gradient), parameters, rng=rng, max_elements=max_elements)
    check = Check(best, gradient)
    if not quiet:
        print(check)
    return check
