"""Bases of images (rows of h × w pixels, none all zero): in order, drawn, and how local, smooth or like a digit."""

from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..autoencoder import Parameters

__all__ = ["Basis", "draw_tiles", "neighbour_correlations", "ordered_basis", "resemblances", "tiled", "window_shares"]


class Basis(NamedTuple):
    """Both bases of an auto-encoder, one row for each unit."""

    analysis: Array  # rows of W
    synthesis: Array  # columns of A


def ordered_basis(parameters: Parameters) -> Basis:
    """Return the bases sorted by the norm of the synthesis filters, largest first, in one sign convention."""
    # With logsig units (w, a) and (−w, −a) are one unit but for an offset, as g(−z) = 1 − g(z): that with the largest
    # element of a above 0 is returned.
    W, synthesis = parameters.W, parameters.A.T
    largest = np.take_along_axis(synthesis, np.abs(synthesis).argmax(axis=1)[:, None], axis=1)
    order = np.argsort(-np.linalg.norm(synthesis, axis=1), kind="stable")
    sign = np.where(largest < 0, -1.0, 1.0)
    return Basis((sign * W)[order], (sign * synthesis)[order])


def window_shares(images: Array, shape: tuple[int, int], size: int = 9) -> Array:
    """Return the share of each image's energy Σ f² in its best window of `size` × `size` pixels."""
    # 81/784 = .10 for an energy spread evenly over 28 × 28 pixels, .2 to .4 for speckle as wide as a digit, near 1
    # for a blob or a short stroke. On smaller images the window is as much smaller.
    height, width = shape
    side = max(1, round(size * min(1, min(shape) / 28)))
    sums = np.zeros((len(images), height + 1, width + 1))
    sums[:, 1:, 1:] = (images**2).reshape(-1, height, width).cumsum(axis=1).cumsum(axis=2)
    windows = sums[:, side:, side:] - sums[:, :-side, side:] - sums[:, side:, :-side] + sums[:, :-side, :-side]
    return windows.reshape(len(images), -1).max(axis=1) / sums[:, -1, -1]


def neighbour_correlations(images: Array, shape: tuple[int, int]) -> Array:
    """Return the correlation of neighbouring pixels of each image, across and down: 0 for noise, near 1 if smooth."""
    grid = images.reshape(-1, *shape)
    first, second = (
        np.concatenate([across.reshape(len(grid), -1), down.reshape(len(grid), -1)], axis=1)
        for across, down in ((grid[:, :, :-1], grid[:, :-1]), (grid[:, :, 1:], grid[:, 1:]))
    )
    first, second = (part - part.mean(axis=1, keepdims=True) for part in (first, second))
    return np.sum(first * second, axis=1) / np.sqrt(np.sum(first**2, axis=1) * np.sum(second**2, axis=1))


def resemblances(images: Array, others: Array) -> Array:
    """Return |cos| of the angle between each image and the nearest of the others up to sign: 1 for a multiple of it."""
    units = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (images, others)]
    return np.abs(units[0] @ units[1].T).max(axis=1)


def tiled(images: Array, shape: tuple[int, int], columns: int) -> Array:
    """Return images side by side as one, each divided by its largest element, with a line of NaN between them."""
    (height, width), rows = shape, -(-len(images) // columns)
    page = np.full((rows * (height + 1), columns * (width + 1)), np.nan)
    for index, image in enumerate(images):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        page[top : top + height, left : left + width] = image.reshape(shape) / np.abs(image).max()
    return page[:-1, :-1]


def draw_tiles(axes: Any, images: Array, shape: tuple[int, int], columns: int) -> None:
    """Draw images side by side, positive red and negative blue, each on its own scale."""
    from matplotlib import colormaps  # noqa: PLC0415  # only drawing needs it

    colours = colormaps["RdBu_r"].with_extremes(bad="#bbbbbb")
    axes.imshow(tiled(images, shape, columns), cmap=colours, vmin=-1, vmax=1, interpolation="nearest")
    axes.axis("off")
