"""Figure 1: outputs of over-complete auto-encoders on a Gaussian, with three kinds of units.

The paper fixes data (26), units, μ = 1.5 and σ = 0.2·√2. It leaves open α, N, start and steps, which are in
`Settings` and `Training`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..data import gaussian
from ..workers import Workers
from .claims import Claim, claim
from .output import Figure, Folder, draw_outputs, new_figure, terms_table, write_files
from .protocol import Result, run_tasks
from .runs import Outcome
from .training import SEEDS, Task, Training, train, variant_name

__all__ = ["Result", "Settings", "claims", "draw", "run", "train_one", "write"]

UNITS = ("linear", "relu", "logsig")
NAMES = {"linear": "linear", "relu": "ReLU", "logsig": "logsig"}


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    n_samples: int = 200  # N, not stated
    training: Training = field(default_factory=lambda: Training(n_hidden=10, max_iterations=(60,) * 7, n_quadratic=4))
    seeds: tuple[int, ...] = SEEDS


def train_one(task: Task) -> dict[str, Any]:
    """Train one auto-encoder; return X, Xhat and the terms of its objective."""
    rng = np.random.default_rng(task.seed)
    X = gaussian(task.settings.n_samples, rng)
    return train(task.model, X, task.activation, task.settings.training, rng).outputs


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Train every unit as a rate-distortion and as a conventional auto-encoder; keys are ("plain-relu", seed)."""
    settings = settings or Settings()
    tasks = {
        (unit if model == "rate-distortion" else f"plain-{unit}", seed): Task(model, unit, seed, settings)
        for model in ("rate-distortion", "plain")
        for seed in settings.seeds
        for unit in UNITS
    }
    return Result(settings, run_tasks(train_one, tasks, folder, workers, "figure 1"))


def draw(result: Result) -> Figure:
    """Draw the outputs over the inputs in three panels, as in the paper."""
    with new_figure(7.2, 2.75) as figure:
        panels = figure.subplots(1, 3, sharex=True, sharey=True)
        for axes, unit in zip(panels, UNITS, strict=True):
            draw_outputs(axes, result.first(unit))
            axes.set(title=f"{NAMES[unit]} units", xlabel="$x_1$", aspect="equal")
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
    """Compare what the paper says about the figure with the runs."""
    aligned = (alignment_claims("1", result.over_seeds(unit), NAMES[unit]) for unit in UNITS)
    return [*chain.from_iterable(aligned), *_overfit_claims(result)]


def alignment_claims(figure: str, outcomes: Sequence[Outcome], name: str) -> Iterator[Claim]:
    """Yield the three rows on the outputs of one kind of units."""
    angles, majors, minors = zip(*(alignment(outcome["X"], outcome["Xhat"]) for outcome in outcomes), strict=True)
    quantity = f"{name}: angle of the outputs' first principal component to the inputs', degrees"
    yield claim(figure, ALIGN, quantity, angles, at_most=5.0)
    yield claim(figure, ALIGN, f"{name}: std ratio output/input, major axis", majors, at_least=0.75)
    yield claim(figure, ALIGN, f"{name}: std ratio output/input, minor axis", minors, at_most=0.45)


def _overfit_claims(result: Result) -> Iterator[Claim]:
    for unit in UNITS:
        outcomes = result.over_seeds(f"plain-{unit}")
        error = [float(outcome["distortion"]) for outcome in outcomes]
        away = [np.abs(np.array(alignment(outcome["X"], outcome["Xhat"])[1:]) - 1).max() for outcome in outcomes]
        yield claim("1", OVERFIT, f"conventional {NAMES[unit]}: D", error, at_most=1e-3)
        yield claim("1", OVERFIT, f"conventional {NAMES[unit]}: |std ratio − 1|", away, at_most=0.01)


COLUMNS = ("unit", "seed", "sample", "x1", "x2", "xhat1", "xhat2")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write figure1.png, .csv (the seed drawn) and .json; on demand figure1_seeds.csv, of all seeds."""
    name = variant_name("figure1", result.settings.training)
    first = ((key, outcome) for key, outcome in result.runs.items() if key[-1] == result.settings.seeds[0])
    return write_files(
        folder,
        claims(result),
        settings=asdict(result.settings) | {"units": "bits"},
        figures={name: draw(result)},
        tables={name: (COLUMNS, _rows(first))},
        long_tables={f"{name}_seeds": (COLUMNS, _rows(result.runs.items()))},
        all_files=all_files,
        brief=name != "figure1",
        seed=result.settings.seeds[0],
        runs=terms_table((unit, seed, out) for (unit, seed), out in result.runs.items()),
    )


def _rows(runs: Iterable[tuple[tuple[str, int], Outcome]]) -> Iterator[tuple[object, ...]]:
    for key, out in runs:
        for sample, (x, xhat) in enumerate(zip(out["X"], out["Xhat"], strict=True)):
            yield *key, sample, *map(float, x), *map(float, xhat)
