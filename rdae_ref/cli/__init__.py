"""The command line: one module for each verb, or for several that go together; exit codes in docs/howto/command.md."""

import argparse
import io
import sys
from collections.abc import Sequence
from typing import Any

from .. import _command
from .._version import __version__
from .check import add_check
from .common import Lasting, Parser, Verbs, say
from .compare import add_compare
from .fetch import add_fetch
from .figures import add_figures
from .model import add_fit, add_inspect, add_score, add_transform

__all__ = ["main"]

SEEDS = """\
Commands that draw random numbers take --seed, 0 by default. The figures have their own seeds, which are in their
JSON files; transform, score and inspect draw nothing.

Exit codes: 0 done; 1 done, but a check failed, results differ, or a fit did not converge or collapsed; 2 failed,
because of the arguments or the files; 130 interrupted by Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Greek letters gets the rest
    streams: Any = sys.stdout, sys.stderr
    out, err = lasting = tuple(Lasting(stream) for stream in streams)
    try:
        sys.stdout, sys.stderr = lasting
        _command.begin()
        try:
            code = _run(arguments)
        except SystemExit:  # of argparse, after --help or an error
            if _is_lost(out, err):
                return 2
            raise
        return 2 if _is_lost(out, err) else code
    except KeyboardInterrupt:
        print("\nrdae-ref: interrupted; no file is half written, and finished runs are kept", file=err)
        return _command.INTERRUPTED
    finally:
        _command.finish()
        for stream in lasting:
            stream.flush()
        sys.stdout, sys.stderr = streams
        _command.end()


def _is_lost(out: Lasting, err: Lasting) -> bool:
    """Return whether the output could not be written, and say so."""
    out.flush()
    if out.failed:
        print(f"rdae-ref: the output could not be written: {out.failed}", file=err)
    return out.failed is not None


def _run(arguments: Sequence[str] | None) -> int:
    parser = _parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help()
        return 0
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        code: int = options.command(options)
        return code
    except (ValueError, TypeError, ArithmeticError, OSError, ImportError, MemoryError) as error:
        say(str(error) or type(error).__name__)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="rdae-ref",
        description="A reference implementation of the rate-distortion auto-encoder.",
        epilog=SEEDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs: Verbs = parser.add_subparsers(required=True, metavar="VERB")
    for add in (add_check, add_compare, add_figures, add_fetch, add_fit, add_transform, add_score, add_inspect):
        add(verbs)
    return parser
