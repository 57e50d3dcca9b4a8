"""The figures of IRMAE, with tiny settings, and the measures that are drawn in them."""

import csv
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from rdae_ref.autoencoder import distortion
from rdae_ref.data import shape_images
from rdae_ref.experiments import FIGURES, digit_runs, stem
from rdae_ref.experiments.output import read_claims
from rdae_ref.experiments.supplement import digit_models, figure_digits, staged
from rdae_ref.experiments.supplement import figure_irmae as irmae
from rdae_ref.experiments.supplement import linear_chains as chains
from rdae_ref.experiments.supplement.deep_training import DIGITS, EXACT, DeepTask, draw_samples, network, train
from rdae_ref.gradcheck import check_gradient
from rdae_ref.models import IRMAE, IRMAEParameters
from rdae_ref.models.mlp import Layer

FEW = {"n_test": 40, "hidden": (6,), "n_latents": 4, "batch_size": 20, "stages": ((1e-2, 15), (1e-3, 5))}
TINY_SHAPES = replace(EXACT[0], n_samples=50, size=6, **FEW | {"n_latents": 9})
TINY_MANIFOLD = replace(EXACT[1], n_samples=60, n_features=8, **FEW)
TINY_DIGITS = replace(DIGITS, n_samples=90, **FEW | {"n_test": 60})
CHAIN = chains.Chain(n_layers=(1, 2, 4, 10), time=0.4, n_steps=16, n_records=8)
TINY = {
    "irmae": irmae.Settings(
        trainings=(TINY_SHAPES, *(replace(TINY_MANIFOLD, n_dimensions=d) for d in (3, 5, 8))),
        map_of=TINY_SHAPES,
        map_n_linear=(0, 2),
        map_decay=(0.0, 0.1),
        digits=TINY_DIGITS,
        chain=CHAIN,
        seeds=(0, 1),
    ),
    "digits": figure_digits.Settings(
        training=TINY_DIGITS, n_validation=80, n_judged=30, n_clusters=3, n_plane=30,
        shallow=digit_runs.Settings(n_hidden=4, epochs=1), components=(1, 2), n_shown=3, slopes=(0.1, 0.2),
        seeds=(0, 1),
    ),
}  # fmt: skip
TINY["irmae"] = replace(
    TINY["irmae"],
    trainings=tuple(replace(one, n_latents=one.dimension + 2) for one in TINY["irmae"].trainings),
)
MODULES = {"irmae": irmae, "digits": figure_digits}
TABLES = {
    "irmae": {"irmae": 5 * 2 + 4 * 2 + 8, "irmae_spectra": None, "irmae_chains": 2 * 4 * 2 * 3 * 3},
    "digits": {"digits": (4 + 4 + 4 + 1 + 3 + 2) * 2, "digits_curve": 60, "digits_blahut_arimoto": 2},
}
MORE_FIGURES = {"irmae": (), "digits": ("digits_plane",)}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    return {
        name: module.run(TINY[name], folder=runs, workers=map, source="sklearn") for name, module in MODULES.items()
    }


@pytest.mark.parametrize("name", MODULES)
def test_a_figure_leaves_its_files(name, results, tmp_path):
    claims = MODULES[name].write(results[name], tmp_path)
    tables = {f"{table}.csv" for table in TABLES[name]}
    pictures = (name, *MORE_FIGURES[name])
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {f"{name}.json", *(f"{picture}.png" for picture in pictures)} | tables
    MODULES[name].write(results[name], tmp_path / "all", all_files=True)
    files = {path.name for path in (tmp_path / "all").iterdir()}
    assert files == found | {f"{picture}.svg" for picture in pictures}
    assert read_claims(tmp_path, name) == list(claims)
    assert {item.figure for item in claims} == {name}
    assert len({item.quantity for item in claims}) == len(claims)
    for table, length in TABLES[name].items():
        with open(tmp_path / f"{table}.csv", newline="") as file:
            rows = list(csv.reader(file))
        assert length is None or len(rows) == 1 + length
        assert {len(row) for row in rows} == {len(rows[0])}
    assert json.loads((tmp_path / f"{name}.json").read_text())["settings"]["seeds"] == [0, 1]


def test_a_run_repeats_to_the_bit(results):
    task = DeepTask("irmae", 4, 1, TINY["irmae"].trainings[0])
    again = train(task)
    for name, value in results["irmae"].runs[task.key].items():
        np.testing.assert_array_equal(again[name], value)


@pytest.mark.parametrize("name", MODULES)
def test_the_committed_claims_are_those_that_the_code_makes(name, results):
    committed = read_claims(Path(__file__).parents[1] / "figures", name)
    said = [(item.sentence, item.quantity, item.threshold) for item in MODULES[name].claims(results[name])]
    assert said == [(item.sentence, item.quantity, item.threshold) for item in committed]


