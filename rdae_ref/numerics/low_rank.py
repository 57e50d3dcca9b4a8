"""Spectra of Gram matrices with few eigenvalues above rounding, by a pivoted Cholesky factor A = L Lᵀ + R.

R is positive semidefinite, tr R is what was left out, and `truncation_error` bounds what that does to S_α.
docs/low_rank.md says why samples in few dimensions have such matrices, and proves the bound.
"""

import math
from collections.abc import Callable

import numpy as np
import scipy.linalg

from .._validation import Array, as_base, as_order
from .distances import Rows
from .spectrum import Spectrum, lapack, spectrum, zero_below

__all__ = [
    "MOST_RANK", "RESIDUAL", "is_low_rank", "kernel_factor", "kernel_spectrum", "low_rank_spectrum",
    "nonzero_spectrum", "truncation_error",
]  # fmt: skip

RESIDUAL = 1e-12  # tr R of a matrix of trace 1: less than what counts as zero adds up to
MOST_RANK = 0.9  # of N: beyond it the factor and its products save no time
FEW = 1 / 3  # of N: with more for K_X alone, N K_X ∘ K_X̂ has too many for the factor to be worthwhile
FACTOR_FROM = 150  # samples: below, LAPACK is as fast without the factor
AUTO_FROM = 600  # samples: below, the eigenvalues of the whole matrix are as fast
STRIP = 4096  # rows that are multiplied at once
CANDIDATES, PIVOTS, WORTHWHILE = 128, 32, 0.1  # for each step of `kernel_factor`; fastest for some thousand samples
HOPELESS = 2  # times the columns that are allowed: where that many are foreseen, the factor is given up

Block = Callable[[Rows, Rows], Array]  # rows and columns to a new block of a kernel matrix with unit diagonal


def low_rank_spectrum(A: Array, residual: float = RESIDUAL) -> Spectrum | None:
    """Return the spectrum of a semidefinite matrix up to tr R ≤ residual, or None where its rank is too high.

    The eigenvalues of L Lᵀ are those of the small matrix Lᵀ L. None, too, where rounding made `A` indefinite by more
    than the residual: the factor would magnify it.
    """
    L, pivots, rank, _ = scipy.linalg.lapack.dpstrf(A, tol=residual / len(A), lower=1)
    if rank > MOST_RANK * len(A):
        return None
    factor = np.empty((len(A), rank))
    factor[pivots - 1] = np.tril(L[:, :rank])
    if _is_indefinite(A.diagonal() - np.einsum("ij,ij->i", factor, factor), residual):
        return None
    return _of_factor(factor, float(np.trace(A)))


def nonzero_spectrum(A: Array) -> Spectrum:
    """Return all eigenvalues of a semidefinite matrix that do not count as zero, with their eigenvectors.

    When few are nonzero, a Cholesky factor is faster. It stops at tr R ≤ N · eps · |A|² / tr A ≤ N · eps · λ_max, the
    threshold below which an eigenvalue counts as zero; a smaller residual would be the rounding of the diagonal.
    """
    N, found = len(A), None
    if N >= FACTOR_FROM:
        residual = N * np.finfo(float).eps * float(np.vdot(A, A) / np.trace(A))
        sample = A[::2, ::2]  # a cheap test on every second sample
        if scipy.linalg.lapack.dpstrf(sample, tol=residual / N, lower=1)[2] <= MOST_RANK * len(sample):
            found = low_rank_spectrum(A, residual)
    return spectrum(A) if found is None else found


def kernel_spectrum(block: Block, N: int, residual: float = RESIDUAL) -> Spectrum | None:
    """Return the spectrum of K/N up to tr R ≤ residual, from few columns of K, or None as `low_rank_spectrum`."""
    factor = kernel_factor(block, N, residual, round(MOST_RANK * N))
    return None if factor is None else _of_factor(factor, 1.0)


def is_low_rank(block: Block, N: int) -> bool:
    """Return whether products of K with another kernel are worth a low-rank spectrum."""
    return N >= AUTO_FROM and kernel_factor(block, N, RESIDUAL, round(FEW * N)) is not None


