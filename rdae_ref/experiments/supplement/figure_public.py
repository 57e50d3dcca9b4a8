"""Published numbers, ours on the same problems, and the exact ones where they are known.

`gaussian-2d`: bounds on R + λD in nats, from the density (Y. Yang, S. Mandt: Towards empirical sandwich bounds on the
rate-distortion function, ICLR 2022). `gaussian-40d`: R(D) in bits by trained models (E. Lei, H. Hassani, S. Saeedi
Bidokhti: Neural estimation of the rate-distortion function, 2022). `digits-N`: R(D) of N digits, scaled to 32 × 32
pixels as there, the reproductions being the digits; and what it says about any reproductions.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..._validation import Array
from ...data.digits import fingerprint, load_digits
from ...theory import alphabet_rate_distortion, continuous_bounds, gaussian_rate_distortion
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, legend_below, new_figure, plain_ticks
from ..protocol import Result, run_tasks, write_result
from .public_models import GaussianTraining, upper_bounds

__all__ = [
    "PublicTask", "Row", "Settings", "claims", "draw", "page_table", "resized", "rows", "run", "solve_one", "write",
]  # fmt: skip

PUBLISHED_2D = {"lower": 1.9364, "upper": 2.2357}
PUBLISHED_40D = (10.878, 8.523, 6.837, 4.844, 2.331, 0.4995)  # bits, at the distortions of `GaussianTraining`
PUBLISHED_DIGITS = ((55.91, 2.44), (39.55, 4.57), (25.70, 6.75), (15.71, 8.62))  # D and bits
MODELS = ("closed-form", "linear-beta-vae", "mlp-beta-vae")


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    trade_off: float = 3.0  # λ of the 2-d Gaussian, whose distortion is a mean over coordinates: β = λ/2
    cells: int = 600  # of each coordinate, from −reach to reach
    reach: float = 7.5
    training: GaussianTraining = field(default_factory=GaussianTraining)
    n_digits: tuple[int, ...] = (1000, 3000, 10_000)
    slopes: tuple[float, ...] = (0.079, 0.08, 0.09, 0.1, 0.11, 0.12, 0.13, 0.14)  # β, nats
    size: int = 32  # pixels in a row, of the digits
    tolerance: float = 1e-3  # bits
    seeds: tuple[int, ...] = (0,)

    @property
    def variances(self) -> Array:
        """Those of the 2-d Gaussian: the published code draws the means first, then these."""
        return 2 * np.random.RandomState(0).random_sample(4)[2:]


@dataclass(frozen=True)
class PublicTask:
    """One case."""

    key: tuple[str, str, int]  # case, model, seed
    settings: Settings
    digits: str = ""  # their fingerprint, if it needs them
    source: str = field(default="", repr=False)  # where they are: see `rdae_ref.data.digits.load_digits`


class Row(NamedTuple):
    """A row of the table; what is not known is None."""

    case: str
    model: str
    quantity: str
    distortion: float | None
    published: float | None
    ours: float
    exact: float | None
    seconds: float  # of the processor, for all of this case and model


def solve_one(task: PublicTask) -> dict[str, Any]:
    """Compute one case; ``seconds`` are those of the processor."""
    settings, (case, model, seed), start = task.settings, task.key, time.process_time()
    if case == "gaussian-2d":
        edges = np.linspace(-settings.reach, settings.reach, settings.cells + 1)
        bounds = continuous_bounds([_normal(v) for v in settings.variances], edges, settings.trade_off / 2)
        found: dict[str, Any] = bounds._asdict()
    elif model == "blahut-arimoto":
        n = int(case.removeprefix("digits-"))
        X = resized(load_digits(task.source, n, "test").pixels, settings.size)
        curve = alphabet_rate_distortion(X, settings.slopes, tolerance=settings.tolerance)
        found = curve._asdict() | {"anywhere": curve.lower_bound_anywhere(curve.centroid_distortion)}
    elif model == "closed-form":
        D = np.array(settings.training.distortions)
        found = {"rate": gaussian_rate_distortion(settings.training.scales**2, D).rate}
    else:
        bounds_ = upper_bounds(model, settings.training, np.random.default_rng(seed))
        found = dict(zip(("rate", "standard_error", "shift"), np.array(bounds_).T, strict=True))
    return found | {"seconds": time.process_time() - start}


def _normal(variance: float) -> Callable[[Array], Array]:
    return lambda x: np.exp(-(x**2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)


def resized(pixels: Array, size: int) -> Array:
    """Return square images in rows, scaled to another size by linear interpolation between the centres of pixels."""
    n = math.isqrt(pixels.shape[1])
    places = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(n)))
    return (weights @ pixels.reshape(-1, n, n) @ weights.T).reshape(len(pixels), -1)


def run(
    settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None, source: str | None = None
) -> Result:
    """Compute all cases; keys are (case, model, seed). Without a source the digits are left out."""
    settings = settings or Settings()
    seed = settings.seeds[0]
    keys = [("gaussian-2d", "density", seed), *(("gaussian-40d", model, seed) for model in MODELS)]
    tasks = {key: PublicTask(key, settings) for key in keys}
    for n in reversed(settings.n_digits if source else ()):
        key = (f"digits-{n}", "blahut-arimoto", seed)
        tasks[key] = PublicTask(key, settings, fingerprint(load_digits(str(source), n, "test")), str(source))
    return Result(settings, run_tasks(solve_one, tasks, folder, workers, "public"))


def rows(result: Result) -> Iterator[Row]:
    """Yield the rows of the table."""
    settings = result.settings
    for (case, model, _), out in result.runs.items():
        seconds = float(out["seconds"])
        if case == "gaussian-2d":
            beta, v = settings.trade_off / 2, settings.variances
            total = float(np.minimum(v, 1 / (2 * beta)).sum())
            least = float(gaussian_rate_distortion(v, total, base=math.e).rate) + beta * total
            for side, published in PUBLISHED_2D.items():
                yield Row(case, model, side, None, published, float(out[side]), least, seconds)
        elif case == "gaussian-40d":
            D = np.array(settings.training.distortions)
            exact = np.asarray(gaussian_rate_distortion(settings.training.scales**2, D).rate)
            for i, published in enumerate(PUBLISHED_40D[: D.size]):
                point = (float(D[i]), published, float(out["rate"][i]), float(exact[i]), seconds)
                yield Row(case, model, "rate", *point)
                if "standard_error" in out:
                    error = float(out["standard_error"][i])
                    yield Row(case, model, "standard error", point[0], None, error, None, seconds)
        else:
            yield from _digit_rows(case, model, out, seconds)


def _digit_rows(case: str, model: str, out: Any, seconds: float) -> Iterator[Row]:
    for i, D in enumerate(out["distortion"]):
        for quantity in ("rate", "lower_bound"):
            yield Row(case, model, quantity, float(D), None, float(out[quantity][i]), None, seconds)
        centroids = float(out["centroid_distortion"][i])
        yield Row(case, model, "rate to centroids", centroids, None, float(out["rate"][i]), None, seconds)
        yield Row(
            case, model, "lower bound for any reproductions", centroids, None, float(out["anywhere"][i]), None, seconds
        )
    for D, published in PUBLISHED_DIGITS if case == "digits-10000" else ():
        if out["distortion"].min() <= D <= out["distortion"].max():
            yield Row(case, model, "rate on a chord", D, published, _on_chord(out, D), None, seconds)


def _on_chord(out: Any, D: float) -> float:
    """Return the rate at D of two maps in turn: no less than R(D), which is convex."""
    return float(np.interp(D, out["distortion"][::-1], out["rate"][::-1]))


def draw(result: Result) -> Figure:
    """Draw the distance of the trained models from the exact rate, and R(D) of the digits."""
    with new_figure(7.2, 3.0) as figure:
        gaussian, digits = figure.subplots(1, 2)
        colours = dict(zip(result.settings.n_digits, ("sky", "green", "blue"), strict=False))
        _draw_gaussian(gaussian, result)
        for (case, model, _), out in result.runs.items():
            if model == "blahut-arimoto":
                colour = COLOURS[colours[int(case[7:])]]
                digits.plot(out["distortion"], out["rate"], "o-", ms=3, color=colour, label=f"{case[7:]} digits")
                digits.plot(out["centroid_distortion"], out["anywhere"], ":", color=colour)
        digits.plot(*zip(*PUBLISHED_DIGITS, strict=True), "k+", label="published")
        digits.plot([], ":", color="black", label="lower bound, any reproductions")
        digits.set(title="(b) digits, 32 × 32 pixels", xlabel="$D$", ylabel="$R$, bits")
        legend_below(figure, [gaussian, digits])
    return figure


def _draw_gaussian(axes: Any, result: Result) -> None:
    training, seed = result.settings.training, result.settings.seeds[0]
    D = np.array(training.distortions)
    exact = gaussian_rate_distortion(training.scales**2, D).rate
    axes.loglog(D, np.array(PUBLISHED_40D[: D.size]) - exact, "k+", label="published")
    for model, colour, marker in zip(MODELS[1:], ("orange", "vermilion"), "os", strict=True):
        out = result.runs["gaussian-40d", model, seed]
        look = {"color": COLOURS[colour], "label": model, "ms": 3.5, "lw": 0.8}
        axes.errorbar(D, np.maximum(out["rate"] - exact, 3e-5), out["standard_error"], fmt=marker, **look)
    axes.set(title="(a) Gaussian, 40 dimensions", xlabel="$D$", ylabel="bits above the exact rate", ylim=(3e-5, 1))
    plain_ticks(axes, (0.2, 0.5, 1, 2, 4))


def claims(result: Result) -> list[Claim]:
    """Compare with what was published, and with what is exact."""
    settings, table = result.settings, []
    two, seed = result.runs["gaussian-2d", "density", settings.seeds[0]], settings.seeds[0]
    exact = next(row.exact for row in rows(result) if row.case == "gaussian-2d")
    for side, published in PUBLISHED_2D.items():
        sentence, off = f"published: {side} bound {published} on R + 3D", abs(float(two[side]) - float(exact or 0))
        table.append(
            claim("public", sentence, f"2-d Gaussian: {side} bound, off the exact value by, nats", [off], at_most=0.005)
        )
    for model in MODELS[1:]:
        out = result.runs["gaussian-40d", model, seed]
        D = np.array(settings.training.distortions)
        rates = gaussian_rate_distortion(settings.training.scales**2, D).rate
        sentence = "published: upper bounds on R(D) of a 40-d Gaussian, .002 to .304 bit above it"
        measured = {
            "above the exact rate by, bits": (float((out["rate"] - rates).max()), 0.02),
            "above the published rate by, bits": (float((out["rate"] - PUBLISHED_40D[: D.size]).max()), 0.0),
            "standard error, bits": (float(out["standard_error"].max()), 0.002),
        }
        for quantity, (value, limit) in measured.items():
            table.append(claim("public", sentence, f"{model}, the most over D: {quantity}", [value], at_most=limit))
    for (case, model, _), out in result.runs.items():
        if model == "blahut-arimoto":
            sentence = "published: Blahut–Arimoto on 10,000 digits, without a certificate"
            gap = float((out["rate"] - out["lower_bound"]).max())
            table.append(
                claim("public", sentence, f"{case}: gap of the bounds, bits", [gap], at_most=settings.tolerance)
            )
    return table


def page_table(lines: Sequence[Sequence[str]]) -> str:
    """Return the lines of public.csv as a Markdown table, of the digits those with a published number."""
    shown = [line for line in lines if line[4] or not line[0].startswith("digits")]
    cells = [[*line[:3], *(cell and f"{float(cell):.6g}" for cell in line[3:])] for line in shown]
    return "\n".join(f"| {' | '.join(row)} |" for row in [Row._fields, ["---"] * len(Row._fields), *cells])


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write public.png, .csv and .json."""
    table = [tuple("" if x is None else x for x in row) for row in rows(result)]
    return write_result(
        result, folder, "public", claims(result), draw(result), {"public": (Row._fields, table)}, all_files=all_files
    )