def test_what_they_quote_stands_in_the_abstract():
    abstract = (
        "An important component of autoencoders is the method by which the information capacity of the latent "
        "representation is minimized or limited. In this work, the rank of the covariance matrix of the codes is "
        "implicitly minimized by relying on the fact that gradient descent learning in multi-layer linear networks "
        "leads to minimum-rank solutions. By inserting a number of extra linear layers between the encoder and the "
        "decoder, the system spontaneously learns representations with a low effective dimension. The model, dubbed "
        "Implicit Rank-Minimizing Autoencoder (IRMAE), is simple, deterministic, and learns compact latent spaces. We "
        "demonstrate the validity of the method on several image generation and representation learning tasks."
    )
    for sentence in (irmae.LAYERS, irmae.EXACTLY, irmae.COMPACT, chains.DESCENT, figure_digits.TASKS):
        for part in sentence.split(" … "):
            assert part in abstract


def test_they_are_supplementary():
    for name, module in MODULES.items():
        assert FIGURES[name].supplementary
        assert module.__name__.endswith(f".figure_{stem(name)}")


# ------------------------------------------------------------------------------------------------------------- training


def test_the_second_figure_reads_the_networks_of_the_first(tmp_path):
    irmae.run(replace(TINY["irmae"], trainings=(), seeds=(0,)), folder=tmp_path, workers=map, source="sklearn")
    before = {path.name for path in (tmp_path / ".runs").glob("*.npz")}
    figure_digits.run(replace(TINY["digits"], seeds=(0,)), folder=tmp_path, workers=map, source="sklearn")
    more = {path.name for path in (tmp_path / ".runs").glob("*.npz") if "-" not in path.name} - before
    # Four beta-VAEs, eight of one layer, what was measured on all models, and R(D).
    assert len(more) == 4 + 8 + 18 + 1


def test_a_killed_training_resumes_from_its_last_stage(tmp_path, monkeypatch):
    (tmp_path / ".runs").mkdir()
    task = DeepTask("irmae", 2, 0, TINY_SHAPES, folder=tmp_path)
    expected = train(replace(task, folder=None))
    with monkeypatch.context() as patch:
        stages, real = [], staged.adam

        def killed(*arguments, **named):
            stages.append(1)
            if len(stages) == 2:
                raise KeyboardInterrupt
            return real(*arguments, **named)

        patch.setattr(staged, "adam", killed)
        with pytest.raises(KeyboardInterrupt):
            train(task)
    calls = []
    monkeypatch.setattr(staged, "adam", lambda *a, **n: calls.append(1) or real(*a, **n))
    resumed = train(task)
    assert len(calls) == 1
    np.testing.assert_array_equal(resumed["parameters"], expected["parameters"])


@pytest.mark.parametrize("model", ["irmae", "beta-vae"])
def test_a_network_comes_back_from_its_run_as_it_was(model):
    task = DeepTask(model, 0, 1, TINY_SHAPES)
    outcome = {name: np.asarray(value) for name, value in train(task).items()}
    samples, back = draw_samples(task), network(task, outcome)
    Z = back.codes(samples.X_test)
    assert_allclose(distortion(samples.X_test, back.decode(Z)), outcome["test_distortion"], rtol=1e-12)
    covariance = np.cov(Z.T, bias=True)
    assert_allclose(np.linalg.eigvalsh(covariance)[::-1], outcome["singular_values"], rtol=1e-6, atol=1e-14)
    untrained = train(replace(task, training=replace(TINY_SHAPES, stages=((1e-12, 1),))))
    assert outcome["distortion"] < 0.9 * untrained["distortion"]


def test_samples_to_measure_on_are_new_and_of_the_same_manifold():
    for training in (TINY_MANIFOLD, TINY_SHAPES):
        X, X_test, factors = draw_samples(DeepTask("irmae", 0, 0, training))
        assert len(X_test) == len(factors) == 40
        assert not (X[:, None] == X_test).all(axis=2).any()
    assert_allclose(draw_samples(DeepTask("irmae", 0, 0, TINY_MANIFOLD)).X.mean(axis=0), 0, atol=1e-14)
    assert_allclose(shape_images(factors, size=6), X_test)
    flat = draw_samples(DeepTask("irmae", 0, 0, replace(TINY_MANIFOLD, n_dimensions=1)))
    joint = np.vstack([flat.X, flat.X_test])[np.argsort(np.concatenate([np.zeros(60), np.ones(40)]))]
    nearest = np.linalg.norm(joint[60:, None] - joint[:60], axis=2).min(axis=1)
    assert np.median(nearest) < 0.1 * np.linalg.norm(joint, axis=1).mean()  # a curve through 60 points is near anywhere


