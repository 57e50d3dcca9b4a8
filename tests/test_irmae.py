import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from cases import BAD_MATRICES
from frameworks import needed

from rdae_ref import DivergenceError
from rdae_ref.data import curved_manifold
from rdae_ref.gradcheck import check_gradient
from rdae_ref.measures import effective_rank, latent_singular_values
from rdae_ref.models import IRMAE, collapse, initial_irmae_parameters
from rdae_ref.models.mlp import Layer
from rdae_ref.optimize import MiniBatches, adam, gradient_ascent
from rdae_ref.pytree import leaves, ravel

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
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("bad", BAD_MATRICES)
def test_bad_data_are_refused(bad):
    X, error, words = BAD_MATRICES[bad]
    with pytest.raises(error, match=words):
        IRMAE(X, activation="relu")


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


def test_decoupled_decay_takes_every_step_that_pytorchs_adamw_takes():
    """The whole recipe: encoder, stack and decoder, the gradient of one by hand and of the other by PyTorch."""
    needed("torch")
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    X, start = rng.normal(size=(12, 6)), initial_irmae_parameters(6, 3, 4, rng, hidden=[5], gain=2.0)
    flat, unravel = ravel(start)
    tensors = [torch.tensor(array, requires_grad=True) for _, array in leaves(start)]
    optimizer = torch.optim.AdamW(tensors, lr=0.01, weight_decay=0.05)

    def follow(step):
        W1, b1, W2, b2, *stack, V1, c1, V2, c2 = tensors
        Z = torch.relu(torch.tensor(X) @ W1.T + b1) @ W2.T + b2
        for M in stack:
            Z = Z @ M.T
        optimizer.zero_grad()
        ((torch.relu(Z @ V1.T + c1) @ V2.T + c2 - torch.tensor(X)) ** 2).sum(axis=1).mean().backward()
        optimizer.step()
        theirs = np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors])
        np.testing.assert_allclose(ravel(step.parameters)[0], theirs, rtol=1e-10, atol=1e-12)

    adam(IRMAE(X, activation="relu"), unravel(flat), step_size=0.01, n_steps=60, decay=0.05, callback=follow)
