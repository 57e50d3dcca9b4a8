"""The estimator: it passes scikit-learn's checks, does without it, and adds nothing to the functions."""

import dataclasses
import json
import pickle
import re
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
import sklearn.datasets
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import rdae_ref
from rdae_ref import (
    Parameters,
    RateDistortion,
    RateDistortionAutoencoder,
    _without_sklearn,
    check_gradient,
    continuation,
    initial_parameters,
    maximize,
)
from rdae_ref._pca_start import InVariables, PcaVariables, linear_point
from rdae_ref.activations import Activation, as_activation
from rdae_ref.cli import main
from rdae_ref.data import gaussian
from rdae_ref.data.batches import clustered_batches, random_batches
from rdae_ref.estimator import CollapseWarning, ScaleWarning
from rdae_ref.optimize import BatchedObjective, DivergenceError, batch_ascent, maximize_at_distortion

X = gaussian(40, np.random.default_rng(0))
QUICK = {"n_hidden": 4, "sigma": 0.5, "max_iter": 300, "tol": 1e-3, "random_state": 0}
SKIPPED = {
    "check_array_api_input",  # SCIPY_ARRAY_API is not set
    "check_set_output_transform_pandas",  # these four where pandas or polars is not installed
    "check_global_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_set_output_transform_polars",
}


def quick(**changes):
    return RateDistortionAutoencoder(**QUICK | changes)


@pytest.fixture(scope="module")
def model():
    return quick(activation="linear").fit(X)


CENTRE = X.mean(axis=0)
SCALE = np.sqrt(np.mean((X - CENTRE) ** 2))


GRID = 2.0**-24  # to which all that the optimiser sees is rounded


def rounded(number):
    fraction, exponent = np.frexp(number)
    return np.ldexp(np.round(fraction * 2**24), exponent - 24)


def objective_of_a_fit(rows=..., sigma=0.5, mu=1.5, sigma_xhat=None, activation="linear", alpha=1.01, base=2):
    """Return what a fit to X maximises: the objective on (X − m)/r, all to 24 bits."""
    sigma, wide = (rounded(size / SCALE) for size in (sigma, sigma_xhat or sigma))
    step = 2.0 ** (min(0, np.frexp(sigma)[1]) - 24)
    samples = np.round((X - CENTRE) / SCALE / step)[rows] * step
    mu = rounded(mu * SCALE**2)
    return RateDistortion(
        samples, activation=activation, alpha=alpha, mu=mu, sigma_x=sigma, sigma_xhat=wide, base=base, method="auto"
    )


def in_units_of_x(parameters):
    W, c, A, b = parameters
    return Parameters(W / SCALE, c - W @ CENTRE / SCALE, SCALE * A, SCALE * b + CENTRE)


def same(first, second, rel=1e-12):
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rel, atol=rel)
    return True


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:the outputs have collapsed")
@pytest.mark.parametrize(
    "settings",
    [{"n_hidden": 2, "max_iter": 3}, pytest.param({"random_state": 0}, marks=pytest.mark.slow)],
    ids=["quick", "defaults"],
)
def test_all_checks_of_scikit_learn_pass(settings):
    checks = check_estimator(RateDistortionAutoencoder(**settings), on_fail=None, on_skip=None)
    assert len(checks) > 40
    assert {check["check_name"]: str(check["exception"]) for check in checks if check["status"] == "failed"} == {}
    assert {check["status"] for check in checks} <= {"passed", "skipped"}
    assert {check["check_name"] for check in checks if check["status"] == "skipped"} <= SKIPPED


@pytest.mark.parametrize("activation", ["linear", "logsig"])
def test_it_is_the_functions_with_the_same_start(activation):
    settings = {"alpha": 1.5, "mu": 2.0, "sigma_xhat": 0.4, "base": np.e, "activation": activation}
    model = quick(**settings, init="continuation", random_state=3).fit(X)
    start = initial_parameters(2, 4, np.random.default_rng(3), scale=0.5)
    at_2 = objective_of_a_fit(**settings | {"alpha": 2})
    first = continuation(at_2, start, factors=[64, 32, 16, 8, 4, 2], max_iterations=60, tolerance=1e-3)
    found = maximize(objective_of_a_fit(**settings), first.x, max_iterations=300, tolerance=1e-3)
    found.history = first.history + [{"factor": 1.0, **entry} for entry in found.history]
    found.nit = len(found.history)
    assert same(model.parameters_, in_units_of_x(found.x))
    on_x = RateDistortion(X, sigma_x=0.5, **settings)
    assert model.terms_ == on_x.terms(model.parameters_)
    assert model.value_ == pytest.approx(on_x.value_and_gradient(model.parameters_)[0], rel=1e-12)
    assert model.value_ == pytest.approx(found.fun, rel=10 * GRID)
    assert model.history_ == found.history
    assert model.n_iter_ == found.nit
    assert model.converged_ is True
    assert model.collapsed_ is False


def test_its_methods_are_those_of_the_paper():
    model = quick(max_iter=1000).fit(X)
    W, c, A, b = model.parameters_
    code = expit(X @ W.T + c)
    np.testing.assert_allclose(model.transform(X), code, rtol=1e-13)
    np.testing.assert_allclose(model.inverse_transform(code), code @ A.T + b, rtol=1e-13)
    np.testing.assert_allclose(model.reconstruct(X), code @ A.T + b, rtol=1e-12)
    energy = ((X - code @ A.T - b) ** 2).sum(axis=1)
    np.testing.assert_allclose(model.score_samples(X), -energy, rtol=1e-9)
    assert model.score(X) == pytest.approx(-energy.mean())
    assert model.score(X) == pytest.approx(-model.terms_.distortion)
    assert list(model.get_feature_names_out()) == [f"ratedistortionautoencoder{i}" for i in range(4)]


