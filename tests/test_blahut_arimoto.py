"""Blahut-Arimoto against closed forms, graph entropy, a numerical minimiser and the arithmetic of mpmath."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq, minimize
from scipy.special import expit

from rdae_ref.theory import ConvergenceWarning, blahut_arimoto, gaussian_rate_distortion, rate_distortion_curve

TOLERANCE = 1e-9  # bits: the default
HAMMING = 1 - np.eye(2)
law = settings(derandomize=True, deadline=None, max_examples=40)


def binary_entropy(p):
    return float(-p * mpmath.log(p, 2) - (1 - p) * mpmath.log1p(-p) / mpmath.log(2)) if 0 < p < 1 else 0.0


def binary_rate(p, D):
    return binary_entropy(p) - binary_entropy(D) if min(p, 1 - p) > D else 0.0


def hamming_rate(m, D):
    return math.log2(m) - binary_entropy(D) - D * math.log2(m - 1) if (m - 1) / m > D else 0.0


def information_and_distortion(p, Q, d):
    """The two sums of Eq. (2), in 30 digits and in the order of the page."""
    with mpmath.workdps(30):
        symbols, letters = range(len(p)), range(len(Q[0]))
        r = [mpmath.fsum(p[x] * mpmath.mpf(Q[x][y]) for x in symbols) for y in letters]
        pairs = [(x, y) for x in symbols for y in letters if p[x] > 0 and Q[x][y] > 0]
        information = mpmath.fsum(p[x] * Q[x][y] * mpmath.log(Q[x][y] / r[y], 2) for x, y in pairs)
        return float(information), float(mpmath.fsum(p[x] * mpmath.mpf(Q[x][y]) * d[x][y] for x, y in pairs))


@st.composite
def problems(draw):
    """A source with rare and absent symbols, distortions with ties and forbidden pairs, and a slope."""
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    weights = draw(st.lists(st.sampled_from([0.0, 1e-12, 1e-4, 0.1, 1.0, 3.0]), min_size=n, max_size=n).filter(any))
    elements = st.one_of(st.sampled_from([0.0, 1.0, math.inf]), st.floats(0, 10))
    d = np.array(draw(st.lists(st.lists(elements, min_size=m, max_size=m), min_size=n, max_size=n)))
    d[:, 0][np.isinf(d).all(axis=1)] = 2.0
    return np.array(weights) / sum(weights), d, draw(st.one_of(st.just(0.0), st.floats(1e-3, 300)))


def assert_certified(point, rate):
    assert point.lower_bound - 1e-14 <= rate <= point.upper_bound + 1e-14
    assert point.upper_bound - point.lower_bound <= TOLERANCE


def tangent(points, slope, D):
    """The line that certifies a point: R(D) lies above it. (A lower bound of 0 can come from R ≥ 0 instead.)"""
    touch = np.where(points.lower_bound > 0, points.lower_bound, points.rate - TOLERANCE)
    return touch - slope / math.log(2) * (D - points.distortion)


@pytest.mark.parametrize(("D", "rate"), [(0.1, 0.5310044064), (0.11, 0.5000840418), (0.25, 0.1887218755)])
def test_uniform_binary_source(D, rate):
    point = blahut_arimoto([0.5, 0.5], HAMMING, math.log((1 - D) / D))
    assert_allclose(point.distortion, D, rtol=0, atol=1e-12)
    assert_allclose(point.rate, rate, rtol=0, atol=1e-10)
    assert_certified(point, binary_rate(0.5, D))


@pytest.mark.parametrize("p", [0.4, 0.1, 1e-3, 1e-6, 1e-9, 1e-12, 1e-100, 1 - 1e-6])
def test_skewed_binary_source_through_the_slope_at_which_a_letter_vanishes(p):
    critical = abs(math.log((1 - p) / p))
    around = [1 - 1e-3, 1 - 1e-9, 1, 1 + 1e-9, 1 + 1e-6, 1 + 1e-3, 1.01, 1.2, 2, 20]
    for slope in [0.0, *(critical * factor for factor in (0.1, 0.5, 0.9, *around))]:
        point = blahut_arimoto([p, 1 - p], HAMMING, slope)
        assert_allclose(point.rate, binary_rate(p, point.distortion), rtol=0, atol=1e-9)
        assert point.lower_bound <= binary_rate(p, point.distortion) + 1e-14
        if slope > 1.01 * critical:  # closer than that, D moves by 1e-7 within the tolerance
            assert_allclose(point.distortion, expit(-slope), rtol=0, atol=1e-8)


@pytest.mark.parametrize("m", [2, 5, 30])
def test_uniform_source_with_hamming_distortion(m):
    for slope in (0.1, 1.0, 3.0, 10.0):
        point = blahut_arimoto(np.full(m, 1 / m), 1 - np.eye(m), slope)
        D = (m - 1) / (m - 1 + math.exp(slope))
        assert_allclose(point.distortion, D, rtol=0, atol=1e-12)
        assert_certified(point, hamming_rate(m, D))


@pytest.mark.parametrize("m", [2, 3, 20])
def test_uniform_source_with_erasures(m):
    d = np.hstack([np.where(np.eye(m) == 1, 0, math.inf), np.ones((m, 1))])  # 0 right, 1 erased, ∞ wrong
    rates = []
    for slope in (0.0, 0.1, math.log(m) - 0.01, math.log(m), math.log(m) + 0.01, 5.0, 50.0):
        point = blahut_arimoto(np.full(m, 1 / m), d, slope)
        assert_certified(point, math.log2(m) * (1 - point.distortion))
        assert not point.conditional[np.isinf(d)].any()
        rates.append(point.rate)
    assert_allclose([rates[0], rates[-1]], [0, math.log2(m)], rtol=0, atol=1e-9)


def test_discretised_gaussian_is_within_1e_8_bits_of_its_closed_form():
    x = np.linspace(-6, 6, 121)  # range and step so that the sum over the grid is the integral, for D above step²
    p = np.exp(-(x**2) / 2)
    p, d = p / p.sum(), (x[:, None] - x) ** 2
    for slope in (0.6, 1.0, 4.0, 20.0):
        point = blahut_arimoto(p, d, slope)
        closed_form = gaussian_rate_distortion([p @ x**2], point.distortion)
        assert abs(point.rate - closed_form.rate) < 1e-8
        assert_allclose(point.distortion, 1 / (2 * slope), rtol=0, atol=1e-7)  # the level λ = 1/(2β)
        assert point.upper_bound - point.lower_bound <= TOLERANCE


def test_graph_entropy_of_the_pentagon():
    """Letters are the independent sets of a 5-cycle, a vertex is described by one that holds it: log₂(5/2) bits."""
    sets = [{i, (i + 2) % 5} for i in range(5)]
    d = [[0 if x in independent else math.inf for independent in sets] for x in range(5)]
    for slope in (0.0, 7.0):
        point = blahut_arimoto(np.full(5, 0.2), d, slope)
        assert_certified(point, math.log2(5 / 2))
        assert point.distortion == 0


@pytest.mark.filterwarnings("ignore:Values in x were outside bounds")  # by one rounding, before SciPy 1.16
def test_no_other_map_does_better():
    """SLSQP on the elements of q(x̂|x), for I + β E d as it stands, with Eq. (3) as a constraint."""
    rng = np.random.default_rng(0)
    for slope in (0.5, 2.0, 8.0):
        p, d = rng.dirichlet(np.ones(3)), rng.uniform(0, 2, (3, 4))

        def lagrangian(elements, p=p, d=d, slope=slope):
            Q = elements.reshape(3, 4)
            ratio = Q / (p @ Q)
            return (p[:, None] * Q * (np.log(ratio) + slope * d)).sum(), (
                p[:, None] * (np.log(ratio) + slope * d)
            ).ravel()

        rows = {"type": "eq", "fun": lambda elements: elements.reshape(3, 4).sum(axis=1) - 1}
        start, bounds = np.full(12, 0.25), [(1e-12, 1)] * 12
        options = {"ftol": 1e-14, "maxiter": 1000}
        found = minimize(lagrangian, start, jac=True, bounds=bounds, constraints=rows, options=options)
        point = blahut_arimoto(p, d, slope)
        assert_allclose(point.rate * math.log(2) + slope * point.distortion, found.fun, rtol=0, atol=1e-8)
        assert tangent(point, slope, 0.0) <= found.fun / math.log(2) + 1e-12


@law
@given(problems())
def test_bounds_hold_and_the_numbers_are_those_of_the_map(problem):
    p, d, slope = problem
    point = blahut_arimoto(p, d, slope)
    information, distortion = information_and_distortion(p.tolist(), point.conditional.tolist(), d.tolist())
    assert_allclose(point.rate, information, rtol=0, atol=1e-13)
    assert_allclose(point.distortion, distortion, rtol=0, atol=1e-13)
    assert 0 <= point.lower_bound <= point.rate == point.upper_bound <= point.lower_bound + TOLERANCE
    assert_allclose(point.conditional.sum(axis=1), 1, rtol=0, atol=1e-13)
    assert (point.conditional >= 0).all()


@law
@given(problems(), st.integers(0, 2**32 - 1))
def test_no_map_lies_below_the_lower_bound(problem, seed):
    p, d, slope = problem
    point, rng = blahut_arimoto(p, d, slope), np.random.default_rng(seed)
    for concentration in (0.1, 1.0):
        Q = rng.dirichlet(np.full(d.shape[1], concentration), size=len(p)) * np.isfinite(d) + 1e-9 * np.isfinite(d)
        Q[~np.isfinite(d).any(axis=1)] = 1
        information, distortion = information_and_distortion(p, Q / Q.sum(axis=1, keepdims=True), d)
        if not (slope == 0 and point.rate == 0):  # there D is the least at rate 0, which no tangent shows
            assert information >= tangent(point, slope, distortion) - 1e-12 * (1 + slope)


@law
@given(problems(), st.floats(0.1, 100))
def test_the_curve_falls_and_is_convex(problem, slope):
    p, d, _ = problem
    curve = rate_distortion_curve(p, d, slope * np.array([1.0, 1.5, 3.0, 6.0]))
    room = 2 * TOLERANCE
    assert (np.diff(curve.rate) >= -room).all()
    assert (np.diff(curve.distortion) * curve.slope[:-1] <= room).all()
    for D, rate in zip(curve.distortion, curve.rate, strict=True):  # every point lies above every tangent
        assert (rate >= tangent(curve, curve.slope, D) - 1e-11).all()


@law
@given(problems(), st.randoms(use_true_random=False))
def test_names_of_symbols_and_letters_do_not_matter(problem, random):
    p, d, slope = problem
    rows, columns = (random.sample(range(n), n) for n in d.shape)
    plain, shuffled = blahut_arimoto(p, d, slope), blahut_arimoto(p[rows], d[np.ix_(rows, columns)], slope)
    total = [slope * point.distortion + point.rate * math.log(2) for point in (plain, shuffled)]
    assert_allclose(total[0], total[1], rtol=0, atol=1.1 * TOLERANCE)


def test_a_letter_twice_changes_nothing():
    p, d = [0.2, 0.3, 0.5], np.array([[0.0, 2.0], [1.0, 0.5], [3.0, 0.0]])
    once, twice = blahut_arimoto(p, d, 1.3), blahut_arimoto(p, np.hstack([d, d[:, 1:]]), 1.3)
    assert_allclose([once.rate, once.distortion], [twice.rate, twice.distortion], rtol=0, atol=1e-8)


def test_a_symbol_that_never_comes_changes_nothing():
    p, d = np.array([0.2, 0.8]), np.array([[0.0, 2.0], [1.0, 0.5]])
    without = blahut_arimoto(p, d, 2.0)
    for row in ([0.0, 7.0], [math.inf, 0.0], [math.inf, math.inf]):
        with_it = blahut_arimoto([*p, 0.0], [*d, row], 2.0)
        assert_allclose(with_it[:4], without[:4], rtol=0, atol=1e-15)
        assert_allclose(with_it.conditional[:2], without.conditional, rtol=0, atol=1e-15)
        assert_allclose(with_it.conditional[2], p @ without.conditional, rtol=0, atol=1e-8)


def test_slope_zero_is_the_best_single_letter():
    point = blahut_arimoto([0.5, 0.3, 0.2], [[0, 1, math.inf], [4, 1, 0], [0, 3, 0]], 0.0)
    assert_allclose(point[:4], [0, 1.2, 0, 0], rtol=1e-15)
    assert_array_equal(point.conditional, np.tile(point.conditional[0], (3, 1)))


def test_extreme_numbers():
    steep = blahut_arimoto([0.5, 0.5], [[0, 1e308], [1e308, 0]], 1e300)
    assert steep[:4] == (1.0, 0.0, 1.0, 1.0)
    far = blahut_arimoto([0.5, 0.5], 1e6 + HAMMING, math.log(9))
    assert_allclose([far.rate, far.distortion - 1e6], [binary_rate(0.5, 0.1), 0.1], rtol=0, atol=1e-9)
    assert blahut_arimoto([1.0], [[3.0]], 1.0)[:4] == (0.0, 3.0, 0.0, 0.0)


@pytest.mark.parametrize("slope", [0.45, 0.5, 0.51, 2.0, 100.0])
def test_hard_sources_take_a_few_dozen_updates(slope):
    x = np.linspace(-4, 4, 80)
    p = np.exp(-(x**2) / 2)
    assert blahut_arimoto(p / p.sum(), (x[:, None] - x) ** 2, slope).n_iterations < 40
    p = 10.0 ** -np.arange(60)
    assert blahut_arimoto(p / p.sum(), 1 - np.eye(60), slope).n_iterations < 40


def test_a_tighter_tolerance_is_met():
    p, d = np.random.default_rng(3).dirichlet(np.full(12, 0.3)), np.random.default_rng(4).random((12, 15))
    point = blahut_arimoto(p, d, 9.0, tolerance=1e-12)
    assert point.upper_bound - point.lower_bound <= 1e-12


def test_a_tolerance_below_rounding_ends_in_a_warning():
    d = np.random.default_rng(6).random((12, 15))
    with pytest.warns(ConvergenceWarning):
        point = blahut_arimoto(np.full(12, 1 / 12), np.hstack([d, d]), 3.0, tolerance=1e-18, max_iterations=100)
    assert point.upper_bound - point.lower_bound < 1e-12


def test_rounding_in_the_sum_of_the_source_is_divided_out():
    p = np.array([0.3333333336, 0.3333333336, 0.3333333336])
    d = np.array([[0.0, 2.0], [1.0, 0.5], [3.0, 0.0]])
    rounded, exact = blahut_arimoto(p, d, 2.0), blahut_arimoto(np.full(3, 1 / 3), d, 2.0)
    assert_allclose(rounded[:4], exact[:4], rtol=0, atol=1e-12)


@pytest.mark.parametrize("max_iterations", [1, 2, 5])
def test_too_few_iterations_are_reported_and_the_bounds_hold(max_iterations):
    slope = 1.05 * math.log(0.9 / 0.1)
    with pytest.warns(ConvergenceWarning, match=f"bits after {max_iterations} iterations"):
        point = blahut_arimoto([0.1, 0.9], HAMMING, slope, max_iterations=max_iterations)
    assert point.n_iterations == max_iterations
    assert point.lower_bound <= binary_rate(0.1, point.distortion) <= point.upper_bound
    assert point.upper_bound - point.lower_bound > TOLERANCE


def test_plain_updates_are_blahut_and_arimotos():
    """The first update is the textbook's, one loop per sum."""
    p, d, slope = [0.3, 0.7], [[0.0, 1.0, 0.4], [2.0, 0.0, 0.3]], 1.5
    with pytest.warns(ConvergenceWarning):
        point = blahut_arimoto(p, d, slope, max_iterations=1)
    q = [1 / 3] * 3
    for _ in range(2):
        Z = [sum(q[y] * math.exp(-slope * d[x][y]) for y in range(3)) for x in range(2)]
        Q = [[q[y] * math.exp(-slope * d[x][y]) / Z[x] for y in range(3)] for x in range(2)]
        q = [sum(p[x] * Q[x][y] for x in range(2)) for y in range(3)]
    assert_allclose(point.conditional, Q, rtol=1e-14)


