"""The entropy of samples lies between its bounds: against 45 digits, against all eigenvalues, and for odd data."""

import math

import benchmark_entropies
import mpmath
import numpy as np
import pytest
from bad_inputs import failures
from baselines import entropies
from cases import BAD_POSITIVE, samples
from frameworks import needed
from hypothesis import given, settings
from hypothesis import strategies as st

from rdae_ref import SampleEntropy, entropy_of_samples, gaussian_gram, renyi_entropy, sample_entropy
from rdae_ref.data import gaussian
from rdae_ref.numerics import trace_estimate
from rdae_ref.numerics.distances import GaussianKernel
from rdae_ref.numerics.enclosure import enclosure
from rdae_ref.numerics.low_rank import _foreseen_rank, kernel_factor
from rdae_ref.verify.oracles import mpmath_oracle as oracle

ORDERS = (0.5, 0.99, 1.0, 1.01, 1.3, 2.0, 5.0, 60.0, math.inf)
SHORT = 1e-13  # nats by which S_α may miss its bounds: the rounding of the sums


def exact_spectrum(X, sigma):
    """Return the eigenvalues of the Gram matrix to 45 digits."""
    with mpmath.workdps(45):
        return mpmath.eigsy(mpmath.matrix(oracle.gaussian_gram(X, sigma).tolist()), eigvals_only=True)


def entropy(values, alpha):
    """Return S_α in nats from eigenvalues of 45 digits."""
    with mpmath.workdps(45):
        values = [value for value in values if value > mpmath.mpf(10) ** -40]
        if alpha == math.inf:
            return float(-mpmath.log(max(values)))
        if alpha == 1:
            return float(-sum(value * mpmath.log(value) for value in values))
        order = mpmath.mpf(alpha)
        return float(mpmath.log(sum(value**order for value in values)) / (1 - order))


def clusters(n, width):
    rng = np.random.default_rng(1)
    return np.repeat(3 * rng.normal(size=(4, 2)), n // 4, axis=0) + width * rng.normal(size=(4 * (n // 4), 2))


DATA = {  # samples and σ
    "well-conditioned": (samples(24, 2, spread=3.0), 0.5),
    "ill-conditioned": (samples(24, 2), 1.5),
    "nearly constant kernel": (samples(24, 2), 30.0),
    "duplicates": (np.repeat(samples(12, 2), 2, axis=0), 0.7),
    "one duplicate": (np.concatenate([samples(23, 3), samples(23, 3)[:1]]), 0.5),
    "clusters": (clusters(24, 1e-4), 0.5),
    "tight clusters": (clusters(24, 1e-9), 0.5),
    "far outlier": (np.concatenate([samples(23, 2), [[1e6, -1e6]]]), 0.7),
    "many features": (samples(24, 30), 6.0),
    "equal": (np.ones((24, 2)), 1.0),
}


@pytest.fixture(scope="module")
def spectra():
    return {name: exact_spectrum(X, sigma) for name, (X, sigma) in DATA.items()}


@pytest.mark.parametrize("alpha", ORDERS)
@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("residual", [None, 1e-2, 1e-5, 1e-12, 1e-14])
def test_the_bounds_hold_against_45_digits(name, alpha, residual, spectra):
    """With all eigenvalues, and with factors that leave out more or less."""
    X, sigma = DATA[name]
    exact = entropy(spectra[name], alpha)
    if residual is None:
        found = sample_entropy(X, sigma, alpha, base=math.e)
    else:
        L = kernel_factor(GaussianKernel(X, sigma), len(X), residual, len(X))
        if L is None:  # rounding made what is left negative
            return
        found = entropy_of_samples._of_factor(L, alpha)
    assert found.lower - SHORT <= exact <= found.upper + SHORT
    assert found.lower <= found.value <= found.upper
    if residual is None and alpha >= 1:
        assert found.upper - found.lower < 2.1e-12  # by squares, 4 · 5e-13
        assert found.value == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("alpha", [0.5, 0.9, 1.0, 1.01, 2.5])
def test_the_bounds_are_of_the_order_of_what_is_left_out(alpha):
    """A diagonal matrix, of which some elements are left out, has the upper bound itself as its entropy for α ≤ 1."""
    w, d = np.array([0.3, 0.69]), np.full(10, 1e-3)
    found = enclosure(w, d, alpha, 12)
    exact = entropy([*map(mpmath.mpf, (*w, *d))], alpha)
    assert found.lower < exact <= found.upper * (1 + 1e-14)
    assert exact == pytest.approx(found.upper, rel=1e-12)  # eigenvalues and diagonal are the same
    assert found.upper - found.lower < 12 * (exact - entropy([*map(mpmath.mpf, w / 0.99)], alpha))


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 20), st.sampled_from(ORDERS), st.floats(1e-13, 0.3))
@settings(deadline=None, max_examples=150)
def test_a_partial_factor_never_misses_the_entropy(seed, sigma, alpha, residual):
    rng = np.random.default_rng(seed)
    n, d = rng.integers(2, 40), rng.integers(1, 6)
    X = rng.normal(size=(n, d)) * rng.choice([1.0, 1e-3, 10.0], size=d)
    X[: n // 3] = X[-1]
    exact = renyi_entropy(gaussian_gram(X, sigma), alpha, base=math.e)
    L = kernel_factor(GaussianKernel(X, sigma), n, residual, n)
    others = [] if L is None else [entropy_of_samples._of_factor(L, alpha)]
    for found in (sample_entropy(X, sigma, alpha, math.e), *others):
        slack = 1e-12 if alpha >= 1 else 2e-6  # of the reference: eigenvalues that are rounding
        assert found.lower - slack <= exact <= found.upper + slack
        assert found.lower <= found.value <= found.upper


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.01, 1.5, 2.0, 5.0, math.inf])
def test_few_columns_give_what_all_eigenvalues_give(alpha):
    X = gaussian(700, np.random.default_rng(0))
    found = sample_entropy(X, 0.8, alpha)
    values = np.linalg.eigvalsh(gaussian_gram(X, 0.8))  # those of the rounding of zeros, about 1e-17, included
    exact = entropy([*map(mpmath.mpf, values)], alpha) / math.log(2)
    slack = 1e-12 if alpha >= 1 else 3e-6
    assert found.method == ("squares" if alpha == 2 else "factor")
    assert found.rank < 250
    assert found.lower - slack <= exact <= found.upper + slack
    assert found.upper - found.lower < (1e-10 if alpha >= 1 else 1e-4)


