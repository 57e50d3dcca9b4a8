"""Why pre-clustering (§4.2): the entropy gradient of the whole beside that of clustered and of random batches.

And the reason that the paper gives: how much of the Gram matrix lies in the blocks of the clusters.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...autoencoder import Parameters, initial_parameters
from ...data.batches import Rows, clustered_batches, energy_in_blocks, random_batches
from ...data.digits import centred, fingerprint, load_digits
from ...gram import gaussian_gram
from ...objective import RateDistortion
from ...optimize import BatchedObjective, batch_ascent
from ...pytree import ravel
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, paper_style, write_csv, write_figure, write_json
from ..runs import Outcome, run_all
from ..training import finished

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Agreement", "Result", "Settings", "Task", "agreement", "claims", "draw", "measure_one", "run", "write"]

KINDS = ("clustered", "random")
POINTS = ("start", "trained")


@dataclass(frozen=True)
class Settings:
    """What the numbers of the figure depend on.

    Parameters
    ----------
    n_digits : int
        From which the samples are drawn.
    n_samples : int
        N of the whole, whose gradient is still at hand.
    n_hidden : int
        p.
    mu, sigma, alpha : float
        As for Figure 4.
    sizes : tuple of int
        Most samples in a batch, each above the number of samples in a narrow cluster.
    blocks : int
        Which of them is the bound for the Gram matrix.
    sigmas : tuple of float
        Kernel sizes for it.
    start, step_size, momentum, largest, epochs : float, int
        Of the training, as for Figure 4 but shorter.
    seeds : tuple of int
        One draw of digits, start and clustering for each. The figure shows medians, and the first one's Gram matrix.
    """

    n_digits: int = 20_000
    n_samples: int = 2000
    n_hidden: int = 200
    mu: float = 0.5
    sigma: float = 8.4
    alpha: float = 1.01
    sizes: tuple[int, ...] = (50, 100, 200, 500, 1000)
    blocks: int = 200
    sigmas: tuple[float, ...] = (1.05, 2.1, 4.2, 8.4)
    start: float = 0.01
    step_size: float = 0.005
    momentum: float = 0.9
    largest: int = 500
    epochs: int = 30
    seeds: tuple[int, ...] = (0, 1, 2)


@dataclass(frozen=True)
class Task:
    """One seed.

    Parameters
    ----------
    seed : int
        Of digits, start and clustering.
    settings : Settings
        The rest.
    pixels : str
        A digest of the digits.
    source : str
        Where they are; it does not change the numbers.
    """

    seed: int
    settings: Settings
    pixels: str
    source: str = field(repr=False)


class Result(NamedTuple):
    """All runs of the figure.

    Parameters
    ----------
    settings : Settings
        What they depend on.
    runs : dict
        Outcome by seed.
    """

    settings: Settings
    runs: dict[int, Outcome]


class Agreement(NamedTuple):
    """How a gradient agrees with that of the whole.

    Parameters
    ----------
    angle : float
        Between the two, in degrees.
    error : float
        |g − G| / |G|.
    """

    angle: float
    error: float


def agreement(g: Array, G: Array) -> Agreement:
    """Return angle and relative error of a gradient g beside the one of the whole, G.

    Parameters
    ----------
    g, G : Array, shape (n,)
        Neither zero.

    Returns
    -------
    Agreement
        Angle in degrees, and relative error.
    """
    norms = np.linalg.norm(g), np.linalg.norm(G)
    unit, UNIT = g / norms[0], G / norms[1]
    # Not arccos of the cosine, which has no digits left near 0°.
    angle = 2 * np.arctan2(np.linalg.norm(unit - UNIT), np.linalg.norm(unit + UNIT))
    return Agreement(float(np.degrees(angle)), float(np.linalg.norm(g - G) / norms[1]))


def measure_one(task: Task) -> dict[str, Any]:
    """Measure gradients at the start and after training, and the Gram matrix.

    Parameters
    ----------
    task : Task
        Seed and settings.

    Returns
    -------
    dict
        mean and single, arrays of angle and error by point, kind and size: of the mean over batches, and the median of
        those of single batches; by_sigma, those of the mean after training, by kind and kernel size; blocks, the share
        of the Gram matrix in blocks, likewise; order, samples sorted by cluster, and K, the Gram matrix.
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
    """Return, by kind and division, how the mean over batches agrees with the whole, and the median single batch."""
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
    settings: Settings | None = None,
    *,
    folder: str | os.PathLike[str] = "figures",
    workers: Workers = None,
    source: str,
) -> Result:
    """Measure for every seed.

    Parameters
    ----------
    settings : Settings, optional
        Those of the figure, if there are none.
    folder : path-like
        Finished runs are kept in its subfolder ``.runs``.
    workers : int, callable or None
        See `rdae_ref.experiments.runs.run_all`.
    source : str
        Where the digits are: see `rdae_ref.data.digits.load_digits`.

    Returns
    -------
    Result
        The outcome of each run.
    """
    s = settings or Settings()
    pixels = fingerprint(load_digits(source, s.n_digits))
    tasks = [Task(seed, s, pixels, source) for seed in s.seeds]
    outcomes = run_all(measure_one, tasks, folder=Path(folder) / ".runs", workers=workers, description="batches")
    return Result(s, dict(zip(s.seeds, outcomes, strict=True)))


