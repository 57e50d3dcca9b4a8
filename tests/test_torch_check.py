"""A person's module or function, checked in one line."""

import math

import numpy as np
import pytest
from frameworks import needed

LN2 = math.log(2)
SETTINGS = {"alpha": 1.01, "mu": 1.5, "sigma_x": 0.5, "sigma_xhat": 0.5}


@pytest.fixture
def torch():
    needed("torch")
    import torch

    return torch


def model_and_data(torch, N=20, dtype=None):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(2, 6), torch.nn.Tanh(), torch.nn.Linear(6, 6), torch.nn.Tanh(), torch.nn.Linear(6, 2)]
    model = torch.nn.Sequential(*layers)
    return model if dtype is None else model.to(dtype), torch.randn(N, 2, dtype=dtype)


def written_out(torch, sign=-1, unit=LN2, floor=0.0):
    def gram(Y, sigma):
        return torch.exp(-((Y[:, None] - Y[None]) ** 2).sum(2) / (2 * sigma**2)) / len(Y)

    def entropy(A):
        return (torch.linalg.eigvalsh(A).clamp(min=floor) ** 1.01).sum().log() / (1 - 1.01) / unit

    def loss(X, Xhat):
        K_X, K = gram(X, 0.5), gram(Xhat, 0.5)
        return sign * (entropy(len(X) * K_X * K) - entropy(K) - 1.5 * ((X - Xhat) ** 2).sum() / len(X))

    return loss


def named(check):
    return {cause.name: cause.number for cause in check.comparison.causes}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_right_module_passes_as_objective_and_as_loss(torch, sign, capsys):
    from rdae_ref.torch import check

    model, X = model_and_data(torch)
    before = [parameter.clone() for parameter in model.parameters()]
    found = check(model, X, loss=written_out(torch, sign), **SETTINGS)
    assert found.passed
    assert [row.name for row in found.gradient.arrays] == [name for name, _ in model.named_parameters()]
    printed = capsys.readouterr().out
    assert "AGREES: value, dXhat" in printed
    assert "RIGHT at tolerance" in printed
    assert len(printed.splitlines()) < 40
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_half_precision_modules_are_checked_in_float64(torch):
    from rdae_ref.torch import check

    model, X = model_and_data(torch, dtype=torch.bfloat16)
    assert check(model, X, loss=written_out(torch), **SETTINGS, quiet=True).passed


def test_the_causes_of_a_wrong_loss_are_named(torch):
    from rdae_ref.torch import check

    model, X = model_and_data(torch, N=40)
    found = check(model, X, loss=written_out(torch, unit=1, floor=1e-6), **SETTINGS, quiet=True)
    assert not found.passed
    assert named(found)["eigenvalue_floor"] == pytest.approx(1e-6)
    assert "natural_log" in named(found)

    def detached(X, Xhat):
        K = torch.exp(-((X[:, None] - X[None]) ** 2).sum(2) / 0.5) / len(X)
        return -1.5 * ((X - Xhat) ** 2).sum() / len(X) + 0 * K.sum()

    assert "detached_entropy" in named(check(model, X, loss=detached, **SETTINGS, quiet=True))


def test_a_wrong_gradient_by_the_parameters_is_found(torch):
    from rdae_ref.torch import check

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, slope):
            return 1.01 * slope

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = torch.nn.Linear(2, 4), torch.nn.Linear(4, 2)

        def forward(self, X):
            return self.last(Wrong.apply(torch.tanh(self.first(X))))

    found = check(Model(), model_and_data(torch)[1], loss=written_out(torch), **SETTINGS, quiet=True)
    assert found.comparison.agrees
    assert not found.passed
    assert {row.name for row in found.gradient.arrays if row.status == "wrong"} == {"first.weight", "first.bias"}


def test_functions_without_parameters_and_bad_losses(torch):
    from rdae_ref.torch import check

    X = model_and_data(torch)[1]
    found = check(lambda X: 0.5 * X, X, loss=written_out(torch), **SETTINGS, quiet=True)
    assert found.passed
    assert found.gradient is None
    for loss in (lambda X, Xhat: 1.0, lambda X, Xhat: Xhat):
        with pytest.raises(TypeError, match="loss must return a tensor with one number"):
            check(lambda X: X, X, loss=loss, **SETTINGS, quiet=True)
    with pytest.raises(ValueError, match="alpha"):
        check(lambda X: 0.5 * X, X, loss=written_out(torch), **SETTINGS | {"alpha": -1}, quiet=True)
    with pytest.raises(ValueError, match="Xhat must have shape"):
        check(lambda X: X[:, :1], X, loss=lambda X, Xhat: Xhat.sum(), **SETTINGS, quiet=True)


