"""§2.1 as a figure: a Gaussian source, what reverse water-filling and PCA keep of it, and what the auto-encoder keeps.

Three things need no training: R(D) and its test channel; quantisers, the deterministic maps that have a finite Shannon
rate; and the limit N → ∞ of the objective (25) for linear units.
The level λ that belongs to a trade-off μ is that of the same slope −μ bits per unit of distortion: λ = 1/(2 μ ln 2).
"""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy.special import ndtr, xlogy

from ..._validation import Array
from ...autoencoder import initial_parameters
from ...data import gaussian_with_covariance
from ...matrices import gaussian_gram, mutual_information
from ...optimize import maximize
from ...theory import gaussian_kernel_entropy, gaussian_rate_distortion, kept_components, linear_gains
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, legend_below, new_figure
from ..protocol import Result, Task, run_tasks, write_result
from ..training import Training, rate_distortion

__all__ = ["Limit", "Result", "Settings", "Task", "claims", "draw", "linear_limit", "run", "train_one", "write"]

Numbers = TypeVar("Numbers", float, Array)

UNITS = ("linear", "relu")
NAMES = {"linear": "linear", "relu": "ReLU"}
CHANNEL_COLOURS = ("purple", "orange", "green", "sky")  # of components, again from the start if there are more
HALF = 0.5  # of the standard deviation: a component that passes with more is kept
STEPS = np.geomspace(0.05, 20, 300)  # of quantisers, in standard deviations


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    variances: tuple[float, ...] = (4.0, 1.0, 0.25, 0.05)  # γ_i² of a source that is then rotated at random
    n_samples: int = 300  # N, of samples whose covariance is exactly that of the source
    training: Training = field(default_factory=lambda: Training(n_hidden=8, sigma=0.7))  # but for μ, which is below
    start_mu: float = 512.0  # the first μ, large: a good reconstruction
    mus: tuple[float, ...] = tuple(round(16 / 2 ** (k / 2), 4) for k in range(13))  # each run starts at the last
    iterations: int = 40  # of L-BFGS, for each μ
    seeds: tuple[int, ...] = (0, 1, 2)  # of rotation, sample and start


class Limit(NamedTuple):
    """The best linear auto-encoder for N → ∞, at one μ."""

    gains: Array  # g_i, of each component
    information: float  # I_α(X; X̂) in the base of the training
    distortion: float  # Σ (1 − g_i)² γ_i²


def level(mu: Numbers) -> Numbers:
    """Return the level λ = 1/(2 μ ln 2) at which R(D) has the slope −μ bits per unit of distortion."""
    return 1 / (2 * mu * math.log(2))


def pca_distortions(variances: Sequence[float]) -> Array:
    """Return the distortion of PCA with 0, 1, …, d components: the variance of those that it discards.

    The Shannon rate is infinite for one component or more, since components are kept exactly.
    """
    falling = np.sort(variances)[::-1]
    return np.append(np.cumsum(falling[::-1])[::-1], 0.0)


def quantised(step: float) -> tuple[float, float]:
    """Return entropy, here I(X; X̂), in bits and distortion of a standard Gaussian rounded to multiples of a step."""
    edges = (np.arange(math.ceil(9 / step) + 1) + 0.5) * step
    below = ndtr(-edges)
    p = below[:-1] - below[1:]  # on the side of small numbers, where nothing cancels
    density = np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi)
    means = np.divide(density[:-1] - density[1:], p, out=np.zeros_like(p), where=p > 0)
    middle = 1 - 2 * below[0]
    nats = -xlogy(middle, middle) - 2 * xlogy(p, p).sum()
    return float(nats / math.log(2)), float(1 - 2 * (p * means**2).sum())


def quantised_components(variances: Sequence[float], mu: float) -> tuple[float, float]:
    """Return rate in bits and distortion of the uniform quantisers that minimise rate + μ · distortion."""
    rates, errors = _quantiser_table()
    chosen = [(rates + mu * v * errors).argmin() for v in variances]
    return float(rates[chosen].sum()), float(sum(v * errors[k] for v, k in zip(variances, chosen, strict=True)))


@functools.cache
def _quantiser_table() -> Array:
    return np.array([*map(quantised, STEPS), (0.0, 1.0)]).T


def linear_limit(settings: Settings, mu: float) -> Limit:
    """Return the auto-encoder with linear units in the limit of infinitely many samples."""
    training, gamma2 = settings.training, np.array(settings.variances)
    alpha, sigma, base = training.alpha, training.sigma, training.base
    g = linear_gains(gamma2, mu, sigma, sigma, alpha, base)
    inputs, outputs, both = (
        gaussian_kernel_entropy(v, sigma, alpha, base) for v in (gamma2, g**2 * gamma2, (1 + g**2) * gamma2)
    )
    return Limit(g, inputs + outputs - both, float(((1 - g) ** 2) @ gamma2))


