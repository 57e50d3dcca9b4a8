"""Why pre-clustering (§4.2): the entropy gradient of all samples against that of clustered and of random batches.

Also the reason that the paper gives: the share of the Gram matrix in the blocks of the clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...autoencoder import Parameters, initial_parameters
from ...data.batches import Rows, clustered_batches, energy_in_blocks, random_batches
from ...data.digits import centred, fingerprint, load_digits
from ...matrices import gaussian_gram
from ...objective import RateDistortion
from ...optimize import BatchedObjective, batch_ascent
from ...pytree import ravel
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, legend_below, new_figure, plain_ticks
from ..protocol import Result, run_tasks, write_result
from ..training import finished

__all__ = ["Agreement", "Result", "Settings", "Task", "agreement", "claims", "draw", "measure_one", "run", "write"]

KINDS = ("clustered", "random")
POINTS = ("start", "trained")


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    n_digits: int = 20_000  # from which the samples are drawn
    n_samples: int = 2000  # few enough for the gradient of all of them
    n_hidden: int = 200
    mu: float = 0.5  # this and the next three as for Figure 4
    sigma: float = 8.4
    alpha: float = 1.01
    sizes: tuple[int, ...] = (50, 100, 200, 500, 1000)  # most samples in a batch: more than in a narrow cluster
    blocks: int = 200  # the size that is the bound for the Gram matrix
    sigmas: tuple[float, ...] = (1.05, 2.1, 4.2, 8.4)  # kernel sizes for it
    start: float = 0.01  # of the training, as for Figure 4 but shorter
    step_size: float = 0.005
    momentum: float = 0.9
    largest: int = 500
    epochs: int = 30
    seeds: tuple[int, ...] = (0, 1, 2)  # of digits, start and clustering; the figure shows medians


@dataclass(frozen=True)
class Task:
    """One seed."""

    seed: int
    settings: Settings
    pixels: str  # a digest of the digits
    source: str = field(repr=False)  # where they are; it does not change the numbers


class Agreement(NamedTuple):
    """How close a gradient g is to that of all samples, G."""

    angle: float  # between the two, in degrees
    error: float  # |g − G| / |G|


def agreement(g: Array, G: Array) -> Agreement:
    """Return angle and relative error of a gradient g compared with that of all samples, G; neither is zero."""
    norms = np.linalg.norm(g), np.linalg.norm(G)
    unit, UNIT = g / norms[0], G / norms[1]
    # Not arccos of the cosine, which has no digits left near 0°.
    angle = 2 * np.arctan2(np.linalg.norm(unit - UNIT), np.linalg.norm(unit + UNIT))
    return Agreement(float(np.degrees(angle)), float(np.linalg.norm(g - G) / norms[1]))


def measure_one(task: Task) -> dict[str, Any]:
    """Measure gradients at the start and after training, and the Gram matrix.

    The outcome has ``mean`` and ``single``, angle and error by point, kind and size: of the mean over batches, and the
    median of those of single batches; ``by_sigma``, those of the mean after training, by kind and kernel size;
    ``blocks``, the share of the Gram matrix in blocks, likewise; ``order``, samples sorted by cluster; ``K``.
    """
    s, rng = task.settings, np.random.default_rng([task.seed, 0])
    X = centred(load_digits(task.source, s.n_digits))
    X = X[rng.choice(len(X), s.n_samples, replace=False)]
    start = initial_parameters(X.shape[1], s.n_hidden, rng, scale=s.start)
    divisions = [_divisions(X, size, rng) for size in s.sizes]
    trained, which = _trained(X, start, s, rng), s.sizes.index(s.blocks)
    blocks = divisions[which]
    table = np.array([_agreements(X, parameters, divisions, s) for parameters in (start, trained)])
    found = {s.sigma: table[1, :, which, 0]}  # by kernel size: the mean over batches, trained
    for sigma in set(s.sigmas) - {s.sigma}:
        found[sigma] = np.array(_agreements(X, trained, [blocks], replace(s, sigma=sigma)))[:, 0, 0]
    shares = [[energy_in_blocks(gaussian_gram(X, sigma), blocks[kind]) for sigma in s.sigmas] for kind in KINDS]
    shown = {"order": np.concatenate(blocks["clustered"]), "K": len(X) * gaussian_gram(X, s.sigma)}
    by_sigma = np.stack([found[sigma] for sigma in s.sigmas], axis=1)
    return {"mean": table[..., 0, :], "single": table[..., 1, :], "by_sigma": by_sigma, "blocks": shares, **shown}


def _divisions(X: Array, size: int, rng: np.random.Generator) -> dict[str, list[Rows]]:
    clustered = clustered_batches(X, size, rng)
    return {"clustered": clustered, "random": random_batches([len(rows) for rows in clustered], rng)}


def _objective(X: Array, s: Settings, mu: float) -> RateDistortion:
    return RateDistortion(X, activation="logsig", alpha=s.alpha, mu=mu, sigma_x=s.sigma, sigma_xhat=s.sigma)


def _trained(X: Array, start: Parameters, s: Settings, rng: np.random.Generator) -> Parameters:
    batches = clustered_batches(X, s.largest, rng)
    batched = BatchedObjective([_objective(X[rows], s, s.mu) for rows in batches], [len(rows) for rows in batches])
    found = batch_ascent(batched, start, step_size=s.step_size, momentum=s.momentum, n_epochs=s.epochs, rng=rng)
    return finished(found).x


Table = list[list[tuple[Agreement, Agreement]]]


def _agreements(X: Array, parameters: Parameters, divisions: Sequence[dict[str, list[Rows]]], s: Settings) -> Table:
    """Return, by kind and division, the agreement of the mean over batches, and of the median single batch."""
    whole = _entropy_gradient(X, parameters, s)

    def agreements(batches: list[Rows]) -> tuple[Agreement, Agreement]:
        gradients = [_entropy_gradient(X[rows], parameters, s) for rows in batches]
        mean = np.average(gradients, axis=0, weights=[len(rows) for rows in batches])
        singles = np.median([agreement(g, whole) for g in gradients], axis=0)
        return agreement(mean, whole), Agreement(*singles)

    return [[agreements(division[kind]) for division in divisions] for kind in KINDS]


def _entropy_gradient(X: Array, parameters: Parameters, s: Settings) -> Array:
    """Return the gradient of S(K_X | K_X̂) by all parameters: that of the objective at μ = 0."""
    return ravel(_objective(X, s, 0.0).value_and_gradient(parameters)[1])[0]


def run(
    settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None, source: str
) -> Result:
    """Measure for every seed; keys are (seed,)."""
    s = settings or Settings()
    pixels = fingerprint(load_digits(source, s.n_digits))
    tasks = {(seed,): Task(seed, s, pixels, source) for seed in s.seeds}
    return Result(s, run_tasks(measure_one, tasks, folder, workers, "batches"))


def draw(result: Result) -> Figure:
    """Draw the Gram matrix before and after sorting, and how gradients agree."""
    with new_figure(7.2, 4.6) as figure:
        gram, over_size = figure.subplots(2, 3)
        _draw_gram(figure, gram, result)
        _draw_over_size(over_size, result)
        entries = over_size[0].get_legend_handles_labels()
        gram[2].legend(*entries, loc="center right", title="batches, weights", fontsize=7)
        gram[2].axis("off")
    return figure


def draw_sigma(result: Result) -> Figure:
    """Draw over the kernel size the share of the Gram matrix in blocks, and how gradients agree."""
    s, outcomes = result.settings, result.runs.values()
    with new_figure(7.2, 2.6) as figure:
        panels = figure.subplots(1, 3)
        for k, kind in enumerate(KINDS):
            _line(panels[0], s.sigmas, [out["blocks"][k] for out in outcomes], kind, label=f"{kind} batches")
            for column in (0, 1):
                _line(panels[1 + column], s.sigmas, [out["by_sigma"][k, :, column] for out in outcomes], kind)
        said = f"≤ {s.blocks}"
        titles = (f"(a) in clusters {said}", f"(b) mean, {said}, trained", f"(c) mean, {said}, trained")
        labels = (r"share of $\sum_{i\neq j} K_{ij}^2$", ANGLE, ERROR)
        for axes, title, label in zip(panels, titles, labels, strict=True):
            axes.axvline(s.sigma, color=COLOURS["grey"], lw=0.8, ls=":")
            axes.set(title=title, xlabel=r"kernel size $\sigma$", ylabel=label, ylim=(0, None))
        legend_below(figure, panels)
    return figure


STYLES = {"clustered": ("vermilion", "o-"), "random": ("blue", "s--")}
ANGLE, ERROR = "angle to the whole, degrees", "relative error"


def _draw_gram(figure: Figure, panels: Any, result: Result) -> None:
    s, first = result.settings, result.first()
    every = max(1, s.n_samples // 250)
    for axes, order, title in (
        (panels[0], np.arange(s.n_samples), "(a) Gram matrix, as drawn"),
        (panels[1], first["order"], f"(b) sorted by cluster, ≤ {s.blocks}"),
    ):
        shown = order[::every]
        image = axes.imshow(first["K"][np.ix_(shown, shown)], vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
        axes.set(title=title, xticks=[], yticks=[], frame_on=False)
    scale = panels[2].inset_axes((-0.25, 0.1, 0.06, 0.8))  # so that the gap below is no wider
    figure.colorbar(image, cax=scale, label=rf"kernel, $\sigma$ = {s.sigma:g}")


def _draw_over_size(panels: Any, result: Result) -> None:
    for axes, which, column, title in (
        (panels[0], "mean", 0, "(c) mean over batches"),
        (panels[1], "mean", 1, "(d) mean over batches"),
        (panels[2], "single", 0, "(e) one batch, median"),
    ):
        for p, point in enumerate(POINTS):
            for k, kind in enumerate(KINDS):
                values = [out[which][p, k, :, column] for out in result.runs.values()]
                _line(axes, result.settings.sizes, values, kind, alpha=0.4 if p == 0 else 1, label=f"{kind}, {point}")
        axes.set(title=title, xlabel="most samples in a batch", ylabel=ERROR if column else ANGLE, ylim=(0, None))


def _line(axes: Any, x: Sequence[float], runs: Sequence[Array], kind: str, **more: Any) -> None:
    """Draw the median over seeds."""
    colour, style = STYLES[kind]
    axes.semilogx(x, np.median(runs, axis=0), style, ms=4, color=COLOURS[colour], **more)
    plain_ticks(axes, x, fontsize=7)


BLOCKS = (
    "the Gram matrix employed to compute the entropy measure is approximately block diagonal after reordering the "
    "samples by clustering"
)
BETTER = "(§4.2) so that clustered batches give a better estimate of the gradient than randomly sampled data"


def claims(result: Result) -> list[Claim]:
    """Compare what the paper says about batches with the runs."""
    s, outcomes = result.settings, list(result.runs.values())
    quantity = f"share of Σ K_ij² off the diagonal that lies in clusters of up to {s.blocks} of {s.n_samples}"
    shares = [out["blocks"][0, s.sigmas.index(s.sigma)] for out in outcomes]
    table = [claim("batches", BLOCKS, quantity, shares, at_least=0.5)]
    for which, what in (("mean", "mean over batches"), ("single", "median single batch")):
        for p, point in enumerate(POINTS):
            for column, name in enumerate(Agreement._fields):
                ratios = [
                    float(np.median(out[which][p, 0, :, column] / out[which][p, 1, :, column])) for out in outcomes
                ]
                quantity = f"{what}, {point}: {name}, clustered over random, median over sizes"
                table.append(claim("batches", BETTER, quantity, ratios, at_most=1))
    return table


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write batches.png, .csv and .json, and what depends on the kernel size as batches_sigma.png and .csv."""
    s = result.settings
    over_size = (
        (*key, which, POINTS[p], KINDS[k], s.sizes[i], *map(float, out[which][p, k, i]))
        for key, out in result.runs.items()
        for which in ("mean", "single")
        for p, k, i in np.ndindex(out[which].shape[:-1])
    )
    over_sigma = (
        (*key, kind, sigma, float(out["blocks"][k, i]), *map(float, out["by_sigma"][k, i]))
        for key, out in result.runs.items()
        for k, kind in enumerate(KINDS)
        for i, sigma in enumerate(s.sigmas)
    )
    tables = {
        "batches": (("seed", "of", "point", "kind", "size", *Agreement._fields), over_size),
        "batches_sigma": (("seed", "kind", "sigma", "share_in_blocks", *Agreement._fields), over_sigma),
    }
    more: dict[str, Any] = {"seed": False, "all_files": all_files, "figures": {"batches_sigma": draw_sigma(result)}}
    return write_result(result, folder, "batches", claims(result), draw(result), tables, **more)
