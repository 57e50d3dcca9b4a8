"""The causes that `compare` names, over a corpus of implementations that shares no code with the package."""

import math
import time

import numpy as np
import pytest
from corpus import implementations as corpus

from rdae_ref import Parameters, compare
from rdae_ref.verify.compare import CAUSES, CONVENTIONS, Cause

SETTINGS = corpus.SETTINGS
GRADIENTS = ("dW", "dc", "dA", "db")
EVIDENCE = {
    "all": None,
    "value and gradient": ("value", *GRADIENTS),
    "gradient": GRADIENTS,
    "outputs, no parameters": ("value", "dXhat"),
}
OF_THE_NETWORK = {"activation", "output_activation", "bias_dropped"}


def arrays_of(name, N=12, **settings):
    """Return the point of an entry and its arrays."""
    p, settings = 3 if "d = p" in name else 4, SETTINGS | settings
    X, theta = corpus.point(N=N, p=p)
    if name in corpus.WRONG:
        return X, theta, corpus.run(X, theta, **settings, **corpus.WRONG[name][0])
    arrays = corpus.run(X, theta, **settings)
    arrays = {key: arrays[key] for key in ("value", "Xhat")}
    return X, theta, arrays | corpus.by_hand(X, theta, **settings, **corpus.HANDWRITTEN[name][0])


def judged(name, evidence="all", N=12, **settings):
    X, theta, arrays = arrays_of(name, N, **settings)
    chosen = {key: array for key, array in arrays.items() if key in (EVIDENCE[evidence] or arrays)}
    if "parameters" in evidence:
        return compare(X, results=chosen, Xhat=arrays["Xhat"], **SETTINGS | settings)
    return compare(X, Parameters(*theta), chosen, **SETTINGS | settings)


def ours():
    X, theta = corpus.point()
    return X, Parameters(*theta), corpus.run(X, theta, **SETTINGS)


def names(comparison):
    return {cause.name for cause in comparison.causes}


ENTRIES = corpus.WRONG | corpus.HANDWRITTEN
# No eigenvalue of the point is as small as what they clamp at, or drop.
SEEN = ("0.0001", "3e-05")
UNSEEN = [name for name in ENTRIES if name.startswith("eigenvalues") and not any(eps in name for eps in SEEN)]


def test_the_corpus_is_right_where_nothing_is_changed():
    X, parameters, arrays = ours()
    assert compare(X, parameters, arrays, **SETTINGS).agrees
    assert compare(
        X, results={k: arrays[k] for k in ("value", "dXhat", "K_Xhat")}, Xhat=arrays["Xhat"], **SETTINGS
    ).agrees
    by_hand = corpus.by_hand(X, list(parameters), **SETTINGS)
    assert all(np.allclose(by_hand[name], arrays[name], rtol=1e-9, atol=1e-11) for name in GRADIENTS)


@pytest.mark.parametrize("name", [name for name in ENTRIES if name not in UNSEEN and name != "a clamp and ln"])
def test_the_cause_is_named(name):
    comparison = judged(name)
    assert names(comparison) & ENTRIES[name][1], str(comparison)
    assert not comparison.agrees
    assert all(cause.text in str(comparison) for cause in comparison.causes if cause.name in ENTRIES[name][1])


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [1.5, 2.0])
@pytest.mark.parametrize("name", [name for name in ENTRIES if name not in UNSEEN and name != "a clamp and ln"])
def test_the_cause_is_named_at_other_orders(name, alpha):
    if name == f"alpha {alpha:g}":
        return
    comparison = judged(name, alpha=alpha)
    assert names(comparison) & ENTRIES[name][1], str(comparison)


OF_ENTROPIES = {
    "kernel_power",
    "kernel_laplacian",
    "standardised_inputs",
    "centred_gram",
    "zero_diagonal",
    "gram_of_code",
}
KERNELS = [name for name in ENTRIES if ENTRIES[name][1] & OF_ENTROPIES]


@pytest.mark.parametrize("alpha", [1.01, 2.0])
@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_found_from_value_and_gradient(name, alpha):
    comparison = judged(name, "value and gradient", alpha=alpha)
    assert names(comparison) & ENTRIES[name][1], str(comparison)
    if "code" not in name:  # which nobody knows without parameters
        assert names(judged(name, "outputs, no parameters", alpha=alpha)) & ENTRIES[name][1]


