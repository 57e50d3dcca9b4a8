"""The equations at fifty digits: values from the definitions, derivatives by differences, with mpmath.

Nothing is shared with the rest of the package, and nothing is clever: distances are differences of coordinates, matrix
powers go through eigenvalues with a hundred digits, and a derivative is (f(x + h) − f(x − h)) / 2h with h = 1e-30,
which leaves more than fifty. Only (15) and (16) are evaluated as printed, since a difference at a singular matrix would
leave the domain.

A float is taken as the binary number that it is. Arrays of many digits are NumPy arrays of mpmath's `mpf`;
`value_and_gradient` rounds to float64, as the other oracles do. Meant for N ≤ 8.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...autoencoder import Parameters
from ...models import IRMAEParameters, VAEParameters
from ...pytree import Pytree, tree_map

try:
    import mpmath
except ImportError as error:  # pragma: no cover
    raise ImportError('the fifty-digit oracle needs mpmath: pip install "rdae_ref[test]"') from error

__all__ = [
    "beta_vae", "conditional_entropy", "contractive", "denoising", "distortion", "entropies", "exact",
    "forward", "gaussian_gram", "gradient", "irmae", "joint_entropy", "mutual_information", "normalize_gram",
    "product_entropy_gradient", "rate_distortion", "reconstruction", "renyi_entropy", "renyi_entropy_gradient",
    "rounded", "symmetric_gradient", "value_and_gradient",
]  # fmt: skip

Exact = Any  # an mpf, or a NumPy array of them
ArrayLike = Any  # floats or mpf, nested or in an array

DIGITS = 100  # in the arithmetic: a difference loses a third of them, cancelling eigenvalues some more
STEP = "1e-30"  # of the differences, whose error is 1e-60 from the step and 1e-70 from the arithmetic
ZERO = "1e-90"  # an eigenvalue of this size is the rounding of a zero; those of float64 matrices start at 1e-40

_precise = mpmath.mp.workdps(DIGITS)
_exp = np.frompyfunc(lambda z: mpmath.exp(z), 1, 1)
_log = np.frompyfunc(lambda z: mpmath.log(z), 1, 1)
_to_mpf = np.frompyfunc(mpmath.mpf, 1, 1)
_to_float = np.frompyfunc(float, 1, 1)

UNITS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "logsig": lambda z: 1 / (1 + mpmath.exp(-z)),
    "relu": lambda z: max(z, mpmath.mpf(0)),
    "satlin": lambda z: min(max(z, mpmath.mpf(0)), mpmath.mpf(1)),
    "softplus": lambda z: mpmath.log(1 + mpmath.exp(z)),
    "tanh": lambda z: mpmath.tanh(z),
}


def exact(value: Any) -> Exact:
    """Return a number, an array or nested parameters with every float as the binary number that it is."""
    if isinstance(value, tuple):
        return type(value)(*map(exact, value)) if hasattr(value, "_fields") else tuple(map(exact, value))
    return _to_mpf(np.asarray(value)) if np.ndim(value) else mpmath.mpf(value)


def rounded(value: Exact) -> Any:
    """Return the float64 next to each number."""
    if isinstance(value, tuple):
        return type(value)(*map(rounded, value)) if hasattr(value, "_fields") else tuple(map(rounded, value))
    return np.array(_to_float(value), dtype=np.float64) if np.ndim(value) else float(value)


@_precise
def gaussian_gram(X: ArrayLike, sigma: float) -> Exact:
    """Return A_ij = exp(−|x_i − x_j|² / (2σ²)) / N. Eq. (11)."""
    X, sigma = exact(X), exact(sigma)
    distances = ((X[:, None, :] - X[None, :, :]) ** 2).sum(axis=2)
    return _exp(-distances / (2 * sigma**2)) / len(X)


@_precise
def normalize_gram(K: ArrayLike) -> Exact:
    """Return A_ij = K_ij / (N sqrt(K_ii K_jj)). Eq. (11)."""
    K = exact(K)
    N = len(K)
    return np.array([[K[i, j] / mpmath.sqrt(K[i, i] * K[j, j]) / N for j in range(N)] for i in range(N)])


@_precise
def renyi_entropy(A: ArrayLike, alpha: float, base: float = 2) -> Exact:
    """Return S_α(A) = log tr(A^α) / (1 − α); −Σ λ log λ at α = 1, −log λ_max at ∞. Eq. (10)."""
    values, _ = _spectrum(A, vectors=False)
    positive = [value for value in values if value > 0]  # 0 log 0 = 0, and 0^α = 0
    if alpha == 1:
        nats = -sum(value * mpmath.log(value) for value in positive)
    elif alpha == math.inf:
        nats = -mpmath.log(max(positive))
    else:
        nats = mpmath.log(sum(value ** exact(alpha) for value in positive)) / (1 - exact(alpha))
    return nats / mpmath.log(exact(base))


@_precise
def renyi_entropy_gradient(A: ArrayLike, alpha: float, base: float = 2, tangent: bool = False) -> Exact:
    """Return ∂S_α(A)/∂A = α / ((1 − α) tr A^α) · U Λ^(α−1) Uᵀ / ln(base). Eq. (15).

    Its tangent part has Λ^(α−1) − I. At α = 1 they are −(ln A + I) and −ln A; at α = ∞ the derivative is −u uᵀ/λ_max,
    averaged over equal λ_max. Of a singular matrix and α ≤ 1 it is the part on the range.
    """
    values, vectors = _spectrum(A, vectors=True)
    weights = _gradient_weights(values, alpha, tangent)
    return (vectors * weights) @ vectors.T / mpmath.log(exact(base))


@_precise
def joint_entropy(A: ArrayLike, B: ArrayLike, alpha: float, base: float = 2) -> Exact:
    """Return S_α(A, B) = S_α(A ∘ B / tr(A ∘ B)). Eq. (12)."""
    product = exact(A) * exact(B)
    return renyi_entropy(product / np.trace(product), alpha, base)


@_precise
def conditional_entropy(A: ArrayLike, B: ArrayLike, alpha: float, base: float = 2) -> Exact:
    """Return S_α(A | B) = S_α(A, B) − S_α(B). Eq. (13)."""
    return joint_entropy(A, B, alpha, base) - renyi_entropy(B, alpha, base)


@_precise
def mutual_information(A: ArrayLike, B: ArrayLike, alpha: float, base: float = 2) -> Exact:
    """Return I_α(A; B) = S_α(A) + S_α(B) − S_α(A, B)."""
    return renyi_entropy(A, alpha, base) + renyi_entropy(B, alpha, base) - joint_entropy(A, B, alpha, base)


@_precise
def product_entropy_gradient(
    K_X: ArrayLike, K: ArrayLike, alpha: float, base: float = 2, tangent: bool = False
) -> Exact:
    """Return ∂S_α(N K_X ∘ K)/∂K = N K_X ∘ (the derivative (15) at N K_X ∘ K). Eq. (16)."""
    K_X, K = exact(K_X), exact(K)
    return len(K) * K_X * renyi_entropy_gradient(len(K) * K_X * K, alpha, base, tangent)


@_precise
def forward(parameters: Parameters, X: ArrayLike, activation: str) -> Exact:
    """Return X̂ = g(X Wᵀ + 1 cᵀ) Aᵀ + 1 bᵀ."""
    W, c, A, b = exact(parameters)
    return _encode(W, c, exact(X), activation) @ A.T + b


@_precise
def distortion(X: ArrayLike, Xhat: ArrayLike) -> Exact:
    """Return D_emp = (1/N) Σ_i |x_i − x̂_i|². Eq. (9)."""
    X, Xhat = exact(X), exact(Xhat)
    return ((X - Xhat) ** 2).sum() / len(X)


@_precise
def entropies(
    parameters: Parameters,
    X: ArrayLike,
    *,
    activation: str,
    alpha: float,
    sigma_x: float,
    sigma_xhat: float,
    base: float = 2,
) -> tuple[Exact, Exact]:
    """Return S_α(N K_X ∘ K_X̂) and S_α(K_X̂)."""
    K_X, K = gaussian_gram(X, sigma_x), gaussian_gram(forward(parameters, X, activation), sigma_xhat)
    return renyi_entropy(len(K) * K_X * K, alpha, base), renyi_entropy(K, alpha, base)


@_precise
def rate_distortion(parameters: Parameters, X: ArrayLike, *, activation: str, mu: float, **settings: float) -> Exact:
    """Return L = S_α(N K_X ∘ K_X̂) − S_α(K_X̂) − μ D_emp, with the settings of `entropies`. Eq. (25)."""
    joint, output = entropies(parameters, X, activation=activation, **settings)
    return joint - output - exact(mu) * distortion(X, forward(parameters, X, activation))


@_precise
def reconstruction(parameters: Parameters, X: ArrayLike, *, activation: str) -> Exact:
    """Return L = −D_emp, of the plain auto-encoder."""
    return -distortion(X, forward(parameters, X, activation))


@_precise
def denoising(parameters: Parameters, X: ArrayLike, *, activation: str, corrupted: ArrayLike) -> Exact:
    """Return L = −(1/(mN)) Σ_k Σ_i |x_i − f(x̃_ki)|², of the denoising auto-encoder with its noise given."""
    copies = exact(corrupted)
    return -sum(distortion(X, forward(parameters, copy, activation)) for copy in copies) / len(copies)


@_precise
def contractive(parameters: Parameters, X: ArrayLike, *, activation: str, strength: float) -> Exact:
    """Return L = −D_emp − strength · (1/N) Σ_i |∂ẑ/∂x (x_i)|², of the contractive auto-encoder, by differences."""
    W, c, _, _ = exact(parameters)
    X, h = exact(X), mpmath.mpf(STEP)
    slopes = [
        (_encode(W, c, X + h * axis, activation) - _encode(W, c, X - h * axis, activation)) / (2 * h)
        for axis in np.eye(X.shape[1])
    ]
    contraction = sum((slope**2).sum() for slope in slopes) / len(X)
    return -distortion(X, forward(parameters, X, activation)) - exact(strength) * contraction


@_precise
def beta_vae(
    parameters: VAEParameters,
    X: ArrayLike,
    *,
    activation: str,
    noise: ArrayLike,
    beta: float = 1,
    likelihood: str = "gaussian",
    variance: float = 1,
    capacity: float | None = None,
    capacity_of: str = "mean",
    base: float = 2,
) -> Exact:
    """Return L = (1/N) Σ_i [(1/m) Σ_c log p(x_i | z_ci) − β KL_i], of the beta-VAE with its noise given."""
    encoder, decoder = exact(parameters)
    X, copies, s2, unit = exact(X), exact(noise), exact(variance), mpmath.log(exact(base))
    M, T = np.hsplit(_layers(encoder, X, activation), 2)
    codes = [M + _exp(T / 2) * epsilon for epsilon in copies]
    fits = [_log_likelihood(X, _layers(decoder, Z, activation), likelihood, s2).sum() / len(X) for Z in codes]
    nats = None if capacity is None else exact(capacity) * unit
    return (sum(fits) / len(fits) - _price(_kl_divergence(M, T), beta, nats, capacity_of)) / unit


@_precise
def irmae(parameters: IRMAEParameters, X: ArrayLike, *, activation: str) -> Exact:
    """Return L = −D_emp, of the auto-encoder with square linear layers M_1, … M_l between encoder and decoder."""
    encoder, linear, decoder = exact(parameters)
    Z = _layers(encoder, exact(X), activation)
    for M in linear:
        Z = Z @ M.T
    return -distortion(X, _layers(decoder, Z, activation))


MODELS: dict[str, Callable[..., Exact]] = {
    "RateDistortion": rate_distortion,
    "Reconstruction": reconstruction,
    "FixedDenoising": denoising,
    "Contractive": contractive,
    "FixedBetaVAE": beta_vae,
    "IRMAE": irmae,
}


@_precise
def gradient(function: Callable[[Any], Exact], parameters: Pytree) -> Pytree:
    """Return the gradient of a function of several arrays by differences, at a kink the mean of both slopes."""
    point, h = exact(parameters), mpmath.mpf(STEP)

    def slopes(array: Exact) -> Exact:
        by_element = np.array(array)
        for index in np.ndindex(array.shape):
            here = array[index]
            array[index] = here + h
            ahead = function(point)
            array[index] = here - h
            by_element[index] = (ahead - function(point)) / (2 * h)
            array[index] = here
        return by_element

    return tree_map(slopes, point)


@_precise
def symmetric_gradient(function: Callable[[Exact], Exact], B: ArrayLike) -> Exact:
    """Return the symmetric G with df = Σ_ij G_ij dB_ij, by differences along symmetric directions."""
    point, h = exact(B), mpmath.mpf(STEP)
    G = np.array(point)
    for i, j in np.ndindex(G.shape):
        direction = exact(np.zeros(G.shape))
        direction[i, j] += h / 2
        direction[j, i] += h / 2
        G[i, j] = (function(point + direction) - function(point - direction)) / (2 * h)
    return G


def value_and_gradient(
    parameters: Pytree, X: ArrayLike, *, model: str = "RateDistortion", **settings: Any
) -> tuple[float, Pytree]:
    """Return what `Oracle.value_and_gradient` does, rounded from fifty digits."""
    function = functools.partial(MODELS[model], X=X, **settings)
    return rounded(function(parameters)), rounded(gradient(function, parameters))


def _encode(W: Exact, c: Exact, X: Exact, activation: str) -> Exact:
    return np.frompyfunc(UNITS[activation], 1, 1)(X @ W.T + c)


def _layers(layers: Exact, X: Exact, activation: str) -> Exact:
    *hidden, (W, b) = layers
    for V, c in hidden:
        X = _encode(V, c, X, activation)
    return X @ W.T + b


def _log_likelihood(X: Exact, Y: Exact, likelihood: str, variance: Exact) -> Exact:
    """Return log p(x | y), the sum over features, for each sample."""
    if likelihood == "bernoulli":
        p = 1 / (1 + _exp(-Y))
        return (X * _log(p) + (1 - X) * _log(1 - p)).sum(axis=1)
    return (-((X - Y) ** 2) / (2 * variance) - mpmath.log(2 * mpmath.pi * variance) / 2).sum(axis=1)


def _kl_divergence(M: Exact, T: Exact) -> Exact:
    """Return KL(N(M, exp T) ‖ N(0, 1)), the sum over latents, for each sample: E_q(−log m) less the entropy of q."""
    cross = (mpmath.log(2 * mpmath.pi) + M**2 + _exp(T)) / 2
    own = (mpmath.log(2 * mpmath.pi) + 1 + T) / 2
    return (cross - own).sum(axis=1)


def _price(kl: Exact, beta: float, capacity: Exact | None, capacity_of: str) -> Exact:
    """Return the price of the rates KL_i, in nats."""
    if capacity is None:
        return exact(beta) * kl.sum() / len(kl)
    if capacity_of == "mean":
        return exact(beta) * abs(kl.sum() / len(kl) - capacity)
    return exact(beta) * sum(abs(each - capacity) for each in kl) / len(kl)


def _spectrum(A: ArrayLike, *, vectors: bool) -> tuple[Exact, Exact]:
    """Return the eigenvalues, those that are rounding as 0, and if wanted the eigenvectors in columns."""
    matrix = mpmath.matrix(exact(A).tolist())
    if vectors:
        values, columns = mpmath.mp.eigsy(matrix)
        basis = np.array(columns.tolist(), dtype=object).reshape(len(matrix), -1)
    else:
        values, basis = mpmath.mp.eigsy(matrix, eigvals_only=True), None
    cleaned = [value if value > mpmath.mpf(ZERO) else mpmath.mpf(0) for value in values]
    return np.array(cleaned, dtype=object), basis


def _gradient_weights(values: Exact, alpha: float, tangent: bool) -> Exact:
    """Return the eigenvalues of (15) in nats."""
    order, total = exact(alpha), sum(value ** exact(alpha) for value in values if value > 0)
    largest = [value > max(values) * (1 - mpmath.mpf(ZERO)) for value in values]

    def weight(value: Exact, is_largest: bool) -> Exact:
        if alpha == math.inf:
            return -is_largest / (value * sum(largest)) if is_largest else mpmath.mpf(0)
        if value == 0 and alpha <= 1:
            return mpmath.mpf(0)
        if alpha == 1:
            return -mpmath.log(value) - (0 if tangent else 1)
        return order / ((1 - order) * total) * (value ** (order - 1) - (1 if tangent else 0))

    return np.array([weight(*pair) for pair in zip(values, largest, strict=True)], dtype=object)
