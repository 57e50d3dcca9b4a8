"""Figure 3: energy landscapes |x − x̂|² of three over-complete auto-encoders with softplus units.

Non-regularised, denoising (isotropic Gaussian noise) and rate-distortion, on the mixture (27). Where the energy is low
a point is reconstructed; in a ravine it is low on the data only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..autoencoder import Parameters, forward
from ..data import RIDGE, mixture, project_on_ridge
from ..models import Denoising
from ..optimize import maximize
from ..workers import Workers
from .claims import Claim, claim
from .output import COLOURS, Figure, Folder, legend_below, new_figure, plain_ticks, terms_table, write_files
from .protocol import Result, run_tasks
from .runs import Outcome
from .training import MIXTURE, N_MIXTURE, SEEDS, Training, finished, starting_point, train, variant_name

__all__ = [
    "Result", "Settings", "Task", "claims", "draw", "draw_arms", "draw_sensitivity", "energy", "run", "train_one",
    "write",
]  # fmt: skip

UNIT = "softplus"
MODELS = ("plain", "denoising", "rate-distortion")
ARMS = ("left", "middle", "right")
TITLES = {"plain": "non-regularised", "denoising": "denoising", "rate-distortion": "rate-distortion"}

NOISE_CHOICE = "twice the spread of the data across its curve, an eighth of the way between its arms; see figure3_noise"


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    n_samples: int = N_MIXTURE  # N, not stated
    training: Training = MIXTURE
    noise: float = 0.5  # std, of the denoising auto-encoder; not stated: see `NOISE_CHOICE`
    noises: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0)  # compared, to show what depends on that choice
    n_copies: int = 5  # noisy copies of each sample
    noise_iterations: int = 1000  # of L-BFGS, for the denoising auto-encoder
    displacements: tuple[float, ...] = (0.5, 1.0, 2.0)  # distances δ from the curve at which the energy is taken
    n_fresh: int = 4000  # samples for the claims
    n_places: int = 8  # along each arm of the curve, with as many fresh samples in each
    margin: float = 3.0  # of the landscape around the data
    step: float = 0.2  # of its grid
    seeds: tuple[int, ...] = SEEDS[:9]
    n_fewer: int = 3  # of the seeds, of the noises that are only compared


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
        parameters, terms = _train_denoising(X, task, rng), {}
    else:
        parameters, outputs = train(task.model, X, UNIT, settings.training, rng)
        terms = {name: value for name, value in outputs.items() if np.ndim(value) == 0}
    fresh = mixture(settings.n_fresh, np.random.default_rng([task.seed, 1])).X
    low, high = X.min(axis=0) - settings.margin, X.max(axis=0) + settings.margin
    grid = [np.arange(a, b + settings.step, settings.step) for a, b in zip(low, high, strict=True)]
    plane = np.stack(np.meshgrid(*grid), axis=-1).reshape(-1, 2)
    return {
        "X": X,
        **terms,
        "on_data": float(np.median(energy(parameters, fresh))),
        **_along_arms(parameters, fresh, settings),
        "grid_x": grid[0],
        "grid_y": grid[1],
        "landscape": energy(parameters, plane).reshape(len(grid[1]), len(grid[0])),
    }


def _train_denoising(X: Array, task: Task, rng: np.random.Generator) -> Parameters:
    settings = task.settings
    start = starting_point(X, settings.training, rng)
    objective = Denoising(X, activation=UNIT, noise=task.noise, rng=rng).with_fixed_noise(settings.n_copies)
    return finished(maximize(objective, start, max_iterations=settings.noise_iterations)).x


def _along_arms(parameters: Parameters, fresh: Array, settings: Settings) -> dict[str, Any]:
    """Return medians of the energy on the curve (δ = 0) and at each δ from it, at the feet of fresh samples.

    Shapes: (δ,) over the whole curve, (δ, arm) over each of its three arms, and (δ, arm, place) along them; ``place``
    has the coordinate x₁ of the places.
    """
    x = project_on_ridge(fresh).foot[:, 0]  # the curve goes from left to right, so x₁ says where on it
    arm, place, n = np.searchsorted(RIDGE[:, 0], x), np.zeros(len(x), dtype=int), settings.n_places
    for k in range(len(ARMS)):
        place[arm == k] = x[arm == k].argsort().argsort() * n // np.sum(arm == k)
    cells = [[(arm == k) & (place == j) for j in range(n)] for k in range(len(ARMS))]
    whole, arms, places = [], [], []
    for delta in (0.0, *settings.displacements):
        points, rows = _displaced(fresh, delta)
        E = energy(parameters, points)
        whole.append(np.median(E))
        arms.append([np.median(E[arm[rows] == k]) for k in range(len(ARMS))])
        places.append([[_median(E[cell[rows]]) for cell in of_arm] for of_arm in cells])
    middle = [[np.median(x[cell]) for cell in of_arm] for of_arm in cells]
    return {"energies": whole, "arm_energies": arms, "place_energies": places, "place": middle}


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else np.nan  # a place at a corner may have no points at δ = 2


def _displaced(fresh: Array, delta: float) -> tuple[Array, Any]:
    """Return the points at distance δ from the principal curve, on both sides, and the fresh sample of each."""
    ridge, rows = project_on_ridge(fresh), np.tile(np.arange(len(fresh)), 2)
    points = np.vstack([ridge.foot + sign * delta * ridge.normal for sign in (-1, 1)])
    # At the inner side of a corner the other arm is nearer than δ: such a point is not displaced by δ.
    far = project_on_ridge(points).distance > 0.999 * delta - 1e-9
    return points[far], rows[far]


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Train the three auto-encoders, and the denoising one with other noise; keys are (model, noise, seed)."""
    settings = settings or Settings()
    kinds = [("rate-distortion", 0.0), *(("denoising", noise) for noise in settings.noises), ("plain", 0.0)]
    seeds = {kind: settings.seeds[: None if kind[1] in (0.0, settings.noise) else settings.n_fewer] for kind in kinds}
    tasks = {(*kind, seed): Task(*kind, seed, settings) for kind in kinds for seed in seeds[kind]}
    return Result(settings, run_tasks(train_one, tasks, folder, workers, "figure 3"))


