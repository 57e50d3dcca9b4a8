import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import OptimizeResult
from scipy.stats import binom
from threadpoolctl import threadpool_limits

from rdae_ref import initial_parameters, paper
from rdae_ref.cli import main
from rdae_ref.cli.figures import RUNS, _update
from rdae_ref.experiments import FIGURES, VARIED, figure1, figure2, figure3, load, stem, training
from rdae_ref.experiments.claims import (
    BEGIN,
    END,
    RUNS_BEGIN,
    RUNS_END,
    agreed,
    claim,
    claims_table,
    median_interval,
    runs_table,
    with_runs,
)
from rdae_ref.experiments.output import palette_png, read_claims, runs_of, write_csv, write_figure, write_json
from rdae_ref.experiments.runs import CacheWarning, run_all
from rdae_ref.experiments.supplement import figure_samples as samples
from rdae_ref.experiments.training import (
    Training,
    finished,
    jacobians,
    starting_point,
    train_plain,
    train_rate_distortion,
    variant,
)
from rdae_ref.optimize import maximize
from rdae_ref.workers import Processes

FIGURE_FOLDER = Path(__file__).parents[1] / "figures"
TINY = Training(
    n_hidden=4, factors=(8, 1), max_iterations=(5, 5), n_quadratic=1, n_first=15, last_iterations=3, plain_iterations=20
)
SETTINGS = {
    "figure1": figure1.Settings(n_samples=20, training=TINY, seeds=(0, 1)),
    "figure2": figure2.Settings(
        n_samples=20, training=TINY, sweep=(3.0, 0.5), sweep_samples=20, sweep_iterations=5, seeds=(0, 1)
    ),
    "figure3": figure3.Settings(
        n_samples=20, training=TINY, n_copies=1, noise_iterations=10, n_fresh=150, step=2.0, seeds=(0, 1)
    ),
}
MODULES = {"figure1": figure1, "figure2": figure2, "figure3": figure3}
HEADINGS = {
    "figure1": "unit,seed,sample,x1,x2,xhat1,xhat2",
    "figure2": "unit,seed,sample,component,x1,x2,xhat1,xhat2",
    "figure3": "model,x1,x2,energy",
}
MEMBERS = {
    "figure1": {"linear", "relu", "logsig", "plain-linear", "plain-relu", "plain-logsig"},
    "figure2": {"linear", "relu", "logsig", "satlin"},
    "figure3": {"plain", "denoising", "rate-distortion"},
}


