import numpy as np
import pytest
from cases import BAD_MATRICES, samples
from scipy.linalg import subspace_angles

from rdae_ref import initial_parameters, maximize
from rdae_ref.models import Reconstruction, Tied, TiedParameters, pca
from rdae_ref.pytree import ravel

X_ = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]])


def anisotropic(n=60, d=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * np.linspace(2.5, 0.5, d) @ np.linalg.qr(rng.normal(size=(d, d)))[0] + 0.5


@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_pca_is_the_eigendecomposition_of_the_covariance(k):
    X = anisotropic()
    found = pca(X, k)
    variances, U = np.linalg.eigh(np.cov(X.T, bias=True))
    np.testing.assert_allclose(found.variances, variances[::-1][:k], rtol=1e-12)
    assert found.distortion == pytest.approx(variances[: 5 - k].sum(), rel=1e-12, abs=1e-14)
    np.testing.assert_allclose(np.abs(found.components @ U[:, ::-1][:, :k]), np.eye(k), atol=1e-12)
    assert found.distortion == pytest.approx(np.mean(np.sum((X - found.reconstruct(X)) ** 2, axis=1)), abs=1e-12)
    assert (found.components.max(axis=1) >= -found.components.min(axis=1)).all()


def test_pca_as_an_auto_encoder_has_the_same_outputs_and_is_stationary():
    X, new = anisotropic(), samples(7, 5)
    found = pca(X, 2)
    model, parameters = Reconstruction(X, activation="linear"), found.as_parameters()
    np.testing.assert_allclose(model.reconstruct(parameters, new), found.reconstruct(new), rtol=1e-12)
    value, gradient = model.value_and_gradient(parameters)
    assert value == pytest.approx(-found.distortion, rel=1e-12)
    assert np.abs(ravel(gradient)[0]).max() < 1e-11


def test_pca_of_fewer_samples_than_features():
    X = samples(3, 6)
    assert pca(X, 3).distortion == 0
    np.testing.assert_allclose(pca(X, 2).reconstruct(X), X, rtol=1e-12)  # two directions span three points


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 2, 3])
def test_linear_units_with_a_bottleneck_reach_the_principal_subspace(k, seed, tied):
    X = anisotropic(seed=seed)
    start = initial_parameters(5, k, np.random.default_rng(seed), scale=0.3)
    model = Reconstruction(X, activation="linear")
    if tied:
        model, start = Tied(model), TiedParameters(start.W, start.c, start.b)
    found = maximize(model, start, max_iterations=3000, tolerance=1e-10)
    best = pca(X, k)
    parameters = found.x.untied() if tied else found.x
    for basis in (parameters.A, parameters.W.T):
        assert subspace_angles(basis, best.components.T).max() < 1e-4
    assert -found.fun == pytest.approx(best.distortion, rel=1e-8)


@pytest.mark.parametrize("bad", BAD_MATRICES)
@pytest.mark.parametrize("make", [lambda X: pca(X, 1), lambda X: pca(X_, 1).reconstruct(X)], ids=["pca", "projection"])
def test_bad_data_are_refused(make, bad):
    X, error, words = BAD_MATRICES[bad]
    with pytest.raises(error, match=words):
        make(X)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: pca(X_, 0), ValueError, "n_components must be at least 1"),
        (lambda: pca(X_, 3), ValueError, "n_components must be at most 2"),
        (lambda: pca(X_[:1], 2), ValueError, "n_components must be at most 1"),
        (lambda: pca(X_, 1.0), TypeError, "n_components must be an integer"),
        (lambda: pca(X_, 1).reconstruct(np.ones((2, 3))), ValueError, r"shape \(any, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
