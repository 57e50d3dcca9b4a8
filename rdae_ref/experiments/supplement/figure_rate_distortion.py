"""R(D) of finite sources by the Blahut-Arimoto algorithm, Eqs. (2) and (3), beside closed forms.

Binary sources with Hamming distortion, and a Gaussian on two grids: a fine one, which follows the closed form (4), and
a coarse one, whose curve ends at its entropy where that of the continuous source diverges.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import entr

from ..._validation import Array
from ...theory import gaussian_rate_distortion, rate_distortion_curve
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, column_rows, legend_below, new_figure
from ..protocol import Result, Task, run_tasks, write_result

__all__ = ["Result", "Settings", "Task", "binary_rate", "claims", "draw", "gaussian_grid", "run", "solve_one", "write"]

BINARY_COLOURS = ("blue", "green", "purple")
GAUSSIAN_COLOURS = ("vermilion", "orange")
MARKERS = ("o", "s", "^")


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    probabilities: tuple[float, ...] = (0.5, 0.2, 0.05)  # of the rarer symbol, for each binary source
    steps: tuple[float, ...] = (0.1, 1.0)  # of the grids on which the standard Gaussian is taken, fine and coarse
    reach: float = 7.0  # the grids go from −reach to reach
    binary_slopes: tuple[float, ...] = tuple(np.linspace(0.25, 6, 24).round(4).tolist())  # β in nats
    gaussian_slopes: tuple[float, ...] = tuple(np.geomspace(0.55, 40, 20).round(4).tolist())
    tolerance: float = 1e-9  # largest gap between the bounds, in bits


def binary_rate(probability: float, distortion: Array) -> Array:
    """Return R(D) = H(p) − H(D) in bits of a binary source with Hamming distortion, 0 from D = min(p, 1 − p) on."""
    source, error = (entr(q) + entr(1 - q) for q in (np.float64(probability), distortion))
    return np.where(distortion < min(probability, 1 - probability), (source - error) / math.log(2), 0.0)


def gaussian_grid(step: float, reach: float) -> tuple[Array, Array]:
    """Return points and probabilities of a standard Gaussian on a grid from −reach to reach."""
    n = round(reach / step)
    x: Array = np.linspace(-n * step, n * step, 2 * n + 1)
    p: Array = np.exp(-(x**2) / 2)
    return x, p / float(p.sum())


def solve_one(task: Task[Settings]) -> dict[str, Any]:
    """Compute one curve with its bounds, the closed form at the same distortions, and the entropy of the source."""
    settings, (source, parameter) = task.settings, task.key
    if source == "binary":
        p, d = np.array([parameter, 1 - parameter]), 1 - np.eye(2)
        curve = rate_distortion_curve(p, d, settings.binary_slopes, tolerance=settings.tolerance)
        closed = binary_rate(parameter, curve.distortion)
    else:
        x, p = gaussian_grid(parameter, settings.reach)
        d = (x[:, None] - x) ** 2
        curve = rate_distortion_curve(p, d, settings.gaussian_slopes, tolerance=settings.tolerance)
        closed = np.asarray(gaussian_rate_distortion([p @ x**2], curve.distortion).rate)
    return {**curve._asdict(), "closed_form": closed, "entropy": entr(p).sum() / math.log(2)}


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Compute all curves; keys are (source, parameter)."""
    settings = settings or Settings()
    keys = [("binary", p) for p in settings.probabilities] + [("gaussian", step) for step in settings.steps]
    tasks = {key: Task(key, settings) for key in keys}
    return Result(settings, run_tasks(solve_one, tasks, folder, workers, "rate-distortion"))


def draw(result: Result) -> Figure:
    """Draw the curves over the closed forms, and the differences between them."""
    with new_figure(7.2, 3.1) as figure:
        binary, gaussian, errors = figure.subplots(1, 3)
        _draw_binary(binary, result)
        _draw_gaussian(gaussian, result)
        _draw_errors(errors, result)
        legend_below(figure, errors)
    return figure


def _styles(result: Result) -> Iterator[tuple[tuple[str, float], dict[str, Any], str]]:
    """Yield key, style and name of each curve."""
    kinds = ((BINARY_COLOURS, "binary", "binary, $p$"), (GAUSSIAN_COLOURS, "gaussian", "Gaussian on a grid, step"))
    for colours, source, name in kinds:
        parameters = [parameter for kind, parameter in result.runs if kind == source]
        for i, parameter in enumerate(parameters):
            style = {"color": COLOURS[colours[i % len(colours)]], "marker": MARKERS[i % len(MARKERS)], "ms": 3}
            yield (source, parameter), style, f"{name} = {parameter:g}"


