"""What an experiment leaves on the disk: the figure as PNG and SVG, the numbers as CSV, settings and claims as JSON."""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._version import __version__
from ..files import written_whole
from .claims import Claim

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["paper_style", "read_claims", "terms_table", "write_csv", "write_figure", "write_json"]

STYLE: dict[str, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "svg.hashsalt": "rdae_ref",  # ids from the content, not from the clock
    "svg.fonttype": "path",  # a reader's machine need not have the font
}

# Okabe and Ito's colours, which readers of every kind of colour vision tell apart.
COLOURS = {
    "grey": "#999999",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw in the style of this package's figures, leaving the user's own settings as they are.

    Yields
    ------
    None
        The style holds inside of the ``with`` block.
    """
    import matplotlib as mpl  # noqa: PLC0415  # only drawing needs it

    defaults = {name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"}
    with mpl.rc_context(defaults | STYLE):  # type: ignore[arg-type]  # its keys are one long Literal
        yield


def write_figure(figure: "Figure", folder: str | os.PathLike[str], name: str) -> list[Path]:
    """Write a figure as NAME.png and NAME.svg, the same bytes on every run.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        To be written.
    folder : path-like
        Made if it is not there.
    name : str
        Without ending.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    kinds: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None}}
    paths = []
    with paper_style():
        for kind, entries in kinds.items():
            path = _in(folder, f"{name}.{kind}")
            with written_whole(path, "wb") as file:
                figure.savefig(file, format=kind, metadata=entries, bbox_inches="tight")
            paths.append(path)
    return paths


def write_csv(
    folder: str | os.PathLike[str], name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> Path:
    """Write rows as NAME.csv: numbers with ten digits, more than any plot shows and fewer than rounding moves.

    Parameters
    ----------
    folder : path-like
        Made if it is not there.
    name : str
        Without ending.
    columns : sequence of str
        The first line.
    rows : iterable of sequence
        Numbers and words.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    path = _in(folder, f"{name}.csv")
    with written_whole(path) as file:
        for row in (columns, *rows):
            file.write(",".join(f"{x:.10g}" if isinstance(x, float) else str(x) for x in row) + "\n")
    return path


def write_json(
    folder: str | os.PathLike[str], name: str, settings: dict[str, Any], claims: Sequence[Claim], **more: Any
) -> Path:
    """Write settings, versions and claims as NAME.json.

    Parameters
    ----------
    folder : path-like
        Made if it is not there.
    name : str
        Without ending.
    settings : dict
        Everything that the numbers depend on.
    claims : sequence of Claim
        What the paper says, and what was measured.
    **more : object
        Further entries.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    versions = {name: metadata.version(name) for name in ("numpy", "scipy", "matplotlib")} | {"rdae_ref": __version__}
    content = {
        "settings": settings,
        "versions": versions | {"python": platform.python_version()},
        **more,
        "claims": [item.to_dict() for item in claims],
    }
    path = _in(folder, f"{name}.json")
    with written_whole(path) as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
    return path


def terms_table(outcomes: Iterable[tuple[str, int, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return L and its terms, for each run, as a JSON file keeps them.

    Parameters
    ----------
    outcomes : iterable of (str, int, dict)
        Unit, seed and outcome of each run.

    Returns
    -------
    list of dict
        unit, seed, and every single number of the outcome.
    """
    return [
        {"unit": unit, "seed": seed} | {name: float(value) for name, value in out.items() if np.ndim(value) == 0}
        for unit, seed, out in outcomes
    ]


def read_claims(folder: str | os.PathLike[str], name: str) -> list[Claim]:
    """Read back the claims of NAME.json.

    Parameters
    ----------
    folder : path-like
        Where `write_json` wrote.
    name : str
        Without ending.

    Returns
    -------
    list of Claim
        In order.

    Raises
    ------
    OSError
        If the file is not there.
    """
    with open(Path(folder) / f"{name}.json", encoding="utf-8") as file:
        return [Claim(**entry) for entry in json.load(file)["claims"]]


def _in(folder: str | os.PathLike[str], name: str) -> Path:
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder) / name
