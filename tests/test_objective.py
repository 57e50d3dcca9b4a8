import math
import pickle
import warnings

import numpy as np
import pytest
from cases import ALPHAS, BAD_MATRICES, BAD_POSITIVE, UNITS, directional_difference, problem, samples
from scipy.spatial.distance import cdist

from rdae_ref import Parameters, RateDistortion, SingularGramWarning, initial_parameters
from rdae_ref.data import gaussian
from rdae_ref.pytree import ravel

SETTINGS = {"activation": "relu", "alpha": 1.01, "mu": 1.5, "sigma_x": 0.3, "sigma_xhat": 0.4}


def written_out(objective, parameters):
    """Write (25) from the definition, sharing nothing with the package but NumPy."""
    X, N = objective.X, len(objective.X)
    W, c, A, b = parameters
    g = {"linear": lambda z: z, "logsig": lambda z: 1 / (1 + np.exp(-z)), "relu": lambda z: z * (z > 0)}
    g |= {"satlin": lambda z: np.clip(z, 0, 1), "softplus": lambda z: np.log(1 + np.exp(z))}
    Y = np.array([A @ g[objective.activation.name](W @ x + c) + b for x in X])
    K_X = np.exp(-cdist(X, X, "sqeuclidean") / (2 * objective.sigma_x**2)) / N
    K_Y = np.exp(-cdist(Y, Y, "sqeuclidean") / (2 * objective.sigma_xhat**2)) / N

    def entropy(K):
        values = np.linalg.eigvalsh(K)
        values = values[values > 0]
        if objective.alpha == 1:
            return -np.sum(values * np.log(values))
        if objective.alpha == math.inf:
            return -np.log(values.max())
        return np.log(np.sum(values**objective.alpha)) / (1 - objective.alpha)

    conditional = entropy(N * K_X * K_Y) - entropy(K_Y)
    return conditional / np.log(objective.base) - objective.mu * np.mean(np.sum((X - Y) ** 2, axis=1))


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("activation", UNITS)
def test_value_and_gradient_are_those_of_the_definition(activation, alpha):
    objective, parameters = problem(activation, alpha, n=10, sigma=0.2)
    x, unravel = ravel(parameters)
    direction = np.random.default_rng(0).normal(size=x.shape)
    with warnings.catch_warnings():
        # With saturated units outputs coincide: at α ≤ 1 that is a warning, and here no reason to stop.
        warnings.simplefilter("ignore", SingularGramWarning)
        value, gradient = objective.value_and_gradient(parameters)
        numeric = directional_difference(
            # A step too small to cross a kink.
            lambda v: objective.value_and_gradient(unravel(v))[0], x, direction, step=1e-6, levels=1
        )
    assert value == pytest.approx(written_out(objective, parameters), rel=1e-7 if alpha < 1 else 1e-11)
    assert np.vdot(ravel(gradient)[0], direction) == pytest.approx(numeric, rel=1e-5 if alpha < 1 else 1e-7)


@pytest.mark.parametrize("base", [2, math.e, 10])
def test_base_and_terms(base):
    objective, parameters = problem(base=base)
    terms = objective.terms(parameters)
    assert terms.conditional_entropy == terms.joint_entropy - terms.output_entropy
    expected = terms.conditional_entropy - objective.mu * terms.distortion
    assert objective.value_and_gradient(parameters)[0] == pytest.approx(expected, rel=1e-13)
    bits = problem(base=2)[0].terms(parameters)
    assert terms.joint_entropy == pytest.approx(bits.joint_entropy * math.log(2) / math.log(base), rel=1e-13)


def test_at_large_orders_the_gradient_keeps_the_digits_that_the_tangent_form_loses():
    objective, parameters = problem(alpha=40.0, n=30, sigma=0.2)
    x, unravel = ravel(parameters)
    direction = np.random.default_rng(0).normal(size=x.shape)
    numeric = directional_difference(lambda v: objective.value_and_gradient(unravel(v))[0], x, direction, step=1e-3)
    gradient = ravel(objective.value_and_gradient(parameters)[1])[0]
    assert np.vdot(gradient, direction) == pytest.approx(numeric, rel=1e-9)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_one_sample_has_no_entropy_and_its_distortion(alpha):
    objective = RateDistortion([[1.0, 2.0]], **SETTINGS | {"alpha": alpha})
    parameters = Parameters(np.zeros((3, 2)), np.zeros(3), np.zeros((2, 3)), np.array([1.0, 0.0]))
    value, gradient = objective.value_and_gradient(parameters)
    assert value == pytest.approx(-1.5 * 4, rel=1e-14)
    np.testing.assert_allclose(gradient.b, [0, 1.5 * 2 * 2], atol=1e-12)


@pytest.mark.parametrize("alpha", [1.01, 2.0, math.inf])
def test_equal_outputs_leave_the_entropy_of_the_inputs(alpha):
    objective, parameters = problem(alpha=alpha)
    collapsed = parameters._replace(A=np.zeros_like(parameters.A), b=objective.X.mean(axis=0))
    terms = objective.terms(collapsed)
    assert terms.output_entropy == pytest.approx(0, abs=1e-12)
    assert terms.distortion == pytest.approx(objective.X.var(axis=0).sum(), rel=1e-12)
    value, gradient = objective.value_and_gradient(collapsed)
    assert value == pytest.approx(terms.joint_entropy - 1.5 * terms.distortion, rel=1e-12)
    assert np.isfinite(ravel(gradient)[0]).all()


