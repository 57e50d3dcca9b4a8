"""The stochastic manifold against the closed form on a circle, Blahut-Arimoto on its points, and loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
from scipy.special import ive

from rdae_ref.theory import ConvergenceWarning, annealing_slopes, blahut_arimoto, critical_slope, optimal_manifold


def noisy_curve(rng, span, n=200, noise=0.05):
    angle = rng.uniform(0, span, n)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + noise * rng.normal(size=(n, 2))


def squared_distances(X, points):
    return ((X[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)


@pytest.fixture(scope="module")
def circle():
    X = noisy_curve(np.random.default_rng(0), 2 * math.pi)
    return X, optimal_manifold(X, 30, annealing_slopes(X, 40.0), rng=np.random.default_rng(1))


@pytest.fixture(scope="module")
def arc():
    X = noisy_curve(np.random.default_rng(2), math.pi)
    return X, optimal_manifold(X, 30, annealing_slopes(X, 40.0), rng=np.random.default_rng(3))


def test_a_noisy_circle_is_recovered(circle):
    _, manifold = circle
    assert_allclose(np.linalg.norm(manifold.points, axis=1), 1, rtol=0, atol=0.08)
    assert np.sqrt(np.mean((np.linalg.norm(manifold.points, axis=1) - 1) ** 2)) < 0.03  # below the noise, 0.05
    angles = np.linspace(-math.pi, math.pi, 100)
    curve = np.column_stack([np.cos(angles), np.sin(angles)])
    assert np.sqrt(squared_distances(curve, manifold.points).min(axis=1)).max() < 0.4


def test_a_noisy_arc_is_recovered(arc):
    _, manifold = arc
    assert_allclose(np.linalg.norm(manifold.points, axis=1), 1, rtol=0, atol=0.08)
    angles = np.linspace(0, math.pi, 100)
    curve = np.column_stack([np.cos(angles), np.sin(angles)])
    assert np.sqrt(squared_distances(manifold.points, curve).min(axis=1)).max() < 0.08
    assert np.sqrt(squared_distances(curve, manifold.points).min(axis=1)).max() < 0.4


@pytest.mark.parametrize("beta", [2.0, 20.0])
def test_the_circle_without_noise_has_a_closed_form(beta):
    """The posterior is von Mises with κ = 2βr, the points lie at its mean resultant: r = I₁(κ)/I₀(κ), D = 1 − r²."""
    angles = 2 * math.pi * np.arange(150) / 150
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    manifold = optimal_manifold(X, 30, annealing_slopes(X, beta), rng=np.random.default_rng(4))
    r = brentq(lambda r: ive(1, 2 * beta * r) / ive(0, 2 * beta * r) - r, 0.1, 1)
    D, nats = 1 - r**2, 2 * beta * r * (r - 1) - math.log(ive(0, 2 * beta * r))  # I₀(κ) = ive(0, κ) e^κ
    assert_allclose(np.linalg.norm(manifold.points, axis=1), r, rtol=0, atol=2e-3)
    assert_allclose(manifold.distortion, D, rtol=0, atol=2e-4)
    assert_allclose(manifold.rate, nats / math.log(2), rtol=0, atol=2e-3)
    assert_allclose(manifold.distortion + manifold.rate * math.log(2) / beta, D + nats / beta, rtol=2e-5)


def test_no_map_onto_the_same_points_does_better(circle):
    X, manifold = circle
    N, beta = len(X), manifold.stages[-1].beta
    best = blahut_arimoto(np.full(N, 1 / N), squared_distances(X, manifold.points), beta)
    ours, theirs = (found.distortion + found.rate * math.log(2) / beta for found in (manifold, best))
    assert theirs - 1e-9 <= ours <= theirs + 1e-4 * theirs


@pytest.mark.parametrize("which", ["circle", "arc"])
def test_the_objective_never_rises(which, request):
    _, manifold = request.getfixturevalue(which)
    for stage in manifold.stages:
        assert len(stage.objective) > 1
        assert (np.diff(stage.objective) <= 1e-14).all()
        assert_allclose(stage.objective[-1], stage.distortion + stage.rate * math.log(2) / stage.beta, rtol=1e-12)


def test_annealing_trades_distortion_for_rate(circle):
    X, manifold = circle
    assert_array_equal([stage.beta for stage in manifold.stages], annealing_slopes(X, 40.0))
    assert (np.diff([stage.rate for stage in manifold.stages]) > 0).all()
    assert (np.diff([stage.distortion for stage in manifold.stages]) < 0).all()


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 9), st.floats(-2, 3))
def test_what_is_returned_is_consistent(seed, d, n_points, log_beta):
    rng = np.random.default_rng(seed)
    X, beta = rng.normal(size=(12, d)), 10.0**log_beta
    manifold = optimal_manifold(X, n_points, [beta / 2, beta], rng=rng)
    P = manifold.assignments
    assert_allclose(P.sum(axis=1), 1, rtol=1e-13)
    weight = P.mean(axis=0)
    for k in range(n_points):
        if weight[k] > 1e-100:
            assert_allclose(
                manifold.points[k], sum(P[i, k] * X[i] for i in range(12)) / (12 * weight[k]), rtol=0, atol=1e-9
            )
    pairs = [(i, k) for i in range(12) for k in range(n_points) if P[i, k] > 0]
    information = sum(P[i, k] / 12 * math.log2(P[i, k] / weight[k]) for i, k in pairs)
    assert_allclose(manifold.rate, information, rtol=0, atol=1e-12)
    assert 0 <= manifold.rate + 1e-12 <= math.log2(min(12, n_points)) + 2e-12
    assert_allclose(manifold.distortion, (P * squared_distances(X, manifold.points)).sum() / 12, rtol=1e-10, atol=1e-14)


def test_the_map_is_the_boltzmann_map_of_its_points(arc):
    X, manifold = arc
    weights = manifold.assignments.mean(axis=0)
    factors = weights * np.exp(-manifold.stages[-1].beta * squared_distances(X, manifold.points))
    assert_allclose(manifold.assignments, factors / factors.sum(axis=1, keepdims=True), rtol=0, atol=2e-3)


def test_points_coincide_below_the_critical_slope_and_part_above_it():
    X = np.random.default_rng(5).normal(size=(300, 3)) * [2.0, 1.0, 0.5]
    beta = critical_slope(X)
    assert_allclose(beta, 0.5 / np.linalg.eigvalsh(np.cov(X.T, bias=True)).max(), rtol=1e-12)
    below = optimal_manifold(X, 5, [0.7 * beta], rng=np.random.default_rng(6), tolerance=1e-14)
    assert_allclose(below.points, np.tile(X.mean(axis=0), (5, 1)), rtol=0, atol=1e-4)
    assert_allclose([below.rate, below.distortion], [0, X.var(axis=0).sum()], rtol=0, atol=1e-7)
    above = optimal_manifold(X, 5, [0.7 * beta, 1.5 * beta], rng=np.random.default_rng(6))
    assert above.rate > 0.1
    assert abs(np.linalg.svd(above.points - above.points.mean(axis=0))[2][0, 0]) > 0.95  # along the first component


def test_one_point_is_the_mean_and_a_large_beta_is_k_means():
    X = np.array([[0.0, 0.0], [0.2, 0.0], [5.0, 5.0], [5.0, 5.4]])
    one = optimal_manifold(X, 1, [3.0], rng=np.random.default_rng(7))
    assert_allclose(one.points, [X.mean(axis=0)], rtol=0, atol=1e-14)
    assert one.rate == 0
    two = optimal_manifold(X, 2, annealing_slopes(X, 30.0), rng=np.random.default_rng(8))
    assert_allclose(two.points[two.points[:, 0].argsort()], [[0.1, 0.0], [5.0, 5.2]], rtol=0, atol=1e-12)
    assert_allclose([two.rate, two.distortion], [1.0, 0.025], rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_points_that_start_together_part(seed):
    X = np.repeat([[0.0], [10.0]], 20, axis=0)
    manifold = optimal_manifold(X, 2, annealing_slopes(X, 3.0), rng=np.random.default_rng(seed))
    assert_allclose(np.sort(manifold.points, axis=0), [[0.0], [10.0]], rtol=0, atol=1e-12)
    assert_allclose(manifold.rate, 1, rtol=0, atol=1e-12)


def test_the_same_generator_gives_the_same_points_and_arguments_are_not_changed():
    X = np.random.default_rng(9).normal(size=(20, 2))
    copy, betas = X.copy(), np.array([0.5, 1.0])
    first, second = (optimal_manifold(X, 4, betas, rng=np.random.default_rng(10)) for _ in range(2))
    assert_array_equal(first.points, second.points)
    assert_array_equal(X, copy)
    assert_array_equal(betas, [0.5, 1.0])


def test_data_far_from_the_origin_and_more_points_than_samples():
    X = np.random.default_rng(11).normal(size=(6, 2))
    near = optimal_manifold(X, 9, [1.0, 4.0], rng=np.random.default_rng(12))
    far = optimal_manifold(X + 1e6, 9, [1.0, 4.0], rng=np.random.default_rng(12))
    assert_allclose(far.points - 1e6, near.points, rtol=0, atol=1e-4)
    assert_allclose([far.rate, far.distortion], [near.rate, near.distortion], rtol=0, atol=1e-5)


def test_annealing_slopes_rise_in_proportion():
    X = np.random.default_rng(13).normal(size=(50, 2))
    slopes = annealing_slopes(X, 100.0, 7)
    assert_allclose(slopes[[0, -1]], [critical_slope(X), 100.0], rtol=1e-14)
    assert_allclose(np.diff(np.log(slopes), 2), 0, rtol=0, atol=1e-12)
    assert_array_equal(annealing_slopes(X, 1e-3), [1e-3])


def test_an_end_before_the_tolerance_is_reported(circle):
    X, _ = circle
    with pytest.warns(ConvergenceWarning, match="F still falls after 3 iterations"):
        optimal_manifold(X, 5, [5.0], rng=np.random.default_rng(14), max_iterations=3)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"X": [1.0, 2.0]}, ValueError, r"X must have shape \(samples, features\)"),
        ({"X": [[1.0], [math.nan]]}, ValueError, "X must be finite"),
        ({"n_points": 0}, ValueError, "n_points must be at least 1"),
        ({"n_points": 2.0}, TypeError, "n_points must be an integer"),
        ({"betas": [0.0, 1.0]}, ValueError, "betas must increase from a number above 0"),
        ({"betas": [2.0, 1.0]}, ValueError, "betas must increase"),
        ({"betas": [1.0, 1.0]}, ValueError, "betas must increase"),
        ({"betas": 1.0}, ValueError, "betas must have shape"),
        ({"betas": [1.0, math.inf]}, ValueError, "betas must be finite"),
        ({"rng": 0}, TypeError, "rng must be a numpy Generator"),
        ({"tolerance": 0}, ValueError, "tolerance must be a finite number above 0"),
        ({"max_iterations": 0}, ValueError, "max_iterations must be at least 1"),
    ],
)
def test_bad_input_is_refused(changed, error, message):
    good = {"X": [[0.0], [1.0]], "n_points": 2, "betas": [1.0], "rng": np.random.default_rng(0)}
    with pytest.raises(error, match=message):
        optimal_manifold(**(good | changed))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1.0], [1.0]], 2.0), ValueError, "the largest variance of X must be a finite number above 0"),
        (([1.0, 2.0], 2.0), ValueError, "X must have shape"),
        (([[1.0], [2.0]], 0.0), ValueError, "beta must be a finite number above 0"),
        (([[1.0], [2.0]], 1.0, 1), ValueError, "n_slopes must be at least 2"),
    ],
)
def test_bad_schedules_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        annealing_slopes(*arguments)
