"""The experiments: Figures 1 to 4, each a module that follows `protocol.FigureModule`; all others in `supplement`."""

import importlib
from typing import NamedTuple, cast

from .._validation import as_choice
from .protocol import FigureModule

__all__ = ["FIGURES", "VARIED", "Experiment", "load", "stem"]


class Experiment(NamedTuple):
    """What a figure shows, and what drawing it takes."""

    title: str
    supplementary: bool = False  # not in the paper: drawn on demand
    digits: bool = False  # needs handwritten digits
    more_with_digits: bool = False


FIGURES = {
    "1": Experiment("Gaussian data: outputs of linear, ReLU and logsig units"),
    "2": Experiment("Mixture data: outputs of linear, ReLU, logsig and saturated linear units"),
    "3": Experiment("Mixture data: energy landscapes of three auto-encoders with softplus units"),
    "4": Experiment("Handwritten digits: analysis and synthesis bases of 200 logsig units", digits=True),
    "ascent": Experiment("Figure 1 by the paper's own gradient ascent: from a reconstruction, in nats, direct", True),
    "samples": Experiment("Claims of Figures 1 to 3 over the number of samples", True),
    "choices": Experiment("Figure 1 again, with other answers to what the paper leaves open", True),
    "constraint": Experiment("Jumps of D(µ), and the rate–distortion curve of Eq. (14)", True),
    "motivation": Experiment("Gaussian data: water-filling, PCA and the auto-encoder (§2.1)", True),
    "rate-distortion": Experiment("Finite sources: R(D) with bounds, and closed forms", True),
    "manifold": Experiment("Noisy circle and arc: the stochastic map onto points, Eq. (1)", True),
    "beta-vae": Experiment("beta-VAE: on the water-filling curve, and the bound on I(X; Z)", True),
    "disentanglement": Experiment("beta-VAE: information of the latents about known factors, over beta", True),
    "irmae": Experiment("IRMAE: rank of the codes and of the data, and why", True, more_with_digits=True),
    "digits": Experiment("Handwritten digits: codes of every model, and one rate-distortion plane", True, True),
    "public": Experiment("Published numbers, ours and exact ones, on the same problems", True, more_with_digits=True),
    "digit-vae": Experiment("Binarised digits: rate and distortion of the beta-VAE over beta, in nats", True, True),
    "plane": Experiment("Every model in one rate-distortion plane, with the bound of its own samples", True),
    "batches": Experiment("Handwritten digits: gradients of clustered and of random batches", True, True),
}


VARIED = ("1", "2", "3")  # also drawn in the variants of `training.VARIANTS`


def load(name: str) -> FigureModule:
    """Return the module of a figure by its key in `FIGURES`; a ``ValueError`` names the keys."""
    experiment = FIGURES[as_choice(name, "figure", FIGURES)]
    module = f"supplement.figure_{stem(name)}" if experiment.supplementary else stem(name)
    return cast(FigureModule, importlib.import_module(f"{__name__}.{module}"))


def stem(name: str) -> str:
    """Return the name of a figure's files without the ending, as in ``figure1`` or ``beta_vae``."""
    return name.replace("-", "_") if FIGURES[name].supplementary else f"figure{name}"
