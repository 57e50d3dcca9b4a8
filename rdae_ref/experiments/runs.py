"""Many independent runs in parallel, each kept in a file, so that an interrupted job resumes where it stopped."""

import functools
import hashlib
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from .._validation import Array
from ..files import ContentError, Header, as_path, as_text, parse_json, read_npz, written_whole
from ..workers import Workers, cores, mapping

__all__ = ["CacheWarning", "digest", "run_all"]

Outcome = dict[str, Array]

SEAL = "_run"  # a member of each file: JSON text with the run it belongs to, its arrays, and their SHA-256
LARGEST_SEAL = 2**20  # bytes


class CacheWarning(UserWarning):
    """The file of a finished run could not be used or kept."""


def run_all(
    function: Callable[[Any], dict[str, Any]],
    tasks: Sequence[Any],
    *,
    folder: str | os.PathLike[str],
    workers: Workers = None,
    description: str = "",
) -> list[Outcome]:
    """Return ``function(task)`` for every task, in order; finished runs are read from their files.

    `function` is defined at the top level of a module and returns a dictionary of arrays and numbers. The ``repr`` of a
    task states everything that its result depends on, the seed included. `workers` is a number of processes (default:
    one for each core) or a ``map``-like callable; see `rdae_ref.workers`. On a terminal, `description` and a count of
    finished runs are shown. A file that cannot be used is a `CacheWarning`, and its run is repeated; a link is not
    followed.
    """
    side_by_side, folder = mapping(cores() if workers is None else workers), as_path(folder, "folder")
    folder.mkdir(parents=True, exist_ok=True)
    kept = functools.partial(_run_or_read, function, folder)
    with nullcontext() if side_by_side is workers else side_by_side:  # a pool that was passed in stays open
        return list(_counted(side_by_side(kept, tasks), len(tasks), description))


def _run_or_read(function: Callable[[Any], dict[str, Any]], folder: Path, task: Any) -> Outcome:
    run = digest(function, task)
    path = folder / f"{run}.npz"
    try:
        return _read(path, run)
    except FileNotFoundError:
        pass
    except (ContentError, OSError) as error:
        warnings.warn(f"{error}; the run is repeated", CacheWarning, stacklevel=2)
    outcome = {name: _in_one_piece(np.asarray(value)) for name, value in function(task).items()}
    seal = json.dumps(_seal(run, outcome) | {"sha256": _sha256(outcome)})
    archive, content = io.BytesIO(), outcome | {SEAL: np.array(seal)}
    np.savez(archive, **content)
    try:
        with written_whole(path, "wb", follow=False) as file:
            file.write(archive.getbuffer())
    except OSError as error:  # a full disk, or a folder of that name: the result is not lost
        warnings.warn(f"a finished run is not kept: {error}", CacheWarning, stacklevel=2)
    return outcome


def _read(path: Path, run: str) -> Outcome:
    """Return what is kept of a run; it must be sealed as what this run returned, and whole."""
    headers: dict[str, Header] = {}

    def choose(found: Mapping[str, Header]) -> list[str]:
        headers.update(found)
        if SEAL not in headers or headers.pop(SEAL).dtype.itemsize > LARGEST_SEAL:
            raise ContentError(f"{path} is not the result of a run")
        return [SEAL]

    text = read_npz(path, choose, compressed=False, follow=False)[SEAL]
    seal = parse_json(as_text(text, f"{path}: {SEAL}"), f"{path}: {SEAL}")
    expected = _seal(run, headers)
    if not isinstance(seal, dict) or seal | {"sha256": 0} != expected | {"sha256": 0}:
        raise ContentError(f"{path} is the result of another run, or has other arrays than the result")
    outcome = read_npz(path, lambda _: list(headers), compressed=False, follow=False)
    if seal.get("sha256") != _sha256(outcome):
        raise ContentError(f"{path} has other numbers than the result")
    return outcome


def _in_one_piece(array: Array) -> Array:
    """Return an array as it will be read: in the order of C or Fortran, so that later sums have the same bits."""
    return array if array.flags.f_contiguous else np.asarray(array, order="C")


def _seal(run: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    shapes = {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
    return {"run": run, "arrays": shapes}


def _sha256(outcome: Outcome) -> str:
    digest = hashlib.sha256()
    for name, array in outcome.items():
        digest.update(name.encode() + array.tobytes())
    return digest.hexdigest()


def digest(function: Callable[..., Any], task: Any) -> str:
    """Return the name of a run, which changes with the task and with the code of this package."""
    said = f"{function.__module__}.{function.__qualname__}({task!r}) {_source()}"
    return hashlib.sha256(said.encode()).hexdigest()[:32]


@functools.cache
def _source() -> str:
    """Return a digest of the code of this package and of the versions of NumPy and SciPy."""
    digest = hashlib.sha256(f"{np.__version__} {scipy.__version__}".encode())
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _counted(outcomes: Iterable[Outcome], total: int, description: str) -> Iterator[Outcome]:
    """Yield outcomes, and show on a terminal how many there are and how long the others will take at this pace."""
    show, begin = sys.stderr.isatty(), time.monotonic()
    for done, outcome in enumerate(outcomes, 1):
        if show:
            left = (time.monotonic() - begin) / done * (total - done) / 60
            said = f", about {left:.0f} min left " if done < total else " " * 24 + "\n"
            print(f"\r{description}: {done} of {total} runs{said}", end="", file=sys.stderr, flush=True)
        yield outcome
