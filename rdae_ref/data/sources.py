"""Samples for the experiments: the Gaussian (26), the mixture (27) with its principal curve, a curved manifold."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_count, as_generator, as_nonnegative, as_positive, as_samples, as_symmetric

__all__ = [
    "GAUSSIAN_COVARIANCE", "RIDGE", "ManifoldSample", "Mixture", "Ridge", "curved_manifold", "gaussian",
    "gaussian_with_covariance", "mixture", "project_on_ridge",
]  # fmt: skip

GAUSSIAN_COVARIANCE = np.array([[1.0, 0.95], [0.95, 1.0]])  # Eq. (26)

MIXTURE_WEIGHTS = np.array([0.5, 0.25, 0.25])  # Eq. (27), whose third mean is printed as a second µ1
MIXTURE_MEANS = np.array([[2.0, -2.0], [-2.0, -2.0], [6.0, -2.0]])
MIXTURE_COVARIANCES = np.array([[[1, 0.95], [0.95, 1]], [[1, -0.95], [-0.95, 1]], [[1, -0.95], [-0.95, 1]]])

# The principal curve of the mixture: the major axes of its components, which meet at two corners.
RIDGE = np.array([[0.0, -4.0], [4.0, 0.0]])
RIDGE_DIRECTIONS = np.array([[1.0, -1.0], [1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)


class Mixture(NamedTuple):
    """Samples of a mixture."""

    X: Array  #: samples in rows, shape (N, 2)
    component: npt.NDArray[np.int64]  #: the component, 0 to 2, that each came from


class Ridge(NamedTuple):
    """The nearest points on the principal curve of the mixture."""

    distance: Array  #: to the nearest point of the curve, shape (N,)
    foot: Array  #: that point, shape (N, 2)
    normal: Array  #: unit normal of the curve there, shape (N, 2)


def gaussian(n_samples: int, rng: np.random.Generator) -> Array:
    """Draw from the bivariate Gaussian with mean 0 and covariance [[1, .95], [.95, 1]]: Eq. (26).

    Parameters
    ----------
    n_samples, rng : int and numpy.random.Generator
        N, and the source of randomness.

    Returns
    -------
    Array, shape (N, 2)
        Samples in rows.
    """
    n_samples, rng = as_count(n_samples, "n_samples"), as_generator(rng)
    return rng.normal(size=(n_samples, 2)) @ np.linalg.cholesky(GAUSSIAN_COVARIANCE).T


def mixture(n_samples: int, rng: np.random.Generator) -> Mixture:
    """Draw from the mixture of three Gaussians whose major axes form a zigzag: Eq. (27).

    Parameters
    ----------
    n_samples, rng : int and numpy.random.Generator
        N, and the source of randomness.

    Returns
    -------
    Mixture
        X, and the component of each sample.
    """
    n_samples, rng = as_count(n_samples, "n_samples"), as_generator(rng)
    component = rng.choice(len(MIXTURE_WEIGHTS), size=n_samples, p=MIXTURE_WEIGHTS)
    factors = np.linalg.cholesky(MIXTURE_COVARIANCES)[component]
    X = MIXTURE_MEANS[component] + np.einsum("nij,nj->ni", factors, rng.normal(size=(n_samples, 2)))
    return Mixture(X, component)


def project_on_ridge(X: npt.ArrayLike) -> Ridge:
    """Project points onto the principal curve of the mixture (27): the major axes of its components, where they meet.

    Parameters
    ----------
    X : array_like, shape (N, 2)
        Points in rows.

    Returns
    -------
    Ridge
        Distance, foot point and unit normal.
    """
    X = as_samples(X, "X", 2)
    first, last = RIDGE
    origins = np.stack([first, first, last])
    length = np.linalg.norm(last - first)
    along = np.einsum("nsk,sk->ns", X[:, None] - origins, RIDGE_DIRECTIONS)
    along = np.clip(along, np.array([-np.inf, 0, 0]), np.array([0, length, np.inf]))  # a ray, a segment, a ray
    feet = origins + along[:, :, None] * RIDGE_DIRECTIONS
    distances = np.linalg.norm(X[:, None] - feet, axis=2)
    nearest = distances.argmin(axis=1)
    rows = np.arange(len(X))
    direction = RIDGE_DIRECTIONS[nearest]
    normal = np.column_stack([-direction[:, 1], direction[:, 0]])
    return Ridge(distances[rows, nearest], feet[rows, nearest], normal)


def gaussian_with_covariance(n_samples: int, covariance: npt.ArrayLike, rng: np.random.Generator) -> Array:
    """Draw Gaussian samples whose mean is exactly 0 and whose covariance (divided by N) is exactly the one given.

    Parameters
    ----------
    n_samples, covariance, rng : int, array_like of shape (d, d), and numpy.random.Generator
        N > d, a positive definite matrix, and the source of randomness.

    Returns
    -------
    Array, shape (N, d)
        Samples in rows.
    """
    covariance = as_symmetric(covariance, "covariance")
    d = len(covariance)
    n_samples, rng = as_count(n_samples, "n_samples", minimum=d + 1), as_generator(rng)
    as_positive(float(np.linalg.eigvalsh(covariance)[0]), "the smallest eigenvalue of covariance")
    X = rng.normal(size=(n_samples, d))
    Q, _ = np.linalg.qr(X - X.mean(axis=0))
    return np.sqrt(n_samples) * Q @ np.linalg.cholesky(covariance).T


class ManifoldSample(NamedTuple):
    """Samples of a manifold."""

    X: Array  #: samples in rows, shape (N, D)
    coordinates: Array  #: their coordinates on the manifold, shape (N, d)


def curved_manifold(
    n_samples: int, rng: np.random.Generator, *, n_dimensions: int = 3, n_features: int = 30, curvature: float = 0.7
) -> ManifoldSample:
    """Draw from a curved manifold: x = B sin(curvature · V u + φ), u uniform in [−1, 1]^d.

    V (D, d) and B (D, D) have normal elements of variance 1 and 1/D; φ (D,) is uniform in [0, 2π). Each call draws a
    new manifold, so draw test data together with the training data.

    Parameters
    ----------
    n_samples, rng, n_dimensions, n_features, curvature : int, numpy.random.Generator, int, int and float
        N; the source of randomness, of the manifold as well; d, of the manifold; D, of the space; and a number above 0,
        near which the samples lie in a plane.

    Returns
    -------
    ManifoldSample
        X and u.
    """
    N, rng, D = as_count(n_samples, "n_samples"), as_generator(rng), as_count(n_features, "n_features")
    d, curvature = as_count(n_dimensions, "n_dimensions"), as_positive(curvature, "curvature")
    as_nonnegative(curvature * curvature, "the square of curvature")
    V, B, phase = rng.normal(size=(D, d)), rng.normal(size=(D, D)) / np.sqrt(D), rng.uniform(0, 2 * np.pi, size=D)
    u = rng.uniform(-1, 1, size=(N, d))
    return ManifoldSample(np.sin(curvature * u @ V.T + phase) @ B.T, u)
