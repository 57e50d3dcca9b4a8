"""The auto-encoders that the paper compares with, the beta-VAE and IRMAE; all have the same `value_and_gradient`.

`rdae_ref.objective.Objective` documents it. Measures of codes and models are in `rdae_ref.measures`.

Functions and classes raise ``TypeError`` or ``ValueError`` if an argument is of the wrong kind or out of range, and
``FloatingPointError`` if what is evaluated at parameters overflows.
"""

from .beta_conventions import BETA_CONVENTIONS, BetaConvention, convert_beta
from .beta_vae import BetaVAE, FixedBetaVAE, LinearBetaVAE
from .contractive import Contractive
from .denoising import Denoising, FixedDenoising, LinearDenoising
from .irmae import IRMAE, IRMAEParameters, collapse, initial_irmae_parameters
from .mlp import Layer, initial_layers
from .pca import PrincipalComponents, pca
from .plain import Reconstruction
from .variational import Posterior, VAEParameters, VAETerms, initial_vae_parameters, kl_divergence
from .wrappers import Tied, TiedParameters, WeightDecay

__all__ = [
    "BETA_CONVENTIONS", "IRMAE", "BetaConvention", "BetaVAE", "Contractive", "Denoising", "FixedBetaVAE",
    "FixedDenoising", "IRMAEParameters", "Layer", "LinearBetaVAE", "LinearDenoising", "Posterior",
    "PrincipalComponents", "Reconstruction", "Tied", "TiedParameters", "VAEParameters", "VAETerms", "WeightDecay",
    "collapse", "convert_beta", "initial_irmae_parameters", "initial_layers", "initial_vae_parameters",
    "kl_divergence", "pca",
]  # fmt: skip
