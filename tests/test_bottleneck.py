"""The information bottleneck against a closed form, against Blahut-Arimoto on a grid of letters, and at its ends."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.special import entr, rel_entr

from rdae_ref.theory import ConvergenceWarning, blahut_arimoto, information_bottleneck


def h(p):
    return float(entr(p) + entr(1 - p)) / math.log(2)


def mutual_information(joint):
    joint = np.asarray(joint)
    return float(rel_entr(joint, np.outer(joint.sum(axis=1), joint.sum(axis=0))).sum()) / math.log(2)


@pytest.mark.parametrize("a", [0.05, 0.2])
@pytest.mark.parametrize("beta", [2.0, 3.5, 5.0])
def test_binary_symmetric_channel(a, beta):
    """Mrs. Gerber's lemma: I(T; Y) = 1 − h(a ∗ e) at I(X; T) = 1 − h(e), T being X through a symmetric channel."""
    curve = information_bottleneck([[0.5 * (1 - a), 0.5 * a], [0.5 * a, 0.5 * (1 - a)]], [beta], tolerance=1e-12)
    rate = float(curve.rate[0])
    e = brentq(lambda e: 1 - h(e) - rate, 0.0, 0.5, xtol=1e-15)
    assert_allclose(curve.information, 1 - h(a * (1 - e) + (1 - a) * e), rtol=0, atol=1e-8)
    if 1e-3 < rate < 0.999:
        slope = (1 - 2 * a) * math.log((1 - a * (1 - e) - (1 - a) * e) / (a * (1 - e) + (1 - a) * e))
        assert_allclose(math.log((1 - e) / e) / slope, beta, rtol=1e-3)


NOT_SQUARE = {
    "3 by 2": [[0.3, 0.05], [0.15, 0.15], [0.05, 0.3]],
    "5 by 2": np.random.default_rng(0).dirichlet(np.ones(10)).reshape(5, 2),
    "1 by 2": [[0.3, 0.7]],
    "5 by 2, with zeros": [[0.2, 0.0], [0.0, 0.2], [0.1, 0.1], [0.25, 0.15], [0.0, 0.0]],
}


@pytest.mark.parametrize("joint", NOT_SQUARE.values(), ids=NOT_SQUARE)
@pytest.mark.parametrize("beta", [0.7, 1.5, 4.0, 15.0])
def test_no_letters_of_a_fine_grid_do_better(joint, beta):
    """With two values of Y all letters lie on a line: Blahut-Arimoto on 100 of them, which is certified, has no less.

    A letter off by δ costs δ²/(2 r (1 − r)) nats: at most 2e-4 bits on this grid.
    """
    curve = information_bottleneck(joint, [beta])
    joint = np.asarray(joint)[np.sum(joint, axis=1) > 0]
    p, r = joint.sum(axis=1), 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 100))
    d = rel_entr((joint / p[:, None])[:, None], np.column_stack([r, 1 - r])).sum(axis=2)
    best = blahut_arimoto(p, np.maximum(d, 0), beta, tolerance=1e-6)
    ours = float(curve.rate[0] + beta * (mutual_information(joint) - curve.information[0]))
    theirs = beta * best.distortion / math.log(2)
    assert best.lower_bound + theirs - 2e-4 * beta <= ours <= best.rate + theirs + 1e-8


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (7, 3), (3, 8)])
def test_any_shape_has_a_curve_between_its_ends(shape):
    joint = np.random.default_rng(1).dirichlet(np.full(math.prod(shape), 0.5)).reshape(shape)
    curve = information_bottleneck(joint, [0.5, 1.0, 2.0, 4.0, 16.0, 1e4], tolerance=1e-7)
    assert_allclose([*curve.rate[:2], *curve.information[:2]], 0, rtol=0, atol=1e-6)
    assert_allclose(curve.information[-1], mutual_information(joint), rtol=0, atol=1e-3)
    assert (np.diff(curve.rate) >= -1e-6).all()
    assert (np.diff(curve.information) >= -1e-6).all()
    assert (curve.information <= curve.rate + 1e-9).all()  # T says no more about Y than about X
    assert curve.rate[-1] <= float(entr(joint.sum(axis=1)).sum()) / math.log(2) + 1e-9


def test_what_says_the_same_is_merged():
    """Two values of X with the same p(y|x) share a letter: the minimal sufficient statistic."""
    joint = np.array([[0.2, 0.0], [0.3, 0.0], [0.0, 0.5]])
    curve = information_bottleneck(joint, [50.0])
    assert_allclose([curve.rate[0], curve.information[0]], [1, 1], rtol=0, atol=1e-8)


def test_too_few_rounds_are_reported():
    with pytest.warns(ConvergenceWarning, match="raise max_rounds"):
        information_bottleneck(NOT_SQUARE["3 by 2"], [3.0], max_rounds=1)


@pytest.mark.parametrize(
    ("joint", "slopes", "message"),
    [
        ([[0.5, 0.6]], [1.0], "joint must sum to 1"),
        ([[1.5, -0.5]], [1.0], "joint must not be negative"),
        ([0.5, 0.5], [1.0], "joint must have shape"),
        ([[0.5, 0.5]], [-1.0], "slopes"),
    ],
)
def test_bad_input_is_refused(joint, slopes, message):
    with pytest.raises(ValueError, match=message):
        information_bottleneck(joint, slopes)
