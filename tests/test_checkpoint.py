"""Checkpoints: what could not be resumed from is refused by name, whatever is wrong with it."""

import json

import numpy as np
import pytest

from rdae_ref import RateDistortion, initial_parameters
from rdae_ref.files import ContentError
from rdae_ref.optimize import BatchedObjective, CheckpointError, batch_ascent
from rdae_ref.optimize.checkpoint import GENERATORS, Checkpoint, previous, read_checkpoint, write_checkpoint


def ascent(checkpoint, n_epochs, generator=np.random.PCG64):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    settings = {"activation": "logsig", "alpha": 2.0, "mu": 0.5, "sigma_x": 1.5, "sigma_xhat": 1.5}
    batched = BatchedObjective([RateDistortion(X[i::2], **settings) for i in range(2)], [10, 10])
    rng = np.random.Generator(generator(3))
    settings = {"step_size": 0.02, "momentum": 0.5, "n_epochs": n_epochs, "rng": rng, "checkpoint": checkpoint}
    return batch_ascent(batched, initial_parameters(2, 3, rng), **settings)


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run.npz"
    ascent(path, 2)
    with np.load(path) as archive:
        return dict(archive)


def state_with(**changes):
    def spoil(fields):
        state = json.loads(str(fields["generator"]))
        state["state"] |= changes.pop("state", {})
        return fields | {"generator": np.array(json.dumps(state | changes))}

    return spoil


def mersenne(pos=624, key=624):
    state = {"bit_generator": "MT19937", "state": {"key": list(range(key)), "pos": pos}}
    return lambda fields: fields | {"generator": np.array(json.dumps(state))}


def philox(buffer_pos):
    state = json.loads(json.dumps(np.random.Philox(0).state, default=np.ndarray.tolist))
    return lambda fields: fields | {"generator": np.array(json.dumps(state | {"buffer_pos": buffer_pos}))}


BAD = {
    "NaN": (lambda f: f | {"x": f["x"] * np.nan}, "x must be finite"),
    "an infinite velocity": (lambda f: f | {"velocity": f["velocity"] + np.inf}, "velocity must be finite"),
    "NaN in the history": (lambda f: f | {"values": f["values"] * np.nan}, "values must be finite"),
    "a shorter velocity": (lambda f: f | {"velocity": f["velocity"][:-1]}, "x and velocity must be vectors of one"),
    "a matrix": (lambda f: f | {"x": f["x"][None], "velocity": f["velocity"][None]}, "must be vectors of one length"),
    "a number": (lambda f: f | {"x": np.array(1.0), "velocity": np.array(1.0)}, "must be vectors of one length"),
    "no history": (lambda f: f | {"values": np.zeros(0), "gradient_norms": np.zeros(0)}, "must be vectors of one"),
    "half a history": (lambda f: f | {"gradient_norms": np.zeros(1)}, "values and gradient_norms must be vectors"),
    "integers": (lambda f: f | {"x": f["x"].astype(int)}, "x and velocity must be float64"),
    "words": (lambda f: f | {"values": np.array(["a", "b"])}, "values and gradient_norms must be float64"),
    "a missing name": (lambda f: {name: f[name] for name in f if name != "velocity"}, "it must hold run, x, velocity"),
    "one name more": (lambda f: f | {"y": np.zeros(2)}, "it must hold run, x, velocity"),
    "a run of numbers": (lambda f: f | {"run": np.zeros(3)}, "run must be text"),
    "a state of numbers": (lambda f: f | {"generator": np.zeros(3)}, "generator must be text"),
    "no JSON": (lambda f: f | {"generator": np.array("{")}, "generator must be JSON"),
    "nested JSON": (lambda f: f | {"generator": np.array("[" * 10_000)}, "generator must be JSON"),
    "a list": (lambda f: f | {"generator": np.array("[]")}, "generator must be the state of one of PCG64"),
    "no generator": (state_with(bit_generator="__class__"), "generator must be the state of one of PCG64"),
    "a list for a name": (state_with(bit_generator=["PCG64"]), "generator must be the state of one of PCG64"),
    "a word in the state": (state_with(state={"inc": "x"}), "generator is not a valid state of PCG64"),
    "a state that is too large": (state_with(state={"inc": 2**160}), "generator is not a valid state of PCG64"),
    "a state of nothing": (state_with(has_uint32=None), "generator is not a valid state of PCG64"),
    "a short key": (mersenne(key=3), "generator is not a valid state of MT19937"),
    "a position beyond the key": (mersenne(pos=10**6), "pos must be from 0 to 624"),
    "a position before the key": (mersenne(pos=-1), "pos must be from 0 to 624"),
    "a position beyond the buffer": (philox(5), "buffer_pos must be from 0 to 4"),
    "a position before the buffer": (philox(-(10**6)), "buffer_pos must be from 0 to 4"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_no_run_could_resume_from_is_refused_under_a_right_digest(case, fields, tmp_path):
    spoil, words = BAD[case]
    path = tmp_path / "run.npz"
    np.savez(path, **spoil(fields))
    with pytest.raises(CheckpointError, match=f"is not a complete checkpoint .*{words}.*: remove it to start over"):
        ascent(path, 3)
    assert issubclass(CheckpointError, ContentError)


def test_a_compressed_checkpoint_is_refused(fields, tmp_path):
    np.savez_compressed(tmp_path / "run.npz", **fields)
    with pytest.raises(CheckpointError, match="compressed"):
        read_checkpoint(tmp_path / "run.npz")


@pytest.mark.parametrize("change", [{"x": np.zeros(3), "velocity": np.zeros(3)}, {"generator": "MT19937"}])
def test_a_checkpoint_of_other_parameters_or_another_generator_is_refused(change, fields, tmp_path):
    if "generator" in change:
        state = json.dumps(np.random.MT19937(0).state, default=np.ndarray.tolist)
        change = {"generator": np.array(state)}
    np.savez(tmp_path / "run.npz", **fields | change)
    with pytest.raises(CheckpointError, match="of a run with another start, batches or settings"):
        ascent(tmp_path / "run.npz", 3)


@pytest.mark.parametrize("name", GENERATORS)
def test_the_state_of_every_generator_comes_back(name, tmp_path):
    generator = getattr(np.random, name)(5)
    np.random.Generator(generator).integers(3, size=7, dtype=np.int32)
    write_checkpoint(tmp_path / "c.npz", Checkpoint("0" * 64, *np.ones((4, 3)), generator.state))
    again = getattr(np.random, name)()
    again.state = read_checkpoint(tmp_path / "c.npz").generator
    assert np.array_equal(again.random_raw(1000), generator.random_raw(1000))


def test_links_under_the_names_of_checkpoints_are_replaced(tmp_path):
    for name in ("run.npz", "run.previous.npz"):
        (tmp_path / f"{name}.precious").write_text("mine")
        (tmp_path / name).symlink_to(tmp_path / f"{name}.precious")
    checkpoint = Checkpoint("0" * 64, *np.ones((4, 3)), np.random.PCG64(0).state)
    write_checkpoint(tmp_path / "run.npz", checkpoint)
    for name in ("run.npz", "run.previous.npz"):
        assert (tmp_path / f"{name}.precious").read_text() == "mine"
        assert not (tmp_path / name).is_symlink()
    assert read_checkpoint(tmp_path / "run.npz").run == checkpoint.run
    assert previous(tmp_path / "run.npz").read_text() == "mine"
