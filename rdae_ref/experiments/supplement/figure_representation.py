"""What codes of low rank are good for: interpolation, generation and a linear probe, beside the beta-VAE.

The networks on images of shapes are those of `irmae`, and a beta-VAE of the same size. Images are judged by their
distance to the nearest image of one circle or square, with any factors: 0 for a perfect one. This does not measure how
different drawn images are, so recall is shown too: the share of true images that have a drawn one near.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from ..._validation import Array
from ...data import SHAPE_RANGES, shape_images
from ...measures import gaussian_codes, linear_probe
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, legend_below, new_figure
from ..protocol import Result, run_tasks, write_result
from ..runs import Outcome
from .deep_training import SHAPES, DeepTask, DeepTraining, draw_samples, network, train
from .figure_irmae import DEPTH_COLOURS

__all__ = ["Result", "Settings", "Task", "claims", "distance_to_shapes", "draw", "measure", "recall", "run", "write"]

FACTOR_NAMES = ("kind", *SHAPE_RANGES)
CENTRE = [FACTOR_NAMES.index("x"), FACTOR_NAMES.index("y")]
VAE_COLOUR = "green"
MEASURES = {"interpolation": "midpoints\nof codes", "generation": "drawn\ncodes", "reconstruction": "codes\nof images"}
CHUNK = 50  # images whose distances to all templates are in memory at a time: 50 MB


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    training: DeepTraining = SHAPES
    n_linear: tuple[int, ...] = (0, 2, 4, 8)  # l
    shown: int = 4  # the l that is drawn beside l = 0 and the beta-VAE
    n_images: int = 200  # midpoints, drawn images and reconstructions that are judged for each network
    n_neighbours: int = 3  # k of the recall
    grid: tuple[int, int] = (33, 13)  # of the templates: places across and down, and radii
    n_steps: int = 9  # of the interpolation that is drawn
    n_pairs: int = 4  # interpolations that are drawn: of the judged pairs those whose centres lie farthest apart
    n_drawn: int = 36  # images from drawn codes
    seeds: tuple[int, ...] = (0, 1, 2)


@dataclass(frozen=True)
class Task:
    """The measurements on one network; `trained` and `settings` determine its `outcome`."""

    trained: DeepTask
    settings: Settings
    outcome: Outcome = field(repr=False)  # of the training


def distance_to_shapes(X: Array, size: int, grid: tuple[int, int]) -> Array:
    """Return min |x − s|² / |x|² over the images s that `shapes` could draw.

    Kind, centre and radius are tried on a grid; the best colour for each is a formula. What the grid leaves of true
    images is the floor of this measure.
    """
    C = _templates(size, grid)
    area = np.sum(C**2, axis=1)
    nearest = [_nearest(C, area, part) for part in np.array_split(X, -(-len(X) // CHUNK))]
    return np.concatenate(nearest) / np.sum(X**2, axis=1)


def _templates(size: int, grid: tuple[int, int]) -> Array:
    """Return the coverage of each pixel for all kinds, places and radii of a grid, shape (templates, size²)."""
    places, radii = np.linspace(*SHAPE_RANGES["x"], grid[0]), np.linspace(*SHAPE_RANGES["radius"], grid[1])
    kind, x, y, radius = (axis.ravel() for axis in np.meshgrid([0.0, 1.0], places, places, radii, indexing="ij"))
    return shape_images(np.column_stack([kind, *[np.ones_like(kind)] * 3, x, y, radius]), size)[:, ::3]


def _nearest(C: Array, area: Array, X: Array) -> Array:
    """Return min over templates c and colours a of Σ |x_channel − a c|² = |x|² − Σ (2 a cᵀx − a² |c|²)."""
    gain = np.zeros((len(C), len(X)))
    for channel in range(3):
        inner = C @ X[:, channel::3].T
        a = np.clip(inner / area[:, None], *SHAPE_RANGES["red"])
        gain += a * (2 * inner - a * area[:, None])
    return np.maximum(np.sum(X**2, axis=1) - gain.max(axis=0), 0)


def recall(X: Array, drawn: Array, n_neighbours: int) -> float:
    """Return the share of true images X within reach of a drawn one.

    The reach of a drawn image is its distance to its k-th neighbour among the drawn ones. T. Kynkäänniemi, T. Karras,
    S. Laine, J. Lehtinen, T. Aila: Improved precision and recall metric for assessing generative models, NeurIPS 2019;
    here on pixels.
    """
    reach = np.sort(cdist(drawn, drawn), axis=1)[:, n_neighbours]  # the first is the image itself
    return float(np.mean((cdist(X, drawn) <= reach).any(axis=1)))


def measure(task: Task) -> dict[str, Any]:
    """Interpolate, draw and probe with one network, on samples that it was not trained on.

    ``interpolation``, ``generation`` and ``reconstruction`` are means of `distance_to_shapes` of outputs for midpoints
    of codes, for codes from a Gaussian with their mean and covariance, and for the codes themselves; ``cross_fade`` and
    ``floor`` those of midpoints of the images and of true images. ``r2`` and ``scores`` belong to the linear probe.
    """
    settings, training = task.settings, task.trained.training
    trained = network(task.trained, task.outcome)
    samples = draw_samples(training, task.trained.seed)
    rng = np.random.default_rng([task.trained.seed, 2])
    X, Z, n = samples.X_test, trained.codes(samples.X_test), settings.n_images

    def away(images: Array) -> float:
        return float(distance_to_shapes(images, training.size, settings.grid).mean())

    drawn = trained.decode(gaussian_codes(trained.drawn_codes(X, rng), max(len(X), settings.n_drawn), rng))
    probe = linear_probe(Z, samples.factors_test)
    centres = samples.factors_test[:, CENTRE]
    far = np.argsort(-np.linalg.norm(centres[:n] - centres[n : 2 * n], axis=1))[: settings.n_pairs]
    one, other = Z[:n][far], Z[n : 2 * n][far]
    path = [trained.decode((1 - t) * one + t * other) for t in np.linspace(0, 1, settings.n_steps)]
    return {
        "interpolation": away(trained.decode((Z[:n] + Z[n : 2 * n]) / 2)),
        "generation": away(drawn[:n]),
        "reconstruction": away(trained.decode(Z[:n])),
        "cross_fade": away((X[:n] + X[n : 2 * n]) / 2),
        "floor": away(X[:n]),
        "recall": recall(X, drawn, settings.n_neighbours),
        "r2": probe.r2,
        "scores": probe.scores,
        "rank": task.outcome["rank"],
        "paths": np.stack(path, axis=1),
        "drawn": drawn[: settings.n_drawn],
    }


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Train all networks, or read those that `irmae` has trained, and measure them; keys are (model, l, seed)."""
    settings = settings or Settings()
    kinds = [(*model, seed) for model in models(settings) for seed in settings.seeds]
    trainings = {key: DeepTask(*key, settings.training) for key in kinds}
    trained = run_tasks(train, trainings, folder, workers, "representation, training")
    tasks = {key: Task(trainings[key], settings, trained[key]) for key in kinds}
    return Result(settings, run_tasks(measure, tasks, folder, workers, "representation"))


