"""S_α of many samples in many features: an estimate with an interval, from products with the kernel matrix.

tr f(A) is a sum over leading vectors Q, from a block Krylov space, and the trace on the rest, P A P with P = I − Q Qᵀ,
from random signs z: Lanczos's tridiagonal matrix for P A P and P z has the nodes and weights of two quadratures,
Gauss's and the one with a node at 0, with zᵀ P f(P A P) P z between them. What the traces of P, P A P and its square
explain of it is known exactly, so only h = f − a quadratic is random, with a variance below 2 tr h(P A P)².
docs/low_rank.md has the argument. The matrix is stored in float32.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from .._validation import Array
from ..threads import thread_map
from .distances import GaussianKernel
from .enclosure import TILE, Enclosure, trace_function, within

__all__ = ["estimated_entropy"]

BLOCK, DEPTH = 32, 10  # vectors of the Krylov space, and how often the matrix is applied
LEAKAGE = 10.0  # the effect of PAQ on tr f(A), at most, over the difference of two quadratures at q
LEAST_LEAKAGE = 1e-4  # of tr f on the leading vectors: as many are kept as leak no more
PROBES, MOST_PROBES = 16, 256
STEPS, STEPS_BELOW_ONE = 20, 40  # of Lanczos; for α < 1 small eigenvalues matter more, which come late
PRECISION = 1e-3  # of S_α: probes are added until the interval is that narrow on either side
EPS = float(np.finfo(np.float32).eps)
TRACE_ERROR = 10 * EPS  # of tr P A P and tr (P A P)², relative to those of A
TINY = 1e-20  # norms in which float32 has nothing left

Function = Callable[[Array], Array]
Single = npt.NDArray[np.float32]


class _Leading(NamedTuple):
    """Orthonormal vectors that are nearly eigenvectors, qᵀAq and |Aq|²."""

    Q: Array
    first: Array
    second: Array


class _Sample(NamedTuple):
    """Both quadratures: nodes and weights, shape (2, probes, nodes)."""

    gauss: Array
    radau: Array


class _Estimate(NamedTuple):
    """A trace, and the parts of its interval: of the random vectors, and of quadratures and control variates."""

    value: float
    random: float
    fixed: float


def estimated_entropy(
    kernel: GaussianKernel, alpha: float, confidence: float, rng: np.random.Generator
) -> tuple[Enclosure, int]:
    """Return S_α in nats with an interval that holds with this probability, and the number of leading vectors."""
    N = len(kernel)
    K, squares = _single_precision(kernel)
    Q, AQ = _krylov_space(K, rng)
    first, second = np.einsum("ij,ij->j", Q, AQ), np.einsum("ij,ij->j", AQ, AQ)
    above = np.flatnonzero(first > EPS * first.max())
    first, second = first[above], second[above]
    function = trace_function(alpha, N, float(first.max()))
    leakage = LEAKAGE * (first * first / second * function.f(second / first) - function.f(first))
    order = np.argsort(np.abs(leakage))
    kept = order[np.cumsum(np.abs(leakage[order])) <= LEAST_LEAKAGE * abs(function.f(first).sum())]
    lead, leakage = _Leading(Q[:, above[kept]], first[kept], second[kept]), leakage[kept].sum() / 2
    known = float(function.f(lead.first).sum() + leakage)
    traces = np.array([N - len(kept), 1 - lead.first.sum(), squares / N / N - (2 * lead.second - lead.first**2).sum()])
    errors = TRACE_ERROR * np.array([0.0, 1.0, squares / N / N])
    noise = EPS * math.sqrt(squares / N) / N  # more than an eigenvalue changes by the rounding of K
    fixed, quantile = abs(leakage) + N * float(function.f(np.array(noise))), float(ndtri((1 + confidence) / 2))
    samples: list[_Sample] = []
    while True:
        samples.append(_sample(K, lead.Q, STEPS if alpha >= 1 else STEPS_BELOW_ONE, rng))
        rest = _trace(samples, function.f, traces, errors, quantile)
        total = known + rest.value
        half = rest.random + rest.fixed + fixed + 4 * EPS * abs(total)
        found = within(N, function, total, total - half, total + half)
        enough = found.upper - found.lower <= 2 * PRECISION * found.value or rest.random < half / 2
        if enough or len(samples) * PROBES >= MOST_PROBES:
            return found, len(kept)


def _single_precision(kernel: GaussianKernel) -> tuple[Single, float]:
    """Return K in float32, and the sum of the squares of its elements before they are rounded."""
    N = len(kernel)
    K = np.empty((N, N), np.float32)

    def strip(first: int) -> float:
        rows, total = slice(first, first + TILE), 0.0
        for other in range(first, N, TILE):
            columns = slice(other, other + TILE)
            block = kernel(rows, columns)
            K[rows, columns] = block
            K[columns, rows] = block.T
            total += (1 if other == first else 2) * float(np.vdot(block, block))
        return total

    return K, sum(thread_map(strip, range(0, N, TILE)))


def _product(K: Single, W: Array) -> Array:
    """Return A W for W with columns, A = K/N."""
    return (K @ W.astype(np.float32)).astype(np.float64) / len(K)


def _krylov_space(K: Single, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return orthonormal Q that makes Qᵀ A Q diagonal, and A Q."""
    N, width = len(K), BLOCK * DEPTH
    Q, AQ, W = np.empty((N, width)), np.empty((N, width)), rng.normal(size=(N, BLOCK))
    for k in range(0, width, BLOCK):
        for _ in range(2):  # the second time for what rounding left
            W = np.linalg.qr(W - Q[:, :k] @ (Q[:, :k].T @ W))[0]
        Q[:, k : k + BLOCK] = W
        W = AQ[:, k : k + BLOCK] = _product(K, W)
    U = np.linalg.eigh(Q.T @ AQ)[1]
    return Q @ U, AQ @ U