# ------------------------------------------------------------------------------------------------- deep linear networks


def chain(start, n_layers, seed=0):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return axes, chains.initial_chain(start, axes, n_layers, 0.02, rng)


@pytest.mark.parametrize("n_layers", [1, 2, 5])
def test_a_chain_starts_with_equal_singular_values_and_balanced(n_layers):
    for start in chains.STARTS:
        _, layers = chain(start, n_layers)
        assert len(layers) == n_layers
        assert_allclose(chains.network_strengths(layers), 0.02, rtol=1e-12)
        for (before, _), (after, _) in itertools.pairwise(layers):
            assert_allclose(after.T @ after, before @ before.T, atol=1e-15)
    _, layers = chain("aligned", n_layers)
    assert_allclose(
        np.linalg.multi_dot([np.eye(3), *(W for W, _ in reversed(layers)), np.eye(3)]), 0.02 * np.eye(3), atol=1e-15
    )


def test_the_deep_linear_network_is_irmae_with_linear_units():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    layers = tuple(Layer(rng.normal(size=(3, 3)), np.zeros(3)) for _ in range(4))
    value, gradient = chains.DeepLinear(X).value_and_gradient(layers)
    same = IRMAEParameters(layers[:1], tuple(W for W, _ in layers[1:3]), layers[3:])
    expected, slopes = IRMAE(X, activation="linear").value_and_gradient(same)
    assert value == pytest.approx(expected, rel=1e-13)
    assert_allclose(gradient[1].W, slopes.linear[0], rtol=1e-12)
    assert_allclose(gradient[3].W, slopes.decoder[0].W, rtol=1e-12)
    assert check_gradient(chains.DeepLinear(X), layers, rng=rng).passed


def test_the_aligned_chain_follows_the_closed_form_and_the_turned_one_its_own_way():
    few = chains.Chain(time=1.5, n_steps=600, n_records=6)
    aligned = chains.follow(chains.ChainTask("aligned", 2, 0, few))
    assert np.abs(aligned["strengths"] - aligned["closed_form"]).max() < 0.01
    assert aligned["strengths"][-1, 0] > 0.9
    assert aligned["strengths"][-1, 2] < 0.5
    turned = chains.follow(chains.ChainTask("orthogonal", 2, 0, few))
    assert np.abs(turned["strengths"] - turned["closed_form"]).max() > 0.02
    assert_allclose(turned["times"], np.linspace(0, 1.5, 7))


def test_singular_values_at_the_time_when_the_first_is_half_learned():
    assert_allclose(chains.when_half_learned(np.array([[0.0, 0.0], [0.4, 0.1], [0.6, 0.3], [1.0, 0.9]])), [0.5, 0.2])
    assert_allclose(chains.when_half_learned(np.array([[0.0, 0.0], [0.4, 0.1]])), [0.4, 0.1])


# ------------------------------------------------------------------------------------------------------------- measures


def test_recall_by_hand_and_in_its_limits():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    assert digit_models.recall(X, X, 3) == 1
    assert digit_models.recall(X, X + 100, 3) == 0
    drawn = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])  # to the next one: 1, 1 and 2
    at = np.array([[-0.9, 0.0], [-1.1, 0.0], [0.5, 0.8], [4.9, 0.0], [5.1, 0.0]])
    assert digit_models.recall(at, drawn, 1) == pytest.approx(3 / 5)


def test_the_measures_of_a_run_are_shares_and_its_images_those_of_the_figure(results):
    for model, _, out in digit_models.measured(results["digits"]):
        for name, value in out.items():
            if name.startswith(("precision", "recall", "accuracy", "validation")):
                assert ((value >= 0) & (value <= 1)).all()
        assert out["paths"].shape == (4, 3, 64)
        assert out["drawn"].shape == (12, 64)
        assert np.isfinite(out["shannon_rate"]) == (model.family == "beta-VAE")
    assert sorted({model for model, _, _ in digit_models.measured(results["digits"])}) == sorted(
        digit_models.models(TINY["digits"])
    )


def test_no_digit_is_in_two_of_the_splits():
    parts = digit_models.splits(TINY["digits"], "sklearn")
    pixels = [parts.X, parts.X_validation, parts.X_test]
    assert [len(part) for part in pixels] == [90, 80, 60]
    every = np.concatenate(pixels)
    assert len(np.unique(every, axis=0)) == len(every)
    assert_allclose(parts.X.mean(axis=0), 0, atol=1e-12)


