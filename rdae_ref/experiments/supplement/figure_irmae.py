"""IRMAE with decoupled weight decay, by one recipe: rank of the codes beside the rank of the data, and why.

Spectra on shapes of seven factors, beside the same networks without linear layers and decay, and on curved manifolds of
3, 5 and 8 dimensions; a map of the rank over linear layers, decay and width; handwritten digits, if they are there;
and deep linear networks, whose singular values are learned one after another, beside the closed form.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from ...data.digits import fingerprint, load_digits
from ...measures import effective_rank
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, Table, legend_below, new_figure
from ..protocol import Result, run_tasks, write_result
from .deep_training import DIGITS, EXACT, DeepTask, DeepTraining, spectra_table, train
from .linear_chains import STARTS, Chain, ChainTask, chain_claims, chains_table, draw_chain, follow

__all__ = ["Result", "Settings", "claims", "digit_tasks", "draw", "run", "write"]

EXACTLY = "the rank of the covariance matrix of the codes is implicitly minimized"
COMPACT = "The model … is simple, deterministic, and learns compact latent spaces"
LAYERS = (
    "By inserting a number of extra linear layers between the encoder and the decoder, "
    "the system spontaneously learns representations with a low effective dimension"
)
THRESHOLD = 1e-4  # of the largest singular value of the codes' covariance, 1 % of its standard deviation
GAPS = {"shapes": 100.0, "manifold": 10.0}  # asked of singular value d over singular value d + 1
SHORT = replace(EXACT[0], stages=((1e-3, 3000),))  # of the map, which has many
DEPTH_COLOURS = ("grey", "orange", "sky", "vermilion")


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    trainings: tuple[DeepTraining, ...] = EXACT
    n_linear: int = 4  # l of the recipe
    map_of: DeepTraining = SHORT
    map_n_linear: tuple[int, ...] = (0, 2, 4, 8)
    map_decay: tuple[float, ...] = (0.0, 0.04)
    map_widths: tuple[float, ...] = (0.5, 1.0)  # times the units of the recipe
    digits: DeepTraining = DIGITS
    digits_n_linear: tuple[int, ...] = (0, 2, 4, 8)
    chain: Chain = field(default_factory=Chain)
    seeds: tuple[int, ...] = (0, 1, 2)


def plain(training: DeepTraining) -> DeepTraining:
    """Return the training without decay, which is compared at l = 0."""
    return replace(training, decay=0.0)


def on_map(settings: Settings) -> Iterator[DeepTask]:
    """Yield the runs of the map."""
    for width, decay, n_linear in product(settings.map_widths, settings.map_decay, settings.map_n_linear):
        hidden = tuple(round(width * units) for units in settings.map_of.hidden)
        training = replace(settings.map_of, hidden=hidden, decay=decay)
        yield DeepTask("irmae", n_linear, settings.seeds[0], training)


def key_on_map(task: DeepTask) -> tuple[Any, ...]:
    """Return the key of a run of the map, whose training is shorter than the others."""
    return ("map of shapes", *task.key[1:])


def digit_tasks(
    training: DeepTraining, n_linear: Sequence[int], seeds: Sequence[int], folder: Folder, source: str
) -> list[DeepTask]:
    """Return the runs of IRMAE on digits, which `irmae` and `digits` have in common."""
    read = load_digits(source, training.n_samples), load_digits(source, training.n_test, "test")
    digits = "".join(map(fingerprint, read))
    return [DeepTask("irmae", n, seed, training, digits, source, folder) for n in n_linear for seed in seeds]


def run(
    settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None, source: str | None = None
) -> Result:
    """Train all networks; keys are data, l, decay, width and seed, or start, L and seed of a deep linear network.

    Without a source the digits are left out.
    """
    s = settings or Settings()
    tasks = [DeepTask("irmae", s.n_linear, seed, t, folder=folder) for t in s.trainings for seed in s.seeds]
    compared = [plain(training) for training in s.trainings if training.data == "shapes"]
    tasks += [DeepTask("irmae", 0, seed, training, folder=folder) for training in compared for seed in s.seeds]
    tasks += digit_tasks(s.digits, s.digits_n_linear, s.seeds, folder, source) if source else []
    deep: dict[Any, DeepTask] = {task.key: task for task in tasks} | {key_on_map(task): task for task in on_map(s)}
    chains = {key: ChainTask(*key, s.chain) for key in product(STARTS, s.chain.n_layers, s.seeds)}
    runs = run_tasks(train, deep, folder, workers, "irmae")
    return Result(s, runs | run_tasks(follow, chains, folder, workers, "irmae, linear networks"))


def over_seeds(result: Result, training: DeepTraining, n_linear: int) -> list[Any]:
    """Return the outcomes of a training with l linear layers, for every seed."""
    keys = [DeepTask("irmae", n_linear, seed, training).key for seed in result.settings.seeds]
    return [result.runs[key] for key in keys if key in result.runs]


def rank(outcome: Any) -> int:
    """Return the number of singular values above `THRESHOLD` of the largest."""
    return effective_rank(outcome["singular_values"], THRESHOLD)


def draw(result: Result) -> Figure:
    """Draw the spectra of all seeds, the map of the rank, and below the deep linear networks of the first."""
    s = result.settings
    with new_figure(7.2, 8.4) as figure:
        spectra, maps, chains = figure.subfigures(3, 1, height_ratios=[2.6, 2.6, 2.4])
        panels = spectra.subplots(1, len(s.trainings), sharey=True, squeeze=False)[0]
        for axes, training in zip(panels, s.trainings, strict=True):
            for one, n_linear, colour, name in (
                (plain(training), 0, "grey", "$l$ = 0, no decay"),
                (training, s.n_linear, "vermilion", f"$l$ = {s.n_linear}, decay {training.decay:g}"),
            ):
                _draw_spectra(axes, over_seeds(result, one, n_linear), colour, name)
            axes.axvline(training.dimension + 0.5, color="black", lw=0.7, ls=":")
            axes.set(title=f"{training.data}, $d$ = {training.dimension}", xlabel="index", ylim=(1e-12, 10))
        panels[0].set_ylabel("(a) singular value / largest")
        legend_below(spectra, panels)
        _draw_map(maps, result)
        rows = chains.subplots(1, len(s.chain.n_layers), sharey=True, squeeze=False)[0]
        for axes, n_layers in zip(rows, s.chain.n_layers, strict=True):
            draw_chain(axes, result, n_layers)
            axes.set_title(f"linear, $L$ = {n_layers}")
        rows[0].set_ylabel("(c) singular values $u_i$")
        legend_below(chains, rows)
    return figure


def _draw_spectra(axes: Any, outcomes: Sequence[Any], colour: str, name: str) -> None:
    for k, out in enumerate(outcomes):
        values, label = out["singular_values"], None if k else name
        index = np.arange(1, values.size + 1)
        axes.semilogy(index, values / values[0], ".-", ms=3, lw=0.8, color=COLOURS[colour], label=label)
    axes.xaxis.get_major_locator().set_params(integer=True)


def _draw_map(figure: Any, result: Result) -> None:
    s, tasks = result.settings, on_map(result.settings)
    others = figure.subplots(1, len(s.map_widths) + 1, squeeze=False)[0]
    for axes, width in zip(others, s.map_widths, strict=False):
        ranks = np.zeros((len(s.map_decay), len(s.map_n_linear)))
        for place in np.ndindex(ranks.shape):
            ranks[place] = rank(result.runs[key_on_map(next(tasks))])
            look = {"color": "white" if abs(ranks[place] - s.map_of.dimension) > 4 else "black", "fontsize": 8}
            axes.text(*place[::-1], f"{ranks[place]:.0f}", ha="center", va="center", **look)
        axes.imshow(ranks - s.map_of.dimension, cmap="RdBu_r", vmin=-8, vmax=8, aspect="auto")
        axes.set_xticks(range(len(s.map_n_linear)), [f"$l$ = {n}" for n in s.map_n_linear])
        axes.set_yticks(range(len(s.map_decay)), [f"{decay:g}" for decay in s.map_decay])
        axes.set_title(f"rank, {round(width * s.map_of.hidden[0])} units")
    others[0].set_ylabel("(b) decay")
    for n_linear, colour in zip(s.digits_n_linear, DEPTH_COLOURS, strict=False):
        _draw_spectra(others[-1], over_seeds(result, s.digits, n_linear), colour, f"$l$ = {n_linear}")
    others[-1].set(title="digits, singular value / largest", xlabel="index")
    if others[-1].lines:
        others[-1].legend(fontsize=7)


def claims(result: Result) -> list[Claim]:
    """Compare what the abstract of the IRMAE paper says with the runs."""
    return [*_rank_claims(result), *_digit_claims(result), *chain_claims(result)]


def _rank_claims(result: Result) -> Iterator[Claim]:
    s = result.settings
    for training in s.trainings:
        name, d = training.name, training.dimension
        outs, before = over_seeds(result, training, s.n_linear), over_seeds(result, plain(training), 0)
        off = [abs(rank(out) - d) for out in outs]
        gaps = [float(out["singular_values"][d - 1] / out["singular_values"][d]) for out in outs]
        yield claim("irmae", EXACTLY, f"{name}: effective rank, off {d} by", off, at_most=0)
        yield claim("irmae", EXACTLY, f"{name}: singular value {d} over the next", gaps, at_least=GAPS[training.data])
        if before:
            ratios = [float(a["test_distortion"] / b["test_distortion"]) for a, b in zip(outs, before, strict=True)]
            yield claim("irmae", COMPACT, f"{name}: error over that with l = 0 and no decay", ratios, at_most=2)


def _digit_claims(result: Result) -> Iterator[Claim]:
    s = result.settings
    before = over_seeds(result, s.digits, 0)
    for n_linear in s.digits_n_linear[1:] if before else ():
        pairs = list(zip(over_seeds(result, s.digits, n_linear), before, strict=True))
        fewer = [rank(out) - rank(base) for out, base in pairs]
        ratios = [float(out["test_distortion"] / base["test_distortion"]) for out, base in pairs]
        yield claim(
            "irmae", LAYERS, f"digits: effective rank with l = {n_linear}, minus that with l = 0", fewer, at_most=-1
        )
        yield claim("irmae", COMPACT, f"digits: error with l = {n_linear}, over that with l = 0", ratios, at_most=1.5)


COLUMNS = ("data", "n_linear", "decay", "width", "seed", "rank", "distortion", "test_distortion", "variance")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write irmae.png, .csv and .json, and the curves as irmae_spectra.csv and irmae_chains.csv."""
    deep = [(key, out) for key, out in result.runs.items() if key[0] not in STARTS]
    rows = ((*key, rank(out), *(float(out[name]) for name in COLUMNS[6:])) for key, out in deep)
    tables: dict[str, Table] = {
        "irmae": (COLUMNS, rows),
        "irmae_spectra": spectra_table(iter(deep)),
        "irmae_chains": chains_table(result),
    }
    more: dict[str, Any] = {"units": None, "all_files": all_files}
    return write_result(result, folder, "irmae", claims(result), draw(result), tables, **more)
