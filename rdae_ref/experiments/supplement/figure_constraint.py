"""The constraint (14): where the distortion jumps as μ moves, and the rate–distortion curve without jumps.

On the data of Figure 1, μ is lowered from a good reconstruction and raised from the collapsed end. Between the two
jumps every μ has two solutions, and inside a jump there are distortions that no μ gives: the augmented Lagrangian of
`maximize_at_distortion` reaches them, and with it the matrix-based curve I_α(X; X̂) over D.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...autoencoder import Parameters, initial_parameters
from ...data import gaussian
from ...matrices import gaussian_gram, joint_entropy, renyi_entropy
from ...objective import RateDistortion
from ...optimize import maximize, maximize_at_distortion
from ...pytree import ravel
from ...theory import gaussian_rate_distortion
from ...workers import Workers
from ..claims import Claim, claim
from ..figure1 import NAMES, UNITS
from ..output import COLOURS, Figure, Folder, column_rows, new_figure
from ..protocol import Result, run_tasks, write_result
from ..runs import Outcome
from ..training import Training, finished, rate_distortion

__all__ = ["Result", "Settings", "Task", "claims", "curve_one", "draw", "run", "solve_along", "sweep_one", "write"]

SWEEPS = {"down": "vermilion", "up": "blue"}
CURVES = ("rising", "falling")


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    n_samples: int = 100  # half of Figure 1's, since there are many runs
    training: Training = field(default_factory=lambda: Training(n_hidden=10))  # as for Figure 1
    sweep: tuple[float, ...] = tuple(round(8 / 2 ** (k / 4), 4) for k in range(29))  # μ, each run starts at the last
    sweep_iterations: int = 60  # of L-BFGS, for each μ
    bisections: int = 4  # of the interval of μ with the largest jump
    small_start: float = 0.01  # std of the start of the collapsed end
    nudge: float = 0.01  # std of what is added to the parameters before each step up: a collapsed point is stationary
    distortions: tuple[float, ...] = (0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.75, 2.1)  # bounds of (14)
    rounds: int = 8  # of the method of multipliers, at most
    round_iterations: int = 60  # of L-BFGS in each, at most
    seeds: tuple[int, ...] = (0, 1, 2)  # of data and start of the sweeps
    starts: tuple[int, ...] = (0, 1)  # seeds of the starts of the curves, on the data of the first of `seeds`


class Task(NamedTuple):
    """One sweep over μ, or one curve over D."""

    activation: str
    direction: str  # a sweep's "down" or "up"; a curve's "rising", from a reconstruction, or "falling"
    seed: int  # one of the seeds of a sweep, or of the starts of a curve
    settings: Settings


def sweep_one(task: Task) -> dict[str, Any]:
    """Move μ step by step, and find the largest jump of the distortion.

    The outcome has the columns of `SWEEP_COLUMNS`; ``jump_mu`` and ``jump_distortion``, before and after the jump; and
    the total ``variance`` of the data.
    """
    settings, rng = task.settings, np.random.default_rng(task.seed)
    X = gaussian(settings.n_samples, rng)
    objective = rate_distortion(X, task.activation, settings.training)
    mus, parameters = _beginning(task, objective, rng)
    rows, path = [], []
    for mu in mus:
        parameters = _step(task, objective, mu, parameters, rng)
        terms = objective.terms(parameters)
        entropy, distortion = terms.conditional_entropy, terms.distortion
        rows.append((mu, entropy - mu * distortion, entropy, distortion))
        path.append(parameters)
    table = dict(zip(SWEEP_COLUMNS, np.array(rows).T, strict=True))
    jump = _largest_jump(task, objective, table, path, rng)
    return table | {"jump_mu": jump[:, 0], "jump_distortion": jump[:, 1], "variance": float(X.var(axis=0).sum())}


SWEEP_COLUMNS = ("mu", "L", "conditional_entropy", "distortion")


def _beginning(task: Task, objective: RateDistortion, rng: np.random.Generator) -> tuple[Sequence[float], Parameters]:
    """Return the values of μ in order, and where a sweep begins: at a reconstruction, or at the collapsed end."""
    settings = task.settings
    down = task.direction == "down"
    scale = settings.training.start if down else settings.small_start
    start = initial_parameters(2, settings.training.n_hidden, rng, scale=scale)
    mu = 16 * settings.sweep[0] if down else settings.sweep[-1]
    found = maximize(objective.with_mu(mu), start, max_iterations=5 * settings.sweep_iterations)
    return (settings.sweep if down else settings.sweep[::-1]), found.x


def _step(
    task: Task, objective: RateDistortion, mu: float, parameters: Parameters, rng: np.random.Generator
) -> Parameters:
    if task.direction == "up":
        x, unravel = ravel(parameters)
        parameters = unravel(x + task.settings.nudge * rng.normal(size=x.size))
    return maximize(objective.with_mu(mu), parameters, max_iterations=task.settings.sweep_iterations).x


def _largest_jump(
    task: Task, objective: RateDistortion, table: Outcome, path: Sequence[Parameters], rng: np.random.Generator
) -> Array:
    """Halve the interval of μ in which the distortion jumps most; return μ and D on its two sides."""
    k = int(np.abs(np.diff(table["distortion"])).argmax())
    parameters = path[k]
    before, after = ((float(table["mu"][i]), float(table["distortion"][i])) for i in (k, k + 1))
    for _ in range(task.settings.bisections):
        mu = float(np.sqrt(before[0] * after[0]))
        found = _step(task, objective, mu, parameters, rng)
        middle = mu, objective.terms(found).distortion
        if abs(middle[1] - before[1]) < abs(middle[1] - after[1]):
            before, parameters = middle, found
        else:
            after = middle
    return np.array([before, after])


def curve_one(task: Task) -> dict[str, Any]:
    """Solve (14) for one bound after another; return the data and what `solve_along` returns."""
    settings = task.settings
    X = gaussian(settings.n_samples, np.random.default_rng(settings.seeds[0]))
    rng = np.random.default_rng(task.seed)
    objective = rate_distortion(X, task.activation, settings.training)
    rising = task.direction == "rising"
    scale = settings.training.start if rising else settings.small_start
    parameters = initial_parameters(2, settings.training.n_hidden, rng, scale=scale)
    bounds = settings.distortions if rising else settings.distortions[::-1]
    found = solve_along(objective, parameters, bounds, settings.rounds, settings.round_iterations)
    return found | {"X": X}


def solve_along(
    objective: RateDistortion, parameters: Parameters, bounds: Sequence[float], rounds: int, iterations: int
) -> Outcome:
    """Solve (14) for one bound after another, each from where the previous one ended; return `CURVE_COLUMNS`."""
    rate_of_inputs = renyi_entropy(objective.K_X, objective.alpha, objective.base)
    rows = []
    for bound in bounds:
        found = finished(
            maximize_at_distortion(objective, parameters, bound, max_iterations=iterations, n_rounds=rounds)
        )
        parameters, objective = found.x, objective.with_mu(found.mu)
        entropy, distortion = found.terms.conditional_entropy, found.terms.distortion
        rows.append((bound, rate_of_inputs - entropy, entropy, distortion, found.mu, found.success))
    return dict(zip(CURVE_COLUMNS, np.array(sorted(rows)).T, strict=True))


CURVE_COLUMNS = ("bound", "rate", "conditional_entropy", "distortion", "mu", "success")


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Sweep μ and solve (14) along a grid of bounds; keys are (unit, direction, seed or start)."""
    settings = settings or Settings()
    sweeps, curves = (
        {(unit, way, seed): Task(unit, way, seed, settings) for seed in seeds for unit in UNITS for way in ways}
        for ways, seeds in ((SWEEPS, settings.seeds), (CURVES, settings.starts))
    )
    runs = run_tasks(sweep_one, sweeps, folder, workers, "sweeps over µ")
    return Result(settings, runs | run_tasks(curve_one, curves, folder, workers, "rate–distortion curves"))


