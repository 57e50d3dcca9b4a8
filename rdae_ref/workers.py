"""Many tasks side by side: the one place that knows processes, and what `workers=` means.

It is a number of processes on this machine, or anything that maps as `map` does, such as the ``map`` of an executor of
`concurrent.futures` or of Dask: a function and a list of tasks in, their results in order out. In each task BLAS has
one thread, if that can be had: more would fight for the same cores, and change the last bits of what is found.
"""

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.util import Finalize
from typing import Any, TypeAlias

from ._validation import as_count

__all__ = ["ExternalMap", "Map", "Parallel", "Processes", "Workers", "cores", "mapping"]

Map: TypeAlias = Callable[[Callable[..., Any], list[Any]], Iterable[Any]]
Workers: TypeAlias = int | Map | None

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def mapping(workers: int | Map) -> "Parallel":
    """Return a map over workers.

    Parameters
    ----------
    workers : int or callable
        A number of processes, or a ``map``-like callable.

    Returns
    -------
    Processes or ExternalMap
        ``map``-like, and a context manager that ends what it has started. One that is given comes back as it is.

    Raises
    ------
    TypeError, ValueError
        If `workers` is neither an integer above 0 nor callable.

    Examples
    --------
    >>> list(mapping(map)(pow, [2, 3], [5, 2]))
    [32, 9]
    """
    if isinstance(workers, (Processes, ExternalMap)):
        return workers
    if callable(workers):
        return ExternalMap(workers)
    if hasattr(workers, "map") or hasattr(workers, "submit"):
        words = "pass the map of an executor, for Dask client.get_executor().map"
        raise TypeError(f"workers must be a number of processes, or map as map does, got {workers!r}: {words}")
    return Processes(workers)


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
    bits everywhere. They end with this object, with the process that has it or, as a context manager, with its block;
    if that is broken off they end at once. They import the script that runs: what starts them must stand under
    ``if __name__ == "__main__":`` there.

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
        self._own: set[Any] = set()
        self._of = os.getpid()

    def __reduce__(self) -> tuple[type["Processes"], tuple[int]]:
        return Processes, (self.count,)  # where it is unpickled it has processes of its own, once it needs them

    def __call__(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
        """Hand out all tasks at once, and return their results in order.

        Parameters
        ----------
        function : callable
            At the top level of a module.
        *iterables : iterable
            Its arguments, of the same number each.

        Returns
        -------
        iterator
            As of `map`. It raises BrokenProcessPool if a process dies; the next call begins with new ones.
        """
        tasks = list(zip(*iterables, strict=True))
        with _HANDING_OUT, _one_blas_thread():  # processes start when tasks come in
            try:
                futures = self._handed_out(function, tasks)
            except BrokenProcessPool:
                self._forgotten()
                futures = self._handed_out(function, tasks)
        return _results(futures)

    def _handed_out(self, function: Callable[..., Any], tasks: list[Any]) -> list[Future[Any]]:
        pool, before = self._started(), set(multiprocessing.active_children())
        try:
            with _without_interrupts():
                return [pool.submit(function, *task) for task in tasks]
        finally:
            self._own |= set(multiprocessing.active_children()) - before

    def _started(self) -> ProcessPoolExecutor:
        if self._of != os.getpid():
            self._forgotten()
        if self._pool is None:
            # A process of others that has processes itself would wait for their end before its own, and they for tasks
            # from a queue that is closed by then (10): nobody asks for their results any more.
            self._at_exit = Finalize(None, _terminate, args=(self._own,), exitpriority=100)
            self._pool = ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"), initializer=_begin)
        return self._pool

    def _forgotten(self) -> tuple[ProcessPoolExecutor | None, set[Any]]:
        """Return the pool and its processes, which this object has no more."""
        pool, own = self._pool, self._own
        self._pool, self._own = None, set()
        if self._of != os.getpid():  # a process that was forked has the name of its parent's pool, but not its threads
            self._of = os.getpid()
            return None, set()
        if pool is not None:
            self._at_exit.cancel()
        return pool, own

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        pool, own = self._forgotten()
        if pool is None:
            return
        if kind is not None:
            _terminate(own)
        pool.shutdown(cancel_futures=kind is not None)


def _results(futures: list[Future[Any]]) -> Iterator[Any]:
    """Return results in order. What is not taken is not cancelled: a pool may end of it where a process dies, too."""
    futures.reverse()
    while futures:
        yield futures.pop().result()


class ExternalMap(AbstractContextManager["ExternalMap"]):
    """A map over workers that another one has started, and will end.

    Parameters
    ----------
    workers : callable
        ``map``-like: takes a function and a list. Where its tasks run, BLAS is held to one thread if threadpoolctl is
        there, which comes with the extra ``distributed``; in threads of one process, while the first of them runs.
        Processes are better: OpenBLAS under threads of Python has given wrong products.
    """

    count = 8  # how many they are is not known: as many as share a few large matrices well

    def __init__(self, workers: Map) -> None:
        self.workers = workers

    def __call__(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
        """Return the results in the order of the tasks.

        Parameters
        ----------
        function : callable
            As the workers need it: for other processes, at the top level of a module.
        *iterables : iterable
            Its arguments, of the same number each.

        Returns
        -------
        iterator
            As of `map`. It raises a ValueError if there is not one result for each task.
        """
        if len(iterables) == 1:
            tasks = list(iterables[0])  # as they are: whoever maps may look at them
        else:
            tasks, function = list(zip(*iterables, strict=True)), functools.partial(_starred, function)
        return _one_for_each(self.workers(functools.partial(_pinned, function), tasks), len(tasks))

    def __exit__(self, *_: object) -> None:
        pass


Parallel: TypeAlias = Processes | ExternalMap


def _starred(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return function(*arguments)


_PINNED = threading.Lock()


def _pinned(function: Callable[[Any], Any], task: Any) -> Any:
    """Call a function with one BLAS thread: the environment of another's workers is not ours to set."""
    controller = _blas()
    if controller is None or not _PINNED.acquire(blocking=False):  # the number is one for all threads of a process
        return function(task)
    try:
        with controller.limit(limits=1):
            return function(task)
    finally:
        _PINNED.release()


def _one_for_each(results: Iterable[Any], count: int) -> Iterator[Any]:
    given = 0
    for result in results:
        given += 1
        yield result
    if given != count:
        raise ValueError(f"workers must give a result for each task, as map does: got {given} for {count} tasks")


# How a process of a pool begins and ends. The starts of all pools take turns: each changes the environment and the
# signals of this process for a moment, and finds its own processes by what is new.

_HANDING_OUT = threading.Lock()


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Let processes that start have one BLAS thread."""
    before = {name: os.environ.get(name) for name in BLAS_THREADS}
    try:
        os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let processes that start not be ended by Ctrl-C, from their first moment on.

    A terminal sends it to all processes: here it is for the one that waits for them. One that died of it while it
    started would leave the thread that feeds its queue waiting for ever.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """Leave Ctrl-C to the process that waits for this one, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _terminate(processes: set[Any]) -> None:
    for process in processes & set(multiprocessing.active_children()):
        process.terminate()


@functools.cache
def _blas() -> Any:
    """Return what sets the threads of BLAS, found once: to look for its libraries takes longer than a small task."""
    try:
        from threadpoolctl import ThreadpoolController  # noqa: PLC0415  # optional: the extra [distributed]
    except ImportError:
        return None
    return ThreadpoolController()
