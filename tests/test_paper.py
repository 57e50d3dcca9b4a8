"""paper.py against golden vectors, the oracles, each method of numerics, and its own mutants."""

import ast
import copy
import importlib.util
import inspect
import math
import types
from pathlib import Path

import numpy as np
import pytest
from cases import UNITS, samples
from frameworks import needed

from rdae_ref import ACTIVATIONS, Parameters, RateDistortion, gaussian_gram, initial_parameters, paper
from rdae_ref.pytree import ravel
from rdae_ref.verify import vectors

ALPHAS = (0.5, 0.9, 1.01, 1.5, 2.0, 3.0, 5.0, 10.0)
SOURCE = Path(paper.__file__)

# Golden vectors: who answers each file


def parameters_in(inputs):
    return Parameters(*(inputs.pop(name) for name in "WcAb"))


def entropy_answer(module, X, activation, alpha, sigma_x, sigma_xhat, base, **arrays):
    parameters = parameters_in(arrays)
    forward = module.forward(parameters, X, ACTIVATIONS[activation])
    K_X, K = module.gaussian_gram(X, sigma_x), module.gaussian_gram(forward.Xhat, sigma_xhat)
    P = module.edge_weights(module.entropy_gradient(K, alpha), K, sigma_xhat)
    Q = module.edge_weights(module.joint_entropy_gradient(K_X, K, alpha), K, sigma_xhat)
    of_output, of_joint = (module.entropy_gradients(M, forward, parameters, X) for M in (P, Q))
    answers = {f"dS_output_d{name}": array / math.log(base) for name, array in of_output._asdict().items()}
    return answers | {f"dS_joint_d{name}": array / math.log(base) for name, array in of_joint._asdict().items()}


def distortion_answer(module, X, activation, **arrays):
    parameters = parameters_in(arrays)
    gradients = module.distortion_gradients(
        module.forward(parameters, X, ACTIVATIONS[activation]), parameters, X, X
    )
    return {f"dD_d{name}": array for name, array in gradients._asdict().items()}


def objective_answer(module, X, activation, **inputs):
    parameters = parameters_in(inputs)
    value, gradient = module.value_and_gradient(parameters, X, ACTIVATIONS[activation], **inputs)
    return {"L": value} | {f"dL_d{name}": array for name, array in gradient._asdict().items()}


def laplacian_answer(module, X, sigma, alpha, base):
    K = module.gaussian_gram(X, sigma)
    P = module.edge_weights(module.entropy_gradient(K, alpha), K, sigma)
    return {"dS_dY": -4 * module.graph_laplacian(P) @ X / math.log(base)}


ANSWERS = {
    "equation-09": lambda m, **i: {"D": m.distortion(**i)},
    "equation-10": lambda m, **i: {"S": m.renyi_entropy(**i)},
    "equation-11-gaussian": lambda m, **i: {"A": m.gaussian_gram(**i)},
    "equation-12": lambda m, **i: {"S": m.joint_entropy(**i)},
    "equation-13": lambda m, **i: {"conditional_entropy": m.conditional_entropy(**i)},
    "equation-15-literal": lambda m, A, alpha, base: {"dS_dA": m.entropy_gradient(A, alpha) / math.log(base)},
    "equation-16-literal": lambda m, K_X, K, alpha, base: {
        "dS_dK": m.joint_entropy_gradient(K_X, K, alpha) / math.log(base)
    },
    "graph-laplacian": laplacian_answer,
    **{f"equation-{n}": entropy_answer for n in (17, 18, 19, 20)},
    **{f"equation-{n}": distortion_answer for n in (21, 22, 23, 24)},
    "equation-25": objective_answer,
}


def covers(case):
    """Tell whether the order has a printed form; singular matrices below α = 1 are refused at the call."""
    return case.inputs.get("alpha") not in (1, math.inf)


