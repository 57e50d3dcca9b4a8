import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from cases import BAD_MATRICES

from rdae_ref import DivergenceError
from rdae_ref.data import curved_manifold, gaussian_with_covariance
from rdae_ref.gradcheck import check_gradient
from rdae_ref.measures import effective_rank, latent_singular_values
from rdae_ref.models import IRMAE, IRMAEParameters, collapse, initial_irmae_parameters
from rdae_ref.models.mlp import Layer
from rdae_ref.optimize import MiniBatches, adam, gradient_ascent
from rdae_ref.pytree import leaves, ravel
from rdae_ref.theory.deep_linear import deep_linear_strengths

N, D, K = 5, 4, 3
DATA = np.random.default_rng(0).normal(size=(N, D))
ANP_UNITS = {"linear": lambda z: z, "relu": lambda z: z * (z > 0), "tanh": anp.tanh}
CASES = [("tanh", (5,), n_linear) for n_linear in (0, 1, 2, 4)] + [
    ("relu", (5,), 2),
    ("tanh", (5, 4), 1),
    ("linear", (), 2),
]


def setting(g="tanh", hidden=(5,), n_linear=2, seed=1):
    rng = np.random.default_rng(seed)
    return IRMAE(DATA, activation=g), initial_irmae_parameters(D, K, n_linear, rng, hidden=hidden, gain=2.0)


def written_out(parameters, model):
    """Write L from its definition, sample by sample."""
    encoder, linear, decoder = parameters
    g = ANP_UNITS[model.activation.name]

    def network(x, layers):
        for W, b in layers[:-1]:
            x = g(anp.dot(W, x) + b)
        return anp.dot(layers[-1][0], x) + layers[-1][1]

    loss = 0
    for x in model.X:
        z = network(x, encoder)
        for M in linear:
            z = anp.dot(M, z)
        loss = loss + anp.sum((x - network(z, decoder)) ** 2) / len(model.X)
    return -loss


def plain(parameters):
    encoder, linear, decoder = parameters
    return tuple(tuple(layer) for layer in encoder), linear, tuple(tuple(layer) for layer in decoder)


@pytest.mark.parametrize(("g", "hidden", "n_linear"), CASES)
def test_every_element_of_the_gradient_is_that_of_differences(g, hidden, n_linear):
    report = check_gradient(*setting(g, hidden, n_linear), rng=np.random.default_rng(0))
    assert report.passed, report


@pytest.mark.parametrize(("g", "hidden", "n_linear"), CASES)
def test_value_and_gradient_are_those_that_autograd_finds_from_the_definition(g, hidden, n_linear):
    model, parameters = setting(g, hidden, n_linear)
    expected, slopes = autograd.value_and_grad(written_out)(plain(parameters), model)
    value, gradient = model.value_and_gradient(parameters)
    assert value == pytest.approx(expected, rel=1e-13) == -model.terms(parameters).distortion
    assert len(gradient.linear) == n_linear
    for (name, got), (_, slope) in zip(leaves(gradient), leaves(slopes), strict=True):
        np.testing.assert_allclose(got, slope, rtol=1e-10, atol=1e-12, err_msg=name)


def test_nothing_is_mutated_and_the_answer_repeats_to_the_bit():
    model, parameters = setting()
    before = ravel(parameters)[0]
    value, gradient = model.value_and_gradient(parameters)
    again, repeated = model.value_and_gradient(parameters)
    assert value == again
    np.testing.assert_array_equal(ravel(gradient)[0], ravel(repeated)[0])
    for _, slope in leaves(gradient):
        np.add(slope, 1, out=slope)
    collapse(parameters).encoder[0].W[:] += 0.0
    np.testing.assert_array_equal(ravel(parameters)[0], before)


@pytest.mark.parametrize(("g", "hidden", "n_linear"), CASES)
def test_the_collapsed_model_is_a_plain_one_with_the_same_codes_and_outputs(g, hidden, n_linear):
    model, start = setting(g, hidden, n_linear)
    parameters = adam(model, start, step_size=0.01, n_steps=50).x
    one = collapse(parameters)
    assert one.linear == ()
    assert [W.shape for W, _ in one.encoder] == [W.shape for W, _ in parameters.encoder]
    X = 3 * np.random.default_rng(5).normal(size=(20, D))
    for evaluate in (model.encode, model.reconstruct):
        np.testing.assert_allclose(evaluate(one, X), evaluate(parameters, X), rtol=0, atol=1e-12)
    assert model.value_and_gradient(one)[0] == pytest.approx(model.value_and_gradient(parameters)[0], rel=1e-12)
    np.testing.assert_array_equal(collapse(one).encoder[-1].W, one.encoder[-1].W)


def test_decoding_the_codes_is_the_reconstruction():
    model, parameters = setting()
    np.testing.assert_array_equal(model.decode(parameters, model.encode(parameters)), model.reconstruct(parameters))
    assert model.encode(parameters, DATA[:2]).shape == (2, K)


