"""The data of the experiments: the Gaussian (26), the mixture (27) with its principal curve.

For the neighbours: samples whose covariance is exact, a curved manifold of known dimension, images of known factors.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_count, as_generator, as_increasing, as_positive, as_samples, as_symmetric

__all__ = [
    "GAUSSIAN_COVARIANCE",
    "RIDGE",
    "SHAPE_RANGES",
    "FactorImages",
    "ManifoldSample",
    "Mixture",
    "Ridge",
    "blob_images",
    "blobs",
    "curved_manifold",
    "gaussian",
    "gaussian_with_covariance",
    "mixture",
    "project_on_ridge",
    "shape_images",
    "shapes",
]

GAUSSIAN_COVARIANCE = np.array([[1.0, 0.95], [0.95, 1.0]])  # Eq. (26)

MIXTURE_WEIGHTS = np.array([0.5, 0.25, 0.25])  # Eq. (27), whose third mean is printed as a second µ1
MIXTURE_MEANS = np.array([[2.0, -2.0], [-2.0, -2.0], [6.0, -2.0]])
MIXTURE_COVARIANCES = np.array([[[1, 0.95], [0.95, 1]], [[1, -0.95], [-0.95, 1]], [[1, -0.95], [-0.95, 1]]])

# The principal curve of the mixture: the major axes of its components, which meet at two corners.
RIDGE = np.array([[0.0, -4.0], [4.0, 0.0]])
RIDGE_DIRECTIONS = np.array([[1.0, -1.0], [1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)

# The factors of `shapes` that are no kind, each uniform between its two bounds.
SHAPE_RANGES = {
    **dict.fromkeys(("red", "green", "blue"), (0.2, 1.0)),
    **dict.fromkeys(("x", "y"), (-0.5, 0.5)),
    "radius": (0.2, 0.4),
}


class Mixture(NamedTuple):
    """Samples of a mixture.

    Parameters
    ----------
    X : Array, shape (N, 2)
        Samples in rows.
    component : Array of int, shape (N,)
        The component, 0 to 2, that each came from.
    """

    X: Array
    component: npt.NDArray[np.int64]


class Ridge(NamedTuple):
    """Where points stand with respect to the principal curve of the mixture.

    Parameters
    ----------
    distance : Array, shape (N,)
        Distance to the nearest point of the curve.
    foot : Array, shape (N, 2)
        That point.
    normal : Array, shape (N, 2)
        Unit normal of the curve there.
    """

    distance: Array
    foot: Array
    normal: Array


def gaussian(n_samples: int, rng: np.random.Generator) -> Array:
    """Draw from the bivariate Gaussian with mean 0 and covariance [[1, .95], [.95, 1]].

    Parameters
    ----------
    n_samples : int
        N.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    Array, shape (N, 2)
        Samples in rows.

    Raises
    ------
    TypeError, ValueError
        If `n_samples` is no integer above 0 or `rng` no Generator.

    Notes
    -----
    Eq. (26) of the paper.
    """
    n_samples, rng = as_count(n_samples, "n_samples"), as_generator(rng)
    return rng.normal(size=(n_samples, 2)) @ np.linalg.cholesky(GAUSSIAN_COVARIANCE).T


def mixture(n_samples: int, rng: np.random.Generator) -> Mixture:
    """Draw from the mixture of three Gaussians whose major axes form a zigzag.

    Parameters
    ----------
    n_samples : int
        N.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    Mixture
        X, and the component of each sample.

    Raises
    ------
    TypeError, ValueError
        If `n_samples` is no integer above 0 or `rng` no Generator.

    Notes
    -----
    Eq. (27) of the paper.
    """
    n_samples, rng = as_count(n_samples, "n_samples"), as_generator(rng)
    component = rng.choice(len(MIXTURE_WEIGHTS), size=n_samples, p=MIXTURE_WEIGHTS)
    factors = np.linalg.cholesky(MIXTURE_COVARIANCES)[component]
    X = MIXTURE_MEANS[component] + np.einsum("nij,nj->ni", factors, rng.normal(size=(n_samples, 2)))
    return Mixture(X, component)


def project_on_ridge(X: npt.ArrayLike) -> Ridge:
    """Project points on the principal curve of the mixture.

    It is the polyline through (0, −4) and (4, 0) with slopes −1, 1, −1.

    Parameters
    ----------
    X : array_like, shape (N, 2)
        Points in rows.

    Returns
    -------
    Ridge
        Distance, foot point and unit normal.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite real matrix with two columns.

    Notes
    -----
    Eq. (27) of the paper: the major axes of the three components, up to where they meet.
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
    """Draw Gaussian samples, then move them so that mean and covariance, divided by N, are exactly those asked for.

    A statement about a source of known covariance can then be tested on samples, without their fluctuation.

    Parameters
    ----------
    n_samples : int
        N, above d.
    covariance : array_like, shape (d, d)
        Symmetric, and positive definite.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    Array, shape (N, d)
        Samples in rows, of mean 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> X = gaussian_with_covariance(10, np.diag([4.0, 1.0]), np.random.default_rng(0))
    >>> np.allclose(X.T @ X / 10, np.diag([4.0, 1.0]))
    True
    """
    covariance = as_symmetric(covariance, "covariance")
    d = len(covariance)
    n_samples, rng = as_count(n_samples, "n_samples", minimum=d + 1), as_generator(rng)
    as_positive(float(np.linalg.eigvalsh(covariance)[0]), "the smallest eigenvalue of covariance")
    X = rng.normal(size=(n_samples, d))
    Q, _ = np.linalg.qr(X - X.mean(axis=0))
    return np.sqrt(n_samples) * Q @ np.linalg.cholesky(covariance).T