class Curve(NamedTuple):
    """The best that was found for each bound, and what it is compared with."""

    bound: Array
    best: dict[str, Array]  # least rate for each unit, over starts
    envelope: Array  # the least of all, at this bound or a lower one
    variances: Array
    identity_rate: float
    identity_formula: float

    @property
    def variance(self) -> float:
        return float(self.variances.sum())


def curve(result: Result) -> Curve:
    """Return the matrix-based rate–distortion curve: a point that meets a bound also meets every higher one."""
    settings, runs = result.settings, result.runs
    solved = {unit: [runs[unit, way, start] for way in CURVES for start in settings.starts] for unit in UNITS}
    best = {
        unit: np.min([np.where(run["success"] == 1, run["rate"], np.inf) for run in found], axis=0)
        for unit, found in solved.items()
    }
    X, training = runs[UNITS[0], CURVES[0], settings.starts[0]]["X"], settings.training
    K = gaussian_gram(X, training.sigma)
    unchanged = Parameters(np.eye(2), np.zeros(2), np.eye(2), np.zeros(2))
    identity = rate_distortion(X, "linear", training).terms(unchanged)
    twice = 2 * renyi_entropy(K, training.alpha, training.base)
    bound = np.array(settings.distortions)
    return Curve(
        bound,
        best,
        np.minimum.accumulate(np.min(list(best.values()), axis=0)),
        np.asarray(np.linalg.eigvalsh(np.cov(X.T, bias=True)), dtype=float),
        renyi_entropy(K, training.alpha, training.base) - identity.conditional_entropy,
        twice - joint_entropy(K, K, training.alpha, training.base),
    )


