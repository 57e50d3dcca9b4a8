"""One plane: its points, their bounds, its files; and that nothing is below the bound of its own samples."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from rdae_ref.experiments import FIGURES
from rdae_ref.experiments.output import read_claims
from rdae_ref.experiments.supplement import figure_plane as plane
from rdae_ref.experiments.supplement.plane_models import channel, density, grid_source, samples
from rdae_ref.experiments.training import Training
from rdae_ref.measures.rate_bounds import scalar_rate_bound
from rdae_ref.models import Posterior
from rdae_ref.theory import blahut_arimoto

SETTINGS = plane.Settings()
FIGURE = Path(__file__).parents[1] / "figures"
SMALL = plane.Settings(
    n_samples=24, trainings={source: Training(n_hidden=3) for source in plane.TITLES}, slopes=(0.1, 0.4, 1.0, 4.0),
    tolerance=0.05, grid_step=0.5, grid_mass=1e-4, grid_slopes=(0.3, 1.0), n_points=10, n_slopes=3, last_slope=3.0,
    vae_slopes=(4.0, 0.5), vae_hidden=3, vae_copies=2, vae_iterations=15, nodes=8, decoder_nodes=33,
    shares=(0.05, 0.5), rounds=3, round_iterations=10, iterations=15, noises=(0.3,), n_copies=2, strengths=(0.1,),
    linear_layers=(0, 1), irmae_hidden=3, irmae_steps=15, seeds=(0, 1),
)  # fmt: skip
SHANNON = {
    *("samples: map found", "manifold", "beta-VAE: E KL", "beta-VAE: I(X; Z)"),
    *("linear beta-VAE: E KL", "linear beta-VAE: I(X; Z)"),
}
DETERMINISTIC = {"rate-distortion", "plain", "denoising", "contractive", "IRMAE", "PCA", "beta-VAE: mean code"}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plane")
    result = plane.run(SMALL, folder=folder, workers=map)
    return folder, result, plane.write(result, folder, all_files=True)


def table(folder):
    with open(folder / "plane.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_files_columns_and_claims(written, tmp_path):
    folder, result, claims = written
    assert {path.name for path in folder.iterdir()} == {".runs", *(f"plane.{k}" for k in ("png", "svg", "csv", "json"))}
    assert plane.write(result, tmp_path) == claims
    assert {path.name for path in tmp_path.iterdir()} == {f"plane.{kind}" for kind in ("png", "csv", "json")}
    assert read_claims(folder, "plane") == list(claims)
    assert len({item.quantity for item in claims}) == len(claims)
    assert {item.figure for item in claims} == {"plane"}
    content = json.loads((folder / "plane.json").read_text(encoding="utf-8"))
    assert set(content["comparable"]) == {"shannon", "population", "matrix", "distortion"}
    assert FIGURES["plane"].supplementary


def test_finished_runs_are_read_and_not_repeated(written):
    folder, result, _ = written
    files = {path: path.stat().st_mtime_ns for path in (folder / ".runs").iterdir()}
    again = plane.run(SMALL, folder=folder, workers=map)
    assert {path: path.stat().st_mtime_ns for path in (folder / ".runs").iterdir()} == files
    assert again.runs.keys() == result.runs.keys()


@pytest.mark.parametrize("where", ["small", "figures"])
def test_nothing_is_below_the_bound_of_the_same_samples(where, written):
    rows = table(written[0] if where == "small" else FIGURE)
    assert list(rows[0]) == ["source", "kind", "model", "setting", "seed", "distortion", "rate", "bound"]
    bounded = [row for row in rows if row["kind"] == "shannon"]
    assert {row["model"] for row in bounded} == SHANNON
    assert {row["source"] for row in bounded} == set(plane.TITLES)
    for row in bounded:
        assert float(row["rate"]) >= float(row["bound"]) >= 0, row
    others = [row for row in rows if row["kind"] == "matrix"]
    assert {row["model"] for row in others} >= DETERMINISTIC
    assert {row["bound"] for row in others} == {""}  # no bound on it is proven


def test_the_bound_in_the_figure_is_one_of_the_samples(written):
    """It is at most log₂ N, falls, is 0 from the total variance on, and no output distribution certifies more."""
    _, result, _ = written
    for source in plane.TITLES:
        X = samples(source, SMALL.n_samples, 0)
        found = plane.sample_bound(result, source, 0)
        D = np.linspace(0, X.var(axis=0).sum(), 50)
        bound = found.lower_bound(D)
        assert (np.diff(bound) <= 0).all()
        assert bound[0] <= math.log2(SMALL.n_samples)
        assert_allclose(bound[-1], 0, atol=1e-12)
        d = ((X[:, None] - X) ** 2).sum(axis=2)
        for slope in (0.5, 2.0):
            among_samples = blahut_arimoto(np.full(len(X), 1 / len(X)), d, slope)
            assert among_samples.rate >= found.lower_bound(among_samples.distortion)


def test_a_finite_sample_lies_below_the_population():
    """In the committed figure: a map on the samples needs less than R(D) of the population, and that is no error."""
    rows = [row for row in table(FIGURE) if row["source"] == "gaussian"]
    found = [row for row in rows if row["model"] == "samples: map found"]
    below = [plane.population_rate("gaussian", float(r["distortion"]), 0.25) - float(r["rate"]) for r in found]
    assert max(below) > 0.5
    assert max(float(r["rate"]) for r in found) < math.log2(200)


def test_information_of_a_channel_with_one_latent_is_that_of_the_trapezoidal_rule():
    rng = np.random.default_rng(0)
    M, T = rng.normal(size=(12, 1)), rng.uniform(-2, -1, size=(12, 1))
    W = np.array([[1.0, -2.0]])
    X = rng.normal(size=(12, 2))
    information, D = channel(X, Posterior(M, T), lambda Z: Z @ W, 40, 81)
    assert_allclose(information, scalar_rate_bound(M, T).information, atol=1e-4)
    assert_allclose(D, np.mean(((X - M @ W) ** 2).sum(axis=1) + np.exp(T[:, 0]) * (W**2).sum()), rtol=1e-12)


def test_the_distortion_of_a_steep_decoder_is_that_of_adaptive_quadrature():
    """Ten nodes of Gauss and Hermite miss it by percents, and put a beta-VAE below the bound."""
    steep, mean, std = 6.0, 0.4, 0.9
    _, D = channel(
        np.array([[0.5]]), Posterior(np.array([[mean]]), np.array([[2 * math.log(std)]])),
        lambda Z: np.tanh(steep * Z), 10, SETTINGS.decoder_nodes,
    )  # fmt: skip

    def error(e):
        return (0.5 - math.tanh(steep * (mean + std * e))) ** 2 * math.exp(-(e**2) / 2) / math.sqrt(2 * math.pi)

    assert_allclose(D, quad(error, -9, 9, points=[-mean / std], epsabs=1e-12)[0], rtol=1e-4)


def test_two_latents_that_are_independent_add_their_information():
    """Inputs on a product grid, each coordinate with a latent of its own."""
    m, t = np.array([[-1.0], [0.3], [1.5]]), np.full((3, 1), math.log(0.2))
    pairs = np.array([(a, b) for a in m[:, 0] for b in m[:, 0]])
    posterior = Posterior(pairs, np.full((9, 2), t[0, 0]))
    both, _ = channel(pairs, posterior, lambda Z: Z, 40, 9)
    assert_allclose(both, 2 * scalar_rate_bound(m, t).information, atol=1e-4)


def test_the_grid_is_the_source():
    for source, covariance in (("gaussian", [[1, 0.95], [0.95, 1]]), ("mixture", [[9, 0], [0, 1]])):
        x, p = grid_source(source, 0.2, 0.0)
        assert_allclose(p.sum(), 1, rtol=1e-12)
        assert_allclose(density(source, x).sum() * 0.04, 1, rtol=1e-8)
        assert_allclose(np.cov(x.T, aweights=p, bias=True), covariance, atol=1e-8)


def test_shannons_lower_bound_is_water_filling_for_the_gaussian_at_small_distortions():
    entropy = plane.differential_entropy("gaussian", 0.1)
    assert_allclose(entropy, 0.5 * math.log2((2 * math.pi * math.e) ** 2 * (1 - 0.95**2)), atol=1e-9)
    assert_allclose(plane.population_rate("gaussian", 0.08, 0.1), entropy - math.log2(math.pi * math.e * 0.08))


def test_distortion_is_that_of_equation_9(written):
    """PCA leaves the variances that it discards: mean over samples, sum over coordinates."""
    _, result, _ = written
    out, total = result.runs["mixture", "PCA", 0], samples("mixture", SMALL.n_samples, 0).var(axis=0).sum()
    assert_allclose(out["distortion"][[0, 2]], [total, 0], atol=1e-12)
    assert_allclose(out["distortion"][1], result.runs["mixture", "sample", 0]["variances"][0])
