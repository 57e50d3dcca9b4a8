"""The beta-VAE as rate–distortion theory: on the water-filling curve, and the chain I(X; Z) ≤ E KL(q(z | x) ‖ m(z)).

A linear beta-VAE on a Gaussian source whose covariance is known ends at the solution of reverse water-filling, Eqs. (4)
and (5), at the level λ = βs²: by its exact expected objective, and trained as usual, with noise, mini-batches and Adam.
An affine encoder and decoder cannot fall below that curve, so the distance from it is a training error.
The quotations are from "the essay", a lab's notes on beta-VAE and rate–distortion, whose steps `docs/beta_vae.md`
follows.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ..._validation import Array
from ...data import gaussian_with_covariance, mixture
from ...measures import RateBound, gaussian_rate_bound, scalar_rate_bound
from ...models import BetaVAE, LinearBetaVAE, VAEParameters, initial_vae_parameters
from ...objective import Objective
from ...optimize import MiniBatches, adam, maximize
from ...theory import gaussian_rate_distortion
from ...workers import Workers
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, legend_below, new_figure, plain_ticks
from ..protocol import Result, Task, run_tasks, write_result
from ..runs import Outcome
from ..training import finished

__all__ = ["Result", "Settings", "Task", "claims", "draw", "predicted", "run", "scaled_bound", "train_one", "write"]

WAYS = ("exact", "sampled")
NAMES = {"exact": "expected objective, L-BFGS", "sampled": "noise, mini-batches, Adam"}
MARKERS: dict[str, dict[str, Any]] = {
    "exact": {"ls": "", "marker": "o", "ms": 6, "mfc": "none", "color": COLOURS["blue"]},
    "sampled": {"ls": "", "marker": "x", "ms": 4, "color": COLOURS["vermilion"]},
}
# The same runs, compared with one point of the curve.
ALONG = {way: {"ls": "", "marker": "_", "ms": 6, "color": look["color"]} for way, look in MARKERS.items()}
TOLERANCES = {"exact": 1e-5, "sampled": 0.02}  # in bits
LEAST = 1e-14  # what is nearer to the curve is drawn here


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    variances: tuple[float, ...] = (4.0, 1.0, 0.25, 0.05)  # γ_i² of a Gaussian, rotated at random; as many latents
    n_samples: int = 1000  # N, of samples whose covariance is exactly that of the source
    decoder_variance: float = 0.3  # s²
    betas: tuple[float, ...] = tuple(np.geomspace(0.1, 10, 7).round(6).tolist())
    iterations: int = 5000  # of L-BFGS at most, on the expected objective
    batch_size: int = 100  # of the sampled training
    stages: tuple[tuple[float, int], ...] = ((1e-2, 12_000), (1e-3, 4000), (1e-4, 2000))  # step size, steps of Adam
    scales: tuple[float, ...] = tuple(np.geomspace(0.25, 2, 37).round(6).tolist())  # of codes; 1 among them
    scaled_beta: float = 1.0  # the one of `betas` whose codes are scaled
    mixture_samples: int = 200  # N of the mixture (27), which a network with one latent encodes
    mixture_hidden: tuple[int, ...] = (16,)  # units of the encoder's hidden layers, in reverse of the decoder's
    mixture_stages: tuple[tuple[float, int], ...] = ((1e-2, 4000), (1e-3, 2000))  # with all samples at each step
    seeds: tuple[int, ...] = (0, 1, 2)  # of rotation, sample and start


def train_in_stages(objective: Objective, start: VAEParameters, stages: Sequence[tuple[float, int]]) -> VAEParameters:
    """Train by Adam, with one step size after another; `stages` are pairs of step size and number of steps."""
    for step_size, n_steps in stages:
        start = finished(adam(objective, start, step_size=step_size, n_steps=n_steps)).x
    return start


def train_one(task: Task[Settings]) -> dict[str, Any]:
    """Train one beta-VAE, and take its terms, in bits.

    For the Gaussian source they are those of the closed form also where the training was sampled; an exact run has the
    covariance, and W, c, t of the encoder z | x ~ N(W x + c, diag(exp t)). The mixture has information and gap.
    """
    way, beta, seed = task.key
    rng = np.random.default_rng(seed)
    if way == "mixture":
        return _train_on_mixture(task.settings, beta, rng)
    return _train_on_gaussian(task.settings, beta, rng, way == "sampled")


def _train_on_gaussian(settings: Settings, beta: float, rng: np.random.Generator, sampled: bool) -> dict[str, Any]:
    d = len(settings.variances)
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0]
    X = gaussian_with_covariance(settings.n_samples, np.diag(settings.variances), rng) @ axes.T
    start = initial_vae_parameters(d, d, rng)
    expected = LinearBetaVAE(X, beta=beta, variance=settings.decoder_variance)
    if sampled:
        noisy = BetaVAE(X, activation="linear", beta=beta, variance=settings.decoder_variance, rng=rng)
        x = train_in_stages(MiniBatches(noisy, settings.batch_size, rng), start, settings.stages)
        return expected.terms(x)._asdict()
    x = finished(maximize(expected, start, max_iterations=settings.iterations, tolerance=1e-12)).x
    W, c = x.encoder[0]
    # At the optimum the log variances do not depend on x: their rows of W are zero, to the tolerance of the ascent.
    encoder = {"W": W[:d], "c": c[:d], "t": c[d:], "covariance": X.T @ X / len(X)}
    return expected.terms(x)._asdict() | encoder


def _train_on_mixture(settings: Settings, beta: float, rng: np.random.Generator) -> dict[str, Any]:
    X = mixture(settings.mixture_samples, rng).X
    objective = BetaVAE(X, activation="tanh", beta=beta, variance=settings.decoder_variance, rng=rng)
    start = initial_vae_parameters(2, 1, rng, hidden=settings.mixture_hidden)
    x = train_in_stages(objective, start, settings.mixture_stages)
    bound = scalar_rate_bound(*objective.encode(x))
    return objective.terms(x)._asdict() | bound._asdict()


def scaled_bound(outcome: Outcome, scale: float) -> RateBound:
    """Return the bound on the information, in bits, of an exact run for codes multiplied by a number: z → a z.

    The information is the same, and a decoder that divides by a has the same distortion. The rate is not the same: it
    depends on how far the codes of all inputs together are from the prior.
    """
    W, c, t, S = (outcome[name] for name in ("W", "c", "t", "covariance"))
    return gaussian_rate_bound(scale * W, scale * c, t + 2 * math.log(scale), S)


def predicted(settings: Settings, beta: float) -> tuple[float, float]:
    """Return D = Σ min(λ, γ_i²) and R = Σ ½ log₂(γ_i²/λ) over γ_i² > λ: the water-filling point of λ = βs²."""
    gamma2, level = np.array(settings.variances), beta * settings.decoder_variance
    rate = 0.5 * np.log2(np.maximum(gamma2 / level, 1)).sum()
    return float(np.minimum(gamma2, level).sum()), float(rate)


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Train in each way, at every β; keys are (way, beta, seed)."""
    settings = settings or Settings()
    tasks = {key: Task(key, settings) for key in product((*WAYS, "mixture"), settings.betas, settings.seeds)}
    return Result(settings, run_tasks(train_one, tasks, folder, workers, "beta-vae"))


