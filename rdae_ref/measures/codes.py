"""What codes Z (N, k) reveal about the factors V (N, f) behind the data: mutual information gap and linear probe."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_count, as_generator, as_samples, refuses_overflow

__all__ = ["InformationGap", "LinearProbe", "gaussian_codes", "linear_probe", "mutual_information_gap"]


class InformationGap(NamedTuple):
    """The mutual information gap of codes and factors.

    Examples
    --------
    >>> V = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> print(mutual_information_gap(V[:, ::-1], V).information[0])  # the first latent is the second factor
    [0. 1.]
    """

    gap: float  #: mean of `gaps`: 1 if each factor is in exactly one latent, 0 if no latent stands out
    gaps: Array  #: for each factor: largest mutual information with a latent less the second largest, over its entropy
    information: Array  #: mutual information of each latent and each factor, in bits, shape (k, f)


class LinearProbe(NamedTuple):
    """How well an affine map reads factors off codes.

    Examples
    --------
    >>> Z = np.random.default_rng(0).normal(size=(100, 2))
    >>> print(linear_probe(Z @ [[1, 1], [1, -1]], Z).scores.round(6))  # turned, but all there
    [1. 1.]
    """

    r2: float  #: mean of `scores`
    scores: Array  #: R² of each factor on samples not fitted to: 1 is perfect, 0 no better than the mean


def mutual_information_gap(Z: npt.ArrayLike, V: npt.ArrayLike, n_bins: int = 20) -> InformationGap:
    """Return the mutual information gap, with codes and factors in bins of equal width.

    For a factor v with the latents j ordered by I(z_j; v), the gap is (I(z_1; v) − I(z_2; v)) / H(v). I is estimated
    from histograms, which is too large by about (bins − 1)²/(2 N ln 2) bits; all latents share that bias.
    (R. T. Q. Chen, X. Li, R. Grosse, D. Duvenaud: Isolating sources of disentanglement in VAEs, NeurIPS 2018.)

    Parameters
    ----------
    Z, V, n_bins : array_like, shapes (N, k) and (N, f), and int
        Codes with two latents or more (for a VAE drawn by `Posterior.sample`); factors, none constant; and 2 bins or
        more. A factor with fewer distinct values than bins keeps its values.

    Returns
    -------
    InformationGap
        Mean gap, gaps and mutual informations.

    Examples
    --------
    >>> V = np.random.default_rng(0).uniform(size=(5000, 2))
    >>> print(f"{mutual_information_gap(V, V).gap:.2f} {mutual_information_gap(V @ [[1, 1], [1, -1]], V).gap:.2f}")
    0.99 0.01
    """
    Z, V = _as_codes_and_factors(Z, V)
    n_bins, _ = as_count(n_bins, "n_bins", minimum=2), as_count(Z.shape[1], "the number of latents", minimum=2)
    codes, factors = ([_binned(column, n_bins) for column in array.T] for array in (Z, V))
    entropies = np.array([_entropy(factor) for factor in factors])
    if (entropies == 0).any():
        raise ValueError(f"V must vary in each column, but column {int(entropies.argmin())} is constant: drop it")
    information = np.array([[_information(code, factor) for factor in factors] for code in codes])
    second, first = np.sort(information, axis=0)[-2:]
    gaps = (first - second) / entropies
    return InformationGap(float(gaps.mean()), gaps, information)


@refuses_overflow
def linear_probe(Z: npt.ArrayLike, V: npt.ArrayLike, n_train: int | None = None) -> LinearProbe:
    """Fit V ≈ Z B + 1 aᵀ by least squares to the first samples, and score it on the others.

    Parameters
    ----------
    Z, V, n_train : array_like, shapes (N, k) and (N, f), and int, optional
        Codes, factors (none constant on the scored samples), and the number of samples to fit: by default half.

    Returns
    -------
    LinearProbe
        R² of each factor, and their mean.

    Examples
    --------
    >>> Z = np.random.default_rng(0).normal(size=(10_000, 3))
    >>> print(linear_probe(Z, np.column_stack([Z @ [1, 2, 3], Z[:, 0] ** 2])).scores.round(1) + 0)
    [1. 0.]
    """
    Z, V = _as_codes_and_factors(Z, V)
    if len(Z) < 3:
        raise ValueError(f"n_train must be at most {len(Z) - 2}, which leaves none: pass three samples or more")
    n = as_count(len(Z) // 2 if n_train is None else n_train, "n_train", maximum=len(Z) - 2)
    # Of centred latents in units of their own, so that neither their origin nor their scale matters.
    scale, mean = Z[:n].std(axis=0), V[:n].mean(axis=0)
    centred = (Z - Z[:n].mean(axis=0)) / np.where(scale > 0, scale, 1)
    B, *_ = np.linalg.lstsq(centred[:n], V[:n] - mean)
    rest, error = V[n:], V[n:] - mean - centred[n:] @ B
    constant = np.flatnonzero(np.ptp(rest, axis=0) == 0)
    if constant.size:
        raise ValueError(f"V must vary over the last {len(rest)} samples, but column {constant[0]} does not: drop it")
    scores = 1 - np.sum(error**2, axis=0) / np.sum((rest - rest.mean(axis=0)) ** 2, axis=0)
    return LinearProbe(float(scores.mean()), scores)


def gaussian_codes(Z: npt.ArrayLike, n_samples: int, rng: np.random.Generator) -> Array:
    """Draw codes from the Gaussian with the mean and covariance of given codes; decoded, they resemble new data.

    If the codes have low rank, so have the drawn ones.

    Parameters
    ----------
    Z, n_samples, rng : array_like, shape (N, k), int, and numpy.random.Generator
        Codes in rows, the number of codes to draw, and the source of randomness.

    Returns
    -------
    Array, shape (n_samples, k)
        Codes in rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> print(np.linalg.matrix_rank(gaussian_codes(rng.normal(size=(50, 1)) * [1.0, 2.0, 3.0], 10, rng)))
    1
    """
    Z = as_samples(Z, "Z")
    n_samples, rng = as_count(n_samples, "n_samples"), as_generator(rng)
    # Z − mean is a root of N times the covariance, of whatever rank: no decomposition is needed.
    return Z.mean(axis=0) + rng.normal(size=(n_samples, len(Z))) @ (Z - Z.mean(axis=0)) / np.sqrt(len(Z))


def _as_codes_and_factors(Z: npt.ArrayLike, V: npt.ArrayLike) -> tuple[Array, Array]:
    Z, V = as_samples(Z, "Z"), as_samples(V, "V")
    if len(V) != len(Z):
        raise ValueError(f"V must have shape ({len(Z)}, any), got {V.shape}")
    return Z, V


def _binned(column: Array, n_bins: int) -> npt.NDArray[np.intp]:
    values, codes = np.unique(column, return_inverse=True)
    if len(values) <= n_bins:
        return codes
    edges = np.linspace(column.min(), column.max(), n_bins + 1)
    return np.digitize(column, edges[1:-1])


def _entropy(codes: npt.NDArray[np.intp]) -> float:
    p = np.unique(codes, return_counts=True)[1] / len(codes)
    return float(-np.sum(p * np.log2(p)))


def _information(one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]) -> float:
    return _entropy(one) + _entropy(other) - _entropy(one * (other.max() + 1) + other)
