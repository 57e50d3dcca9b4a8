"""The known ways in which an implementation of (25) departs from this one; each turns one switch of `Settings`.

Notation: d is the distance of two samples in exp(−d²/…); D_emp is the distortion; L_P = D(P) − P.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["CONVENTIONS", "Convention", "Settings"]


class Settings(NamedTuple):
    """The switches of the computation; the defaults are those of the package."""

    base: float = 2  # of the logarithm
    kernel: str = "exp(−d²/(2σ²))"  # a key of `rdae_ref.verify.conventions.KERNELS`
    sizes: str = "own"  # kernel sizes; "input" or "output" for both, "swapped"
    gram: str = "over_n"  # K/N; "over_trace": K/tr K; "raw": K
    joint: str = "n"  # N K_X ∘ K; "without_n": K_X ∘ K; "trace": K_X ∘ K / tr(K_X ∘ K)
    eigenvalues: str = "zero"  # those that are rounding; or kept, those below 0 "clipped", "dropped" or "absolute"
    frobenius: str = "exact"  # tr A² at α = 2; "over_n2": divided by N²
    distortion: str = "samples"  # mean over samples; "sum"; "everything": mean over samples and coordinates
    half: float = 1.0  # a factor of the distortion
    weights: str = "mu_distortion"  # S − μ D; "mu_entropy": μ S − D; "over_mu": S/μ − D; "half_mu", "n_mu", "mu_over_d"
    sign: str = "maximised"  # "minimised": −L; "downhill": L with the gradient of −L; "added": S + μ D
    gradient_unit: str = "base"  # of the entropies' gradient; "nats", whatever the base
    edges: str = "half"  # P = ∂S/∂K ∘ K / (2σ²); "whole": / σ²; "without": ∂S/∂K ∘ K
    off_diagonal: float = 1.0  # a factor of the off-diagonal of ∂S/∂K
    eq19: str = "transposed"  # G′ in (19) and (20), as it must be; "reshaped" to (p, N)
    eq23: str = "conforming"  # (23) and (24) with A; "printed": with Aᵀ
    # What no convention turns, and a diagnosis fits:
    alpha: float | None = None  # the order, if it is not that of the problem
    size: tuple[float, float] | None = None  # sigma_x and sigma_xhat of our kernel, in place of `kernel` and `sizes`
    power: float = 2.0  # of the distance, in exp(−d^power/(2σ²))
    distance: str = "euclidean"  # "cityblock": Σ|x_i − y_i|
    # What the kernel compares; "standardised", "offset" (√(variance + 1e-8)); "code", "inputs" for outputs.
    samples: str = "own"
    statistics: str = "constant"  # of standardised samples in a gradient; "differentiated"
    after: str = ""  # what is done to K: "centred", "zero_diagonal"
    guard: tuple[str, float] | None = None  # a rule of `guards` for small eigenvalues, and its number


class Convention(NamedTuple):
    """One way to depart from the package."""

    key: str
    sentence: str  # what ends the sentence "equal ours with …"
    change: Mapping[str, Any]  # the switch of `Settings` that it turns, and to what


CONVENTIONS = (
    Convention("natural_log", "the natural logarithm", {"base": math.e}),
    Convention("log2", "the logarithm to base 2", {"base": 2.0}),
    Convention("log10", "the logarithm to base 10", {"base": 10.0}),
    Convention("kernel_sigma2", "the kernel exp(−d²/σ²)", {"kernel": "exp(−d²/σ²)"}),
    Convention("kernel_sigma", "the kernel exp(−d²/σ)", {"kernel": "exp(−d²/σ)"}),
    Convention("kernel_variance", "the kernel exp(−d²/(2σ))", {"kernel": "exp(−d²/(2σ))"}),
    Convention("kernel_gamma", "the kernel exp(−γ d²), γ = σ", {"kernel": "exp(−σ d²)"}),
    Convention("kernel_4sigma2", "the kernel exp(−d²/(4σ²))", {"kernel": "exp(−d²/(4σ²))"}),
    Convention("sigma_x_for_both", "sigma_x for both kernels", {"sizes": "input"}),
    Convention("sigma_xhat_for_both", "sigma_xhat for both kernels", {"sizes": "output"}),
    Convention("sigmas_swapped", "sigma_x and sigma_xhat swapped", {"sizes": "swapped"}),
    Convention("gram_over_trace", "Gram matrices K/tr K", {"gram": "over_trace"}),
    Convention("gram_raw", "Gram matrices that are not normalised", {"gram": "raw"}),
    Convention("joint_without_n", "the joint entropy of K_X ∘ K, without the factor N", {"joint": "without_n"}),
    Convention("joint_over_trace", "the joint entropy of K_X ∘ K over its trace", {"joint": "trace"}),
    Convention("eigenvalues_clipped", "negative eigenvalues clipped, tiny ones kept", {"eigenvalues": "clipped"}),
    Convention("eigenvalues_dropped", "negative eigenvalues dropped, tiny ones kept", {"eigenvalues": "dropped"}),
    Convention("eigenvalues_absolute", "absolute values of eigenvalues, tiny ones kept", {"eigenvalues": "absolute"}),
    Convention("frobenius_over_n2", "tr A² from the Frobenius norm, divided by N²", {"frobenius": "over_n2"}),
    Convention("distortion_sum", "the distortion summed over samples", {"distortion": "sum"}),
    Convention("distortion_mean", "the distortion's mean over samples and coordinates", {"distortion": "everything"}),
    Convention("distortion_half", "½ on the distortion", {"half": 0.5}),
    Convention("mu_half", "μ/2 for μ", {"weights": "half_mu"}),
    Convention("mu_times_n", "N μ for μ", {"weights": "n_mu"}),
    Convention("mu_over_d", "μ/d for μ, d coordinates", {"weights": "mu_over_d"}),
    Convention("mu_on_entropy", "μ on the other term: μ S − D_emp", {"weights": "mu_entropy"}),
    Convention("entropy_over_mu", "1/μ on the other term: S/μ − D_emp, minus (8)", {"weights": "over_mu"}),
    Convention("minimised", "the sign of a loss: −L and its gradient", {"sign": "minimised"}),
    Convention("downhill", "gradients of the loss −L, but the value L", {"sign": "downhill"}),
    Convention("distortion_added", "+ μ D_emp for − μ D_emp", {"sign": "added"}),
    Convention("gradient_in_nats", "no 1/ln(base) in (15) and (16), as printed", {"gradient_unit": "nats"}),
    Convention("edges_without_size", "P without the factor 1/(2σ²)", {"edges": "without"}),
    Convention("edges_over_sigma2", "P with 1/σ² for 1/(2σ²)", {"edges": "whole"}),
    Convention("off_diagonal_half", "half the off-diagonal of ∂S/∂K, as −2 L_P for −4 L_P", {"off_diagonal": 0.5}),
    Convention("off_diagonal_double", "twice the off-diagonal of ∂S/∂K, as −8 L_P for −4 L_P", {"off_diagonal": 2.0}),
    Convention("eq19_reshaped", "G′ in (19) and (20) reshaped, not transposed, to (p, N)", {"eq19": "reshaped"}),
    Convention("eq23_printed", "Aᵀ for A in (23) and (24), as printed", {"eq23": "printed"}),
)
