"""The constrained problem (14): maximise S_α(K_X | K_X̂) subject to D_emp ≤ D."""

import itertools
from typing import ClassVar, NamedTuple

import numpy as np
import pytest
import scipy.optimize
from cases import BAD_POSITIVE

from rdae_ref import Parameters, RateDistortion, initial_parameters, maximize
from rdae_ref.data import gaussian
from rdae_ref.models import WeightDecay
from rdae_ref.optimize import BatchedObjective, maximize_at_distortion
from rdae_ref.pytree import ravel
from rdae_ref.verify import vectors

SIGMA = 0.2 * 2**0.5


def figure1_problem(unit="linear", n=60, p=10, seed=0, scale=0.5):
    rng = np.random.default_rng(seed)
    X = gaussian(n, rng)
    objective = RateDistortion(X, activation=unit, alpha=1.01, mu=1.5, sigma_x=SIGMA, sigma_xhat=SIGMA)
    return objective, initial_parameters(2, p, rng, scale=scale)


def slope(objective, found):
    """Return the gradient of (25) at the multiplier that was found, and for its scale that of μ D alone."""
    at = objective.with_mu(found.mu).value_and_gradient(found.x)[1]
    half = objective.with_mu(found.mu / 2).value_and_gradient(found.x)[1]
    return np.linalg.norm(ravel(at)[0]), 2 * np.linalg.norm(ravel(half)[0] - ravel(at)[0])


@pytest.mark.parametrize("bound", [0.05, 0.4, 0.9, 1.2, 1.5, 1.8])
def test_linear_units_reach_every_bound_with_a_multiplier_that_makes_25_stationary(bound):
    objective, start = figure1_problem()
    found = maximize_at_distortion(objective, start, bound)
    assert found.success
    assert found.terms.distortion == pytest.approx(bound, rel=0.002)
    assert found.terms == objective.terms(found.x)
    assert found.fun == pytest.approx(found.terms.conditional_entropy, rel=1e-13, abs=1e-10)  # S = L + μ D
    assert found.nit == len(found.history)
    assert found.mu > 0
    total, part = slope(objective, found)
    assert total < 1e-3 * part


def test_bounds_inside_of_the_gap_are_reached_where_no_multiplier_of_a_sweep_reaches_them():
    objective, start = figure1_problem()
    parameters = maximize(objective.with_mu(64), start).x
    reached = []
    for mu in 3 / 2 ** (np.arange(25) / 8):
        parameters = maximize(objective.with_mu(mu), parameters).x
        reached.append(objective.terms(parameters).distortion)
    k = int(np.diff(reached).argmax())
    low, high = reached[k : k + 2]
    assert high - low > 0.8
    for bound in np.linspace(low, high, 5)[1:-1]:
        found = maximize_at_distortion(objective, start, bound)
        assert found.terms.distortion == pytest.approx(bound, rel=0.01)


@pytest.mark.parametrize("unit", ["relu", "logsig"])
@pytest.mark.parametrize("bound", [0.2, 1.0])
def test_other_units_reach_the_bound(unit, bound):
    objective, start = figure1_problem(unit, n=40)
    found = maximize_at_distortion(objective, start, bound)
    assert found.success
    assert found.terms.distortion <= 1.002 * bound
    assert found.mu < 1e-2 or found.terms.distortion >= bound / 1.01
    if unit == "logsig":  # the optimum of ReLU units lies on a kink, where the gradient jumps and need not vanish
        total, part = slope(objective, found)
        assert total < 0.05 * part + 0.05


@pytest.mark.parametrize("unit", ["linear", "relu", "logsig"])
@pytest.mark.parametrize("scale", [0.01, 0.5])
def test_a_bound_above_the_total_variance_is_inactive(unit, scale):
    objective, start = figure1_problem(unit, n=40, scale=scale)
    variance = objective.X.var(axis=0).sum()
    found = maximize_at_distortion(objective, start, 1.2 * variance)
    assert found.success
    assert found.mu == 0
    assert found.terms.distortion <= 1.2 * variance
    everything = RateDistortion.terms(objective, collapsed(objective)).conditional_entropy
    assert found.fun == pytest.approx(everything, rel=1e-3)


def collapsed(objective):
    """Put all outputs in the mean, where S(X | X̂) = S(X), its largest value."""
    p = 10
    return Parameters(np.zeros((p, 2)), np.zeros(p), np.zeros((2, p)), objective.X.mean(axis=0))


def test_less_distortion_never_leaves_more_entropy():
    objective, start = figure1_problem(n=40)
    entropies = [maximize_at_distortion(objective, start, bound).fun for bound in (0.1, 0.3, 0.6, 1.0, 1.5)]
    assert all(low < high for low, high in itertools.pairwise(entropies))


def two_sample_cases():
    return [pytest.param(case, id=case.name) for case in vectors.load("equation-14").cases]


