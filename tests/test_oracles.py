import ast
import functools
import importlib
import inspect
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from frameworks import needed
from test_structure import parameters_in, parameters_of

from rdae_ref import (
    Parameters,
    SingularGramWarning,
    conditional_entropy,
    gaussian_gram,
    joint_entropy,
    joint_entropy_gradient,
    mutual_information,
    normalize_gram,
    renyi_entropy,
    renyi_entropy_gradient,
)
from rdae_ref.autoencoder import forward
from rdae_ref.matrices import product_entropy_gradient
from rdae_ref.models import Layer
from rdae_ref.pytree import leaves
from rdae_ref.verify import oracles
from rdae_ref.verify.oracles import framework_table as table

INSTALL = {"autograd": "test", "mpmath": "test", "torch": "oracles", "jax": "oracles"}
ALPHAS = (0.5, 1.0, 1.01, 2.0, 3.0, 10.0, math.inf)
UNITS = table.ACTIVATIONS


def error(got, right):
    return float(np.abs(got - right).max() / np.abs(right).max())


def well_conditioned(activation, N=4, p=2, seed=0):
    return table._well_conditioned(np.random.default_rng(seed), N, 2, p, activation, 0.4)


def settings(activation, alpha, base=2):
    return {"activation": activation, "alpha": alpha, "mu": 1.5, "sigma_x": 0.7, "sigma_xhat": 0.4, "base": base}


# Loading -------------------------------------------------------------------------------------------------------------


def test_importing_the_oracles_loads_no_framework():
    code = "import sys, rdae_ref.verify.oracles; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(INSTALL) & set(loaded)


@pytest.mark.parametrize("name", INSTALL)
def test_a_missing_framework_is_named_with_the_command_that_installs_it(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"rdae_ref.verify.oracles.{name}_oracle", raising=False)
    with pytest.raises(ImportError, match=rf'pip install "rdae_ref\[{INSTALL[name]}\]"'):
        oracles.load(name)


def test_an_unknown_framework_is_refused():
    with pytest.raises(ValueError, match="framework must be one of 'autograd', 'torch', 'jax', 'mpmath', got 'keras'"):
        oracles.load("keras")


@pytest.mark.parametrize("name", INSTALL)
def test_a_wrong_setting_is_an_error_and_not_ignored(name):
    parameters, X = well_conditioned("linear", N=2)
    with pytest.raises(TypeError, match="sigma"):
        needed(name).value_and_gradient(parameters, X, **settings("linear", 2.0), sigma=1.0)


def test_jax_computes_in_float64_and_leaves_the_configuration_alone():
    oracle = needed("jax")
    before = oracle.jax.config.jax_enable_x64
    _, gradient = oracle.value_and_gradient(*well_conditioned("linear"), model="Reconstruction", activation="linear")
    assert gradient.W.dtype == np.float64
    assert oracle.jax.config.jax_enable_x64 == before


def test_fifty_digits_leave_the_precision_of_mpmath_alone():
    fifty = needed("mpmath")
    before = fifty.mpmath.mp.dps
    fifty.value_and_gradient(*well_conditioned("linear", N=2), **settings("linear", 2.0))
    assert fifty.mpmath.mp.dps == before


@pytest.mark.parametrize("name", INSTALL)
def test_arguments_stay_as_they_are(name):
    parameters, X = well_conditioned("relu", N=2)
    copies = [array.copy() for array in (*parameters, X)]
    needed(name).value_and_gradient(parameters, X, model="Reconstruction", activation="relu")
    assert all(np.array_equal(a, b) for a, b in zip((*parameters, X), copies, strict=True))


@pytest.mark.parametrize("name", INSTALL)
def test_every_oracle_takes_the_parameters_that_the_protocol_documents(name):
    protocol = table.Oracle.value_and_gradient
    wanted = parameters_in(inspect.getdoc(protocol))
    assert wanted == parameters_of(protocol) == parameters_of(needed(name).value_and_gradient)


# Agreement -----------------------------------------------------------------------------------------------------------


def shapes_for(framework, slow=False):
    # JAX compiles for ten seconds at each shape.
    first, others = oracles.SHAPES[:1], oracles.SHAPES[1:]
    return (others if slow else first) if framework == "jax" else oracles.SHAPES


