import json
import random
import warnings
import zlib
from collections import namedtuple

import numpy as np
import pytest
from frameworks import needed

from rdae_ref.gradcheck import check_gradient

Layer = namedtuple("Layer", "W c")
Network = namedtuple("Network", "encoder decoder")


class Objective:
    def __init__(self, value_and_gradient):
        self.value_and_gradient = value_and_gradient


def check(function, parameters, seed=0, **options):
    return check_gradient(Objective(function), parameters, rng=np.random.default_rng(seed), **options)


# --------------------------------------------------------------- right gradients: each takes a generator, gives f and x


def quadratic(rng):
    Q = rng.normal(size=(5, 5))
    Q = Q @ Q.T
    return lambda x: (x @ Q @ x / 2, Q @ x), rng.normal(size=5)


def quadratic_at_its_minimum(rng):
    function, x = quadratic(rng)
    return function, np.zeros_like(x)


def exp_sum(rng):
    return lambda x: (np.exp(x).sum(), np.exp(x)), rng.normal(size=6)


def logsumexp(rng):
    def function(x):
        weights = np.exp(x - x.max())
        return x.max() + np.log(weights.sum()), weights / weights.sum()

    return function, 3 * rng.normal(size=(3, 4))


def linear(rng):
    slope = rng.normal(size=7)
    return lambda x: (slope @ x, slope), rng.normal(size=7)


def constant(rng):
    return lambda x: (3.0, np.zeros_like(x)), rng.normal(size=4)


def bilinear(rng):
    M = rng.normal(size=(4, 4))

    def function(x):  # tr(M W W): the gradient is that of a square matrix, and not symmetric
        return float(np.trace(M @ x @ x)), (x @ M + M @ x).T

    return function, rng.normal(size=(4, 4))


def offset(rng):
    return lambda x: (1e6 + np.sin(x).sum(), np.cos(x)), rng.normal(size=4)


def tiny_scale(rng):
    return lambda x: (np.exp(x * 1e8).sum(), 1e8 * np.exp(x * 1e8)), 1e-8 * rng.normal(size=5)


def huge_scale(rng):
    return lambda x: (np.exp(x / 1e8).sum(), np.exp(x / 1e8) / 1e8), 1e8 * rng.normal(size=5)


def huge_value(rng):
    return lambda x: (1e8 * np.cos(x).sum(), -1e8 * np.sin(x)), rng.normal(size=5)


def tiny_value(rng):
    return lambda x: (1e-8 * np.cos(x).sum(), -1e-8 * np.sin(x)), rng.normal(size=5)


def arrays_of_all_scales(rng):
    def function(parameters):
        x, y = parameters
        return np.sin(1e6 * x).sum() + np.cos(y / 1e6).sum(), [1e6 * np.cos(1e6 * x), -np.sin(y / 1e6) / 1e6]

    return function, [1e-6 * rng.normal(size=3), 1e6 * rng.normal(size=3)]


def saturated(rng):
    def function(x):  # tanh(30 + x) is 1 to the last bit, and its derivative is 0 or nearly so
        return np.tanh(30 + x[:2]).sum() + np.sin(x[2:]).sum(), np.r_[np.cosh(30 + x[:2]) ** -2, np.cos(x[2:])]

    return function, rng.normal(size=5)


def cancelling(rng):
    """The sum of b moves nothing, but its gradient is a sum of large terms and leaves rounding."""
    X = rng.normal(size=(20, 3))

    def function(parameters):
        W, b = parameters
        Y = X @ W + b
        centred = Y - Y.mean(axis=0)
        slope = 4 * centred**3
        slope = slope - slope.mean(axis=0)
        return (centred**4).sum(), (X.T @ slope, slope.sum(axis=0))

    return function, (rng.normal(size=(3, 2)), np.zeros(2))


def edge_of_domain(rng):
    return lambda x: (np.log(x).sum(), 1 / x), np.r_[0.01, 1e-5, rng.uniform(1, 2, size=3)]


def network(activation, derivative, rng, n_samples=30):
    X, Y = rng.normal(size=(n_samples, 3)), rng.normal(size=(n_samples, 2))

    def function(parameters):
        (W, c), (A, b) = parameters
        Z = X @ W.T + c
        H = activation(Z)
        E = H @ A.T + b - Y
        dZ = E @ A * derivative(Z)
        return (E**2).sum() / 2, Network(Layer(dZ.T @ X, dZ.sum(axis=0)), Layer(E.T @ H, E.sum(axis=0)))

    encoder = Layer(rng.normal(size=(4, 3)), rng.normal(size=4))
    return function, Network(encoder, Layer(rng.normal(size=(2, 4)), np.zeros(2)))


