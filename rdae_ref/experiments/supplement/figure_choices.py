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
    """Train from a small start; from a reconstruction, stopped early; and on: one entry for each of `STARTS`."""
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
    """Draw an example of each kind of outputs, and below which kind every choice gave for every seed."""
    kinds = _kinds(result)
    with new_figure(7.2, 4.1) as figure:
        above, below = figure.subfigures(2, 1, height_ratios=[1.0, 1.7])
        for axes, kind in zip(above.subplots(1, len(KINDS), sharex=True, sharey=True), KINDS, strict=True):
            key = next((key for key, found in kinds.items() if kind in found), None)
            axes.set(aspect="equal", xlim=(-3.4, 3.4), ylim=(-3.4, 3.4), xticks=[], yticks=[])
            axes.set_title(kind, fontsize=8, color=COLOURS[KINDS[kind]])
            if key is not None:
                _draw_example(axes, result, key, kinds[key].index(kind), COLOURS[KINDS[kind]])
        panels = below.subplots(1, len(STARTS), sharey=True)
        for axes, (start, title) in zip(panels, STARTS.items(), strict=True):
            _draw_kinds(axes, {key[1:]: found for key, found in kinds.items() if key[0] == start}, result.settings)
            axes.set_title(title[0].upper() + title[1:], fontsize=8)
    return figure


def _kinds(result: Result) -> dict[tuple[str, str, float, str], list[str]]:
    """Return the kind of the outputs of each seed by (start, unit, α, logarithm)."""
    return {
        (start, *answer): [ending(out["X"], out["Xhat"][k]).kind for out in result.over_seeds(*answer)]
        for k, start in enumerate(STARTS)
        for answer in product(UNITS, result.settings.alphas, LOGARITHMS)
    }


def _draw_example(axes: Any, result: Result, key: tuple[Any, ...], seed: int, colour: str) -> None:
    start, unit, alpha, logarithm = key
    shown = result.over_seeds(unit, alpha, logarithm)[seed]
    axes.plot(*shown["X"].T, "o", ms=1.8, mew=0, color=COLOURS["grey"], alpha=0.6, rasterized=True)
    axes.plot(*shown["Xhat"][[*STARTS].index(start)].T, "o", ms=2.6, mew=0, color=colour, rasterized=True)
    axes.set_xlabel(f"{NAMES[unit]}, $\\alpha$ = {alpha:g}, {logarithm}", fontsize=7)


def _draw_kinds(axes: Any, kinds: dict[tuple[Any, ...], list[str]], settings: Settings) -> None:
    """Draw a square for each seed: units, in bits and in nats, in rows; α in columns."""
    lines = [*product(UNITS, LOGARITHMS)]
    for (unit, alpha, logarithm), found in kinds.items():
        y = -lines.index((unit, logarithm)) - 0.4 * UNITS.index(unit)
        for k, kind in enumerate(found):
            x = settings.alphas.index(alpha) + 0.2 * (k - (len(found) - 1) / 2)
            axes.plot(x, y, "s", ms=6, mew=0, color=COLOURS[KINDS[kind]])
    axes.set_xticks(range(len(settings.alphas)), [f"{alpha:g}" for alpha in settings.alphas])
    places = [-k - 0.4 * UNITS.index(unit) for k, (unit, _) in enumerate(lines)]
    axes.set_yticks(places, [f"{NAMES[unit]}, {logarithm}" for unit, logarithm in lines])
    axes.set(xlabel=r"$\alpha$", xlim=(-0.5, len(settings.alphas) - 0.5))
    axes.tick_params(length=0)


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
    quantity = "L in nats at µ − ln 2 · L in bits at µ/ln 2 (1.5 acts like 2.16), and gradients: largest relative gap"
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
