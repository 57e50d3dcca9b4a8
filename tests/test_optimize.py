import math
import pickle
import sys
import types

import numpy as np
import pytest
from cases import problem

from rdae_ref import DivergenceError, RateDistortion, continuation, gradient_ascent, initial_parameters, maximize
from rdae_ref.data import gaussian
from rdae_ref.optimize import (
    BatchedObjective,
    MiniBatches,
    adam,
    batch_ascent,
    maximize_at_distortion,
    progress_bar,
)
from rdae_ref.pytree import ravel, tree_map
from rdae_ref.workers import mapping

TARGET = [np.array([1.0, 2.0]), (np.array([[3.0]]),)]


class Parabola:
    """−½ Σ k_i (θ_i − target_i)² on nested parameters."""

    def value_and_gradient(self, parameters):
        x, unravel = ravel(parameters)
        away = x - ravel(TARGET)[0]
        stiffness = np.array([1.0, 10.0, 4.0])
        return float(-0.5 * stiffness @ away**2), unravel(-stiffness * away)

    def terms(self, parameters):
        return "terms"


START = [np.zeros(2), (np.zeros((1, 1)),)]


def distance(result):
    return np.abs(ravel(result.x)[0] - ravel(TARGET)[0]).max()


@pytest.mark.parametrize(
    "climb",
    [
        lambda f, x: gradient_ascent(f, x, step_size=0.1, n_steps=300),
        lambda f, x: gradient_ascent(f, x, step_size=0.05, n_steps=200, momentum=0.7),
        lambda f, x: gradient_ascent(f, x, step_size=1.0, n_steps=200, line_search=True),
        lambda f, x: maximize(f, x),
    ],
)
def test_every_way_reaches_the_top_of_a_parabola(climb):
    result = climb(Parabola(), START)
    assert distance(result) < 1e-6
    assert result.fun == pytest.approx(0, abs=1e-10)
    assert result.success
    assert isinstance(result.x, list)
    assert len(result.history) == result.nit
    assert set(result.history[0]) == {"value", "gradient_norm"}


def test_the_ascent_is_the_recursion_of_its_docstring():
    result = gradient_ascent(Parabola(), START, step_size=0.01, n_steps=3, momentum=0.5)
    x, v = np.zeros(3), np.zeros(3)
    for _ in range(3):
        v = 0.5 * v + 0.01 * np.array([1, 10, 4]) * ([1, 2, 3] - x)
        x = x + v
    np.testing.assert_allclose(ravel(result.x)[0], x, rtol=1e-14)


@pytest.mark.parametrize("tolerance", [5e-324, 1e300, 1.7e308])
def test_any_tolerance_above_zero_is_taken_without_a_warning(tolerance):
    objective, parameters = problem()
    assert maximize(objective, parameters, max_iterations=1, tolerance=tolerance).nit <= 1


def test_a_line_search_never_goes_down_and_stops_at_the_top():
    values = [entry["value"] for entry in gradient_ascent(
        Parabola(), START, step_size=100.0, n_steps=50, line_search=True
    ).history]
    assert all(np.diff(values) > 0)
    done = gradient_ascent(Parabola(), TARGET, step_size=1.0, n_steps=50, line_search=True)
    assert done.nit == 0
    assert "no step" in done.message


def test_callbacks_see_iteration_value_terms_and_gradient_norm():
    seen = []
    maximize(Parabola(), START, callback=seen.append)
    assert [step.iteration for step in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].value == pytest.approx(0, abs=1e-8)
    assert seen[-1].gradient_norm < 1e-4
    assert seen[-1].terms == "terms"
    assert seen[0].value < seen[-1].value


def test_divergence_carries_the_last_good_parameters():
    objective, parameters = problem("linear")
    with pytest.raises(DivergenceError, match="smaller steps") as caught:
        gradient_ascent(objective, parameters, step_size=100.0, n_steps=100)
    value, _ = objective.value_and_gradient(caught.value.parameters)
    assert np.isfinite(value)


