"""The eigen core: LAPACK's decomposition of a positive semidefinite matrix, and the policy on its small eigenvalues.

* Negative beyond both `NEGATIVE_ABSOLUTE` and `NEGATIVE_RELATIVE` · λ_max: the matrix is not semidefinite, an error.
* Below N · eps · λ_max, and a `GAP` apart from the others: the rounding of zeros, counted as zero.
* Without a gap: counted as zero below the rounding error that the negative eigenvalues show.
* Everything else: as LAPACK returns it.

The eigenvalues of a smooth kernel fall to rounding without a gap, and those just above it carry entropy for α < 1.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg

from .._validation import Array
from ..threads import one_blas_thread

__all__ = [
    "SingularGramWarning", "Spectrum", "check_semidefinite", "eigenvalues", "spectral_product", "spectrum",
    "zero_below",
]  # fmt: skip

# scikit-learn's values for kernel matrices (utils.validation._check_psd_eigenvalues): what it accepts is accepted.
NEGATIVE_ABSOLUTE = 1e-10
NEGATIVE_RELATIVE = 1e-5
GAP = 1e3  # between neighbours

# The GNU C library returns a matrix's memory to the system and fetches it page by page for the next, a sixth of the
# time of an evaluation at N = 200, until a program has once released a block of nearly 32 MB. This one is never used.
np.empty(2**25 - 2**16, np.uint8)


class SingularGramWarning(RuntimeWarning):
    """A derivative was taken at a singular matrix for α ≤ 1, where the true one is infinite."""


class Spectrum(NamedTuple):
    """The eigendecomposition A = V diag(values) Vᵀ + R."""

    values: Array  # (r,), ascending; those counted as zero are exactly zero, or left out where r < N
    vectors: Array  # (N, r), eigenvectors in columns
    residual: float = 0.0  # tr R of the semidefinite matrix R: 0 where all N eigenvalues are there


def spectrum(A: Array) -> Spectrum:
    """Return all eigenvalues and eigenvectors of a finite symmetric matrix, small eigenvalues set to zero."""
    values, vectors = lapack(A, eigvals_only=False)
    return Spectrum(_zeroed(values), vectors)


def eigenvalues(A: Array) -> Array:
    """Return all eigenvalues of a finite symmetric matrix, small ones set to zero."""
    return _zeroed(lapack(A, eigvals_only=True))


def check_semidefinite(A: Array) -> None:
    """Refuse a symmetric matrix that is not positive semidefinite, by a Cholesky factorisation where that succeeds."""
    try:  # which costs a fraction of the eigenvalues
        scipy.linalg.cholesky(A + NEGATIVE_ABSOLUTE * np.eye(len(A)), check_finite=False)
    except np.linalg.LinAlgError:
        eigenvalues(A)


def zero_below(values: Array, N: int) -> float:
    """Return N · eps · λ_max: below it an eigenvalue of an N×N matrix is the rounding of a zero."""
    return float(N * np.finfo(float).eps * values[-1])


def spectral_product(vectors: Array, weights: Array) -> Array:
    """Return V diag(w) Vᵀ, symmetric to the bit; weights of one sign cost half as much."""
    if weights.min() < 0 < weights.max():
        product = (vectors * weights) @ vectors.T
        return (product + product.T) / 2
    sign = -1.0 if weights.min() < 0 else 1.0
    B = vectors * np.sqrt(sign * weights)
    return sign * (B @ B.T)  # syrk: symmetric, and half the work


def lapack(A: Array, *, eigvals_only: bool):  # type: ignore[no-untyped-def]
    """Return LAPACK's eigenvalues, ascending, and the eigenvectors, unless `eigvals_only`."""
    # NumPy's evd: as fast on all eigenvalues as evr, which occasionally fails, and other threads can go on beside it.
    # SciPy's ev is slower but has not failed.
    with one_blas_thread(len(A)):
        try:
            return np.linalg.eigvalsh(A) if eigvals_only else np.linalg.eigh(A)
        except np.linalg.LinAlgError:
            return scipy.linalg.eigh(A, eigvals_only=eigvals_only, driver="ev", check_finite=False)


def _zeroed(values: Array) -> Array:
    smallest, largest = values[0], values[-1]
    if smallest < -NEGATIVE_ABSOLUTE and smallest < -NEGATIVE_RELATIVE * largest:
        raise ValueError(
            f"expected a positive semidefinite matrix, got the eigenvalue {smallest:.6g} beside the largest "
            f"{largest:.6g}: it is below -{NEGATIVE_ABSOLUTE:g} and below -{NEGATIVE_RELATIVE:g} times the largest, "
            "too far for rounding; the kernel is not positive definite, or the matrix is not a Gram matrix"
        )
    return np.where(values < _rounding(values), 0.0, values)


def _rounding(values: Array) -> float:
    """Return below what an eigenvalue of all counts as zero."""
    limit = zero_below(values, len(values))
    below = int(np.searchsorted(values, limit))
    if 0 < below < len(values) and values[below] > GAP * values[below - 1]:
        return limit
    return float(max(np.finfo(float).eps * values[-1] / 2, -2 * values[0]))
