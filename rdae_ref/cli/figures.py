"""``rdae-ref figures``."""

import argparse
import sys
from pathlib import Path
from typing import Any

from ..data.digits import digits_source
from ..experiments import FIGURES, VARIED, load, stem
from ..experiments.claims import Claim, agreed, claims_table, with_claims, with_runs
from ..experiments.output import runs_of
from ..experiments.training import variant
from ..files import written_whole
from .common import Verbs, add_verb

VARIANT_HELP = {
    "literal": "with the equations as printed (method='paper')",
    "shifted": "from starts moved by 1e-12, which shows what depends on rounding",
}
RUNS = {"": "default", "_shifted": "start moved by 1e-12", "_literal": "as printed"}  # what the page calls them


def add_figures(verbs: Verbs) -> None:
    """Add the verb."""
    what = "Draw figures, with the numbers behind them as CSV and the claims of the paper as JSON."
    figures = add_verb(verbs, "figures", what, "rdae-ref figures 1 --output figures", _figures)
    figures.add_argument("names", nargs="*", metavar="NAME", help="figures to draw (default: those of the paper)")
    figures.add_argument("--all", action="store_true", help="also draw the supplementary figures")
    figures.add_argument("--list", action="store_true", help="list the figures and exit")
    figures.add_argument("--output", type=Path, default=Path("figures"), metavar="FOLDER", help="default: figures")
    figures.add_argument("--workers", type=int, help="number of processes (default: one for each core)")
    variants = figures.add_mutually_exclusive_group()
    for name, what in VARIANT_HELP.items():
        said = f"draw figures 1, 2 and 3 {what}, into separate files"
        variants.add_argument(f"--{name}", dest="variant", action="store_const", const=name, help=said)
    figures.add_argument("--all-files", action="store_true", help="also write SVG files and long tables")
    mnist = "folder of the MNIST files, for figure 4 (default: $RDAE_MNIST); 'sklearn' for small digits"
    figures.add_argument("--mnist", metavar="DIR", help=mnist)
    figures.add_argument("--sweep", action="store_true", help="figure 4: also other µ, batches, noise and decay")
    figures.add_argument("--claims", type=Path, metavar="FILE", help="update the tables of claims on this page")
    figures.add_argument("--quiet", action="store_true", help="do not print the claims")


def _figures(options: argparse.Namespace) -> int:
    if options.list:
        width = max(map(len, FIGURES))
        for name, experiment in FIGURES.items():
            print(f"{name:{width}}  {experiment.title}{' (supplementary)' if experiment.supplementary else ''}")
        return 0
    chosen, source = _chosen(options), digits_source(options.mnist)
    if options.output.exists() and not options.output.is_dir():
        raise NotADirectoryError(f"{options.output} is not a folder: name one for the figures")
    if options.claims and not options.claims.is_file():
        raise FileNotFoundError(f"there is no page {options.claims} to put the claims in")
    modules = [load(name) for name in chosen]  # a wrong name is refused before the first one is drawn
    if options.claims:  # and so is a page without a table
        text = with_claims(options.claims.read_text(encoding="utf-8"), [])
        if options.variant:
            with_runs(text, {"": []})
    claims: list[Claim] = []
    for name, module in zip(chosen, modules, strict=True):
        takes_digits = FIGURES[name].digits or FIGURES[name].more_with_digits
        more: dict[str, Any] = {"source": source} if takes_digits else {}
        if options.sweep and name == "4":
            more["sweep"] = True
        if options.variant:
            more["settings"] = variant(module.Settings(), options.variant)
        result = module.run(folder=options.output, workers=options.workers, **more)
        claims += module.write(result, options.output, all_files=options.all_files)
        if not options.quiet:
            file = f"{getattr(result, 'name', stem(name))}{'_' + options.variant if options.variant else ''}"
            kinds = ".png, .json" if options.variant and not options.all_files else ".png, .csv, .json"
            print(f"figure {name}: {options.output / file}{kinds}")
    if claims and not options.quiet:
        print(claims_table(claims))
    if options.claims:
        _update(options.claims, options.output)
    return 0


def _chosen(options: argparse.Namespace) -> list[str]:
    """Return the figures to draw; those of digits are left out where there are none, unless they are named."""
    if options.variant:
        others = [name for name in options.names if name not in VARIED]
        others += [option for option in ("all", "sweep") if getattr(options, option)]
        if others:
            raise ValueError(f"--{options.variant} draws figures {', '.join(VARIED)}, got {', '.join(others)}")
        return options.names or list(VARIED)
    drawn = options.names or [n for n, experiment in FIGURES.items() if options.all or not experiment.supplementary]
    without = [name for name in drawn if name in FIGURES and FIGURES[name].digits and not digits_source(options.mnist)]
    if not without:
        return drawn
    said = "needs the digits of MNIST: name their folder, --mnist DIR or RDAE_MNIST (rdae-ref fetch downloads them)"
    if options.names:
        raise ValueError(f"figure {without[0]} {said}, or --mnist sklearn for small ones")
    print(f"skipped: figure {' and '.join(without)}, which {said}", file=sys.stderr)
    return [name for name in drawn if name not in without]


def _update(page: Path, folder: Path) -> None:
    """Put the claims of the paper's figures, drawn now or before, into the tables of a page."""
    text, names = page.read_text(encoding="utf-8"), [n for n, figure in FIGURES.items() if not figure.supplementary]
    files = [file for name in names for file in (stem(name), f"{stem(name)}_sweep")]
    drawn = {file: runs for file in files if (runs := runs_of(folder, file))}
    text = with_claims(text, [item for runs in drawn.values() for item in agreed([*runs.values()])])
    compared = [drawn[stem(name)] for name in VARIED if len(drawn.get(stem(name), ())) == 1 + len(VARIANT_HELP)]
    if compared:
        runs = {called: [item for of in compared for item in of[end]] for end, called in RUNS.items()}
        text = with_runs(text, runs, runs_of(folder, "ascent").get("", ()))
    with written_whole(page) as file:
        file.write(text)
