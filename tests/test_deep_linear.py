import numpy as np
import pytest

from rdae_ref.data import gaussian_with_covariance
from rdae_ref.models import IRMAE, IRMAEParameters, collapse
from rdae_ref.models.mlp import Layer
from rdae_ref.optimize import gradient_ascent
from rdae_ref.theory.deep_linear import deep_linear_strengths

VARIANCES = np.array([2.0, 0.7, 0.1])
U0 = 0.02


def aligned(n_layers, rng):
    """Start diagonal in the principal components, all layers balanced; return its objective and components, too."""
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    X = gaussian_with_covariance(40, (Q * VARIANCES) @ Q.T, rng)
    a = U0 ** (1 / n_layers)
    R = np.linalg.qr(rng.normal(size=(3, 3)))[0]  # the codes may be turned: only products count
    parameters = IRMAEParameters(
        (Layer(a * R @ Q.T, np.zeros(3)),), (a * np.eye(3),) * (n_layers - 2), (Layer(a * Q @ R.T, np.zeros(3)),)
    )
    return IRMAE(X, activation="linear"), parameters, Q


def strengths(model, parameters, Q):
    """Return Qᵀ (the whole map) Q."""
    (W, _), (A, _) = collapse(parameters).encoder[0], parameters.decoder[0]
    return Q.T @ A @ W @ Q


@pytest.mark.parametrize("n_layers", [2, 3, 4, 6])
def test_gradient_ascent_with_small_steps_follows_the_differential_equation(n_layers):
    model, start, Q = aligned(n_layers, np.random.default_rng(2))
    time = {2: 0.8, 3: 0.9, 4: 0.9, 6: 0.9}[n_layers]
    errors = []
    for n_steps in (1000, 2000):
        x = gradient_ascent(model, start, step_size=time / n_steps, n_steps=n_steps).x
        found = strengths(model, x, Q)
        expected = deep_linear_strengths([time], VARIANCES, U0, n_layers)[0]
        errors.append(np.abs(found.diagonal() - expected).max())
        assert np.abs(found - np.diag(found.diagonal())).max() < 1e-12  # each component by itself
    assert expected[0] > 0.5 > expected[1] > expected[2] > U0
    assert errors[1] < 0.002
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.1)  # Euler's method: first order


def test_closed_forms_solve_the_differential_equation():
    h, t = 1e-4, np.linspace(0.1, 3, 7)
    for n_layers in (1, 2, 3, 5):
        u = deep_linear_strengths(np.concatenate([t - h, t, t + h]), VARIANCES, U0, n_layers).reshape(3, 7, 3)
        slope = 2 * n_layers * VARIANCES * u[1] ** (2 - 2 / n_layers) * (1 - u[1])
        np.testing.assert_allclose((u[2] - u[0]) / (2 * h), slope, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(deep_linear_strengths([0.0], VARIANCES, U0, n_layers), U0, rtol=1e-9)
        assert deep_linear_strengths([1e4], VARIANCES, U0, n_layers) == pytest.approx(1, abs=1e-6)


def test_the_integration_meets_the_implicit_solution_for_four_layers():
    # For L = 4, ∫ du / (u^{3/2} (1 − u)) = 2 (artanh √u − 1/√u), and 8 γ² t is its increase.
    u = deep_linear_strengths([0.0, 0.3, 0.9], VARIANCES, U0, 4)
    primitive = 2 * (np.arctanh(np.sqrt(u)) - 1 / np.sqrt(u))
    np.testing.assert_allclose(primitive[1:] - primitive[:1], 8 * np.outer([0.3, 0.9], VARIANCES), rtol=1e-7)


def test_the_deeper_the_farther_apart_components_are_learned():
    times = np.linspace(0, 400, 20_001)
    ratios = []
    for n_layers in (1, 2, 4, 8):
        u = deep_linear_strengths(times, [1.0, 0.5], U0, n_layers)
        first, second = (times[np.argmax(column > 0.5)] for column in u.T)
        # How much of the weaker is there when the stronger is half learned.
        ratios.append(u[np.argmax(u[:, 0] > 0.5), 1])
        assert second == pytest.approx(2 * first, rel=0.05)
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[-1] < 0.1
    assert ratios[0] > 0.25


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: deep_linear_strengths([-1.0], [1.0], 0.1), ValueError, "times must not be negative"),
        (lambda: deep_linear_strengths([1.0], [-1.0], 0.1), ValueError, "variances must not be negative"),
        (lambda: deep_linear_strengths([1.0], [1.0], 0.0), ValueError, "initial must"),
        (lambda: deep_linear_strengths([1.0], [1.0], 1.0), ValueError, "initial must be from 0 to below 1"),
        (lambda: deep_linear_strengths([1.0], [1.0], 0.1, 0), ValueError, "n_layers must be at least 1"),
        (lambda: deep_linear_strengths([np.inf], [1.0], 0.1), ValueError, "times must be finite"),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
