"""The figures of IRMAE, with tiny settings, and the measures that are drawn in them."""

import csv
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import lsq_linear

from rdae_ref.autoencoder import distortion
from rdae_ref.data import shape_images, shapes
from rdae_ref.experiments import FIGURES, stem
from rdae_ref.experiments.output import read_claims
from rdae_ref.experiments.supplement import figure_irmae as irmae
from rdae_ref.experiments.supplement import figure_rank as rank
from rdae_ref.experiments.supplement import figure_representation as representation
from rdae_ref.experiments.supplement.deep_training import (
    EXACT,
    MANIFOLD,
    SHAPES,
    DeepTask,
    draw_samples,
    network,
    train,
)
from rdae_ref.gradcheck import check_gradient
from rdae_ref.models import IRMAE, IRMAEParameters
from rdae_ref.models.mlp import Layer

FEW = {"n_test": 40, "hidden": (6,), "n_latents": 4, "batch_size": 20, "stages": ((1e-2, 15), (1e-3, 5))}
TINY_MANIFOLD = replace(MANIFOLD, n_samples=60, n_features=8, **FEW)
TINY_SHAPES = replace(SHAPES, n_samples=50, size=6, **FEW)
TINY = {
    "irmae": irmae.Settings(
        trainings=(TINY_MANIFOLD, TINY_SHAPES),
        chain=irmae.Chain(n_layers=(1, 2, 4, 10), time=0.4, n_steps=16, n_records=8),
        seeds=(0, 1),
    ),
    "representation": representation.Settings(
        training=TINY_SHAPES, n_images=10, grid=(5, 2), n_steps=3, n_pairs=2, n_drawn=6, seeds=(0, 1)
    ),
}
MODULES = {"irmae": irmae, "representation": representation}
TABLES = {
    "irmae": {"irmae": 2 * 4 * 2, "irmae_spectra": 2 * 4 * 2 * 4, "irmae_chains": 2 * 4 * 2 * 3 * 3},
    "representation": {"representation": 5 * 2},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    return {name: module.run(TINY[name], folder=runs, workers=map) for name, module in MODULES.items()}


@pytest.mark.parametrize("name", MODULES)
def test_a_figure_leaves_its_files(name, results, tmp_path):
    claims = MODULES[name].write(results[name], tmp_path)
    tables = {f"{table}.csv" for table in TABLES[name]}
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.{kind}" for kind in ("png", "json")} | tables
    MODULES[name].write(results[name], tmp_path / "all", all_files=True)
    files = {path.name for path in (tmp_path / "all").iterdir()}
    assert files == {f"{name}.{kind}" for kind in ("png", "svg", "json")} | tables
    assert read_claims(tmp_path, name) == list(claims)
    assert {item.figure for item in claims} == {name}
    assert len({item.quantity for item in claims}) == len(claims)
    for table, length in TABLES[name].items():
        with open(tmp_path / f"{table}.csv", newline="") as file:
            rows = list(csv.reader(file))
        assert len(rows) == 1 + length
        assert {len(row) for row in rows} == {len(rows[0])}
    assert json.loads((tmp_path / f"{name}.json").read_text())["settings"]["seeds"] == [0, 1]


def test_a_run_repeats_to_the_bit(results):
    key = ("shapes", 2, 1)
    again = train(DeepTask("irmae", 2, 1, TINY_SHAPES))
    for name, value in results["irmae"].runs[key].items():
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
    for sentence in (irmae.LAYERS, irmae.RANK, irmae.COMPACT, irmae.DESCENT, representation.TASKS):
        for part in sentence.split(" … "):
            assert part in abstract


def test_they_are_supplementary():
    for name, module in MODULES.items():
        assert FIGURES[name].supplementary
        assert module.__name__.endswith(f".figure_{stem(name)}")


# ------------------------------------------------------------------------------------------------------------- training


def test_the_second_figure_reads_the_networks_of_the_first(tmp_path):
    few = replace(
        TINY["irmae"], trainings=(TINY_SHAPES,), chain=irmae.Chain(n_layers=(1,), time=0.4, n_steps=8, n_records=8)
    )
    irmae.run(replace(few, seeds=(0,)), folder=tmp_path, workers=map)
    before = len(list((tmp_path / ".runs").iterdir()))
    assert before == 4 + 2
    representation.run(replace(TINY["representation"], seeds=(0,)), folder=tmp_path, workers=map)
    assert len(list((tmp_path / ".runs").iterdir())) == before + 1 + 5  # one beta-VAE, five measurements


@pytest.mark.parametrize("model", ["irmae", "beta-vae"])
def test_a_network_comes_back_from_its_run_as_it_was(model):
    task = DeepTask(model, 0, 1, TINY_SHAPES)
    outcome = {name: np.asarray(value) for name, value in train(task).items()}
    samples, back = draw_samples(TINY_SHAPES, 1), network(task, outcome)
    Z = back.codes(samples.X_test)
    assert_allclose(distortion(samples.X_test, back.decode(Z)), outcome["test_distortion"], rtol=1e-12)
    covariance = np.cov(Z.T, bias=True)
    assert_allclose(np.linalg.eigvalsh(covariance)[::-1], outcome["singular_values"], rtol=1e-6, atol=1e-14)
    untrained = train(task._replace(training=replace(TINY_SHAPES, stages=((1e-12, 1),))))
    assert outcome["distortion"] < 0.9 * untrained["distortion"]
    drawn = back.drawn_codes(samples.X_test, np.random.default_rng(0))
    assert (np.abs(drawn - Z).max() > 0.1) == (model == "beta-vae")


def test_samples_to_measure_on_are_new_and_of_the_same_manifold():
    for training in (TINY_MANIFOLD, TINY_SHAPES):
        X, X_test, factors = draw_samples(training, 0)
        assert len(X_test) == len(factors) == 40
        assert not (X[:, None] == X_test).all(axis=2).any()
    assert_allclose(draw_samples(TINY_MANIFOLD, 0).X.mean(axis=0), 0, atol=1e-14)
    assert_allclose(shape_images(factors, size=6), X_test)
    flat = draw_samples(replace(TINY_MANIFOLD, n_dimensions=1), 0)
    joint = np.vstack([flat.X, flat.X_test])[np.argsort(np.concatenate([np.zeros(60), np.ones(40)]))]
    nearest = np.linalg.norm(joint[60:, None] - joint[:60], axis=2).min(axis=1)
    assert np.median(nearest) < 0.1 * np.linalg.norm(joint, axis=1).mean()  # a curve through 60 points is near anywhere


# ------------------------------------------------------------------------------------------------- deep linear networks


def chain(start, n_layers, seed=0):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return axes, irmae.initial_chain(start, axes, n_layers, 0.02, rng)


@pytest.mark.parametrize("n_layers", [1, 2, 5])
def test_a_chain_starts_with_equal_singular_values_and_balanced(n_layers):
    for start in irmae.STARTS:
        _, layers = chain(start, n_layers)
        assert len(layers) == n_layers
        assert_allclose(irmae.network_strengths(layers), 0.02, rtol=1e-12)
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
    value, gradient = irmae.DeepLinear(X).value_and_gradient(layers)
    same = IRMAEParameters(layers[:1], tuple(W for W, _ in layers[1:3]), layers[3:])
    expected, slopes = IRMAE(X, activation="linear").value_and_gradient(same)
    assert value == pytest.approx(expected, rel=1e-13)
    assert_allclose(gradient[1].W, slopes.linear[0], rtol=1e-12)
    assert_allclose(gradient[3].W, slopes.decoder[0].W, rtol=1e-12)
    assert check_gradient(irmae.DeepLinear(X), layers, rng=rng).passed


def test_the_aligned_chain_follows_the_closed_form_and_the_turned_one_its_own_way():
    few = irmae.Chain(time=1.5, n_steps=600, n_records=6)
    aligned = irmae.follow(irmae.ChainTask("aligned", 2, 0, few))
    assert np.abs(aligned["strengths"] - aligned["closed_form"]).max() < 0.01
    assert aligned["strengths"][-1, 0] > 0.9
    assert aligned["strengths"][-1, 2] < 0.5
    turned = irmae.follow(irmae.ChainTask("orthogonal", 2, 0, few))
    assert np.abs(turned["strengths"] - turned["closed_form"]).max() > 0.02
    assert_allclose(turned["times"], np.linspace(0, 1.5, 7))


def test_singular_values_at_the_time_when_the_first_is_half_learned():
    assert_allclose(irmae.when_half_learned(np.array([[0.0, 0.0], [0.4, 0.1], [0.6, 0.3], [1.0, 0.9]])), [0.5, 0.2])
    assert_allclose(irmae.when_half_learned(np.array([[0.0, 0.0], [0.4, 0.1]])), [0.4, 0.1])


# ------------------------------------------------------------------------------------------------------------- measures


def test_distance_to_shapes_is_that_to_the_nearest_of_a_grid_with_the_best_colour():
    rng = np.random.default_rng(0)
    images, grid = rng.uniform(size=(4, 3 * 36)), (3, 2)
    found = representation.distance_to_shapes(images, 6, grid)
    for image, got in zip(images, found, strict=True):
        least = np.inf
        for kind in (0, 1):
            for x in (-0.5, 0, 0.5):
                for y in (-0.5, 0, 0.5):
                    for radius in (0.2, 0.4):
                        c = shape_images([[kind, 1, 1, 1, x, y, radius]], 6)[0, ::3]
                        fits = [lsq_linear(c[:, None], image[k::3], (0.2, 1.0)) for k in range(3)]
                        least = min(least, sum(2 * fit.cost for fit in fits))
        assert got == pytest.approx(least / (image @ image), rel=1e-6)


def test_distance_to_shapes_of_true_images_is_small_and_of_two_in_one_is_not():
    images = shapes(120, np.random.default_rng(0), size=12).X
    on_grid = shape_images([[1, 0.3, 0.9, 0.5, 0.25, -0.5, 0.3], [0, 1, 0.2, 0.6, 0, 0.25, 0.4]], 12)
    assert_allclose(representation.distance_to_shapes(on_grid, 12, (9, 3)), 0, atol=1e-12)
    true = representation.distance_to_shapes(images, 12, (17, 5))
    halves = representation.distance_to_shapes((images[:60] + images[60:]) / 2, 12, (17, 5))
    assert true.max() < 0.1
    assert np.median(halves) > 5 * np.median(true)


def test_recall_by_hand_and_in_its_limits():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    assert representation.recall(X, X, 3) == 1
    assert representation.recall(X, X + 100, 3) == 0
    drawn = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])  # to the next one: 1, 1 and 2
    at = np.array([[-0.9, 0.0], [-1.1, 0.0], [0.5, 0.8], [4.9, 0.0], [5.1, 0.0]])
    assert representation.recall(at, drawn, 1) == pytest.approx(3 / 5)


