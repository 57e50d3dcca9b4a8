"""S_α in nats between two bounds that are certain, from part of a spectrum. docs/low_rank.md has the proof.

A = L Lᵀ + R with tr A = 1: w are the eigenvalues of L Lᵀ, d the diagonal of R, τ = tr R. S_α is a function of tr f(A),
and Σ f(w) is off by no more than τ and d allow.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import xlogy

from .._validation import Array
from ..threads import thread_map
from .distances import TOLERANCE, GaussianKernel
from .entropy import order_of

__all__ = ["TILE", "Enclosure", "TraceFunction", "enclosure", "of_squares", "trace_function", "within"]

ROUNDING = 4 * float(np.finfo(float).eps)  # of an eigenvalue, relative to the largest; LAPACK's stay below 1 eps here
LARGEST_ORDER = 1e15  # above it S_α is −ln λ_max to rounding
TINY = 1e-300  # its logarithm is finite
TILE = 1024  # rows and columns of a block of the kernel


class Enclosure(NamedTuple):
    """S_α and what it certainly lies between, in nats."""

    value: float
    lower: float
    upper: float


class TraceFunction(NamedTuple):
    """f, and S_α as a function of tr f(A): near α = 1 from g(x) = (x^α − x)/(1 − α), else from (x/λ_max)^α."""

    f: Callable[[Array], Array]
    entropy: Callable[[float], float]
    near_one: bool


def trace_function(alpha: float, N: int, largest: float) -> TraceFunction:
    """Return how S_α of an N×N matrix with about this largest eigenvalue is computed."""
    if alpha == 1:
        return TraceFunction(lambda x: -xlogy(x, x), float, True)
    if order_of(alpha, N).diverges:
        return TraceFunction(
            lambda x: x * np.expm1((alpha - 1) * np.log(np.maximum(x, TINY))) / (1 - alpha),
            lambda total: math.log1p((1 - alpha) * total) / (1 - alpha),
            True,
        )
    return TraceFunction(
        lambda x: (x / largest) ** alpha,
        lambda total: (math.log(max(total, TINY)) + alpha * math.log(largest)) / (1 - alpha),
        False,
    )


def enclosure(w: Array, d: Array, alpha: float, N: int) -> Enclosure:
    """Return S_α between its bounds; they include the rounding of w, `ROUNDING` · max w for each."""
    largest, tau = float(w.max()), float(d.sum())
    error = ROUNDING * largest
    if alpha > LARGEST_ORDER:
        found = [-math.log(x) for x in (largest + tau / 2, largest + tau + error, largest - error)]
        return _ordered(N, *found)
    function = trace_function(alpha, N, largest)
    f = function.f
    slope = alpha / largest * (min(1.0, largest + tau) / largest) ** (alpha - 1)  # of (x/λ_max)^α at the largest λ
    omitted = sorted([-tau if function.near_one else slope * tau, float(f(d).sum())])
    ends = f(np.maximum(w - error, 0)), f(w + error)
    return within(
        N,
        function,
        float(f(w).sum()) + sum(omitted) / 2,
        float(np.minimum(*ends).sum()) + omitted[0],
        float(np.maximum(*ends).sum()) + omitted[1],
    )


def within(N: int, function: TraceFunction, *totals: float) -> Enclosure:
    """Return S_α where tr f(A) is about the first of three numbers and between the two others."""
    if function.near_one:  # S_α ≤ ln N, also where the bound is larger and log1p has no value
        totals = tuple(min(total, N * float(function.f(np.array(1 / N)))) for total in totals)
    return _ordered(N, *map(function.entropy, totals))


def _ordered(N: int, value: float, *ends: float) -> Enclosure:
    """Return them in order, and within what any S_α of an N×N matrix lies between."""
    lower, upper = (min(max(0.0, end), math.log(N)) for end in sorted(ends))
    return Enclosure(min(max(value, lower), upper), lower, upper)


def of_squares(kernel: GaussianKernel) -> Enclosure:
    """Return S₂ = 2 ln N − ln Σ K_ij², block by block."""
    N = len(kernel)

    def strip(first: int) -> float:
        rows, total = slice(first, first + TILE), 0.0
        for other in range(first, N, TILE):
            block = kernel(rows, slice(other, other + TILE))
            total += (1 if other == first else 2) * float(np.vdot(block, block))
        return total

    value = 2 * math.log(N) - math.log(math.fsum(thread_map(strip, range(0, N, TILE))))
    return _ordered(N, value, value - 2 * TOLERANCE, value + 2 * TOLERANCE)
