"""The estimator: it passes scikit-learn's checks, does without it, and adds nothing to the functions."""

import json
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import rdae_ref
from rdae_ref import Parameters, RateDistortion, RateDistortionAutoencoder, continuation, initial_parameters, maximize
from rdae_ref.data import gaussian
from rdae_ref.data.batches import clustered_batches, random_batches
from rdae_ref.optimize import BatchedObjective, batch_ascent, maximize_at_distortion
from rdae_ref.pytree import ravel

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


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
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
    model = quick(activation=activation, mu=2.0, sigma_xhat=0.4, base=np.e, alpha=1.5, random_state=3).fit(X)
    settings = {"alpha": 1.5, "mu": 2.0, "sigma_x": 0.5, "sigma_xhat": 0.4, "base": np.e}
    objective = RateDistortion(X, activation=activation, **settings)
    start = initial_parameters(2, 4, np.random.default_rng(3), scale=0.5)
    found = continuation(objective, start, max_iterations=[60] * 6 + [300], tolerance=1e-3)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(model.parameters_, found.x, strict=True))
    assert model.value_ == pytest.approx(found.fun, rel=1e-12)
    assert model.terms_ == objective.terms(found.x)
    assert model.history_ == found.history
    assert model.n_iter_ == found.nit
    assert model.converged_ is True


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
    objective = RateDistortion(X, activation="linear", alpha=1.01, mu=1.5, sigma_x=0.5, sigma_xhat=0.5)
    start = quick(activation="linear", init="random", distortion=0.4).fit(X)
    found = maximize_at_distortion(
        objective,
        initial_parameters(2, 4, np.random.default_rng(0), scale=0.5),
        0.4,
        max_iterations=300,
        tolerance=1e-3,
    )
    assert start.mu_ == found.mu
    assert start.terms_ == found.terms
    assert start.value_ == pytest.approx(found.fun - found.mu * found.terms.distortion)


def test_the_median_is_the_kernel_size_unless_a_number_is_given():
    ours = quick(sigma="median", activation="linear", max_iter=3000)
    assert ours.fit(X).sigma_x_ == ours.sigma_xhat_ == pytest.approx(rdae_ref.gram.median_distance(X))
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
    with pytest.warns(ConvergenceWarning, match="raise max_iter, now 2, or tol"):
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
    rows = clustered_batches(X, 15, rng) if batches == "clustered" else random_batches([14, 13, 13], rng)
    assert sorted(np.concatenate(rows)) == list(range(40))
    parts = [
        RateDistortion(X[those], activation="linear", alpha=1.01, mu=1.5, sigma_x=0.5, sigma_xhat=0.5)
        for those in rows
    ]
    batched = BatchedObjective(parts, [len(those) for those in rows])
    found = batch_ascent(batched, init, step_size=0.02, momentum=0.5, n_epochs=20, rng=rng)
    assert ravel(found.x)[0].tobytes() == ravel(model.parameters_)[0].tobytes()
    assert model.terms_ == batched.terms(found.x)


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
        RateDistortion(X[those], activation="linear", alpha=1.01, mu=1.5, sigma_x=0.5, sigma_xhat=0.5)
        for those in rows
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


def test_the_median_of_many_samples_is_that_of_some():
    rng = np.random.default_rng(0)
    many = rng.normal(size=(5001, 2))
    settings = IN_BATCHES | {"batch_size": 50, "max_iter": 1, "init": "random", "n_hidden": 2, "random_state": 0}
    assert RateDistortionAutoencoder(**settings).fit(many).sigma_x_ == rdae_ref.gram.median_distance(many[::2])


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


def test_a_callback_sees_every_iteration_and_nothing_is_drawn_where_nobody_sees_it(capfd):
    steps = []
    model = quick(activation="linear", callback=lambda step: steps.append(step.iteration), verbose=True).fit(X)
    assert steps == list(range(1, model.n_iter_ + 1))
    assert capfd.readouterr() == ("", "")


def test_one_seed_of_any_kind_gives_one_model():
    kinds = [lambda: 7, lambda: np.random.default_rng(7), lambda: np.random.RandomState(7)]
    for kind in kinds:
        pair = [quick(activation="linear", init="random", random_state=kind()).fit(X) for _ in range(2)]
        assert np.array_equal(pair[0].parameters_.W, pair[1].parameters_.W)
    free = [quick(activation="linear", init="random", random_state=None).fit(X) for _ in range(2)]
    assert not np.array_equal(free[0].parameters_.W, free[1].parameters_.W)


def test_a_model_is_where_another_one_starts(model):
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
    pipeline = make_pipeline(StandardScaler(), quick(activation="linear", sigma=0.5))
    search = GridSearchCV(pipeline, {"ratedistortionautoencoder__mu": [0.1, 1.5, 6.0]}, cv=3).fit(X)
    assert search.best_params_ == {"ratedistortionautoencoder__mu": 6.0}  # minus the distortion, as the Notes say
    assert search.transform(X).shape == (40, 4)
    assert search.score(X) > -0.1


def test_output_containers_are_those_of_scikit_learn(model):
    assert clone(model).set_output(transform="default").fit_transform(X).shape == (40, 4)
    with pytest.raises(ValueError, match="output config"):
        clone(model).set_output(transform="no such").fit_transform(X)


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
