"""Many independent runs: side by side, each one kept in a file, so that a broken job continues where it stopped."""

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
    """Apply a function to every task and return what it gave, in order; finished ones are read from their files.

    Parameters
    ----------
    function : callable
        At the top level of a module; takes a task to a dictionary of arrays and numbers.
    tasks : sequence
        Each with a ``repr`` that says all of it, its seed included.
    folder : path-like
        Where to keep a file for each finished task. Their names change with the task and with the code.
    workers : int, callable or None
        How many processes, by default one for each core; or a ``map``-like callable, such as ``map`` itself or the
        ``map`` of an executor, of concurrent.futures or of Dask, on one machine or on many that share the folder. See
        `rdae_ref.workers`.
    description : str
        Stands before the count of finished tasks, which is drawn on a terminal only.

    Returns
    -------
    list of dict
        Arrays by name, for each task.

    Raises
    ------
    TypeError, ValueError
        If `workers` is neither an integer above 0 nor callable.
    """
    side_by_side, folder = mapping(cores() if workers is None else workers), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = functools.partial(_run_or_read, function, folder)
    with nullcontext() if side_by_side is workers else side_by_side:  # one that is given goes on afterwards
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
    """Return the name of a run, which changes with the task and with the code of this package.

    Parameters
    ----------
    function : callable
        At the top level of a module.
    task : object
        With a ``repr`` that says all that the result depends on.

    Returns
    -------
    str
        Of 32 hexadecimal digits.
    """
    said = f"{function.__module__}.{function.__qualname__}({task!r}) {_source()}"
    return hashlib.sha256(said.encode()).hexdigest()[:32]


@functools.cache
def _source() -> str:
    """Return a digest of the code of this package, on which every result depends."""
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