def draw(result: Result) -> Figure:
    """Draw D and L over μ, both ways, with a panel for each unit."""
    with new_figure(7.2, 4.2) as figure:
        panels = figure.subplots(2, len(UNITS), sharex=True, sharey="row", squeeze=False)
        for column, unit in zip(panels.T, UNITS, strict=True):
            _draw_sweeps(column, result, unit)
        for axes, symbol in zip(panels[:, 0], ("$D$", "$L$ in bits"), strict=True):
            axes.set_ylabel(symbol)
        panels[0, 0].plot([], [], color=COLOURS["grey"], alpha=0.6, lw=0.7, label="faint: other seeds")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=7.5)
    return figure


WAYS = {"down": r"$\mu$ lowered from a reconstruction", "up": r"$\mu$ raised from the collapsed end"}


def _draw_sweeps(column: Sequence[Any], result: Result, unit: str) -> None:
    settings = result.settings
    for seed in settings.seeds:
        first = seed == settings.seeds[0]
        for way, colour in SWEEPS.items():
            out = result.runs[unit, way, seed]
            look = {"color": COLOURS[colour], "alpha": 1 if first else 0.35, "lw": 1.2 if first else 0.7}
            label = WAYS[way] if first else None
            for axes, name in zip(column, ("distortion", "L"), strict=True):
                axes.semilogx(out["mu"], out[name], ".-", ms=3 if first else 0, label=label, **look)
            if first and unit == "linear":
                _draw_jump(column[0], out, COLOURS[colour])
    if unit == "linear":  # with other units there are many optima for one bound
        _draw_bounds(column, result)
    for axes in column:
        for mu in (settings.training.mu, settings.training.mu / math.log(2)):
            axes.axvline(mu, color=COLOURS["grey"], lw=0.8, ls=":", zorder=0)
    column[0].set_title(f"{NAMES[unit]} units")
    column[1].set_xlabel(r"$\mu$")


