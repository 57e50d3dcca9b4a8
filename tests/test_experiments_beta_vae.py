"""The two figures of the beta-VAE, small, and what was drawn in full; that the models show themselves in use."""

import csv
import doctest
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from rdae_ref import measures, models
from rdae_ref.data import blob_images, gaussian_with_covariance
from rdae_ref.experiments import FIGURES, load, stem
from rdae_ref.experiments.output import read_claims
from rdae_ref.experiments.supplement import figure_beta_vae as beta_vae
from rdae_ref.experiments.supplement import figure_disentanglement as disentanglement
from rdae_ref.measures import mutual_information_gap
from rdae_ref.models import (
    BetaVAE,
    LinearBetaVAE,
    Posterior,
    VAEParameters,
    initial_layers,
    initial_vae_parameters,
    kl_divergence,
)
from rdae_ref.theory import gaussian_rate_distortion

FIGURE_FOLDER = Path(__file__).parents[1] / "figures"
MODULES = {"beta-vae": beta_vae, "disentanglement": disentanglement}
SMALL = {
    "beta-vae": beta_vae.Settings(
        variances=(2.0, 0.8), n_samples=60, betas=(0.5, 1.0, 4.0), batch_size=20, stages=((2e-2, 60),),
        scales=(0.5, 1.0, 2.0), mixture_samples=30, mixture_hidden=(4,), mixture_stages=((1e-2, 20),), seeds=(0, 1),
    ),
    "disentanglement": disentanglement.Settings(
        n_samples=60, n_fresh=200, size=6, n_latents=5, hidden=(8,), batch_size=20, stages=((1e-2, 10),), n_moves=3,
        seeds=(0,),
    ),
}  # fmt: skip
TABLES = {
    "beta-vae": {"beta_vae": 12, "beta_vae_chain": 12},
    "disentanglement": {"disentanglement": 6, "disentanglement_latents": 30},
}


@pytest.fixture(scope="module", params=MODULES)
def figure(request, tmp_path_factory):
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    result = MODULES[name].run(SMALL[name], folder=folder, workers=map)
    return name, MODULES[name], result, MODULES[name].write(result, folder, all_files=True), folder