def truncation_error(decomposition: Spectrum, alpha: float, base: float = 2) -> float:
    """Return a bound on how far S_α of a low-rank spectrum is from that of the whole matrix of trace 1.

    With τ = tr R, p the eigenvalues over their sum 1 − τ, T = Σ p^α and |λ|_α = (Σ λ^α)^(1/α), the smaller of::

        E / (T − (α−1) E),  E = 2τ [1 + (1 − (2τ/N)^(α−1)) / (α−1)]
        α/(α−1) · max(−ln(1−τ), ln(1 + τ/|λ|_α))

    for α > 1, ∞ included, as docs/low_rank.md proves. It does not include the rounding that every spectrum has.
    """
    alpha, base = as_order(alpha), as_base(base)
    if alpha <= 1:
        raise ValueError(f"alpha must be above 1, got {alpha:g}: otherwise arbitrarily small eigenvalues carry entropy")
    values, vectors, tau = decomposition
    if tau == 0:
        return 0.0
    if tau >= values.sum():
        return math.inf
    order = 1.0 if alpha == math.inf else alpha / (alpha - 1)
    norm = values[-1] * (1.0 if alpha == math.inf else np.sum((values / values[-1]) ** alpha) ** (1 / alpha))
    bound = order * max(-math.log1p(-tau), math.log1p(tau / norm))
    if alpha < math.inf and tau <= len(vectors) / 6:  # where x ↦ (x − x^α)/(α−1) still rises at 2τ/N
        E = 2 * tau * (1 - math.expm1((alpha - 1) * math.log(2 * tau / len(vectors))) / (alpha - 1))
        T = np.sum((values / values.sum()) ** alpha)
        if (alpha - 1) * E < T:
            bound = min(bound, E / (T - (alpha - 1) * E))
    return float(bound) / math.log(base)


def kernel_factor(block: Block, N: int, residual: float, most: int) -> Array | None:
    """Return L of K/N = L Lᵀ + R with tr R ≤ residual in N · rank² operations, or None beyond `most` columns.

    It gives up early where the decay of tr R over the columns so far predicts far more than `most`.

    The pivots are taken some at a time, so that matrix products do the work: the `CANDIDATES` samples with the largest
    residual diagonal are factored by LAPACK, and those are taken whose residual stays worthwhile.
    """
    L, rank, diagonal = np.empty((4 * PIVOTS, N)), 0, np.full(N, 1 / N)  # Lᵀ, so that new columns are contiguous
    before = (0, 1.0)
    while diagonal.sum() > residual:
        pivots, small = _next_pivots(block, L[:rank], diagonal)
        if rank + len(pivots) > most:
            return None
        if rank + len(pivots) > len(L):
            if rank > 1.9 * before[0]:
                before, earlier = (rank, float(diagonal.sum())), before
                if _foreseen_rank(earlier, before, residual) > HOPELESS * most:
                    return None
            L.resize((len(L) + 4 * PIVOTS, N), refcheck=False)  # in place, where the system can
        columns = block(pivots, slice(None))
        columns[np.arange(len(pivots)), pivots] = 1
        columns /= N
        columns -= L[:rank, pivots].T @ L[:rank]
        new = L[rank : rank + len(pivots)]
        new[:] = scipy.linalg.solve_triangular(small, columns, lower=True, check_finite=False)
        rank += len(pivots)
        diagonal = diagonal - np.einsum("ij,ij->j", new, new)
        diagonal[pivots] = 0
        if _is_indefinite(diagonal, residual):
            return None
        np.maximum(diagonal, 0, out=diagonal)
    return L[:rank].T


def _foreseen_rank(before: tuple[int, float], now: tuple[int, float], residual: float) -> float:
    """Return at what rank tr R falls to the residual if ln tr R ∝ −rank^b through two ranks and their tr R."""
    if before[1] >= 1 or now[1] >= before[1]:
        return 0.0 if before[1] >= 1 else math.inf
    b = math.log(math.log(now[1]) / math.log(before[1])) / math.log(now[0] / before[0])
    return now[0] * math.exp(min(math.log(math.log(residual) / math.log(now[1])) / b, 700.0))


def _next_pivots(block: Block, L: Array, diagonal: Array) -> tuple[np.ndarray, Array]:
    """Return the next pivots, and the Cholesky factor of the residual matrix on them."""
    N = len(diagonal)
    candidates = np.argpartition(diagonal, -min(CANDIDATES, N))[-min(CANDIDATES, N) :]
    here = block(candidates, candidates) / N - L[:, candidates].T @ L[:, candidates]
    np.fill_diagonal(here, diagonal[candidates])
    factor, order, rank, _ = scipy.linalg.lapack.dpstrf(here, tol=WORTHWHILE * diagonal.max(), lower=1)
    taken = max(1, min(rank, PIVOTS))
    return candidates[order[:taken] - 1], np.tril(factor[:taken, :taken])


def _is_indefinite(diagonal: Array, residual: float) -> bool:
    """Return whether R, with this diagonal, is negative somewhere by more than rounding."""
    return bool(diagonal.min() < -max(residual / len(diagonal), np.finfo(float).eps))


def _of_factor(factor: Array, trace: float) -> Spectrum:
    """Return the spectrum of L Lᵀ, and what it leaves out of a matrix with this trace, in the memory of L."""
    values, vectors = lapack(factor.T @ factor, eigvals_only=False)
    kept = values >= zero_below(values, len(factor))
    values = values[kept]
    vectors = vectors[:, kept] / np.sqrt(values)
    for first in range(0, len(factor), STRIP):
        rows = slice(first, first + STRIP)
        factor[rows, : len(values)] = factor[rows] @ vectors
    return Spectrum(values, factor[:, : len(values)], max(0.0, trace - float(values.sum())))
