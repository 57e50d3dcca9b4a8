import math

import numpy as np
import pytest
from cases import ALPHAS, BAD_GRAMS, BAD_MATRICES, BAD_POSITIVE, directional_difference, gram, samples
from hypothesis import given, settings
from hypothesis import strategies as st

from rdae_ref import (
    SingularGramWarning,
    conditional_entropy,
    gaussian_gram,
    gram_pullback,
    graph_laplacian,
    joint_entropy,
    joint_entropy_gradient,
    mutual_information,
    normalize_gram,
    product_entropy_gradient,
    renyi_entropy,
    renyi_entropy_gradient,
)

E = math.e
properties = settings(derandomize=True, max_examples=40, deadline=None)
seeds = st.integers(0, 10_000)
orders = st.one_of(st.sampled_from(ALPHAS), st.floats(0.05, 30))


def plain_entropy(A, alpha):
    """Write (10) as it stands, in nats, without any care."""
    values = np.linalg.eigvalsh(A)
    if alpha == 1:
        return -np.sum(values * np.log(values))
    if alpha == math.inf:
        return -np.log(values.max())
    return np.log(np.sum(values**alpha)) / (1 - alpha)


def random_direction(n, seed, traceless=False):
    E_ = np.random.default_rng(seed).normal(size=(n, n))
    E_ = E_ + E_.T
    return E_ - np.trace(E_) / n * np.eye(n) if traceless else E_


# Values


@pytest.mark.parametrize("alpha", ALPHAS)
def test_closed_forms(alpha):
    N = 8
    assert renyi_entropy(np.eye(N) / N, alpha) == pytest.approx(3, abs=1e-14)
    assert renyi_entropy(np.ones((N, N)) / N, alpha) == pytest.approx(0, abs=1e-14)
    assert renyi_entropy([[1.0]], alpha) == 0
    clusters = np.repeat([0.0, 1e4, 2e4, 3e4], 5)[:, None]
    assert renyi_entropy(gaussian_gram(clusters, 1.0), alpha) == pytest.approx(2, abs=1e-13)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("k", [0.0, 0.3, 0.99])
def test_two_samples_have_the_eigenvalues_one_plus_and_minus_k_over_two(alpha, k):
    A = np.array([[1, k], [k, 1]]) / 2
    assert renyi_entropy(A, alpha, E) == pytest.approx(plain_entropy(np.diag([1 + k, 1 - k]) / 2, alpha), abs=1e-14)


def test_collision_entropy_is_the_frobenius_norm():
    A = gram(30)
    assert renyi_entropy(A, 2) == pytest.approx(-np.log2(np.sum(A * A)), rel=1e-14)


@properties
@given(seed=seeds, alpha=orders)
def test_bounds_and_invariances(seed, alpha):
    X = samples(10, 2, seed)
    A = gaussian_gram(X, 0.6)
    S = renyi_entropy(A, alpha)
    assert 0 <= S <= math.log2(10) + 1e-12
    assert renyi_entropy(gaussian_gram(X[::-1], 0.6), alpha) == pytest.approx(S, abs=1e-9 if alpha < 1 else 1e-12)
    assert renyi_entropy(A, alpha, E) == pytest.approx(S * math.log(2), rel=1e-14)


@properties
@given(seed=seeds, alpha=orders, other=orders)
def test_entropy_does_not_increase_in_alpha(seed, alpha, other):
    A = gram(8, seed)
    low, high = sorted([alpha, other])
    assert renyi_entropy(A, low) >= renyi_entropy(A, high) - 1e-12


@properties
@given(seed=seeds, alpha=orders)
def test_joint_entropy_is_not_below_the_marginals(seed, alpha):
    A, B = gram(9, seed, 0.5), gram(9, seed + 1, 0.9)
    joint = joint_entropy(A, B, alpha)
    assert joint >= max(renyi_entropy(A, alpha), renyi_entropy(B, alpha)) - 1e-10
    assert conditional_entropy(A, B, alpha) >= -1e-10