def _sample(K: Single, Q: Array, steps: int, rng: np.random.Generator) -> _Sample:
    """Return the quadratures for `PROBES` random vectors of signs, projected."""
    N = len(K)
    W = rng.choice([-1.0, 1.0], size=(N, PROBES))
    W -= Q @ (Q.T @ W)
    squared = np.einsum("ij,ij->j", W, W)
    V, tridiagonal = np.empty((steps, N, PROBES)), np.zeros((PROBES, steps + 1, steps + 1))
    V[0] = W / np.sqrt(squared)
    for k in range(steps):
        W = _product(K, V[k])
        W -= Q @ (Q.T @ W)
        tridiagonal[:, k, k] = np.einsum("ij,ij->j", W, V[k])
        for j in range(k + 1):
            W -= V[j] * np.einsum("ij,ij->j", W, V[j])
        norm = np.linalg.norm(W, axis=0)
        norm[norm < TINY] = 0  # nothing is left
        tridiagonal[:, k, k + 1] = tridiagonal[:, k + 1, k] = norm
        if k + 1 < steps:
            V[k + 1] = W / np.where(norm > 0, norm, 1)
    gauss, vectors = np.linalg.eigh(tridiagonal[:, :steps, :steps])
    gauss = np.maximum(gauss, np.finfo(np.float32).eps / N)
    tridiagonal[:, steps, steps] = (vectors[:, -1] ** 2 / gauss).sum(axis=1) * tridiagonal[:, steps, steps - 1] ** 2
    radau, others = np.linalg.eigh(tridiagonal)
    weights, more = (squared[:, None] * x[:, 0] ** 2 for x in (vectors, others))
    return _Sample(np.stack([gauss, weights]), np.stack([np.maximum(radau, 0), more]))


def _trace(samples: list[_Sample], f: Function, traces: Array, errors: Array, quantile: float) -> _Estimate:
    """Return tr f(P A P) with as many control variates as make its interval narrowest: what they add is their error."""
    gauss, radau = (np.concatenate(rules, axis=1) for rules in zip(*samples, strict=True))
    estimates = [_controlled(gauss, radau, f, traces[:k], errors[:k], quantile) for k in range(len(traces) + 1)]
    return min(estimates, key=lambda found: found.random + found.fixed)


def _controlled(gauss: Array, radau: Array, f: Function, traces: Array, errors: Array, quantile: float) -> _Estimate:
    """Return tr f(P A P) with the traces of some powers as control variates."""
    (x, weights), (y, more), count = gauss, radau, gauss.shape[1]
    found, variances, fixed = [], [], []
    for mine in (np.arange(count) % 2 == 0, np.arange(count) % 2 == 1):  # the polynomial of one half from the other
        c = _polynomial(x[~mine].ravel(), weights[~mine].ravel(), f, len(traces))
        h_x, h_y = (f(nodes) - np.polynomial.polynomial.polyval(nodes, [*c, 0.0]) for nodes in (x[mine], y[mine]))
        one, other = (weights[mine] * h_x).sum(axis=1), (more[mine] * h_y).sum(axis=1)
        found.append((one + other) / 2 + c @ traces)
        fixed.append(np.abs(one - other) / 2 + np.abs(c) @ errors)
        variances.append(2 * (weights[mine] * h_x**2).sum(axis=1))
    random = quantile * math.sqrt(float(np.mean(variances)) / count)
    return _Estimate(float(np.mean(found)), random, float(np.mean(fixed)))


def _polynomial(x: Array, weights: Array, f: Function, count: int) -> Array:
    """Return so many coefficients of the polynomial that is nearest to f at these nodes, by least squares."""
    scale, orders = x.max(), np.arange(count)
    powers = (x / scale)[:, None] ** orders * np.sqrt(weights)[:, None]
    return np.linalg.lstsq(powers, f(x) * np.sqrt(weights), rcond=None)[0] / scale**orders