def files_in(folder):
    return {path.name for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", MODULES)
def test_a_figure_leaves_its_files_and_draws_the_same_bytes_twice(name, tmp_path):
    module, settings = MODULES[name], SETTINGS[name]
    first, second = tmp_path / "first", tmp_path / "second"
    claims = module.write(module.run(settings, folder=first, workers=map), first, all_files=True)
    result = module.run(settings, folder=second, workers=map)
    module.write(result, second, all_files=True)
    files = files_in(first)
    assert {f"{name}.{kind}" for kind in ("png", "svg", "csv", "json")} <= files
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file
    assert module.write(result, tmp_path / "default") == claims
    on_demand = {file for file in files if file.endswith((".svg", "_jacobian.csv", "_seeds.csv"))}
    assert files_in(tmp_path / "default") == files - on_demand
    for file in files - on_demand:
        assert (tmp_path / "default" / file).read_bytes() == (first / file).read_bytes(), file
    assert read_claims(first, name) == list(claims)
    with open(first / f"{name}.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert ",".join(rows[0]) == HEADINGS[name]
    assert {row[0] for row in rows[1:]} == MEMBERS[name]
    content = json.loads((first / f"{name}.json").read_text())
    assert content["settings"]["n_samples"] == 20
    assert {"numpy", "scipy", "python", "rdae_ref"} <= set(content["versions"])
    assert all(entry["quantity"] and entry["threshold"] for entry in content["claims"])


def test_the_csv_of_figure_2_is_the_outputs_of_the_runs(tmp_path):
    result = figure2.run(SETTINGS["figure2"], folder=tmp_path, workers=map)
    figure2.write(result, tmp_path)
    with open(tmp_path / "figure2.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["unit"] == "satlin"]
    out = result.runs["rate-distortion", "satlin", 0]
    assert len(rows) == 20
    np.testing.assert_allclose([float(row["xhat2"]) for row in rows], out["Xhat"][:, 1], rtol=1e-9)
    assert [int(row["component"]) for row in rows] == list(out["component"])


def counted(task):
    with open(task["log"], "a") as file:
        file.write("x")
    if task["seed"] == task.get("fails"):
        raise RuntimeError("broken run")
    return {"square": np.array(task["seed"]) ** 2, "name": "a"}


def test_finished_runs_are_not_repeated_and_a_broken_job_continues(tmp_path):
    log = tmp_path / "log"
    tasks = [{"seed": seed, "log": str(log)} for seed in range(4)]
    with pytest.raises(RuntimeError, match="broken run"):
        run_all(counted, [*tasks[:2], tasks[2] | {"fails": 2}], folder=tmp_path / "runs", workers=map)
    assert len(log.read_text()) == 3
    outcomes = run_all(counted, tasks, folder=tmp_path / "runs", workers=map)
    assert [int(outcome["square"]) for outcome in outcomes] == [0, 1, 4, 9]
    assert len(log.read_text()) == 5  # two new ones
    run_all(counted, tasks, folder=tmp_path / "runs", workers=map)
    assert len(log.read_text()) == 5


def test_a_damaged_file_of_a_run_is_made_anew(tmp_path):
    log, runs = tmp_path / "log", tmp_path / "runs"
    tasks = [{"seed": 3, "log": str(log)}]
    run_all(counted, tasks, folder=runs, workers=map)
    (file,) = runs.iterdir()
    file.write_bytes(file.read_bytes()[:50])
    with pytest.warns(CacheWarning, match="is not an npz file"):
        assert int(run_all(counted, tasks, folder=runs, workers=map)[0]["square"]) == 9
    assert len(log.read_text()) == 2


def cube(task):
    return {"cube": np.array(float(task)) ** 3}


def test_processes_and_any_map_give_the_same(tmp_path):
    expected = [0.0, 1.0, 8.0]
    for k, workers in enumerate((1, 2, map)):
        outcomes = run_all(cube, [0, 1, 2], folder=tmp_path / str(k), workers=workers)
        assert [float(outcome["cube"]) for outcome in outcomes] == expected
    for bad, error in ((0, ValueError), (1.5, TypeError), ("two", TypeError)):
        with pytest.raises(error, match="workers"):
            run_all(cube, [0], folder=tmp_path / "bad", workers=bad)


def not_two(task):
    if task == 2:
        raise ZeroDivisionError
    return cube(task)


def test_processes_that_are_given_go_on_after_a_run_that_fails(tmp_path):
    with Processes(1) as pool:
        with pytest.raises(ZeroDivisionError):
            run_all(not_two, [1, 2], folder=tmp_path, workers=pool)
        later = pool(cube, [3])
        (outcome,) = run_all(not_two, [1], folder=tmp_path, workers=pool)
        assert (outcome["cube"], next(later)["cube"]) == (1, 27)


@pytest.mark.parametrize("n", [5, 6, 8, 9, 12, 20, 51])
def test_the_interval_of_the_median_is_the_narrowest_between_order_statistics_that_covers_it(n):
    """P(x_(k) <= median <= x_(n+1−k)) = P(k <= Bin(n, ½) <= n − k), from SciPy's binomial."""
    values = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    covers = [k for k in range(1, n // 2 + 1) if binom.cdf(n - k, n, 0.5) - binom.cdf(k - 1, n, 0.5) >= 0.95]
    assert median_interval(values) == ((max(covers), n + 1 - max(covers)) if covers else None)


def test_a_claim_is_decided_by_the_whole_interval():
    low, high, outlier = [1.0] * 9, [9.0] * 9, [1.0] * 8 + [9.0]
    for values, verdict in ((low, "yes"), (high, "no"), (outlier, "yes"), ([1.0] * 7 + [9.0] * 2, "undecided")):
        found = claim("1", "says", "angle", values, at_most=5)
        assert (found.verdict, found.holds) == (verdict, verdict == "yes")
        assert claim("1", "says", "angle", [-v for v in values], at_least=-5).verdict == verdict
    found = claim("1", "says", "angle", outlier, at_most=5)
    assert (found.median, found.low, found.high, found.interval, found.seeds_that_hold) == (1, 1, 9, (1, 1), "8 of 9")


def test_with_three_seeds_all_must_agree():
    undecided = claim("1", "says", "angle", [1.0, 2.0, 9.0], at_most=5)
    assert (undecided.median, undecided.low, undecided.high, undecided.interval) == (2.0, 1.0, 9.0, None)
    assert (undecided.verdict, undecided.seeds_that_hold) == ("undecided", "2 of 3")
    assert claim("1", "says", "angle", [1.0, 2.0, 3.0], at_most=5).verdict == "yes"
    broken = claim("1", "says", "ratio", [0.1, 0.2, 0.3], at_least=0.75)
    assert broken.verdict == "no"
    assert broken.threshold == ">= 0.75"
    decided = claim("1", "says", "ratio", range(1, 10), at_least=0.75)
    table = claims_table([undecided, broken._replace(quantity="|std|"), decided])
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()} == {8}
    for said in ("**no**", "**undecided**", "2 (1 to 9)", "5 [2, 8]"):
        assert said in table
    assert table.count("| says |") == 1
    for bounds in ({}, {"at_most": 1, "at_least": 0}):
        with pytest.raises(ValueError, match="one of at_most and at_least"):
            claim("1", "says", "angle", [1.0], **bounds)


@pytest.mark.parametrize("unit", ["softplus", "linear"])
def test_the_jacobian_is_that_of_the_map(unit):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    W, c, A, b = parameters = train_plain(X, unit, replace(TINY, plain_iterations=50), rng).parameters
    step = 1e-6

    def f(x):
        z = W @ x + c
        return A @ (np.log(1 + np.exp(z)) if unit == "softplus" else z) + b

    numeric = [np.column_stack([(f(x + step * u) - f(x - step * u)) / (2 * step) for u in np.eye(2)]) for x in X]
    np.testing.assert_allclose(jacobians(parameters, X, unit), numeric, rtol=1e-6, atol=1e-8)


def test_alignment_of_a_projection_and_of_a_turned_cloud():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2)) * [3, 1]
    axes = np.linalg.eigh(np.cov(X.T))[1]
    onto_first = 0.5 * X @ np.outer(axes[:, 1], axes[:, 1])
    angle, major, minor = figure1.alignment(X, onto_first)
    assert angle == pytest.approx(0, abs=1e-4)
    assert (major, minor) == (pytest.approx(0.5), pytest.approx(0, abs=1e-12))
    turn = np.radians(20)
    R = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    assert figure1.alignment(X, X @ R.T)[0] == pytest.approx(20, abs=1e-9)


def test_displaced_points_are_displaced_by_delta():
    from rdae_ref.data import mixture, project_on_ridge

    fresh = mixture(400, np.random.default_rng(0)).X
    for delta in (0.0, 0.5, 1.0, 2.0):
        points, rows = figure3._displaced(fresh, delta)
        np.testing.assert_allclose(project_on_ridge(points).distance, delta, rtol=1e-3, atol=1e-9)
        foot = project_on_ridge(fresh).foot[rows]
        np.testing.assert_allclose(np.linalg.norm(points - foot, axis=1), delta, rtol=1e-9, atol=1e-12)
        assert len(points) > 400


def test_energies_by_arm_are_those_of_the_points_on_it():
    """An auto-encoder whose outputs are zero has the energy |x|²."""
    from rdae_ref.data import mixture, project_on_ridge

    fresh, nothing = mixture(900, np.random.default_rng(0)).X, initial_parameters(2, 3, np.random.default_rng(0), 0.0)
    settings = replace(SETTINGS["figure3"], n_places=3)
    found = {name: np.array(value) for name, value in figure3._along_arms(nothing, fresh, settings).items()}
    assert found["arm_energies"].shape == (4, 3)
    assert found["place_energies"].shape == (4, 3, 3)
    feet = project_on_ridge(fresh).foot
    for k, (low, high) in enumerate(((-np.inf, 0), (0, 4), (4, np.inf))):
        arm = feet[(feet[:, 0] > low) & (feet[:, 0] <= high)]
        E = np.sum(arm**2, axis=1)[np.argsort(arm[:, 0])]
        assert found["arm_energies"][0, k] == pytest.approx(np.median(E))
        if len(E) % 3 == 0:
            np.testing.assert_allclose(found["place_energies"][0, k], np.median(E.reshape(3, -1), axis=1))
    assert found["energies"][0] == pytest.approx(np.median(np.sum(feet**2, axis=1)))


def test_writing_figures_leaves_the_users_style_alone(tmp_path):
    import matplotlib as mpl
    from matplotlib.figure import Figure

    before = dict(mpl.rcParams)
    figure = Figure()
    figure.subplots().plot([0, 1])
    assert [path.suffix for path in write_figure(figure, tmp_path / "new", "f")] == [".png"]
    assert [path.suffix for path in write_figure(figure, tmp_path / "new", "f", svg=True)] == [".png", ".svg"]
    assert dict(mpl.rcParams) == before
    write_csv(tmp_path, "t", ("a", "b"), [(1, 0.5), ("x", np.float64(1) / 3)])
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,0.5\nx,0.3333333333\n"
    write_json(tmp_path, "t", {"alpha": 1.01}, [])
    assert json.loads((tmp_path / "t.json").read_text())["settings"] == {"alpha": 1.01}


def test_a_picture_has_a_palette_whose_colours_are_those_of_the_picture():
    """A landscape in 256 colours and a thin line: each pixel within 8 of 255 levels, white stays white."""
    from matplotlib import colormaps
    from PIL import Image

    levels = colormaps["viridis"](np.linspace(0, 1, 4000).reshape(40, 100))[..., :3]
    pixels = np.full((60, 120, 3), 255, dtype=np.uint8)
    pixels[10:50, 10:110] = np.round(255 * levels)
    pixels[:, 5] = [213, 94, 0]
    content = palette_png(Image.fromarray(pixels))
    assert content == palette_png(Image.fromarray(pixels))
    image = Image.open(io.BytesIO(content))
    assert (image.mode, image.size) == ("P", (120, 60))
    back = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(back - pixels).max() <= 8
    assert (back[0, 10] == 255).all()


@pytest.mark.parametrize("path", sorted(FIGURE_FOLDER.glob("*.png")), ids=lambda path: path.name)
def test_the_committed_pictures_have_a_palette(path):
    from PIL import Image

    with Image.open(path) as image:
        assert image.mode == "P"
        assert image.info.get("Software") is None


def test_the_committed_figures_are_small():
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "figures"], cwd=FIGURE_FOLDER.parent, capture_output=True, text=True, check=False
    )
    if tracked.returncode or not tracked.stdout:
        pytest.skip("not a git repository")
    names = tracked.stdout.rstrip("\0").split("\0")
    paths = [path for name in names if (path := FIGURE_FOLDER.parent / name).exists()]
    assert sum(path.stat().st_size for path in paths) <= 8_000_000
    assert not [path.name for path in paths if path.suffix == ".svg"]


