"""Many independent runs: side by side, each one kept in a file, so that a broken job continues where it stopped."""

import functools
import hashlib
import io
import multiprocessing
import os
import signal
import sys
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import InvalidStateError, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from .._validation import Array, as_count
from ..files import written_whole

__all__ = ["Workers", "digest", "run_all"]

Workers = int | Callable[..., Iterable[Any]] | None
Outcome = dict[str, Array]

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


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
        How many processes of one BLAS thread each, by default one for each core; or a ``map``-like callable, such as
        ``map`` itself or the ``map`` of an executor, of concurrent.futures or of Dask, on one machine or on many that
        share the folder. With threadpoolctl, in the extra ``distributed``, their BLAS has one thread, too.
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
    if workers is not None and not callable(workers):
        as_count(workers, "workers")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = functools.partial(_run_or_read, function, folder)
    if callable(workers):
        return list(_counted(workers(kept, tasks), len(tasks), description))
    count = _cores() if workers is None else workers
    # Processes even for one worker: the same number of BLAS threads everywhere gives the same bits everywhere.
    with _one_blas_thread(), _pool(count) as pool:
        return list(_counted(pool.map(kept, tasks), len(tasks), description))


@contextmanager
def _pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Open a pool whose processes end at once when the job is broken off, and store nothing half done."""
    others = multiprocessing.active_children()
    # A terminal sends Ctrl-C to all processes: here it is for the one that waits for them.
    pool = ProcessPoolExecutor(
        count, multiprocessing.get_context("spawn"), initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
    )
    try:
        yield pool
    except BaseException:
        with _silent_about_cancelled_runs():
            for process in set(multiprocessing.active_children()) - set(others):
                process.terminate()
            pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown()


@contextmanager
def _silent_about_cancelled_runs() -> Iterator[None]:
    """Print no traceback of the pool's own thread, which may find a run both cancelled and without a process."""
    before = threading.excepthook

    def hook(found: threading.ExceptHookArgs) -> None:
        if not (found.exc_type and issubclass(found.exc_type, InvalidStateError)):
            before(found)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run_or_read(function: Callable[[Any], dict[str, Any]], folder: Path, task: Any) -> Outcome:
    path = folder / f"{digest(function, task)}.npz"
    outcome = _read(path)
    if outcome is None:
        archive = io.BytesIO()
        with _pinned():
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


def _pinned() -> AbstractContextManager[object]:
    """Hold BLAS to one thread, wherever the task runs: the environment of another's workers is not ours to set."""
    try:
        from threadpoolctl import threadpool_limits  # noqa: PLC0415  # optional: the extra [distributed]
    except ImportError:
        return nullcontext()
    return threadpool_limits(limits=1)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in BLAS_THREADS}
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
