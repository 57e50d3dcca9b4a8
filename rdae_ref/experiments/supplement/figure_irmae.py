"""What square linear layers between encoder and decoder do to the rank of the codes, and why.

Singular values of the codes' covariance on a manifold of three dimensions and on images of seven factors, with the
reconstruction error beside them; and deep linear networks, whose singular values go their ways one after another,
beside the closed form.
"""

import functools
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...autoencoder import distortion
from ...data import gaussian_with_covariance
from ...models.mlp import Layer, LayeredObjective, Layers, backward_layers, forward_layers
from ...optimize import gradient_ascent
from ...theory import deep_linear_strengths
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, paper_style, write_csv, write_figure, write_json
from ..runs import Outcome, run_all
from ..training import finished
from .deep_training import MANIFOLD, SHAPES, DeepTask, DeepTraining, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Chain",
    "ChainTask",
    "DeepLinear",
    "Result",
    "Settings",
    "claims",
    "draw",
    "follow",
    "initial_chain",
    "run",
    "when_half_learned",
    "write",
]

THRESHOLD = 0.01  # of the largest singular value, that of `effective_rank`
NAMES = {"manifold": "manifold of {} dimensions", "shapes": "images of {} factors"}
DATA_STYLES: dict[str, dict[str, Any]] = {
    "manifold": {"color": COLOURS["green"], "marker": "o"},
    "shapes": {"color": COLOURS["purple"], "marker": "s"},
}
DEPTH_COLOURS = ("grey", "orange", "sky", "vermilion")
COMPONENT_COLOURS = ("blue", "vermilion", "green")
STARTS = ("aligned", "orthogonal")


@dataclass(frozen=True)
class Chain:
    """Settings of the deep linear networks.

    Parameters
    ----------
    variances : tuple of float
        γ_i² of the data, falling.
    n_layers : tuple of int
        L: 1 for one matrix, 2 for encoder and decoder, l + 2 with l linear layers between them.
    initial : float
        u_0, the singular values of the whole network at the start.
    time : float
        Where the drawing ends: step size times number of steps.
    n_steps, n_records : int
        Steps of gradient ascent, a multiple of how often in between the network is looked at.
    n_samples : int
        N, of data whose covariance is exact.
    """

    variances: tuple[float, ...] = (2.0, 1.0, 0.5)
    n_layers: tuple[int, ...] = (1, 2, 4, 10)
    initial: float = 0.01
    time: float = 6.0
    n_steps: int = 7200
    n_records: int = 160
    n_samples: int = 40


@dataclass(frozen=True)
class Settings:
    """What the numbers of the figure depend on.

    Parameters
    ----------
    trainings : tuple of DeepTraining
        One for each kind of data.
    n_linear : tuple of int
        l, rising from 0.
    chain : Chain
        Of the deep linear networks.
    seeds : tuple of int
        One sample and one start for each.
    """

    trainings: tuple[DeepTraining, ...] = (MANIFOLD, SHAPES)
    n_linear: tuple[int, ...] = (0, 2, 4, 8)
    chain: Chain = field(default_factory=Chain)
    seeds: tuple[int, ...] = (0, 1, 2)


class ChainTask(NamedTuple):
    """One deep linear network.

    Parameters
    ----------
    start : str
        ``"aligned"`` or ``"orthogonal"``, see `initial_chain`.
    n_layers : int
        L.
    seed : int
        Of data and start.
    chain : Chain
        The rest.
    """

    start: str
    n_layers: int
    seed: int
    chain: Chain


class Result(NamedTuple):
    """All runs of the figure.

    Parameters
    ----------
    settings : Settings
        What they depend on.
    runs : dict
        Outcome of each training run by data, l and seed, and of each chain by start, L and seed.
    """

    settings: Settings
    runs: dict[tuple[str, int, int], Outcome]


@dataclass(frozen=True, eq=False)
class DeepLinear(LayeredObjective):
    """The objective −D_emp of layers without units between them, x̂ = M_L … M_1 x.

    Parameters
    ----------
    X : array_like, shape (N, d)
        Centred inputs in rows.
    activation : str
        ``"linear"``.

    Raises
    ------
    TypeError, ValueError
        If `X` is no finite real matrix.
    """

    activation: str = "linear"

    def value_and_gradient(self, layers: Layers) -> tuple[float, Layers]:
        """Return −D_emp and its gradient.

        Parameters
        ----------
        layers : Layers
            M_1, …, M_L; the offsets stay at 0, since the inputs are centred.

        Returns
        -------
        value : float
            In the units of the data squared.
        gradient : Layers
            Uphill.
        """
        forward_pass = forward_layers(layers, self.X, "linear")
        gradient, _ = backward_layers(layers, forward_pass, 2 / len(self.X) * (self.X - forward_pass.Y))
        return -distortion(self.X, forward_pass.Y), gradient