def test_the_command_lists_figures_and_refuses_unknown_ones(capsys):
    assert main(["figures", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"\n{name} " in f"\n{listed}" for name in FIGURES)
    assert main(["figures", "one"]) == 2
    assert "figure must be one of" in capsys.readouterr().err


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_the_four_functions(name):
    module = load(name)
    assert all(callable(getattr(module, function)) for function in ("run", "draw", "claims", "write"))


def test_an_interrupt_leaves_by_exit_code_130_and_a_sentence(monkeypatch, capsys):
    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(figure1, "run", interrupted)
    assert main(["figures", "1"]) == 130
    assert "finished runs are kept" in capsys.readouterr().err


@pytest.mark.parametrize("name", MODULES)
def test_the_committed_claims_are_those_that_the_code_makes(name, tmp_path):
    module = MODULES[name]
    claims = module.claims(module.run(SETTINGS[name], folder=tmp_path, workers=map))
    committed = read_claims(FIGURE_FOLDER, name)
    said = [(item.sentence, item.quantity, item.threshold) for item in claims]
    assert said == [(item.sentence, item.quantity, item.threshold) for item in committed], "run scripts/reproduce"


def test_a_run_that_was_broken_off_is_not_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        finished(OptimizeResult(message="interrupted"))
    assert finished(OptimizeResult(message="done")).message == "done"

    def broken_off(task):
        return finished(OptimizeResult(message="interrupted"))

    with pytest.raises(KeyboardInterrupt):
        run_all(broken_off, [1], folder=tmp_path, workers=map)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_all_processes_and_keeps_whole_runs_only(tmp_path):
    command = [sys.executable, "-m", "rdae_ref", "figures", "1", "--workers", "2", "--output", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    runs, deadline = tmp_path / ".runs", time.monotonic() + 120
    while not list(runs.glob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "finished runs are kept" in errors
    assert "Traceback" not in errors
    kept = list(runs.glob("*.npz"))
    assert kept
    assert not [path for path in runs.iterdir() if path.suffix != ".npz"]
    for path in kept:  # linear units end where the gradient vanishes: D is that of μ, not of the first factor 64 μ
        with np.load(path) as outcome:
            assert outcome["distortion"] > 0.05


def test_the_table_of_a_page_keeps_the_figures_that_were_not_drawn(tmp_path, capsys):
    for name in ("figure1", "figure2"):
        write_json(tmp_path, name, {}, [claim(name[-1], f"about {name}", "q", [1.0], at_most=2)])
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n")
    _update(page, tmp_path)
    text = page.read_text()
    assert "about figure1" in text
    assert "about figure2" in text
    assert "stale" not in text
    page.write_text("no table")
    assert main(["figures", "1", "--claims", str(page), "--output", str(tmp_path)]) == 2
    assert "marks" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------- the equations as printed


@pytest.mark.parametrize("name", MODULES)
def test_a_literal_figure_runs_the_printed_equations_into_files_of_its_own(name, tmp_path, monkeypatch):
    module, settings = MODULES[name], variant(replace(SETTINGS[name], seeds=(0,)), "literal")
    result = module.run(settings, folder=tmp_path, workers=map)
    module.write(result, tmp_path)
    files = files_in(tmp_path)
    assert files == {f"{name}_literal.png", f"{name}_literal.json"}
    content = json.loads((tmp_path / f"{name}_literal.json").read_text(encoding="utf-8"))
    assert content["settings"]["training"]["method"] == "paper"
    default = module.run(replace(SETTINGS[name], seeds=(0,)), folder=tmp_path, workers=map)
    assert result.runs.keys() == default.runs.keys()
    for key, outcome in result.runs.items():  # a few iterations, in which rounding has not grown yet
        for term, value in outcome.items():
            if np.ndim(value) == 0:
                assert value == pytest.approx(default.runs[key][term], rel=1e-4, abs=1e-9), (key, term)

    def broken(A, alpha):
        raise ZeroDivisionError

    monkeypatch.setattr(paper, "entropy_gradient", broken)
    with pytest.raises(ZeroDivisionError):
        module.run(settings, folder=tmp_path / "new", workers=map)


def test_the_command_draws_literal_figures_and_only_those_of_the_paper(tmp_path, monkeypatch, capsys):
    run, small = figure1.run, SETTINGS["figure1"]
    claims = figure1.claims(run(small, folder=tmp_path, workers=map))
    for name in ("figure1", "figure1_shifted"):
        write_json(tmp_path, name, {}, claims)

    def run_small(settings, **more):
        assert settings == variant(figure1.Settings(), "literal")
        return run(variant(small, "literal"), **more)

    monkeypatch.setattr(figure1, "run", run_small)
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n{RUNS_BEGIN}\nstale\n{RUNS_END}\n", encoding="utf-8")
    command = [
        "figures",
        "1",
        "--literal",
        "--output",
        str(tmp_path),
        "--workers",
        "1",
        "--claims",
        str(page),
        "--all-files",
    ]
    assert main(command) == 0
    assert "figure1_literal.png" in capsys.readouterr().out
    assert {path.name for path in tmp_path.glob("figure1_literal.*")} == {
        f"figure1_literal.{kind}" for kind in ("png", "svg", "csv", "json")
    }
    text = page.read_text(encoding="utf-8")
    assert "same verdict" in text
    assert "stale" not in text
    for wrong in (["4"], ["1", "choices"], ["--all"], ["1", "--sweep"]):
        assert main(["figures", *wrong, "--literal", "--output", str(tmp_path)]) == 2
        assert "--literal draws figures 1, 2, 3" in capsys.readouterr().err


def test_runs_are_compared_row_by_row_and_a_verdict_is_that_of_all():
    held = claim("1", "says", "angle", [1.0, 2.0, 3.0], at_most=5)
    turned = claim("1", "says", "angle", [1.0, 7.0, 9.0], at_most=5)
    never = claim("1", "says", "angle", [6.0, 7.0, 9.0], at_most=5)
    runs = {"ours": [held] * 3, "moved": [held] * 3, "printed": [held, turned, never]}
    last = [line.split("|")[-2].strip() for line in runs_table(runs).splitlines()[2:]]
    assert last == ["yes", "2 of 3", "**no**"]
    assert [item.verdict for item in agreed([*runs.values()])] == ["yes", "undecided", "undecided"]
    assert agreed([runs["printed"]]) == runs["printed"]
    with pytest.raises(ValueError, match="draw all runs again"):
        runs_table({"ours": [held], "printed": [held._replace(threshold="<= 6")]})
    with pytest.raises(ValueError, match="argument 2"):
        runs_table({"ours": [held], "printed": []})


def test_the_committed_comparison_is_that_of_the_figures():
    """And no row that holds in one run fails in another."""
    drawn = [runs_of(FIGURE_FOLDER, stem(name)) for name in VARIED]
    runs = {called: [item for of in drawn for item in of[end]] for end, called in RUNS.items()}
    text = (FIGURE_FOLDER.parent / "docs" / "claims.md").read_text(encoding="utf-8")
    assert with_runs(text, runs, read_claims(FIGURE_FOLDER, "ascent")) == text, "run scripts/reproduce"
    rows = runs_table(runs).splitlines()[2:]
    assert len(rows) >= 60
    assert {row.split("|")[-2].strip() for row in rows} <= {"yes", "2 of 3", "1 of 3"}


# ------------------------------------------------------------------------------------------------ what rounding changes

ROUNDING: dict[str, tuple[str, dict[str, Any], int]] = {  # figure, what its training changes, BLAS threads
    "another start, by 2e-12": ("figure1", {"shift": 2e-12}, 1),
    "the equations as printed": ("figure1", {"method": "paper"}, 1),
    "two BLAS threads": ("figure1", {}, 2),
    "another start, by 2e-12, of Figure 2": ("figure2", {"shift": 2e-12}, 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", ROUNDING)
def test_rounding_changes_no_verdict_on_which_the_committed_runs_agree(case, tmp_path):
    name, changes, threads = ROUNDING[case]
    module, settings = MODULES[name], MODULES[name].Settings()
    settings = replace(settings, training=replace(settings.training, **changes))
    with threadpool_limits(threads, "blas"):
        claims = module.claims(module.run(settings, folder=tmp_path, workers=map if threads > 1 else None))
    committed = agreed([*runs_of(FIGURE_FOLDER, name).values()])
    turned = [
        (ours.quantity, item.verdict, ours.verdict)
        for item, ours in zip(committed, claims, strict=True)
        if item.verdict not in ("undecided", ours.verdict)
    ]
    assert not turned


def test_the_way_down_to_mu_begins_at_alpha_2_and_may_be_on_fewer_samples(monkeypatch):
    seen, X = [], np.random.default_rng(0).normal(size=(20, 2))

    def recorded(objective, parameters, *, max_iterations):
        seen.append((objective.alpha, objective.mu, len(objective.X), max_iterations))
        return maximize(objective, parameters, max_iterations=max_iterations)

    monkeypatch.setattr(training, "maximize", recorded)
    outputs = train_rate_distortion(X, "relu", TINY, np.random.default_rng(1)).outputs
    assert seen == [(2.0, 12.0, 15, 5), (1.01, 1.5, 15, 5), (1.01, 1.5, 20, 3)]
    assert outputs["L"] == outputs["conditional_entropy"] - 1.5 * outputs["distortion"]


def test_a_start_may_be_shifted():
    X = np.random.default_rng(0).normal(size=(10, 2))
    start, shifted = (starting_point(X, replace(TINY, shift=shift), np.random.default_rng(1)) for shift in (0.0, 1e-3))
    expected = initial_parameters(2, TINY.n_hidden, np.random.default_rng(1), scale=TINY.start)
    for part, moved, wanted in zip(start, shifted, expected, strict=True):
        np.testing.assert_array_equal(part, wanted)
        assert 0 < np.abs(moved - part).max() < 0.01


def test_the_claims_are_taken_at_every_number_of_samples(tmp_path):
    few = samples.Settings(sizes=(20, 30), seeds=(0, 1), seeds_of_largest=(0,), trainings=dict.fromkeys("123", TINY))
    result = samples.run(few, folder=tmp_path, workers=map)
    table = samples.rows(result)
    for name in "123":
        of_figure = [row for row in table if row.claim.figure == name]
        assert {row.n_samples for row in of_figure} == {20, 30}
        assert [row.claim for row in of_figure][: len(of_figure) // 2] == MODULES[f"figure{name}"].claims(
            result.runs[name, 20]
        )
    assert samples.write(result, tmp_path) == samples.claims(result)
    assert {"samples.png", "samples.csv", "samples.json"} <= files_in(tmp_path)


@pytest.mark.parametrize(("bound", "median", "margin"), [({"at_most": 2}, 0.5, 4), ({"at_least": 2}, 0.5, 0.25)])
def test_a_margin_is_above_one_where_the_threshold_is_met(bound, median, margin):
    assert samples.Row(20, claim("1", "says", "q", [median], **bound)).margin == pytest.approx(margin)