def _draw_bounds(column: Sequence[Any], result: Result) -> None:
    """Draw the solutions of (14) over their multipliers, and say which μ is which."""
    settings, out = result.settings, result.runs["linear", CURVES[0], result.settings.starts[0]]
    mu, D = out["mu"], out["distortion"]
    shown = (mu >= settings.sweep[-1]) & (mu <= settings.sweep[0])
    for axes, values in zip(column, (D, out["conditional_entropy"] - mu * D), strict=True):
        label = "solutions of (14)"
        axes.plot(mu[shown], values[shown], "D:", ms=3, mfc="white", mew=0.7, lw=0.8, color="black", label=label)
    stated = settings.training.mu
    for where, units, side in ((stated, "bits", "right"), (stated / math.log(2), "nats", "left")):
        words = {"rotation": 90, "ha": side, "va": "top", "fontsize": 6.5, "color": "0.35"}
        column[1].text(where, column[1].get_ylim()[1], f"{stated:g} in {units}", **words)


def _draw_jump(axes: Any, out: Outcome, colour: str) -> None:
    (mu, _), (low, high) = out["jump_mu"], out["jump_distortion"]
    axes.annotate("", (mu, high), (mu, low), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 0.8, "ls": "--"})


def draw_curve(result: Result) -> Figure:
    """Draw the rate–distortion curve of (14)."""
    settings, found = result.settings, curve(result)
    with new_figure(7.2, 3.2) as figure:
        axes = figure.subplots()
        for unit, colour, marker in zip(UNITS, ("orange", "green", "purple"), "os^", strict=True):
            for start in settings.starts:
                for way in CURVES:
                    out = result.runs[unit, way, start]
                    met = out["success"] == 1
                    look = {"ms": 3.5, "mew": 0, "alpha": 0.6, "color": COLOURS[colour]}
                    label = f"{NAMES[unit]} units" if (start, way) == (settings.starts[0], CURVES[0]) else None
                    axes.plot(out["distortion"][met], out["rate"][met], marker, label=label, **look)
        reached = np.minimum(found.bound, found.variance)
        D = np.linspace(reached[0] / 2, found.variance, 200)
        shannon = gaussian_rate_distortion(found.variances, D, settings.training.base).rate
        axes.plot(
            [0, *reached], [found.identity_rate, *found.envelope], color="black", lw=1, label="best found (envelope)"
        )
        axes.plot(D, shannon, ls="--", lw=1, color=COLOURS["grey"], label="Shannon's R(D), Eqs. (4), (5)")
        axes.plot(0, found.identity_rate, "*", ms=9, color="black", clip_on=False, label=r"$\hat x = x$")
        axes.plot(found.variance, 0, "P", ms=6, color="black", clip_on=False, label="total variance, rate 0")
        axes.set(xlabel="$D$", ylabel=r"$I_\alpha(X; \hat X)$ in bits", xlim=(0, 2.2), ylim=(0, None))
        axes.legend(ncols=2, loc="upper right", fontsize=7.5)
    return figure


JUMPS = "D(µ) is not a function: it jumps, with hysteresis"
GAP = "(14) bounds the distortion, whatever the bound D"
RATE = "a matrix-based rate–distortion curve follows from (14)"


def claims(result: Result) -> list[Claim]:
    """Compare transitions, distortions in the gap, and the ends of the curve with thresholds."""
    return [*_jump_claims(result), *_gap_claims(result), *_rate_claims(result)]


def _jump_claims(result: Result) -> Iterator[Claim]:
    downs, ups = (result.over_seeds("linear", way) for way in SWEEPS)
    jumps = [float(np.ptp(out["jump_distortion"]) / out["variance"]) for out in downs]
    yield claim("constraint", JUMPS, "linear, µ lowered: largest jump of D over total variance", jumps, at_least=0.4)
    where = [float(out["jump_mu"].mean()) for out in downs]
    yield claim("constraint", JUMPS, "linear, µ lowered: µ of the jump", where, at_most=1.5)
    width = [float(up["jump_mu"].mean() / down["jump_mu"].mean()) for up, down in zip(ups, downs, strict=True)]
    yield claim("constraint", JUMPS, "linear: µ of the jump up over that of the jump down", width, at_least=1.2)
    even = [_even_mu(down, up) for down, up in zip(downs, ups, strict=True)]
    yield claim("constraint", JUMPS, "linear: µ at which both branches have the same L", even, at_least=1.0)