def tanh_network(rng):
    return network(np.tanh, lambda Z: 1 - np.tanh(Z) ** 2, rng)


def relu_network(rng):
    return network(lambda Z: np.maximum(Z, 0), lambda Z: 1.0 * (Z > 0), rng)


def satlin_network(rng):
    return network(lambda Z: np.clip(Z, 0, 1), lambda Z: 1.0 * (Z > 0) * (Z < 1), rng, n_samples=60)


RIGHT = [
    quadratic,
    quadratic_at_its_minimum,
    exp_sum,
    logsumexp,
    linear,
    constant,
    bilinear,
    offset,
    tiny_scale,
    huge_scale,
    huge_value,
    tiny_value,
    arrays_of_all_scales,
    saturated,
    cancelling,
    edge_of_domain,
    tanh_network,
    relu_network,
    satlin_network,
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("case", RIGHT)
def test_right_gradients_pass(case, seed):
    function, parameters = case(np.random.default_rng(seed))
    report = check(function, parameters, seed)
    assert report.passed, str(report)
    assert report.verdict == "right"
    assert report.max_relative_error < 2e-8
    assert all(row.n_checked == row.size and not row.kinks for row in report.arrays)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", [quadratic, exp_sum, logsumexp, bilinear, huge_scale, tiny_value, tanh_network])
def test_right_gradients_have_slope_2_and_nine_digits(case, seed):
    report = check(*case(np.random.default_rng(seed)), seed)
    assert report.max_relative_error < 1e-9
    assert report.taylor_slope == pytest.approx(2, abs=0.05)
    assert [row.taylor_slope for row in report.arrays] == pytest.approx([2] * len(report.arrays), abs=0.1)


@pytest.mark.parametrize("case", [linear, constant])
def test_a_linear_function_has_no_remainder_and_is_right(case):
    report = check(*case(np.random.default_rng(0)))
    assert report.passed
    assert report.taylor_slope == np.inf
    assert report.to_dict()["taylor_slope"] is None


def test_a_right_element_costs_six_evaluations():
    report = check(lambda x: (np.sin(x).sum(), np.cos(x)), np.random.default_rng(0).normal(size=500))
    assert report.passed
    assert report.n_evaluations < 6 * 500 + 80


# ------------------------------------------------------------------------------------------------------ wrong gradients


def planted(case, change, seed=0):
    function, parameters = case(np.random.default_rng(seed))

    def mutant(parameters):
        value, gradient = function(parameters)
        return value, change(gradient)

    return check(mutant, parameters, seed)


def in_part(layer, field, change):
    """Return a change of one array of a network's gradient."""

    def changed(gradient):
        part = getattr(gradient, layer)
        return gradient._replace(**{layer: part._replace(**{field: change(getattr(part, field))})})

    return changed


def element(index, change):
    def changed(array):
        array = np.array(array)
        array[index] = change(array[index])
        return array

    return changed


PLANTED = {
    "factor 2": (quadratic, lambda g: 2 * g, "x", None),
    "sign": (logsumexp, lambda g: -g, "x", None),
    "natural logarithm for bits": (exp_sum, lambda g: g / np.log(2), "x", None),
    "transposed": (bilinear, np.transpose, "x", None),
    "sum for mean": (tanh_network, in_part("decoder", "c", lambda g: g / 30), "decoder.c", None),
    "zeroed array": (tanh_network, in_part("encoder", "c", np.zeros_like), "encoder.c", None),
    "zeroed array at a kinked point": (relu_network, in_part("decoder", "W", np.zeros_like), "decoder.W", None),
    "sign of an array": (relu_network, in_part("encoder", "W", np.negative), "encoder.W", None),
    "one element by 1 %": (
        tanh_network,
        in_part("encoder", "W", element((2, 1), lambda g: 1.01 * g)),
        "encoder.W",
        (2, 1),
    ),
    "one by 0.01 among kinks": (
        relu_network,
        in_part("encoder", "c", element(1, lambda g: g + 0.01)),
        "encoder.c",
        (1,),
    ),
    "one by 1e-5": (tanh_network, in_part("decoder", "W", element((1, 3), lambda g: 1.00001 * g)), "decoder.W", (1, 3)),
    "a zero of the linear": (linear, element(3, lambda g: 0 * g), "x", (3,)),
    "in a flat direction": (saturated, element(1, lambda g: 1e-3), "x", (1,)),
    "in a constant": (constant, element(2, lambda g: 1e-9), "x", (2,)),
    "at a minimum": (quadratic_at_its_minimum, element(2, lambda g: 1e-3), "x", (2,)),
    "at scale 1e-8": (tiny_scale, element(4, lambda g: 0.99 * g), "x", (4,)),
    "at scale 1e8": (huge_scale, element(4, lambda g: 0.99 * g), "x", (4,)),
    "value of 1e-8": (tiny_value, element(0, lambda g: 0.99 * g), "x", (0,)),
    "faint array": (arrays_of_all_scales, lambda g: [g[0], element(1, lambda h: 1.01 * h)(g[1])], "[1]", (1,)),
    "beside an offset": (offset, element(3, lambda g: 1.01 * g), "x", (3,)),
}


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("seed", range(3))
def test_planted_errors_are_caught_and_located(name, seed):
    case, change, array, index = PLANTED[name]
    report = planted(case, change, seed)
    assert report.verdict == "wrong", str(report)
    assert not report.passed
    assert report.worst.name == array
    assert index is None or report.worst.index == index
    assert [row.name for row in report.arrays if row.status == "wrong"] == [array]
    assert index is None or sum(row.n_wrong for row in report.arrays) == 1
    assert report.taylor_slope < 1.4  # 1.34 for the error of 1e-5, which shows at the shortest steps only


def test_dropped_term_is_caught_where_it_was_dropped():
    rng = np.random.default_rng(0)
    M = rng.normal(size=(3, 3))
    report = check(lambda x: (np.trace(M @ x @ x), (x @ M).T), rng.normal(size=(3, 3)))
    assert report.verdict == "wrong"
    assert report.arrays[0].n_wrong == 9


def weighted_square(n, wrong=None):
    rng = np.random.default_rng(n)
    weights, trust = rng.uniform(0.5, 2, size=n), np.ones(n)
    if wrong is not None:
        trust[wrong] = 1.01
    return lambda x: (weights @ (x * x) / 2, weights * trust * x), 1 + rng.normal(size=n) ** 2


def test_one_element_among_5000_is_found():
    report = check(*weighted_square(5000, wrong=1234))
    assert report.verdict == "wrong"
    assert report.worst.label == "x[1234]"
    assert report.arrays[0].n_wrong == 1
    assert report.taylor_slope == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_one_element_among_5000_is_found_by_bisection(seed):
    report = check(*weighted_square(5000, wrong=4321 - seed), seed, max_elements=10)
    assert report.verdict == "wrong"
    assert report.worst.index == (4321 - seed,)
    assert report.n_evaluations < 300


def test_right_gradients_pass_with_few_elements():
    report = check(*weighted_square(5000), max_elements=10)
    assert report.passed
    assert report.arrays[0].n_checked == 10
    assert "10 of 5000" in str(report)
    assert check(*weighted_square(5), max_elements=10).arrays[0].n_checked == 5


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("case", [tanh_network, relu_network, satlin_network, logsumexp])
def test_few_elements_raise_no_false_alarm(case, seed):
    assert check(*case(np.random.default_rng(seed)), seed, max_elements=2).passed


def test_what_wrong_elements_have_in_common_is_said():
    assert "analytic = 2 x numeric in each of 5" in str(planted(quadratic, lambda g: 2 * g))
    assert "transpose" in str(planted(bilinear, np.transpose))
    assert "analytic = 0 x numeric" in str(planted(exp_sum, np.zeros_like))
    assert planted(tanh_network, in_part("encoder", "c", lambda g: g + 1)).arrays[1].remark == ""


# ---------------------------------------------------------------------------------------------------------------- kinks


def absolute(x):
    return np.abs(x).sum(), np.sign(x)


def test_a_kink_at_the_point_is_accepted_and_named():
    report = check(absolute, np.array([1.0, 0.0, -2.0, 0.0]))
    assert report.passed
    assert report.arrays[0].status == "kink"
    assert report.arrays[0].kinks == ("x[1]", "x[3]")
    assert "2 at a kink, accepted between its one-sided slopes: x[1], x[3]" in str(report)


@pytest.mark.parametrize("slope", [-1, -0.3, 1])
def test_any_value_between_the_one_sided_slopes_is_accepted(slope):
    report = check(
        lambda x: (np.abs(x).sum() + np.exp(x).sum(), np.where(x, np.sign(x), slope) + np.exp(x)), np.zeros(2)
    )
    assert report.passed
    assert len(report.arrays[0].kinks) == 2


def test_a_value_outside_of_the_one_sided_slopes_is_not():
    assert check(lambda x: (np.abs(x).sum(), np.full(2, 1.5)), np.zeros(2)).verdict == "inconclusive"
    assert check(lambda x: (np.abs(x).sum(), np.full(2, 3.5)), np.zeros(2)).verdict == "wrong"


@pytest.mark.parametrize("distance", 10.0 ** np.arange(-1, -13, -1))
def test_a_kink_nearby_decides_nothing(distance):
    def function(x):
        return np.maximum(x - 1, 0).sum() + np.sin(x).sum(), 1.0 * (x > 1) + np.cos(x)

    for x in ([1 + distance, 0.3], [1 - distance, 0.3]):
        report = check(function, np.array(x))
        # 1e-8 is too near for steps below it, whose rounding is above the tolerance, and too far for the point itself
        assert report.passed or (report.verdict == "inconclusive" and 1e-9 < distance < 1e-7), str(report)
        assert not report.arrays[0].kinks or distance < 1e-7
        wrong = check(lambda x: (function(x)[0], function(x)[1] + [4, 0]), np.array(x))
        assert wrong.verdict == "wrong"
        assert wrong.worst.index == (0,)


@pytest.mark.parametrize("seed", range(20))
def test_networks_full_of_kinks_raise_no_false_alarm(seed):
    assert check(*satlin_network(np.random.default_rng(seed)), seed).passed


# ---------------------------------------------------------------------------------------------------------------- noise


def noisy(size, factor=1.0):
    def function(x):
        noise = size * np.sqrt(12) * (zlib.crc32(x.tobytes()) / 2**32 - 0.5)
        return np.exp(x).sum() + noise, factor * np.exp(x)

    return function


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1e-12, 1e-9, 1e-6, 1e-3])
def test_noise_is_measured_and_never_called_wrong(size, seed):
    report = check(noisy(size), np.random.default_rng(seed).normal(size=6), seed)
    assert report.verdict == ("right" if size < 1e-11 else "inconclusive") or size == 1e-9, str(report)
    assert report.verdict != "wrong"
    assert size / 4 < report.noise < 4 * size
    assert report.max_relative_error == pytest.approx(abs(report.worst.numeric / report.worst.analytic - 1), rel=0.1)
    assert report.passed or f"noise of {report.noise:.0e}" in str(report)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1e-12, 1e-9, 1e-6, 1e-3])