def test_the_classifier_is_ridge_regression_of_the_indicators():
    rng = np.random.default_rng(0)
    Z, y = rng.normal(size=(30, 3)), rng.integers(0, 10, 30)
    new = rng.normal(size=(50, 3))
    A, target = np.column_stack([Z - Z.mean(axis=0), np.ones(30)]), np.eye(10)[y]
    penalty = np.diag([0.2 * 30] * 3 + [0])
    B = np.linalg.solve(A.T @ A + penalty, A.T @ target)
    expected = np.argmax(np.column_stack([new - Z.mean(axis=0), np.ones(50)]) @ B, axis=1)
    assert np.array_equal(digit_models._ridge(Z, y, 0.2)(new), expected)


def test_labels_that_the_codes_show_are_classified_and_others_not():
    s, rng = replace(TINY["digits"], labels=(60,)), np.random.default_rng(1)
    y = [rng.integers(0, 10, n) for n in (90, 80, 60)]
    data = digit_models.Splits(*(part for k in range(3) for part in (np.zeros((len(y[k]), 1)), y[k])))
    shown, noise = (
        [3.0 * np.eye(10)[k] + 0.1 * rng.normal(size=(len(k), 10)) for k in y],
        [rng.normal(size=(len(k), 10)) for k in y],
    )
    assert digit_models.accuracies(*shown, data, s, 0)["accuracy"].min() > 0.95
    assert digit_models.accuracies(*noise, data, s, 0)["accuracy"].max() < 0.4


def test_codes_drawn_from_a_mixture_lie_in_its_clusters():
    rng = np.random.default_rng(0)
    Z = np.concatenate([rng.normal(size=(200, 2)) * 0.1 + centre for centre in ((0, 0), (10, 0), (0, 10))])
    drawn = digit_models.drawn_from_mixture(Z, 3, 300, rng)
    nearest = np.linalg.norm(drawn[:, None] - np.array([(0, 0), (10, 0), (0, 10)]), axis=2)
    assert drawn.shape == (300, 2)
    assert nearest.min(axis=1).max() < 1
    assert (np.bincount(nearest.argmin(axis=1)) > 60).all()


def test_no_rate_is_below_the_bound_for_any_reproductions(results):
    curve = results["digits"].runs["curve", 0.0, 0]
    for model, _, out in digit_models.measured(results["digits"]):
        if model.family == "beta-VAE":
            assert out["shannon_rate"] >= np.interp(out["distortion"], curve["D"], curve["anywhere"]) - 1e-9
    assert (curve["anywhere"] <= curve["gaussian"] + 1e-9).all()
    assert (np.diff(curve["distortion"]) < 0).all()
    assert (np.diff(curve["rate"]) > 0).all()


# ------------------------------------------------------------------------------------------------------------ the rank


@pytest.mark.slow
def test_the_recipe_finds_three_dimensions_exactly():
    training = EXACT[1]
    out = train(DeepTask("irmae", irmae.Settings().n_linear, 0, training))
    assert irmae.rank(out) == training.dimension == 3
    assert out["singular_values"][2] > 10 * out["singular_values"][3]


# ------------------------------------------------------------------------------------------------------------ the page

FOLDER = Path(__file__).parents[1]


def committed_rows(table, n_keys):
    with open(FOLDER / "figures" / f"{table}.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for _, group in itertools.groupby(rows, key=lambda row: list(row.values())[:n_keys]):
        yield list(group)


def rank_lines():
    """Write the first table of docs/irmae.md from the numbers in figures/."""
    for group in committed_rows("irmae", 3):
        if not group[0]["data"].startswith("map"):
            ranks = ", ".join(row["rank"] for row in group)
            errors = ", ".join(f"{100 * float(row['test_distortion']) / float(row['variance']):.2g}" for row in group)
            yield f"| {' | '.join(group[0][key] for key in ('data', 'n_linear', 'decay'))} | {ranks} | {errors} |"


def use_lines():
    """Write its second table."""
    chosen = json.loads((FOLDER / "figures" / "digits.json").read_text(encoding="utf-8"))["chosen"]
    for group in committed_rows("digits", 2):
        first = group[0]
        if {"family": first["family"], "setting": float(first["setting"])} in chosen:
            medians = [np.median([float(row[column]) for row in group]) for column in figure_digits.QUALITIES]
            draws = [
                100 * np.median([1 - float(row[f"accuracy_{n}_{k}"]) for row in group for k in range(6)])
                for n in (100, 1000)
            ]
            D = np.median([float(row["test_distortion"]) for row in group])
            numbers = [f"{D:.1f}", *(f"{number:.2f}" for number in medians), *(f"{number:.1f}" for number in draws)]
            yield f"| {first['family']} | {first['setting']} | {' | '.join(numbers)} |"


@pytest.mark.parametrize("lines", [rank_lines, use_lines])
def test_the_tables_of_the_page_are_the_numbers_of_the_figures(lines):
    page = (FOLDER / "docs" / "irmae.md").read_text(encoding="utf-8")
    missing = [line for line in lines() if line not in page.splitlines()]
    assert not missing