def test_the_method_follows_from_data_and_confidence(monkeypatch):
    rng = np.random.default_rng(0)
    narrow, wide = rng.normal(size=(600, 40)), rng.normal(size=(600, 2))
    assert sample_entropy(narrow, 2.0, 1.01).method == "eigenvalues"
    assert sample_entropy(narrow, 2.0, 1.01, confidence=0.9).method == "eigenvalues", "few samples"
    assert sample_entropy(wide, 2.0, 1.01, confidence=0.9).method == "factor", "certain bounds, at no cost"
    few = sample_entropy(wide[:100], 2.0, 1.01)
    assert isinstance(few, SampleEntropy)
    assert few[3:] == (100, "eigenvalues")
    monkeypatch.setattr(entropy_of_samples, "ESTIMATE_FROM", 500)
    assert sample_entropy(narrow, 2.0, 1.01, confidence=0.9).method == "estimate"
    assert sample_entropy(narrow, 2.0, math.inf, confidence=0.9).method == "eigenvalues"
    monkeypatch.setattr(entropy_of_samples, "LARGEST_MATRIX", 500)
    with pytest.raises(ValueError, match=r"600 samples with sigma = 2 .* pass confidence=0.99"):
        sample_entropy(narrow, 2.0, 1.01)
    assert sample_entropy(narrow, 2.0, 2, confidence=0.9).method == "squares"
    monkeypatch.setattr(entropy_of_samples, "LARGEST_STORED", 500)
    with pytest.raises(ValueError, match="at most 500 samples"):
        sample_entropy(narrow, 2.0, 1.01, confidence=0.9)


def test_a_hopeless_factor_is_given_up_early():
    """The columns that are computed stay few, where all would be needed."""

    class Counting(GaussianKernel):
        columns = 0

        def __call__(self, rows, columns):
            block = super().__call__(rows, columns)
            self.columns += len(block) if block.shape[1] == len(self) else 0
            return block

    kernel = Counting(np.random.default_rng(0).normal(size=(2000, 64)), 8.0)
    assert kernel_factor(kernel, 2000, 1e-12, 1800) is None
    assert kernel.columns < 400
    easy = Counting(np.random.default_rng(0).normal(size=(2000, 2)), 0.3)
    assert kernel_factor(easy, 2000, 1e-12, 1200).shape[1] == easy.columns > 400


