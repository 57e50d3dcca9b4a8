"""IRMAE with decoupled weight decay, by one recipe: rank of the codes beside the rank of the data.

Spectra on shapes of seven factors and on curved manifolds of 3, 5 and 8 dimensions, beside the same networks without
linear layers and decay; and a map of the rank over linear layers, decay and width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, new_figure
from ..protocol import Result, run_tasks, write_result
from .deep_training import EXACT, DeepTask, DeepTraining, train

__all__ = ["Result", "Settings", "claims", "draw", "key_of", "run", "write"]

EXACTLY = "the rank of the covariance matrix of the codes is implicitly minimized"
COMPACT = "The model … is simple, deterministic, and learns compact latent spaces"
GAPS = {"shapes": 100.0, "manifold": 10.0}  # asked of singular value d over singular value d + 1


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    trainings: tuple[DeepTraining, ...] = EXACT
    n_linear: int = 3  # l of the recipe
    map_of: DeepTraining = EXACT[0]
    map_n_linear: tuple[int, ...] = (0, 2, 3, 4, 8)
    map_decay: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1)
    map_widths: tuple[float, ...] = (0.5, 1.0)  # times the units of the recipe
    seeds: tuple[int, ...] = (0, 1, 2)


Key = tuple[str, int, int, float, int, int]


def key_of(training: DeepTraining, n_linear: int, seed: int) -> Key:
    """Return data, dimension, l, decay, width and seed, which name a run in the tables."""
    return training.data, training.dimension, n_linear, training.decay, training.hidden[0], seed


def plain(training: DeepTraining) -> DeepTraining:
    """Return the training without decay, which is compared at l = 0."""
    return replace(training, decay=0.0)


def on_map(settings: Settings) -> Iterator[tuple[DeepTraining, int]]:
    """Yield the trainings of the map, with their l."""
    for width, decay, n_linear in product(settings.map_widths, settings.map_decay, settings.map_n_linear):
        hidden = tuple(round(width * units) for units in settings.map_of.hidden)
        yield replace(settings.map_of, hidden=hidden, decay=decay), n_linear


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Train all networks; the keys are those of `key_of`."""
    s = settings or Settings()
    chosen = [(training, s.n_linear, seed) for training in s.trainings for seed in s.seeds]
    chosen += [(plain(training), 0, seed) for training in s.trainings for seed in s.seeds]
    chosen += [(training, n_linear, s.seeds[0]) for training, n_linear in on_map(s)]
    tasks = {key_of(*one): DeepTask("irmae", one[1], one[2], one[0]) for one in chosen}
    return Result(s, run_tasks(train, tasks, folder, workers, "rank"))


def draw(result: Result) -> Figure:
    """Draw the spectra of all seeds, and the map of the rank."""
    s = result.settings
    with new_figure(7.2, 4.6) as figure:
        upper, lower = figure.subfigures(2, 1)
        for axes, training in zip(
            upper.subplots(1, len(s.trainings), sharey=True, squeeze=False)[0], s.trainings, strict=True
        ):
            for one, n_linear, colour in ((plain(training), 0, "grey"), (training, s.n_linear, "vermilion")):
                for seed in s.seeds:
                    values = result.runs[key_of(one, n_linear, seed)]["singular_values"]
                    axes.semilogy(
                        np.arange(1, values.size + 1), values / values[0], ".-", ms=3, lw=0.8, color=COLOURS[colour]
                    )
            axes.axvline(training.dimension + 0.5, color="black", lw=0.7, ls=":")
            axes.set(title=f"{training.data}, d = {training.dimension}", xlabel="index", ylim=(1e-12, 10))
        figure.axes[0].set_ylabel("singular value / largest")
        _draw_map(lower, result)
    return figure


def _draw_map(figure: Any, result: Result) -> None:
    s, cells = result.settings, iter(on_map(result.settings))
    for axes, width in zip(figure.subplots(1, len(s.map_widths), squeeze=False)[0], s.map_widths, strict=True):
        ranks = np.zeros((len(s.map_decay), len(s.map_n_linear)))
        for place in np.ndindex(ranks.shape):
            training, n_linear = next(cells)
            ranks[place] = result.runs[key_of(training, n_linear, s.seeds[0])]["rank"]
            axes.text(*place[::-1], f"{ranks[place]:.0f}", ha="center", va="center", fontsize=8)
        axes.imshow(ranks - s.map_of.dimension, cmap="RdBu_r", vmin=-8, vmax=8, aspect="auto")
        axes.set_xticks(range(len(s.map_n_linear)), [f"l = {n}" for n in s.map_n_linear])
        axes.set_yticks(range(len(s.map_decay)), [f"{decay:g}" for decay in s.map_decay])
        units = round(width * s.map_of.hidden[0])
        axes.set(title=f"rank on {s.map_of.data}, {units} units in the first layer", ylabel="decay")


def claims(result: Result) -> list[Claim]:
    """Compare rank, gap and error with what the rank of the data asks for."""
    s, table = result.settings, []
    for training in s.trainings:
        name, d = f"{training.data} of {training.dimension} dimensions", training.dimension
        outs = [result.runs[key_of(training, s.n_linear, seed)] for seed in s.seeds]
        before = [result.runs[key_of(plain(training), 0, seed)] for seed in s.seeds]
        off = [abs(int(out["rank"]) - d) for out in outs]
        gaps = [float(out["singular_values"][d - 1] / out["singular_values"][d]) for out in outs]
        ratios = [float(a["test_distortion"] / b["test_distortion"]) for a, b in zip(outs, before, strict=True)]
        table += [
            claim("rank", EXACTLY, f"{name}: effective rank, off by", off, at_most=0),
            claim("rank", EXACTLY, f"{name}: singular value {d} over the next", gaps, at_least=GAPS[training.data]),
            claim("rank", COMPACT, f"{name}: error over that with l = 0 and no decay", ratios, at_most=2),
        ]
    return table


NAMES = ("data", "dimension", "n_linear", "decay", "width", "seed")
MEASURED = ("rank", "distortion", "test_distortion", "variance")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write rank.png, .csv and .json, and the spectra as rank_spectra.csv."""
    rows = ((*key, *(float(out[name]) for name in MEASURED)) for key, out in result.runs.items())
    spectra = ((*key, i, float(v)) for key, out in result.runs.items() for i, v in enumerate(out["singular_values"], 1))
    tables = {"rank": ((*NAMES, *MEASURED), rows), "rank_spectra": ((*NAMES, "index", "singular_value"), spectra)}
    more: dict[str, Any] = {"units": None, "all_files": all_files}
    return write_result(result, folder, "rank", claims(result), draw(result), tables, **more)
