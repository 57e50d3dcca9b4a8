import functools
import math

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from cases import BAD_MATRICES, BAD_POSITIVE
from scipy import integrate, stats

from rdae_ref import DivergenceError
from rdae_ref.data import gaussian_with_covariance
from rdae_ref.gradcheck import check_gradient
from rdae_ref.models import (
    BETA_CONVENTIONS as CONVENTIONS,
)
from rdae_ref.models import (
    BetaConvention,
    BetaVAE,
    FixedBetaVAE,
    LinearBetaVAE,
    Posterior,
    VAEParameters,
    convert_beta,
    initial_layers,
    initial_vae_parameters,
    kl_divergence,
)
from rdae_ref.models.mlp import Layer
from rdae_ref.optimize import MiniBatches, adam, gradient_ascent, maximize
from rdae_ref.pytree import leaves, ravel
from rdae_ref.theory import gaussian_rate_distortion

N, D, K = 6, 4, 2
DATA = np.random.default_rng(0).uniform(size=(N, D))
HIDDEN = {"one layer": [], "two": [5], "three": [5, 3]}
FORMS = {
    "β = 1": {},
    "β = 4": {"beta": 4.0, "variance": 0.3},
    "β = 0": {"beta": 0.0},
    "nats": {"beta": 2.0, "base": math.e},
    "capacity of the mean": {"beta": 3.0, "capacity": 0.5, "variance": 0.2},
    "capacity of the mean, above": {"beta": 3.0, "capacity": 50.0},
    "capacity of each": {"beta": 3.0, "capacity": 0.9, "capacity_of": "sample"},
    "Bernoulli": {"likelihood": "bernoulli", "beta": 2.0},
    "Bernoulli, capacity": {"likelihood": "bernoulli", "beta": 2.0, "capacity": 0.7, "capacity_of": "sample"},
}
CASES = [(form, "tanh", "two") for form in FORMS] + [
    ("β = 4", g, "two") for g in ("softplus", "logsig", "relu", "satlin")
]
CASES += [("β = 1", "linear", "one layer"), ("Bernoulli", "linear", "one layer"), ("β = 4", "softplus", "three")]


def setting(form="β = 4", g="tanh", depth="two", seed=3):
    """Make a deterministic model and parameters to evaluate it at; no pre-activation is near a kink."""
    rng = np.random.default_rng(seed)
    model = fresh(activation=g, **FORMS[form]).with_fixed_noise(K, n_copies=2)
    return model, initial_vae_parameters(D, K, rng, hidden=HIDDEN[depth], gain=2.0)


def fresh(seed=0, X=DATA, activation="tanh", **settings):
    return BetaVAE(X, activation=activation, rng=np.random.default_rng(seed), **settings)


def linear_setting(depth, seed=3, **settings):
    rng = np.random.default_rng(seed)
    encoder, _ = initial_vae_parameters(D, K, rng, hidden=HIDDEN[depth], gain=2.0)
    model = LinearBetaVAE(DATA, activation="tanh", **settings)
    return model, VAEParameters(encoder, initial_layers([K, D], rng, gain=2.0))


def same(one, other):
    return all(np.array_equal(a, b) for (_, a), (_, b) in zip(leaves(one), leaves(other), strict=True))


# ------------------------------------------------------------------------------------------------------ the gradients

ANP_UNITS = {
    "linear": lambda z: z,
    "logsig": lambda z: 1 / (1 + anp.exp(-z)),
    "relu": lambda z: z * (z > 0),
    "satlin": lambda z: z * ((z > 0) & (z < 1)) + 1.0 * (z >= 1),
    "softplus": lambda z: anp.log(1 + anp.exp(z)),
    "tanh": anp.tanh,
}


def network(x, layers, g):
    for W, b in layers[:-1]:
        x = g(anp.dot(W, x) + b)
    return anp.dot(layers[-1][0], x) + layers[-1][1]


def divergence(m, s2):
    """Write KL(N(m, s2) ‖ N(0, 1)), summed over latents, from its definition: the means of two logarithms."""
    return anp.sum(0.5 * (m**2 + s2) - 0.5 * (anp.log(s2) + 1))