def check_against_vectors(module, names=ANSWERS, every=1):
    """Count the golden cases that a module like paper.py reproduces; AssertionError for one that it does not."""
    checked = 0
    for name in names:
        for case in vectors.load(name).cases[::every]:
            if not covers(case):
                continue
            try:
                answers = ANSWERS[name](module, **case.inputs)
            except ValueError as error:
                if case.inputs.get("alpha", 2) < 1 and "singular" in str(error):
                    continue
                raise
            near_one = abs(case.inputs.get("alpha", 2) - 1)
            for key in case.outputs.keys() & answers.keys():
                expected = np.asarray(case.outputs[key], dtype=float)
                # Relative 1e-9; 1/(1−α) magnifies the rounding of a trace by what it says.
                limit = max(1e-9, 1e-14 / near_one**2) * (np.abs(expected).max() or 1.0)
                assert np.shape(answers[key]) == np.shape(expected), (name, case.name, key)
                assert np.abs(answers[key] - expected).max() <= limit, (name, case.name, key)
                checked += 1
    return checked


@pytest.mark.parametrize("name", ANSWERS)
def test_the_golden_vectors_that_it_covers(name):
    with np.errstate(all="raise", under="ignore"):
        assert check_against_vectors(paper, [name]) >= 3


# Each method of numerics, and the oracles


def full_rank(activation, alpha, seed=0, n=25, d=2, p=5):
    """Make a problem whose Gram matrices have no eigenvalue that is rounding."""
    rng = np.random.default_rng(seed)
    X = 3 * rng.normal(size=(n, d))
    settings = {"alpha": alpha, "mu": 1.5, "sigma_x": 0.3, "sigma_xhat": 0.2}
    parameters = initial_parameters(d, p, rng, scale=0.9)
    if activation == "satlin":  # within its bounds: equal outputs make K_X̂ singular
        W, c, A, b = parameters
        parameters = Parameters(0.05 * W, c + 0.5, 20 * A, b)
    return X, parameters, {"activation": activation} | settings


@pytest.mark.parametrize("method", ["auto", "exact", "low-rank"])
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("activation", UNITS)
@pytest.mark.parametrize("base", [2, math.e])
def test_each_method_of_numerics_agrees(activation, alpha, base, method):
    X, parameters, settings = full_rank("linear" if alpha < 1 else activation, alpha)
    printed = RateDistortion(X, **settings, base=base, method="paper")
    objective = RateDistortion(X, **settings, base=base, method=method)
    (value, gradient), (expected, slope) = (o.value_and_gradient(parameters) for o in (printed, objective))
    assert value == pytest.approx(expected, rel=1e-9)
    slope = ravel(slope)[0]
    np.testing.assert_allclose(ravel(gradient)[0], slope, atol=1e-9 * np.abs(slope).max())
    assert printed.terms(parameters) == pytest.approx(objective.terms(parameters), rel=1e-9, abs=1e-10)
    assert printed.truncation_error(parameters) == 0


