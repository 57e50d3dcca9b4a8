"""Each public function of theory, data, models and measures, with bad values for each of its arguments.

A function that is added to one of the four packages fails here until it has a row in the table.
"""

import inspect

import numpy as np
import pytest
from bad_inputs import failures

from rdae_ref import Parameters, data, initial_parameters, measures, models, theory
from rdae_ref.models import Posterior, TiedParameters, VAEParameters

N, D, P, K = 6, 3, 2, 2
X = np.random.default_rng(0).normal(size=(N, D))
U = np.random.default_rng(1).uniform(size=(N, D))
FLAT = X[:, :2].copy()
W, C, A, B = initial_parameters(D, P, np.random.default_rng(2), scale=0.5)
AT = Parameters(W, C, A, B)
TIED = TiedParameters(W, C, B)
VAE = models.initial_vae_parameters(D, K, np.random.default_rng(3), hidden=[3])
AFFINE = VAEParameters(VAE.encoder, models.initial_layers([K, D], np.random.default_rng(4)))
DEEP = models.initial_irmae_parameters(D, K, 1, np.random.default_rng(5), hidden=[3])
NOISE = np.random.default_rng(6).normal(size=(2, N, K))
POSTERIOR = Posterior(X[:, :K].copy(), U[:, :K].copy())
CURVE = theory.sample_rate_distortion(X[:, :1], [0.5, 2.0])
COMPONENTS = models.pca(X, 2)
SOURCE, COSTS = np.array([0.3, 0.7]), np.array([[0.0, 1.0, 0.4], [1.0, 0.0, 0.5]])
GRAM = np.exp(-np.square(X[:, None] - X).sum(axis=2))
SYMMETRIC = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.1], [0.0, 0.1, 0.7]])


def rng():
    return np.random.default_rng(0)


def evaluated(make, methods=("value_and_gradient", "terms", "reconstruct")):
    """Make an objective and evaluate it in all ways that are asked for."""

    def function(parameters, inputs=None, **settings):
        objective = make(**settings)
        extra = {"reconstruct": (inputs,), "encode": (inputs,)}
        return [getattr(objective, method)(parameters, *extra.get(method, ())) for method in methods]

    return function


def case(function, /, *refusals, may_be_infinite=False, **arguments):
    return function, arguments, {"refusals": refusals, "may_be_infinite": may_be_infinite}


CODED = ("value_and_gradient", "terms", "encode", "reconstruct")
AT_X = {"X": X, "activation": "logsig", "inputs": X}
COMMON = {"beta": 2.0, "variance": 0.5, "capacity": 0.3, "capacity_of": "mean", "base": 2.0}
BAD = FloatingPointError  # documented for what is evaluated at parameters

