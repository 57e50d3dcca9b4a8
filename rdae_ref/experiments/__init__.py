"""The experiments: one file per figure, each with run -> result, draw -> Figure, claims -> table, write -> files."""

import importlib
from types import ModuleType
from typing import NamedTuple

from .._validation import as_choice

__all__ = ["FIGURES", "Experiment", "load"]


class Experiment(NamedTuple):
    """Where a figure comes from.

    Parameters
    ----------
    module : str
        In this folder.
    title : str
        What it shows.
    supplementary : bool
        Not in the paper: drawn when it is asked for.
    digits : bool
        Made from handwritten digits, which have to be there.
    """

    module: str
    title: str
    supplementary: bool = False
    digits: bool = False


FIGURES = {
    "1": Experiment("figure1", "Gaussian data: outputs of linear, ReLU and logsig units"),
    "2": Experiment("figure2", "Mixture data: outputs of linear, ReLU, logsig and saturated linear units"),
    "3": Experiment("figure3", "Mixture data: energy landscapes of three auto-encoders with softplus units"),
    "4": Experiment("figure4", "Handwritten digits: analysis and synthesis bases of 200 logsig units", digits=True),
    "choices": Experiment("choices", "Figure 1 again, with other answers to what the paper leaves open", True),
    "constraint": Experiment("constraint", "Jumps of D(µ), and the rate–distortion curve of Eq. (14)", True),
    "motivation": Experiment("motivation", "Gaussian data: water-filling, PCA and the auto-encoder (§2.1)", True),
    "rate-distortion": Experiment("rate_distortion", "Finite sources: R(D) with bounds, and closed forms", True),
    "manifold": Experiment("manifold", "Noisy circle and arc: the stochastic map onto points, Eq. (1)", True),
    "beta-vae": Experiment("beta_vae", "beta-VAE: on the water-filling curve, and the bound on I(X; Z)", True),
    "disentanglement": Experiment("disentanglement", "beta-VAE: what latents tell of known factors, over beta", True),
    "irmae": Experiment("irmae", "IRMAE: linear layers lower the rank of the codes, and why", True),
    "representation": Experiment("representation", "IRMAE and beta-VAE: interpolation, generation, linear probe", True),
    "plane": Experiment("plane", "Every model in one rate-distortion plane, with the bound of its own samples", True),
    "batches": Experiment("batching", "Handwritten digits: gradients of clustered and of random batches", True, True),
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
    return importlib.import_module(f".{FIGURES[as_choice(name, 'figure', FIGURES)].module}", __name__)
