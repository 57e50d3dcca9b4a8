import numpy as np
import pytest
from cases import BAD_MATRICES

from rdae_ref.measures import effective_rank, latent_singular_values


def test_singular_values_are_those_of_the_covariance():
    Z = np.random.default_rng(0).normal(size=(50, 4)) @ np.diag([3.0, 1.0, 0.1, 1e-9]) + 7
    values = latent_singular_values(Z)
    np.testing.assert_allclose(values[:3], np.linalg.svd(np.cov(Z.T, bias=True), compute_uv=False)[:3], rtol=1e-10)
    assert values[3] == pytest.approx(np.var(Z[:, 3]), rel=0.3)  # 1e-18 of the first: lost in the covariance itself
    few = latent_singular_values(Z[:3])
    assert few.shape == (4,)
    np.testing.assert_allclose(few[2:], 0, atol=1e-20)


def test_the_effective_rank_counts_above_a_fraction_of_the_largest():
    values = [5.0, 0.06, 0.04, 0.0]
    assert [effective_rank(values, t) for t in (0.01, 0.005, 0.5, 1.5)] == [2, 3, 1, 0]
    assert effective_rank([0.0, 0.0]) == 0


@pytest.mark.parametrize("bad", BAD_MATRICES)
def test_bad_codes_are_refused(bad):
    X, error, words = BAD_MATRICES[bad]
    with pytest.raises(error, match=words):
        latent_singular_values(X)


def test_bad_spectra_are_refused():
    with pytest.raises(ValueError, match="threshold must"):
        effective_rank([1.0], 0.0)
    with pytest.raises(ValueError, match="singular_values must be finite"):
        effective_rank([np.nan])
    with pytest.raises(ValueError, match="singular_values must not be negative"):
        effective_rank([1.0, -1.0])
