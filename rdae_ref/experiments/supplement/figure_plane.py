"""One plane: rate over distortion of every model of the package, on the Gaussian (26) and on the mixture (27).

There are two kinds of rate, and a panel for each. Shannon's I(X; X̂) is that of a stochastic map with the N samples as
its source: it is compared with R(D) of the *same empirical distribution* (`sample_rate_distortion`), its lower bound.
The matrix-based I_α(X; X̂) is finite for deterministic maps, but depends on α, σ and N, and no bound on it has been
proven. Bits of one panel cannot be compared with those of the other.

One distortion is used throughout, D_emp of Eq. (9); see `plane_models`.
"""

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import xlogy

from ..._validation import Array
from ...data import GAUSSIAN_COVARIANCE
from ...theory import SampleRateDistortion, gaussian_rate_distortion
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, legend_below, new_figure
from ..protocol import Result, run_tasks, write_result
from .plane_models import MODELS, Settings, Task, density, grid_source, samples

__all__ = ["ModelPoint", "Result", "Settings", "Task", "claims", "draw", "model_points", "run", "train_one", "write"]

TITLES = {"gaussian": "Gaussian, Eq. (26)", "mixture": "mixture, Eq. (27)"}
CLOSED = {"gaussian": "population: water-filling", "mixture": "population: Shannon's lower bound"}
GRID = "population: Blahut-Arimoto on a grid"
SHANNON = {
    "sample": "samples: map found",
    "manifold": "manifold",
    "beta-VAE": "beta-VAE: E KL",
    "linear beta-VAE": "linear beta-VAE: E KL",
}
SETTING = {
    "sample": "slope", "manifold": "slope", "beta-VAE": "1/beta", "linear beta-VAE": "1/beta",
    "rate-distortion": "bound", "plain": "", "denoising": "noise", "contractive": "lambda", "IRMAE": "l", "PCA": "k",
    "population": "slope",
}  # fmt: skip
COMPARABLE = {
    "shannon": "bits of I(X; X') for the N samples as the source; comparable with each other and with R(D) of the same "
    "empirical distribution, below which nothing lies. That is at most log2 N, so it may lie below the population's "
    "R(D), which is no bound on what N samples need.",
    "population": "R(D) of the distribution that the samples were drawn from; drawn, but no bound on the other points.",
    "matrix": "matrix-based I_alpha(X; X') of deterministic maps, for the alpha, sigma and N of the settings: "
    "comparable with each other, with no Shannon rate, and without a proven bound. Shannon's rate of an injective map "
    "is log2 N on the samples, and infinite on the population.",
    "distortion": "D_emp of Eq. (9) throughout: squared error, summed over coordinates, mean over samples and outputs.",
}


class ModelPoint(NamedTuple):
    """A row of the table: a point of the plane."""

    source: str  # "gaussian" or "mixture"
    kind: str  # of the rate: "shannon", "population" or "matrix"
    model: str
    setting: str  # as in "noise=0.2"
    seed: int | str  # empty for the population
    distortion: float
    rate: float  # in bits of its kind
    bound: float | str  # on R(D) of the same samples, or of the population; empty for the matrix-based rate


