import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from cases import BAD_MATRICES, BAD_POSITIVE, UNITS, directional_difference, samples

from rdae_ref import (
    DivergenceError,
    Parameters,
    RateDistortion,
    continuation,
    gradient_ascent,
    initial_parameters,
    maximize,
)
from rdae_ref.gradcheck import check_gradient
from rdae_ref.models import (
    Contractive,
    Denoising,
    FixedDenoising,
    LinearDenoising,
    Reconstruction,
    Tied,
    TiedParameters,
    WeightDecay,
)
from rdae_ref.objective import distortion_of
from rdae_ref.pytree import ravel, tree_map

N, D, P = 10, 3, 4
SIZES = {"alpha": 1.01, "mu": 0.8, "sigma_x": 0.7, "sigma_xhat": 0.9}


def plain(X, g):
    return Reconstruction(X, activation=g)


def denoising(X, g):
    return Denoising(X, activation=g, noise=0.5, rng=np.random.default_rng(1)).with_fixed_noise(3)


def contractive(X, g):
    return Contractive(X, activation=g, strength=0.7)


def rate_distortion(X, g):
    return RateDistortion(X, activation=g, **SIZES)


# A new model is one line here and inherits the tests of its gradient, of its repeatability and of its manners.
MODELS = {
    "plain": plain,
    "denoising": denoising,
    "contractive": contractive,
    "tied plain": lambda X, g: Tied(plain(X, g)),
    "tied contractive": lambda X, g: Tied(contractive(X, g)),
    "tied rate-distortion": lambda X, g: Tied(rate_distortion(X, g)),
    "decayed denoising": lambda X, g: WeightDecay(denoising(X, g), strength=0.3),
    "decayed rate-distortion": lambda X, g: WeightDecay(rate_distortion(X, g), strength=0.3),
    "decayed tied contractive": lambda X, g: WeightDecay(Tied(contractive(X, g)), strength=0.3),
    "tied decayed plain": lambda X, g: Tied(WeightDecay(plain(X, g), strength=0.3)),
}
CASES = [(name, g) for name in MODELS for g in UNITS] + [("linear denoising", "linear")]


def setting(name="plain", g="softplus"):
    """Make a model and parameters to evaluate it at."""
    rng = np.random.default_rng(1448)  # no pre-activation comes nearer to a kink than 0.04, noisy inputs included
    X = rng.normal(size=(N, D)) + 0.2
    W, _, A, _ = initial_parameters(D, P, rng, scale=0.6)
    parameters = Parameters(W, np.linspace(-0.3, 0.9, P), A, np.array([0.3, -0.2, 0.1]))
    model = LinearDenoising(X, noise=0.5) if name == "linear denoising" else MODELS[name](X, g)
    if "tied" in name:
        parameters = TiedParameters(W, parameters.c, parameters.b)
    return model, parameters


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


# ------------------------------------------------------------------------------------------------------ the gradients


@pytest.mark.parametrize(("name", "g"), CASES)
def test_every_element_of_the_gradient_is_a_central_difference(name, g):
    model, parameters = setting(name, g)
    x, unravel = ravel(parameters)
    gradient = ravel(model.value_and_gradient(parameters)[1])[0]

    def value(v):
        return model.value_and_gradient(unravel(v))[0]

    numeric = [directional_difference(value, x, e, step=1e-3, levels=3) for e in np.eye(x.size)]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-8, atol=1e-9)


ANP_UNITS = {
    "linear": lambda z: z,
    "logsig": lambda z: 1 / (1 + anp.exp(-z)),
    "relu": lambda z: z * (z > 0),
    "satlin": lambda z: z * ((z > 0) & (z < 1)) + 1.0 * (z >= 1),
    "softplus": lambda z: anp.log(1 + anp.exp(z)),
}


def written_out(model, parameters):
    """Write each model from its definition, sample by sample, the Jacobian of the encoder by differentiation, too."""
    if isinstance(model, WeightDecay):
        weights = [array for array in parameters if array.ndim == 2]
        decay = model.strength * sum(anp.sum(array**2) for array in weights)
        return written_out(model.objective, parameters) - decay
    if isinstance(model, Tied):
        W, c, b = parameters
        return written_out(model.objective, (W, c, W.T, b))
    W, c, A, b = parameters
    g = ANP_UNITS[model.activation.name]

    def encode(x):
        return g(anp.dot(W, x) + c)

    def error(x, target):
        return anp.sum((target - anp.dot(A, encode(x)) - b) ** 2)

    if isinstance(model, FixedDenoising):
        pairs = [(x, target) for copy in model.corrupted for x, target in zip(copy, model.X, strict=True)]
        return -sum(error(x, target) for x, target in pairs) / len(pairs)
    loss = sum(error(x, x) for x in model.X) / len(model.X)
    if isinstance(model, Contractive):
        jacobian = autograd.jacobian(encode)
        loss = loss + model.strength * sum(anp.sum(jacobian(x) ** 2) for x in model.X) / len(model.X)
    if isinstance(model, LinearDenoising):
        loss = loss + model.noise**2 * anp.sum(anp.dot(A, W) ** 2)
    return -loss


