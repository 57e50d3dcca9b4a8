"""The command line: ``rdae-ref check``, ``compare``, ``figures``, ``fetch``, ``fit``, ``transform`` and ``inspect``.

Exit codes: 0 done; 1 done, and something failed the check, differs or did not converge; 2 not done, for the arguments
or an interrupt.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from .._version import __version__
from .check import add_check
from .compare import add_compare
from .fetch import add_fetch
from .figures import add_figures
from .model import add_fit, add_inspect, add_transform

__all__ = ["main"]

SEEDS = """\
Verbs that draw random numbers take --seed, 0 unless it is given. The figures have seeds of their own, several for each,
which stand in their JSON files; transform and inspect draw nothing."""


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
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no Greek gets the rest
    try:
        options = _parser().parse_args(arguments)
        code: int = options.command(options)
        sys.stdout.flush()  # here, where a reader that has left can still be answered for
        return code
    except BrokenPipeError:  # as `head` does once it has its lines; nothing more can be said to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, TypeError, ArithmeticError, OSError, ImportError, MemoryError) as error:
        print(f"rdae-ref: {str(error) or type(error).__name__}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nrdae-ref: interrupted; no file is half written, and finished runs are kept", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rdae-ref",
        description="The rate-distortion auto-encoder, as a reference.",
        epilog=SEEDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for add in (add_check, add_compare, add_figures, add_fetch, add_fit, add_transform, add_inspect):
        add(verbs)
    return parser
