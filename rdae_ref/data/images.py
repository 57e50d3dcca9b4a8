"""Images with known factors: shapes of seven factors, as in the IRMAE paper, and blobs."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_count, as_generator, as_increasing, as_positive, as_samples, as_vector

__all__ = ["SHAPE_RANGES", "FactorImages", "blob_images", "blobs", "shape_images", "shapes"]


# The factors of `shapes` beside the kind, each uniform between its two bounds.
SHAPE_RANGES = {
    **dict.fromkeys(("red", "green", "blue"), (0.2, 1.0)),
    **dict.fromkeys(("x", "y"), (-0.5, 0.5)),
    "radius": (0.2, 0.4),
}


class FactorImages(NamedTuple):
    """Images that were generated from known factors."""

    X: Array  #: images in rows, elements in [0, 1], row after row, the channels of a pixel together
    factors: Array  #: what each image was generated from, shape (N, n_factors)
    names: tuple[str, ...]  #: of the factors
    shape: tuple[int, ...]  #: of one image: X[i].reshape(shape) shows it


def blobs(
    n_samples: int,
    rng: np.random.Generator,
    *,
    size: int = 16,
    spread: tuple[float, float] = (0.5, 0.5),
    radius: tuple[float, float] = (0.1, 0.2),
) -> FactorImages:
    """Draw images of one Gaussian blob, twice as long as wide, as in `blob_images`.

    All factors are uniform: the centre in ± spread, the radius r between its two bounds, the orientation θ in [0, π/2),
    so no two angles give the same image.

    Parameters
    ----------
    n_samples, rng, size : int, numpy.random.Generator and int
        N, the source of randomness, and the pixels in a row.
    spread, radius : (float, float)
        How far the centre moves across and down, and the bounds of r, all above 0. If both spreads are equal, two
        latents for the position have no reason to align with the axes; small blobs make a strongly curved manifold.

    Returns
    -------
    FactorImages
        X of shape (N, size²), the factors x, y, radius, orientation.
    """
    N, size, rng = as_count(n_samples, "n_samples"), as_count(size, "size"), as_generator(rng)
    across, down = (as_positive(reach, f"spread[{i}]") for i, reach in enumerate(as_vector(spread, "spread", 2)))
    small, large = as_increasing(as_vector(radius, "radius", 2), "radius")
    low, high = np.array([[-across, -down, small, 0.0], [across, down, large, np.pi / 2]])
    factors = rng.uniform(low, high, size=(N, 4))
    return FactorImages(blob_images(factors, size), factors, ("x", "y", "radius", "orientation"), (size, size))


def blob_images(factors: npt.ArrayLike, size: int = 16) -> Array:
    """Return the images of blobs with given factors: a pixel at p in [−1, 1]² is exp(−½ |v|²).

    v = diag(1/(2r), 1/r) R(θ)ᵀ (p − centre), R(θ) being the rotation by θ.

    Parameters
    ----------
    factors, size : array_like, shape (N, 4), and int
        x and y of the centre, to the right and down, the radius r > 0, the orientation θ in radians; pixels in a row.

    Returns
    -------
    Array, shape (N, size²)
        Images in rows, each element in [0, 1].
    """
    factors, size = as_samples(factors, "factors", 4), as_count(size, "size")
    as_positive(float(factors[:, 2].min()), "the smallest radius")
    x, y, r, angle = factors.T[:, :, None, None]
    right, below = _pixels(size)
    along = np.cos(angle) * (right - x) + np.sin(angle) * (below - y)
    aside = -np.sin(angle) * (right - x) + np.cos(angle) * (below - y)
    with np.errstate(over="ignore"):  # a small blob is black so far away
        return np.exp(-0.5 * ((along / r / 2) ** 2 + (aside / r) ** 2)).reshape(len(factors), -1)


def shapes(n_samples: int, rng: np.random.Generator, *, size: int = 32) -> FactorImages:
    """Draw images of one circle or square on black, of any colour: seven factors, after the shapes of the IRMAE paper.

    The image is the square [−1, 1]². The kind is 0 (circle) or 1 (square); red, green and blue are uniform in [.2, 1],
    the centre in [−½, ½]², half the width in [.2, .4]. A pixel at the edge is covered in part, linearly over the width
    of one pixel, so that images change continuously with centre and width.

    Parameters
    ----------
    n_samples, rng, size : int, numpy.random.Generator and int
        N, the source of randomness, and the pixels in a row.

    Returns
    -------
    FactorImages
        X of shape (N, 3 size²), the factors kind, red, green, blue, x, y, radius.
    """
    N, size, rng = as_count(n_samples, "n_samples"), as_count(size, "size"), as_generator(rng)
    low, high = np.array([*SHAPE_RANGES.values()]).T
    factors = np.column_stack([rng.integers(2, size=N), rng.uniform(low, high, size=(N, len(SHAPE_RANGES)))])
    return FactorImages(shape_images(factors, size), factors, ("kind", *SHAPE_RANGES), (size, size, 3))


def shape_images(factors: npt.ArrayLike, size: int = 32) -> Array:
    """Return the images of `shapes` for given factors.

    Parameters
    ----------
    factors, size : array_like, shape (N, 7), and int
        kind (1 is a square, anything else a circle), red, green, blue, x, y, radius, in rows; pixels in a row.

    Returns
    -------
    Array, shape (N, 3 size²)
        Images in rows, like the X of `shapes`.
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
