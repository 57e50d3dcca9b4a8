"""R(D) of finite sources by the algorithm of Blahut and Arimoto, Eqs. (2) and (3), beside closed forms.

Binary sources with Hamming distortion, and a Gaussian on two grids: a fine one, which follows the closed form (4), and
a coarse one, whose curve ends at its entropy where that of the continuous source goes on to infinity.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import entr

from ..._validation import Array
from ...theory import gaussian_rate_distortion, rate_distortion_curve
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, paper_style, write_csv, write_figure, write_json
from ..runs import Outcome, run_all

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Result", "Settings", "Task", "binary_rate", "claims", "draw", "gaussian_grid", "run", "solve_one", "write"]

BINARY_COLOURS = ("blue", "green", "purple")
GAUSSIAN_COLOURS = ("vermilion", "orange")
MARKERS = ("o", "s", "^")


@dataclass(frozen=True)
class Settings:
    """What the numbers of the figure depend on.

    Parameters
    ----------
    probabilities : tuple of float
        Of the rarer symbol, for each binary source.
    steps : tuple of float
        Of the grids on which the standard Gaussian is taken, fine and coarse.
    reach : float
        The grids go from −reach to reach.
    binary_slopes, gaussian_slopes : tuple of float
        β in nats per unit of distortion.
    tolerance : float
        Largest gap between the bounds, in bits.
    """

    probabilities: tuple[float, ...] = (0.5, 0.2, 0.05)
    steps: tuple[float, ...] = (0.1, 1.0)
    reach: float = 7.0
    binary_slopes: tuple[float, ...] = tuple(np.linspace(0.25, 6, 24).round(4).tolist())
    gaussian_slopes: tuple[float, ...] = tuple(np.geomspace(0.55, 40, 20).round(4).tolist())
    tolerance: float = 1e-9


class Task(NamedTuple):
    """One curve.

    Parameters
    ----------
    source : str
        ``"binary"`` or ``"gaussian"``.
    parameter : float
        Probability of the rarer symbol, or step of the grid.
    settings : Settings
        The rest.
    """

    source: str
    parameter: float
    settings: Settings


class Result(NamedTuple):
    """All curves of the figure.

    Parameters
    ----------
    settings : Settings
        What they depend on.
    runs : dict
        Outcome of each by source and parameter.
    """

    settings: Settings
    runs: dict[tuple[str, float], Outcome]


def binary_rate(probability: float, distortion: Array) -> Array:
    """Return R(D) = H(p) − H(D) of a binary source with Hamming distortion, 0 from D = min(p, 1 − p) on.

    Parameters
    ----------
    probability : float
        p.
    distortion : Array
        D, from 0 to 1.

    Returns
    -------
    Array
        In bits.
    """
    source, error = (entr(q) + entr(1 - q) for q in (np.float64(probability), distortion))
    return np.where(distortion < min(probability, 1 - probability), (source - error) / math.log(2), 0.0)


def gaussian_grid(step: float, reach: float) -> tuple[Array, Array]:
    """Return a standard Gaussian on a grid.

    Parameters
    ----------
    step : float
        Of the grid.
    reach : float
        Its ends are −reach and reach.

    Returns
    -------
    x, p : Array, shape (n,)
        Its points, and probabilities in proportion to the density there.
    """
    n = round(reach / step)
    x: Array = np.linspace(-n * step, n * step, 2 * n + 1)
    p: Array = np.exp(-(x**2) / 2)
    return x, p / float(p.sum())


def solve_one(task: Task) -> dict[str, Any]:
    """Compute one curve, its bounds and the closed form at the same distortions.

    Parameters
    ----------
    task : Task
        Which source.

    Returns
    -------
    dict
        The columns of `RateDistortionCurve`; closed_form, R(D) in bits; entropy of the source.
    """
    settings = task.settings
    if task.source == "binary":
        p, d = np.array([task.parameter, 1 - task.parameter]), 1 - np.eye(2)
        curve = rate_distortion_curve(p, d, settings.binary_slopes, tolerance=settings.tolerance)
        closed = binary_rate(task.parameter, curve.distortion)
    else:
        x, p = gaussian_grid(task.parameter, settings.reach)
        d = (x[:, None] - x) ** 2
        curve = rate_distortion_curve(p, d, settings.gaussian_slopes, tolerance=settings.tolerance)
        closed = np.asarray(gaussian_rate_distortion([p @ x**2], curve.distortion).rate)
    return {**curve._asdict(), "closed_form": closed, "entropy": entr(p).sum() / math.log(2)}


def run(
    settings: Settings | None = None, *, folder: str | os.PathLike[str] = "figures", workers: Workers = None
) -> Result:
    """Compute all curves.

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
        The outcome of each.
    """
    settings = settings or Settings()
    tasks = [Task("binary", p, settings) for p in settings.probabilities]
    tasks += [Task("gaussian", step, settings) for step in settings.steps]
    outcomes = run_all(solve_one, tasks, folder=Path(folder) / ".runs", workers=workers, description="rate-distortion")
    return Result(settings, {(t.source, t.parameter): out for t, out in zip(tasks, outcomes, strict=True)})


def draw(result: Result) -> "Figure":
    """Draw the curves over the closed forms, and how far apart they are.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  # only drawing needs it

    with paper_style():
        figure = Figure(figsize=(7.2, 3.1), layout="constrained")
        binary, gaussian, errors = figure.subplots(1, 3)
        _draw_binary(binary, result)
        _draw_gaussian(gaussian, result)
        _draw_errors(errors, result)
        handles, labels = errors.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
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
    """Hold what the paper says about the algorithm against the curves.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    list of Claim
        One value for each quantity: nothing here is random.
    """
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


def write(result: Result, folder: str | os.PathLike[str]) -> Sequence[Claim]:
    """Write rate_distortion.png, .svg, .csv and .json.

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
    rows = (
        (*key, *map(float, row))
        for key, out in result.runs.items()
        for row in zip(*(out[name] for name in COLUMNS[2:]), strict=True)
    )
    write_figure(draw(result), folder, "rate_distortion")
    write_csv(folder, "rate_distortion", COLUMNS, rows)
    write_json(folder, "rate_distortion", asdict(result.settings) | {"units": "bits"}, table)
    return table
