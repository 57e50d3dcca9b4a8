"""Threads: one for BLAS, and Python's for tasks that are independent.

Decompositions of some hundred rows get slower with more BLAS threads; two of them in two Python threads take half the
time, since `numpy.linalg` releases the interpreter lock. OpenBLAS with several threads of its own has given wrong
products under Python threads (numpy issues 29391 and 31618), so it has one whenever tasks run in threads. As many
threads are used as BLAS was allowed to have: OPENBLAS_NUM_THREADS and `threadpoolctl.threadpool_limits` rule both.
"""

import functools
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from types import FrameType
from typing import Any, TypeVar

import numpy as np  # loads its BLAS, which the controller looks for
import scipy.linalg  # noqa: F401  # and SciPy's
from threadpoolctl import ThreadpoolController

from ._validation import Array

__all__ = ["LARGE", "by_strips", "one_blas_thread", "product", "single_thread", "thread_map"]

T = TypeVar("T")

LARGE = 4000  # rows: from here on products, and with more than two threads decompositions, gain from threads of BLAS
MANY = 2**21  # multiplications of a strip: half of it takes other code of OpenBLAS, and twice of it is worth a thread
STRIP, UNIT = 512, 24  # rows of two strips at most; where strips start at multiples of 24, OpenBLAS rounds as without


class _Shared:
    """What all threads of this process share, under one lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0  # of the limit
        self.helpers = 0  # threads at work beside those that called
        self.allowed, self.limiter = 1, None
        self.pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), thread_name_prefix="rdae_ref")


_shared = _Shared()
_THREADS = ContextVar("threads", default=0)  # that there may be: 0 where BLAS has not been limited, 1 within a task


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def _allowed() -> int:
    return max((library.num_threads for library in _controller().lib_controllers), default=1)


@contextmanager
def one_blas_thread(rows: int = 0) -> Iterator[int]:
    """Limit BLAS to one thread, except for `LARGE` matrices; yield how many threads there may be.

    The limit ends with the last of all nested or concurrent users, also after Ctrl-C. If another thread has set its own
    limit with threadpoolctl, that limit stays, and 1 is yielded.
    """
    here = _THREADS.get()
    if rows >= LARGE or here:
        yield here or 1
        return
    token = None
    try:
        with _uninterrupted(), _shared.lock:
            _limit()
            token = _THREADS.set(_shared.allowed)
        yield _shared.allowed
    finally:
        if token is not None:
            with _uninterrupted(), _shared.lock:
                _THREADS.reset(token)
                _lift()


def _limit() -> None:
    if not _shared.users:
        _shared.allowed = _allowed()
        if _shared.allowed > 1:
            _shared.limiter = _controller().limit(limits=1)
            _free()
            if _allowed() > 1:  # another thread owns OpenBLAS
                _shared.allowed = 1
    _shared.users += 1


def _lift() -> None:
    _shared.users -= 1
    if not _shared.users and _shared.limiter is not None:
        _shared.limiter.restore_original_limits()
        _shared.limiter = None
        _free()


def _free() -> None:
    """Let other threads set the limit: threadpoolctl reserves OpenBLAS for who has set it until a `with` block ends."""
    with _controller().limit():
        pass


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block, after which BLAS has the threads that `_shared` says."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute in this thread alone, as in a worker while other workers use the other cores."""
    with one_blas_thread():
        token = _THREADS.set(1)
        try:
            yield
        finally:
            _THREADS.reset(token)


def thread_map(function: Callable[..., T], *iterables: Iterable[Any], rows: int = 0) -> list[T]:
    """Return the results of all tasks in order, computed in as many threads as BLAS may have, with one BLAS thread.

    The result is the same to the bit for every number of threads. A task that itself calls this function, or calls it
    while other threads are at work already, runs its tasks one after another; so do tasks on `LARGE` matrices where
    BLAS has more than two threads, with all of them.
    """
    tasks = list(zip(*iterables, strict=True))
    if _THREADS.get() == 1 or (rows >= LARGE and _allowed() > 2):
        return [function(*task) for task in tasks]
    with one_blas_thread() as threads, _helpers(min(threads, len(tasks)) - 1, threads - 1) as count:
        if not count:
            return [function(*task) for task in tasks]
        pending, results = deque(enumerate(tasks)), dict[int, T]()

        def work() -> None:
            _THREADS.set(1)
            while pending:
                try:
                    k, task = pending.popleft()
                except IndexError:  # another thread was faster
                    return
                results[k] = function(*task)

        others: list[Future[None]] = []
        try:
            with suppress(RuntimeError):  # no thread can be started, or the interpreter ends: this one does it all
                for _ in range(count):  # each in a copy of the context, which has NumPy's error state
                    others.append(_shared.pool.submit(copy_context().run, work))
            copy_context().run(work)
        finally:
            with _uninterrupted():  # BLAS gets its threads back only when nobody is in it
                pending.clear()
                wait(others)
        for other in others:
            other.result()
        return [results[k] for k in range(len(tasks))]


def by_strips(function: Callable[[slice], T], rows: int, multiplications: int) -> list[T]:
    """Return the results for strips of rows, in threads, or for all rows at once where there is little to compute."""
    if multiplications < 2 * MANY or rows < 2 * UNIT:
        return [function(slice(None))]
    count = min(2 * -(-rows // STRIP), multiplications // MANY)
    ends = [*(UNIT * round(rows * k / count / UNIT) for k in range(count)), rows]
    return thread_map(function, map(slice, ends, ends[1:]), rows=rows)


def product(A: Array, B: Array) -> Array:
    """Return A @ B, in threads where that is worthwhile."""
    parts = by_strips(lambda rows: A[rows] @ B, len(A), A.size * B.shape[1])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@contextmanager
def _helpers(wanted: int, most: int) -> Iterator[int]:
    """Take up to `wanted` helpers, as long as `most` are not at work, and give them back."""
    with _shared.lock:
        count = max(0, min(wanted, most - _shared.helpers))
        _shared.helpers += count
    try:
        yield count
    finally:
        with _shared.lock:
            _shared.helpers -= count


def _after_fork() -> None:
    global _shared  # a forked child has neither the threads nor the owner of a lock
    limiter, _shared = _shared.limiter, _Shared()
    _THREADS.set(0)
    if limiter is not None:
        limiter.restore_original_limits()
        _free()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
