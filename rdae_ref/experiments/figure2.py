"""Figure 2: outputs of over-complete auto-encoders on a mixture of Gaussians, with four kinds of units.

The paper fixes data (27), 20 units, μ = 1.5 and σ = 0.2·√2; what it leaves open stands in `Settings` and `Training`.
Beside the figure stand a sweep over μ, which shows when outputs collapse, and the gains of the Jacobian.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._validation import Array
from ..autoencoder import initial_parameters
from ..data import RIDGE, mixture, project_on_ridge
from ..data.sources import RIDGE_DIRECTIONS
from ..optimize import maximize
from ..workers import Workers
from .claims import Claim, claim
from .output import COLOURS, paper_style, terms_table, write_csv, write_figure, write_json
from .runs import Outcome, run_all
from .training import Task, Trained, Training, finished, jacobians, rate_distortion, train_plain, train_rate_distortion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Result", "Settings", "claims", "draw", "draw_sweep", "run", "sweep_one", "train_one", "write"]

UNITS = ("linear", "relu", "logsig", "satlin")
NAMES = {"linear": "linear", "relu": "ReLU", "logsig": "logsig", "satlin": "saturated linear"}
NONLINEAR = ("relu", "logsig", "satlin")


@dataclass(frozen=True)
class Settings:
    """What the numbers of the figure depend on.

    Parameters
    ----------
    n_samples : int
        N. Not stated.
    training : Training
        Units, μ, σ and the choices that the paper leaves open.
    sweep : tuple of float
        The values of μ, falling, each run starting from where the one before ended.
    sweep_iterations : int
        Of L-BFGS, for each μ.
    seeds : tuple of int
        One sample of the data, and one start, for each. The figure shows the first.
    """

    n_samples: int = 200
    training: Training = field(default_factory=lambda: Training(n_hidden=20))
    sweep: tuple[float, ...] = tuple(round(6 / 2 ** (k / 2), 4) for k in range(13))
    sweep_iterations: int = 40
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


class Result(NamedTuple):
    """All runs of the figure.

    Parameters
    ----------
    settings : Settings
        What they depend on.
    runs : dict
        Outcome of each run by model, unit and seed; with model ``"sweep"`` the sweep's.
    """

    settings: Settings
    runs: dict[tuple[str, str, int], Outcome]


def train_one(task: Task) -> dict[str, Any]:
    """Train one auto-encoder and measure how it contracts along the principal curve and across it.

    Parameters
    ----------
    task : Task
        What to train on what.

    Returns
    -------
    dict
        Arrays X, component, Xhat; for each sample the gains ‖J u‖ of the Jacobian along and across the curve, and its
        singular values; the terms of the objective.
    """
    rng = np.random.default_rng(task.seed)
    X, component = mixture(task.settings.n_samples, rng)
    train = train_plain if task.model == "plain" else train_rate_distortion
    trained: Trained = train(X, task.activation, task.settings.training, rng)
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
    """Lower μ step by step, and measure what becomes of the outputs.

    Parameters
    ----------
    task : Task
        Units and seed.

    Returns
    -------
    dict
        For each μ: L, conditional_entropy, distortion; major and minor, the standard deviations of the outputs along
        their own principal axes; ridge, their median distance to the principal curve over that of the data.
    """
    settings, rng = task.settings, np.random.default_rng(task.seed)
    X = mixture(settings.n_samples, rng).X
    training = replace(settings.training, mu=settings.sweep[0])
    objective = rate_distortion(X, task.activation, training)
    parameters = initial_parameters(2, training.n_hidden, rng, scale=training.start)
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


def run(
    settings: Settings | None = None, *, folder: str | os.PathLike[str] = "figures", workers: Workers = None
) -> Result:
    """Train every unit, as a rate-distortion and as a conventional auto-encoder, and sweep μ, for every seed.

    Parameters
    ----------
    settings : Settings, optional
        Those of the figure, if there are none.
    folder : path-like
        Finished runs are kept in its subfolder ``.runs``.
    workers : int, callable or None
        See `rdae_ref.experiments.runs.run_all`.

    Returns
    -------
    Result
        The outcome of each run.
    """
    settings, kept = settings or Settings(), Path(folder) / ".runs"
    trained = [
        Task(model, unit, seed, settings)
        for model in ("rate-distortion", "plain")
        for seed in settings.seeds
        for unit in UNITS
    ]
    swept = [Task("sweep", unit, seed, settings) for seed in settings.seeds for unit in UNITS]
    outcomes = run_all(train_one, trained, folder=kept, workers=workers, description="figure 2")
    outcomes += run_all(sweep_one, swept, folder=kept, workers=workers, description="figure 2, sweep over µ")
    tasks = trained + swept
    return Result(
        settings,
        {(task.model, task.activation, task.seed): out for task, out in zip(tasks, outcomes, strict=True)},
    )


def draw(result: Result) -> "Figure":
    """Draw the outputs over the inputs, for the first seed, with the principal curve.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels, as in the paper.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  # only drawing needs it

    seed = result.settings.seeds[0]
    with paper_style():
        figure = Figure(figsize=(7.2, 4.6), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True, sharey=True)
        for axes, unit in zip(panels.flat, UNITS, strict=True):
            outcome = result.runs["rate-distortion", unit, seed]
            X = outcome["X"]
            draw_ridge(axes, X)
            axes.plot(*X.T, "o", ms=2.5, mew=0, color=COLOURS["grey"], alpha=0.55, label="inputs $x$")
            axes.plot(*outcome["Xhat"].T, "o", ms=3, mew=0, color=COLOURS["vermilion"], label=r"outputs $\hat x$")
            axes.set(title=f"{NAMES[unit]} units", aspect="equal", xlim=(-5.2, 9.2), ylim=(-5.8, 3.0))
            axes.set_xticks(range(-4, 9, 4))
            axes.text(
                0.99, 0.02,
                f"$L$ = {float(outcome['L']):.2f} bits, $D$ = {float(outcome['distortion']):.2f}",
                transform=axes.transAxes, ha="right", va="bottom", fontsize=7,
            )  # fmt: skip
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