def test_a_curve_is_its_points():
    rng = np.random.default_rng(5)
    p, d, slopes = rng.dirichlet(np.ones(6)), rng.random((6, 8)), [0.0, 5.0, 1.0, 20.0]
    curve = rate_distortion_curve(p, d, slopes)
    assert_array_equal(curve.slope, slopes)
    for i, slope in enumerate(slopes):
        point = blahut_arimoto(p, d, slope)
        total = point.rate * math.log(2) + slope * point.distortion
        assert_allclose(curve.rate[i] * math.log(2) + slope * curve.distortion[i], total, rtol=0, atol=1e-9)
        assert 0 <= curve.lower_bound[i] <= curve.upper_bound[i] == curve.rate[i]
    assert curve.n_iterations.dtype.kind == "i"


def test_warm_starts_save_updates():
    rng = np.random.default_rng(7)
    p, d, slopes = rng.dirichlet(np.ones(20)), rng.random((20, 20)), np.linspace(5, 6, 8)
    warm = rate_distortion_curve(p, d, slopes).n_iterations
    cold = [blahut_arimoto(p, d, slope).n_iterations for slope in slopes]
    assert warm[0] == cold[0]
    assert sum(warm) < 0.8 * sum(cold)


def test_letters_without_mass_return_from_a_warm_start():
    p, d = [0.5, 0.5], [[0.0, math.inf, 0.7], [math.inf, 0.0, 0.7]]
    uniform, lone = blahut_arimoto(p, d, 3.0), blahut_arimoto(p, d, 3.0, initial=[1, 0, 0])
    assert_allclose(lone[:4], uniform[:4], rtol=0, atol=1e-8)