def _even_mu(down: Outcome, up: Outcome) -> float:
    """Return the μ from which on reconstructions have more L than the collapsed end, while there is one."""
    order = np.argsort(down["mu"])
    order = order[down["mu"][order] <= up["jump_mu"][0]]
    mu, lead = down["mu"][order], down["L"][order] - np.interp(down["mu"][order], up["mu"], up["L"])
    behind = np.flatnonzero(lead < -1e-3)
    if not behind.size or behind[-1] + 1 == len(mu):
        return float("nan")
    k = behind[-1]
    return float(mu[k] + (mu[k + 1] - mu[k]) * lead[k] / (lead[k] - lead[k + 1]))


def _gap_claims(result: Result) -> Iterator[Claim]:
    settings = result.settings
    low, high = sorted(result.first("linear", "down")["jump_distortion"])
    misses, inside = [], 0
    for start in settings.starts:
        for way in CURVES:
            out = result.runs["linear", way, start]
            gap = (out["bound"] > low) & (out["bound"] < high) & (out["mu"] > 0)
            inside = max(inside, int(gap.sum()))
            misses += [float(np.abs(out["distortion"] / out["bound"] - 1)[gap].max(initial=0))]
    yield claim("constraint", GAP, f"linear, D from {low:.2f} to {high:.2f}: bounds inside", [inside], at_least=2)
    yield claim("constraint", GAP, "linear: largest |D_emp/D − 1| at the bounds inside", misses, at_most=0.01)
    met = [float(run["success"].mean()) for (_, way, _), run in result.runs.items() if way in CURVES]
    yield claim("constraint", GAP, "all units: share of the bounds that are met", met, at_least=1)


def _rate_claims(result: Result) -> Iterator[Claim]:
    found = curve(result)
    rise = float(np.diff(found.envelope).max())
    yield claim("constraint", RATE, "best-found envelope: largest rise from one D to the next", [rise], at_most=0)
    raw = np.diff(np.min(list(found.best.values()), axis=0)).max()
    yield claim("constraint", RATE, "best of each bound by itself: largest rise, bits", [raw], at_most=0.05)
    yield claim("constraint", RATE, "rate at D = total variance, bits", [found.envelope[-1]], at_most=1e-3)
    miss = abs(found.identity_rate - found.identity_formula)
    yield claim("constraint", RATE, "rate at x̂ = x against 2 S(K_X) − S(N K_X∘K_X)", [miss], at_most=1e-10)
    excess = float(found.envelope[0] - found.identity_rate)
    quantity = f"rate at D = {found.bound[0]:g} minus that at x̂ = x ({found.identity_rate:.3f} bits)"
    yield claim("constraint", RATE, quantity, [excess], at_most=0)


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write constraint.png and .json, constraint_sweep.csv, and the curve as constraint_rate.png and constraint.csv."""
    found = curve(result)
    swept, solved = (
        [(key, out) for key, out in result.runs.items() if key[1] in directions] for directions in (SWEEPS, CURVES)
    )
    solved = [(key, out | {"envelope": found.envelope}) for key, out in solved]
    key, names = ("unit", "direction", "seed"), (*CURVE_COLUMNS, "envelope")
    tables = {
        "constraint": ((*key, *names), column_rows(solved, names)),
        "constraint_sweep": ((*key, *SWEEP_COLUMNS), column_rows(swept, SWEEP_COLUMNS)),
    }
    ends = {"total_variance": found.variance, "rate_of_identity": found.identity_rate}
    more: dict[str, Any] = {"seed": False, "all_files": all_files, "jumps": list(_jumps(result)), "ends": ends}
    more["figures"] = {"constraint_rate": draw_curve(result)}
    return write_result(result, folder, "constraint", claims(result), draw(result), tables, **more)


def _jumps(result: Result) -> Iterator[dict[str, object]]:
    for (unit, way, seed), out in result.runs.items():
        if way in SWEEPS:
            mu, distortion = (out[name].round(4).tolist() for name in ("jump_mu", "jump_distortion"))
            yield {"unit": unit, "direction": way, "seed": seed, "mu": mu, "distortion": distortion}
