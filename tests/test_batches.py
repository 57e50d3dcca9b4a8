"""The mean over mini-batches as an objective, and the ascent over them with its checkpoints."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from scipy.optimize import OptimizeResult
from test_data_batches import far_apart

from rdae_ref import (
    DivergenceError,
    RateDistortion,
    check_gradient,
    continuation,
    initial_parameters,
    maximize,
)
from rdae_ref.data.batches import clustered_batches
from rdae_ref.models import Reconstruction
from rdae_ref.optimize import BatchedObjective, CheckpointError, batch_ascent
from rdae_ref.optimize import batched as batched_module
from rdae_ref.optimize.checkpoint import Checkpoint, previous, read_checkpoint, write_checkpoint
from rdae_ref.pytree import ravel

# ------------------------------------------------------------------------------------------------ the mean over batches

SETTINGS = {"activation": "linear", "alpha": 1.0, "mu": 0.3, "sigma_x": 1.5, "sigma_xhat": 1.5}


def test_for_blocks_that_do_not_see_each_other_the_mean_is_the_objective_of_the_whole():
    """At α = 1: S of a block-diagonal matrix is that of the weights plus the mean of the blocks' own."""
    rng = np.random.default_rng(0)
    X = far_apart(rng, shuffled=False)
    parameters = initial_parameters(2, 5, rng, scale=0.8)
    batches = np.split(np.arange(len(X)), [9, 23])
    batched = BatchedObjective([RateDistortion(X[rows], **SETTINGS) for rows in batches], [9, 14, 20])
    whole = RateDistortion(X, **SETTINGS)
    value, gradient = whole.value_and_gradient(parameters)
    mean, mean_gradient = batched.value_and_gradient(parameters)
    assert mean == pytest.approx(value, rel=1e-12)
    for name, ours, theirs in zip(gradient._fields, mean_gradient, gradient, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max(), err_msg=name)
    for ours, theirs in zip(batched.terms(parameters)[2:], whole.terms(parameters)[2:], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-10)
    entropy_of_weights = -sum(w * np.log2(w) for w in batched.weights)
    assert batched.terms(parameters).output_entropy + entropy_of_weights == pytest.approx(
        whole.terms(parameters).output_entropy, rel=1e-10
    )


def problem(n=60, seed=0, alpha=1.01):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    batches = clustered_batches(X, 25, rng)
    settings = SETTINGS | {"activation": "logsig", "alpha": alpha}
    objectives = [RateDistortion(X[rows], **settings) for rows in batches]
    return BatchedObjective(objectives, [len(rows) for rows in batches]), initial_parameters(3, 4, rng, scale=0.5)


def test_the_gradient_of_the_mean_agrees_with_differences():
    batched, start = problem()
    assert check_gradient(batched, start, rng=np.random.default_rng(0)).passed


def test_batches_side_by_side_give_the_same_bits_whoever_evaluates_them(monkeypatch):
    batched, start = problem()
    monkeypatch.setattr(batched_module, "SHARES", 2)  # so that one of them holds more than one batch
    assert len(batched.objectives) == 3
    here = BatchedObjective(batched.objectives, batched.weights)
    expected, expected_terms = here.value_and_gradient(start), here.terms(start)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for workers in (2, map, pool.map):
            elsewhere = BatchedObjective(batched.objectives, batched.weights, workers=workers)
            value, gradient = elsewhere.value_and_gradient(start)
            assert value == expected[0]
            assert ravel(gradient)[0].tobytes() == ravel(expected[1])[0].tobytes()
            assert elsewhere.terms(start) == expected_terms
    value, gradient = batched.value_and_gradient(start)  # summed up in other shares
    assert value == pytest.approx(expected[0], rel=1e-13)
    np.testing.assert_allclose(ravel(gradient)[0], ravel(expected[1])[0], rtol=1e-12, atol=1e-14)


