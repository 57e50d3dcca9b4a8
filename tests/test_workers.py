"""What `workers=` means: processes of this machine, and anything that maps."""

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from rdae_ref.workers import BLAS_THREADS, ExternalMap, Processes, cores, mapping


def power(base, exponent):
    return base**exponent


def seen(names):
    """What a process finds: who it is, its environment, and whether Ctrl-C is for it."""
    return os.getpid(), [os.environ.get(name) for name in names], signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def dies(task):
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return task


@pytest.mark.parametrize("workers", [1, 2, map], ids=["one", "two", "map"])
def test_results_come_in_order(workers):
    with mapping(workers) as side_by_side:
        assert list(side_by_side(power, [2, 3, 4], (k for k in (5, 2, 0)))) == [32, 9, 1]
        assert list(side_by_side(power, [], [])) == []


@pytest.mark.parametrize(
    ("workers", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("two", TypeError), (True, TypeError)]
)
def test_what_is_neither_a_number_nor_a_map_is_refused(workers, error):
    with pytest.raises(error, match="workers"):
        mapping(workers)


def test_processes_have_one_blas_thread_and_this_one_what_it_had(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with Processes(1) as pool:
        ((pid, environment, ignores),) = pool(seen, [BLAS_THREADS])
    assert pid != os.getpid()
    assert environment == ["1", "1", "1"]
    assert ignores
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in os.environ


def children():
    return {process.pid for process in multiprocessing.active_children()}


def test_processes_live_from_one_call_to_the_next_and_end_with_their_map():
    before, pool = children(), Processes(1)
    assert children() <= before  # none until there is something to do
    (first,), (second,) = (list(pool(seen, [()])) for _ in range(2))
    assert first == second
    assert first[0] in children()
    del pool
    gc.collect()
    deadline = time.monotonic() + 30
    while first[0] in children() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert first[0] not in children()


def test_a_map_in_a_pickle_has_processes_of_its_own():
    with Processes(2) as pool:
        assert list(pool(power, [2], [3])) == [8]
        other = pickle.loads(pickle.dumps(pool))
    assert other.count == 2
    with other:
        assert list(other(power, [2], [3])) == [8]


def test_a_process_that_dies_is_told_and_the_next_call_has_new_ones():
    with Processes(1) as pool:
        with pytest.raises(BrokenProcessPool):
            list(pool(dies, ["well", "die", "well"]))
        assert list(pool(dies, ["well", "well"])) == ["well", "well"]


def test_an_error_in_a_task_is_raised_here_and_leaves_the_processes():
    with Processes(1) as pool:
        with pytest.raises(ZeroDivisionError):
            list(pool(power, [2, 0, 3], [1, -1, 1]))
        assert list(pool(power, [2], [3])) == [8]


class UnpicklableError(Exception):
    """Its constructor takes more than it keeps: what is pickled cannot be made again."""

    def __init__(self, what, where):
        super().__init__(f"{what} at {where}")


class OpenError(Exception):
    """It holds what cannot be pickled."""


def fails(how):
    if how == "constructor":
        raise UnpicklableError("a wrong turn", 7)
    if how == "content":
        raise OpenError("a wrong turn at 7", threading.Lock())
    raise KeyError("a wrong turn at 7")


@pytest.mark.parametrize("how", ["constructor", "content", "plain"])
def test_an_exception_arrives_with_its_text_even_if_it_cannot_be_unpickled(how):
    with Processes(1) as pool:
        with pytest.raises(KeyError if how == "plain" else RuntimeError, match="a wrong turn at 7") as caught:
            list(pool(fails, [how]))
        if how == "constructor":
            assert "UnpicklableError" in str(caught.value)
        assert "in fails" in str(caught.value.__cause__)  # where it was raised
        assert list(pool(power, [2], [3])) == [8]


class Made:
    """It can be pickled, and its constructor fails when it is unpickled."""

    def __init__(self, error=ValueError):
        self.error = error

    def __reduce__(self):
        return _unmade, (self.error,)


def _unmade(error):
    raise error("a wrong turn at 7")


class Odd:
    def __reduce__(self):
        raise ValueError("a wrong turn at 7")


def made(what):
    return {"result": Made(), "name": Made(AttributeError), "open": threading.Lock(), "odd": Odd()}.get(what, what)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("result", "the result of a task cannot be unpickled in another process: ValueError: a wrong turn at 7"),
        ("name", "the result of a task cannot be .*: AttributeError: a wrong turn at 7 .a function from a notebook"),
        (Made(), "a task cannot be unpickled in another process: ValueError: a wrong turn at 7"),
        (Made(ImportError), "a task cannot be .*: ImportError: a wrong turn at 7 .a function from a notebook"),
        ("open", "cannot pickle '_thread.lock' object"),
        ("odd", "a wrong turn at 7"),
        (threading.Lock(), "cannot pickle '_thread.lock' object"),
        (Odd(), "a wrong turn at 7"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_pickled_or_unpickled_is_told_and_leaves_the_pool(task, words):
    with Processes(1) as pool:
        (before,) = (pid for pid, *_ in pool(seen, [()]))
        with pytest.raises((RuntimeError, TypeError, ValueError), match=words) as caught:
            list(pool(made, ["well", task, "well"]))
        assert not isinstance(caught.value, BrokenProcessPool)
        assert list(pool(made, ["well"])) == ["well"]
        (after,) = (pid for pid, *_ in pool(seen, [()]))
    assert after == before


def test_an_exception_of_a_map_arrives_as_it_is_here_and_with_its_text_from_elsewhere():
    with pytest.raises(UnpicklableError):
        list(mapping(map)(fails, ["constructor"]))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as pool, pytest.raises(RuntimeError, match="UnpicklableError: a wrong"):
        list(mapping(pool.map)(fails, ["constructor"]))


LEAKS = """
    import gc, multiprocessing.util, os, resource, time
    from rdae_ref.workers import Processes

    def held():
        gc.collect()
        return len(os.listdir("/proc/self/fd")), len(multiprocessing.util._finalizer_registry)

    if __name__ == "__main__":
        resource.setrlimit(resource.RLIMIT_NOFILE, (28, 28))
        before = held()
        for _ in range(5):
            pool = Processes(2)
            assert list(pool(pow, [2, 3], [3, 2])) == [8, 9]
        del pool
        deadline = time.monotonic() + 20
        while multiprocessing.active_children() or held()[0] > before[0] + 1:  # one to the resource tracker
            assert time.monotonic() < deadline, (before, held())
            time.sleep(0.02)
        print(held()[1] - before[1] <= 1)  # one for all
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_maps_that_are_deleted_leave_neither_descriptors_nor_finalizers(tmp_path):
    assert run_program(tmp_path, LEAKS) == "True\n"


UNGUARDED = """
    from rdae_ref.workers import Processes

    def square(k):
        return k * k

    print(list(Processes(1)(square, [3])))
"""


def test_a_program_without_a_guard_is_told_to_have_one(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(UNGUARDED))
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("concurrent.futures.process.BrokenProcessPool: a process ended before its task was done")
    assert last.endswith('put that under if __name__ == "__main__":')
    assert "RuntimeError: this program starts processes while a process imports it: put that under if" in done.stderr


@pytest.mark.parametrize("how", ["standard input", "-c"])
def test_a_function_that_other_processes_cannot_find_gets_advice(how, tmp_path):
    """Not in a file: as in a notebook."""
    source = textwrap.dedent(UNGUARDED)
    command = [sys.executable, "-"] if how == "standard input" else [sys.executable, "-c", source]
    done = subprocess.run(command, input=source, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "a function from a notebook, an interactive session or standard input cannot be found" in last
    assert "put it into a module" in last


def broken_off():
    with Processes(1) as pool:
        pool(time.sleep, [60, 60])
        raise KeyboardInterrupt


def test_a_block_that_is_broken_off_does_not_wait_for_its_tasks():
    before, start = children(), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert time.monotonic() - start < 30
    assert children() <= before


FORGOTTEN = """
    from rdae_ref.workers import Processes

    if __name__ == "__main__":
        pool = Processes(2)
        print(list(pool(pow, [2, 3], [3, 2])))
"""


def test_a_program_that_forgets_its_map_ends(tmp_path):
    assert run_program(tmp_path, FORGOTTEN) == "[8, 9]\n"


def test_the_end_of_one_map_leaves_the_processes_of_another():
    with Processes(1) as other:
        with pytest.raises(ZeroDivisionError), Processes(1) as pool:  # noqa: PT012
            list(pool(power, [2], [2]))
            later = other(slow_power, [3, 4], [2, 2])  # whose process starts while the first one's is there
            list(pool(power, [0], [-1]))
        assert list(later) == [9, 16]


def slow_power(base, exponent):
    time.sleep(0.3)
    return base**exponent


def test_threads_that_hand_out_at_once_leave_the_environment_as_it_was(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    pools = [Processes(1) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda pool: list(pool(power, [2, 3], [2, 2])), pools))
    assert found == [[4, 9]] * 4
    assert os.environ["OMP_NUM_THREADS"] == "7"


def run_program(folder, source):
    """Run a program that has a file, as processes need it, and return what it printed."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(source))
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=300, check=True)
    assert done.stderr == ""
    return done.stdout


# Programs of their own: what other tests have loaded here may not be forked.

FORKED = """
    import multiprocessing, os, time, warnings
    from rdae_ref.workers import Processes

    def where(pause):
        time.sleep(pause)
        return os.getpid()

    def child(pool, parents):
        assert next(pool(where, [0])) != parents

    if __name__ == "__main__":
        warnings.simplefilter("ignore")  # that a process with threads forks
        with Processes(1) as pool:
            first = next(pool(where, [0]))
            forked = multiprocessing.get_context("fork").Process(target=child, args=(pool, first))
            forked.start()
            forked.join(30)
            print(forked.exitcode, next(pool(where, [0])) == first)
"""

LEFT = """
    import os, time, warnings
    from rdae_ref.workers import Processes

    def slow(k):
        time.sleep(0.3)
        return k**2

    if __name__ == "__main__":
        warnings.simplefilter("ignore")
        with Processes(1) as pool:
            later = pool(slow, [2, 3])
            child = os.fork()
            if child == 0:
                pool.__exit__(KeyboardInterrupt, None, None)
                os._exit(0)
            print(os.waitpid(child, 0)[1], list(later))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(("source", "said"), [(FORKED, "0 True\n"), (LEFT, "0 [4, 9]\n")], ids=["works", "leaves"])
def test_a_process_that_was_forked_has_processes_of_its_own_and_leaves_those_of_its_parent(source, said, tmp_path):
    assert run_program(tmp_path, source) == said


SCRIPT = """
    import os, sys, time
    from contextlib import nullcontext
    import numpy as np
    from rdae_ref.workers import Processes

    def slow(array):
        time.sleep(0.2)
        return array.sum()

    if __name__ == "__main__":
        pool, block = Processes(2), sys.argv[1] == "block"
        try:
            print("begin", flush=True)
            with pool if block else nullcontext():
                while True:
                    list(pool(slow, [np.ones(200_000)] * (400 if block else 8)))
                    print(" ".join(str(process.pid) for process in pool._own), flush=True)
        except KeyboardInterrupt:
            print("\\ninterrupted", flush=True)
            print(list(pool(pow, [2], [3])), flush=True)
"""


@pytest.fixture
def script(request, tmp_path):
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, str(path), getattr(request, "param", "")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout.readline() == "begin\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("script", ["block", "no block"], indirect=True)
@pytest.mark.parametrize("after", [0.05, 0.2, 0.4, 1.5])
def test_ctrl_c_is_for_the_one_that_waits_at_whatever_moment(script, after):
    """While processes start, too: one that died then would leave the program waiting for ever.

    The tasks of the block would take 40 s, and without one the last eight are done.
    """
    time.sleep(after)
    os.killpg(script.pid, signal.SIGINT)
    said, errors = script.communicate(timeout=300)
    assert said.splitlines()[-2:] == ["interrupted", "[8]"]
    assert errors == ""
    assert script.returncode == 0


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:  # it has ended just now, or this is no Linux
        return not Path("/proc").exists()


def test_processes_end_with_one_that_is_killed(script):
    pids = [int(pid) for pid in script.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(alive, pids))
    script.kill()
    deadline = time.monotonic() + 30
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))


UNTAKEN = """
    import os, signal, time
    from rdae_ref.workers import Processes

    def task(k):
        if k == 7:
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)
        return k

    if __name__ == "__main__":
        pool = Processes(2)
        results = pool(task, range(3000))
        print(next(results))
        results.close()
        time.sleep(1.5)
        print(list(pool(task, [1, 2])))
