"""The auto-encoders that the paper compares with, and the two neighbours: the same `value_and_gradient`."""

from .constraints import Tied, TiedParameters, WeightDecay
from .contractive import Contractive
from .denoising import Denoising, FixedDenoising, LinearDenoising
from .pca import PrincipalComponents, pca
from .plain import Reconstruction

__all__ = [
    "Contractive",
    "Denoising",
    "FixedDenoising",
    "LinearDenoising",
    "PrincipalComponents",
    "Reconstruction",
    "Tied",
    "TiedParameters",
    "WeightDecay",
    "pca",
]