def initial_chain(start: str, axes: Array, n_layers: int, initial: float, rng: np.random.Generator) -> Layers:
    """Return layers that are u_0^(1/L) times orthogonal matrices, so that all singular values of their product are u_0.

    Parameters
    ----------
    start : str
        ``"aligned"``: the product is u_0 I, so diagonal in the principal components of the data, which is the start of
        the closed form. ``"orthogonal"``: each matrix is drawn, and the product is aligned with nothing.
    axes : Array, shape (d, d)
        The principal components, in columns.
    n_layers : int
        L.
    initial : float
        u_0.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    Layers
        M_1, …, M_L.
    """
    d = len(axes)
    turns = [np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(n_layers)]
    if start == "aligned":
        # The turns between the layers cancel in the product, which goes from the axes to the axes.
        between = [axes, *turns[1:], axes]
        turns = [after @ before.T for before, after in itertools.pairwise(between)]
    return tuple(Layer(initial ** (1 / n_layers) * turn, np.zeros(d)) for turn in turns)


def follow(task: ChainTask) -> dict[str, Any]:
    """Train one deep linear network by gradient ascent with small steps, and look at its singular values on the way.

    Parameters
    ----------
    task : ChainTask
        Which.

    Returns
    -------
    dict
        times; strengths, the singular values of the whole network at each; closed_form, those of the aligned start.
    """
    chain, rng = task.chain, np.random.default_rng(task.seed)
    gamma2 = np.array(chain.variances)
    axes = np.linalg.qr(rng.normal(size=(gamma2.size, gamma2.size)))[0]
    objective = DeepLinear(gaussian_with_covariance(chain.n_samples, axes * gamma2 @ axes.T, rng))
    layers = initial_chain(task.start, axes, task.n_layers, chain.initial, rng)
    strengths = [network_strengths(layers)]
    for _ in range(chain.n_records):
        found = gradient_ascent(
            objective, layers, step_size=chain.time / chain.n_steps, n_steps=chain.n_steps // chain.n_records
        )
        layers = finished(found).x
        strengths.append(network_strengths(layers))
    times = np.linspace(0, chain.time, chain.n_records + 1)
    closed_form = deep_linear_strengths(times, gamma2, chain.initial, task.n_layers)
    return {"times": times, "strengths": np.array(strengths), "closed_form": closed_form}


def network_strengths(layers: Layers) -> Array:
    """Return the singular values of M_L … M_1, falling."""
    product: Array = functools.reduce(lambda before, layer: layer.W @ before, layers, np.eye(layers[0].W.shape[1]))
    return np.asarray(np.linalg.svd(product, compute_uv=False))


def when_half_learned(strengths: Array) -> Array:
    """Return all singular values at the time when the first one passes ½, between two records on a straight line.

    Parameters
    ----------
    strengths : Array, shape (n, d)
        Singular values over time.

    Returns
    -------
    Array, shape (d,)
        The first is ½; those at the end, where it stays below.
    """
    past = int(np.argmax(strengths[:, 0] > 0.5))
    if past == 0:
        return strengths[-1]
    before, after = strengths[past - 1], strengths[past]
    return before + (0.5 - before[0]) / (after[0] - before[0]) * (after - before)


def run(
    settings: Settings | None = None, *, folder: str | os.PathLike[str] = "figures", workers: Workers = None
) -> Result:
    """Train all networks, for every seed.

    Parameters
    ----------
    settings : Settings, optional
        Those of the figure, if there are none.
    folder : path-like
        Finished runs are kept in its subfolder ``.runs``; `representation` reads those on images from there.
    workers : int, callable or None
        See `rdae_ref.experiments.runs.run_all`.

    Returns
    -------
    Result
        The outcome of each run.
    """
    settings = settings or Settings()
    chain, kept = settings.chain, Path(folder) / ".runs"
    deep = [
        DeepTask("irmae", depth, seed, training)
        for training in settings.trainings
        for depth in settings.n_linear
        for seed in settings.seeds
    ]
    chains = [ChainTask(start, L, seed, chain) for start in STARTS for L in chain.n_layers for seed in settings.seeds]
    outcomes = run_all(train, deep, folder=kept, workers=workers, description="irmae")
    followed = run_all(follow, chains, folder=kept, workers=workers, description="irmae, linear networks")
    runs = {(t.training.data, t.n_linear, t.seed): out for t, out in zip(deep, outcomes, strict=True)}
    runs |= {(t.start, t.n_layers, t.seed): out for t, out in zip(chains, followed, strict=True)}
    return Result(settings, runs)