def _over_betas(result: Result, way: str, seed: int, name: str) -> Array:
    """Return one number of the runs of one seed, over β."""
    return np.array([float(result.runs[way, beta, seed][name]) for beta in result.settings.betas])


def _excess(result: Result, way: str, seed: int) -> Array:
    """Return R − R(D) in bits, over β: how far above the curve the points of one seed are."""
    D, R = (_over_betas(result, way, seed, name) for name in ("distortion", "rate"))
    return R - gaussian_rate_distortion(result.settings.variances, D).rate


def _shift(result: Result, way: str, seed: int) -> Array:
    """Return R − R(λ) in bits, over β: how far along the curve they are from its point at the level λ = βs²."""
    rates = [predicted(result.settings, beta)[1] for beta in result.settings.betas]
    return _over_betas(result, way, seed, "rate") - rates


def draw(result: Result) -> Figure:
    """Draw the points on the curve, their distance to it, and the bound on the information in two cases."""
    with new_figure(7.2, 6.0) as figure:
        panels = figure.subplots(2, 2)
        _draw_curve(panels[0, 0], result)
        _draw_distances(panels[0, 1], result)
        _draw_scaled(panels[1, 0], result)
        _draw_mixture(panels[1, 1], result)
        legend_below(figure, panels)
    return figure