@pytest.mark.parametrize("case", two_sample_cases())
def test_two_samples_have_the_closed_form_of_the_golden_vectors(case):
    settings = dict(case.inputs)
    X, D = settings.pop("X"), settings.pop("D")
    objective = RateDistortion(X, activation="linear", mu=1.0, **settings)
    start = Parameters(np.ones((1, 1)), np.zeros(1), np.full((1, 1), 0.9), np.zeros(1))
    found = maximize_at_distortion(objective, start, D, tolerance=1e-9)
    assert found.terms.distortion == pytest.approx(D, rel=2e-3)
    assert np.abs(objective.reconstruct(found.x)).ravel() == pytest.approx([case.outputs["t"]] * 2, rel=2e-3)
    assert found.mu == pytest.approx(case.outputs["mu"], rel=5e-3)
    assert found.fun == pytest.approx(case.outputs["conditional_entropy"], rel=5e-3)


class QuadraticTerms(NamedTuple):
    conditional_entropy: float
    distortion: float


class Quadratic:
    """S = −½ |x − a|² and D = ½ |x|²: the optimum is x = a/(1 + μ) with μ = |a|/√(2 D) − 1, or 0 if that is below."""

    a = np.array([3.0, -4.0, 12.0])  # |a| = 13

    def __init__(self, mu=1.0, unit=1.0):
        self.mu, self.unit = mu, unit

    def with_mu(self, mu):
        return type(self)(mu, self.unit)

    def terms(self, parameters):
        x = ravel(parameters)[0]
        return QuadraticTerms(-0.5 * float((x - self.a) @ (x - self.a)), 0.5 * self.unit * float(x @ x))

    def value_and_gradient(self, parameters):
        x, unravel = ravel(parameters)
        terms = self.terms(parameters)
        return terms.conditional_entropy - self.mu * terms.distortion, unravel(self.a - x - self.mu * self.unit * x)


NESTED = [np.ones(2), (np.ones((1, 1)),)]


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("mu", [0.0, 1.0, 50.0])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.98])
def test_a_quadratic_is_solved_with_its_known_multiplier_in_any_unit_of_distortion(share, mu, unit):
    bound = share * 0.5 * unit * 13**2
    found = maximize_at_distortion(Quadratic(mu / unit, unit), NESTED, bound)
    expected = (share**-0.5 - 1) / unit
    assert found.success
    assert found.terms.distortion == pytest.approx(bound, rel=2e-3)
    assert found.mu == pytest.approx(expected, rel=5e-3, abs=2e-3 / unit)
    np.testing.assert_allclose(ravel(found.x)[0], Quadratic.a * share**0.5, rtol=2e-3)
    assert isinstance(found.x, list)


def test_an_inactive_bound_leaves_the_free_maximum():
    found = maximize_at_distortion(Quadratic(), NESTED, 100.0)
    assert (found.mu, found.success) == (0, True)
    np.testing.assert_allclose(ravel(found.x)[0], Quadratic.a, rtol=1e-5)


@pytest.mark.parametrize("bound", [0.3, 1.0])
def test_slsqp_finds_the_same_optimum(bound):
    """SciPy's own solver of constrained problems, on the same values and gradients."""
    objective, start = figure1_problem(n=12, p=2, scale=0.7)
    found = maximize_at_distortion(objective, start, bound)
    x, unravel = ravel(found.x)
    entropy_only = objective.with_mu(0)

    def entropy(x):
        value, gradient = entropy_only.value_and_gradient(unravel(x))
        return -value, -ravel(gradient)[0]

    def room(x):
        return bound - objective.terms(unravel(x)).distortion

    def room_slope(x):
        one, two = (ravel(objective.with_mu(mu).value_and_gradient(unravel(x))[1])[0] for mu in (0.0, 1.0))
        return two - one

    constraint = {"type": "ineq", "fun": room, "jac": room_slope}
    for begin in (x, x + 1e-2 * np.sin(np.arange(x.size)), ravel(start)[0]):
        other = scipy.optimize.minimize(
            entropy, begin, jac=True, method="SLSQP", constraints=constraint, options={"maxiter": 300, "ftol": 1e-10}
        )
        assert found.fun >= -other.fun * (1 - 2e-3)
    near = scipy.optimize.minimize(
        entropy, x, jac=True, method="SLSQP", constraints=constraint, options={"maxiter": 300, "ftol": 1e-10}
    )
    assert near.success
    assert found.fun == pytest.approx(-near.fun, rel=2e-3)


def test_what_cannot_be_met_is_said():
    found = maximize_at_distortion(Unreachable(), NESTED, 0.1, n_rounds=8)
    assert not found.success
    assert found.terms.distortion == pytest.approx(1, rel=0.1)
    assert "for the bound 0.1" in found.message