def train_one(task: Task[Settings]) -> dict[str, Any]:
    """Lower μ step by step, and measure what the outputs keep of each principal component of the inputs.

    For each μ: ``information`` is I_α(X; X̂); ``ratio`` the standard deviations of the outputs along the principal axes
    of the inputs over those of the inputs; ``leak`` the share of the outputs' covariance off the diagonal there.
    """
    settings, (unit, seed) = task.settings, task.key
    rng = np.random.default_rng(seed)
    gamma2, training = np.array(settings.variances), settings.training
    axes = np.linalg.qr(rng.normal(size=(gamma2.size, gamma2.size)))[0]
    covariance = axes * gamma2 @ axes.T
    X = gaussian_with_covariance(settings.n_samples, (covariance + covariance.T) / 2, rng)
    objective = rate_distortion(X, unit, training)
    K_X = gaussian_gram(X, training.sigma)
    parameters = initial_parameters(gamma2.size, training.n_hidden, rng, scale=training.start)
    rows = []
    for mu in (settings.start_mu, *settings.mus):
        parameters = maximize(objective.with_mu(mu), parameters, max_iterations=settings.iterations).x
        Xhat = objective.reconstruct(parameters)
        covariance = np.cov((Xhat @ axes).T, bias=True)
        ratio = np.sqrt(covariance.diagonal() / gamma2)
        leak = np.linalg.norm(covariance - np.diag(covariance.diagonal())) / np.linalg.norm(covariance)
        information = mutual_information(K_X, gaussian_gram(Xhat, training.sigma), training.alpha, training.base)
        rows.append((objective.terms(parameters).distortion, information, ratio, leak))
    names = ("distortion", "information", "ratio", "leak")
    return dict(zip(names, map(np.array, zip(*rows[1:], strict=True)), strict=True))


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Train both kinds of units over all μ; keys are (unit, seed)."""
    settings = settings or Settings()
    tasks = {(unit, seed): Task((unit, seed), settings) for seed in settings.seeds for unit in UNITS}
    return Result(settings, run_tasks(train_one, tasks, folder, workers, "motivation"))


def draw(result: Result) -> Figure:
    """Draw rates, numbers of components and gains."""
    with new_figure(7.2, 5.7) as figure:
        panels = figure.subplots(2, 2)
        _draw_rates(panels[0, 0], result)
        _draw_kept(panels[0, 1], result)
        for axes, unit in zip(panels[1], UNITS, strict=True):
            _draw_gains(axes, result, unit)
        legend_below(figure, panels)
    return figure


def _draw_rates(axes: Any, result: Result) -> None:
    settings, blue = result.settings, COLOURS["blue"]
    D = np.geomspace(0.02, sum(settings.variances), 300)
    filling = gaussian_rate_distortion(settings.variances, D).rate
    axes.semilogx(D, filling, color=blue, label="water-filling and its stochastic map")
    axes.plot(*_quantisers(settings), "--", color=blue, lw=1, label="uniform quantisers, entropy-coded")
    axes.plot([], color=COLOURS["grey"], label="PCA")
    limits = [linear_limit(settings, mu) for mu in _dense(settings)]
    information, distortion = ([getattr(found, name) for found in limits] for name in ("information", "distortion"))
    axes.plot(distortion, information, color=COLOURS["vermilion"], lw=0.8, label=r"linear units, $N \to \infty$")
    for unit in UNITS:
        out = result.first(unit)
        label = f"auto-encoder, {NAMES[unit]} units"
        axes.plot(out["distortion"], out["information"], **MARKERS[unit], color=COLOURS["vermilion"], label=label)
    axes.set(title="(a) rate", xlabel="distortion $D$", xlim=_distortion_range(settings), ylim=(-0.2, 9))
    axes.set_ylabel("rate in bits\n(Shannon's; $I_\\alpha$ of auto-encoders)")


MARKERS: dict[str, dict[str, Any]] = {
    "linear": {"ls": "", "ms": 4, "marker": "o"},
    "relu": {"ls": "", "ms": 4, "marker": "s", "mfc": "none"},
}


def _quantisers(settings: Settings) -> Array:
    """Return D and R of the quantisers, at slopes from where they begin to where the figure ends."""
    points = [quantised_components(settings.variances, mu) for mu in np.geomspace(0.05, 60, 200)]
    return np.array(points)[:, ::-1].T


def _dense(settings: Settings) -> Array:
    return np.geomspace(settings.mus[0], settings.mus[-1], 400)


def _distortion_range(settings: Settings) -> tuple[float, float]:
    return 0.16 * min(settings.variances), 1.2 * sum(settings.variances)


def _draw_kept(axes: Any, result: Result) -> None:
    settings, out = result.settings, result.first("linear")
    ends = _distortion_range(settings)
    D = np.geomspace(*ends, 1000)
    levels = [float(gaussian_rate_distortion(settings.variances, x).level) for x in D]
    axes.semilogx(D, [kept_components(settings.variances, x).sum() for x in levels], color=COLOURS["blue"])
    axes.plot(D, (pca_distortions(settings.variances)[:, None] > D).sum(axis=0), color=COLOURS["grey"])
    axes.plot(out["distortion"], (out["ratio"] > HALF).sum(axis=1), **MARKERS["linear"], color=COLOURS["vermilion"])
    axes.set(title="(b) components kept", xlabel="distortion $D$", xlim=ends)
    axes.set(ylabel="number of components", yticks=range(len(settings.variances) + 1))


def _draw_gains(axes: Any, result: Result, unit: str) -> None:
    settings, x = result.settings, np.geomspace(0.015, 150, 1000)
    axes.semilogx(x, np.sqrt(1 - 1 / np.maximum(x, 1)), color=COLOURS["blue"])
    axes.plot(x, x > 1, color=COLOURS["grey"])
    levels, ratio = level(np.array(settings.mus)), result.first(unit)["ratio"]
    limit = np.array([linear_limit(settings, mu).gains for mu in _dense(settings)])
    for i, v in enumerate(settings.variances):
        colour = COLOURS[CHANNEL_COLOURS[i % len(CHANNEL_COLOURS)]]
        if unit == "linear":
            axes.plot(v / level(_dense(settings)), limit[:, i], color=colour, lw=0.8)
        axes.plot(v / levels, ratio[:, i], **MARKERS[unit], color=colour)
        axes.text(0.02, 0.9 - 0.08 * i, f"$\\gamma_i^2$ = {v:g}", color=colour, transform=axes.transAxes, fontsize=8)
    title = f"({'c' if unit == 'linear' else 'd'}) {NAMES[unit]} units: gain of each component"
    axes.set(title=title, ylabel="std of outputs / std of inputs")
    axes.set(xlabel=r"$\gamma_i^2 / \lambda$, variance over level", ylim=(-0.04, 1.04))


ZERO = "the rate for components with variance less than λ will be zero, and thus, no effort … should be made"
RETAINED = "only those components above the threshold are retained"
DERIVED = "the similarity transformation was given in advance rather than derived from the rate-distortion objective"
MAP = "we are interested in an approximation that uses a deterministic map f(·) on continuous input/output spaces"


def claims(result: Result) -> list[Claim]:
    """Compare what §2.1 says about components with the runs."""
    return [*_selection_claims(result), *_map_claims(result)]


def _selection_claims(result: Result) -> Iterator[Claim]:
    settings = result.settings
    gamma2, sigma = np.array(settings.variances), settings.training.sigma
    height = gamma2 / level(np.array(settings.mus))[:, None]
    wide = gamma2 > sigma**2
    for unit in UNITS:
        ratios = [out["ratio"] for out in result.over_seeds(unit)]
        for which, chosen in (("wider", wide), ("narrower", ~wide)):
            quantity = f"{NAMES[unit]}: largest std ratio of components below λ, those {which} than the kernel"
            passed = [r[(height < 1) & chosen].max(initial=0) for r in ratios]
            yield claim("motivation", ZERO, quantity, passed, at_most=0.2)
        quantity = f"{NAMES[unit]}: smallest std ratio of components above 4 λ"
        yield claim("motivation", RETAINED, quantity, [r[height > 4].min(initial=1) for r in ratios], at_least=0.7)
        quantity = f"{NAMES[unit]}: largest difference of std ratio to √(1 − λ/γ²) above 4 λ"
        filling = np.sqrt(1 - 1 / np.maximum(height, 1))
        away = [np.abs(r - filling)[height > 4].max(initial=0) for r in ratios]
        yield claim("motivation", RETAINED, quantity, away, at_most=0.1)


def _map_claims(result: Result) -> Iterator[Claim]:
    settings = result.settings
    limit = np.array([linear_limit(settings, mu).gains for mu in settings.mus])
    for unit in UNITS:
        outcomes = result.over_seeds(unit)
        quantity = f"{NAMES[unit]}: largest share of the outputs' covariance off the diagonal, in the inputs' axes"
        leaks = [out["leak"][(out["ratio"] > HALF).any(axis=1)].max(initial=0) for out in outcomes]
        yield claim("motivation", DERIVED, quantity, leaks, at_most=0.1)
        quantity = f"{NAMES[unit]}: median difference of std ratio to linear units with N → ∞"
        differences = [float(np.median(np.abs(out["ratio"] - limit))) for out in outcomes]
        yield claim("motivation", MAP, quantity, differences, at_most=0.05)
    D, rate = _quantisers(settings)
    excess = (rate - gaussian_rate_distortion(settings.variances, D).rate).max() / len(settings.variances)
    quantity = "uniform quantisers: largest excess over R(D), bits for each component"
    yield claim("motivation", MAP, quantity, [excess], at_most=0.2547)


COLUMNS = ("unit", "seed", "mu", "level", "distortion", "information", "leak")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write motivation.png, .csv and .json."""
    count = range(1, len(result.settings.variances) + 1)
    columns = (*COLUMNS, *(f"std_ratio{i}" for i in count), *(f"limit{i}" for i in count))
    limits = [(mu, linear_limit(result.settings, mu).gains) for mu in result.settings.mus]
    rows = (
        (*key, mu, level(mu), *(float(out[name][k]) for name in COLUMNS[4:]), *map(float, [*out["ratio"][k], *limit]))
        for key, out in result.runs.items()
        for k, (mu, limit) in enumerate(limits)
    )
    tables = {"motivation": (columns, rows)}
    return write_result(result, folder, "motivation", claims(result), draw(result), tables, all_files=all_files)