def test_the_measures_of_a_run_are_shares_and_its_images_those_of_the_figure(results):
    for (model, depth, _), out in results["representation"].runs.items():
        assert 0 <= out["floor"] < out["cross_fade"] < 1
        assert 0 <= out["recall"] <= 1
        assert out["paths"].shape == (2, 3, 3 * 36)
        assert out["drawn"].shape == (6, 3 * 36)
        assert out["scores"].mean() == pytest.approx(float(out["r2"]))
        assert (model, depth) in representation.models(TINY["representation"])
    same = [results["representation"].runs["irmae", depth, 0] for depth in (0, 8)]
    assert same[0]["floor"] == same[1]["floor"]  # of the data, not of the network


# ------------------------------------------------------------------------------------------------------------ the rank

TINY_RANK = rank.Settings(
    trainings=(replace(TINY_SHAPES, n_latents=9, decay=0.1), replace(TINY_MANIFOLD, decay=0.1)),
    map_of=replace(TINY_SHAPES, n_latents=9, decay=0.1),
    n_linear=2,
    map_n_linear=(0, 2),
    map_decay=(0.0, 0.1),
    seeds=(0, 1),
)


def test_the_figure_of_the_rank_leaves_its_files(tmp_path):
    result = rank.run(TINY_RANK, folder=tmp_path / "runs", workers=map)
    assert len(result.runs) == 2 * 2 * 2 + 2 * 4 - 2  # two of the map are among the others
    claims = rank.write(result, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("runs", "rank.png", "rank.csv", "rank.json", "rank_spectra.csv")
    }
    assert read_claims(tmp_path, "rank") == list(claims)
    with open(tmp_path / "rank_spectra.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(out["singular_values"].size for out in result.runs.values())
    assert {row["decay"] for row in rows} == {"0", "0.1"}


@pytest.mark.slow
def test_the_recipe_finds_three_dimensions_exactly():
    training = EXACT[1]
    out = train(DeepTask("irmae", 3, 0, training))
    assert out["rank"] == training.dimension == 3
    assert out["singular_values"][2] > 10 * out["singular_values"][3]


# ------------------------------------------------------------------------------------------------------------ the page

FOLDER = Path(__file__).parents[1]


def committed_rows(table):
    with open(FOLDER / "figures" / f"{table}.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for _, group in itertools.groupby(rows, key=lambda row: list(row.values())[:2]):
        yield list(group)


def rank_lines():
    """Write the first table of docs/irmae.md from the numbers in figures/."""
    for group in committed_rows("irmae"):
        ranks = ", ".join(row["rank"] for row in group)
        errors = ", ".join(f"{100 * float(row['test_distortion']) / float(row['variance']):.2g}" for row in group)
        yield f"| {group[0]['data']} | {group[0]['n_linear']} | {ranks} | {errors} |"


def use_lines():
    """Write its second table."""
    for group in committed_rows("representation"):
        name = "beta-VAE" if group[0]["model"] == "beta-vae" else f"l = {group[0]['n_linear']}"
        columns = (*representation.MEASURES, "recall", "r2")
        medians = (np.median([float(row[column]) for row in group]) for column in columns)
        yield f"| {name} | {' | '.join(f'{median:.3f}' for median in medians)} |"


@pytest.mark.parametrize("lines", [rank_lines, use_lines])
def test_the_tables_of_the_page_are_the_numbers_of_the_figures(lines):
    page = (FOLDER / "docs" / "irmae.md").read_text(encoding="utf-8")
    missing = [line for line in lines() if line not in page.splitlines()]
    assert not missing
