"""Everything is compared with `literal`, which is written from the definitions and shares no code with the package."""

import itertools
import json
import math
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from frameworks import needed
from scipy.spatial.distance import cdist

from rdae_ref import Parameters, RateDistortion
from rdae_ref.cli import main
from rdae_ref.verify.compare import CONVENTIONS, SNIPPETS, compare, compare_file, write_template
from rdae_ref.verify.compare.arrays import LIMITS
from rdae_ref.verify.compare.settings import Settings
from rdae_ref.verify.compare.variants import NAMES, Problem, Variants

SETTINGS = {"activation": "logsig", "alpha": 1.01, "mu": 1.3, "sigma_x": 0.7, "sigma_xhat": 0.45}
GRADIENTS = ("dW", "dc", "dA", "db")
SCALARS = ("value", "joint_entropy", "output_entropy", "conditional_entropy", "distortion")


def point(N=9, d=3, p=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, d))
    return X, Parameters(*(0.8 * rng.normal(size=shape) for shape in ((p, d), (p,), (d, p), (d,))))


OURS = {
    "log": np.log2,
    "gamma": lambda s: 1 / (2 * s**2),
    "sigmas": lambda sx, sxhat: (sx, sxhat),
    "divide": lambda K: len(K),
    "joint": lambda K_X, K: len(K),
    "D": lambda N, d: 1 / N,
    "half": 1.0,
    "weights": lambda mu, N, d: (1.0, mu),
    "sign": (1, 1, -1),  # of the value, of the gradients, of the distortion
    "gradient_log": None,
    "slope": lambda gamma: gamma,
    "off_diagonal": 1.0,
    "Gprime": lambda G: G,
    "A23": lambda A: A,
    "shift": lambda N: 0.0,
}

# The conventions as changes of the definitions, one for each key of the package's own table.
CHANGES = {
    "natural_log": {"log": np.log},
    "log10": {"log": np.log10},
    "kernel_sigma2": {"gamma": lambda s: 1 / s**2},
    "kernel_sigma": {"gamma": lambda s: 1 / s},
    "kernel_variance": {"gamma": lambda s: 1 / (2 * s)},
    "kernel_gamma": {"gamma": lambda s: s},
    "kernel_4sigma2": {"gamma": lambda s: 1 / (4 * s**2)},
    "sigma_x_for_both": {"sigmas": lambda sx, sxhat: (sx, sx)},
    "sigma_xhat_for_both": {"sigmas": lambda sx, sxhat: (sxhat, sxhat)},
    "sigmas_swapped": {"sigmas": lambda sx, sxhat: (sxhat, sx)},
    "gram_over_trace": {"divide": np.trace},
    "gram_raw": {"divide": lambda K: 1.0},
    "joint_without_n": {"joint": lambda K_X, K: 1.0},
    "joint_over_trace": {"joint": lambda K_X, K: 1 / np.trace(K_X * K)},
    "distortion_sum": {"D": lambda N, d: 1.0},
    "distortion_mean": {"D": lambda N, d: 1 / (N * d)},
    "distortion_half": {"half": 0.5},
    "mu_half": {"weights": lambda mu, N, d: (1.0, mu / 2)},
    "mu_times_n": {"weights": lambda mu, N, d: (1.0, N * mu)},
    "mu_over_d": {"weights": lambda mu, N, d: (1.0, mu / d)},
    "mu_on_entropy": {"weights": lambda mu, N, d: (mu, 1.0)},
    "entropy_over_mu": {"weights": lambda mu, N, d: (1 / mu, 1.0)},
    "minimised": {"sign": (-1, -1, -1)},
    "downhill": {"sign": (1, -1, -1)},
    "distortion_added": {"sign": (1, 1, 1)},
    "gradient_in_nats": {"gradient_log": np.log},
    "edges_without_size": {"slope": lambda gamma: 1.0},
    "edges_over_sigma2": {"slope": lambda gamma: 2 * gamma},
    "off_diagonal_half": {"off_diagonal": 0.5},
    "off_diagonal_double": {"off_diagonal": 2.0},
    "eq19_reshaped": {"Gprime": lambda G: G.reshape(G.T.shape).T},
}
ELSEWHERE = {  # tested where they apply: at α < 1, at α = 2, at base ≠ 2, at p = d
    *("eigenvalues_clipped", "eigenvalues_dropped", "eigenvalues_absolute"),
    *("frobenius_over_n2", "log2", "eq23_printed"),
}


