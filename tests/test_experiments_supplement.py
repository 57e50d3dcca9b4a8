"""The supplementary experiments, small: files, columns, claims, and finished runs read back."""

import csv
import json
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from rdae_ref.experiments import FIGURES, load
from rdae_ref.experiments.supplement import figure_ascent as ascent
from rdae_ref.experiments.supplement import figure_choices as choices
from rdae_ref.experiments.supplement import figure_constraint as constraint
from rdae_ref.experiments.training import Training
from rdae_ref.models import Reconstruction
from rdae_ref.objective import Terms

FEW = Training(n_hidden=3, factors=(8, 1), max_iterations=(4, 3))
TINY = {
    "ascent": ascent.Settings(n_samples=20, n_hidden=4, first_steps=30, steps=10, seeds=(0, 1)),
    "choices": choices.Settings(
        n_samples=20, training=FEW, alphas=(1.01, 2.0), small_iterations=3, late_iterations=3, seeds=(0, 1)
    ),
    "constraint": constraint.Settings(
        n_samples=20,
        training=FEW,
        sweep=(4.0, 1.0, 0.25),
        sweep_iterations=8,
        bisections=1,
        distortions=(0.3, 1.0, 3.0),
        rounds=4,
        round_iterations=10,
        seeds=(0, 1),
        starts=(0, 1),
    ),
}
TABLES = {
    "ascent": {"ascent": (360, "way unit seed sample x1")},
    "choices": {
        "choices": (72, "unit alpha logarithm start seed L"),
        "choices_outputs": (720, "unit alpha logarithm start sample x1"),
    },
    "constraint": {
        "constraint": (36, "unit direction seed bound rate"),
        "constraint_sweep": (36, "unit direction seed mu L"),
    },
}
LONG = {"ascent", "choices_outputs"}  # tables that are written on demand
RUNS = {"ascent": 18, "choices": 24, "constraint": 24}


@pytest.fixture(scope="module", params=sorted(TINY))
def experiment(request, tmp_path_factory):
    name = request.param
    folder, module = tmp_path_factory.mktemp(name), load(name)
    result = module.run(TINY[name], folder=folder, workers=map)
    return name, module, folder, result, module.write(result, folder, all_files=True)


MORE_PICTURES = {"constraint": ["constraint_rate"]}


def test_they_are_supplementary_and_draw_on_demand_only():
    assert {name for name, experiment in FIGURES.items() if experiment.supplementary} >= set(TINY)


