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
from test_digits import SHARED, files, needs_mnist

from rdae_ref import RateDistortion, initial_parameters
from rdae_ref.cli import main
from rdae_ref.data.digits import centred, mnist
from rdae_ref.experiments import digit_runs, figure4, figure4_sweep
from rdae_ref.experiments.output import read_claims
from rdae_ref.experiments.supplement import figure_batches as batching
from rdae_ref.optimize.checkpoint import read_checkpoint
from rdae_ref.pytree import ravel

FIGURES = Path(__file__).parents[1] / "figures"
SMALL = digit_runs.Settings(
    full=digit_runs.Budget(60, 25, 3),
    short=digit_runs.Budget(50, 20, 2),
    n_hidden=12,
    sigma=2.0,
    start=0.1,
    sweep=(2.0, 0.05),
    kernels=(1.0, 0.5),
    kernel_mus=(0.5, 0.1),
    seeds=(0, 1),
)
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
    own = {f"figure4.{kind}" for kind in ("png", "svg", "csv", "json")} | {"figure4_history.csv"}
    assert {path.name for path in tmp_path.iterdir()} == own | {".runs"}
    for name in own:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name
    more = {f"figure4_{what}.{kind}" for what in ("control", "sweep", "kernels", "inactive") for kind in ("png", "svg")}
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
    assert len(rows(folder / "figure4_history.csv")) == 3 * len(SMALL.seeds)
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


def test_each_model_is_what_its_name_says(source):
    """Every objective of the figure against central differences, and as the settings say."""
    X = centred(mnist(source, 60))
    for model, mu in (("rate-distortion", 0.7), ("plain", 0.7), ("decay", 0.7)):
        task = digit_runs.Task(digit_runs.Run(model, mu, 1.7, SMALL.full, 0), SMALL, "", source, "")
        batched, rng = digit_runs.batched_objective(X, task), np.random.default_rng(0)
        x, unravel = ravel(initial_parameters(72, 3, rng))
        step = 1e-5 * rng.normal(size=x.size)
        slope = batched.value_and_gradient(unravel(x + step))[0] - batched.value_and_gradient(unravel(x - step))[0]
        gradient = ravel(batched.value_and_gradient(unravel(x))[1])[0]
        assert slope == pytest.approx(2 * gradient @ step, rel=1e-6)
        parts = [getattr(one, "objective", one) for one in batched.objectives]
        assert sum(len(part.X) for part in parts) == 60
        assert max(len(part.X) for part in parts) <= 25
        inside = parts[0]
        assert isinstance(inside, RateDistortion) == (model != "plain")
        if model != "plain":
            assert (inside.mu, inside.sigma_x, inside.sigma_xhat, inside.alpha) == (0.7, 1.7, 1.7, 1.01)


def test_the_plain_control_has_the_steps_of_the_distortion_alone(source, tmp_path):
    """Without the entropy the rate-distortion one would go the very same way: at a large μ it nearly does."""
    one = {"settings": replace(SMALL, mu=1e9), "pixels": "", "source": source, "checkpoints": str(tmp_path)}
    plain, ours = (
        digit_runs.train_one(digit_runs.Task(digit_runs.Run(model, 1e9, 2.0, SMALL.full, 0), **one))
        for model in ("plain", "rate-distortion")
    )
    for name in ("W", "c", "A", "b"):
        np.testing.assert_allclose(ours[name], plain[name], rtol=1e-6, atol=1e-9)


def test_decay_and_noise_are_in_their_runs(swept):
    _, result, _ = swept
    models = ("rate-distortion", "decay", "noise")
    as_it_is, decayed, noisy = (result.outcomes(model, swept=True)[0] for model in models)
    start = initial_parameters(72, 12, np.random.default_rng([0, 1]), scale=0.1)
    idle = figure4_sweep._inactive(result).reshape(8, 9)
    assert idle[0].all()
    assert idle[:, 0].all()
    assert not idle[1:7, 1:8].any()
    np.testing.assert_array_equal(as_it_is["W"][:, idle.ravel()], start.W[:, idle.ravel()])  # nothing ever moves them
    assert (np.abs(decayed["W"][:, idle.ravel()]) < np.abs(start.W[:, idle.ravel()])).all()
    assert not np.array_equal(noisy["W"][:, idle.ravel()], start.W[:, idle.ravel()])
    assert noisy["distortion"] > as_it_is["distortion"]  # that of 72 noisy pixels