def draw(result: Result) -> "Figure":
    """Draw spectra, ranks and errors of all seeds, and the deep linear networks of the first.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    matplotlib.figure.Figure
        Two rows of two panels, and a row with one for each depth.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  # only drawing needs it

    settings = result.settings
    with paper_style():
        figure = Figure(figsize=(7.2, 7.6), layout="constrained")
        blocks: Any = figure.subfigures(2, 1, height_ratios=[5.1, 2.5])
        upper, lower = blocks
        panels = upper.subplots(2, 2)
        for axes, training, letter in zip(panels[0], settings.trainings, "ab", strict=True):
            _draw_spectra(axes, result, training.data)
            axes.set_title(f"({letter}) {data_name(training)}: spectrum of the codes")
        _draw_over_depth(panels[1, 0], result, "rank")
        _draw_over_depth(panels[1, 1], result, "error")
        chains = lower.subplots(1, len(settings.chain.n_layers), sharey=True, squeeze=False)[0]
        for axes, n_layers, letter in zip(chains, settings.chain.n_layers, "efgh", strict=False):
            _draw_chain(axes, result, n_layers)
            axes.set_title(f"({letter}) linear, $L$ = {n_layers}")
        chains[0].set_ylabel("singular values $u_i$")
        handles, labels = chains[0].get_legend_handles_labels()
        lower.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def data_name(training: DeepTraining) -> str:
    """Return what a reader calls the data."""
    return NAMES[training.data].format(training.dimension)


def _draw_spectra(axes: Any, result: Result, data: str) -> None:
    for depth, colour in zip(result.settings.n_linear, DEPTH_COLOURS, strict=False):
        for seed in result.settings.seeds:
            values = result.runs[data, depth, seed]["singular_values"]
            label = f"$l$ = {depth}" if seed == result.settings.seeds[0] else None
            index = np.arange(1, values.size + 1)
            axes.semilogy(index, values / values[0], ".-", ms=3.5, lw=0.8, color=COLOURS[colour], label=label)
    axes.axhline(THRESHOLD, color="black", lw=0.7, ls=":")
    axes.text(0.99, THRESHOLD, "1 %", fontsize=7, ha="right", va="bottom", transform=axes.get_yaxis_transform())
    axes.set(xlabel="index", ylabel="singular value / largest", ylim=(1e-7, 10))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="upper right", fontsize=8, ncols=4, handlelength=1.0, columnspacing=0.9)


def _draw_over_depth(axes: Any, result: Result, what: str) -> None:
    settings = result.settings
    for training in settings.trainings:
        style, data = DATA_STYLES[training.data], training.data
        table = np.array(
            [[measured(result, what, data, depth, s) for s in settings.seeds] for depth in settings.n_linear]
        )
        axes.plot(settings.n_linear, np.median(table, axis=1), lw=0.8, color=style["color"])
        axes.plot(settings.n_linear, table, ls="", ms=4, mfc="none", **style)
        axes.plot([], lw=0.8, ms=4, mfc="none", label=data_name(training), **style)
        if what == "rank":
            axes.axhline(training.dimension, color=style["color"], lw=0.7, ls=":")
    axes.set(xlabel="$l$, number of linear layers", xticks=settings.n_linear)
    if what == "rank":
        axes.set(title="(c) effective rank; dotted: dimension of the data", ylabel="singular values above 1 %", ylim=0)
    else:
        axes.set(title="(d) error on samples not trained on", ylabel="$D$ / total variance", yscale="log")
    axes.legend(fontsize=8)


def measured(result: Result, what: str, data: str, n_linear: int, seed: int) -> float:
    """Return rank or error of a run: the error as a share of the total variance, on samples not trained on."""
    out = result.runs[data, n_linear, seed]
    return float(out["rank"] if what == "rank" else out["test_distortion"] / out["variance"])


def _draw_chain(axes: Any, result: Result, n_layers: int) -> None:
    chain, seed = result.settings.chain, result.settings.seeds[0]
    aligned, drawn = (result.runs[start, n_layers, seed] for start in STARTS)
    for i, colour in zip(range(len(chain.variances)), COMPONENT_COLOURS, strict=False):
        look = {"color": COLOURS[colour]}
        gamma2 = f"$\\gamma_i^2$ = {chain.variances[i]:g}"
        axes.plot(aligned["times"][::EVERY], aligned["strengths"][::EVERY, i], ".", ms=3.5, label=gamma2, **look)
        axes.plot(drawn["times"], drawn["strengths"][:, i], ":", lw=1, **look)
        axes.plot(aligned["times"], aligned["closed_form"][:, i], lw=0.6, color="black", zorder=3)
    axes.plot([], ".", ms=3.5, color="black", label="network, aligned start")
    axes.plot([], lw=0.6, color="black", label="closed form")
    axes.plot([], ":", lw=1, color="black", label="network, orthogonal start")
    axes.set(xlabel="time $t$", ylim=(-0.04, 1.06))


LAYERS = (
    "By inserting a number of extra linear layers between the encoder and the decoder, "
    "the system spontaneously learns representations with a low effective dimension"
)
RANK = "the rank of the covariance matrix of the codes is implicitly minimized"
COMPACT = "The model … is simple, deterministic, and learns compact latent spaces"
DESCENT = "gradient descent learning in multi-layer linear networks leads to minimum-rank solutions"


def claims(result: Result) -> list[Claim]:
    """Hold what the abstract of the IRMAE paper says against the runs.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    list of Claim
        Over all seeds.
    """
    return [*_depth_claims(result), *_chain_claims(result)]


def _depth_claims(result: Result) -> Iterator[Claim]:
    settings = result.settings
    cases = [(training, depth) for training in settings.trainings for depth in settings.n_linear[1:]]

    def with_and_without(what: str, data: str, depth: int) -> list[tuple[float, float]]:
        return [(measured(result, what, data, depth, s), measured(result, what, data, 0, s)) for s in settings.seeds]

    for training, depth in cases:
        fewer = [rank - plain for rank, plain in with_and_without("rank", training.data, depth)]
        quantity = f"{training.data}: effective rank with l = {depth}, less that with l = 0"
        yield claim("irmae", LAYERS, quantity, fewer, at_most=-1)
    for training, depth in cases:
        over = [rank / training.dimension for rank, _ in with_and_without("rank", training.data, depth)]
        quantity = f"{training.data}: effective rank with l = {depth}, over the dimension of the data"
        yield claim("irmae", RANK, quantity, over, at_most=1)
    for training, depth in cases:
        ratio = [error / plain for error, plain in with_and_without("error", training.data, depth)]
        quantity = f"{training.data}: error with l = {depth}, over that with l = 0"
        yield claim("irmae", COMPACT, quantity, ratio, at_most=1.5)


def _chain_claims(result: Result) -> Iterator[Claim]:
    chain, seeds = result.settings.chain, result.settings.seeds
    for L in chain.n_layers:
        aligned = [result.runs["aligned", L, seed] for seed in seeds]
        away = [float(np.abs(out["strengths"] - out["closed_form"]).max()) for out in aligned]
        quantity = f"aligned start, L = {L}: largest difference of the singular values to the closed form"
        yield claim("irmae", DESCENT, quantity, away, at_most=0.01)
    for start in STARTS:
        for L in chain.n_layers:
            second = [when_half_learned(result.runs[start, L, seed]["strengths"])[1] for seed in seeds]
            quantity = f"{start} start, L = {L}: second singular value when the first is ½"
            yield claim("irmae", DESCENT, quantity, second, at_most=0.1)


COLUMNS = ("data", "n_linear", "seed", "rank", "distortion", "test_distortion", "variance")
SPECTRUM_COLUMNS = ("data", "n_linear", "seed", "index", "singular_value")
EVERY = 4  # record of a chain is written and drawn as a dot: enough for the curve
CHAIN_COLUMNS = ("start", "n_layers", "seed", "time", "component", "singular_value", "closed_form")


def write(result: Result, folder: str | os.PathLike[str]) -> Sequence[Claim]:
    """Write irmae.png, .svg, .csv, .json, and the curves as irmae_spectra.csv and irmae_chains.csv.

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
    table = claims(result)
    write_figure(draw(result), folder, "irmae")
    write_csv(folder, "irmae", COLUMNS, _rows(result))
    write_csv(folder, "irmae_spectra", SPECTRUM_COLUMNS, _spectrum_rows(result))
    write_csv(folder, "irmae_chains", CHAIN_COLUMNS, _chain_rows(result))
    write_json(folder, "irmae", asdict(result.settings), table, seed=result.settings.seeds[0])
    return table


def _rows(result: Result) -> Iterator[tuple[object, ...]]:
    for key, out in result.runs.items():
        if key[0] not in STARTS:
            yield *key, int(out["rank"]), *(float(out[name]) for name in COLUMNS[4:])


def _spectrum_rows(result: Result) -> Iterator[tuple[object, ...]]:
    for key, out in result.runs.items():
        if key[0] not in STARTS:
            yield from ((*key, index, float(value)) for index, value in enumerate(out["singular_values"], 1))


def _chain_rows(result: Result) -> Iterator[tuple[object, ...]]:
    for key, out in result.runs.items():
        if key[0] in STARTS:
            for k in range(0, out["times"].size, EVERY):
                for i, (u, closed) in enumerate(zip(out["strengths"][k], out["closed_form"][k], strict=True), 1):
                    yield *key, float(out["times"][k]), i, float(u), float(closed)