def test_a_wrong_gradient_is_told_from_noise(size, seed):
    report = check(noisy(size, factor=2), np.random.default_rng(seed).normal(size=6), seed)
    assert report.verdict == "wrong"


def test_noise_is_tolerated_where_the_tolerance_allows_it():
    assert check(noisy(1e-9), np.linspace(-1, 1, 6), tolerance=1e-4).passed


def test_noise_leaves_elements_that_were_not_checked_in_doubt():
    def function(x):
        value, gradient = noisy(1e-6)(x)
        return value, gradient * np.r_[1, 1.00001, np.ones(x.size - 2)]

    report = check(function, np.linspace(-1, 1, 300), max_elements=5)
    assert report.verdict == "inconclusive"


@pytest.mark.parametrize("factor", [1, 2])
def test_single_precision_is_noise(factor):
    def function(x):
        return float(np.exp(x.astype(np.float32)).sum()), factor * np.exp(x)

    report = check(function, np.random.default_rng(0).normal(size=4))
    assert 1e-8 < report.noise < 1e-5
    assert report.verdict == ("right" if factor == 1 else "wrong")
    assert ("limited by noise in the value" in str(report)) == (factor == 1)
    assert factor == 2 or all(row.difference_error < 1e-3 for row in report.arrays)


@pytest.mark.parametrize("seed", range(5))
def test_single_precision_beside_an_offset_is_never_wrong(seed):
    def function(x):
        small = np.sum(np.sin(x.astype(np.float32)), dtype=np.float32)
        return float(np.float32(2e4) + small), np.cos(x)

    x = np.random.default_rng(seed).normal(size=5)
    assert check(function, x, seed).verdict == "inconclusive"
    assert check(lambda x: (function(x)[0], 5 * np.cos(x)), x, seed).verdict == "wrong"


