"""S_1 of samples in bits, by this package and as others publish it; rows 13, 15 and 17 of scripts/benchmark.py.

The others: all eigenvalues (vendi-score 0.0.3, whose formula is `scipy.linalg.eigvalsh` and −Σ p ln p over p > 0),
random Fourier features, Nyström's method with uniform landmarks, a Chebyshev series and Lanczos quadrature with random
vectors. Each is written as its papers do, in float64, with the parameters in its name.
"""

import math
import time
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from rdae_ref import sample_entropy
from rdae_ref.numerics.distances import GaussianKernel
from rdae_ref.numerics.low_rank import RESIDUAL, kernel_factor

from .cases import SMALL_DIGITS, Case
from .process import answer, peak_memory, take_turns


@dataclass(frozen=True)
class EntropyCase(Case):
    """S_α of samples; with a `confidence`, an estimate is allowed. The function is the one that `timed` runs."""

    alpha: float = 1.0
    confidence: float | None = None
    method: str = "S"
    function: str = ""


def planar(N, **settings):
    """Return a case with samples of (26)."""
    return EntropyCase(N, **settings)


def digits64(N, **settings):
    """Return a case with digits of 8 × 8 pixels, means of 4 × 4 pixels of MNIST, and σ = 1."""
    return EntropyCase(N, d=64, sigma=SMALL_DIGITS["sigma"], **settings)


# Rows of scripts/benchmark.py


def certified(quick, threads):
    """Row 13: S_1 between certain bounds, without an N×N matrix."""
    for N, goal in ({60: 0} if quick else {5000: 0.8, 20_000: 6}).items():
        case = planar(N, quick=quick)
        yield _alone("ours", case, threads, goal)
    yield _memory("ours", case, threads, 1)
    _, lower, upper, _ = answer(f"entropies.ours@{threads}", case)
    yield {"case": case, "quantity": "width of the enclosure, bits", "measured": upper - lower, "goal": 1e-10}


def estimated(quick, threads):
    """Row 15: an estimate of S_1 in 64 dimensions."""
    case = digits64(60 if quick else 20_000, confidence=0.99, quick=quick)
    yield _alone("ours", case, threads, 12)
    yield _memory("ours", case, threads, 2)
    value, lower, upper, _ = answer(f"entropies.ours@{threads}", case)
    yield {"case": case, "quantity": "99 % interval, ± %", "measured": 50 * (upper - lower) / value, "goal": 0.1}


def streamed(quick, threads):
    """Row 17: S_2 by streamed blocks, and how soon a hopeless factor is given up."""
    yield _alone("ours", planar(60 if quick else 20_000, alpha=2.0, quick=quick), threads, 2)
    yield _alone("hopeless_factor", digits64(60 if quick else 5000, quick=quick), threads, 0.5)


def _alone(function, case, threads, goal):
    (ours,), _ = take_turns(case, f"entropies.{function}@{threads}")
    what = "time to give up, s" if function == "hopeless_factor" else "time, s"
    return {"case": case, "quantity": what, "measured": ours["median"], "goal": goal, "ours": ours}


def _memory(function, case, threads, goal):
    peak = peak_memory(f"entropies.{function}@{threads}", case) / 1e9
    return {"case": case, "quantity": "peak memory, GB", "measured": peak, "goal": goal}


# Each takes a case and returns what is timed; its answer is S_α in bits, with bounds where it has them.


def timed(case):
    """Run the function that the case names, once; return its processor time, its time and its answer."""
    call = globals()[case.function](case)

    def once():
        start, cpu = time.perf_counter(), time.process_time()
        found = call()
        return [time.process_time() - cpu, time.perf_counter() - start, *found]

    return once


def ours(case):
    """Return value, lower, upper and rank."""
    X = case.data()
    return lambda: sample_entropy(X, case.sigma, case.alpha, confidence=case.confidence)[:4]


def ours_estimated(case):
    """Allow an estimate."""
    X = case.data()
    return lambda: sample_entropy(X, case.sigma, case.alpha, confidence=0.99)[:4]


def hopeless_factor(case):
    """Try a factor where the matrix has full rank: 1 if it was given up."""
    X = case.data()
    return lambda: [kernel_factor(GaussianKernel(X, case.sigma), case.N, RESIDUAL, round(0.6 * case.N)) is None]


def numpy_eigvalsh(case):
    """Take all eigenvalues."""
    X = case.data()
    return lambda: [_bits(np.linalg.eigvalsh(_gram(X, case.sigma)))]


def vendi_score(case):
    """Take all eigenvalues, by SciPy's default driver: the formula of vendi-score 0.0.3."""
    X = case.data()
    return lambda: [_bits(scipy.linalg.eigvalsh(_gram(X, case.sigma)))]