@properties
@given(seed=seeds, alpha=orders)
def test_joint_entropy_is_that_of_the_concatenated_features(seed, alpha):
    X, Y = samples(9, 2, seed), samples(9, 3, seed + 1)
    together = gaussian_gram(np.hstack([X / 0.5, Y / 0.9]), 1.0)  # the product of Gaussian kernels is one
    A, B = gaussian_gram(X, 0.5), gaussian_gram(Y, 0.9)
    S = renyi_entropy(together, alpha)
    assert joint_entropy(A, B, alpha) == pytest.approx(S, rel=1e-10)
    assert joint_entropy(3 * A, 5 * B, alpha) == pytest.approx(S, rel=1e-10)
    assert conditional_entropy(A, B, alpha) == pytest.approx(S - renyi_entropy(B, alpha), abs=1e-9)
    expected = renyi_entropy(A, alpha) + renyi_entropy(B, alpha) - S
    assert mutual_information(A, B, alpha) == pytest.approx(expected, abs=1e-9)
    assert mutual_information(B, A, alpha) == pytest.approx(expected, abs=1e-9)


def test_information_with_a_constant_is_none_and_with_itself_at_most_the_entropy():
    A = gram(10)
    constant = np.full((10, 10), 0.1)
    for alpha in ALPHAS:
        assert mutual_information(A, constant, alpha) == pytest.approx(0, abs=1e-12)
        assert conditional_entropy(A, constant, alpha) == pytest.approx(renyi_entropy(A, alpha), abs=1e-12)


# Seams


@pytest.mark.parametrize("away", [1e-15, 1e-12, 1e-10, 1e-6, 1e-3])
def test_the_seam_at_one_in_value_and_gradient(away):
    A = gram(20, sigma=0.3)
    slope = (renyi_entropy(A, 1 + 1e-3) - renyi_entropy(A, 1 - 1e-3)) / 2e-3
    for alpha in (1 - away, 1 + away):
        assert renyi_entropy(A, alpha) == pytest.approx(renyi_entropy(A, 1) + (alpha - 1) * slope, abs=1e-14 + away**2)
        step = renyi_entropy_gradient(A, alpha, tangent=True) - renyi_entropy_gradient(A, 1, tangent=True)
        assert np.abs(step).max() < 1e-12 + 300 * away
        joint = joint_entropy_gradient(A, A, alpha) - joint_entropy_gradient(A, A, 1)
        assert np.abs(joint).max() < 1e-12 + 300 * away


@pytest.mark.parametrize("centre", [2.0, 1 - 0.3 / math.log(20), 1 + 0.3 / math.log(20)])
def test_the_seams_at_two_and_where_the_branches_change(centre):
    A = gram(20, sigma=0.3)
    step = 1e-7
    below, at, above = (renyi_entropy(A, alpha) for alpha in (centre - step, centre, centre + step))
    assert abs(below - 2 * at + above) < 1e-13
    gradients = [renyi_entropy_gradient(A, alpha, tangent=True) for alpha in (centre - step, centre, centre + step)]
    assert np.abs(gradients[0] - 2 * gradients[1] + gradients[2]).max() < 1e-11


def test_large_orders_tend_to_infinity():
    A = gram(20)
    for alpha in (1e3, 1e6, 1e12, 1e300):
        assert renyi_entropy(A, alpha) == pytest.approx(renyi_entropy(A, math.inf), rel=2 / alpha)
    difference = renyi_entropy_gradient(A, 1e12) - renyi_entropy_gradient(A, math.inf)
    assert np.abs(difference).max() < 1e-10


@pytest.mark.parametrize("alpha", [1e100, 1e308])
def test_no_order_is_so_large_that_it_overflows(alpha):
    assert renyi_entropy(np.eye(200) / 200, alpha) == pytest.approx(math.log2(200), rel=1e-14)


def test_the_derivative_at_infinity_is_shared_among_equal_largest_eigenvalues():
    np.testing.assert_allclose(renyi_entropy_gradient(np.eye(4) / 4, math.inf, E), -np.eye(4), atol=1e-12)
    np.testing.assert_allclose(renyi_entropy_gradient(np.eye(4) / 4, 1e9, E), -np.eye(4), atol=1e-8)


# Gradients


@pytest.mark.parametrize("alpha", ALPHAS)
def test_literal_gradient_15_is_the_derivative_of_10_in_every_direction(alpha):
    A, direction = gram(8, sigma=0.3), random_direction(8, 1)
    numeric = directional_difference(lambda a: plain_entropy(a, alpha), A, direction, step=1e-3)
    assert np.vdot(renyi_entropy_gradient(A, alpha, E), direction) == pytest.approx(numeric, rel=1e-9)
    assert np.vdot(renyi_entropy_gradient(A, alpha), direction) == pytest.approx(numeric / math.log(2), rel=1e-9)


