"""The history of a fit, as text and as a figure."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..experiments.output import COLOURS, paper_style
from ..files import written_whole

__all__ = ["check_drawable", "draw_history", "history_text"]

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60
KINDS = (".png", ".svg", ".pdf")

History = Sequence[Mapping[str, float]]


def history_text(history: History) -> str:
    """Draw what was maximised in the last stage, and the norm of the gradient in all stages, in one line each."""
    if not history:
        return "no iterations"
    last = at_the_end(history)
    norms = [math.log10(max(entry["gradient_norm"], 1e-300)) for entry in history]
    values = [entry["value"] for entry in last]
    return "\n".join(
        [
            f"history: the {climbed(history)} in the last {len(last)} iterations, and the norm of the gradient",
            f"in all {len(history)}, as its logarithm",
            f"  {values[0]:>10.4g}  {sparkline(values)}  {values[-1]:.4g}",
            f"  {10 ** norms[0]:>10.1e}  {sparkline(norms)}  {10 ** norms[-1]:.1e}",
        ]
    )


def climbed(history: History) -> str:
    """Return the name of what was maximised in the end: with (14) each entry has a multiplier."""
    return "augmented Lagrangian of Eq. (14)" if "mu" in history[-1] else "objective at the final trade-off"


def at_the_end(history: History) -> History:
    """Return the iterations of the last stage: values from one trade-off to another do not compare."""
    return [entry for entry in history if entry.get("factor") == history[-1].get("factor")]


def sparkline(values: Sequence[float]) -> str:
    """Draw numbers as at most `WIDTH` bars of eight heights, each for the last number of its stretch."""
    count = min(len(values), WIDTH)
    shown = [values[(i + 1) * len(values) // count - 1] for i in range(count)]
    low, high = min(shown), max(shown)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round(scale * (value - low))] for value in shown)


def check_drawable(path: Path) -> None:
    """Refuse a file name that does not select the format of a figure."""
    if path.suffix not in KINDS:
        raise ValueError(f"{path} must end in {', '.join(KINDS[:-1])} or {KINDS[-1]}, which selects the format")


def draw_history(history: History, path: Path) -> None:
    """Draw what was maximised in the last stage, and the norm of the gradient in all, as a .png, .svg or .pdf."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # only drawing needs it

    check_drawable(path)
    if not history:
        raise ValueError("there is no history to draw: the model made no iterations")
    last = at_the_end(history)
    iterations = range(1, len(history) + 1)
    with paper_style():
        figure = Figure(figsize=(7, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot(iterations[-len(last) :], [entry["value"] for entry in last], ".-", ms=3, color=COLOURS["blue"])
        left.set(xlabel="iteration", ylabel=climbed(history))
        right.semilogy(iterations, [entry["gradient_norm"] for entry in history], color=COLOURS["vermilion"])
        right.set(xlabel="iteration", ylabel="norm of the gradient")
        if len(last) < len(history):
            begin, late = len(history) - len(last) + 0.5, len(last) < len(history) / 2
            style = {"color": COLOURS["grey"], "ha": "right" if late else "left", "va": "top"}
            right.axvline(begin, color=COLOURS["grey"], lw=0.8, ls=":")
            right.text(begin, 1, " the last stage ", transform=right.get_xaxis_transform(), **style)
        with written_whole(path, "wb") as file:
            figure.savefig(file, format=path.suffix[1:])
