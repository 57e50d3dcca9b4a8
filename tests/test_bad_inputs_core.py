"""Each public function of matrices, autoencoder and the objective, with bad values for each of its arguments."""

import numpy as np
import pytest
from bad_inputs import failures

import rdae_ref
from rdae_ref import SingularGramWarning, autoencoder, matrices

N, D, P = 6, 3, 2
X = np.random.default_rng(0).normal(size=(N, D))
Y = np.random.default_rng(1).normal(size=(N, D))
A, B = rdae_ref.gaussian_gram(X, 0.7), rdae_ref.gaussian_gram(Y, 0.7)
SYMMETRIC = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.1], [0.0, 0.1, 0.7]])
AT = rdae_ref.initial_parameters(D, P, np.random.default_rng(2), scale=0.5)
FORWARD = rdae_ref.forward(AT, X, "logsig")
ORDER = {"alpha": 1.5, "base": 2.0}
SETTINGS = {"X": X, "activation": "logsig", "alpha": 1.5, "mu": 0.5, "sigma_x": 0.7, "sigma_xhat": 0.6, "base": 2.0}


def evaluated(method):
    def function(parameters, inputs, **settings):
        objective = rdae_ref.RateDistortion(**settings, method=method)
        terms = objective.terms(parameters)
        bound = objective.truncation_error(parameters)
        return [objective.value_and_gradient(parameters), terms, bound, objective.reconstruct(parameters, inputs)]

    return function


CASES = {
    "gaussian_gram": (matrices.gaussian_gram, {"X": X, "sigma": 0.7}),
    "normalize_gram": (matrices.normalize_gram, {"K": A}),
    "median_distance": (matrices.median_distance, {"X": X}),
    "renyi_entropy": (matrices.renyi_entropy, {"A": A} | ORDER),
    "renyi_entropy_gradient": (matrices.renyi_entropy_gradient, {"A": A} | ORDER),
    "joint_entropy": (matrices.joint_entropy, {"A": A, "B": B} | ORDER),
    "joint_entropy_gradient": (matrices.joint_entropy_gradient, {"A": A, "B": B} | ORDER),
    "product_entropy_gradient": (matrices.product_entropy_gradient, {"K_X": A, "K": B} | ORDER),
    "conditional_entropy": (matrices.conditional_entropy, {"A": A, "B": B} | ORDER),
    "mutual_information": (matrices.mutual_information, {"A": A, "B": B} | ORDER),
    "graph_laplacian": (matrices.graph_laplacian, {"P": SYMMETRIC}),
    "gram_pullback": (matrices.gram_pullback, {"dS_dK": B, "K": A, "Y": X, "sigma": 0.7}),
    "initial_parameters": (autoencoder.initial_parameters, {"n_features": 3, "n_hidden": 2, "rng": None, "scale": 0.1}),
    "forward": (autoencoder.forward, {"parameters": AT, "X": X, "activation": "logsig"}),
    "distortion": (autoencoder.distortion, {"X": X, "Xhat": Y}),
    "entropy_gradients": (
        autoencoder.entropy_gradients,
        {"P": A, "forward_pass": FORWARD, "parameters": AT, "X": X},
    ),
    "distortion_gradients": (
        autoencoder.distortion_gradients,
        {"forward_pass": FORWARD, "parameters": AT, "X": X, "target": X},
    ),
    "RateDistortion, exact": (evaluated("exact"), SETTINGS | {"parameters": AT, "inputs": X}),
    "RateDistortion, low-rank": (evaluated("low-rank"), SETTINGS | {"parameters": AT, "inputs": X}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::rdae_ref.SingularGramWarning")
def test_bad_values_are_refused_or_give_finite_numbers(name):
    function, arguments = CASES[name]
    if "rng" in arguments:
        arguments = arguments | {"rng": np.random.default_rng(0)}
    allowed = (FloatingPointError,) if name.startswith("RateDistortion") else ()
    assert not failures(function, arguments, refusals=(*allowed, SingularGramWarning, MemoryError))


def test_every_public_function_is_in_the_table():
    for module in (matrices, autoencoder):
        public = {name for name in module.__all__ if name in rdae_ref.__all__ and name[0].islower()}
        assert public <= set(CASES)


@pytest.mark.parametrize("method", ["exact", "low-rank", "auto", "paper"])
@pytest.mark.parametrize("scale", [2.0**200, 2.0**-200, 2.0**30])
def test_units_do_not_matter_where_kernel_sizes_and_mu_follow(method, scale):
    """Bit for bit for powers of two: x → s x, σ → s σ, μ → μ/s², and the parameters with them."""
    W, c, A_, b = AT
    settings = SETTINGS | {"activation": "relu"}
    scaled = {"X": scale * X, "sigma_x": scale * 0.7, "sigma_xhat": scale * 0.6, "mu": 0.5 / scale / scale}
    if method == "paper" and not 1e-60 < scale < 1e60:
        return  # as printed: σ² leaves float64
    one, other = (rdae_ref.RateDistortion(**s, method=method) for s in (settings, settings | scaled))
    assert other.value_and_gradient((W / scale, c, scale * A_, scale * b))[0] == one.value_and_gradient(AT)[0]
