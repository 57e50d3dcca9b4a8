"""What codes of low rank are good for: interpolation, generation and a linear probe, beside the beta-VAE.

The networks on images of shapes are those of `irmae`, and a beta-VAE of the same size. Images are judged by their
distance to the nearest image of one circle or square, of whatever factors: 0 for a perfect one. That says nothing of
how different drawn images are, so recall stands beside it: the share of true images that have a drawn one near.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from ..._validation import Array
from ...data import SHAPE_RANGES, shape_images
from ...measures import gaussian_codes, linear_probe
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, paper_style, write_csv, write_figure, write_json
from ..runs import Outcome, run_all
from .deep_training import SHAPES, DeepTask, DeepTraining, draw_samples, network, train
from .figure_irmae import DEPTH_COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Result",
    "Settings",
    "Task",
    "claims",
    "distance_to_shapes",
    "draw",
    "measure",
    "recall",
    "run",
    "write",
]

FACTOR_NAMES = ("kind", *SHAPE_RANGES)
CENTRE = [FACTOR_NAMES.index("x"), FACTOR_NAMES.index("y")]
VAE_COLOUR = "green"
MEASURES = {"interpolation": "midpoints\nof codes", "generation": "drawn\ncodes", "reconstruction": "codes\nof images"}
CHUNK = 50  # images whose distances to all templates are in memory at a time: 50 MB


@dataclass(frozen=True)
class Settings:
    """What the numbers of the figure depend on.

    Parameters
    ----------
    training : DeepTraining
        Of all networks.
    n_linear : tuple of int
        l, rising from 0.
    shown : int
        The one of them that is drawn beside l = 0 and the beta-VAE.
    n_images : int
        How many midpoints, drawn images and reconstructions are judged for each network.
    n_neighbours : int
        k of the recall.
    grid : (int, int)
        Places across and down, and radii, of the templates that images are compared with.
    n_steps : int
        Of the interpolation that is drawn.
    n_pairs, n_drawn : int
        Interpolations that are drawn, of the pairs that are judged those whose centres lie farthest apart; and images
        from drawn codes.
    seeds : tuple of int
        The figure shows the images of the first.
    """

    training: DeepTraining = SHAPES
    n_linear: tuple[int, ...] = (0, 2, 4, 8)
    shown: int = 4
    n_images: int = 200
    n_neighbours: int = 3
    grid: tuple[int, int] = (33, 13)
    n_steps: int = 9
    n_pairs: int = 4
    n_drawn: int = 36
    seeds: tuple[int, ...] = (0, 1, 2)


@dataclass(frozen=True)
class Task:
    """The measurements on one network.

    Parameters
    ----------
    trained : DeepTask
        Which network.
    settings : Settings
        The rest.
    outcome : dict
        What training ended in. Not in the ``repr``: the two above determine it.
    """

    trained: DeepTask
    settings: Settings
    outcome: Outcome = field(repr=False)


class Result(NamedTuple):
    """All runs of the figure.

    Parameters
    ----------
    settings : Settings
        What they depend on.
    runs : dict
        Outcome of each by model, l and seed.
    """

    settings: Settings
    runs: dict[tuple[str, int, int], Outcome]


def distance_to_shapes(X: Array, size: int, grid: tuple[int, int]) -> Array:
    """Return the squared distance of images to the nearest image that `shapes` could draw, over the total of squares.

    Kind, centre and radius are tried on a grid; the best colour for each is a formula.

    Parameters
    ----------
    X : Array, shape (N, 3 size²)
        Images in rows.
    size : int
        Pixels in a row.
    grid : (int, int)
        Places across and down, and radii. What the grid leaves of true images is the floor of this measure.

    Returns
    -------
    Array, shape (N,)
        min |x − s|² / |x|² over shapes s.
    """
    C = _templates(size, grid)
    area = np.sum(C**2, axis=1)
    nearest = [_nearest(C, area, part) for part in np.array_split(X, -(-len(X) // CHUNK))]
    return np.concatenate(nearest) / np.sum(X**2, axis=1)


def _templates(size: int, grid: tuple[int, int]) -> Array:
    """Return how far each pixel is covered, for all kinds, places and radii of a grid: (templates, size²)."""
    places, radii = np.linspace(*SHAPE_RANGES["x"], grid[0]), np.linspace(*SHAPE_RANGES["radius"], grid[1])
    kind, x, y, radius = (axis.ravel() for axis in np.meshgrid([0.0, 1.0], places, places, radii, indexing="ij"))
    white = np.ones_like(kind)
    return shape_images(np.column_stack([kind, white, white, white, x, y, radius]), size)[:, ::3]


def _nearest(C: Array, area: Array, X: Array) -> Array:
    """Return min over templates c and colours a of Σ |x_channel − a c|² = |x|² − Σ (2 a cᵀx − a² |c|²)."""
    squares = np.sum(X**2, axis=1)
    gain = np.zeros((len(C), len(X)))
    for channel in range(3):
        inner = C @ X[:, channel::3].T
        a = np.clip(inner / area[:, None], *SHAPE_RANGES["red"])
        gain += a * (2 * inner - a * area[:, None])
    return np.maximum(squares - gain.max(axis=0), 0)


def recall(X: Array, drawn: Array, n_neighbours: int) -> float:
    """Return the share of true images that are within reach of a drawn one.

    The reach of a drawn image is its distance to its k-th neighbour among the drawn ones.

    Parameters
    ----------
    X, drawn : Array, shapes (N, d) and (M, d)
        True and drawn images in rows.
    n_neighbours : int
        k.

    Returns
    -------
    float
        From 0 to 1.

    Notes
    -----
    T. Kynkäänniemi, T. Karras, S. Laine, J. Lehtinen, T. Aila: Improved precision and recall metric for assessing
    generative models, NeurIPS 2019; here on pixels.
    """
    reach = np.sort(cdist(drawn, drawn), axis=1)[:, n_neighbours]  # the first is the image itself
    return float(np.mean((cdist(X, drawn) <= reach).any(axis=1)))


def measure(task: Task) -> dict[str, Any]:
    """Interpolate, draw and probe with one network, on samples that it was not trained on.

    Parameters
    ----------
    task : Task
        Which.

    Returns
    -------
    dict
        interpolation, generation and reconstruction: the mean of `distance_to_shapes` of outputs for midpoints of
        codes, for codes from a Gaussian with their mean and covariance, and for the codes themselves; cross_fade and
        floor, that of midpoints of the images and of true images; recall; r2 and scores of the linear probe; rank;
        paths and drawn, the images of the figure.
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
    far = np.argsort(
        -np.linalg.norm(samples.factors_test[:n, CENTRE] - samples.factors_test[n : 2 * n, CENTRE], axis=1)
    )
    one, other = Z[:n][far[: settings.n_pairs]], Z[n : 2 * n][far[: settings.n_pairs]]
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