@pytest.mark.parametrize(("p", "D"), [(0.5, 0.1), (0.5, 0.11), (0.1, 0.0999), (0.1, 1e-3), (0.01, 1e-9), (0.4, 0.39)])
def test_a_given_distortion_is_met_on_the_curve_of_a_binary_source(p, D):
    point = blahut_arimoto([p, 1 - p], HAMMING, distortion=D)
    assert_allclose(point.distortion, D, rtol=1e-13)
    assert_certified(point, binary_rate(p, D))
    assert_allclose(point.slope, math.log((1 - D) / D), rtol=math.sqrt(TOLERANCE))


@pytest.mark.parametrize("D", [0.0, 0.2, 0.5, 0.9, 1.0, 3.0])
def test_a_given_distortion_is_met_where_the_curve_is_straight(D):
    """Erasures: one slope has every D from 0 to 1, and only the constraint chooses among them."""
    m = 5
    d = np.hstack([np.where(np.eye(m) == 1, 0, math.inf), np.ones((m, 1))])
    point = blahut_arimoto(np.full(m, 1 / m), d, distortion=D)
    assert_allclose(point.distortion, min(D, 1), rtol=0, atol=1e-14)
    assert_certified(point, math.log2(m) * (1 - min(D, 1)))


@pytest.mark.parametrize("seed", range(40))
def test_a_given_distortion_gives_the_point_that_its_slope_gives(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 7, 2)
    p = rng.choice([1e-4, 0.1, 1.0, 3.0], n) * rng.integers(0, 2, n)
    p = (p if p.any() else np.ones(n)) / (p.sum() or n)
    d = np.where(rng.random((n, m)) < 0.4, rng.choice([0.0, 1.0, math.inf], (n, m)), rng.uniform(0, 10, (n, m)))
    d[:, 0][np.isinf(d).all(axis=1)] = 2.0
    occurs = p > 0
    least, most = p[occurs] @ d[occurs].min(axis=1), (p[occurs] @ d[occurs]).min()
    D = least + rng.uniform(0.01, 0.99) * (min(most, 10.0) - least)
    point = blahut_arimoto(p, d, distortion=D)
    assert 0 <= point.lower_bound <= point.rate == point.upper_bound <= point.lower_bound + TOLERANCE
    assert point.distortion <= D * (1 + 1e-12)
    if point.slope > 0:  # 0 where forbidden pairs alone ask for the rate, and the constraint for nothing
        assert_allclose(point.distortion, D, rtol=1e-12)
    if point.slope < math.inf:
        free = blahut_arimoto(p, d, point.slope)
        total = [one.rate * math.log(2) + point.slope * one.distortion for one in (point, free)]
        assert_allclose(total[0], total[1], rtol=1e-12, atol=1.1 * TOLERANCE)


