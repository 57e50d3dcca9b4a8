"""The claims of Figures 1 to 3 over the number of samples N, which the paper does not state.

The default N of each figure is the smallest at which no verdict turns when the sample grows. The sweep over μ of
Figure 2 is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ...workers import Workers
from .. import figure1, figure2, figure3
from ..claims import Claim, claim
from ..output import COLOURS, Figure, Folder, new_figure, plain_ticks, write_files
from ..protocol import Result
from ..training import MIXTURE, Training

__all__ = ["Result", "Row", "Settings", "claims", "draw", "rows", "run", "write"]

MODULES: dict[str, Any] = {"1": figure1, "2": figure2, "3": figure3}
# What decides no row here.
WITHOUT: dict[str, dict[str, Any]] = {"2": {"sweep": ()}, "3": {"noises": (figure3.Settings().noise,)}}
SEEDS, FEWER = tuple(range(9)), tuple(range(3))


@dataclass(frozen=True)
class Settings:
    """Everything that the numbers of the figure depend on."""

    sizes: tuple[int, ...] = (100, 200, 300, 500, 1000)  # N
    seeds: tuple[int, ...] = SEEDS
    seeds_of_largest: tuple[int, ...] = FEWER  # there a run takes eight times as long as at half of that N
    trainings: dict[str, Training] = field(
        default_factory=lambda: {"1": figure1.Settings().training, "2": MIXTURE, "3": MIXTURE}
    )


class Row(NamedTuple):
    """One claim at one N."""

    n_samples: int
    claim: Claim

    @property
    def margin(self) -> float:
        """How many times better than the threshold the median is: above 1 if it meets it."""
        sign, _, bound = self.claim.threshold.partition(" ")
        ratio = max(self.claim.median, 1e-12) / float(bound)
        return 1 / ratio if sign == "<=" else ratio


def run(settings: Settings | None = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
    """Run Figures 1 to 3 at every N; the keys are (figure, N), and the values their results."""
    s, found = settings or Settings(), {}
    for n_samples in s.sizes:
        seeds = s.seeds_of_largest if n_samples == max(s.sizes) else s.seeds
        for name, module in MODULES.items():
            own = replace(module.Settings(), n_samples=n_samples, seeds=seeds, training=s.trainings[name])
            own = replace(own, **WITHOUT.get(name, {}))
            found[name, n_samples] = module.run(own, folder=folder, workers=workers)
    return Result(s, found)


def rows(result: Result) -> list[Row]:
    """Return every claim at every N."""
    return [Row(n, item) for (name, n), one in result.runs.items() for item in MODULES[name].claims(one)]


LARGEST_MARGIN = 30  # drawn: what is met many times over does not turn
STYLES = {"yes": "o", "undecided": "D", "no": "X"}


def draw(result: Result) -> Figure:
    """Draw the margin of each claim over N, one line for each; the marker is the verdict."""
    table = rows(result)
    panels = [(name, [row for row in table if row.claim.figure == name]) for name in MODULES]
    with new_figure(7.2, 3.2) as figure:
        for axes, (name, of_figure) in zip(figure.subplots(1, 3, sharey=True), panels, strict=True):
            for quantity in dict.fromkeys(row.claim.quantity for row in of_figure):
                _draw_line(axes, [row for row in of_figure if row.claim.quantity == quantity])
            axes.axhline(1, color="black", lw=0.8)
            axes.set(title=f"Figure {name}", xlabel="samples $N$", xscale="log", yscale="log")
            axes.set_ylim(1 / 5, 1.3 * LARGEST_MARGIN)
            plain_ticks(axes, result.settings.sizes)
        axes = figure.axes[0]
        axes.set_ylabel("median over threshold (above 1: met)")
        for verdict, marker in STYLES.items():
            axes.plot([], [], marker, color="black", ms=4, label=verdict)
        figure.legend(loc="outside lower center", ncols=3, title="verdict at this $N$", fontsize=8, title_fontsize=8)
    return figure


def _draw_line(axes: Any, line: Sequence[Row]) -> None:
    """Draw one claim: grey if its verdict is the same at every N, and coloured if it turns."""
    turns = len({row.claim.verdict for row in line}) > 1
    colour = COLOURS["vermilion"] if turns else COLOURS["grey"]
    x, y = [row.n_samples for row in line], np.clip([row.margin for row in line], 0.21, LARGEST_MARGIN)
    axes.plot(x, y, "-", lw=1 if turns else 0.6, color=colour, zorder=2 if turns else 1)
    for at, height, row in zip(x, y, line, strict=True):
        axes.plot(at, height, STYLES[row.claim.verdict], color=colour, ms=4, mew=0, zorder=2 if turns else 1)


def claims(result: Result) -> list[Claim]:
    """Count the rows whose verdict at the default N is not the one at a larger N."""
    return list(_claims(result))


def _claims(result: Result) -> Iterator[Claim]:
    for name, module in MODULES.items():
        default = module.Settings().n_samples
        at = {row.claim.quantity: row.claim.verdict for row in rows(result) if row[:1] == (default,)}
        for n in (n for n in result.settings.sizes if n > default):
            later = [row.claim for row in rows(result) if row.n_samples == n and row.claim.figure == name]
            contradicted = sum({item.verdict, at.get(item.quantity)} == {"yes", "no"} for item in later)
            quantity = f"Figure {name}: rows with yes for no, or no for yes, at N = {n}"
            yield claim("samples", f"(not in the paper) N = {default} is enough", quantity, [contradicted], at_most=0)


COLUMNS = ("figure", "N", "quantity", "threshold", "median", "low", "high", "verdict", "seeds")


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write samples.png, .csv (every claim at every N) and .json."""
    table = (
        (c.figure, n, c.quantity.replace(",", ";"), c.threshold, c.median, c.low, c.high, c.verdict, c.seeds_that_hold)
        for n, c in rows(result)
    )
    return write_files(
        folder,
        claims(result),
        settings={"sizes": result.settings.sizes, "seeds": result.settings.seeds},
        figures={"samples": draw(result)},
        tables={"samples": (COLUMNS, table)},
        all_files=all_files,
    )
