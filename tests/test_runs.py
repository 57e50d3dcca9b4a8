"""The files of finished runs: one that cannot be used is recomputed with a warning, whatever is wrong with it."""

import errno
import json
import os

import numpy as np
import pytest

from rdae_ref.experiments import runs
from rdae_ref.experiments.output import read_claims
from rdae_ref.experiments.runs import CacheWarning, run_all
from rdae_ref.files import ContentError

CALLS = []


def run(task):
    CALLS.append(task)
    return {"X": np.arange(6.0).reshape(3, 2).T, "D": 0.5 * task, "name": "a"}


def finished(folder, task=1):
    """Return the result of a run, and how often it was computed."""
    CALLS.clear()
    (outcome,) = run_all(run, [task], folder=folder, workers=map)
    return outcome, len(CALLS)


def the_same(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) and first[name].strides == second[name].strides for name in first
    )


@pytest.fixture
def entry(tmp_path):
    folder = tmp_path / "runs"
    finished(folder)
    (path,) = folder.iterdir()
    return path


def test_a_result_that_is_read_is_the_one_that_was_computed(entry):
    fresh, calls = finished(entry.parent, 2)
    again, later = finished(entry.parent, 2)
    assert (calls, later) == (1, 0)
    assert the_same(fresh, again)
    assert set(again) == {"X", "D", "name"}


def changed(**changes):
    def spoil(path):
        with np.load(path) as archive:
            content = dict(archive)
        np.savez(path, **{name: value for name, value in {**content, **changes}.items() if value is not None})

    return spoil


def resealed(text):
    return changed(**{runs.SEAL: np.array(text)})


def linked(target):
    def spoil(path):
        there = path.parent.parent / target
        os.replace(path, path.parent.parent / "there.npz")
        path.symlink_to(there)

    return spoil


def in_place(make):
    def spoil(path):
        path.unlink()
        make(path)

    return spoil


UNUSABLE = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("X = 1"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "one byte": lambda path: path.write_bytes(path.read_bytes().replace(bytes(8), bytes(7) + b"\1", 1)),
    "not an arrays": lambda path: np.savez(path),
    "foreign arrays": lambda path: np.savez(path, W=np.zeros(3)),
    "one array": lambda path: np.save(path.open("wb"), np.zeros(3)),
    "objects": changed(X=np.array([{}, None])),
    "without X": changed(X=None),
    "one more": changed(Y=np.zeros(2)),
    "another shape": changed(X=np.zeros((2, 2))),
    "another type": changed(X=np.zeros((2, 3), np.float32)),
    "other numbers": changed(X=np.full((2, 3), np.nan, order="F")),
    "no seal": changed(**{runs.SEAL: None}),
    "a seal that is a list": resealed("[1]"),
    "a seal of nothing": resealed("{}"),
    "a seal that is no JSON": resealed("{" * 1000),
    "a seal of another run": lambda path: os.replace(path, path),
    "compressed": lambda path: np.savez_compressed(path, **dict(np.load(path.open("rb")))),
    "a pipe": in_place(os.mkfifo),
    "a link": linked("there.npz"),
    "a dangling link": linked("nowhere.npz"),
    "a link to itself": in_place(lambda path: path.symlink_to(path)),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("case", UNUSABLE)
def test_an_entry_that_cannot_be_used_is_recomputed_with_a_warning(case, entry):
    expected, _ = finished(entry.parent)
    if case == "a seal of another run":
        finished(entry.parent, 5)
        (other,) = set(entry.parent.iterdir()) - {entry}
        os.replace(other, entry)
    UNUSABLE[case](entry)
    with pytest.warns(CacheWarning, match=f"{entry}.*; the run is repeated"):
        outcome, calls = finished(entry.parent)
    assert calls == 1
    assert the_same(outcome, expected)
    assert entry.is_file()
    assert not entry.is_symlink()
    assert finished(entry.parent)[1] == 0
    assert sorted(os.listdir(entry.parent)) == [entry.name]


def test_a_link_under_the_name_of_an_entry_is_replaced_and_its_target_left_alone(entry, tmp_path):
    (tmp_path / "precious").write_text("mine")
    entry.unlink()
    entry.symlink_to(tmp_path / "precious")
    with pytest.warns(CacheWarning, match="is a link"):
        finished(entry.parent)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_folder_in_the_place_of_an_entry_does_not_end_the_run(entry):
    expected, _ = finished(entry.parent)
    entry.unlink()
    entry.mkdir()
    with pytest.warns(CacheWarning) as caught:
        outcome, _ = finished(entry.parent)
    assert len(caught) == 2
    assert str(caught[1].message) == f"a finished run is not kept: {entry} is a folder: name a file"
    assert the_same(outcome, expected)


def test_a_full_disk_does_not_lose_the_result(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(CacheWarning, match="a finished run is not kept: .* No space left on device"):
        outcome, _ = finished(tmp_path)
    assert outcome["D"] == 0.5
    assert not os.listdir(tmp_path)


def test_the_seal_names_run_and_arrays(entry):
    with np.load(entry) as archive:
        seal = json.loads(str(archive[runs.SEAL]))
    assert seal["run"] == entry.stem
    assert seal["arrays"] == {"X": ["<f8", [2, 3]], "D": ["<f8", []], "name": ["<U1", []]}


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"claims": 3}', '{"claims": [{"x": 1}]}', "[" * 100_000])
def test_claims_that_cannot_be_read_are_refused(content, tmp_path):
    (tmp_path / "figure1.json").write_text(content)
    with pytest.raises(ContentError, match=r"figure1\.json has no claims that can be read"):
        read_claims(tmp_path, "figure1")


def test_claims_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "figure1.json")
    with pytest.raises(OSError, match="is a pipe"):
        read_claims(tmp_path, "figure1")
