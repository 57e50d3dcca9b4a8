from pathlib import Path

import executed
import numpy as np
import pytest
from frameworks import needed

from rdae_ref import Parameters, RateDistortion

SETTINGS = {"alpha": 1.01, "mu": 1.5, "sigma_x": 0.7, "sigma_xhat": 0.5}
PAGE = Path(__file__).parent.parent / "docs" / "torch_bridge.md"


@pytest.fixture
def bridge():
    needed("torch")
    import rdae_ref.torch

    return rdae_ref.torch


def tensors(bridge, N=6, d=2, **options):
    rng = np.random.default_rng(0)
    return [bridge.torch.tensor(rng.normal(size=(N, d)), **options) for _ in range(2)]


@pytest.mark.parametrize("base", [2, np.e])
@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.01, 2.0, 3.0, np.inf])
def test_gradcheck(bridge, alpha, base):
    inputs = tensors(bridge, requires_grad=True)
    settings = SETTINGS | {"alpha": alpha, "base": base}
    assert bridge.torch.autograd.gradcheck(lambda X, Xhat: bridge.rate_distortion(X, Xhat, **settings), inputs)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.01, 2.0, 10.0, np.inf])
def test_both_gradients_are_those_of_autograd_through_the_eigenvalues(bridge, alpha):
    torch, defined, settings = bridge.torch, needed("torch").DEFINITIONS, SETTINGS | {"alpha": alpha}
    X, Xhat = tensors(bridge, N=8, requires_grad=True)
    K_X, K = defined.gram(X, settings["sigma_x"]), defined.gram(Xhat, settings["sigma_xhat"])
    nats = defined.entropy(8 * K_X * K, alpha) - defined.entropy(K, alpha)
    written_out = nats / np.log(2) - settings["mu"] * ((X - Xhat) ** 2).sum() / 8
    L = bridge.rate_distortion(X, Xhat, **settings)
    torch.testing.assert_close(L, written_out, rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(*(torch.autograd.grad(value, (X, Xhat)) for value in (L, written_out)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-11)


def test_with_one_layer_the_gradient_is_that_of_the_package(bridge):
    torch, rng = bridge.torch, np.random.default_rng(1)
    X = rng.normal(size=(10, 2))
    parameters = Parameters(*(rng.normal(size=shape) for shape in ((4, 2), (4,), (2, 4), (2,))))
    W, c, A, b = (torch.tensor(array, requires_grad=True) for array in parameters)
    L = bridge.rate_distortion(torch.tensor(X), torch.sigmoid(torch.tensor(X) @ W.T + c) @ A.T + b, **SETTINGS)
    L.backward()
    value, gradient = RateDistortion(X, activation="logsig", **SETTINGS).value_and_gradient(parameters)
    assert L.item() == pytest.approx(value, rel=1e-14)
    for tensor, array in zip((W, c, A, b), gradient, strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), array, rtol=1e-11, atol=1e-12)


def test_type_of_the_outputs_is_kept_and_computation_is_in_float64(bridge):
    torch = bridge.torch
    X, Xhat = (tensor.float() for tensor in tensors(bridge))
    Xhat.requires_grad_()
    L = bridge.rate_distortion(X, Xhat, **SETTINGS)
    L.backward()
    assert L.dtype == Xhat.grad.dtype == torch.float32
    precise = bridge.rate_distortion(X.double(), Xhat.double(), **SETTINGS)
    assert L.item() == pytest.approx(precise.item(), rel=1e-7)


def test_upstream_gradient_is_taken(bridge):
    X, Xhat = tensors(bridge, requires_grad=True)
    (once,) = bridge.torch.autograd.grad(bridge.rate_distortion(X, Xhat, **SETTINGS), Xhat)
    (thrice,) = bridge.torch.autograd.grad(-3 * bridge.rate_distortion(X, Xhat, **SETTINGS), Xhat)
    bridge.torch.testing.assert_close(thrice, -3 * once)


def test_a_second_derivative_is_an_error_and_not_zero(bridge):
    X, Xhat = tensors(bridge, requires_grad=True)
    with pytest.raises(RuntimeError, match="differentiated once"):
        bridge.torch.autograd.grad(bridge.rate_distortion(X, Xhat, **SETTINGS), Xhat, create_graph=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"alpha": 0.0}, "alpha"), ({"mu": -1.0}, "mu"), ({"sigma_xhat": 0.0}, "sigma_xhat"), ({"base": 1.0}, "base")],
)
def test_settings_out_of_range_are_refused(bridge, change, words):
    with pytest.raises(ValueError, match=words):
        bridge.rate_distortion(*tensors(bridge), **(SETTINGS | change))


def test_tensors_that_do_not_fit_are_refused(bridge):
    X, Xhat = tensors(bridge)
    with pytest.raises(ValueError, match="Xhat must have shape"):
        bridge.rate_distortion(X, Xhat[:3], **SETTINGS)
    Xhat[0, 0] = np.nan
    with pytest.raises(ValueError, match="Xhat must be finite"):
        bridge.rate_distortion(X, Xhat, **SETTINGS)


def test_the_page_runs(bridge):
    assert len(executed.blocks(PAGE)) == 6
    names = executed.run_page(PAGE)
    assert len(names["history"]) == 10
    largest = max(abs(a - b) for a, b in zip(names["history"], names["autograd_history"], strict=True))
    assert largest < 1e-10


def test_training_with_it_leaves_a_collapsed_start_without_nan(bridge):
    torch = bridge.torch
    X = tensors(bridge, N=10)[0]
    Xhat = torch.zeros_like(X, requires_grad=True)
    bridge.rate_distortion(X, Xhat, **SETTINGS).backward()
    torch.testing.assert_close(Xhat.grad, 2 * SETTINGS["mu"] / 10 * X)