THEORY = {
    "blahut_arimoto": case(
        theory.blahut_arimoto,
        **{"p_x": SOURCE, "distortion_matrix": COSTS, "slope": 2.0, "tolerance": 1e-6},
        **{"max_iterations": 30, "initial": np.array([0.2, 0.5, 0.3])},
    ),
    "blahut_arimoto at a distortion": case(
        lambda **arguments: theory.blahut_arimoto(SOURCE, COSTS, **arguments),
        may_be_infinite=True,  # the slope at the least distortion
        **{"distortion": 0.7, "tolerance": 1e-6},
    ),
    "information_bottleneck": case(
        theory.information_bottleneck,
        **{"joint": np.array([[0.3, 0.1], [0.2, 0.2], [0.1, 0.1]]), "slopes": np.array([0.5, 2.0])},
        **{"tolerance": 1e-4, "max_rounds": 1000},
    ),
    "continuous_bounds": case(
        lambda **arguments: theory.continuous_bounds([lambda x: np.exp(-(x**2) / 2) / 2.5066282746310002], **arguments),
        **{"edges": np.linspace(-6, 6, 41), "slope": 1.0},
    ),
    "alphabet_rate_distortion": case(
        theory.alphabet_rate_distortion,
        **{"X": FLAT, "slopes": np.array([0.5, 1.0]), "tolerance": 0.01, "max_iterations": 500},
    ),
    "AlphabetRateDistortion.lower_bound_anywhere": case(
        theory.alphabet_rate_distortion(FLAT, [0.5, 1.0]).lower_bound_anywhere, distortion=np.array([0.1, 1.0])
    ),
    "rate_distortion_curve": case(
        theory.rate_distortion_curve,
        **{"p_x": SOURCE, "distortion_matrix": COSTS, "slopes": np.array([0.5, 2.0]), "tolerance": 1e-6},
        max_iterations=30,
    ),
    "deep_linear_strengths": case(
        theory.deep_linear_strengths,
        **{"times": np.array([0.5, 1.0]), "variances": np.array([2.0, 0.5]), "initial": 0.1, "n_layers": 3},
    ),
    "gaussian_kernel_entropy": case(
        theory.gaussian_kernel_entropy, variances=np.array([1.0, 0.5]), sigma=0.5, alpha=1.01, base=2.0
    ),
    "linear_gains": case(
        theory.linear_gains,
        **{"variances": np.array([1.0, 0.5]), "mu": 1.0, "sigma_x": 0.5, "sigma_xhat": 0.7, "alpha": 1.01, "base": 2.0},
    ),
    "optimal_manifold": case(
        lambda rng, **arguments: theory.optimal_manifold(rng=rng() if callable(rng) else rng, **arguments),
        **{"X": FLAT, "n_points": 3, "betas": np.array([0.5, 2.0]), "rng": rng, "tolerance": 1e-3},
        max_iterations=20,
    ),
    "critical_slope": case(theory.critical_slope, X=FLAT),
    "annealing_slopes": case(theory.annealing_slopes, X=FLAT, beta=5.0, n_slopes=4),
    "dual_bound": case(
        theory.dual_bound,
        **{"X": FLAT, "points": FLAT[:3].copy(), "weights": np.array([0.5, 0.25, 0.25]), "slope": 1.0},
        **{"p_x": np.full(N, 1 / N), "tolerance": 0.01},
    ),
    "sample_rate_distortion": case(
        theory.sample_rate_distortion,
        **{"X": FLAT, "slopes": np.array([0.5, 1.0]), "p_x": np.full(N, 1 / N), "tolerance": 0.05, "max_rounds": 5},
    ),
    "SampleRateDistortion.lower_bound": case(CURVE.lower_bound, distortion=np.array([0.1, 1.0])),
    "gaussian_rate_distortion": case(  # infinite at distortion 0
        theory.gaussian_rate_distortion,
        may_be_infinite=True,
        **{"variances": np.array([2.0, 1.0]), "distortion": np.array([0.5, 2.0]), "base": 2.0},
    ),
    "gaussian_distortion_rate": case(
        theory.gaussian_distortion_rate, variances=np.array([2.0, 1.0]), rate=np.array([0.5, 2.0]), base=2.0
    ),
    "kept_components": case(theory.kept_components, variances=np.array([2.0, 1.0]), level=1.5),
    "gaussian_test_channel": case(theory.gaussian_test_channel, variances=np.array([2.0, 1.0]), level=np.array([0.5])),
}

DATA = {
    "gaussian": case(data.gaussian, n_samples=3, rng=rng()),
    "mixture": case(data.mixture, n_samples=3, rng=rng()),
    "project_on_ridge": case(data.project_on_ridge, X=FLAT),
    "gaussian_with_covariance": case(data.gaussian_with_covariance, n_samples=5, covariance=SYMMETRIC, rng=rng()),
    "curved_manifold": case(
        data.curved_manifold, **{"n_samples": 3, "rng": rng(), "n_dimensions": 2, "n_features": 4, "curvature": 0.7}
    ),
    "blobs": case(
        data.blobs,
        **{"n_samples": 2, "rng": rng(), "size": 3, "spread": np.array([0.5, 0.5]), "radius": np.array([0.1, 0.2])},
    ),
    "blob_images": case(data.blob_images, factors=np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.1, 0.2, 0.3]]), size=3),
    "shapes": case(data.shapes, n_samples=2, rng=rng(), size=3),
    "shape_images": case(data.shape_images, factors=np.array([[1.0, 0.2, 0.4, 0.8, 0.1, 0.1, 0.5]]), size=3),
    "clustered_batches": case(data.clustered_batches, X=X, largest=3, rng=rng()),
    "random_batches": case(data.random_batches, sizes=[3, 2], rng=rng()),
    "energy_in_blocks": case(data.energy_in_blocks, K=GRAM, batches=[np.arange(3), np.arange(3, N)]),
}