class Breaks(Parabola):
    """Fails in some way at its fifth evaluation."""

    def __init__(self, how):
        self.how, self.left = how, 5

    def value_and_gradient(self, parameters):
        self.left -= 1
        value, gradient = super().value_and_gradient(parameters)
        if self.left > 0:
            return value, gradient
        if isinstance(self.how, BaseException):
            raise self.how
        return self.how, gradient


@pytest.mark.parametrize("climb", [maximize, lambda f, x: gradient_ascent(f, x, step_size=0.01, n_steps=20)])
def test_an_interrupt_returns_what_was_reached_and_nan_is_divergence(climb):
    result = climb(Breaks(KeyboardInterrupt()), START)
    assert (result.message, result.success) == ("interrupted", False)
    assert result.nit > 0
    assert result.fun == pytest.approx(Parabola().value_and_gradient(result.x)[0])
    with pytest.raises(DivergenceError):
        climb(Breaks(np.nan), START)


def test_continuation_goes_through_the_factors_and_raises_the_objective():
    objective, parameters = problem("linear", n=30)
    result = continuation(objective, parameters, factors=(8, 2, 1), max_iterations=15)
    assert [entry["factor"] for entry in result.history] == sorted(
        [entry["factor"] for entry in result.history], reverse=True
    )
    assert {entry["factor"] for entry in result.history} == {8.0, 2.0, 1.0}
    assert result.nit == len(result.history)
    assert result.fun == pytest.approx(objective.value_and_gradient(result.x)[0], rel=1e-14)
    assert result.fun > objective.value_and_gradient(parameters)[0]


@pytest.mark.parametrize("seed", [0, 3])
def test_a_small_start_collapses_where_continuation_does_not(seed):
    """Finding 6: from the same start, one point by plain L-BFGS, and along the data, higher up, by continuation."""
    rng = np.random.default_rng(seed)
    objective = RateDistortion(
        gaussian(60, rng), activation="logsig", alpha=1.01, mu=1.5, sigma_x=0.2 * 2**0.5, sigma_xhat=0.2 * 2**0.5
    )
    start = initial_parameters(2, 10, rng, scale=0.01)
    plain = maximize(objective, start, max_iterations=100)
    followed = continuation(objective, start, max_iterations=25)
    assert objective.reconstruct(plain.x).std() < 0.05
    assert objective.reconstruct(followed.x).std() > 0.5
    assert followed.fun > plain.fun


def test_bad_settings_are_refused():
    for bad, words in (
        ({"step_size": 0.0}, "step_size"),
        ({"n_steps": 0}, "n_steps"),
        ({"momentum": 1.0}, "momentum"),
        ({"momentum": -0.1}, "momentum"),
        ({"momentum": 0.5, "line_search": True}, "no momentum"),
    ):
        with pytest.raises(ValueError, match=words):
            gradient_ascent(Parabola(), START, **{"step_size": 0.1, "n_steps": 5} | bad)
    with pytest.raises(ValueError, match="tolerance"):
        maximize(Parabola(), START, tolerance=0)
    with pytest.raises(TypeError, match="max_iterations"):
        maximize(Parabola(), START, max_iterations=2.5)
    objective, parameters = problem()
    for factors, words in (((), "must not be empty"), ((2, 0), "factors")):
        with pytest.raises(ValueError, match=words):
            continuation(objective, parameters, factors=factors)


def test_no_progress_bar_where_there_is_no_terminal():
    with progress_bar(10) as callback:
        assert callback is None


class WrongForm(Parabola):
    """A gradient whose shapes would broadcast."""

    def value_and_gradient(self, parameters):
        value, _ = super().value_and_gradient(parameters)
        return value, [np.ones(1), (np.ones((1, 1)),)]


@pytest.mark.parametrize("climb", [maximize, lambda f, x: gradient_ascent(f, x, step_size=0.1, n_steps=3)])
def test_a_gradient_of_another_shape_is_refused(climb):
    with pytest.raises(ValueError, match=r"gradient of \[0\] must have shape \(2,\), got \(1,\)"):
        climb(WrongForm(), START)


