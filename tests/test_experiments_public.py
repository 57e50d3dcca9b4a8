"""The figure of published numbers: tiny runs of each case, the estimator of its bounds, its table and its files."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from rdae_ref.experiments import FIGURES
from rdae_ref.experiments.supplement import figure_public as public
from rdae_ref.experiments.supplement.public_models import GaussianTraining, measured, upper_bounds
from rdae_ref.models import Layer, VAEParameters
from rdae_ref.theory import gaussian_rate_distortion, gaussian_test_channel

ROOT = Path(__file__).parents[1]
QUICK = GaussianTraining(
    distortions=(0.8, 2.0),
    n_features=6,
    hidden=(16,),
    n_latents=3,
    first=((1e-2, 600),),
    stages=((1e-2, 300), (3e-3, 100)),
    batch_size=100,
    n_drawn=2000,
    n_measured=2000,
    controls=6,
)
TINY = public.Settings(cells=80, training=QUICK, n_digits=(40, 60), slopes=(0.05, 0.2), size=8)


def optimal(D):
    """Encoder and decoder that are known to lie on R(D): the water-filling solution as a beta-VAE."""
    v = QUICK.scales**2
    filling = gaussian_rate_distortion(v, D)
    kept = np.flatnonzero(v > filling.level)
    gain, noise = gaussian_test_channel(v, filling.level)
    std = np.sqrt(gain[kept] * v[kept])
    W = np.zeros((len(kept), 6))
    W[np.arange(len(kept)), kept] = gain[kept] / std
    T = np.log(noise[kept] / std**2)
    encoder = (Layer(np.vstack([W, np.zeros_like(W)]), np.concatenate([np.zeros(len(kept)), T])),)
    A = np.zeros((6, len(kept)))
    A[kept, np.arange(len(kept))] = std
    return VAEParameters(encoder, (Layer(A, np.zeros(6)),)), float(filling.rate)


@pytest.mark.parametrize("D", [0.3, 0.8, 3.0])
def test_the_estimator_of_a_bound_is_exact_where_the_answer_is_known(D):
    """Everything is quadratic there, so the control variates leave no error at all."""
    parameters, rate = optimal(D)
    found = measured(parameters, D, QUICK, np.random.default_rng(0))
    assert_allclose([found.rate, found.shift], [rate, 0], rtol=0, atol=1e-6)
    assert found.standard_error < 1e-9


def test_the_standard_error_is_the_scatter_over_repetitions():
    """For a code that is not optimal, and a control too few, so that there is an error to estimate."""
    (encoder, decoder), _ = optimal(0.8)
    relu = (
        Layer(np.vstack([np.eye(6), -np.eye(6)]), np.zeros(12)),
        Layer(np.hstack([encoder[0].W, -0.8 * encoder[0].W]), encoder[0].b),
    )
    bounds = [measured(VAEParameters(relu, decoder), 0.9, QUICK, np.random.default_rng(s)) for s in range(30)]
    scatter = np.std([bound.rate for bound in bounds], ddof=1)
    assert scatter == pytest.approx(np.mean([bound.standard_error for bound in bounds]), rel=0.5)


@pytest.mark.parametrize("model", public.MODELS[1:])
def test_trained_bounds_lie_above_the_curve_and_come_near_it(model):
    exact = gaussian_rate_distortion(QUICK.scales**2, QUICK.distortions).rate
    for bound, rate in zip(upper_bounds(model, QUICK, np.random.default_rng(1)), exact, strict=True):
        assert -4 * bound.standard_error < bound.rate - rate < 0.5


def test_the_variances_are_those_of_the_published_code():
    assert_allclose(TINY.variances, [1.2055, 1.0898], rtol=0, atol=5e-5)
    assert_allclose(np.log(3 * TINY.variances).sum() / 2 + 1, 2.23505, rtol=0, atol=5e-6)


def test_resized_images():
    """Doubling a ramp keeps it a ramp inside; a constant stays constant; PIL's rule by hand for two pixels."""
    assert_allclose(public.resized(np.full((2, 9), 0.3), 7), 0.3)
    assert_allclose(public.resized(np.array([[0.0, 1.0, 0.0, 1.0]]), 4)[0][:4], [0, 0.25, 0.75, 1])
    assert_allclose(public.resized(np.eye(4), 2), np.eye(4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def result(folder):
    return public.run(TINY, folder=folder, workers=1, source="sklearn")


def test_rows_and_files(result, tmp_path):
    table = list(public.rows(result))
    assert {row.case for row in table} == {"gaussian-2d", "gaussian-40d", "digits-40", "digits-60"}
    assert {row.model for row in table if row.case == "gaussian-40d"} == set(public.MODELS)
    lower, upper = (row for row in table if row.case == "gaussian-2d")
    assert lower.ours <= lower.exact == upper.exact <= upper.ours
    for row in table:
        if row.model == "closed-form":
            assert row.ours == row.exact
        assert row.seconds >= 0
    public.write(result, tmp_path)
    with (tmp_path / "public.csv").open() as file:
        lines = list(csv.reader(file))
    assert tuple(lines[0]) == public.Row._fields
    assert len(lines) == len(table) + 1


def test_bounds_on_digits_are_in_order(result):
    for n in TINY.n_digits:
        out = result.runs[f"digits-{n}", "blahut-arimoto", 0]
        assert (out["anywhere"] <= out["lower_bound"]).all()
        assert (out["lower_bound"] <= out["rate"]).all()
        assert (out["rate"] <= math.log2(n)).all()


def test_without_digits_the_gaussians_remain(folder, result):
    """They are read from the files of the run before."""
    assert {case for case, _, _ in public.run(TINY, folder=folder, workers=1).runs} == {"gaussian-2d", "gaussian-40d"}
    assert FIGURES["public"].more_with_digits


def test_the_committed_table_is_that_of_the_page():
    with (ROOT / "figures" / "public.csv").open() as file:
        rows = list(csv.reader(file))
    page = (ROOT / "docs" / "rate_distortion.md").read_text(encoding="utf-8")
    assert public.page_table(rows[1:]) in page
