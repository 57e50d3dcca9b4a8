import numpy as np
import pytest
import scipy.linalg
from cases import gram

from rdae_ref import gaussian_gram, renyi_entropy
from rdae_ref.numerics.spectrum import check_semidefinite, eigenvalues, spectral_product, spectrum, zero_below


def test_the_decomposition_is_one_and_the_values_are_numpys():
    A = gram(15)
    values, vectors, residual = spectrum(A)
    assert residual == 0
    np.testing.assert_allclose((vectors * values) @ vectors.T, A, atol=1e-16)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(A), atol=1e-16)
    np.testing.assert_allclose(eigenvalues(A), values, atol=1e-16)


def test_rounding_of_a_zero_is_zero_and_what_is_larger_stays():
    values = eigenvalues(np.diag([1.0, 2e-16, -1e-16, 1e-12]))
    np.testing.assert_array_equal(values, [0, 0, 1e-12, 1])
    values = eigenvalues(np.diag([1.0, 4e-16, 1.5e-16, -1e-16, 1e-14]))  # no gap, and a negative one
    np.testing.assert_array_equal(values, [0, 0, 4e-16, 1e-14, 1])
    assert zero_below(np.array([0, 0, 0, 2.0]), 4) == 4 * np.finfo(float).eps * 2


def test_the_line_between_rounding_and_an_indefinite_matrix():
    for smallest, refused in ((-1e-11, False), (-1e-6, False), (-2e-5, True), (-0.5, True)):
        A = np.diag([1.0, 0.5, smallest])
        for function in (eigenvalues, spectrum, check_semidefinite):
            if refused:
                with pytest.raises(ValueError, match=r"positive semidefinite.*below -1e-10 and below -1e-05"):
                    function(A)
            else:
                function(A)


def exact_entropy(X, sigma, alpha):
    """S_α in bits from 45 digits; equal samples give zeros that are exact."""
    mp = pytest.importorskip("mpmath").mp
    with mp.workdps(45):
        N, X = len(X), [[mp.mpf(float(x)) for x in row] for row in X]
        squares = [[sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) for y in X] for x in X]
        A = mp.matrix([[mp.exp(-d / (2 * mp.mpf(sigma) ** 2)) / N for d in row] for row in squares])
        values = mp.eigsy(A, eigvals_only=True)
        return float(mp.log(sum(x ** mp.mpf(alpha) for x in values if x > mp.mpf(10) ** -40), 2) / (1 - mp.mpf(alpha)))


RNG = np.random.default_rng(0)
PLANE, LINE = RNG.normal(size=(30, 2)), RNG.normal(size=(24, 1))
SPECTRA = {  # samples, σ, and the error of S_¼ in bits: where eigenvalues below rounding carry entropy, it is large
    "far above rounding": (PLANE, 0.7, 1e-10),
    "just above rounding": (PLANE, 3.0, 1e-6),
    "down to 1e-30": (LINE, 0.5, 1e-3),
    "all twice": (np.repeat(PLANE[:15], 2, axis=0), 0.7, 1e-10),
    "one pair": (np.r_[PLANE[:20], PLANE[:1]], 0.7, 1e-10),
    "five points": (np.repeat(PLANE[:5], 6, axis=0), 1.0, 1e-10),
}


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.9, 1.01])
@pytest.mark.parametrize("name", SPECTRA)
def test_small_eigenvalues_count_as_zero_where_they_are_and_only_there(name, alpha):
    X, sigma, most = SPECTRA[name]
    error = abs(renyi_entropy(gaussian_gram(X, sigma), alpha) - exact_entropy(X, sigma, alpha))
    assert error < {0.25: most, 0.5: most / 100, 0.9: 1e-11, 1.01: 1e-12}[alpha]


@pytest.mark.parametrize("signs", [1, -1, [1, -1, 1, -1]])
def test_products_for_weights_of_any_sign(signs):
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    weights = np.array([0.0, 1.0, 2.0, 3.0]) * signs
    product = spectral_product(vectors, weights)
    np.testing.assert_allclose(product, vectors @ np.diag(weights) @ vectors.T, atol=1e-15)
    np.testing.assert_array_equal(product, product.T)


def test_where_the_fast_driver_fails_the_plain_one_answers(monkeypatch):
    right, asked = scipy.linalg.eigh, []

    def fails(A):
        asked.append("evd")
        raise np.linalg.LinAlgError("no convergence")

    def answers(A, *, driver, **options):
        asked.append(driver)
        return right(A, driver=driver, **options)

    monkeypatch.setattr(np.linalg, "eigvalsh", fails)
    monkeypatch.setattr(np.linalg, "eigh", fails)
    monkeypatch.setattr(scipy.linalg, "eigh", answers)
    np.testing.assert_allclose(eigenvalues(np.diag([1.0, 2.0])), [1, 2])
    np.testing.assert_allclose(spectrum(np.diag([1.0, 2.0])).values, [1, 2])
    assert asked == ["evd", "ev"] * 2
