"""The constrained problem (14), by an augmented Lagrangian."""

from typing import Any

import numpy as np

from .._validation import as_count, as_positive
from ..objective import distortion_of
from ..pytree import Pytree
from .iteration import Callback, Result, counting_from
from .quasi_newton import maximize

__all__ = ["first_stiffness", "maximize_at_distortion"]

ACTIVE = 1.01  # an active constraint is met to 1 %
STIFFEST = 1e140  # the square of a multiplier is formed
MET = 1e-3  # the method of multipliers stops when distortion, multiplier and entropy change by less


def maximize_at_distortion(
    objective: Any,
    parameters: Pytree,
    distortion: float,
    *,
    max_iterations: int = 100,
    n_rounds: int = 30,
    tolerance: float = 1e-6,
    callback: Callback | None = None,
) -> Result:
    """Maximise the conditional entropy under the constraint D_emp ≤ distortion, by an augmented Lagrangian.

    Eq. (14) of the paper, and its footnote 3: a fixed μ enforces an equality.

    Each round maximises S − (m² − μ²) / (2ρ) with m = max(0, μ + ρ (D_emp − distortion)), whose gradient is that of
    (25) at the multiplier m, and then sets μ to m, until D, μ and S change by less than a thousandth. A search for μ
    would not do: D jumps at some μ, and no μ has a distortion inside such a gap.

    Parameters
    ----------
    objective : RateDistortion
        With ``mu`` (the initial multiplier), ``with_mu`` and ``terms``. If it has a method ``distortion``, that is used
        once in each step instead of ``terms``, to save the entropies.
    parameters : pytree
        Where to start. Nonlinear units have many optima: try several starts and keep the best.
    distortion : float
        The bound D > 0.
    max_iterations, n_rounds : int
        Iterations of L-BFGS in each round; and the largest number of rounds.
    tolerance, callback : float, and callable, optional
        Of L-BFGS, as in `maximize`.

    Returns
    -------
    Result
        Of the best round: x, fun (the conditional entropy, minus any weight decay), mu (the multiplier, 0 if the bound
        is not active), terms, nit, success (whether the bound is met, to 1 % if it is active), message, history; after
        Ctrl-C those of the best round so far.
    """
    bound, n_rounds = as_positive(distortion, "distortion"), as_count(n_rounds, "n_rounds")
    search = _MultiplierSearch(objective, bound)
    try:
        for _ in range(n_rounds):
            found = maximize(
                search.lagrangian,
                parameters,
                max_iterations=max_iterations,
                tolerance=tolerance,
                callback=counting_from(callback, len(search.history)),
            )
            parameters, settled = found.x, search.accept(found)
            if settled or found.message == "interrupted":
                break
    except KeyboardInterrupt:  # between two rounds
        if search.best is None:
            raise
        return search.result(interrupted=True)
    return search.result(interrupted=found.message == "interrupted")


def first_stiffness(mu: float, bound: float) -> float:
    """Return ρ of the first round: 1/D is the unit of μ where some bits are traded for distortions of about D."""
    stiffness = 10 * max(mu, 1 / bound) / bound if bound > 0 else np.inf
    if not stiffness < STIFFEST:
        raise ValueError(f"distortion = {bound:g}, mu = {mu:g}: out of proportion to the data, change one of them")
    return stiffness


class _AugmentedLagrangian:
    """S − (m² − μ²) / (2ρ), m = max(0, μ + ρ (D − bound)): its gradient is that of S − m D."""

    def __init__(self, objective: Any, bound: float, mu: float, stiffness: float) -> None:
        self.objective, self.bound, self.mu, self.stiffness = objective, bound, mu, stiffness
        self.terms = objective.terms

    def multiplier(self, distortion: float) -> float:
        return max(0.0, self.mu + self.stiffness * (distortion - self.bound))

    def penalty(self, multiplier: float) -> float:
        return (multiplier**2 - self.mu**2) / (2 * self.stiffness)

    def value_and_gradient(self, parameters: Pytree) -> tuple[float, Pytree]:
        distortion = distortion_of(self.objective, parameters)
        m = self.multiplier(distortion)
        value, gradient = self.objective.with_mu(m).value_and_gradient(parameters)
        return value + m * distortion - self.penalty(m), gradient


class _MultiplierSearch:
    """The rounds of the method of multipliers: the augmented Lagrangian of the next one, and the best so far."""

    def __init__(self, objective: Any, bound: float) -> None:
        stiffness = first_stiffness(objective.mu, bound)
        self.objective, self.bound = objective, bound
        self.lagrangian = _AugmentedLagrangian(objective, bound, objective.mu, stiffness)
        self.history: list[dict[str, float]] = []
        self.best: Result | None = None
        self.violation, self.entropy = np.inf, -np.inf

    def accept(self, found: Result) -> bool:
        """Record the result of a round, and return whether multiplier, distortion and entropy have settled."""
        before, terms = self.lagrangian, self.objective.terms(found.x)
        mu = before.multiplier(terms.distortion)
        # How far D exceeds the bound or, below it, how far the multiplier is from the 0 that it then has to be.
        violation = abs(mu - before.mu) / before.stiffness
        meets = violation <= MET * self.bound
        found.fun, found.mu, found.terms = found.fun + before.penalty(mu), mu, terms
        found.rank = (meets, found.fun if meets else -violation)
        if self.best is None or found.rank > self.best.rank:
            self.best = found
        self.history += [{"mu": before.mu, **entry} for entry in found.history]
        settled = abs(mu - before.mu) <= MET * (mu + 1 / self.bound)
        rests = settled and abs(found.fun - self.entropy) <= MET * abs(found.fun)
        # The penalty gets stiffer if a round did not bring the constraint much nearer.
        stiffen = 2 if violation > max(0.25 * self.violation, MET * self.bound) else 1
        self.lagrangian = _AugmentedLagrangian(self.objective, self.bound, mu, stiffen * before.stiffness)
        self.violation, self.entropy = violation, found.fun
        return bool(meets and rests)

    def result(self, *, interrupted: bool) -> Result:
        best, bound = self.best, self.bound
        assert best is not None
        active, distortion = best.mu > 0, best.terms.distortion
        meets = distortion <= ACTIVE * bound and (not active or distortion >= bound / ACTIVE)
        best.success = bool(meets and not interrupted)
        best.message = "interrupted" if interrupted else describe_bound(distortion, bound, best.mu)
        best.history, best.nit = self.history, len(self.history)
        del best.rank
        return best


def describe_bound(distortion: float, bound: float, mu: float) -> str:
    """Return the message of a result."""
    return f"D = {distortion:.6g} for the bound {bound:.6g}, with the multiplier {mu:.4g}"
