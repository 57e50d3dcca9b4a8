"""The eigen core: spectra of positive semidefinite matrices from LAPACK, and the policy on their small eigenvalues.

Every eigenvalue in this package comes through this file. The policy, in three constants:

* negative beyond both `NEGATIVE_ABSOLUTE` and `NEGATIVE_RELATIVE` · λ_max: not positive semidefinite, an error;
* below N · eps · λ_max: rounding of a zero, counted as zero;
* everything else: as LAPACK returns it.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg

from ._validation import Array

__all__ = [
    "SingularGramWarning",
    "Spectrum",
    "check_semidefinite",
    "eigenvalues",
    "spectral_product",
    "spectrum",
    "zero_below",
]

# scikit-learn's figures for kernel matrices (utils.validation._check_psd_eigenvalues), so that a matrix which is
# accepted there is accepted here.
NEGATIVE_ABSOLUTE = 1e-10
NEGATIVE_RELATIVE = 1e-5


class SingularGramWarning(RuntimeWarning):
    """A derivative was taken at a singular matrix for α ≤ 1, where the true one is infinite."""


class Spectrum(NamedTuple):
    """The eigendecomposition V diag(values) Vᵀ.

    Parameters
    ----------
    values : Array, shape (N,)
        Ascending; those counted as zero are exactly zero.
    vectors : Array, shape (N, N)
        Eigenvectors in columns.
    """

    values: Array
    vectors: Array


def spectrum(A: Array) -> Spectrum:
    """Return the eigendecomposition of a symmetric positive semidefinite matrix, small eigenvalues set to zero.

    Parameters
    ----------
    A : Array, shape (N, N)
        Symmetric and finite: LAPACK ignores a NaN in the triangle it does not read, and can hang on one in the other.

    Returns
    -------
    Spectrum
        Eigenvalues, ascending, and eigenvectors.

    Raises
    ------
    ValueError
        If `A` is not positive semidefinite.
    """
    values, vectors = _lapack(A, eigvals_only=False)
    return Spectrum(_clean(values), vectors)


def eigenvalues(A: Array) -> Array:
    """Return the eigenvalues of a symmetric positive semidefinite matrix, small ones set to zero.

    Parameters
    ----------
    A : Array, shape (N, N)
        Symmetric and finite.

    Returns
    -------
    Array, shape (N,)
        Ascending.

    Raises
    ------
    ValueError
        If `A` is not positive semidefinite.
    """
    return _clean(_lapack(A, eigvals_only=True))


def check_semidefinite(A: Array) -> None:
    """Refuse a symmetric matrix that is not positive semidefinite, without its spectrum where the answer is clear.

    Parameters
    ----------
    A : Array, shape (N, N)
        Symmetric and finite.

    Raises
    ------
    ValueError
        If `A` is not positive semidefinite.
    """
    try:  # a Cholesky factor costs a fraction of the eigenvalues
        scipy.linalg.cholesky(A + NEGATIVE_ABSOLUTE * np.eye(len(A)), check_finite=False)
    except np.linalg.LinAlgError:
        eigenvalues(A)


def zero_below(values: Array) -> float:
    """Return the threshold N · eps · λ_max, below which an eigenvalue is rounding of a zero.

    Parameters
    ----------
    values : Array, shape (N,)
        Ascending.

    Returns
    -------
    float
        The threshold.
    """
    return float(len(values) * np.finfo(float).eps * values[-1])


def spectral_product(vectors: Array, weights: Array) -> Array:
    """Return V diag(w) Vᵀ.

    Parameters
    ----------
    vectors : Array, shape (N, N)
        V, eigenvectors in columns.
    weights : Array, shape (N,)
        w; those of one sign cost half as much.

    Returns
    -------
    Array, shape (N, N)
        Symmetric to the bit.
    """
    if weights.min() < 0 < weights.max():
        product = (vectors * weights) @ vectors.T
        return (product + product.T) / 2
    sign = -1.0 if weights.min() < 0 else 1.0
    B = vectors * np.sqrt(sign * weights)
    return sign * (B @ B.T)  # syrk: symmetric, and half the work


def _lapack(A: Array, *, eigvals_only: bool):  # type: ignore[no-untyped-def]
    # evd: as fast as evr on all eigenvalues, which now and then fails; ev is slower and has not been seen to.
    try:
        return scipy.linalg.eigh(A, eigvals_only=eigvals_only, driver="evd", check_finite=False)
    except np.linalg.LinAlgError:
        return scipy.linalg.eigh(A, eigvals_only=eigvals_only, driver="ev", check_finite=False)


def _clean(values: Array) -> Array:
    smallest, largest = values[0], values[-1]
    if smallest < -NEGATIVE_ABSOLUTE and smallest < -NEGATIVE_RELATIVE * largest:
        raise ValueError(
            f"expected a positive semidefinite matrix, got the eigenvalue {smallest:.6g} beside the largest "
            f"{largest:.6g}: below -{NEGATIVE_ABSOLUTE:g} and below -{NEGATIVE_RELATIVE:g} times the largest is no "
            "rounding; the kernel is not positive definite, or the matrix is no Gram matrix"
        )
    return np.where(values < zero_below(values), 0.0, values)
