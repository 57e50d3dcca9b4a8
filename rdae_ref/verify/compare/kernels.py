"""The kernel of a user's Gram matrix: its size, its power of the distance, its samples, read off the elements."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from ..._validation import Array
from ...matrices import median_distance
from ..conventions import silverman_size
from .causes import Cause, cause
from .settings import Settings
from .variants import Problem, Variants

__all__ = [
    "LENGTHS", "Kernel", "KernelReading", "laplacian_size", "other_kernels", "read_kernel", "size_in_words",
    "with_rules",
]  # fmt: skip

ROUNDING = 1e-9  # of a trace that is 1
POWER = 1e-4  # a fitted power this near to 1 or 2 is 1 or 2
RULES = (("absolute", 0.0), ("eigenvalue_cutoff", 0.0), ("eigenvalue_cutoff", 1e-14))  # for negative eigenvalues
POWERS = (0.5, 1.5, 3.0, 4.0)
LENGTHS: tuple[Callable[[float], float], ...] = (lambda s: s, lambda s: 2 * s * s, lambda s: 2 * s, lambda s: s * s)


class Kernel(NamedTuple):
    """Another kernel than ours."""

    change: dict[str, Any]  # of `Settings`
    cause: str
    number: float | None = None
    words: str = ""


class KernelReading(NamedTuple):
    """What a Gram matrix was made with."""

    causes: tuple[Cause, ...]
    change: dict[str, Any] | None = None  # of `Settings`, but for the size; None if they do not have it
    sigma: float = math.nan  # of exp(−d^p/(2σ²))


def named_sizes(Y: Array, sigma: float) -> dict[str, float]:
    """Return kernel sizes that people take in place of a stated one."""
    N, d = Y.shape
    spread = float(np.mean(Y.std(axis=0)))
    sizes = {
        "σ sqrt(d), as exp(−d²/(2σ²)) of the mean over coordinates has": sigma * math.sqrt(d),
        "σ/sqrt(d)": sigma / math.sqrt(d),
        "Silverman's rule": 1.06 * spread * N ** (-1 / 5),
        "Silverman's rule with one deviation of all elements": silverman_size(Y),
        "that of Directed-Information, in exp(−d²/σ²)": silverman_size(Y) / math.sqrt(2),
        "Silverman's rule in d dimensions": spread * (4 / (N * (d + 2))) ** (1 / (d + 4)),
    }
    if N > 1 and N <= 2000:
        median = median_distance(Y)
        sizes |= {"the median distance": median, "the median distance over sqrt(2)": median / math.sqrt(2)}
    return sizes


def laplacian_size(length: Callable[[float], float], sigma: float) -> float:
    """Return the σ for which exp(−d/(2σ²)) is the Laplacian kernel exp(−d/ℓ) of a length made of a kernel size."""
    return math.sqrt(length(sigma) / 2)


def with_rules(change: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Add what people may do about negative eigenvalues, where a kernel has some that are more than rounding."""
    indefinite = change.get("power", 2.0) > 2 or "after" in change
    yield from ({**change, "guard": rule} for rule in RULES) if indefinite else (change,)


def other_kernels(problem: Problem, variants: Variants, settings: Settings, slope: bool) -> Iterator[Kernel]:
    """Iterate over kernels that people have in place of the Gaussian one, with the changes of the settings."""
    (x, xhat, _), N = variants.sizes(settings), len(problem.X)
    ours, theirs = named_sizes(problem.X, problem.sigma_x), named_sizes(variants.Xhat, problem.sigma_xhat)
    for words in (words for words in ours if words in theirs):
        for pair, which in (
            ((ours[words], theirs[words]), "for both"),
            ((x, theirs[words]), "of the outputs"),
            ((ours[words], xhat), "of the inputs"),
        ):
            yield Kernel({"size": pair}, "kernel_size", pair[which != "of the inputs"], f"{words}, {which}")
    for length in LENGTHS:
        pair = (laplacian_size(length, x), laplacian_size(length, xhat))
        for distance, name in (("euclidean", "kernel_laplacian"), ("cityblock", "kernel_laplacian_factorised")):
            yield Kernel({"power": 1.0, "distance": distance, "size": pair}, name, length(xhat))
    for power in POWERS:
        for pair in ((x, xhat), (x ** (power / 2), xhat ** (power / 2))):  # exp(−d^p/(2σ²)), exp(−(d/σ)^p/2)
            for change in with_rules({"power": power, "size": pair}):
                yield Kernel(change, "kernel_power", power)
    for samples, statistics in itertools.product(("standardised", "offset"), ("differentiated", "constant")):
        if not slope and statistics == "constant":
            continue
        for ratio in (1.0, math.sqrt(N / max(N - 1, 1))):  # of standard deviations with N and with N − 1
            change = {"samples": samples, "statistics": statistics, "size": (ratio * x, ratio * xhat)}
            yield Kernel(change, "standardised_inputs", ratio * xhat)
    for after, name in (("zero_diagonal", "zero_diagonal"), ("centred", "centred_gram")):
        yield from (Kernel(change, name) for change in with_rules({"after": after}))
    yield Kernel({"samples": "inputs"}, "kernel_one_side")
    if variants.forward is not None:
        yield Kernel({"samples": "code"}, "gram_of_code", xhat)