def _draw_curve(axes: Any, result: Result) -> None:
    settings, seed = result.settings, result.settings.seeds[0]
    ends = [predicted(settings, beta)[0] for beta in (settings.betas[0], settings.betas[-1])]
    D = np.geomspace(0.8 * ends[0], min(1.25 * ends[1], sum(settings.variances)), 300)
    curve = gaussian_rate_distortion(settings.variances, D).rate
    axes.semilogx(D, curve, color="black", lw=0.8, label="reverse water-filling, $R(D)$")
    for way in WAYS:
        points = [_over_betas(result, way, seed, name) for name in ("distortion", "rate")]
        axes.plot(*points, **MARKERS[way], label=NAMES[way])
    for beta in settings.betas:
        said = f"$\\beta$ = {beta:.2g}"
        axes.annotate(said, predicted(settings, beta), (6, 4), textcoords="offset points", fontsize=7)
    axes.set(title=r"(a) linear, Gaussian source: level $\lambda = \beta s^2$")
    axes.set(xlabel="distortion $D$", ylabel="rate $R$, bits", xlim=(None, 1.7 * ends[1]))


def _draw_distances(axes: Any, result: Result) -> None:
    settings = result.settings
    for way in WAYS:
        colour, tolerance = MARKERS[way]["color"], TOLERANCES[way]
        for measure, style in ((_shift, ALONG[way]), (_excess, MARKERS[way])):
            distances = [np.maximum(np.abs(measure(result, way, seed)), LEAST) for seed in settings.seeds]
            axes.loglog(settings.betas, np.transpose(distances), **style)
        axes.axhline(tolerance, color=colour, lw=0.8, ls="--")
        axes.text(1, tolerance, f"tolerance {tolerance:g} bit", color=colour, fontsize=7, va="bottom", ha="center")
    axes.plot([], ls="", marker="_", color="black", label=r"difference to the rate of level $\beta s^2$")
    axes.set(title="(b) distance to the curve, all seeds", xlabel=r"price of the rate $\beta$", ylim=(LEAST / 3, 1))
    axes.set_ylabel("$|R - R(D)|$, bits")


def _draw_bound(axes: Any, x: Sequence[float], bounds: Sequence[RateBound]) -> None:
    information, rate, _ = np.array(bounds).T
    axes.fill_between(x, information, rate, color=COLOURS["grey"], alpha=0.35, lw=0, label=r"KL$(q(z)\,\|\,m(z))$")
    axes.semilogx(x, rate, color=COLOURS["orange"], label=r"rate, E KL$(q(z|x)\,\|\,m(z))$")
    axes.semilogx(x, information, color=COLOURS["green"], label="information, $I(X; Z)$")


def _draw_scaled(axes: Any, result: Result) -> None:
    settings, out = result.settings, result.first("exact", result.settings.scaled_beta)
    _draw_bound(axes, settings.scales, [scaled_bound(out, scale) for scale in settings.scales])
    axes.plot(1, float(out["rate"]), **MARKERS["exact"])
    axes.text(1, float(out["rate"]) - 0.35, "optimum", fontsize=8, ha="center", va="top")
    axes.set(title=f"(c) the chain, Gaussian: codes scaled, $\\beta$ = {settings.scaled_beta:g}")
    axes.set(xlabel="scale $a$ of the codes, $z \\to a z$", ylabel="bits", ylim=(0, None))
    plain_ticks(axes, (0.25, 0.5, 1, 2))


def _draw_mixture(axes: Any, result: Result) -> None:
    settings = result.settings
    outcomes = [result.first("mixture", beta) for beta in settings.betas]
    _draw_bound(axes, settings.betas, [_bound(out) for out in outcomes])
    for k, offset, side in ((0, (8, 0), "left"), (-1, (0, -12), "right")):
        said, place = f"gap {float(outcomes[k]['gap']):.2g} bit", (settings.betas[k], float(outcomes[k]["rate"]))
        axes.annotate(said, place, offset, textcoords="offset points", fontsize=7, ha=side)
    axes.set(title="(d) the chain, mixture (27): one latent", xlabel=r"price of the rate $\beta$")
    axes.set(ylabel="bits", ylim=(0, None))


def _bound(outcome: Outcome) -> RateBound:
    return RateBound(*(float(outcome[name]) for name in RateBound._fields))


PROBLEM = "recapitulate the classical rate-distortion theory problem"
REDUCIBLE = "reducible to a distortion-rate minimization using deep generative models"
UPPER = "consider first the mutual information. We leverage a more tractable upper bound"
DEARER = "an argument for higher-distortion, lower-rate codes"


