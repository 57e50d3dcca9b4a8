"""Tasks in parallel, and what `workers=` means.

`workers` is a number of processes on this machine, or a ``map``-like callable such as the ``map`` of an executor of
`concurrent.futures` or of Dask: it takes a function and a list of tasks and gives their results in order. Each task
runs in one thread, and so does its BLAS: more threads would compete for the same cores.
"""

import functools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.reduction import ForkingPickler
from multiprocessing.util import Finalize
from typing import Any, TypeAlias

from ._validation import as_count
from .threads import single_thread

__all__ = ["ExternalMap", "Map", "Parallel", "Processes", "Workers", "cores", "mapping"]

Map: TypeAlias = Callable[[Callable[..., Any], list[Any]], Iterable[Any]]
Workers: TypeAlias = int | Map | None

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
GUARD = 'if __name__ == "__main__":'
NOT_FOUND = (
    "a function from a notebook, an interactive session or standard input cannot be found by other processes, so put "
    "it into a module, and a program from standard input into a file"
)


def mapping(workers: int | Map) -> "Parallel":
    """Return a map over workers, which is also a context manager; a given one is returned unchanged.

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
        raise TypeError(f"workers must be a number of processes or a map-like callable, got {workers!r}: {words}")
    return Processes(workers)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Processes(AbstractContextManager["Processes"]):
    """A map over processes of this machine, with one BLAS thread each.

    They start at the first task, even a single process: the same number of threads everywhere gives the same bits
    everywhere. They end with this object, with the process that owns it or with its ``with`` block, immediately if an
    exception leaves the block. They import the main program, so code in it that starts processes must be under
    ``if __name__ == "__main__":``.
    """

    def __init__(self, count: int) -> None:
        self.count = as_count(count, "workers")
        self._pool: ProcessPoolExecutor | None = None
        self._own: weakref.WeakSet[Any] = weakref.WeakSet()
        self._pid = os.getpid()

    def __reduce__(self) -> tuple[type["Processes"], tuple[int]]:
        return Processes, (self.count,)  # unpickled, it starts processes of its own

    def __call__(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
        """Submit all tasks at once and return their results in order; after a BrokenProcessPool call it again."""
        tasks = list(zip(*iterables, strict=True))
        with _STARTING, _one_blas_thread():  # processes start when tasks are submitted
            try:
                futures = self._submit(function, tasks)
            except BrokenProcessPool:
                self._let_go()
                futures = self._submit(function, tasks)
        return _results(futures)

    def _submit(self, function: Callable[..., Any], tasks: list[Any]) -> list[Future[Any]]:
        if getattr(multiprocessing.process.current_process(), "_inheriting", False):
            raise RuntimeError(f"this program starts processes while a process imports it: put that under {GUARD}")
        if self._pid != os.getpid():  # a forked process has its parent's pool, but not the threads of it
            self._let_go()
        if self._pool is None:
            _end_all_at_exit(os.getpid())
            self._pool = ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"), initializer=_begin)
        before = set(multiprocessing.active_children())
        try:
            with _without_interrupts():  # not around the constructor, which starts a process that unblocks them
                return [self._pool.submit(_opened, os.getpid(), _Sealed((function, *task))) for task in tasks]
        finally:
            for process in set(multiprocessing.active_children()) - before:
                self._own.add(process)
                _STARTED.add(process)

    def _let_go(self) -> tuple[ProcessPoolExecutor | None, Iterable[Any]]:
        """Return the pool and its processes, and forget them."""
        here, pool, own = self._pid == os.getpid(), self._pool, self._own
        self._pid, self._pool, self._own = os.getpid(), None, weakref.WeakSet()
        return (pool, own) if here else (None, ())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        pool, own = self._let_go()
        if pool is not None:
            if kind is not None:
                _terminate(own)
            pool.shutdown(cancel_futures=kind is not None)


def _results(futures: list[Future[Any]]) -> Iterator[Any]:
    """Return results in order; those that are not taken are not cancelled, which may end a pool if a process dies."""
    futures.reverse()
    while futures:
        try:
            result = futures.pop().result()
        except BrokenProcessPool as error:
            raise BrokenProcessPool(_advice()) from error
        yield result.open("the result of a task")


class _Sealed:
    """A value to be pickled, which arrives as `_Bytes`: what cannot be unpickled on the way would break the pool."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> tuple[type["_Bytes"], tuple[bytes]]:
        return _Bytes, (bytes(ForkingPickler.dumps(self.value)),)


