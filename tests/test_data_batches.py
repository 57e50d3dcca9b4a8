"""Mini-batches by pre-clustering."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdae_ref import gaussian_gram
from rdae_ref.data import clustered_batches, energy_in_blocks, random_batches


@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 20), st.integers(0, 3), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_every_sample_is_in_exactly_one_batch_and_none_is_too_large(n, d, largest, equal, seed):
    """With equal samples, too, which k-means cannot tell apart."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) if equal == 0 else rng.integers(0, equal, size=(n, d)).astype(float)
    batches = clustered_batches(X, largest, rng)
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    assert all(0 < len(rows) <= largest for rows in batches)
    assert all((np.diff(rows) > 0).all() for rows in batches)


def far_apart(rng, sizes=(9, 14, 20), d=2, shuffled=True):
    """Clusters of standard deviation 1, a hundred apart."""
    X = np.vstack([rng.normal(size=(n, d)) + 100 * k for k, n in enumerate(sizes)])
    return rng.permutation(X) if shuffled else X


@pytest.mark.parametrize("d", [2, 120], ids=["as it is", "after PCA"])
def test_clusters_that_are_far_apart_are_the_batches(d):
    rng = np.random.default_rng(0)
    X = far_apart(rng, sizes=(20, 20, 20), d=d)
    batches = clustered_batches(X, 20, rng)
    assert sorted(map(len, batches)) == [20, 20, 20]
    assert all(np.ptp(X[rows, 0]) < 50 for rows in batches)


def test_the_same_generator_gives_the_same_batches():
    X = np.random.default_rng(1).normal(size=(80, 3))
    first, second = (clustered_batches(X, 15, np.random.default_rng(2)) for _ in range(2))
    assert [rows.tolist() for rows in first] == [rows.tolist() for rows in second]


def test_random_batches_divide_all_samples_and_bad_ones_are_refused():
    batches = random_batches([5, 1, 4], np.random.default_rng(0))
    assert [len(rows) for rows in batches] == [5, 1, 4]
    assert sorted(np.concatenate(batches)) == list(range(10))
    for sizes, error in (([5, 0], ValueError), ([2.5], TypeError), ([], ValueError)):
        with pytest.raises(error):
            random_batches(sizes, np.random.default_rng(0))
    for arguments, error in (((np.ones((3, 1)), 0), ValueError), ((np.ones(3), 2), ValueError)):
        with pytest.raises(error):
            clustered_batches(*arguments, np.random.default_rng(0))


def test_energy_in_blocks_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    K = gaussian_gram(rng.normal(size=(9, 2)), 1.0)
    batches = [np.array([0, 3, 5]), np.array([1, 2]), np.array([4, 6, 7, 8])]
    inside = sum(K[i, j] ** 2 for rows in batches for i in rows for j in rows if i != j)
    total = sum(K[i, j] ** 2 for i in range(9) for j in range(9) if i != j)
    assert energy_in_blocks(K, batches) == pytest.approx(inside / total, rel=1e-13)
    assert energy_in_blocks(K, [np.arange(9)]) == pytest.approx(1)
    with pytest.raises(ValueError, match="off its diagonal"):
        energy_in_blocks(np.eye(3), [np.arange(3)])
