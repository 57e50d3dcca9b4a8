"""``rdae-ref fetch``."""

import argparse
from pathlib import Path

from ..data.digits import fetch_mnist
from .common import Verbs, add_verb


def add_fetch(verbs: Verbs) -> None:
    """Add the command."""
    fetch = add_verb(
        verbs,
        "fetch",
        "Fetch the four files of MNIST, for figure 4, from a server or folder, and verify their checksums.",
        "rdae-ref fetch --from https://ossci-datasets.s3.amazonaws.com/mnist --to mnist\n"
        "  rdae-ref figures 4 --mnist mnist",
    )
    fetch.add_argument(
        "--from", dest="url", required=True, metavar="URL", help="the address of the folder that has them"
    )
    fetch.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="created if it does not exist")
    fetch.add_argument("--quiet", action="store_true", help="print nothing")
    fetch.set_defaults(command=_fetch)


def _fetch(options: argparse.Namespace) -> int:
    paths = fetch_mnist(options.url, options.to)
    if not options.quiet:
        print(*paths, sep="\n")
    return 0
