"""The figure of the beta-VAE on binarised digits, on small digits and with few steps; and the binarisation."""

import csv
from pathlib import Path

import numpy as np
import pytest

from rdae_ref.data.digits import Digits, binarised, load_digits
from rdae_ref.experiments.supplement import figure_digit_vae as figure

TINY = figure.Settings(
    betas=(0.2, 1.0, 50.0),
    n_train=400,
    n_test=300,
    hidden=(32,),
    n_latents=6,
    stages=((3e-3, 300), (1e-3, 100)),
    batch_size=50,
    n_draws=20,
    seeds=(0, 1),
)


def test_binarised_pixels_are_bits_with_the_pixels_as_their_mean():
    pixels = np.tile([0.0, 0.25, 0.9, 1.0], (20_000, 1))
    bits = binarised(Digits(pixels, np.zeros(20_000, int), (2, 2)), np.random.default_rng(0))
    assert set(np.unique(bits)) == {0.0, 1.0}
    np.testing.assert_allclose(bits.mean(axis=0), pixels[0], rtol=0, atol=0.01)
    assert (bits[:, [0, 3]] == pixels[:, [0, 3]]).all()


def test_small_digits_to_train_and_to_test_are_others():
    train, test = load_digits("sklearn", 400), load_digits("sklearn", 300, "test")
    assert (len(train.pixels), len(test.pixels)) == (400, 300)
    assert not (train.pixels[:, None] == test.pixels[:20]).all(axis=2).any()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("digit_vae")


@pytest.fixture(scope="module")
def result(folder):
    return figure.run(TINY, folder=folder, workers=map, source="sklearn")


def test_the_runs_and_what_they_measure(result, folder):
    assert set(result.runs) == {(0.2, 0), (1.0, 0), (1.0, 1), (50.0, 0)}
    low, middle, high = (result.first(beta) for beta in TINY.betas)
    assert low["rate"] > middle["rate"] > high["rate"] >= 0
    assert low["distortion"] < middle["distortion"] < high["distortion"]
    for out in result.runs.values():
        assert out["elbo"] == pytest.approx(-out["distortion"] - out["rate"], rel=1e-12)
        assert 0 <= out["images"].min() <= out["images"].max() <= 1
    assert 0 < middle["nll"] < -middle["elbo"]  # more weights, a tighter bound
    assert figure.entropy_bound(result) <= middle["nll"]
    assert len([path for path in (folder / ".runs").glob("stages-*.npz") if "previous" not in path.name]) == 4


def test_files(result, tmp_path):
    found = figure.write(result, tmp_path)
    assert {claim.verdict for claim in found} <= {"yes", "no", "undecided"}
    with (tmp_path / "digit_vae.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["beta"]) for row in rows] == [0.2, 1.0, 1.0, 50.0]
    assert [bool(row["nll"]) for row in rows] == [False, True, True, False]
    assert (tmp_path / "digit_vae.png").exists()
    assert "sklearn" not in (tmp_path / "digit_vae.json").read_text()


ROOT = Path(__file__).parents[1]


def lines_of_the_page():
    """Write the table of docs/beta_vae.md from the numbers in figures/: the first seed of each β."""
    with open(ROOT / "figures" / "digit_vae.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["seed"] == "0":
                numbers = (f"{float(row[name]):.1f}" for name in ("rate", "distortion", "elbo"))
                yield f"| {row['beta']} | {' | '.join(numbers)} | {row['active_latents']} | {float(row['probe']):.2f} |"


def test_the_table_of_the_page_is_the_numbers_of_the_figure():
    page = (ROOT / "docs" / "beta_vae.md").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines_of_the_page() if line not in page]