@pytest.mark.parametrize("alpha", [1.01, 2.0])
@pytest.mark.parametrize(
    "name",
    [
        "a Laplacian kernel",
        "a factorised Laplacian kernel",
        "d to the power 4",
        "K + 1e-06 I",
        "K + 0.0001 I, normalised",
    ],
)
def test_the_kernel_of_the_inputs_is_like_that_of_the_outputs(name, alpha):
    settings = SETTINGS | {"alpha": alpha}
    X, _, arrays = arrays_of(name, alpha=alpha)
    chosen = {key: arrays[key] for key in ("value", "dXhat", "K_Xhat")}
    comparison = compare(X, results=chosen, Xhat=arrays["Xhat"], **settings)
    assert [row.verdict for row in comparison.arrays] == ["explained", "follows", "follows"], str(comparison)
    assert names(comparison) & ENTRIES[name][1]


def test_a_convention_and_the_size_that_it_amounts_to_are_both_named():
    X, theta = corpus.point(d=2)
    arrays = corpus.run(X, theta, **SETTINGS, **corpus.WRONG["d²/d"][0])
    comparison = compare(X, Parameters(*theta), {"value": arrays["value"], "dXhat": arrays["dXhat"]}, **SETTINGS)
    found = {one.name: one.number for one in comparison.causes}
    assert set(found) == {"kernel_4sigma2", "kernel_size"}
    assert found["kernel_size"] == pytest.approx(SETTINGS["sigma_xhat"] * math.sqrt(2))


@pytest.mark.slow
def test_causes_are_named_in_nine_of_ten_cases_whatever_is_brought():
    named = wrong = 0
    for name, evidence in ((name, evidence) for name in ENTRIES for evidence in EVIDENCE):
        if "parameters" in evidence and (name in corpus.HANDWRITTEN or ENTRIES[name][1] & OF_THE_NETWORK):
            continue  # these have no array without parameters, or outputs that are right as such
        comparison = judged(name, evidence)
        if not comparison.agrees:
            wrong += 1
            named += bool(names(comparison) & ENTRIES[name][1])
    assert wrong > 200
    assert named >= 0.9 * wrong


@pytest.mark.parametrize("name", UNSEEN)
def test_a_guard_that_touches_no_eigenvalue_agrees(name):
    assert judged(name).agrees


GUARDS = [("eigenvalue_floor", 1e-6), ("eigenvalue_floor", 3e-9), ("eigenvalue_cutoff", 1e-8)]


@pytest.mark.parametrize(("rule", "eps"), GUARDS)
def test_the_number_of_a_guard_is_fitted(rule, eps):
    X, theta = corpus.point(N=40, d=2)
    arrays = corpus.run(X, theta, **SETTINGS, guard=_guard(rule, eps))
    comparison = compare(X, Parameters(*theta), arrays, **SETTINGS)
    found = {cause.name: cause.number for cause in comparison.causes}
    assert found[rule] == pytest.approx(eps, rel=1e-6)
    assert comparison.verdict == "explained"


def _guard(rule, eps):
    import autograd.numpy as anp

    return (lambda v: anp.maximum(v, eps)) if rule.endswith("floor") else (lambda v: v * (v > eps))


def test_a_clamp_beside_another_convention_is_found_with_its_number():
    X, theta = corpus.point(N=40, d=2)
    arrays = corpus.run(X, theta, **SETTINGS, guard=_guard("floor", 1e-5), logs=(1, 1))
    comparison = compare(X, Parameters(*theta), {"value": arrays["value"], "dXhat": arrays["dXhat"]}, **SETTINGS)
    causes = {cause.name: cause.number for cause in comparison.causes}
    assert causes["eigenvalue_floor"] == pytest.approx(1e-5)
    assert "natural_log" in causes or "wrong_factor_entropy" in causes


def test_a_guard_that_is_none_of_ours_leaves_the_nearest_reading():
    import autograd.numpy as anp

    X, theta = corpus.point(N=40, d=2)
    arrays = corpus.run(X, theta, **SETTINGS, guard=lambda v: anp.maximum(v, 1e-6) * (1 + 1e-5 * v))
    comparison = compare(X, Parameters(*theta), {"dXhat": arrays["dXhat"]}, **SETTINGS)
    assert comparison.verdict == "wrong"
    assert "nearest: with" in str(comparison)
    assert "the error falls from" in str(comparison)


# In the order of the computation -------------------------------------------------------------------------------------


