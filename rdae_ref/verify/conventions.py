"""The matrix-based entropy as public codes compute it, and how to convert their numbers.

A is a Gram matrix (N, N), λ its eigenvalues as LAPACK returns them (rounding included), d the distance of two samples.
The codes differ in kernel, trace, negative eigenvalues and logarithm.
"""

import math
from collections.abc import Callable
from numbers import Real
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_base, as_choice, as_order, as_positive, as_samples, as_symmetric
from ..matrices import gaussian_gram, renyi_entropy

__all__ = [
    "KERNELS", "PEERS", "Peer", "peer_entropy", "peer_gram", "peer_sigma", "power_entropy", "silverman_size",
    "to_bits", "vendi", "z_scored",
]  # fmt: skip

UNIT = 1e-10  # what a diagonal of ones may be off by

# The size with which our kernel exp(−d²/(2σ²)) equals the one named.
KERNELS: dict[str, Callable[[float], float]] = {
    "exp(−d²/(2σ²))": lambda sigma: sigma,
    "exp(−d²/σ²)": lambda sigma: sigma / math.sqrt(2),
    "exp(−d²/σ)": lambda sigma: math.sqrt(sigma / 2),
    "exp(−d²/(2σ))": math.sqrt,
    "exp(−σ d²)": lambda sigma: 1 / math.sqrt(2 * sigma),
    "exp(−d²/(4σ²))": lambda sigma: sigma * math.sqrt(2),
}


class Peer(NamedTuple):
    """The conventions of one code."""

    kernel: str  # a key of `KERNELS`
    gram: str  # what it takes the entropy of: K, K/N or K/tr K, which are one for a Gaussian kernel
    eigenvalues: str  # negative ones: "clipped" at 0, "dropped", or "absolute" values of all
    renormalised: bool  # whether the eigenvalues that are left are divided by their sum
    base: float
    alpha: float | None = None  # where it is fixed
    largest_trace: float = math.inf  # where tr A^α is cut off
    limits: bool = False  # whether it knows α = 1 and ∞
    frobenius: bool = False  # tr A² at α = 2 as |A|²/N²: right for K, for K/N the entropy is too large by 2 log N


PEERS = {
    "repitl": Peer("exp(−d²/(2σ²))", "K", "dropped", True, math.e, frobenius=True),
    "nicolasigor/entropy": Peer("exp(−d²/(2σ²))", "K/N", "clipped", True, 2, alpha=1.01),
    "DIB": Peer("exp(−d²/σ)", "K/tr K", "absolute", False, 2, alpha=1.01),
    "Directed-Information": Peer("exp(−d²/σ²)", "K/N", "absolute", False, 2, alpha=1.01, largest_trace=0.9999),
    "Matrix-Renyi-Entropy-from-scratch": Peer("exp(−d²/(2σ²))", "K/N", "clipped", False, 2),
    # Its kernel is the user's, and its value the exponential of the entropy: see `vendi`.
    "vendi-score": Peer("exp(−d²/(2σ²))", "K/N", "dropped", False, math.e, limits=True),
}


def peer_sigma(peer: str, sigma: float) -> float:
    """Return the size with which our kernel exp(−d²/(2σ²)) is that of a peer, a key of `PEERS`.

    >>> round(peer_sigma("Directed-Information", 0.5), 6)
    0.353553
    """
    return KERNELS[PEERS[as_choice(peer, "peer", PEERS)].kernel](as_positive(sigma, "sigma"))


def peer_gram(peer: str, X: npt.ArrayLike, sigma: float) -> Array:
    """Return the Gram matrix whose entropy a peer takes, of trace 1, or N for a peer that leaves K as it is."""
    X, size = as_samples(X, "X"), peer_sigma(peer, sigma)
    return gaussian_gram(X, size) * (len(X) if PEERS[peer].gram == "K" else 1)