@pytest.mark.parametrize("decimals", [2, 3, 5])
def test_a_rounded_value_is_never_wrong(decimals):
    x = np.random.default_rng(1).normal(size=5)
    report = check(lambda x: (round(float(np.sin(x).sum()), decimals), np.cos(x)), x)
    assert report.verdict != "wrong"
    wrong = check(lambda x: (round(float(np.sin(x).sum()), decimals), 3 * np.cos(x)), x).verdict
    assert wrong == ("wrong" if decimals > 2 else "inconclusive")


@pytest.mark.parametrize("factor", [0, 1.5])
def test_a_deviation_that_differences_resolve_is_wrong_beside_any_offset(factor):
    x = np.random.default_rng(1).normal(size=5)
    assert check(lambda x: (1e12 + x @ x, 2 * factor * x), x).verdict == "wrong"
    assert check(lambda x: (1e12 + x @ x, 2 * x), x).verdict != "wrong"


@pytest.mark.parametrize("wrong", [None, *range(5)])
@pytest.mark.parametrize("seed", range(3))
def test_many_scales_in_one_array(wrong, seed):
    scale = 10.0 ** np.linspace(-4, 4, 5)
    trust = np.where(np.arange(5) == (-1 if wrong is None else wrong), 1.01, 1.0)
    x = scale * np.random.default_rng(seed).normal(size=5)
    report = check(lambda x: (np.sin(x / scale).sum(), trust * np.cos(x / scale) / scale), x, seed)
    assert report.verdict == ("right" if wrong is None else "wrong")
    assert wrong is None or report.worst.index == (wrong,)


