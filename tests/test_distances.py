"""Distances and the Gaussian kernel: right for any finite data, whole or by blocks, and against long doubles."""

import numpy as np
import pytest
from cases import samples
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist

from rdae_ref import RateDistortion, gaussian_gram, median_distance
from rdae_ref.numerics import distances
from rdae_ref.numerics.distances import GaussianKernel
from rdae_ref.paper import Parameters

TOLERANCE = 1e-12  # of N times a Gram matrix


def by_differences(X, sigma):
    """Evaluate the kernel from its definition, in extended precision."""
    X = np.asarray(X, dtype=np.longdouble)
    squared = [[np.sum(((x - y) / np.longdouble(sigma)) ** 2) for y in X] for x in X]
    return np.exp(-np.array(squared) / 2).astype(float)


@pytest.mark.parametrize("origin", [0.0, 1e6])
@pytest.mark.parametrize("sigma", [0.3, 5.0])
@pytest.mark.parametrize("d", [1, 2, 50])
def test_blocks_are_those_of_the_gram_matrix(d, sigma, origin):
    X = samples(30, d) + origin
    block, whole = GaussianKernel(X, sigma), 30 * gaussian_gram(X, sigma)
    assert len(block) == 30
    rows, some = slice(3, 11), np.array([4, 0, 29])
    atol = 1e-14 if d <= 4 else 1e-12  # by products
    np.testing.assert_allclose(block(rows, slice(20, 30)), whole[rows, 20:], atol=atol)
    np.testing.assert_allclose(block(some, slice(None)), whole[some], atol=atol)
    np.testing.assert_allclose(block(some, some), whole[np.ix_(some, some)], atol=atol)


@pytest.mark.parametrize("sigma", [1e-300, 1e-160, 1e160])
def test_kernels_of_any_size_are_0_or_1_and_never_nan(sigma):
    np.testing.assert_array_equal(
        GaussianKernel(np.array([[0.0], [2.0]]), sigma)(slice(None), slice(None)),
        np.eye(2) if sigma < 1 else np.ones((2, 2)),
    )


def test_blocks_of_some_samples_have_the_same_bits():
    X, some = samples(30, 2), np.array([3, 4, 5, 20, 21])
    block, part = GaussianKernel(X, 0.5), GaussianKernel(X, 0.5).among(some)
    assert len(part) == 5
    np.testing.assert_array_equal(part(slice(0, 3), slice(3, 5)), block(some[:3], some[3:]))



def outlier(X, rng, size):
    X[0] += size
    return X


def two_far_groups(X, rng, size):
    X[::2] += size
    return X


def far_origin(X, rng, size):
    return X + size


def one_wide_column(X, rng, size):
    X[:, 0] *= size
    return X


def near_pairs(X, rng, size):
    X[1::2] = X[::2][: len(X[1::2])] + rng.normal(size=X[1::2].shape) / size
    return X


HOSTILE = (outlier, two_far_groups, far_origin, one_wide_column, near_pairs)


@pytest.mark.parametrize("d", [1, 2, 5, 16, 17, 64, 784])
@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("size", [1e2, 1e5, 1e9, 1e13])
def test_the_kernel_is_right_for_any_finite_data(hostile, size, d):
    rng = np.random.default_rng(int(size) % 1000 + d)
    X = hostile(rng.normal(size=(13, d)), rng, size)
    for sigma in (1e-3, 0.3, 0.3 * d**0.5, 10.0, size):
        expected, kernel = by_differences(X, sigma), GaussianKernel(X, sigma)
        assert np.abs(len(X) * gaussian_gram(X, sigma) - expected).max() < TOLERANCE
        assert np.abs(kernel(slice(0, 5), slice(5, 13)) - expected[:5, 5:]).max() < TOLERANCE
        assert np.abs(kernel(np.array([3, 0]), slice(None)) - expected[[3, 0]]).max() < TOLERANCE


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    d=st.sampled_from([1, 3, 17, 40]),
    spread=st.floats(-140, 130),
    size=st.floats(-6, 2),
    apart=st.floats(0, 14),
)
def test_the_kernel_is_right_on_every_scale(seed, d, spread, size, apart):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(9, d))
    X[rng.random(9) < 0.4] += 10**apart
    scale = np.longdouble(10) ** spread
    scaled = X * float(scale)
    sigma = float(10**size * scale)
    assert np.abs(9 * gaussian_gram(scaled, sigma) - by_differences(scaled, sigma)).max() < TOLERANCE


def test_the_examples_that_products_got_wrong():
    far = gaussian_gram(np.array([0, 0.1, 0.2, 0.3, 0.4, 1e9])[:, None], 0.1) * 6
    np.testing.assert_allclose(far[0, :5], np.exp(-np.arange(5) ** 2 / 2.0), atol=1e-12)
    assert far[0, 5] == 0
    line = np.linspace(0, 1, 20)
    Z = np.concatenate([line, 1e8 + line])[:, None]
    identity = Parameters(np.eye(1), np.zeros(1), np.eye(1), np.zeros(1))
    settings_ = {"activation": "linear", "mu": 0, "sigma_x": 0.1, "sigma_xhat": 1e12}
    K_X, K = by_differences(Z, 0.1) / 40, by_differences(Z, 1e12) / 40
    spectra = [np.clip(np.linalg.eigvalsh(A), 0, None) for A in (40 * K_X * K, K)]
    for alpha in (1.01, 1.5, 2, 3, 4, 5, 10):
        joint, output = (np.log2(np.sum(values**alpha)) / (1 - alpha) for values in spectra)
        expected = joint - output
        for method in ("exact", "low-rank", "auto", "paper"):
            objective = RateDistortion(Z, alpha=alpha, method=method, **settings_)
            assert objective.value_and_gradient(identity)[0] == pytest.approx(expected, abs=1e-9)
            assert objective.terms(identity).conditional_entropy == pytest.approx(expected, abs=1e-9)


