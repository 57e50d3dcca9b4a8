"""The command line: ``rdae-ref check``, ``compare``, ``figures`` and ``fetch``.

Exit codes: 0 done; 1 done, and something failed the check or differs; 2 not done, for the arguments or an interrupt.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ._version import __version__
from .check import check_table, equation_check, has_mpmath, oracle_check
from .comparison import SNIPPETS, compare_file, write_template
from .digits import digits_source, fetch_mnist
from .experiments import FIGURES, load
from .experiments.claims import claims_table, with_claims
from .experiments.output import read_claims
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
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"rdae-ref: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nrdae-ref: interrupted; finished runs are kept and will not be repeated", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rdae-ref", description="The rate-distortion auto-encoder, as a reference.")
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_check(verbs)
    _add_compare(verbs)
    _add_figures(verbs)
    _add_fetch(verbs)
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
    check.add_argument("--oracles", action="store_true", help="against HIPS autograd, PyTorch and JAX, too (a minute)")
    check.add_argument("--seed", type=_seed, default=0, help="of data and parameters (default 0)")
    check.add_argument("--quiet", action="store_true", help="print nothing: the exit code says it")
    check.set_defaults(command=_check)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or above, got {text!r}")
    return int(text)


def _check(options: argparse.Namespace) -> int:
    _check_folder(options.json)
    rows = equation_check(options.seed)
    passed, report = all(row.passed for row in rows), {"rows": [row.to_dict() for row in rows]}
    text = [check_table(rows)]
    if not has_mpmath():
        text.append('Without mpmath the comparisons with 50 digits are left out: pip install "rdae_ref[test]"')
    if options.oracles:
        compared = oracle_check()
        text.append(str(compared))
        passed, report = passed and compared.passed, report | compared.to_dict()
    if not options.quiet:
        print("\n\n".join(text))
    if options.json:
        _write_json(options.json, {"passed": passed, **report})
    return 0 if passed else 1


def _check_folder(path: Path | None) -> None:
    """Refuse a file that cannot be written, before the work whose result it is to hold."""
    if path and not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.absolute().parent} to write {path.name} in")


def _write_json(path: Path, content: object) -> None:
    with written_whole(path) as file:
        json.dump(content, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")


def _add_compare(verbs: Verbs) -> None:
    compare = _verb(
        verbs,
        "compare",
        "Compare your arrays with ours, and explain where they differ; exit code 1 if they do.",
        "rdae-ref compare --template mine.npz\n  rdae-ref compare mine.npz",
    )
    files = compare.add_mutually_exclusive_group(required=True)
    files.add_argument("file", nargs="?", type=Path, metavar="FILE.npz", help="your arrays, as numpy.savez writes them")
    files.add_argument(
        "--template",
        nargs="?",
        type=Path,
        const=Path("compare.npz"),
        metavar="FILE.npz",
        help="write an example to fill, and print how PyTorch and JAX do it (default compare.npz)",
    )
    compare.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON, too")
    compare.add_argument("--quiet", action="store_true", help="print nothing: the exit code says it")
    compare.set_defaults(command=_compare)


def _compare(options: argparse.Namespace) -> int:
    _check_folder(options.template)
    _check_folder(options.json)
    if options.template:
        write_template(options.template)
        if not options.quiet:
            for framework, snippet in SNIPPETS.items():
                print(f"# {framework}: fills {options.template}\n{snippet.format(path=options.template)}")
            print(f"# and then: rdae-ref compare {options.template}")
        return 0
    comparison = compare_file(options.file)
    if not options.quiet:
        print(comparison)
    if options.json:
        _write_json(options.json, comparison.to_dict())
    return 0 if comparison.agrees else 1


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
    drawn = [experiment.module for experiment in FIGURES.values() if not experiment.supplementary]
    files = [file for name in drawn for file in (name, f"{name}_sweep") if (folder / f"{file}.json").exists()]
    claims = [item for file in files for item in read_claims(folder, file)]
    text = with_claims(page.read_text(encoding="utf-8"), claims)
    with written_whole(page) as file:
        file.write(text)


def _add_fetch(verbs: Verbs) -> None:
    fetch = _verb(
        verbs,
        "fetch",
        "Fetch the four files of MNIST, for figure 4, from any server or folder that has them; checksums are compared.",
        "rdae-ref fetch --from file:///mnt/mnist --to mnist\n  rdae-ref figures 4 --mnist mnist",
    )
    fetch.add_argument("--from", dest="url", required=True, metavar="URL", help="what stands before the names")
    fetch.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="made if it is not there")
    fetch.set_defaults(command=_fetch)


def _fetch(options: argparse.Namespace) -> int:
    for path in fetch_mnist(options.url, options.to):
        print(path)
    return 0
