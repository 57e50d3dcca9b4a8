"""Runs on the workers of others: concurrent.futures, and a Dask cluster of processes of which one is killed."""

import importlib.util
import os
import signal
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import frameworks
import numpy as np
import pytest

from rdae_ref import RateDistortion, initial_parameters, maximize
from rdae_ref.data import gaussian
from rdae_ref.experiments.runs import run_all
from rdae_ref.optimize import BatchedObjective
from rdae_ref.pytree import ravel


def train(task):
    """Train for (seed, μ, α, activation)."""
    rng = np.random.default_rng(task["seed"])
    settings = {name: task[name] for name in ("mu", "alpha", "activation")}
    objective = RateDistortion(gaussian(30, rng), sigma_x=0.3, sigma_xhat=0.3, **settings)
    found = maximize(objective, initial_parameters(2, 4, rng, scale=0.5), max_iterations=15)
    return {**found.x._asdict(), "L": found.fun}


def tasks(count=4):
    return [
        {"seed": seed, "mu": mu, "alpha": alpha, "activation": unit}
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

    return {"threads": [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"], "task": task}


def test_blas_has_one_thread_in_a_task_and_what_it_had_after_it(tmp_path):
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


def slowly(log, function, arguments):
    """Leave word of who begins with a task, and give time to kill him."""
    (log / f"{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(0.2)
    return function(arguments)


@pytest.fixture
def killing(tmp_path):
    """The map of a Dask cluster of two processes, one of which is killed in its second task."""
    needs_dask()
    from dask.distributed import Client, LocalCluster

    log = tmp_path / "log"
    log.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:
        victims = list(client.run(os.getpid).values())[:1]

        def workers(function, tasks):
            outcomes = client.get_executor().map(partial(slowly, log, function), tasks)
            for victim in [victims.pop()] if victims else []:
                deadline = time.monotonic() + 120
                while len(list(log.glob(f"{victim}-*"))) < 2:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                os.kill(victim, signal.SIGKILL)
            return outcomes

        yield workers
        assert not victims, "nobody was killed"


dask_only = pytest.mark.filterwarnings("default")  # of Dask's own, about ports and threads that end late


@pytest.mark.slow
@dask_only
def test_of_runs_on_a_cluster_of_which_a_process_is_killed_nothing_is_lost(killing, tmp_path):
    work = tasks(10)
    outcomes = run_all(train, work, folder=tmp_path / "runs", workers=killing)
    assert len(list((tmp_path / "runs").iterdir())) == 10
    assert len(list((tmp_path / "log").iterdir())) > 10, "the task that the worker was killed in began anew"
    assert same(outcomes, run_all(train, work, folder=tmp_path / "here", workers=map))
    again = run_all(train, work, folder=tmp_path / "runs", workers=None)  # all are there: nothing is computed
    assert same(again, outcomes)


@pytest.mark.slow
@dask_only
def test_nor_of_the_batches_of_an_objective(killing, tmp_path):
    rng = np.random.default_rng(0)
    X, start = rng.normal(size=(200, 3)), initial_parameters(3, 4, rng)
    parts = [
        RateDistortion(rows, activation="relu", alpha=1.01, mu=1, sigma_x=0.5, sigma_xhat=0.5)
        for rows in X.reshape(10, 20, 3)
    ]
    here, there = (BatchedObjective(parts, [20] * 10, workers=workers) for workers in (None, killing))
    value, gradient = there.value_and_gradient(start)
    assert len(list((tmp_path / "log").iterdir())) > 10, "the task that the worker was killed in began anew"
    expected, expected_gradient = here.value_and_gradient(start)
    assert value == expected
    assert ravel(gradient)[0].tobytes() == ravel(expected_gradient)[0].tobytes()
    assert there.terms(start) == here.terms(start)  # and with those that are left it goes on


@pytest.mark.slow
@dask_only
@pytest.mark.parametrize("alpha", [1.01, 2])
def test_nor_of_the_tiles_of_an_objective(alpha, killing, tmp_path):
    rng = np.random.default_rng(0)
    X, start = gaussian(400, rng), initial_parameters(2, 6, rng)
    settings = {"activation": "relu", "alpha": alpha, "mu": 1, "sigma_x": 1, "sigma_xhat": 1, "method": "low-rank"}
    here, there = (RateDistortion(X, **settings, workers=workers) for workers in (map, killing))
    value, gradient = there.value_and_gradient(start)
    assert len(list((tmp_path / "log").iterdir())) > 36, "the task that the worker was killed in began anew"
    expected, expected_gradient = here.value_and_gradient(start)
    assert value == expected
    assert ravel(gradient)[0].tobytes() == ravel(expected_gradient)[0].tobytes()