def log_density(x, y, model):
    if model.likelihood == "bernoulli":
        p = 1 / (1 + anp.exp(-y))
        return anp.sum(x * anp.log(p) + (1 - x) * anp.log(1 - p))
    density = anp.exp(-((x - y) ** 2) / (2 * model.variance)) / anp.sqrt(2 * math.pi * model.variance)
    return anp.sum(anp.log(density))


def written_out(parameters, model):
    """Write L from its definition, sample by sample and copy by copy."""
    encoder, decoder = parameters
    g = ANP_UNITS[model.activation.name]
    fidelity, rates = [], []
    for i, x in enumerate(model.X):
        code = network(x, encoder, g)
        m, std = code[:K], anp.exp(code[K:]) ** 0.5
        rates.append(divergence(m, std**2))
        if isinstance(model, LinearBetaVAE):
            (A, b), s2 = decoder[0], model.variance
            squared = anp.sum((x - anp.dot(A, m) - b) ** 2) + anp.trace(anp.dot(A * std**2, A.T))
            fidelity.append(-squared / (2 * s2) - D / 2 * anp.log(2 * math.pi * s2))
        else:
            fidelity += [log_density(x, network(m + std * e[i], decoder, g), model) for e in model.noise]
    C = None if model.capacity is None else model.capacity * math.log(model.base)
    rate = sum(rates) / N
    if C is not None:
        rate = anp.abs(rate - C) if model.capacity_of == "mean" else sum(anp.abs(r - C) for r in rates) / N
    return (sum(fidelity) / len(fidelity) - model.beta * rate) / math.log(model.base)


MODELS = [functools.partial(setting, *case) for case in CASES] + [
    functools.partial(linear_setting, depth, beta=0.7, variance=0.3, capacity=capacity)
    for depth in HIDDEN
    for capacity in (None, 0.4)
]


def case_name(make):
    return ", ".join([make.func.__name__, *make.args, *(f"{name}={value}" for name, value in make.keywords.items())])


@pytest.mark.parametrize("make", MODELS, ids=case_name)
def test_every_element_of_the_gradient_is_that_of_differences(make):
    report = check_gradient(*make(), rng=np.random.default_rng(0))
    assert report.passed, report