def train_one(task: Task) -> dict[str, Any]:
    """Find one model's points of the plane: setting, rate, distortion, and what only this model has."""
    rng = np.random.default_rng([task.seed, 1])
    return MODELS[task.model](task, samples(task.source, task.settings.n_samples, task.seed), rng)


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Find the points of every model on both sources; keys are (source, model, seed)."""
    settings = settings or Settings()
    tasks = {
        (source, model, seed): Task(source, model, seed, settings)
        for seed in settings.seeds
        for source in TITLES
        for model in MODELS
        if model != "population" or seed == settings.seeds[0]
    }
    return Result(settings, run_tasks(train_one, tasks, folder, workers, "plane"))


# The table: all points, each with the bound of its own source


def model_points(result: Result) -> list[ModelPoint]:
    """Return all points of the plane, the rows of the CSV file."""
    rows = [row for (source, model, seed), out in result.runs.items() for row in _rows(result, source, model, seed)]
    return [*rows, *(row for source in TITLES for row in _closed_forms(result.settings, source))]


def sample_bound(result: Result, source: str, seed: int) -> SampleRateDistortion:
    """Return R(D) of the N samples of a source, from both sides."""
    out = result.runs[source, "sample", seed]
    return SampleRateDistortion(*(out[name] for name in SampleRateDistortion._fields))


def _rows(result: Result, source: str, model: str, seed: int) -> Iterator[ModelPoint]:
    out = result.runs[source, model, seed]
    labels = [f"{SETTING[model]}={value:.4g}" if SETTING[model] else "" for value in out["setting"]]

    def rows(kind: str, name: str, D: Array, rate: Array, bound: Iterable[float | str]) -> Iterator[ModelPoint]:
        by = "" if kind == "population" else seed
        for label, x, bits, least in zip(labels, D, rate, bound, strict=True):
            yield ModelPoint(source, kind, name, label, by, float(x), float(bits), least)

    none = [""] * len(labels)
    if model == "population":
        yield from rows("population", GRID, out["distortion"], out["rate"], map(float, out["bound"]))
    elif model in SHANNON:
        least = [float(bits) for bits in sample_bound(result, source, seed).lower_bound(out["distortion"])]
        yield from rows("shannon", SHANNON[model], out["distortion"], out["rate"], least)
        if "information" in out:
            yield from rows("shannon", f"{model}: I(X; Z)", out["distortion"], out["information"], least)
            yield from rows("matrix", f"{model}: mean code", out["mean_distortion"], out["mean_rate"], none)
    else:
        yield from rows("matrix", model, out["distortion"], out["rate"], none)


def _closed_forms(settings: Settings, source: str) -> Iterator[ModelPoint]:
    for D in np.geomspace(0.01, 10.0 if source == "mixture" else np.trace(GAUSSIAN_COVARIANCE), 60):
        bits = population_rate(source, float(D), settings.grid_step)
        if bits > 0 or source == "gaussian":  # where the lower bound is 0 it says nothing
            yield ModelPoint(source, "population", CLOSED[source], "", "", float(D), bits, bits)


def population_rate(source: str, D: float, step: float) -> float:
    """Return water-filling of the Gaussian, or h(X) − log₂(π e D), Shannon's lower bound, of the mixture, in bits.

    The bound is R(D) itself up to D = 0.1: twice 0.05, the smallest variance of each component, so that x can be the
    sum of a mixture x̂ and independent noise of variance D/2 in each coordinate.
    """
    if source == "gaussian":
        return float(gaussian_rate_distortion(np.linalg.eigvalsh(GAUSSIAN_COVARIANCE), D).rate)
    return max(differential_entropy(source, step) - math.log2(math.pi * math.e * D), 0.0)


@functools.cache
def differential_entropy(source: str, step: float) -> float:
    """Return h(X) in bits, by the trapezoidal rule on a grid of that step."""
    x, _ = grid_source(source, step, 0.0)
    f = density(source, x)
    return float(-xlogy(f, f).sum() * step**2 / math.log(2))


# The figure


def draw(result: Result) -> Figure:
    """Draw Shannon's rate above and the matrix-based rate below, for both sources."""
    points = model_points(result)
    with new_figure(7.2, 8.2) as figure:
        rows = figure.subfigures(2, 1, height_ratios=[1.06, 1])
        for part, draw_panel, letters, rate in (
            (rows[0], _draw_shannon, "ab", "Shannon's rate $I(X; \\hat X)$"),
            (rows[1], _draw_matrix, "cd", "matrix-based rate $I_\\alpha(X; \\hat X)$"),
        ):
            panels = part.subplots(1, 2, sharey=False)
            for axes, source, letter in zip(panels, TITLES, letters, strict=True):
                draw_panel(axes, result, [point for point in points if point.source == source], source)
                axes.set_title(f"({letter}) {TITLES[source]}")
                _scale(axes, result, source)
            legend_below(part, panels, fontsize=7.5)
            panels[0].set_ylabel(f"{rate}, bits")
    return figure


TICKS = {"gaussian": (0.02, 0.1, 0.3, 0.6, 1, 1.5, 2), "mixture": (0.1, 0.5, 1.5, 3, 5, 7.5, 10)}


def _scale(axes: Any, result: Result, source: str) -> None:
    total = result.first(source, "sample")["variances"].sum()
    axes.set_xscale("function", functions=(lambda D: np.sqrt(np.maximum(D, 0)), np.square))
    axes.set(xlim=(0, 1.08 * total), ylim=(0, None), xlabel="distortion $D$ (axis in $\\sqrt{D}$)")
    axes.set_xticks([0, *TICKS[source]], ["0", *(f"{tick:g}" for tick in TICKS[source])])


def _of(points: Sequence[ModelPoint], model: str, seed: int | str) -> Array:
    """Return D and rate of one model, in two rows, by rising distortion."""
    found = sorted((point.distortion, point.rate) for point in points if (point.model, point.seed) == (model, seed))
    return np.array(found).reshape(-1, 2).T


