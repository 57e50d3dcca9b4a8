"""More on Figure 4, drawn with ``--sweep``: where its strokes come from, what the entropy adds, and inactive inputs."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .._validation import Array
from .claims import Claim, claim
from .digit_runs import LOCAL, STATED, Result, basis_of, measures, write_runs
from .filters import Basis, draw_tiles
from .output import COLOURS, Figure, Folder, new_figure
from .runs import Outcome

__all__ = ["ENOUGH", "SHARE", "claims", "draw_inactive", "draw_regimes", "draw_shares", "write"]

SHARE = f"share of filters with above {LOCAL:g} of their energy in a 9×9 window"
ENOUGH = {"analysis": 0.15, "synthesis": 0.12}  # of the filters, where blobs and strokes are seen


def draw_regimes(result: Result) -> Figure:
    """Draw the 24 synthesis filters of the largest norm for each regime, with D and the share of local filters."""
    names = [name for name in result.settings.regimes if result.outcomes(name)]
    rows = -(-len(names) // 3)
    with new_figure(7.2, 1.3 * rows) as figure:
        panels = list(figure.subplots(rows, 3, squeeze=False).flat)
        for axes, name in zip(panels, names, strict=False):
            outcome = result.outcomes(name)[0]
            basis = basis_of(outcome)
            draw_tiles(axes, basis.synthesis[:24], result.digits.shape, 8)
            local = measures(result.digits, basis, "synthesis").local
            said = f"$D$ = {float(outcome['distortion']):.1f}, local: {local:.0%}"
            axes.set_title(f"{_title(name)}\n{said}", fontsize=8)
        for axes in panels[len(names) :]:
            axes.axis("off")
    return figure


def _title(name: str) -> str:
    return "noise, decay and entropy" if name == STATED else name


def draw_shares(result: Result) -> Figure:
    """Draw the share of local filters, and the smoothness, of every regime and seed."""
    names = [name for name in result.settings.regimes if result.outcomes(name)][::-1]
    with new_figure(7.2, 0.6 + 0.24 * len(names)) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for kind, colour, shift in (("analysis", "blue", 0.14), ("synthesis", "vermilion", -0.14)):
            for y, name in enumerate(names):
                found = [measures(result.digits, basis_of(outcome), kind) for outcome in result.outcomes(name)]
                for axes, field in zip(panels, ("local", "smoothness"), strict=True):
                    values = [getattr(one, field) for one in found]
                    label = None if y else kind
                    axes.plot(values, [y + shift] * len(values), "o", ms=4, color=COLOURS[colour], label=label)
        panels[0].set(xlabel="share of local filters", yticks=range(len(names)), yticklabels=map(_title, names))
        panels[1].set_xlabel("correlation of neighbouring pixels")
        for axes in panels:
            axes.set_xlim(left=0)
            axes.grid(axis="y", lw=0.4)
        panels[1].legend(loc="upper left")
    return figure


INACTIVE = (
    ("plain", "plain"),
    ("without noise", "weight decay, no noise"),
    ("without decay", "noise, no weight decay"),
)


def draw_inactive(result: Result) -> Figure:
    """Draw the root mean square of the analysis weights of each pixel, and which pixels are never active."""
    from matplotlib.colors import LogNorm  # noqa: PLC0415  # only drawing needs it

    shape, idle = result.digits.shape, _inactive(result)
    shown = [(regime, title) for regime, title in INACTIVE if result.outcomes(regime)]
    with new_figure(7.2, 2.5) as figure:
        panels = figure.subplots(1, len(shown))
        for axes, (regime, title) in zip(panels, shown, strict=True):
            weights = _input_weights(result.outcomes(regime)[0])
            image = axes.imshow(weights.reshape(shape), norm=LogNorm(1e-4, 0.3), interpolation="nearest")
            axes.contour(idle.reshape(shape), levels=[0.5], colors="white", linewidths=0.6)
            axes.set(title=title, xticks=[], yticks=[], frame_on=False)
            axes.set_xlabel(f"inactive: {_rms(weights[idle]):.2g}, active: {_rms(weights[~idle]):.2g}", fontsize=8)
        figure.colorbar(image, ax=panels, label="rms weight in $W$", shrink=0.8, pad=0.02, extend="both")
    return figure


def _inactive(result: Result) -> Any:
    """Return which pixels are the same in all digits."""
    return np.ptp(result.digits.pixels[: result.settings.n_samples], axis=0) == 0


def _input_weights(outcome: Outcome) -> Array:
    return np.sqrt(np.mean(outcome["W"] ** 2, axis=0))


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


WITHOUT = "(pen strokes) without a explicit sparsity constraint or predefined corruption model"
OWED = "(§4.2) what is seen in the basis is due to the objective: without the entropy it differs"
CLUSTERS = "(§4.2) we define mini-batches by pre-clustering the data"
REGIMES = (
    "For smaller reconstruction errors features tend to be more localized, whereas for larger tolerance the features "
    "go from blobs, to pen strokes, to even full digits"
)
SPARSE = "(not in the paper) a sparsity constraint does what noise does"
ZERO_OUT = (
    "Weight decay or adding Gaussian noise to the training set can be used to zero-out weights for non active inputs"
)

TOLERANT = "µ = 0.01, no noise, no decay"
MORE = 0.05  # of the filters: a difference that is more than the range over seeds
# cos² = 0.5: half of a filter's energy is that of one digit.
LIKE_A_DIGIT = 0.7
# Of the rms weight at the start: nothing that can be seen beside the rest.
ZEROED = 0.1


def claims(result: Result) -> list[Claim]:
    """Compare what the paper says about the origin of the strokes, other trade-offs and inactive inputs with runs."""
    return [*_share_claims(result), *_difference_claims(result), *_regime_claims(result), *_inactive_claims(result)]


def _measured(result: Result, regime: str, kind: str, field: str = "local") -> list[float]:
    return [getattr(measures(result.digits, basis_of(out), kind), field) for out in result.outcomes(regime)]


def _share_claims(result: Result) -> Iterator[Claim]:
    for sentence, regime in ((WITHOUT, "without noise"), (WITHOUT, "plain"), (SPARSE, "sparse code")):
        for kind, bound in ENOUGH.items():
            if shares := _measured(result, regime, kind):
                yield claim("4", sentence, f"{regime}, {kind}: {SHARE}", shares, at_least=bound)


def _difference_claims(result: Result) -> Iterator[Claim]:
    for sentence, other in ((OWED, "without entropy"), (CLUSTERS, "random batches")):
        for kind in Basis._fields:
            pairs = zip(_measured(result, STATED, kind), _measured(result, other, kind), strict=False)
            quantity = f"{kind}: difference of that share, noise, decay and entropy − {other}"
            yield claim("4", sentence, quantity, [ours - theirs for ours, theirs in pairs], at_least=MORE)


def _regime_claims(result: Result) -> Iterator[Claim]:
    kind, strict, tolerant = "synthesis", "random batches", "random batches, µ = 0.1"
    pairs = zip(_measured(result, strict, kind), _measured(result, tolerant, kind), strict=True)
    quantity = f"{kind}, {strict}: share of local filters at µ = 0.5 minus that at µ = 0.1"
    yield claim("4", REGIMES, quantity, [less - more for less, more in pairs], at_least=0.0)
    if digits := _measured(result, TOLERANT, kind, "similarity"):
        quantity = f"{kind}, {TOLERANT}: mean |cos| of the twenty strongest filters to the nearest digit"
        yield claim("4", REGIMES, quantity, digits, at_least=LIKE_A_DIGIT)


def _inactive_claims(result: Result) -> Iterator[Claim]:
    idle = _inactive(result)
    for regime, title in INACTIVE[1:]:
        left = [_rms(_input_weights(out)[idle]) / result.settings.start for out in result.outcomes(regime)]
        quantity = f"{title}: rms analysis weight of inactive inputs over that at the start"
        if left:
            yield claim("4", ZERO_OUT, quantity, left, at_most=ZEROED)


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write figure4_regimes, _shares and _inactive as PNG, figure4_sweep.json and _history.csv; on demand its .csv."""
    name = f"{result.name}_sweep"
    drawings = {name: draw_shares, f"{result.name}_regimes": draw_regimes, f"{result.name}_inactive": draw_inactive}
    figures = {file: draw(result) for file, draw in drawings.items()}
    others = [run for run in result.runs if run.regime != STATED]
    return write_runs(result, folder, name, others, claims(result), figures, long=True, all_files=all_files)