class ManifoldSample(NamedTuple):
    """Samples of a manifold.

    Parameters
    ----------
    X : Array, shape (N, D)
        Samples in rows.
    coordinates : Array, shape (N, d)
        Where on the manifold each is.
    """

    X: Array
    coordinates: Array


def curved_manifold(
    n_samples: int, rng: np.random.Generator, *, n_dimensions: int = 3, n_features: int = 30, curvature: float = 0.7
) -> ManifoldSample:
    """Draw from a curved manifold: x = B sin(curvature · V u + φ), u uniform in [−1, 1]^d.

    V (D, d) and B (D, D) have normal elements, of variance 1 and 1/D, φ (D,) is uniform in [0, 2π): drawn anew in each
    call, so for data to test on, draw all of it at once.

    Parameters
    ----------
    n_samples : int
        N.
    rng : numpy.random.Generator
        The source of randomness, of the manifold as well.
    n_dimensions : int
        d, of the manifold.
    n_features : int
        D, of the space.
    curvature : float
        Above 0; the smaller, the flatter: near 0 the samples lie in a plane of d dimensions.

    Returns
    -------
    ManifoldSample
        X and u.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> curved_manifold(100, np.random.default_rng(0)).X.shape
    (100, 30)
    """
    N, rng, D = as_count(n_samples, "n_samples"), as_generator(rng), as_count(n_features, "n_features")
    d, curvature = as_count(n_dimensions, "n_dimensions"), as_positive(curvature, "curvature")
    V, B, phase = rng.normal(size=(D, d)), rng.normal(size=(D, D)) / np.sqrt(D), rng.uniform(0, 2 * np.pi, size=D)
    u = rng.uniform(-1, 1, size=(N, d))
    return ManifoldSample(np.sin(curvature * u @ V.T + phase) @ B.T, u)


class FactorImages(NamedTuple):
    """Images that were generated from known factors.

    Parameters
    ----------
    X : Array, shape (N, pixels)
        Images in rows, each element in [0, 1]: rows of the image after one another, the channels of a pixel together.
    factors : Array, shape (N, n_factors)
        What each image was generated from.
    names : tuple of str
        Of the factors.
    shape : tuple of int
        Of one image: ``X[i].reshape(shape)`` shows it.
    """

    X: Array
    factors: Array
    names: tuple[str, ...]
    shape: tuple[int, ...]


def blobs(
    n_samples: int,
    rng: np.random.Generator,
    *,
    size: int = 16,
    spread: tuple[float, float] = (0.5, 0.5),
    radius: tuple[float, float] = (0.1, 0.2),
) -> FactorImages:
    """Draw images of one Gaussian blob, twice as long as wide, as `blob_images` makes them.

    All factors are uniform: the centre in ± spread, the radius r between its two bounds, the orientation θ in [0, π/2),
    where no two angles give the same image.

    Parameters
    ----------
    n_samples : int
        N.
    rng : numpy.random.Generator
        The source of randomness.
    size : int
        Pixels in a row.
    spread : (float, float)
        How far the centre moves across and down, above 0. Where both are equal, two latents that hold the position
        have no reason to be along the axes.
    radius : (float, float)
        Bounds of r, above 0. Blobs that are small beside the way they move make a strongly curved manifold.

    Returns
    -------
    FactorImages
        X of shape (N, size²), the factors x, y, radius, orientation.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> blobs(100, np.random.default_rng(0)).names
    ('x', 'y', 'radius', 'orientation')
    """
    N, size, rng = as_count(n_samples, "n_samples"), as_count(size, "size"), as_generator(rng)
    across, down = (as_positive(reach, f"spread[{i}]") for i, reach in enumerate(spread))
    small, large = as_increasing(radius, "radius")
    low, high = np.array([[-across, -down, small, 0.0], [across, down, large, np.pi / 2]])
    factors = rng.uniform(low, high, size=(N, 4))
    return FactorImages(blob_images(factors, size), factors, ("x", "y", "radius", "orientation"), (size, size))


