"""``rdae-ref compare``."""

import argparse
from pathlib import Path

from ..verify.compare import SNIPPETS, compare_file, write_template
from .common import Verbs, add_verb, as_seed, check_folder, write_json

# Fills the template with the outputs, so that there is something to compare.
FILL = """python -c "import numpy as np; f = dict(np.load('mine.npz')); np.savez('mine.npz', **f, Xhat=
    1 / (1 + np.exp(-f['X'] @ f['W'].T - f['c'])) @ f['A'].T + f['b'])\""""


def add_compare(verbs: Verbs) -> None:
    """Add the verb."""
    example = f"rdae-ref compare --template mine.npz\n  {FILL}\n  rdae-ref compare mine.npz"
    what = "Compare your arrays with ours, and name the causes where they differ; exit code 1 if they do."
    compare = add_verb(verbs, "compare", what, example, _compare)
    files = compare.add_mutually_exclusive_group(required=True)
    files.add_argument("file", nargs="?", type=Path, metavar="FILE.npz", help="your arrays, as numpy.savez writes them")
    template = "write an example to fill in, and print the PyTorch and JAX code that does (default compare.npz)"
    default = Path("compare.npz")
    files.add_argument("--template", nargs="?", type=Path, const=default, metavar="FILE.npz", help=template)
    compare.add_argument("--json", type=Path, metavar="FILE", help="also write the report as JSON")
    compare.add_argument("--seed", type=as_seed, default=0, help="seed of the example (default 0)")
    compare.add_argument("--quiet", action="store_true", help="print nothing; the exit code is the verdict")


def _compare(options: argparse.Namespace) -> int:
    check_folder(options.template)
    check_folder(options.json)
    if options.template:
        if options.json:
            raise ValueError("--template writes an example and has no report: leave out --json")
        write_template(options.template, options.seed)
        if not options.quiet:
            for framework, snippet in SNIPPETS.items():
                print(f"# {framework}: fills {options.template}\n{snippet.format(path=options.template)}")
            print(f"# and then: rdae-ref compare {options.template}")
        return 0
    comparison = compare_file(options.file)
    if not options.quiet:
        print(comparison)
    if options.json:
        write_json(options.json, comparison.to_dict())
    return 0 if comparison.agrees else 1
