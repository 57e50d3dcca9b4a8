"""rdae_ref: the rate-distortion auto-encoder, every equation as runnable NumPy code.

`paper` has Eqs. (9)-(25) as printed, to be read beside the paper. `numerics` has the same for every order, size and
spectrum; users call `matrices`, `autoencoder` and `objective`. `optimize` has the optimisers, `gradcheck` and `verify`
check gradients and implementations, `models` and `theory` have what the auto-encoder is compared with, `data` and
`experiments` draw the figures; `estimator` follows scikit-learn's conventions.
"""

# ruff: noqa: I001  # first, for Ctrl-C while all else is imported
from . import _command  # noqa: F401

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .activations import ACTIVATIONS, Activation
from .autoencoder import (
    Forward,
    Parameters,
    distortion,
    distortion_gradients,
    entropy_gradients,
    forward,
    initial_parameters,
)
from .entropy_of_samples import SampleEntropy, sample_entropy
from .gradcheck import GradientReport, check_gradient
from .matrices import (
    conditional_entropy,
    gaussian_gram,
    gram_pullback,
    graph_laplacian,
    joint_entropy,
    joint_entropy_gradient,
    median_distance,
    mutual_information,
    normalize_gram,
    product_entropy_gradient,
    renyi_entropy,
    renyi_entropy_gradient,
)
from .numerics.spectrum import SingularGramWarning
from .objective import RateDistortion, Terms
from .optimize import (
    DivergenceError,
    Result,
    continuation,
    gradient_ascent,
    maximize,
    maximize_at_distortion,
    progress_bar,
)
from .verify.compare import Comparison, compare, compare_file

if TYPE_CHECKING:
    from .estimator import CollapseWarning, RateDistortionAutoencoder, ScaleWarning
    from .model_file import load_model, save_model

__all__ = [
    "ACTIVATIONS", "Activation", "CollapseWarning", "Comparison", "DivergenceError", "Forward",
    "GradientReport", "Parameters", "RateDistortion", "RateDistortionAutoencoder", "Result",
    "SampleEntropy", "ScaleWarning", "SingularGramWarning", "Terms", "__version__", "check_gradient", "compare",
    "compare_file",
    "conditional_entropy", "continuation", "distortion", "distortion_gradients", "entropy_gradients", "forward",
    "gaussian_gram", "gradient_ascent", "gram_pullback", "graph_laplacian", "initial_parameters",
    "joint_entropy", "joint_entropy_gradient", "load_model", "maximize", "maximize_at_distortion",
    "median_distance", "mutual_information", "normalize_gram", "product_entropy_gradient", "progress_bar",
    "renyi_entropy", "renyi_entropy_gradient", "sample_entropy", "save_model",
]  # fmt: skip

# Imported when they are asked for, as they load scikit-learn where it is installed.
_LATER = {
    "CollapseWarning": "estimator",
    "RateDistortionAutoencoder": "estimator",
    "ScaleWarning": "estimator",
    "load_model": "model_file",
    "save_model": "model_file",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