def test_the_mean_is_that_of_the_formula():
    batched, start = problem()
    found = [one.value_and_gradient(start) for one in batched.objectives]
    value, gradient = batched.value_and_gradient(start)
    assert value == pytest.approx(np.average([v for v, _ in found], weights=batched.weights), rel=1e-13)
    mean = np.average([ravel(g)[0] for _, g in found], axis=0, weights=batched.weights)
    np.testing.assert_allclose(ravel(gradient)[0], mean, rtol=1e-12, atol=1e-14)
    terms = np.average([one.terms(start) for one in batched.objectives], axis=0, weights=batched.weights)
    np.testing.assert_allclose(batched.terms(start), terms, rtol=1e-13)


def test_an_ascent_by_l_bfgs_can_have_its_batches_in_processes():
    batched, start = problem()
    elsewhere = BatchedObjective(batched.objectives, batched.weights, workers=1)
    here, there = (maximize(one, start, max_iterations=10) for one in (batched, elsewhere))
    assert here.fun == there.fun
    assert here.fun > batched.value_and_gradient(start)[0]


def test_another_mu_is_that_of_every_batch_and_leaves_this_one():
    batched, start = problem()
    batched = BatchedObjective(batched.objectives, batched.weights, workers=map)
    other = batched.with_mu(2.0)
    assert (batched.mu, other.mu) == (0.3, 2.0)
    assert other._map is batched._map
    terms = batched.terms(start)
    assert other.terms(start) == terms
    assert other.distortion(start) == pytest.approx(terms.distortion, rel=1e-14)
    expected = terms.conditional_entropy - 2.0 * terms.distortion
    assert other.value_and_gradient(start)[0] == pytest.approx(expected, rel=1e-12)
    found = continuation(batched, start, factors=(4.0, 1.0), max_iterations=20)
    assert found.fun > batched.value_and_gradient(start)[0]


@pytest.mark.parametrize(("workers", "error"), [(0, ValueError), ("two", TypeError)])
def test_workers_that_are_none_are_refused(workers, error):
    with pytest.raises(error, match="workers must be"):
        BatchedObjective([Reconstruction(np.eye(2), activation="linear")], [1], workers=workers)


@pytest.mark.parametrize("sizes", [[1, 2], [1, 1, 0], [1, 1, -1]])
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(ValueError, match="sizes must"):
        BatchedObjective([Reconstruction(np.eye(2), activation="linear")] * 3, sizes)


# ----------------------------------------------------------------------------------------------------------- the ascent


def test_every_step_is_that_of_the_formula():
    batched, start = problem()
    found = batch_ascent(batched, start, step_size=0.02, momentum=0.9, n_epochs=3, rng=np.random.default_rng(5))
    theta, unravel = ravel(start)
    v, rng, history = 0, np.random.default_rng(5), []
    for _ in range(3):
        value, mean = 0, 0
        for b in rng.permutation(len(batched.objectives)):
            L, g = batched.objectives[b].value_and_gradient(unravel(theta))
            g = ravel(g)[0]
            v = 0.9 * v + len(batched.weights) * batched.weights[b] * g
            theta = theta + 0.02 * v
            value, mean = value + batched.weights[b] * L, mean + batched.weights[b] * g
        history.append((value, np.linalg.norm(mean)))
    np.testing.assert_allclose(ravel(found.x)[0], theta, rtol=1e-12)
    np.testing.assert_allclose([(h["value"], h["gradient_norm"]) for h in found.history], history, rtol=1e-12)
    assert (found.nit, found.success, found.message) == (3, True, "3 epochs done")
    assert found.fun == found.history[-1]["value"]