def test_the_least_distortion_has_the_rate_of_the_graph_of_its_letters():
    sets = [{i, (i + 2) % 5} for i in range(5)]
    d = [[3 if x in independent else 4 for independent in sets] for x in range(5)]
    point = blahut_arimoto(np.full(5, 0.2), d, distortion=3.0)
    assert_certified(point, math.log2(5 / 2))
    assert (point.distortion, point.slope) == (3.0, math.inf)
    with pytest.raises(ValueError, match="distortion must be at least 3, which no map goes below"):
        blahut_arimoto(np.full(5, 0.2), d, distortion=2.9)


def plain_gap(p, d, n_iterations, slope=None, distortion=None):
    """The textbook's updates, with β found by `brentq` for a given D; returns the gap of the bounds in bits."""
    q = np.full(d.shape[1], 1 / d.shape[1])

    def conditional(beta):
        Q = q * np.exp(-beta * d)
        return Q / Q.sum(axis=1, keepdims=True)

    for _ in range(n_iterations + 1):
        beta = slope or brentq(lambda b: p @ (conditional(b) * d).sum(axis=1) - distortion, 1e-9, 1e4, rtol=1e-14)
        r = p @ conditional(beta)
        c, q = r / q, r
    return (math.log(c.max()) - r @ np.log(c)) / math.log(2)