def test_nan_is_a_verdict_and_not_an_exception(torch, capsys):
    from rdae_ref.torch import check

    model, X = model_and_data(torch)

    def loss(X, Xhat):
        def gram(Y):
            return torch.exp(-(((Y[:, None] - Y[None]) ** 2).sum(2).sqrt() ** 2) / 0.5) / len(Y)

        K_X, K = gram(X), gram(Xhat)
        pair = [(torch.linalg.eigvalsh(A).clamp(min=0) ** 1.01).sum().log2() / -0.01 for A in (len(X) * K_X * K, K)]
        return 1.5 * ((X - Xhat) ** 2).sum() / len(X) - pair[0] + pair[1]

    found = check(model, X, loss=loss, **SETTINGS)
    assert set(named(found)) == {"zero_distance"}
    assert [row.verdict for row in found.comparison.arrays] == ["agrees", "wrong"]
    assert not found.passed
    assert found.gradient is None
    assert "not checked: the gradient of 0.weight[0, 0] must be finite" in capsys.readouterr().out


def test_what_a_loss_makes_itself_is_float64_and_chance_is_reported(torch):
    from rdae_ref.torch import check

    model, X = model_and_data(torch)

    def with_own_constants(X, Xhat):
        return written_out(torch)(X, Xhat) + 0.1 * torch.ones(len(X)).sum() - 0.1 * len(X)

    assert check(model, X, loss=with_own_constants, **SETTINGS, quiet=True).passed
    assert torch.get_default_dtype() == torch.float32
    noisy = torch.nn.Sequential(model, torch.nn.Dropout(0.5))
    found = check(noisy, X, loss=written_out(torch), **SETTINGS, quiet=True)
    assert found.comparison.agrees
    assert not found.passed
    assert "must return the same each time" in str(found)
    with pytest.raises(TypeError, match="model must return the outputs, one tensor"):
        check(lambda X: (X, X), X, loss=written_out(torch), **SETTINGS, quiet=True)


KERNELS = {
    "kernel_laplacian": lambda torch, Y, s: torch.exp(-torch.cdist(Y, Y) / s),
    "kernel_laplacian_factorised": lambda torch, Y, s: torch.exp(-torch.cdist(Y, Y, p=1) / s),
    "kernel_power": lambda torch, Y, s: torch.exp(-(((Y[:, None] - Y[None]) ** 2).sum(2) ** 2) / (2 * s**2)),
    "standardised_inputs": lambda torch, Y, s: torch.exp(
        -((((Y[:, None] - Y[None]) / Y.std(0)) ** 2).sum(2)) / (2 * s**2)
    ),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_of_pytorch_are_named_from_the_loss(torch, name):
    from rdae_ref.torch import check

    model, X = model_and_data(torch, N=16)

    def loss(X, Xhat):
        K_X, K = (KERNELS[name](torch, Y, 0.5) / len(Y) for Y in (X, Xhat))
        J, S = ((torch.linalg.eigvalsh(A).clamp(min=0) ** 1.01).sum().log2() / -0.01 for A in (len(X) * K_X * K, K))
        return 1.5 * ((X - Xhat) ** 2).sum() / len(X) - J + S

    assert name in named(check(model, X, loss=loss, **SETTINGS, max_elements=1, quiet=True))


def test_jax(capsys):
    needed("jax")
    import jax.numpy as jnp

    from rdae_ref.jax import check

    rng = np.random.default_rng(0)
    X, parameters = rng.normal(size=(15, 2)), {"W": rng.normal(size=(4, 2)), "A": rng.normal(size=(2, 4)), "b": None}

    def model(parameters, X):
        return jnp.tanh(X @ parameters["W"].T) @ parameters["A"].T

    def loss(X, Xhat, unit=LN2):
        def gram(Y):
            return jnp.exp(-jnp.sum((Y[:, None] - Y[None]) ** 2, axis=2) / 0.5) / len(Y)

        def entropy(A):
            return jnp.log(jnp.sum(jnp.linalg.eigvalsh(A).clip(0) ** 1.01)) / (1 - 1.01) / unit

        K_X, K = gram(X), gram(Xhat)
        return 1.5 * jnp.sum((X - Xhat) ** 2) / len(X) - (entropy(len(X) * K_X * K) - entropy(K))

    assert check(model, X, parameters, loss=loss, **SETTINGS).passed
    assert "AGREES" in capsys.readouterr().out
    wrong = check(lambda X: 0.5 * X, X, loss=lambda X, Y: loss(X, Y, unit=1.0), **SETTINGS, quiet=True)
    assert "natural_log" in named(wrong)
    assert wrong.gradient is None