def test_it_learns_and_tells_a_callback_each_epoch():
    batched, start = problem()
    seen = []
    arguments = {"step_size": 0.02, "momentum": 0.9, "rng": np.random.default_rng(0)}
    found = batch_ascent(batched, start, n_epochs=60, callback=seen.append, **arguments)
    assert [step.iteration for step in seen] == list(range(1, 61))
    assert seen[-1].value == found.fun
    assert seen[-1].terms == batched.terms(found.x)
    assert batched.value_and_gradient(found.x)[0] > batched.value_and_gradient(start)[0] + 0.3


def ascent(checkpoint=None, n_epochs=6, seed=3, objective=None, generator=np.random.PCG64, **settings):
    batched, start = problem()
    rng = np.random.Generator(generator(seed))
    settings = {"step_size": 0.02, "momentum": 0.9, "checkpoint": checkpoint, "n_epochs": n_epochs} | settings
    return batch_ascent(objective or batched, start, rng=rng, **settings)


def same_bits(first, second):
    return ravel(first.x)[0].tobytes() == ravel(second.x)[0].tobytes() and first.history == second.history


@pytest.mark.parametrize("generator", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_run_goes_on_from_its_checkpoint_to_the_same_bits(generator, tmp_path):
    whole = ascent(generator=generator)
    ascent(tmp_path / "run.npz", n_epochs=2, generator=generator)
    resumed = ascent(tmp_path / "run.npz", generator=generator)
    assert same_bits(resumed, whole)
    assert resumed.nit == 6
    assert same_bits(ascent(tmp_path / "run.npz", generator=generator), whole)  # nothing left to do
    assert sorted(os.listdir(tmp_path)) == ["run.npz", "run.previous.npz"]
    assert len(read_checkpoint(tmp_path / "run.previous.npz").values) == 5


class Interrupted(BatchedObjective):
    """Breaks in the middle of an epoch."""

    def __init__(self, batched, how, after):
        super().__init__([self] * len(batched.weights), batched.weights)
        self.of, self.how, self.left = batched, how, after

    def value_and_gradient(self, parameters):
        self.left -= 1
        if self.left == 0:
            raise self.how
        return self.of.value_and_gradient(parameters)


def test_ctrl_c_returns_the_last_whole_epoch_and_overflow_is_divergence(tmp_path):
    batched, _ = problem()
    n = len(batched.weights)
    two_epochs = ascent(objective=Interrupted(batched, KeyboardInterrupt(), 0), n_epochs=2)
    broken = ascent(tmp_path / "run.npz", objective=Interrupted(batched, KeyboardInterrupt(), 2 * n + 3))
    assert (broken.message, broken.success, broken.nit) == ("interrupted", False, 2)
    assert same_bits(broken, two_epochs)
    with pytest.raises(DivergenceError, match="after 2 iterations") as caught:
        ascent(objective=Interrupted(batched, FloatingPointError("overflow"), 2 * n + 3))
    assert same_bits(OptimizeResult(x=caught.value.parameters, history=two_epochs.history), two_epochs)


def test_a_truncated_checkpoint_is_refused_by_name_and_the_previous_one_goes_on(tmp_path):
    whole, path = ascent(), tmp_path / "run.npz"
    ascent(path, n_epochs=4)
    content = path.read_bytes()
    renamed = content.replace(b"generator", b"generatur")
    for damaged in (content[: len(content) // 2], content[:-1], b"", renamed, b"junk"):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="not a complete checkpoint") as caught:
            ascent(path)
        assert str(path) in str(caught.value)
        assert str(previous(path)) in str(caught.value)
        assert path.read_bytes() == damaged
    os.replace(previous(path), path)
    assert same_bits(ascent(path), whole)


@pytest.mark.parametrize("at", range(0, 2400, 97))
def test_a_byte_that_changed_is_noticed(at, tmp_path):
    """Each member of the file has its checksum."""
    path = tmp_path / "run.npz"
    ascent(path, n_epochs=1)
    content, written = bytearray(path.read_bytes()), read_checkpoint(path)
    at %= len(content)
    content[at] ^= 0x10
    path.write_bytes(content)
    try:
        read = read_checkpoint(path)
    except CheckpointError:
        return
    for ours, theirs in zip(read, written, strict=True):  # a byte that says nothing, such as a date
        np.testing.assert_array_equal(ours, theirs)


def test_nothing_in_a_checkpoint_is_unpickled(tmp_path):
    path = tmp_path / "run.npz"
    fields = ascent(path, n_epochs=1) and read_checkpoint(path)._asdict()
    np.savez(path, **fields | {"generator": np.array([{"a": print}], dtype=object)})
    with pytest.raises(CheckpointError, match="allow_pickle"):
        read_checkpoint(path)


@pytest.mark.parametrize("change", [{"step_size": 0.01}, {"momentum": 0.5}, {"seed": 4}])
def test_a_checkpoint_of_another_run_is_refused(change, tmp_path):
    ascent(tmp_path / "run.npz", n_epochs=1)
    with pytest.raises(CheckpointError, match="another start"):
        ascent(tmp_path / "run.npz", **change)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    ascent(path, n_epochs=2)
    before = path.read_bytes()

    def fails(*_):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="no space"):
            ascent(path, n_epochs=4)
    assert path.read_bytes() == before
    assert same_bits(ascent(path), ascent())


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    state = np.random.MT19937(3).state
    written = Checkpoint("name", np.arange(3.0), -np.arange(3.0), np.array([1.0]), np.array([2.0]), state)
    write_checkpoint(tmp_path / "c.npz", written)
    read = read_checkpoint(tmp_path / "c.npz")
    rng = np.random.Generator(np.random.MT19937(0))
    rng.bit_generator.state = read.generator
    assert rng.random() == np.random.Generator(np.random.MT19937(3)).random()
    assert read_checkpoint(tmp_path / "none.npz") is None
    np.testing.assert_array_equal(read.x, written.x)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"step_size": 0}, ValueError, "step_size must"),
        ({"momentum": 1.0}, ValueError, "momentum must be from 0 to below 1"),
        ({"n_epochs": 0}, ValueError, "n_epochs must be at least 1"),
        ({"n_epochs": 2.0}, TypeError, "n_epochs must be an integer"),
    ],
)
def test_settings_out_of_range_are_refused(settings, error, words):
    with pytest.raises(error, match=words):
        ascent(**settings)