def test_with_other_units_only_the_outputs_are_wrong():
    comparison = judged("tanh for logsig")
    verdicts = {row.name: row.verdict for row in comparison.arrays}
    assert verdicts["Xhat"] == "explained"
    assert verdicts["K_X"] == "agrees"
    assert {verdicts[name] for name in verdicts if name not in ("Xhat", "K_X")} == {"follows"}
    assert "right, given your Xhat" in str(comparison)
    assert comparison.causes == (Cause("activation", "Xhat", None, "other units (tanh for logsig)"),)
    assert "DIFFERS, first in Xhat" in str(comparison)


@pytest.mark.parametrize("name", ["a Laplacian kernel", "a factorised Laplacian kernel", "σ sqrt(d)"])
def test_with_another_kernel_only_the_gram_matrices_are_wrong(name):
    verdicts = {row.name: row.verdict for row in judged(name).arrays}
    assert {verdicts.pop(key) for key in ("K_X", "K_Xhat")} == {"explained"}
    assert {verdicts.pop(key) for key in ("Xhat", "distortion", "db")} == {"agrees"}
    assert set(verdicts.values()) == {"follows"}


def test_unknown_outputs_are_wrong_and_what_follows_from_them_is_right():
    X, parameters, arrays = ours()
    Xhat = np.random.default_rng(0).normal(size=X.shape)
    given = compare(X, results={"value": 0.0}, Xhat=Xhat, **SETTINGS)
    right = {row.name: row.ours for row in given.arrays}
    comparison = compare(X, parameters, {"Xhat": Xhat, "value": right["value"], "dW": arrays["dW"]}, **SETTINGS)
    assert [row.verdict for row in comparison.arrays][:2] == ["wrong", "follows"]


def test_what_follows_from_wrong_entropies_and_slopes_is_right():
    X, parameters, arrays = ours()
    S = arrays["joint_entropy"] - arrays["output_entropy"]
    wrong = arrays | {"joint_entropy": arrays["joint_entropy"] + 0.1, "value": arrays["value"] + 0.1}
    verdicts = {row.name: row.verdict for row in compare(X, parameters, wrong, **SETTINGS).arrays}
    assert (verdicts["joint_entropy"], verdicts["value"]) == ("wrong", "follows")
    wrong = arrays | {"dXhat": arrays["dXhat"] ** 3}
    W, c, A, _ = parameters
    H = 1 / (1 + np.exp(-(X @ W.T + c)))
    wrong["dW"] = ((wrong["dXhat"] @ A) * H * (1 - H)).T @ X
    verdicts = {row.name: row.verdict for row in compare(X, parameters, wrong, **SETTINGS).arrays}
    assert (verdicts["dXhat"], verdicts["dW"], verdicts["dA"]) == ("wrong", "follows", "agrees")
    assert math.isfinite(S)


def test_an_array_that_agrees_is_never_called_wrong():
    X, parameters, arrays = ours()
    half = corpus.run(X, list(parameters), **SETTINGS | {"mu": SETTINGS["mu"] / 2})
    mixed = {name: half[name] for name in GRADIENTS} | {"value": arrays["value"]}
    comparison = compare(X, parameters, mixed, **SETTINGS)
    verdicts = {row.name: row.verdict for row in comparison.arrays}
    assert verdicts["value"] == "agrees"
    assert "distortion_scale" in names(comparison) or "mu_half" in names(comparison)


# What explains nothing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, pytest.param(150, marks=pytest.mark.slow)])
def test_random_arrays_have_no_cause(n):
    X, theta = corpus.point(N=6, d=2, p=3)
    arrays = corpus.run(X, theta, **SETTINGS)
    rng = np.random.default_rng(1)
    for _ in range(n):
        chosen = {
            name: rng.normal(size=np.shape(arrays[name])) * np.mean(np.abs(arrays[name]))
            for name in ("value", "joint_entropy", "output_entropy", "K_Xhat", "dXhat", "dW", "dA")
        }
        comparison = compare(X, Parameters(*theta), chosen, **SETTINGS)
        assert {row.verdict for row in comparison.arrays} == {"wrong"}, str(comparison)
        assert comparison.causes == ()