def _draw_binary(axes: Any, result: Result) -> None:
    D = np.linspace(0, 0.55, 500)
    for (source, p), style, _ in _styles(result):
        if source == "binary":
            out = result.runs[source, p]
            axes.plot(D, binary_rate(p, D), color="black", lw=0.7)
            axes.plot(out["distortion"], out["rate"], ls="", **style)
    axes.set(title="(a) Hamming distortion", xlabel="$D$", ylabel="$R(D)$, bits", xlim=(-0.01, 0.55))


def _draw_gaussian(axes: Any, result: Result) -> None:
    D = np.geomspace(0.005, 1, 200)
    axes.semilogx(D, gaussian_rate_distortion([1.0], D).rate, color="black", lw=0.7)
    for (source, step), style, _ in _styles(result):
        if source == "gaussian":
            out = result.runs[source, step]
            axes.plot(out["distortion"], out["rate"], ls="", **style)
    coarse = float(result.runs["gaussian", result.settings.steps[-1]]["entropy"])
    axes.axhline(coarse, color=COLOURS["grey"], lw=0.8, ls=":")
    axes.text(1.1, coarse + 0.05, "entropy of the\ncoarse grid", fontsize=7, ha="right", va="bottom")
    axes.set(title="(b) squared error", xlabel="$D$", xlim=(0.005, 1.2))


def _draw_errors(axes: Any, result: Result) -> None:
    for key, style, name in _styles(result):
        out, compared = result.runs[key], key in _with_closed_form(result.settings)
        error = np.maximum(np.abs(out["rate"] - out["closed_form"]), LEAST) if compared else np.full(1, np.nan)
        axes.loglog(out["slope"][: error.size], error, ls="", **style, label=name)
    axes.plot([], color="black", lw=0.7, label="closed form")
    axes.axhline(result.settings.tolerance, color=COLOURS["grey"], lw=0.8, label="tolerance of the bounds")
    axes.set(title="(c) difference to closed form", xlabel=r"slope $\beta$", ylabel="bits", ylim=(LEAST / 2, 1e-6))


def _with_closed_form(settings: Settings) -> list[tuple[str, float]]:
    return [*(("binary", p) for p in settings.probabilities), ("gaussian", settings.steps[0])]


LEAST = 1e-17  # what is exactly 0 is drawn here
KNOWN = "a standard minimization problem … with a know numerical solution in the case of finite input/output alphabets"
MINIMUM = "the Blahut-Arimoto algorithm provides … a stochastic map q(x̂|x) that achieves the minimum rate"
FINITE = "nevertheless, this method was developed for finite input/output alphabets"


def claims(result: Result) -> list[Claim]:
    """Compare what the paper says about the algorithm with the curves; nothing here is random."""
    runs, settings = result.runs, result.settings
    table = []
    for key, _, name in _styles(result):
        if key in _with_closed_form(settings):
            error = float(np.abs(runs[key]["rate"] - runs[key]["closed_form"]).max())
            quantity = f"{name.replace('$', '')}: largest difference of the rate to the closed form, bits"
            table.append(claim("rate-distortion", KNOWN, quantity, [error], at_most=1e-8))
    gap = max(float((out["upper_bound"] - out["lower_bound"]).max()) for out in runs.values())
    quantity = "all sources: largest gap between the bounds on R, bits"
    table.append(claim("rate-distortion", MINIMUM, quantity, [gap], at_most=settings.tolerance))
    updates = max(int(out["n_iterations"].max()) for out in runs.values())
    table.append(claim("rate-distortion", MINIMUM, "all sources: most updates for a slope", [updates], at_most=50))
    coarse = runs["gaussian", settings.steps[-1]]
    quantity = f"Gaussian on a grid of step {settings.steps[-1]:g}: rate at the steepest slope over entropy of the grid"
    reached = coarse["rate"].max() / coarse["entropy"]
    table.append(claim("rate-distortion", FINITE, quantity, [reached], at_most=1 + 1e-9))
    return table


COLUMNS = ("source", "parameter", "slope", "rate", "distortion", "lower_bound", "upper_bound", "closed_form")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write rate_distortion.png, .csv and .json."""
    tables = {"rate_distortion": (COLUMNS, column_rows(result.runs.items(), COLUMNS[2:]))}
    more: dict[str, Any] = {"seed": False, "all_files": all_files}
    return write_result(result, folder, "rate_distortion", claims(result), draw(result), tables, **more)