@pytest.mark.parametrize("alpha", [a for a in ALPHAS if a < math.inf])
def test_tangent_and_literal_gradient_differ_by_a_multiple_of_the_identity(alpha):
    A = gram(8, sigma=0.3)
    difference = renyi_entropy_gradient(A, alpha, E) - renyi_entropy_gradient(A, alpha, E, tangent=True)
    T = np.sum(np.linalg.eigvalsh(A) ** alpha)
    expected = -1 if alpha == 1 else alpha / ((1 - alpha) * T)
    np.testing.assert_allclose(difference, expected * np.eye(8), atol=1e-13 * abs(expected))


def test_at_one_the_literal_form_is_minus_log_a_minus_the_identity():
    A = gram(8, sigma=0.3)
    values, vectors = np.linalg.eigh(A)
    np.testing.assert_allclose(
        renyi_entropy_gradient(A, 1), -((vectors * np.log(values)) @ vectors.T + np.eye(8)) / math.log(2), atol=1e-13
    )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_joint_gradient_is_the_derivative_of_12_for_any_diagonal(alpha):
    rng = np.random.default_rng(2)
    A, B = (np.cov(rng.normal(size=(7, 40))) for _ in range(2))
    direction = random_direction(7, 3)
    numeric = directional_difference(
        lambda b: plain_entropy(A * b / np.trace(A * b), alpha) / math.log(2), B, direction, step=1e-3
    )
    # Near α = 1 the plain form divides its rounding by 1 − α, and the step divides it again.
    noise = 1e-9 if abs(alpha - 1) < 0.1 else 0
    assert np.vdot(joint_entropy_gradient(A, B, alpha), direction) == pytest.approx(numeric, rel=1e-9, abs=noise)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_product_gradient_16_is_the_joint_one_plus_the_trace_term(alpha):
    K_X, K = gram(8, 0, 0.3), gram(8, 1, 0.3)
    literal, joint = product_entropy_gradient(K_X, K, alpha), joint_entropy_gradient(K_X, K, alpha)
    if alpha == 1:
        multiple = joint_entropy(K_X, K, 1) - 1 / math.log(2)  # the limits of both, not of their difference
    else:
        multiple = -1 / math.log(2) if alpha == math.inf else alpha / (1 - alpha) / math.log(2)
    np.testing.assert_allclose(literal - joint, multiple * np.eye(8), atol=1e-12 * max(1, abs(multiple)))
    direction = random_direction(8, 4, traceless=True)
    direction -= np.diag(direction.diagonal())
    numeric = directional_difference(
        lambda k: plain_entropy(8 * K_X * k, alpha) / math.log(2), K, direction, step=1e-3
    )
    assert np.vdot(literal, direction) == pytest.approx(numeric, rel=1e-8, abs=1e-9 if abs(alpha - 1) < 0.1 else 0)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.01, 2.0, 10.0])
def test_tangent_weights_make_p_positive_semidefinite_and_the_literal_ones_only_below_one(alpha):
    A = gram(12, sigma=0.3)
    tangent = np.linalg.eigvalsh(renyi_entropy_gradient(A, alpha, tangent=True) * A)
    assert tangent.min() > -1e-12 * tangent.max()
    literal = np.linalg.eigvalsh(renyi_entropy_gradient(A, alpha) * A)
    if alpha < 1:
        assert literal.min() > 0
    elif alpha > 1:
        assert literal.max() < 0


def test_the_tangent_part_is_refused_where_it_is_infinite():
    for alpha in (math.inf, 1e6):
        with pytest.raises(ValueError, match="tangent=False"):
            renyi_entropy_gradient(gram(8), alpha, tangent=True)


# Singular matrices


def test_singular_matrices_of_known_rank_have_all_digits():
    rng = np.random.default_rng(5)
    Q = np.linalg.qr(rng.normal(size=(300, 300)))[0][:, :5]
    p = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    A = (Q * p) @ Q.T
    A = (A + A.T) / 2
    for alpha in ALPHAS:
        assert renyi_entropy(A, alpha, E) == pytest.approx(plain_entropy(np.diag(p), alpha), abs=1e-12)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_the_derivative_at_a_singular_matrix_warns_below_one_and_keeps_to_the_range(alpha):
    A = gaussian_gram([[0.0], [0.0], [5.0]], 1.0)
    with pytest.warns(SingularGramWarning, match="counts as zero"):
        G = renyi_entropy_gradient(A, alpha)
    assert np.isfinite(G).all()
    assert np.abs(G @ [1, -1, 0]).max() < 1e-14
    renyi_entropy_gradient(A, 1.01)  # and above one it does not warn