def claims(result: Result) -> list[Claim]:
    """Compare what the essay says with the runs."""
    return [*_curve_claims(result), *_chain_claims(result), *_price_claims(result)]


def _curve_claims(result: Result) -> Iterator[Claim]:
    settings = result.settings
    for way, tolerance in TOLERANCES.items():
        excess = [_excess(result, way, seed) for seed in settings.seeds]
        quantity = f"{NAMES[way]}: largest distance to the water-filling curve, bits"
        yield claim("beta-vae", PROBLEM, quantity, [np.abs(e).max() for e in excess], at_most=tolerance)
        quantity = f"{NAMES[way]}: least R − R(D), bits"
        yield claim("beta-vae", PROBLEM, quantity, [e.min() for e in excess], at_least=-1e-9)
    for way, tolerance in TOLERANCES.items():
        shifts = [np.abs(_shift(result, way, seed)).max() for seed in settings.seeds]
        quantity = f"{NAMES[way]}: largest difference of R to that of the level βs², bits"
        yield claim("beta-vae", REDUCIBLE, quantity, shifts, at_most=tolerance)


def _chain_claims(result: Result) -> Iterator[Claim]:
    for case, bounds in _chains(result).items():
        rests = [max(abs(b.rate - b.information - b.gap) for b in those) for those in bounds]
        quantity = f"{case}: largest difference of E KL to I(X; Z) + KL(q(z) ‖ m(z)), bits"
        yield claim("beta-vae", UPPER, quantity, rests, at_most=1e-9)
        least = [min(b.rate - b.information for b in those) for those in bounds]
        yield claim("beta-vae", UPPER, f"{case}: least E KL − I(X; Z), bits", least, at_least=-1e-9)


def _chains(result: Result) -> dict[str, list[list[RateBound]]]:
    """Return the bounds for each case and seed."""
    settings = result.settings
    exact = result.over_seeds("exact", settings.scaled_beta)
    gaussian = [[scaled_bound(out, scale) for scale in settings.scales] for out in exact]
    nonlinear = [[_bound(result.runs["mixture", beta, seed]) for beta in settings.betas] for seed in settings.seeds]
    return {"Gaussian source, scaled codes": gaussian, "mixture (27), one latent": nonlinear}


def _price_claims(result: Result) -> Iterator[Claim]:
    settings = result.settings
    for way, name in (NAMES | {"mixture": "mixture (27), one latent"}).items():
        for term, sign, word in (("rate", -1, "fall of the rate"), ("distortion", 1, "rise of the distortion")):
            changes = [sign * np.diff(_over_betas(result, way, seed, term)) for seed in settings.seeds]
            quantity = f"{name}: least {word} from one β to the next"
            yield claim("beta-vae", DEARER, quantity, [change.min() for change in changes], at_least=0)


COLUMNS = ("way", "beta", "seed", "distortion", "rate", "curve", "level_distortion", "level_rate")
CHAIN_COLUMNS = ("case", "seed", "scale", "beta", "information", "rate", "gap")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write beta_vae.png, .csv and .json, and the bounds on the information as beta_vae_chain.csv."""
    columns = (*COLUMNS, *(f"rate{i}" for i in range(1, len(result.settings.variances) + 1)))
    tables = {"beta_vae": (columns, _rows(result)), "beta_vae_chain": (CHAIN_COLUMNS, _chain_rows(result))}
    return write_result(result, folder, "beta_vae", claims(result), draw(result), tables, all_files=all_files)


def _rows(result: Result) -> Iterator[tuple[object, ...]]:
    for (way, beta, seed), out in result.runs.items():
        if way in WAYS:
            D, R = float(out["distortion"]), float(out["rate"])
            curve = float(gaussian_rate_distortion(result.settings.variances, D).rate)
            rates = sorted(map(float, out["rates"]), reverse=True)
            yield way, beta, seed, D, R, curve, *predicted(result.settings, beta), *rates


def _chain_rows(result: Result) -> Iterator[tuple[object, ...]]:
    settings = result.settings
    for seed, scaled, nonlinear in zip(settings.seeds, *_chains(result).values(), strict=True):
        for scale, bound in zip(settings.scales, scaled, strict=True):
            yield "gaussian", seed, scale, settings.scaled_beta, *bound
        for beta, bound in zip(settings.betas, nonlinear, strict=True):
            yield "mixture", seed, 1.0, beta, *bound