"""


def test_results_that_nobody_takes_and_a_process_that_dies_leave_a_program_that_ends(tmp_path):
    assert run_program(tmp_path, UNTAKEN) == "0\n[1, 2]\n"


def within(task):
    """Work with processes of its own in a process of others, and forget about them."""
    global forgotten  # noqa: PLW0603  # as something that lives as long as the process does
    forgotten = Processes(1)
    return list(forgotten(power, [task], [2]))


def within_and_let_go(task):
    """Let the processes go just before the end, which must not overtake theirs."""
    list(Processes(2)(power, [task] * 4, [2] * 4))


def test_a_process_of_a_pool_that_has_processes_ends():
    with Processes(1) as pool:
        assert list(pool(within, [3, 4])) == [[9], [16]]


@pytest.mark.parametrize("target", [within, *[within_and_let_go] * 4])
def test_a_process_that_has_processes_ends(target):
    alone = multiprocessing.get_context("spawn").Process(target=target, args=(3,))
    alone.start()
    alone.join(30)
    alone.kill()
    assert alone.exitcode == 0


def test_a_borrowed_map_is_asked_once_with_one_list_and_left_alone():
    asked = []

    def lent(function, tasks):
        asked.append(tasks)
        return [function(task) for task in tasks]

    with ExternalMap(lent) as side_by_side:
        assert list(side_by_side(power, [2, 3], [3, 2])) == [8, 9]
    assert list(side_by_side(abs, [-2])) == [2]
    assert asked == [[(2, 3), (3, 2)], [-2]]


def test_the_map_of_a_pool_of_multiprocessing_is_one():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert list(mapping(pool.map)(power, [2, 3], [3, 2])) == [8, 9]


@pytest.mark.parametrize("kept", [slice(1, None), slice(0)], ids=["one is lost", "all are lost"])
def test_a_map_that_loses_results_is_found_out(kept):
    with pytest.raises(ValueError, match="a result for each task"):
        list(mapping(lambda function, tasks: [function(task) for task in tasks][kept])(power, [2, 3], [3, 2]))


def test_arguments_of_different_numbers_are_refused():
    for workers in (map, 1):
        with pytest.raises(ValueError, match="shorter"):
            list(mapping(workers)(power, [2, 3], [3]))


def test_what_maps_already_stays_what_it_is():
    for workers in (2, map):
        side_by_side = mapping(workers)
        assert mapping(side_by_side) is side_by_side


def test_an_executor_is_asked_for_its_map():
    with ThreadPoolExecutor(1) as executor, pytest.raises(TypeError, match="pass the map"):
        mapping(executor)


THREADS = """
    import time
    from concurrent.futures import ThreadPoolExecutor
    from threadpoolctl import threadpool_info
    from rdae_ref.workers import mapping

    def found():
        return {pool["num_threads"] for pool in threadpool_info()}

    def task(pause):
        time.sleep(pause)
        return found()

    before = found()
    with ThreadPoolExecutor(4) as executor:
        inside = list(mapping(executor.map)(task, [0.05, 0.01, 0.03, 0.02, 0.01, 0.04]))
    print(before, {1} in inside, found() == before)
"""


def test_tasks_in_threads_leave_blas_the_threads_it_had():
    command = [sys.executable, "-c", textwrap.dedent(THREADS)]
    environment = os.environ | dict.fromkeys(BLAS_THREADS, "2")
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert said in ("{2} True True\n", "{1} True True\n")  # a machine with one core has no second thread


def test_there_are_cores():
    assert 1 <= cores() <= (os.cpu_count() or 1)
