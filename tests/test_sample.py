"""R(D) of a finite sample: closed forms, Blahut and Arimoto on given alphabets, and maps at random."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq

from rdae_ref.theory import (
    ConvergenceWarning,
    annealing_slopes,
    blahut_arimoto,
    critical_slope,
    dual_bound,
    gaussian_rate_distortion,
    optimal_manifold,
    sample,
    sample_rate_distortion,
)

TOLERANCE = 1e-3


def squared(X, Y):
    return ((np.asarray(X)[:, None] - np.asarray(Y)) ** 2).sum(axis=2)


def two_points(slope):
    """Solve x = ±1 by hand: letters at ±m with m = tanh(2βm), the probability of a mistake is (1 − m)/2."""
    m = brentq(lambda m: math.tanh(2 * slope * m) - m, 1e-9, 1) if slope > 0.5 else 0.0
    mistake = (1 - m) / 2
    entropy = -sum(p * math.log2(p) for p in (mistake, 1 - mistake) if p > 0)
    return 1 - entropy, 1 - m**2


@pytest.mark.parametrize("slope", [0.2, 0.4, 0.6, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("direction", [[1.0], [0.6, 0.8], [2 / 3, 1 / 3, 2 / 3]])
def test_two_points_in_any_direction(slope, direction):
    X = np.outer([-1.0, 1.0], direction)
    found, (rate, D) = sample_rate_distortion(X, [slope], tolerance=TOLERANCE), two_points(slope)
    total = rate + slope * D / math.log(2)
    assert found.intercept[0] <= total + 1e-12
    assert total <= found.rate[0] + slope * found.distortion[0] / math.log(2) + 1e-12
    assert_allclose(found.intercept[0], total, atol=TOLERANCE)
    assert found.lower_bound(D) <= rate + 1e-12


def test_a_gaussian_on_a_grid_is_water_filling():
    x = np.linspace(-4.5, 4.5, 46)
    p = np.exp(-(x**2) / 2)
    p /= p.sum()
    found = sample_rate_distortion(x[:, None], [0.6, 1.5, 5.0], p_x=p, tolerance=2e-3)
    closed = gaussian_rate_distortion([p @ x**2], found.distortion).rate
    assert (found.lower_bound(found.distortion) <= closed + 1e-6).all()
    assert_allclose(found.rate, closed, atol=2e-3)


def test_far_apart_clusters_are_told_apart_and_no_more():
    X = 100 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    found = sample_rate_distortion(X, [1.0], tolerance=TOLERANCE)
    assert_allclose([found.rate[0], found.intercept[0]], 1.5, atol=TOLERANCE)
    assert_allclose(found.lower_bound([0.0, 1e-9]), 1.5, atol=TOLERANCE)


def test_one_sample_needs_nothing():
    found = sample_rate_distortion([[3.0, 4.0]], [1.0, 10.0])
    assert_allclose([*found.rate, *found.distortion], 0, atol=1e-9)
    assert_allclose(found.lower_bound([0.0, 2.0]), 0, atol=1e-3)


problems = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 2), st.integers(2, 9), st.floats(0.1, 20))


@settings(max_examples=20, deadline=None)
@given(problems)
def test_no_map_to_any_points_is_below_the_line_of_any_output_distribution(problem):
    """The line holds for a poor q, and for maps whose letters are not those of q, far outside of the samples too."""
    seed, d, n, slope = problem
    rng = np.random.default_rng(seed)
    X, p = rng.normal(size=(n, d)), rng.dirichlet(np.ones(n))
    intercept = dual_bound(X, rng.normal(size=(4, d)), rng.dirichlet(np.ones(4)), slope, p_x=p, tolerance=0.02)
    for spread in (0.3, 1.0, 3.0):
        letters = np.vstack([X + 0.1 * rng.normal(size=X.shape), spread * rng.normal(size=(5, d))])
        least = blahut_arimoto(p, squared(X, letters), slope)  # the best of all maps to these letters
        assert least.upper_bound + slope * least.distortion / math.log(2) >= intercept - 1e-9
        Q = rng.dirichlet(np.full(len(letters), 0.2), size=n)
        positive = Q > 0
        bits = (p[:, None] * Q)[positive] @ np.log2((Q / (p @ Q))[positive])
        D = (p[:, None] * Q * squared(X, letters)).sum()
        assert bits >= intercept - slope * D / math.log(2) - 1e-9


@settings(max_examples=15, deadline=None)
@given(problems)
def test_the_bounds_meet_within_the_tolerance(problem):
    seed, d, n, slope = problem
    X = np.random.default_rng(seed).normal(size=(n, d))
    found = sample_rate_distortion(X, [slope, 2 * slope], tolerance=0.01)
    total = found.rate + found.slope * found.distortion / math.log(2)
    assert (found.intercept <= total + 1e-12).all()
    assert (total - found.intercept <= 0.01 + 1e-12).all()
    assert (found.lower_bound(found.distortion) <= found.rate + 1e-12).all()
    assert (found.rate <= math.log2(n) + 1e-12).all()


def test_moving_turning_and_stretching_change_what_they_should():
    X = np.random.default_rng(1).normal(size=(8, 2))
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    plain = sample_rate_distortion(X, [0.5, 2.0], tolerance=TOLERANCE)
    other = sample_rate_distortion(3 * X @ turn.T + [5.0, -7.0], [0.5 / 9, 2.0 / 9], tolerance=TOLERANCE)
    assert_allclose(other.intercept, plain.intercept, atol=2 * TOLERANCE)
    assert_allclose(other.lower_bound([9.0, 2.7]), plain.lower_bound([1.0, 0.3]), atol=2 * TOLERANCE)


def test_a_supremum_that_only_cubes_find():
    """Against a fine grid; and the sum of two Gaussians that merge is largest between them, where no sample is."""
    rng = np.random.default_rng(2)
    for X in (rng.normal(size=(9, 2)), np.array([[-0.5, 0.0], [0.5, 0.0]])):
        log_weights = np.log(rng.dirichlet(np.ones(len(X)))) if len(X) > 2 else np.zeros(2)
        top, place = sample._supremum(X, log_weights, 1.5, 1e-6)
        side = [np.linspace(low - 1, high + 1, 201) for low, high in zip(X.min(axis=0), X.max(axis=0), strict=True)]
        grid = np.stack(np.meshgrid(*side), axis=-1).reshape(-1, 2)
        brute = np.log(np.exp(log_weights - 1.5 * squared(grid, X)).sum(axis=1)).max()
        assert top + 1e-6 >= brute
        assert top <= brute + 1.5 * sum((axis[1] - axis[0]) ** 2 for axis in side) / 4  # what a grid can miss
        assert_allclose(np.log(np.exp(log_weights - 1.5 * squared(place, X)).sum()), top, atol=1e-12)
    assert_allclose(place, [[0.0, 0.0]], atol=1e-2)


def test_below_the_critical_slope_one_letter_serves_which_is_no_sample():
    X = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
    beta = 0.9 * critical_slope(X)
    found = sample_rate_distortion(X, [beta], tolerance=TOLERANCE)
    assert_allclose(found.intercept[0], beta / math.log(2), atol=TOLERANCE)  # letter at the mean: R = 0 and D = 1
    among = blahut_arimoto(np.full(4, 0.25), squared(X, X), beta)
    assert among.lower_bound + beta * among.distortion / math.log(2) > found.intercept[0] + 0.2


def test_the_line_tells_a_local_minimum_of_the_manifold():
    X = np.random.default_rng(3).normal(size=(12, 2))
    beta = 4 * critical_slope(X)
    best = sample_rate_distortion(X, [beta], tolerance=TOLERANCE).intercept[0]
    manifold = optimal_manifold(X, 20, annealing_slopes(X, beta), rng=np.random.default_rng(0))
    line = dual_bound(X, manifold.points, manifold.assignments.mean(axis=0), beta)
    reached = manifold.rate + beta * manifold.distortion / math.log(2)
    assert line <= best + TOLERANCE
    assert 0.02 < reached - best < reached - line + TOLERANCE  # annealed, and still no global minimum


def test_too_few_rounds_are_reported_and_the_bounds_hold():
    X = np.random.default_rng(4).normal(size=(15, 2))
    with pytest.warns(ConvergenceWarning, match="raise max_rounds"):
        found = sample_rate_distortion(X, [3.0], tolerance=1e-3, max_rounds=1)
    good = sample_rate_distortion(X, [3.0], tolerance=1e-3)
    assert found.intercept[0] <= good.rate[0] + 3.0 * good.distortion[0] / math.log(2)
    assert found.lower_bound(found.distortion)[0] <= found.rate[0]


BAD = [
    (([1.0, 2.0], [1.0]), {}, ValueError, "X must have shape"),
    ((np.ones((3, 4)), [1.0]), {}, ValueError, "the number of features of X must be at most 3, got 4"),
    (([[1.0]], [2.0, 1.0]), {}, ValueError, "slopes must increase"),
    (([[1.0]], [0.0]), {}, ValueError, "slopes must increase from a number above 0"),
    (([[1.0], [2.0]], [1.0]), {"p_x": [0.5, 0.6]}, ValueError, "p_x must sum to 1"),
    (([[1.0], [2.0]], [1.0]), {"p_x": [1.0]}, ValueError, r"p_x must have shape \(2,\)"),
    (([[1.0]], [1.0]), {"tolerance": 0}, ValueError, "tolerance"),
    (([[1.0]], [1.0]), {"max_rounds": 0}, ValueError, "max_rounds"),
]


@pytest.mark.parametrize(("arguments", "options", "error", "message"), BAD)
def test_bad_input_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        sample_rate_distortion(*arguments, **options)


def test_bad_output_distributions_and_distortions_are_refused():
    X = [[0.0], [1.0]]
    with pytest.raises(ValueError, match="points must have shape"):
        dual_bound(X, [[0.0, 1.0]], [1.0], 1.0)
    with pytest.raises(ValueError, match="weights must sum to 1"):
        dual_bound(X, X, [0.5, 0.4], 1.0)
    with pytest.raises(ValueError, match="slope"):
        dual_bound(X, X, [0.5, 0.5], 0.0)
    with pytest.raises(ValueError, match="distortion"):
        sample_rate_distortion(X, [1.0]).lower_bound(-1.0)


def test_a_sample_that_never_comes_changes_nothing():
    X = np.array([[0.0], [1.0], [50.0]])
    with_it = sample_rate_distortion(X, [3.0], p_x=[0.4, 0.6, 0.0])
    without = sample_rate_distortion(X[:2], [3.0], p_x=[0.4, 0.6])
    assert_allclose(with_it.intercept, without.intercept, atol=1e-3)
