"""The experiments: one file per figure, each with run -> result, draw -> Figure, claims -> table, write -> files."""

import importlib
from types import ModuleType
from typing import NamedTuple

from .._validation import as_choice

__all__ = ["FIGURES", "Experiment", "load", "stem"]


class Experiment(NamedTuple):
    """Where a figure comes from.

    Parameters
    ----------
    title : str
        What it shows.
    supplementary : bool
        Not in the paper: drawn when it is asked for.
    digits : bool
        Made from handwritten digits, which have to be there.
    """

    title: str
    supplementary: bool = False
    digits: bool = False


FIGURES = {
    "1": Experiment("Gaussian data: outputs of linear, ReLU and logsig units"),
    "2": Experiment("Mixture data: outputs of linear, ReLU, logsig and saturated linear units"),
    "3": Experiment("Mixture data: energy landscapes of three auto-encoders with softplus units"),
    "4": Experiment("Handwritten digits: analysis and synthesis bases of 200 logsig units", digits=True),
    "choices": Experiment("Figure 1 again, with other answers to what the paper leaves open", True),
    "constraint": Experiment("Jumps of D(µ), and the rate–distortion curve of Eq. (14)", True),
    "motivation": Experiment("Gaussian data: water-filling, PCA and the auto-encoder (§2.1)", True),
    "rate-distortion": Experiment("Finite sources: R(D) with bounds, and closed forms", True),
    "manifold": Experiment("Noisy circle and arc: the stochastic map onto points, Eq. (1)", True),
    "beta-vae": Experiment("beta-VAE: on the water-filling curve, and the bound on I(X; Z)", True),
    "disentanglement": Experiment("beta-VAE: what latents tell of known factors, over beta", True),
    "irmae": Experiment("IRMAE: linear layers lower the rank of the codes, and why", True),
    "representation": Experiment("IRMAE and beta-VAE: interpolation, generation, linear probe", True),
    "plane": Experiment("Every model in one rate-distortion plane, with the bound of its own samples", True),
    "batches": Experiment("Handwritten digits: gradients of clustered and of random batches", True, True),
}


def load(name: str) -> ModuleType:
    """Return the module of a figure.

    Parameters
    ----------
    name : str
        A key of `FIGURES`.

    Returns
    -------
    module
        With ``run``, ``draw``, ``claims`` and ``write``.

    Raises
    ------
    ValueError
        If there is no such figure.
    """
    experiment = FIGURES[as_choice(name, "figure", FIGURES)]
    module = f"supplement.figure_{stem(name)}" if experiment.supplementary else stem(name)
    return importlib.import_module(f"{__name__}.{module}")


def stem(name: str) -> str:
    """Return the name of a figure's files, without the ending.

    Parameters
    ----------
    name : str
        A key of `FIGURES`.

    Returns
    -------
    str
        As in ``figure1`` or ``beta_vae``.
    """
    return name.replace("-", "_") if FIGURES[name].supplementary else f"figure{name}"
