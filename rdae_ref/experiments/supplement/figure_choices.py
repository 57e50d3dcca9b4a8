"""What the paper leaves open about Figure 1: the order α, bits or nats, the start, and when the ascent is stopped.

Data (26), units, μ = 1.5 and σ = 0.2·√2 are those of Figure 1. Each panel shows one answer to the open questions; its
colour says where the outputs end.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import scipy.spatial

from ..._validation import Array
from ...autoencoder import Parameters, initial_parameters
from ...data import gaussian
from ...numerics.spectrum import SingularGramWarning
from ...objective import RateDistortion
from ...optimize import continuation, maximize
from ...pytree import ravel
from ...workers import Workers
from ..claims import Claim, claim
from ..figure1 import NAMES, UNITS, alignment
from ..output import COLOURS, Figure, Folder, new_figure
from ..protocol import Result, Task, run_tasks, write_result
from ..training import Training, rate_distortion

__all__ = ["Ending", "Result", "Settings", "Task", "claims", "draw", "ending", "run", "train_one", "write"]

LOGARITHMS = {"bits": 2.0, "nats": math.e}
STARTS = {
    "small": "small random start",
    "early": "from a reconstruction, stopped early",
    "late": "from a reconstruction, run on",
}


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    n_samples: int = 150  # three quarters of Figure 1's, since there are many runs
    # Units, μ and σ of Figure 1; the iterations are those of the runs that are stopped early.
    training: Training = field(default_factory=lambda: Training(n_hidden=10, max_iterations=(30,) + (5,) * 6))
    alphas: tuple[float, ...] = (0.5, 1.01, 2.0, 5.0)
    small_start: float = 0.01  # std of the small random starts
    small_iterations: int = 250  # of L-BFGS, from there, at μ itself
    late_iterations: int = 250  # of L-BFGS, at μ, for the runs that continue where the early ones stop
    seeds: tuple[int, ...] = (0, 1, 2)


def train_one(task: Task[Settings]) -> dict[str, Any]:
    """Train from a small start; from a reconstruction, stopped early; and from there on.

    Xhat, L and its terms have one entry for each of `STARTS`; ``gap`` is that of `nats_gap`.
    """
    settings, (unit, alpha, logarithm, seed) = task.settings, task.key
    rng = np.random.default_rng(seed)
    X = gaussian(settings.n_samples, rng)
    training = replace(settings.training, alpha=alpha, base=LOGARITHMS[logarithm])
    objective = rate_distortion(X, unit, training)
    start = initial_parameters(2, training.n_hidden, rng, scale=1.0)

    def scaled(factor: float) -> Parameters:
        return Parameters(*(factor * array for array in start))

    with warnings.catch_warnings():
        # Outputs that meet make the Gram matrix singular, for α ≤ 1 without a derivative: where small starts end.
        warnings.simplefilter("ignore", SingularGramWarning)
        small = maximize(objective, scaled(settings.small_start), max_iterations=settings.small_iterations).x
        early = continuation(
            objective, scaled(training.start), factors=training.factors, max_iterations=training.max_iterations
        ).x
        late = maximize(objective, early, max_iterations=settings.late_iterations).x
        gap = nats_gap(objective, scaled(training.start))
    ends = (small, early, late)
    terms = np.array([objective.terms(parameters) for parameters in ends])
    return {
        "X": X,
        "Xhat": np.array([objective.reconstruct(parameters) for parameters in ends]),
        "L": terms[:, 2] - training.mu * terms[:, 3],
        "conditional_entropy": terms[:, 2],
        "output_entropy": terms[:, 1],
        "distortion": terms[:, 3],
        "gap": gap,
    }


def nats_gap(objective: RateDistortion, parameters: Parameters) -> float:
    """Return the relative difference between L in nats at μ and ln 2 times L in bits at μ/ln 2, with the gradients."""

    def value_and_gradient(base: float, mu: float) -> Array:
        value, gradient = replace(objective, base=base, mu=mu).value_and_gradient(parameters)
        return ravel((np.array([value]), gradient))[0]

    nats, bits = value_and_gradient(math.e, objective.mu), value_and_gradient(2, objective.mu / math.log(2))
    return float(np.abs(nats - math.log(2) * bits).max() / np.abs(nats).max())


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Train every unit with every answer; keys are (unit, alpha, logarithm, seed)."""
    settings = settings or Settings()
    answers = [*product(UNITS, settings.alphas, LOGARITHMS)]
    tasks = {(*answer, seed): Task((*answer, seed), settings) for seed in settings.seeds for answer in answers}
    return Result(settings, run_tasks(train_one, tasks, folder, workers, "choices"))


