"""The auto-encoders that the paper compares with, and the two neighbours: the same `value_and_gradient`."""

from .beta import BETA_CONVENTIONS, BetaConvention, convert_beta
from .beta_vae import BetaVAE, FixedBetaVAE, LinearBetaVAE
from .contractive import Contractive
from .denoising import Denoising, FixedDenoising, LinearDenoising
from .irmae import IRMAE, IRMAEParameters, collapse, effective_rank, initial_irmae_parameters, latent_singular_values
from .mlp import Layer, initial_layers
from .pca import PrincipalComponents, pca
from .plain import Reconstruction
from .variational import Posterior, VAEParameters, VAETerms, initial_vae_parameters, kl_divergence
from .wrappers import Tied, TiedParameters, WeightDecay

__all__ = [
    "BETA_CONVENTIONS",
    "IRMAE",
    "BetaConvention",
    "BetaVAE",
    "Contractive",
    "Denoising",
    "FixedBetaVAE",
    "FixedDenoising",
    "IRMAEParameters",
    "Layer",
    "LinearBetaVAE",
    "LinearDenoising",
    "Posterior",
    "PrincipalComponents",
    "Reconstruction",
    "Tied",
    "TiedParameters",
    "VAEParameters",
    "VAETerms",
    "WeightDecay",
    "collapse",
    "convert_beta",
    "effective_rank",
    "initial_irmae_parameters",
    "initial_layers",
    "initial_vae_parameters",
    "kl_divergence",
    "latent_singular_values",
    "pca",
]