def test_duplicates_two_samples_and_one_feature():
    for X in (np.repeat(samples(5), 3, axis=0), samples(2), samples(7, d=1)):
        objective = RateDistortion(X, **SETTINGS)
        parameters = initial_parameters(X.shape[1], 4, np.random.default_rng(1), scale=0.8)
        x, unravel = ravel(parameters)
        direction = np.random.default_rng(2).normal(size=x.shape)
        numeric = directional_difference(
            lambda v, f=objective, u=unravel: f.value_and_gradient(u(v))[0], x, direction, step=1e-4, levels=2
        )
        assert np.vdot(ravel(objective.value_and_gradient(parameters)[1])[0], direction) == pytest.approx(
            numeric, rel=1e-6
        )


def test_far_from_the_origin_the_value_is_the_one_near_it():
    objective, parameters = problem("linear", n=20)
    moved = RateDistortion(objective.X + 1e6, **SETTINGS | {"activation": "linear", "sigma_x": 0.4, "sigma_xhat": 0.48})
    W, c, A, b = parameters
    there = Parameters(W, c - W.sum(axis=1) * 1e6, A, b + 1e6)
    value, gradient = objective.value_and_gradient(parameters)
    value_there, gradient_there = moved.value_and_gradient(there)
    assert value_there == pytest.approx(value, rel=1e-7)  # the pre-activations have lost seven digits
    np.testing.assert_allclose(gradient_there.A, gradient.A, rtol=1e-6, atol=1e-6)


def test_nothing_is_mutated_and_the_data_is_the_objectives_own():
    X = samples(10)
    objective = RateDistortion(X, **SETTINGS)
    parameters = initial_parameters(2, 3, np.random.default_rng(0))
    before = [a.copy() for a in parameters]
    first = objective.value_and_gradient(parameters)[0]
    X += 1
    assert objective.value_and_gradient(parameters)[0] == first
    for now, then in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_with_mu_changes_mu_only():
    objective, parameters = problem()
    other = objective.with_mu(0.25)
    assert (objective.mu, other.mu) == (1.5, 0.25)
    difference = objective.value_and_gradient(parameters)[0] - other.value_and_gradient(parameters)[0]
    assert difference == pytest.approx(-1.25 * objective.terms(parameters).distortion, rel=1e-12)
    with pytest.raises(ValueError, match="mu"):
        objective.with_mu(-1)


def test_overflowing_outputs_are_an_arithmetic_error():
    objective, parameters = problem("linear")
    for scale in (1e80, 1e200):
        with pytest.raises(FloatingPointError, match="overflow"):
            objective.value_and_gradient(parameters._replace(A=scale * parameters.A, W=scale * parameters.W))


@pytest.mark.parametrize("case", BAD_MATRICES)
def test_bad_data_is_refused(case):
    bad, error, words = BAD_MATRICES[case]
    with pytest.raises(error, match=words):
        RateDistortion(bad, **SETTINGS)


@pytest.mark.parametrize("name", ["alpha", "mu", "sigma_x", "sigma_xhat", "base"])
@pytest.mark.parametrize("case", BAD_POSITIVE)
def test_bad_settings_are_refused_by_name(name, case):
    bad, error = BAD_POSITIVE[case]
    if (name, case) == ("mu", "zero"):
        RateDistortion(samples(3), **SETTINGS | {"mu": 0})
        return
    with pytest.raises(error, match=name):
        RateDistortion(samples(3), **SETTINGS | {name: bad})


def test_unknown_choices_are_refused():
    with pytest.raises(ValueError, match="activation must be one of"):
        RateDistortion(samples(3), **SETTINGS | {"activation": "sine"})
    with pytest.raises(ValueError, match="method must be one of 'auto'"):
        RateDistortion(samples(3), **SETTINGS, method="fast")


@pytest.mark.parametrize("activation", ["linear", "logsig"])
def test_the_seam_at_one_where_the_gram_matrix_is_singular(activation):
    """The usual case at N = 200: most eigenvalues of K_X̂ count as zero, and 1/(α−1) must not magnify their rounding."""
    rng = np.random.default_rng(0)
    X = gaussian(200, rng)
    parameters = initial_parameters(2, 10, rng, scale=0.5)

    def gradient(alpha):
        f = RateDistortion(X, activation=activation, alpha=alpha, mu=1.5, sigma_x=0.28, sigma_xhat=0.28)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularGramWarning)
            return ravel(f.value_and_gradient(parameters)[1])[0]

    at_one = gradient(1.0)
    for away in (1e-14, 1e-12, 1e-10, 1e-8):
        for alpha in (1 - away, 1 + away):
            assert np.abs(gradient(alpha) - at_one).max() < 1e-8 * np.abs(at_one).max() + 10 * away


def test_objectives_go_to_other_processes():
    for activation in UNITS:
        objective, parameters = problem(activation)
        copy = pickle.loads(pickle.dumps(objective))
        assert copy.value_and_gradient(parameters)[0] == objective.value_and_gradient(parameters)[0]


def test_what_was_computed_from_cannot_be_changed():
    objective, _ = problem()
    for array in (objective.X, objective.K_X):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 99


@pytest.mark.parametrize("alpha", [1.01, 2.0])
def test_what_comes_out_of_a_pickle_cannot_be_written_to_either(alpha):
    objective, parameters = problem(alpha=alpha)
    objective.value_and_gradient(parameters)
    again = pickle.loads(pickle.dumps(objective))
    for name, array in vars(again).items():
        assert not isinstance(array, np.ndarray) or not array.flags.writeable, name
    assert again.value_and_gradient(parameters)[0] == objective.value_and_gradient(parameters)[0]
    assert np.shares_memory(objective.with_mu(3.0).X, objective.X)


def test_a_gradient_that_overflows_is_an_error_and_not_an_infinity():
    objective, parameters = problem(mu=1e308)
    with np.errstate(over="ignore"), pytest.raises(FloatingPointError, match="gradient overflows: mu or a kernel size"):
        objective.value_and_gradient(Parameters(*(100 * array for array in parameters)))
