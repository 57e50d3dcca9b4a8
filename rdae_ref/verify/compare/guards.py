"""What people do about small eigenvalues λ of N K_X ∘ K (joint) or K, of trace 1: floors, offsets, jitter, cutoffs."""

import math

import numpy as np

from ..._validation import Array

__all__ = ["GUARDS", "entropy", "guarded", "weights"]

# The words that end "equal ours with …"; {} is ε.
GUARDS = {
    "eigenvalue_floor": "eigenvalues clamped at {} from below",
    "eigenvalue_cutoff": "eigenvalues below {} dropped",
    "eigenvalue_offset": "{} added to every eigenvalue",
    "jitter": "K + {} I for the kernel matrices of unit diagonal",
    "jitter_normalised": "K + {} I for the kernel matrices of unit diagonal, then normalised to trace 1",
}


def guarded(guard: tuple[str, float], values: Array, joint: bool, N: int) -> Array:
    """Return the eigenvalues under a guard."""
    rule, eps = guard
    if rule == "exponent":  # a mistake in the gradient only
        return values
    if rule == "absolute":
        return np.abs(values)
    if rule == "eigenvalue_floor":
        return np.maximum(values, eps)
    if rule == "eigenvalue_cutoff":
        return np.where(values > eps, values, 0.0)
    if rule == "eigenvalue_offset":
        return values + eps
    # With K + ε I for both, the diagonal of their product is (1 + ε)².
    added = (1 + eps) ** 2 - 1 if joint else eps
    shifted = values + added / N
    return shifted if rule == "jitter" else shifted / (1 + added)


def slopes(guard: tuple[str, float], values: Array, joint: bool) -> Array | float:
    """Return the derivative of a guarded eigenvalue with respect to the eigenvalue."""
    rule, eps = guard
    if rule == "absolute":
        return np.sign(values)
    if rule in ("eigenvalue_floor", "eigenvalue_cutoff"):
        return np.where(values > eps, 1.0, 0.0)
    added = (1 + eps) ** 2 - 1 if joint else eps
    return 1 / (1 + added) if rule == "jitter_normalised" else 1.0


def entropy(values: Array, alpha: float) -> float:
    """Return S_α in nats of eigenvalues as they are, NaN where a power of one is."""
    with np.errstate(all="ignore"):
        if alpha == 1:
            return float(-np.sum(np.where(values == 0, 0.0, values * np.log(np.where(values == 0, 1.0, values)))))
        if alpha == math.inf:
            return float(-np.log(values.max()))
        return float(np.log(np.sum(values**alpha)) / (1 - alpha))


def weights(guard: tuple[str, float], values: Array, alpha: float, joint: bool) -> Array:
    """Return ∂S/∂λ in nats of every eigenvalue, which is what (15) has there, with the derivative of the guard."""
    kept = guarded(guard, values, joint, len(values))
    with np.errstate(all="ignore"):
        if alpha == 1:
            slope = np.where(kept > 0, -(np.log(np.where(kept > 0, kept, 1.0)) + 1), 0.0)
        elif alpha == math.inf:
            slope = np.where(kept == kept.max(), -1 / kept.max(), 0.0)
        else:
            power = alpha if guard[0] == "exponent" else alpha - 1
            slope = alpha / (1 - alpha) / np.nansum(kept**alpha) * np.where(kept == 0, 0.0, kept**power)
    return np.nan_to_num(slope) * slopes(guard, values, joint)