def test_a_distortion_is_met_and_its_multiplier_told():
    model = quick(activation="linear", distortion=0.4).fit(X)
    assert model.terms_.distortion == pytest.approx(0.4, rel=0.01)
    assert model.converged_
    start = quick(activation="linear", init="random", distortion=0.4).fit(X)
    found = maximize_at_distortion(
        objective_of_a_fit(),
        initial_parameters(2, 4, np.random.default_rng(0), scale=0.5),
        rounded(0.4 / SCALE**2),
        max_iterations=300,
        tolerance=1e-3,
    )
    assert start.mu_ == pytest.approx(found.mu / SCALE**2, rel=1e-12)
    assert same(start.parameters_, in_units_of_x(found.x))
    assert start.terms_ == pytest.approx(
        found.terms._replace(distortion=SCALE**2 * found.terms.distortion), rel=10 * GRID
    )
    assert start.value_ == pytest.approx(found.fun - found.mu * found.terms.distortion, rel=10 * GRID)
    assert [entry["mu"] for entry in start.history_] == pytest.approx([h["mu"] / SCALE**2 for h in found.history])
    assert f"D = {start.terms_.distortion:.6g} for the bound 0.4, with the multiplier {start.mu_:.4g}" == start.message_


def test_the_median_is_the_kernel_size_unless_a_number_is_given():
    ours = quick(sigma="median", activation="linear", max_iter=3000)
    assert ours.fit(X).sigma_x_ == ours.sigma_xhat_ == pytest.approx(rdae_ref.median_distance(X))
    apart = quick(sigma_xhat="median", activation="linear", max_iter=3000).fit(X)
    assert (apart.sigma_x_, apart.sigma_xhat_) == (0.5, pytest.approx(ours.sigma_x_))
    with pytest.raises(ValueError, match="pass a number"):
        quick(sigma="median").fit(np.vstack([np.zeros((30, 2)), X[:3]]))


def test_the_ascent_by_line_search_and_by_steps():
    searched = quick(solver="ascent", activation="linear", max_iter=30, tol=1.0).fit(X)
    values = [entry["value"] for entry in searched.history_ if entry["factor"] == 1]
    assert len(values) == 30
    assert np.all(np.diff(values) > 0)
    assert searched.converged_ is True
    with pytest.warns(ConvergenceWarning, match="raise max_iter, now 2, or tol"), pytest.warns(CollapseWarning):
        stepped = quick(solver="ascent", step_size=0.01, momentum=0.5, init="random", max_iter=2).fit(X)
    assert stepped.converged_ is False
    assert stepped.n_iter_ == 2


IN_BATCHES = {"solver": "ascent", "step_size": 0.02, "batch_size": 15, "max_iter": 20, "activation": "linear"}


@pytest.mark.parametrize("batches", ["clustered", "random"])
def test_batches_climb_on_a_few_samples_at_a_time_and_report_on_all(batches):
    first, second = (quick(**IN_BATCHES, batches=batches).fit(X) for _ in range(2))
    assert all(np.array_equal(one, two) for one, two in zip(first.parameters_, second.parameters_, strict=True))
    assert sum(entry["factor"] == 1 for entry in first.history_) == 20  # epochs
    assert first.converged_ is None
    assert first.message_ == "20 epochs done"
    assert first.terms_.distortion == pytest.approx(-first.score(X), rel=1e-12)
    assert first.value_ == first.terms_.conditional_entropy - 1.5 * first.terms_.distortion
    began = quick(**IN_BATCHES | {"max_iter": 1}, batches=batches, init="random").fit(X)
    assert first.value_ > began.value_


@pytest.mark.parametrize("batches", ["clustered", "random"])
def test_an_ascent_in_batches_is_that_of_the_paper(batches):
    """The estimator adds no mathematics: the same divisions, objectives and steps by hand."""
    init = start(2, 4)
    model = quick(**IN_BATCHES, batches=batches, init=init, momentum=0.5).fit(X)
    rng = np.random.default_rng(0)
    inside = (X - CENTRE) / SCALE
    rows = clustered_batches(inside, 15, rng) if batches == "clustered" else random_batches([14, 13, 13], rng)
    assert sorted(np.concatenate(rows)) == list(range(40))
    batched = BatchedObjective([objective_of_a_fit(those) for those in rows], [len(those) for those in rows])
    W, c, A, b = init
    inside = Parameters(W * SCALE, c + W @ CENTRE, A / SCALE, (b - CENTRE) / SCALE)
    found = batch_ascent(batched, inside, step_size=0.02, momentum=0.5, n_epochs=20, rng=rng)
    assert same(model.parameters_, in_units_of_x(found.x), rel=1e-11)
    terms = batched.terms(found.x)
    assert model.terms_ == pytest.approx(terms._replace(distortion=SCALE**2 * terms.distortion), rel=10 * GRID)
    parts = [
        RateDistortion(X[those], activation="linear", alpha=1.01, mu=1.5, sigma_x=0.5, sigma_xhat=0.5, method="auto")
        for those in rows
    ]
    assert model.terms_ == BatchedObjective(parts, [len(those) for those in rows]).terms(model.parameters_)


@pytest.mark.parametrize(
    ("settings", "climb"),
    [
        ({}, lambda batched, init: maximize(batched, init, max_iterations=300, tolerance=1e-3)),
        ({"distortion": 0.5}, lambda batched, init: maximize_at_distortion(batched, init, 0.5, tolerance=1e-3)),
    ],
    ids=["L-BFGS", "a bound"],
)
def test_other_ways_uphill_take_the_mean_over_batches(settings, climb):
    init = start(2, 4)
    settings = {"activation": "linear", "batch_size": 15, "max_iter": 300} | settings
    model = quick(**settings, init=init).fit(X)
    rows = random_batches([14, 13, 13], np.random.default_rng(0))
    parts = [
        RateDistortion(X[those], activation="linear", alpha=1.01, mu=1.5, sigma_x=0.5, sigma_xhat=0.5) for those in rows
    ]
    batched = BatchedObjective(parts, [len(those) for those in rows])
    found = climb(batched, init)
    assert model.converged_
    assert model.terms_ == pytest.approx(batched.terms(found.x), rel=1e-3)
    assert model.value_ > batched.value_and_gradient(init)[0]
    searched = quick(**settings | {"distortion": None, "solver": "ascent", "max_iter": 40}, tol=1.0, init=init).fit(X)
    values = [entry["value"] for entry in searched.history_]
    assert np.all(np.diff(values) > 0)


def test_with_batches_no_matrix_of_all_pairs_is_formed():
    rng = np.random.default_rng(0)
    many = rng.normal(size=(6000, 3))
    settings = IN_BATCHES | {"batch_size": 100, "max_iter": 2, "init": "random", "n_hidden": 4, "random_state": 0}
    tracemalloc.start()
    try:
        model = RateDistortionAutoencoder(sigma=1.0, batches="clustered", **settings).fit(many)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.isfinite(model.value_)
    assert peak < 0.2 * 8 * 6000**2