def assert_agreement(framework, shapes):
    needed(framework)
    rows = oracles.agreement([framework], shapes)
    # Of each unit: the orders and three models; of each unit and tanh: four forms of the beta-VAE and IRMAE.
    assert len(rows) == len(shapes) * (len(UNITS) * (len(table.ALPHAS) + 3) + len(table.LAYERED) * 5)
    assert max(max(row[2:7]) for row in rows) < 1e-12
    assert {row.verdict for row in rows} == {"right"}


@pytest.mark.parametrize("framework", oracles.FRAMEWORKS)
def test_package_and_framework_agree(framework):
    assert_agreement(framework, shapes_for(framework))


@pytest.mark.slow
def test_package_and_jax_agree_at_every_shape():
    assert_agreement("jax", shapes_for("jax", slow=True))


def test_the_problems_of_the_table_are_well_conditioned():
    for problem in table.ordinary_problems(oracles.SHAPES):
        if problem.model == "RateDistortion":
            Xhat = forward(problem.parameters, problem.X, problem.settings["activation"]).Xhat
            assert np.linalg.eigvalsh(gaussian_gram(Xhat, problem.settings["sigma_xhat"]))[0] * len(Xhat) > 0.01


def test_no_layer_of_the_table_is_dead():
    for problem in table.ordinary_problems(oracles.SHAPES):
        if not isinstance(problem.parameters, Parameters):
            _, gradient = table._package(problem.parameters, problem.X, model=problem.model, **problem.settings)
            assert all(np.abs(array).max() > 0 for _, array in leaves(gradient)), problem.name


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("activation", UNITS)
def test_package_agrees_with_fifty_digits(activation, alpha):
    fifty = needed("mpmath")
    parameters, X = well_conditioned(activation)
    problem = table.Problem("", parameters, X, settings(activation, alpha))
    expected = fifty.value_and_gradient(parameters, X, **problem.settings)
    got = table._package(parameters, X, model=problem.model, **problem.settings)
    assert max(table._errors(got, expected)) < 1e-12


@pytest.mark.parametrize("base", [2, math.e, 10])
def test_package_agrees_with_fifty_digits_for_eight_samples_in_any_base(base):
    fifty = needed("mpmath")
    parameters, X = well_conditioned("logsig", N=8, p=3)
    expected = fifty.value_and_gradient(parameters, X, **settings("logsig", 1.01, base))
    got = table._package(parameters, X, model="RateDistortion", **settings("logsig", 1.01, base))
    assert max(table._errors(got, expected)) < 1e-12


@pytest.mark.parametrize("activation", UNITS)
def test_models_agree_with_fifty_digits(activation):
    fifty = needed("mpmath")
    parameters, X = well_conditioned(activation)
    for problem in table._other_models(np.random.default_rng(1), parameters, X, activation):
        expected = fifty.value_and_gradient(parameters, X, model=problem.model, **problem.settings)
        got = table._package(parameters, X, model=problem.model, **problem.settings)
        assert max(table._errors(got, expected)) < 1e-13


@pytest.mark.parametrize("activation", table.LAYERED)
def test_networks_of_layers_agree_with_fifty_digits(activation):
    fifty = needed("mpmath")
    for problem in table._layered_models(np.random.default_rng(3), 3, 2, 2, activation):
        expected = fifty.value_and_gradient(problem.parameters, problem.X, model=problem.model, **problem.settings)
        got = table._package(problem.parameters, problem.X, model=problem.model, **problem.settings)
        assert max(table._errors(got, expected)) < 1e-13


def test_the_rate_of_fifty_digits_is_the_integral_that_defines_it():
    fifty = needed("mpmath")
    mp = fifty.mpmath
    mean, log_variance = fifty.exact([[0.7]]), fifty.exact([[-0.4]])
    q = functools.partial(mp.npdf, mu=mean[0, 0], sigma=mp.exp(log_variance[0, 0] / 2))
    integral = mp.quad(lambda z: q(z) * mp.log(q(z) / mp.npdf(z)), range(-12, 15, 3))
    assert abs(fifty._kl_divergence(mean, log_variance)[0] - integral) < 1e-12


