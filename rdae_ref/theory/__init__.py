"""The theory behind the auto-encoders: what any map, stochastic or not, can reach.

Reading order: `water_filling` has the closed form for Gaussian sources, Eqs. (4) and (5), and what it says about PCA;
`blahut_arimoto` computes R(D) of any finite source with bounds that certify it, Eqs. (2) and (3); `manifold` moves the
reproduction points as well, Eq. (1), and finds local minima; `sample` bounds what any reproduction points can reach.
All four share one parameter, the slope β = −dR/dD of the curve, in nats. `continuous` extends the bounds to continuous
sources, `alphabet` to ten thousand samples of any dimension, `bottleneck` to what X says about another variable. In
addition, `gaussian_kernel` has the matrix-based entropy of infinitely many Gaussian samples, and `deep_linear` the
learning dynamics of a deep linear network.

All functions raise ``TypeError`` or ``ValueError`` if an argument is of the wrong kind or out of range.
"""

from .alphabet import AlphabetRateDistortion, alphabet_rate_distortion
from .blahut_arimoto import (
    ConvergenceWarning,
    RateDistortionCurve,
    RateDistortionPoint,
    blahut_arimoto,
    rate_distortion_curve,
)
from .bottleneck import Bottleneck, information_bottleneck
from .continuous import LagrangianBounds, continuous_bounds
from .deep_linear import deep_linear_strengths
from .gaussian_kernel import gaussian_kernel_entropy, linear_gains
from .manifold import AnnealingStage, Manifold, annealing_slopes, critical_slope, optimal_manifold
from .sample import SampleRateDistortion, dual_bound, sample_rate_distortion
from .water_filling import (
    WaterFilling,
    gaussian_distortion_rate,
    gaussian_rate_distortion,
    gaussian_test_channel,
    kept_components,
)

__all__ = [
    "AlphabetRateDistortion", "AnnealingStage", "Bottleneck", "ConvergenceWarning", "LagrangianBounds", "Manifold",
    "RateDistortionCurve", "RateDistortionPoint", "SampleRateDistortion", "WaterFilling", "alphabet_rate_distortion",
    "annealing_slopes", "blahut_arimoto", "continuous_bounds", "critical_slope", "deep_linear_strengths", "dual_bound",
    "gaussian_distortion_rate", "gaussian_kernel_entropy", "gaussian_rate_distortion", "gaussian_test_channel",
    "information_bottleneck", "kept_components", "linear_gains", "optimal_manifold", "rate_distortion_curve",
    "sample_rate_distortion",
]  # fmt: skip
