"""PyTorch with autograd, written idiomatically.

Unlike the oracle, which is written to be read, it computes distances by a matrix product and the Gram matrix of the
inputs once, and sets to zero the eigenvalues that rounding made negative, whose power would be NaN.
"""

import functools
import math

import numpy as np
import torch

from rdae_ref import RateDistortion
from rdae_ref.autoencoder import Parameters
from rdae_ref.models import FixedDenoising, Reconstruction

from . import ours
from .cases import MOMENTUM, RATE

UNITS = {
    "linear": lambda z: z,
    "logsig": torch.sigmoid,
    "relu": torch.relu,
    "satlin": lambda z: z.clamp(0, 1),
    "softplus": torch.nn.functional.softplus,
}


def gram(X, sigma):
    """Return A_ij = exp(−|x_i − x_j|² / (2σ²)) / N."""
    norms = X.square().sum(dim=1)
    return torch.exp((norms[:, None] + norms - 2 * X @ X.T) / (-2 * sigma**2)) / len(X)


def entropy(A, alpha):
    """Return S_α(A) in nats, Eq. (10)."""
    if alpha == 2:
        return -2 * torch.linalg.matrix_norm(A).log()
    return torch.linalg.eigvalsh(A).clamp_min(0).pow(alpha).sum().log() / (1 - alpha)


def reconstruct(parameters, X, activation):
    """Return X̂."""
    W, c, A, b = parameters
    return UNITS[activation](X @ W.T + c) @ A.T + b


def distortion(X, Xhat):
    """Return D_emp, Eq. (9)."""
    return (X - Xhat).square().sum() / len(X)


def rate_distortion(parameters, X, NK_X, *, activation, alpha, mu, sigma):
    """Return L in bits, Eq. (25)."""
    Xhat = reconstruct(parameters, X, activation)
    K = gram(Xhat, sigma)
    return (entropy(NK_X * K, alpha) - entropy(K, alpha)) / math.log(2) - mu * distortion(X, Xhat)


def gradient(case):
    """Evaluate L and its gradient."""
    X, parameters = torch.tensor(case.data()), tensors(case.parameters())
    NK_X = case.N * gram(X, case.sigma)
    return lambda: torch.autograd.grad(rate_distortion(parameters, X, NK_X, **case.settings()), parameters)


def epoch(case):
    """Ascend through all batches, one step on each."""
    batches = [torch.tensor(X) for X in case.batches()]
    products = [len(X) * gram(X, case.sigma) for X in batches]

    def ascend():
        parameters = tensors(case.parameters())
        ascent = torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM, maximize=True)
        for X, NK_X in zip(batches, products, strict=True):
            ascent.zero_grad()
            rate_distortion(parameters, X, NK_X, **case.settings()).backward()
            ascent.step()
        return [x.detach() for x in parameters]

    return ascend


def vae(case):
    """Train the same network on the same batches with the same noise."""
    X = torch.tensor(case.data())
    bce = torch.nn.functional.binary_cross_entropy_with_logits

    def train():
        encoder, decoder = (_sequential(layers) for layers in case.parameters())
        ascent = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=case.step_size)
        rng, order, values = case.rng(), np.arange(0), []
        for _ in range(case.n_steps + 1):  # the last one only evaluates, as `adam` does for what it returns
            if not order.size:
                order = rng.permutation(len(X))
            rows, order = np.split(order, [case.batch])
            x, noise = X[rows], torch.tensor(rng.normal(size=(len(rows), case.n_latents)))
            M, T = encoder(x).chunk(2, dim=1)
            Y = decoder(M + torch.exp(T / 2) * noise)
            kl = 0.5 * (M**2 + torch.expm1(T) - T).sum() / len(x)
            loss = bce(Y, x, reduction="sum") / len(x) + case.beta * kl
            values.append(-loss.item())
            if len(values) <= case.n_steps:
                ascent.zero_grad()
                loss.backward()
                ascent.step()
        arrays = (tensor.detach().numpy() for net in (encoder, decoder) for tensor in net.parameters())
        return [np.array(values[1:]), *arrays]

    return train


def _sequential(layers):
    """Return layers with the weights of ours, and ReLU between them."""
    modules = []
    for W, b in layers:
        linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(W))
            linear.bias.copy_(torch.tensor(b))
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


def figure(case):
    """Make the same runs as `ours` with the same optimiser, but with each gradient from here."""
    RateDistortion.value_and_gradient = _rate_distortion
    Reconstruction.value_and_gradient = FixedDenoising.value_and_gradient = _reconstruction
    return ours.figure(case)


def tensors(parameters):
    """Return leaves that require a gradient."""
    return [torch.tensor(array, requires_grad=True) for array in parameters]


def _rate_distortion(self, parameters):
    X, NK_X = _constants(self)
    settings = {"activation": self.activation.name, "alpha": self.alpha, "mu": self.mu, "sigma": self.sigma_xhat}
    return _value_and_gradient(lambda leaves: rate_distortion(leaves, X, NK_X, **settings), parameters)


def _reconstruction(self, parameters):
    inputs, X = _constants(self)
    unit = self.activation.name
    return _value_and_gradient(lambda leaves: -distortion(X, reconstruct(leaves, inputs, unit)), parameters)


@functools.lru_cache(maxsize=1)
def _constants(objective):
    if isinstance(objective, RateDistortion):
        X = torch.tensor(objective.X)
        return X, len(X) * gram(X, objective.sigma_x)
    if isinstance(objective, FixedDenoising):
        return tuple(torch.tensor(array) for array in objective._pairs())
    return torch.tensor(objective.X), torch.tensor(objective.X)


def _value_and_gradient(objective, parameters):
    leaves = tensors(parameters)
    value = objective(leaves)
    if not torch.isfinite(value):
        raise FloatingPointError("the objective overflows: the parameters are too large")
    return value.item(), Parameters(*(slope.numpy() for slope in torch.autograd.grad(value, leaves)))