@pytest.mark.parametrize("name", ["dXhat", "dW", "dc", "dA"])
def test_one_wrong_element_has_no_cause(name):
    X, parameters, arrays = ours()
    wrong = arrays[name].copy()
    wrong[(-1,) * wrong.ndim] *= 1.01
    comparison = compare(X, parameters, arrays | {name: wrong}, **SETTINGS)
    assert comparison.causes == ()
    assert [row.name for row in comparison.arrays if row.verdict != "agrees"] == [name]


# Weak evidence, names and types --------------------------------------------------------------------------------------


def test_a_typed_number_has_the_precision_of_its_decimals():
    X, parameters, arrays = ours()
    value = round(arrays["value"], 4)
    comparison = compare(X, parameters, {"value": value}, **SETTINGS)
    assert comparison.agrees
    assert comparison.arrays[0].precision == "4 decimals"
    assert not compare(X, parameters, {"value": value + 2e-4}, **SETTINGS).agrees
    nats = corpus.run(X, list(parameters), **SETTINGS, logs=(1, 1))
    comparison = compare(X, parameters, {"value": round(nats["value"], 5), "dW": nats["dW"]}, **SETTINGS)
    assert "natural_log" in names(comparison)


def test_a_loss_and_its_gradients_are_read_by_their_names():
    X, parameters, arrays = ours()
    loss = {"loss": -arrays["value"], "grad_W": -arrays["dW"], "c.grad": -arrays["dc"], "dL_dXhat": -arrays["dXhat"]}
    assert compare(X, parameters, loss, **SETTINGS).agrees
    assert not compare(X, parameters, loss | {"grad_W": arrays["dW"]}, **SETTINGS).agrees
    with pytest.raises(ValueError, match="each result can be given once"):
        compare(X, parameters, {"dW": arrays["dW"], "grad_W": arrays["dW"]}, **SETTINGS)


def test_nan_is_a_verdict_and_the_others_are_still_compared():
    X, parameters, arrays = ours()
    spoilt = arrays["dXhat"].copy()
    spoilt[0, 1] = np.nan
    comparison = compare(X, parameters, arrays | {"dXhat": spoilt}, **SETTINGS)
    assert {row.name for row in comparison.arrays if row.verdict == "wrong"} == {"dXhat"}
    assert names(comparison) == {"zero_distance"}
    assert "1 of 36 elements are not finite" in str(comparison)
    comparison = compare(X, parameters, {"value": math.nan, "dW": arrays["dW"]}, **SETTINGS)
    assert [row.verdict for row in comparison.arrays] == ["wrong", "agrees"]
    assert names(comparison) == {"negative_eigenvalue"}
    assert comparison.to_dict()["arrays"][0]["yours"] is None


@pytest.mark.parametrize("alpha", [1.01, 2.0])
def test_a_derivative_at_distance_zero_is_told_from_a_power_of_a_negative_eigenvalue(alpha):
    X, theta = corpus.point()
    settings = SETTINGS | {"alpha": alpha}
    with np.errstate(all="ignore"):
        of_sqrt = {"gram": lambda Y, s: corpus.np.exp(-(corpus.np.sqrt(corpus.squared(Y)) ** 2) / (2 * s**2)) / len(Y)}
        distances = corpus.run(X, theta, **settings, **of_sqrt)
        negative = corpus.run(X, theta, **settings | {"alpha": 1.01}, guard=lambda v: v - 1e-2)
    comparison = compare(X, Parameters(*theta), distances, **settings)
    assert {"zero_distance"} == names(comparison)
    assert {row.verdict for row in comparison.arrays if row.name in ("value", "K_X")} == {"agrees"}
    assert "negative_eigenvalue" in names(compare(X, Parameters(*theta), {"value": negative["value"]}, **settings))


def test_results_may_have_the_names_of_the_parameters():
    X, theta = corpus.point()
    arrays = ours()[2]
    state = dict(zip(("0.weight", "0.bias", "2.weight", "2.bias"), theta, strict=True))
    slopes = dict(zip(state, (-arrays[name] for name in GRADIENTS), strict=True))
    for named in (
        slopes,
        {f"{key}.grad": array for key, array in slopes.items()},
        {f"grad_{k}": slopes[k] for k in slopes},
    ):
        assert compare(X, state, {"loss": -arrays["value"], **named}, **SETTINGS).agrees
    assert not compare(X, state, {"loss": -arrays["value"], **slopes, "0.bias": arrays["dc"]}, **SETTINGS).agrees
    with pytest.raises(ValueError, match=r"'4\.weight' is not a known name"):
        compare(X, state, {"4.weight": theta[0]}, **SETTINGS)