def size_in_words(size: float, Y: Array, sigma: float) -> str:
    """Return how a size comes about, or nothing."""
    return next((words for words, one in named_sizes(Y, sigma).items() if math.isclose(size, one, rel_tol=1e-6)), "")


def read_kernel(
    name: str, given: Array, samples: Mapping[str, Array], sigma: float, allowed: float
) -> KernelReading | None:
    """Return what a Gram matrix was made with; `samples` has the right ones first, under "own"."""
    N, own = len(given), samples["own"]
    scale, causes, after = 1 / N, list[Cause](), dict[str, Any]()
    diagonal = given.diagonal()
    if not diagonal.any():
        causes.append(cause("zero_diagonal", name))
        after = {"after": "zero_diagonal"}
        scale = 1 / N if float(given.max(initial=0.0)) <= 1 / N else 1.0
    elif np.ptp(diagonal) <= allowed:
        scale = float(diagonal[0])
    else:
        K = np.exp(-cdist(own, own, "sqeuclidean") / (2 * sigma**2)) / N
        K = K - K.mean(axis=0) - K.mean(axis=1)[:, None] + K.mean()
        centred = any(np.abs(factor * K - given).max() <= allowed * factor for factor in (1.0, float(N)))
        return KernelReading((cause("centred_gram", name),), {"after": "centred"}, sigma) if centred else None
    off = ~np.eye(N, dtype=bool)
    if jitter := _read_jitter(name, given, np.exp(-cdist(own, own, "sqeuclidean") / (2 * sigma**2)) / N, allowed):
        return KernelReading((jitter,), {"guard": (jitter.name, jitter.number)}, sigma)
    for words, unit, change, found in _candidates(name, given / scale, samples, sigma, off):
        K = np.where(off, scale * unit, given)
        if np.abs(K - given).max() <= allowed * max(1.0, scale * N):
            return KernelReading((*causes, *words), None if change is None else change | after, found)
    return None


def _read_jitter(name: str, given: Array, K: Array, allowed: float) -> Cause | None:
    """Return what was added to the diagonal of our K, before or after the normalisation to trace 1."""
    N, trace = len(K), float(np.trace(given))
    off = ~np.eye(N, dtype=bool)
    ratio = float(given[off] @ K[off] / (K[off] @ K[off]))
    if N < 3 or trace <= 0 or np.abs(given - ratio * K)[off].max() > allowed:
        return None
    rule, eps = ("jitter", trace - 1) if abs(ratio - 1) < abs(trace - 1) else ("jitter_normalised", 1 / ratio - 1)
    left = abs(ratio - 1) if rule == "jitter" else abs(trace - 1)
    return cause(rule, name, eps) if left < ROUNDING < eps < 1 else None


Found = tuple[tuple[Cause, ...], Array, dict[str, Any] | None, float]


def _candidates(
    name: str, unit: Array, samples: Mapping[str, Array], sigma: float, off: npt.NDArray[np.bool_]
) -> Iterator[Found]:
    own = samples["own"]
    usable = off & (unit > 1e-4) & (unit < 0.99)  # where rounding of the elements leaves the exponent
    if not usable.any():
        return
    exponent = -np.log(np.where(usable, unit, 0.5))
    yield (), np.exp(-cdist(own, own, "sqeuclidean") / (2 * sigma**2)), {}, sigma
    for key, Y in samples.items():
        d = cdist(Y, Y)
        good = usable & (d > 0)
        if good.sum() < 3:
            continue
        power = float(np.polyfit(np.log(d[good]), np.log(exponent[good]), 1)[0])
        p = float(round(power)) if abs(power - round(power)) < POWER and round(power) in (1, 2) else power
        if 0.2 < p < 8:
            rate = math.exp(float(np.median(np.log(exponent[good]) - p * np.log(d[good]))))
            size = 1 / math.sqrt(2 * rate)
            why, change = _in_words(name, key, p, rate, own, sigma)
            if why:
                yield (why,), np.exp(-rate * d**p), change, size
    L1 = cdist(own, own, "cityblock")
    good = usable & (L1 > 0)
    rate = float(np.median(exponent[good] / L1[good]))
    why = cause("kernel_laplacian_factorised", name, 1 / rate)
    yield (why,), np.exp(-rate * L1), {"power": 1.0, "distance": "cityblock"}, 1 / math.sqrt(2 * rate)


def _in_words(
    name: str, key: str, p: float, rate: float, own: Array, sigma: float
) -> tuple[Cause | None, dict[str, Any] | None]:
    """Return what the kernel exp(−rate · d^p) of some samples is called, with the change of the settings."""
    size = 1 / math.sqrt(2 * rate)
    if key == "own" and p == 2:
        return cause("kernel_size", name, size, size_in_words(size, own, sigma)), {}
    if key == "own":
        return cause("kernel_laplacian", name, 1 / rate) if p == 1 else cause("kernel_power", name, p), {"power": p}
    if p != 2:
        return None, None
    known = {"standardised": "standardised_inputs", "offset": "standardised_inputs", "code": "gram_of_code"}
    if key not in known:
        return cause(key, name), {"samples": "inputs"} if name == "K_Xhat" else None
    return cause(known[key], name, size), {"samples": key}
