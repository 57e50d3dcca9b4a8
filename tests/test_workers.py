"""What `workers=` means: processes of this machine, and anything that maps."""

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from rdae_ref.workers import BLAS_THREADS, Borrowed, Processes, cores, mapping


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
    assert children() == before  # none until there is something to do
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


def broken_off():
    with Processes(1) as pool:
        pool(time.sleep, [60, 60])
        raise KeyboardInterrupt


def test_a_block_that_is_broken_off_does_not_wait_for_its_tasks():
    before, start = children(), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert time.monotonic() - start < 30
    assert children() == before


FORGOTTEN = """
    from rdae_ref.workers import Processes

    if __name__ == "__main__":
        pool = Processes(2)
        print(list(pool(pow, [2, 3], [3, 2])))
"""


def test_a_program_that_forgets_its_map_ends(tmp_path):
    script = tmp_path / "forgotten.py"
    script.write_text(textwrap.dedent(FORGOTTEN))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("[8, 9]\n", "")


def within(task):
    """Work with processes of its own in a process of others, and forget about them."""
    global forgotten  # noqa: PLW0603  # as something that lives as long as the process does
    forgotten = Processes(1)
    return list(forgotten(power, [task], [2]))


@pytest.mark.parametrize("lived", [True, False], ids=["pool", "alone"])
def test_a_process_that_has_processes_ends(lived):
    if lived:
        with Processes(1) as pool:
            assert list(pool(within, [3, 4])) == [[9], [16]]
    else:
        alone = multiprocessing.get_context("spawn").Process(target=within, args=(3,))
        alone.start()
        alone.join(30)
        assert alone.exitcode == 0


def test_a_borrowed_map_is_asked_once_and_left_alone():
    asked = []

    def lent(function, *tasks):
        asked.append(len(tasks))
        return [function(*task) for task in zip(*tasks, strict=True)]

    with Borrowed(lent) as side_by_side:
        assert list(side_by_side(power, [2, 3], [3, 2])) == [8, 9]
    assert list(side_by_side(power, [2], [3])) == [8]
    assert asked == [2, 2]


def test_there_are_cores():
    assert 1 <= cores() <= (os.cpu_count() or 1)