def draw(result: Result) -> "Figure":
    """Draw the Gram matrix before and after sorting, its share in blocks, and how gradients agree.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    matplotlib.figure.Figure
        Eight panels.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  # only drawing needs it

    with paper_style():
        figure = Figure(figsize=(7.2, 6.6), layout="constrained")
        gram, over_size, over_sigma = figure.subplots(3, 3)
        _draw_gram(figure, gram, result)
        _draw_over_size(over_size, result)
        _draw_over_sigma(over_sigma, result)
        entries = over_size[0].get_legend_handles_labels()
        gram[2].legend(*entries, loc="center right", title="batches, weights", fontsize=7)
        gram[2].axis("off")
    return figure


STYLES = {"clustered": ("vermilion", "o-"), "random": ("blue", "s--")}
ANGLE, ERROR = "angle to the whole, degrees", "relative error"


def _draw_gram(figure: "Figure", panels: Any, result: Result) -> None:
    s, first = result.settings, result.runs[result.settings.seeds[0]]
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


def _draw_over_sigma(panels: Any, result: Result) -> None:
    s, outcomes = result.settings, result.runs.values()
    for k, kind in enumerate(KINDS):
        _line(panels[0], s.sigmas, [out["blocks"][k] for out in outcomes], kind)
        for column in (0, 1):
            _line(panels[1 + column], s.sigmas, [out["by_sigma"][k, :, column] for out in outcomes], kind)
    said = f"≤ {s.blocks}"
    for axes, title, label in zip(
        panels,
        (f"(f) in clusters {said}", f"(g) mean, {said}, trained", f"(h) mean, {said}, trained"),
        (r"share of $\sum_{i\neq j} K_{ij}^2$", ANGLE, ERROR),
        strict=True,
    ):
        axes.axvline(s.sigma, color=COLOURS["grey"], lw=0.8, ls=":")
        axes.set(title=title, xlabel=r"kernel size $\sigma$", ylabel=label, ylim=(0, None))


def _line(axes: Any, x: Sequence[float], runs: Sequence[Array], kind: str, **more: Any) -> None:
    """Draw the median over seeds."""
    colour, style = STYLES[kind]
    axes.semilogx(x, np.median(runs, axis=0), style, ms=4, color=COLOURS[colour], **more)
    axes.set_xticks(x, [f"{value:g}" for value in x], fontsize=7)
    axes.minorticks_off()


BLOCKS = (
    "the Gram matrix employed to compute the entropy measure is approximately block diagonal after reordering the "
    "samples by clustering"
)
BETTER = "(§4.2) so that clustered batches give a better estimate of the gradient than randomly sampled data"


def claims(result: Result) -> list[Claim]:
    """Hold what the paper says about batches against the runs.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    list of Claim
        Over all seeds.
    """
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


def write(result: Result, folder: str | os.PathLike[str]) -> Sequence[Claim]:
    """Write batches.png, .svg, .csv, .json, and what depends on the kernel size as batches_sigma.csv.

    Parameters
    ----------
    result : Result
        Of `run`.
    folder : path-like
        Made if it is not there.

    Returns
    -------
    sequence of Claim
        As in the JSON file.
    """
    table, s = claims(result), result.settings
    write_figure(draw(result), folder, "batches")
    write_csv(folder, "batches", ("seed", "of", "point", "kind", "size", *Agreement._fields), _rows(result))
    over_sigma = (
        (seed, kind, sigma, float(out["blocks"][k, i]), *map(float, out["by_sigma"][k, i]))
        for seed, out in result.runs.items()
        for k, kind in enumerate(KINDS)
        for i, sigma in enumerate(s.sigmas)
    )
    columns = ("seed", "kind", "sigma", "share_in_blocks", *Agreement._fields)
    write_csv(folder, "batches_sigma", columns, over_sigma)
    write_json(folder, "batches", asdict(s) | {"units": "bits"}, table)
    return table


def _rows(result: Result) -> Iterator[tuple[object, ...]]:
    for seed, out in result.runs.items():
        for which in ("mean", "single"):
            for (p, k, i), _ in np.ndenumerate(out[which][..., 0]):
                yield seed, which, POINTS[p], KINDS[k], result.settings.sizes[i], *map(float, out[which][p, k, i])