COLLAPSED = 0.1  # total standard deviation, outputs over inputs, below which they are one point
RADIUS = 0.1  # of a disc that counts as one place: a third of the kernel size
FEW, MOST = 5, 0.8  # quantised: this many discs hold this much of the outputs
CROWD = 1 / 3  # of the outputs, in one disc: a dense cluster
ANGLE, MAJOR, MINOR = 5.0, 0.6, 0.45  # on the component: as in Figure 1, whose line may be shorter here

KINDS = {
    "on the component": "green",
    "quantised": "blue",
    "cluster and scatter": "orange",
    "collapsed": "vermilion",
    "spread": "purple",
}


class Ending(NamedTuple):
    """Where the outputs of a run end."""

    kind: str  # a key of `KINDS`
    spread: float  # total standard deviation of the outputs over that of the inputs
    angle: float  # between the first principal components of outputs and inputs, in degrees
    major: float  # std of the outputs over that of the inputs, along the inputs' principal axes
    minor: float
    densest: float  # share of the outputs in the fullest disc of radius 0.1
    in_five: float  # share of the outputs in the five fullest ones


def ending(X: Array, Xhat: Array) -> Ending:
    """Measure where the outputs end, and name it by the first kind that fits: collapsed, quantised, and so on."""
    spread = float(np.sqrt(Xhat.var(axis=0).sum() / X.var(axis=0).sum()))
    angle, major, minor = alignment(X, Xhat)
    held = _held_by_discs(Xhat)
    densest, in_five = held[0], sum(held)
    if spread < COLLAPSED:
        kind = "collapsed"
    elif in_five >= MOST:
        kind = "quantised"
    elif densest >= CROWD:
        kind = "cluster and scatter"
    elif angle <= ANGLE and major >= MAJOR and minor <= MINOR:
        kind = "on the component"
    else:
        kind = "spread"
    return Ending(kind, spread, angle, major, minor, densest, in_five)


def _held_by_discs(Xhat: Array) -> list[float]:
    """Return the shares of the outputs in discs around outputs, the fullest first, each without those before it."""
    near = scipy.spatial.distance.cdist(Xhat, Xhat) <= RADIUS
    left, held = np.ones(len(Xhat), dtype=bool), []
    for _ in range(FEW):
        fullest = near[:, left].sum(axis=1).argmax()
        held.append(float((near[fullest] & left).mean()))
        left &= ~near[fullest]
    return held


def draw(result: Result) -> Figure:
    """Draw a block of panels for each start: units in rows, α and logarithms in columns."""
    settings = result.settings
    answers = [(alpha, logarithm) for alpha in settings.alphas for logarithm in LOGARITHMS]
    with new_figure(7.2, 1.0 + 0.93 * len(STARTS) * len(UNITS)) as figure:
        blocks = figure.subfigures(len(STARTS) + 1, 1, height_ratios=[1.0] * len(STARTS) + [0.13], hspace=0)
        for start, (block, title) in enumerate(zip(blocks, STARTS.values(), strict=False)):
            block.suptitle(title[0].upper() + title[1:], fontsize=9, fontweight="bold", x=0.04, ha="left")
            panels = block.subplots(len(UNITS), len(answers), sharex=True, sharey=True, squeeze=False)
            for row, unit in zip(panels, UNITS, strict=True):
                for axes, answer in zip(row, answers, strict=True):
                    _draw_panel(axes, result, (unit, *answer), start)
                row[0].set_ylabel(NAMES[unit])
            for axes, (alpha, logarithm) in zip(panels[0], answers, strict=True):
                axes.set_title(rf"$\alpha$ = {alpha:g}, {logarithm}", fontsize=7.5, pad=3)
        _draw_legend(blocks[-1])
    return figure