def _shown(result: Result, model: str) -> list[Outcome]:
    return result.over_seeds(model, result.settings.noise if model == "denoising" else 0.0)


def draw(result: Result) -> Figure:
    """Draw the energy landscapes in three panels, as in the paper, on one logarithmic colour scale."""
    from matplotlib.colors import LogNorm  # noqa: PLC0415  # only drawing needs it

    with new_figure(7.2, 2.7) as figure:
        panels = figure.subplots(1, 3, sharex=True, sharey=True)
        for axes, model in zip(panels, MODELS, strict=True):
            outcome = _shown(result, model)[0]
            look = {"norm": LogNorm(*COLOUR_RANGE), "cmap": "viridis", "shading": "gouraud", "rasterized": True}
            energies = np.maximum(outcome["landscape"], COLOUR_RANGE[0])
            image = axes.pcolormesh(outcome["grid_x"], outcome["grid_y"], energies, **look)
            axes.plot(*outcome["X"][:N_SHOWN].T, "o", ms=1.7, mew=0.25, mec="black", mfc="white")
            axes.set(title=TITLES[model], xlabel="$x_1$", aspect="equal")
        panels[0].set_ylabel("$x_2$")
        figure.colorbar(image, ax=panels, label=r"energy $\|x - \hat x\|^2$", extend="both", shrink=0.7, pad=0.02)
    return figure


COLOUR_RANGE = (1e-5, 30.0)  # down to energies of the non-regularised auto-encoder
N_SHOWN = 150  # samples: all of them would hide the ravines


def draw_arms(result: Result) -> Figure:
    """Draw the energy of the rate-distortion auto-encoder on and off the curve, along each arm: medians over seeds."""
    outcomes, settings = _shown(result, "rate-distortion"), result.settings
    place = np.median([out["place"] for out in outcomes], axis=0)
    energies = np.array([out["place_energies"] for out in outcomes])
    labels = ("on the curve", *(rf"$\delta$ = {delta:g} from it" for delta in settings.displacements))
    with new_figure(7.2, 2.6) as figure:
        panels = figure.subplots(1, len(ARMS), sharey=True)
        for k, (axes, arm) in enumerate(zip(panels, ARMS, strict=True)):
            for j, (label, colour) in enumerate(zip(labels, ("blue", "vermilion", "orange", "purple"), strict=True)):
                values = np.nanmedian(energies[:, j, k], axis=0)
                axes.semilogy(place[k], values, "o-", ms=3, color=COLOURS[colour], label=label)
            axes.fill_between(
                place[k], *np.quantile(energies[:, 0, k], (0, 1), axis=0), color=COLOURS["blue"], alpha=0.2, lw=0
            )
            axes.set(title=f"{arm} arm", xlabel="place on the arm, $x_1$")
        panels[0].set_ylabel(r"energy $\|x - \hat x\|^2$")
        legend_below(figure, panels, ncols=4)
    return figure


def draw_sensitivity(result: Result) -> Figure:
    """Draw how the energy of the denoising auto-encoder depends on its noise: medians over seeds, of energy over δ²."""
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
    return float(outcome["energies"][1 + settings.displacements.index(delta)]) / delta**2


RAVINES = (
    "the rate-distortion objective makes the auto-encoder carve well-defined ravines in the energy landscape at the "
    "points where the majority of the data lies"
)
PLAIN = "(Figure 3) the non-regularised auto-encoder also reconstructs points far from the data"
DENOISING = "(Figure 3) the denoising auto-encoder does not"