def models(settings: Settings) -> list[tuple[str, int]]:
    """Return model and l of each network, in the order of the figure."""
    return [*(("irmae", depth) for depth in settings.n_linear), ("beta-vae", 0)]


def name(model: tuple[str, int]) -> str:
    """Return the name of a model in the figure."""
    kind, n_linear = model
    return "beta-VAE" if kind == "beta-vae" else f"IRMAE, $l$ = {n_linear}" if n_linear else "plain auto-encoder"


def colour(settings: Settings, model: tuple[str, int]) -> str:
    """Return the colour of a model in the figure."""
    return COLOURS[VAE_COLOUR if model[0] == "beta-vae" else DEPTH_COLOURS[settings.n_linear.index(model[1])]]


def draw(result: Result) -> Figure:
    """Draw interpolations and drawn images of three models, and the numbers of all models and seeds."""
    settings = result.settings
    shown = [("irmae", 0), ("irmae", settings.shown), ("beta-vae", 0)]
    with new_figure(7.2, 5.7) as figure:
        images, numbers = figure.subfigures(2, 1, height_ratios=[2.7, 3.0])
        panels = images.subplots(2, 3)
        for column, model in zip(panels.T, shown, strict=True):
            out = result.first(*model)
            _show(column[0], out["paths"], settings)
            _show(column[1], out["drawn"].reshape(-1, settings.n_steps, out["drawn"].shape[1]), settings)
            column[0].set_title(name(model))
        panels[0, 0].set_ylabel("(a) interpolation")
        panels[1, 0].set_ylabel("(b) drawn codes")
        quality, coverage, probe = numbers.subplots(1, 3, width_ratios=[1.5, 0.7, 1.5])
        _draw_quality(quality, result)
        _draw_bars(coverage, result, ["recall"], lambda out: [out["recall"]])
        coverage.set(title="(d) recall", ylabel="share of true images", ylim=(0, 1), xticks=[])
        _draw_bars(probe, result, [*FACTOR_NAMES, "mean"], lambda out: [*out["scores"], out["r2"]])
        probe.set(title="(e) linear probe of the factors", ylabel="$R^2$", ylim=(0, 1))
        probe.tick_params(axis="x", rotation=45)
        legend_below(numbers, probe, ncols=5)
    return figure