class _Bytes:
    """A value that has been pickled."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def open(self, what: str) -> Any:
        """Return the value, or say that and why it cannot be unpickled."""
        try:
            return pickle.loads(self.content)
        except Exception as error:  # whatever its constructor raises
            why = f" ({NOT_FOUND})" if isinstance(error, (AttributeError, ImportError)) else ""
            words = f"{what} cannot be unpickled in another process: {type(error).__qualname__}: {error}{why}"
            raise RuntimeError(words) from error


def _opened(home: int, task: Any) -> _Sealed:  # sealed when it was sent, bytes here
    """Run a task in a process of the pool."""
    return _Sealed(_called(home, *task.open("a task")))


def _advice() -> str:
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    if path is not None and os.path.exists(path):
        why = f"or the program {path} starts processes when it is imported: put that under {GUARD}"
    else:
        why = f"or it could not import the program: {NOT_FOUND}"
    return f"a process ended before its task was done: it was killed (for lack of memory, say), {why}"


def _called(home: int, function: Callable[..., Any], *task: Any) -> Any:
    """Call a function; in another process than that of home, replace an exception that cannot be unpickled there."""
    try:
        return function(*task)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if os.getpid() == home or _survives(error):
            raise
        raise RuntimeError(f"{type(error).__module__}.{type(error).__qualname__}: {error}") from error


def _survives(error: BaseException) -> bool:
    try:
        again = pickle.loads(pickle.dumps(error))
        return type(again) is type(error) and str(again) == str(error)
    except Exception:  # whatever its constructor raises
        return False


class ExternalMap(AbstractContextManager["ExternalMap"]):
    """A map over workers that the caller started and will end; each task runs in one thread, with one BLAS thread."""

    count = 8  # how many there are is unknown: as many as share a few large matrices well

    def __init__(self, workers: Map) -> None:
        self.workers = workers

    def __call__(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
        """Return the results in the order of the tasks; raise ValueError if there is not one for each."""
        if len(iterables) == 1:
            tasks = list(iterables[0])  # as they are: the map may look at them
        else:
            tasks, function = list(zip(*iterables, strict=True)), functools.partial(_starred, function)
        return _one_for_each(self.workers(functools.partial(_pinned, os.getpid(), function), tasks), len(tasks))

    def __exit__(self, *_: object) -> None:
        pass


Parallel: TypeAlias = Processes | ExternalMap


def _starred(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return function(*arguments)


def _pinned(home: int, function: Callable[[Any], Any], task: Any) -> Any:
    """Call a function in this thread alone, with one BLAS thread."""
    with single_thread():
        return _called(home, function, task)


def _one_for_each(results: Iterable[Any], count: int) -> Iterator[Any]:
    given = 0
    for result in results:
        given += 1
        yield result
    if given != count:
        raise ValueError(f"workers must give a result for each task, as map does: got {given} for {count} tasks")


# How processes begin and end. Starts take turns: each changes environment and signal mask of this process for a moment,
# and recognises its processes as the new ones.

_STARTING = threading.Lock()
_STARTED: weakref.WeakSet[Any] = weakref.WeakSet()


@functools.cache
def _end_all_at_exit(_pid: int) -> None:
    """End all processes when this one ends, before multiprocessing waits for them."""
    # They may have processes themselves, which wait for tasks from a queue that is closed (priority 10) by then.
    Finalize(None, _terminate, args=(_STARTED,), exitpriority=100)


def _terminate(processes: Iterable[Any]) -> None:
    for process in set(processes) & set(multiprocessing.active_children()):
        process.terminate()


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
    """Let processes that start ignore Ctrl-C, which a terminal sends to all, from their first moment on."""
    # One that died of it while it started would leave the thread that feeds its queue waiting indefinitely.
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