SHANNON_STYLES: dict[str, tuple[str, dict[str, Any]]] = {
    "manifold": ("stochastic manifold, Eq. (1)", {"color": "green", "marker": "o", "ms": 4}),
    "linear beta-VAE: E KL": ("linear $\\beta$-VAE: E KL", {"color": "orange", "marker": "^", "ms": 4}),
    "beta-VAE: E KL": ("$\\beta$-VAE, tanh units: E KL", {"color": "vermilion", "marker": "s", "ms": 4}),
    "beta-VAE: I(X; Z)": (
        "$\\beta$-VAE, tanh units: $I(X; Z)$", {"color": "vermilion", "marker": "s", "ms": 4, "mfc": "none"}
    ),
}  # fmt: skip
MATRIX_STYLES: dict[str, tuple[str, dict[str, Any]]] = {
    "rate-distortion": ("rate-distortion, Eq. (14)", {"color": "vermilion", "marker": "o", "ms": 4}),
    "denoising": ("denoising, noise rising", {"color": "sky", "marker": "v", "ms": 5}),
    "contractive": ("contractive, $\\lambda$ rising", {"color": "purple", "marker": "D", "ms": 3.5}),
    "IRMAE": ("IRMAE, $l$ = 0, 2, 4, 8", {"color": "green", "marker": "P", "ms": 5}),
    "PCA": ("PCA, 0, 1, 2 components", {"color": "blue", "marker": "X", "ms": 6}),
    "beta-VAE: mean code": ("$\\beta$-VAE, map of mean codes", {"color": "orange", "marker": "s", "ms": 3.5}),
    "plain": ("plain", {"color": "black", "marker": "*", "ms": 8, "mfc": "none"}),
}


def _style(style: dict[str, Any]) -> dict[str, Any]:
    return {"ls": "", "mew": 0.8, "zorder": 3, **style, "color": COLOURS.get(style["color"], style["color"])}


def _draw_shannon(axes: Any, result: Result, points: Sequence[ModelPoint], source: str) -> None:
    settings, seed = result.settings, result.settings.seeds[0]
    D = np.linspace(0, math.sqrt(1.1 * result.runs[source, "sample", seed]["variances"].sum()), 400) ** 2
    for other in settings.seeds[1:]:
        axes.plot(D, sample_bound(result, source, other).lower_bound(D), color=COLOURS["grey"], lw=0.5)
    bound = sample_bound(result, source, seed).lower_bound(D)
    axes.fill_between(D, bound, color="0.9", lw=0)
    axes.plot(D, bound, color="black", label="bound of the same samples (grey: other seeds)")
    blue, closed, look = {"color": COLOURS["blue"]}, CLOSED[source], "-" if source == "gaussian" else "--"
    axes.plot(*_of(points, closed, ""), ls=look, lw=1, label=closed, **blue)
    axes.plot(*_of(points, GRID, ""), "x", ms=5, label=GRID.replace("-", "–"), **blue)
    for model, (label, style) in SHANNON_STYLES.items():
        axes.plot(*_of(points, model, seed), label=label, **_style(style))
    most = math.log2(settings.n_samples)
    axes.axhline(most, color=COLOURS["grey"], lw=0.8, ls=":")
    words = {"ha": "right", "va": "top", "fontsize": 7, "color": "0.35", "transform": axes.get_yaxis_transform()}
    axes.text(0.99, most - 0.05, f"log₂ N = {most:.2f}: every injective map", **words)
    axes.set(ylim=(0, most + 1.2))
    axes.text(0.03, 0.03, "no map on\nthese samples\nis here", transform=axes.transAxes, fontsize=7, color="0.35")


def _draw_matrix(axes: Any, result: Result, points: Sequence[ModelPoint], source: str) -> None:
    first, *others = result.settings.seeds
    for model, (label, style) in MATRIX_STYLES.items():
        look = _style(style)
        for other in others:
            axes.plot(*_of(points, model, other), **look | {"alpha": 0.3, "mew": 0, "mfc": look["color"], "zorder": 2})
        axes.plot(*_of(points, model, first), label=label, **look)
    axes.plot(*envelope(result, source, first), color=COLOURS["vermilion"], lw=0.8, label="its least, bounds joined")
    axes.plot([], [], "o", color=COLOURS["grey"], alpha=0.4, mew=0, ms=4, label="faint: other seeds")


def envelope(result: Result, source: str, seed: int) -> Array:
    """Return D and the least rate of the rate-distortion auto-encoder for each bound, from x̂ = x to the mean."""
    # A map that meets a bound meets every higher one: the rate never rises. Between the bounds, straight lines.
    found, ends = result.runs[source, "rate-distortion", seed], result.runs[source, "PCA", seed]
    bounds = np.unique(found["setting"])
    least = [found["rate"][found["setting"] == bound].min() for bound in bounds]
    D = np.concatenate([ends["distortion"][-1:], bounds, ends["distortion"][:1]])
    rate = np.concatenate([ends["rate"][-1:], least, ends["rate"][:1]])
    return np.array([D, np.minimum.accumulate(rate)])