def rows_of(folder, name):
    with open(folder / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_figure_leaves_whole_tables_and_draws_the_same_bytes_twice(figure, tmp_path):
    name, module, _, claims, folder = figure
    again, default = tmp_path / "again", tmp_path / "default"
    result = module.run(SMALL[name], folder=folder, workers=map)
    module.write(result, again, all_files=True)
    module.write(result, default)
    written = {path.name for path in again.iterdir()}
    own = stem(name)
    assert {path.name for path in default.iterdir()} == written - {f"{own}.svg"}
    assert written == {f"{own}.{kind}" for kind in ("png", "svg", "json")} | {f"{table}.csv" for table in TABLES[name]}
    for file in written:
        assert (folder / file).read_bytes() == (again / file).read_bytes(), file
    for table, length in TABLES[name].items():
        rows = rows_of(folder, table)
        assert len(rows) == length
        assert all(None not in row and None not in row.values() for row in rows)
    assert read_claims(folder, own) == list(claims)
    assert json.loads((folder / f"{own}.json").read_text())["settings"]["units"] == "bits"
    assert {item.figure for item in claims} == {name}
    assert len({item.quantity for item in claims}) == len(claims)


def test_they_are_supplementary():
    for name, module in MODULES.items():
        assert FIGURES[name].supplementary
        assert load(name) is module


def test_the_committed_claims_are_those_that_the_code_makes(figure):
    name, _, _, claims, _ = figure
    committed = read_claims(FIGURE_FOLDER, stem(name))
    said = [(item.sentence, item.quantity, item.threshold) for item in claims]
    assert said == [(item.sentence, item.quantity, item.threshold) for item in committed]


@pytest.mark.parametrize("name", MODULES)
def test_the_committed_settings_are_those_of_the_code(name):
    content = json.loads((FIGURE_FOLDER / f"{stem(name)}.json").read_text(encoding="utf-8"))
    ours = json.loads(json.dumps(vars(MODULES[name].Settings())))
    assert content["settings"] == ours | {"units": "bits"}


# ---------------------------------------------------------------------------------------------- the water-filling curve


@pytest.mark.parametrize("beta", [0.1, 1.0, 10.0])
def test_the_exact_objective_ends_on_the_curve_at_the_level_of_its_price(beta):
    settings = beta_vae.Settings(n_samples=50)
    out = beta_vae.train_one(beta_vae.Task(("exact", beta, 3), settings))
    level = beta * 0.3
    assert out["distortion"] == pytest.approx(np.minimum(settings.variances, level).sum(), abs=1e-5)
    each = [max(0.5 * math.log2(v / level), 0) for v in settings.variances]
    assert_allclose(np.sort(out["rates"])[::-1], each, atol=1e-5)
    assert out["rate"] == pytest.approx(gaussian_rate_distortion(settings.variances, out["distortion"]).rate, abs=1e-5)
    if beta == 1:
        assert (out["distortion"], out["rate"]) == pytest.approx((0.9, 2.73697), abs=1e-5)


def test_ordinary_training_ends_on_the_curve():
    settings = beta_vae.Settings(variances=(2.0, 0.8), n_samples=500, stages=((2e-2, 800), (2e-3, 500)))
    out = beta_vae.train_one(beta_vae.Task(("sampled", 1.0, 0), settings))
    assert -1e-9 < out["rate"] - gaussian_rate_distortion(settings.variances, out["distortion"]).rate < 0.02
    assert out["rate"] == pytest.approx(beta_vae.predicted(settings, 1.0)[1], abs=0.05)


@given(seed=st.integers(0, 10_000), gain=st.floats(0.01, 3), size=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_an_affine_beta_vae_is_nowhere_below_the_curve(seed, gain, size):
    """Whatever the data with that covariance are, and with log variances that depend on them."""
    rng = np.random.default_rng(seed)
    variances = rng.uniform(0.1, 4, size=3)
    X = gaussian_with_covariance(20, np.diag(variances), rng)
    terms = LinearBetaVAE(X).terms(initial_vae_parameters(3, size, rng, gain=gain))
    assert terms.rate >= gaussian_rate_distortion(variances, terms.distortion).rate - 1e-9


@pytest.mark.parametrize("beta", [0.05, 0.7, 3.0, 20.0])
def test_the_predicted_point_is_on_the_curve_with_its_level(beta):
    settings = beta_vae.Settings()
    D, R = beta_vae.predicted(settings, beta)
    filling = gaussian_rate_distortion(settings.variances, D)
    assert filling.rate == pytest.approx(R, abs=1e-12)
    assert filling.level == pytest.approx(min(beta * 0.3, 4), rel=1e-12)


def test_scaling_the_codes_of_an_optimum_changes_the_gap_alone():
    """There q(z) is N(0, I), and a z has N(0, a² I): KL is ½ (a² − 1 − ln a²) for each of four latents."""
    out = beta_vae.train_one(beta_vae.Task(("exact", 0.1, 0), beta_vae.Settings(n_samples=50)))
    for a in (0.3, 1.0, 1.7):
        bound = beta_vae.scaled_bound(out, a)
        assert bound.information == pytest.approx(out["rate"], abs=1e-5)
        assert bound.gap == pytest.approx(4 * 0.5 * (a**2 - 1 - math.log(a**2)) / math.log(2), abs=1e-5)
        assert bound.rate == pytest.approx(bound.information + bound.gap, abs=1e-12)


def test_the_drawn_table_is_within_its_tolerances():
    for row in rows_of(FIGURE_FOLDER, "beta_vae"):
        distance = abs(float(row["rate"]) - float(row["curve"]))
        assert distance <= {"exact": 1e-5, "sampled": 0.02}[row["way"]], row
    for row in rows_of(FIGURE_FOLDER, "beta_vae_chain"):
        rate, information, gap = (float(row[name]) for name in ("rate", "information", "gap"))
        assert rate == pytest.approx(information + gap, abs=1e-8)
        assert gap > -1e-9


# ------------------------------------------------------------------------------------------------------ disentanglement


def test_the_relative_gap_by_hand():
    information = np.array([[2.0, 0.1], [0.5, 0.0], [1.0, 0.4]])
    assert disentanglement.relative_gap(information) == pytest.approx(((2 - 1) / 2 + (0.4 - 0.1) / 0.4) / 2)


@pytest.mark.parametrize("noise", [0.05, 0.3, 1.0])
def test_no_codes_have_a_gap_above_their_ceiling(noise):
    """Each factor has a latent of its own: only the noise, and so the rate, keeps the gap from 1."""
    rng = np.random.default_rng(0)
    V = rng.uniform(-math.sqrt(3), math.sqrt(3), size=(20_000, 4))
    shrink = 1 / (1 + noise**2)
    posterior = Posterior(shrink * V, np.full_like(V, math.log(noise**2 * shrink)))
    rate = kl_divergence(posterior).sum(axis=1).mean() / math.log(2)
    ceiling = float(disentanglement.largest_gap(rate, disentanglement.Settings()))
    gap = mutual_information_gap(posterior.sample(rng), V)
    assert ceiling / 2 < gap.gap <= ceiling
    assert disentanglement.relative_gap(gap.information) > 0.9


def test_the_drawn_gaps_are_below_their_ceiling_and_those_of_their_table():
    settings = disentanglement.Settings()
    for row in rows_of(FIGURE_FOLDER, "disentanglement"):
        gaps = [float(row[f"gap_{name}"]) for name in disentanglement.FACTORS]
        assert float(row["gap"]) == pytest.approx(np.mean(gaps), abs=1e-8)
        assert float(row["gap"]) <= disentanglement.largest_gap(float(row["rate"]), settings)
    information, rates = {}, {}
    for row in rows_of(FIGURE_FOLDER, "disentanglement_latents"):
        key = row["beta"], row["seed"]
        information.setdefault(key, []).append([float(row[f"information_{name}"]) for name in disentanglement.FACTORS])
        rates.setdefault(key, []).append(float(row["rate"]))
    for row in rows_of(FIGURE_FOLDER, "disentanglement"):
        key = row["beta"], row["seed"]
        assert float(row["rate"]) == pytest.approx(sum(rates[key]), abs=1e-6)
        relative = disentanglement.relative_gap(np.array(information[key]))
        assert float(row["relative"]) == pytest.approx(relative, abs=1e-8)


def test_moving_a_factor_moves_nothing_else():
    settings = disentanglement.Settings(n_moves=5, size=8)
    images = disentanglement.factor_images(settings)
    centre = blob_images([disentanglement.central_factors(settings)], 8)[0]
    assert images.shape == (4, 5, 64)
    for row in images[:, 2]:
        assert_allclose(row, centre, atol=1e-15)
    assert_allclose(images[0, 0], blob_images([[-0.5, 0.0, 0.375, math.pi / 4]], 8)[0], atol=1e-15)
    assert_allclose(images[3, 4], blob_images([[0.0, 0.0, 0.375, math.pi / 2]], 8)[0], atol=1e-15)


def test_a_traversal_moves_one_latent_from_the_code_of_the_central_image():
    settings = disentanglement.Settings(n_moves=5, size=8, reach=3.0)
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(4, 64))
    encoder, _ = initial_vae_parameters(64, 2, rng)
    (A, b) = initial_layers([2, 64], rng)[0]
    objective = BetaVAE(X, activation="linear", rng=rng)
    images = disentanglement.traversals(objective, VAEParameters(encoder, ((A, b),)), settings)
    centre = blob_images([disentanglement.central_factors(settings)], 8)[0] @ encoder[0].W[:2].T + encoder[0].b[:2]
    assert_allclose(images[1, 4], A @ [centre[0], 3.0] + b, atol=1e-12)
    assert_allclose(images[0, 2], A @ [0.0, centre[1]] + b, atol=1e-12)


def test_the_best_price_is_the_one_above_the_first_with_the_largest_median():
    settings = disentanglement.Settings(betas=(1.0, 2.0, 4.0), seeds=(0, 1, 2))
    gaps = {1.0: (0.9, 0.9, 0.9), 2.0: (0.1, 0.2, 0.8), 4.0: (0.3, 0.3, 0.0)}
    runs = {(beta, seed): {"gap": gap} for beta, row in gaps.items() for seed, gap in enumerate(row)}
    assert disentanglement.best_beta(disentanglement.Result(settings, runs)) == 4.0


def test_a_blob_by_hand():
    x, y, r, angle = 0.2, -0.1, 0.3, 0.7
    image = blob_images([[x, y, r, angle]], 4)[0].reshape(4, 4)
    offset = np.array([0.75 - x, -0.25 - y])  # the pixel in the second row, last column
    along, aside = offset @ [math.cos(angle), math.sin(angle)], offset @ [-math.sin(angle), math.cos(angle)]
    assert image[1, 3] == pytest.approx(math.exp(-((along / (2 * r)) ** 2 + (aside / r) ** 2) / 2), rel=1e-13)


@pytest.mark.parametrize(
    ("factors", "size", "error", "words"),
    [
        ([[0.0, 0.0, 0.0, 0.0]], 4, ValueError, "the smallest radius must"),
        ([[0.0, 0.0, 1.0]], 4, ValueError, "factors must have shape"),
        ([[0.0, 0.0, 1.0, 0.0]], 0, ValueError, "size must be at least 1"),
    ],
)
def test_what_is_no_blob_is_refused(factors, size, error, words):
    with pytest.raises(error, match=words):
        blob_images(factors, size)


# ------------------------------------------------------------------------------------------------------- shown in use

BETA_VAE = [
    *("BetaVAE", "FixedBetaVAE", "LinearBetaVAE", "VAEParameters", "VAETerms", "Posterior"),
    *("initial_vae_parameters", "kl_divergence", "RateBound", "gaussian_rate_bound", "scalar_rate_bound"),
    *("BetaConvention", "convert_beta", "InformationGap", "LinearProbe", "mutual_information_gap", "linear_probe"),
    "gaussian_codes",
]


@pytest.mark.parametrize("name", BETA_VAE)
def test_each_part_of_the_beta_vae_is_shown_in_use_in_five_lines_after_its_imports(name):
    thing = getattr(models, name, None) or getattr(measures, name)
    examples = doctest.DocTestParser().get_examples(thing.__doc__)
    assert 1 <= sum("import " not in example.source for example in examples) <= 5