def test_a_bernoulli_likelihood_of_fifty_digits_is_a_product_of_probabilities():
    fifty = needed("mpmath")
    logits = np.array([[0.3, -2.0, 1.5]])
    p = 1 / (1 + np.exp(-logits[0]))
    logarithm = fifty._log_likelihood(fifty.exact([[1.0, 0.0, 1.0]]), fifty.exact(logits), "bernoulli", None)
    assert math.exp(logarithm[0]) == pytest.approx(p[0] * (1 - p[1]) * p[2], rel=1e-14)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_entropies_agree_with_fifty_digits(alpha):
    fifty = needed("mpmath")
    X, Y = (np.random.default_rng(seed).normal(size=(8, 2)) for seed in (1, 2))
    # With trace exactly 1: the 1/8 of eight samples is a float64.
    A, B = gaussian_gram(X, 0.8), gaussian_gram(Y, 0.8)
    K = A * np.outer(np.arange(1, 9), np.arange(1, 9))
    assert error(A, fifty.rounded(fifty.gaussian_gram(X, 0.8))) < 1e-15
    assert error(normalize_gram(K), fifty.rounded(fifty.normalize_gram(K))) < 1e-15
    assert renyi_entropy(A, alpha) == pytest.approx(float(fifty.renyi_entropy(A, alpha)), rel=1e-13)
    for ours, theirs in (
        (joint_entropy, fifty.joint_entropy),
        (conditional_entropy, fifty.conditional_entropy),
        (mutual_information, fifty.mutual_information),
    ):
        assert ours(A, B, alpha) == pytest.approx(float(theirs(A, B, alpha)), rel=1e-12)
    for tangent in (False, True) if alpha < math.inf else (False,):
        right = fifty.rounded(fifty.renyi_entropy_gradient(A, alpha, tangent=tangent))
        assert error(renyi_entropy_gradient(A, alpha, tangent=tangent), right) < 1e-12
        right = fifty.rounded(fifty.product_entropy_gradient(A, B, alpha, tangent=tangent))
        assert error(product_entropy_gradient(A, B, alpha, tangent=tangent), right) < 1e-12


@pytest.mark.parametrize("alpha", ALPHAS)
def test_derivatives_by_a_matrix_are_those_that_differences_give(alpha):
    fifty = needed("mpmath")
    rng = np.random.default_rng(3)
    A, B = (gaussian_gram(rng.normal(size=(4, 2)), 0.8) for _ in range(2))
    for base in (2, math.e):
        differences = fifty.symmetric_gradient(lambda K, base=base: fifty.renyi_entropy(K, alpha, base), A)
        assert error(fifty.renyi_entropy_gradient(A, alpha, base), differences) < 1e-40
    differences = fifty.symmetric_gradient(lambda K: fifty.renyi_entropy(4 * fifty.exact(A) * K, alpha), B)
    assert error(fifty.product_entropy_gradient(A, B, alpha), differences) < 1e-40
    differences = fifty.rounded(fifty.symmetric_gradient(lambda K: fifty.joint_entropy(A, K, alpha), B))
    assert error(joint_entropy_gradient(A, B, alpha), differences) < 1e-12


def test_the_tangent_form_differs_by_a_multiple_of_the_identity():
    fifty = needed("mpmath")
    A = gaussian_gram(np.random.default_rng(4).normal(size=(4, 2)), 0.8)
    for alpha in (0.5, 1.0, 1.01, 3.0):
        difference = fifty.renyi_entropy_gradient(A, alpha) - fifty.renyi_entropy_gradient(A, alpha, tangent=True)
        assert error(difference, difference[0, 0] * np.eye(4)) < 1e-80


# The edge ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def edge():
    """Rows of the package, and of whatever framework is there."""
    needed("mpmath")
    there = [name for name in oracles.FRAMEWORKS if importlib.util.find_spec(name)]
    return oracles.degenerate_cases(there)


def test_the_package_is_right_at_the_edge(edge):
    rows = [row for row in edge if row.framework == "rdae_ref"]
    assert not oracles.wrong(rows)
    inexact = {row.case for row in rows if row.verdict == "inexact"}
    assert all("apart" in case and case.endswith("α = 0.5") for case in inexact)
    assert {row.case for row in rows if row.verdict == "convention"} == {
        "argument 0, relu, α = 2",
        "argument 0, satlin, α = 2",
    }


def test_frameworks_fail_where_eigenvalues_are_zero_and_only_there(edge):
    for row in edge:
        if row.framework != "rdae_ref":
            singular = any(what in row.case for what in ("equal", "1e-08 apart", "saturated"))
            assert (row.verdict == "NaN") == (singular and not row.case.endswith("α = 2")), row
            assert row.verdict != "wrong"


def test_the_package_warns_where_the_derivative_is_infinite():
    problem = next(problem for problem in table.edge_problems() if problem.name.startswith("two equal samples"))
    with pytest.warns(SingularGramWarning):
        table.CORE[problem.model](problem.X, **problem.settings).value_and_gradient(problem.parameters)