def test_files_are_written_with_their_columns(experiment, tmp_path):
    name, module, folder, result, claims = experiment
    tables, drawn = TABLES[name], [name, *MORE_PICTURES.get(name, ())]
    assert {p.name for p in folder.iterdir()} == {
        ".runs", f"{name}.json", *(f"{t}.csv" for t in tables), *(f"{d}.{k}" for d in drawn for k in ("png", "svg"))
    }  # fmt: skip
    assert repr(module.write(result, tmp_path)) == repr(claims)  # of which one may be NaN
    short = {f"{table}.csv" for table in tables if table not in LONG}
    assert {p.name for p in tmp_path.iterdir()} == {f"{name}.json", *(f"{d}.png" for d in drawn), *short}
    for table, (length, columns) in tables.items():
        with open(folder / f"{table}.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == length
        assert list(rows[0])[: len(columns.split())] == columns.split()
        assert all(None not in row and None not in row.values() for row in rows)
    content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    assert len(content["claims"]) == len(claims)
    assert content["settings"]["n_samples"] == 20


def test_every_claim_is_a_number_of_this_figure(experiment):
    name, *_, claims = experiment
    assert {item.figure for item in claims} == {name}
    assert len({item.quantity for item in claims}) == len(claims)


def test_finished_runs_are_read_not_repeated(experiment, monkeypatch):
    name, module, folder, result, _ = experiment
    files = {path: path.stat().st_mtime_ns for path in (folder / ".runs").iterdir()}
    assert len(files) == RUNS[name]
    again = module.run(TINY[name], folder=folder, workers=map)
    assert {path: path.stat().st_mtime_ns for path in (folder / ".runs").iterdir()} == files
    for key, outcome in result.runs.items():
        for array, value in outcome.items():
            np.testing.assert_array_equal(again.runs[key][array], value)


def test_workers_may_be_any_map(tmp_path):
    seen = []

    def counting(function, tasks):
        seen.extend(tasks)
        return map(function, tasks)

    settings = replace(TINY["choices"], alphas=(0.5,), seeds=(0,))
    result = choices.run(settings, folder=tmp_path, workers=counting)
    assert [task.key for task in seen] == list(result.runs)
    assert len(seen) == 6


def outputs(kind, n=200):
    """Make inputs along the diagonal, and outputs of a kind that is known."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.9], [-0.2, 0.2]])
    along = X @ np.ones(2) / 2
    line = np.column_stack([along, along])
    return X, {
        "on the component": line,
        "quantised": np.sign(line),
        "collapsed": X.mean(axis=0) + 0.01 * X,
        "cluster and scatter": np.where(np.arange(n)[:, None] < n / 2, 0.01, 1.5) * X,
        "spread": 1.2 * X,
    }[kind]


@pytest.mark.parametrize("kind", choices.KINDS)
def test_endings_are_named_as_a_reader_would(kind):
    assert choices.ending(*outputs(kind)).kind == kind


def test_shares_of_discs_are_those_of_a_count_by_hand():
    Xhat = np.array([[0.0, 0.0], [0.05, 0.0], [0.1, 0.0], [5.0, 0.0], [5.05, 0.0], [9.0, 0.0]])
    end = choices.ending(np.random.default_rng(0).normal(size=(6, 2)), Xhat)
    assert end.densest == pytest.approx(3 / 6)
    assert end.in_five == pytest.approx(1)


def test_nats_are_bits_at_another_trade_off():
    """Finding 1: the printed gradients are those of nats, so that μ = 1.5 acts as 2.16 in bits."""
    rng = np.random.default_rng(0)
    X = choices.gaussian(30, rng)
    start = choices.initial_parameters(2, 4, rng, scale=0.5)
    for unit in choices.UNITS:
        objective = choices.rate_distortion(X, unit, replace(FEW, base=math.e))
        assert choices.nats_gap(objective, start) < 1e-12
    assert 1.5 / math.log(2) == pytest.approx(2.164, abs=1e-3)


def sweep(mu, distortion, L, variance=2.0):
    arrays = {"mu": mu, "distortion": distortion, "L": L, "variance": variance}
    return {name: np.array(value, dtype=float) for name, value in arrays.items()}


def test_the_even_trade_off_is_where_both_branches_cross():
    down = sweep([4, 3, 2, 1], [0.1, 0.2, 0.3, 2], [4.0, 3.0, 2.0, 2.0])
    up = sweep([1, 2, 3, 4], [2, 2, 1.9, 0.1], [2.0, 2.6, 2.4, 5.0]) | {"jump_mu": np.array([3.1, 3.2])}
    assert constraint._even_mu(down, up) == pytest.approx(2.5)
    assert np.isnan(constraint._even_mu(down, up | {"L": up["L"] + 3.0}))


class TwoBranches:
    """A distortion of 0.1 above μ = 2 and of 1.9 below it; its parameters are μ."""

    def terms(self, parameters):
        return Terms(0.0, 0.0, 0.0, 0.1 if parameters > 2 else 1.9)


def test_a_jump_is_found_by_halving_its_interval():
    settings = replace(TINY["constraint"], bisections=6)
    task = constraint.Task("linear", "down", 0, settings)
    table = sweep([4.0, 1.0, 0.5], [0.1, 1.9, 1.95], [0, 0, 0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constraint, "_step", lambda task, objective, mu, parameters, rng: mu)
        jump = constraint._largest_jump(task, TwoBranches(), table, [4.0, 1.0, 0.5], None)
    assert jump[0, 0] > 2 >= jump[1, 0]
    assert jump[0, 0] / jump[1, 0] < 1.03
    np.testing.assert_array_equal(jump[:, 1], [0.1, 1.9])


def test_the_envelope_of_the_curve_never_rises_and_ends_at_the_formula(tmp_path):
    result = constraint.run(TINY["constraint"], folder=tmp_path, workers=partial(map))
    found = constraint.curve(result)
    assert (np.diff(found.envelope) <= 0).all()
    assert found.identity_rate == pytest.approx(found.identity_formula, abs=1e-12)
    assert found.variance == pytest.approx(result.runs["linear", "rising", 0]["X"].var(axis=0).sum())


def test_the_ascent_is_that_of_the_objective_first_on_the_distortion():
    """By steps of the package's own gradients: L with momentum, after −D without it."""
    settings = ascent.Settings(n_samples=15, n_hidden=3, first_steps=4, steps=3, seeds=(0,))
    rng = np.random.default_rng(0)
    X = choices.gaussian(15, rng)
    start = choices.initial_parameters(2, 3, rng, scale=0.5)
    common = {"activation": "logsig", "alpha": 1.01, "sigma_x": settings.sigma, "sigma_xhat": settings.sigma}
    for way, base in (("bits", 2), ("nats", math.e), ("direct", 2)):
        objective = choices.RateDistortion(X, mu=1.5, base=base, **common)
        x = list(start)
        if way != "direct":
            reconstruction = Reconstruction(X, activation="logsig")
            for _ in range(4):
                gradient = reconstruction.value_and_gradient(choices.Parameters(*x))[1]
                x = [theta + 0.02 * slope for theta, slope in zip(x, gradient, strict=True)]
        velocity = [np.zeros_like(theta) for theta in x]
        for _ in range(3):
            gradient = objective.value_and_gradient(choices.Parameters(*x))[1]
            velocity = [0.9 * v + 0.01 * slope for v, slope in zip(velocity, gradient, strict=True)]
            x = [theta + v for theta, v in zip(x, velocity, strict=True)]
        out = ascent.train_one(ascent.Task((way, "logsig", 0), settings))
        np.testing.assert_allclose(out["Xhat"], objective.reconstruct(choices.Parameters(*x)), rtol=1e-8)
        terms = replace(objective, base=2).terms(choices.Parameters(*x))
        assert out["L"] == pytest.approx(terms.conditional_entropy - 1.5 * terms.distortion, rel=1e-8)