@pytest.mark.parametrize("b", [0.2, 0.5, 1.0, 1.7])
def test_the_rank_is_foreseen_where_the_decay_keeps_its_law(b):
    def law(rank):
        return rank, math.exp(-(10 ** (1 - b)) * (rank / 100) ** b)

    needed = 100 * (12 * math.log(10) / 10 ** (1 - b)) ** (1 / b)
    assert _foreseen_rank(law(128), law(256), 1e-12) == pytest.approx(needed, rel=1e-10)
    assert _foreseen_rank((128, 0.5), (256, 0.5), 1e-12) == math.inf


@pytest.mark.parametrize("alpha", [0.5, 0.9, 1.0, 1.01, 1.5, 2.5, 7.0])
def test_the_estimate_agrees_with_all_eigenvalues(alpha):
    X = samples(1000, 20)
    exact = renyi_entropy(gaussian_gram(X, 3.0), alpha, math.e)
    found, rank = trace_estimate.estimated_entropy(GaussianKernel(X, 3.0), alpha, 0.999, np.random.default_rng(0))
    assert found.lower <= exact <= found.upper
    assert (found.upper - found.lower) / exact < (0.01 if alpha >= 1 else 0.05)
    assert 10 < rank <= 320


@pytest.mark.parametrize("alpha", [30.0, 1e4, 1e300])
def test_large_orders_are_not_estimated(alpha):
    found = sample_entropy(np.random.default_rng(0).normal(size=(2001, 64)) * 100, 1.0, alpha, confidence=0.999)
    assert found.method == "eigenvalues"
    assert found.lower <= math.log2(2001) <= found.upper + 1e-12


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9, 1.0])
def test_pairs_that_all_but_coincide_have_small_eigenvalues_and_not_zeros(alpha):
    far, near = np.arange(200) * 100.0, math.sqrt(2e-13)
    X = np.c_[np.r_[far, far], np.r_[0 * far, 0 * far + near]]
    k = -math.expm1(-1e-13)  # 1 − the kernel of a pair, whose eigenvalues are (1 ± (1 − k))/N
    values = np.repeat([k / 400, (2 - k) / 400], 200)
    shannon = -np.sum(values * np.log2(values))
    exact = shannon if alpha == 1 else math.log2(np.sum(values**alpha)) / (1 - alpha)
    found = sample_entropy(X, 1.0, alpha)
    assert found.lower <= exact <= found.upper


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.01, 3.0])
@pytest.mark.parametrize(
    "name", ["far apart", "equal", "duplicates", "five points", "far outlier", "smooth", "two scales"]
)
def test_the_estimate_survives_odd_spectra(name, alpha):
    """With eigenvalues that repeat, end early or fall below the rounding of float32, the interval gets wide instead."""
    n, rng = 640, np.random.default_rng(0)
    X, sigma = {
        "far apart": (1e3 * np.arange(n)[:, None], 1.0),
        "equal": (np.ones((n, 2)), 1.0),
        "duplicates": (np.repeat(samples(n // 2, 20), 2, axis=0), 3.0),
        "five points": (np.repeat(samples(5, 2), n // 5, axis=0), 0.5),
        "far outlier": (np.concatenate([samples(n - 1, 20), np.full((1, 20), 1e6)]), 3.0),
        "smooth": (samples(n, 2), 1.0),
        "two scales": (np.concatenate([np.zeros((n // 2, 1)), 1e3 * np.arange(n // 2)[:, None]]), 1.0),
    }[name]
    values = np.linalg.eigvalsh(gaussian_gram(X, sigma))
    exact = entropy([*map(mpmath.mpf, values)], alpha)
    found, _ = trace_estimate.estimated_entropy(GaussianKernel(X, sigma), alpha, 0.999, rng)
    assert found.lower - 3e-6 <= exact <= found.upper + 1e-12  # of the reference at α = ½


def test_the_interval_covers_as_often_as_it_says_and_not_always():
    """At 50 %: it is conservative, as quadrature and signs err less than their bounds, but it is random."""
    X = samples(600, 20)
    kernel, generators = GaussianKernel(X, 3.0), map(np.random.default_rng, range(20))
    exact = renyi_entropy(gaussian_gram(X, 3.0), 1.0, math.e)
    estimates = [trace_estimate.estimated_entropy(kernel, 1.0, 0.5, rng)[0] for rng in generators]
    covered = sum(found.lower <= exact <= found.upper for found in estimates)
    assert covered >= 10
    errors = np.array([found.value for found in estimates]) - exact
    assert abs(errors.mean()) < 3 * errors.std() / math.sqrt(20) + 1e-4 * exact
    assert len({found.value for found in estimates}) == 20


def test_the_seed_decides_and_the_base_only_scales():
    X, settings_ = samples(600, 20), {"sigma": 3.0, "alpha": 1.0}
    kernel = GaussianKernel(X, 3.0)
    one, other = (trace_estimate.estimated_entropy(kernel, 1.0, 0.9, np.random.default_rng(3)) for _ in range(2))
    assert one == other
    bits, nats = sample_entropy(X, **settings_), sample_entropy(X, **settings_, base=math.e)
    assert bits.value == pytest.approx(nats.value / math.log(2), rel=1e-15)


@pytest.mark.slow
def test_99_percent_intervals_of_a_thousandth_hold_in_200_repetitions():
    """In 64 dimensions, against all eigenvalues; more than 6 of 200 misses have a probability of .4 %.

    docs/performance.md has the same for 5000 digits, by scripts/benchmark_entropies.py --coverage 200.
    """
    X = np.random.default_rng(0).normal(size=(2000, 64)) / np.sqrt(1 + np.arange(64))
    values = np.linalg.eigvalsh(gaussian_gram(X, 1.0))
    exact = entropy([*map(mpmath.mpf, values)], 1)
    kernel, missed = GaussianKernel(X, 1.0), 0
    for seed in range(200):
        found, _ = trace_estimate.estimated_entropy(kernel, 1.0, 0.99, np.random.default_rng(seed))
        assert found.upper - found.lower <= 2e-3 * found.value
        missed += not found.lower <= exact <= found.upper
    assert missed <= 6


def test_bad_values_are_refused_or_give_finite_numbers():
    X = samples(6, 3)
    arguments = {"X": X, "sigma": 0.7, "alpha": 1.5, "base": 2.0, "confidence": 0.9, "rng": np.random.default_rng(0)}
    assert not failures(lambda **given: sample_entropy(**given)[:3], arguments)
    for value, error in BAD_POSITIVE.values():
        with pytest.raises(error, match="sigma"):
            sample_entropy(X, value, 1.5)
    with pytest.raises(ValueError, match="confidence must be from 0 to below 1"):
        sample_entropy(X, 0.7, 1.5, confidence=99)


@pytest.mark.parametrize("scale", [2.0**200, 2.0**-200])
@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_units_do_not_matter(scale, alpha):
    X = samples(600, 2)
    assert sample_entropy(scale * X, scale * 0.7, alpha) == sample_entropy(X, 0.7, alpha)


CLOSE = {"features_1000": 0.05, "nystroem_1000": 0.05, "chebyshev": 0.1, "hutchinson": 0.1}


@pytest.mark.parametrize("method", [name for name in entropies.OTHERS if name != "features_4000"])  # takes 5 s
def test_what_others_publish_computes_the_same_entropy(method):
    """Otherwise a table of their times and errors would compare nothing."""
    if method == "torch_eigvalsh":
        needed("torch")
    case = entropies.planar(150, function=method)
    _, _, found, *_ = entropies.timed(case)()
    exact = renyi_entropy(gaussian_gram(case.data(), case.sigma), 1)
    assert found == pytest.approx(exact, rel=CLOSE.get(method, 1e-10))


def test_the_table_of_entropies_states_times_and_errors():
    cells = {
        "ours 1000 2": {"processor": 0.5, "bits": [4.0, 3.9, 4.1, 10]},
        "numpy_eigvalsh 1000 2": {"processor": 2.0, "bits": [4.0]},
        "chebyshev 1000 2": {"processor": 1.0, "bits": [4.4]},
        "ours_estimated 20000 64": {"processor": 9.0, "bits": [5.0, 4.995, 5.005, 90]},
    }
    lines = benchmark_entropies.table({"cells": cells}).splitlines()
    assert [line.split(" | ")[1] for line in lines[2:]] == ["0.5 s, ±2 %", "–", "2 s, exact", "1 s, 10 %"]
    assert lines[3].endswith("| 9 s, ±0.1 % |")
    assert len(lines) == 6, "methods that were not measured have no line"
