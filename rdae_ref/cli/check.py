"""``rdae-ref check``."""

import argparse
from pathlib import Path

from ..verify.check import check_table, equation_check, has_mpmath, oracle_check
from .common import Verbs, add_verb, as_seed, check_folder, write_json


def add_check(verbs: Verbs) -> None:
    """Add the verb."""
    what = "Compare every equation with something that shares no code with it; exit code 1 if one fails."
    check = add_verb(verbs, "check", what, "rdae-ref check --json check.json", _check)
    check.add_argument("--json", type=Path, metavar="FILE", help="also write the table as JSON")
    check.add_argument("--oracles", action="store_true", help="also against HIPS autograd, PyTorch and JAX (a minute)")
    check.add_argument("--seed", type=as_seed, default=0, help="seed of data and parameters (default 0)")
    check.add_argument("--quiet", action="store_true", help="print nothing; the exit code is the verdict")


def _check(options: argparse.Namespace) -> int:
    check_folder(options.json)
    if options.oracles and not has_mpmath():  # said before the equations are checked, not after
        raise ImportError('--oracles needs mpmath for the fifty digits: pip install "rdae_ref[test]"')
    rows = equation_check(options.seed)
    passed, report = all(row.passed for row in rows), {"rows": [row.to_dict() for row in rows]}
    text = [check_table(rows)]
    if not has_mpmath():
        text.append('Without mpmath the comparisons with 50 digits are skipped: pip install "rdae_ref[test]"')
    if options.oracles:
        compared = oracle_check()
        text.append(str(compared))
        passed, report = passed and compared.passed, report | compared.to_dict()
    if not options.quiet:
        print("\n\n".join(text))
    if options.json:
        write_json(options.json, {"passed": passed, **report})
    return 0 if passed else 1
