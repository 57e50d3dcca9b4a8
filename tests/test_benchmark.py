"""The benchmark runs, compares only what computes the same, and docs/performance.md has the table that it wrote."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from frameworks import needed

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "benchmark.py"
PAGE = ROOT / "docs" / "performance.md"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import benchmark  # where its neighbours find each other

    return benchmark


def quick_run(folder, *rows):
    command = [sys.executable, SCRIPT, "--quick", "--json", folder / "quick.json", "--figure", folder, "--rows", *rows]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return json.loads((folder / "quick.json").read_text(encoding="utf-8"))


def check_entries(entries, rows):
    assert {entry["row"] for entry in entries} == set(rows)
    for entry in entries:
        assert 0 <= entry["measured"] < math.inf
        assert entry["goal"] is None  # a goal is for its size
        if entry["quantity"] == "time over":
            assert 0 < entry["measured"] == pytest.approx(entry["ours"]["median"] / entry["theirs"]["median"])


def test_a_quick_run_measures_and_draws(tmp_path):
    results = quick_run(tmp_path, 2, 9)
    check_entries(results["rows"], [2, 9])
    assert {entry["threads"] for entry in results["rows"]} == {"1"}
    assert (tmp_path / "benchmark.png").exists()


@pytest.mark.slow
def test_every_row_runs(tmp_path):
    needed("torch"), needed("jax")
    results = quick_run(tmp_path, 1, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14, 15, 16, 17, 19)
    check_entries(results["rows"], [1, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14, 15, 16, 17, 19])
    assert {entry["threads"] for entry in results["rows"] if entry["row"] > 9} == {"started"}


def test_a_hundred_steps_of_the_beta_vae_are_those_of_pytorch(benchmark):
    """From the same start, on the same batches with the same noise: ELBO of each step, and all parameters."""
    needed("torch")
    from baselines import ours, pytorch  # found by the fixture

    pytorch.torch.set_num_threads(1)

    case = benchmark.VAECase(300, (24, 16), 5, 40, 100)
    for mine, theirs in zip(ours.vae(case)(), pytorch.vae(case)(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9 * np.abs(theirs).max())


def test_a_turn_ends_when_no_thread_works_any_more(benchmark, monkeypatch):
    """Threads of BLAS spin for a while after their last task, which would slow down whoever has the next turn."""
    from baselines import process  # found by the fixture

    clock, pauses = iter([0.0, 0.05, 0.05, 0.08, 0.08, 0.081]), []
    monkeypatch.setattr(process, "time", SimpleNamespace(process_time=lambda: next(clock), sleep=pauses.append))
    process._rest()
    assert pauses == [process.PAUSE] * 3


def test_as_started_sets_no_threads(benchmark, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    case = benchmark.Case(20, quick=True)
    assert benchmark.answer("ours.blas_threads@7", case).tolist() == [7]
    assert benchmark.answer("ours.blas_threads@started", case) == [0]
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_a_baseline_with_another_gradient_is_refused(benchmark, monkeypatch):
    case = benchmark.Case(20, quick=True)
    times = [{"median": 1.0, "processor": 1.0}, {"median": 2.0, "processor": 2.0}]
    monkeypatch.setattr(benchmark, "take_turns", lambda *_: (times, np.array([[1.0, 2.0], [1.0, 2.001]])))
    with pytest.raises(ArithmeticError, match="differs by 5"):
        benchmark.against("pytorch.gradient", case, "1", 0.75)


def test_a_failure_in_a_baseline_is_raised_here(benchmark):
    with pytest.raises(ValueError, match="activation must be one of"):
        benchmark.answer("ours.gradient@1", benchmark.Case(20, activation="cubic"))


def test_peak_memory_sees_an_array(benchmark):
    N = 700
    peak = benchmark.peak_memory("floor.eigh@1", benchmark.Case(N))
    assert 4 * 8 * N**2 < peak < 40 * 8 * N**2  # two Gram matrices, and each with its eigenvectors


def test_exponent_is_that_of_the_law(benchmark):
    assert benchmark.exponent([100, 200, 400], [3e-3 * N**2.5 for N in (100, 200, 400)]) == pytest.approx(2.5)


def test_the_table_says_what_misses_its_goal(benchmark):
    side = {"who": "floor.eigh@1", "median": 0.5, "quartiles": [0.4, 0.6], "turns": 5, "processor": 0.5}
    entry = {"row": 2, "threads": "1", "case": vars(benchmark.Case(1000)), "quantity": "time over"}
    entry |= {"measured": 1.25, "goal": 1.15}
    line = benchmark.table_line(entry | {"met": False, "ours": side, "theirs": side})
    assert line == (
        "| 2 | 1 | N = 1000, d = 2, p = 10 relu, α = 1.01, exact | time over two `eigh` "
        "| 500 ms | 500 ms | 1.25 | ≤ 1.15 | **no** |"
    )


def test_a_quick_run_writes_no_table(benchmark):
    with pytest.raises(ValueError, match="quick"):
        benchmark.with_performance("", {"setting": {"quick": True}, "rows": []})


def test_the_page_has_the_table_of_the_results_and_says_the_threads(benchmark):
    results = json.loads((ROOT / "figures" / "benchmark.json").read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    assert {entry["threads"] for entry in results["rows"]} == {"1", "started"}
    assert "one BLAS thread" in page
    assert "as started" in page
    assert benchmark.with_performance(page, results) == page, "run scripts/benchmark.py --rows"
