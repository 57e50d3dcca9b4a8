"""S_α of samples without N×N matrices: with certain bounds, or as an estimate with a confidence interval."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_base, as_fraction, as_generator, as_order, as_positive, as_samples
from .numerics.distances import GaussianKernel
from .numerics.enclosure import Enclosure, enclosure, of_squares
from .numerics.low_rank import RESIDUAL, kernel_factor
from .numerics.spectrum import lapack
from .numerics.trace_estimate import estimated_entropy
from .threads import one_blas_thread

__all__ = ["SampleEntropy", "sample_entropy"]

FACTOR_FROM = 500  # samples: below, all eigenvalues take less than .02 s
ESTIMATE_FROM = 2000  # samples: below, all eigenvalues take less time than an estimate
LARGEST_MATRIX = 10_000  # samples whose eigenvalues are computed: 1.6 GB and some minutes
LARGEST_ESTIMATED = 10  # α of an estimate: λ^α of larger ones is the power of one eigenvalue, known to float32 only
LARGEST_STORED = 40_000  # samples of an estimate, whose matrix in float32 has 6.4 GB
MOST_COLUMNS = 0.6  # of N: beyond, the eigenvalues of the whole matrix take no longer
SMALL_RESIDUAL = 1e-14  # tr R for α < 1, where what is left out matters more


class SampleEntropy(NamedTuple):
    """S_α(A) with its bounds, and the method that gave them."""

    value: float
    lower: float
    upper: float
    rank: int  # eigenvalues that were computed: columns of the factor, leading vectors of the estimate, N or 0
    method: str  # "eigenvalues", "factor" or "squares", whose bounds are certain, or "estimate"


def sample_entropy(
    X: npt.ArrayLike,
    sigma: float,
    alpha: float,
    base: float = 2,
    confidence: float | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> SampleEntropy:
    """Return the matrix-based entropy S_α of samples with a Gaussian kernel, with bounds. Eqs. (10), (11).

    The same as ``renyi_entropy(gaussian_gram(X, sigma), alpha)``, but also for many samples.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Samples in rows.
    sigma, alpha, base : float
        Kernel size, order α > 0, and base of the logarithm: 2 for bits, ``math.e`` for nats.
    confidence : float, optional
        Allow an estimate where certain bounds would take long, with an interval that holds with this probability, such
        as 0.99. For α ≥ 1 the goal is ±.1 % of the value.
    rng : numpy.random.Generator, optional
        For the estimate; by default one with a fixed seed.

    Returns
    -------
    SampleEntropy
        ``value`` with ``lower`` ≤ S_α ≤ ``upper``, the ``rank`` that was needed and the ``method``:

        * ``"squares"``: α = 2, the sum of all K_ij² in blocks.
        * ``"factor"``: a pivoted Cholesky factor with few columns; the bounds include what it omits.
        * ``"eigenvalues"``: all those of the N×N matrix; for N < 500, and for N ≤ 10,000 where a factor would need more
          than .6 N columns and no `confidence` is given.
        * ``"estimate"``: random vectors, an N×N matrix in float32. Bounds hold with probability `confidence`.

        `ValueError` if N is too large for a kernel matrix that has no small factor.

    Notes
    -----
    Bounds include the rounding of eigenvalues, up to 4 eps λ_max each, but not that of the kernel's elements, at most
    5e-13. docs/low_rank.md proves them; docs/performance.md has measured times and errors.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(3000, 2))
    >>> found = sample_entropy(X, sigma=0.5, alpha=1)
    >>> print(f"{found.value:.6f} bits by a {found.method}, give or take {found.upper - found.value:.0e}")
    4.908411 bits by a factor, give or take 2e-11
    """
    X, sigma = as_samples(X, "X"), as_positive(sigma, "sigma")
    alpha, base = as_order(alpha), as_base(base)
    confidence = None if confidence is None else as_fraction(confidence, "confidence")
    rng = np.random.default_rng(0) if rng is None else as_generator(rng)
    nats, rank, method = _by_some_method(GaussianKernel(X, sigma), alpha, confidence, rng)
    value, lower, upper = (end / math.log(base) for end in nats)
    return SampleEntropy(value, lower, upper, rank, method)


def _by_some_method(
    kernel: GaussianKernel, alpha: float, confidence: float | None, rng: np.random.Generator
) -> tuple[Enclosure, int, str]:
    """Return S_α in nats by the fastest method, with its rank and name."""
    N = len(kernel)
    if alpha == 2:
        return of_squares(kernel), 0, "squares"
    if N >= FACTOR_FROM:
        with one_blas_thread():
            L = kernel_factor(kernel, N, SMALL_RESIDUAL if alpha < 1 else RESIDUAL, round(MOST_COLUMNS * N))
            if L is not None:
                return _of_factor(L, alpha), L.shape[1], "factor"
        if confidence is not None and ESTIMATE_FROM < N <= LARGEST_STORED and alpha <= LARGEST_ESTIMATED:
            return *estimated_entropy(kernel, alpha, confidence, rng), "estimate"
    if N > LARGEST_MATRIX:
        raise ValueError(
            f"the kernel matrix of {N} samples with sigma = {kernel.sigma:g} has no factor with few columns, and its "
            f"eigenvalues are computed for at most {LARGEST_MATRIX} samples: pass confidence=0.99 for an estimate "
            f"(alpha up to {LARGEST_ESTIMATED}, at most {LARGEST_STORED} samples), a larger sigma, or fewer samples"
        )
    A = kernel.matrix()
    A /= N
    values = np.maximum(lapack(A, eigvals_only=True), 0)  # a zero may be an eigenvalue below rounding: bounded, not set
    return enclosure(values / values.sum(), np.zeros(1), alpha, N), N, "eigenvalues"


def _of_factor(L: Array, alpha: float) -> Enclosure:
    """Return S_α from a factor of A and the diagonal that it leaves."""
    N = len(L)
    left = np.maximum(1 / N - np.einsum("ij,ij->i", L, L), 0) + np.finfo(float).eps / N  # what rounding may hide
    w = np.maximum(np.linalg.eigvalsh(L.T @ L), 0)
    return enclosure(w, left, alpha, N)