def peer_entropy(peer: str, A: npt.ArrayLike, alpha: float | None = None, base: float | None = None) -> float:
    """Return the entropy log tr(A^α) / (1 − α) of a symmetric matrix by the rules of a peer, a key of `PEERS`.

    `alpha` is finite and not 1, since the peers have no limits there; by default it and `base` are the peer's own.

    At α = 2 repitl takes a matrix of trace 1 for one of trace N, and is off by 2 ln N:

    >>> import math
    >>> from rdae_ref import gaussian_gram, renyi_entropy
    >>> A = gaussian_gram([[0.0], [1.0], [3.0]], 1.0)
    >>> abs(round(peer_entropy("repitl", A, 2) - renyi_entropy(A, 2, base=math.e) - 2 * math.log(3), 12))
    0.0
    """
    rules = PEERS[as_choice(peer, "peer", PEERS)]
    A = as_symmetric(A, "A")
    if alpha is None and rules.alpha is None:
        raise ValueError(f"alpha must be given: {peer} has no order of its own")
    alpha = as_order(rules.alpha if alpha is None else alpha)  # type: ignore[arg-type]
    if alpha in (1, math.inf) and not rules.limits:
        raise ValueError(f"alpha must be finite and not 1, where {peer} divides by zero, got {alpha}")
    unit = math.log(rules.base if base is None else as_base(base))
    if rules.frobenius and alpha == 2:
        with np.errstate(over="ignore"):
            trace = float(np.vdot(A, A)) / len(A) ** 2
        return -_log(trace, alpha) / unit
    return power_entropy(A, alpha, rules.eigenvalues, rules.renormalised, rules.largest_trace) / unit


def vendi(K: npt.ArrayLike, q: float = 1) -> float:
    """Return the Vendi score of order q, exp S_q(K/N), the effective number of distinct samples, from 1 to N.

    `K` holds similarities: symmetric, positive semidefinite, with unit diagonal. vendi-score 0.0.3 has the same in
    ``score_K(K, q)``; its ``score_X(X, q)`` takes q = 1 always.

    >>> import numpy as np
    >>> round(vendi(np.eye(4), 2), 12), round(vendi(np.ones((4, 4))), 12)
    (4.0, 1.0)
    """
    K = as_symmetric(K, "K")
    if np.abs(K.diagonal() - 1).max() > UNIT:
        raise ValueError("K must have a unit diagonal: divide K_ij by sqrt(K_ii K_jj)")
    return math.exp(renyi_entropy(K / len(K), q, math.e))


def silverman_size(X: npt.ArrayLike, multiplier: float = 1) -> float:
    """Return Directed-Information's default σ in exp(−d²/σ²): multiplier · 1.06 · std of all elements · N^(−1/5)."""
    X = as_samples(X, "X")
    return as_positive(multiplier, "multiplier") * 1.06 * float(X.std()) * len(X) ** (-1 / 5)


def z_scored(X: npt.ArrayLike) -> Array:
    """Return the samples as nicolasigor/entropy standardises them by default, (x − mean)/sqrt(var + 1e-8)."""
    X = as_samples(X, "X")
    return (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-8)


def to_bits(peer: str, value: float, base: float | None = None) -> float:
    """Convert an entropy from the units of a peer to bits; `base` is that of its logarithm, if not its usual one.

    >>> round(to_bits("repitl", 0.6931471805599453), 12)
    1.0
    """
    rules = PEERS[as_choice(peer, "peer", PEERS)]
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise TypeError(f"value must be a real number, got {value!r} of type {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError(f"value must be finite, got {value!r}")
    return float(value) * math.log(rules.base if base is None else as_base(base)) / math.log(2)


def power_entropy(A: Array, alpha: float, rule: str, renormalised: bool, largest_trace: float = math.inf) -> float:
    """Return ln Σ λ^α / (1 − α), at α = 1 and ∞ its limits, as codes without a threshold on eigenvalues have it."""
    values = np.linalg.eigvalsh(A)  # not those of `numerics.spectrum`, which count rounding as zero
    values = np.abs(values) if rule == "absolute" else values
    values = values[values > 0]  # one that is clipped to 0 adds 0^α = 0, and so does one that is dropped
    if not values.size:
        raise ValueError("A must have an eigenvalue that counts, got none: the logarithm of their sum is infinite")
    if renormalised:
        values = values / values.sum()
    if alpha == 1:
        return float(-np.sum(values * np.log(values)))
    if alpha == math.inf:
        return float(-np.log(values.max()))
    with np.errstate(over="ignore", under="ignore"):
        trace = float(np.sum(values**alpha))
    return _log(min(trace, largest_trace), alpha) / (1 - alpha)


def _log(trace: float, alpha: float) -> float:
    if not 0 < trace < math.inf:
        raise ValueError(f"tr A^alpha must be a finite number above 0, got {trace:g} at alpha = {alpha:g}: rescale A")
    return math.log(trace)
