"""A user's model and loss compared with (25): what `rdae_ref.torch.check` and `rdae_ref.jax.check` have in common."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from .._validation import Array
from ..gradcheck import GradientReport, check_gradient
from .compare import Comparison, compare
from .compare.comparison import VERDICTS

__all__ = ["Check", "Evaluation", "check_model"]


class Check(NamedTuple):
    """A user's model and loss compared with (25), and its gradient with finite differences; ``str`` reports."""

    comparison: Comparison
    gradient: GradientReport | None  # None for a model without parameters, and where it could not be checked
    remark: str = ""  # why it could not

    @property
    def passed(self) -> bool:
        """Whether value and ∂L/∂X̂ are ours, and the parameters' gradient is right."""
        right = not self.remark if self.gradient is None else self.gradient.passed
        return self.comparison.agrees and right

    def __str__(self) -> str:
        found = self.remark if self.gradient is None else str(self.gradient)
        return f"{self.comparison}\n\nThe gradient of the parameters:\n{found}" if found else str(self.comparison)


class Evaluation(NamedTuple):
    """What a framework computed, in float64."""

    X: Array
    Xhat: Array
    value: float
    slope: Array  # by the outputs


def check_model(model: Any, settings: Mapping[str, Any], max_elements: int, quiet: bool) -> Check:
    """Compare as a loss and as an objective, take the better reading, check the parameters, and print."""
    # The model with its loss is an objective with ``value_only``, ``parameters``, and ``evaluation()`` by outputs.
    # With small matrices more threads wait for each other, and JAX's eigh beside a threaded OpenBLAS has corrupted
    # products of NumPy (jax issue 38056).
    with threadpool_limits(limits=1):
        found = model.evaluation()
        comparison = min(_readings(found, settings), key=lambda one: (VERDICTS.index(one.verdict), len(one.causes)))
        gradient, remark = None, ""
        if model.parameters:
            try:
                gradient = check_gradient(model, model.parameters, max_elements=max_elements)
            except ValueError as error:  # NaN, or a loss that is not the same each time
                remark = f"not checked: {error}"
    check = Check(comparison, gradient, remark)
    if not quiet:
        print(check)
    return check


def _readings(found: Evaluation, settings: Mapping[str, Any]) -> list[Comparison]:
    readings = list[Comparison]()
    for name in ("loss", "value"):
        results: dict[str, Any] = {name: found.value, "dXhat": found.slope}
        readings.append(compare(found.X, results=results, Xhat=found.Xhat, **settings))
        if readings[-1].agrees:
            break
    return readings
