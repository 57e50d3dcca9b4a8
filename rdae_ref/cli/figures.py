"""``rdae-ref figures``."""

import argparse
import sys
from pathlib import Path
from typing import Any

from ..data.digits import digits_source
from ..experiments import FIGURES, load, stem
from ..experiments.claims import claims_table, with_claims
from ..experiments.output import read_claims
from ..files import written_whole
from .common import Verbs, add_verb


def add_figures(verbs: Verbs) -> None:
    """Add the verb."""
    figures = add_verb(
        verbs,
        "figures",
        "Draw figures, with the numbers behind them as CSV and the claims of the paper as JSON.",
        "rdae-ref figures 1 --output figures",
    )
    figures.add_argument("names", nargs="*", metavar="NAME", help="which figures; those of the paper, if none is named")
    figures.add_argument("--all", action="store_true", help="the supplementary ones, too")
    figures.add_argument("--list", action="store_true", help="say which there are, and stop")
    figures.add_argument("--output", type=Path, default=Path("figures"), metavar="FOLDER", help="default: figures")
    figures.add_argument("--workers", type=int, help="processes side by side (default: one for each core)")
    figures.add_argument(
        "--mnist",
        metavar="DIR",
        help="where the files of MNIST are, for figure 4 (default: what RDAE_MNIST says); 'sklearn' for small digits",
    )
    figures.add_argument("--sweep", action="store_true", help="figure 4: a control, other µ, decay and noise, too")
    figures.add_argument("--readme", type=Path, metavar="FILE", help="put the claims into the table of this page")
    figures.add_argument("--quiet", action="store_true", help="do not print the claims")
    figures.set_defaults(command=_figures)


def _figures(options: argparse.Namespace) -> int:
    if options.list:
        width = max(map(len, FIGURES))
        for name, experiment in FIGURES.items():
            print(f"{name:{width}}  {experiment.title}{' (supplementary)' if experiment.supplementary else ''}")
        return 0
    chosen, source = _chosen(options), digits_source(options.mnist)
    if options.output.exists() and not options.output.is_dir():
        raise NotADirectoryError(f"{options.output} is no folder: name one for the figures")
    if options.readme and not options.readme.is_file():
        raise FileNotFoundError(f"there is no page {options.readme} to put the claims in")
    modules = [load(name) for name in chosen]  # a wrong name is refused before the first one is drawn
    if options.readme:
        with_claims(options.readme.read_text(encoding="utf-8"), [])  # and so is a page without a table
    claims = []
    for name, module in zip(chosen, modules, strict=True):
        more: dict[str, Any] = {"source": source} if FIGURES[name].digits else {}
        if options.sweep and name == "4":
            more["sweep"] = True
        result = module.run(folder=options.output, workers=options.workers, **more)
        claims += module.write(result, options.output)
        if not options.quiet:
            file = getattr(result, "name", module.__name__.rsplit(".", 1)[1])
            print(f"figure {name}: {options.output / file}.png, .svg, .csv, .json")
    if claims and not options.quiet:
        print(claims_table(claims))
    if options.readme:
        _update(options.readme, options.output)
    return 0


def _chosen(options: argparse.Namespace) -> list[str]:
    """Return the figures that are to be drawn; those of digits are left out, unless asked for, where there are none."""
    drawn = options.names or [n for n, experiment in FIGURES.items() if options.all or not experiment.supplementary]
    without = [name for name in drawn if name in FIGURES and FIGURES[name].digits and not digits_source(options.mnist)]
    if not without:
        return drawn
    said = "needs the digits of MNIST: give their folder by --mnist DIR or RDAE_MNIST (rdae-ref fetch gets them)"
    if options.names:
        raise ValueError(f"figure {without[0]} {said}, or --mnist sklearn for small ones")
    print(f"left out: figure {' and '.join(without)}, which {said}", file=sys.stderr)
    return [name for name in drawn if name not in without]


def _update(page: Path, folder: Path) -> None:
    """Put the claims of the paper's figures, drawn now or before, into the table of a page."""
    drawn = [stem(name) for name, experiment in FIGURES.items() if not experiment.supplementary]
    files = [file for name in drawn for file in (name, f"{name}_sweep") if (folder / f"{file}.json").exists()]
    claims = [item for file in files for item in read_claims(folder, file)]
    text = with_claims(page.read_text(encoding="utf-8"), claims)
    with written_whole(page) as file:
        file.write(text)