class Unreachable(Quadratic):
    """A distortion that is never below 1."""

    def terms(self, parameters):
        entropy, distortion = super().terms(parameters)
        return QuadraticTerms(entropy, distortion + 1)

    def value_and_gradient(self, parameters):
        value, gradient = super().value_and_gradient(parameters)
        return value - self.mu, gradient


class Costly(RateDistortion):
    """Tells what it is asked for."""

    asked: ClassVar[list[str]] = []

    def terms(self, parameters):
        self.asked.append("terms")
        return super().terms(parameters)

    def value_and_gradient(self, parameters):
        self.asked.append("gradient")
        return super().value_and_gradient(parameters)


@pytest.mark.parametrize("around", [lambda one: one, lambda one: WeightDecay(one, strength=0.0)], ids=["bare", "decay"])
def test_entropies_are_computed_once_in_a_step(around):
    """And once in each round, for where it ended."""
    objective, start = figure1_problem(n=12, p=2, scale=0.7)
    fields = ("activation", "alpha", "mu", "sigma_x", "sigma_xhat")
    costly = Costly(objective.X, **{name: getattr(objective, name) for name in fields})
    Costly.asked.clear()
    found = maximize_at_distortion(around(costly), start, 0.5)
    assert found.fun == maximize_at_distortion(objective, start, 0.5).fun
    assert 0 < costly.asked.count("terms") <= 30
    assert costly.asked.count("gradient") > 3 * costly.asked.count("terms")


def test_weight_decay_is_part_of_what_is_maximised_under_a_bound():
    objective, start = figure1_problem(n=12, p=2, scale=0.7)
    found = maximize_at_distortion(WeightDecay(objective, strength=0.01), start, 0.5)
    entropy, weights = found.terms.inside.conditional_entropy, found.terms.squared_weights
    assert found.success
    assert found.fun == pytest.approx(entropy - 0.01 * weights, rel=1e-10)
    free = maximize_at_distortion(objective, start, 0.5)
    assert free.fun > found.fun
    assert sum(np.sum(part**2) for part in free.x if part.ndim > 1) > weights


def test_batches_have_a_bound_as_well():
    objective, start = figure1_problem(n=24, p=2, scale=0.7)
    fields = ("activation", "alpha", "mu", "sigma_x", "sigma_xhat")
    settings = {name: getattr(objective, name) for name in fields}
    parts = [RateDistortion(rows, **settings) for rows in np.split(objective.X, 3)]
    found = maximize_at_distortion(BatchedObjective(parts, [8] * 3, workers=map), start, 0.5)
    assert found.success
    assert found.terms.distortion == pytest.approx(0.5, rel=0.01)
    assert np.mean(np.sum((objective.X - objective.reconstruct(found.x)) ** 2, axis=1)) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("name", BAD_POSITIVE)
def test_bad_bounds_are_refused(name):
    value, error = BAD_POSITIVE[name]
    with pytest.raises(error, match="distortion"):
        maximize_at_distortion(Quadratic(), NESTED, value)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"n_rounds": 0}, "n_rounds"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"tolerance": 0.0}, "tolerance"),
    ],
)
def test_bad_settings_are_refused(bad, words):
    with pytest.raises(ValueError, match=words):
        maximize_at_distortion(Quadratic(), NESTED, 1.0, **bad)


class Interrupted(Quadratic):
    """Is interrupted at an evaluation of its terms, of its gradient or of both."""

    def __init__(self, calls, mu=1.0):
        super().__init__(mu)
        self.calls = calls

    def with_mu(self, mu):
        return Interrupted(self.calls, mu)

    def terms(self, parameters):
        if next(self.calls):
            raise KeyboardInterrupt
        return super().terms(parameters)


def interrupted_at(call):
    return Interrupted(k == call for k in itertools.count(1))


def test_an_interrupt_returns_the_best_that_was_reached():
    calls = []
    never = (calls.append(None) is not None for _ in itertools.count())
    whole = maximize_at_distortion(Interrupted(never), NESTED, 10.0)
    total = len(calls)
    assert whole.success
    for call in (total // 2, total):
        found = maximize_at_distortion(interrupted_at(call), NESTED, 10.0)
        assert (found.message, found.success) == ("interrupted", False)
        assert found.terms == Quadratic().terms(found.x)
        assert 0 < found.nit <= whole.nit
        assert len(found.history) == found.nit


def test_an_interrupt_before_anything_was_reached_goes_on():
    with pytest.raises(KeyboardInterrupt):
        maximize_at_distortion(interrupted_at(1), NESTED, 10.0)


def test_callbacks_see_every_iteration():
    seen = []
    found = maximize_at_distortion(Quadratic(), NESTED, 10.0, callback=seen.append)
    assert [step.iteration for step in seen] == list(range(1, found.nit + 1))
    assert seen[-1].terms.distortion == pytest.approx(10, rel=0.01)
