"""The rows of the auto-encoders that the paper compares with."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..activations import ACTIVATIONS
from ..gradcheck import check_gradient
from ..models import Contractive, FixedDenoising, LinearDenoising, Reconstruction, Tied, TiedParameters, WeightDecay
from ..objective import RateDistortion
from .table import DIFFERENCES, Row, point, report_row


def model_rows(rng: np.random.Generator) -> Iterator[Row]:
    """Yield a row for each auto-encoder, over all units."""
    X, parameters = point(rng)
    corrupted = X + 0.3 * rng.normal(size=(2, *X.shape))
    of_25: Callable[..., Any] = functools.partial(RateDistortion, alpha=2.0, mu=1.5, sigma_x=0.2, sigma_xhat=0.3)
    kinds: dict[str, Callable[..., Any]] = {
        "plain auto-encoder": Reconstruction,
        "denoising, fixed noise": functools.partial(FixedDenoising, corrupted=corrupted),
        "contractive": functools.partial(Contractive, strength=0.3),
        "weight decay on (25)": lambda X, activation: WeightDecay(of_25(X, activation=activation), strength=0.1),
        "tied weights in (25)": lambda X, activation: Tied(of_25(X, activation=activation)),
    }
    for name, kind in kinds.items():
        at = TiedParameters(parameters.W, parameters.c, parameters.b) if name.startswith("tied") else parameters
        reports = [check_gradient(kind(X, activation=unit), at, rng=rng, tolerance=DIFFERENCES) for unit in ACTIVATIONS]
        yield report_row("models", f"∇L, {name}", reports)
    exact = check_gradient(LinearDenoising(X, noise=0.3), parameters, rng=rng, tolerance=DIFFERENCES)
    yield report_row("models", "∇L, denoising, expectation for linear units", [exact])
