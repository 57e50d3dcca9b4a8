"""Measures of codes and models: rates, spectra, disentanglement, linear probes. Nothing here is trained.

All functions raise ``TypeError`` or ``ValueError`` if an argument is of the wrong kind or out of range.
"""

from .codes import InformationGap, LinearProbe, gaussian_codes, linear_probe, mutual_information_gap
from .rate_bounds import RateBound, gaussian_rate_bound, scalar_rate_bound
from .spectra import effective_rank, latent_singular_values

__all__ = [
    "InformationGap", "LinearProbe", "RateBound", "effective_rank", "gaussian_codes", "gaussian_rate_bound",
    "latent_singular_values", "linear_probe", "mutual_information_gap", "scalar_rate_bound",
]  # fmt: skip