def test_a_start_that_overflows_has_no_good_parameters():
    objective, parameters = problem("linear")
    with pytest.raises(DivergenceError, match="smaller start") as caught:
        maximize(objective, parameters._replace(W=1e200 * parameters.W, A=1e200 * parameters.A))
    assert caught.value.parameters is None


def test_a_divergence_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(DivergenceError("what happened", START)))
    assert str(error) == "what happened"
    np.testing.assert_array_equal(error.parameters[0], START[0])


def test_a_line_search_finds_its_step_from_a_tiny_one_and_says_when_it_is_stuck():
    found = gradient_ascent(Parabola(), START, step_size=1e-17, n_steps=300, line_search=True)
    assert distance(found) < 1e-6

    class Lies(Parabola):
        def value_and_gradient(self, parameters):
            value, gradient = super().value_and_gradient(parameters)
            return value, tree_map(lambda a: -a, gradient)

    stuck = gradient_ascent(Lies(), START, step_size=1.0, n_steps=5, line_search=True)
    assert (stuck.nit, stuck.success) == (0, False)


def test_iterations_go_on_from_factor_to_factor():
    objective, parameters = problem("linear", n=15)
    seen = []
    continuation(objective, parameters, factors=(4, 1), max_iterations=np.array([3, 2]), callback=seen.append)
    assert [step.iteration for step in seen] == [1, 2, 3, 4, 5]


def test_the_progress_bar_on_a_terminal(monkeypatch):
    drawn = []

    class Bar:
        def __init__(self, **settings):
            drawn.append(settings)

        def set_postfix_str(self, text, refresh):
            drawn.append(text)

        def update(self):
            pass

        def close(self):
            drawn.append("closed")

    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=Bar))
    with progress_bar(7, "climbing") as callback:
        maximize(Parabola(), START, callback=callback)
    assert drawn[0]["total"] == 7
    assert drawn[-2] == "L = -0.0000"
    assert drawn[-1] == "closed"
    monkeypatch.setitem(sys.modules, "tqdm", None)  # not installed
    with progress_bar(7) as callback:
        assert callback is None


# -------------------------------------------------------------------------------------- bad input, function by function

BAD_NUMBERS = {
    "NaN": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "negative": -1.0,
    "complex": 1j,
    "object": object(),
    "text": "1",
    "none": None,
    "truth": True,
    "huge": 10**400,
    "minus huge": -(10**400),
    "masked": np.ma.masked,
    "array": np.ones(2),
    "nested": [[1.0]],
    "empty": [],
}
BAD_STARTS = {
    "NaN": np.array([1.0, np.nan, 0.0]),
    "infinite": np.array([1.0, np.inf, 0.0]),
    "complex": np.ones(3) * 1j,
    "object": np.array([None, 1, 2], dtype=object),
    "text": np.array(["a", "b", "c"]),
    "masked": np.ma.array(np.ones(3), mask=[True, False, False]),
    "empty": np.ones(0),
    "no arrays": {},
    "huge integers": [10**400, 1, 2],
    "none": None,
    "nested": {"W": [np.ones(2), np.array([np.nan])]},
}


class Bowl:
    """−|x|² with a trade-off, in terms that a bound may be put on."""

    mu = 1.0

    X = np.ones((4, 1))

    def with_mu(self, mu):
        return self

    def terms(self, parameters):
        value = -float(np.sum(ravel(parameters)[0] ** 2))
        return types.SimpleNamespace(conditional_entropy=2 * value, distortion=-value)

    def value_and_gradient(self, parameters):
        x, unravel = ravel(parameters)
        return -float(x @ x), unravel(-2 * x)


def mean_of_bowls():
    return BatchedObjective([Bowl(), Bowl()], [1, 2])


