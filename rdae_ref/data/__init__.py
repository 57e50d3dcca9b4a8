"""The sources of the paper, (26) and (27), images with known factors, handwritten digits, and mini-batches."""

from .batches import clustered_batches, energy_in_blocks, random_batches
from .images import SHAPE_RANGES, FactorImages, blob_images, blobs, shape_images, shapes
from .sources import (
    GAUSSIAN_COVARIANCE,
    RIDGE,
    ManifoldSample,
    Mixture,
    Ridge,
    curved_manifold,
    gaussian,
    gaussian_with_covariance,
    mixture,
    project_on_ridge,
)

__all__ = [
    "GAUSSIAN_COVARIANCE", "RIDGE", "SHAPE_RANGES", "FactorImages", "ManifoldSample", "Mixture", "Ridge",
    "blob_images", "blobs", "clustered_batches", "curved_manifold", "energy_in_blocks", "gaussian",
    "gaussian_with_covariance", "mixture", "project_on_ridge", "random_batches", "shape_images", "shapes",
]  # fmt: skip
