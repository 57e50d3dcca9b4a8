"""Figure 2: outputs of over-complete auto-encoders on a mixture of Gaussians, with four kinds of units.

The paper fixes data (27), 20 units, μ = 1.5 and σ = 0.2·√2; what it leaves open is in `Settings` and `Training`.
Two more experiments go with the figure: a sweep over μ, which shows when outputs collapse, and the gains of the
Jacobian.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .._validation import Array
from ..data import RIDGE, mixture, project_on_ridge
from ..data.sources import RIDGE_DIRECTIONS
from ..optimize import maximize
from ..workers import Workers
from .claims import Claim, claim
from .output import COLOURS, Figure, Folder, column_rows, draw_outputs, new_figure, terms_table, write_files
from .protocol import Result, run_tasks
from .runs import Outcome
from .training import (
    MIXTURE,
    N_MIXTURE,
    SEEDS,
    Task,
    Training,
    finished,
    jacobians,
    rate_distortion,
    starting_point,
    train,
    variant_name,
)

__all__ = ["Result", "Settings", "claims", "draw", "ridge_ratio", "run", "sweep_one", "train_one", "write"]

UNITS = ("linear", "relu", "logsig", "satlin")
NAMES = {"linear": "linear", "relu": "ReLU", "logsig": "logsig", "satlin": "saturated linear"}
NONLINEAR = ("relu", "logsig", "satlin")


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    n_samples: int = N_MIXTURE  # N, not stated
    training: Training = MIXTURE
    # μ, each run starts at the last; without any, there is no sweep
    sweep: tuple[float, ...] = tuple(round(6 / 2 ** (k / 2), 4) for k in range(13))
    sweep_samples: int = 200  # N of the sweep
    sweep_iterations: int = 30  # of L-BFGS, for each μ
    seeds: tuple[int, ...] = SEEDS
    n_fewer: int = 9  # of the seeds, of the sweep and the conventional auto-encoders


def train_one(task: Task) -> dict[str, Any]:
    """Train one auto-encoder and measure how it contracts along the principal curve and across it.

    Besides X, component, Xhat and the terms of the objective: for each sample the gains ‖J u‖ of the Jacobian along and
    across the curve, and its singular values.
    """
    rng = np.random.default_rng(task.seed)
    X, component = mixture(task.settings.n_samples, rng)
    trained = train(task.model, X, task.activation, task.settings.training, rng)
    across = project_on_ridge(X).normal
    along = across[:, ::-1] * [1, -1]
    J = jacobians(trained.parameters, X, task.activation)
    return {
        **trained.outputs,
        "component": component,
        "gain_along": np.linalg.norm(J @ along[:, :, None], axis=(1, 2)),
        "gain_across": np.linalg.norm(J @ across[:, :, None], axis=(1, 2)),
        "singular_values": np.linalg.svd(J, compute_uv=False),
    }


def sweep_one(task: Task) -> dict[str, Any]:
    """Lower μ step by step; return for each μ the columns of `SWEEP_COLUMNS`.

    ``major`` and ``minor`` are the standard deviations of the outputs along their own principal axes, ``ridge`` is
    their median distance to the principal curve over that of the data.
    """
    settings, rng = task.settings, np.random.default_rng(task.seed)
    X = mixture(settings.sweep_samples, rng).X
    training = replace(settings.training, mu=settings.sweep[0])
    objective = rate_distortion(X, task.activation, training)
    parameters = starting_point(X, training, rng)
    rows = []
    for mu in (64 * settings.sweep[0], *settings.sweep):
        found = finished(maximize(objective.with_mu(mu), parameters, max_iterations=settings.sweep_iterations))
        parameters, Xhat = found.x, objective.reconstruct(found.x)
        terms = objective.terms(parameters)
        major, minor = np.sqrt(np.linalg.eigvalsh(np.cov(Xhat.T, bias=True))[::-1].clip(0))
        rows.append((mu, found.fun, terms.conditional_entropy, terms.distortion, major, minor, ridge_ratio(X, Xhat)))
    table = dict(zip(SWEEP_COLUMNS, np.array(rows[1:]).T, strict=True))  # the first made the good reconstruction
    return table | {"data_major": float(np.sqrt(np.linalg.eigvalsh(np.cov(X.T, bias=True))[-1]))}


SWEEP_COLUMNS = ("mu", "L", "conditional_entropy", "distortion", "major", "minor", "ridge")


def ridge_ratio(X: Array, Xhat: Array) -> float:
    """Return the median distance of outputs to the principal curve over that of the data."""
    return float(np.median(project_on_ridge(Xhat).distance) / np.median(project_on_ridge(X).distance))


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Train and sweep μ; keys are (model, unit, seed), with the model "rate-distortion", "plain" or "sweep"."""
    settings = settings or Settings()
    fewer = settings.seeds[: settings.n_fewer]
    models, sweep = {"rate-distortion": settings.seeds, "plain": fewer}, {"sweep": fewer if settings.sweep else ()}
    trained, swept = (
        {(m, unit, seed): Task(m, unit, seed, settings) for m, seeds in of.items() for seed in seeds for unit in UNITS}
        for of in (models, sweep)
    )
    runs = run_tasks(train_one, trained, folder, workers, "figure 2")
    return Result(settings, runs | run_tasks(sweep_one, swept, folder, workers, "figure 2, sweep over µ"))


