"""A baseline in a process of its own, which waits for its turn without using the processor.

Its name is that of a module and a function and, behind an @, its threads: ``pytorch.gradient@1`` or, with nothing set,
``pytorch.gradient@started``.
"""

import importlib
import multiprocessing
import os
import re
import resource
import statistics
import sys
import time
import traceback
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

SPAWN = multiprocessing.get_context("spawn")  # with the environment as it is now, BLAS threads included
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # the last one is JAX's
STATUS = Path("/proc/self/status")
LEAST = 0.1  # seconds of a timing: shorter calls are repeated
PAUSE = 0.05  # seconds: the shortest pause after a timing


class Baseline:
    """A process that has computed the case once, and does it again whenever it is asked to.

    Parameters
    ----------
    name : str
        Module, function and threads, as in ``"ours.gradient@1"``.
    case : Case or FigureCase
        What to compute.
    serve : callable
        What the process does.
    """

    def __init__(self, name, case, serve):
        self.name = name
        self._connection, other = SPAWN.Pipe()
        function, _, threads = name.partition("@")
        # No daemon: those may have no processes.
        self._process = SPAWN.Process(target=serve, args=(other, function, case))
        with _environment(threads):
            self._process.start()
        other.close()
        self.answer = self._receive()

    def seconds(self):
        """Return how long one call takes, and how long all its threads worked on it: on an idle machine, the same."""
        self._connection.send("time")
        return self._receive()

    def close(self):
        """End the process."""
        self._connection.close()
        self._process.join()

    def _receive(self):
        try:
            outcome = self._connection.recv()
        except EOFError:
            raise RuntimeError(f"{self.name} ended before it answered; was its memory enough?") from None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


@contextmanager
def _environment(threads):
    before = {name: os.environ.pop(name, None) for name in THREADS}
    try:
        if threads != "started":
            os.environ.update(dict.fromkeys(THREADS, threads))
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def take_turns(case, *names):
    """Time baselines one after the other, again and again.

    Returns for each a summary of its times, and for each its answer.
    """
    with ExitStack() as stack:
        baselines = [stack.enter_context(closing(Baseline(name, case, serve_times))) for name in names]
        rounds = [[baseline.seconds() for baseline in baselines]]
        for _ in range(_turns(sum(seconds for seconds, _ in rounds[0]), case.quick) - 1):
            rounds.append([baseline.seconds() for baseline in baselines])
        times = zip(*rounds, strict=True)
        return [_summary(*pair) for pair in zip(names, times, strict=True)], [c.answer for c in baselines]


def _turns(seconds, quick):
    """As many as a minute has, within bounds."""
    if quick or seconds > 60:
        return 3
    return min(max(int(60 / seconds), 5), 25)


def _summary(name, timings):
    seconds, processor = zip(*timings, strict=True)
    low, median, high = np.percentile(seconds, (25, 50, 75)).tolist()
    turns = {"turns": len(seconds), "processor": statistics.median(processor)}
    return {"who": name, "median": median, "quartiles": [low, high], **turns}


def answer(name, case):
    """Return what a baseline computes."""
    with closing(Baseline(name, case, serve_times)) as baseline:
        return baseline.answer


def peak_memory(name, case):
    """Return the bytes that a case takes at its peak, in a fresh process: data, objective and one call.

    It is the growth of the maximal resident set from the moment when the libraries are loaded and a small case has been
    computed.
    """
    with closing(Baseline(name, case, serve_memory)) as baseline:
        return float(baseline.answer)


def serve_times(connection, name, case):
    """Compute a case, send the answer, and time it whenever asked to."""
    with _failures_sent(connection):
        call = _load(name)(case)
        first = _flat(call())
        _rest()
        connection.send(first)
        while _asked_again(connection):
            timing = _timed(call)
            _rest()
            connection.send(timing)


def serve_memory(connection, name, case):
    """Send by how much a case, from data to answer, raises the peak of the resident set."""
    with _failures_sent(connection):
        baseline = _load(name)
        baseline(replace(case, N=50))()
        before = _peak()
        baseline(case)()
        connection.send(_peak() - before)


@contextmanager
def _failures_sent(connection):
    try:
        yield
    except BrokenPipeError:
        return  # the other side has closed the connection
    except Exception as error:
        error.add_note(traceback.format_exc())
        connection.send(error)


def _asked_again(connection):
    try:
        return connection.recv()
    except EOFError:
        return False


def _rest():
    """Wait until no thread works: BLAS threads may spin for a tenth of a second, and slow down the next process."""
    for _ in range(20):
        before = time.process_time()
        time.sleep(PAUSE)
        if time.process_time() - before < PAUSE / 10:
            return


def _timed(call):
    elapsed, worked = _clocked(call)
    if elapsed > LEAST:
        return elapsed, worked
    calls = 1 + int(LEAST / elapsed)  # the first one found cold caches
    elapsed, worked = _clocked(lambda: [call() for _ in range(calls)])
    return elapsed / calls, worked / calls


def _clocked(call):
    start, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - start, time.process_time() - cpu


def _load(name):
    module, function = name.split(".")
    return getattr(importlib.import_module(f".{module}", __package__), function)


def _flat(answer):
    return np.concatenate([np.ravel(np.asarray(part)) for part in answer])


def _peak():
    """Return the peak of the resident set in bytes."""
    if STATUS.exists():  # Linux: ru_maxrss there begins with the peak of the process that started this one
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