@pytest.mark.parametrize("make", MODELS, ids=case_name)
def test_value_and_gradient_are_those_that_autograd_finds_from_the_definition(make):
    model, parameters = make()
    plain = tuple(tuple(tuple(layer) for layer in part) for part in parameters)
    expected, slopes = autograd.value_and_grad(written_out)(plain, model)
    value, gradient = model.value_and_gradient(parameters)
    assert value == pytest.approx(expected, rel=1e-12)
    scale = max(np.abs(slope).max() for _, slope in leaves(slopes))
    for (_, got), (_, slope) in zip(leaves(gradient), leaves(slopes), strict=True):
        np.testing.assert_allclose(got, slope, rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("make", MODELS[::3], ids=case_name)
def test_nothing_is_mutated_and_the_answer_repeats_to_the_bit(make):
    model, parameters = make()
    before = ravel(parameters)[0]
    value, gradient = model.value_and_gradient(parameters)
    again, repeated = model.value_and_gradient(parameters)
    assert value == again
    assert same(gradient, repeated)
    for _, slope in leaves(gradient):
        np.add(slope, 1, out=slope)
    np.testing.assert_array_equal(ravel(parameters)[0], before)


# -------------------------------------------------------------------------------------------------------------- terms


@pytest.mark.parametrize(("m", "t"), [(0.0, 0.0), (1.3, -2.0), (-0.4, 1.5), (3.0, -9.0)])
def test_the_divergence_is_the_integral_that_defines_it(m, t):
    q, prior = stats.norm(m, math.exp(t / 2)), stats.norm()
    low, high = q.ppf([1e-15, 1 - 1e-15])
    expected, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - prior.logpdf(z)), low, high, epsabs=1e-12)
    assert kl_divergence(Posterior(np.array([[m]]), np.array([[t]])))[0, 0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_the_objective_is_made_of_its_terms(form):
    model, parameters = setting(form)
    value, _ = model.value_and_gradient(parameters)
    terms = model.terms(parameters)
    each = kl_divergence(model.encode(parameters)).sum(axis=1) / math.log(model.base)
    assert terms.rate == pytest.approx(each.mean(), rel=1e-13)
    assert terms.rates.sum() == pytest.approx(terms.rate, rel=1e-13)
    price = terms.rate
    if model.capacity is not None:
        price = abs(terms.rate - model.capacity)
        if model.capacity_of == "sample":
            price = np.mean(np.abs(each - model.capacity))
    assert value == pytest.approx(terms.log_likelihood - model.beta * price, rel=1e-12)


def test_both_readings_of_the_capacity_by_hand():
    # One latent with the means ±2 and 0 and unit variance: KL = 2, 2 and 0 nats, 4/3 in the mean.
    X = np.array([[2.0], [-2.0], [0.0]])
    encoder = (Layer(np.array([[1.0], [0.0]]), np.zeros(2)),)
    parameters = VAEParameters(encoder, (Layer(np.zeros((1, 1)), np.zeros(1)),))
    common = {"base": math.e, "beta": 10.0, "variance": 1 / (2 * math.pi)}
    fidelity = -math.pi * 8 / 3
    for capacity_of, C, price in [("mean", 1, 1 / 3), ("sample", 1, 1), ("mean", 2, 2 / 3), ("sample", 2, 2 / 3)]:
        model = LinearBetaVAE(X, capacity=C, capacity_of=capacity_of, **common)
        assert model.value_and_gradient(parameters)[0] == pytest.approx(fidelity - 10 * price, rel=1e-13)
    assert LinearBetaVAE(X, **common).value_and_gradient(parameters)[0] == pytest.approx(fidelity - 40 / 3, rel=1e-13)


def test_distortion_and_likelihood_are_sums_over_features_and_means_over_samples():
    model, parameters = setting("β = 4")
    noise = np.concatenate([model.noise, model.noise], axis=1)
    doubled = FixedBetaVAE(np.vstack([DATA, DATA]), activation="tanh", noise=noise, **FORMS["β = 4"])
    terms, twice = model.terms(parameters), doubled.terms(parameters)
    assert twice.distortion == pytest.approx(terms.distortion, rel=1e-13)
    assert twice.log_likelihood == pytest.approx(terms.log_likelihood, rel=1e-13)
    nats = -terms.distortion / (2 * 0.3) - D / 2 * math.log(2 * math.pi * 0.3)
    assert terms.log_likelihood == pytest.approx(nats / math.log(2), rel=1e-12)


def test_bernoulli_is_the_distribution_of_scipy_and_stays_finite_far_out():
    X = np.array([[0.0, 1.0, 1.0, 0.0]])
    logits = np.array([2.0, -1.0, 0.3, 0.0])
    parameters = VAEParameters((Layer(np.zeros((2, 4)), np.zeros(2)),), (Layer(np.zeros((4, 1)), logits),))
    terms = fresh(X=X, likelihood="bernoulli", base=math.e).terms(parameters)
    p = 1 / (1 + np.exp(-logits))
    assert terms.log_likelihood == pytest.approx(stats.bernoulli.logpmf(X[0], p).sum(), rel=1e-13)
    assert terms.distortion == pytest.approx(np.sum((X[0] - p) ** 2), rel=1e-13)
    decoder = (Layer(np.zeros((4, 1)), np.array([-900.0, 900.0, 900.0, -900.0])),)
    assert fresh(X=X, likelihood="bernoulli").value_and_gradient(parameters._replace(decoder=decoder))[0] == 0


def test_with_beta_1_it_is_a_lower_bound_on_the_likelihood_that_the_exact_posterior_meets():
    """Where the columns of A are orthogonal, p(z | x) has the diagonal covariance (I + AᵀA/s²)⁻¹."""
    rng, s2 = np.random.default_rng(5), 0.4
    A = np.linalg.qr(rng.normal(size=(D, K)))[0] * [1.5, 0.6]
    b, X = rng.normal(size=D), rng.normal(size=(30, D))
    v = 1 / (1 + np.sum(A**2, axis=0) / s2)
    G = v[:, None] * A.T / s2
    encoder = (Layer(np.vstack([G, np.zeros((K, D))]), np.concatenate([-G @ b, np.log(v)])),)
    exact = stats.multivariate_normal(b, A @ A.T + s2 * np.eye(D)).logpdf(X).mean()
    model = LinearBetaVAE(X, variance=s2, base=math.e)
    best = VAEParameters(encoder, (Layer(A, b),))
    value, gradient = model.value_and_gradient(best)
    assert value == pytest.approx(exact, rel=1e-13)
    assert max(np.abs(g).max() for _, g in leaves(gradient.encoder)) < 1e-12
    for _ in range(5):
        other = tuple(Layer(W + 0.1 * rng.normal(size=W.shape), c) for W, c in encoder)
        assert model.value_and_gradient(best._replace(encoder=other))[0] < exact


# ------------------------------------------------------------------------------------------------------ the three forms


def test_the_linear_form_is_exact_where_the_noise_has_exact_moments():
    model, parameters = linear_setting("two", beta=0.7, variance=0.3)
    # L is quadratic in ε: the 2k points ± sqrt(k) e_j, of mean 0 and covariance I, make its expectation.
    corners = np.sqrt(K) * np.vstack([np.eye(K), -np.eye(K)])
    noise = np.tile(corners[:, None, :], (1, N, 1))
    sampled = FixedBetaVAE(DATA, activation="tanh", noise=noise, beta=0.7, variance=0.3)
    value, gradient = model.value_and_gradient(parameters)
    got, slope = sampled.value_and_gradient(parameters)
    assert got == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(ravel(slope)[0], ravel(gradient)[0], rtol=1e-10, atol=1e-13)
    assert ravel(tuple(sampled.terms(parameters)))[0] == pytest.approx(ravel(tuple(model.terms(parameters)))[0])


def test_the_mean_over_fresh_noise_is_the_linear_expectation():
    exact, parameters = linear_setting("one layer", beta=0.7, variance=0.3)
    model = fresh(seed=5, beta=0.7, variance=0.3, activation="linear")
    table = np.array([model.value_and_gradient(parameters)[0] for _ in range(2000)])
    standard_error = table.std() / np.sqrt(len(table))
    value, _ = exact.value_and_gradient(parameters)
    assert abs(table.mean() - value) < 4 * standard_error
    assert standard_error < 0.01 * abs(value)


def test_fresh_noise_changes_with_each_evaluation_and_repeats_with_the_seed():
    parameters = setting()[1]
    model, twin, other = fresh(0), fresh(0), fresh(1)
    values = [model.value_and_gradient(parameters)[0] for _ in range(3)]
    assert len(set(values)) == 3
    assert values == [twin.value_and_gradient(parameters)[0] for _ in range(3)]
    assert values[0] != other.value_and_gradient(parameters)[0]
    fixed = fresh(0).with_fixed_noise(K)
    assert fixed.value_and_gradient(parameters)[0] == values[0]


def test_copies_of_the_noise_are_what_as_many_evaluations_average():
    parameters = setting()[1]
    model = fresh()
    mean = np.mean([model.value_and_gradient(parameters)[0] for _ in range(5)])
    assert fresh().with_fixed_noise(K, 5).value_and_gradient(parameters)[0] == pytest.approx(mean, rel=1e-13)


def test_looking_at_the_terms_does_not_change_the_course():
    parameters = setting()[1]
    model = fresh()
    value = model.terms(parameters).log_likelihood - model.terms(parameters).rate
    assert model.value_and_gradient(parameters)[0] == pytest.approx(value, rel=1e-12)
    watched = gradient_ascent(fresh(), parameters, step_size=0.01, n_steps=4, callback=lambda step: step.terms)
    assert same(watched.x, gradient_ascent(fresh(), parameters, step_size=0.01, n_steps=4).x)


def test_encoding_and_decoding_are_the_parts_of_the_reconstruction():
    model, parameters = setting("Bernoulli")
    posterior = model.encode(parameters, DATA[:3])
    outputs = model.decode(parameters, posterior.M)
    np.testing.assert_array_equal(outputs, model.reconstruct(parameters, DATA[:3]))
    assert model.reconstruct(parameters).shape == (N, D)
    assert (outputs > 0).all()
    assert (outputs < 1).all()
    draws = np.array([posterior.sample(np.random.default_rng(seed)) for seed in range(4000)])
    np.testing.assert_allclose(draws.mean(axis=0), posterior.M, atol=0.1)
    np.testing.assert_allclose(np.log(draws.var(axis=0)), posterior.T, atol=0.15)


def test_another_price_leaves_the_rest():
    model, parameters = setting("capacity of each")
    dearer = model.with_beta(30.0)
    assert (dearer.beta, dearer.capacity, model.beta) == (30.0, 0.9, 3.0)
    assert dearer.terms(parameters).log_likelihood == model.terms(parameters).log_likelihood


# --------------------------------------------------------------------------------------- reverse water-filling, λ = βs²

SPECTRUM = np.array([4.0, 1.0, 0.25, 0.05])
VARIANCE = 0.3


def rotated(spectrum, seed):
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(spectrum), len(spectrum))))[0]
    return (Q * spectrum) @ Q.T


