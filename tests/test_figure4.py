"""Figure 4 and the figure on batches, small, on made-up images: files, claims, resumption, and the command."""

import csv
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import entropy
from test_digits import SHARED, files, needs_mnist

from rdae_ref import RateDistortion, forward, initial_parameters
from rdae_ref.cli import main
from rdae_ref.data.digits import centred, mnist
from rdae_ref.experiments import digit_runs, figure4, figure4_sweep
from rdae_ref.experiments.filters import window_shares
from rdae_ref.experiments.output import read_claims
from rdae_ref.experiments.supplement import figure_batches as batching
from rdae_ref.models import FixedDenoising, Reconstruction, WeightDecay
from rdae_ref.optimize import adam
from rdae_ref.optimize.checkpoint import read_checkpoint
from rdae_ref.pytree import ravel, tree_map

FIGURES = Path(__file__).parents[1] / "figures"
SMALL = digit_runs.Settings(n_samples=60, largest=25, epochs=3, n_hidden=12, start=0.1, seeds=(0, 1))
FEW = batching.Settings(
    n_digits=60,
    n_samples=50,
    n_hidden=6,
    sigma=2.0,
    sizes=(10, 20),
    blocks=10,
    sigmas=(1.0, 2.0),
    largest=25,
    epochs=2,
    seeds=(0, 1),
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Sixty images of 8 × 9 pixels: a bar across or down, at some place, with a border that is never active."""
    rng = np.random.default_rng(0)
    images = np.zeros((60, 8, 9), dtype=int)
    for image in images:
        place = rng.integers(1, 7)
        image[(slice(1, 7), place) if rng.random() < 0.5 else (place, slice(1, 8))] = rng.integers(100, 256)
    folder = tmp_path_factory.mktemp("mnist")
    return str(files(folder, images=images, labels=np.zeros(60, dtype=int)))


@pytest.fixture(scope="module")
def swept(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    result = figure4.run(SMALL, folder=folder, workers=map, source=source, sweep=True)
    return folder, result, figure4.write(result, folder, all_files=True)


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_figure_leaves_its_files_and_with_the_sweep_more(source, swept, tmp_path):
    folder, result, claims = swept
    only = figure4.run(SMALL, folder=tmp_path, workers=map, source=source)
    alone = figure4.write(only, tmp_path, all_files=True)
    own = {f"figure4.{kind}" for kind in ("png", "svg", "csv", "json")} | {"figure4_history.csv", "figure4_filters.npz"}
    assert {path.name for path in tmp_path.iterdir()} == own | {".runs"}
    for name in own - {"figure4_filters.npz"}:  # after a sweep it has the filters of the plain auto-encoder, too
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name
    more = {f"figure4_{what}.{kind}" for what in ("sweep", "regimes", "inactive") for kind in ("png", "svg")}
    more |= {"figure4_sweep.csv", "figure4_sweep.json", "figure4_sweep_history.csv"}
    assert {path.name for path in folder.iterdir()} == own | more | {".runs"}
    default = tmp_path / "default"
    assert figure4.write(only, default) == alone
    assert {path.name for path in default.iterdir()} == own - {"figure4.svg"}
    assert figure4.write(result, default) == claims
    on_demand = {name for name in own | more if name.endswith(".svg")} | {"figure4_sweep.csv"}
    assert {path.name for path in default.iterdir()} == (own | more) - on_demand
    assert [*read_claims(folder, "figure4"), *read_claims(folder, "figure4_sweep")] == list(claims)
    assert list(alone) == list(claims[: len(alone)])
    assert len({item.quantity for item in claims}) == len(claims)
    assert len(rows(folder / "figure4.csv")) == 12 * 2 * len(SMALL.seeds)
    assert len(rows(folder / "figure4_sweep.csv")) == 12 * 2 * (len(result.runs) - len(SMALL.seeds))
    assert len(rows(folder / "figure4_history.csv")) == SMALL.epochs * len(SMALL.seeds)
    content = json.loads((folder / "figure4.json").read_text(encoding="utf-8"))
    assert content["settings"]["digits"] == "MNIST"
    assert len(content["settings"]["pixels"]) == 64
    assert content["runs"][0]["distortion"] > 0
    assert not list((folder / ".runs").glob("*checkpoint*"))


def test_the_committed_claims_are_those_that_the_code_makes(swept):
    _, _, claims = swept
    committed = [item for name in ("figure4", "figure4_sweep") for item in read_claims(FIGURES, name)]
    said = [(item.sentence, item.quantity, item.threshold) for item in claims]
    assert said == [(item.sentence, item.quantity, item.threshold) for item in committed], "draw figure 4 again"


REGIMES = {
    **{name: digit_runs.REGIMES[name]._replace(sigma=1.7) for name in digit_runs.REGIMES},
    "everything": digit_runs.Regime(mu=0.3, noise=0.4, decay=0.01, sparsity=0.2, sigma=1.7),
}


@pytest.mark.parametrize("name", REGIMES)
def test_every_gradient_is_that_of_its_value(name):
    regime, rng = REGIMES[name], np.random.default_rng(0)
    X = rng.random(size=(20, 12))
    batch, inputs = digit_runs.batch_of(X, regime, 1.01), X + regime.noise * rng.normal(size=X.shape)
    start = initial_parameters(12, 7, rng, scale=0.5)
    x, unravel = ravel(start._replace(c=rng.normal(size=7), b=rng.normal(size=12)))
    gradient = ravel(digit_runs.value_and_gradient(unravel(x), batch, inputs, regime, 2)[1])[0]
    for _ in range(5):
        step = 1e-5 * rng.normal(size=x.size)
        up, down = (digit_runs.value_and_gradient(unravel(x + s * step), batch, inputs, regime, 2)[0] for s in (1, -1))
        assert up - down == pytest.approx(2 * gradient @ step, rel=1e-6)


def test_every_regime_is_the_sum_of_what_its_name_says():
    """L/μ of `RateDistortion`, the denoising error, weight decay, and the divergence of two coins, each by itself."""
    rng = np.random.default_rng(0)
    X, point = rng.random(size=(20, 12)), initial_parameters(12, 7, rng, scale=0.5)
    noisy = X + 0.4 * rng.normal(size=X.shape)

    def value(inputs=X, **regime):
        chosen = digit_runs.Regime(**{"mu": None, "noise": 0.0, "decay": 0.0, "sigma": 1.7} | regime)
        return digit_runs.value_and_gradient(point, digit_runs.batch_of(X, chosen, 1.01), inputs, chosen, 2)[0]

    objective = RateDistortion(X, activation="logsig", alpha=1.01, mu=0.3, sigma_x=1.7, sigma_xhat=1.7)
    assert value(mu=0.3) == pytest.approx(objective.value_and_gradient(point)[0] / 0.3, rel=1e-12)
    error = FixedDenoising(X, activation="logsig", corrupted=noisy[None]).terms(point).denoising_error
    assert value(noisy) == pytest.approx(-error, rel=1e-12)
    plain = WeightDecay(Reconstruction(X, activation="logsig"), strength=0.01)
    assert value(decay=0.01) == pytest.approx(plain.value_and_gradient(point)[0], rel=1e-12)
    activity = forward(point, X, "logsig").Zhat.mean(axis=0)
    coins = [entropy([0.05, 0.95], [q, 1 - q]) for q in activity]
    assert value(sparsity=0.2) - value() == pytest.approx(-0.2 * sum(coins), rel=1e-9)


def test_the_steps_are_those_of_adam(source):
    """With one batch and without noise a run is `rdae_ref.optimize.adam` on L/μ."""
    settings = replace(SMALL, largest=60, epochs=5, seeds=(0,))
    regime = digit_runs.Regime(noise=0.0, decay=0.0, sigma=2.0)
    X = centred(mnist(source, 60))
    training = digit_runs._Training(digit_runs.Task(digit_runs.Run("", 0), regime, settings, "", source, ""), X)
    for _ in range(5):
        training.epoch()
    objective = RateDistortion(X, activation="logsig", alpha=1.01, mu=0.5, sigma_x=2.0, sigma_xhat=2.0)
    start = initial_parameters(72, 12, np.random.default_rng([0, 1]), scale=0.1)

    class Scaled:
        def value_and_gradient(self, parameters):
            value, gradient = objective.value_and_gradient(parameters)
            return 2 * value, tree_map(lambda part: 2 * part, gradient)

    expected = ravel(adam(Scaled(), start, n_steps=5).x)[0]
    np.testing.assert_allclose(training.x, expected, rtol=1e-9, atol=1e-12)


def test_batches_are_clustered_or_new_in_each_epoch(source):
    X = centred(mnist(source, 60))
    task = digit_runs.Task(digit_runs.Run("", 0), digit_runs.Regime(), SMALL, "", source, "")
    training = digit_runs._Training(task, X)
    assert sum(len(batch.X) for batch in training.batches) == 60
    assert max(len(batch.X) for batch in training.batches) <= 25
    training = digit_runs._Training(replace(task, regime=digit_runs.Regime(clustered=False)), X)
    assert not training.batches
    first, second = training._random(), training._random()
    assert [len(batch.X) for batch in first] == [20, 20, 20]
    np.testing.assert_array_equal(np.sort(np.vstack([batch.X for batch in first]), axis=0), np.sort(X, axis=0))
    assert not np.array_equal(first[0].X, second[0].X)


def test_decay_and_noise_are_in_their_runs(swept):
    _, result, _ = swept
    plain, decayed, noisy = (result.outcomes(name)[0] for name in ("plain", "without noise", "without decay"))
    start = initial_parameters(72, 12, np.random.default_rng([0, 1]), scale=0.1)
    idle = figure4_sweep._inactive(result).reshape(8, 9)
    assert idle[0].all()
    assert idle[:, 0].all()
    assert not idle[1:7, 1:8].any()
    np.testing.assert_array_equal(plain["W"][:, idle.ravel()], start.W[:, idle.ravel()])  # nothing ever moves them
    assert np.linalg.norm(decayed["W"][:, idle.ravel()]) < 0.97 * np.linalg.norm(start.W[:, idle.ravel()])
    assert not np.array_equal(noisy["W"][:, idle.ravel()], start.W[:, idle.ravel()])


def test_the_filters_are_kept_as_data(swept):
    folder, result, _ = swept
    with np.load(folder / "figure4_filters.npz") as kept:
        assert set(kept) == {f"{a}_{n}" for a in "WA" for n in ("rate_distortion_0", "rate_distortion_1", "plain_0")}
        for letter, filters in (("W", result.outcomes()[1]["W"]), ("A", result.outcomes()[1]["A"].T)):
            scaled = kept[f"{letter}_rate_distortion_1"]
            assert (scaled.dtype, scaled.shape) == (np.int8, (12, 72))
            largest = np.abs(filters).max(axis=1, keepdims=True)
            np.testing.assert_allclose(scaled * largest / 127, filters, atol=0.51 * largest.max() / 127)


def test_the_committed_filters_have_the_shares_that_are_claimed():
    path = FIGURES / "figure4_filters.npz"
    assert path.stat().st_size < 1_000_000
    with np.load(path) as kept:
        for basis, letter in (("analysis", "W"), ("synthesis", "A")):
            (row,) = (c for c in read_claims(FIGURES, "figure4") if f"decay, {basis}: share" in c.quantity)
            images = [kept[f"{letter}_rate_distortion_{seed}"].astype(float) for seed in range(3)]
            shares = [np.mean(window_shares(image, (28, 28)) > digit_runs.LOCAL) for image in images]
            assert np.median(shares) == pytest.approx(row.median, abs=0.011)  # rounding to 127 levels


def test_a_run_that_was_broken_off_goes_on_from_its_checkpoint(source, swept, tmp_path, monkeypatch):
    _, result, _ = swept
    one_seed, epochs = replace(SMALL, seeds=(0,)), []

    def breaks(path, checkpoint):
        real(path, checkpoint)
        epochs.append(len(checkpoint.values))
        if len(epochs) == 2:
            raise KeyboardInterrupt

    real = digit_runs.write_checkpoint
    monkeypatch.setattr(digit_runs, "write_checkpoint", breaks)
    with pytest.raises(KeyboardInterrupt):
        figure4.run(one_seed, folder=tmp_path, workers=map, source=source)
    (checkpoint,) = (path for path in (tmp_path / ".runs").iterdir() if ".previous." not in path.name)
    assert len(read_checkpoint(checkpoint).values) == 2
    resumed = figure4.run(one_seed, folder=tmp_path, workers=map, source=source)
    assert epochs == [1, 2, 3]
    run = digit_runs.Run(digit_runs.STATED, 0)
    for name, value in result.runs[run].items():
        np.testing.assert_array_equal(resumed.runs[run][name], value)
    assert len(list((tmp_path / ".runs").iterdir())) == 1


def test_where_the_digits_lie_does_not_name_a_run_but_what_they_are_does(source, swept, tmp_path):
    folder, result, _ = swept
    shutil.copytree(folder / ".runs", tmp_path / "figures" / ".runs")
    moved = shutil.copytree(source, tmp_path / "elsewhere")
    before = {path.name for path in (folder / ".runs").iterdir()}
    figure4.run(SMALL, folder=tmp_path / "figures", workers=map, source=str(moved), sweep=True)
    assert {path.name for path in (tmp_path / "figures" / ".runs").iterdir()} == before
    other = figure4.run(replace(SMALL, n_samples=59), folder=tmp_path / "figures", workers=map, source=str(moved))
    assert len({path.name for path in (tmp_path / "figures" / ".runs").iterdir()}) == len(before) + 2
    assert not np.array_equal(other.outcomes()[0]["W"], result.outcomes()[0]["W"])


def test_measures_of_a_basis_of_digits(source):
    digits = mnist(source, 60)
    X = centred(digits)
    basis = digit_runs.ordered_basis(digit_runs.Parameters(X[:5], np.zeros(5), X[:5].T, np.zeros(72)))
    found = digit_runs.measures(digits, basis, "synthesis")
    assert found.similarity == pytest.approx(1)
    point = np.eye(72)[40:41]
    alone = digit_runs.measures(digits, digit_runs.Basis(point, point), "analysis")
    assert (alone.local, alone.window) == (1, 1)
    both = digit_runs.Basis(np.vstack([np.arange(72) % 7 - 3.0, point]), np.ones((2, 72)))
    assert digit_runs.measures(digits, both, "analysis").local == 0.5


# ------------------------------------------------------------------------------------------------------------- batching


@pytest.mark.parametrize("degrees", [0, 1e-6, 30, 90, 150, 180])
def test_agreement_of_vectors_at_a_known_angle(degrees):
    G = np.array([2.0, 0.0, 0.0])
    g = 3 * np.array([np.cos(np.radians(degrees)), 0.0, np.sin(np.radians(degrees))])
    found = batching.agreement(g, G)
    assert found.angle == pytest.approx(degrees, abs=1e-12)
    assert found.error == pytest.approx(np.sqrt(9 + 4 - 12 * np.cos(np.radians(degrees))) / 2)


def test_the_figure_on_batches_leaves_its_files(source, tmp_path):
    result = batching.run(FEW, folder=tmp_path, workers=map, source=source)
    claims = batching.write(result, tmp_path)
    kinds = ("png", "csv", "json")
    assert {p.name for p in tmp_path.iterdir()} == {
        *(f"batches.{k}" for k in kinds), "batches_sigma.csv", "batches_sigma.png", ".runs"
    }  # fmt: skip
    assert batching.write(result, tmp_path / "all", all_files=True) == claims
    assert {p.name for p in (tmp_path / "all").iterdir()} == {
        *(f"batches.{kind}" for kind in (*kinds, "svg")), *(f"batches_sigma.{kind}" for kind in ("csv", "png", "svg"))
    }  # fmt: skip
    assert read_claims(tmp_path, "batches") == list(claims)
    assert {item.figure for item in claims} == {"batches"}
    assert len(rows(tmp_path / "batches.csv")) == 2 * 2 * 2 * 2 * 2  # seeds, mean or single, points, kinds, sizes
    assert len(rows(tmp_path / "batches_sigma.csv")) == 2 * 2 * 2


def test_one_batch_of_all_samples_has_the_gradient_of_the_whole(source):
    X = centred(mnist(source, 40))
    point = initial_parameters(72, 4, np.random.default_rng(0), scale=0.5)
    everything = [{kind: [np.arange(40)] for kind in batching.KINDS}]
    for table in batching._agreements(X, point, everything, FEW):
        for found in table[0]:
            assert found.angle == pytest.approx(0, abs=1e-9)
            assert found.error == pytest.approx(0, abs=1e-12)


def test_where_the_kernel_sees_only_neighbours_clustered_batches_are_the_better_ones():
    """Four clusters far apart, in the outputs too: the reason of §4.2, where it holds."""
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(15, 6)) + 30 * np.eye(6)[k] for k in range(4)])
    X = rng.permutation(X - X.mean(axis=0))
    point = initial_parameters(6, 20, rng, scale=1.0)
    clustered, random = batching._agreements(X, point, [batching._divisions(X, 15, rng)], replace(FEW, sigma=1.0))
    assert clustered[0][0].angle < 0.05 * random[0][0].angle
    assert clustered[0][0].error < 0.05 * random[0][0].error


# ---------------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def small_settings(monkeypatch):
    monkeypatch.setattr(figure4, "run", functools.partial(figure4.run, SMALL))


def test_without_digits_figure_4_is_refused_by_name_and_left_out_otherwise(monkeypatch, capsys, tmp_path):
    from rdae_ref.experiments import figure1, figure2, figure3

    monkeypatch.delenv("RDAE_MNIST", raising=False)
    assert main(["figures", "4", "--output", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in ("figure 4", "--mnist", "RDAE_MNIST", "rdae-ref fetch"))
    drawn = []
    for module in (figure1, figure2, figure3):
        monkeypatch.setattr(module, "run", lambda name=module.__name__, **_: drawn.append(name))
        monkeypatch.setattr(module, "write", lambda *_, **__: [])
    assert main(["figures", "--output", str(tmp_path)]) == 0
    assert [name[-1] for name in drawn] == ["1", "2", "3"]
    said = capsys.readouterr().err.strip()
    assert said.startswith("skipped: figure 4, which needs the digits of MNIST")
    assert "\n" not in said


@pytest.mark.parametrize("option", [True, False], ids=["option", "variable"])
def test_with_digits_it_is_drawn(option, source, swept, small_settings, monkeypatch, capsys, tmp_path):
    shutil.copytree(swept[0] / ".runs", tmp_path / ".runs")
    monkeypatch.setenv("RDAE_MNIST", str(tmp_path) if option else source)
    arguments = ["--mnist", source, "--sweep"] if option else []
    assert main(["figures", "4", "--output", str(tmp_path), "--workers", "1", *arguments]) == 0
    assert "figure 4:" in capsys.readouterr().out
    assert (tmp_path / "figure4_sweep.json").exists() == option
    for file in tmp_path.glob("figure4*.json"):
        assert file.read_bytes() == (swept[0] / file.name).read_bytes()


def test_a_folder_without_mnist_is_named(tmp_path, capsys):
    assert main(["figures", "4", "--mnist", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert f"in {tmp_path}: put the files of MNIST there" in capsys.readouterr().err


def test_the_small_digits_of_scikit_learn_have_files_of_their_own(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn, which has the small digits, is not installed")
    settings = replace(SMALL, n_samples=40, largest=40, epochs=1)
    figure4.write(figure4.run(settings, folder=tmp_path, workers=map, source="sklearn"), tmp_path)
    assert "figure4_small.png" in os.listdir(tmp_path)
    content = json.loads((tmp_path / "figure4_small.json").read_text(encoding="utf-8"))
    assert content["settings"]["digits"] == "scikit-learn"


KILLED = """
import sys, time
from rdae_ref.experiments import digit_runs
write = digit_runs.write_checkpoint
def slowly(*arguments):
    write(*arguments)
    time.sleep(float(sys.argv[3]))
digit_runs.write_checkpoint = slowly
settings = digit_runs.Settings(n_samples=60, largest=25, epochs=6, n_hidden=12, start=0.1, seeds=(0,))
digit_runs.run(settings, folder=sys.argv[1], workers=map, source=sys.argv[2])
"""


def test_a_killed_figure_goes_on_to_the_same_bits(source, tmp_path):
    def command(folder, pause):
        return [sys.executable, "-c", KILLED, str(tmp_path / folder), source, str(pause)]

    process = subprocess.Popen(command("killed", 0.3))
    kept, deadline = tmp_path / "killed" / ".runs", time.monotonic() + 60
    while not list(kept.glob("*.previous.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (checkpoint,) = (path for path in kept.glob("*.checkpoint.npz"))
    assert 1 <= len(read_checkpoint(checkpoint).values) < 6
    for folder in ("killed", "whole"):
        subprocess.run(command(folder, 0), check=True)
    (killed,), (whole,) = (list((tmp_path / folder / ".runs").iterdir()) for folder in ("killed", "whole"))
    assert killed.read_bytes() == whole.read_bytes()


@needs_mnist
def test_on_mnist_it_learns(tmp_path):
    settings = digit_runs.Settings(n_samples=400, epochs=40, n_hidden=30, start=0.05, seeds=(0,))
    result = figure4.run(settings, folder=tmp_path, workers=map, source=str(SHARED))
    (outcome,) = result.outcomes()
    assert outcome["distortion"] < 0.8 * centred(result.digits).var(axis=0).sum()
    assert outcome["values"][-1] > outcome["values"][0] + 3
