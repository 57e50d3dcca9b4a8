"""The files of a figure: PNG (and SVG on demand), the numbers as CSV, settings and claims as JSON."""

import io
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .._version import __version__
from ..files import ContentError, as_path, open_file, written_whole
from .claims import Claim
from .training import VARIANTS

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = [
    "COLOURS", "Figure", "Folder", "Table", "column_rows", "draw_outputs", "legend_below", "new_figure", "palette_png",
    "paper_style", "plain_ticks", "read_claims", "runs_of", "terms_table", "write_csv", "write_figure", "write_files",
    "write_json",
]  # fmt: skip

Figure: TypeAlias = "matplotlib.figure.Figure"  # a name only: matplotlib is imported when a figure is drawn
Folder: TypeAlias = str | os.PathLike[str]
Table: TypeAlias = tuple[Sequence[str], Iterable[Sequence[object]]]  # column names and rows

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
    "svg.fonttype": "path",  # the reader's machine need not have the font
}

# The palette of Okabe and Ito, which remains distinguishable under colour-vision deficiency.
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
    """Draw in the style of this package's figures; the user's own settings are left unchanged."""
    import matplotlib as mpl  # noqa: PLC0415  # only drawing needs it

    defaults = {name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"}
    with mpl.rc_context(defaults | STYLE):  # type: ignore[arg-type]  # its keys are one long Literal
        yield


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Any]:
    """Yield an empty figure, in inches; what is drawn inside the ``with`` block has the package's style."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # only drawing needs it

    with paper_style():
        yield Figure(figsize=(width, height), layout="constrained")


def draw_outputs(axes: Any, outcome: Mapping[str, Any], right: float = 0.98, between: str = "\n") -> None:
    """Draw inputs in grey and outputs over them, with L and D in the lower right corner."""
    axes.plot(*outcome["X"].T, "o", ms=2.5, mew=0, color=COLOURS["grey"], alpha=0.55, label="inputs $x$")
    axes.plot(*outcome["Xhat"].T, "o", ms=3, mew=0, color=COLOURS["vermilion"], label=r"outputs $\hat x$")
    said = f"$L$ = {float(outcome['L']):.2f} bits{between}$D$ = {float(outcome['distortion']):.2f}"
    axes.text(right, 0.02, said, transform=axes.transAxes, ha="right", va="bottom", fontsize=7)


def legend_below(figure: Any, panels: Any, **style: Any) -> None:
    """Put one legend below a figure, with each label of its panels once."""
    handles: dict[str, Any] = {}
    for axes in np.ravel(panels):
        handles |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    look = {"loc": "outside lower center", "ncols": 3, "fontsize": 8} | style
    figure.legend([*handles.values()], [*handles], **look)


def plain_ticks(axes: Any, ticks: Sequence[float], **style: Any) -> None:
    """Label a logarithmic x axis with plain numbers."""
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], **style)
    axes.set_xticks([], minor=True)


def palette_png(image: Any) -> bytes:
    """Return a Pillow image as a PNG with a palette of 256 colours: a quarter of the size, the same to the eye."""
    # A palette that covers the range of colours before k-means fits it keeps the gradients of landscapes and maps.
    from PIL import Image  # noqa: PLC0415  # it comes with matplotlib

    reduced, file = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1), io.BytesIO()
    reduced.save(file, format="PNG", optimize=True, dpi=image.info.get("dpi"))
    return file.getvalue()


def write_figure(figure: Figure, folder: Folder, name: str, *, svg: bool = False) -> list[Path]:
    """Write a figure as NAME.png and on demand as NAME.svg; the bytes are the same in every process."""
    from PIL import Image  # noqa: PLC0415  # it comes with matplotlib

    contents, drawn = {}, io.BytesIO()
    with paper_style():
        figure.savefig(drawn, format="png", metadata={"Software": None}, bbox_inches="tight")
        contents["png"] = palette_png(Image.open(drawn))
        if svg:
            drawn = io.BytesIO()
            figure.savefig(drawn, format="svg", metadata={"Date": None}, bbox_inches="tight")
            contents["svg"] = drawn.getvalue()
    paths = []
    for kind, content in contents.items():
        paths.append(_in(folder, f"{name}.{kind}"))
        with written_whole(paths[-1], "wb") as file:
            file.write(content)
    return paths


def write_csv(folder: Folder, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write rows as NAME.csv: numbers with ten digits, more than a plot shows and fewer than rounding changes."""
    path = _in(folder, f"{name}.csv")
    with written_whole(path) as file:
        for row in (columns, *rows):
            file.write(",".join(f"{x:.10g}" if isinstance(x, float) else str(x) for x in row) + "\n")
    return path


def write_json(folder: Folder, name: str, settings: dict[str, Any], claims: Sequence[Claim], **more: Any) -> Path:
    """Write settings, versions, claims and any further entries as NAME.json."""
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


def write_files(
    folder: Folder,
    claims: Sequence[Claim],
    *,
    settings: dict[str, Any],
    figures: Mapping[str, Figure],
    tables: Mapping[str, Table],
    long_tables: Mapping[str, Table] | None = None,
    all_files: bool = False,
    brief: bool = False,
    **more: Any,
) -> Sequence[Claim]:
    """Write figures, tables and JSON; return the claims.

    With `all_files` also SVG and long tables; with `brief`, unless `all_files`, only the first figure and JSON.
    """
    first, brief = next(iter(figures)), brief and not all_files
    for name, figure in figures.items():
        if name == first or not brief:
            write_figure(figure, folder, name, svg=all_files)
    for name, (columns, rows) in {**({} if brief else tables), **((long_tables or {}) if all_files else {})}.items():
        write_csv(folder, name, columns, rows)
    write_json(folder, first, settings, claims, **more)
    return claims


def column_rows(
    runs: Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]], columns: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a table: the key of each run, followed by one entry of each of its arrays."""
    for key, outcome in runs:
        yield from ((*key, *map(float, row)) for row in zip(*(outcome[name] for name in columns), strict=True))


def terms_table(outcomes: Iterable[tuple[str, int, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return every single number of the outcomes, for a JSON file; each comes with its unit and seed."""
    return [
        {"unit": unit, "seed": seed} | {name: float(value) for name, value in out.items() if np.ndim(value) == 0}
        for unit, seed, out in outcomes
    ]


def read_claims(folder: Folder, name: str) -> list[Claim]:
    """Return the claims of NAME.json, or raise `ContentError`."""
    path = Path(folder) / f"{name}.json"
    with open_file(path) as file:
        try:
            entries = json.load(file)["claims"]
            return [Claim(**entry | {"interval": entry["interval"] and tuple(entry["interval"])}) for entry in entries]
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise ContentError(f"{path} has no claims that can be read ({error}): draw the figure again") from None


def runs_of(folder: Folder, name: str) -> dict[str, list[Claim]]:
    """Return the claims of NAME.json and of each of its `VARIANTS` that is there, by what is added to the name."""
    paths = {of: Path(folder) / f"{name}{of}.json" for of in ("", *(f"_{variant}" for variant in VARIANTS))}
    return {of: read_claims(folder, f"{name}{of}") for of, path in paths.items() if path.exists()}


def _in(folder: Folder, name: str) -> Path:
    folder = as_path(folder, "folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name