def _draw_panel(axes: Any, result: Result, answer: tuple[str, float, str], start: int) -> None:
    outcomes = result.over_seeds(*answer)
    kinds = [ending(outcome["X"], outcome["Xhat"][start]).kind for outcome in outcomes]
    shown, colour = outcomes[0], COLOURS[KINDS[kinds[0]]]
    look = {"mew": 0, "rasterized": True}  # tens of thousands of points: as paths they would make 2 MB of SVG
    axes.plot(*shown["X"].T, "o", ms=1.2, color=COLOURS["grey"], alpha=0.5, **look)
    axes.plot(*shown["Xhat"][start].T, "o", ms=2.0, color=colour, **look)
    axes.set(aspect="equal", xlim=(-3.4, 3.4), ylim=(-3.4, 3.4), xticks=[], yticks=[])
    axes.spines[["top", "right"]].set_visible(True)
    for spine in axes.spines.values():
        spine.set(linewidth=0.5, color=COLOURS["grey"])
    words = {"fontsize": 6, "transform": axes.transAxes}
    axes.text(0.04, 0.95, f"$L$ {shown['L'][start]:.2f}", va="top", **words)
    axes.text(0.97, 0.04, f"$D$ {shown['distortion'][start]:.2f}", ha="right", **words)
    for k, kind in enumerate(kinds):
        axes.plot(0.07 + 0.09 * k, 0.07, "s", ms=2.8, mew=0, color=COLOURS[KINDS[kind]], transform=axes.transAxes)


def _draw_legend(block: Any) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415  # only drawing needs it

    def dot(colour: str) -> Line2D:
        return Line2D([], [], ls="", marker="o", ms=4, mew=0, color=COLOURS[colour])

    handles = [dot("grey"), *map(dot, KINDS.values()), Line2D([], [], ls="", marker="s", ms=3.5, mew=0, color="black")]
    labels = ["inputs", *(f"outputs {kind}" if kind == "on the component" else kind for kind in KINDS), "each seed"]
    block.legend(handles, labels, loc="center", ncols=len(labels), fontsize=7, handletextpad=0, columnspacing=0.8)


ORDER = "left open: the order α, bits as in (10) or nats as in (15), (16)"
LOGARITHM = "bits or nats is a choice of µ"
START = "left open: where the ascent starts"
STOP = "left open: when the ascent stops"


def claims(result: Result) -> list[Claim]:
    """Compare what follows from each choice with thresholds."""
    return [*_order_claims(result), *_logarithm_claims(result), *_start_claims(result), *_stop_claims(result)]


Measure = Callable[[Ending], float]


def _measured(
    result: Result, measure: Measure, pick: Callable[..., float], start: str, **only: Sequence[object]
) -> list[float]:
    """Return, for each seed, the smallest or largest measure over the answers that are allowed."""
    where = list(STARTS).index(start)
    values: dict[int, list[float]] = {seed: [] for seed in result.settings.seeds}
    default = {"units": UNITS, "alphas": result.settings.alphas, "logarithms": tuple(LOGARITHMS)}
    allowed = (default | only).values()
    for (*answer, seed), outcome in result.runs.items():
        if all(given in those for given, those in zip(answer, allowed, strict=True)):
            values[seed].append(measure(ending(outcome["X"], outcome["Xhat"][where])))
    return [pick(of_one) for of_one in values.values()]


