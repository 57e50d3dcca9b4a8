"""How many dimensions the codes of a model use: singular values of their covariance, and an effective rank."""

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_positive, as_samples, as_weights

__all__ = ["effective_rank", "latent_singular_values"]


def latent_singular_values(Z: npt.ArrayLike) -> Array:
    """Return the singular values of the covariance of codes, (1/N) Σ (z − z̄)(z − z̄)ᵀ.

    They are computed as the squared singular values of Z − 1 z̄ᵀ over N: computed from the covariance itself, values
    below 1e-16 of the largest would be rounding errors.

    Parameters
    ----------
    Z : array_like, shape (N, k)
        Codes in rows.

    Returns
    -------
    Array, shape (k,)
        Largest first; divide by the first to compare models.
    """
    Z = as_samples(Z, "Z")
    values = np.linalg.svd(Z - Z.mean(axis=0), compute_uv=False) ** 2 / len(Z)
    return np.concatenate([values, np.zeros(Z.shape[1] - len(values))])


def effective_rank(singular_values: npt.ArrayLike, threshold: float = 0.01) -> int:
    """Return how many singular values exceed a fraction of the largest.

    Parameters
    ----------
    singular_values, threshold : array_like, shape (k,), and float
        As from `latent_singular_values`; and the fraction. The count depends on it, so state it with each count.

    Returns
    -------
    int
        From 0, where all are zero, to k.

    Examples
    --------
    >>> effective_rank([4.0, 1.0, 0.02])
    2
    """
    values, threshold = as_weights(singular_values, "singular_values"), as_positive(threshold, "threshold")
    with np.errstate(over="ignore"):
        return int(np.sum(values > threshold * values.max()))