@pytest.mark.parametrize(("bits", "precision"), [(16, "bfloat16"), (13, "float16")])
def test_numbers_of_a_narrow_type_are_known_in_a_wide_one(bits, precision):
    X, parameters, arrays = ours()

    def narrow(array):
        found = np.asarray(array, dtype=np.float32).view(np.uint32)
        return ((found + (1 << (bits - 1))) >> bits << bits).astype(np.uint32).view(np.float32)

    for as_wide in (np.float32, np.float64):
        given = {"value": float(narrow(arrays["value"])), "dW": narrow(arrays["dW"]).astype(as_wide)}
        comparison = compare(X, parameters, given, **SETTINGS)
        assert comparison.agrees, str(comparison)
        assert [row.precision for row in comparison.arrays] == [precision, precision]


def test_without_parameters_their_gradients_are_refused():
    X, _, arrays = ours()
    with pytest.raises(ValueError, match="dW can be compared only with the parameters"):
        compare(X, results={"dW": arrays["dW"]}, Xhat=arrays["Xhat"], **SETTINGS)
    with pytest.raises(ValueError, match="Xhat must be given"):
        compare(X, results={"value": 1.0}, **SETTINGS)
    with pytest.raises(ValueError, match="Xhat must have shape"):
        compare(X, results={"value": 1.0}, Xhat=arrays["Xhat"][:3], **SETTINGS)
    with pytest.raises(TypeError, match="activation must be given"):
        compare(X, Parameters(*corpus.point()[1]), {"value": 1.0}, **SETTINGS | {"activation": None})


@pytest.mark.parametrize(
    ("change", "numbers", "cause"),
    [
        ({}, {}, None),
        ({"logs": (1, 1)}, {}, "natural_log"),
        ({"guard": lambda v: corpus.np.maximum(v, 1e-3)}, {"eigenvalue_floor": 1e-3}, "eigenvalue_floor"),
        ({"unit": corpus.np.tanh}, {}, "activation"),
        ({"bias": lambda c, b: (0 * c, b)}, {}, "bias_dropped"),
        ({"orders": lambda alpha: (2.0, 2.0)}, {"alpha": 2}, "alpha"),
        ({"total": lambda J, S, D, SX, mu: SX + S - J - mu * D}, {}, "mutual_information"),
    ],
)
def test_a_loss_curve_is_compared_beside_a_list_of_parameters(change, numbers, cause):
    rng = np.random.default_rng(1)
    X, theta = corpus.point()
    points = [[array + 0.3 * rng.normal(size=array.shape) for array in theta] for _ in range(5)]
    losses = [-corpus.run(X, point, **SETTINGS, **change)["value"] for point in points]
    for decimals in (4, 6, 15):
        curve = np.round(losses, decimals)
        comparison = compare(X, [Parameters(*point) for point in points], {"loss": curve}, **SETTINGS)
        found = {one.name: one.number for one in comparison.causes}
        assert comparison.agrees if cause is None else cause in found, str(comparison)
        assert {name: found[name] for name in numbers} == pytest.approx(numbers)
        assert len(str(comparison).splitlines()) < 12


def test_curves_that_do_not_fit_are_refused():
    X, theta = corpus.point()
    points = [Parameters(*theta), dict(zip("WcAb", theta, strict=True))]
    assert not compare(X, points, {"loss": [1.0, 2.0], "distortion": [0.5, 0.25]}, **SETTINGS).agrees
    for results, words in (
        ({"loss": [1.0]}, r"value must have shape \(2,\), as"),
        ({"loss": 1.0}, r"value must have shape \(2,\), as"),
        ({"dW": theta[0]}, "with a list of parameters only distortion, .* can be compared, got dW"),
    ):
        with pytest.raises(ValueError, match=words):
            compare(X, points, results, **SETTINGS)
    with pytest.raises(ValueError, match="at least one point"):
        compare(X, [], {"loss": []}, **SETTINGS)
    with pytest.raises(ValueError, match="c must have shape"):
        compare(X, [points[0], Parameters(theta[0], theta[1][:2], *theta[2:])], {"loss": [1.0, 2.0]}, **SETTINGS)


