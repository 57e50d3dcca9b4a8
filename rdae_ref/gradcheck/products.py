"""Vector-valued functions f: J v and Jᵀ w are right if ⟨w, f⟩ has the gradient Jᵀ w, and ⟨w, J v⟩ = ⟨Jᵀ w, v⟩."""

import math
from collections.abc import Callable

import numpy as np

from .._validation import Array
from ..pytree import Pytree, leaves, ravel, ravel_gradient
from .report import ArrayReport, Element

__all__ = ["Products"]

PAIRS = 3  # of directions in which the identity is tested
IDENTITY = "⟨w, Jv⟩ = ⟨Jᵀw, v⟩"  # the row of the report


class Products:
    """The objective ⟨w, f⟩ for a random w, whose gradient is Jᵀ w, or made of J e_i of unit vectors e_i."""

    def __init__(
        self,
        function: Callable[[Pytree], Pytree],
        point: Pytree,
        jvp: Callable[[Pytree, Pytree], Pytree] | None,
        vjp: Callable[[Pytree, Pytree], Pytree] | None,
        rng: np.random.Generator,
    ) -> None:
        self.function, self.jvp, self.vjp, self.rng = function, jvp, vjp, rng
        x, self.unravel = ravel(point)
        self.n, self.outputs = x.size, self.function(self.unravel(x))
        _, self.as_outputs = ravel(self.outputs)
        sizes = [np.full(array.size, np.linalg.norm(array)) for _, array in leaves(self.outputs)]
        self.units = np.where((units := np.concatenate(sizes)) > 0, units, 1.0)  # arrays of other sizes count alike
        self.w = self._random(self.units.size) / self.units

    def value_and_gradient(self, parameters: Pytree) -> tuple[float, Pytree]:
        """Return ⟨w, f⟩ and its gradient."""
        if self.vjp is not None:
            return self.value_only(parameters), self.vjp(parameters, self.as_outputs(self.w))
        places = np.arange(self.n)
        slopes = [self.w @ self._along(parameters, 1.0 * (places == i)) for i in places]
        return self.value_only(parameters), self.unravel(np.array(slopes))

    def value_only(self, parameters: Pytree) -> float:
        """Return ⟨w, f⟩."""
        return float(self.w @ ravel_gradient(self.function(parameters), self.outputs, "f(x + hv)", "f(x)"))

    def identity(self, parameters: Pytree, tolerance: float) -> list[ArrayReport]:
        """Return what ⟨w, J v⟩ = ⟨Jᵀ w, v⟩ says, a row of the report, where both products are given."""
        if self.jvp is None or self.vjp is None:
            return []
        found = list[tuple[float, float, float]]()
        for _ in range(PAIRS):
            v, w = self._random(self.n), self._random(self.units.size) / self.units
            Jv = self._along(parameters, v)
            back = ravel_gradient(self.vjp(parameters, self.as_outputs(w)), parameters, "vjp(x, w)", "x")
            size = float(np.linalg.norm(w * Jv) + np.linalg.norm(back * v))
            found.append((float(w @ Jv), float(back @ v), size))
        errors = [abs(a - b) / size if size else 0.0 for a, b, size in found]
        k = int(np.argmax([math.inf if math.isnan(error) else error for error in errors]))
        n_wrong = sum(not error <= tolerance for error in errors)
        worst = Element(IDENTITY, (k,), *found[k][:2])
        status, remark = ("wrong", "jvp and vjp are not of one Jacobian") if n_wrong else ("right", "")
        return [ArrayReport(IDENTITY, PAIRS, PAIRS, n_wrong, 0, worst, errors[k], 0.0, math.nan, status, (), remark)]

    def _along(self, parameters: Pytree, v: Array) -> Array:
        assert self.jvp is not None
        return ravel_gradient(self.jvp(parameters, self.unravel(v)), self.outputs, "jvp(x, v)", "f(x)")

    def _random(self, n: int) -> Array:
        return self.rng.choice([-1.0, 1.0], n) * self.rng.uniform(0.5, 1.5, n)