def run(
    settings: Settings | None = None, *, folder: str | os.PathLike[str] = "figures", workers: Workers = None
) -> Result:
    """Train all networks, or read those that `irmae` has trained, and measure them.

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
    kept: dict[str, Any] = {"folder": Path(folder) / ".runs", "workers": workers}
    trainings = [DeepTask(*model, seed, settings.training) for model in models(settings) for seed in settings.seeds]
    trained = run_all(train, trainings, description="representation, training", **kept)
    tasks = [Task(task, settings, outcome) for task, outcome in zip(trainings, trained, strict=True)]
    outcomes = run_all(measure, tasks, description="representation", **kept)
    return Result(settings, {task[:3]: out for task, out in zip(trainings, outcomes, strict=True)})


def models(settings: Settings) -> list[tuple[str, int]]:
    """Return model and l of each network, in the order of the figure."""
    return [*(("irmae", depth) for depth in settings.n_linear), ("beta-vae", 0)]


def name(model: tuple[str, int]) -> str:
    """Return what a reader calls a model."""
    kind, n_linear = model
    return "beta-VAE" if kind == "beta-vae" else f"IRMAE, $l$ = {n_linear}" if n_linear else "plain auto-encoder"


def colour(settings: Settings, model: tuple[str, int]) -> str:
    """Return its colour."""
    return COLOURS[VAE_COLOUR if model[0] == "beta-vae" else DEPTH_COLOURS[settings.n_linear.index(model[1])]]


def draw(result: Result) -> "Figure":
    """Draw images of three models for the first seed, and the numbers of all models and seeds.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    matplotlib.figure.Figure
        Interpolations above, drawn images in the middle, numbers below.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  # only drawing needs it

    settings = result.settings
    shown = [("irmae", 0), ("irmae", settings.shown), ("beta-vae", 0)]
    with paper_style():
        figure = Figure(figsize=(7.2, 5.7), layout="constrained")
        blocks: Any = figure.subfigures(2, 1, height_ratios=[2.7, 3.0])
        images, numbers = blocks
        panels = images.subplots(2, 3)
        for column, model in zip(panels.T, shown, strict=True):
            out = result.runs[*model, settings.seeds[0]]
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
        handles, labels = probe.get_legend_handles_labels()
        numbers.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8)
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
        table = np.array([values(result.runs[*model, seed]) for seed in settings.seeds], dtype=float)
        at = np.arange(len(labels)) + (k - (len(all_models) - 1) / 2) * width
        axes.bar(at, np.median(table, axis=0), width, color=colour(settings, model), label=name(model))
        for row in table:
            axes.plot(at, row, ".", ms=1.8, color="black")
    axes.set_xticks(range(len(labels)), labels, fontsize=8)


TASKS = "We demonstrate the validity of the method on several image generation and representation learning tasks"


def claims(result: Result) -> list[Claim]:
    """Hold what the abstract of the IRMAE paper says about its uses against the networks.

    Parameters
    ----------
    result : Result
        Of `run`.

    Returns
    -------
    list of Claim
        Over all seeds.
    """
    return [*_claims(result, ("irmae", 0)), *_claims(result, ("beta-vae", 0))]


def _claims(result: Result, other: tuple[str, int]) -> Iterator[Claim]:
    """Yield the rows of each IRMAE beside another model."""
    settings = result.settings
    than = "that of the beta-VAE" if other[0] == "beta-vae" else "that of l = 0"

    def compared(measure: str, depth: int) -> list[tuple[float, float]]:
        pairs = ((result.runs["irmae", depth, seed], result.runs[*other, seed]) for seed in settings.seeds)
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


def write(result: Result, folder: str | os.PathLike[str]) -> Sequence[Claim]:
    """Write representation.png, .svg, .csv and .json.

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
    columns = ("model", "n_linear", "seed", *NUMBERS, *(f"r2_{factor}" for factor in FACTOR_NAMES))
    rows = (
        (*key, *(float(out[number]) for number in NUMBERS), *map(float, out["scores"]))
        for key, out in result.runs.items()
    )
    write_figure(draw(result), folder, "representation")
    write_csv(folder, "representation", columns, rows)
    write_json(folder, "representation", asdict(result.settings), table, seed=result.settings.seeds[0])
    return table
