"""``rdae-ref fetch``."""

import argparse
from pathlib import Path

from ..data.digits import fetch_mnist
from .common import Verbs, add_verb


def add_fetch(verbs: Verbs) -> None:
    """Add the command."""
    what = "Fetch the four files of MNIST, for figure 4, from a server or folder, and verify their checksums."
    example = "rdae-ref fetch --from https://ossci-datasets.s3.amazonaws.com/mnist --to mnist"
    fetch = add_verb(verbs, "fetch", what, f"{example}\n  rdae-ref figures 4 --mnist mnist", _fetch)
    address = "the address of the folder that has them"
    fetch.add_argument("--from", dest="url", required=True, metavar="URL", help=address)
    fetch.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="created if it does not exist")
    fetch.add_argument("--quiet", action="store_true", help="print nothing")


def _fetch(options: argparse.Namespace) -> int:
    paths = fetch_mnist(options.url, options.to)
    if not options.quiet:
        print(*paths, sep="\n")
    return 0