def draw(result: Result) -> Figure:
    """Draw the outputs over the inputs in four panels, as in the paper, with the principal curve."""
    with new_figure(7.2, 4.6) as figure:
        panels = figure.subplots(2, 2, sharex=True, sharey=True)
        for axes, unit in zip(panels.flat, UNITS, strict=True):
            outcome = result.first("rate-distortion", unit)
            draw_ridge(axes, outcome["X"])
            draw_outputs(axes, outcome, right=0.99, between=", ")
            axes.set(title=f"{NAMES[unit]} units", aspect="equal", xlim=(-5.2, 9.2), ylim=(-5.8, 3.0))
            axes.set_xticks(range(-4, 9, 4))
        for axes in panels[1]:
            axes.set_xlabel("$x_1$")
        for axes in panels[:, 0]:
            axes.set_ylabel("$x_2$")
        panels[0, 0].legend(loc="upper center", ncols=3, handletextpad=0.2, columnspacing=1, fontsize=7)
    return figure


def draw_ridge(axes: Any, X: Array) -> None:
    """Draw the principal curve of the mixture as far as the data reaches."""
    first, last = RIDGE
    start = first + min(0, ((X - first) @ RIDGE_DIRECTIONS[0]).min()) * RIDGE_DIRECTIONS[0]
    end = last + max(0, ((X - last) @ RIDGE_DIRECTIONS[2]).max()) * RIDGE_DIRECTIONS[2]
    axes.plot(*np.array([start, first, last, end]).T, color=COLOURS["blue"], lw=0.8, label="principal curve", zorder=1)


def draw_sweep(result: Result) -> Figure:
    """Draw the standard deviations of the outputs along their principal axes as μ is lowered."""
    with new_figure(7.2, 2.2) as figure:
        panels = figure.subplots(1, len(UNITS), sharex=True, sharey=True)
        for axes, unit in zip(panels, UNITS, strict=True):
            for k, table in enumerate(result.over_seeds("sweep", unit)):
                for name, colour in (("major", "vermilion"), ("minor", "blue")):
                    label = None if k else f"{name} axis"
                    axes.loglog(table["mu"], table[name], ".-", lw=0.7, ms=4, color=COLOURS[colour], label=label)
            axes.axvline(result.settings.training.mu, color=COLOURS["grey"], lw=0.8, ls=":")
            axes.set(title=f"{NAMES[unit]} units", xlabel=r"$\mu$, lowered", ylim=(5e-4, 6))
        panels[0].set_ylabel("std of the outputs")
        panels[-1].legend(loc="lower right", fontsize=7)
        panels[0].annotate("a line", (0.42, 0.15), ha="center", fontsize=7)
        panels[0].annotate("a point", (0.13, 0.15), ha="center", fontsize=7)
        panels[0].annotate("1.5", (1.6, 6e-4), fontsize=7)
    return figure


CURVES = "the outputs approximately align with what can be though as the principal curves of the data"
FAVOUR = "the linear units seem to fit the data, but they favor the principal components"
COLLAPSE = "lowering the value of µ would collapse the reconstructed points into a line"
NEED_NOT = "this is not necessarily the case when nonlinear units are considered"
CONTRACT = "we can think of the mapping f as a contraction (§2.2)"


def claims(result: Result) -> list[Claim]:
    """Compare what the paper says about the figure with the runs."""
    swept = _sweep_claims(result) if result.settings.sweep else ()
    return [*_curve_claims(result), *_linear_claims(result), *swept, *_contraction_claims(result)]


def _curve_claims(result: Result) -> Iterator[Claim]:
    for unit in NONLINEAR:
        ratios = [ridge_ratio(out["X"], out["Xhat"]) for out in result.over_seeds("rate-distortion", unit)]
        quantity = f"{NAMES[unit]}: median distance to the principal curve, outputs over data"
        yield claim("2", CURVES, quantity, ratios, at_most=0.4)


def _linear_claims(result: Result) -> Iterator[Claim]:
    favour, follow = [], []
    for out in result.over_seeds("rate-distortion", "linear"):
        axes = np.linalg.eigh(np.cov(out["X"].T))[1]
        minor, major = (out["Xhat"] @ axes).std(axis=0) / (out["X"] @ axes).std(axis=0)
        favour.append(minor / major)
        follow.append(ridge_ratio(out["X"], out["Xhat"]))
    quantity = "linear: std ratio output/input on the second principal axis over that on the first"
    yield claim("2", FAVOUR, quantity, favour, at_most=0.9)
    quantity = "linear: median distance to the principal curve, outputs over data"
    yield claim("2", FAVOUR, quantity, follow, at_least=0.8)