def test_duplicates_count_once():
    X = samples(6, spread=50)
    for alpha in ALPHAS:
        S = renyi_entropy(gaussian_gram(np.vstack([X, X]), 1.0), alpha)
        assert pytest.approx(renyi_entropy(gaussian_gram(X, 1.0), alpha), abs=1e-12) == S


# Bad input


@pytest.mark.parametrize("case", BAD_GRAMS)
def test_bad_matrices_are_refused(case):
    bad, error, words = BAD_GRAMS[case]
    half = np.eye(2) / 2
    for function in (
        lambda M: renyi_entropy(M, 2),
        lambda M: renyi_entropy_gradient(M, 0.5),
        lambda M: joint_entropy(M, half, 1),
        lambda M: joint_entropy_gradient(half, M, 1),
        lambda M: product_entropy_gradient(half, M, 1),
        lambda M: conditional_entropy(half, M, 3),
        lambda M: mutual_information(M, half, 3),
    ):
        with pytest.raises(error, match=words):
            function(bad)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, math.inf])
def test_indefinite_matrices_are_refused_and_rounding_is_not(alpha):
    indefinite = np.array([[0.5, 0.6], [0.6, 0.5]])
    for function in (renyi_entropy, renyi_entropy_gradient):
        with pytest.raises(ValueError, match=r"positive semidefinite.*-0\.1.*1\.1"):
            function(indefinite, alpha)
    almost = normalize_gram(np.ones((3, 3)) + np.diag([1e-12, 0, 0])) - 1e-12 * np.eye(3)
    assert renyi_entropy(almost / np.trace(almost), alpha) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1.0])
def test_the_scale_of_joint_arguments_does_not_matter(scale):
    A, B = gram(6, 0), gram(6, 1)
    assert joint_entropy(scale * A, scale * B, 3) == pytest.approx(joint_entropy(A, B, 3), rel=1e-13)
    expected = joint_entropy_gradient(A, B, 3)
    np.testing.assert_allclose(scale * joint_entropy_gradient(A, scale * B, 3), expected, rtol=1e-11, atol=1e-13)


def test_indefinite_arguments_of_a_joint_entropy_are_refused():
    half, indefinite = np.eye(2) / 2, np.array([[0.5, 0.6], [0.6, 0.5]])
    for first, second in ((indefinite, half), (half, indefinite), (-half, -half)):
        for function in (joint_entropy, joint_entropy_gradient):
            with pytest.raises(ValueError, match="positive semidefinite"):
                function(first, second, 2)
    with pytest.raises(ValueError, match="positive semidefinite"):
        conditional_entropy(indefinite, half, 2)


def test_trace_and_shapes_are_checked_where_they_matter():
    for function in (renyi_entropy, renyi_entropy_gradient):
        with pytest.raises(ValueError, match="trace 1, got 2"):
            function(np.eye(2), 2)
    with pytest.raises(ValueError, match="trace 1"):
        conditional_entropy(np.eye(2) / 2, np.eye(2), 2)
    with pytest.raises(ValueError, match="same shape"):
        joint_entropy(np.eye(2), np.eye(3), 2)
    with pytest.raises(ValueError, match="above 0"):
        joint_entropy(np.diag([1.0, 0.0]), np.diag([0.0, 1.0]), 2)


@pytest.mark.parametrize("case", BAD_POSITIVE)
def test_bad_orders_and_bases_are_refused(case):
    bad, error = BAD_POSITIVE[case]
    with pytest.raises(error, match="alpha"):
        renyi_entropy(np.eye(2) / 2, bad)
    with pytest.raises(error, match="base"):
        renyi_entropy(np.eye(2) / 2, 2, bad)
    with pytest.raises(ValueError, match="base"):
        renyi_entropy(np.eye(2) / 2, 2, 1)


# Gram matrices




def test_gaussian_gram_is_its_definition():
    X, sigma = samples(10), 0.7
    expected = [[np.exp(-np.sum((x - y) ** 2) / (2 * sigma**2)) / 10 for y in X] for x in X]
    np.testing.assert_allclose(gaussian_gram(X, sigma), expected, rtol=1e-13)


def test_one_sample_and_equal_samples():
    np.testing.assert_array_equal(gaussian_gram([[3.0, 4.0]], 1.0), [[1.0]])
    np.testing.assert_array_equal(gaussian_gram(np.full((4, 2), 1e6), 1.0), np.full((4, 4), 0.25))