def literal(X, parameters, *, activation, alpha, mu, sigma_x, sigma_xhat, **changes):
    """Compute (25), all that leads to it and its gradient, from the definitions, with changes."""
    how = OURS | changes
    W, c, A, b = parameters
    N, d = X.shape
    assert activation == "logsig"
    H = 1 / (1 + np.exp(-(X @ W.T + c)))
    Xhat, G1 = H @ A.T + b, H * (1 - H)
    gammas = [how["gamma"](s) for s in how["sigmas"](sigma_x, sigma_xhat)]
    K_X, K = (np.exp(-g * cdist(Y, Y, "sqeuclidean")).astype(X.dtype) for g, Y in zip(gammas, (X, Xhat), strict=True))
    K_X, K = K_X / how["divide"](K_X), K / how["divide"](K)
    m = how["joint"](K_X, K)
    (S_joint, dJ), (S_output, dK) = (entropy(M, alpha, how["log"]) for M in (m * K_X * K, K))
    S_joint, S_output = S_joint + how["shift"](N), S_output + how["shift"](N)
    D = how["D"](N, d) * how["half"] * np.sum((X - Xhat) ** 2)
    w_S, w_D = how["weights"](mu, N, d)
    of_value, of_gradient, of_D = how["sign"]

    unit = 1.0 if how["gradient_log"] is None else float(how["log"](math.e))  # dJ and dK are in the unit of the value
    T = (m * K_X * dJ - dK) / unit * how["off_diagonal"] * K
    differences = Xhat[:, None, :] - Xhat[None, :, :]
    dS = -4 * how["slope"](gammas[1]) * np.einsum("ij,ijk->ik", T, differences)
    dD = -2 * how["D"](N, d) * how["half"] * (X - Xhat)
    back_S, back_D = dS @ A * how["Gprime"](G1), dD @ how["A23"](A) * G1
    gradients = {
        "dXhat": w_S * dS + of_D * w_D * dD,
        "dW": w_S * back_S.T @ X + of_D * w_D * back_D.T @ X,
        "dc": w_S * back_S.sum(0) + of_D * w_D * back_D.sum(0),
        "dA": w_S * dS.T @ H + of_D * w_D * dD.T @ H,
        "db": of_D * w_D * dD.sum(0),
    }
    terms = {"joint_entropy": S_joint, "output_entropy": S_output, "conditional_entropy": S_joint - S_output}
    value = of_value * (w_S * (S_joint - S_output) + of_D * w_D * D)
    scaled = {name: of_gradient * array for name, array in gradients.items()}
    return {"Xhat": Xhat, "K_X": K_X, "K_Xhat": K, "distortion": D, **terms, "value": value, **scaled}


def entropy(M, alpha, log):
    values, V = np.linalg.eigh(M)
    values = np.maximum(values, 1e-30 if alpha <= 1 else 0)
    if alpha == 1:
        return -np.sum(values * log(values)), -(V * (np.log(values) + 1)) @ V.T * float(log(math.e))
    trace = np.sum(values**alpha)
    return log(trace) / (1 - alpha), alpha / (1 - alpha) / trace * (V * values ** (alpha - 1)) @ V.T * float(
        log(math.e)
    )


def verdict_on(results, where=None, **settings):
    X, parameters = where or point()
    return compare(X, parameters, results, **SETTINGS | settings)


def under(*keys, where=None, **settings):
    X, parameters = where or point()
    changes = {name: change for key in keys for name, change in CHANGES[key].items()}
    return literal(X, parameters, **SETTINGS | settings, **changes)


def same(first, second):
    one, other = (np.concatenate([np.ravel(arrays[name]) for name in first]) for arrays in (first, second))
    return np.allclose(one, other, rtol=1e-9, atol=1e-11)


def named(comparison):
    return {frozenset(keys) for keys in comparison.explanation.alternatives}


# ------------------------------------------------------------------------------------------------ what stands for ours


