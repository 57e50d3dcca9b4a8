"""The rows of the auto-encoders that the paper compares with, and of its two neighbours."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.special import expit

from ... import models
from ...activations import ACTIVATIONS
from ...gradcheck import check_gradient
from ...objective import RateDistortion
from .rows import DIFFERENCES, Row, point, report_row


def model_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield a row for each auto-encoder, over all units."""
    X, parameters = point(rng)
    corrupted = X + 0.3 * rng.normal(size=(2, *X.shape))
    of_25: Callable[..., Any] = functools.partial(RateDistortion, alpha=2.0, mu=1.5, sigma_x=0.2, sigma_xhat=0.3)
    kinds: dict[str, Callable[..., Any]] = {
        "plain auto-encoder": models.Reconstruction,
        "denoising, fixed noise": functools.partial(models.FixedDenoising, corrupted=corrupted),
        "contractive": functools.partial(models.Contractive, strength=0.3),
        "weight decay on (25)": lambda X, activation: models.WeightDecay(of_25(X, activation=activation), strength=0.1),
        "tied weights in (25)": lambda X, activation: models.Tied(of_25(X, activation=activation)),
    }
    for name, kind in kinds.items():
        at = models.TiedParameters(parameters.W, parameters.c, parameters.b) if name.startswith("tied") else parameters
        reports = [check_gradient(kind(X, activation=unit), at, rng=rng, tolerance=DIFFERENCES) for unit in ACTIVATIONS]
        yield report_row("models", f"∇L, {name}", reports)
    exact = check_gradient(models.LinearDenoising(X, noise=0.3), parameters, rng=rng, tolerance=DIFFERENCES)
    yield report_row("models", "∇L, denoising, expectation for linear units", [exact])
    yield from layered_rows(rng)


def layered_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield a row for each form of the beta-VAE and for IRMAE, with a hidden layer of smooth and of kinked units."""
    X, noise = rng.normal(size=(10, 2)), rng.normal(size=(2, 10, 1))
    network = models.initial_vae_parameters(2, 1, rng, hidden=[3], gain=2)
    affine = models.VAEParameters(network.encoder, models.initial_vae_parameters(2, 1, rng, gain=2).decoder)
    deep = models.initial_irmae_parameters(2, 2, 2, rng, hidden=[3], gain=2)
    gaussian: Callable[..., Any] = functools.partial(models.FixedBetaVAE, noise=noise, beta=4.0, variance=0.5)
    kinds: dict[str, tuple[Callable[..., Any], Any]] = {
        "beta-VAE, fixed noise, Gaussian": (functools.partial(gaussian, X), network),
        "beta-VAE, fixed noise, with a capacity": (functools.partial(gaussian, X, capacity=0.5), network),
        "beta-VAE, fixed noise, Bernoulli": (functools.partial(gaussian, expit(X), likelihood="bernoulli"), network),
        "beta-VAE, expectation for an affine decoder": (functools.partial(models.LinearBetaVAE, X, beta=4.0), affine),
        "IRMAE": (functools.partial(models.IRMAE, X), deep),
    }
    # Of each array three elements and the slope along a direction: all elements of so many layers would take seconds.
    for name, (kind, at) in kinds.items():
        objectives = [kind(activation=unit) for unit in ("relu", "softplus", "tanh")]
        reports = [check_gradient(o, at, rng=rng, tolerance=DIFFERENCES, max_elements=3) for o in objectives]
        yield report_row("models", f"∇L, {name}", reports)