def test_clusters_far_apart_for_their_kernel_are_right_on_every_path():
    rng = np.random.default_rng(0)
    near = 0.3 * rng.normal(size=(100, 2))
    identity = Parameters(W=np.eye(2), c=np.zeros(2), A=np.eye(2), b=np.zeros(2))
    for alpha in (1.01, 2, 3, 5):
        values = {}
        for apart in (2e2, 2e6):
            X = np.concatenate([near - apart / 2, near[::-1] + apart / 2])
            for method in ("exact", "low-rank"):
                o = RateDistortion(X, activation="linear", alpha=alpha, mu=0, sigma_x=1, sigma_xhat=1, method=method)
                values[apart, method] = o.value_and_gradient(identity)[0]
        assert max(values.values()) - min(values.values()) < 1e-8


def test_few_pairs_are_mended_one_by_one_and_many_at_once():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 30))
    X[:30] += 1e9
    few, many = X.copy(), X.copy()
    few[1] = few[0] + 1e-3
    many[1:30] = many[0] + 1e-3 * rng.normal(size=(29, 30))
    many[30:] = many[30] + 1e-3 * rng.normal(size=(30, 30))
    for data in (few, many):
        assert np.abs(60 * gaussian_gram(data, 0.1) - by_differences(data, 0.1)).max() < TOLERANCE


def test_the_matrix_is_symmetric_to_the_bit_and_has_ones_on_its_diagonal():
    for d in (2, 50):
        K = GaussianKernel(samples(40, d) + 1e6, 3.0).matrix()
        assert np.array_equal(K, K.T)
        assert (K.diagonal() == 1).all()


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_distances_are_those_of_cdist_also_far_from_the_origin(offset):
    X = samples(50) + offset
    exact = cdist(X, X, "sqeuclidean")  # subtracts first
    assert np.abs(-2 * np.log(50 * gaussian_gram(X, 1.0)) - exact).max() < 1e-12


@pytest.mark.parametrize("n", [2, 3, 30])
def test_the_median_of_the_distances_is_that_of_scipy(n):
    X = samples(n, 3, seed=1)
    assert median_distance(X) == pytest.approx(np.median(pdist(X)), rel=1e-12)
    assert median_distance(1e-3 * X + 5) == pytest.approx(1e-3 * np.median(pdist(X)), rel=1e-9)


def test_the_median_of_hostile_data():
    assert median_distance(np.array([0, 0.1, 0.2, 0.3, 0.4, 1e8])[:, None]) == pytest.approx(0.3, rel=1e-12)
    assert median_distance(np.array([[0.0], [1e-200], [5e-200]])) == pytest.approx(4e-200, rel=1e-12)
    assert median_distance(np.array([[0.0], [1e139], [5e139]])) == pytest.approx(4e139, rel=1e-12)
    # Over 300 decades: where squares of the near ones vanish beside those of the far one.
    near = np.array([0, 1, 2, 3, 4]) * 1e-170
    assert median_distance(np.append(near, 1e140)[:, None]) == pytest.approx(3e-170, rel=1e-12)
    assert median_distance(np.append(near, 1e20)[:, None]) == pytest.approx(3e-170, rel=1e-12)
    plane = np.vstack([np.outer(near, [0.6, 0.8]), [1e140, 1e140]])
    assert median_distance(plane) == pytest.approx(3e-170, rel=1e-12)
    assert median_distance(np.array([[1.0], [1], [1], [1e140]])) == pytest.approx(5e139, rel=1e-12)


def test_the_median_of_many_rows_does_not_depend_on_their_order():
    rng = np.random.default_rng(0)
    X = 0.1 * rng.normal(size=(6000, 2))
    X[1::4] += 10
    X[3::4] -= 10
    assert median_distance(X) == pytest.approx(14.1, abs=0.1)
    assert median_distance(X) == median_distance(X)
    assert median_distance(X[rng.permutation(6000)]) == pytest.approx(14.1, abs=0.1)


def test_the_median_needs_a_pair():
    with pytest.raises(ValueError, match="number of rows of X must be at least 2"):
        median_distance(np.ones((1, 3)))
    assert median_distance(np.ones((4, 2))) == 0


def test_few_features_take_differences_and_many_take_products(monkeypatch):
    monkeypatch.setattr(distances, "cdist", None)
    assert GaussianKernel(samples(5, 5), 1.0)(slice(0, 2), slice(2, 5)).shape == (2, 3)
    with pytest.raises(TypeError):
        GaussianKernel(samples(5, 4), 1.0)(slice(0, 2), slice(2, 5))
