"""What the verbs have in common."""

import argparse
import json
import tempfile
from pathlib import Path
from typing import TypeAlias

from ..files import written_whole

__all__ = ["Verbs", "add_verb", "as_seed", "check_folder", "write_json"]

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_verb(verbs: Verbs, name: str, what: str, example: str) -> argparse.ArgumentParser:
    """Add a verb with its help, which ends in an example that works as pasted.

    Parameters
    ----------
    verbs : argparse action
        The verbs so far.
    name : str
        How it is called.
    what : str
        One sentence.
    example : str
        Lines for a shell, indented by two spaces from the second one on.

    Returns
    -------
    ArgumentParser
        For its arguments.
    """
    return verbs.add_parser(
        name,
        help=what,
        description=what,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def as_seed(text: str) -> int:
    """Return a seed, or say why it is none.

    Parameters
    ----------
    text : str
        As it was typed.

    Returns
    -------
    int
        0 or above.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is no whole number, 0 or above.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or above, got {text!r}")
    return int(text)


def check_folder(path: Path | None) -> None:
    """Refuse a file that cannot be written, before the work whose result it is to hold.

    Parameters
    ----------
    path : Path or None
        The file; None is not to be written.

    Raises
    ------
    OSError
        If its folder is not there or takes no files, or it is no file itself.
    """
    if not path:
        return
    folder = path.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder} to write {path.name} in")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file in it")
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is a device: name a file")
    try:
        tempfile.TemporaryFile(dir=folder).close()  # which no question about permissions answers as well
    except OSError as error:
        raise type(error)(f"{path} cannot be written: {error.strerror} in its folder") from None


def write_json(path: Path, content: object) -> None:
    """Write JSON into a file that is whole or not there.

    Parameters
    ----------
    path : Path
        Where.
    content : object
        What JSON can hold.
    """
    with written_whole(path) as file:
        json.dump(content, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