# The claims

LEAST = "the Blahut-Arimoto algorithm provides … a stochastic map q(x̂|x) that achieves the minimum rate"
SAMPLES = "we only have access to a set of i.i.d. samples"
BOLTZMANN = "a Boltzmann distribution containing the fidelity measure arises as solution"
MARGINAL = "(beta-VAE essay) we've replaced the marginal induced by our choice of encoder with another distribution"
RECAPITULATE = "(beta-VAE essay) β-VAEs recapitulate the classical rate-distortion theory problem"
PCA_OPTIMAL = "for multivariate Gaussian distributed data … PCA can be understood as an optimal mapping"
MINIMAL = "a representation that is minimally committed to the input data, but that is rich enough to reconstruct"


def claims(result: Result) -> list[Claim]:
    """Compare what paper and essay say about rates with the points."""
    points = model_points(result)
    parts = ((*_shannon_claims(result, points, source), *_matrix_claims(result, source)) for source in TITLES)
    return [row for part in parts for row in part]


def _shannon_claims(result: Result, points: Sequence[ModelPoint], source: str) -> Iterator[Claim]:
    seeds, step = result.settings.seeds, result.settings.grid_step

    def row(sentence: str, quantity: str, measured: Iterable[float], **threshold: float) -> Claim:
        return claim("plane", sentence, f"{source}: {quantity}", measured, **threshold)

    def excess(seed: int, model: str | None = None) -> list[float]:
        return [
            point.rate - float(point.bound)
            for point in points
            if (point.source, point.kind, point.seed) == (source, "shannon", seed) and model in (None, point.model)
        ]

    quantity = "least height of a Shannon point over the bound of its own samples, bits"
    yield row(LEAST, quantity, [min(excess(seed)) for seed in seeds], at_least=0)
    gaps = [max(excess(seed, SHANNON["sample"])) for seed in seeds]
    yield row(LEAST, "largest gap of the bounds on R(D) of the samples, bits", gaps, at_most=result.settings.tolerance)
    points_of_maps = [np.transpose([out["distortion"], out["rate"]]) for out in result.over_seeds(source, "sample")]
    below = [max(population_rate(source, float(D), step) - float(rate) for D, rate in maps) for maps in points_of_maps]
    yield row(SAMPLES, "largest depth of a map on the samples below the population's R(D), bits", below, at_least=0)
    middle = [float(np.median(excess(seed, "manifold"))) for seed in seeds]
    yield row(BOLTZMANN, "median height of the manifold's points over the bound, bits", middle, at_most=0.05)
    unused = [float((out["rate"] - out["information"]).min()) for out in result.over_seeds(source, "beta-VAE")]
    yield row(MARGINAL, "least E KL − I(X; Z) of the beta-VAE, bits", unused, at_least=0)
    middle = [float(np.median(excess(seed, SHANNON["beta-VAE"]))) for seed in seeds]
    yield row(RECAPITULATE, "median height of E KL over the bound, bits", middle, at_most=0.5)


def _matrix_claims(result: Result, source: str) -> Iterator[Claim]:
    seeds = result.settings.seeds
    if source == "gaussian":
        more = [_under(result, source, seed, "PCA")[1] for seed in seeds]
        quantity = "gaussian: I_α of PCA with one component minus that of (14) at its D, bits"
        yield claim("plane", PCA_OPTIMAL, quantity, [-x for x in more], at_most=0.1)
    others = ("plain", "denoising", "contractive", "IRMAE", "PCA")
    depth = [max(float(_under(result, source, seed, model).max()) for model in others) for seed in seeds]
    quantity = f"{source}: I_α of (14) minus that of any other auto-encoder at its D, largest, bits"
    yield claim("plane", MINIMAL, quantity, depth, at_most=0.05)


def _under(result: Result, source: str, seed: int, model: str) -> Array:
    """Return how far the points of a model lie below those of the rate-distortion auto-encoder, in bits."""
    out = result.runs[source, model, seed]
    return np.interp(out["distortion"], *envelope(result, source, seed)) - out["rate"]


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write plane.png, .csv and .json, which states what can be compared with what."""
    tables = {"plane": (ModelPoint._fields, model_points(result))}
    more: dict[str, Any] = {"all_files": all_files, "comparable": COMPARABLE}
    return write_result(result, folder, "plane", claims(result), draw(result), tables, **more)