def test_singular_values_are_those_of_the_covariance():
    Z = np.random.default_rng(0).normal(size=(50, 4)) @ np.diag([3.0, 1.0, 0.1, 1e-9]) + 7
    values = latent_singular_values(Z)
    np.testing.assert_allclose(values[:3], np.linalg.svd(np.cov(Z.T, bias=True), compute_uv=False)[:3], rtol=1e-10)
    assert values[3] == pytest.approx(np.var(Z[:, 3]), rel=0.3)  # 1e-18 of the first: lost in the covariance itself
    few = latent_singular_values(Z[:3])
    assert few.shape == (4,)
    np.testing.assert_allclose(few[2:], 0, atol=1e-20)


def test_the_effective_rank_counts_above_a_fraction_of_the_largest():
    values = [5.0, 0.06, 0.04, 0.0]
    assert [effective_rank(values, t) for t in (0.01, 0.005, 0.5, 1.5)] == [2, 3, 1, 0]
    assert effective_rank([0.0, 0.0]) == 0


# ------------------------------------------------------------------------------------------------ the implicit penalty


def trained(X, n_linear, n_steps, seed=0, hidden=64, n_latents=16, batch_size=100, step_size=1e-3):
    rng = np.random.default_rng(100 + seed)
    model = IRMAE(X, activation="relu")
    start = initial_irmae_parameters(X.shape[1], n_latents, n_linear, rng, hidden=[hidden])
    return model, adam(MiniBatches(model, batch_size, rng), start, step_size=step_size, n_steps=n_steps).x


def test_linear_layers_lower_the_rank_of_the_codes():
    X = curved_manifold(400, np.random.default_rng(0), n_dimensions=2, n_features=10, curvature=1.0).X
    ranks = []
    for n_linear in (0, 6):
        model, x = trained(X, n_linear, 1500, hidden=32, n_latents=8, batch_size=50, step_size=2e-3)
        ranks.append(effective_rank(latent_singular_values(model.encode(x))))
        assert model.terms(x).distortion < 0.05 * X.var(axis=0).sum()
    assert ranks[0] >= 4
    assert ranks[1] == 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_on_a_manifold_of_three_dimensions_the_rank_goes_down_to_three(seed):
    X = curved_manifold(2000, np.random.default_rng(seed)).X
    ranks = []
    for n_linear in (0, 2, 4, 8):
        model, x = trained(X - X.mean(axis=0), n_linear, 4000, seed)
        ranks.append(effective_rank(latent_singular_values(model.encode(x))))
    assert 7 <= ranks[0] <= 12
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[1] < ranks[0] - 1
    assert ranks[3] == 3


# --------------------------------------------------------------------------------------------------- deep linear chains

VARIANCES = np.array([2.0, 0.7, 0.1])
U0 = 0.02


def aligned(n_layers, rng):
    """Start diagonal in the principal components, all layers balanced; return its objective and components, too."""
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    X = gaussian_with_covariance(40, (Q * VARIANCES) @ Q.T, rng)
    a = U0 ** (1 / n_layers)
    R = np.linalg.qr(rng.normal(size=(3, 3)))[0]  # the codes may be turned: only products count
    parameters = IRMAEParameters(
        (Layer(a * R @ Q.T, np.zeros(3)),), (a * np.eye(3),) * (n_layers - 2), (Layer(a * Q @ R.T, np.zeros(3)),)
    )
    return IRMAE(X, activation="linear"), parameters, Q


def strengths(model, parameters, Q):
    """Return Qᵀ (the whole map) Q."""
    (W, _), (A, _) = collapse(parameters).encoder[0], parameters.decoder[0]
    return Q.T @ A @ W @ Q


@pytest.mark.parametrize("n_layers", [2, 3, 4, 6])
def test_gradient_ascent_with_small_steps_follows_the_differential_equation(n_layers):
    model, start, Q = aligned(n_layers, np.random.default_rng(2))
    time = {2: 0.8, 3: 0.9, 4: 0.9, 6: 0.9}[n_layers]
    errors = []
    for n_steps in (1000, 2000):
        x = gradient_ascent(model, start, step_size=time / n_steps, n_steps=n_steps).x
        found = strengths(model, x, Q)
        expected = deep_linear_strengths([time], VARIANCES, U0, n_layers)[0]
        errors.append(np.abs(found.diagonal() - expected).max())
        assert np.abs(found - np.diag(found.diagonal())).max() < 1e-12  # each component by itself
    assert expected[0] > 0.5 > expected[1] > expected[2] > U0
    assert errors[1] < 0.002
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.1)  # Euler's method: first order


