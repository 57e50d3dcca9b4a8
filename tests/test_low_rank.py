"""Every faster path gives what the exact one gives, and no entropy is further off than its bound says."""

import math
import pickle
import tracemalloc

import numpy as np
import pytest
from cases import BAD_POSITIVE, samples
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from rdae_ref import (
    Parameters,
    RateDistortion,
    conditional_entropy,
    distortion_gradients,
    forward,
    gaussian_gram,
    initial_parameters,
    joint_entropy,
    joint_entropy_gradient,
    mutual_information,
    paper,
    product_entropy_gradient,
    renyi_entropy,
    renyi_entropy_gradient,
)
from rdae_ref.data import gaussian
from rdae_ref.numerics import conditional, laplacian
from rdae_ref.numerics.conditional import FromFactors, FromMatrices, FromSquares
from rdae_ref.numerics.distances import GaussianKernel
from rdae_ref.numerics.entropy import entropy_and_weights, entropy_of_spectrum, factor, order_of
from rdae_ref.numerics.low_rank import (
    kernel_factor,
    kernel_spectrum,
    low_rank_spectrum,
    nonzero_spectrum,
    truncation_error,
)
from rdae_ref.numerics.spectrum import Spectrum, spectrum
from rdae_ref.pytree import ravel

ORDERS = (1.01, 1.3, 2.0, 2.5, 3.0, 4.0, 5.0, 10.0, math.inf)


