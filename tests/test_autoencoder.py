import numpy as np
import pytest
from cases import UNITS, directional_difference, samples

from rdae_ref import (
    Parameters,
    distortion,
    distortion_gradients,
    entropy_gradients,
    forward,
    gaussian_gram,
    initial_parameters,
    renyi_entropy,
    renyi_entropy_gradient,
)
from rdae_ref.pytree import ravel

N, D, P = 12, 2, 5
SIGMA = 0.5


def setting(activation):
    X = samples(N, D, seed=3)
    parameters = initial_parameters(D, P, np.random.default_rng(4), scale=0.9)
    parameters = parameters._replace(c=np.linspace(-0.4, 0.8, P), b=np.array([0.3, -0.2]))
    return X, parameters, forward(parameters, X, activation)


@pytest.mark.parametrize("activation", UNITS)
def test_forward_is_the_auto_encoder_sample_by_sample(activation):
    X, (W, c, A, b), forward_pass = setting(activation)
    g = {
        "linear": lambda z: z,
        "logsig": lambda z: 1 / (1 + np.exp(-z)),
        "relu": lambda z: np.maximum(0, z),
        "satlin": lambda z: np.minimum(1, np.maximum(0, z)),
        "softplus": lambda z: np.log(1 + np.exp(z)),
    }[activation]
    for x, z, zhat, xhat in zip(X, forward_pass.Z, forward_pass.Zhat, forward_pass.Xhat, strict=True):
        np.testing.assert_allclose(z, W @ x + c, rtol=1e-13)
        np.testing.assert_allclose(zhat, g(W @ x + c), rtol=1e-13)
        np.testing.assert_allclose(xhat, A @ g(W @ x + c) + b, rtol=1e-12)


def test_distortion_is_the_mean_over_samples_and_the_sum_over_coordinates():
    assert distortion([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 4.0]]) == (4 + 9) / 2


@pytest.mark.parametrize("name", Parameters._fields)
@pytest.mark.parametrize("activation", UNITS)
def test_equations_17_to_24_are_the_derivatives(activation, name):
    X, parameters, forward_pass = setting(activation)
    K = gaussian_gram(forward_pass.Xhat, SIGMA)
    P_ = renyi_entropy_gradient(K, 3) * K / (2 * SIGMA**2)
    entropy = entropy_gradients(P_, forward_pass, parameters, X)
    distorted = distortion_gradients(forward_pass, parameters, X, X)
    direction = np.random.default_rng(5).normal(size=getattr(parameters, name).shape)

    def outputs(value):
        return forward(parameters._replace(**{name: value}), X, activation).Xhat

    point = getattr(parameters, name)
    step = 1e-3  # small enough not to cross a kink
    numeric = directional_difference(lambda v: distortion(X, outputs(v)), point, direction, step, levels=3)
    assert np.vdot(getattr(distorted, name), direction) == pytest.approx(numeric, rel=1e-8)
    numeric = directional_difference(
        lambda v: renyi_entropy(gaussian_gram(outputs(v), SIGMA), 3), point, direction, step, levels=3
    )
    assert np.vdot(getattr(entropy, name), direction) == pytest.approx(numeric, rel=1e-8, abs=1e-11)


def test_equation_18_is_zero_to_the_bit():
    X, parameters, forward_pass = setting("logsig")
    P_ = np.cov(samples(N, 30))
    assert not entropy_gradients(P_, forward_pass, parameters, X).b.any()


def test_entropy_gradients_are_linear_in_the_weights_of_the_graph():
    X, parameters, forward_pass = setting("relu")
    P_, Q = np.cov(samples(N, 30, 1)), np.cov(samples(N, 30, 2))
    both = ravel(entropy_gradients(Q - P_, forward_pass, parameters, X))[0]
    of_Q, of_P = (ravel(entropy_gradients(M, forward_pass, parameters, X))[0] for M in (Q, P_))
    apart = of_Q - of_P
    np.testing.assert_allclose(both, apart, atol=1e-12)


def test_initial_parameters_have_the_shapes_and_the_scale():
    W, c, A, b = initial_parameters(3, 4000, np.random.default_rng(0), scale=0.2)
    assert (W.shape, c.shape, A.shape, b.shape) == ((4000, 3), (4000,), (3, 4000), (3,))
    assert W.std() == pytest.approx(0.2, rel=0.02)
    assert A.std() == pytest.approx(0.2, rel=0.02)
    assert not c.any()
    assert not b.any()


def test_misfits_are_refused_by_the_name_of_the_array():
    X, parameters, forward_pass = setting("linear")
    for name, bad in (
        ("W", np.ones((P, D + 1))),
        ("c", np.ones(P + 1)),
        ("A", parameters.A.T),
        ("b", np.ones(P)),
        ("W", np.full((P, D), np.nan)),
    ):
        with pytest.raises(ValueError, match=f"{name} must"):
            forward(parameters._replace(**{name: bad}), X, "linear")
    with pytest.raises(TypeError, match="Parameters"):
        forward(np.ones(3), X, "linear")
    with pytest.raises(ValueError, match="Xhat must have shape"):
        distortion(X, X[:-1])
    with pytest.raises(ValueError, match="target must have shape"):
        distortion_gradients(forward_pass, parameters, X, X[:, :1])
    for gradients in (
        lambda t: distortion_gradients(t, parameters, X, X),
        lambda t: entropy_gradients(np.eye(N), t, parameters, X),
    ):
        with pytest.raises(TypeError, match="Forward"):
            gradients((1, 2))
        with pytest.raises(ValueError, match=r"forward_pass\.Zhat must have shape"):
            gradients(forward_pass._replace(Zhat=forward_pass.Zhat[:-1]))
    with pytest.raises(ValueError, match="P must have shape"):
        entropy_gradients(np.eye(N + 1), forward_pass, parameters, X)
    with pytest.raises(ValueError, match="n_hidden must be at least 1"):
        initial_parameters(2, 0, np.random.default_rng(0))
    with pytest.raises(TypeError, match="n_features must be an integer"):
        initial_parameters(2.0, 1, np.random.default_rng(0))
    with pytest.raises(TypeError, match="default_rng"):
        initial_parameters(2, 1, 0)
