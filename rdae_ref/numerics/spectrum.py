"""The eigen core: spectra of positive semidefinite matrices from LAPACK, and the policy on their small eigenvalues.

Every eigenvalue that an entropy is made of comes through this file. The policy, in three constants:

* negative beyond both `NEGATIVE_ABSOLUTE` and `NEGATIVE_RELATIVE` · λ_max: not positive semidefinite, an error;
* below N · eps · λ_max: rounding of a zero, counted as zero;
* everything else: as LAPACK returns it.

Gram matrices of samples in few dimensions have few eigenvalues that are not rounding (docs/low_rank.md):
`low_rank_spectrum` and `kernel_spectrum` find those alone, by a pivoted Cholesky factor A = L Lᵀ + R with R positive
semidefinite, and say what they left out: tr R. `rdae_ref.entropy.truncation_error` bounds what that does to S_α.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg

from .._validation import Array

__all__ = [
    "SPECTRA",
    "SingularGramWarning",
    "Spectrum",
    "check_semidefinite",
    "eigenvalues",
    "kernel_factor",
    "kernel_is_low_rank",
    "kernel_spectrum",
    "low_rank_if_chosen",
    "low_rank_spectrum",
    "nonzero_spectrum",
    "spectral_product",
    "spectrum",
    "zero_below",
]

# scikit-learn's figures for kernel matrices (utils.validation._check_psd_eigenvalues), so that a matrix which is
# accepted there is accepted here.
NEGATIVE_ABSOLUTE = 1e-10
NEGATIVE_RELATIVE = 1e-5

SPECTRA = ("exact", "low-rank", "auto")
RESIDUAL = 1e-12  # tr R of a matrix of trace 1: less than what counts as zero adds up to
MOST_RANK = 0.9  # of N: beyond it the factor and its products cost what they save
FEW = 1 / 3  # of N: with so many for K_X alone, N K_X ∘ K_X̂ has too many for the factor to pay
FACTOR_FROM = 150  # samples: below, LAPACK is as fast without the factor
AUTO_FROM = 600  # samples: below, the eigenvalues of the whole matrix are as fast


class SingularGramWarning(RuntimeWarning):
    """A derivative was taken at a singular matrix for α ≤ 1, where the true one is infinite."""


class Spectrum(NamedTuple):
    """The eigendecomposition A = V diag(values) Vᵀ + R.

    Parameters
    ----------
    values : Array, shape (r,)
        Ascending; those counted as zero are exactly zero, or left out where r < N.
    vectors : Array, shape (N, r)
        Eigenvectors in columns.
    residual : float
        The trace of R, which is positive semidefinite: 0 where all N eigenvalues are there.
    """

    values: Array
    vectors: Array
    residual: float = 0.0


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


def low_rank_spectrum(A: Array, residual: float = RESIDUAL) -> Spectrum | None:
    """Return the eigendecomposition of all but a residual of a matrix, if its rank is low enough to pay.

    By LAPACK's pivoted Cholesky factor A = L Lᵀ + R: the eigenvalues of L Lᵀ are those of the small matrix Lᵀ L.

    Parameters
    ----------
    A : Array, shape (N, N)
        Symmetric, finite and positive semidefinite, as `check_semidefinite` finds.
    residual : float
        Largest trace of R.

    Returns
    -------
    Spectrum or None
        The eigenvalues that do not count as zero; None where there are too many, or where `A` is not semidefinite to
        within the residual: a factor would then magnify what is noise in `A`.
    """
    L, pivots, rank, _ = scipy.linalg.lapack.dpstrf(A, tol=residual / len(A), lower=1)
    if rank > MOST_RANK * len(A):
        return None
    factor = np.empty((len(A), rank))
    factor[pivots - 1] = np.tril(L[:, :rank])
    if _is_noise(A.diagonal() - np.einsum("ij,ij->i", factor, factor), residual):
        return None
    return _of_factor(factor, float(np.trace(A)))


def nonzero_spectrum(A: Array) -> Spectrum:
    """Return all eigenvalues that do not count as zero, with their eigenvectors.

    Where they are few, a Cholesky factor that stops when all others count as zero finds them sooner: those are at most
    tr R ≤ N · eps · |A|² / tr A ≤ N · eps · λ_max. One that is above this threshold by less than tr R may go with them.

    Parameters
    ----------
    A : Array, shape (N, N)
        Symmetric, finite and positive semidefinite, as Gram matrices are.

    Returns
    -------
    Spectrum
        With zeros where it is that of LAPACK, without where it is the other.
    """
    N, found = len(A), None
    if N >= FACTOR_FROM:
        residual = N * np.finfo(float).eps * float(np.vdot(A, A) / np.trace(A))
        sample = A[::4, ::4]  # which tells, for a sixteenth of the work, whether to try
        if scipy.linalg.lapack.dpstrf(sample, tol=residual / N, lower=1)[2] <= MOST_RANK * len(sample):
            found = low_rank_spectrum(A, residual)
    return spectrum(A) if found is None else found


def kernel_spectrum(
    block: Callable[[np.ndarray | slice, np.ndarray | slice], Array], N: int, residual: float = RESIDUAL
) -> Spectrum | None:
    """Return the eigendecomposition of all but a residual of K/N, of which only the columns needed are evaluated.

    Parameters
    ----------
    block : callable
        Takes rows and columns to that block of the positive semidefinite matrix K, whose diagonal is 1. Blocks are
        written to.
    N : int
        Its size.
    residual : float
        Largest trace of R, below 1: that of K/N.

    Returns
    -------
    Spectrum or None
        As `low_rank_spectrum`.
    """
    factor = kernel_factor(block, N, residual, round(MOST_RANK * N))
    return None if factor is None else _of_factor(factor, 1.0)


CANDIDATES, CHOSEN, WORTH = 128, 32, 0.1  # a few thousand samples are fastest with these


def kernel_factor(
    block: Callable[[np.ndarray | slice, np.ndarray | slice], Array], N: int, residual: float, most: int
) -> Array | None:
    """Return L of a pivoted Cholesky factor K/N = L Lᵀ + R with tr R ≤ residual, in N · rank² operations.

    The pivots are taken some at a time, so that matrix products do the work: the `CANDIDATES` samples with the largest
    residual diagonal are factored by LAPACK, and those taken of which the residual is still worth it.

    Parameters
    ----------
    block : callable
        As for `kernel_spectrum`.
    N : int
        Size of K.
    residual : float
        Largest trace of R.
    most : int
        Columns of L.

    Returns
    -------
    Array or None
        L, shape (N, rank); None where it would have more columns than `most`, or where K/N is not semidefinite to
        within the residual.
    """
    L, rank, diagonal = np.empty((4 * CHOSEN, N)), 0, np.full(N, 1 / N)  # Lᵀ, so that new columns are contiguous
    while diagonal.sum() > residual:
        pivots, small = _next_pivots(block, L[:rank], diagonal)
        if rank + len(pivots) > most:
            return None
        if rank + len(pivots) > len(L):
            L = np.concatenate([L, np.empty_like(L)])
        columns = block(pivots, slice(None))
        columns[np.arange(len(pivots)), pivots] = 1
        columns /= N
        columns -= L[:rank, pivots].T @ L[:rank]
        new = L[rank : rank + len(pivots)]
        new[:] = scipy.linalg.solve_triangular(small, columns, lower=True, check_finite=False)
        rank += len(pivots)
        diagonal = diagonal - np.einsum("ij,ij->j", new, new)
        diagonal[pivots] = 0
        if _is_noise(diagonal, residual):
            return None
        np.maximum(diagonal, 0, out=diagonal)
    return L[:rank].T


def kernel_is_low_rank(block: Callable[[np.ndarray | slice, np.ndarray | slice], Array], N: int) -> bool:
    """Return whether K has so few eigenvalues that products of it with another kernel are worth a low-rank spectrum.

    Parameters
    ----------
    block : callable
        As for `kernel_spectrum`.
    N : int
        Size of K.

    Returns
    -------
    bool
        False, too, where N is so small that LAPACK's decomposition of the whole is as fast.
    """
    return N >= AUTO_FROM and kernel_factor(block, N, RESIDUAL, round(FEW * N)) is not None


def _next_pivots(
    block: Callable[[np.ndarray | slice, np.ndarray | slice], Array], L: Array, diagonal: Array
) -> tuple[np.ndarray, Array]:
    """Return the next pivots, and the Cholesky factor of the residual matrix on them."""
    N = len(diagonal)
    candidates = np.argpartition(diagonal, -min(CANDIDATES, N))[-min(CANDIDATES, N) :]
    here = block(candidates, candidates) / N - L[:, candidates].T @ L[:, candidates]
    np.fill_diagonal(here, diagonal[candidates])
    factor, order, rank, _ = scipy.linalg.lapack.dpstrf(here, tol=WORTH * diagonal.max(), lower=1)
    taken = max(1, min(rank, CHOSEN))
    return candidates[order[:taken] - 1], np.tril(factor[:taken, :taken])


def _is_noise(diagonal: Array, residual: float) -> bool:
    """Return whether a factor L Lᵀ has more on its diagonal than A has: A − L Lᵀ would be far from semidefinite.

    So it is where the rounding of A, as that of distances between points very far apart, exceeds the residual.
    """
    return bool(diagonal.min() < -max(residual / len(diagonal), np.finfo(float).eps))


def _of_factor(factor: Array, trace: float) -> Spectrum:
    """Return the spectrum of L Lᵀ, and what it leaves out of a matrix with this trace."""
    values, vectors = _lapack(factor.T @ factor, eigvals_only=False)
    kept = values > zero_below(values, len(factor))
    values = values[kept]
    return Spectrum(values, factor @ vectors[:, kept] / np.sqrt(values), max(0.0, trace - float(values.sum())))


def low_rank_if_chosen(A: Array, alpha: float, how: str) -> Spectrum | None:
    """Return the low-rank spectrum of a matrix where a choice among `SPECTRA` means that one.

    Parameters
    ----------
    A : Array, shape (N, N)
        Symmetric and finite.
    alpha : float
        Order of the entropy. For α ≤ 1 the smallest eigenvalues matter most: it is never the low-rank one.
    how : str
        One of `SPECTRA`.

    Returns
    -------
    Spectrum or None
        None for the exact one: it was chosen, or pays.

    Raises
    ------
    ValueError
        If `A` is not positive semidefinite.
    """
    if how == "exact" or alpha <= 1 or (how == "auto" and len(A) < AUTO_FROM):
        return None
    check_semidefinite(A)
    return low_rank_spectrum(A)


def zero_below(values: Array, N: int) -> float:
    """Return the threshold N · eps · λ_max, below which an eigenvalue is rounding of a zero.

    Parameters
    ----------
    values : Array, shape (r,)
        Ascending.
    N : int
        Size of the matrix.

    Returns
    -------
    float
        The threshold.
    """
    return float(N * np.finfo(float).eps * values[-1])


def spectral_product(vectors: Array, weights: Array) -> Array:
    """Return V diag(w) Vᵀ.

    Parameters
    ----------
    vectors : Array, shape (N, r)
        V, eigenvectors in columns.
    weights : Array, shape (r,)
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
    return np.where(values < zero_below(values, len(values)), 0.0, values)