def low_rank_problem(alpha, how="low-rank", n=200, sigma=1.5, d=2, **settings):
    """Make a problem whose kernels are so wide that most eigenvalues are rounding."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    objective = RateDistortion(
        X, activation="logsig", alpha=alpha, mu=0.5, sigma_x=sigma, sigma_xhat=sigma, method=how, **settings
    )
    return objective, initial_parameters(d, 6, rng, scale=1.0)


def as_printed(objective, parameters):
    """Write (25) and its gradient by paper.py and, at the orders that it does not cover, by the literal functions."""
    X, alpha, base, mu = objective.X, objective.alpha, objective.base, objective.mu
    settings = (alpha, mu, objective.sigma_x, objective.sigma_xhat, base)
    if 1 < alpha < math.inf and alpha != 1.01:  # where 1/(1−α) magnifies the rounding of eigenvalues that count as zero
        value, gradient = paper.value_and_gradient(parameters, X, objective.activation, *settings)
        return value, ravel(gradient)[0]
    forward_pass = paper.forward(parameters, X, objective.activation)
    K_X, K = (paper.gaussian_gram(Y, objective.sigma_x) for Y in (X, forward_pass.Xhat))
    near_one = alpha < 1.1
    Q = product_entropy_gradient(K_X, K, alpha, base, tangent=near_one)
    P = renyi_entropy_gradient(K, alpha, base, tangent=near_one)
    edges = paper.edge_weights(Q - P, K, objective.sigma_xhat)
    dS = ravel(paper.entropy_gradients(edges, forward_pass, parameters, X))[0]
    dD = ravel(paper.distortion_gradients(forward_pass, parameters, X, X))[0]
    value = conditional_entropy(K_X, K, alpha, base) - mu * paper.distortion(X, forward_pass.Xhat)
    return value, dS - mu * dD


@pytest.mark.parametrize("how", ["exact", "low-rank", "auto"])
@pytest.mark.parametrize("base", [2, math.e])
@pytest.mark.parametrize("alpha", [0.5, 1.0, *ORDERS])
def test_every_path_gives_value_gradient_and_terms_of_the_printed_equations(alpha, base, how):
    # At α ≤ 1 the derivative at a singular matrix is infinite: there, samples further apart than the kernel.
    objective, parameters = low_rank_problem(alpha, how, base=base, sigma=1.5 if alpha > 1 else 0.02)
    value, gradient = objective.value_and_gradient(parameters)
    expected_value, expected_gradient = as_printed(objective, parameters)
    assert value == pytest.approx(expected_value, abs=1e-10)
    np.testing.assert_allclose(ravel(gradient)[0], expected_gradient, atol=1e-9 * np.abs(expected_gradient).max())
    terms = objective.terms(parameters)
    assert terms.conditional_entropy - objective.mu * terms.distortion == pytest.approx(value, abs=1e-11)


def chosen(objective):
    return objective._equations.entropy


def test_the_paths_are_really_taken_and_left_where_they_do_not_pay():
    objective, parameters = low_rank_problem(1.01)
    assert isinstance(chosen(objective), FromFactors)
    found = chosen(objective).at(objective.reconstruct(parameters))
    assert len(found.joint.values) < 140
    assert len(found.output.values) < 50
    assert 0 < objective.truncation_error(parameters) < 1e-8
    assert "exact" not in vars(chosen(objective))  # no N×N matrix was made
    apart, _ = low_rank_problem(1.01, sigma=0.01)
    assert chosen(apart).at(apart.X) is chosen(apart).exact
    assert apart.truncation_error(parameters) == 0
    for exact in (low_rank_problem(1.01, "exact")[0], low_rank_problem(1.01, "auto")[0], low_rank_problem(0.9)[0]):
        assert exact.truncation_error(parameters) == 0
        assert isinstance(chosen(exact), FromMatrices)
    for how in ("exact", "low-rank", "auto"):
        assert isinstance(chosen(low_rank_problem(2.0, how)[0]), FromSquares)


def test_auto_is_low_rank_for_many_samples_in_few_dimensions_and_exact_for_digits():
    assert isinstance(chosen(low_rank_problem(1.01, "auto", n=800)[0]), FromFactors)
    assert isinstance(chosen(low_rank_problem(1.01, "auto", n=800, d=40)[0]), FromMatrices)


@pytest.mark.parametrize("tiles_to_rank", [0, math.inf], ids=["eigenbasis", "tiles"])
@pytest.mark.parametrize("alpha", [1 + 1e-12, 1 + 1e-6, 1.0001, 1.5, 10])
def test_the_low_rank_spectrum_gives_what_the_exact_one_gives(alpha, tiles_to_rank, monkeypatch):
    monkeypatch.setattr(conditional, "TILES_TO_RANK", tiles_to_rank)
    exact, low = (low_rank_problem(alpha, how)[0] for how in ("exact", "low-rank"))
    parameters = low_rank_problem(alpha)[1]
    (value, gradient), (low_value, low_gradient) = (one.value_and_gradient(parameters) for one in (exact, low))
    assert low_value == pytest.approx(value, abs=min(1e-10, low.truncation_error(parameters)))
    gradient = ravel(gradient)[0]
    np.testing.assert_allclose(ravel(low_gradient)[0], gradient, atol=1e-9 * np.abs(gradient).max())


def test_outputs_far_apart_are_not_computed_in_the_eigenbasis(monkeypatch):
    X = np.random.default_rng(0).normal(size=(300, 1))
    X[:3] = [[-1e9], [1e9], [1e9 + 0.5]]
    parameters = Parameters(W=np.ones((1, 1)), c=np.zeros(1), A=np.ones((1, 1)), b=np.zeros(1))
    settings = {"activation": "linear", "alpha": 1.01, "mu": 0.0, "sigma_x": 0.5, "sigma_xhat": 0.5}
    monkeypatch.setattr(conditional, "TILES_TO_RANK", 0)
    exact, low = (
        RateDistortion(X, **settings, method=method).value_and_gradient(parameters)[1]
        for method in ("exact", "low-rank")
    )
    np.testing.assert_allclose(low.W, exact.W, rtol=1e-8)  # in the eigenbasis 6362.7 for -0.67


@pytest.mark.parametrize("how", ["exact", "low-rank"])
@pytest.mark.parametrize("tiles_to_rank", [0, math.inf], ids=["eigenbasis", "tiles"])
@pytest.mark.parametrize("apart", [1e-9, 1e-8, 1e-7])
def test_outputs_that_all_but_coincide_cost_the_gradient_half_of_its_digits_at_worst(
    apart, how, tiles_to_rank, monkeypatch
):
    monkeypatch.setattr(conditional, "TILES_TO_RANK", tiles_to_rank)
    fifty = pytest.importorskip("rdae_ref.verify.oracles.mpmath_oracle")
    X = np.array([[0.0, 0.0], [apart, 1.5], [2.0, -0.3], [-1.5, 0.7], [0.9, 2.0]])
    parameters = Parameters(W=np.array([[1.0, 0.0]]), c=np.zeros(1), A=np.array([[1.0], [0.5]]), b=np.zeros(2))
    settings = {"activation": "linear", "alpha": 1.01, "mu": 0.0, "sigma_x": 0.5, "sigma_xhat": 0.5}
    found = ravel(RateDistortion(X, **settings, method=how).value_and_gradient(parameters)[1])[0]
    expected = ravel(fifty.rounded(fifty.value_and_gradient(parameters, X, **settings)[1]))[0]
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())  # as docs/low_rank.md says


def test_another_mu_shares_what_does_not_depend_on_it_and_all_of_it_pickles():
    for how in ("exact", "low-rank"):
        objective, parameters = low_rank_problem(1.01, how)
        shared = objective.with_mu(1.0)
        objective.value_and_gradient(parameters)
        other = objective.with_mu(2.0)
        assert chosen(other) is chosen(shared) is chosen(objective)
        copy = pickle.loads(pickle.dumps(objective))
        assert copy.value_and_gradient(parameters)[0] == objective.value_and_gradient(parameters)[0]


@pytest.mark.parametrize("alpha", [2.0, 1.01])
def test_no_matrix_of_all_pairs_exists(alpha):
    objective, parameters = low_rank_problem(alpha, n=4000, sigma=3.0)
    tracemalloc.start()
    objective.value_and_gradient(parameters)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 4000**2 / 2


@pytest.mark.parametrize("workers", [2, map], ids=["processes", "map"])
@pytest.mark.parametrize("alpha", [1.01, 1.5, 2.0])
def test_tiles_are_the_same_whoever_works_on_them(alpha, workers, monkeypatch):
    monkeypatch.setattr(laplacian, "TILE", 64)  # where it is this process that works on them
    alone, parameters = low_rank_problem(alpha)
    together, _ = low_rank_problem(alpha, workers=workers)
    value, gradient = together.value_and_gradient(parameters)
    expected, expected_gradient = alone.value_and_gradient(parameters)
    assert value == pytest.approx(expected, rel=1e-13)
    largest = max(np.abs(part).max() for part in expected_gradient)
    np.testing.assert_allclose(ravel(gradient)[0], ravel(expected_gradient)[0], atol=1e-12 * largest)
    assert together.terms(parameters) == pytest.approx(alone.terms(parameters), rel=1e-12)


def test_objectives_share_their_workers_and_in_a_pickle_have_their_own():
    objective, parameters = low_rank_problem(2.0, n=40, workers=1)
    assert chosen(objective.with_mu(3.0)).workers is chosen(objective).workers
    expected = objective.value_and_gradient(parameters)[0]
    again = pickle.loads(pickle.dumps(objective))
    assert chosen(again).workers is not chosen(objective).workers
    assert again.value_and_gradient(parameters)[0] == expected


def test_where_matrices_are_formed_workers_have_nothing_to_do():
    def nobody(*_):
        raise AssertionError

    objective, parameters = low_rank_problem(1.01, "exact", n=30, workers=nobody)
    other, _ = low_rank_problem(1.01, "exact", n=30)
    assert objective.value_and_gradient(parameters)[0] == other.value_and_gradient(parameters)[0]


@pytest.mark.parametrize(("workers", "error"), [(0, ValueError), (1.5, TypeError), ("two", TypeError)])
def test_workers_that_are_none_are_refused(workers, error):
    with pytest.raises(error, match="workers must be"):
        low_rank_problem(2.0, n=5, workers=workers)


@pytest.mark.parametrize("alpha", ORDERS)
def test_the_low_rank_spectrum_has_the_entropy_and_the_gradient_of_the_matrix(alpha):
    A, B = gaussian_gram(samples(200), 2.0), gaussian_gram(samples(200), 3.0)
    for matrix in (A, 200 * A * B):
        low = low_rank_spectrum(matrix)
        assert low.vectors.shape[1] < 140
        order = order_of(alpha, 200)
        assert entropy_of_spectrum(low, order) == pytest.approx(renyi_entropy(matrix, alpha, math.e), abs=1e-9)
        value, weights = entropy_and_weights(low, order)
        assert weights.max() <= 0
        B = factor(low.vectors, weights)
        assert value == entropy_of_spectrum(low, order)
        tangent = order.diverges
        exact = renyi_entropy_gradient(matrix, alpha, math.e, tangent=tangent)
        # Along eigenvectors whose eigenvalue is rounding, λ^(α−1) is a matter of that rounding: not compared.
        values, vectors, _ = spectrum(matrix)
        vectors = vectors[:, values > 1e-8 * values[-1]]
        found = vectors.T @ (-B @ B.T) @ vectors
        expected = vectors.T @ exact @ vectors
        shift = np.mean(np.diag(expected - found)) * np.eye(len(found))  # a multiple of I does not matter
        np.testing.assert_allclose(found + shift, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("alpha", [0.5, 1.0, *ORDERS])
def test_a_matrix_that_is_not_semidefinite_is_refused_at_every_order(alpha):
    indefinite = np.array([[0.5, 0.6], [0.6, 0.5]])
    for function in (renyi_entropy, renyi_entropy_gradient):
        with pytest.raises(ValueError, match="positive semidefinite"):
            function(indefinite, alpha)
    for function in (joint_entropy, joint_entropy_gradient, conditional_entropy, mutual_information):
        with pytest.raises(ValueError, match="positive semidefinite"):
            function(indefinite, np.eye(2) / 2, alpha)


@pytest.mark.parametrize("residual", [1e-2, 1e-6, 1e-12])
@pytest.mark.parametrize(("n", "sigma"), [(1, 1.0), (40, 0.5), (300, 0.7)])
def test_the_factor_leaves_a_semidefinite_residual_as_small_as_asked(n, sigma, residual):
    X = samples(n)
    block, K = GaussianKernel(X, sigma), gaussian_gram(X, sigma)
    L = kernel_factor(block, n, residual, n)
    R = K - L @ L.T
    assert np.trace(R) <= residual + 1e-15
    assert np.linalg.eigvalsh(R).min() > -1e-15
    assert kernel_factor(block, n, residual, L.shape[1] - 1) is None


def two_clusters(apart):
    rng = np.random.default_rng(0)
    return np.concatenate([0.3 * rng.normal(size=(100, 2)) - apart / 2, 0.3 * rng.normal(size=(100, 2)) + apart / 2])


@pytest.mark.parametrize("apart", [20.0, 200.0, 2e4, 2e6])
def test_every_factor_has_the_entropy_of_clusters_however_far_apart(apart):
    X = two_clusters(apart)
    K = np.exp(-cdist(X, X, "sqeuclidean") / 2) / len(X)
    A = gaussian_gram(X, 1.0)
    for low in (nonzero_spectrum(A), kernel_spectrum(GaussianKernel(X, 1.0), len(X)), low_rank_spectrum(A)):
        bound = truncation_error(low, 1.01, math.e)
        assert abs(entropy_of_spectrum(low, order_of(1.01, len(X))) - renyi_entropy(K, 1.01, math.e)) <= bound + 1e-10


@pytest.mark.parametrize("apart", [200.0, 2e4])
def test_a_factor_does_not_magnify_the_rounding_of_a_matrix(apart):
    X = two_clusters(apart)
    noise = np.random.default_rng(1).normal(size=(200, 200))
    A = gaussian_gram(X, 1.0) + 1e-13 * apart * (noise + noise.T) / 200  # as distances by products would round
    assert low_rank_spectrum(A) is None


@pytest.mark.parametrize("how", ["exact", "low-rank"])
@pytest.mark.parametrize("alpha", ORDERS)
@pytest.mark.parametrize("sigma", [1e-170, 1e160])
def test_kernel_sizes_whose_square_overflows_leave_the_distortion_alone(sigma, alpha, how):
    rng = np.random.default_rng(0)
    X, parameters = rng.normal(size=(20, 2)), initial_parameters(2, 5, rng, scale=1.0)
    sizes = {"sigma_x": sigma, "sigma_xhat": sigma, "method": how}
    objective = RateDistortion(X, activation="softplus", alpha=alpha, mu=0.5, **sizes)
    value, gradient = objective.value_and_gradient(parameters)
    trace = forward(parameters, X, "softplus")
    assert value == pytest.approx(-0.5 * np.mean(np.sum((X - trace.Xhat) ** 2, axis=1)), abs=1e-14)
    expected = ravel(distortion_gradients(trace, parameters, X, X))[0]
    np.testing.assert_allclose(ravel(gradient)[0], -0.5 * expected, atol=1e-13)


def test_equal_samples_are_one_column():
    X = np.repeat(samples(5), 40, axis=0)
    assert kernel_factor(GaussianKernel(X, 0.5), 200, 1e-12, 200).shape[1] == 5


@given(
    eigenvalues=st.lists(st.floats(-30, 0), min_size=2, max_size=30),
    left_out=st.lists(st.floats(-20, 0), min_size=30, max_size=30),
    alpha=st.one_of(st.floats(1.0001, 60), st.just(math.inf)),
)
@settings(max_examples=300, deadline=None)
def test_no_entropy_is_further_off_than_the_bound(eigenvalues, left_out, alpha):
    """A = V λ Vᵀ with λ = p + r, of which a spectrum keeps p and leaves out r ≥ 0: any two spectra that can occur."""
    values = np.sort(np.exp(eigenvalues))
    values /= values.sum()
    kept = values * (1 - np.exp(left_out[: len(values)]))
    order = np.argsort(kept)
    low = Spectrum(kept[order][kept[order] > 0], np.eye(len(values))[:, kept[order] > 0], float((values - kept).sum()))
    if len(low.values) == 0:
        return
    exact = renyi_entropy(np.diag(values), alpha)
    found = renyi_entropy(np.diag(low.values) / low.values.sum(), alpha)
    assert abs(exact - found) <= truncation_error(low, alpha) * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("alpha", [*ORDERS, 60.0])
@pytest.mark.parametrize("residual", [1e-1, 1e-3, 1e-6, 1e-9])
def test_nor_is_one_of_a_factor_that_does_not_commute_with_what_it_leaves_out(residual, alpha):
    for seed in range(5):
        X = samples(60, seed=seed)
        low = kernel_spectrum(GaussianKernel(X, 1.5), 60, residual)
        A = gaussian_gram(X, 1.5)
        approximation = low.vectors * low.values @ low.vectors.T
        assert low.residual == pytest.approx(np.trace(A - approximation), abs=1e-12)
        found = renyi_entropy(approximation / np.trace(approximation), alpha)
        assert abs(renyi_entropy(A, alpha) - found) <= truncation_error(low, alpha) + 1e-11


def test_the_bound_is_of_the_order_of_the_error_and_knows_its_range():
    low = Spectrum(np.array([0.3, 0.69]), np.eye(10)[:, :2], 0.01)
    whole = np.concatenate([np.full(8, 0.01 / 8), low.values])
    for alpha in (1.001, 1.5, 3.0, 20.0):
        error = abs(renyi_entropy(np.diag(whole), alpha) - renyi_entropy(np.diag(low.values) / 0.99, alpha))
        assert error <= truncation_error(low, alpha) < 20 * error
    assert truncation_error(Spectrum(np.ones(1), np.ones((1, 1))), 1.5) == 0
    assert truncation_error(low._replace(residual=5.0), 1.5) == math.inf
    with pytest.raises(ValueError, match="above 1"):
        truncation_error(low, 1.0)
    for value, error in BAD_POSITIVE.values():
        with pytest.raises(error):
            truncation_error(low, value)


@pytest.mark.slow
def test_many_samples_of_the_first_figure():
    X = gaussian(1500, np.random.default_rng(0))
    settings = {"activation": "relu", "alpha": 1.01, "mu": 1.5, "sigma_x": 0.2 * 2**0.5, "sigma_xhat": 0.2 * 2**0.5}
    parameters = initial_parameters(2, 10, np.random.default_rng(0), scale=0.5)
    exact, low = (RateDistortion(X, **settings, method=how) for how in ("exact", "low-rank"))
    (value, gradient), (low_value, low_gradient) = (one.value_and_gradient(parameters) for one in (exact, low))
    assert abs(value - low_value) < low.truncation_error(parameters) < 1e-8
    for name in Parameters._fields:
        ours, theirs = getattr(low_gradient, name), getattr(gradient, name)
        np.testing.assert_allclose(ours, theirs, atol=1e-9 * np.abs(ravel(gradient)[0]).max())