RUN = """
    import sys, time
    import numpy as np
    from rdae_ref import RateDistortion, initial_parameters
    from rdae_ref.data.batches import clustered_batches
    from rdae_ref.optimize import BatchedObjective, batch_ascent
    from rdae_ref.pytree import ravel

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    batches = clustered_batches(X, 40, rng)
    settings = dict(activation="logsig", alpha=1.01, mu=0.5, sigma_x=1.5, sigma_xhat=1.5)
    batched = BatchedObjective([RateDistortion(X[rows], **settings) for rows in batches], [len(r) for r in batches])
    pause = float(sys.argv[2])
    found = batch_ascent(batched, initial_parameters(5, 6, rng), step_size=0.02, momentum=0.9, n_epochs=12, rng=rng,
                         checkpoint=sys.argv[1], callback=lambda step: time.sleep(pause))
    sys.stdout.write(ravel(found.x)[0].tobytes().hex() + repr(found.history))
"""


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    """SIGKILL, at whatever point: nothing of the process is left but its files."""
    script, path = tmp_path / "run.py", tmp_path / "killed.npz"
    script.write_text(textwrap.dedent(RUN))

    def command(where, pause):
        return [sys.executable, str(script), str(where), str(pause)]

    process = subprocess.Popen(command(path, 0.1), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not previous(path).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 1 <= len(read_checkpoint(path).values) < 12
    resumed, whole = (
        subprocess.run(command(where, 0), capture_output=True, text=True, check=True).stdout
        for where in (path, tmp_path / "whole.npz")
    )
    assert resumed == whole
    assert len(whole) > 1000