@pytest.mark.parametrize("n", [1000, 5002])
def test_the_median_sees_samples_in_any_order(n):
    """Every second row once decided; above 5000 rows it is that of 5000 at random."""
    rng = np.random.default_rng(0)
    many = rng.normal(size=(n, 2)) * 0.1
    many[1::4] += 10
    many[3::4] -= 10
    settings = IN_BATCHES | {"batch_size": 50, "max_iter": 1, "init": "random", "n_hidden": 2, "random_state": 0}
    settings["mu"] = 0.01  # the units are 10 times as large as those of the other tests
    fits = [RateDistortionAutoencoder(**settings).fit(many) for _ in range(2)]
    assert fits[0].sigma_x_ == fits[1].sigma_x_ == pytest.approx(14.1, rel=0.02)


def start(d, p):
    return initial_parameters(d, p, np.random.default_rng(0))


REFUSED = {
    "units": ({"activation": "sine"}, ValueError, "activation must be one of"),
    "order": ({"alpha": 0.0}, ValueError, "alpha must be above 0"),
    "trade-off": ({"mu": -1.0}, ValueError, "mu must be"),
    "bound": ({"distortion": 0.0}, ValueError, "distortion must be"),
    "bound by ascent": ({"distortion": 0.1, "solver": "ascent"}, ValueError, "solver='lbfgs' only"),
    "kernel size": ({"sigma": -1.0}, ValueError, "sigma must be"),
    "kernel word": ({"sigma": "mean"}, ValueError, "sigma must be one of 'median'"),
    "output word": ({"sigma_xhat": "mean"}, ValueError, "sigma_xhat must be one of"),
    "base": ({"base": 1}, ValueError, "base must be"),
    "solver": ({"solver": "adam"}, ValueError, "solver must be one of"),
    "batch": ({"batch_size": 500, "solver": "ascent", "step_size": 1.0}, ValueError, "batch_size must be at most 40"),
    "division": (
        {"batch_size": 5, "batches": "even", "solver": "ascent", "step_size": 1.0},
        ValueError,
        "batches must be one of 'clustered', 'random'",
    ),
    "nothing to divide": ({"batches": "clustered"}, ValueError, "give a batch_size, too"),
    "step": ({"step_size": 0.0, "solver": "ascent"}, ValueError, "step_size must be"),
    "momentum": ({"momentum": 1.0, "solver": "ascent", "step_size": 1.0}, ValueError, "momentum must be from 0"),
    "momentum of a line search": ({"momentum": 0.5, "solver": "ascent"}, ValueError, "takes no momentum"),
    "iterations": ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
    "tolerance": ({"tol": 0.0}, ValueError, "tol must be"),
    "start": ({"init": "zeros"}, ValueError, "init must be one of"),
    "start of L-BFGS": ({"init": "pca", "solver": "ascent"}, ValueError, "init='pca' is for solver='lbfgs' only"),
    "start of other width": ({"init": start(3, 4)}, ValueError, "W must have"),
    "start of other size": ({"init": start(2, 5)}, ValueError, "init has 5 units"),
    "no start": ({"init": 3.0}, TypeError, "parameters must be Parameters"),
    "units number": ({"n_hidden": 2.5}, TypeError, "n_hidden must be an integer"),
    "seed": ({"random_state": -1}, ValueError, "non-negative"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_settings_are_refused_before_the_work(case):
    changes, error, words = REFUSED[case]
    steps = []
    with pytest.raises(error, match=words):
        quick(**changes, callback=steps.append).fit(X)
    assert not steps


def test_it_is_fitted_first_and_to_the_same_columns(model):
    for method in ("transform", "inverse_transform", "reconstruct", "score_samples", "score"):
        with pytest.raises(NotFittedError):
            getattr(quick(), method)(X)
        with pytest.raises(ValueError, match=r"features|shape"):
            getattr(model, method)(np.ones((3, 7)))


def test_what_did_not_converge_says_what_to_change():
    with pytest.warns(ConvergenceWarning, match="raise max_iter, now 2, or tol, now 0.001, or scale the data"):
        assert quick(max_iter=2).fit(X).converged_ is False
    with pytest.warns(ConvergenceWarning, match="raise max_iter, n_hidden or the bound"):
        quick(n_hidden=1, activation="linear", distortion=1e-3).fit(X)


@pytest.mark.parametrize("iteration", [2, 20])
def test_ctrl_c_goes_on_to_the_caller_and_the_estimator_keeps_what_was_reached(iteration):
    def interrupt(step):
        if step.iteration == iteration:
            raise KeyboardInterrupt

    model = quick(activation="linear", callback=interrupt, init="random" if iteration == 2 else "continuation")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.n_iter_ == iteration
    assert model.converged_ is False
    assert model.transform(X).shape == (40, 4)


@pytest.mark.parametrize(("last", "kept"), [(32, "pca"), (1, "continuation")])
def test_ctrl_c_in_the_second_start_keeps_the_better_one_if_both_are_at_mu(last, kept):
    stages = []

    def interrupt(step):
        stages.append(round(step.objective.mu / 1.5))
        if 64 in stages and stages[-3:] == 3 * [last]:
            raise KeyboardInterrupt

    settings = {"activation": "logsig", "sigma": 0.28}
    model = quick(**settings, callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert stages[0] == 1
    assert model.converged_ is False
    first = quick(**settings, init="pca").fit(X)
    assert (model.value_ == pytest.approx(first.value_, rel=1e-12)) == (kept == "pca")
    assert model.value_ >= first.value_ - 1e-9


def test_a_callback_sees_every_iteration_and_nothing_is_drawn_where_nobody_sees_it(capfd):
    steps = []
    counting = {"callback": lambda step: steps.append(step.iteration), "activation": "linear", "verbose": True}
    model = quick(**counting, init="continuation").fit(X)
    assert steps == list(range(1, model.n_iter_ + 1))
    steps.clear()
    both = quick(**counting).fit(X)
    assert both.choices_["init"].startswith("pca and continuation")
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) > both.n_iter_
    assert capfd.readouterr() == ("", "")


def test_one_seed_of_any_kind_gives_one_model():
    kinds = [lambda: 7, lambda: np.random.default_rng(7), lambda: np.random.RandomState(7)]
    for kind in kinds:
        pair = [quick(activation="linear", init="random", random_state=kind()).fit(X) for _ in range(2)]
        assert np.array_equal(pair[0].parameters_.W, pair[1].parameters_.W)
    free = [quick(activation="linear", init="random", random_state=None).fit(X) for _ in range(2)]
    assert not np.array_equal(free[0].parameters_.W, free[1].parameters_.W)


def test_a_model_is_where_another_one_starts():
    model = quick(activation="linear", init="continuation").fit(X)
    further = quick(activation="linear", init=model.parameters_, tol=1e-9).fit(X)
    assert further.value_ >= model.value_
    assert further.n_iter_ < model.n_iter_
    assert isinstance(clone(further).init, Parameters)


def test_it_clones_and_pickles(model):
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "parameters_")
    again = pickle.loads(pickle.dumps(model))
    assert type(again) is RateDistortionAutoencoder
    assert np.array_equal(again.transform(X), model.transform(X))


def test_it_sits_in_a_pipeline_and_a_grid_search_over_mu_takes_the_largest():
    warnings.simplefilter("ignore", CollapseWarning)  # at 0.1; pytest restores the filters
    pipeline = make_pipeline(StandardScaler(), quick(activation="linear", sigma=0.5))
    search = GridSearchCV(pipeline, {"ratedistortionautoencoder__mu": [0.1, 1.5, 6.0]}, cv=3).fit(X)
    assert search.best_params_ == {"ratedistortionautoencoder__mu": 6.0}  # minus the distortion, as the Notes say
    assert search.transform(X).shape == (40, 4)
    assert search.score(X) > -0.1


def test_output_containers_are_those_of_scikit_learn(model):
    assert clone(model).set_output(transform="default").fit_transform(X).shape == (40, 4)
    with pytest.raises(ValueError, match="output config"):
        clone(model).set_output(transform="no such").fit_transform(X)


# ----------------------------------------------------------------------------------------------- origin and unit

SHORT = {"n_hidden": 10, "random_state": 0, "init": "random", "max_iter": 5, "mu": 1.5}
LONG = {"n_hidden": 10, "random_state": 0}
FIT_SHORT = [
    SHORT,
    SHORT | {"init": "continuation"},
    SHORT | {"solver": "ascent"},
    SHORT | {"solver": "ascent", "step_size": 0.02, "momentum": 0.5},
    SHORT | {"solver": "ascent", "step_size": 0.02, "batch_size": 20, "batches": "clustered"},
    SHORT | {"batch_size": 20, "init": "continuation"},
    SHORT | {"distortion": 0.5},
    SHORT | {"sigma": 0.28, "sigma_xhat": 0.5},
]
anywhere = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:the outputs have")


def fitted(data, settings, **changes):
    """Return a fitted model, with value and gradient norm at its start."""
    steps = []
    model = RateDistortionAutoencoder(**settings | changes, callback=steps.append)
    return model.fit(data), [(step.value, step.gradient_norm) for step in steps]


@anywhere
@pytest.mark.parametrize("settings", FIT_SHORT, ids=lambda settings: " ".join(map(str, settings.values())))
@pytest.mark.parametrize("activation", ["linear", "logsig", "relu"])
@pytest.mark.parametrize("offset", [(100.0, 100.0), (-1000.0, 1e4), (1e6, 1e6)], ids=str)
def test_short_fits_do_not_see_the_origin(offset, activation, settings):
    data = gaussian(40, np.random.default_rng(1))
    lost = np.finfo(float).eps * max(map(abs, offset))  # what the data themselves lose
    here, steps = fitted(data, settings, activation=activation)
    there, steps_there = fitted(data + offset, settings, activation=activation)
    assert steps_there[0] == pytest.approx(steps[0], rel=max(1e-10, 10 * lost), abs=10 * lost)
    if "distortion" in settings and lost > 1e-10:
        return  # its rounds are no short fit
    assert there.value_ == pytest.approx(here.value_, rel=1e-9, abs=1e4 * lost)
    outputs = here.reconstruct(data)
    moved = there.reconstruct(data + offset) - offset
    np.testing.assert_allclose(moved, outputs, atol=1e-9 + 1e4 * lost)


@anywhere
@pytest.mark.parametrize("activation", ["linear", "logsig", "relu", "satlin"])
def test_long_fits_do_not_see_the_origin_either(activation):
    data = gaussian(60, np.random.default_rng(0))
    here, _ = fitted(data, LONG, activation=activation)
    assert not here.collapsed_
    for offset in (100.0, 1000.0, 1e4):
        there, _ = fitted(data + offset, LONG, activation=activation)
        assert there.value_ == pytest.approx(here.value_, abs=1e-4)
        outputs, moved = here.reconstruct(data), there.reconstruct(data + offset) - offset
        assert np.linalg.norm(moved - outputs) < 0.01 * np.linalg.norm(outputs)


def converted(settings, s):
    """Return settings for data that were multiplied by s."""
    units = {"mu": -2, "sigma": 1, "sigma_xhat": 1, "distortion": 2}
    return settings | {name: settings[name] * s**power for name, power in units.items() if name in settings}


@anywhere
@pytest.mark.parametrize("settings", FIT_SHORT, ids=lambda settings: " ".join(map(str, settings.values())))
@pytest.mark.parametrize("activation", ["linear", "logsig", "relu"])
def test_fits_do_not_see_the_unit_and_powers_of_two_keep_every_bit(activation, settings):
    data = gaussian(40, np.random.default_rng(1)) * [1, 3]
    here, steps = fitted(data, settings, activation=activation)
    for s in (2.0**-40, 8.0, 2.0**100):
        there, steps_there = fitted(s * data, converted(settings, s), activation=activation)
        assert steps_there == steps
        assert there.value_ == here.value_
        assert there.terms_ == here.terms_._replace(distortion=here.terms_.distortion * s**2)
        assert there.mu_ == here.mu_ / s**2
        assert (there.sigma_x_, there.sigma_xhat_) == (here.sigma_x_ * s, here.sigma_xhat_ * s)
        W, c, A, b = here.parameters_
        wanted = Parameters(W / s, c, A * s, b * s)
        assert all(np.array_equal(one, two) for one, two in zip(there.parameters_, wanted, strict=True))
    for s in (3.0, 1e-5, 25.4):
        there, steps_there = fitted(s * data, converted(settings, s), activation=activation)
        assert steps_there[0] == pytest.approx(steps[0], rel=1e-10)
        assert there.value_ == pytest.approx(here.value_, rel=1e-9)
        np.testing.assert_allclose(there.reconstruct(s * data), s * here.reconstruct(data), rtol=1e-7, atol=s * 1e-8)


def test_a_callback_sees_parameters_and_objective_in_the_units_of_the_data():
    seen = []
    data = 50 * X + 1000

    def note(step):
        outputs = step.objective.reconstruct(step.parameters)
        seen.append((step.value, step.terms, step.objective.mu, np.mean(np.sum((data - outputs) ** 2, axis=1))))

    model = quick(activation="linear", sigma=25.0, mu=6e-4, max_iter=3000, init="continuation", callback=note).fit(data)
    for value, terms, mu, distortion in seen:
        assert value == pytest.approx(terms.conditional_entropy - mu * terms.distortion, rel=10 * GRID, abs=10 * GRID)
        assert terms.distortion == pytest.approx(distortion)
    assert [round(mu / 6e-4) for _, _, mu, _ in (seen[0], seen[-1])] == [64, 1]
    assert seen[-1][1] == pytest.approx(model.terms_, rel=1e-12)
    bounded = quick(activation="linear", sigma=25.0, mu=6e-4, distortion=1000.0, init="random", callback=note)
    bounded.fit(data)
    assert seen[-1][1].distortion == pytest.approx(1000, rel=0.01)
    assert bounded.terms_.distortion == pytest.approx(1000, rel=0.01)


@anywhere
def test_batches_and_steps_are_told_in_the_units_of_the_data_as_well():
    seen = []
    model = quick(**IN_BATCHES | {"sigma": 25.0, "mu": 6e-4}, init="random", callback=seen.append).fit(50 * X + 1000)
    assert seen[-1].terms == pytest.approx(model.terms_, rel=1e-12)


def test_a_divergence_carries_parameters_in_the_units_of_the_data():
    data = X + 100
    with pytest.raises(DivergenceError) as caught:
        quick(activation="linear", solver="ascent", step_size=1e200, init="random").fit(data)
    outputs = data @ caught.value.parameters.W.T + caught.value.parameters.c
    assert np.abs(outputs).max() < 50  # of units that see data around 0


@anywhere
def test_a_start_that_is_given_is_in_the_units_of_the_data():
    moved = Parameters(*(2 * part for part in start(2, 4)))
    objective = RateDistortion(X + 7, activation="linear", alpha=1.01, mu=1.5, sigma_x=0.5, sigma_xhat=0.5)
    frozen = quick(activation="linear", init=moved, solver="ascent", step_size=1e-300, max_iter=1, tol=1e9).fit(X + 7)
    assert same(frozen.parameters_, moved, rel=1e-13)
    assert frozen.value_ == pytest.approx(objective.value_and_gradient(moved)[0], rel=1e-11)


# ----------------------------------------------------------------------------------------------------- collapse


def test_a_collapsed_fit_warns_with_what_to_change_and_says_so():
    with pytest.warns(CollapseWarning, match="raise mu, now 0.01, or change the kernel size, now 0.5"):
        assert quick(mu=0.01, activation="linear", max_iter=3000).fit(X).collapsed_ is True
    with pytest.warns(CollapseWarning, match="lower the bound 10, use init='auto'"):
        assert quick(distortion=10.0, activation="linear", init="random").fit(X).collapsed_ is True
    assert issubclass(rdae_ref.CollapseWarning, UserWarning)


@anywhere
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_a_fit_that_reaches_its_data_has_not_collapsed_nor_one_whose_kernel_is_narrow(offset):
    for settings in ({}, {"activation": "linear"}, {"sigma": 0.28}, {"sigma": 1e-3, "mu": 100.0}):
        assert RateDistortionAutoencoder(random_state=0, **settings).fit(X + offset).collapsed_ is False


@anywhere
def test_outputs_without_entropy_have_collapsed_whatever_their_distortion():
    """A kernel that is far too wide sees one point."""
    with pytest.warns(CollapseWarning):
        model = quick(sigma=1e4, activation="linear", max_iter=3000).fit(X)
    assert model.collapsed_
    assert model.terms_.distortion < 0.1


@pytest.mark.parametrize(("mu", "code"), [("0.01", 1), ("6", 0)])
def test_the_command_fails_where_the_fit_collapsed(mu, code, tmp_path, capsys):
    np.savetxt(tmp_path / "data.csv", X, delimiter=",")
    settings = ["--mu", mu, "--sigma", "0.5", "--activation", "linear", "--max-iter", "3000"]
    assert main(["fit", str(tmp_path / "data.csv"), "-o", str(tmp_path / "model.npz"), *settings]) == code
    assert ("the outputs have collapsed" in capsys.readouterr().err) == bool(code)
    assert rdae_ref.load_model(tmp_path / "model.npz").collapsed_ is bool(code)


# ------------------------------------------------------------------------------------------- bad input, of every kind

BAD_DATA = {
    "NaN": np.where(np.eye(4, 2) == 1, np.nan, 1.0),
    "infinite": np.where(np.eye(4, 2) == 1, np.inf, 1.0),
    "complex": np.ones((4, 2)) * 1j,
    "object": np.array([["a", None], [1, 2]], dtype=object),
    "text": [["a", "b"], ["c", "d"]],
    "ragged": [[1.0, 2.0], [3.0]],
    "masked": np.ma.array(np.arange(8.0).reshape(4, 2), mask=np.eye(4, 2)),
    "empty": np.ones((0, 2)),
    "no columns": np.ones((4, 0)),
    "vector": np.ones(4),
    "three axes": np.ones((4, 2, 2)),
    "number": 3.0,
    "none": None,
    "huge": np.array([[1e300, 0.0], [0.0, 1.0], [1.0, 1.0]]),
    "huge integers": [[10**400, 1], [2, 3]],
}


@pytest.mark.parametrize("bad", BAD_DATA)
@pytest.mark.parametrize("method", ["fit", "fit_transform", "transform", "reconstruct", "score_samples", "score"])
def test_bad_data_are_refused(method, bad, model):
    one = quick() if method.startswith("fit") else model
    with pytest.raises((TypeError, ValueError)) as caught:
        getattr(one, method)(BAD_DATA[bad])
    assert len(str(caught.value)) > 10


@pytest.mark.parametrize("bad", sorted(set(BAD_DATA) - {"huge"}))
def test_bad_codes_are_refused(bad, model):
    with pytest.raises((TypeError, ValueError)):
        model.inverse_transform(BAD_DATA[bad])


BAD_SETTINGS = {
    "NaN": np.nan,
    "infinity": np.inf,
    "negative": -1.0,
    "complex": 1j,
    "object": object(),
    "text": "text",
    "huge": 10**400,
    "masked": np.ma.masked,
    "array": np.ones(2),
    "list": [1.0],
    "truth": True,
}
SETTINGS = [name for name in RateDistortionAutoencoder().get_params() if name not in ("callback", "verbose")]
FITTING = {
    ("alpha", "infinity"),
    ("random_state", "truth"),
    ("random_state", "array"),
    ("random_state", "huge"),
    ("standardise", "truth"),
}


@pytest.mark.parametrize(
    ("name", "bad"), [(name, bad) for name in SETTINGS for bad in BAD_SETTINGS if (name, bad) not in FITTING]
)
def test_bad_settings_of_every_kind_are_refused(name, bad):
    needed = {"solver": "ascent", "step_size": 0.1} if name in ("step_size", "momentum") else {}
    with pytest.raises((TypeError, ValueError)) as caught:
        quick(**needed | {name: BAD_SETTINGS[bad]}).fit(X)
    assert len(str(caught.value)) > 10


@anywhere
@pytest.mark.parametrize("settings", [{"sigma": 1e300}, {"sigma": 1e-300}, {"mu": 1e-300}, {"sigma_xhat": 1e-300}])
@pytest.mark.parametrize("scale", [1e-140, 1.0, 1e139])
def test_settings_and_data_of_extreme_size_give_finite_numbers_or_are_refused(settings, scale):
    try:
        model = quick(activation="linear", **settings).fit(scale * X)
    except (ValueError, DivergenceError):
        return
    assert np.isfinite([model.value_, model.terms_.distortion, *(entry["value"] for entry in model.history_)]).all()
    assert all(np.isfinite(part).all() for part in model.parameters_)


@pytest.mark.parametrize(("name", "value"), [("mu", 1e100), ("sigma", 1e-200), ("distortion", 1e-200)])
def test_a_setting_out_of_proportion_to_the_data_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=re.escape(f"{name} = {value:g} is out of proportion to data of scale")):
        quick(**{name: value}).fit(1e139 * X)