def torch_eigvalsh(case):
    """Take all eigenvalues by PyTorch."""
    import torch  # noqa: PLC0415  # only this baseline needs it

    X = torch.tensor(case.data())

    def entropy():
        A = torch.exp(-torch.cdist(X, X).square() / (2 * case.sigma**2)) / len(X)
        values = torch.linalg.eigvalsh(A)
        return [_bits(values.numpy())]

    return entropy


def random_features(case, count):
    """Take the eigenvalues of the second moments of cosines and sines at random frequencies (Rahimi and Recht)."""
    X = case.data()

    def entropy():
        rng = np.random.default_rng(0)
        Z = X @ (rng.normal(size=(X.shape[1], count // 2)) / case.sigma)
        features = np.hstack([np.cos(Z), np.sin(Z)])
        return [_bits(np.linalg.eigvalsh(features.T @ features / (len(X) * (count // 2))))]

    return entropy


def features_1000(case):
    """Use 1000 features."""
    return random_features(case, 1000)


def features_4000(case):
    """Use 4000 features."""
    return random_features(case, 4000)


def nystroem_1000(case):
    """Take the eigenvalues of Nyström's approximation, from 1000 landmarks or half of the samples, over their sum."""
    X = case.data()

    def entropy():
        chosen = np.random.default_rng(0).choice(len(X), min(1000, len(X) // 2), replace=False)
        kernel = GaussianKernel(X, case.sigma)
        values, vectors = np.linalg.eigh(kernel(chosen, chosen))
        kept = values > 1e-12 * values[-1]
        C = kernel(slice(None), chosen) @ (vectors[:, kept] / np.sqrt(values[kept]))
        found = np.linalg.eigvalsh(C.T @ C)
        return [_bits(found / found.sum())]

    return entropy


def chebyshev(case, degree=50, probes=50):
    """Average zᵀ p(A) z for a Chebyshev series p of −x ln x on [0, λ_max] (Dong, Gong, Yu, Li)."""
    X = case.data()

    def entropy():
        A, rng = _gram(X, case.sigma), np.random.default_rng(0)
        z = rng.normal(size=len(A))
        for _ in range(20):
            z = A @ (z / np.linalg.norm(z))
        top = 1.05 * np.linalg.norm(z)
        series = np.polynomial.Chebyshev.interpolate(lambda x: -x * np.log(np.maximum(x, 1e-300)), degree, (0, top))
        Z = rng.normal(size=(len(A), probes))
        before, now = Z, 2 / top * (A @ Z) - Z
        moments = [np.vdot(Z, before), np.vdot(Z, now)]
        for _ in range(degree - 1):
            before, now = now, 2 * (2 / top * (A @ now) - now) - before
            moments.append(np.vdot(Z, now))
        return [float(series.coef @ moments) / probes / math.log(2)]

    return entropy


def hutchinson(case, steps=30, probes=30):
    """Average Gauss's quadrature of −x ln x by Lanczos from random signs (Ubaru, Chen, Saad): nothing deflated."""
    X = case.data()

    def entropy():
        A, rng = _gram(X, case.sigma), np.random.default_rng(0)
        N = len(A)
        V = [rng.choice([-1.0, 1.0], size=(N, probes)) / math.sqrt(N)]
        T = np.zeros((probes, steps, steps))
        for k in range(steps):
            W = A @ V[k]
            T[:, k, k] = (W * V[k]).sum(axis=0)
            for v in V:
                W -= v * (v * W).sum(axis=0)
            norm = np.linalg.norm(W, axis=0)
            if k + 1 < steps:
                T[:, k, k + 1] = T[:, k + 1, k] = norm
            V.append(W / norm)
        nodes, vectors = np.linalg.eigh(T)
        nodes = np.maximum(nodes, 1e-300)
        return [float(N * np.mean((vectors[:, 0] ** 2 * -nodes * np.log2(nodes)).sum(axis=1)))]

    return entropy


OTHERS = {  # for the table: function and name
    "ours": "`sample_entropy`",
    "ours_estimated": "`sample_entropy`, `confidence=0.99`",
    "numpy_eigvalsh": "NumPy's `eigvalsh`",
    "torch_eigvalsh": "PyTorch's `eigvalsh`",
    "vendi_score": "vendi-score 0.0.3 (its formula)",
    "features_1000": "1000 random features",
    "features_4000": "4000 random features",
    "nystroem_1000": "Nyström, 1000 landmarks",
    "chebyshev": "Chebyshev, degree 50, 50 vectors",
    "hutchinson": "Lanczos, 30 steps, 30 vectors",
}


def _gram(X, sigma):
    return GaussianKernel(X, sigma).matrix() / len(X)


def _bits(values):
    """Return −Σ p log₂ p over positive p."""
    p = values[values > 0]
    return float(-(p * np.log2(p)).sum())
