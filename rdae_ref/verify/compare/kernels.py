"""What kernel a person's Gram matrix has: its size, its power of the distance, its samples, read off the elements."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from ..._validation import Array
from ...matrices import median_distance
from .causes import Cause, cause

__all__ = ["KernelReading", "named_sizes", "read_kernel", "size_in_words"]

POWER = 1e-4  # a fitted power this near to 1 or 2 is 1 or 2


class KernelReading(NamedTuple):
    """What a Gram matrix was made with."""

    causes: tuple[Cause, ...]
    sigma: float | None  # of our kernel, where it is that on the samples as they are
    K: Array  # of our form, as predicted


def named_sizes(Y: Array, sigma: float) -> dict[str, float]:
    """Return kernel sizes that people take in place of a stated one."""
    N, d = Y.shape
    spread = float(np.mean(Y.std(axis=0)))
    sizes = {
        "σ sqrt(d), as exp(−d²/(2σ²)) of the mean over coordinates has": sigma * math.sqrt(d),
        "σ/sqrt(d)": sigma / math.sqrt(d),
        "Silverman's rule": 1.06 * spread * N ** (-1 / 5),
        "Silverman's rule in d dimensions": spread * (4 / (N * (d + 2))) ** (1 / (d + 4)),
    }
    if N > 1 and N <= 2000:
        median = median_distance(Y)
        sizes |= {"the median distance": median, "the median distance over sqrt(2)": median / math.sqrt(2)}
    return sizes


def size_in_words(size: float, Y: Array, sigma: float) -> str:
    """Return how a size comes about, or nothing."""
    return next((words for words, one in named_sizes(Y, sigma).items() if math.isclose(size, one, rel_tol=1e-6)), "")


def read_kernel(
    name: str, given: Array, samples: Mapping[str, Array], sigma: float, allowed: float
) -> KernelReading | None:
    """Return what a Gram matrix was made with; `samples` has the right ones first, under "own"."""
    N = len(given)
    own = samples["own"]
    scale, causes = 1 / N, list[Cause]()
    diagonal = given.diagonal()
    if not diagonal.any():
        causes.append(cause("zero_diagonal", name))
        near = float(given.max(initial=0.0))
        scale = 1 / N if near <= 1 / N else 1.0
    elif np.ptp(diagonal) <= allowed:
        scale = float(diagonal[0])
    elif np.abs(given.sum(axis=0)).max() <= N * allowed:
        K = np.exp(-cdist(own, own, "sqeuclidean") / (2 * sigma**2)) / N
        centred = K - K.mean(axis=0) - K.mean(axis=1)[:, None] + K.mean()
        for factor in (1.0, float(N)):
            if np.abs(factor * centred - given).max() <= allowed * factor:
                return KernelReading((cause("centred_gram", name),), None, given)
        return None
    else:
        return None
    off = ~np.eye(N, dtype=bool)
    for what, (words, exponent, found) in _candidates(name, given / scale, samples, sigma, off):
        K = np.where(off, scale * exponent, given)
        if np.abs(K - given).max() <= allowed * max(1.0, scale * N):
            sigma_found = found if what in ("size", "own") else None
            return KernelReading((*causes, *words), sigma_found, given)
    return None


def _candidates(
    name: str, unit: Array, samples: Mapping[str, Array], sigma: float, off: npt.NDArray[np.bool_]
) -> Iterator[tuple[str, tuple[tuple[Cause, ...], Array, float]]]:
    own = samples["own"]
    usable = off & (unit > 1e-4) & (unit < 0.99)  # where rounding of the elements leaves the exponent
    if not usable.any():
        return
    exponent = -np.log(np.where(usable, unit, 0.5))
    yield "own", ((), np.exp(-cdist(own, own, "sqeuclidean") / (2 * sigma**2)), sigma)
    for key, Y in samples.items():
        d = cdist(Y, Y)
        good = usable & (d > 0)
        if good.sum() < 3:
            continue
        power = float(np.polyfit(np.log(d[good]), np.log(exponent[good]), 1)[0])
        p = round(power) if abs(power - round(power)) < POWER and round(power) in (1, 2) else power
        if not 0.2 < p < 8:
            continue
        rate = math.exp(float(np.median(np.log(exponent[good]) - p * np.log(d[good]))))
        K = np.exp(-rate * d**p)
        size = 1 / math.sqrt(2 * rate)
        if key == "own" and p == 2:
            yield "size", ((cause("kernel_size", name, size, size_in_words(size, own, sigma)),), K, size)
        elif p == 2:
            number = None if key == "kernel_one_side" else size
            yield key, ((cause(key, name, number),), K, size)
        elif key == "own":
            found = ("kernel_laplacian", 1 / rate) if p == 1 else ("kernel_power", p)
            yield "power", ((cause(found[0], name, found[1]),), K, size)
    L1 = cdist(own, own, "cityblock")
    good = usable & (L1 > 0)
    rate = float(np.median(exponent[good] / L1[good]))
    yield "L1", ((cause("kernel_laplacian_factorised", name, 1 / rate),), np.exp(-rate * L1), 1.0)