@pytest.mark.parametrize("alpha", [1.01, 1.0, 2.0, 3.0, math.inf])
def test_without_any_convention_the_variants_are_the_package(alpha):
    X, parameters = point()
    settings = SETTINGS | {"alpha": alpha}
    variants = Variants(Problem(X, parameters, base=2.0, **settings))
    ours = {name: variants.predict(name, Settings()).array for name in NAMES}
    objective = RateDistortion(X, **settings)
    value, gradient = objective.value_and_gradient(parameters)
    expected = objective.terms(parameters)._asdict() | {"value": value, "K_X": objective.K_X}
    expected |= dict(zip(GRADIENTS, gradient, strict=True))
    for name, array in expected.items():
        np.testing.assert_allclose(ours[name], array, rtol=1e-11, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("alpha", [1.0, 1.01, 2.0, 3.0, 10.0])
def test_the_definitions_written_out_agree(alpha):
    comparison = verdict_on(under(alpha=alpha), alpha=alpha)
    assert comparison.verdict == "agrees"
    assert comparison.explanation is None
    assert "AGREES" in str(comparison)


def test_every_convention_of_the_table_is_tested_here():
    assert set(CHANGES) | ELSEWHERE == {convention.key for convention in CONVENTIONS}


# -------------------------------------------------------------------------------------------------- what is explained


@pytest.fixture(scope="module")
def singles():
    return {key: under(key) for key in CHANGES}


@pytest.mark.parametrize("key", CHANGES)
def test_each_convention_is_named(key, singles):
    comparison = verdict_on(singles[key])
    if same(singles[key], under()):
        assert key in ("gram_over_trace", "joint_over_trace")
        assert comparison.agrees
        assert any("K/tr K" in note and "over its trace" in note for note in comparison.notes)
    else:
        assert comparison.verdict == "explained"
        assert named(comparison) == {frozenset([other]) for other in singles if same(singles[other], singles[key])}
        assert comparison.explanation.strong


def belong_together(first, second):
    return not set(CHANGES[first]) & set(CHANGES[second])


@pytest.mark.parametrize("first", CHANGES)
def test_each_pair_is_named(first, singles):
    ours = under()
    for second in itertools.takewhile(lambda key: key != first, CHANGES):
        if not belong_together(first, second):
            continue
        arrays = under(first, second)
        comparison = verdict_on(arrays)
        if same(arrays, ours):
            assert comparison.agrees, (first, second)
            continue
        assert comparison.verdict == "explained", (first, second)
        simpler = {frozenset([key]) for key in singles if same(singles[key], arrays)}
        assert named(comparison) >= (simpler or {frozenset([first, second])}), (first, second)


@pytest.mark.parametrize("names", [("value",), ("dW",), ("dA", "db"), ("value", *GRADIENTS), ("K_Xhat",), SCALARS])
def test_any_subset_names_the_conventions_that_it_shows(names, singles):
    ours = under()
    for key, arrays in singles.items():
        given = {name: arrays[name] for name in names}
        comparison = verdict_on(given)
        if same(given, ours):
            assert comparison.agrees
        else:
            assert frozenset([key]) in named(comparison), (names, key)


def test_what_cannot_be_told_apart_is_named_together(singles):
    where = point(d=2)
    halves = under("mu_half", where=where)
    shown = {name: halves[name] for name in ("value", *GRADIENTS)}
    expected = {"distortion_half", "mu_half", "mu_over_d", "distortion_mean"}
    assert named(verdict_on(shown, where)) == {frozenset([key]) for key in expected}
    assert named(verdict_on(halves, where)) == {frozenset([key]) for key in ("mu_half", "mu_over_d")}
    # With the gradient alone, nats and a missing 1/ln 2 are one thing; the value tells them apart.
    gradients = {name: singles["natural_log"][name] for name in GRADIENTS}
    assert named(verdict_on(gradients)) == {frozenset(["natural_log"]), frozenset(["gradient_in_nats"])}
    assert named(verdict_on(singles["gradient_in_nats"])) == {frozenset(["gradient_in_nats"])}


def test_the_form_of_a_kernel_is_also_said_as_a_size(singles):
    comparison = verdict_on(singles["kernel_sigma2"])
    (sentence,) = comparison.explanation.sentences
    assert sentence == "the kernel exp(−d²/σ²) (as our kernel with sigma_x = 0.494975, sigma_xhat = 0.318198)"
    rescaled = under(sigma_x=SETTINGS["sigma_x"] / math.sqrt(2), sigma_xhat=SETTINGS["sigma_xhat"] / math.sqrt(2))
    assert named(verdict_on(rescaled)) == named(comparison)
    # At σ = ½ the kernels exp(−d²/σ) and exp(−d²/(2σ²)) are one, at σ = 1 those with σ² and σ are.
    at_one = {"sigma_x": 1.0, "sigma_xhat": 1.0}
    both = named(verdict_on(under("kernel_sigma", **at_one), **at_one))
    assert both == {frozenset([key]) for key in ("kernel_sigma", "kernel_sigma2", "kernel_gamma")}
    at_half = {"sigma_x": 0.5, "sigma_xhat": 0.5}
    assert verdict_on(under("kernel_sigma", **at_half), **at_half).agrees


def test_the_sentence_of_a_pair_reads():
    comparison = verdict_on({"value": under("natural_log", "kernel_sigma2")["value"]})
    assert "value: equal ours with the natural logarithm and the kernel exp(−d²/σ²)" in str(comparison)
    assert "strong evidence" in str(comparison)


def test_three_conventions_at_once():
    keys = ("natural_log", "distortion_mean", "minimised")
    assert frozenset(keys) in named(verdict_on(under(*keys)))


def test_base_is_that_of_the_settings():
    comparison = verdict_on(under(), base=math.e)
    assert named(comparison) == {frozenset(["log2"])}
    assert verdict_on(under("natural_log"), base=math.e).agrees


def test_frobenius_norm_over_n_squared():
    X, parameters = point()
    arrays = literal(X, parameters, **SETTINGS | {"alpha": 2}, log=np.log, shift=lambda N: 2 * np.log(N))
    assert named(verdict_on(arrays, alpha=2)) == {frozenset(["natural_log", "frobenius_over_n2"])}


def test_at_alpha_one_the_trace_is_in_the_gradient_too():
    for key in ("gram_raw", "joint_without_n"):
        assert named(verdict_on(under(key, alpha=1), alpha=1)) == {frozenset([key])}
        gradients = {name: under(key, alpha=1)[name] for name in GRADIENTS}
        assert frozenset([key]) in named(verdict_on(gradients, alpha=1))


@pytest.mark.parametrize("rule", ["clipped", "dropped", "absolute"])
def test_eigenvalues_that_are_rounding_are_recognised_below_one(rule):
    X, parameters = point(N=60, d=2)
    settings = SETTINGS | {"alpha": 0.5}
    values = {}
    K_X, K = (under(where=(X, parameters))[name] for name in ("K_X", "K_Xhat"))
    for name, M in (("joint_entropy", 60 * K_X * K), ("output_entropy", K)):
        kept = np.linalg.eigvalsh(M)
        kept = np.abs(kept) if rule == "absolute" else kept[kept > 0]
        kept = kept / kept.sum() if rule == "dropped" else kept
        values[name] = 2 * np.log2(np.sum(np.sqrt(kept)))
    comparison = compare(X, parameters, values, **settings)
    assert comparison.verdict == "explained"
    assert frozenset([f"eigenvalues_{rule}"]) in named(comparison)
    assert compare(X, parameters, {"output_entropy": values["output_entropy"] * 1.01}, **settings).verdict == "wrong"


def test_gradients_at_a_singular_matrix_below_one_are_not_decided():
    X, parameters = point(N=60, d=2)
    settings = SETTINGS | {"alpha": 0.5}
    _, gradient = RateDistortion(X, **SETTINGS).value_and_gradient(parameters)
    comparison = compare(X, parameters, {"dW": gradient.W, "db": 2 * gradient.b}, **settings)
    assert [array.verdict for array in comparison.arrays] == ["undecided", "wrong"]
    assert "singular" in comparison.arrays[0].remark


def test_equations_23_and_24_as_printed():
    where = point(d=3, p=3)
    X, parameters = where
    arrays = literal(X, parameters, **SETTINGS, A23=lambda A: A.T)
    assert named(verdict_on(arrays, where)) == {frozenset(["eq23_printed"])}


# ----------------------------------------------------------------------------------------------------------- layouts


def test_transposed_and_reshaped_results_are_named():
    arrays = under()
    moved = {"dW": arrays["dW"].T, "dA": arrays["dA"].reshape(4, 3)}
    comparison = verdict_on(arrays | moved)
    assert comparison.verdict == "explained"
    assert comparison.explanation.explains == ("dW", "dA")
    assert comparison.explanation.layouts == ("dW transposed", "dA reshaped where it should be transposed")
    arrays = under("natural_log")
    comparison = verdict_on(arrays | {"dW": arrays["dW"].T})
    assert named(comparison) == {frozenset(["natural_log"])}
    assert "dW transposed" in str(comparison)


def test_a_square_result_that_is_transposed_is_named():
    where = point(d=3, p=3)
    arrays = under(where=where)
    assert verdict_on(arrays, where).agrees
    comparison = verdict_on(arrays | {"dW": arrays["dW"].T}, where)
    assert (comparison.verdict, comparison.explanation.layouts) == ("explained", ("dW transposed",))


@pytest.mark.parametrize(("N", "p"), [(9, 4), (9, 3), (3, 4)])
def test_transposed_inputs_are_read_and_their_results_expected_so(N, p):
    X, (W, c, A, b) = where = point(N=N, p=p)
    arrays = under(where=where)
    turned = (
        arrays | {"dW": arrays["dW"].T, "dA": arrays["dA"].T} | {name: arrays[name].T for name in ("Xhat", "dXhat")}
    )
    comparison = compare(X.T, Parameters(W.T, c, A.T, b), turned, **SETTINGS)
    assert comparison.agrees
    assert sum("was read as transposed" in note for note in comparison.notes) == 3


# ------------------------------------------------------------------------------------------ what is not explained away


def test_noise_is_wrong_and_the_report_says_where():
    rng = np.random.default_rng(1)
    arrays = {name: np.mean(np.abs(array)) * rng.normal(size=np.shape(array)) for name, array in under().items()}
    comparison = verdict_on(arrays)
    assert comparison.explanation is None
    assert {array.verdict for array in comparison.arrays} == {"wrong"}
    for name, array in arrays.items():
        alone = verdict_on({name: array})
        assert (alone.verdict, alone.explanation) == ("wrong", None)


@pytest.mark.parametrize("convention", [(), ("natural_log",), ("kernel_sigma2", "minimised")])
@pytest.mark.parametrize("name", NAMES)
def test_one_wrong_element_is_found_beside_any_convention(name, convention):
    arrays = under(*convention)
    wrong = np.array(arrays[name], dtype=float)
    index = tuple(n - 1 for n in wrong.shape)
    wrong[index] *= 1.01
    comparison = verdict_on(arrays | {name: wrong})
    (row,) = [array for array in comparison.arrays if array.verdict == "wrong"]
    assert row.name == name
    assert f"{name}{list(index) if index else ''} is {wrong[index]:.9g}, ours" in row.remark
    assert frozenset(convention) in (named(comparison) if comparison.explanation else {frozenset()})


@pytest.mark.parametrize("name", ["value", *GRADIENTS])
def test_the_wrong_sign_of_one_array_is_wrong(name):
    arrays = under()
    comparison = verdict_on(arrays | {name: -arrays[name]})
    assert {array.name for array in comparison.arrays if array.verdict == "wrong"} == {name}
    if name != "value":
        (row,) = [array for array in comparison.arrays if array.name == name]
        assert "each is -1 times ours" in row.remark
        assert "other arrays contradict" in row.remark


@pytest.mark.parametrize("n", [4, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("precision", [np.float64, np.float32])
def test_chance_explains_no_number(precision, n):
    rng = np.random.default_rng(2)
    value = under()["value"]
    for factor in 1 + rng.normal(size=n):
        comparison = verdict_on({"value": precision(factor * value)})
        assert comparison.verdict == "wrong" or (precision is np.float32 and comparison.verdict == "undecided")
        if comparison.verdict == "undecided":
            assert not comparison.explanation.strong
            assert "weak evidence" in str(comparison)


def test_large_parts_that_cancel_leave_no_room():
    # Unnormalised matrices shift both entropies by 101 log N at α = 1.01; their difference must still fit to rounding.
    assert verdict_on({"value": np.float32(under()["value"] * 1.01)}).verdict == "wrong"


# --------------------------------------------------------------------------------------------------------- precision


@pytest.mark.parametrize("alpha", [1.01, 2.0])
@pytest.mark.parametrize("keys", [(), ("natural_log",), ("kernel_sigma", "distortion_half")])
def test_float32_arrays_are_held_to_float32(alpha, keys):
    X, parameters = point(N=20)
    narrow = X.astype(np.float32), Parameters(*(array.astype(np.float32) for array in parameters))
    arrays = {name: np.asarray(array) for name, array in under(*keys, where=narrow, alpha=alpha).items()}
    for given in (arrays, {name: np.float32(array) for name, array in arrays.items()}):
        comparison = verdict_on(given, (X, parameters), alpha=alpha)
        assert comparison.agrees if not keys else frozenset(keys) in named(comparison)
    assert {array.precision for array in comparison.arrays} == {"float32"}


def test_float32_numbers_in_float64_arrays_are_recognised():
    value = float(np.float32(under()["value"]))  # what loss.item() gives
    assert verdict_on({"value": value}).arrays[0].precision == "float32"
    assert verdict_on({"value": value}).agrees
    assert verdict_on({"value": under()["value"]}).arrays[0].precision == "float64"
    assert verdict_on({"db": np.zeros(3)}).arrays[0].precision == "float64"


def test_float64_is_held_to_float64_and_what_looks_like_float32_is_said():
    arrays = under()
    comparison = verdict_on({"value": arrays["value"] * (1 + 1e-7)})
    assert comparison.verdict == "wrong"
    assert "what float32 leaves" in comparison.arrays[0].remark
    assert "float32" not in verdict_on({"value": arrays["value"] * 1.01}).arrays[0].remark
    assert max(LIMITS.values()) == LIMITS["bfloat16"] > LIMITS["float16"]
    assert verdict_on({"K_Xhat": arrays["K_Xhat"].astype(np.float16)}).agrees


@pytest.mark.parametrize("alpha", [0.9, 1.0, 1.01, 2.0, 5.0, math.inf])
@pytest.mark.parametrize("activation", ["logsig", "tanh", "relu"])
def test_rounding_where_the_gradient_by_b_is_zero_agrees(alpha, activation):
    X, parameters = point(N=7)
    settings = SETTINGS | {"alpha": alpha, "activation": activation, "mu": 0.0}
    value, gradient = RateDistortion(X, **settings).value_and_gradient(parameters)
    arrays = {"value": value, **dict(zip(GRADIENTS, gradient, strict=True))}
    for noise in (1e-16 * np.array([1.3, -0.7, 2.1]), 2.0**-53 * np.array([1, 0, -2])):
        comparison = compare(X, parameters, arrays | {"db": arrays["db"] + noise}, **settings)
        assert comparison.agrees
        assert comparison.arrays[-1].precision == "float64"
        assert comparison.arrays[-1].relative_error < 1e-12
    assert compare(X, parameters, {"db": np.float32([1e-8, 0, -2e-8])}, **settings).agrees
    assert compare(X, parameters, {"db": np.array([1e-6, 0, -1e-6])}, **settings).verdict == "wrong"


@pytest.mark.parametrize("alpha", [0.5, 1.01, 2.0])
@pytest.mark.parametrize("activation", ["logsig", "tanh", "softplus"])
def test_a_framework_agrees_where_the_gradient_by_b_is_zero(alpha, activation):
    needed("torch")
    import torch

    X, parameters = point()
    tensors = [torch.tensor(array, requires_grad=True) for array in parameters]
    W, c, A, b = tensors
    units = {"logsig": torch.sigmoid, "tanh": torch.tanh, "softplus": torch.nn.functional.softplus}[activation]

    def entropy(K):
        return (torch.linalg.eigvalsh(K).clamp(min=0) ** alpha).sum().log2() / (1 - alpha)

    Y = torch.tensor(X)
    K_X, K = (
        torch.exp(-((Z[:, None] - Z[None]) ** 2).sum(2) / (2 * SETTINGS[size] ** 2)) / len(X)
        for Z, size in ((Y, "sigma_x"), (units(Y @ W.T + c) @ A.T + b, "sigma_xhat"))
    )
    (entropy(len(X) * K_X * K) - entropy(K)).backward()
    arrays = {f"d{name}": tensor.grad for name, tensor in zip("WcAb", tensors, strict=True)}
    settings = SETTINGS | {"alpha": alpha, "activation": activation, "mu": 0}
    assert compare(X, parameters, arrays, **settings).agrees
    assert compare(X, parameters, {"db": arrays["db"]}, **settings).agrees


def test_a_wrong_gradient_by_b_is_wrong_at_any_trade_off():
    for mu in (0.0, 1e-6, 1.3):
        db = under(mu=mu)["db"]
        assert verdict_on({"db": db + 1e-3 * np.array([1, -1, 2])}, mu=mu).verdict == "wrong"


def test_a_collapsed_network_agrees():
    X, parameters = point()
    flat = Parameters(parameters.W, parameters.c, 0 * parameters.A, parameters.b)
    arrays = literal(X, flat, **SETTINGS)
    assert abs(arrays["output_entropy"]) < 1e-12
    assert verdict_on(arrays, (X, flat)).agrees


# ------------------------------------------------------------------------------------------------------------ reports


def test_report_serialises(singles):
    for arrays in (under(), singles["mu_half"], {"value": 1.0}):
        comparison = verdict_on(arrays)
        plain = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
        assert (plain["verdict"], plain["agrees"]) == (comparison.verdict, comparison.agrees)
        assert [row["name"] for row in plain["arrays"]] == [row.name for row in comparison.arrays]


def test_long_lists_are_cut_in_print_only():
    X, parameters = point(d=2)
    arrays = literal(X, parameters, **SETTINGS, log=np.log, half=0.5, gamma=lambda s: 1 / s**2)
    comparison = compare(X, parameters, {"db": arrays["db"]}, **SETTINGS)
    assert all(keys for keys in comparison.explanation.alternatives)
    assert "Equivalent on these arrays" in str(comparison)


def test_what_takes_too_long_is_left_out_and_said(monkeypatch):
    monkeypatch.setattr("rdae_ref.verify.compare.search.WORK", 9**3 * 2)
    comparison = verdict_on({"value": under("kernel_sigma2")["value"]})
    assert comparison.verdict == "wrong"
    assert "were left out: at N = 9" in comparison.notes[-1]


@pytest.mark.slow
def test_five_hundred_samples():
    where = point(N=500, d=2, p=8)
    assert frozenset(["kernel_sigma2", "minimised"]) in named(
        verdict_on(under("kernel_sigma2", "minimised", where=where), where)
    )


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({}, ValueError, "nothing to compare"),
        ({"dw": np.zeros((4, 3))}, ValueError, "did you mean 'dW'"),
        ({"dW": np.zeros((4, 4))}, ValueError, "dW must have shape"),
        ({"value": np.zeros(2)}, ValueError, "value must have one number"),
        ({"K_X": np.zeros((3, 3))}, ValueError, "K_X must have shape"),
        ({"value": "1.0"}, TypeError, "real numbers"),
    ],
)
def test_bad_results_are_refused(change, error, words):
    with pytest.raises(error, match=words):
        verdict_on(change)


@pytest.mark.parametrize(
    ("setting", "bad"), [("alpha", 0.0), ("mu", -1.0), ("sigma_x", 0.0), ("base", 1.0), ("activation", "no such")]
)
def test_bad_settings_are_refused(setting, bad):
    with pytest.raises(ValueError, match=setting):
        verdict_on({"value": 1.0}, **{setting: bad})


def test_points_that_do_not_fit_are_refused(monkeypatch):
    X, parameters = point()
    with pytest.raises(ValueError, match="W must have shape"):
        verdict_on({"value": 1.0}, (X, parameters._replace(W=np.zeros((5, 5)))))
    with pytest.raises(ValueError, match="X must have shape"):
        verdict_on({"value": 1.0}, (np.zeros((7, 7)), parameters))
    with pytest.raises(TypeError, match="parameters must be"):
        verdict_on({"value": 1.0}, (X, parameters[:3]))
    with pytest.raises(ValueError, match="overflow"):
        verdict_on({"value": 1.0}, (X, parameters._replace(A=1e200 * parameters.A)))
    monkeypatch.setattr("rdae_ref.verify.compare.arrays.LARGEST_N", 8)
    with pytest.raises(ValueError, match="at most 8 samples"):
        verdict_on({"value": 1.0})


class Bound:
    """What a tensor that requires a gradient does."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


def test_results_that_are_no_mapping_of_names_are_refused():
    for bad in ([1.0], 1.0, np.zeros(3), None, "value"):
        with pytest.raises(TypeError, match="results must map names to arrays"):
            verdict_on(bad)
    for bad in ({1: 1.0}, {None: 1.0}, {"value": 1.0, ("dW",): 1.0}):
        with pytest.raises(TypeError, match="names of results must be strings"):
            verdict_on(bad)


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [(lambda array: Bound(), r"detach\(\)"), (lambda array: np.ma.masked_invalid(array), "masked")],
    ids=["tensor", "masked"],
)
def test_what_numpy_cannot_read_whole_is_refused_by_name(spoilt, words):
    X, parameters = point()
    with pytest.raises(TypeError, match=f"^X must .*{words}"):
        verdict_on({"value": 1.0}, (spoilt(X), parameters))
    for name in ("W", "c", "A", "b"):
        spoilt_one = parameters._replace(**{name: spoilt(getattr(parameters, name))})
        with pytest.raises(TypeError, match=f"^{name} must .*{words}"):
            verdict_on({"value": 1.0}, (X, spoilt_one))
    for name in ("value", "dW"):
        with pytest.raises(TypeError, match=f"^{name} must .*{words}"):
            verdict_on({name: spoilt(under()[name])})


def test_tensors_are_read_whatever_their_type_and_with_their_gradients():
    needed("torch")
    import torch

    X, parameters = point()
    tensors = Parameters(*map(torch.tensor, parameters))
    assert verdict_on({"dW": torch.tensor(under()["dW"])}, (torch.tensor(X), tensors)).agrees
    bound = tensors._replace(W=torch.tensor(parameters.W, requires_grad=True))
    assert verdict_on({"dW": torch.tensor(under()["dW"], requires_grad=True)}, (torch.tensor(X), bound)).agrees
    coarse = verdict_on({"dW": torch.tensor(under()["dW"]).bfloat16()}, (torch.tensor(X), bound))
    assert coarse.agrees
    assert coarse.arrays[0].precision == "bfloat16"
    state = {"encoder.weight": bound.W, "encoder.bias": bound.c, "decoder.weight": bound.A, "decoder.bias": bound.b}
    assert verdict_on(under(), (torch.tensor(X), state)).agrees


def test_parameters_by_name():
    X, parameters = point()
    shuffled = {name: getattr(parameters, name) for name in "bAcW"}
    assert verdict_on(under(), (X, shuffled)).agrees
    for bad in ({**shuffled, "d": 1.0}, {name: shuffled[name] for name in "Wc"}, {}):
        with pytest.raises(TypeError, match="names W, c, A, b"):
            verdict_on({"value": 1.0}, (X, bad))


# -------------------------------------------------------------------------------------------------- files and commands


def content(**changes):
    X, parameters = point()
    whole = {"X": X, **parameters._asdict(), **SETTINGS, "value": under()["value"]} | changes
    return {name: array for name, array in whole.items() if array is not None}


def written(folder, **changes):
    path = folder / "mine.npz"
    np.savez(path, **content(**changes))
    return path


def test_a_file_is_read_with_and_without_a_base(tmp_path):
    assert compare_file(written(tmp_path)).agrees
    assert compare_file(written(tmp_path, base=2)).agrees
    assert named(compare_file(written(tmp_path, base=math.e))) == {frozenset(["log2"])}


def test_a_file_may_hold_outputs_in_place_of_parameters(tmp_path):
    arrays = under()
    gone = dict.fromkeys((*"WcAb", "activation"))
    path = written(tmp_path, **gone, Xhat=arrays["Xhat"], grad_Xhat=-arrays["dXhat"], value=None, loss=-arrays["value"])
    comparison = compare_file(path)
    assert comparison.agrees
    assert [array.name for array in comparison.arrays] == ["value", "dXhat"]
    with pytest.raises(ValueError, match="lacks W, c, A, b, activation"):
        compare_file(written(tmp_path, **gone))


def test_exit_codes(tmp_path, capsys):
    assert main(["compare", str(written(tmp_path))]) == 0
    assert "AGREES" in capsys.readouterr().out
    report = tmp_path / "report.json"
    arrays = under("natural_log")
    file = written(tmp_path, value=arrays["value"], dW=arrays["dW"])
    assert main(["compare", str(file), "--json", str(report)]) == 1
    assert "the natural logarithm" in capsys.readouterr().out
    assert json.loads(report.read_text())["explanation"]["alternatives"] == [["natural_log"]]
    assert main(["compare", str(file), "--quiet"]) == 1
    assert capsys.readouterr().out == ""


def damaged(path):
    whole = path.read_bytes()
    middle = whole.find(b"PK\x03\x04", 10) - 60
    path.write_bytes(whole[:middle] + bytes(40) + whole[middle + 40 :])


def enormous(path):
    header = b"\x93NUMPY\x01\x00"
    shape = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**15},), }}".ljust(117).encode() + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", header + len(shape).to_bytes(2, "little") + shape)


def no_array(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", "<html>not found</html>")


BAD_FILES = {
    "text": (lambda path: path.write_text("X = 1"), "is not an npz file"),
    "empty": (lambda path: path.write_bytes(b""), "is not an npz file"),
    "one array": (lambda path: np.save(path.open("wb"), np.zeros(3)), "is not an npz file"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-40]), "is not an npz file"),
    "damaged": (damaged, "can be read"),
    "enormous": (enormous, "can be read"),
    "no array": (no_array, "X is not an array"),
    "objects": (lambda path: np.savez(path, X=np.array([{}, None])), "not unpickled"),
    "no X": (lambda path: np.savez(path, **content(X=None)), "lacks X"),
    "no settings": (lambda path: np.savez(path, **content(alpha=None, mu=None)), "lacks alpha, mu"),
    "unknown": (lambda path: np.savez(path, **content(dw=1.0)), "did you mean 'dW'"),
    "shapes": (lambda path: np.savez(path, **content(c=np.zeros(7))), "W must have shape"),
    "not finite": (lambda path: np.savez(path, **content(c=[np.nan, 1, 1, 1])), "c must be finite"),
    "no number": (lambda path: np.savez(path, **content(alpha=[1.0, 2.0])), "alpha must be one real number"),
    "no name": (lambda path: np.savez(path, **content(activation=3)), "activation must be a name"),
    "no results": (lambda path: np.savez(path, **content(value=None)), "nothing to compare"),
    "complex": (lambda path: np.savez(path, **content(value=1j)), "real numbers"),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_get_a_sentence_and_exit_code_2(case, tmp_path, capsys):
    spoil, words = BAD_FILES[case]
    path = written(tmp_path)
    spoil(path)
    assert main(["compare", str(path)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert "Traceback" not in said


def test_files_that_are_not_there_and_no_file_at_all(tmp_path, capsys):
    assert main(["compare", str(tmp_path / "none.npz")]) == 2
    assert f"there is no file {tmp_path / 'none.npz'}" in capsys.readouterr().err
    assert main(["compare", str(tmp_path)]) == 2
    assert f"{tmp_path} is a folder" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["compare"])


def test_a_folder_that_is_not_there_is_named_before_the_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("rdae_ref.cli.compare.compare_file", lambda path: pytest.fail("the work was done"))
    nowhere = tmp_path / "nowhere"
    assert main(["compare", str(written(tmp_path)), "--json", str(nowhere / "a.json")]) == 2
    assert f"there is no folder {nowhere} to write a.json in" in capsys.readouterr().err
    assert main(["compare", "--template", str(nowhere / "x.npz")]) == 2
    assert f"there is no folder {nowhere} to write x.npz in" in capsys.readouterr().err


@pytest.mark.parametrize("change", [{"base": math.e}, {"activation": "tanh"}])
@pytest.mark.parametrize("framework", SNIPPETS)
def test_snippets_refuse_settings_that_they_do_not_follow(framework, change, tmp_path):
    needed({"PyTorch": "torch", "JAX": "jax"}[framework])
    snippet = SNIPPETS[framework].format(path=written(tmp_path, **change))
    with pytest.raises(AssertionError, match="in bits, with logistic units"):
        exec(snippet, {})


def test_template_is_written_once_and_waits_to_be_filled(tmp_path, capsys):
    path = tmp_path / "mine.npz"
    assert main(["compare", "--template", str(path)]) == 0
    printed = capsys.readouterr().out
    assert all(snippet.format(path=path) in printed for snippet in SNIPPETS.values())
    assert main(["compare", "--template", str(path)]) == 2
    assert "already exists" in capsys.readouterr().err
    assert main(["compare", str(path)]) == 2
    assert "nothing to compare" in capsys.readouterr().err
    assert main(["compare", "--template", str(tmp_path / "mine")]) == 2
    assert "must end in .npz" in capsys.readouterr().err


@pytest.mark.parametrize("framework", SNIPPETS)
def test_snippets_fill_the_template(framework, tmp_path):
    needed({"PyTorch": "torch", "JAX": "jax"}[framework])
    path = tmp_path / "mine.npz"
    write_template(path)
    snippet = SNIPPETS[framework].format(path=path)
    assert len(snippet.splitlines()) <= 15
    subprocess.run([sys.executable, "-c", snippet + snippet], check=True)  # also where results are there already
    comparison = compare_file(path)
    assert comparison.agrees
    assert {"value", *GRADIENTS} <= {array.name for array in comparison.arrays}
