"""Threads change how long a result takes, and not one bit of it."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from rdae_ref import Activation, RateDistortion, forward, gaussian_gram, initial_parameters
from rdae_ref.data import gaussian
from rdae_ref.threads import LARGE, MANY, by_strips, one_blas_thread, product, single_thread, thread_map
from rdae_ref.workers import mapping

BLAS = ThreadpoolController().select(user_api="blas")


@pytest.fixture
def two():
    """Let BLAS have two threads, as in a session with two cores, whatever the environment says."""
    limit = BLAS.limit(limits=2)
    free()
    if blas() != {2}:
        pytest.skip("this BLAS has one thread")
    yield
    limit.restore_original_limits()
    free()


def free():
    """Let every thread set the limit, which threadpoolctl otherwise reserves for who has set it."""
    with BLAS.limit():
        pass


def blas():
    return {library.num_threads for library in BLAS.lib_controllers}


def meet(barrier):
    """Return the thread in which this runs, and the threads of BLAS; the barrier breaks if no other task runs now."""
    barrier.wait(timeout=300)
    return threading.get_ident(), blas()


def objective(N, method="exact", alpha=1.01):
    X = gaussian(N, np.random.default_rng(N))
    return RateDistortion(X, activation="relu", alpha=alpha, mu=1.5, sigma_x=0.28, sigma_xhat=0.28, method=method)


def evaluate(L, seed):
    value, gradient = L.value_and_gradient(initial_parameters(2, 10, np.random.default_rng(seed), scale=0.5))
    return np.concatenate([[value], *map(np.ravel, gradient)])


def test_results_come_in_order(two):
    def slowly(k):
        time.sleep(0.002 * (5 - k))
        return k

    assert thread_map(slowly, range(5)) == [0, 1, 2, 3, 4]
    assert thread_map(pow, [2, 3], [5, 2]) == [32, 9]
    assert thread_map(pow, [], []) == []


def test_two_tasks_run_at_once_with_one_blas_thread_each(two):
    barrier = threading.Barrier(2)
    (one, inside), (other, too) = thread_map(meet, [barrier] * 2)
    assert one != other
    assert inside == too == {1}
    assert blas() == {2}


def counted(seconds):
    """Return a task, and a list to which it adds in how many threads it is running."""
    running, counts, lock = set(), [], threading.Lock()

    def task(_):
        with lock:
            running.add(threading.get_ident())
            counts.append(len(running))
        time.sleep(seconds)
        with lock:
            running.discard(threading.get_ident())

    return task, counts


def test_as_many_threads_as_blas_may_have(two):
    task, most = counted(0.005)
    thread_map(task, range(8))
    assert max(most) == 2
    most.clear()
    with threadpool_limits(1, user_api="blas"):
        thread_map(task, range(4))
    assert max(most) == 1


def test_tasks_within_tasks_and_in_workers_start_no_threads(two):
    def here(_):
        return threading.get_ident()

    within = thread_map(lambda _: set(thread_map(here, range(4))), range(2))
    assert all(len(threads) == 1 for threads in within)
    with single_thread():
        assert set(thread_map(here, range(4))) == {threading.get_ident()}
        assert blas() == {1}


def test_threads_of_the_user_share_one_helper(two):
    task, most = counted(0.002)
    with ThreadPoolExecutor(3) as executor:
        list(executor.map(lambda _: thread_map(task, range(4)), range(6)))
    assert max(most) <= 4  # three of the user and one of ours
    assert blas() == {2}


def test_large_matrices_leave_more_than_two_threads_to_blas(monkeypatch):
    monkeypatch.setattr("rdae_ref.threads._allowed", lambda: 8)
    assert thread_map(lambda _: threading.get_ident(), range(2), rows=LARGE) == [threading.get_ident()] * 2


@pytest.mark.parametrize("first", [True, False])
def test_an_error_of_a_task_arrives_and_nothing_stays_limited(two, first):
    barrier = threading.Barrier(2)

    def task(k):
        barrier.wait(timeout=300)
        if (k == 0) == first:
            raise KeyError("missing")
        return k

    with pytest.raises(KeyError, match="missing"):
        thread_map(task, range(2))
    assert blas() == {2}
    assert thread_map(abs, [-1, 2]) == [1, 2]


def test_the_limit_ends_with_its_last_user(two):
    with one_blas_thread() as before:
        with one_blas_thread() as nested:
            assert before == nested == 2
        assert blas() == {1}
    assert blas() == {2}


def test_the_limit_may_end_in_another_thread_than_it_began(two):
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with one_blas_thread():
            inside.set()
            leave.wait(30)

    other = threading.Thread(target=stay)
    other.start()
    inside.wait(30)
    with one_blas_thread():
        pass
    assert blas() == {1}
    leave.set()
    other.join()
    assert blas() == {2}


def test_no_helper_beside_a_blas_that_another_thread_has_set(two):
    inside, leave = threading.Event(), threading.Event()

    def stay():
        with threadpool_limits(2, user_api="blas"):
            inside.set()
            leave.wait(30)

    other = threading.Thread(target=stay)
    other.start()
    inside.wait(30)
    assert thread_map(lambda _: (threading.get_ident(), blas()), range(2)) == [(threading.get_ident(), {2})] * 2
    leave.set()
    other.join()
    assert {thread for thread, _ in thread_map(meet, [threading.Barrier(2)] * 2)} != {threading.get_ident()}


def test_large_matrices_keep_the_threads_of_blas(two):
    with one_blas_thread(LARGE):
        assert blas() == {2}
    with one_blas_thread(LARGE - 1):
        assert blas() == {1}


def test_threads_have_the_error_state_of_their_caller(two):
    barrier = threading.Barrier(2)

    def overflow(x):
        barrier.wait(timeout=300)
        return np.float64(x) * 1e308

    with np.errstate(over="ignore"):
        assert thread_map(overflow, [10.0, 10.0]) == [np.inf, np.inf]
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        thread_map(overflow, [10.0, 10.0])


def test_the_number_of_threads_changes_no_bit_of_a_gram_matrix(two):
    X = np.random.default_rng(0).normal(size=(301, 64))
    with single_thread():
        expected = gaussian_gram(X, 8.0)
    assert np.array_equal(gaussian_gram(X, 8.0), expected)


@pytest.mark.parametrize(("N", "method", "alpha"), [(60, "exact", 1.01), (200, "exact", 1.5), (700, "low-rank", 1.5)])
def test_the_number_of_threads_changes_no_bit(two, N, method, alpha):
    L = objective(N, method, alpha)
    several = evaluate(L, 1)
    with threadpool_limits(1, user_api="blas"):
        assert np.array_equal(evaluate(L, 1), several)
    with single_thread():
        assert np.array_equal(evaluate(L, 1), several)


def test_the_number_of_threads_changes_no_bit_of_large_products(two):
    rng = np.random.default_rng(0)
    L = RateDistortion(rng.random((520, 160)), activation="logsig", alpha=1.5, mu=1.0, sigma=3.0)
    start = initial_parameters(160, 80, rng)
    several = L.value_and_gradient(start)
    with single_thread():
        value, gradient = L.value_and_gradient(start)
    assert value == several[0]
    assert all(map(np.array_equal, gradient, several[1]))
    for found, expected in zip(L._forward(start), forward(start, L.X, "logsig"), strict=True):
        assert np.allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 13, 25, 48, 511, 513, 1999, 4001])
def test_a_large_product_is_computed_in_strips_of_its_rows(two, rows):
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(rows, 60)), rng.normal(size=(60, -(-2 * MANY // (60 * rows))))
    assert np.allclose(product(A, B), A @ B, rtol=1e-12, atol=1e-12)
    for multiplications in (2 * MANY, 100 * MANY):
        strips = by_strips(lambda strip: np.arange(rows)[strip], rows, multiplications)
        assert np.array_equal(np.concatenate(strips), np.arange(rows))
        assert min(map(len, strips)) >= min(12, rows)
        assert len(strips) > 1 or rows < 48
    assert len(by_strips(lambda strip: strip, rows, 2 * MANY - 1)) == 1


def test_two_strips_are_computed_at_once(two):
    barrier = threading.Barrier(2)
    assert sorted(by_strips(lambda strip: barrier.wait(timeout=300), 520, 2 * MANY)) == [0, 1]


@pytest.mark.parametrize("constant", [1.0, np.ones(80), np.ones((1, 80))], ids=["scalar", "row", "matrix"])
def test_units_may_have_a_derivative_that_is_constant_whatever_the_size(two, constant):
    rng = np.random.default_rng(0)
    X, start = rng.random((600, 160)), initial_parameters(160, 80, rng)
    unit = Activation("ours", lambda z: z, lambda z: constant, lambda z: 0.0)
    found, expected = (
        RateDistortion(X, activation=one, alpha=2, mu=1.0, sigma=3.0).value_and_gradient(start)
        for one in (unit, "linear")
    )
    assert found[0] == expected[0]
    assert all(map(np.array_equal, found[1], expected[1]))


def test_thousands_of_concurrent_evaluations_equal_the_sequential_one(two):
    objectives = [objective(N) for N in (20, 40, 70)]
    with single_thread():
        expected = [evaluate(L, 1) for L in objectives]

    def repeatedly(k):
        return all(np.array_equal(evaluate(objectives[j % 3], 1), expected[j % 3]) for j in range(k, k + 1000))

    with ThreadPoolExecutor(2) as executor:
        assert list(executor.map(repeatedly, range(2))) == [True, True]


def threads_of(task):
    """Count the threads in which tasks run within a task of a worker."""

    def here(_):
        time.sleep(0.002)
        return threading.get_ident()

    return len(set(thread_map(here, range(8)))), max(blas())


@pytest.mark.parametrize("kind", ["processes", "executor"])
def test_a_worker_has_one_thread(two, kind, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")  # the processes of the user would have two
    with mapping(2) as processes, ProcessPoolExecutor(2, get_context("spawn")) as executor:
        workers = processes if kind == "processes" else mapping(executor.map)
        assert list(workers(threads_of, range(4))) == [(1, 1)] * 4


def test_an_interrupt_while_the_limit_is_set_or_lifted_leaves_blas_as_it_was(two, monkeypatch):
    for interrupted in range(2):  # set, lifted
        calls = []

        def interrupt(calls=calls, interrupted=interrupted):
            free()
            calls.append(1)
            if len(calls) == interrupted + 1:
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr("rdae_ref.threads._free", interrupt)
        with pytest.raises(KeyboardInterrupt), one_blas_thread():
            pass
        assert blas() == {2}
        assert thread_map(meet, [threading.Barrier(2)] * 2)[0][1] == {1}


def test_an_interrupt_waits_until_no_helper_is_at_work(two):
    done, barrier = [], threading.Barrier(2)

    def task(seconds):
        barrier.wait(timeout=300)
        time.sleep(seconds)
        done.append((seconds, blas()))

    threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        thread_map(task, [0.0, 0.4])
    assert sorted(done) == [(0.0, {1}), (0.4, {1})]
    assert blas() == {2}


LATE = """
    import threading, time
    from threadpoolctl import threadpool_limits
    from rdae_ref.threads import thread_map
    threadpool_limits(2, user_api="blas")

    def late():
        time.sleep(0.3)
        print(thread_map(abs, [-1, 2]))

    threading.Thread(target=late).start()
"""


def test_a_thread_that_outlives_the_main_one_computes_alone():
    command = [sys.executable, "-c", textwrap.dedent(LATE)]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout == "[1, 2]\n"


FORKED = """
    import os, numpy as np
    from threadpoolctl import threadpool_limits
    from rdae_ref.threads import thread_map
    with threadpool_limits(2, user_api="blas"):
        before = thread_map(lambda x: x @ x, [np.eye(300)] * 2)
        child = os.fork()
        if child == 0:
            after = thread_map(lambda x: x @ x, [np.eye(300)] * 2)
            os._exit(not np.array_equal(before, after))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_threads_of_its_own():
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(FORKED)]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout == "0\n"
