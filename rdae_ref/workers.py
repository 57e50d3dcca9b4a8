"""Many tasks side by side: the one place that knows processes, and what `workers=` means.

It is a number of processes on this machine, or anything that maps as `map` does, such as the ``map`` of an executor of
`concurrent.futures` or of Dask: a function and its arguments in, results in their order out. BLAS has one thread in
each task: more would fight for the same cores, and change the last bits of what is found.
"""

import functools
import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import InvalidStateError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing.util import Finalize
from typing import Any, TypeAlias

from ._validation import as_count

__all__ = ["Borrowed", "Map", "Processes", "SideBySide", "Workers", "cores", "mapping"]

Map: TypeAlias = Callable[..., Iterable[Any]]
Workers: TypeAlias = int | Map | None

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def mapping(workers: int | Map) -> "SideBySide":
    """Return a map over workers, in each of whose tasks BLAS has one thread.

    Parameters
    ----------
    workers : int or callable
        A number of processes, or a ``map``-like callable.

    Returns
    -------
    Processes or Borrowed
        ``map``-like, and a context manager that ends what it has started.

    Raises
    ------
    TypeError, ValueError
        If `workers` is neither an integer above 0 nor callable.

    Examples
    --------
    >>> list(mapping(map)(pow, [2, 3], [5, 2]))
    [32, 9]
    """
    return Borrowed(workers) if callable(workers) else Processes(workers)


def cores() -> int:
    """Return how many processes can work at once.

    Returns
    -------
    int
        The cores of this machine that are open to this process.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Processes(AbstractContextManager["Processes"]):
    """A map over processes of this machine, with one BLAS thread each.

    They start at the first task, even where there is one of them: the same number of threads everywhere gives the same
    bits everywhere. They end with this object or, as a context manager, with its block; if that is broken off they end
    at once. They import the script that runs: what starts them must stand under ``if __name__ == "__main__":`` there.

    Parameters
    ----------
    count : int
        How many.

    Raises
    ------
    TypeError, ValueError
        If `count` is not an integer above 0.
    """

    def __init__(self, count: int) -> None:
        self.count = as_count(count, "workers")
        self._pool: ProcessPoolExecutor | None = None
        self._others: set[Any] = set()

    def __reduce__(self) -> tuple[type["Processes"], tuple[int]]:
        return Processes, (self.count,)  # where it is unpickled it has processes of its own, once it needs them

    def __call__(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
        """Hand out all tasks at once, and return their results in order.

        Parameters
        ----------
        function : callable
            At the top level of a module.
        *iterables : iterable
            Its arguments.

        Returns
        -------
        iterator
            As of `map`. It raises BrokenProcessPool if a process dies; the next call begins with new ones.
        """
        arguments = [list(iterable) for iterable in iterables]
        with _one_blas_thread():  # processes start when tasks come in
            try:
                return self._started().map(function, *arguments)
            except BrokenProcessPool:
                self._forgotten()
                return self._started().map(function, *arguments)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._others = set(multiprocessing.active_children())
            self._pool = ProcessPoolExecutor(
                self.count,
                multiprocessing.get_context("spawn"),
                # A terminal sends Ctrl-C to all processes: here it is for the one that waits for them.
                initializer=signal.signal,
                initargs=(signal.SIGINT, signal.SIG_IGN),
            )
            # A process of others that has processes itself waits for theirs before its end, and they for tasks: tell
            # them first, before the queue of tasks (10) is closed.
            self._at_exit = Finalize(None, _end, args=(weakref.ref(self._pool),), exitpriority=100)
        return self._pool

    def _forgotten(self) -> ProcessPoolExecutor | None:
        """Return the pool, which this object has no more."""
        pool, self._pool = self._pool, None
        if pool is not None:
            self._at_exit.cancel()
        return pool

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        pool = self._forgotten()
        if pool is None:
            return
        if kind is not None:
            with _silent_about_cancelled_tasks():
                for process in set(multiprocessing.active_children()) - self._others:
                    process.terminate()
                pool.shutdown(cancel_futures=True)
        pool.shutdown()


def _end(reference: "weakref.ref[ProcessPoolExecutor]") -> None:
    pool = reference()
    if pool is not None:
        pool.shutdown(cancel_futures=True)


class Borrowed(AbstractContextManager["Borrowed"]):
    """A map over workers that another one has started, and will end.

    Parameters
    ----------
    workers : callable
        ``map``-like. Where its tasks run, BLAS is held to one thread if threadpoolctl is there, which comes with the
        extra ``distributed``.
    """

    count = 8  # how many they are is not known: as many as share a few large matrices well

    def __init__(self, workers: Map) -> None:
        self.workers = workers

    def __call__(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> Iterable[Any]:
        """Return the results in the order of the tasks.

        Parameters
        ----------
        function : callable
            As the workers need it: for other processes, at the top level of a module.
        *iterables : iterable
            Its arguments.

        Returns
        -------
        iterable
            As the workers return it.
        """
        arguments = [list(iterable) for iterable in iterables]  # Dask asks for their number
        return self.workers(functools.partial(_pinned, function), *arguments)

    def __exit__(self, *_: object) -> None:
        pass


SideBySide: TypeAlias = Processes | Borrowed


@contextmanager
def _silent_about_cancelled_tasks() -> Iterator[None]:
    """Print no traceback of the pool's own thread, which may find a task both cancelled and without a process."""
    before = threading.excepthook

    def hook(found: threading.ExceptHookArgs) -> None:
        if not (found.exc_type and issubclass(found.exc_type, InvalidStateError)):
            before(found)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Let processes that start have one BLAS thread."""
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


def _pinned(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function with one BLAS thread: the environment of another's workers is not ours to set."""
    with _threads_limited():
        return function(*arguments)


def _threads_limited() -> AbstractContextManager[object]:
    try:
        from threadpoolctl import threadpool_limits  # noqa: PLC0415  # optional: the extra [distributed]
    except ImportError:
        return nullcontext()
    return threadpool_limits(limits=1)