# The table itself ----------------------------------------------------------------------------------------------------


class HalfGradient:
    """An oracle with an error that has been seen: half of ∂W is missing, of the encoder where there are layers."""

    def value_and_gradient(self, parameters, X, *, model="RateDistortion", **settings):
        value, gradient = table._package(parameters, X, model=model, **settings)
        if isinstance(gradient, Parameters):
            return value, gradient._replace(W=gradient.W / 2)
        return value, gradient._replace(encoder=tuple(Layer(W / 2, b) for W, b in gradient.encoder))


def test_a_wrong_gradient_is_found_and_named(monkeypatch):
    monkeypatch.setattr(table, "load", lambda framework: HalfGradient())
    rows = oracles.agreement(["torch"], oracles.SHAPES[:1])
    assert oracles.wrong(rows) == rows
    assert all(0.49 < row.W <= 0.5 and row.A == row.b == row.value == 0 for row in rows)
    lines = oracles.as_table(rows).splitlines()
    assert lines[0].split() == ["case", "framework", "value", "W", "c", "A", "b", "verdict"]
    assert lines[1].split()[-5:] == ["5e-01", "0e+00", "0e+00", "0e+00", "wrong"]
    assert len({len(line.removesuffix("verdict").removesuffix("wrong")) for line in lines}) == 1


def test_an_empty_table_is_a_heading():
    assert oracles.as_table([]).split() == ["case", "framework", "value", "W", "c", "A", "b", "verdict"]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("W", "W"),
        ("c", "c"),
        ("A", "A"),
        ("b", "b"),
        ("encoder[1].W", "W"),
        ("encoder[0].b", "c"),
        ("linear[2]", "W"),
        ("decoder[0].W", "A"),
        ("decoder[1].b", "b"),
    ],
)
def test_the_arrays_of_layers_go_into_the_columns_of_the_paper(name, column):
    assert table._column(name) == column


def test_the_worst_layer_is_the_error_of_its_column_and_nan_is_the_worst():
    problem = list(table._layered_models(np.random.default_rng(0), 3, 2, 2, "tanh"))[-1]
    value, gradient = table._package(problem.parameters, problem.X, model="IRMAE", activation="tanh")
    first, second = gradient.linear
    for factor in (1.5, math.nan):
        spoilt = value, gradient._replace(linear=(first, factor * second))
        assert table._errors(spoilt, (value, gradient)) == pytest.approx((0, factor - 1, 0, 0, 0), nan_ok=True)


def test_verdicts():
    assert table._verdict((1e-11, 0, 0, 0, 0), True) == "right"
    assert table._verdict((1e-9, 0, 0, 0, 0), True) == "inexact"
    assert table._verdict((0, 0, 1e-3, 0, 0), True) == "wrong"
    assert table._verdict((0, 0, 1e-3, 0, 0), False) == "convention"
    assert table._verdict((1e-3, 0, 1e-3, 0, 0), False) == "wrong"
    assert table._verdict((0, math.nan, 0, 0, 0), True) == "NaN"
    assert table._verdict((0, math.inf, 0, 0, 0), False) == "NaN"


def test_parameters_come_back_as_parameters():
    fifty = needed("mpmath")
    point = Parameters(np.ones((1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1))
    assert isinstance(fifty.exact(point), Parameters)
    assert isinstance(fifty.rounded(fifty.exact(point)), Parameters)
    assert fifty.rounded(fifty.exact((0.1, [0.2])))[0] == 0.1


NESTING = {"pytree": {"Pytree", "leaves", "tree_map"}}
TAKEN = {  # by each module of the oracles, and from where in the package: parameters' types and nesting only
    "definitions": {},
    **dict.fromkeys(oracles.FRAMEWORKS, NESTING | {"definitions": {"Definitions"}}),
    "mpmath": NESTING | {"autoencoder": {"Parameters"}, "models": {"IRMAEParameters", "VAEParameters"}},
}


@pytest.mark.parametrize("name", TAKEN)
def test_an_oracle_takes_no_mathematics_from_the_package(name):
    file = f"{name}_oracle.py" if name in INSTALL else f"{name}.py"
    tree = ast.parse((Path(oracles.__file__).parent / file).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert {alias.name for alias in node.names} <= TAKEN[name].get(node.module, set()), node.module
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert "rdae_ref" not in {module.split(".")[0] for module in modules}
