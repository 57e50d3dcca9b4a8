"""The command line: ``rdae-ref check`` and ``rdae-ref figures``.

Exit codes: 0 done; 1 done, and something failed the check; 2 not done, because of the arguments or an interrupt.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from . import __version__
from .check import check_table, equation_check, has_mpmath
from .experiments import FIGURES, load
from .experiments.claims import claims_table
from .files import written_whole

__all__ = ["main"]

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process, if there are none.

    Returns
    -------
    int
        The exit code.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except (ValueError, TypeError, OSError) as error:
        print(f"rdae-ref: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nrdae-ref: interrupted; finished runs are kept and will not be repeated", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rdae-ref", description="The rate-distortion auto-encoder, as a reference.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_check(verbs)
    _add_figures(verbs)
    return parser


def _verb(verbs: Verbs, name: str, what: str, example: str) -> argparse.ArgumentParser:
    return verbs.add_parser(
        name,
        help=what,
        description=what,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_check(verbs: Verbs) -> None:
    check = _verb(
        verbs,
        "check",
        "Compare every equation with something that shares no code with it; exit code 1 if one fails.",
        "rdae-ref check --json check.json",
    )
    check.add_argument("--json", type=Path, metavar="FILE", help="write the table as JSON, too")
    check.add_argument("--seed", type=int, default=0, help="of data and parameters (default 0)")
    check.add_argument("--quiet", action="store_true", help="print nothing: the exit code says it")
    check.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    rows = equation_check(options.seed)
    if not options.quiet:
        print(check_table(rows))
        if not has_mpmath():
            print('Without mpmath the comparisons with 50 digits are left out: pip install "rdae_ref[test]"')
    passed = all(row.passed for row in rows)
    if options.json:
        with written_whole(options.json) as file:
            json.dump({"passed": passed, "rows": [row.to_dict() for row in rows]}, file, indent=2, ensure_ascii=False)
            file.write("\n")
    return 0 if passed else 1


def _add_figures(verbs: Verbs) -> None:
    figures = _verb(
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
    figures.add_argument("--quiet", action="store_true", help="do not print the claims")
    figures.set_defaults(command=_figures)


def _figures(options: argparse.Namespace) -> int:
    if options.list:
        width = max(map(len, FIGURES))
        for name, experiment in FIGURES.items():
            print(f"{name:{width}}  {experiment.title}{' (supplementary)' if experiment.supplementary else ''}")
        return 0
    chosen = options.names or [n for n, experiment in FIGURES.items() if options.all or not experiment.supplementary]
    modules = [load(name) for name in chosen]  # a wrong name is refused before the first one is drawn
    claims = []
    for name, module in zip(chosen, modules, strict=True):
        result = module.run(folder=options.output, workers=options.workers)
        claims += module.write(result, options.output)
        if not options.quiet:
            print(f"figure {name}: {options.output / module.__name__.rsplit('.', 1)[1]}.png, .svg, .csv, .json")
    if claims and not options.quiet:
        print(claims_table(claims))
    return 0
