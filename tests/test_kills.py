"""A process that is killed at any moment leaves whole files: 40 kills, the same bits after resuming, no leftovers."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

# Forks a process that works, kills it after a random time, 40 times over; then lets one work to the end. Forked
# processes import nothing, so that the kills come during the work and not before it.
DRIVER = """
    import json, os, random, signal, sys, time, warnings
    from pathlib import Path
    import numpy as np
    from rdae_ref import RateDistortion, initial_parameters
    from rdae_ref.data.batches import random_batches
    from rdae_ref.experiments import runs
    from rdae_ref.files import written_whole
    from rdae_ref.optimize import BatchedObjective, batch_ascent
    from rdae_ref.optimize.checkpoint import read_checkpoint
    from rdae_ref.pytree import ravel

    warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
    kind, folder, kills = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

    def checkpoint(folder):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(40, 3))
        batches = random_batches([20, 20], rng)
        settings = dict(activation="logsig", alpha=2.0, mu=0.5, sigma_x=1.5, sigma_xhat=1.5)
        batched = BatchedObjective([RateDistortion(X[rows], **settings) for rows in batches], [20, 20])
        found = batch_ascent(batched, initial_parameters(3, 4, rng), step_size=0.02, momentum=0.9, n_epochs=EPOCHS,
                             rng=rng, checkpoint=folder / "run.npz")
        return ravel(found.x)[0].tobytes().hex() + repr(found.history)

    def one(seed):
        return {"X": np.random.default_rng(seed).normal(size=(50, 40)), "seed": seed}

    def cache(folder):
        outcomes = runs.run_all(one, range(EPOCHS), folder=folder, workers=map)
        return "".join(outcome["X"].tobytes().hex()[:64] for outcome in outcomes)

    def output(folder):
        for k in range(EPOCHS):
            with written_whole(folder / "table.csv") as file:
                for _ in range(100):
                    file.write(f"{k},{k}\\n")
        return (folder / "table.csv").read_text()

    EPOCHS = 2
    warm = folder.with_name("warm")
    warm.mkdir()
    {"checkpoint": checkpoint, "cache": cache, "output": output}[kind](warm)  # imports, and what is cached
    EPOCHS = 100_000  # more than anyone lives to see
    work, rng = {"checkpoint": checkpoint, "cache": cache, "output": output}[kind], random.Random(1)
    died, parts, most = 0, 0, 0
    for _ in range(kills):
        pid = os.fork()
        if pid == 0:
            work(folder)
            os._exit(0)
        time.sleep(rng.uniform(0.005, 0.1))
        os.kill(pid, signal.SIGKILL)
        died += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        left = [path for path in folder.iterdir() if path.name.startswith(".")]
        parts, most = parts + bool(left), max(most, len(left))
        if kind == "output" and (folder / "table.csv").exists():
            lines = (folder / "table.csv").read_text().splitlines()
            assert len(lines) == 100 and len(set(lines)) == 1, lines
    done = len(read_checkpoint(folder / "run.npz").values) if kind == "checkpoint" else len(list(folder.glob("*.npz")))
    EPOCHS = done + 20
    whole = folder.with_name("whole")
    whole.mkdir()
    same = work(folder) == work(whole)
    print(json.dumps({"died": died, "parts": parts, "most": most, "same": same, "done": done}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("kind", ["checkpoint", "cache", "output"])
def test_forty_kills_leave_whole_files_the_same_bits_and_no_leftovers(kind, tmp_path):
    (tmp_path / "killed").mkdir()
    command = [sys.executable, "-c", textwrap.dedent(DRIVER), kind, str(tmp_path / "killed"), "40"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["same"]
    assert said["died"] == 40
    assert said["most"] <= 1  # what one writer left was removed by the next one
    names = [sorted(os.listdir(tmp_path / folder)) for folder in ("killed", "whole")]
    assert names[0] == names[1]
    assert not [name for name in names[0] if name.startswith(".")]
    assert said["parts"] >= 3, "too few kills came while a file was written"
    assert kind == "output" or said["done"] > 3
