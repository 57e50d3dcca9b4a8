"""Many independent runs in parallel, each kept in a file, so that an interrupted job resumes where it stopped."""

import functools
import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from .._validation import Array
from ..files import written_whole
from ..workers import Workers, cores, mapping

__all__ = ["digest", "run_all"]

Outcome = dict[str, Array]


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
    finished runs are shown.
    """
    side_by_side, folder = mapping(cores() if workers is None else workers), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = functools.partial(_run_or_read, function, folder)
    with nullcontext() if side_by_side is workers else side_by_side:  # a pool that was passed in stays open
        return list(_counted(side_by_side(kept, tasks), len(tasks), description))


def _run_or_read(function: Callable[[Any], dict[str, Any]], folder: Path, task: Any) -> Outcome:
    path = folder / f"{digest(function, task)}.npz"
    outcome = _read(path)
    if outcome is None:
        archive = io.BytesIO()
        np.savez(archive, **function(task))
        with written_whole(path, "wb") as file:
            file.write(archive.getbuffer())
        outcome = _read(path)
        assert outcome is not None
    return outcome


def _read(path: Path) -> Outcome | None:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except (FileNotFoundError, zipfile.BadZipFile, ValueError, EOFError):
        return None


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
    show = sys.stderr.isatty()
    for done, outcome in enumerate(outcomes, 1):
        if show:
            end = "\n" if done == total else ""
            print(f"\r{description}: {done} of {total} runs", end=end, file=sys.stderr, flush=True)
        yield outcome