def slow_cases():
    x = np.linspace(-4, 4, 60)
    p = np.exp(-(x**2) / 2)
    yield "smooth", p / p.sum(), (x[:, None] - x) ** 2, 2.0
    p = np.exp(-np.abs(x))
    yield "absolute error", p / p.sum(), np.abs(x[:, None] - x), 2.0
    rng = np.random.default_rng(11)
    X = rng.normal(size=(50, 2))
    yield "a sample", np.full(50, 0.02), ((X[:, None] - X) ** 2).sum(axis=2), 3.0


@pytest.mark.parametrize(("p", "d", "slope"), [case[1:] for case in slow_cases()], ids=[c[0] for c in slow_cases()])
def test_slow_cases_take_at_most_a_tenth_of_the_plain_updates(p, d, slope):
    free = blahut_arimoto(p, d, slope)
    bound = blahut_arimoto(p, d, distortion=free.distortion)
    for point, given_ in ((free, {"slope": slope}), (bound, {"distortion": free.distortion})):
        assert point.upper_bound - point.lower_bound <= TOLERANCE
        assert plain_gap(p, d, 10 * point.n_iterations, **given_) > TOLERANCE
    assert_allclose(bound.rate, free.rate, rtol=0, atol=3 * TOLERANCE)


@pytest.mark.parametrize("given_", [{}, {"slope": 1.0, "distortion": 0.1}])
def test_one_of_slope_and_distortion_is_asked_for(given_):
    with pytest.raises(TypeError, match="give one of slope and distortion, got slope="):
        blahut_arimoto([0.5, 0.5], HAMMING, **given_)