@pytest.mark.parametrize("alpha", [1.01, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("method", ["exact", "low-rank"])
def test_numerics_agrees_where_dozens_of_eigenvalues_are_rounding(method, alpha):
    rng = np.random.default_rng(0)
    X, parameters = rng.normal(size=(200, 2)), initial_parameters(2, 10, rng, scale=0.7)
    settings = {"activation": "relu", "alpha": alpha, "mu": 1.5, "sigma_x": 0.28, "sigma_xhat": 0.28}
    printed, objective = (RateDistortion(X, **settings, method=m) for m in ("paper", method))
    (value, gradient), (expected, slope) = (o.value_and_gradient(parameters) for o in (printed, objective))
    assert value == pytest.approx(expected, rel=1e-8)
    np.testing.assert_allclose(ravel(gradient)[0], ravel(slope)[0], atol=1e-8 * np.abs(ravel(slope)[0]).max())


@pytest.mark.parametrize("framework", ["autograd", "torch", "jax", "mpmath"])
@pytest.mark.parametrize("alpha", [1.01, 1.5, 3.0])
@pytest.mark.parametrize("activation", UNITS)
def test_the_four_oracles_agree(framework, activation, alpha):
    oracle = needed(framework)
    X, parameters, settings = full_rank(activation, alpha, n=6 if framework == "mpmath" else 20)
    expected, slope = oracle.value_and_gradient(parameters, X, **settings)
    arguments = [settings[name] for name in ("alpha", "mu", "sigma_x", "sigma_xhat")]
    value, gradient = paper.value_and_gradient(parameters, X, ACTIVATIONS[activation], *arguments)
    slope = ravel(tuple(np.array(part, dtype=float) for part in slope))[0]
    assert value == pytest.approx(float(expected), rel=1e-9)
    np.testing.assert_allclose(ravel(gradient)[0], slope, atol=1e-9 * np.abs(slope).max())


# What it is, and what it refuses


def test_it_is_short_and_no_more_docstring_than_code():
    text = SOURCE.read_text(encoding="utf-8")
    assert text.count("\n") <= 450
    tree, prose = ast.parse(text), sum(not line.strip() for line in text.splitlines())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node, clean=False):
            lines = ast.get_docstring(node, clean=False).splitlines()
            prose += sum(bool(line.strip()) for line in lines)
            assert isinstance(node, ast.Module) or len(lines) <= 6
    assert prose <= text.count("\n") - prose
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    assert [node.module for node in imports] == ["activations"]


def test_every_equation_is_named_by_its_function():
    import re

    found = set()
    for _, function in inspect.getmembers(paper, inspect.isfunction):
        if function.__module__ == paper.__name__:
            for first, last in re.findall(r"\((\d+)\)(?:-\((\d+)\))?", function.__doc__ or ""):
                found |= set(range(int(first), int(last or first) + 1))
    assert found >= {*range(9, 14), *range(15, 26)}
    assert "(14)" in SOURCE.read_text(encoding="utf-8")


@pytest.mark.parametrize("alpha", [1, math.inf])
def test_orders_without_a_printed_form_are_refused(alpha):
    K = gaussian_gram(samples(4), 1.0)
    for function in (paper.renyi_entropy, paper.entropy_gradient):
        with pytest.raises(ValueError, match=r"use rdae_ref\.renyi_entropy"):
            function(K, alpha)
    with pytest.raises(ValueError, match='or method="exact"'):
        RateDistortion(samples(4), activation="relu", alpha=alpha, mu=1, sigma_x=1, sigma_xhat=1, method="paper")


def check_eigenvalues_that_are_rounding(module):
    """Below N · eps · λ_max an eigenvalue is zero: left out above α = 1, refused below."""
    threshold = 4 * np.finfo(float).eps * 0.4
    for small, is_zero in ((0.5 * threshold, True), (-threshold, True), (0.0, True), (2 * threshold, False)):
        A = np.diag([0.4, 0.4, 0.2 - small, small])
        expected = np.log2(2 * 0.4**1.5 + 0.2**1.5) / -0.5
        assert abs(module.renyi_entropy(A, 1.5) - expected) < 1e-12
        power = -3 * A**0.5 / (2 * 0.4**1.5 + 0.2**1.5) if small >= 0 else None
        if power is not None:
            assert np.abs(module.entropy_gradient(A, 1.5) - power)[:3, :3].max() < 1e-6
        assert bool(module.entropy_gradient(A, 1.5)[3, 3] == 0) is is_zero
        for function in (module.renyi_entropy, module.entropy_gradient):
            try:
                function(A, 0.5)
                refused = False
            except ValueError as error:
                refused = "singular" in str(error)
            assert refused is is_zero
    for alpha in (1, math.inf):
        try:
            module.renyi_entropy(np.eye(2) / 2, alpha)
        except ValueError as error:
            refused = "no printed form" in str(error)
        else:
            refused = False
        assert refused


def test_eigenvalues_that_are_rounding_count_as_zero():
    check_eigenvalues_that_are_rounding(paper)


def check_ascent(module):
    """Climb a parabola, of which every step is known."""
    top = Parameters(*(np.full(shape, 2.0) for shape in ((2, 1), (2,), (1, 2), (1,))))
    start = Parameters(*map(np.zeros_like, top))

    def gradient(parameters):
        return Parameters(*(t - part for t, part in zip(top, parameters, strict=True)))

    plain = module.ascend(gradient, start, step_size=0.25, n_steps=3)
    rolling = module.ascend(gradient, start, step_size=0.25, n_steps=3, momentum=0.5)
    theta = velocity = 0.0
    for _ in range(3):
        velocity = 0.5 * velocity + 0.25 * (2 - theta)
        theta += velocity
    for one, other, zero in zip(plain, rolling, start, strict=True):
        np.testing.assert_allclose(one, 2 * (1 - 0.75**3), rtol=1e-14)
        np.testing.assert_allclose(other, theta, rtol=1e-14)
        assert not zero.any()


def check_defaults_and_forward(module):
    """Entropies are in bits unless told otherwise, and the forward pass keeps all that it computes."""
    X, parameters, settings = full_rank("logsig", 1.5, n=6)
    g, numbers = ACTIVATIONS["logsig"], [settings[name] for name in ("alpha", "mu", "sigma_x", "sigma_xhat")]
    K_X, K = module.gaussian_gram(X, 0.3), module.gaussian_gram(X, 2.0)
    assert abs(module.renyi_entropy(np.eye(8) / 8, 1.5) - 3) < 1e-14
    for function in (module.joint_entropy, module.conditional_entropy):
        assert function(K_X, K, 1.5) == function(K_X, K, 1.5, 2)
    value, gradient = module.value_and_gradient(parameters, X, g, *numbers)
    expected, slope = module.value_and_gradient(parameters, X, g, *numbers, 2)
    assert value == expected
    assert all(np.array_equal(one, other) for one, other in zip(gradient, slope, strict=True))
    forward = module.forward(parameters, X, g)
    W, c, A, b = parameters
    for i, x in enumerate(X):
        z = np.array([np.dot(w, x) for w in W]) + c
        logsig = 1 / (1 + np.exp(-z))
        expected = (z, logsig, logsig * (1 - logsig), np.array([np.dot(a, logsig) for a in A]) + b)
        for part, wanted in zip(forward, expected, strict=True):
            assert np.abs(part[i] - wanted).max() < 1e-13


def test_the_defaults_and_the_forward_pass():
    check_defaults_and_forward(paper)


def test_the_ascent_takes_the_steps_that_it_says():
    check_ascent(paper)


def test_breaking_the_paper_breaks_the_method_that_runs_it(monkeypatch):
    X, parameters, settings = full_rank("relu", 1.5)
    right, exact = (RateDistortion(X, **settings, method=method) for method in ("paper", "exact"))
    expected = exact.value_and_gradient(parameters)
    literal = paper.entropy_gradient
    monkeypatch.setattr(paper, "entropy_gradient", lambda A, alpha: 1.001 * literal(A, alpha))
    assert not np.allclose(right.value_and_gradient(parameters)[1].W, expected[1].W, rtol=1e-6)
    np.testing.assert_array_equal(exact.value_and_gradient(parameters)[1].W, expected[1].W)
    monkeypatch.undo()
    monkeypatch.setattr(paper, "renyi_entropy", lambda A, alpha, base=2: 7.0)
    assert right.value_and_gradient(parameters)[0] != pytest.approx(expected[0])


# A mutation of each line is caught

SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Mult,
    ast.Lt: ast.Gt, ast.LtE: ast.Gt, ast.In: ast.NotIn, ast.And: ast.Or, ast.USub: ast.UAdd,
}  # fmt: skip
COUNTED = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Constant, ast.Attribute)
COUNTED += (ast.Call, ast.Name, ast.Tuple)