def draw_sweep(result: Result) -> "Figure":
    """Draw what becomes of the outputs when μ is lowered.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    matplotlib.figure.Figure
        Standard deviations of the outputs along their principal axes, over μ, one panel for each unit.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  # only drawing needs it

    with paper_style():
        figure = Figure(figsize=(7.2, 2.2), layout="constrained")
        panels = figure.subplots(1, len(UNITS), sharex=True, sharey=True)
        for axes, unit in zip(panels, UNITS, strict=True):
            for seed in result.settings.seeds:
                table = result.runs["sweep", unit, seed]
                for name, colour in (("major", "vermilion"), ("minor", "blue")):
                    label = f"{name} axis" if seed == result.settings.seeds[0] else None
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
    """Hold what the paper says about the figure against the runs.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    list of Claim
        Over all seeds.
    """
    return [*_curve_claims(result), *_linear_claims(result), *_sweep_claims(result), *_contraction_claims(result)]


def _outcomes(result: Result, model: str, unit: str) -> list[Outcome]:
    return [result.runs[model, unit, seed] for seed in result.settings.seeds]


def _curve_claims(result: Result) -> Iterator[Claim]:
    for unit in NONLINEAR:
        ratios = [ridge_ratio(out["X"], out["Xhat"]) for out in _outcomes(result, "rate-distortion", unit)]
        quantity = f"{NAMES[unit]}: median distance to the principal curve, outputs over data"
        yield claim("2", CURVES, quantity, ratios, at_most=0.4)


def _linear_claims(result: Result) -> Iterator[Claim]:
    favour, follow = [], []
    for out in _outcomes(result, "rate-distortion", "linear"):
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
        tables = _outcomes(result, "sweep", unit)
        long = [table["major"] > 0.5 * table["data_major"] for table in tables]
        return [float((t["minor"] / t["major"])[kept].min()) for t, kept in zip(tables, long, strict=True)]

    flattest = "outputs' minor over major axis, smallest in the sweep while the major one is above half of the data's"
    yield claim("2", COLLAPSE, f"linear: {flattest}", flatness("linear"), at_most=0.02)
    line, point = zip(*map(_transitions, _outcomes(result, "sweep", "linear")), strict=True)
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
            gains = [float(np.median(out[f"gain_{way}"])) for out in _outcomes(result, "rate-distortion", unit)]
            yield claim("2", CONTRACT, f"{NAMES[unit]}: median gain ‖J u‖ {way} the curve", gains, at_most=1.0)
        largest = [float(np.median(o["singular_values"][:, 0])) for o in _outcomes(result, "rate-distortion", unit)]
        yield claim("2", CONTRACT, f"{NAMES[unit]}: median of the larger singular value of J", largest, at_most=1.0)
    plain = [
        min(float(np.median(result.runs["plain", unit, seed]["singular_values"][:, 1])) for unit in UNITS)
        for seed in result.settings.seeds
    ]
    quantity = "conventional, least of the four units: median of the smaller singular value of J"
    yield claim("2", CONTRACT, quantity, plain, at_least=0.95)


COLUMNS = ("unit", "seed", "sample", "component", "x1", "x2", "xhat1", "xhat2")


def write(result: Result, folder: str | os.PathLike[str]) -> Sequence[Claim]:
    """Write figure2.png, .svg, .csv, .json, the sweep as figure2_sweep.png, .svg, .csv, and figure2_jacobian.csv.

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
    write_figure(draw(result), folder, "figure2")
    write_figure(draw_sweep(result), folder, "figure2_sweep")
    write_csv(folder, "figure2", COLUMNS, _rows(result))
    write_csv(folder, "figure2_sweep", ("unit", "seed", *SWEEP_COLUMNS), _sweep_rows(result))
    write_csv(folder, "figure2_jacobian", JACOBIAN_COLUMNS, _jacobian_rows(result))
    outcomes = [(unit, seed, out) for (model, unit, seed), out in result.runs.items() if model == "rate-distortion"]
    write_json(
        folder,
        "figure2",
        asdict(result.settings) | {"units": "bits"},
        table,
        seed=result.settings.seeds[0],
        runs=terms_table(outcomes),
    )
    return table


def _rows(result: Result) -> Iterator[tuple[object, ...]]:
    for (model, unit, seed), out in result.runs.items():
        if model == "rate-distortion":
            samples = zip(out["component"], out["X"], out["Xhat"], strict=True)
            for sample, (component, x, xhat) in enumerate(samples):
                yield unit, seed, sample, int(component), *map(float, x), *map(float, xhat)


JACOBIAN_COLUMNS = ("model", "unit", "seed", "sample", "gain_along", "gain_across", "singular1", "singular2")


def _jacobian_rows(result: Result) -> Iterator[tuple[object, ...]]:
    for (model, unit, seed), out in result.runs.items():
        if model != "sweep":
            rows = zip(out["gain_along"], out["gain_across"], *out["singular_values"].T, strict=True)
            yield from ((model, unit, seed, sample, *map(float, row)) for sample, row in enumerate(rows))


def _sweep_rows(result: Result) -> Iterator[tuple[object, ...]]:
    for (model, unit, seed), out in result.runs.items():
        if model == "sweep":
            yield from ((unit, seed, *map(float, row)) for row in zip(*(out[c] for c in SWEEP_COLUMNS), strict=True))
