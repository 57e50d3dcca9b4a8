"""Figure 1: outputs of over-complete auto-encoders on a Gaussian, with three kinds of units.

The paper fixes data (26), units, μ = 1.5 and σ = 0.2·√2. It leaves open α, N, start and steps, which stand in
`Settings` and `Training`.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._validation import Array
from ..data import gaussian
from ..workers import Workers
from .claims import Claim, claim
from .output import COLOURS, paper_style, terms_table, write_csv, write_figure, write_json
from .runs import Outcome, run_all
from .training import Task, Training, train_plain, train_rate_distortion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Result", "Settings", "claims", "draw", "run", "train_one", "write"]

UNITS = ("linear", "relu", "logsig")
NAMES = {"linear": "linear", "relu": "ReLU", "logsig": "logsig"}


@dataclass(frozen=True)
class Settings:
    """What the numbers of the figure depend on.

    Parameters
    ----------
    n_samples : int
        N. Not stated.
    training : Training
        Units, μ, σ and the choices that the paper leaves open.
    seeds : tuple of int
        One sample of the data, and one start, for each. The figure shows the first.
    """

    n_samples: int = 200
    training: Training = field(default_factory=lambda: Training(n_hidden=10, max_iterations=(60,) * 7))
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


class Result(NamedTuple):
    """All runs of the figure.

    Parameters
    ----------
    settings : Settings
        What they depend on.
    runs : dict
        Outcome of each run by unit, as in ``"relu"`` or ``"plain-relu"``, and seed.
    """

    settings: Settings
    runs: dict[tuple[str, int], Outcome]


def train_one(task: Task) -> dict[str, Any]:
    """Train one auto-encoder.

    Parameters
    ----------
    task : Task
        What to train on what.

    Returns
    -------
    dict
        Arrays X and Xhat, and the terms of the objective.
    """
    rng = np.random.default_rng(task.seed)
    X = gaussian(task.settings.n_samples, rng)
    train = train_plain if task.model == "plain" else train_rate_distortion
    return train(X, task.activation, task.settings.training, rng).outputs


def run(
    settings: Settings | None = None, *, folder: str | os.PathLike[str] = "figures", workers: Workers = None
) -> Result:
    """Train every unit, as a rate-distortion and as a conventional auto-encoder, for every seed.

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
    settings = settings or Settings()
    tasks = [
        Task(model, unit, seed, settings)
        for model in ("rate-distortion", "plain")
        for seed in settings.seeds
        for unit in UNITS
    ]
    outcomes = run_all(train_one, tasks, folder=Path(folder) / ".runs", workers=workers, description="figure 1")
    names = [task.activation if task.model == "rate-distortion" else f"plain-{task.activation}" for task in tasks]
    return Result(
        settings,
        {(name, task.seed): outcome for name, task, outcome in zip(names, tasks, outcomes, strict=True)},
    )


def draw(result: Result) -> "Figure":
    """Draw the outputs over the inputs, for the first seed.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels, as in the paper.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  # only drawing needs it

    seed = result.settings.seeds[0]
    with paper_style():
        figure = Figure(figsize=(7.2, 2.75), layout="constrained")
        panels = figure.subplots(1, 3, sharex=True, sharey=True)
        for axes, unit in zip(panels, UNITS, strict=True):
            outcome = result.runs[unit, seed]
            X, Xhat = outcome["X"], outcome["Xhat"]
            axes.plot(*X.T, "o", ms=2.5, mew=0, color=COLOURS["grey"], alpha=0.55, label="inputs $x$")
            axes.plot(*Xhat.T, "o", ms=3, mew=0, color=COLOURS["vermilion"], label=r"outputs $\hat x$")
            axes.set(title=f"{NAMES[unit]} units", xlabel="$x_1$", aspect="equal")
            axes.text(
                0.98, 0.02,
                f"$L$ = {float(outcome['L']):.2f} bits\n$D$ = {float(outcome['distortion']):.2f}",
                transform=axes.transAxes, ha="right", va="bottom", fontsize=7,
            )  # fmt: skip
        panels[0].set_ylabel("$x_2$")
        panels[0].legend(loc="upper left", handletextpad=0.2, borderaxespad=0)
    return figure


class Alignment(NamedTuple):
    """How outputs lie in the principal axes of the inputs."""

    angle: float
    major: float
    minor: float


def alignment(X: Array, Xhat: Array) -> Alignment:
    """Return the angle between first principal components, in degrees, and ratios of standard deviations."""
    axes = np.linalg.eigh(np.cov(X.T))[1]
    first = np.linalg.eigh(np.cov(Xhat.T))[1][:, -1]
    minor, major = (Xhat @ axes).std(axis=0) / (X @ axes).std(axis=0)
    return Alignment(float(np.degrees(np.arccos(min(1.0, abs(first @ axes[:, -1]))))), float(major), float(minor))


ALIGN = "the outputs approximately align with what corresponds roughly to the first principal component of the data"
OVERFIT = "the conventional auto encoder would over fit being able to achieve zero reconstruction error"


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
    table = []
    for unit in UNITS:
        outcomes = [result.runs[unit, seed] for seed in result.settings.seeds]
        measured = [alignment(outcome["X"], outcome["Xhat"]) for outcome in outcomes]
        for quantity, values, bound in (
            ("angle of the outputs' first principal component to the inputs', degrees", 0, {"at_most": 5.0}),
            ("std ratio output/input, major axis", 1, {"at_least": 0.75}),
            ("std ratio output/input, minor axis", 2, {"at_most": 0.45}),
        ):
            table.append(claim("1", ALIGN, f"{NAMES[unit]}: {quantity}", [m[values] for m in measured], **bound))
    for unit in UNITS:
        outcomes = [result.runs[f"plain-{unit}", seed] for seed in result.settings.seeds]
        error = [float(outcome["distortion"]) for outcome in outcomes]
        away = [np.abs(np.array(alignment(outcome["X"], outcome["Xhat"])[1:]) - 1).max() for outcome in outcomes]
        table.append(claim("1", OVERFIT, f"conventional {NAMES[unit]}: D", error, at_most=1e-3))
        table.append(claim("1", OVERFIT, f"conventional {NAMES[unit]}: |std ratio − 1|", away, at_most=0.01))
    return table


COLUMNS = ("unit", "seed", "sample", "x1", "x2", "xhat1", "xhat2")


def write(result: Result, folder: str | os.PathLike[str]) -> Sequence[Claim]:
    """Write figure1.png, .svg, .csv and .json.

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
    write_figure(draw(result), folder, "figure1")
    rows = (
        (unit, seed, sample, *map(float, x), *map(float, xhat))
        for (unit, seed), outcome in result.runs.items()
        for sample, (x, xhat) in enumerate(zip(outcome["X"], outcome["Xhat"], strict=True))
    )
    write_csv(folder, "figure1", COLUMNS, rows)
    write_json(
        folder,
        "figure1",
        asdict(result.settings) | {"units": "bits"},
        table,
        seed=result.settings.seeds[0],
        runs=terms_table((unit, seed, out) for (unit, seed), out in result.runs.items()),
    )
    return table
