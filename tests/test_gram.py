import numpy as np
import pytest
from cases import BAD_GRAMS, BAD_MATRICES, BAD_POSITIVE, directional_difference, samples
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist

from rdae_ref import gaussian_gram, gram_pullback, graph_laplacian, normalize_gram
from rdae_ref.gram import median_distance, squared_distances

seeds = st.integers(0, 10_000)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_distances_are_those_of_cdist_also_far_from_the_origin(offset):
    X = samples(50) + offset
    exact = cdist(X, X, "sqeuclidean")
    # cdist subtracts first and so is exact for the X it is given, whose last digits the offset took.
    assert np.abs(squared_distances(X) - exact).max() < 1e-13


def test_distances_are_symmetric_to_the_bit_and_zero_on_the_diagonal():
    D = squared_distances(samples(40, 3) + 1e6)
    assert np.array_equal(D, D.T)
    assert not D.diagonal().any()
    assert D.min() >= 0


def test_gaussian_gram_is_its_definition():
    X, sigma = samples(10), 0.7
    expected = [[np.exp(-np.sum((x - y) ** 2) / (2 * sigma**2)) / 10 for y in X] for x in X]
    np.testing.assert_allclose(gaussian_gram(X, sigma), expected, rtol=1e-13)


def test_one_sample_and_equal_samples():
    np.testing.assert_array_equal(gaussian_gram([[3.0, 4.0]], 1.0), [[1.0]])
    np.testing.assert_array_equal(gaussian_gram(np.full((4, 2), 1e6), 1.0), np.full((4, 4), 0.25))


@pytest.mark.parametrize(("sigma", "k"), [(1e-300, 0.0), (1e-200, 0.0), (1e-100, 0.0), (1e100, 1.0), (1e300, 1.0)])
def test_kernel_sizes_from_tiny_to_huge_have_their_limits(sigma, k):
    np.testing.assert_array_equal(gaussian_gram([[0.0], [1.0]], sigma), [[0.5, 0.5 * k], [0.5 * k, 0.5]])


def test_normalize_gram_is_its_definition():
    X = samples(6)
    K = (X @ X.T + 1) ** 2
    A = normalize_gram(K)
    assert A[1, 3] == pytest.approx(K[1, 3] / np.sqrt(K[1, 1] * K[3, 3]) / 6, rel=1e-14)
    np.testing.assert_allclose(A.diagonal(), 1 / 6, rtol=1e-14)
    np.testing.assert_allclose(normalize_gram(7 * gaussian_gram(X, 0.5)), gaussian_gram(X, 0.5), rtol=1e-14)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(seed=seeds, offset=st.floats(-1e3, 1e3), angle=st.floats(0, 6.3))
def test_gram_does_not_see_translation_rotation_and_permutes_with_the_samples(seed, offset, angle):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    A, order = gaussian_gram(X, 0.5), rng.permutation(12)
    np.testing.assert_allclose(gaussian_gram(X @ turn + offset, 0.5), A, atol=1e-11)
    np.testing.assert_allclose(gaussian_gram(X[order], 0.5), A[np.ix_(order, order)], atol=1e-15)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(seed=seeds, diagonal=st.floats(-1e6, 1e6))
def test_laplacian_kills_constants_and_does_not_see_the_diagonal(seed, diagonal):
    P = np.random.default_rng(seed).normal(size=(9, 9))
    P = P + P.T
    L = graph_laplacian(P)
    assert np.abs(L @ np.ones(9)).max() < 1e-13
    np.testing.assert_array_equal(graph_laplacian(P + diagonal * np.eye(9)), L)
    np.testing.assert_allclose(L, np.diag((P - np.diag(P.diagonal())).sum(axis=1)) - (P - np.diag(P.diagonal())))


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_pullback_is_the_derivative_of_any_function_of_the_gram_matrix(offset):
    rng = np.random.default_rng(1)
    Y, direction, C = rng.normal(size=(15, 3)), rng.normal(size=(15, 3)), rng.normal(size=(15, 15))
    C = C + C.T
    numeric = directional_difference(lambda y: np.sum(C * gaussian_gram(y, 0.8) ** 3), Y, direction)
    K = gaussian_gram(Y + offset, 0.8)
    analytic = np.vdot(gram_pullback(3 * C * K**2, K, Y + offset, 0.8), direction)
    assert analytic == pytest.approx(numeric, rel=1e-10 if offset == 0 else 1e-8)


@pytest.mark.parametrize("case", BAD_MATRICES)
def test_bad_samples_are_refused(case):
    bad, error, words = BAD_MATRICES[case]
    with pytest.raises(error, match=words):
        gaussian_gram(bad, 1.0)


@pytest.mark.parametrize("case", BAD_GRAMS)
def test_bad_matrices_are_refused(case):
    bad, error, words = BAD_GRAMS[case]
    for function in (normalize_gram, graph_laplacian, lambda M: gram_pullback(M, np.eye(2), np.eye(2), 1.0)):
        with pytest.raises(error, match=words):
            function(bad)


@pytest.mark.parametrize("case", BAD_POSITIVE)
def test_bad_kernel_sizes_are_refused(case):
    bad, error = BAD_POSITIVE[case]
    with pytest.raises(error, match="sigma"):
        gaussian_gram(np.eye(2), bad)
    with pytest.raises(error, match="sigma"):
        gram_pullback(np.eye(2), np.eye(2), np.eye(2), bad)


def test_other_misfits_are_refused():
    with pytest.raises(ValueError, match="positive diagonal"):
        normalize_gram([[0.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="same shape"):
        gram_pullback(np.eye(3), np.eye(2), np.eye(2), 1.0)
    with pytest.raises(ValueError, match="one row for each"):
        gram_pullback(np.eye(3), np.eye(3), np.eye(2), 1.0)
    with pytest.raises(ValueError, match=r"reshape\(-1, 1\)"):
        gaussian_gram([1.0, 2.0], 1.0)


@pytest.mark.parametrize("n", [2, 3, 30])
def test_the_median_of_the_distances_is_that_of_scipy(n):
    X = samples(n, 3, seed=1)
    assert median_distance(X) == pytest.approx(np.median(pdist(X)), rel=1e-12)
    assert median_distance(1e-3 * X + 5) == pytest.approx(1e-3 * np.median(pdist(X)), rel=1e-9)


def test_the_median_needs_a_pair():
    with pytest.raises(ValueError, match="number of rows of X must be at least 2"):
        median_distance(np.ones((1, 3)))
    assert median_distance(np.ones((4, 2))) == 0
