"""The limit N → ∞ against eigenvalues on quadrature nodes, samples, the formula for fine kernels, a network."""

import math

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from rdae_ref import RateDistortion, gaussian_gram, initial_parameters, maximize, renyi_entropy
from rdae_ref.data import gaussian_with_covariance
from rdae_ref.theory.gaussian_kernel import gaussian_kernel_entropy, linear_gains

ALPHAS = [0.5, 1.0, 1 + 1e-9, 1.01, 2.0, 3.0, 10.0, math.inf]


def quadrature(variance, sigma, nodes=100):
    """The Gram matrix of a Gaussian on Gauss-Hermite nodes: its eigenvalues are the limit, but for tiny ones."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    root = np.sqrt(w / w.sum())
    return root[:, None] * np.exp(-variance * (x[:, None] - x) ** 2 / (2 * sigma**2)) * root


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("sigma", [1.0, 2.0, 10.0])
def test_it_is_the_entropy_on_quadrature_nodes(alpha, sigma):
    values = np.linalg.eigvalsh(quadrature(1.5, sigma)).clip(0)
    values = values[values > 1e-15]
    if abs(alpha - 1) < 1e-6:
        expected = -(values * np.log2(values)).sum()
    elif alpha == math.inf:
        expected = -np.log2(values.max())
    else:
        expected = np.log2((values**alpha).sum()) / (1 - alpha)
    accuracy = 1e-8 if alpha > 0.9 else 1e-5  # the nodes miss tiny eigenvalues, which count for small α
    assert_allclose(gaussian_kernel_entropy([1.5], sigma, alpha), expected, rtol=accuracy)


@pytest.mark.parametrize("alpha", [1.01, 2.0])
def test_samples_tend_to_it(alpha):
    X = np.random.default_rng(0).normal(size=(1500, 2)) * [1.0, 0.5]
    limit = gaussian_kernel_entropy([1.0, 0.25], 0.7, alpha)
    few, many = (renyi_entropy(gaussian_gram(X[:N], 0.7), alpha) for N in (100, 1500))
    assert abs(many - limit) < 0.02 * limit
    assert abs(many - limit) < abs(few - limit)


def test_order_two_by_hand():
    """tr A² = E k² over two draws, for k² a Gaussian of width σ/√2: 1/√(1 + 4 γ²/σ²)."""
    for variance, sigma in ((1.0, 1.0), (4.0, 0.3), (0.01, 2.0)):
        expected = 0.5 * math.log2(1 + 4 * variance / sigma**2)
        assert_allclose(gaussian_kernel_entropy([variance], sigma, 2), expected, rtol=1e-13)


def test_components_add_up_and_absent_ones_add_nothing():
    parts = [gaussian_kernel_entropy([v], 0.5, 1.01) for v in (1.0, 0.3)]
    assert_allclose(gaussian_kernel_entropy([1.0, 0.0, 0.3], 0.5, 1.01), sum(parts), rtol=1e-15)
    for alpha in ALPHAS:
        assert gaussian_kernel_entropy([0.0], 0.5, alpha) == 0
        assert gaussian_kernel_entropy([1e-12], 0.5, alpha) < 1e-4
    assert_allclose(gaussian_kernel_entropy([1.0], 1, 2, base=math.e), math.log(5) / 2, rtol=1e-14)


def test_it_is_continuous_and_falls_in_alpha():
    alphas = [0.5, 0.9, 1 - 1e-7, 1.0, 1 + 1e-7, 1.1, 2.0, 50.0, 1e6, math.inf]
    values = [gaussian_kernel_entropy([2.0], 0.3, alpha) for alpha in alphas]
    assert (np.diff(values) < 0).all()
    assert_allclose(values[2:5], values[3], rtol=1e-6)
    assert_allclose(values[-2], values[-1], rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.01, 2.0, math.inf])
def test_gains_maximise_the_objective(alpha):
    def objective(g, variance, mu):
        joint = gaussian_kernel_entropy([variance * (1 / 0.49 + g**2 / 0.16)], 1, alpha)
        return joint - gaussian_kernel_entropy([variance * g**2], 0.4, alpha) - mu * variance * (1 - g) ** 2

    for variance, mu in ((4.0, 0.5), (4.0, 2.0), (0.3, 2.0), (0.3, 20.0)):
        (gain,) = linear_gains([variance], mu, 0.7, 0.4, alpha)
        best = max(objective(g, variance, mu) for g in np.linspace(0, 1, 300))
        assert objective(gain, variance, mu) >= best - 1e-8


def test_with_a_fine_kernel_the_gain_is_a_root():
    level, variance = 1 / (2 * 3.0 * math.log(2)), 4.0
    (g,) = linear_gains([variance], 3.0, 1e-2, 1e-2, 1.0)
    assert_allclose(g * (1 - g) * (1 + g**2), level / variance, rtol=1e-3)


def test_ends():
    assert_allclose(linear_gains([1.0, 4.0], 1e6, 0.5, 0.5, 1.01), 1, atol=1e-5)
    assert_allclose(linear_gains([1.0, 4.0], 0.0, 0.5, 0.5, 1.01), 0, atol=1e-5)
    in_nats = linear_gains([1.0], 3.0 * math.log(2), 0.5, 0.5, 2, math.e)
    assert_allclose(linear_gains([1.0], 3.0, 0.5, 0.5, 2), in_nats, atol=1e-7)


def test_a_trained_linear_network_has_these_gains():
    rng, variances = np.random.default_rng(1), [2.0, 0.4]
    X = gaussian_with_covariance(200, np.diag(variances), rng)
    objective = RateDistortion(X, activation="linear", alpha=1.01, mu=6.0, sigma_x=0.7, sigma_xhat=0.7)
    found = maximize(objective, initial_parameters(2, 4, rng, scale=0.5), max_iterations=80)
    ratio = objective.reconstruct(found.x).std(axis=0) / np.sqrt(variances)
    assert_allclose(ratio, linear_gains(variances, 6.0, 0.7, 0.7, 1.01), atol=0.03)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([-1.0], 1.0, 2), ValueError, "variances must not be negative"),
        (([1.0], 0.0, 2), ValueError, "sigma must be a finite number above 0"),
        (([1.0], 1.0, 0), ValueError, "alpha must be above 0"),
        (([1.0], 1.0, 2, 1), ValueError, "base must be a finite number above 1"),
        (([math.nan], 1.0, 2), ValueError, "variances must be finite"),
    ],
)
def test_bad_input_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        gaussian_kernel_entropy(*arguments)


def test_bad_trade_offs_are_refused():
    with pytest.raises(ValueError, match="mu must be"):
        linear_gains([1.0], -1.0, 1.0, 1.0, 2)
    with pytest.raises(ValueError, match="sigma_xhat must be"):
        linear_gains([1.0], 1.0, 1.0, 0.0, 2)


def exact_entropy(variance, sigma, alpha):
    """S_α in bits by its closed form, in 1400 digits: γ²/σ² may exceed 1e900."""
    with mpmath.workdps(1400):
        m = mpmath.mpf(1) / 2 + mpmath.sqrt(mpmath.mpf(1) / 4 + mpmath.mpf(variance) / mpmath.mpf(sigma) ** 2)
        q, a = 1 - 1 / m, mpmath.mpf(alpha)
        if alpha == 1:
            return (mpmath.log(m) - q * mpmath.log(q) * m) / mpmath.log(2)
        return mpmath.log((1 - q) ** a / (1 - q**a), 2) / (1 - a)


@pytest.mark.parametrize("alpha", [5e-324, 1e-300, 0.1, 0.4999, 0.5, 0.99, 1 - 1e-9, 1, 1 + 1e-9, 1.01, 2, 1e6, 1e14])
def test_it_is_right_at_every_order_and_however_large_or_small_variance_and_kernel(alpha):
    for variance in (1e-300, 1e-10, 1.0, 1e20, 1e300):
        for sigma in (1e-300, 1e-10, 0.5, 1e10, 1e300):
            expected = exact_entropy(variance, sigma, alpha)
            got = gaussian_kernel_entropy([variance], sigma, alpha)
            assert abs(got - expected) <= 1e-13 * expected + mpmath.mpf(10) ** -160, (variance, sigma)


def test_gains_are_right_for_kernels_and_trade_offs_of_any_size():
    assert_allclose(
        linear_gains([1.0], 3.0, 1e-160, 1e-160, 1.01), linear_gains([1.0], 3.0, 1e-6, 1e-6, 1.01), rtol=1e-6
    )
    assert_allclose(linear_gains([1e300, 1e-300], 1e300, 1e-160, 1e300, 1.01), 1, atol=1e-6)
    assert linear_gains([1.0], 1e-300, 0.3, 0.3, 2) < 1e-6
    scaled = linear_gains([4e200, 1e200], 3e-200, 0.5e100, 0.4e100, 1.01)
    assert_allclose(scaled, linear_gains([4.0, 1.0], 3.0, 0.5, 0.4, 1.01), rtol=1e-6)


def test_the_ends_are_exact():
    exact = math.log2(1e300) + 2  # log₂ m − log₂ α/(1 − α), for large m = γ/σ
    assert gaussian_kernel_entropy([1.0], 1e-300, 0.5) == pytest.approx(exact, rel=1e-14)
    assert gaussian_kernel_entropy([0.0], 1e-300, 0.5) == 0
    assert linear_gains([1.0], 0, 0.3, 0.3, 1.01) == [0]
    assert linear_gains([0.0], 1, 0.3, 0.3, 1.01) == [0]
