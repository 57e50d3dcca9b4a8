"""The points at which the golden vectors are taken: small, typed in by hand or by a seed, degenerate ones included."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rdae_ref._validation import Array
from rdae_ref.models import IRMAEParameters, Layer, VAEParameters
from rdae_ref.pytree import Pytree, leaves
from rdae_ref.verify.oracles import mpmath_oracle as fifty

Inputs = dict[str, Any]
Point = tuple[str, Inputs]

UNITS = ("linear", "logsig", "relu", "satlin", "softplus")
ALPHAS = (0.5, 1.0, 1.01, 2.0, 3.0, 10.0, math.inf)


def _samples(N: int, d: int, seed: int, spread: float = 1.0) -> Array:
    # Three decimals, so that they can be typed.
    return np.round(spread * np.random.default_rng(seed).normal(size=(N, d)), 3)


def _kernel(N: int, seed: int) -> Array:
    """Return a Gaussian kernel matrix with unit diagonal, its elements rounded to float64."""
    return np.round(fifty.rounded(N * fifty.gaussian_gram(_samples(N, 2, seed), 0.8)), 6)


# N is a power of two wherever a matrix is given: 1/N is a float64 then, and the trace is 1 to the last digit.
GRAMS: dict[str, Array] = {
    "full rank, N = 4": _kernel(4, 1) / 4,
    "full rank, N = 8": _kernel(8, 2) / 8,
    "N = 2": np.array([[1.0, 0.3], [0.3, 1.0]]) / 2,
    "N = 1": np.ones((1, 1)),
    "all samples far apart: I/N": np.eye(4) / 4,
}
SINGULAR_GRAMS: dict[str, Array] = {
    "all samples equal: 11ᵀ/N": np.ones((4, 4)) / 4,
    "two equal samples": _kernel(4, 3)[np.ix_([0, 1, 2, 2], [0, 1, 2, 2])] / 4,
    "two far clusters of equal samples": np.kron(np.eye(2), np.ones((2, 2))) / 4,
}


def manifold_points() -> Iterator[Point]:
    for name, a in {"∓1": [1.0], "∓(1, 0.5)": [1.0, 0.5]}.items():
        for beta in (0.25, 0.75, 1.0, 3.0):
            yield f"samples {name}, β = {beta:g}", {"X": np.array([[-x for x in a], a]), "beta": beta}


def finite_source_points() -> Iterator[Point]:
    """Iterate over finite sources away from the slopes at which a letter vanishes, where D is ill-conditioned."""
    hamming, uniform = 1 - np.eye(2), np.full(2, 0.5)
    for slope in (0.0, 0.5, 2.0, 5.0):
        yield f"binary, p = 0.5, β = {slope:g}", {"p_x": uniform, "distortion_matrix": hamming, "slope": slope}
    for p in (0.25, 0.0625):
        source = np.array([1 - p, p])
        for slope in (0.0, 0.5, 3.5, 6.0):
            yield f"binary, p = {p:g}, β = {slope:g}", {"p_x": source, "distortion_matrix": hamming, "slope": slope}
    for M in (4, 8):
        source, d = np.full(M, 1 / M), 1 - np.eye(M)
        for slope in (0.0, 0.5, 2.0, 5.0):
            yield f"uniform, {M} symbols, β = {slope:g}", {"p_x": source, "distortion_matrix": d, "slope": slope}
    sources = {"uniform": np.full(4, 0.25), "1/2, 1/4, 1/8, 1/8": np.array([0.5, 0.25, 0.125, 0.125])}
    d = np.hstack([np.where(np.eye(4) == 1, 0.0, math.inf), np.ones((4, 1))])  # 0 right, 1 erased, ∞ wrong
    for name, source in sources.items():
        for slope in (0.0, 0.5, 0.9, 1.2, 2.0):
            yield f"erasures, {name}, β = {slope:g}", {"p_x": source, "distortion_matrix": d, "slope": slope}


def gaussian_points() -> Iterator[Point]:
    spectra = {
        "1": ((1.0,), (0.25, 0.7)),
        "2, 1": ((2.0, 1.0), (0.3, 1.0, 2.0, 2.5)),
        "1, 8, 0.5, 3": ((1.0, 8.0, 0.5, 3.0), (0.001, 1.0, 3.0, 9.0)),
        "three equal": ((1.5, 1.5, 1.5), (0.6, 3.0)),
        "a variance of 0": ((4.0, 0.0, 1.0), (0.5, 2.0)),
    }
    for name, (variances, distortions) in spectra.items():
        for D in (0.0, *distortions, sum(variances), 2 * sum(variances)):
            yield f"variances {name}, D = {D:g}", {"variances": np.array(variances), "distortion": D}
    for D in (0.0, 1.0):
        yield f"all variances 0, D = {D:g}", {"variances": np.zeros(2), "distortion": D}


def distortion_points() -> Iterator[Point]:
    yield "N = 5, d = 3", {"X": _samples(5, 3, 4), "Xhat": _samples(5, 3, 5)}
    yield "N = 1", {"X": _samples(1, 2, 6), "Xhat": _samples(1, 2, 7)}
    yield "perfect reconstruction", {"X": _samples(4, 2, 8), "Xhat": _samples(4, 2, 8)}


def entropy_points() -> Iterator[Point]:
    for name, A in (GRAMS | SINGULAR_GRAMS).items():
        for alpha in ALPHAS:
            yield f"{name}, α = {alpha:g}", {"A": A, "alpha": alpha, "base": 2.0}
    for alpha in ALPHAS:
        A = GRAMS["full rank, N = 4"]
        yield f"full rank, N = 4, α = {alpha:g}, nats", {"A": A, "alpha": alpha, "base": math.e}


def kernel_points() -> Iterator[Point]:
    scale = np.array([0.5, 1.0, 3.0, 0.01])
    yield "any diagonal", {"K": _kernel(4, 9) * scale * scale[:, None]}
    yield "N = 1", {"K": np.array([[7.0]])}


def sample_points() -> Iterator[Point]:
    X = _samples(5, 2, 10)
    yield "N = 5, d = 2", {"X": X, "sigma": 0.7}
    yield "two equal samples", {"X": X[[0, 1, 2, 2]], "sigma": 0.7}
    yield "far from the origin", {"X": X + 100, "sigma": 0.7}
    yield "N = 1", {"X": X[:1], "sigma": 0.7}


def pair_points(alphas: tuple[float, ...] = ALPHAS, *, any_diagonal: bool = False) -> Iterator[Point]:
    pairs = {
        "N = 4": (GRAMS["full rank, N = 4"], _kernel(4, 11) / 4),
        "N = 8": (GRAMS["full rank, N = 8"], _kernel(8, 12) / 8),
        "N = 2": (GRAMS["N = 2"], np.array([[1.0, 0.6], [0.6, 1.0]]) / 2),
        "N = 1": (np.ones((1, 1)), np.ones((1, 1))),
    }
    if any_diagonal:
        scale = np.array([0.5, 1.0, 2.0, 0.25])
        pairs["diagonals not constant"] = (_kernel(4, 13) * scale * scale[:, None], _kernel(4, 14))
    for name, (A, B) in pairs.items():
        for alpha in alphas:
            yield f"{name}, α = {alpha:g}", {"A": A, "B": B, "alpha": alpha, "base": 2.0}
    A, B = pairs["N = 4"]
    yield "N = 4, α = 2, nats", {"A": A, "B": B, "alpha": 2.0, "base": math.e}


def equal_output_points() -> Iterator[Point]:
    yield from pair_points()
    A, B = GRAMS["full rank, N = 4"], SINGULAR_GRAMS["all samples equal: 11ᵀ/N"]
    for alpha in ALPHAS:
        yield f"all outputs equal, α = {alpha:g}", {"A": A, "B": B, "alpha": alpha, "base": 2.0}
    B = SINGULAR_GRAMS["two equal samples"]
    for alpha in ALPHAS:
        yield f"two equal outputs, α = {alpha:g}", {"A": A, "B": B, "alpha": alpha, "base": 2.0}


def with_singular(points: Callable[[], Iterator[Point]], *, tangent: bool) -> Iterator[Point]:
    """Leave out what is infinite: the tangent form at α = ∞, and derivatives at singular matrices for α ≤ 1."""
    for name, inputs in points():
        singular = any(name.startswith(start) for start in (*SINGULAR_GRAMS, "all outputs", "two equal outputs"))
        if (inputs["alpha"] > 1 or not singular) and not (tangent and inputs["alpha"] == math.inf):
            yield name, inputs


def product_points() -> Iterator[Point]:
    for name, inputs in equal_output_points():
        yield name, {"K_X": inputs["A"], "K": inputs["B"], "alpha": inputs["alpha"], "base": inputs["base"]}


def _network(activation: str, d: int = 2, p: int = 3) -> Inputs:
    W, A = _samples(p, d, 20), _samples(d, p, 21)
    c, b = _samples(1, p, 22)[0] / 2, _samples(1, d, 23)[0] / 2
    return {"W": W, "c": c, "A": A, "b": b, "activation": activation}


def networks() -> Iterator[Point]:
    """Iterate over auto-encoders at inputs, without settings of an entropy."""
    X = _samples(4, 2, 24, spread=1.5)
    for activation in UNITS:
        yield f"{activation}, N = 4", {"X": X, **_network(activation)}
    network = _network("logsig")
    yield "N = 1", {"X": X[:1], **network}
    yield "N = 2", {"X": X[:2], **network}
    yield "two equal samples", {"X": X[[0, 1, 2, 2]], **network}
    yield "all outputs equal", {"X": X, **network, "A": np.zeros((2, 3))}
    yield "d = 1, p = 1", {"X": X[:, :1], **_network("softplus", 1, 1)}


def objective_points() -> Iterator[Point]:
    for name, inputs in networks():
        every = name in ("logsig, N = 4", "two equal samples")
        for alpha in ALPHAS if every else (1.01, 2.0):
            more = {"alpha": alpha, "sigma_x": 1.5, "sigma_xhat": 0.8, "base": 2.0}
            yield f"{name}, α = {alpha:g}", {**inputs, **more}
        if every:
            yield f"{name}, α = 1.01, nats", {**inputs, **more, "alpha": 1.01, "base": math.e}


def trade_off_points() -> Iterator[Point]:
    for name, inputs in objective_points():
        yield name, {**inputs, "mu": 1.5}


def constraint_points() -> Iterator[Point]:
    for alpha in (0.5, 1.0, 2.0):
        for D in (0.0625, 0.25):
            inputs = {"X": np.array([[-1.0], [1.0]]), "D": D, "alpha": alpha, "base": 2.0}
            yield f"two samples, D = {D:g}, α = {alpha:g}", {**inputs, "sigma_x": 1.0, "sigma_xhat": 0.75}


def denoising_points() -> Iterator[Point]:
    for name, inputs in networks():
        N, d = inputs["X"].shape
        corrupted = inputs["X"] + np.round(0.3 * np.random.default_rng(30).normal(size=(2, N, d)), 3)
        yield name, {**inputs, "corrupted": np.round(corrupted, 3)}


def contractive_points() -> Iterator[Point]:
    for name, inputs in networks():
        yield name, {**inputs, "strength": 0.3}


def _stack(seed: int, *sizes: int) -> tuple[Layer, ...]:
    pairs = enumerate(itertools.pairwise(sizes))
    return tuple(
        Layer(_samples(m, n, seed + i, spread=0.7), _samples(1, m, seed + 10 + i)[0] / 2) for i, (n, m) in pairs
    )


def _named(parameters: Pytree) -> Inputs:
    return dict(leaves(parameters))


def beta_vae_points() -> Iterator[Point]:
    """Iterate over settings of the beta-VAE with its noise given, ε of two copies."""
    network = VAEParameters(_stack(43, 2, 3, 4), _stack(63, 2, 3, 2))
    X, noise = _samples(4, 2, 24, spread=1.5), np.stack([_samples(4, 2, 80), _samples(4, 2, 81)])
    common = {"X": X, "noise": noise, "beta": 4.0, "likelihood": "gaussian", "variance": 0.5, "base": 2.0}
    tanh = {**common, **_named(network), "activation": "tanh"}
    for activation in (*UNITS, "tanh"):
        yield f"gaussian, {activation}", {**tanh, "activation": activation}
    bernoulli = {**tanh, "X": np.round(np.sin(X) ** 2, 3), "likelihood": "bernoulli"}
    yield "bernoulli", bernoulli
    yield "bernoulli, data of 0 and 1", {**bernoulli, "X": np.round(bernoulli["X"])}
    # The KL of the samples are from 0.6 to 2.4 bits, their mean is 1.5: the two readings of a capacity differ.
    for which, capacity in (("below", 1.25), ("above", 2.0)):
        for of in ("mean", "sample"):
            limited = {**tanh, "capacity": capacity, "capacity_of": of}
            yield f"gaussian, capacity {which} the rate, by {of}", limited
    yield "gaussian, β = 0", {**tanh, "beta": 0.0}
    yield "gaussian, nats", {**tanh, "base": math.e}
    yield "gaussian, one copy of noise, all 0", {**tanh, "noise": np.zeros((1, 4, 2))}
    yield "gaussian, N = 1", {**tanh, "X": X[:1], "noise": noise[:, :1]}
    affine = VAEParameters(_stack(43, 2, 4), _stack(63, 2, 2))
    yield "gaussian, no hidden layers", {**common, **_named(affine), "activation": "linear"}
    dead = [Layer(np.zeros((4, 2)), np.zeros(4))]
    yield "gaussian, rate 0", {**common, **_named(affine._replace(encoder=tuple(dead))), "activation": "linear"}


def irmae_points() -> Iterator[Point]:
    """Iterate over numbers of square linear layers, and over units."""
    X, squares = _samples(4, 2, 24, spread=1.5), (_samples(2, 2, 90), _samples(2, 2, 91))
    network = IRMAEParameters(_stack(43, 2, 3, 2), squares, _stack(63, 2, 3, 2))
    for activation in (*UNITS, "tanh"):
        yield f"{activation}, l = 2", {"X": X, **_named(network), "activation": activation}
    tanh = {"X": X, "activation": "tanh"}
    yield "tanh, l = 1", {**tanh, **_named(network._replace(linear=squares[:1]))}
    yield "tanh, l = 0", {**tanh, **_named(network._replace(linear=()))}
    singular = (squares[0], np.array([[1.0, 2.0], [0.5, 1.0]]))
    yield "tanh, a linear layer of rank 1", {**tanh, **_named(network._replace(linear=singular))}
    yield "tanh, N = 1", {**tanh, **_named(network), "X": X[:1]}
    affine = IRMAEParameters(_stack(43, 2, 2), squares, _stack(63, 2, 2))
    yield "no hidden layers, l = 2", {"X": X, **_named(affine), "activation": "linear"}


def pullback_points() -> Iterator[Point]:
    for alpha in ALPHAS:
        yield f"N = 5, α = {alpha:g}", {"X": _samples(5, 2, 10), "sigma": 0.7, "alpha": alpha, "base": 2.0}