def test_masked_arrays_are_refused(model):
    masked = np.ma.array(X, mask=False)
    masked[0, 0] = np.ma.masked
    for call in (quick().fit, model.transform, model.score, model.inverse_transform):
        with pytest.raises((TypeError, ValueError), match="mask"):
            call(masked)


# ------------------------------------------------------------------------------------- scikit-learn may be absent

ABSENT = """
import json, pickle, sys, warnings
sys.modules["sklearn"] = None
import numpy as np
from rdae_ref import RateDistortionAutoencoder, load_model, save_model
from rdae_ref.data import gaussian
X = gaussian(40, np.random.default_rng(0))
model = RateDistortionAutoencoder(4, activation="linear", sigma=0.5, max_iter=300, tol=1e-3, random_state=0)
said = {"repr": repr(model), "bases": [base.__module__ for base in type(model).__mro__]}
code = model.fit_transform(X)
said |= {"code": code.tolist(), "names": list(model.get_feature_names_out()), "params": model.get_params()}
said["pickled"] = bool(np.array_equal(pickle.loads(pickle.dumps(model)).transform(X), code))
save_model(model, sys.argv[1])
said["saved"] = bool(np.array_equal(load_model(sys.argv[1]).transform(X), code))
said["set"] = model.set_params(mu=3.0) is model and model.mu
def refusal(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return [type(error).__name__, str(error)]
said["unknown"] = refusal(lambda: model.set_params(nu=1))
said["columns"] = refusal(model.transform, np.ones((3, 7)))
said["one"] = refusal(model.fit, X[:1])
said["unfitted"] = refusal(RateDistortionAutoencoder().transform, X)
said["names unfitted"] = refusal(RateDistortionAutoencoder().get_feature_names_out)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.set_params(max_iter=1).fit(X)
said["warned"] = [caught[0].category.__name__, str(caught[0].message)]
print(json.dumps(said))
"""