def _show(axes: Any, images: Array, settings: Settings) -> None:
    """Show images of shape (rows, columns, pixels) beside one another, on white."""
    size = settings.training.size
    tiles = np.clip(images.reshape(*images.shape[:2], size, size, 3), 0, 1)
    framed = np.pad(tiles, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1)
    rows, columns, height, width, _ = framed.shape
    axes.imshow(framed.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _draw_quality(axes: Any, result: Result) -> None:
    _draw_bars(axes, result, [*MEASURES.values()], lambda out: [out[measure] for measure in MEASURES])
    for reference, words in (("cross_fade", "midpoints\nof images"), ("floor", "true images")):
        value = float(np.median([out[reference] for out in result.runs.values()]))
        axes.axhline(value, color="black", lw=0.7, ls=":")
        axes.text(1, value, words, fontsize=7, ha="right", va="bottom", transform=axes.get_yaxis_transform())
    axes.set(title="(c) distance to the nearest shape", ylabel=r"$|x - s|^2 / |x|^2$", xlim=(-0.5, len(MEASURES) + 0.7))


def _draw_bars(axes: Any, result: Result, labels: list[str], values: Any) -> None:
    """Draw a group of bars for each label, one for each model: the median over seeds, and a dot for each seed."""
    settings, all_models = result.settings, models(result.settings)
    width = 0.85 / len(all_models)
    for k, model in enumerate(all_models):
        table = np.array([values(out) for out in result.over_seeds(*model)], dtype=float)
        at = np.arange(len(labels)) + (k - (len(all_models) - 1) / 2) * width
        axes.bar(at, np.median(table, axis=0), width, color=colour(settings, model), label=name(model))
        for row in table:
            axes.plot(at, row, ".", ms=1.8, color="black")
    axes.set_xticks(range(len(labels)), labels, fontsize=8)


TASKS = "We demonstrate the validity of the method on several image generation and representation learning tasks"


def claims(result: Result) -> list[Claim]:
    """Compare what the abstract of the IRMAE paper says about its uses with the networks."""
    return [*_claims(result, ("irmae", 0)), *_claims(result, ("beta-vae", 0))]


def _claims(result: Result, other: tuple[str, int]) -> Iterator[Claim]:
    """Yield the rows of each IRMAE beside another model."""
    settings = result.settings
    than = "that of the beta-VAE" if other[0] == "beta-vae" else "that of l = 0"

    def compared(measure: str, depth: int) -> list[tuple[float, float]]:
        pairs = zip(result.over_seeds("irmae", depth), result.over_seeds(*other), strict=True)
        return [(float(ours[measure]), float(theirs[measure])) for ours, theirs in pairs]

    for depth in settings.n_linear[1:]:
        for measure in ("generation", "interpolation"):
            ratio = [ours / theirs for ours, theirs in compared(measure, depth)]
            quantity = f"{measure}, l = {depth}: distance to the nearest shape, over {than}"
            yield claim("representation", TASKS, quantity, ratio, at_most=1)
        for measure, words in (("recall", "generation, l = {}: recall"), ("r2", "linear probe, l = {}: mean R²")):
            more = [ours - theirs for ours, theirs in compared(measure, depth)]
            yield claim("representation", TASKS, f"{words.format(depth)}, less {than}", more, at_least=0)


NUMBERS = ("rank", *MEASURES, "cross_fade", "floor", "recall", "r2")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write representation.png, .csv and .json."""
    columns = ("model", "n_linear", "seed", *NUMBERS, *(f"r2_{factor}" for factor in FACTOR_NAMES))
    rows = (
        (*key, *(float(out[number]) for number in NUMBERS), *map(float, out["scores"]))
        for key, out in result.runs.items()
    )
    more: dict[str, Any] = {"units": None, "all_files": all_files}
    tables = {"representation": (columns, rows)}
    return write_result(result, folder, "representation", claims(result), draw(result), tables, **more)