@pytest.mark.parametrize("rate", [1e3, 1e6, 1e9])
def test_fast_functions_at_zero(rate):
    assert check(lambda x: (np.sin(rate * x).sum(), rate * np.cos(rate * x)), np.zeros(2)).passed
    assert check(lambda x: (np.sin(rate * x).sum(), 2 * rate * np.cos(rate * x)), np.zeros(2)).verdict == "wrong"


# --------------------------------------------------------------------------------------------- the objective's contract


def test_chance_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="return the same each time"):
        check(lambda x: (x @ x + rng.normal(), 2 * x), np.ones(3))
    with pytest.raises(ValueError, match="fix its noise"):
        check(lambda x: (x @ x, 2 * x + rng.normal()), np.ones(3))


def test_rounding_that_differs_between_calls_is_no_chance():
    calls = iter(range(1000))
    assert check(lambda x: (x @ x * (1 + 1e-15 * (next(calls) % 2)), 2 * x), np.ones(3)).passed


def test_an_objective_that_changes_its_argument_is_refused():
    def function(parameters):
        parameters[1].W[0] += 1
        return 0.0, parameters

    parameters = [np.ones(2), Layer(np.ones(3), np.ones(1))]
    with pytest.raises(ValueError, match=r"must not change its argument, but changed \[1\]\.W"):
        check(function, parameters)
    assert parameters[1].W[0] == 1


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (Layer(np.ones((3, 2)), np.ones(2)), r"of W must have shape \(2, 3\), got \(3, 2\): it may be transposed"),
        (Layer(np.ones((2, 3)), np.ones((2, 1))), r"of c must have shape \(2,\), got \(2, 1\)"),
        (np.ones(8), r"form of the parameters, W \(2, 3\), c \(2,\), got x \(8,\)"),
        ((np.ones((2, 3)),), r"form of the parameters, .* got \[0\] \(2, 3\)"),
        ((np.ones((2, 3)), "c"), "form of the parameters, .* got tuple"),
        (None, "form of the parameters, .* got NoneType"),
        (Layer(np.ones((2, 3)), np.array([0, np.nan])), r"of c\[1\] must be finite, got nan"),
        (Layer(np.array([[0, 0, 0], [0, np.inf, 0]]), np.ones(2)), r"of W\[1, 1\] must be finite, got inf"),
    ],
)
def test_a_gradient_of_another_form_is_refused(gradient, message):
    with pytest.raises(ValueError, match=message):
        check(lambda _: (1.0, gradient), Layer(np.ones((2, 3)), np.ones(2)))


@pytest.mark.parametrize("value", [np.nan, np.inf, np.ones(1), np.ones(2)])
def test_a_value_that_is_no_finite_number_is_refused(value):
    with pytest.raises(ValueError, match="value must be one finite number"):
        check(lambda x: (value, x), np.ones(3))


def test_answers_of_another_kind_are_refused():
    with pytest.raises(TypeError, match="pair"):
        check(lambda x: x @ x, np.ones(3))
    with pytest.raises(TypeError, match="real numbers"):
        check(lambda x: (1j, x), np.ones(3))


def test_bad_arguments_are_refused():
    function, x = quadratic(np.random.default_rng(0))
    with pytest.raises(TypeError, match="rng must be a numpy Generator"):
        check_gradient(Objective(function), x, rng=0)
    with pytest.raises(ValueError, match="tolerance"):
        check(function, x, tolerance=0)
    with pytest.raises(ValueError, match="max_elements"):
        check(function, x, max_elements=0)
    with pytest.raises(ValueError, match="x must be finite, got nan"):
        check(function, np.array([1, np.nan]))