def mutated(node):
    """Return a wrong version of one expression, or None where there is none to be made."""
    wrong = copy.deepcopy(node)
    if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.BoolOp)) and type(node.op) in SWAPS:
        wrong.op = SWAPS[type(node.op)]()
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        wrong.ops = [SWAPS[type(node.ops[0])]()]
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        wrong.value = node.value + 1
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        return wrong.value
    elif isinstance(node, ast.Attribute) and node.attr in ("value", "derivative"):
        wrong.attr = {"value": "derivative", "derivative": "value"}[node.attr]
    elif isinstance(node, ast.Attribute) and node.attr in ("Xhat", "A", "b"):
        wrong.attr = {"Xhat": "Zhat", "A": "W", "b": "c"}[node.attr]
    elif isinstance(node, ast.Attribute) and node.attr in ("zeros_like", "ones", "any", "max"):
        wrong.attr = {"zeros_like": "ones_like", "ones": "zeros", "any": "all", "max": "min"}[node.attr]
    elif isinstance(node, ast.Name) and node.id in NEIGHBOURS:
        wrong.id = NEIGHBOURS[node.id]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_nonnegative":
        return wrong.args[0]
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Store):
        wrong.elts[:2] = wrong.elts[1::-1]  # what is unpacked changes places
    else:
        return None
    return wrong


