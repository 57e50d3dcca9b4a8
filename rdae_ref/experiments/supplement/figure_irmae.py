"""What square linear layers between encoder and decoder do to the rank of the codes, and why.

Singular values of the codes' covariance on a manifold of three dimensions and on images of seven factors, with the
reconstruction error beside them; and deep linear networks, whose singular values are learned one after another, beside
the closed form.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...autoencoder import distortion
from ...data import gaussian_with_covariance
from ...models.mlp import Layer, LayeredObjective, Layers, backward_layers, forward_layers
from ...optimize import gradient_ascent
from ...theory import deep_linear_strengths
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, Table, legend_below, new_figure
from ..protocol import Result, run_tasks, write_result
from ..training import finished
from .deep_training import MANIFOLD, SHAPES, DeepTask, DeepTraining, train

__all__ = ["Chain", "ChainTask", "DeepLinear", "Result", "Settings", "claims", "draw", "follow", "run", "write"]

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
    """Settings of the deep linear networks."""

    variances: tuple[float, ...] = (2.0, 1.0, 0.5)  # γ_i² of the data
    n_layers: tuple[int, ...] = (1, 2, 4, 10)  # L: l + 2 with l linear layers between encoder and decoder
    initial: float = 0.01  # u_0, the singular values of the whole network at the start
    time: float = 6.0  # where the drawing ends: step size times number of steps
    n_steps: int = 7200  # of gradient ascent, a multiple of `n_records`
    n_records: int = 160  # of the singular values
    n_samples: int = 40  # N, of data whose covariance is exact


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    trainings: tuple[DeepTraining, ...] = (MANIFOLD, SHAPES)
    n_linear: tuple[int, ...] = (0, 2, 4, 8)  # l
    chain: Chain = field(default_factory=Chain)
    seeds: tuple[int, ...] = (0, 1, 2)


class ChainTask(NamedTuple):
    """One deep linear network."""

    start: str  # "aligned" or "orthogonal", see `initial_chain`
    n_layers: int  # L
    seed: int  # of data and start
    chain: Chain


@dataclass(frozen=True, eq=False)
class DeepLinear(LayeredObjective):
    """The objective −D_emp of layers without units between them, x̂ = M_L … M_1 x, on centred inputs."""

    activation: str = "linear"

    def value_and_gradient(self, layers: Layers) -> tuple[float, Layers]:
        """Return −D_emp and its gradient; the offsets stay at 0, since the inputs are centred."""
        forward_pass = forward_layers(layers, self.X, "linear")
        gradient, _ = backward_layers(layers, forward_pass, 2 / len(self.X) * (self.X - forward_pass.Y))
        return -distortion(self.X, forward_pass.Y), gradient


def initial_chain(start: str, axes: Array, n_layers: int, initial: float, rng: np.random.Generator) -> Layers:
    """Return layers that are u_0^(1/L) times orthogonal matrices, so that all singular values of their product are u_0.

    With the start "aligned" the product is u_0 I, and so diagonal in the principal components of the data, the columns
    of `axes`: the start of the closed form. With "orthogonal" each matrix is drawn at random.
    """
    d = len(axes)
    turns = [np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(n_layers)]
    if start == "aligned":
        # The turns between the layers cancel in the product, which goes from the axes to the axes.
        between = [axes, *turns[1:], axes]
        turns = [after @ before.T for before, after in pairwise(between)]
    return tuple(Layer(initial ** (1 / n_layers) * turn, np.zeros(d)) for turn in turns)


def follow(task: ChainTask) -> dict[str, Any]:
    """Train one deep linear network by gradient ascent with small steps, and record its singular values.

    ``strengths`` are those of the whole network at ``times``, ``closed_form`` those of the aligned start.
    """
    chain, rng = task.chain, np.random.default_rng(task.seed)
    gamma2 = np.array(chain.variances)
    axes = np.linalg.qr(rng.normal(size=(gamma2.size, gamma2.size)))[0]
    objective = DeepLinear(gaussian_with_covariance(chain.n_samples, axes * gamma2 @ axes.T, rng))
    layers = initial_chain(task.start, axes, task.n_layers, chain.initial, rng)
    strengths = [network_strengths(layers)]
    size, count = chain.time / chain.n_steps, chain.n_steps // chain.n_records
    for _ in range(chain.n_records):
        layers = finished(gradient_ascent(objective, layers, step_size=size, n_steps=count)).x
        strengths.append(network_strengths(layers))
    times = np.linspace(0, chain.time, chain.n_records + 1)
    closed_form = deep_linear_strengths(times, gamma2, chain.initial, task.n_layers)
    return {"times": times, "strengths": np.array(strengths), "closed_form": closed_form}


def network_strengths(layers: Layers) -> Array:
    """Return the singular values of M_L … M_1, falling."""
    product: Array = functools.reduce(lambda before, layer: layer.W @ before, layers, np.eye(layers[0].W.shape[1]))
    return np.asarray(np.linalg.svd(product, compute_uv=False))


def when_half_learned(strengths: Array) -> Array:
    """Return all singular values when the first one passes ½, by linear interpolation; at the end if it stays below."""
    past = int(np.argmax(strengths[:, 0] > 0.5))
    if past == 0:
        return strengths[-1]
    before, after = strengths[past - 1], strengths[past]
    return before + (0.5 - before[0]) / (after[0] - before[0]) * (after - before)


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Train all networks, of which `representation` reads some; keys are (data, l, seed) and (start, L, seed)."""
    settings = settings or Settings()
    deep = {
        (training.data, depth, seed): DeepTask("irmae", depth, seed, training)
        for training, depth, seed in product(settings.trainings, settings.n_linear, settings.seeds)
    }
    chain = settings.chain
    chains = {key: ChainTask(*key, chain) for key in product(STARTS, chain.n_layers, settings.seeds)}
    runs = run_tasks(train, deep, folder, workers, "irmae")
    return Result(settings, runs | run_tasks(follow, chains, folder, workers, "irmae, linear networks"))


