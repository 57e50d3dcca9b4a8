"""What the commands have in common."""

import argparse
import difflib
import errno
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from ..files import printable, written_whole

__all__ = ["Lasting", "Parser", "Verbs", "add_verb", "as_seed", "check_folder", "say", "write_json"]

Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"
Command = Callable[[argparse.Namespace], int]

COLOURS = {"red": "\x1b[31m", "yellow": "\x1b[33m"}


class Lasting:
    r"""A stream that outlasts its reader: what cannot be written any more is dropped, and the work goes on.

    Control characters are written as escapes such as ``\x1b``: names of files and of columns may have them. A carriage
    return stays where a text begins, as for progress.

    `failed` is the error if that is a loss, such as a full disk; a reader that has left, as ``head`` does, is none.
    """

    def __init__(self, stream: Any) -> None:
        self.stream, self.open = stream, stream is not None
        self.failed: OSError | None = None

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        begin = text.startswith("\r")
        self._attempt("write", "\r" * begin + printable(text[begin:], keep="\n\t"))
        return len(text)

    def paint(self, text: str, colour: str) -> None:
        """Write text in a colour if this is a terminal that shows colours, and NO_COLOR is not set."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not (self.open and self.isatty())
        self._attempt("write", printable(text) if plain else f"{COLOURS[colour]}{printable(text)}\x1b[0m")

    def flush(self) -> None:
        """Write what is in the buffer, or drop it."""
        self._attempt("flush")

    def _attempt(self, name: str, *arguments: str) -> None:
        try:
            if self.open:
                getattr(self.stream, name)(*arguments)
        except OSError as error:
            self.open = False
            self.failed = None if error.errno in (errno.EPIPE, errno.EBADF) else error
            with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:  # for what the buffer still has
                os.dup2(nowhere.fileno(), self.stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def say(text: object, colour: str = "red") -> None:
    """Print what went wrong, or may have, to stderr, under the name of the command."""
    if isinstance(sys.stderr, Lasting):
        sys.stderr.paint("rdae-ref:", colour)
        print(f" {printable(text, keep=chr(10))}", file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """A parser that suggests what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        known = [name for action in self._actions for name in (*action.option_strings, *(action.choices or ()))]
        found = re.search(r"invalid choice: '(.*?)'|unrecognized arguments: (\S+)", message)
        near = difflib.get_close_matches(found[1] or found[2], [str(name) for name in known], 1) if found else []
        if near:
            message = f"{message.split(' (choose')[0]}: did you mean {near[0]!r}?"
        super().error(message)


def add_verb(verbs: Verbs, name: str, what: str, example: str, command: Command) -> Parser:
    """Add a command with its help, which ends in an example that works as pasted."""
    raw, epilog = argparse.RawDescriptionHelpFormatter, f"example:\n  {example}"
    parser = verbs.add_parser(name, help=what, description=what, epilog=epilog, formatter_class=raw)
    parser.set_defaults(parser=parser, command=command)
    return parser


def as_seed(text: str) -> int:
    """Return a seed, or refuse what is not a whole number, 0 or above."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or above, got {text!r}")
    return int(text)


def check_folder(path: Path | None) -> None:
    """Refuse a file that cannot be written before the work whose result it will hold."""
    if not path:
        return
    folder = path.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder} to write {path.name} in")
    if path.exists() and not path.is_file():
        kind, error = ("folder", IsADirectoryError) if path.is_dir() else ("pipe or device", OSError)
        raise error(f"{path} is a {kind}: name a file")
    try:
        tempfile.TemporaryFile(dir=folder).close()  # permissions alone do not tell
    except OSError as error:
        raise type(error)(f"{path} cannot be written: {error.strerror} in its folder") from None


def write_json(path: Path, content: object) -> None:
    """Write JSON into a file that is whole or not there."""
    with written_whole(path) as file:
        json.dump(content, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
