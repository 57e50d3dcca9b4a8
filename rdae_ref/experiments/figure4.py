"""Figure 4: analysis and synthesis bases of a rate-distortion auto-encoder trained on 20 000 handwritten digits.

The paper fixes the data, 200 logsig units, the trade-off 0.5, the kernel size 8.4 and mini-batches by pre-clustering.
The optimiser, noise on the inputs and weight decay are ours, in `Settings` and `Regime`: without noise there are no
strokes, with the entropy or without it. With ``sweep`` the other regimes are trained, which `figure4_sweep` draws.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..files import written_whole
from . import figure4_sweep
from .claims import Claim, claim
from .digit_runs import (
    REGIMES,
    STATED,
    Regime,
    Result,
    Run,
    Settings,
    Task,
    basis_of,
    measures,
    run,
    train_one,
    write_runs,
)
from .figure4_sweep import ENOUGH, SHARE
from .filters import Basis, draw_tiles
from .output import Figure, Folder, new_figure

__all__ = [
    "REGIMES", "Regime", "Result", "Run", "Settings", "Task", "claims", "draw", "run", "train_one", "write",
    "write_filters",
]  # fmt: skip

SHOWN = 100  # filters of each basis: 200 would be too small to see


def draw(result: Result) -> Figure:
    """Draw both bases in two panels, as in the paper, the filters of the largest synthesis norm first."""
    outcome = result.outcomes()[0]
    with new_figure(7.2, 3.75) as figure:
        for axes, kind, images in zip(figure.subplots(1, 2), Basis._fields, basis_of(outcome), strict=True):
            draw_tiles(axes, images[:SHOWN], result.digits.shape, 10)
            axes.set_title(kind)
    return figure


BLOBS = "it can be seen how the auto-encoder not only learns localized blobs as with tied weights and weight decay"
STROKES = "but it also learns pen strokes"

# White noise has 0, and a stroke three pixels wide 0.7 to 0.8: half of a filter's energy is then shared by neighbours.
SMOOTH = 0.5


def claims(result: Result) -> list[Claim]:
    """Compare what the paper says about the figure with the runs."""
    bases = [basis_of(outcome) for outcome in result.outcomes()]
    table = []
    for sentence, field, what, bounds in (
        (BLOBS, "local", SHARE, ENOUGH),
        (STROKES, "smoothness", "mean correlation of a filter's neighbouring pixels", dict.fromkeys(ENOUGH, SMOOTH)),
    ):
        for kind, bound in bounds.items():
            values = [getattr(measures(result.digits, basis, kind), field) for basis in bases]
            table.append(claim("4", sentence, f"with noise and decay, {kind}: {what}", values, at_least=bound))
    distortions = [float(outcome["distortion"]) for outcome in result.outcomes()]
    return [*table, claim("4", BLOBS, "with noise and decay: D", distortions, at_most=16.0)]


def write_filters(result: Result, folder: Folder) -> None:
    """Write the filters as FIGURE_filters.npz, for others to measure.

    ``W_rate_distortion_0`` and so on, a filter of 784 pixels in each row, for each seed; also of the plain auto-encoder
    for the first seed. They are integers from −127 to 127: each filter is divided by its largest element.
    """
    arrays = {}
    for name, regime in (("rate_distortion", STATED), ("plain", "plain")):
        for seed, outcome in zip(result.settings.seeds, result.outcomes(regime), strict=False):
            for letter, filters in (("W", outcome["W"]), ("A", outcome["A"].T)):
                scaled = 127 * filters / np.abs(filters).max(axis=1, keepdims=True)
                arrays[f"{letter}_{name}_{seed}"] = np.round(scaled).astype(np.int8)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    with written_whole(Path(folder) / f"{result.name}_filters.npz", "wb") as file:
        file.write(content.getbuffer())


def write(result: Result, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
    """Write figure4.png, .csv, .json, _history.csv and _filters.npz; after a sweep those of `figure4_sweep`, too."""
    table = claims(result)
    runs = [run for run in result.runs if run.regime == STATED]
    write_runs(result, folder, result.name, runs, table, {result.name: draw(result)}, all_files=all_files)
    write_filters(result, folder)
    if not result.outcomes("plain"):
        return table
    return [*table, *figure4_sweep.write(result, folder, all_files=all_files)]