MODELS = {
    "Reconstruction": case(evaluated(models.Reconstruction), BAD, parameters=AT, **AT_X),
    "Contractive": case(evaluated(models.Contractive), BAD, parameters=AT, strength=0.3, **AT_X),
    "Denoising": case(
        evaluated(lambda rng, **a: models.Denoising(rng=rng, **a)), BAD, parameters=AT, noise=0.3, rng=rng(), **AT_X
    ),
    "Denoising.with_fixed_noise": case(
        lambda n: models.Denoising(X, activation="relu", noise=1, rng=rng()).with_fixed_noise(n).corrupted, n=2
    ),
    "FixedDenoising": case(
        evaluated(models.FixedDenoising), BAD, parameters=AT, corrupted=np.stack([X + 0.1, X - 0.1]), **AT_X
    ),
    "LinearDenoising": case(evaluated(models.LinearDenoising), BAD, parameters=AT, noise=0.3, X=X, inputs=X),
    "Tied": case(
        evaluated(
            lambda X, activation: models.Tied(models.Reconstruction(X, activation=activation)),
            ("value_and_gradient", "terms", "reconstruct", "distortion"),
        ),
        *(BAD,),
        **{"parameters": TIED},
        **AT_X,
    ),
    "WeightDecay": case(
        evaluated(
            lambda X, activation, strength: models.WeightDecay(
                models.Reconstruction(X, activation=activation), strength=strength
            ),
            ("value_and_gradient", "terms", "reconstruct", "distortion"),
        ),
        *(BAD,),
        **{"parameters": AT, "strength": 0.2},
        **AT_X,
    ),
    "pca": case(models.pca, X=X, n_components=2),
    "PrincipalComponents.reconstruct": case(COMPONENTS.reconstruct, X=X),
    "IRMAE": case(evaluated(models.IRMAE, CODED), BAD, parameters=DEEP, **AT_X),
    "IRMAE.decode": case(models.IRMAE(X, activation="tanh").decode, BAD, parameters=DEEP, Z=X[:, :K].copy()),
    "collapse": case(models.collapse, BAD, parameters=DEEP),
    "initial_irmae_parameters": case(
        models.initial_irmae_parameters,
        **{"n_features": 3, "n_latents": 2, "n_linear": 1, "rng": rng(), "hidden": [3], "gain": 1.0},
    ),
    "initial_layers": case(models.initial_layers, sizes=[3, 2], rng=rng(), gain=1.0),
    "initial_vae_parameters": case(
        models.initial_vae_parameters, **{"n_features": 3, "n_latents": 2, "rng": rng(), "hidden": [3], "gain": 1.0}
    ),
    "BetaVAE": case(
        evaluated(lambda rng, **a: models.BetaVAE(rng=rng, **a), CODED),
        *(BAD,),
        **{"parameters": VAE, "rng": rng(), "likelihood": "gaussian"},
        **COMMON,
        **AT_X,
    ),
    "BetaVAE, Bernoulli": case(
        evaluated(lambda rng, **a: models.BetaVAE(rng=rng, likelihood="bernoulli", **a), CODED),
        *(BAD,),
        **{"parameters": VAE, "rng": rng(), "X": U, "activation": "tanh", "capacity": 0.3, "capacity_of": "sample"},
    ),
    "BetaVAE.with_fixed_noise": case(
        lambda n_latents, n: models.BetaVAE(X, activation="relu", rng=rng()).with_fixed_noise(n_latents, n).noise,
        **{"n_latents": 2, "n": 2},
    ),
    "BetaVAE.decode": case(
        models.BetaVAE(X, activation="tanh", rng=rng()).decode, BAD, parameters=VAE, Z=X[:, :K].copy()
    ),
    "BetaVAE.with_beta": case(
        lambda beta: models.BetaVAE(X, activation="tanh", rng=rng()).with_beta(beta).terms(VAE), BAD, beta=2.0
    ),
    "FixedBetaVAE": case(
        evaluated(models.FixedBetaVAE, CODED), BAD, parameters=VAE, noise=NOISE, likelihood="gaussian", **COMMON, **AT_X
    ),
    "LinearBetaVAE": case(evaluated(models.LinearBetaVAE, CODED), BAD, parameters=AFFINE, **COMMON, **AT_X),
    "kl_divergence": case(models.kl_divergence, posterior=POSTERIOR),
    "Posterior": case(lambda posterior, rng: Posterior(*posterior).sample(rng), posterior=POSTERIOR, rng=rng()),
    "convert_beta": case(
        models.convert_beta,
        **{"beta": 2.0, "source": "this package", "target": "mean squared error"},
        **{"n_features": 10, "n_latents": 3, "variance": 0.5},
    ),
    "BetaConvention": case(
        lambda **a: models.convert_beta(1.0, models.BetaConvention(**a), "normalised", n_features=10, n_latents=3),
        **{"misfit": "squared_error", "over_features": "mean", "over_latents": "sum"},
    ),
}

