"""Figure 4: analysis and synthesis bases of a rate-distortion auto-encoder trained on 20 000 handwritten digits.

The paper fixes the data, 200 logsig units, the trade-off 0.5, the kernel size 8.4 and mini-batches by pre-clustering;
what it leaves open is in `Settings`. With ``sweep`` a plain auto-encoder is trained as a control, and other runs, which
`figure4_sweep` draws.
"""

import os
from collections.abc import Sequence

from . import figure4_sweep
from .claims import Claim, claim
from .digit_runs import Budget, Result, Run, Settings, Task, basis_of, measures, run, train_one, write_runs
from .figure4_sweep import LOCALISED, SMOOTH, draw_bases
from .filters import Basis
from .output import Figure

__all__ = ["Budget", "Result", "Run", "Settings", "Task", "claims", "draw", "run", "train_one", "write"]


def draw(result: Result) -> Figure:
    """Draw both bases in two panels, as in the paper, the filters of the largest synthesis norm first."""
    return draw_bases(result, ["rate-distortion"])


BLOBS = "it can be seen how the auto-encoder not only learns localized blobs as with tied weights and weight decay"
STROKES = "but it also learns pen strokes without a explicit sparsity constraint or predefined corruption model"


def claims(result: Result) -> list[Claim]:
    """Compare what the paper says about the figure with the runs."""
    bases = [basis_of(outcome) for outcome in result.outcomes()]
    table = []
    for sentence, index, what, bound in (
        (BLOBS, 0, "mean extent of a filter over that of a digit", {"at_most": LOCALISED}),
        (STROKES, 1, "mean correlation of a filter's neighbouring pixels", {"at_least": SMOOTH}),
    ):
        for kind in Basis._fields:
            values = [measures(result.digits, basis, kind)[index] for basis in bases]
            table.append(claim("4", sentence, f"{kind}: {what}", values, **bound))
    return table


def write(result: Result, folder: str | os.PathLike[str], *, all_files: bool = False) -> Sequence[Claim]:
    """Write figure4.png, .csv, .json and figure4_history.csv; after a sweep the files of `figure4_sweep`, too."""
    table, s = claims(result), result.settings
    runs = [Run("rate-distortion", s.mu, s.sigma, s.full, seed) for seed in s.seeds]
    write_runs(result, folder, result.name, runs, table, {result.name: draw(result)}, all_files=all_files)
    if not result.outcomes("plain"):
        return table
    return [*table, *figure4_sweep.write(result, folder, all_files=all_files)]