@pytest.mark.parametrize(("name", "g"), [case for case in CASES if "rate-distortion" not in case[0]])
def test_value_and_gradient_are_those_that_autograd_finds_from_the_definition(name, g):
    model, parameters = setting(name, g)
    value, gradient = model.value_and_gradient(parameters)
    assert value == pytest.approx(written_out(model, parameters), rel=1e-13)
    found = autograd.grad(lambda arrays: written_out(model, arrays))(tuple(parameters))
    for field, ours, theirs in zip(parameters._fields, gradient, found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13, err_msg=field)


@pytest.mark.parametrize(("name", "g"), CASES)
def test_check_gradient_accepts_it(name, g):
    report = check_gradient(*setting(name, g), rng=np.random.default_rng(0))
    assert report.passed, report


@pytest.mark.parametrize(("name", "g"), CASES)
def test_the_value_is_the_sum_of_its_terms(name, g):
    model, parameters = setting(name, g)
    terms = model.terms(parameters)._asdict()
    while "inside" in terms:
        terms |= terms.pop("inside")._asdict()
    if "denoising" in name:
        expected = -terms["denoising_error"]
        assert terms["distortion"] != terms["denoising_error"]
    elif "rate-distortion" in name:
        expected = terms["conditional_entropy"] - SIZES["mu"] * terms["distortion"]
    else:
        expected = -terms["distortion"] - 0.7 * terms.get("contraction", 0)
    expected -= 0.3 * terms.get("squared_weights", 0)
    assert model.value_and_gradient(parameters)[0] == pytest.approx(expected, rel=1e-13)
    untied = parameters.untied() if "tied" in name else parameters
    X, Xhat = samples(4, D), model.reconstruct(parameters)
    unit = {"relu": lambda z: z * (z > 0), "linear": lambda z: z}.get(g)
    if unit is not None:
        expected = unit(X @ untied.W.T + untied.c) @ untied.A.T + untied.b
        np.testing.assert_allclose(model.reconstruct(parameters, X), expected, rtol=1e-12)
    inside = model
    while hasattr(inside, "objective"):
        inside = inside.objective
    assert terms["distortion"] == pytest.approx(np.mean(np.sum((inside.X - Xhat) ** 2, axis=1)), rel=1e-13)


# --------------------------------------------------------------------------------------------------------- the manners


@pytest.mark.parametrize(
    "name", ["tied rate-distortion", "decayed rate-distortion", "tied contractive", "tied decayed plain"]
)
def test_the_distortion_alone_is_that_of_the_terms(name):
    model, parameters = setting(name)
    assert distortion_of(model, parameters) == model.distortion(parameters) == model.terms(parameters).distortion
    error = model.reconstruct(parameters) - np.random.default_rng(1448).normal(size=(N, D)) - 0.2
    assert model.distortion(parameters) == pytest.approx(np.sum(error**2) / N, rel=1e-13)


@pytest.mark.parametrize(("name", "g"), CASES)
def test_nothing_is_mutated_and_the_answer_repeats_to_the_bit(name, g):
    model, parameters = setting(name, g)
    before = tree_map(np.copy, parameters)
    value, gradient = model.value_and_gradient(parameters)
    again, repeated = model.value_and_gradient(parameters)
    assert value == again
    assert same(gradient, repeated)
    assert same(parameters, before)
    for slope in gradient:
        np.add(slope, 1, out=slope)  # a step in place must not reach the parameters
    assert same(parameters, before)


def test_data_are_copied():
    X, corrupted = samples(N, D), samples(2 * N, D, seed=1).reshape(2, N, D)
    model, parameters = FixedDenoising(X, activation="relu", corrupted=corrupted), setting()[1]
    before = model.value_and_gradient(parameters)[0]
    X += 1
    corrupted += 1
    assert model.value_and_gradient(parameters)[0] == before