def _order_claims(result: Result) -> Iterator[Claim]:
    picture, none = (UNITS, "all units", {"at_least": 0.65}), (("relu",), "ReLU", {"at_most": 0.5})
    for logarithm, alpha in product(LOGARITHMS, result.settings.alphas):
        units, who, bound = picture if alpha < 1.1 else none  # from α = 2 on, ReLU units do not give the paper's
        only = {"alphas": [alpha], "logarithms": [logarithm], "units": units}
        shares = _measured(result, lambda end: end.kind == "on the component", np.mean, "early", **only)
        quantity = f"α = {alpha:g}, {logarithm}, stopped early, {who}: share on the component"
        yield claim("choices", ORDER, quantity, shares, **bound)
    for unit in ("relu", "logsig"):
        crowd = _measured(result, lambda end: end.densest, min, "late", alphas=[2.0], units=[unit])
        quantity = f"α = 2, {NAMES[unit]}, run on: share of outputs in one disc of radius 0.1, smaller of bits and nats"
        yield claim("choices", ORDER, quantity, crowd, at_least=CROWD)


def _logarithm_claims(result: Result) -> Iterator[Claim]:
    seeds = result.settings.seeds
    # For α < 1 the rounding of the smallest eigenvalues is magnified, in bits otherwise than in nats.
    runs = [(key[-1], float(out["gap"])) for key, out in result.runs.items() if key[1] >= 1]
    gaps = [max(gap for seed_of_run, gap in runs if seed_of_run == seed) for seed in seeds]
    quantity = "L in nats at µ less ln 2 · L in bits at µ/ln 2 (1.5 acts as 2.16), and gradients: largest relative gap"
    yield claim("choices", LOGARITHM, quantity, gaps, at_most=1e-12)


def _start_claims(result: Result) -> Iterator[Claim]:
    for unit in UNITS:
        spread = _measured(result, lambda end: end.spread, max, "small", alphas=[1.01], units=[unit])
        quantity = f"{NAMES[unit]}, α = 1.01, small start: std ratio output/input, larger of bits and nats"
        yield claim("choices", START, quantity, spread, at_most=COLLAPSED)
    spread = _measured(result, lambda end: end.spread, min, "late")
    quantity = "from a reconstruction, every α and unit, bits and nats: smallest std ratio output/input"
    yield claim("choices", START, quantity, spread, at_least=0.5)


def _stop_claims(result: Result) -> Iterator[Claim]:
    for unit, bound in (("relu", {"at_least": 0.5}), ("logsig", {"at_least": 0.5}), ("linear", {"at_most": 0.5})):
        held = _measured(result, lambda end: end.in_five, max, "late", alphas=[1.01], units=[unit])
        what = "share of outputs in five discs of radius 0.1, larger of bits and nats"
        yield claim("choices", STOP, f"{NAMES[unit]}, α = 1.01, run on: {what}", held, **bound)


COLUMNS = ("unit", "alpha", "logarithm", "start", "seed", "L", "conditional_entropy", "output_entropy", "distortion")
OUTPUT_COLUMNS = ("unit", "alpha", "logarithm", "start", "sample", "x1", "x2", "xhat1", "xhat2")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write choices.png, .csv and .json; on demand the outputs of the first seed as choices_outputs.csv."""
    tables = {"choices": ((*COLUMNS, *Ending._fields), _rows(result))}
    outputs = (
        (*answer, start, sample, *map(float, x), *map(float, xhat))
        for (*answer, seed), out in result.runs.items()
        if seed == result.settings.seeds[0]
        for start, Xhat in zip(STARTS, out["Xhat"], strict=True)
        for sample, (x, xhat) in enumerate(zip(out["X"], Xhat, strict=True))
    )
    long = {"choices_outputs": (OUTPUT_COLUMNS, outputs)}
    more: dict[str, Any] = {"units": None, "long_tables": long, "all_files": all_files}
    return write_result(result, folder, "choices", claims(result), draw(result), tables, **more)


def _rows(result: Result) -> Iterator[tuple[object, ...]]:
    for (unit, alpha, logarithm, seed), out in result.runs.items():
        for k, start in enumerate(STARTS):
            numbers = (float(out[name][k]) for name in COLUMNS[5:])
            yield unit, alpha, logarithm, start, seed, *numbers, *ending(out["X"], out["Xhat"][k])
