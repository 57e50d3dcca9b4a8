"""The stochastic map of Chigirev and Bialek, reference [5] of the paper, on a noisy circle and a noisy arc.

The paper starts from it: a random map onto points that represent a manifold, with a trade-off β between I(X; M) of
Eq. (1) and distortion.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fclusterdata
from scipy.optimize import brentq
from scipy.special import ive

from ..._validation import Array
from ...theory import annealing_slopes, blahut_arimoto, gaussian_rate_distortion, optimal_manifold
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, legend_below, new_figure
from ..protocol import Result, Task, run_tasks, write_result
from ..runs import Outcome

__all__ = ["Result", "Settings", "Task", "circle_rate_distortion", "claims", "draw", "fit_one", "run", "write"]

CURVES = ("circle", "arc")
CURVE_COLOURS = {"circle": "vermilion", "arc": "blue"}


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    n_samples: int = 300  # N
    n_points: int = 40  # K
    noise: float = 0.1  # std in each coordinate; the radius is 1
    arc: float = 1.25 * math.pi  # angle of the arc; that of the circle is 2π
    betas: tuple[float, ...] = (2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)  # in nats per unit of squared distance
    shown: float = 20.0  # the trade-off that is drawn, and that the claims are about
    n_slopes: int = 14  # steps of the annealing up to each
    seeds: tuple[int, ...] = (0, 1, 2)

    def span(self, curve: str) -> float:
        """Return the angle of a curve in radians."""
        return 2 * math.pi if curve == "circle" else self.arc


def noisy_arc(n_samples: int, span: float, noise: float, rng: np.random.Generator) -> Array:
    """Draw points on an arc of radius 1, with angles uniform in [0, span) and isotropic Gaussian noise."""
    angle = rng.uniform(0, span, n_samples)
    return np.column_stack([np.cos(angle), np.sin(angle)]) + noise * rng.normal(size=(n_samples, 2))


def distance_to_arc(points: Array, span: float) -> Array:
    """Return the distance of points to the arc of radius 1 with angles in [0, span]."""
    beyond = (np.arctan2(points[:, 1], points[:, 0]) - span / 2 + math.pi) % (2 * math.pi) - math.pi
    angle = span / 2 + np.clip(beyond, -span / 2, span / 2)
    return np.linalg.norm(points - np.column_stack([np.cos(angle), np.sin(angle)]), axis=1)


def circle_rate_distortion(beta: float) -> tuple[float, float]:
    """Return rate in bits and distortion of the optimal manifold of a circle of radius 1 without noise, for β > 1.

    p(μ|x) is von Mises with κ = 2βr, and the points lie at its mean resultant length: r = I₁(κ)/I₀(κ). Then the rate is
    κ r − log I₀(κ), and the distortion 1 − r².
    """
    r = float(brentq(lambda r: ive(1, 2 * beta * r) / ive(0, 2 * beta * r) - r, 1e-6, 1))
    return (2 * beta * r * (r - 1) - math.log(ive(0, 2 * beta * r))) / math.log(2), 1 - r**2


def fit_one(task: Task[Settings]) -> dict[str, Any]:
    """Anneal the points to one trade-off.

    ``path`` has the rows (β, rate, distortion) of the annealing. ``rise`` is the largest relative rise of the objective
    in one iteration; ``excess`` that of the objective over its minimum for these points; ``boltzmann`` the largest
    difference of p(μ|x) to the Boltzmann distribution of its points.
    """
    settings, (curve, beta, seed) = task.settings, task.key
    rng = np.random.default_rng(seed)
    X = noisy_arc(settings.n_samples, settings.span(curve), settings.noise, rng)
    found = optimal_manifold(X, settings.n_points, annealing_slopes(X, beta, settings.n_slopes), rng=rng)
    weights = found.assignments.mean(axis=0)
    d = ((X[:, None] - found.points) ** 2).sum(axis=2)
    best = blahut_arimoto(np.full(len(X), 1 / len(X)), d, beta)
    ours, least = (at.distortion + at.rate * math.log(2) / beta for at in (found, best))
    factors = weights * np.exp(-beta * d)
    return {
        "X": X,
        "points": found.points,
        "weights": weights,
        "rate": found.rate,
        "distortion": found.distortion,
        "path": np.array([(stage.beta, stage.rate, stage.distortion) for stage in found.stages]),
        "rise": max((np.diff(stage.objective) / stage.objective[1:]).max() for stage in found.stages),
        "excess": ours / least - 1,
        "boltzmann": np.abs(found.assignments - factors / factors.sum(axis=1, keepdims=True)).max(),
    }


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Fit both curves at every trade-off; keys are (curve, beta, seed)."""
    settings = settings or Settings()
    tasks = {key: Task(key, settings) for key in product(CURVES, settings.betas, settings.seeds)}
    return Result(settings, run_tasks(fit_one, tasks, folder, workers, "manifold"))


