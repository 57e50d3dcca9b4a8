"""Beside Figure 4: the plain auto-encoder, other trade-offs and kernels, and the weights of inactive inputs.

Drawn by ``rdae-ref figures 4 --sweep``.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from .._validation import Array
from .claims import Claim, claim
from .digit_runs import Result, basis_of, measures, write_runs
from .filters import Basis, draw_tiles
from .output import COLOURS, Figure, new_figure
from .runs import Outcome

__all__ = ["claims", "draw_bases", "draw_control", "draw_inactive", "draw_kernels", "draw_sweep", "write"]

SHOWN = 100  # filters of each basis, or half of them of two models: 200 would be too small to see
NAMES = {
    "rate-distortion": "rate-distortion",
    "plain": "plain",
    "decay": "weight decay",
    "noise": "noise on the digits",
}


def draw_control(result: Result) -> Figure:
    """Draw the bases of the plain auto-encoder below those of the figure."""
    return draw_bases(result, ["rate-distortion", "plain"])


def draw_bases(result: Result, models: Sequence[str]) -> Figure:
    """Draw both bases of each model in a row, the filters of the largest synthesis norm first."""
    with new_figure(7.2, 3.75 if len(models) == 1 else 2.15 * len(models)) as figure:
        rows = figure.subplots(len(models), 2, squeeze=False)
        for panels, model in zip(rows, models, strict=True):
            outcome = result.outcomes(model)[0]
            said = f", {NAMES[model]}, $D$ = {float(outcome['distortion']):.2f}" if len(models) > 1 else ""
            for axes, kind, images in zip(panels, Basis._fields, basis_of(outcome), strict=True):
                draw_tiles(axes, images[: SHOWN // len(models)], result.digits.shape, 10)
                axes.set_title(f"{kind}{said}")
    return figure


def draw_sweep(result: Result) -> Figure:
    """Draw synthesis filters for each trade-off, the distortion growing, and their measures over the distortion."""
    swept = _swept(result)
    with new_figure(7.2, 4.1) as figure:
        above, below = figure.subfigures(2, 1, height_ratios=[1, 1.25])
        for axes, (mu, outcomes) in zip(above.subplots(1, len(swept)), swept.items(), strict=True):
            _draw_strongest(axes, result, outcomes, rf"$\mu$ = {mu:g}", 4)
        panels = below.subplots(1, len(LABELS))
        for kind, colour in (("synthesis", "vermilion"), ("analysis", "blue")):
            _draw_measures(panels, result, _by_seed(swept), kind, colour, "o-", kind)
            for model, marker in (("rate-distortion", "*"), ("plain", "s")):
                runs = [[outcome] for outcome in result.outcomes(model)]
                label = f"{kind}, {NAMES[model]}, {result.settings.full.epochs} epochs"
                _draw_measures(panels, result, runs, kind, colour, marker, label)
        panels[0].legend(loc="lower left", fontsize=6)
    return figure


def draw_kernels(result: Result) -> Figure:
    """Draw synthesis filters for smaller kernels, a row for each, and their measures over the distortion."""
    s = result.settings
    with new_figure(7.2, 0.95 * len(s.kernels) + 2.3) as figure:
        above, below = figure.subfigures(2, 1, height_ratios=[0.95 * len(s.kernels), 2.3])
        rows = above.subplots(len(s.kernels), len(s.kernel_mus), squeeze=False)
        for panels, sigma in zip(rows, s.kernels, strict=True):
            for axes, (mu, outcomes) in zip(panels, _at_kernel(result, sigma).items(), strict=True):
                _draw_strongest(axes, result, outcomes, rf"$\sigma$ = {sigma:g}, $\mu$ = {mu:g}", 8)
        panels = below.subplots(1, len(LABELS))
        swept = {s.sigma: _swept(result)} | {sigma: _at_kernel(result, sigma) for sigma in s.kernels}
        for (sigma, runs), colour in zip(swept.items(), cycle(("vermilion", "blue", "green")), strict=False):
            _draw_measures(panels, result, _by_seed(runs), "synthesis", colour, "o-", rf"$\sigma$ = {sigma:g}")
        panels[0].legend(loc="lower left", title="synthesis", fontsize=7, title_fontsize=7)
    return figure


def _draw_strongest(axes: Any, result: Result, outcomes: Sequence[Outcome], said: str, columns: int) -> None:
    """Draw the 16 filters of the largest norm, for the first seed."""
    draw_tiles(axes, basis_of(outcomes[0]).synthesis[:16], result.digits.shape, columns)
    axes.set_title(f"{said}, $D$ = {float(outcomes[0]['distortion']):.1f}", fontsize=8)


LABELS = ("extent, over that of a digit", "correlation of neighbours", "|cos| to the nearest digit")


def _draw_measures(
    panels: Any, result: Result, runs: Iterable[Sequence[Outcome]], kind: str, colour: str, style: str, label: str
) -> None:
    """Draw, for each seed, the measures of the filters of some runs over their distortion."""
    for outcomes in runs:
        distortions = [float(outcome["distortion"]) for outcome in outcomes]
        found = np.array([measures(result.digits, basis_of(outcome), kind) for outcome in outcomes])
        for axes, values, name in zip(panels, found.T, LABELS, strict=True):
            face = COLOURS[colour] if "-" in style else "none"
            axes.plot(distortions, values, style, ms=4, lw=1, color=COLOURS[colour], mfc=face, label=label)
            axes.set(xlabel="distortion $D$", ylabel=name)
            axes.set_ylim(0, max(1, 1.1 * values.max(), axes.get_ylim()[1]))
        label = "_"  # one entry of the legend for all seeds


def _swept(result: Result) -> dict[float, list[Outcome]]:
    """Return the runs of the sweep by μ, distortion growing."""
    s = result.settings
    return _over_mu(result, s.sigma, (s.mu, *s.sweep))


def _at_kernel(result: Result, sigma: float) -> dict[float, list[Outcome]]:
    """Return the runs at a smaller kernel size likewise."""
    return _over_mu(result, sigma, result.settings.kernel_mus)


def _over_mu(result: Result, sigma: float, mus: Iterable[float]) -> dict[float, list[Outcome]]:
    return {mu: result.outcomes(mu=mu, sigma=sigma, swept=True) for mu in sorted(mus, reverse=True)}


def _by_seed(swept: dict[float, list[Outcome]]) -> list[tuple[Outcome, ...]]:
    return list(zip(*swept.values(), strict=True))


INACTIVE = (("rate-distortion", "as it is"), ("decay", "weight decay"), ("noise", "noise on the digits"))


def draw_inactive(result: Result) -> Figure:
    """Draw the root mean square of the analysis weights of each pixel, and which pixels are never active."""
    from matplotlib.colors import LogNorm  # noqa: PLC0415  # only drawing needs it

    shape, idle = result.digits.shape, _inactive(result)
    with new_figure(7.2, 2.5) as figure:
        panels = figure.subplots(1, 3)
        for axes, (model, title) in zip(panels, INACTIVE, strict=True):
            weights = _input_weights(result.outcomes(model, swept=True)[0])
            image = axes.imshow(weights.reshape(shape), norm=LogNorm(1e-4, 0.3), interpolation="nearest")
            axes.contour(idle.reshape(shape), levels=[0.5], colors="white", linewidths=0.6)
            axes.set(title=title, xticks=[], yticks=[], frame_on=False)
            axes.set_xlabel(f"inactive: {_rms(weights[idle]):.2g}, active: {_rms(weights[~idle]):.2g}", fontsize=8)
        figure.colorbar(image, ax=panels, label="rms weight in $W$", shrink=0.8, pad=0.02, extend="both")
    return figure


def _inactive(result: Result) -> Any:
    """Return which pixels are the same in all digits of the short runs."""
    return np.ptp(result.digits.pixels[: result.settings.short.n_samples], axis=0) == 0


def _input_weights(outcome: Outcome) -> Array:
    return np.sqrt(np.mean(outcome["W"] ** 2, axis=0))


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


OWED = "(§4.2) what is seen in the basis is owed to the objective: the plain auto-encoder learns something else"
REGIMES = (
    "For smaller reconstruction errors features tend to be more localized, whereas for larger tolerance the features "
    "go from blobs, to pen strokes, to even full digits"
)
LOCAL = "(§4.2) the influence of the eigenvectors would be also local around the defined clusters"
ZERO_OUT = (
    "Weight decay or adding Gaussian noise to the training set can be used to zero-out weights for non active inputs"
)

# A filter is localised if it reaches half as far as a digit: then it covers a quarter of its area.
LOCALISED = 0.5
# White noise has 0, and a stroke three pixels wide 0.7 to 0.8: half of a filter's energy is then shared by neighbours.
SMOOTH = 0.5
# cos² = 0.5: half of a filter's energy is that of one digit.
LIKE_A_DIGIT = 0.7
# Of the rms weight at the start: nothing that can be seen beside the rest.
ZEROED = 0.1


def claims(result: Result) -> list[Claim]:
    """Compare what the paper says about other trade-offs, and about inactive inputs, with the runs."""
    return [*_control_claims(result), *_regime_claims(result), *_kernel_claims(result), *_inactive_claims(result)]


def _control_claims(result: Result) -> Iterator[Claim]:
    pairs = list(zip(result.outcomes(), result.outcomes("plain"), strict=True))
    for kind, name in (("analysis", "W"), ("synthesis", "A")):
        # The same start and the same order of the same batches: unit j of one is compared with unit j of the other.
        alike = [_median_cosine(*(out[name] if name == "W" else out[name].T for out in pair)) for pair in pairs]
        quantity = f"{kind}: median |cos| between a filter and the plain auto-encoder's from the same start"
        yield claim("4", OWED, quantity, alike, at_most=LIKE_A_DIGIT)
    reach = [[measures(result.digits, basis_of(out), "synthesis").extent for out in pair] for pair in pairs]
    extent = [ours / plain for ours, plain in reach]
    yield claim("4", OWED, "synthesis: mean extent over that of the plain auto-encoder", extent, at_most=0.9)


def _median_cosine(first: Array, second: Array) -> float:
    products = np.sum(first * second, axis=1)
    return float(np.median(np.abs(products) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)))


def _regime_claims(result: Result) -> Iterator[Claim]:
    found = [
        [(float(out["distortion"]), measures(result.digits, basis_of(out), "synthesis")) for out in outcomes]
        for outcomes in _by_seed(_swept(result))
    ]
    tolerant, strict = [max(points)[1] for points in found], [min(points)[1] for points in found]
    order = [float(spearmanr([D for D, _ in points], [m.extent for _, m in points])[0]) for points in found]
    yield claim("4", REGIMES, "rank correlation of D and a filter's mean extent over µ", order, at_least=0.8)
    quantity = "mean extent of a filter over that of a digit, at the smallest D"
    yield claim("4", REGIMES, quantity, [m.extent for m in strict], at_most=LOCALISED)
    quantity = "mean |cos| of a filter to the nearest digit, at the largest D"
    yield claim("4", REGIMES, quantity, [m.similarity for m in tolerant], at_least=LIKE_A_DIGIT)


def _kernel_claims(result: Result) -> Iterator[Claim]:
    if not result.settings.kernels:
        return
    runs = [_by_seed(_at_kernel(result, sigma)) for sigma in result.settings.kernels]
    reach = [
        min(measures(result.digits, basis_of(out), "synthesis").extent for outcomes in of_seed for out in outcomes)
        for of_seed in zip(*runs, strict=True)
    ]
    quantity = "smaller kernels: mean extent of a filter over that of a digit, least over σ and µ"
    yield claim("4", LOCAL, quantity, reach, at_most=LOCALISED)


def _inactive_claims(result: Result) -> Iterator[Claim]:
    idle = _inactive(result)
    for model in ("decay", "noise"):
        left = [_rms(_input_weights(out)[idle]) / result.settings.start for out in result.outcomes(model, swept=True)]
        quantity = f"{NAMES[model]}: rms analysis weight of inactive inputs over that at the start"
        yield claim("4", ZERO_OUT, quantity, left, at_most=ZEROED)


def write(result: Result, folder: str | os.PathLike[str], *, all_files: bool = False) -> Sequence[Claim]:
    """Write figure4_sweep, _control, _inactive and _kernels as PNG, figure4_sweep.json and _history.csv.

    The measures of every filter, figure4_sweep.csv, are a long table.
    """
    name = f"{result.name}_sweep"
    drawings = {"sweep": draw_sweep, "control": draw_control, "inactive": draw_inactive}
    if result.settings.kernels:
        drawings["kernels"] = draw_kernels
    figures = {f"{result.name}_{what}": draw(result) for what, draw in drawings.items()}
    others = [run for run in result.runs if run.model != "rate-distortion" or run.budget == result.settings.short]
    return write_runs(result, folder, name, others, claims(result), figures, long=True, all_files=all_files)
