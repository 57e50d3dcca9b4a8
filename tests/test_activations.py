import math

import numpy as np
import pytest
from cases import UNITS, directional_difference

from rdae_ref import ACTIVATIONS
from rdae_ref.activations import as_activation

POINTS = np.array([-30.0, -3.0, -0.7, -0.1, 0.1, 0.3, 0.8, 1.4, 5.0, 30.0])  # no kink within a step of any


@pytest.mark.parametrize("name", UNITS)
def test_derivatives_are_those_of_the_values(name):
    unit = ACTIVATIONS[name]
    for function, derivative in ((unit.value, unit.derivative), (unit.derivative, unit.second_derivative)):
        numeric = directional_difference(function, POINTS, np.ones_like(POINTS), step=0.05)
        np.testing.assert_allclose(derivative(POINTS), numeric, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", UNITS)
def test_far_from_zero_everything_is_finite_and_nothing_is_mutated(name):
    z = np.array([-1e4, -800.0, 0.0, 800.0, 1e4])
    before = z.copy()
    for function in ACTIVATIONS[name][1:]:
        out = function(z)
        assert np.isfinite(out).all()
        assert out.dtype == np.float64
        assert not np.shares_memory(out, z)
    np.testing.assert_array_equal(z, before)


def test_values_at_known_points():
    assert ACTIVATIONS["logsig"].value(np.array(math.log(3))) == pytest.approx(0.75, rel=1e-15)
    assert ACTIVATIONS["softplus"].value(np.array(0.0)) == pytest.approx(math.log(2), rel=1e-15)
    assert ACTIVATIONS["softplus"].value(np.array(-40.0)) == pytest.approx(math.exp(-40), rel=1e-14, abs=0)
    assert ACTIVATIONS["logsig"].derivative(np.array(40.0)) == pytest.approx(math.exp(-40), rel=1e-14, abs=0)
    np.testing.assert_array_equal(ACTIVATIONS["satlin"].value(np.array([-1, 0.25, 7])), [0, 0.25, 1])
    np.testing.assert_array_equal(ACTIVATIONS["relu"].derivative(np.array([-1.0, 0.0, 1.0])), [0, 0, 1])
    np.testing.assert_array_equal(ACTIVATIONS["satlin"].derivative(np.array([0.0, 0.5, 1.0])), [0, 1, 0])


def test_an_unknown_unit_is_refused_by_listing_those_that_are_known():
    with pytest.raises(ValueError, match="'softplus', 'tanh', got 'sigmoid'"):
        as_activation("sigmoid")
    with pytest.raises(ValueError, match="activation must be one of"):
        as_activation(3)
    assert as_activation(ACTIVATIONS["relu"]) is ACTIVATIONS["relu"]