def corners(covariance):
    """Return 2d points with mean 0 and this covariance."""
    d = len(covariance)
    return np.sqrt(d) * np.vstack([root := np.linalg.cholesky(covariance).T, -root])


def optimum(covariance, beta, n_latents=4, seed=0, X=None):
    model = LinearBetaVAE(corners(covariance) if X is None else X, beta=beta, variance=VARIANCE)
    start = initial_vae_parameters(len(covariance), n_latents, np.random.default_rng(seed))
    return model.terms(maximize(model, start, max_iterations=5000, tolerance=1e-12).x)


def check_on_the_curve(terms, beta, tolerance):
    level = beta * VARIANCE
    kept = level < SPECTRUM
    assert terms.distortion == pytest.approx(np.minimum(SPECTRUM, level).sum(), abs=tolerance)
    each = np.where(kept, 0.5 * np.log2(SPECTRUM / level), 0)
    np.testing.assert_allclose(np.sort(terms.rates)[::-1][:4], each, atol=tolerance)
    assert terms.rate == pytest.approx(gaussian_rate_distortion(SPECTRUM, terms.distortion).rate, abs=tolerance)


def test_the_numbers_of_the_prototype():
    terms = optimum(np.diag(SPECTRUM), beta=1.0)
    assert terms.distortion == pytest.approx(0.9, abs=1e-5)
    assert terms.rate == pytest.approx(2.73697, abs=1e-5)


