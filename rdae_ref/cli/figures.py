"""``rdae-ref figures``."""

import argparse
from pathlib import Path

from ..experiments import FIGURES, load
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
    figures.add_argument("--readme", type=Path, metavar="FILE", help="put the claims into the table of this page")
    figures.add_argument("--quiet", action="store_true", help="do not print the claims")
    figures.set_defaults(command=_figures)


def _figures(options: argparse.Namespace) -> int:
    if options.list:
        width = max(map(len, FIGURES))
        for name, experiment in FIGURES.items():
            print(f"{name:{width}}  {experiment.title}{' (supplementary)' if experiment.supplementary else ''}")
        return 0
    chosen = options.names or [n for n, experiment in FIGURES.items() if options.all or not experiment.supplementary]
    if options.output.exists() and not options.output.is_dir():
        raise NotADirectoryError(f"{options.output} is no folder: name one for the figures")
    if options.readme and not options.readme.is_file():
        raise FileNotFoundError(f"there is no page {options.readme} to put the claims in")
    modules = [load(name) for name in chosen]  # a wrong name is refused before the first one is drawn
    if options.readme:
        with_claims(options.readme.read_text(encoding="utf-8"), [])  # and so is a page without a table
    claims = []
    for name, module in zip(chosen, modules, strict=True):
        result = module.run(folder=options.output, workers=options.workers)
        claims += module.write(result, options.output)
        if not options.quiet:
            print(f"figure {name}: {options.output / module.__name__.rsplit('.', 1)[1]}.png, .svg, .csv, .json")
    if claims and not options.quiet:
        print(claims_table(claims))
    if options.readme:
        _update(options.readme, options.output)
    return 0


def _update(page: Path, folder: Path) -> None:
    """Put the claims of the paper's figures, drawn now or before, into the table of a page."""
    drawn = [experiment.module for experiment in FIGURES.values() if not experiment.supplementary]
    claims = [item for name in drawn if (folder / f"{name}.json").exists() for item in read_claims(folder, name)]
    text = with_claims(page.read_text(encoding="utf-8"), claims)
    with written_whole(page) as file:
        file.write(text)