RNG = np.random.default_rng(0)
CALLS = {
    gradient_ascent: (Bowl, {"step_size": 0.1, "n_steps": 2, "momentum": 0.5}),
    adam: (Bowl, {"step_size": 0.1, "n_steps": 2, "epsilon": 1e-8, "betas": (0.9, 0.99)}),
    maximize: (Bowl, {"max_iterations": 2, "tolerance": 1e-6}),
    continuation: (Bowl, {"max_iterations": 2, "tolerance": 1e-6, "factors": (2.0, 1.0)}),
    maximize_at_distortion: (Bowl, {"distortion": 0.1, "max_iterations": 2, "n_rounds": 2, "tolerance": 1e-6}),
    batch_ascent: (mean_of_bowls, {"step_size": 0.1, "momentum": 0.5, "n_epochs": 2, "rng": RNG}),
}
NUMBERS = [
    (function, name, bad)
    for function, (_, arguments) in CALLS.items()
    for name in arguments
    for bad in BAD_NUMBERS
    # several factors, and a count for each, are allowed
    if not (function is continuation and (name, bad) in {("factors", "array"), ("max_iterations", "array")})
]


def label(value):
    return getattr(value, "__name__", value) if callable(value) else str(value)


@pytest.mark.parametrize(("function", "name", "bad"), NUMBERS, ids=label)
def test_an_argument_that_is_not_a_number_of_its_range_is_refused_by_name(function, name, bad):
    objective, arguments = CALLS[function]
    function(objective(), np.ones(3), **arguments)
    value = BAD_NUMBERS[bad]
    if name == "betas":
        value = (0.9, value)
    if name == "factors" and bad != "empty":
        value = (value, 1.0)
    with pytest.raises((TypeError, ValueError), match=name):
        function(objective(), np.ones(3), **arguments | {name: value})


@pytest.mark.parametrize("bad", BAD_STARTS)
@pytest.mark.parametrize("function", CALLS, ids=label)
def test_a_start_that_is_not_finite_and_real_is_refused(function, bad):
    objective, arguments = CALLS[function]
    with pytest.raises((TypeError, ValueError), match="must"):
        function(objective(), BAD_STARTS[bad], **arguments)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
@pytest.mark.parametrize("function", CALLS, ids=label)
def test_a_start_of_extreme_size_is_climbed_from_or_diverges(function, scale):
    """And neither warns nor returns what is not finite."""
    objective, arguments = CALLS[function]
    if scale > 1:
        with pytest.raises(DivergenceError, match="cannot begin"), np.errstate(over="ignore"):  # of the objective
            function(objective(), scale * np.ones(3), **arguments)
        return
    found = function(objective(), scale * np.ones(3), **arguments)
    assert np.isfinite(found.x).all()
    assert np.isfinite(found.fun)


@pytest.mark.parametrize("bad", BAD_NUMBERS)
def test_batches_that_are_not_numbers_are_refused_by_name(bad):
    value = BAD_NUMBERS[bad]
    with pytest.raises((TypeError, ValueError), match="batch_size"):
        MiniBatches(Bowl(), value, RNG)
    with pytest.raises((TypeError, ValueError), match="rng"):
        MiniBatches(Bowl(), 1, value)
    if value is not True:  # 1.0 beside a number
        with pytest.raises((TypeError, ValueError), match="sizes"):
            BatchedObjective([Bowl(), Bowl()], [value, 1.0])
    if value is not None:
        with pytest.raises((TypeError, ValueError), match="workers"):
            BatchedObjective([Bowl()], [1], workers=value)
        with pytest.raises((TypeError, ValueError), match="workers"):
            mapping(value)


def test_a_number_in_place_of_several_is_refused_by_name():
    with pytest.raises(TypeError, match="factors must be a sequence"):
        continuation(Bowl(), np.ones(3), factors=2.0)
    for betas in (0.9, (0.9,), (0.9, 0.9, 0.9), None):
        with pytest.raises(TypeError, match="betas must be a pair"):
            adam(Bowl(), np.ones(3), n_steps=1, betas=betas)