MEASURES = {
    "effective_rank": case(measures.effective_rank, singular_values=np.array([2.0, 0.5]), threshold=0.01),
    "latent_singular_values": case(measures.latent_singular_values, Z=X),
    "gaussian_codes": case(measures.gaussian_codes, Z=X, n_samples=3, rng=rng()),
    "linear_probe": case(measures.linear_probe, Z=X, V=U, n_train=3),
    "mutual_information_gap": case(measures.mutual_information_gap, Z=X, V=U, n_bins=3),
    "gaussian_rate_bound": case(
        measures.gaussian_rate_bound,
        **{"W": W, "c": C, "log_variances": np.array([-0.5, 0.1]), "covariance": SYMMETRIC, "mean": X[0], "base": 2.0},
    ),
    "scalar_rate_bound": case(
        measures.scalar_rate_bound, means=X[:, :1].copy(), log_variances=U[:, :1].copy(), base=2.0
    ),
}

TABLE = {"theory": THEORY, "data": DATA, "models": MODELS, "measures": MEASURES}
CASES = {f"{package}.{name}": row for package, rows in TABLE.items() for name, row in rows.items()}
# What only holds results or parameters; these are made by the functions, and read as arguments of others.
HOLDERS = {
    *("AnnealingStage", "ConvergenceWarning", "Manifold", "RateDistortionCurve", "RateDistortionPoint"),
    *("SampleRateDistortion", "WaterFilling", "FactorImages", "ManifoldSample", "Mixture", "Ridge"),
    *("IRMAEParameters", "Layer", "PrincipalComponents", "TiedParameters", "VAEParameters", "VAETerms"),
    *("InformationGap", "LinearProbe", "RateBound", "AlphabetRateDistortion", "Bottleneck", "LagrangianBounds"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_values_get_right_numbers_or_a_refusal(name):
    function, arguments, allowed = CASES[name]
    assert not failures(function, arguments, **allowed)


@pytest.mark.parametrize("name", CASES)
def test_the_good_values_of_the_table_are_good(name):
    function, arguments, _ = CASES[name]
    function(**arguments)


@pytest.mark.parametrize("package", [theory, data, models, measures], ids=lambda package: package.__name__)
def test_every_public_function_has_a_row(package):
    rows = TABLE[package.__name__.split(".")[-1]]
    public = {name for name in package.__all__ if callable(getattr(package, name))} - HOLDERS
    own = {
        name for name in public if not inspect.getmodule(getattr(package, name)).__name__.endswith(("idx", "digits"))
    }
    assert own <= set(rows)


UNITS = {"1e90": 2.0**300, "1e-60": 2.0**-200, "1e3": 1024.0}  # powers of two: products with them are exact


@pytest.mark.parametrize("s", UNITS.values(), ids=UNITS)
def test_units_do_not_matter_where_they_cancel(s):
    """Data times s, slopes over s², kernels and noise times s: the same rates and gains, distortions times s²."""
    slopes = np.array([0.5, 1.0, 4.0])
    one, other = (theory.sample_rate_distortion(FLAT * u, slopes / u**2, tolerance=1e-2) for u in (1.0, s))
    np.testing.assert_array_equal(other.rate, one.rate)
    np.testing.assert_array_equal(other.distortion, s**2 * one.distortion)
    np.testing.assert_array_equal(other.intercept, one.intercept)
    one, other = (theory.optimal_manifold(FLAT * u, 4, slopes / u**2, rng=rng()) for u in (1.0, s))
    np.testing.assert_allclose(other.points, s * one.points, rtol=1e-12)
    assert other.rate == pytest.approx(one.rate, rel=1e-12)
    assert theory.critical_slope(FLAT * s) == pytest.approx(theory.critical_slope(FLAT) / s**2, rel=1e-14)
    one, other = (theory.gaussian_rate_distortion([2 * u**2, u**2], [0.5 * u**2, 2 * u**2]) for u in (1.0, s))
    np.testing.assert_allclose(other.rate, one.rate, rtol=1e-12)
    np.testing.assert_allclose(other.level, s**2 * one.level, rtol=1e-15)
    gains = [theory.linear_gains([2 * u**2, u**2], 3 / u**2, 0.5 * u, 0.4 * u, 1.01) for u in (1.0, s)]
    np.testing.assert_allclose(*gains, rtol=1e-7)
    entropies = [theory.gaussian_kernel_entropy([2 * u**2, u**2], 0.5 * u, 1.01) for u in (1.0, s)]
    assert entropies[1] == pytest.approx(entropies[0], rel=1e-13)
    one, other = (models.pca(X * u, 2) for u in (1.0, s))
    np.testing.assert_allclose(other.components, one.components, rtol=1e-12)
    assert other.distortion == pytest.approx(s**2 * one.distortion, rel=1e-12)
    np.testing.assert_allclose(
        measures.latent_singular_values(X * s), s**2 * measures.latent_singular_values(X), rtol=1e-12
    )
    Z, V = np.random.default_rng(8).normal(size=(2, 40, 3))
    one, other = (measures.linear_probe(Z * u, V * u) for u in (1.0, s))
    assert measures.linear_probe(Z * [1, s, 1] + [0, 0, 7], V).r2 == pytest.approx(one.r2, rel=1e-9)
    assert other.r2 == pytest.approx(one.r2, rel=1e-9)
    assert data.energy_in_blocks(GRAM * s, [np.arange(3)]) == data.energy_in_blocks(GRAM, [np.arange(3)])
    one, other = (models.LinearDenoising(X * u, noise=0.3 * u).terms((W, C * u, A, B * u)) for u in (1.0, s))
    np.testing.assert_allclose(other, s**2 * np.array(one), rtol=1e-12)


def test_the_bound_of_gaussians_is_right_where_the_codes_have_less_rank_than_latents():
    """Two latents of one input and noise e^t: det Q / det V = 1 + 2 e^−t, though Q is singular in floating point."""
    for t in (0.0, -30.0, -60.0, -300.0):
        bound = measures.gaussian_rate_bound([[1.0], [1.0]], [0.0, 0.0], [t, t], [[1.0]])
        assert bound.information == pytest.approx(0.5 * np.log2(1 + 2 * np.exp(-t)), rel=1e-12)
        assert bound.gap == pytest.approx(bound.rate - bound.information, rel=1e-12)
    with pytest.raises(ValueError, match="positive semidefinite"):
        measures.gaussian_rate_bound([[1.0]], [0.0], [0.0], [[-1.0]])


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x * np.inf * 0, "NaN in"),
        (lambda x: {"a": [1.0, x + np.inf]}, "infinity in"),
        (lambda x: np.exp(np.float64(x) * 1e6), "RuntimeWarning: overflow"),
        (lambda x: 10.0**400 * x, "OverflowError"),
        (lambda x: x.shape, "AttributeError"),
    ],
)
def test_what_is_wrong_is_noticed(function, words):
    assert any(words in line for line in failures(function, {"x": 2.0}))


def test_refusals_and_finite_numbers_are_not():
    def refused(x):
        raise ValueError("x must be something else")

    assert not failures(refused, {"x": np.ones((2, 2))})
    assert not failures(lambda x: 1.0, {"x": np.ones((2, 2))})