def test_without_scikit_learn_it_is_the_same_model_with_the_same_manners(model, tmp_path):
    command = [sys.executable, "-c", ABSENT, str(tmp_path / "model.npz")]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert not any(base.startswith("sklearn") for base in said["bases"])
    np.testing.assert_allclose(said["code"], model.transform(X), rtol=1e-9)
    assert said["params"] == model.get_params()
    assert said["names"] == list(model.get_feature_names_out())
    shown = "activation='linear', sigma=0.5, max_iter=300, tol=0.001, random_state=0"
    assert said["repr"] == f"RateDistortionAutoencoder(n_hidden=4, {shown})"
    assert said["pickled"]
    assert said["saved"]
    assert said["set"] == 3.0
    assert said["unknown"][0] == "ValueError"
    assert "no setting 'nu'" in said["unknown"][1]
    assert said["columns"][0] == "ValueError"
    assert said["one"] == ["ValueError", "the number of samples must be at least 2, got 1"]
    assert said["unfitted"][0] == said["names unfitted"][0] == "NotFittedError"
    assert said["warned"][0] == "ConvergenceWarning"
    assert "raise max_iter, now 1" in said["warned"][1]


def test_the_package_loads_scikit_learn_when_the_estimator_is_asked_for():
    code = (
        "import sys, rdae_ref, rdae_ref.cli; before = 'sklearn' in sys.modules; names = dir(rdae_ref);"
        "one = rdae_ref.RateDistortionAutoencoder; import rdae_ref.estimator as e;"
        "print(before, 'sklearn' in sys.modules, one is e.RateDistortionAutoencoder, 'save_model' in names)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "True", "True", "True"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        rdae_ref.nothing  # noqa: B018


# ------------------------------------------------------------------------------ starts, batches, scales, frames


def wide(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) * np.sqrt(np.arange(d, 0, -1))


@pytest.mark.parametrize("activation", ["linear", "logsig", "relu", "satlin", "softplus", "tanh"])
@pytest.mark.parametrize("p", [3, 9])
def test_a_pca_start_reconstructs_as_principal_components_do(activation, p):
    data = wide(50, 6) - wide(50, 6).mean(axis=0)
    g = as_activation(activation)
    variables = PcaVariables(data, p, g, linear_point(g))
    outputs = rdae_ref.forward(variables.leave(variables.start(np.random.default_rng(0))), data, g).Xhat
    _, _, axes = np.linalg.svd(data)
    projected = data @ axes[:p].T @ axes[:p]
    assert np.linalg.norm(outputs - projected) < 0.03 * np.linalg.norm(data)


@pytest.mark.parametrize("shape", [(20, 4), (5, 8)])
def test_the_gradient_by_the_variables_is_that_of_the_objective(shape):
    data = wide(*shape)
    g = as_activation("logsig")
    variables = PcaVariables(data - data.mean(axis=0), 6, g, linear_point(g))
    objective = RateDistortion(data, activation=g, alpha=1.5, mu=0.3, sigma_x=2.0, sigma_xhat=1.5)
    inside = InVariables(objective, variables)
    rng = np.random.default_rng(1)
    at = Parameters(*(part + 0.3 * rng.normal(size=part.shape) for part in variables.start(rng)))
    assert check_gradient(inside, at).passed
    assert inside.value_and_gradient(at)[0] == objective.value_and_gradient(variables.leave(at))[0]
    assert inside.with_mu(2.0).mu == 2.0
    assert inside.distortion(at) == inside.terms(at).distortion == objective.distortion(variables.leave(at))


def test_units_that_are_linear_nowhere_have_no_pca_start():
    step = Activation("step", np.sign, np.zeros_like, np.zeros_like)
    assert linear_point(step) is None
    with pytest.raises(ValueError, match="units that are nearly linear, got step"):
        quick(init="pca", activation=step).fit(X)
    with pytest.raises(ValueError, match="samples that differ"):
        quick(init="pca").fit(np.ones((5, 2)))


@pytest.mark.parametrize(
    ("settings", "data", "starts"),
    [
        ({"sigma": "median"}, wide(30, 5), ["pca"]),
        ({"sigma": 0.4}, wide(30, 5), ["pca", "continuation"]),
        ({"sigma": "median"}, wide(30, 3), ["pca", "continuation"]),
        ({"sigma": "median", "distortion": 3.0}, wide(30, 3), ["continuation"]),
        ({"sigma": "median", "solver": "ascent"}, wide(30, 5), ["continuation"]),
        ({"sigma": "median"}, wide(700, 3), ["pca"]),
    ],
)
@anywhere
def test_auto_tells_the_starts_that_it_tries_and_keeps_the_best(settings, data, starts):
    settings = {"max_iter": 60, "random_state": 0, "n_hidden": 4, "mu": 0.3, **settings}
    auto = RateDistortionAutoencoder(**settings).fit(data)
    told = auto.choices_["init"]
    assert told.startswith(" and ".join(starts) + ": ")
    if len(starts) == 1:
        ours = RateDistortionAutoencoder(**settings, init=starts[0]).fit(data)
        assert auto.value_ == pytest.approx(ours.value_, rel=1e-9)
    else:
        assert auto.value_ >= RateDistortionAutoencoder(**settings, init="pca").fit(data).value_ - 1e-6
        assert re.findall(r"(\w+) ended at L = ", told) == starts
        best = max(map(float, re.findall(r"ended at L = ([-\d.]+)", told)))
        assert auto.value_ >= best - 1e-3 * max(1.0, abs(best))
        assert auto.history_[-1]["value"] == pytest.approx(auto.value_, rel=10 * GRID)


@pytest.mark.parametrize(
    ("data", "batches"),
    [(wide(600, 8), False), (wide(601, 8), True), (np.random.default_rng(0).normal(size=(700, 1)), False)],
    ids=["few", "many", "low rank"],
)
@anywhere
def test_batches_are_chosen_by_the_number_of_samples_and_told(data, batches):
    settings = {"n_hidden": 2, "max_iter": 2, "random_state": 0, "mu": 0.3, "init": "pca"}
    model = RateDistortionAutoencoder(**settings).fit(data)
    assert model.choices_["batch_size"].startswith("250: 601 samples" if batches else "none: ")
    asked = RateDistortionAutoencoder(**settings, batch_size=250 if batches else None).fit(data)
    assert np.array_equal(model.parameters_.W, asked.parameters_.W)
    assert model.terms_ == asked.terms_
    assert "batch_size" not in asked.choices_


def test_rate_and_variance_are_those_of_the_fit():
    model = quick(activation="linear", max_iter=3000).fit(X)
    assert model.variance_ == pytest.approx(X.var(axis=0).sum())
    assert model.input_entropy_ == pytest.approx(rdae_ref.renyi_entropy(rdae_ref.gaussian_gram(X, 0.5), 1.01))


def test_standardised_columns_are_what_is_fitted_and_the_outputs_have_the_units_of_x():
    data = np.column_stack([1e6 + 300 * X[:, 0], 1e-4 * X[:, 1], np.full(40, 7.0)])
    settings = QUICK | {"activation": "linear", "sigma": 0.5}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = RateDistortionAutoencoder(standardise=True, **settings).fit(data)
    mean, scale = data.mean(axis=0), np.append(data[:, :2].std(axis=0), 1)
    np.testing.assert_allclose(model.mean_, mean, rtol=1e-14)
    np.testing.assert_allclose(model.scale_, scale, rtol=1e-10)
    inside = (data - mean) / scale
    plain = RateDistortionAutoencoder(**settings).fit(inside)
    assert model.value_ == pytest.approx(plain.value_, abs=1e-6)
    assert model.score(data) == pytest.approx(plain.score(inside), rel=1e-5)
    assert model.score(data) == pytest.approx(-model.terms_.distortion, rel=1e-9)
    np.testing.assert_allclose(model.reconstruct(data), plain.reconstruct(inside) * scale + mean, rtol=1e-6)
    np.testing.assert_allclose(model.inverse_transform(model.transform(data)), model.reconstruct(data), rtol=1e-12)
    assert (plain.mean_, plain.scale_) == (None, None)


def test_columns_of_different_scales_are_named_unless_they_are_standardised():
    data = X * [1.0, 1000.0]
    with pytest.warns(ScaleWarning, match="column '1' varies .* as column '0'.*: set standardise"):
        quick(max_iter=3000, sigma=500.0, mu=1e-5, activation="linear").fit(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ScaleWarning)
        quick(max_iter=3000, activation="linear").fit(X * [1.0, 50.0])
    assert issubclass(ScaleWarning, UserWarning)


def test_single_precision_is_fitted_in_double(model):
    single = quick(activation="linear").fit(X.astype(np.float32))
    double = quick(activation="linear").fit(X.astype(np.float32).astype(np.float64))
    assert single.transform(X.astype(np.float32)).dtype == single.parameters_.W.dtype == np.float64
    assert single.value_ == double.value_


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_keep_their_names(library, model):
    frames = pytest.importorskip(library)
    table = frames.DataFrame({"height": X[:, 0], "width": X[:, 1]})
    ours = quick(activation="linear").fit(table)
    assert list(ours.feature_names_in_) == ["height", "width"]
    assert np.array_equal(ours.transform(table), model.transform(X))
    with pytest.raises(ValueError, match="feature names should match"):
        ours.transform(frames.DataFrame({"width": X[:, 1], "height": X[:, 0]}))
    out = quick(activation="linear").set_output(transform=library).fit_transform(table)
    assert isinstance(out, frames.DataFrame)
    assert list(out.columns) == list(ours.get_feature_names_out())


class Frame:
    """What a frame of pandas or polars has for the classes that stand in for scikit-learn's."""

    def __init__(self, columns, values):
        self.columns, self.values = columns, values

    def __array__(self, dtype=None, copy=None):
        return self.values


def test_frames_keep_their_names_without_scikit_learn():
    holder = _without_sklearn.BaseEstimator()
    assert np.array_equal(_without_sklearn.validate_data(holder, Frame(["a", "b"], X)), X)
    assert list(holder.feature_names_in_) == ["a", "b"]
    assert np.array_equal(_without_sklearn.validate_data(holder, X, reset=False), X)
    with pytest.raises(ValueError, match=r"in their order, \['a', 'b'\], got \['b', 'a'\]"):
        _without_sklearn.validate_data(holder, Frame(["b", "a"], X), reset=False)
    _without_sklearn.validate_data(holder, Frame([0, 1], X))
    assert not hasattr(holder, "feature_names_in_")


@pytest.mark.parametrize(
    ("settings", "data", "advice"),
    [
        (
            {"sigma": 1e4, "activation": "linear"},
            X,
            r"the kernel is too wide, 1e\+04 with distances .*lower sigma",
        ),
        ({"sigma": 4.0, "n_hidden": 1, "init": "pca", "mu": 0.1}, np.eye(40), "1 units cannot do .* raise n_hidden"),
        ({"sigma": 0.5, "mu": 0.01, "activation": "linear"}, X, "raise mu, now 0.01"),
    ],
    ids=["kernel", "units", "mu"],
)
def test_each_way_to_collapse_has_its_own_advice(settings, data, advice):
    with pytest.warns(CollapseWarning, match=advice) as caught:
        quick(**{"max_iter": 3000, **settings}).fit(data)
    assert [("raise mu" in str(warning.message)) for warning in caught] == ["raise mu" in advice]


def test_one_kernel_size_does_for_both_and_a_name_that_is_nearly_right_is_told():
    settings = {"activation": "relu", "alpha": 1.01, "mu": 1.0}
    both = RateDistortion(X, sigma=0.3, **settings)
    assert (both.sigma_x, both.sigma_xhat) == (0.3, 0.3)
    copies = [pickle.loads(pickle.dumps(both)), both.with_mu(2.0), dataclasses.replace(both, X=X[:5])]
    assert [(one.sigma_x, one.sigma_xhat) for one in copies] == [(0.3, 0.3)] * 3
    for sizes in ({}, {"sigma_x": 0.3}, {"sigma": 0.3, "sigma_xhat": 0.3}):
        with pytest.raises(TypeError, match="give sigma_x and sigma_xhat, or sigma for both"):
            RateDistortion(X, **sizes, **settings)
    with pytest.raises(ValueError, match="sigma must be"):
        RateDistortion(X, sigma=-1.0, **settings)
    with pytest.raises(TypeError, match="has no argument 'sigmax': did you mean 'sigma_x'"):
        RateDistortion(X, sigmax=0.3, **settings)
    with pytest.raises(TypeError, match="has no argument 'standardize': did you mean 'standardise'"):
        RateDistortionAutoencoder(standardize=True)
    with pytest.raises(TypeError, match="has no argument 'volume': choose from n_hidden, activation"):
        RateDistortionAutoencoder(volume=11)


# The best L known, on all samples: of iris and wine from 400 to 600 iterations of L-BFGS from six starts, of breast
# cancer from three; of the others after further iterations on all samples.
TABLES = {"iris": 0.67590, "wine": 0.53866, "breast_cancer": -0.79838, "digits": -35.28, "gaussian": -24.83}
BATCHED = ("digits", "gaussian")


@pytest.mark.parametrize("name", [*list(TABLES)[:3], *(pytest.param(name, marks=pytest.mark.slow) for name in BATCHED)])
def test_the_defaults_end_well_on_real_tables(name):
    data = np.random.default_rng(0).normal(size=(2000, 30))
    if name != "gaussian":
        data = getattr(sklearn.datasets, f"load_{name}")().data
    data = StandardScaler().fit_transform(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = RateDistortionAutoencoder(random_state=0).fit(data)
    assert model.converged_
    assert not model.collapsed_
    whole = RateDistortion(
        data, activation="logsig", alpha=1.01, mu=1.5, sigma_x=model.sigma_x_, sigma_xhat=model.sigma_xhat_
    )
    terms = whole.terms(model.parameters_)
    L = terms.conditional_entropy - 1.5 * terms.distortion
    assert abs(L - TABLES[name]) < 0.02 * max(1, abs(L))
    assert model.n_iter_ < 50