def draw(result: Result) -> Figure:
    """Draw the points over the data, the path in the rate-distortion plane, and distances from the curve."""
    with new_figure(7.2, 6.3) as figure:
        panels = figure.subplots(2, 2)
        for axes, curve, letter in zip(panels[0], CURVES, "ab", strict=True):
            _draw_points(axes, result, curve)
            axes.set_title(f"({letter}) noisy {curve}, $\\beta$ = {result.settings.shown:g}")
        _draw_path(panels[1, 0], result)
        _draw_distances(panels[1, 1], result)
        legend_below(figure, panels)
    return figure


def _draw_points(axes: Any, result: Result, curve: str) -> None:
    settings, colour = result.settings, COLOURS[CURVE_COLOURS[curve]]
    out = result.first(curve, settings.shown)
    angle = np.linspace(0, settings.span(curve), 200)
    axes.plot(*out["X"].T, "o", ms=2.5, mew=0, color=COLOURS["grey"], alpha=0.55, label="samples $x$")
    axes.plot(np.cos(angle), np.sin(angle), color="black", lw=0.7, label="curve without noise")
    points, weights = _merged(out["points"], out["weights"])
    axes.scatter(*points.T, 650 * weights, color=colour, lw=0, zorder=3)
    axes.plot([], "o-", ms=4, lw=0.8, color=colour, label=f"points $\\mu$, {curve}; area $\\propto p(\\mu)$")
    axes.set(aspect="equal", xlim=(-1.45, 1.45), ylim=(-1.45, 1.45), xlabel="$x_1$", ylabel="$x_2$")
    said = f"$I(X; M)$ = {float(out['rate']):.2f} bits\n$D$ = {float(out['distortion']):.3f}"
    axes.text(0, 0, said, ha="center", va="center", fontsize=8)


def _merged(points: Array, weights: Array) -> tuple[Array, Array]:
    """Return the distinct places of the points, and the weight at each: coinciding points would hide each other."""
    place = fclusterdata(points, 0.05, criterion="distance", method="single")
    together = place[:, None] == np.unique(place)
    return (weights * points.T @ together / (weights @ together)).T, weights @ together


def _draw_path(axes: Any, result: Result) -> None:
    settings = result.settings
    for curve in CURVES:
        out, colour = result.first(curve, settings.betas[-1]), COLOURS[CURVE_COLOURS[curve]]
        axes.semilogx(*out["path"].T[:0:-1], "o-", ms=3, lw=0.8, color=colour)
        variances = np.linalg.eigvalsh(np.cov(out["X"].T, bias=True))
        D = np.geomspace(out["path"][-1, 2], variances.sum(), 100)
        label = "Gaussian, same covariance" if curve == CURVES[0] else None
        axes.plot(D, gaussian_rate_distortion(variances, D).rate, ":", lw=1, color=colour, label=label)
    betas = np.geomspace(1.001, settings.betas[-1], 200)
    rate, D = np.array([circle_rate_distortion(float(beta)) for beta in betas]).T
    axes.plot(D, rate, color="black", lw=0.7)
    axes.set(title=r"(c) annealing, $\beta$ rising from right to left", xlabel="distortion $D$")
    axes.set_ylabel("$I(X; M)$, bits")


