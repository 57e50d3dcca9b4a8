"""Files that are either whole or not there, what they can hold, and npz files that are read whole or refused."""

import math
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

__all__ = ["BROKEN", "ContentError", "json_ready", "read_npz", "written_whole"]

# What NumPy and zipfile raise for a file that is damaged, encrypted, or claims to be larger than memory.
BROKEN = (
    *(ValueError, TypeError, KeyError, SyntaxError, UnicodeError, EOFError, OSError, RuntimeError, MemoryError),
    *(OverflowError, zipfile.BadZipFile, zlib.error),
)


class ContentError(ValueError):
    """A file that could be read holds what was not expected in it."""


@contextmanager
def written_whole(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that takes its name only when all of it is on the disk.

    It is written beside the place where it will stand, flushed, and renamed: at every moment there is either the old
    file or the new one, and after an error or an interrupt the old one.

    Parameters
    ----------
    path : str or path-like
        Where the file will stand; its folder must exist.
    mode : str
        ``"w"`` for text in UTF-8, ``"wb"`` for bytes.

    Yields
    ------
    file
        Open for writing.

    Raises
    ------
    OSError
        If the folder is not there, or not to be written to, or what stands at `path` is no file.
    """
    path = Path(os.path.realpath(path))  # through a link, to which the renaming would put an end
    if path.exists() and not path.is_file():  # which it would do to a device, too
        raise OSError(f"{path} is a {'folder' if path.is_dir() else 'device'}: name a file")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise type(error)(f"{path} cannot be written: {error.strerror} in its folder") from None
    try:
        with os.fdopen(descriptor, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files that nobody else may read
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read_npz(
    path: str | os.PathLike[str], check_name: Callable[[str], object] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of an npz file, and unpickle nothing.

    Parameters
    ----------
    path : str or path-like
        The file.
    check_name : callable, optional
        Called with each name before anything is read; it refuses one by a `ContentError`.

    Returns
    -------
    dict of arrays
        By name, in the order of the file.

    Raises
    ------
    OSError
        If there is no such file, or it is not to be read.
    ValueError
        If it is no npz file; a `ContentError` if something in it is no array of numbers or text.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name an npz file in it")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path} is no npz file: write it with numpy.savez")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as archive:
                if check_name is not None:
                    for name in archive.files:
                        check_name(name)
                return {name: _member(archive, name, path) for name in archive.files}
        except ContentError:
            raise
        except BROKEN as error:
            raise ValueError(f"{path} is no npz file that can be read ({str(error) or type(error).__name__})") from None


def _member(archive: Any, name: str, path: Path) -> npt.NDArray[Any]:
    try:
        array = archive[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ContentError(f"{path}: {name} holds Python objects, which are not unpickled: store numbers") from None
    if not isinstance(array, np.ndarray):
        raise ContentError(f"{path}: {name} is no array: write the file with numpy.savez")
    return array


def json_ready(value: Any) -> Any:
    """Return a value as JSON can hold it: tuples as lists, what is not finite as None.

    Parameters
    ----------
    value : object
        A number, a string, or nested dictionaries, tuples and lists of them.

    Returns
    -------
    object
        Of the same form.
    """
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [json_ready(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
