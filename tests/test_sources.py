from itertools import pairwise

import numpy as np
import pytest
from cases import BAD_MATRICES

from rdae_ref.data import (
    GAUSSIAN_COVARIANCE,
    curved_manifold,
    gaussian,
    gaussian_with_covariance,
    mixture,
    project_on_ridge,
)

RNG = np.random.default_rng


def test_the_gaussian_has_the_moments_of_equation_26():
    X = gaussian(200_000, np.random.default_rng(0))
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(np.cov(X.T), [[1, 0.95], [0.95, 1]], atol=0.015)
    assert GAUSSIAN_COVARIANCE[0, 1] == 0.95


def test_the_mixture_has_the_moments_of_equation_27():
    X, component = mixture(400_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(component) / len(X), [0.5, 0.25, 0.25], atol=0.005)
    for k, (mean, sign) in enumerate((((2, -2), 1), ((-2, -2), -1), ((6, -2), -1))):
        np.testing.assert_allclose(X[component == k].mean(axis=0), mean, atol=0.02)
        np.testing.assert_allclose(np.cov(X[component == k].T), [[1, sign * 0.95], [sign * 0.95, 1]], atol=0.02)


def test_equal_generators_give_equal_data():
    for draw in (gaussian, lambda n, rng: mixture(n, rng).X):
        np.testing.assert_array_equal(draw(5, np.random.default_rng(3)), draw(5, np.random.default_rng(3)))


def test_the_ridge_against_the_nearest_of_many_points_on_it():
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 20_001)[:, None]
    corners = np.array([[-20.0, 16.0], [0.0, -4.0], [4.0, 0.0], [24.0, -20.0]])
    curve = np.vstack([a + t * (b - a) for a, b in pairwise(corners)])
    X = rng.uniform([-8, -8], [12, 6], size=(300, 2))
    distance, foot, normal = project_on_ridge(X)
    brute = np.sqrt(((X[:, None] - curve[None]) ** 2).sum(axis=2)).min(axis=1)
    np.testing.assert_allclose(distance, brute, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(X - foot, axis=1), distance, rtol=1e-12)
    assert project_on_ridge(foot).distance.max() < 1e-12
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1)
    inside = np.abs(foot - np.array([0, -4])).sum(axis=1) * np.abs(foot - np.array([4, 0])).sum(axis=1) > 1e-9
    along = np.einsum("ni,ni->n", X - foot, normal)
    np.testing.assert_allclose(np.abs(along[inside]), distance[inside], rtol=1e-9, atol=1e-12)


def test_the_means_of_the_mixture_lie_on_the_ridge():
    assert project_on_ridge([[2, -2], [-2, -2], [6, -2], [0, -4], [4, 0]]).distance.max() < 1e-12


def test_bad_arguments_are_refused():
    for draw in (gaussian, mixture):
        with pytest.raises(ValueError, match="n_samples"):
            draw(0, np.random.default_rng(0))
        with pytest.raises(TypeError, match="default_rng"):
            draw(3, 0)
    for bad, error, words in BAD_MATRICES.values():
        with pytest.raises(error, match=words):
            project_on_ridge(bad)
    with pytest.raises(ValueError, match=r"\(any, 2\)"):
        project_on_ridge(np.ones((3, 3)))


def test_mean_and_covariance_are_exact():
    covariance = np.array([[4.0, 1.0, 0.2], [1.0, 1.0, -0.1], [0.2, -0.1, 1e-6 + 0.1]])
    X = gaussian_with_covariance(30, covariance, RNG(0))
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(X.T @ X / 30, covariance, rtol=1e-12, atol=1e-13)
    assert gaussian_with_covariance(4, covariance, RNG(0)).shape == (4, 3)
    wide = gaussian_with_covariance(100_000, np.eye(2), RNG(1))
    assert np.mean(wide**4, axis=0) == pytest.approx(3, abs=0.05)  # and Gaussian


def test_the_manifold_has_its_dimension_everywhere_and_is_curved():
    sample = curved_manifold(3000, RNG(0), n_dimensions=2, n_features=12)
    assert sample.X.shape == (3000, 12)
    assert sample.coordinates.shape == (3000, 2)
    assert np.abs(sample.coordinates).max() <= 1
    variances = np.linalg.eigvalsh(np.cov(sample.X.T))[::-1]
    assert variances[4] > 1e-3 * variances[0]  # no plane holds it
    for centre in sample.coordinates[:5]:
        near = sample.X[np.linalg.norm(sample.coordinates - centre, axis=1) < 0.1]
        local = np.linalg.eigvalsh(np.cov(near.T))[::-1]
        assert local[2] < 0.02 * local[1]  # but two dimensions do, near any point
    flat = curved_manifold(500, RNG(0), n_dimensions=2, n_features=12, curvature=1e-3).X
    values = np.linalg.eigvalsh(np.cov(flat.T))[::-1]
    assert values[2] < 1e-5 * values[1]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: gaussian_with_covariance(2, np.eye(2), RNG(0)), ValueError, "n_samples must be at least 3"),
        (lambda: gaussian_with_covariance(9, -np.eye(2), RNG(0)), ValueError, "smallest eigenvalue of covariance must"),
        (lambda: gaussian_with_covariance(9, np.ones((2, 3)), RNG(0)), ValueError, "covariance must be square"),
        (lambda: curved_manifold(0, RNG(0)), ValueError, "n_samples must be at least 1"),
        (lambda: curved_manifold(9, RNG(0), curvature=0.0), ValueError, "curvature must"),
        (lambda: curved_manifold(9, RNG(0), n_features=0), ValueError, "n_features must"),
        (lambda: curved_manifold(9, 0), TypeError, "default_rng"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
