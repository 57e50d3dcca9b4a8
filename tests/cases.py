"""One table of cases: a new activation, or a new order of the entropy, is one entry here and inherits every test."""

import math
from itertools import pairwise

import numpy as np

from rdae_ref import ACTIVATIONS, RateDistortion, gaussian_gram, initial_parameters

ALPHAS = (0.5, 0.99, 1.0, 1.01, 1.5, 2.0, 3.0, 10.0, math.inf)
UNITS = tuple(ACTIVATIONS)

# What no function takes for a matrix of samples or for a Gram matrix, with the words that its error must contain.
BAD_MATRICES = {
    "NaN": (np.array([[1.0, np.nan], [np.nan, 1.0]]), ValueError, "finite"),
    "infinite": (np.array([[np.inf, 0.0], [0.0, 1.0]]), ValueError, "finite"),
    "complex": (np.eye(2) * 1j, TypeError, "real"),
    "object": (np.array([["a", None], [1, 2]], dtype=object), TypeError, "real"),
    "text": ([["a", "b"], ["c", "d"]], TypeError, "real"),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError, "rectangular"),
    "empty": (np.zeros((0, 0)), ValueError, "empty"),
    "vector": (np.ones(3), ValueError, "shape"),
    "three axes": (np.ones((2, 2, 2)), ValueError, "shape"),
}
BAD_GRAMS = BAD_MATRICES | {
    "not square": (np.ones((2, 3)), ValueError, "square"),
    "not symmetric": (np.array([[0.5, 0.4], [0.1, 0.5]]), ValueError, "symmetric"),
}
BAD_POSITIVE = {
    "zero": (0.0, ValueError),
    "negative": (-1.0, ValueError),
    "NaN": (math.nan, ValueError),
    "text": ("1", TypeError),
    "none": (None, TypeError),
    "truth": (True, TypeError),
    "complex": (1j, TypeError),
}


def samples(n=20, d=2, seed=0, spread=1.0):
    """Draw samples whose Gram matrix is well-conditioned, the more so the larger the spread."""
    return spread * np.random.default_rng(seed).normal(size=(n, d))


def gram(n=12, seed=0, sigma=0.5, spread=1.0):
    return gaussian_gram(samples(n, 2, seed, spread), sigma)


def problem(activation="logsig", alpha=1.01, n=25, d=2, p=5, seed=0, mu=1.5, sigma=0.4, base=2, scale=0.7):
    """Make an objective and parameters to evaluate it at; no pre-activation is near a kink."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    objective = RateDistortion(
        X, activation=activation, alpha=alpha, mu=mu, sigma_x=sigma, sigma_xhat=1.2 * sigma, base=base
    )
    return objective, initial_parameters(d, p, rng, scale=scale)


def directional_difference(function, point, direction, step=1e-2, levels=5):
    """Differentiate along a direction: central differences at step, step/2, ..., extrapolated to step 0 (Romberg)."""
    steps = [step / 2**k for k in range(levels)]
    table = [(function(point + h * direction) - function(point - h * direction)) / (2 * h) for h in steps]
    for order in range(1, levels):
        table = [(4**order * fine - coarse) / (4**order - 1) for coarse, fine in pairwise(table)]
    return table[0]
