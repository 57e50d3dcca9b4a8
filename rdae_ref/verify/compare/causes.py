"""Why arrays differ, apart from the conventions of `settings`: names, sentences, and the coefficients of a gradient.

A gradient of (25) is a ∂S_joint + b ∂S_output + c ∂D with (a, b, c) = (1, −1, −μ); factors are relative to these.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..._validation import Array
from .guards import GUARDS

__all__ = ["CAUSES", "Cause", "Factors", "cause", "known_factors"]

# What ends the sentence "equal ours with …"; {} is the number. docs/conventions.md has this table.
CAUSES = {
    "detached_joint": "the outputs detached in the joint entropy",
    "detached_output": "the outputs detached in the entropy of the outputs, or without that entropy",
    "detached_entropy": "both entropies detached, or without them",
    "detached_distortion": "the distortion detached, or without it",
    "minimised": "the sign of a loss: −L",
    "natural_log": "the natural logarithm",
    "natural_log_joint": "the natural logarithm in the joint entropy only",
    "natural_log_output": "the natural logarithm in the entropy of the outputs only",
    **GUARDS,
    "kernel_size": "the kernel size {}",
    "kernel_power": "a kernel exp(−c d^{}) in place of the Gaussian",
    "kernel_laplacian": "a Laplacian kernel exp(−d/ℓ), ℓ = {}",
    "kernel_laplacian_factorised": "a factorised Laplacian kernel exp(−Σ|x_i − y_i|/ℓ), ℓ = {}",
    "kernel_one_side": "the Gram matrix of the other side's samples",
    "standardised_inputs": "samples that were standardised before the kernel, whose size is then {}",
    "centred_gram": "a centred Gram matrix",
    "zero_diagonal": "the diagonal of the Gram matrix set to zero",
    "gram_of_code": "the Gram matrix of the code in place of the outputs, size {}",
    "alpha": "the order alpha = {}",
    "exponent": "Λ^α in place of Λ^(α−1) in (15) and (16)",
    "activation": "other units",
    "output_activation": "units at the output as well",
    "bias_dropped": "no bias",
    "gradient_scale": "the whole gradient multiplied by {}",
    "gradient_clipped": "a gradient clipped to norm {}",
    "gradient_clipped_elements": "the elements of the gradient clipped at {}",
    "weight_decay": "a weight decay: minus {} times the parameter",
    "missing_gprime": "G′ missing in (19), (20), (23), (24)",
    "wrong_gprime": "G′ at the wrong argument or of other units",
    "decoder_dropped": "the decoder's A missing in the backward pass",
    "adjacency_for_laplacian": "P in place of D(P) − P",
    "laplacian_sign": "P − D(P) in place of D(P) − P",
    "degree_only": "D(P) in place of D(P) − P",
    "adjacency_sign": "D(P) + P in place of D(P) − P",
    "degree_scalar": "one number in place of D(P), as numpy.diag of a column vector gives",
    "joint_gradient_without_n": "∂S_joint without the factor N of (16)",
    "joint_without_k_x": "∂S_joint without the factor K_X of (16)",
    "entropy_part_dropped": "an entropy's part missing in this array",
    "wrong_factor": "wrong factors of ∂S_joint, ∂S_output and ∂D",
    "wrong_factor_joint": "∂S_joint multiplied by {}",
    "wrong_factor_output": "∂S_output multiplied by {}",
    "wrong_factor_entropy": "the gradient of both entropies multiplied by {}",
    "mu_missing": "no μ",
    "distortion_scale": "the distortion multiplied by {}",
    "distortion_sign": "+ μ D_emp for − μ D_emp",
    "mutual_information": "I(X; X̂), or −S(X|X̂), in place of S(X|X̂)",
    "reversed_conditional": "S(X̂|X) in place of S(X|X̂)",
    "joint_alone": "the joint entropy in place of the conditional one",
    "zero_distance": "a derivative at distance zero, as that of sqrt(d²) or cdist(…)**2",
    "negative_eigenvalue": "a power or a logarithm of an eigenvalue that rounding made negative or zero",
}


# Those that are another choice of a setting, and no mistake.
SETTINGS = {
    *GUARDS,
    *("kernel_size", "kernel_power", "kernel_laplacian", "kernel_laplacian_factorised", "standardised_inputs"),
    *("alpha", "activation", "output_activation", "bias_dropped", "natural_log"),
}


@dataclass(frozen=True)
class Cause:
    """Why something differs, as data."""

    name: str  # a key of the tables in docs/conventions.md
    array: str  # the first array in which it shows
    number: float | None
    text: str

    @property
    def of_settings(self) -> bool:
        """Whether it is another setting or convention, and no mistake."""
        return self.name in SETTINGS or self.name not in CAUSES


def cause(name: str, array: str, number: float | None = None, more: str = "") -> Cause:
    """Return a cause with its sentence."""
    text = CAUSES[name].format("" if number is None else f"{number:.6g}")
    return Cause(name, array, number, text + (f" ({more})" if more else ""))


OF_SUM, OF_MEAN = "N: a sum in place of a mean", "1/N: a mean over samples"


class Factors(NamedTuple):
    """What a cause multiplies ∂S_joint, ∂S_output and ∂D by, or the terms of L, and what it adds to L."""

    name: str
    vector: tuple[float, float, float]
    number: float | None = None
    more: str = ""
    inputs: float = 0.0  # times S(X), in L


def _of_both(base: float, mu: float, N: int, d: int) -> Iterator[Factors]:
    u = math.log(base)
    yield from (
        Factors("detached_entropy", (0, 0, 1)),
        Factors("detached_distortion", (1, 1, 0)),
        Factors("distortion_sign", (1, 1, -1)),
        Factors("mutual_information", (-1, -1, 1)),
        Factors("distortion_scale", (1, 1, N), N, "N: a sum in place of the mean"),
        Factors("distortion_scale", (1, 1, 1 / d), 1 / d, "1/d: a mean over coordinates"),
        *(Factors("distortion_scale", (1, 1, k), k) for k in (0.5, 2.0, 1 / N)),
    )
    if abs(u - 1) > 1e-12:
        yield Factors("natural_log_joint", (u, 1, 1))
        yield Factors("natural_log_output", (1, u, 1))
        yield Factors("natural_log", (u, u, 1))
    if mu and mu != 1:
        yield Factors("mu_missing", (1, 1, 1 / mu))
        yield Factors("wrong_factor_entropy", (mu, mu, 1), mu, "μ also on the entropies")


OF_GRADIENTS = (
    Factors("detached_joint", (0, 1, 1)),
    Factors("detached_output", (1, 0, 1)),
    Factors("reversed_conditional", (1, 0, 1)),
    Factors("laplacian_sign", (-1, -1, 1)),
    Factors("gradient_scale", (-1, -1, -1), -1.0, "the sign of a loss"),
    Factors("gradient_scale", (2, 2, 2), 2.0, "accumulated twice"),
    Factors("wrong_factor_entropy", (0.5, 0.5, 1), 0.5),
    Factors("wrong_factor_entropy", (2, 2, 1), 2.0),
)
OF_VALUES = (
    Factors("reversed_conditional", (1, 0, 1), inputs=-1.0),
    Factors("mutual_information", (-1, -1, 1), inputs=1.0),
    Factors("mutual_information", (1, 1, 1), None, "minus I(X; X̂), as in a loss I + μ D_emp", inputs=-1.0),
    Factors("joint_alone", (1, 0, 1)),
    Factors("minimised", (-1, -1, -1)),
)


def known_factors(of_gradient: bool, base: float, mu: float, N: int, d: int) -> list[tuple[Factors, ...]]:
    """List single known factors and pairs; of values none, and triples with the sign of a loss, too."""
    single = [*_of_both(base, mu, N, d), *(OF_GRADIENTS if of_gradient else OF_VALUES)]
    if of_gradient:
        single.append(Factors("joint_gradient_without_n", (1 / N, 1, 1)))
        single += [Factors("gradient_scale", (k, k, k), k, words) for k, words in ((N, OF_SUM), (1 / N, OF_MEAN))]
        return [(one,) for one in single] + list(itertools.combinations(single, 2))
    *single, sign = single
    unsigned = [chosen for n in range(3) for chosen in itertools.combinations(single, n)]
    return unsigned + [(*chosen, sign) for chosen in unsigned]


def general_factors(found: Array) -> Factors:
    """Return the words for factors that no known cause has: one, two or three numbers."""
    a, b, c = (float(x) for x in found)
    same = [math.isclose(x, y, rel_tol=1e-6) for x, y in ((a, b), (b, c), (a, 1), (b, 1), (c, 1))]
    if same[0] and same[1]:
        return Factors("gradient_scale", (a, a, a), a)
    if same[0] and same[4]:
        return Factors("wrong_factor_entropy", (a, a, 1), a)
    if same[2] and same[3]:
        return Factors("distortion_scale", (1, 1, c), c)
    if same[3] and same[4]:
        return Factors("wrong_factor_joint", (a, 1, 1), a)
    if same[2] and same[4]:
        return Factors("wrong_factor_output", (1, b, 1), b)
    words = f"{a:.6g}, {b:.6g} and {c:.6g} times what they should be"
    return Factors("wrong_factor", (a, b, c), None, words)


def product(factors: tuple[Factors, ...]) -> Array:
    """Return what several causes multiply S_joint, S_output, S(X) and D by together; S(X) only by what adds it."""
    vector = np.prod([(1.0, 1.0, 1.0), *(one.vector for one in factors)], axis=0)
    added = [one for one in factors if one.inputs]
    scale = math.prod(one.vector[0] for one in factors if not one.inputs)
    return np.array([vector[0], vector[1], sum(one.inputs for one in added) * scale, vector[2]])
