"""Does a higher price of the rate disentangle? Beta-VAEs on images of a blob with known position, size, orientation.

The cost of a latent is its posterior KL; its information about the factors is measured by the mutual information gap of
Chen et al., on codes drawn from the posterior for images that were not trained on. That gap cannot exceed the rate
over the entropy of the factors, however well the latents are aligned, and a higher price means a smaller rate; so the
relative gap, which has no such ceiling, is shown too. The linear probe tells whether the factors are in the code at
all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..._validation import Array
from ...data import FactorImages, blob_images, blobs
from ...measures import linear_probe, mutual_information_gap
from ...models import BetaVAE, VAEParameters, initial_vae_parameters
from ...optimize import MiniBatches
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, new_figure, plain_ticks
from ..protocol import Result, Task, run_tasks, write_result
from .figure_beta_vae import train_in_stages

__all__ = ["Result", "Settings", "Task", "best_beta", "claims", "draw", "relative_gap", "run", "train_one", "write"]

FACTORS = ("x", "y", "radius", "orientation")
FACTOR_COLOURS = ("blue", "sky", "vermilion", "green")
FACTOR_MARKERS = ("o", "s", "^", "D")
UNUSED = 0.1  # bits: a latent that costs less is not named


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    n_samples: int = 4000  # images to train on
    n_fresh: int = 10_000  # images to measure on
    size: int = 12  # pixels in a row
    spread: tuple[float, float] = (0.5, 0.3)  # how far the centre moves across and down
    radius: tuple[float, float] = (0.25, 0.5)
    n_latents: int = 8  # k, more than there are factors
    hidden: tuple[int, ...] = (64, 64)  # tanh units of the encoder's hidden layers, in reverse of the decoder's
    decoder_variance: float = 0.02  # s², of a pixel
    betas: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
    batch_size: int = 100
    stages: tuple[tuple[float, int], ...] = ((2e-3, 4000), (5e-4, 2000))  # step size and steps of Adam, in turn
    n_bins: int = 20  # for the mutual information
    reach: float = 2.0  # latents are moved from −reach to reach, in standard deviations of the prior
    n_moves: int = 7  # to so many values
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)  # of sample, start and noise


def train_one(task: Task[Settings]) -> dict[str, Any]:
    """Train one beta-VAE, and measure the information of its latents about the factors of fresh images.

    Distortion, rate and rates are those of the images that were trained on; the gaps come from the information of each
    latent about each factor in bits, on drawn codes; ``probe`` is R² of each factor from the mean codes.
    """
    settings, (beta, seed) = task.settings, task.key
    rng = np.random.default_rng(seed)
    images = _draw_images(settings, settings.n_samples, rng)
    fresh = _draw_images(settings, settings.n_fresh, rng)
    objective = BetaVAE(images.X, activation="tanh", beta=beta, variance=settings.decoder_variance, rng=rng)
    start = initial_vae_parameters(images.X.shape[1], settings.n_latents, rng, hidden=settings.hidden)
    x = train_in_stages(MiniBatches(objective, settings.batch_size, rng), start, settings.stages)
    terms, posterior = objective.terms(x), objective.encode(x, fresh.X)
    found = mutual_information_gap(posterior.sample(rng), fresh.factors, settings.n_bins)
    return {
        "distortion": terms.distortion,
        "rate": terms.rate,
        "rates": terms.rates,
        **found._asdict(),
        "relative": relative_gap(found.information),
        "probe": linear_probe(posterior.M, fresh.factors).scores,
        "traversals": traversals(objective, x, settings),
    }


def _draw_images(settings: Settings, n_samples: int, rng: np.random.Generator) -> FactorImages:
    return blobs(n_samples, rng, size=settings.size, spread=settings.spread, radius=settings.radius)


def central_factors(settings: Settings) -> Array:
    """Return x, y, radius and orientation of the image in the middle of all."""
    return np.array([0, 0, sum(settings.radius) / 2, np.pi / 4])


def factor_images(settings: Settings) -> Array:
    """Return images, shape (4, n_moves, size²), in which one factor at a time goes through its range."""
    (across, down), (small, large) = settings.spread, settings.radius
    moved = np.tile(central_factors(settings), (len(FACTORS), settings.n_moves, 1))
    for i, (low, high) in enumerate(((-across, across), (-down, down), (small, large), (0, np.pi / 2))):
        moved[i, :, i] = np.linspace(low, high, settings.n_moves)
    return blob_images(moved.reshape(-1, len(FACTORS)), settings.size).reshape(*moved.shape[:2], -1)


def traversals(objective: BetaVAE, parameters: VAEParameters, settings: Settings) -> Array:
    """Return the outputs, shape (k, n_moves, size²), for the central image's code with one latent at a time moved."""
    centre = objective.encode(parameters, blob_images([central_factors(settings)], settings.size)).M[0]
    codes = np.tile(centre, (len(centre), settings.n_moves, 1))
    for j in range(len(centre)):
        codes[j, :, j] = np.linspace(-settings.reach, settings.reach, settings.n_moves)
    return objective.decode(parameters, codes.reshape(-1, len(centre))).reshape(*codes.shape[:2], -1)


