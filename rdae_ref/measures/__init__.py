"""What codes and models are measured by: rates, disentanglement, linear probes. None of it trains anything."""

from .codes import InformationGap, LinearProbe, gaussian_codes, linear_probe, mutual_information_gap
from .rate_bounds import RateBound, gaussian_rate_bound, scalar_rate_bound

__all__ = [
    "InformationGap",
    "LinearProbe",
    "RateBound",
    "gaussian_codes",
    "gaussian_rate_bound",
    "linear_probe",
    "mutual_information_gap",
    "scalar_rate_bound",
]