def test_arguments_are_not_changed():
    arguments = np.array([0.25, 0.75]), np.array([[0.0, 1.0], [math.inf, 0.0]]), np.array([1.0, 2.0])
    copies = [argument.copy() for argument in arguments]
    rate_distortion_curve(*arguments)
    blahut_arimoto(*arguments[:2], 1.0, initial=arguments[0])
    for argument, copy in zip(arguments, copies, strict=True):
        assert_array_equal(argument, copy)


BAD = [
    (([0.5, 0.6], HAMMING, 1), {}, ValueError, "p_x must sum to 1, got 1.1"),
    (([1.5, -0.5], HAMMING, 1), {}, ValueError, "p_x must not be negative"),
    (([0.5, math.nan], HAMMING, 1), {}, ValueError, "p_x must be finite"),
    (([[0.5, 0.5]], HAMMING, 1), {}, ValueError, "p_x must have shape"),
    (([0.5, 0.5], np.eye(3), 1), {}, ValueError, r"distortion_matrix must have shape \(2, any\), got \(3, 3\)"),
    (([0.5, 0.5], [1, 2], 1), {}, ValueError, "distortion_matrix must have shape"),
    (([0.5, 0.5], -HAMMING, 1), {}, ValueError, r"distortion_matrix must be 0 or above .*, got -1.0 at index \[0, 1\]"),
    (([0.5, 0.5], [[0, math.nan], [1, 0]], 1), {}, ValueError, "distortion_matrix must be 0 or above"),
    (([0.5, 0.5], [[0, -math.inf], [1, 0]], 1), {}, ValueError, "distortion_matrix must be 0 or above"),
    (([0.5, 0.5], [[0, 1], [math.inf] * 2], 1), {}, ValueError, "row 1 is infinite throughout"),
    (([0.5, 0.5], HAMMING, [-1]), {}, (TypeError, ValueError), "slope"),
    (([0.5, 0.5], HAMMING, [math.nan]), {}, (TypeError, ValueError), "slope"),
    (([0.5, 0.5], HAMMING, [math.inf]), {}, (TypeError, ValueError), "slope"),
    (([0.5, 0.5], HAMMING, 1), {"tolerance": 0}, ValueError, "tolerance must be a finite number above 0"),
    (([0.5, 0.5], HAMMING, 1), {"max_iterations": 0}, ValueError, "max_iterations must be at least 1"),
    (([0.5, 0.5], HAMMING, 1), {"max_iterations": 1.5}, TypeError, "max_iterations must be an integer"),
]


@pytest.mark.parametrize(("arguments", "options", "error", "message"), BAD)
def test_bad_input_is_refused(arguments, options, error, message):
    p, d, slope = arguments
    with pytest.raises(error, match=message):
        rate_distortion_curve(p, d, np.atleast_1d(slope), **options)
    with pytest.raises(error, match=message):
        blahut_arimoto(p, d, np.atleast_1d(slope).tolist()[0], **options)


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        ([0.5, 0.5], r"initial must have shape \(3,\)"),
        ([0.5, 0.6, 0], "initial must sum to 1"),
        ([2, -1, 0], "negative"),
    ],
)
def test_bad_starts_are_refused(initial, message):
    with pytest.raises(ValueError, match=message):
        blahut_arimoto([0.5, 0.5], np.ones((2, 3)), 1.0, initial=initial)