def relative_gap(information: Array) -> float:
    """Return the mean over factors of (I₁ − I₂)/I₁, the relative lead of the most informative latent."""
    # `information` is (latents, factors). Unlike the gap, this does not fall where all of it is smaller.
    second, first = np.sort(information, axis=0)[-2:]
    return float(np.mean((first - second) / first))


def largest_gap(rate: Array, settings: Settings) -> Array:
    """Return the ceiling of the mutual information gap at a rate in bits, for independent factors.

    The information of a latent about the factors together is at most its own rate, so that Σ_v I₁(v) ≤ R, and the gap
    is at most R / (f · H) for f factors which fill their bins evenly, of entropy H = log₂(bins) each.
    """
    return np.minimum(rate / (len(FACTORS) * np.log2(settings.n_bins)), 1)


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Train at every β; keys are (beta, seed)."""
    settings = settings or Settings()
    tasks = {key: Task(key, settings) for key in product(settings.betas, settings.seeds)}
    return Result(settings, run_tasks(train_one, tasks, folder, workers, "disentanglement"))


def _table(result: Result, name: str) -> Array:
    """Return one measure of all runs, of shape (betas, seeds, ...)."""
    return np.array([[out[name] for out in result.over_seeds(beta)] for beta in result.settings.betas])


def best_beta(result: Result) -> float:
    """Return the β above the first whose median mutual information gap over seeds is largest."""
    medians = np.median(_table(result, "gap"), axis=1)
    return result.settings.betas[1 + int(medians[1:].argmax())]


def draw(result: Result) -> Figure:
    """Draw gap, probe and rates over β, and what moving a factor and moving a latent does to an image."""
    settings = result.settings
    with new_figure(7.2, 4.7) as figure:
        panels = figure.subplots(2, 3, height_ratios=(1, 0.62))
        _draw_gaps(panels[0, 0], result)
        _draw_probe(panels[0, 1], result)
        _draw_rates(panels[0, 2], result)
        _show_images(panels[1, 0], factor_images(settings), FACTORS, settings.size, len(FACTORS) + 1)
        panels[1, 0].set_title("(d) the factors moved, one a row")
        for axes, letter, beta in zip(panels[1, 1:], "ef", (settings.betas[0], best_beta(result)), strict=True):
            _draw_traversals(axes, result, beta)
            axes.set_title(f"({letter}) latents moved, $\\beta$ = {beta:g}")
    return figure


def _beta_axis(axes: Any, settings: Settings) -> None:
    axes.set_xscale("log", base=2)
    plain_ticks(axes, settings.betas)
    axes.set_xlabel(r"price of the rate $\beta$")


def _draw_gaps(axes: Any, result: Result) -> None:
    settings = result.settings
    for name, label, colour in (("relative", "relative gap", COLOURS["vermilion"]), ("gap", "MIG", "black")):
        values = _table(result, name)
        axes.plot(settings.betas, values, "o", ms=3, mfc="none", mew=0.7, color=colour)
        axes.plot(settings.betas, np.median(values, axis=1), color=colour, label=label)
    ceiling = largest_gap(np.median(_table(result, "rate"), axis=1), settings)
    axes.plot(settings.betas, ceiling, ":", color="black", label="ceiling of MIG")
    axes.set(title="(a) does a latent stand out?", ylabel="mean over factors, all seeds", ylim=(0, 1.4))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.legend(fontsize=7, loc="upper center")
    _beta_axis(axes, settings)


def _draw_probe(axes: Any, result: Result) -> None:
    settings, scores = result.settings, np.median(_table(result, "probe"), axis=1)
    for i, name in enumerate(FACTORS):
        colour, marker = COLOURS[FACTOR_COLOURS[i]], FACTOR_MARKERS[i]
        axes.plot(settings.betas, scores[:, i], marker=marker, ms=3.5, lw=1, color=colour, label=name)
    axes.set(title="(b) linear probe, median", ylabel="$R^2$ of each factor", ylim=(0, 1.02))
    axes.legend(fontsize=8, loc="lower left")
    _beta_axis(axes, settings)


def _draw_rates(axes: Any, result: Result) -> None:
    settings = result.settings
    rates = np.median(np.sort(_table(result, "rates"), axis=2)[:, :, ::-1], axis=1)
    axes.stackplot(settings.betas, rates.T, colors=_shades(settings.n_latents), edgecolor="white", lw=0.7)
    axes.set(title="(c) KL of each latent, sorted", ylabel="bits, stacked; median", ylim=(0, None))
    axes.set_xlim(settings.betas[0], settings.betas[-1])
    _beta_axis(axes, settings)


def _shades(count: int) -> list[Any]:
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415

    scale = LinearSegmentedColormap.from_list("latents", [COLOURS["blue"], COLOURS["sky"], "#DDDDDD"])
    return [scale(i / max(count - 1, 1)) for i in range(count)]


def _draw_traversals(axes: Any, result: Result, beta: float) -> None:
    settings, out = result.settings, result.first(beta)
    shown = np.argsort(out["rates"])[::-1][: len(FACTORS) + 1]
    told = [FACTORS[k] for k in out["information"].argmax(axis=1)]
    names = [f"{out['rates'][j]:.1f} bits\n{told[j] if out['rates'][j] > UNUSED else ''}" for j in shown]
    _show_images(axes, out["traversals"][shown], names, settings.size, len(FACTORS) + 1)


def _show_images(axes: Any, images: Array, names: Sequence[str], size: int, rows: int) -> None:
    """Show a table of images, with a white line between them, a name before each row, and space for `rows` rows."""
    count, columns, _ = images.shape
    cells = np.full((rows, size + 1, columns, size + 1), np.nan)
    cells[:count, :size, :, :size] = images.reshape(count, columns, size, size).transpose(0, 2, 1, 3)
    axes.imshow(cells.reshape(rows * (size + 1), -1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks((np.arange(count) + 0.5) * (size + 1) - 1, names, fontsize=7)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


LACK = "the learned latent representations tend to lack interpretability"
SINGLE = "single latents are sensitive to single generative factors in the data and relatively invariant to others"
OVERCOME = "seeks to overcome this limitation by learning “disentangled” representations"
ENCOURAGE = "higher-distortion, lower-rate codes (read: latent representations) to encourage interpretability"
HALF = 0.5  # of a factor's entropy: the lead in information from which on a factor has a latent of its own


def claims(result: Result) -> list[Claim]:
    """Compare what the essay says about large β with the runs."""
    figure, betas, rows = "disentanglement", result.settings.betas, []
    measures = {"MIG": _table(result, "gap"), "relative gap": _table(result, "relative")}
    for name, gaps in measures.items():
        rows.append(claim(figure, LACK, f"{name} at β = {betas[0]:g}", gaps[0], at_most=HALF))
    for name, gaps in measures.items():
        quantity = f"{name} at the β above {betas[0]:g} where it is largest, for each seed"
        rows.append(claim(figure, SINGLE, quantity, gaps[1:].max(axis=0), at_least=HALF))
    for name, gaps in measures.items():
        for beta, values in zip(betas[1:], gaps[1:], strict=True):
            quantity = f"{name} at β = {beta:g} minus that at β = {betas[0]:g}, for each seed"
            rows.append(claim(figure, OVERCOME, quantity, values - gaps[0], at_least=0.05))
    for term, sign, word in (("rate", -1, "fall of the rate, bits"), ("distortion", 1, "rise of the distortion")):
        changes = sign * np.diff(_table(result, term), axis=0)
        rows.append(claim(figure, ENCOURAGE, f"least {word}, from one β to the next", changes.min(axis=0), at_least=0))
    return rows


COLUMNS = ("beta", "seed", "distortion", "rate", "gap", "relative")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write disentanglement.png, .csv and .json, and disentanglement_latents.csv."""
    columns = (*COLUMNS, *(f"gap_{name}" for name in FACTORS), *(f"probe_{name}" for name in FACTORS))
    rows = (
        (*key, *(float(out[name]) for name in COLUMNS[2:]), *map(float, out["gaps"]), *map(float, out["probe"]))
        for key, out in result.runs.items()
    )
    latents = ("beta", "seed", "latent", "rate", *(f"information_{name}" for name in FACTORS))
    latent_rows = (
        (*key, j, float(rate), *map(float, information))
        for key, out in result.runs.items()
        for j, (rate, information) in enumerate(zip(out["rates"], out["information"], strict=True))
    )
    tables = {"disentanglement": (columns, rows), "disentanglement_latents": (latents, latent_rows)}
    return write_result(result, folder, "disentanglement", claims(result), draw(result), tables, all_files=all_files)