def test_closed_forms_solve_the_differential_equation():
    h, t = 1e-4, np.linspace(0.1, 3, 7)
    for n_layers in (1, 2, 3, 5):
        u = deep_linear_strengths(np.concatenate([t - h, t, t + h]), VARIANCES, U0, n_layers).reshape(3, 7, 3)
        slope = 2 * n_layers * VARIANCES * u[1] ** (2 - 2 / n_layers) * (1 - u[1])
        np.testing.assert_allclose((u[2] - u[0]) / (2 * h), slope, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(deep_linear_strengths([0.0], VARIANCES, U0, n_layers), U0, rtol=1e-9)
        assert deep_linear_strengths([1e4], VARIANCES, U0, n_layers) == pytest.approx(1, abs=1e-6)


def test_the_integration_meets_the_implicit_solution_for_four_layers():
    # For L = 4, ∫ du / (u^{3/2} (1 − u)) = 2 (artanh √u − 1/√u), and 8 γ² t is its increase.
    u = deep_linear_strengths([0.0, 0.3, 0.9], VARIANCES, U0, 4)
    primitive = 2 * (np.arctanh(np.sqrt(u)) - 1 / np.sqrt(u))
    np.testing.assert_allclose(primitive[1:] - primitive[:1], 8 * np.outer([0.3, 0.9], VARIANCES), rtol=1e-7)


def test_the_deeper_the_farther_apart_components_are_learned():
    times = np.linspace(0, 400, 20_001)
    ratios = []
    for n_layers in (1, 2, 4, 8):
        u = deep_linear_strengths(times, [1.0, 0.5], U0, n_layers)
        first, second = (times[np.argmax(column > 0.5)] for column in u.T)
        # How much of the weaker is there when the stronger is half learned.
        ratios.append(u[np.argmax(u[:, 0] > 0.5), 1])
        assert second == pytest.approx(2 * first, rel=0.05)
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[-1] < 0.1
    assert ratios[0] > 0.25


# ------------------------------------------------------------------------------------------------------------ refusals

RNG = np.random.default_rng(0)
E4 = Layer(np.ones((3, 4)), np.zeros(3))
D4 = Layer(np.ones((4, 3)), np.zeros(4))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: setting()[0].value_and_gradient(None), TypeError, "IRMAEParameters.*got NoneType"),
        (lambda: setting()[0].terms(((E4,), 3, (D4,))), TypeError, "IRMAEParameters"),
        (lambda: setting()[0].terms(((E4,), (np.eye(2),), (D4,))), ValueError, r"linear\[0\] must have shape \(3, 3\)"),
        (lambda: setting()[0].terms(((D4,), (), (D4,))), ValueError, r"encoder\[0\].W must have shape \(any, 4\)"),
        (lambda: setting()[0].terms(((E4,), (), (E4,))), ValueError, r"decoder\[0\].W must have shape \(4, 3\)"),
        (lambda: setting()[0].encode(setting()[1], np.ones((2, 3))), ValueError, r"X must have shape \(any, 4\)"),
        (lambda: setting()[0].decode(setting()[1], np.ones((2, 4))), ValueError, r"Z must have shape \(any, 3\)"),
        (lambda: collapse(((E4,), (np.full((3, 3), np.nan),), (D4,))), ValueError, r"linear\[0\] must be finite"),
        (lambda: initial_irmae_parameters(4, 3, -1, RNG), ValueError, "n_linear must be at least 0"),
        (lambda: initial_irmae_parameters(4, 0, 1, RNG), ValueError, "n_latents must"),
        (lambda: initial_irmae_parameters(4, 2, 1, 0), TypeError, "default_rng"),
        (lambda: effective_rank([1.0], 0.0), ValueError, "threshold must"),
        (lambda: effective_rank([np.nan]), ValueError, "singular_values must be finite"),
        (lambda: deep_linear_strengths([-1.0], [1.0], 0.1), ValueError, "times must not be negative"),
        (lambda: deep_linear_strengths([1.0], [-1.0], 0.1), ValueError, "variances must not be negative"),
        (lambda: deep_linear_strengths([1.0], [1.0], 0.0), ValueError, "initial must"),
        (lambda: deep_linear_strengths([1.0], [1.0], 1.0), ValueError, "initial must be from 0 to below 1"),
        (lambda: deep_linear_strengths([1.0], [1.0], 0.1, 0), ValueError, "n_layers must be at least 1"),
        (lambda: deep_linear_strengths([np.inf], [1.0], 0.1), ValueError, "times must be finite"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("bad", BAD_MATRICES)
@pytest.mark.parametrize("make", [lambda X: IRMAE(X, activation="relu"), latent_singular_values])
def test_bad_data_are_refused(make, bad):
    X, error, words = BAD_MATRICES[bad]
    with pytest.raises(error, match=words):
        make(X)


def test_parameters_that_overflow_are_a_divergence():
    model, parameters = setting("linear")
    huge = parameters._replace(linear=(1e200 * np.ones((K, K)), *parameters.linear[1:]))
    for evaluate in (model.value_and_gradient, model.terms, model.reconstruct):
        with pytest.raises(FloatingPointError, match="overflow"):
            evaluate(huge)
    twice = parameters._replace(linear=(1e200 * np.ones((K, K)),) * 2)
    with pytest.raises(FloatingPointError, match="overflow"):
        model.value_and_gradient(twice)
    with pytest.raises(DivergenceError):
        gradient_ascent(model, parameters, step_size=1e9, n_steps=50)
