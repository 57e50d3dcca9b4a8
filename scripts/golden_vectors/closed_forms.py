"""Eqs. (1) to (5) where they have a closed form, with the digits of the oracle. Nothing here iterates over a map."""

import math
from typing import Any

import mpmath
import numpy as np

from rdae_ref._validation import Array
from rdae_ref.verify.oracles import mpmath_oracle as fifty

Inputs = dict[str, Any]

_precise = mpmath.mp.workdps(fifty.DIGITS)


@_precise
def two_point_manifold(X: Array, beta: float) -> Inputs:
    """Answer (1) for samples ∓a and two points ∓a t, with the root of t = tanh(2 β |a|² t)."""
    a, slope = fifty.exact(X[1]), fifty.exact(beta)
    a2 = (a**2).sum()
    t, gain = mpmath.mpf(0), 2 * slope * a2
    if gain > 1:
        t = mpmath.findroot(lambda t: t - mpmath.tanh(gain * t), (mpmath.mpf("1e-20"), 1), solver="anderson")
    rate = 1 - _binary_entropy((1 + t) / 2)
    return {"rate": rate, "distortion": a2 * (1 - t**2), "points": np.array([-a * t, a * t])}


@_precise
def finite_source(p_x: Array, distortion_matrix: Array, slope: float) -> Inputs:
    """Answer (2) and (3): the distortion matrix says which closed form it is."""
    p, beta = sorted(fifty.exact(p_x), reverse=True), fifty.exact(slope)
    if np.isinf(distortion_matrix).any():
        return _erasure(p, beta)
    if len(p) == 2:
        D = min(1 / (1 + mpmath.exp(beta)), p[1])
        return {"rate": _binary_entropy(p[1]) - _binary_entropy(D), "distortion": D}
    others = len(p) - 1  # uniform
    D = others / (others + mpmath.exp(beta))
    return {"rate": mpmath.log(len(p), 2) - _binary_entropy(D) - D * mpmath.log(others, 2), "distortion": D}


@_precise
def water_filling(variances: Array, distortion: float) -> Inputs:
    """Answer (4) and (5): with the components in ascending order, those below the level are used up one by one."""
    gamma2, left = fifty.exact(variances), fifty.exact(distortion)
    level = max(gamma2)
    for position, variance in enumerate(ascending := sorted(gamma2)):
        if left < (len(ascending) - position) * variance:
            level = left / (len(ascending) - position)
            break
        left -= variance
    rates = [
        mpmath.log(variance / level, 2) / 2 if level > 0 else mpmath.mpf(math.inf)
        for variance in gamma2
        if variance > level
    ]
    return {
        "rate": sum(rates, mpmath.mpf(0)),
        "level": level,
        "distortions": np.array([min(level, variance) for variance in gamma2]),
    }


def _erasure(p: list[Any], beta: Any) -> Inputs:
    """0 right, 1 erased, ∞ wrong, with p falling: the k most probable symbols have letters of their own in use."""
    price = mpmath.exp(-beta)
    for k in range(len(p) + 1):
        erased = sum(p[k:], mpmath.mpf(0)) / (1 - k * price)  # q(erased), which is D
        if k == len(p) or p[k] <= erased * price:
            break
    Z = [max(probability, erased * price) for probability in p]
    nats = -sum(probability * mpmath.log(z) for probability, z in zip(p, Z, strict=True)) - beta * erased
    return {"rate": nats / mpmath.log(2), "distortion": erased}


def _binary_entropy(p: Any) -> Any:
    return -sum((q * mpmath.log(q, 2) for q in (p, 1 - p) if q > 0), mpmath.mpf(0))