# One symbol in place of another, as they are confused.
NEIGHBOURS = {
    "X": "Xhat", "Xhat": "X", "K_X": "K", "K": "K_X", "P": "Q", "Q": "P", "W": "A", "A": "W", "c": "b", "b": "c",
    "Z": "Zhat", "Zhat": "Gprime", "Gprime": "Zhat", "sigma_x": "sigma_xhat", "sigma_xhat": "sigma_x", "B": "A",
    "target": "Xhat",
    "U": "A", "parameters": "dL",
    "Lambda": "eigenvalues", "joint": "K", "degrees": "P", "L_P": "P", "AB": "A", "squared_distances": "X",
    "error": "Xhat", "dS": "dD", "dD": "dS", "dS_dK": "K", "dS_dZ": "Zhat", "dD_dZ": "Zhat", "L": "mu",
}  # fmt: skip


class Replace(ast.NodeTransformer):
    def __init__(self, index):
        self.index, self.count, self.line = index, -1, None

    def visit(self, node):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            node.returns = None
            for argument in getattr(getattr(node, "args", None), "args", ()):
                argument.annotation = None
        if isinstance(node, ast.JoinedStr):
            return node  # the words of an error
        stored = isinstance(getattr(node, "ctx", None), ast.Store) and not isinstance(node, ast.Tuple)
        if isinstance(node, COUNTED) and not stored:
            wrong = mutated(node)
            if wrong is not None:
                self.count += 1
                if self.count == self.index:
                    self.line = node.lineno
                    return ast.copy_location(wrong, node)
        return self.generic_visit(node)


def functions_of(tree):
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def mutants():
    """Make one module for each expression of paper.py that can be made wrong, with the line where it is."""
    index = 0
    while True:
        tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
        replace = Replace(index)
        for node in functions_of(tree):
            replace.visit(node)
        if replace.line is None:
            return
        index += 1
        spec = importlib.util.spec_from_loader("rdae_ref.mutant", None)
        module = types.ModuleType("rdae_ref.mutant")
        module.__package__, module.__spec__ = "rdae_ref", spec
        exec(compile(ast.fix_missing_locations(tree), "mutant", "exec"), vars(module))
        yield replace.line, module


def survives(module):
    try:
        with np.errstate(all="ignore"):
            check_ascent(module)
            check_defaults_and_forward(module)
            check_eigenvalues_that_are_rounding(module)
            check_against_vectors(module, every=3)
    except Exception:
        return False
    return True


# Lines that some change leaves right: a neighbour has as many rows, and a sum does not see the order of its terms.
EQUIVALENT = {
    "N = len(X)",
    "N = len(K)",
    "parameters = Parameters(*(theta + v for theta, v in zip(parameters, velocity, strict=True)))",
}


def test_a_mutation_of_each_line_is_caught():
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    assert survives(paper)
    caught, survivors = set(), []
    for line, module in mutants():
        if survives(module):
            survivors.append(lines[line - 1].strip())
        else:
            caught.add(line)
    assert set(survivors) <= EQUIVALENT
    for function in functions_of(ast.parse("\n".join(lines))):
        for statement in function.body[1:]:
            numbers = set(range(statement.lineno, statement.end_lineno + 1))
            assert numbers & caught or lines[statement.lineno - 1].strip() in EQUIVALENT