def claims(result: Result) -> list[Claim]:
    """Compare what the paper says about the figure with fresh samples."""
    return list(_claims(result))


def _claims(result: Result) -> Iterator[Claim]:
    deltas = np.array(result.settings.displacements)
    for model, sentence, of, bound in (
        ("plain", PLAIN, "largest", {"at_most": 0.05}),
        ("denoising", DENOISING, "smallest", {"at_least": 0.2}),
    ):
        arms = np.array([out["arm_energies"][1:] for out in _shown(result, model)])
        extreme = getattr(arms, "max" if of == "largest" else "min")(axis=2) / deltas**2
        for delta, values in zip(deltas, extreme.T, strict=True):
            quantity = f"{TITLES[model]}: median energy over δ² at δ = {delta:g} from the curve, {of} of the three arms"
            yield claim("3", sentence, quantity, values, **bound)
    outcomes = _shown(result, "rate-distortion")
    for k, arm in enumerate(ARMS):
        E = np.array([out["arm_energies"][:, k] for out in outcomes])
        for delta, values in zip(deltas, (E[:, 1:] / deltas**2).T, strict=True):
            quantity = f"rate-distortion, {arm} arm: median energy over δ² at δ = {delta:g} from the curve"
            yield claim("3", RAVINES, quantity, values, at_least=0.2)
        j = 1 + result.settings.displacements.index(1.0)
        quantity = f"rate-distortion, {arm} arm: median energy at δ = 1 over that on the curve"
        yield claim("3", RAVINES, quantity, [float(out[f"{arm} depth"]) for _, _, out in _depths(result)], at_least=5.0)
        places = np.array([out["place_energies"][:, k] for out in outcomes])
        quantity = f"rate-distortion, {arm} arm: the same at the worst of {places.shape[2]} places along it"
        yield claim("3", RAVINES, quantity, np.nanmin(places[:, j] / places[:, 0], axis=1), at_least=1.0)
    depth = [_scaled(out, result.settings, 1.0) / float(out["on_data"]) for out in outcomes]
    yield claim("3", RAVINES, "rate-distortion: median energy at δ = 1 over that on fresh data", depth, at_least=5.0)


def _depths(result: Result) -> Iterator[tuple[str, int, Outcome]]:
    """Yield model, seed and outcome of the rate-distortion auto-encoders, with the depth of the ravine on each arm."""
    j = 1 + result.settings.displacements.index(1.0)
    for seed, out in zip(result.settings.seeds, _shown(result, "rate-distortion"), strict=True):
        depth = out["arm_energies"][j] / out["arm_energies"][0]
        yield "rate-distortion", seed, out | {f"{arm} depth": depth[k] for k, arm in enumerate(ARMS)}


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write figure3.png, .csv and .json, figure3_arms and figure3_noise.png and .csv."""
    settings, name = result.settings, variant_name("figure3", result.settings.training)
    return write_files(
        folder,
        claims(result),
        settings=asdict(settings) | {"noise_choice": NOISE_CHOICE},
        figures={name: draw(result), f"{name}_arms": draw_arms(result), f"{name}_noise": draw_sensitivity(result)},
        tables={
            name: (("model", "x1", "x2", "energy"), _grid_rows(result)),
            f"{name}_noise": (("model", "noise", "seed", "delta", "energy"), _energy_rows(result)),
            f"{name}_arms": (("model", "seed", "arm", "place", "x1", "delta", "energy"), _arm_rows(result)),
        },
        all_files=all_files,
        brief=name != "figure3",
        seed=settings.seeds[0],
        runs=terms_table(_depths(result)),
    )


def _grid_rows(result: Result) -> Iterator[tuple[object, ...]]:
    for model in MODELS:
        out = _shown(result, model)[0]
        for y, row in zip(out["grid_y"], out["landscape"], strict=True):
            yield from ((model, float(x), float(y), float(value)) for x, value in zip(out["grid_x"], row, strict=True))


def _energy_rows(result: Result) -> Iterator[tuple[object, ...]]:
    for (model, noise, seed), out in result.runs.items():
        yield model, noise, seed, 0.0, float(out["on_data"])
        for delta, value in zip(result.settings.displacements, out["energies"][1:], strict=True):
            yield model, noise, seed, delta, float(value)


def _arm_rows(result: Result) -> Iterator[tuple[object, ...]]:
    deltas = (0.0, *result.settings.displacements)
    for model in MODELS:
        for seed, out in zip(result.settings.seeds, _shown(result, model), strict=True):
            for (j, k, place), energy_there in np.ndenumerate(out["place_energies"]):
                x1 = float(out["place"][k, place])
                yield model, seed, ARMS[k], place, x1, deltas[j], float(energy_there)
