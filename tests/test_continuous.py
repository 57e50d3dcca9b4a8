"""Bounds for sources with a density: Gaussians lie inside them, and Shannon's lower bound below the upper one."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from rdae_ref.theory import continuous_bounds, gaussian_rate_distortion


def normal(variance, mean=0.0):
    return lambda x: np.exp(-((x - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)


def mixture(x):
    return 0.7 * normal(0.1, -1.0)(x) + 0.3 * normal(0.2, 1.5)(x)


def laplace(x):
    return 0.5 * np.exp(-np.abs(x))


def gaussian_minimum(variances, slope):
    level = min(1 / (2 * slope), max(variances))
    D = np.minimum(variances, level).sum()
    return gaussian_rate_distortion(variances, D, base=math.e).rate + slope * D


@pytest.mark.parametrize("slope", [0.2, 0.45, 2.0, 5.0])
@pytest.mark.parametrize("variances", [[1.0], [1.2, 0.3]])
def test_the_closed_form_of_a_gaussian_is_inside(variances, slope):
    bounds = continuous_bounds([normal(v) for v in variances], np.linspace(-7, 7, 151), slope)
    assert bounds.lower <= gaussian_minimum(variances, slope) <= bounds.upper
    assert bounds.upper - bounds.lower < 0.015 * len(variances) * max(slope, 1)


def test_two_coordinates_of_the_published_case_within_five_thousandths():
    variances = 2 * np.random.RandomState(0).random_sample(4)[2:]
    bounds = continuous_bounds([normal(v) for v in variances], np.linspace(-7, 7, 301), 1.5)
    exact = gaussian_minimum(variances, 1.5)
    assert bounds.lower <= exact <= bounds.upper
    assert max(exact - bounds.lower, bounds.upper - exact) < 0.005


@pytest.mark.parametrize("reach", [1.5, 2.5, 4.0])
def test_the_bounds_hold_however_much_is_outside_of_the_cells(reach):
    bounds = continuous_bounds([normal(1.0)], np.linspace(-reach, reach, 60), 2.0)
    assert bounds.lower <= gaussian_minimum([1.0], 2.0) <= bounds.upper


@pytest.mark.parametrize(("edges", "slope"), [([-1, 1], 0.2), ([0, 1], 0.2), ([-3, 3], 0.05)])
def test_one_cell_gives_bounds_that_hold(edges, slope):
    bounds = continuous_bounds([normal(1.0)], edges, slope)
    assert bounds.lower <= gaussian_minimum([1.0], slope) <= bounds.upper + 1e-15


@pytest.mark.parametrize(("density", "reach"), [(mixture, 5.0), (laplace, 16.0)])
@pytest.mark.parametrize("slope", [0.5, 3.0])
def test_finer_cells_give_tighter_bounds_that_contain_each_other(density, reach, slope):
    """And Shannon's lower bound, h(X) + ½ log(β/π), is below the upper one."""
    coarse, fine = (continuous_bounds([density], np.linspace(-reach, reach, n + 1), slope) for n in (100, 200))
    assert coarse.lower < fine.lower <= fine.upper < coarse.upper + 1e-5
    entropy = quad(lambda x: -density(x) * math.log(density(x)), -reach, reach, limit=200)[0]
    assert entropy + 0.5 * math.log(slope / math.pi) <= fine.upper


def test_a_shift_changes_nothing():
    edges = np.linspace(-6, 6, 121)
    here, there = (continuous_bounds([normal(1.0, m)], edges + m, 2.0) for m in (0.0, -30.0))
    np.testing.assert_allclose(here, there, rtol=0, atol=1e-9)


def assert_equal_bounds(found, other, further=0.0):
    """The upper bounds are equal to `TOLERANCE` bits; the lower one also depends on where the letters happen to be."""
    np.testing.assert_allclose(found.upper, other.upper + further, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.upper - found.lower, other.upper - other.lower, rtol=0.02)


def uniform(x):
    return np.where(np.abs(x) < 1, 0.5, 0.0)


def two_peaks(x):
    return (normal(0.1, -20.0)(x) + normal(0.1, 20.0)(x)) / 2


@pytest.mark.parametrize(
    ("density", "narrow", "wide"),
    [
        (normal(1.0), np.linspace(-8, 8, 81), np.linspace(-60, 60, 601)),
        (uniform, np.linspace(-1, 1, 21), np.linspace(-3, 3, 61)),
    ],
)
def test_cells_without_mass_change_nothing(density, narrow, wide):
    some, more = (continuous_bounds([density], edges, 2.0) for edges in (narrow, wide))
    assert_equal_bounds(more, some)


def test_cells_may_be_empty_between_two_peaks():
    """Two peaks far apart need one bit more than one of them."""
    both = continuous_bounds([two_peaks], np.linspace(-25, 25, 1001), 2.0)
    one = continuous_bounds([normal(0.1)], np.linspace(-5, 5, 201), 2.0)
    assert_equal_bounds(both, one, further=math.log(2))


@pytest.mark.parametrize(
    ("density", "edges", "slope", "message"),
    [
        (normal(1.0), np.linspace(-5, 5, 6), 1.0, "for the widest cell"),
        (normal(1.0), [0.0, 1.0, 0.5], 1.0, "edges must be two numbers or more, each above the one before"),
        (normal(1.0), [0.0], 1.0, "edges must be two numbers or more"),
        (uniform, [2.0, 2.5, 3.0], 1.0, "edges must enclose some of the mass"),
        (lambda x: normal(1.0)(x) * (3 - x**2) / 2, np.linspace(-7, 7, 99), 1.0, "densities must not be negative"),
        (normal(1.0), np.linspace(-5, 5, 50), 0.0, "slope"),
        (lambda x: 2 * normal(1.0)(x), np.linspace(-5, 5, 50), 1.0, "densities must have integral 1, got 2:"),
    ],
)
def test_bad_input_is_refused(density, edges, slope, message):
    with pytest.raises(ValueError, match=message):
        continuous_bounds([density], edges, slope)