@pytest.mark.parametrize("beta", [0.4, 4.0])
def test_a_linear_beta_vae_lies_on_the_reverse_water_filling_curve(beta):
    check_on_the_curve(optimum(rotated(SPECTRUM, 1), beta), beta, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("beta", np.geomspace(0.1, 10, 9))
def test_a_linear_beta_vae_lies_on_the_curve_over_two_decades_from_any_start(beta):
    for seed in range(3):
        covariance = rotated(SPECTRUM, seed)
        check_on_the_curve(optimum(covariance, beta, n_latents=4 + seed, seed=seed), beta, 1e-5)
    X = gaussian_with_covariance(300, covariance, np.random.default_rng(4))
    check_on_the_curve(optimum(covariance, beta, X=X), beta, 1e-5)


@pytest.mark.parametrize("n_latents", [1, 2])
def test_with_too_few_latents_the_strongest_components_get_them(n_latents):
    terms = optimum(rotated(SPECTRUM, 2), beta=0.5, n_latents=n_latents)
    assert terms.rate == pytest.approx(np.sum(0.5 * np.log2(SPECTRUM[:n_latents] / 0.15)), abs=1e-5)
    assert terms.distortion == pytest.approx(0.15 * n_latents + SPECTRUM[n_latents:].sum(), abs=1e-5)
    assert terms.rate > gaussian_rate_distortion(SPECTRUM, terms.distortion).rate


def trained_by_sampling(spectrum, beta, stages, seed=0):
    """Train as everybody does: fresh noise, mini-batches, Adam. Distortion and rate are then taken in closed form."""
    rng = np.random.default_rng(seed)
    X = gaussian_with_covariance(1000, np.diag(spectrum), rng)
    batches = MiniBatches(BetaVAE(X, activation="linear", beta=beta, variance=VARIANCE, rng=rng), 100, rng)
    x = initial_vae_parameters(len(spectrum), len(spectrum), rng)
    for step_size, n_steps in stages:
        x = adam(batches, x, step_size=step_size, n_steps=n_steps).x
    return LinearBetaVAE(X, beta=beta, variance=VARIANCE).terms(x)


def test_ordinary_training_ends_on_the_curve_too():
    spectrum = np.array([2.0, 0.8])
    terms = trained_by_sampling(spectrum, 1.0, [(2e-2, 800), (2e-3, 500)])
    excess = terms.rate - gaussian_rate_distortion(spectrum, terms.distortion).rate
    assert -1e-9 < excess < 0.02
    assert terms.distortion == pytest.approx(0.6, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.1, 0.316, 1.0, 3.16, 10.0])
