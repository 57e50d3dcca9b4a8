"""Figure 3: energy landscapes |x − x̂|² of three over-complete auto-encoders with softplus units.

Non-regularised, denoising (isotropic Gaussian noise) and rate-distortion, on the mixture (27). Where the energy is low
a point is reconstructed; in a ravine it is low on the data only.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..autoencoder import Parameters, forward, initial_parameters
from ..data import mixture, project_on_ridge
from ..models import Denoising
from ..optimize import maximize
from ..workers import Workers
from .claims import Claim, claim
from .output import COLOURS, Figure, new_figure, plain_ticks, write_files
from .protocol import Result, run_tasks
from .runs import Outcome
from .training import Training, finished, literal_name, train_plain, train_rate_distortion

__all__ = ["Result", "Settings", "Task", "claims", "draw", "draw_sensitivity", "energy", "run", "train_one", "write"]

UNIT = "softplus"
MODELS = ("plain", "denoising", "rate-distortion")
TITLES = {"plain": "non-regularised", "denoising": "denoising", "rate-distortion": "rate-distortion"}

NOISE_CHOICE = (
    "0.5 is about twice the spread of the data across its curve (the square root of .05, .22), so that the noise "
    "leaves the curve, and an eighth of the way between its arms, so that it does not bridge them; figure3_noise shows "
    "what other noise gives"
)


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    n_samples: int = 200  # N, not stated
    training: Training = field(default_factory=lambda: Training(n_hidden=20))
    noise: float = 0.5  # std, of the denoising auto-encoder; not stated: see `NOISE_CHOICE`
    noises: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0)  # compared, to show what depends on that choice
    n_copies: int = 5  # noisy copies of each sample
    noise_iterations: int = 1000  # of L-BFGS, for the denoising auto-encoder
    displacements: tuple[float, ...] = (0.5, 1.0, 2.0)  # distances δ from the curve at which the energy is taken
    n_fresh: int = 1000  # samples for the claims
    margin: float = 3.0  # of the landscape around the data
    step: float = 0.2  # of its grid
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


class Task(NamedTuple):
    """One training run."""

    model: str  # one of `MODELS`
    noise: float  # of the denoising auto-encoder; 0 for the others
    seed: int  # of data, noise and start
    settings: Settings


def energy(parameters: Parameters, points: Array) -> Array:
    """Return |x − x̂|² at each point."""
    return np.sum((points - forward(parameters, points, UNIT).Xhat) ** 2, axis=1)


def train_one(task: Task) -> dict[str, Any]:
    """Train one auto-encoder, and take its energies on fresh samples, off the curve, and over the plane."""
    settings, rng = task.settings, np.random.default_rng(task.seed)
    X = mixture(settings.n_samples, rng).X
    if task.model == "denoising":
        parameters = _train_denoising(X, task, rng)
    else:
        train = train_plain if task.model == "plain" else train_rate_distortion
        parameters = train(X, UNIT, settings.training, rng).parameters
    fresh = mixture(settings.n_fresh, np.random.default_rng([task.seed, 1])).X
    low, high = X.min(axis=0) - settings.margin, X.max(axis=0) + settings.margin
    grid = [np.arange(a, b + settings.step, settings.step) for a, b in zip(low, high, strict=True)]
    plane = np.stack(np.meshgrid(*grid), axis=-1).reshape(-1, 2)
    return {
        "X": X,
        "on_data": float(np.median(energy(parameters, fresh))),
        "off_curve": [
            float(np.median(energy(parameters, _displaced(fresh, delta)))) for delta in settings.displacements
        ],
        "grid_x": grid[0],
        "grid_y": grid[1],
        "landscape": energy(parameters, plane).reshape(len(grid[1]), len(grid[0])),
    }


def _train_denoising(X: Array, task: Task, rng: np.random.Generator) -> Parameters:
    settings = task.settings
    start = initial_parameters(2, settings.training.n_hidden, rng, scale=settings.training.start)
    objective = Denoising(X, activation=UNIT, noise=task.noise, rng=rng).with_fixed_noise(settings.n_copies)
    return finished(maximize(objective, start, max_iterations=settings.noise_iterations)).x


def _displaced(fresh: Array, delta: float) -> Array:
    """Return the points at distance δ from the principal curve, on both sides, that belong to fresh samples."""
    ridge = project_on_ridge(fresh)
    points = np.vstack([ridge.foot + sign * delta * ridge.normal for sign in (-1, 1)])
    # At the inner side of a corner the other arm is nearer than δ: such a point is not displaced by δ.
    return points[project_on_ridge(points).distance > 0.999 * delta]


def run(
    settings: Settings | None = None, *, folder: str | os.PathLike[str] = "figures", workers: Workers = None
) -> Result:
    """Train the three auto-encoders, and the denoising one with other noise; keys are (model, noise, seed)."""
    settings = settings or Settings()
    kinds = [("rate-distortion", 0.0), *(("denoising", noise) for noise in settings.noises), ("plain", 0.0)]
    tasks = {(*kind, seed): Task(*kind, seed, settings) for kind in kinds for seed in settings.seeds}
    return Result(settings, run_tasks(train_one, tasks, folder, workers, "figure 3"))


def _shown(result: Result, model: str) -> list[Outcome]:
    return result.over_seeds(model, result.settings.noise if model == "denoising" else 0.0)


def draw(result: Result) -> Figure:
    """Draw the energy landscapes in three panels, as in the paper, on one logarithmic colour scale."""
    from matplotlib.colors import LogNorm  # noqa: PLC0415  # only drawing needs it

    with new_figure(7.2, 2.6) as figure:
        panels = figure.subplots(1, 3, sharex=True, sharey=True)
        for axes, model in zip(panels, MODELS, strict=True):
            outcome = _shown(result, model)[0]
            look = {"norm": LogNorm(1e-3, 30), "cmap": "viridis", "shading": "gouraud", "rasterized": True}
            image = axes.pcolormesh(outcome["grid_x"], outcome["grid_y"], outcome["landscape"], **look)
            axes.plot(*outcome["X"].T, ".", ms=1.2, mew=0, color="white")
            axes.set(title=TITLES[model], xlabel="$x_1$", aspect="equal")
        panels[0].set_ylabel("$x_2$")
        figure.colorbar(image, ax=panels, label=r"energy $\|x - \hat x\|^2$", extend="both", shrink=0.62, pad=0.02)
    return figure


def draw_sensitivity(result: Result) -> Figure:
    """Draw how the energy of the denoising auto-encoder depends on its noise.

    Medians over seeds of energy over δ², for each displacement, and of the energy on the data; those of the
    rate-distortion auto-encoder as dashed lines.
    """
    settings = result.settings
    with new_figure(3.6, 2.6) as figure:
        axes = figure.subplots()
        series = [*zip(settings.displacements, ("vermilion", "orange", "purple"), strict=True), (0.0, "blue")]
        for delta, colour in series:
            values = [_median_energy(result, "denoising", noise, delta) for noise in settings.noises]
            label = f"$E / \\delta^2$, $\\delta$ = {delta:g}" if delta else "$E$ on the data"
            axes.loglog(settings.noises, values, "o-", ms=3, color=COLOURS[colour], label=label)
            axes.axhline(_median_energy(result, "rate-distortion", 0.0, delta), color=COLOURS[colour], ls="--", lw=0.8)
        axes.set(xlabel="noise (std) of the denoising auto-encoder", ylabel="median energy (dashed: rate-distortion)")
        plain_ticks(axes, settings.noises)
        axes.legend(fontsize=7)
    return figure


def _median_energy(result: Result, model: str, noise: float, delta: float) -> float:
    """Return the median over seeds of energy over δ², or for δ = 0 of the energy on the data."""
    return float(np.median([_scaled(out, result.settings, delta) for out in result.over_seeds(model, noise)]))


def _scaled(outcome: Outcome, settings: Settings, delta: float) -> float:
    if delta == 0:
        return float(outcome["on_data"])
    return float(outcome["off_curve"][settings.displacements.index(delta)]) / delta**2


RAVINES = (
    "the rate-distortion objective makes the auto-encoder carve well-defined ravines in the energy landscape at the "
    "points where the majority of the data lies"
)
PLAIN = "(Figure 3) the non-regularised auto-encoder reconstructs also what is far from the data"
DENOISING = "(Figure 3) the denoising auto-encoder does not"


def claims(result: Result) -> list[Claim]:
    """Compare what the paper says about the figure with fresh samples."""
    return list(_claims(result))


def _claims(result: Result) -> Iterator[Claim]:
    settings = result.settings
    bounds: dict[str, dict[str, float]] = {"plain": {"at_most": 0.05}, "denoising": {"at_least": 0.2}}
    bounds["rate-distortion"] = bounds["denoising"]
    sentences = {"plain": PLAIN, "denoising": DENOISING, "rate-distortion": RAVINES}
    for model in MODELS:
        outcomes = _shown(result, model)
        for delta in settings.displacements:
            values = [_scaled(out, settings, delta) for out in outcomes]
            quantity = f"{TITLES[model]}: median energy over δ², at δ = {delta:g} from the curve"
            yield claim("3", sentences[model], quantity, values, **bounds[model])
        if model == "rate-distortion":
            depth = [_scaled(out, settings, 1.0) / float(out["on_data"]) for out in outcomes]
            quantity = "rate-distortion: median energy at δ = 1 over that on fresh data"
            yield claim("3", sentences[model], quantity, depth, at_least=5.0)


def write(result: Result, folder: str | os.PathLike[str], *, all_files: bool = False) -> Sequence[Claim]:
    """Write figure3.png, .csv and .json, figure3_noise.png and .csv; with ``method="paper"`` as figure3_literal."""
    settings, name = result.settings, literal_name("figure3", result.settings)
    return write_files(
        folder,
        claims(result),
        settings=asdict(settings) | {"noise_choice": NOISE_CHOICE},
        figures={name: draw(result), f"{name}_noise": draw_sensitivity(result)},
        tables={
            name: (("model", "x1", "x2", "energy"), _grid_rows(result)),
            f"{name}_noise": (("model", "noise", "seed", "delta", "energy"), _energy_rows(result)),
        },
        all_files=all_files,
        seed=settings.seeds[0],
    )


def _grid_rows(result: Result) -> Iterator[tuple[object, ...]]:
    for model in MODELS:
        out = _shown(result, model)[0]
        for y, row in zip(out["grid_y"], out["landscape"], strict=True):
            yield from ((model, float(x), float(y), float(value)) for x, value in zip(out["grid_x"], row, strict=True))


def _energy_rows(result: Result) -> Iterator[tuple[object, ...]]:
    for (model, noise, seed), out in result.runs.items():
        yield model, noise, seed, 0.0, float(out["on_data"])
        for delta, value in zip(result.settings.displacements, out["off_curve"], strict=True):
            yield model, noise, seed, delta, float(value)
