"""Each peer's rules against arithmetic that can be done by hand, or against the definition written out."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from cases import BAD_GRAMS, BAD_POSITIVE, samples
from scipy.spatial.distance import cdist

from rdae_ref import gaussian_gram, renyi_entropy
from rdae_ref.verify.compare import CAUSES, CONVENTIONS
from rdae_ref.verify.conventions import (
    KERNELS,
    PEERS,
    peer_entropy,
    peer_gram,
    peer_sigma,
    silverman_size,
    to_bits,
    vendi,
    z_scored,
)

PAGE = Path(__file__).parent.parent / "docs" / "conventions.md"

FORMS = {
    "exp(−d²/(2σ²))": lambda d2, s: np.exp(-d2 / (2 * s**2)),
    "exp(−d²/σ²)": lambda d2, s: np.exp(-d2 / s**2),
    "exp(−d²/σ)": lambda d2, s: np.exp(-d2 / s),
    "exp(−d²/(2σ))": lambda d2, s: np.exp(-d2 / (2 * s)),
    "exp(−σ d²)": lambda d2, s: np.exp(-s * d2),
    "exp(−d²/(4σ²))": lambda d2, s: np.exp(-d2 / (4 * s**2)),
}


def two_samples(k, alpha):
    """Return tr A^α for the matrix of two samples: its eigenvalues are (1 ± k)/2."""
    return ((1 + k) / 2) ** alpha + ((1 - k) / 2) ** alpha


def equicorrelated(N, k):
    return ((1 - k) * np.eye(N) + k) / N


def indefinite(small):
    """Return a matrix of trace 1 with the eigenvalues 0.75, 0.25 + small and −small."""
    Q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    M = Q @ np.diag([0.75, 0.25 + small, -small]) @ Q.T
    return (M + M.T) / 2


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_are_ours_with_another_size(kernel):
    X, sigma = samples(10), 0.7
    ours = 10 * gaussian_gram(X, KERNELS[kernel](sigma))
    np.testing.assert_allclose(ours, FORMS[kernel](cdist(X, X, "sqeuclidean"), sigma), rtol=1e-13)


@pytest.mark.parametrize("peer", PEERS)
def test_gram_matrix_has_the_kernel_and_the_trace_of_the_peer(peer):
    X, sigma = samples(10), 0.7
    K = FORMS[PEERS[peer].kernel](cdist(X, X, "sqeuclidean"), sigma)
    divisor = {"K": 1, "K/N": len(K), "K/tr K": np.trace(K)}[PEERS[peer].gram]
    np.testing.assert_allclose(peer_gram(peer, X, sigma), K / divisor, rtol=1e-13)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("alpha", [0.5, 1.01, 3.0])
def test_on_a_regular_matrix_every_peer_is_ours_in_its_unit(peer, alpha):
    if PEERS[peer].largest_trace < 1 and alpha < 1:
        return  # tr A^α is above 1 there, and always cut
    A = peer_gram(peer, samples(12), 0.4)
    ours = renyi_entropy(A / np.trace(A), alpha, base=PEERS[peer].base)
    assert peer_entropy(peer, A, alpha) == pytest.approx(ours, rel=1e-11)
    assert to_bits(peer, peer_entropy(peer, A, alpha)) == pytest.approx(
        renyi_entropy(A / np.trace(A), alpha), rel=1e-11
    )


# One row of the table each: two samples a distance 1 apart, with a kernel element k that is written out.


def test_repitl():
    k = math.exp(-1 / (2 * 0.8**2))
    K = peer_gram("repitl", [[0.0], [1.0]], 0.8)
    np.testing.assert_allclose(K, [[1, k], [k, 1]], rtol=1e-14)
    assert peer_entropy("repitl", K, 3) == pytest.approx(math.log(two_samples(k, 3)) / -2, rel=1e-14)
    assert peer_entropy("repitl", K, 2) == pytest.approx(-math.log((1 + k**2) / 2), rel=1e-14)
    # What is negative is dropped, and the rest divided by its sum, 1.1: 0.75/1.1 and 0.35/1.1.
    expected = math.log((0.75**3 + 0.35**3) / 1.1**3) / -2
    assert peer_entropy("repitl", indefinite(0.1), 3) == pytest.approx(expected, rel=1e-13)


def test_repitl_at_order_two_takes_a_matrix_of_trace_one_for_one_of_trace_n():
    A = equicorrelated(50, math.sqrt((50 * math.exp(-2.129916) - 1) / 49))  # |A|² = (1 + 49 k²)/50
    assert renyi_entropy(A, 2, base=math.e) == pytest.approx(2.129916, abs=1e-12)
    assert peer_entropy("repitl", A, 2) == pytest.approx(9.953962, abs=1e-6)
    assert peer_entropy("repitl", A, 2) - 2.129916 == pytest.approx(2 * math.log(50), abs=1e-12)
    assert peer_entropy("repitl", 50 * A, 2) == pytest.approx(2.129916, abs=1e-12)


def test_nicolasigor_entropy():
    k = math.exp(-1 / (2 * 0.8**2))
    A = peer_gram("nicolasigor/entropy", [[0.0], [1.0]], 0.8)
    np.testing.assert_allclose(A, [[0.5, k / 2], [k / 2, 0.5]], rtol=1e-14)
    expected = math.log2(two_samples(k, 1.01)) / -0.01
    assert peer_entropy("nicolasigor/entropy", A) == pytest.approx(expected, rel=1e-11)
    assert peer_entropy("nicolasigor/entropy", A, base=math.e) == pytest.approx(expected * math.log(2), rel=1e-11)
    # Clipped, and divided by the sum 1.1.
    expected = math.log2((0.75**3 + 0.35**3) / 1.1**3) / -2
    assert peer_entropy("nicolasigor/entropy", indefinite(0.1), 3) == pytest.approx(expected, rel=1e-13)


def test_dib():
    k = math.exp(-1 / 0.8)
    A = peer_gram("DIB", [[0.0], [1.0]], 0.8)
    np.testing.assert_allclose(A, [[0.5, k / 2], [k / 2, 0.5]], rtol=1e-14)
    assert peer_entropy("DIB", A) == pytest.approx(math.log2(two_samples(k, 1.01)) / -0.01, rel=1e-11)
    # Absolute values, and no division: their sum is 1.2.
    expected = math.log2(0.75**3 + 0.35**3 + 0.1**3) / -2
    assert peer_entropy("DIB", indefinite(0.1), 3) == pytest.approx(expected, rel=1e-13)
    assert peer_sigma("DIB", 2 * 0.3**2) == pytest.approx(0.3)


def test_directed_information():
    k = math.exp(-1 / 0.8**2)
    A = peer_gram("Directed-Information", [[0.0], [1.0]], 0.8)
    np.testing.assert_allclose(A, [[0.5, k / 2], [k / 2, 0.5]], rtol=1e-14)
    expected = math.log2(two_samples(k, 1.01)) / -0.01
    assert peer_entropy("Directed-Information", A) == pytest.approx(expected, rel=1e-11)
    # Equal samples have entropy 0; the cut at 0.9999 makes it 0.0144 bits.
    same = peer_gram("Directed-Information", np.zeros((4, 1)), 0.8)
    assert renyi_entropy(same, 1.01) == 0
    assert peer_entropy("Directed-Information", same) == pytest.approx(-100 * math.log2(0.9999), rel=1e-9)
    assert peer_entropy("Directed-Information", same) == pytest.approx(0.0144277, abs=1e-7)
    # Below α = 1 tr A^α is 1 or more, and the cut leaves the same number whatever the matrix.
    assert peer_entropy("Directed-Information", A, 0.5) == pytest.approx(2 * math.log2(0.9999), rel=1e-12)


def test_matrix_renyi_entropy_from_scratch():
    k = math.exp(-1 / (2 * 0.8**2))
    A = peer_gram("Matrix-Renyi-Entropy-from-scratch", [[0.0], [1.0]], 0.8)
    np.testing.assert_allclose(A, [[0.5, k / 2], [k / 2, 0.5]], rtol=1e-14)
    expected = math.log2(two_samples(k, 3)) / -2
    assert peer_entropy("Matrix-Renyi-Entropy-from-scratch", A, 3) == pytest.approx(expected, rel=1e-14)
    # Clipped, and no division.
    expected = math.log2(0.75**3 + 0.35**3) / -2
    assert peer_entropy("Matrix-Renyi-Entropy-from-scratch", indefinite(0.1), 3) == pytest.approx(expected, rel=1e-13)


def test_vendi_score():
    k = math.exp(-1 / (2 * 0.8**2))
    A = peer_gram("vendi-score", [[0.0], [1.0]], 0.8)
    np.testing.assert_allclose(A, [[0.5, k / 2], [k / 2, 0.5]], rtol=1e-14)
    assert peer_entropy("vendi-score", A, 3) == pytest.approx(math.log(two_samples(k, 3)) / -2, rel=1e-14)
    p = np.array([1 + k, 1 - k]) / 2
    assert peer_entropy("vendi-score", A, 1) == pytest.approx(-np.sum(p * np.log(p)), rel=1e-14)
    assert peer_entropy("vendi-score", A, math.inf) == pytest.approx(-math.log(p[0]), rel=1e-14)
    # What is negative is dropped, and nothing is divided: the rest sums to 1.1.
    assert peer_entropy("vendi-score", indefinite(0.1), 3) == pytest.approx(math.log(0.75**3 + 0.35**3) / -2, rel=1e-13)


@pytest.mark.parametrize("q", [0.5, 1.0, 2.0, math.inf])
def test_the_vendi_score_follows_its_order(q):
    K = 12 * gaussian_gram(samples(12), 0.4)
    assert vendi(K, q) == pytest.approx(math.exp(peer_entropy("vendi-score", K / 12, q)), rel=1e-11)
    assert vendi(np.kron(np.eye(3), np.ones((2, 2))), q) == pytest.approx(3, rel=1e-12)
    assert q == 1 or abs(vendi(K, q) - vendi(K)) > 1e-3
    with pytest.raises(ValueError, match="unit diagonal"):
        vendi(K / 12, q)


def test_default_inputs_and_sizes_of_two_peers():
    X = np.array([[0.0, 10.0], [1.0, 10.0], [2.0, 40.0]])
    spread = math.sqrt(sum((x - X.mean()) ** 2 for x in X.ravel()) / 6)
    assert silverman_size(X) == pytest.approx(1.06 * spread * 3**-0.2, rel=1e-14)
    assert silverman_size(X, 2) == 2 * silverman_size(X)
    first = (X[:, 0] - 1) / math.sqrt(2 / 3 + 1e-8)
    np.testing.assert_allclose(z_scored(X)[:, 0], first, rtol=1e-14)
    assert np.array_equal(z_scored(np.ones((3, 1))), np.zeros((3, 1)))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="peer must be one of"):
        peer_entropy("nobody", np.eye(2) / 2, 2)
    with pytest.raises(ValueError, match="alpha must be given"):
        peer_entropy("repitl", np.eye(2) / 2)
    for alpha in (1, math.inf):
        for peer in PEERS:
            if not PEERS[peer].limits:
                with pytest.raises(ValueError, match="divides by zero"):
                    peer_entropy(peer, np.eye(2) / 2, alpha)
    for bad, error in BAD_POSITIVE.values():
        with pytest.raises(error, match="sigma"):
            peer_sigma("DIB", bad)
    for bad, error, words in BAD_GRAMS.values():
        with pytest.raises(error, match=words):
            peer_entropy("DIB", bad)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("peer", PEERS)
def test_matrices_and_orders_without_an_entropy_are_refused(peer):
    if PEERS[peer].eigenvalues != "absolute":
        with pytest.raises(ValueError, match="A must have an eigenvalue that counts"):
            peer_entropy(peer, -np.eye(3), 3)
    for alpha in (2, 3):
        with pytest.raises(ValueError, match=r"A must have an eigenvalue that counts|tr A\^alpha must be .* above 0"):
            peer_entropy(peer, np.zeros((3, 3)), alpha)
    with pytest.raises(ValueError, match=r"tr A\^alpha must be .* at alpha = 1e\+06"):
        peer_entropy(peer, np.eye(3) / 3, 1e6)
    if not PEERS[peer].renormalised and PEERS[peer].largest_trace == math.inf:
        with pytest.raises(ValueError, match=r"tr A\^alpha must be .* got inf"):
            peer_entropy(peer, 3 * np.eye(3), 1e6)


def test_a_value_that_is_no_finite_number_is_refused():
    for bad in ("1.0", None, True, 1j, [1.0]):
        with pytest.raises(TypeError, match="value must be a real number"):
            to_bits("repitl", bad)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="value must be finite"):
            to_bits("repitl", bad)
    assert to_bits("repitl", np.float32(0)) == 0
    assert to_bits("DIB", -3) == -3


def test_the_page_says_what_the_table_says_and_its_examples_run():
    text = PAGE.read_text(encoding="utf-8")
    for name, peer in PEERS.items():
        (row,) = re.findall(rf"^\| `{re.escape(name)}` \|(.*)$", text, re.MULTILINE)
        assert peer.kernel in row
        assert peer.gram in row
        assert peer.eigenvalues in row
        assert ("renormalised" in row) == peer.renormalised
        assert ("natural" if peer.base == math.e else "base 2") in row
        assert (str(peer.alpha) if peer.alpha else "given") in row
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    defaults = ("z_scored(X)", "silverman_size(X)", "vendi(K, q)")
    assert all(f"| `{call}` |" in text for call in defaults)
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)


def test_the_page_names_every_convention_that_compare_knows():
    text = PAGE.read_text(encoding="utf-8")
    assert [convention.key for convention in CONVENTIONS if f"`{convention.key}`" not in text] == []
    for name, words in CAUSES.items():
        assert f"| `{name}` | {words.replace('{}', '…').replace('|', chr(92) + '|')} |" in text