@pytest.mark.parametrize("name", [*MODELS, "linear denoising"])
def test_parameters_that_overflow_are_a_divergence(name):
    model, parameters = setting(name, "linear")
    huge = parameters._replace(W=1e200 * np.ones((P, D)))
    for evaluate in (model.value_and_gradient, model.terms):
        with np.errstate(over="ignore"), pytest.raises(FloatingPointError, match="overflow"):
            evaluate(huge)
    with np.errstate(over="ignore"), pytest.raises(DivergenceError):
        gradient_ascent(model, parameters, step_size=1e9, n_steps=50)


BAD_NUMBERS = {name: bad for name, bad in BAD_POSITIVE.items() if name != "zero"}
X_ = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]])


@pytest.mark.parametrize("bad", BAD_MATRICES)
@pytest.mark.parametrize(
    "make",
    [
        lambda X: Reconstruction(X, activation="relu"),
        lambda X: Denoising(X, activation="relu", noise=0.5, rng=np.random.default_rng(0)),
        lambda X: FixedDenoising(X, activation="relu", corrupted=[X_]),
        lambda X: LinearDenoising(X, noise=0.5),
        lambda X: Contractive(X, activation="relu", strength=0.1),
    ],
    ids=["plain", "denoising", "fixed", "linear", "contractive"],
)
def test_bad_data_are_refused(make, bad):
    X, error, words = BAD_MATRICES[bad]
    with pytest.raises(error, match=words):
        make(X)


