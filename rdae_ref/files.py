"""Files that are either whole or not there, and what they can hold."""

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

__all__ = ["json_ready", "written_whole"]


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
        If the folder is not there, or not to be written to.
    """
    path = Path(path)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
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