@pytest.mark.parametrize("decimals", [2, 3, 6, 9])
def test_one_number_beside_one_array(decimals):
    X, parameters, arrays = ours()
    value = round(arrays["value"], decimals)
    comparison = compare(X, parameters, {"value": value, "dW": np.round(arrays["dW"], 4)}, **SETTINGS)
    assert comparison.agrees
    assert [row.precision for row in comparison.arrays] == [f"{decimals} decimals", "4 decimals"]
    off = compare(
        X, parameters, {"value": round(value + 3 * 10.0**-decimals, decimals), "dW": arrays["dW"]}, **SETTINGS
    )
    assert [row.verdict for row in off.arrays] == ["wrong", "agrees"]


def test_float32_is_a_hint_only_where_every_array_is_that_near():
    X, parameters, arrays = ours()
    near = {"value": arrays["value"] * (1 + 1e-7), "dW": arrays["dW"] * (1 + 1e-7)}
    assert "float32" in str(compare(X, parameters, near, **SETTINGS))
    assert "float32" not in str(compare(X, parameters, near | {"value": arrays["value"] + 0.1}, **SETTINGS))


# Two at once ---------------------------------------------------------------------------------------------------------

FLOOR = {"guard": lambda v: corpus.np.maximum(v, 1e-3)}
PAIRS = {
    "another kernel and a clamp": ({**FLOOR, **corpus.WRONG["exp(-d²/σ²)"][0]}, {"kernel_sigma2", "eigenvalue_floor"}),
    "ln and a clamp": ({**FLOOR, "logs": (1, 1)}, {"natural_log", "eigenvalue_floor"}),
    "alpha 2 and another kernel": (
        {"orders": lambda alpha: (3.0, 3.0), **corpus.WRONG["exp(-d²/σ²)"][0]},
        {"kernel_sigma2", "alpha"},
    ),
    "a Laplacian kernel and ln": (
        {"logs": (1, 1), **corpus.WRONG["a Laplacian kernel"][0]},
        {"kernel_laplacian", "natural_log"},
    ),
    "z-scores and no mu": (
        {**corpus.WRONG["z-scored inputs"][0], **corpus.WRONG["no mu"][0]},
        {"standardised_inputs", "mu_missing"},
    ),
    "a clamp and a detached distortion": (
        {**FLOOR, **corpus.WRONG["the distortion detached"][0]},
        {"eigenvalue_floor", "detached_distortion"},
    ),
    "tanh and a clamp": ({**FLOOR, "unit": corpus.np.tanh}, {"activation", "eigenvalue_floor"}),
    "mutual information in nats": (
        {"logs": (1, 1), **corpus.WRONG["mutual information"][0]},
        {"mutual_information", "natural_log"},
    ),
}


@pytest.mark.parametrize("alpha", [1.01, pytest.param(1.5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PAIRS)
def test_both_of_two_causes_are_named(name, alpha):
    change, causes = PAIRS[name]
    settings = SETTINGS | {"alpha": alpha}
    X, theta = corpus.point()
    arrays = corpus.run(X, theta, **settings, **change)
    chosen = {key: arrays[key] for key in ("Xhat", "value", "dXhat", *GRADIENTS)}
    found = names(compare(X, Parameters(*theta), chosen, **settings))
    same = {"natural_log": {"natural_log", "gradient_in_nats", "wrong_factor_entropy"}}
    assert all(found & same.get(one, {one}) for one in causes), (found, causes)


def test_every_cause_of_the_table_is_one_that_the_corpus_shows():
    shown = set.union(*(causes for _, causes in ENTRIES.values()))
    assert set(CAUSES) - shown == {"zero_distance", "negative_eigenvalue"}  # they are NaN


def test_every_cause_can_be_looked_up():
    keys = set(CAUSES) | {convention.key for convention in CONVENTIONS}
    for name in ("a Laplacian kernel", "no G′", "no mu"):
        assert names(judged(name)) <= keys
    plain = judged("no G′").to_dict()["causes"]
    assert {"name", "array", "number", "text"} == set(plain[0])


@pytest.mark.slow
def test_three_hundred_samples_take_seconds():
    X, theta = corpus.point(N=300, d=2, p=10)
    arrays = corpus.run(X, theta, **SETTINGS, guard=_guard("floor", 1e-6))
    start = time.perf_counter()
    comparison = compare(X, Parameters(*theta), {"value": arrays["value"], "dXhat": arrays["dXhat"]}, **SETTINGS)
    assert time.perf_counter() - start < 300  # it ends
    assert "eigenvalue_floor" in names(comparison)