@pytest.mark.parametrize(("sigma", "k"), [(1e-300, 0.0), (1e-200, 0.0), (1e-100, 0.0), (1e100, 1.0), (1e300, 1.0)])
def test_kernel_sizes_from_tiny_to_huge_have_their_limits(sigma, k):
    np.testing.assert_array_equal(gaussian_gram([[0.0], [1.0]], sigma), [[0.5, 0.5 * k], [0.5 * k, 0.5]])


def test_normalize_gram_is_its_definition():
    X = samples(6)
    K = (X @ X.T + 1) ** 2
    A = normalize_gram(K)
    assert A[1, 3] == pytest.approx(K[1, 3] / np.sqrt(K[1, 1] * K[3, 3]) / 6, rel=1e-14)
    np.testing.assert_allclose(A.diagonal(), 1 / 6, rtol=1e-14)
    np.testing.assert_allclose(normalize_gram(7 * gaussian_gram(X, 0.5)), gaussian_gram(X, 0.5), rtol=1e-14)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(seed=seeds, offset=st.floats(-1e3, 1e3), angle=st.floats(0, 6.3))
def test_gram_does_not_see_translation_rotation_and_permutes_with_the_samples(seed, offset, angle):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(12, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    A, order = gaussian_gram(X, 0.5), rng.permutation(12)
    np.testing.assert_allclose(gaussian_gram(X @ turn + offset, 0.5), A, atol=1e-11)
    np.testing.assert_allclose(gaussian_gram(X[order], 0.5), A[np.ix_(order, order)], atol=1e-15)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(seed=seeds, diagonal=st.floats(-1e6, 1e6))
def test_laplacian_kills_constants_and_does_not_see_the_diagonal(seed, diagonal):
    P = np.random.default_rng(seed).normal(size=(9, 9))
    P = P + P.T
    L = graph_laplacian(P)
    assert np.abs(L @ np.ones(9)).max() < 1e-13
    np.testing.assert_array_equal(graph_laplacian(P + diagonal * np.eye(9)), L)
    np.testing.assert_allclose(L, np.diag((P - np.diag(P.diagonal())).sum(axis=1)) - (P - np.diag(P.diagonal())))


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_pullback_is_the_derivative_of_any_function_of_the_gram_matrix(offset):
    rng = np.random.default_rng(1)
    Y, direction, C = rng.normal(size=(15, 3)), rng.normal(size=(15, 3)), rng.normal(size=(15, 15))
    C = C + C.T
    numeric = directional_difference(lambda y: np.sum(C * gaussian_gram(y, 0.8) ** 3), Y, direction)
    K = gaussian_gram(Y + offset, 0.8)
    analytic = np.vdot(gram_pullback(3 * C * K**2, K, Y + offset, 0.8), direction)
    assert analytic == pytest.approx(numeric, rel=1e-10 if offset == 0 else 1e-8)


@pytest.mark.parametrize("case", BAD_MATRICES)
def test_bad_samples_are_refused(case):
    bad, error, words = BAD_MATRICES[case]
    with pytest.raises(error, match=words):
        gaussian_gram(bad, 1.0)


@pytest.mark.parametrize("case", BAD_GRAMS)
def test_bad_gram_matrices_are_refused(case):
    bad, error, words = BAD_GRAMS[case]
    for function in (normalize_gram, graph_laplacian, lambda M: gram_pullback(M, np.eye(2), np.eye(2), 1.0)):
        with pytest.raises(error, match=words):
            function(bad)


@pytest.mark.parametrize("case", BAD_POSITIVE)
def test_bad_kernel_sizes_are_refused(case):
    bad, error = BAD_POSITIVE[case]
    with pytest.raises(error, match="sigma"):
        gaussian_gram(np.eye(2), bad)
    with pytest.raises(error, match="sigma"):
        gram_pullback(np.eye(2), np.eye(2), np.eye(2), bad)


def test_other_misfits_are_refused():
    with pytest.raises(ValueError, match="positive diagonal"):
        normalize_gram([[0.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="same shape"):
        gram_pullback(np.eye(3), np.eye(2), np.eye(2), 1.0)
    with pytest.raises(ValueError, match="one row for each"):
        gram_pullback(np.eye(3), np.eye(3), np.eye(2), 1.0)
    with pytest.raises(ValueError, match=r"reshape\(-1, 1\)"):
        gaussian_gram([1.0, 2.0], 1.0)
