"""The objectives from their definitions, written once, to be differentiated by HIPS autograd, PyTorch or JAX.

They share no mathematics with the rest of the package: no Laplacian, no closed form, no thresholds. At a singular Gram
matrix the result is what automatic differentiation makes of it. The fifty-digit oracle is written apart.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

__all__ = ["Definitions"]


@dataclass(frozen=True)
class Definitions:
    """The objectives in one framework: `xp` has NumPy's names; the other fields are what each calls its own way."""

    xp: Any
    array: Callable[..., Any]
    units: Mapping[str, Callable[..., Any]]
    eigenvalues: Callable[..., Any]
    jacobians: Callable[..., Any]
    log_bernoulli: Callable[..., Any]
    log_normal: Callable[..., Any]
    kl_divergence: Callable[..., Any]

    @property
    def models(self) -> dict[str, Callable[..., Any]]:
        """Return each objective, a function of parameters, inputs and settings, by the name of its class."""
        return {
            "RateDistortion": self._rate_distortion,
            "Reconstruction": self._reconstruction,
            "FixedDenoising": self._denoising,
            "Contractive": self._contractive,
            "FixedBetaVAE": self._beta_vae,
            "IRMAE": self._irmae,
        }

    def _encode(self, W: Any, c: Any, X: Any, activation: str) -> Any:
        return self.units[activation](X @ W.T + c)

    def _forward(self, parameters: Any, X: Any, activation: str) -> Any:
        W, c, A, b = parameters
        return self._encode(W, c, X, activation) @ A.T + b

    def _layers(self, layers: Any, X: Any, activation: str) -> Any:
        *hidden, (W, b) = layers
        for V, c in hidden:
            X = self._encode(V, c, X, activation)
        return X @ W.T + b

    def _distortion(self, X: Any, Xhat: Any) -> Any:
        return self.xp.sum((X - Xhat) ** 2) / len(X)

    def gram(self, X: Any, sigma: float) -> Any:
        """Return the Gaussian kernel of all pairs of samples, over N."""
        distances = self.xp.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2)
        return self.xp.exp(-distances / (2 * sigma**2)) / len(X)

    def entropy(self, A: Any, alpha: float) -> Any:
        """Return the Rényi entropy of the eigenvalues, in nats."""
        xp, values = self.xp, self.eigenvalues(A)
        if alpha == 1:
            return -xp.sum(values * xp.log(values))
        if alpha == math.inf:
            return -xp.log(xp.max(values))
        return xp.log(xp.sum(values**alpha)) / (1 - alpha)

    def _rate_distortion(
        self,
        parameters: Any,
        X: Any,
        *,
        activation: str,
        alpha: float,
        mu: float,
        sigma_x: float,
        sigma_xhat: float,
        base: float = 2,
    ) -> Any:
        Xhat = self._forward(parameters, X, activation)
        K_X, K = self.gram(X, sigma_x), self.gram(Xhat, sigma_xhat)
        nats = self.entropy(len(X) * K_X * K, alpha) - self.entropy(K, alpha)
        return nats / math.log(base) - mu * self._distortion(X, Xhat)

    def _reconstruction(self, parameters: Any, X: Any, *, activation: str) -> Any:
        return -self._distortion(X, self._forward(parameters, X, activation))

    def _denoising(self, parameters: Any, X: Any, *, activation: str, corrupted: npt.ArrayLike) -> Any:
        errors = [self._distortion(X, self._forward(parameters, copy, activation)) for copy in self.array(corrupted)]
        return -sum(errors) / len(errors)

    def _contractive(self, parameters: Any, X: Any, *, activation: str, strength: float) -> Any:
        W, c, _, _ = parameters
        jacobians = self.jacobians(lambda x: self._encode(W, c, x, activation), X)
        contraction = self.xp.sum(jacobians**2) / len(X)
        return self._reconstruction(parameters, X, activation=activation) - strength * contraction

    def _beta_vae(
        self,
        parameters: Any,
        X: Any,
        *,
        activation: str,
        noise: npt.ArrayLike,
        beta: float = 1,
        likelihood: str = "gaussian",
        variance: float = 1,
        capacity: float | None = None,
        capacity_of: str = "mean",
        base: float = 2,
    ) -> Any:
        encoder, decoder = parameters
        H = self._layers(encoder, X, activation)
        M, T = H[:, : H.shape[1] // 2], H[:, H.shape[1] // 2 :]  # mean and log variance of the codes
        outputs = [self._layers(decoder, M + self.xp.exp(T / 2) * e, activation) for e in self.array(noise)]
        fit = sum(self._log_likelihood(X, Y, likelihood, variance) for Y in outputs) / len(outputs)
        nats = None if capacity is None else capacity * math.log(base)
        return (fit - self._price(self.kl_divergence(M, T), beta, nats, capacity_of)) / math.log(base)

    def _log_likelihood(self, X: Any, Y: Any, likelihood: str, variance: float) -> Any:
        bernoulli = likelihood == "bernoulli"
        densities = self.log_bernoulli(X, Y) if bernoulli else self.log_normal(X, Y, math.sqrt(variance))
        return self.xp.sum(densities) / len(X)

    def _price(self, kl: Any, beta: float, capacity: float | None, capacity_of: str) -> Any:
        if capacity is None:
            return beta * self.xp.mean(kl)
        if capacity_of == "mean":
            return beta * abs(self.xp.mean(kl) - capacity)
        return beta * self.xp.mean(abs(kl - capacity))

    def _irmae(self, parameters: Any, X: Any, *, activation: str) -> Any:
        encoder, linear, decoder = parameters
        Z = self._layers(encoder, X, activation)
        for M in linear:
            Z = Z @ M.T
        return -self._distortion(X, self._layers(decoder, Z, activation))
