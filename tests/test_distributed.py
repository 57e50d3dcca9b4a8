"""Runs on the workers of others: concurrent.futures, and a Dask cluster of processes of which one is killed."""

import importlib.util
import os
import signal
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import frameworks
import numpy as np
import pytest

from rdae_ref import RateDistortion, initial_parameters, maximize
from rdae_ref.datasets import gaussian
from rdae_ref.experiments.runs import run_all


def train(task):
    """Train for (seed, μ, α, activation), and say where and with how many BLAS threads."""
    rng = np.random.default_rng(task["seed"])
    settings = {name: task[name] for name in ("mu", "alpha", "activation")}
    objective = RateDistortion(gaussian(30, rng), sigma_x=0.3, sigma_xhat=0.3, **settings)
    found = maximize(objective, initial_parameters(2, 4, rng, scale=0.5), max_iterations=15)
    if task["log"]:
        with open(os.path.join(task["log"], f"{task['seed']}-{os.getpid()}-{time.monotonic_ns()}"), "w") as file:
            file.write(str(os.getpid()))
        time.sleep(task["pause"])
    return {**found.x._asdict(), "L": found.fun}


def tasks(folder="", pause=0.0, count=4):
    return [
        {"seed": seed, "mu": mu, "alpha": alpha, "activation": unit, "log": str(folder), "pause": pause}
        for seed, mu, alpha, unit in zip(
            range(count), [1.5, 3.0] * count, [1.01, 2.0, 1.01, 3.0] * count, ["relu", "linear"] * count, strict=False
        )
    ]


def same(first, second):
    return all(
        sorted(a) == sorted(b) and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in zip(first, second, strict=True)
    )


def test_the_map_of_an_executor_gives_the_same_numbers(tmp_path):
    expected = run_all(train, tasks(), folder=tmp_path / "here", workers=map)
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        outcomes = run_all(train, tasks(), folder=tmp_path / "there", workers=executor.map)
    assert same(outcomes, expected)
    assert {p.name for p in (tmp_path / "here").iterdir()} == {p.name for p in (tmp_path / "there").iterdir()}


def threads(task):
    from threadpoolctl import threadpool_info

    return {"threads": [pool["num_threads"] for pool in threadpool_info()], "task": task}


def test_blas_has_one_thread_in_a_task_and_what_it_had_after_it(tmp_path):
    pytest.importorskip("threadpoolctl", reason="threadpoolctl, of the extra [distributed], is not installed")
    from threadpoolctl import threadpool_info, threadpool_limits

    with threadpool_limits(limits=2):
        before = [pool["num_threads"] for pool in threadpool_info()]
        (outcome,) = run_all(threads, [0], folder=tmp_path, workers=map)
        assert [pool["num_threads"] for pool in threadpool_info()] == before
    assert set(outcome["threads"].tolist()) == {1}


def needs_dask():
    if importlib.util.find_spec("distributed") is None:
        reason = 'Dask is not installed: pip install "rdae_ref[distributed]"'
        pytest.fail(f"RDAE_REQUIRE_ORACLES=1, but {reason}") if frameworks.REQUIRED else pytest.skip(reason)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Dask's own, about ports and threads that end late
def test_a_dask_cluster_of_processes_of_which_one_is_killed_loses_nothing(tmp_path):
    needs_dask()
    from dask.distributed import Client, LocalCluster

    log = tmp_path / "log"
    log.mkdir()
    work = tasks(log, pause=0.5, count=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:
        pids = client.run(os.getpid)
        victim = next(iter(pids.values()))

        def killing(function, *arguments):
            outcomes = client.get_executor().map(function, *arguments)
            deadline = time.monotonic() + 120
            while sum(file.name.split("-")[1] == str(victim) for file in log.iterdir()) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            os.kill(victim, signal.SIGKILL)
            return outcomes

        outcomes = run_all(train, work, folder=tmp_path / "runs", workers=killing)
    assert len(list((tmp_path / "runs").iterdir())) == 10
    started = [int(file.name.split("-")[0]) for file in log.iterdir()]
    assert sorted(set(started)) == list(range(10))
    assert len(started) > 10, "the task that the worker was killed in began anew"
    expected = run_all(train, tasks(log, 0.0, 10), folder=tmp_path / "here", workers=map)
    assert same(outcomes, expected)
    again = run_all(train, work, folder=tmp_path / "runs", workers=map)  # all are there: nothing is computed
    assert same(again, expected)