def test_steps_out_of_the_domain_are_not_taken_for_an_answer():
    def function(x):
        if x.min() <= 0:
            raise ValueError("x must be positive")
        return np.log(x).sum(), 1 / x

    assert check(function, np.array([0.02, 3.0])).passed


@pytest.mark.parametrize("error", [np.linalg.LinAlgError, AssertionError, RuntimeError, KeyError, TypeError])
def test_any_exception_at_another_point_is_a_boundary_of_the_domain(error):
    def function(x):
        if x.min() <= 0:
            raise error("outside")
        return np.log(x).sum(), 1 / x

    assert check(function, np.array([1e-3, 3.0])).passed
    with pytest.raises(error, match="outside"):
        check(function, np.array([-1.0, 3.0]))


def test_functions_in_place_of_an_objective():
    x = np.linspace(-1, 1, 4)
    for gradient in (np.cos, np.cos(x)):
        assert check_gradient(lambda x: np.sin(x).sum(), x, gradient=gradient).passed
    assert check_gradient(lambda x: np.sin(x).sum(), x, gradient=np.sin).verdict == "wrong"
    assert check_gradient(lambda x: (np.sin(x).sum(), np.cos(x)), x).passed
    assert check_gradient(lambda p: (p["a"] @ p["a"], {"a": 2 * p["a"]}), {"a": x}).arrays[0].name == "a"
    with pytest.raises(TypeError, match="objective must be a function"):
        check_gradient(3, x)
    with pytest.raises(TypeError, match="its own value_and_gradient"):
        check_gradient(Objective(lambda x: (0.0, x)), x, gradient=np.cos)


def test_differences_ask_for_values_only_where_they_can():
    class Slow:
        gradients = 0

        def value_only(self, x):
            return float(np.exp(x).sum())

        def value_and_gradient(self, x):
            self.gradients += 1
            return self.value_only(x), np.exp(x)

    objective = Slow()
    report = check_gradient(objective, np.linspace(-1, 1, 50))
    assert report.passed
    assert (objective.gradients, report.n_evaluations > 300) == (2, True)
    objective.value_only = lambda x: 1.0
    objective.value_and_gradient = lambda x: (2.0, 0 * x)
    with pytest.raises(ValueError, match=r"value_only must return what value_and_gradient does, 2\.0, got 1\.0"):
        check_gradient(objective, np.ones(2))


def test_nothing_defined_nearby_is_inconclusive():
    report = check(lambda x: (1.0 if np.array_equal(x, [1, 2]) else np.nan, x), np.array([1, 2]))
    assert report.verdict == "inconclusive"
    json.dumps(report.to_dict(), allow_nan=False)


# ------------------------------------------------------------------------------------------------------ no state behind


def state():
    return np.random.get_state()[1].tolist(), random.getstate(), np.geterr(), warnings.filters[:]  # noqa: NPY002


def test_no_state_is_left_behind():
    function, parameters = tanh_network(np.random.default_rng(0))
    before, arrays = state(), [array.copy() for layer in parameters for array in layer]
    check(function, parameters)
    assert state() == before
    assert all(np.array_equal(a, b) for a, b in zip(arrays, (a for layer in parameters for a in layer), strict=True))


def test_a_warning_of_the_objective_comes_through():
    def function(x):
        warnings.warn("singular", UserWarning, stacklevel=2)
        return x @ x, 2 * x

    with pytest.warns(UserWarning, match="singular"):
        assert check(function, np.ones(2)).passed


def test_an_objective_may_reuse_its_buffer():
    buffer = np.empty(3)

    def function(x):
        np.multiply(2, x, out=buffer)
        return x @ x, buffer

    assert check(function, np.ones(3)).passed


def test_the_same_generator_gives_the_same_report():
    function, parameters = relu_network(np.random.default_rng(0))
    assert check(function, parameters, 3) == check(function, parameters, 3)


# ----------------------------------------------------------------------------------------------------------- the report