def draw(result: Result) -> Figure:
    """Draw spectra, ranks and errors of all seeds, and below the deep linear networks of the first."""
    settings = result.settings
    with new_figure(7.2, 7.6) as figure:
        upper, lower = figure.subfigures(2, 1, height_ratios=[5.1, 2.5])
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
        legend_below(lower, chains[0])
    return figure


def data_name(training: DeepTraining) -> str:
    """Return the name of the data in the figure."""
    return NAMES[training.data].format(training.dimension)


def _draw_spectra(axes: Any, result: Result, data: str) -> None:
    for depth, colour in zip(result.settings.n_linear, DEPTH_COLOURS, strict=False):
        for k, out in enumerate(result.over_seeds(data, depth)):
            values, label = out["singular_values"], None if k else f"$l$ = {depth}"
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
        style, data, seeds = DATA_STYLES[training.data], training.data, settings.seeds
        table = np.array([[measured(result, what, data, L, seed) for seed in seeds] for L in settings.n_linear])
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
    chain = result.settings.chain
    aligned, drawn = (result.first(start, n_layers) for start in STARTS)
    for i, colour in zip(range(len(chain.variances)), COMPONENT_COLOURS, strict=False):
        look, gamma2 = {"color": COLOURS[colour]}, f"$\\gamma_i^2$ = {chain.variances[i]:g}"
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
    """Compare what the abstract of the IRMAE paper says with the runs."""
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
    chain = result.settings.chain
    for L in chain.n_layers:
        aligned = result.over_seeds("aligned", L)
        away = [float(np.abs(out["strengths"] - out["closed_form"]).max()) for out in aligned]
        quantity = f"aligned start, L = {L}: largest difference of the singular values to the closed form"
        yield claim("irmae", DESCENT, quantity, away, at_most=0.01)
    for start in STARTS:
        for L in chain.n_layers:
            second = [when_half_learned(out["strengths"])[1] for out in result.over_seeds(start, L)]
            quantity = f"{start} start, L = {L}: second singular value when the first is ½"
            yield claim("irmae", DESCENT, quantity, second, at_most=0.1)


COLUMNS = ("data", "n_linear", "seed", "rank", "distortion", "test_distortion", "variance")
EVERY = 4  # record of a chain is written and drawn as a dot: enough for the curve
CHAIN_COLUMNS = ("start", "n_layers", "seed", "time", "component", "singular_value", "closed_form")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write irmae.png, .csv and .json, and the curves as irmae_spectra.csv and irmae_chains.csv."""
    deep = [(key, out) for key, out in result.runs.items() if key[0] not in STARTS]
    chains = [(key, out) for key, out in result.runs.items() if key[0] in STARTS]
    rows = ((*key, int(out["rank"]), *(float(out[name]) for name in COLUMNS[4:])) for key, out in deep)
    spectra = ((*key, i, float(value)) for key, out in deep for i, value in enumerate(out["singular_values"], 1))
    strengths = (
        (*key, float(out["times"][k]), i, float(u), float(closed))
        for key, out in chains
        for k in range(0, out["times"].size, EVERY)
        for i, (u, closed) in enumerate(zip(out["strengths"][k], out["closed_form"][k], strict=True), 1)
    )
    tables: dict[str, Table] = {
        "irmae": (COLUMNS, rows),
        "irmae_spectra": (("data", "n_linear", "seed", "index", "singular_value"), spectra),
        "irmae_chains": (CHAIN_COLUMNS, strengths),
    }
    more: dict[str, Any] = {"units": None, "all_files": all_files}
    return write_result(result, folder, "irmae", claims(result), draw(result), tables, **more)
