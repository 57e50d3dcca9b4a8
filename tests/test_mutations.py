"""The mutation suite: errors of the kind that lived for years in public code, planted into the gradient of (25).

Each one must be caught, and located in the arrays where it is.
"""

import math

import numpy as np
import pytest
from cases import problem

from rdae_ref import Parameters, check_gradient
from rdae_ref.paper import (
    distortion_gradients,
    edge_weights,
    entropy_gradient,
    entropy_gradients,
    forward,
    gaussian_gram,
    joint_entropy_gradient,
)
from rdae_ref.pytree import tree_map

ALL, NO_B, ENCODER = set("WcAb"), set("WcA"), set("Wc")


class Mutant:
    """The objective (25) with its gradient taken apart, so that each part can be spoilt."""

    def __init__(self, spoil):
        self.objective, self.spoil = problem("logsig", alpha=1.5, n=20, p=4)[0], spoil

    def value_and_gradient(self, parameters):
        value, _ = self.objective.value_and_gradient(parameters)
        return value, self.spoil(self.objective, parameters)


def weights(f, parameters):
    """P and Q of the paper, in bits."""
    K = gaussian_gram(forward(parameters, f.X, f.activation).Xhat, f.sigma_xhat)
    P = edge_weights(entropy_gradient(K, f.alpha), K, f.sigma_xhat)
    Q = edge_weights(joint_entropy_gradient(gaussian_gram(f.X, f.sigma_x), K, f.alpha), K, f.sigma_xhat)
    return P / math.log(2), Q / math.log(2)


def assembled(f, parameters, *, of_entropy=lambda G: G, of_distortion=lambda G: G, graph=lambda P, Q: Q - P):
    """∂L, with room for an error in each of its parts."""
    forward_pass = forward(parameters, f.X, f.activation)
    dS = of_entropy(entropy_gradients(graph(*weights(f, parameters)), forward_pass, parameters, f.X))
    dD = of_distortion(distortion_gradients(forward_pass, parameters, f.X, f.X))
    return tree_map(lambda s, d: s - f.mu * d, dS, dD)


def scaled(factor, names=ALL):
    return lambda G: Parameters(**{n: (factor if n in names else 1) * a for n, a in G._asdict().items()})


def no_degrees(f, parameters):
    """−P for the Laplacian D(P) − P."""
    (_, Zhat, Gprime, _), A = forward(parameters, f.X, f.activation), parameters.A
    P, Q = weights(f, parameters)
    L = -(Q - P)
    LZA = L @ Zhat @ A.T
    back = (LZA @ A) * Gprime
    wrong = Parameters(-4 * back.T @ f.X, -4 * back.sum(axis=0), -4 * LZA.T @ Zhat, np.zeros_like(parameters.b))
    dD = distortion_gradients(forward(parameters, f.X, f.activation), parameters, f.X, f.X)
    return tree_map(lambda s, d: s - f.mu * d, wrong, dD)


def without_slope(f, parameters):
    """The encoder's gradients without their factor G′."""
    forward_pass = forward(parameters, f.X, f.activation)
    P, Q = weights(f, parameters)
    flat = forward_pass._replace(Gprime=np.ones_like(forward_pass.Gprime))
    dS, dD = (entropy_gradients(Q - P, flat, parameters, f.X), distortion_gradients(flat, parameters, f.X, f.X))
    return tree_map(lambda s, d: s - f.mu * d, dS, dD)


def one_element(f, parameters):
    gradient = assembled(f, parameters)
    W = gradient.W.copy()
    W[2, 1] *= 1.01
    return gradient._replace(W=W)


def half_off_diagonal(f, parameters):
    """What a framework gives that reads one triangle of the symmetric matrix."""
    return assembled(f, parameters, of_entropy=scaled(0.5))


MUTANTS = {
    "factor 2 everywhere": (lambda f, p: tree_map(lambda a: 2 * a, assembled(f, p)), ALL),
    "the sign": (lambda f, p: tree_map(lambda a: -a, assembled(f, p)), ALL),
    "missing 1/ln 2": (lambda f, p: assembled(f, p, of_entropy=scaled(math.log(2))), NO_B),
    "P for Q": (lambda f, p: assembled(f, p, graph=lambda P, Q: P), NO_B),
    "the output entropy forgotten": (lambda f, p: assembled(f, p, graph=lambda P, Q: Q), NO_B),
    "D(P) missing": (no_degrees, NO_B),
    "half of the off-diagonal": (half_off_diagonal, NO_B),
    "P without 1/(2σ²)": (lambda f, p: assembled(f, p, graph=lambda P, Q: 2 * f.sigma_xhat**2 * (Q - P)), NO_B),
    "σ_x for σ_x̂": (
        lambda f, p: assembled(f, p, graph=lambda P, Q: (f.sigma_xhat / f.sigma_x) ** 2 * (Q - P)),
        NO_B,
    ),
    "sum for mean in D": (lambda f, p: assembled(f, p, of_distortion=scaled(len(f.X))), ALL),
    "½ in D": (lambda f, p: assembled(f, p, of_distortion=scaled(0.5)), ALL),
    "μ forgotten": (lambda f, p: assembled(f, p, of_distortion=scaled(1 / f.mu)), ALL),
    "the decoder's part dropped": (
        lambda f, p: assembled(f, p)._replace(A=np.zeros_like(p.A), b=np.zeros_like(p.b)),
        {"A", "b"},
    ),
    "G′ forgotten": (without_slope, ENCODER),
    "a transposed factor": (lambda f, p: assembled(f, p)._replace(W=assembled(f, p).A.T), {"W"}),
    "one element wrong by 1 %": (one_element, {"W"}),
}


def test_the_parts_taken_together_are_the_gradient():
    f, parameters = problem("logsig", alpha=1.5, n=20, p=4)
    for right, mine in zip(f.value_and_gradient(parameters)[1], assembled(f, parameters), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-10, atol=1e-12)
    report = check_gradient(Mutant(assembled), parameters, rng=np.random.default_rng(0))
    assert report.passed, str(report)
    assert report.max_relative_error < 1e-7
    assert report.taylor_slope == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_error_is_caught_and_located(name):
    spoil, where = MUTANTS[name]
    _, parameters = problem("logsig", alpha=1.5, n=20, p=4)
    report = check_gradient(Mutant(spoil), parameters, rng=np.random.default_rng(0))
    assert report.verdict == "wrong", str(report)
    assert {row.name for row in report.arrays if row.status == "wrong"} == where
    assert report.worst.name in where
    if name == "one element wrong by 1 %":
        assert (report.worst.name, report.worst.index) == ("W", (2, 1))
        assert report.worst.analytic / report.worst.numeric == pytest.approx(1.01, rel=1e-6)
    else:
        assert report.taylor_slope < 1.5


def test_one_element_among_thousands():
    f, parameters = problem("logsig", alpha=2.0, n=8, d=20, p=60)

    class OneWrong:
        def value_and_gradient(self, at):
            value, gradient = f.value_and_gradient(at)
            W = gradient.W.copy()
            W[37, 11] *= 1.01
            return value, gradient._replace(W=W)

    report = check_gradient(OneWrong(), parameters, rng=np.random.default_rng(0))
    assert sum(row.size for row in report.arrays) > 2000
    assert report.verdict == "wrong"
    assert (report.worst.name, report.worst.index) == ("W", (37, 11))