def test_elements_are_named_by_their_place():
    Model = namedtuple("Model", "encoder scale")
    model = Model([Layer(np.ones((3, 6)), np.ones(3)), Layer(np.ones((2, 2)), np.ones(2))], 2.0)

    def function(p):
        gradient = Model([Layer(2 * w, 2 * c) for w, c in p.encoder], 2 * p.scale)
        gradient.encoder[0].W[2, 5] = 7
        return sum((w**2).sum() + (c**2).sum() for w, c in p.encoder) + p.scale**2, gradient

    report = check(function, model)
    assert [row.name for row in report.arrays] == [
        "encoder[0].W",
        "encoder[0].c",
        "encoder[1].W",
        "encoder[1].c",
        "scale",
    ]
    assert report.worst.label == "encoder[0].W[2, 5]"
    assert report.worst[:3] == ("encoder[0].W", (2, 5), 7)
    assert report.worst.numeric == pytest.approx(2)
    assert report.arrays[-1].worst.label == "scale"


def test_the_table_names_the_worst_of_each_array_and_the_verdict():
    report = planted(tanh_network, in_part("encoder", "W", element((2, 1), lambda g: 1.01 * g)))
    lines = str(report).splitlines()
    assert lines[0].split()[:3] == ["array", "checked", "worst"]
    assert len(lines) == 1 + 4 + 1
    assert "encoder.W[2, 1]" in lines[1]
    assert lines[1].endswith("wrong")
    assert all(line.endswith("right") for line in lines[2:5])
    assert lines[-1].startswith("WRONG at tolerance 1e-06: 1 of 26 elements are wrong; encoder.W[2, 1]")


def test_the_report_serialises():
    report = planted(tanh_network, in_part("encoder", "W", element((2, 1), lambda g: 1.01 * g)))
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain["verdict"] == "wrong"
    assert plain["passed"] is False
    assert plain["worst"] == {**report.worst._asdict(), "index": [2, 1]}
    assert plain["max_relative_error"] == report.max_relative_error == pytest.approx(0.01 / 1.01)
    assert [row["name"] for row in plain["arrays"]] == ["encoder.W", "encoder.c", "decoder.W", "decoder.c"]
    assert plain["arrays"][0]["worst"]["name"] == "encoder.W"


def test_arrays_can_be_chosen_by_name():
    parameters = {"W": np.ones((2, 2)), "b": np.ones(2)}

    def function(p):
        return (p["W"] ** 2).sum() + (p["b"] ** 2).sum(), {"W": 2 * p["W"], "b": 3 * p["b"]}

    assert check_gradient(function, parameters).verdict == "wrong"
    report = check_gradient(function, parameters, names=["W"])
    assert report.passed
    assert [row.name for row in report.arrays] == ["W"]
    for bad in (["c"], [], "W", ["W", "c"]):
        with pytest.raises(ValueError, match="names must be some of W, b"):
            check_gradient(function, parameters, names=bad)


def test_what_sampling_can_miss_is_said():
    report = check(*weighted_square(500), max_elements=10)
    assert "490 elements were not checked individually" in str(report)
    assert "not checked" not in str(check(*weighted_square(10)))


@pytest.mark.parametrize("factor", [1, 2])
def test_the_plot_shows_the_taylor_errors(factor):
    pytest.importorskip("matplotlib").use("Agg")
    report = check(lambda x: (np.exp(x).sum(), factor * np.exp(x)), np.linspace(-1, 1, 5))
    ax = report.plot()
    h, errors = ax.lines[0].get_data()
    long = h > 1e-3
    slope = np.polyfit(np.log(h[long]), np.log(errors[long]), 1)[0]
    assert slope == pytest.approx(3 - factor, abs=0.2)
    assert report.plot(ax) is ax
    ax.figure.clear()


def test_many_parameters_of_a_cheap_objective():
    function, x = weighted_square(100_000)
    report = check(function, x, max_elements=100)
    assert report.passed
    assert report.n_evaluations < 1000


# ------------------------------------------------------------------------------------------------------- many values


MIX = np.random.default_rng(3).normal(size=(4, 3))
AT = {"u": np.array([0.3, -1.2, 0.8]), "s": np.array(2.0), "none": None, "empty": np.zeros((0, 2))}


def of_many(x):
    return {"a": np.tanh(MIX @ x["u"]), "b": [1e3 * x["u"] ** 2 * x["s"], None]}


def jvp_of_many(x, v):
    slope = 1 - np.tanh(MIX @ x["u"]) ** 2
    return {
        "a": slope * (MIX @ v["u"]),
        "b": [1e3 * (2 * x["u"] * v["u"] * x["s"] + x["u"] ** 2 * v["s"]), None],
    }


def vjp_of_many(x, w):
    a, b = (1 - np.tanh(MIX @ x["u"]) ** 2) * w["a"], 1e3 * w["b"][0]
    return {**x, "u": MIX.T @ a + 2 * x["u"] * x["s"] * b, "s": np.sum(x["u"] ** 2 * b)}


