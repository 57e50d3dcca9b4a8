import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from cases import BAD_MATRICES, BAD_POSITIVE, UNITS, directional_difference

from rdae_ref.activations import TANH, as_activation
from rdae_ref.gradcheck import check_gradient
from rdae_ref.models.mlp import Layer, LayeredObjective, as_layers, backward_layers, forward_layers, initial_layers
from rdae_ref.pytree import leaves, ravel

EVERY_UNIT = (*UNITS, "tanh")
SIZES = [(3, 2), (3, 4, 2), (3, 5, 4, 2)]

ANP_UNITS = {
    "linear": lambda z: z,
    "logsig": lambda z: 1 / (1 + anp.exp(-z)),
    "relu": lambda z: z * (z > 0),
    "satlin": lambda z: z * ((z > 0) & (z < 1)) + 1.0 * (z >= 1),
    "softplus": lambda z: anp.log(1 + anp.exp(z)),
    "tanh": anp.tanh,
}


def network(x, layers, g):
    """Write the network for one sample, from its definition."""
    for W, b in layers[:-1]:
        x = ANP_UNITS[g](anp.dot(W, x) + b)
    return anp.dot(layers[-1][0], x) + layers[-1][1]


class Weighted:
    """L = Σ C ∘ sin Y for a network on inputs that are parameters, too: with its gradient by backward_layers."""

    def __init__(self, C, g):
        self.C, self.g = C, g

    def value_and_gradient(self, parameters):
        layers, X = parameters
        trace = forward_layers(layers, X, self.g)
        gradient, B = backward_layers(layers, trace, self.C * np.cos(trace.Y))
        return float(np.sum(self.C * np.sin(trace.Y))), (gradient, B @ layers[0].W)


def setting(sizes, g):
    rng = np.random.default_rng(7)
    layers, X = initial_layers(sizes, rng, gain=2.0), rng.normal(size=(4, sizes[0]))
    return Weighted(rng.normal(size=(4, sizes[-1])), g), (layers, X)


@pytest.mark.parametrize("g", EVERY_UNIT)
@pytest.mark.parametrize("sizes", SIZES)
def test_backward_is_the_derivative_of_forward_and_what_autograd_finds(sizes, g):
    objective, (layers, X) = setting(sizes, g)
    report = check_gradient(objective, (layers, X), rng=np.random.default_rng(0))
    assert report.passed, report

    def written_out(pair):
        outputs = [network(x, pair[0], g) for x in pair[1]]
        return sum(anp.sum(C * anp.sin(y)) for C, y in zip(objective.C, outputs, strict=True))

    value, expected = autograd.value_and_grad(written_out)((tuple(tuple(layer) for layer in layers), X))
    got, gradient = objective.value_and_gradient((layers, X))
    assert got == pytest.approx(value, rel=1e-13)
    for (_, a), (_, b) in zip(leaves(gradient), leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_nothing_is_mutated_and_no_memory_is_shared():
    objective, parameters = setting(SIZES[2], "linear")
    before, _ = ravel(parameters)
    _, gradient = objective.value_and_gradient(parameters)
    for _, slope in leaves(gradient):
        np.add(slope, 1, out=slope)
    np.testing.assert_array_equal(ravel(parameters)[0], before)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_tanh_and_its_derivatives(scale):
    z = scale * np.array([-2.0, -0.5, 0.0, 0.7, 3.0])
    for function, derivative in ((TANH.value, TANH.derivative), (TANH.derivative, TANH.second_derivative)):
        numeric = directional_difference(function, z, np.ones_like(z), step=0.05)
        np.testing.assert_allclose(derivative(z), numeric, rtol=1e-8, atol=1e-11)


def test_tanh_is_accurate_and_finite_far_out():
    assert as_activation("tanh") is TANH
    assert TANH.derivative(np.array(20.0)) == pytest.approx(4 * np.exp(-40), rel=1e-14, abs=0)
    assert np.isfinite([f(np.array([-800.0, 800.0])) for f in TANH[1:]]).all()


def test_layers_to_start_from_are_uniform_in_one_over_the_root_of_the_inputs():
    first, second = initial_layers([400, 300, 2], np.random.default_rng(0), gain=3.0)
    for layer, n, m in ((first, 400, 300), (second, 300, 2)):
        assert layer.W.shape == (m, n)
        assert layer.b.shape == (m,)
        for array in layer:
            assert np.abs(array).max() <= 3 / np.sqrt(n)
    assert np.abs(first.W).max() > 0.99 * 3 / 20
    assert first.W.var() == pytest.approx(9 / (3 * 400), rel=0.02)
    again = initial_layers([400, 300, 2], np.random.default_rng(0), gain=3.0)
    np.testing.assert_array_equal(again[1].W, second.W)


L32 = Layer(np.ones((2, 3)), np.zeros(2))
L21 = Layer(np.ones((1, 2)), np.zeros(1))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: as_layers(None, "encoder"), TypeError, r"encoder must be a tuple of Layer\(W, b\), got NoneType"),
        (lambda: as_layers([1.0], "encoder"), TypeError, "encoder must be a tuple"),
        (lambda: as_layers((), "encoder"), ValueError, "the number of layers in encoder must be at least 1"),
        (lambda: as_layers([L32, L32], "encoder"), ValueError, r"encoder\[1\].W must have shape \(any, 2\)"),
        (lambda: as_layers([L32], "encoder", 4), ValueError, r"encoder\[0\].W must have shape \(any, 4\)"),
        (lambda: as_layers([L32, L21], "encoder", 3, 2), ValueError, r"encoder\[1\].W must have shape \(2, 2\)"),
        (lambda: as_layers([L32._replace(b=np.zeros(3))], "decoder"), ValueError, r"decoder\[0\].b must have shape"),
        (lambda: as_layers([L32._replace(b=[0, np.nan])], "decoder"), ValueError, r"decoder\[0\].b must be finite"),
        (lambda: initial_layers([3], np.random.default_rng(0)), ValueError, "number of sizes must be at least 2"),
        (lambda: initial_layers([3, 0], np.random.default_rng(0)), ValueError, r"sizes\[1\] must be at least 1"),
        (lambda: initial_layers([3, 2.0], np.random.default_rng(0)), TypeError, r"sizes\[1\] must be an integer"),
        (lambda: initial_layers([3, 2], 0), TypeError, "default_rng"),
        (lambda: initial_layers([3, 2], np.random.default_rng(0), gain=-1), ValueError, "gain must"),
        (lambda: LayeredObjective(np.ones((2, 2)), activation="sine"), ValueError, "activation must be one of"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("bad", BAD_MATRICES)
def test_bad_data_are_refused(bad):
    X, error, words = BAD_MATRICES[bad]
    with pytest.raises(error, match=words):
        LayeredObjective(X, activation="tanh")


@pytest.mark.parametrize("bad", [bad for bad in BAD_POSITIVE if bad != "zero"])
def test_a_bad_gain_is_refused(bad):
    gain, error = BAD_POSITIVE[bad]
    with pytest.raises(error, match="gain must"):
        initial_layers([3, 2], np.random.default_rng(0), gain)


def test_outputs_that_overflow_are_a_divergence():
    with pytest.raises(FloatingPointError, match="overflow"):
        forward_layers((Layer(1e200 * np.ones((2, 3)), np.zeros(2)),), np.ones((4, 3)), "relu")
    with pytest.raises(FloatingPointError, match="overflow"):
        forward_layers((Layer(1e308 * np.ones((2, 3)), np.zeros(2)), L21), np.ones((4, 3)), "linear")
