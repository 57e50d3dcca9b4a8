"""The figures of the theory, with tiny settings, and the closed forms that are drawn in them."""

import csv
import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from rdae_ref.experiments import FIGURES, stem
from rdae_ref.experiments.output import read_claims
from rdae_ref.experiments.supplement import (
    figure_manifold as manifold,
)
from rdae_ref.experiments.supplement import (
    figure_motivation as motivation,
)
from rdae_ref.experiments.supplement import (
    figure_rate_distortion as rate_distortion,
)
from rdae_ref.experiments.training import Training
from rdae_ref.theory import blahut_arimoto, gaussian_rate_distortion

SETTINGS = {
    "motivation": motivation.Settings(
        variances=(2.0, 0.3), n_samples=30, training=Training(n_hidden=3, sigma=0.7), mus=(4.0, 1.0), iterations=15,
        seeds=(0, 1),
    ),
    "manifold": manifold.Settings(n_samples=40, n_points=8, betas=(3.0, 10.0), shown=10.0, n_slopes=3, seeds=(0, 1)),
    "rate_distortion": rate_distortion.Settings(
        probabilities=(0.3,), steps=(0.5, 2.0), binary_slopes=(1.0, 3.0), gaussian_slopes=(1.0, 4.0)
    ),
}  # fmt: skip
MODULES = {"motivation": motivation, "manifold": manifold, "rate_distortion": rate_distortion}
MEMBERS = {
    "motivation": {"linear", "relu"},
    "manifold": {"circle", "arc"},
    "rate_distortion": {"binary", "gaussian"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {name: module.run(SETTINGS[name], folder=folder, workers=map) for name, module in MODULES.items()}


@pytest.mark.parametrize("name", MODULES)
def test_a_figure_leaves_its_files_and_draws_the_same_bytes_twice(name, results, tmp_path):
    module, first, second = MODULES[name], tmp_path / "first", tmp_path / "second"
    claims = module.write(results[name], first, all_files=True)
    module.write(module.run(SETTINGS[name], folder=second, workers=map), second, all_files=True)
    module.write(results[name], tmp_path / "default")
    files = sorted(path.name for path in first.iterdir())
    assert {f"{name}.{kind}" for kind in ("png", "svg", "csv", "json")} <= set(files)
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file
    assert {path.name for path in (tmp_path / "default").iterdir()} == set(files) - {f"{name}.svg"}
    assert read_claims(first, name) == list(claims)
    with open(first / f"{name}.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert {row[0] for row in rows[1:]} == MEMBERS[name]
    content = json.loads((first / f"{name}.json").read_text())
    assert content["settings"]["units"] == "bits"
    assert all(entry["quantity"] and entry["threshold"] for entry in content["claims"])


def test_they_are_supplementary_and_their_files_have_the_names_of_their_modules():
    entries = {stem(name): entry for name, entry in FIGURES.items()}
    for name, module in MODULES.items():
        assert entries[name].supplementary
        assert module.__name__.rsplit(".", 1)[1] == f"figure_{name}"


# §2.1


def test_the_level_is_the_one_of_the_same_slope():
    for mu in (0.7, 3.0):
        level = motivation.level(mu)
        D = np.minimum([4.0, 1.0, 0.3], level).sum()
        around = gaussian_rate_distortion([4.0, 1.0, 0.3], [D - 1e-5, D + 1e-5])
        assert_allclose(np.diff(around.rate) / 2e-5, -mu, rtol=1e-4)


def test_what_pca_loses_is_what_it_discards():
    assert_allclose(motivation.pca_distortions([0.25, 4.0, 1.0]), [5.25, 1.25, 0.25, 0.0], rtol=1e-15)


def test_a_quantiser_by_sampling_and_in_its_limits():
    rate, distortion = motivation.quantised(0.7)
    x = np.random.default_rng(0).normal(size=400_000)
    cells, place = np.unique(np.rint(x / 0.7), return_inverse=True)
    counts = np.bincount(place)
    means = np.bincount(place, x) / counts
    p = counts / x.size
    assert_allclose(rate, -(p * np.log2(p)).sum(), atol=5e-3)
    assert_allclose(distortion, np.mean((x - means[place]) ** 2), rtol=1e-2)
    assert cells.size > 5
    fine, error = motivation.quantised(1e-3)
    assert_allclose(error, 1e-6 / 12, rtol=1e-4)
    assert_allclose(fine, 0.5 * math.log2(2 * math.pi * math.e) - math.log2(1e-3), rtol=1e-8)
    assert_allclose(motivation.quantised(30.0), (0, 1), atol=1e-12)


def test_no_quantiser_is_below_the_curve():
    for mu in (0.2, 1.0, 10.0):
        rate, distortion = motivation.quantised_components((4.0, 1.0, 0.05), mu)
        least = gaussian_rate_distortion([4.0, 1.0, 0.05], distortion).rate
        assert least <= rate <= least + 3 * 0.2547


def test_a_trained_network_is_near_its_limit(results):
    settings = SETTINGS["motivation"]
    limit = motivation.linear_limit(settings, settings.mus[0])
    out = results["motivation"].runs["linear", 0]
    assert_allclose(out["ratio"][0], limit.gains, atol=0.1)
    assert_allclose(out["distortion"][0], limit.distortion, atol=0.05)
    assert out["leak"][0] < 0.2
    assert (np.diff(out["information"]) < 0).all()


# The manifold


def test_distances_to_an_arc_are_those_to_its_nearest_point():
    span = 1.25 * math.pi
    angles = np.linspace(0, span, 20_000)
    curve = np.column_stack([np.cos(angles), np.sin(angles)])
    points = np.random.default_rng(0).normal(size=(30, 2))
    brute = np.linalg.norm(points[:, None] - curve, axis=2).min(axis=1)
    assert_allclose(manifold.distance_to_arc(points, span), brute, atol=1e-4)
    radii = np.linalg.norm(points, axis=1)
    assert_allclose(manifold.distance_to_arc(points, 2 * math.pi), abs(radii - 1), atol=1e-12)


def test_the_closed_form_of_the_circle_is_what_blahut_and_arimoto_find():
    rate, distortion = manifold.circle_rate_distortion(6.0)
    angles = 2 * math.pi * np.arange(60) / 60
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    points = math.sqrt(1 - distortion) * X
    d = ((X[:, None] - points) ** 2).sum(axis=2)
    found = blahut_arimoto(np.full(60, 1 / 60), d, 6.0)
    assert_allclose([found.rate, found.distortion], [rate, distortion], atol=1e-7)


def test_coinciding_points_are_drawn_as_one():
    points, weights = manifold._merged(np.array([[0.0, 0], [0.01, 0], [1, 1]]), np.array([0.1, 0.3, 0.6]))
    order = weights.argsort()
    assert_allclose(weights[order], [0.4, 0.6])
    assert_allclose(points[order], [[0.0075, 0], [1, 1]])


def test_the_objective_falls_and_the_map_is_boltzmann(results):
    for out in results["manifold"].runs.values():
        assert out["rise"] <= 1e-13
        assert out["boltzmann"] < 0.05
        assert -1e-9 <= out["excess"] < 1e-3
        assert_allclose(out["weights"].sum(), 1, rtol=1e-12)
        assert_allclose(out["path"][-1, 1:], [out["rate"], out["distortion"]], rtol=1e-12)


# Finite sources


def test_the_binary_closed_form():
    assert_allclose(rate_distortion.binary_rate(0.5, np.array([0.0, 0.11, 0.5])), [1, 0.5000840418, 0], atol=1e-10)
    assert_allclose(rate_distortion.binary_rate(0.9, np.array([0.1, 0.3])), [0, 0], atol=1e-15)


def test_curves_are_within_their_bounds_of_the_closed_form(results):
    out = results["rate_distortion"].runs["binary", 0.3]
    assert (out["lower_bound"] - 1e-14 <= out["closed_form"]).all()
    assert (out["closed_form"] <= out["upper_bound"] + 1e-14).all()
    coarse = results["rate_distortion"].runs["gaussian", 2.0]
    assert coarse["rate"].max() <= coarse["entropy"] + 1e-12