def _sweep_claims(result: Result) -> Iterator[Claim]:
    def flatness(unit: str) -> list[float]:
        """Return the smallest ratio of minor to major axis while the major one is at least half of the data's."""
        tables = result.over_seeds("sweep", unit)
        long = [table["major"] > 0.5 * table["data_major"] for table in tables]
        return [float((t["minor"] / t["major"])[kept].min()) for t, kept in zip(tables, long, strict=True)]

    flattest = "outputs' minor over major axis, smallest in the sweep while the major one is above half of the data's"
    yield claim("2", COLLAPSE, f"linear: {flattest}", flatness("linear"), at_most=0.02)
    line, point = zip(*map(_transitions, result.over_seeds("sweep", "linear")), strict=True)
    quantity = "linear: largest µ with outputs on a line (minor below 5 % of major axis)"
    yield claim("2", COLLAPSE, quantity, line, at_most=1.5)
    quantity = "linear: largest µ with outputs in a point (major below 1 % of the data's)"
    yield claim("2", COLLAPSE, quantity, point, at_most=1.5)
    for unit in NONLINEAR:
        yield claim("2", NEED_NOT, f"{NAMES[unit]}: {flattest}", flatness(unit), at_least=0.05)


def _transitions(table: Outcome) -> tuple[float, float]:
    """Return the largest μ of the sweep with the outputs on a line, and in a point; 0 where there is none."""
    line = table["mu"][table["minor"] < 0.05 * table["major"]]
    point = table["mu"][table["major"] < 0.01 * table["data_major"]]
    return float(line.max(initial=0)), float(point.max(initial=0))


def _contraction_claims(result: Result) -> Iterator[Claim]:
    for unit in UNITS:
        for way in ("across", "along"):
            gains = [float(np.median(out[f"gain_{way}"])) for out in result.over_seeds("rate-distortion", unit)]
            yield claim("2", CONTRACT, f"{NAMES[unit]}: median gain ‖J u‖ {way} the curve", gains, at_most=1.0)
        largest = [float(np.median(o["singular_values"][:, 0])) for o in result.over_seeds("rate-distortion", unit)]
        yield claim("2", CONTRACT, f"{NAMES[unit]}: median of the larger singular value of J", largest, at_most=1.0)
    conventional = zip(*(result.over_seeds("plain", unit) for unit in UNITS), strict=True)
    plain = [min(float(np.median(out["singular_values"][:, 1])) for out in of_seed) for of_seed in conventional]
    quantity = "conventional, least of the four units: median of the smaller singular value of J"
    yield claim("2", CONTRACT, quantity, plain, at_least=0.95)


COLUMNS = ("unit", "seed", "sample", "component", "x1", "x2", "xhat1", "xhat2")
JACOBIAN_COLUMNS = ("model", "unit", "seed", "sample", "gain_along", "gain_across", "singular1", "singular2")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write figure2.png, .csv (the seed drawn) and .json, figure2_sweep.png and .csv.

    On demand also figure2_seeds.csv, of all seeds, and figure2_jacobian.csv.
    """
    name = variant_name("figure2", result.settings.training)
    outcomes = [(unit, seed, out) for (model, unit, seed), out in result.runs.items() if model == "rate-distortion"]
    swept = [((unit, seed), out) for (model, unit, seed), out in result.runs.items() if model == "sweep"]
    return write_files(
        folder,
        claims(result),
        settings=asdict(result.settings) | {"units": "bits"},
        figures={name: draw(result), f"{name}_sweep": draw_sweep(result)},
        tables={
            name: (COLUMNS, _rows([one for one in outcomes if one[1] == result.settings.seeds[0]])),
            f"{name}_sweep": (("unit", "seed", *SWEEP_COLUMNS), column_rows(swept, SWEEP_COLUMNS)),
        },
        long_tables={
            f"{name}_seeds": (COLUMNS, _rows(outcomes)),
            f"{name}_jacobian": (JACOBIAN_COLUMNS, _jacobian_rows(result)),
        },
        all_files=all_files,
        brief=name != "figure2",
        seed=result.settings.seeds[0],
        runs=terms_table(outcomes),
    )


def _rows(outcomes: Sequence[tuple[str, int, Outcome]]) -> Iterator[tuple[object, ...]]:
    for unit, seed, out in outcomes:
        for sample, (component, x, xhat) in enumerate(zip(out["component"], out["X"], out["Xhat"], strict=True)):
            yield unit, seed, sample, int(component), *map(float, x), *map(float, xhat)


def _jacobian_rows(result: Result) -> Iterator[tuple[object, ...]]:
    for (model, unit, seed), out in result.runs.items():
        if model != "sweep":
            rows = zip(out["gain_along"], out["gain_across"], *out["singular_values"].T, strict=True)
            yield from ((model, unit, seed, sample, *map(float, row)) for sample, row in enumerate(rows))