def test_ordinary_training_ends_on_the_curve_over_two_decades(beta):
    stages = [(1e-2, 12_000), (1e-3, 4000), (1e-4, 2000)]
    terms = trained_by_sampling(SPECTRUM, beta, stages)
    assert -1e-9 < terms.rate - gaussian_rate_distortion(SPECTRUM, terms.distortion).rate < 0.02
    assert terms.distortion == pytest.approx(np.minimum(SPECTRUM, beta * VARIANCE).sum(), rel=0.02)


# --------------------------------------------------------------------------------------------- what β means elsewhere

TABLE = {  # for β = 1 here, d = 784, k = 10, s² = 0.25: worked out by hand
    "this package": 1.0,
    "normalised": 10 / 784,
    "mean log likelihood": 1 / 784,
    "half squared error": 0.25,
    "squared error": 0.5,
    "mean squared error": 0.5 / 784,
    "mean squared error, mean KL": 5 / 784,
}


def loss(convention, beta, model, parameters):
    """Write the loss of a library with this convention, up to a constant."""
    terms = dict(zip(("distortion", "kl"), _sums(model, parameters), strict=True))
    factor = {"log_likelihood": 1 / (2 * model.variance), "half_squared_error": 0.5, "squared_error": 1.0}
    misfit = factor[convention.misfit] * terms["distortion"] / (D if convention.over_features == "mean" else 1)
    return misfit + beta * terms["kl"] / (K if convention.over_latents == "mean" else 1)


def _sums(model, parameters):
    terms = model.terms(parameters)
    return terms.distortion, terms.rate * math.log(2)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_table_of_conventions(name):
    sizes = {"n_features": 784, "n_latents": 10, "variance": 0.25}
    assert convert_beta(1.0, "this package", name, **sizes) == pytest.approx(TABLE[name], rel=1e-14)
    assert convert_beta(TABLE[name] * 3, name, "this package", **sizes) == pytest.approx(3, rel=1e-14)
    assert set(TABLE) == set(CONVENTIONS)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_with_the_converted_beta_the_other_loss_is_a_multiple_of_ours(name):
    model = setting("β = 4")[0]
    beta = convert_beta(4.0, "this package", name, n_features=D, n_latents=K, variance=0.3)
    points = [setting(seed=seed)[1] for seed in range(4)]
    ours = np.diff([-model.value_and_gradient(x)[0] for x in points])
    theirs = np.diff([loss(CONVENTIONS[name], beta, model, x) for x in points])
    np.testing.assert_allclose(theirs / ours, theirs[0] / ours[0], rtol=1e-9)
    wrong = np.diff([loss(CONVENTIONS[name], 2 * beta, model, x) for x in points])
    assert np.ptp(wrong / ours) > 1e-3 * abs(wrong[0] / ours[0])


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("bad", BAD_MATRICES)
@pytest.mark.parametrize(
    "make",
    [
        lambda X: fresh(X=X),
        lambda X: FixedBetaVAE(X, activation="tanh", noise=np.zeros((1, 3, 2))),
        lambda X: LinearBetaVAE(X),
    ],
    ids=["fresh", "fixed", "linear"],
)
def test_bad_data_are_refused(make, bad):
    X, error, words = BAD_MATRICES[bad]
    with pytest.raises(error, match=words):
        make(X)


