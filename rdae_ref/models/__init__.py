"""The auto-encoders that the paper compares with, and the two neighbours: the same `value_and_gradient`."""

from .beta_vae import BetaVAE, FixedBetaVAE, LinearBetaVAE
from .constraints import Tied, TiedParameters, WeightDecay
from .contractive import Contractive
from .conventions import CONVENTIONS, BetaConvention, convert_beta
from .denoising import Denoising, FixedDenoising, LinearDenoising
from .disentanglement import (
    InformationGap,
    LinearProbe,
    gaussian_codes,
    linear_probe,
    mutual_information_gap,
)
from .information import RateBound, gaussian_rate_bound, scalar_rate_bound
from .irmae import (
    IRMAE,
    IRMAEParameters,
    collapse,
    effective_rank,
    initial_irmae_parameters,
    latent_singular_values,
)
from .mlp import Layer, initial_layers
from .pca import PrincipalComponents, pca
from .plain import Reconstruction
from .variational import Posterior, VAEParameters, VAETerms, initial_vae_parameters, kl_divergence

__all__ = [
    "CONVENTIONS",
    "IRMAE",
    "BetaConvention",
    "BetaVAE",
    "Contractive",
    "Denoising",
    "FixedBetaVAE",
    "FixedDenoising",
    "IRMAEParameters",
    "InformationGap",
    "Layer",
    "LinearBetaVAE",
    "LinearDenoising",
    "LinearProbe",
    "Posterior",
    "PrincipalComponents",
    "RateBound",
    "Reconstruction",
    "Tied",
    "TiedParameters",
    "VAEParameters",
    "VAETerms",
    "WeightDecay",
    "collapse",
    "convert_beta",
    "effective_rank",
    "gaussian_codes",
    "gaussian_rate_bound",
    "initial_irmae_parameters",
    "initial_layers",
    "initial_vae_parameters",
    "kl_divergence",
    "latent_singular_values",
    "linear_probe",
    "mutual_information_gap",
    "pca",
    "scalar_rate_bound",
]