def _draw_distances(axes: Any, result: Result) -> None:
    settings, first = result.settings, 1 / (2 * result.settings.noise**2)
    for curve in CURVES:
        for seed in settings.seeds:
            values = [off_curve(result.runs[curve, beta, seed], settings.span(curve)) for beta in settings.betas]
            axes.semilogx(settings.betas, values, ".-", lw=0.7, ms=4, color=COLOURS[CURVE_COLOURS[curve]])
    axes.axvline(first, color=COLOURS["grey"], lw=0.8, ls=":", label=r"$\beta = 1/(2\,\mathrm{noise}^2)$")
    axes.set(title="(d) distance from the curve without noise", xlabel=r"$\beta$", ylim=(0, None))
    axes.set_ylabel(r"rms of points $\mu$ / rms of samples")


def off_curve(outcome: Outcome, span: float) -> float:
    """Return the root mean square distance of points to the curve, weighted with p(μ), over that of the samples."""
    points, samples = (distance_to_arc(outcome[name], span) for name in ("points", "X"))
    return math.sqrt(outcome["weights"] @ points**2 / np.mean(samples**2))


def largest_gap(outcome: Outcome, span: float) -> float:
    """Return the largest distance of a point of the curve to the nearest μ."""
    angle = np.linspace(0, span, 400)
    curve = np.column_stack([np.cos(angle), np.sin(angle)])
    return float(np.linalg.norm(curve[:, None] - outcome["points"], axis=2).min(axis=1).max())


ALONG = "the structure of the data is represented by a set of N points located along a manifold"
LESS = "the manifold is assumed to be a less faithful description of the data"
BOLTZMANN = "a Boltzmann distribution containing the fidelity measure arises as solution"
PROJECTION = "the update equations … correspond to an iterated projection between convex sets"


def claims(result: Result) -> list[Claim]:
    """Compare what the paper says about reference [5] with the fits."""
    return [row for curve in CURVES for row in _claims(result, curve)]


def _claims(result: Result, curve: str) -> Iterator[Claim]:
    settings, span = result.settings, result.settings.span(curve)
    shown = result.over_seeds(curve, settings.shown)

    def row(sentence: str, quantity: str, measured: Iterable[float], **bound: float) -> Claim:
        return claim("manifold", sentence, f"{curve}: {quantity}", measured, **bound)

    quantity = "rms distance to the curve, points over samples"
    yield row(ALONG, quantity, [off_curve(out, span) for out in shown], at_most=0.35)
    yield row(ALONG, "largest gap along the curve", [largest_gap(out, span) for out in shown], at_most=0.4)
    bits = math.log2(settings.n_samples)
    yield row(LESS, "I(X; M) over log₂ N", [float(out["rate"]) / bits for out in shown], at_most=0.5)
    quantity = "largest difference of p(μ given x) to the Boltzmann distribution"
    yield row(BOLTZMANN, quantity, [float(out["boltzmann"]) for out in shown], at_most=5e-3)
    quantity = "objective over its minimum for these points (Blahut–Arimoto), minus 1"
    yield row(BOLTZMANN, quantity, [float(out["excess"]) for out in shown], at_most=1e-4)
    rises = [max(float(result.runs[curve, beta, seed]["rise"]) for beta in settings.betas) for seed in settings.seeds]
    yield row(PROJECTION, "largest relative rise of the objective in one iteration", rises, at_most=1e-13)


COLUMNS = ("curve", "beta", "seed", "point", "weight", "mu1", "mu2")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write manifold.png, .csv (the points) and .json, and the annealing as manifold_path.csv."""
    points = (
        (*key, k, float(weight), *map(float, point))
        for key, out in result.runs.items()
        for k, (weight, point) in enumerate(zip(out["weights"], out["points"], strict=True))
    )
    path = (
        (curve, seed, *map(float, row))
        for (curve, beta, seed), out in result.runs.items()
        if beta == result.settings.betas[-1]
        for row in out["path"]
    )
    tables = {"manifold": (COLUMNS, points), "manifold_path": (("curve", "seed", "beta", "rate", "distortion"), path)}
    return write_result(result, folder, "manifold", claims(result), draw(result), tables, all_files=all_files)