@pytest.mark.parametrize("bad", BAD_POSITIVE)
@pytest.mark.parametrize("name", ["beta", "variance", "capacity", "convert"])
def test_bad_numbers_are_refused(name, bad):
    value, error = BAD_POSITIVE[bad]
    allowed = (name != "variance" and bad == "zero") or (name == "capacity" and bad == "none")
    if allowed:
        pytest.skip("in range here")
    if name == "convert":
        with pytest.raises(error, match="beta must"):
            convert_beta(value, "this package", "normalised", n_features=2, n_latents=2)
    else:
        with pytest.raises(error, match=f"{name} must"):
            fresh(**{name: value})


LAYER = Layer(np.ones((4, 4)), np.zeros(4))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: fresh(likelihood="poisson"), ValueError, "likelihood must be one of 'gaussian', 'bernoulli'"),
        (lambda: fresh(capacity_of="median"), ValueError, "capacity_of must be one of"),
        (lambda: fresh(base=1.0), ValueError, "base must"),
        (lambda: fresh(X=DATA + 1, likelihood="bernoulli"), ValueError, r"X must lie in \[0, 1\]"),
        (lambda: fresh(activation="sine"), ValueError, "activation must be one of"),
        (lambda: BetaVAE(DATA, activation="tanh", rng=0), TypeError, "default_rng"),
        (lambda: fresh().with_fixed_noise(0), ValueError, "n_latents must be at least 1"),
        (lambda: fresh().with_fixed_noise(2, 0), ValueError, "n_copies must be at least 1"),
        (lambda: FixedBetaVAE(DATA, activation="tanh", noise=np.zeros((2, 3, 2))), ValueError, r"noise\[0\] must have"),
        (lambda: FixedBetaVAE(DATA, activation="tanh", noise=1.0), ValueError, r"noise\[0\] must have shape"),
        (lambda: fresh().value_and_gradient(None), TypeError, r"VAEParameters\(encoder, decoder\), got NoneType"),
        (lambda: fresh().terms(VAEParameters((LAYER,), (LAYER,))), ValueError, r"W must have shape \(8, 4"),
        (
            lambda: setting()[0].value_and_gradient(initial_vae_parameters(D, 3, np.random.default_rng(0))),
            ValueError,
            r"decoder\[0\].W must have shape \(any, 2\)",
        ),
        (
            lambda: LinearBetaVAE(DATA).terms(initial_vae_parameters(D, K, np.random.default_rng(0), hidden=[5])),
            ValueError,
            "number of layers in decoder must be at most 1",
        ),
        (lambda: fresh().decode(setting()[1], np.ones((2, 3))), ValueError, r"Z must have shape \(any, 2\)"),
        (lambda: fresh().encode(setting()[1], np.ones((2, 3))), ValueError, r"X must have shape \(any, 4\)"),
        (lambda: initial_vae_parameters(0, 2, np.random.default_rng(0)), ValueError, "n_features must be at least 1"),
        (lambda: initial_vae_parameters(3, 2, 0), TypeError, "default_rng"),
        (
            lambda: convert_beta(1, "nobody's", "normalised", n_features=2, n_latents=2),
            ValueError,
            "source must be one of",
        ),
        (
            lambda: convert_beta(1, "normalised", BetaConvention("huber"), n_features=2, n_latents=2),
            ValueError,
            "target.misfit must be one of",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("make", [MODELS[0], MODELS[-1]], ids=["fixed", "linear"])
def test_parameters_that_overflow_are_a_divergence(make):
    model, parameters = make()
    last = parameters.encoder[-1]
    for b in (np.array([0.0, 0.0, 900.0, 0.0]), np.full(4, 1e200)):
        huge = parameters._replace(encoder=(*parameters.encoder[:-1], last._replace(b=b)))
        for evaluate in (model.value_and_gradient, model.terms):
            with pytest.raises(FloatingPointError, match="overflow"):
                evaluate(huge)
    with pytest.raises(DivergenceError):
        gradient_ascent(model, parameters, step_size=1e9, n_steps=50)


def linear_gaussian(rng, scale=1.0):
    """A decoder A z + b of variance s², and the encoder that is its posterior, but for a scale of the variances."""
    A, b, s2 = np.array([[2.0], [-1.0], [0.5]]), rng.normal(size=3), 0.4
    precision = 1 + A.T @ A / s2
    W = np.linalg.solve(precision, A.T / s2)
    T = np.log(scale / np.diag(precision))
    encoder = (Layer(np.vstack([W, 0 * W]), np.concatenate([-W @ b, T])),)
    return VAEParameters(encoder, (Layer(A, b),)), stats.multivariate_normal(b, A @ A.T + s2 * np.eye(3)), s2


@pytest.mark.parametrize(("n_draws", "base"), [(1, 2), (7, math.e)])
def test_importance_weights_of_the_exact_posterior_leave_no_variance(n_draws, base):
    """Then each weight is p(x) itself, however many are drawn."""
    rng = np.random.default_rng(0)
    parameters, marginal, s2 = linear_gaussian(rng)
    X = rng.normal(size=(20, 3))
    objective = BetaVAE(X, activation="tanh", variance=s2, base=base, rng=rng)
    found = objective.importance_log_likelihood(parameters, n_draws=n_draws, rng=rng)
    np.testing.assert_allclose(found, marginal.logpdf(X) / math.log(base), rtol=1e-12)


def test_more_importance_weights_come_nearer_from_below():
    rng = np.random.default_rng(1)
    parameters, marginal, s2 = linear_gaussian(rng, scale=3.0)
    X = marginal.rvs(2000, random_state=2)
    objective = BetaVAE(X, activation="tanh", variance=s2, base=math.e, rng=rng)
    exact = marginal.logpdf(X).mean()
    means = [objective.importance_log_likelihood(parameters, n_draws=k, rng=rng).mean() for k in (1, 4, 500)]
    terms = objective.with_fixed_noise(1, 50).terms(parameters)
    assert means[0] == pytest.approx(terms.log_likelihood - terms.rate, abs=0.05)  # K = 1: the evidence lower bound
    assert means[0] < means[1] < exact
    assert means[2] == pytest.approx(exact, abs=0.01)


def test_importance_weights_of_bits_against_the_sum_over_a_grid_of_codes():
    rng = np.random.default_rng(3)
    X = rng.integers(0, 2, size=(6, 4)).astype(float)
    parameters = initial_vae_parameters(4, 1, rng, hidden=[5], gain=3.0)
    objective = BetaVAE(X, activation="tanh", likelihood="bernoulli", base=math.e, rng=rng)
    z = np.linspace(-9, 9, 4001)
    P = objective.decode(parameters, z[:, None])
    log_p = X @ np.log(P.T) + (1 - X) @ np.log1p(-P.T)
    exact = np.log((np.exp(log_p - z**2 / 2) / math.sqrt(2 * math.pi)).sum(axis=1) * (z[1] - z[0]))
    found = objective.importance_log_likelihood(parameters, n_draws=20_000, rng=rng)
    np.testing.assert_allclose(found, exact, rtol=0, atol=0.05)