PRODUCTS = [{"jvp": jvp_of_many}, {"vjp": vjp_of_many}, {"jvp": jvp_of_many, "vjp": vjp_of_many}]


@pytest.mark.parametrize("products", PRODUCTS)
@pytest.mark.parametrize("seed", range(3))
def test_products_with_the_jacobian_are_right(products, seed):
    report = check_gradient(of_many, AT, **products, rng=np.random.default_rng(seed))
    assert report.passed
    assert [row.name for row in report.arrays] == ["u", "s", *(["⟨w, Jv⟩ = ⟨Jᵀw, v⟩"] if len(products) == 2 else [])]
    assert report.max_relative_error < 1e-8


def one_wrong(function, key, index, factor):
    def wrong(x, direction):
        found = function(x, direction)
        part = np.array(found[key] if key != "b" else found[key][0], dtype=float)
        part[index] *= factor
        return found | {key: part if key != "b" else [part, None]}

    return wrong


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.001])
@pytest.mark.parametrize(("key", "index"), [("a", 3), ("b", 1)])
def test_one_wrong_value_of_a_jvp_is_found(key, index, factor):
    wrong = one_wrong(jvp_of_many, key, index, factor)
    assert check_gradient(of_many, AT, jvp=wrong).verdict == "wrong"
    report = check_gradient(of_many, AT, jvp=wrong, vjp=vjp_of_many)
    assert report.verdict == "wrong"
    assert [row.status for row in report.arrays] == ["right", "right", "wrong"]
    assert "jvp and vjp are not of one Jacobian" in str(report)


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.001])
@pytest.mark.parametrize(("key", "index"), [("u", 2), ("s", ())])
def test_one_wrong_element_of_a_vjp_is_located(key, index, factor):
    wrong = one_wrong(vjp_of_many, key, index, factor)
    for products in ({"vjp": wrong}, {"vjp": wrong, "jvp": jvp_of_many}):
        report = check_gradient(of_many, AT, **products)
        assert report.verdict == "wrong"
        assert {row.name for row in report.arrays if row.status == "wrong"} >= {key}
        assert next(row for row in report.arrays if row.name == key).worst.index == ((2,) if key == "u" else ())


def test_products_that_jax_makes_are_right():
    needed("jax")
    import jax

    def function(x):
        return jax.numpy.sin(x["W"] @ x["c"]), x["c"].sum()

    def vjp(x, w):
        (found,) = jax.vjp(function, jax.tree.map(jax.numpy.asarray, x))[1](jax.tree.map(jax.numpy.asarray, w))
        return jax.tree.map(np.asarray, found)

    def jvp(x, v):
        return jax.tree.map(np.asarray, jax.jvp(function, (x,), (v,))[1])

    rng = np.random.default_rng(0)
    x = {"W": rng.normal(size=(3, 2)), "c": rng.normal(size=2)}
    with jax.enable_x64(True):
        assert check_gradient(lambda x: jax.tree.map(np.asarray, function(x)), x, jvp=jvp, vjp=vjp).passed


def test_products_and_their_arguments_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match="jvp and vjp are for a function"):
        check_gradient(of_many, AT, jvp=jvp_of_many, gradient=AT)
    with pytest.raises(TypeError, match="jvp and vjp are for a function"):
        check_gradient("f", AT, jvp=jvp_of_many)
    with pytest.raises(ValueError, match=r"jvp\(x, v\) must have the form of f\(x\)"):
        check_gradient(of_many, AT, jvp=lambda x, v: v)
    with pytest.raises(ValueError, match="the gradient must have the form of the parameters"):
        check_gradient(of_many, AT, vjp=lambda x, w: w)
    with pytest.raises(ValueError, match="value must be one finite number"):
        check_gradient(lambda x: of_many(x) | {"a": np.full(4, np.nan)}, AT, vjp=vjp_of_many)


def test_none_and_empty_arrays_are_passed_over():
    report = check_gradient(lambda x: (float(np.sum(x["u"] ** 2)), AT | {"u": 2 * x["u"], "s": np.array(0.0)}), AT)
    assert report.passed
    assert [row.name for row in report.arrays] == ["u", "s"]
    assert not check_gradient(lambda x: (float(np.sum(x["u"] ** 2)), AT), AT).passed
    for nothing in (np.zeros((0, 2)), {"a": np.zeros(0), "b": None}):
        with pytest.raises(ValueError, match="at least one number"):
            check_gradient(lambda x: (0.0, x), nothing)
