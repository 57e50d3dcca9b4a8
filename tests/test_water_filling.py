"""Reverse water-filling against Lagrange duality, a numerical minimiser and the Gaussian channel itself."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq, minimize

from rdae_ref.theory import gaussian_distortion_rate, gaussian_rate_distortion, gaussian_test_channel, kept_components

positive = st.floats(1e-6, 1e6)
some_variances = st.lists(st.one_of(st.just(0.0), positive), min_size=1, max_size=8)
shares = st.floats(1e-6, 1 - 1e-6)
law = settings(derandomize=True, deadline=None, max_examples=150)


@pytest.mark.parametrize(
    ("variances", "distortion", "rate", "level", "distortions"),
    [
        ([1], 0.25, 1, 0.25, [0.25]),
        ([2, 1], 1, 1.5, 0.5, [0.5, 0.5]),
        ([1, 2], 2.5, 0.2075187496394219, 1.5, [1, 1.5]),
        ([2, 1], 2, 0.5, 1, [1, 1]),
        ([4, 0, 1], 2, 1, 1, [1, 0, 1]),
        ([1, 1, 1], 3, 0, 1, [1, 1, 1]),
        ([2, 1], 3, 0, 2, [2, 1]),
        ([2, 1], 7, 0, 2, [2, 1]),
        ([2, 1], math.inf, 0, 2, [2, 1]),
        ([2, 1], 0, math.inf, 0, [0, 0]),
        ([0, 0], 0, 0, 0, [0, 0]),
        ([0, 0], 1, 0, 0, [0, 0]),
    ],
)
def test_points_known_by_hand(variances, distortion, rate, level, distortions):
    filling = gaussian_rate_distortion(variances, distortion)
    assert_allclose(filling.rate, rate, rtol=1e-14, atol=0)
    assert_allclose(filling.level, level, rtol=1e-15)
    assert_allclose(filling.distortions, distortions, rtol=1e-15)


@pytest.mark.parametrize("seed", range(20))
def test_the_rate_is_exactly_zero_from_the_total_variance_on(seed):
    variances = np.random.default_rng(seed).exponential(size=57) ** 4  # their sum depends on the order of the terms
    for total in (variances.sum(), np.nextafter(variances.sum(), np.inf), 2 * variances.sum()):
        assert gaussian_rate_distortion(variances, total).rate == 0


@law
@given(some_variances, shares)
def test_the_level_is_the_root_of_its_equation(variances, share):
    D = share * sum(variances)
    filling = gaussian_rate_distortion(variances, D)
    if max(variances) > 0:
        level = brentq(lambda level: sum(min(level, v) for v in variances) - D, 0, max(variances), xtol=1e-300)
        assert_allclose(filling.level, level, rtol=1e-12)
    assert_allclose(filling.distortions, np.minimum(variances, filling.level), rtol=0)
    assert_allclose(filling.distortion, D, rtol=1e-12)
    rate = sum(0.5 * math.log2(v / filling.level) for v in variances if v > filling.level)
    assert_allclose(filling.rate, rate, rtol=1e-12, atol=1e-14)


@law
@given(some_variances.filter(any), shares, st.sampled_from([2, math.e, 10]))
def test_the_inverse_returns(variances, share, base):
    D = share * sum(variances)
    there = gaussian_rate_distortion(variances, D, base)
    back = gaussian_distortion_rate(variances, there.rate, base)
    assert_allclose(back.distortion, D, rtol=1e-11)
    assert_allclose(back.level, there.level, rtol=1e-11)
    assert back.rate == there.rate


@law
@given(some_variances, shares, shares, st.floats(0, 1))
def test_rate_is_convex_and_falls(variances, one, other, weight):
    D = np.array([one, other, weight * one + (1 - weight) * other]) * sum(variances)
    first, second, between = gaussian_rate_distortion(variances, D).rate
    assert between <= weight * first + (1 - weight) * second + 1e-10
    assert (first >= second) if one < other else (second >= first)


def test_no_other_shares_do_better():
    rng = np.random.default_rng(1)
    for D in (0.3, 1.0, 2.5):
        variances = rng.uniform(0.2, 2, 4)
        filling = gaussian_rate_distortion(variances, D)
        best = minimize(
            lambda shares, v=variances: 0.5 * np.log2(v / shares).sum(),
            np.minimum(D / 4, variances) * 0.9,
            bounds=[(1e-6, v) for v in variances],
            constraints={"type": "ineq", "fun": lambda shares, D=D: D - shares.sum()},
            options={"ftol": 1e-12, "maxiter": 500},
        )
        assert_allclose(filling.rate, best.fun, rtol=0, atol=1e-7)
        assert_allclose(filling.distortions, best.x, rtol=0, atol=1e-4)


def test_the_slope_is_half_the_inverse_level():
    variances, D, step = [3.0, 1.0, 0.2], np.array([0.1, 0.9, 2.0, 3.5]), 1e-5
    nats = gaussian_rate_distortion(variances, np.stack([D - step, D + step]), math.e).rate
    assert_allclose((nats[1] - nats[0]) / (2 * step), -0.5 / gaussian_rate_distortion(variances, D).level, rtol=1e-8)


def test_the_base_is_a_unit():
    bits, nats = (gaussian_rate_distortion([2.0, 1.0], 0.3, base).rate for base in (2, math.e))
    assert_allclose(bits * math.log(2), nats, rtol=1e-15)


def test_arrays_of_distortions_keep_their_shape():
    variances, D = [2.0, 1.0, 0.0], np.array([[0.0, 0.5, 1.0], [2.5, 3.0, math.inf]])
    filling = gaussian_rate_distortion(variances, D)
    assert filling.rate.shape == filling.level.shape == D.shape
    assert filling.distortions.shape == (2, 3, 3)
    for index in np.ndindex(D.shape):
        alone = gaussian_rate_distortion(variances, D[index])
        assert isinstance(alone.rate, float)
        assert isinstance(alone.level, float)
        assert (alone.rate, alone.level) == (filling.rate[index], filling.level[index])
        assert_array_equal(alone.distortions, filling.distortions[index])


def test_the_ends_of_the_inverse_are_exact():
    filling = gaussian_distortion_rate([0.3, 0.0, 0.7], [0.0, math.inf])
    assert_array_equal(filling.distortions, [[0.3, 0.0, 0.7], [0.0, 0.0, 0.0]])
    assert_array_equal(filling.level, [0.7, 0.0])
    assert gaussian_distortion_rate([0.0, 0.0], 3.0).distortion == 0


def test_far_apart_variances_lose_nothing():
    variances = [1e-300, 1.0, 1e300]
    filling = gaussian_rate_distortion(variances, 2.0)
    assert_allclose(filling.level, 1.0, rtol=1e-15)
    assert_allclose(filling.rate, 0.5 * math.log2(1e300), rtol=1e-14)
    assert math.isfinite(gaussian_rate_distortion([1e300], 1e-100).rate)


def test_components_above_the_level_are_those_that_pca_keeps():
    rng = np.random.default_rng(2)
    covariance = np.cov(rng.normal(size=(6, 50)) * np.arange(1, 7)[:, None])
    variances = np.linalg.eigvalsh(covariance)
    for D in (1.0, 10.0, 40.0, variances.sum()):
        filling = gaussian_rate_distortion(variances, D)
        kept = kept_components(variances, filling.level)
        assert_array_equal(kept, filling.distortions < variances)
        assert_array_equal(kept, np.arange(6) >= 6 - kept.sum())  # the largest variances, as PCA has it
        assert (not kept.any()) == (variances.sum() <= D)
        dropped = variances[~kept].sum()
        assert_allclose(filling.distortions[~kept].sum(), dropped)


def test_the_channel_attains_the_curve():
    variances = np.array([4.0, 1.0, 0.3, 0.0])
    filling = gaussian_rate_distortion(variances, 1.2)
    gain, noise = gaussian_test_channel(variances, filling.level)
    assert_allclose((1 - gain) ** 2 * variances + noise, filling.distortions, rtol=1e-14)
    live = noise > 0
    information = 0.5 * np.log2(1 + gain[live] ** 2 * variances[live] / noise[live])  # of a Gaussian channel
    assert_allclose(information.sum(), filling.rate, rtol=1e-14)
    assert_array_equal(live, kept_components(variances, filling.level))
    assert_array_equal(gain[~live], 0)
    assert all((part >= 0).all() for part in gaussian_test_channel(variances, 0.0))


def test_arguments_are_not_changed():
    variances, distortion = np.array([2.0, 1.0, 3.0]), np.array([0.5, 2.0])
    copies = variances.copy(), distortion.copy()
    gaussian_rate_distortion(variances, distortion)
    gaussian_distortion_rate(variances, distortion)
    filling = gaussian_distortion_rate(variances, distortion)
    gaussian_test_channel(variances, 0.5)
    filling.distortions[:] = -1
    assert_array_equal(variances, copies[0])
    assert_array_equal(distortion, copies[1])


@pytest.mark.parametrize("function", [gaussian_rate_distortion, gaussian_distortion_rate])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1, -1], 1), ValueError, "variances must not be negative, got -1 at index"),
        (([1, math.nan], 1), ValueError, "variances must be finite"),
        (([1, math.inf], 1), ValueError, "variances must be finite"),
        (([[1, 1]], 1), ValueError, "variances must have shape"),
        (([], 1), ValueError, "variances must not be empty"),
        ((["1"], 1), TypeError, "variances must hold real numbers"),
        (([1], -0.5), ValueError, r"must be 0 or above \(infinity is allowed\), got -0.5"),
        (([1], math.nan), ValueError, "must be 0 or above"),
        (([1], [[0.5], [math.nan]]), ValueError, r"got nan at index \[1, 0\]"),
        (([1], None), TypeError, "must hold real numbers"),
        (([1], 1, 1), ValueError, "base must be a finite number above 1"),
        (([1], 1, "2"), TypeError, "base must be a real number"),
    ],
)
def test_bad_input_is_refused(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(*arguments)


@pytest.mark.parametrize("function", [kept_components, gaussian_test_channel])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1, -1], 1), ValueError, "variances must not be negative"),
        (([1], -1), ValueError, "level must be 0 or above"),
        (([1], math.nan), ValueError, "level must be 0 or above"),
        (([1], "1"), TypeError, "level must hold real numbers"),
        ((1.0, 1), ValueError, r"use \[variances\]"),
    ],
)
def test_bad_levels_are_refused(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(*arguments)


def test_arrays_of_distortions_reach_the_selection_and_the_map():
    variances, D = [2.0, 1.0, 0.1], [0.5, 2.5, math.inf]
    levels = gaussian_rate_distortion(variances, D).level
    kept = kept_components(variances, levels)
    gains, noises = gaussian_test_channel(variances, levels)
    for k, level in enumerate(levels):
        np.testing.assert_array_equal(kept[k], kept_components(variances, level))
        one_gain, one_noise = gaussian_test_channel(variances, level)
        np.testing.assert_array_equal(gains[k], one_gain)
        np.testing.assert_array_equal(noises[k], one_noise)
    assert not kept[2].any()
    np.testing.assert_array_equal(gaussian_test_channel([2.0], math.inf)[0], [0])
