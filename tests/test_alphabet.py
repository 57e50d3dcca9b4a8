"""R(D) among many samples against the small solver, which certifies itself, and the bound for all reproductions."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from scipy.special import xlogy

from rdae_ref.theory import (
    ConvergenceWarning,
    alphabet_rate_distortion,
    blahut_arimoto,
    gaussian_rate_distortion,
    sample_rate_distortion,
)
from rdae_ref.theory import alphabet as module


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(module, "TILE", 7)


@pytest.mark.parametrize(("N", "d"), [(60, 2), (40, 30), (1, 3)])
def test_the_bounds_hold_what_newton_steps_find(N, d, small_tiles):
    X = 5 + np.random.default_rng(0).normal(size=(N, d))
    found = alphabet_rate_distortion(X, [0.05, 0.5, 3.0])
    assert (found.rate - found.lower_bound <= 1e-3).all()
    far = cdist(X, X, "sqeuclidean")
    for i, beta in enumerate(found.slope):
        exact = blahut_arimoto(np.full(N, 1 / N), far, beta)
        total = exact.rate + beta * exact.distortion / math.log(2)
        shift = beta * found.distortion[i] / math.log(2)
        assert found.lower_bound[i] + shift <= total + 1e-5
        assert total <= found.rate[i] + shift + 1e-5
        if exact.rate > 0:
            at_that = blahut_arimoto(np.full(N, 1 / N), far, distortion=float(found.distortion[i]))
            assert found.lower_bound[i] - 1e-5 <= at_that.rate <= found.rate[i] + 1e-5


@pytest.mark.parametrize("gap", [0.0, 1e8])
def test_rate_distortion_and_centroids_are_those_of_the_map(gap, small_tiles):
    """Each sum as it stands, for the map of the q that was reached."""
    X = np.random.default_rng(1).normal(size=(30, 4))
    X[15:] += gap
    q = np.random.default_rng(2).dirichlet(np.ones(30))
    rate, distortion, lower, within = module._in_float64(module._squared_distances(X), X, 0.4, q)
    far = cdist(X, X, "sqeuclidean")
    Q = q * np.exp(-0.4 * far)
    Z = Q.sum(axis=1)
    Q /= Z[:, None]
    r = Q.mean(axis=0)
    assert_allclose(rate, xlogy(Q, Q / r).sum() / 30 / math.log(2), rtol=1e-6)
    assert_allclose(distortion, (Q * far).sum() / 30, rtol=1e-6)
    centroids = (Q / Q.sum(axis=0)).T @ X
    assert_allclose(within, (Q * cdist(X, centroids, "sqeuclidean")).sum() / 30, rtol=1e-6)
    assert_allclose(lower, rate - math.log2((r / q).max()) + r @ np.log2(r / q), rtol=0, atol=1e-6)
    assert within < distortion


def test_the_bound_for_all_reproductions_is_one(small_tiles):
    X = np.random.default_rng(3).normal(size=(40, 2))
    among = alphabet_rate_distortion(X, [0.1, 0.3, 1.0, 3.0, 10.0])
    anywhere = sample_rate_distortion(X, [0.5, 1.0, 2.0, 5.0])
    assert (among.lower_bound_anywhere(anywhere.distortion) <= anywhere.rate).all()
    assert among.lower_bound_anywhere(anywhere.distortion).max() > 1
    assert (anywhere.lower_bound(among.centroid_distortion) <= among.rate + 1e-9).all()
    assert (among.centroid_distortion < among.distortion).all()


@pytest.mark.parametrize("tolerance", [1e-3, 0.5])
def test_a_line_that_says_nothing_bounds_nothing(tolerance):
    X = np.random.default_rng(0).normal(size=(30, 1))
    found = alphabet_rate_distortion(X, [0.02, 0.2020132], tolerance=tolerance)
    nothing = 2 * np.var(X)  # one letter is enough for this distortion
    assert found.lower_bound_anywhere([nothing / 2, nothing]).tolist() == [0, 0]


def test_the_origin_does_not_matter():
    X = np.random.default_rng(0).normal(size=(20, 3))
    here, there = (alphabet_rate_distortion(X + offset, [0.5]) for offset in (0, 1e7))
    assert_allclose(there.centroid_distortion, here.centroid_distortion, rtol=1e-4)  # within the tolerance


def test_distances_that_float32_cannot_hold_are_refused():
    with pytest.raises(ValueError, match="rescale"):
        alphabet_rate_distortion([[0.0], [1e20], [2e20]], [1.0])


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_distances(offset, small_tiles):
    X = np.random.default_rng(4).normal(size=(23, 5)) + offset
    d = module._squared_distances(X)
    assert_allclose(d, cdist(X, X, "sqeuclidean"), rtol=1e-6, atol=1e-9)
    assert (d == d.T).all()
    assert not d.diagonal().any()


@pytest.mark.parametrize("d", [1, 5, 40])
def test_distances_within_clusters_far_apart_have_all_digits_of_float32(d, small_tiles):
    X = np.random.default_rng(7).integers(-1000, 1000, size=(40, d))
    X[::2] += 10**8
    exact = ((X[:, None] - X) ** 2).sum(axis=2)  # of integers
    assert_allclose(module._squared_distances(X / 1024), exact / 1024**2, rtol=6e-8)


def test_two_clusters_far_apart_need_one_bit_more_than_each():
    X = np.random.default_rng(8).normal(size=(2, 40, 3))
    both = alphabet_rate_distortion(np.vstack([X[0], X[1] + 1e8]), [0.3, 1.0], tolerance=1e-4)
    one, other = (alphabet_rate_distortion(x, [0.3, 1.0], tolerance=1e-4) for x in X)
    bits = [found.rate + found.slope * found.distortion / math.log(2) for found in (both, one, other)]
    assert_allclose(bits[0], 1 + (bits[1] + bits[2]) / 2, rtol=0, atol=2e-4)
    mean = (one.centroid_distortion + other.centroid_distortion) / 2
    assert_allclose(both.centroid_distortion, mean, rtol=2e-3)


def test_many_samples_of_a_gaussian_come_near_its_curve():
    X = np.random.default_rng(5).normal(size=(400, 1))
    found = alphabet_rate_distortion(X, [1.0, 4.0])
    assert_allclose(found.rate, gaussian_rate_distortion([X.var()], found.distortion).rate, rtol=0, atol=0.05)


def test_too_few_iterations_are_reported():
    with pytest.warns(ConvergenceWarning, match="raise max_iterations"):
        alphabet_rate_distortion(np.random.default_rng(6).normal(size=(50, 2)), [2.0], max_iterations=2)


@pytest.mark.parametrize(("slopes", "message"), [([0.0, 1.0], "slopes"), ([2.0, 1.0], "slopes")])
def test_bad_input_is_refused(slopes, message):
    with pytest.raises(ValueError, match=message):
        alphabet_rate_distortion(np.eye(3), slopes)
