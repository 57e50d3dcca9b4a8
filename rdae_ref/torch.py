"""Eq. (25) for models written in PyTorch: the objective with this package's hand-derived gradient."""

import math
from typing import Any

import numpy.typing as npt

from ._validation import Array, as_base, as_matrix, as_nonnegative, as_order, as_positive, as_samples
from .autoencoder import distortion
from .numerics.entropy import entropy_and_gradient
from .matrices import gaussian_gram, gram_pullback

try:
    import torch  # PyTorch itself: imports are absolute
except ImportError as error:  # pragma: no cover
    raise ImportError('rdae_ref.torch needs PyTorch: pip install "rdae_ref[oracles]"') from error

__all__ = ["rate_distortion"]


def rate_distortion(
    X: Any, Xhat: Any, *, alpha: float, mu: float, sigma_x: float, sigma_xhat: float, base: float = 2
) -> Any:
    """Return L = S_α(N K_X ∘ K_X̂) − S_α(K_X̂) − μ D_emp, a tensor that PyTorch differentiates by the closed form.

    The model between `X` and `Xhat` may have any depth. L is maximised: the loss is −L.

    Parameters
    ----------
    X : torch.Tensor, shape (N, d)
        Inputs in rows. They may require a gradient, too.
    Xhat : torch.Tensor, shape (N, d)
        Outputs of the model, of any type and on any device; L is computed in float64 on the CPU.
    alpha : float
        Order α > 0 of the entropy.
    mu : float
        Trade-off μ ≥ 0.
    sigma_x, sigma_xhat : float
        Kernel sizes for inputs and outputs.
    base : float
        Base of the logarithm: 2 for bits.

    Returns
    -------
    torch.Tensor
        L, a scalar with the type and device of `Xhat`. It can be differentiated once.

    Raises
    ------
    TypeError, ValueError
        If the tensors are not finite or differ in shape, or a setting is out of range.
    RuntimeError
        If the backward pass is asked for a second derivative (``create_graph=True``).

    Notes
    -----
    Eq. (25) of the paper, with ∂S/∂X̂ = −4 (D(P) − P) X̂ of (17)-(20).
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
    S_joint, dS_joint = entropy_and_gradient(N * K_X * K, alpha)
    S_output, dS_output = entropy_and_gradient(K, alpha)
    dD_dX = 2 / N * (X - Xhat)
    dS_dX = gram_pullback(N * K * dS_joint, K_X, X, sigma_x)
    dS_dXhat = gram_pullback(N * K_X * dS_joint - dS_output, K, Xhat, sigma_xhat)
    value = (S_joint - S_output) / unit - mu * distortion(X, Xhat)
    return value, dS_dX / unit - mu * dD_dX, dS_dXhat / unit + mu * dD_dX
