"""The rows of the theory: (1) to (6), and the entropy of infinitely many Gaussian samples."""

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import entr, ive

from ... import theory
from ..._validation import Array
from ...matrices import renyi_entropy
from .rows import ALPHAS, ROUNDING, Row, relative, worst


def theory_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield the rows of (1) to (6)."""
    ours, closed = zip(*(_circle_objectives(beta, rng) for beta in (2.0, 20.0)), strict=True)
    yield Row("(1)", "D + I/β, manifold of a circle", "closed form, von Mises", 2, relative(ours, closed), 1e-4)
    points, closed = zip(*_finite_sources(), strict=True)
    rates, sums = [point.rate for point in points], np.concatenate([point.conditional.sum(axis=1) for point in points])
    sources = "binary to p = 1e-6, erasures, Gaussian"
    yield Row("(2)(3)", f"R(D), {sources}", "closed forms", len(rates), relative(rates, closed), 1e-8)
    yield Row("(3)", "Σ q(x̂ given x)", "1", sums.size, relative(sums, np.ones_like(sums)), ROUNDING)

    ours, closed = zip(*_two_points((0.3, 0.7, 2.0)), strict=True)
    yield Row("(2)(3)", "R(D) of two points, reproductions anywhere", "closed form", 3, relative(ours, closed), 1e-3)

    gamma2 = rng.uniform(0.1, 4, 5)
    D = gamma2.sum() * np.array([0.05, 0.3, 0.6, 0.9])
    filling = theory.gaussian_rate_distortion(gamma2, D)
    minimal = [_least_gaussian_rate(gamma2, total) for total in D]
    yield Row("(4)(5)", "R(D) by water-filling", "numerical minimum over D_i", 4, relative(filling.rate, minimal), 1e-6)
    back = theory.gaussian_distortion_rate(gamma2, filling.rate).distortion
    yield Row("(4)(5)", "D(R), the inverse", "D", 4, relative(back, D), 1e-11)
    channels = [theory.gaussian_test_channel(gamma2, level) for level in np.atleast_1d(filling.level)]
    information = [0.5 * np.log2(gamma2 / (gamma2 - a**2 * gamma2**2 / _output(a, n, gamma2))) for a, n in channels]
    error = relative([bits.sum() for bits in information], filling.rate)
    yield Row("(6)", "H(X) − H(X given X̂), test channel", "R(D) of (4)", 4, error, 1e-11)
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    root, cases, errors = np.sqrt(weights / weights.sum()), itertools.product((1.0, 3.0), (1.0, *ALPHAS)), []
    for sigma, alpha in cases:
        K = root * np.exp(-((nodes[:, None] - nodes) ** 2) / (2 * sigma**2)) * root[:, None]
        errors.append(relative(renyi_entropy(K, alpha), theory.gaussian_kernel_entropy([1.0], sigma, alpha)))
    yield Row(
        "(10)", "S_α of N(0, 1), N → ∞, by quadrature", "geometric eigenvalues", len(errors), worst(errors), 1e-11
    )


def _circle_objectives(beta: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return D + I/β of the fitted points, and of the von Mises map to which it tends: points at radius r = I₁/I₀."""
    angles = 2 * math.pi * np.arange(120) / 120
    X = np.column_stack([np.cos(angles), np.sin(angles)])
    found = theory.optimal_manifold(X, 24, theory.annealing_slopes(X, beta, 8), rng=rng)
    r = brentq(lambda r: ive(1, 2 * beta * r) / ive(0, 2 * beta * r) - r, 0.1, 1)
    nats = 2 * beta * r * (r - 1) - math.log(ive(0, 2 * beta * r))
    return found.distortion + found.rate * math.log(2) / beta, 1 - r**2 + nats / beta


def _finite_sources() -> Iterator[tuple[theory.RateDistortionPoint, float]]:
    """Yield points of R(D), each with the closed form at its distortion."""
    for p, slope in itertools.product((0.5, 0.1, 1e-3, 1e-6), (1.0, 3.0, 8.0, 20.0)):
        point = theory.blahut_arimoto([p, 1 - p], 1 - np.eye(2), slope)
        D = point.distortion
        entropy = sum(entr([p, 1 - p]) - entr([D, 1 - D])) / math.log(2)
        yield point, float(entropy) if p > D else 0.0
    erasures = np.hstack([np.where(np.eye(3) == 1, 0, math.inf), np.ones((3, 1))])
    for slope in (0.5, math.log(3), 3.0):
        point = theory.blahut_arimoto(np.full(3, 1 / 3), erasures, slope)
        yield point, math.log2(3) * (1 - point.distortion)
    x = np.linspace(-7, 7, 141)
    density = np.exp(-(x**2) / 2)
    point = theory.blahut_arimoto(density / density.sum(), (x[:, None] - x) ** 2, 4.0)
    yield point, 0.5 * math.log2(1 / point.distortion)


def _two_points(slopes: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Yield R + β D of x = ±1 in bits, as certified, and in closed form: letters at ±m with m = tanh(2βm)."""
    found = theory.sample_rate_distortion([[-1.0], [1.0]], slopes, tolerance=1e-4)
    for beta, intercept in zip(slopes, found.intercept, strict=True):
        m = brentq(lambda m, beta=beta: math.tanh(2 * beta * m) - m, 1e-9, 1) if beta > 0.5 else 0.0
        mistake = (1 - m) / 2
        rate = 1 - float(entr([mistake, 1 - mistake]).sum()) / math.log(2)
        yield float(intercept), rate + beta * (1 - m**2) / math.log(2)


def _least_gaussian_rate(gamma2: Array, D: float) -> float:
    """Minimise Σ ½ log₂(γ_i²/D_i) subject to Σ D_i = D and D_i ≤ γ_i² as they stand."""
    with warnings.catch_warnings():
        # Before SciPy 1.16 a step may leave the bounds by one rounding, and be put back with a warning.
        warnings.filterwarnings("ignore", "Values in x were outside bounds", RuntimeWarning)
        found = minimize(
            lambda d: 0.5 * np.log2(gamma2 / d).sum(),
            gamma2 * D / gamma2.sum(),
            jac=lambda d: -0.5 / (d * math.log(2)),
            bounds=[(1e-9, variance) for variance in gamma2],
            constraints={"type": "eq", "fun": lambda d: d.sum() - D},
            options={"ftol": 1e-14, "maxiter": 500},
        )
    return float(found.fun)


def _output(gain: Array, noise: Array, gamma2: Array) -> Array:
    """Return the variance of a x + n, or 1 for a component that is not passed on at all."""
    variance = gain**2 * gamma2 + noise
    return np.where(variance > 0, variance, 1)