@pytest.mark.parametrize("bad", BAD_NUMBERS)
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("noise", lambda s: Denoising(X_, activation="relu", noise=s, rng=np.random.default_rng(0))),
        ("noise", lambda s: LinearDenoising(X_, noise=s)),
        ("strength", lambda s: Contractive(X_, activation="relu", strength=s)),
        ("strength", lambda s: WeightDecay(plain(X_, "relu"), strength=s)),
    ],
    ids=["denoising", "linear", "contractive", "decay"],
)
def test_bad_numbers_are_refused(name, make, bad):
    value, error = BAD_NUMBERS[bad]
    with pytest.raises(error, match=f"{name} must"):
        make(value)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: plain(X_, "sine"), ValueError, "activation must be one of .*'sine'"),
        (lambda: Denoising(X_, activation="relu", noise=1, rng=0), TypeError, "default_rng"),
        (lambda: fresh().with_fixed_noise(0), ValueError, "n_copies must be at least 1"),
        (lambda: FixedDenoising(X_, activation="relu", corrupted=X_), ValueError, r"corrupted\[0\] must have shape"),
        (lambda: FixedDenoising(X_, activation="relu", corrupted=[X_, X_ * np.inf]), ValueError, "finite"),
        (lambda: FixedDenoising(X_, activation="relu", corrupted=1.0), ValueError, r"corrupted\[0\] must have shape"),
        (lambda: FixedDenoising(X_, activation="relu", corrupted=[X_[:2]]), ValueError, r"shape \(3, 2\)"),
        (lambda: plain(X_, "relu").value_and_gradient(setting()[1]), ValueError, "W must have shape"),
        (lambda: Tied(plain(X_, "relu")).value_and_gradient(setting()[1]), TypeError, r"TiedParameters\(W, c, b\)"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with np.errstate(invalid="ignore"), pytest.raises(error, match=words):
        make()


# ----------------------------------------------------------------------------------------------------------- denoising


def fresh(seed=0, noise=0.5, g="softplus", X=None):
    X = setting()[0].X if X is None else X
    return Denoising(X, activation=g, noise=noise, rng=np.random.default_rng(seed))


def test_fresh_noise_changes_with_each_evaluation_and_repeats_with_the_seed():
    parameters = setting()[1]
    model, twin, other = fresh(0), fresh(0), fresh(1)
    values = [model.value_and_gradient(parameters)[0] for _ in range(3)]
    assert len(set(values)) == 3
    assert values == [twin.value_and_gradient(parameters)[0] for _ in range(3)]
    assert values[0] != other.value_and_gradient(parameters)[0]


def test_looking_at_the_terms_does_not_change_the_course():
    parameters = setting()[1]
    model = fresh()
    terms = model.terms(parameters)
    assert model.terms(parameters) == terms
    assert model.value_and_gradient(parameters)[0] == -terms.denoising_error
    seen = []
    watched = gradient_ascent(
        fresh(), parameters, step_size=0.05, n_steps=5, callback=lambda step: seen.append(step.terms.denoising_error)
    )
    alone = gradient_ascent(fresh(), parameters, step_size=0.05, n_steps=5)
    assert same(watched.x, alone.x)
    assert len(set(seen)) == 5


def test_copies_of_the_noise_are_what_as_many_evaluations_average():
    parameters = setting()[1]
    model = fresh()
    mean = np.mean([model.value_and_gradient(parameters)[0] for _ in range(7)])
    assert fresh().with_fixed_noise(7).value_and_gradient(parameters)[0] == pytest.approx(mean, rel=1e-13)


@pytest.mark.parametrize("g", UNITS)
def test_without_noise_it_is_the_plain_auto_encoder(g):
    plain_one, parameters = setting("plain", g)
    value, gradient = plain_one.value_and_gradient(parameters)
    for model in (fresh(noise=0, g=g), fresh(noise=0, g=g).with_fixed_noise(1)):
        got, slope = model.value_and_gradient(parameters)
        assert got == value
        assert same(slope, gradient)


def test_the_linear_expectation_is_exact_where_the_noise_has_exact_moments():
    exact, parameters = setting("linear denoising")
    # L is quadratic in ε: 2d points ± s sqrt(d) e_j, of mean 0 and covariance s² I, make its expectation.
    corners = exact.noise * np.sqrt(D) * np.vstack([np.eye(D), -np.eye(D)])
    model = FixedDenoising(exact.X, activation="linear", corrupted=exact.X + corners[:, None, :])
    value, gradient = exact.value_and_gradient(parameters)
    got, slope = model.value_and_gradient(parameters)
    assert got == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(ravel(slope)[0], ravel(gradient)[0], rtol=1e-12)
    assert model.terms(parameters) == pytest.approx(exact.terms(parameters), rel=1e-13)


def test_the_mean_over_fresh_noise_is_the_linear_expectation():
    exact, parameters = setting("linear denoising")
    model = fresh(seed=5, noise=exact.noise, g="linear")
    draws = [model.value_and_gradient(parameters) for _ in range(4000)]
    table = np.array([[value, *ravel(gradient)[0]] for value, gradient in draws])
    value, gradient = exact.value_and_gradient(parameters)
    deviation = table.mean(axis=0) - [value, *ravel(gradient)[0]]
    standard_error = table.std(axis=0) / np.sqrt(len(table))
    assert np.abs(deviation / standard_error).max() < 4
    assert standard_error[0] < 0.01 * abs(value)


@pytest.mark.parametrize("n_hidden", [1, 2, 3, 5])
def test_linear_units_that_denoise_become_the_wiener_filter(n_hidden):
    X, noise = samples(40, 3) @ np.array([[1.5, 0.3, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 0.5]]) + [1.0, -2.0, 0.5], 0.6
    start = initial_parameters(3, n_hidden, np.random.default_rng(2), scale=0.5)
    found = maximize(LinearDenoising(X, noise=noise), start, max_iterations=3000, tolerance=1e-10)
    variances, U = np.linalg.eigh(np.cov(X.T, bias=True))
    gains = np.where(np.arange(3) >= 3 - n_hidden, variances / (variances + noise**2), 0)
    W, c, A, b = found.x
    np.testing.assert_allclose(A @ W, (U * gains) @ U.T, atol=1e-5)
    np.testing.assert_allclose(A @ c + b, (np.eye(3) - A @ W) @ X.mean(axis=0), atol=1e-5)
    assert found.fun == pytest.approx(-np.sum(variances * (1 - gains)), rel=1e-9)


def test_the_ascent_learns_to_denoise():
    X = samples(60, 2, spread=2.0) @ np.array([[1.0, 1.0], [0.05, -0.05]])  # along a line
    start = initial_parameters(2, 6, np.random.default_rng(0), scale=0.3)
    model = Denoising(X, activation="softplus", noise=0.5, rng=np.random.default_rng(1))
    found = gradient_ascent(model, start, step_size=0.01, n_steps=1500, momentum=0.9)
    judge = Denoising(X, activation="softplus", noise=0.5, rng=np.random.default_rng(2)).with_fixed_noise(50)
    plainly = maximize(Reconstruction(X, activation="softplus"), start, max_iterations=300)
    # Of the noise, s² d = 0.5, the part across the line can be taken away and that along it nearly not.
    assert judge.terms(found.x).denoising_error < 0.3
    assert judge.terms(plainly.x).denoising_error > 0.45
    assert judge.terms(plainly.x).distortion < judge.terms(found.x).distortion


# --------------------------------------------------------------------------------------------------------- contractive


@pytest.mark.parametrize(
    ("g", "expected"),
    [  # W = (2, 0) at z = 1/2: |∂h/∂x|² = 4 g′(1/2)²
        ("linear", 4),
        ("relu", 4),
        ("satlin", 4),
        ("softplus", 4 / (1 + np.exp(-0.5)) ** 2),
        ("logsig", 4 * (np.exp(-0.5) / (1 + np.exp(-0.5)) ** 2) ** 2),
    ],
)
def test_contraction_by_hand(g, expected):
    model = Contractive([[0.25, 7.0], [0.25, -1.0]], activation=g, strength=1)
    parameters = Parameters(np.array([[2.0, 0.0]]), np.zeros(1), np.zeros((2, 1)), np.zeros(2))
    assert model.terms(parameters).contraction == pytest.approx(expected, rel=1e-14)


def test_the_stronger_the_contraction_the_smaller_the_jacobian():
    W, c, _, b = initial_parameters(2, 5, np.random.default_rng(0), scale=0.5)
    models = [Tied(Contractive(samples(40, 2), activation="logsig", strength=s)) for s in (0.01, 0.1, 1.0)]
    terms = [model.terms(maximize(model, TiedParameters(W, c, b)).x) for model in models]
    assert sorted(terms, key=lambda t: -t.contraction) == terms
    assert sorted(terms, key=lambda t: t.distortion) == terms


def test_without_tied_weights_linear_units_escape_the_price_of_contraction():
    model, (W, c, A, b) = setting("contractive", "linear")
    terms, escaped = model.terms(Parameters(W, c, A, b)), model.terms(Parameters(W / 1e3, c / 1e3, 1e3 * A, b))
    assert escaped.distortion == pytest.approx(terms.distortion, rel=1e-12)
    assert escaped.contraction == pytest.approx(1e-6 * terms.contraction, rel=1e-12)


def test_without_strength_it_is_the_plain_auto_encoder():
    plain_one, parameters = setting("plain", "logsig")
    value, gradient = plain_one.value_and_gradient(parameters)
    got, slope = Contractive(plain_one.X, activation="logsig", strength=0).value_and_gradient(parameters)
    assert got == value
    assert same(slope, gradient)


# --------------------------------------------------------------------------------------- tied weights and weight decay


def test_tied_weights_and_decay_commute_up_to_counting_one_matrix_twice():
    X, parameters = setting()[0].X, setting("tied plain")[1]
    outside = WeightDecay(Tied(plain(X, "softplus")), strength=0.6).value_and_gradient(parameters)
    inside = Tied(WeightDecay(plain(X, "softplus"), strength=0.3)).value_and_gradient(parameters)
    assert outside[0] == pytest.approx(inside[0], rel=1e-13)
    np.testing.assert_allclose(ravel(outside[1])[0], ravel(inside[1])[0], rtol=1e-12)


def test_wrappers_take_the_trade_off_through():
    inner = rate_distortion(setting()[0].X, "logsig")
    for model in (Tied(inner), WeightDecay(inner, strength=0.3), WeightDecay(Tied(inner), strength=0.3)):
        other = model.with_mu(3.0)
        assert (type(other), other.mu, model.mu) == (type(model), 3.0, SIZES["mu"])
        assert getattr(other, "strength", 0.3) == 0.3
    with pytest.raises(AttributeError, match="Reconstruction"):
        Tied(plain(X_, "relu")).with_mu(1.0)


def test_every_way_uphill_takes_a_wrapped_objective():
    model = WeightDecay(Tied(RateDistortion(samples(30, 2), activation="logsig", **SIZES)), strength=0.01)
    W, c, _, b = initial_parameters(2, 5, np.random.default_rng(0), scale=0.5)
    start = TiedParameters(W, c, b)
    first = model.value_and_gradient(start)[0]
    for found in (
        gradient_ascent(model, start, step_size=0.01, n_steps=20, line_search=True),
        continuation(model, start, factors=(4.0, 1.0), max_iterations=50),
    ):
        assert isinstance(found.x, TiedParameters)
        assert found.fun > first
        assert found.fun == model.value_and_gradient(found.x)[0]


class Layers:
    """A stand-in for a deep model: parameters in a list of pairs."""

    def value_and_gradient(self, layers):
        return 0.0, [(np.zeros_like(W), np.zeros_like(c)) for W, c in layers]


def test_weight_decay_takes_the_matrices_of_any_nested_parameters_and_no_offset():
    layers = [(2 * np.eye(2), np.ones(2)), (np.ones((1, 2)), np.ones(1))]
    value, gradient = WeightDecay(Layers(), strength=0.5).value_and_gradient(layers)
    assert value == -0.5 * (8 + 2)
    np.testing.assert_array_equal(gradient[0][0], -2 * np.eye(2))
    np.testing.assert_array_equal(gradient[1][0], -np.ones((1, 2)))
    assert not any(offset.any() for _, offset in gradient)