def blob_images(factors: npt.ArrayLike, size: int = 16) -> Array:
    """Return the images of blobs with given factors: a pixel p of [−1, 1]² is exp(−½ |v|²).

    v = diag(1/(2r), 1/r) R(θ)ᵀ (p − centre), R(θ) being the rotation by θ.

    Parameters
    ----------
    factors : array_like, shape (N, 4)
        x and y of the centre, to the right and down; the radius r > 0; the orientation θ, in radians.
    size : int
        Pixels in a row.

    Returns
    -------
    Array, shape (N, size²)
        Images in rows, each element in [0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> print(blob_images([[0.0, 0.0, 0.5, 0.0]], size=2).round(3))
    [[0.535 0.535 0.535 0.535]]
    """
    factors, size = as_samples(factors, "factors", 4), as_count(size, "size")
    as_positive(float(factors[:, 2].min()), "the smallest radius")
    x, y, r, angle = factors.T[:, :, None, None]
    right, below = _pixels(size)
    along = np.cos(angle) * (right - x) + np.sin(angle) * (below - y)
    aside = -np.sin(angle) * (right - x) + np.cos(angle) * (below - y)
    return np.exp(-0.5 * ((along / (2 * r)) ** 2 + (aside / r) ** 2)).reshape(len(factors), -1)


def shapes(n_samples: int, rng: np.random.Generator, *, size: int = 32) -> FactorImages:
    """Draw images of one circle or square on black, of any colour: seven factors.

    The image is the square [−1, 1]². The kind is 0 (circle) or 1 (square), red, green and blue are uniform in [.2, 1],
    the centre is uniform in [−½, ½]², half the width in [.2, .4]. A pixel at the edge is covered in part, linearly over
    the width of one pixel: so that images change continuously with centre and width.

    Parameters
    ----------
    n_samples : int
        N.
    rng : numpy.random.Generator
        The source of randomness.
    size : int
        Pixels in a row.

    Returns
    -------
    FactorImages
        X of shape (N, 3 size²), the factors kind, red, green, blue, x, y, radius.

    Raises
    ------
    TypeError, ValueError
        If a number is no integer above 0 or `rng` no Generator.

    Notes
    -----
    After the synthetic shapes of the IRMAE paper (L. Jing, J. Zbontar, Y. LeCun, NeurIPS 2020).

    Examples
    --------
    >>> import numpy as np
    >>> shapes(100, np.random.default_rng(0), size=16).X.shape
    (100, 768)
    """
    N, size, rng = as_count(n_samples, "n_samples"), as_count(size, "size"), as_generator(rng)
    low, high = np.array([*SHAPE_RANGES.values()]).T
    factors = np.column_stack([rng.integers(2, size=N), rng.uniform(low, high, size=(N, len(SHAPE_RANGES)))])
    return FactorImages(shape_images(factors, size), factors, ("kind", *SHAPE_RANGES), (size, size, 3))


def shape_images(factors: npt.ArrayLike, size: int = 32) -> Array:
    """Return the images of `shapes` for factors that are given.

    Parameters
    ----------
    factors : array_like, shape (N, 7)
        kind (1 is a square, anything else a circle), red, green, blue, x, y, radius, in rows.
    size : int
        Pixels in a row.

    Returns
    -------
    Array, shape (N, 3 size²)
        As the X of `shapes`.

    Raises
    ------
    TypeError, ValueError
        If the factors are no finite real matrix with seven columns, or `size` is no integer above 0.

    Examples
    --------
    >>> print(shape_images([[1, 0.2, 0.4, 0.8, 0, 0, 0.5]], size=4).reshape(4, 4, 3)[..., 2])  # blue
    [[0.  0.  0.  0. ]
     [0.  0.8 0.8 0. ]
     [0.  0.8 0.8 0. ]
     [0.  0.  0.  0. ]]
    """
    factors, size = as_samples(factors, "factors", 7), as_count(size, "size")
    kind, _, _, _, x, y, radius = factors.T[:, :, None, None]
    right, below = _pixels(size)
    circle, square = np.hypot(right - x, below - y), np.maximum(np.abs(right - x), np.abs(below - y))
    cover = np.clip((radius - np.where(kind == 1, square, circle)) * size / 2 + 0.5, 0, 1)
    return (cover[..., None] * factors[:, None, None, 1:4]).reshape(len(factors), -1)


def _pixels(size: int) -> tuple[Array, Array]:
    """Return the centres of the pixels of [−1, 1]², to the right and below, each of shape (size, size)."""
    centres = (2 * np.arange(size) + 1) / size - 1
    right, below = np.meshgrid(centres, centres)
    return right, below