def test_a_run_that_was_broken_off_goes_on_from_its_checkpoint(source, swept, tmp_path, monkeypatch):
    _, result, _ = swept
    one_seed, epochs = replace(SMALL, seeds=(0,)), []

    def breaks(path, checkpoint):
        real(path, checkpoint)
        epochs.append(len(checkpoint.values))
        if len(epochs) == 2:
            raise KeyboardInterrupt

    from rdae_ref.optimize import batched as module

    real = module.write_checkpoint
    monkeypatch.setattr(module, "write_checkpoint", breaks)
    with pytest.raises(KeyboardInterrupt):
        figure4.run(one_seed, folder=tmp_path, workers=map, source=source)
    (checkpoint,) = (path for path in (tmp_path / ".runs").iterdir() if ".previous." not in path.name)
    assert len(read_checkpoint(checkpoint).values) == 2
    resumed = figure4.run(one_seed, folder=tmp_path, workers=map, source=source)
    assert epochs == [1, 2, 3]
    run = digit_runs.Run("rate-distortion", 0.5, 2.0, SMALL.full, 0)
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
    fewer = digit_runs.Budget(59, 25, 3)
    other = figure4.run(replace(SMALL, full=fewer), folder=tmp_path / "figures", workers=map, source=str(moved))
    assert len({path.name for path in (tmp_path / "figures" / ".runs").iterdir()}) == len(before) + 2
    assert not np.array_equal(other.outcomes()[0]["W"], result.outcomes()[0]["W"])


def test_measures_of_a_basis_of_digits(source):
    digits = mnist(source, 60)
    X = centred(digits)
    basis = digit_runs.ordered_basis(digit_runs.Parameters(X[:5], np.zeros(5), X[:5].T, np.zeros(72)))
    found = digit_runs.measures(digits, basis, "synthesis")
    assert found.similarity == pytest.approx(1)
    assert 0.5 < found.extent < 2
    point = np.eye(72)[40:41]
    alone = digit_runs.Basis(point, point)
    assert digit_runs.measures(digits, alone, "analysis").extent == 0
    loud = digit_runs.Basis(np.vstack([X[:1], point]), np.vstack([1e-6 * X[:1], point]))
    assert digit_runs.measures(digits, loud, "analysis").extent < 1e-9  # the first unit says nothing in the outputs


def test_a_timed_epoch_is_the_first_epoch_of_the_objective(source):
    digits = mnist(source, 60)
    epoch = digit_runs.timed_epoch(digits, SMALL)
    first, second = epoch(), epoch()
    assert first.nit == 1
    np.testing.assert_array_equal(first.x.W, second.x.W)


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
    assert {p.name for p in tmp_path.iterdir()} == {*(f"batches.{k}" for k in kinds), "batches_sigma.csv", ".runs"}
    assert batching.write(result, tmp_path / "all", all_files=True) == claims
    assert {p.name for p in (tmp_path / "all").iterdir()} == {
        *(f"batches.{kind}" for kind in (*kinds, "svg")), "batches_sigma.csv"
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
    assert said.startswith("left out: figure 4, which needs the digits of MNIST")
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
    settings = replace(SMALL, full=digit_runs.Budget(40, 40, 1))
    figure4.write(figure4.run(settings, folder=tmp_path, workers=map, source="sklearn"), tmp_path)
    assert "figure4_small.png" in os.listdir(tmp_path)
    content = json.loads((tmp_path / "figure4_small.json").read_text(encoding="utf-8"))
    assert content["settings"]["digits"] == "scikit-learn"


KILLED = """
import sys, time
from rdae_ref.experiments import digit_runs
from rdae_ref.optimize import batched
write = batched.write_checkpoint
def slowly(*arguments):
    write(*arguments)
    time.sleep(float(sys.argv[3]))
batched.write_checkpoint = slowly
settings = digit_runs.Settings(full=digit_runs.Budget(60, 25, 6), n_hidden=12, sigma=2.0, start=0.1, seeds=(0,))
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
    settings = digit_runs.Settings(full=digit_runs.Budget(400, 100, 15), n_hidden=30, start=0.05, seeds=(0,))
    result = figure4.run(settings, folder=tmp_path, workers=map, source=str(SHARED))
    (outcome,) = result.outcomes()
    assert outcome["distortion"] < 0.8 * centred(result.digits).var(axis=0).sum()
    assert outcome["values"][-1] > outcome["values"][0] + 3
