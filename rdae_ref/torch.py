"""Eq. (25) for models in PyTorch: `check` judges a model and its loss, `rate_distortion` is L with its gradient."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from ._validation import Array, as_base, as_matrix, as_nonnegative, as_order, as_positive, as_samples
from .autoencoder import distortion
from .matrices import gaussian_gram, gram_pullback
from .numerics.entropy import entropy_and_gradient, order_of
from .verify.model_check import Check, Evaluation, check_model

try:
    import torch  # PyTorch itself: imports are absolute
except ImportError as error:  # pragma: no cover
    raise ImportError('rdae_ref.torch needs PyTorch: pip install "rdae_ref[oracles]"') from error

__all__ = ["check", "rate_distortion"]


def check(
    model: Callable[[Any], Any],
    X: Any,
    *,
    loss: Callable[[Any, Any], Any],
    alpha: float,
    mu: float,
    sigma_x: float,
    sigma_xhat: float,
    base: float = 2,
    max_elements: int = 5,
    quiet: bool = False,
) -> Check:
    """Check a model and its loss against (25), and the gradient of its parameters by finite differences.

    Parameters
    ----------
    model : torch.nn.Module or callable
        Maps `X` to the outputs X̂, with any number of layers. A copy in float64 is used.
    X : torch.Tensor or array_like, shape (N, d)
        Inputs in rows.
    loss : callable
        Maps X and X̂ to your scalar: L of (25), or the loss −L.
    alpha, mu, sigma_x, sigma_xhat, base : float
        The settings your scalar should use, as in `rdae_ref.RateDistortion`.
    max_elements, quiet : int and bool
        How many elements of each parameter array are checked, in addition to the slope along the whole array; and
        whether to return the report without printing it.

    Returns
    -------
    Check
        With ``passed``, ``comparison`` (see `rdae_ref.compare`) and ``gradient`` (see `rdae_ref.check_gradient`).

    Raises
    ------
    TypeError, ValueError
        If the outputs are not one tensor of the shape of `X`, the loss is not a scalar, or a setting is out of range.

    Examples
    --------
    >>> import torch
    >>> from rdae_ref.torch import check, rate_distortion
    >>> settings = {"alpha": 1.01, "mu": 1.5, "sigma_x": 0.5, "sigma_xhat": 0.5}
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    >>> X = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    >>> check(model, X, loss=lambda X, Xhat: -rate_distortion(X, Xhat, **settings), **settings, quiet=True).passed
    True
    """
    settings = {"alpha": alpha, "mu": mu, "sigma_x": sigma_x, "sigma_xhat": sigma_xhat, "base": base}
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # for what the loss makes itself, as torch.eye(N)
    try:
        return check_model(_Module(model, X, loss), settings, max_elements, quiet)
    finally:
        torch.set_default_dtype(usual)


class _Module:
    """A model in float64 with its loss."""

    def __init__(self, model: Callable[[Any], Any], X: Any, loss: Callable[[Any, Any], Any]) -> None:
        self.X, self.loss, self.model = torch.as_tensor(X).detach().cpu().double(), loss, model
        self.parameters = {}
        if isinstance(model, torch.nn.Module):
            self.model = copy.deepcopy(model).cpu().double()
            named = self.model.named_parameters()  # type: ignore[attr-defined]
            self.parameters = {name: array.detach().clone().numpy() for name, array in named}

    def evaluation(self) -> Evaluation:
        Xhat = self.model(self.X)
        if not isinstance(Xhat, torch.Tensor):
            raise TypeError(f"model must return the outputs, one tensor of the shape of X, got {type(Xhat).__name__}")
        Xhat = Xhat.detach().requires_grad_()
        value = self.loss(self.X, Xhat)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise TypeError(f"loss must return a tensor with one number, got {type(value).__name__}: {value!r}")
        (slope,) = torch.autograd.grad(value.sum(), Xhat)
        return Evaluation(self.X.numpy(), Xhat.detach().numpy(), value.item(), slope.numpy())

    def value_only(self, parameters: Any) -> float:
        with torch.no_grad():
            return self._loss(self._tensors(parameters)).item()

    def value_and_gradient(self, parameters: Any) -> tuple[float, Any]:
        tensors = {name: tensor.requires_grad_() for name, tensor in self._tensors(parameters).items()}
        value = self._loss(tensors)
        slopes = torch.autograd.grad(value, list(tensors.values()), materialize_grads=True)
        return value.item(), {name: slope.numpy() for name, slope in zip(tensors, slopes, strict=True)}

    def _tensors(self, parameters: Any) -> dict[str, Any]:
        return {name: torch.tensor(array, dtype=torch.float64) for name, array in parameters.items()}

    def _loss(self, tensors: dict[str, Any]) -> Any:
        return self.loss(self.X, torch.func.functional_call(self.model, tensors, (self.X,))).sum()


def rate_distortion(
    X: Any, Xhat: Any, *, alpha: float, mu: float, sigma_x: float, sigma_xhat: float, base: float = 2
) -> Any:
    """Return L = S_α(N K_X ∘ K_X̂) − S_α(K_X̂) − μ D_emp, a tensor whose backward pass is the closed form.

    Eq. (25) of the paper, with ∂S/∂X̂ = −4 (D(P) − P) X̂ of (17)-(20).

    The model between `X` and `Xhat` may have any depth. L is maximised: the loss is −L.

    Parameters
    ----------
    X, Xhat : torch.Tensor, shape (N, d)
        Inputs in rows, and outputs of the model, of any type and on any device; both may require a gradient. L is
        computed in float64 on the CPU.
    alpha, mu, sigma_x, sigma_xhat, base : float
        As in `rdae_ref.RateDistortion`.

    Returns
    -------
    torch.Tensor
        L, a scalar with the type and device of `Xhat`. It can be differentiated once: a second derivative
        (``create_graph=True``) raises `RuntimeError`.
    """
    alpha, mu, base = as_order(alpha), as_nonnegative(mu, "mu"), as_base(base)
    sigma_x, sigma_xhat = as_positive(sigma_x, "sigma_x"), as_positive(sigma_xhat, "sigma_xhat")
    return _RateDistortion.apply(X, Xhat, alpha, mu, sigma_x, sigma_xhat, base)


class _RateDistortion(torch.autograd.Function):
    """L(X, X̂). The forward pass computes both derivatives, from the one eigendecomposition of each matrix."""

    @staticmethod
    def forward(
        ctx: Any, X: Any, Xhat: Any, alpha: float, mu: float, sigma_x: float, sigma_xhat: float, base: float
    ) -> Any:
        inputs, outputs = (tensor.detach().cpu().numpy() for tensor in (X, Xhat))
        value, *slopes = _closed_form(inputs, outputs, alpha, mu, sigma_x, sigma_xhat, base)
        ctx.save_for_backward(*(torch.as_tensor(slope).to(x) for slope, x in zip(slopes, (X, Xhat), strict=True)))
        return Xhat.new_tensor(value)

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> tuple[Any, ...]:
        if torch.is_grad_enabled():  # create_graph=True, for which the saved derivatives would be constants
            raise RuntimeError("rate_distortion can be differentiated once: backward was called with create_graph=True")
        dL_dX, dL_dXhat = ctx.saved_tensors
        return upstream * dL_dX, upstream * dL_dXhat, None, None, None, None, None


def _closed_form(
    X: npt.ArrayLike, Xhat: npt.ArrayLike, alpha: float, mu: float, sigma_x: float, sigma_xhat: float, base: float
) -> tuple[float, Array, Array]:
    """Return L, ∂L/∂X and ∂L/∂X̂."""
    X = as_samples(X, "X")
    Xhat = as_matrix(Xhat, "Xhat", X.shape)
    N, unit = len(X), math.log(base)
    K_X, K = gaussian_gram(X, sigma_x), gaussian_gram(Xhat, sigma_xhat)
    order = order_of(alpha, N)
    S_joint, dS_joint = entropy_and_gradient(N * K_X * K, order)
    S_output, dS_output = entropy_and_gradient(K, order)
    dD_dX = 2 / N * (X - Xhat)
    dS_dX = gram_pullback(N * K * dS_joint, K_X, X, sigma_x)
    dS_dXhat = gram_pullback(N * K_X * dS_joint - dS_output, K, Xhat, sigma_xhat)
    value = (S_joint - S_output) / unit - mu * distortion(X, Xhat)
    return value, dS_dX / unit - mu * dD_dX, dS_dXhat / unit + mu * dD_dX
