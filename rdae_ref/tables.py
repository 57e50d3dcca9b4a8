"""Tables of numbers: samples in the rows of a csv, npy or npz file, read whole or refused with the line at fault."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_matrix
from .files import BROKEN, read_npz, written_whole

__all__ = ["Table", "read_table", "write_table"]

DELIMITERS = {"tab": "\t", "semicolon": ";", "comma": ","}  # looked for in this order
WHITESPACE = "whitespace"
BINARY = (".npy", ".npz")

Lines = Sequence[tuple[int, str]]  # with their numbers in the file


class Table(NamedTuple):
    """Numbers in rows.

    Parameters
    ----------
    values : Array, shape (N, d)
        Finite.
    columns : tuple of str or None
        Their names, where a header says them.
    """

    values: Array
    columns: tuple[str, ...] | None


def read_table(
    path: str | os.PathLike[str], *, delimiter: str | None = None, header: bool | None = None, key: str | None = None
) -> Table:
    r"""Read a table of finite numbers from a file.

    Parameters
    ----------
    path : str or path-like
        A ``.npy`` or ``.npz`` file, which is not unpickled, or else text in UTF-8. Of text, blank lines and those that
        begin with ``#`` are passed over.
    delimiter : str, optional
        Of text: one character, ``"tab"``, ``"semicolon"``, ``"comma"`` or ``"whitespace"``. By default that of these
        four that comes first in this list and is found in the first line.
    header : bool, optional
        Of text: whether the first line holds the names of the columns. By default if none of its fields is a number.
    key : str, optional
        Of an npz file: the name of the array, if there are several.

    Returns
    -------
    Table
        values and columns.

    Raises
    ------
    OSError
        If there is no such file, or it is not to be read.
    TypeError, ValueError
        If it is no table of finite numbers, with the line at fault if it is text; or an option is for another form.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.csv").write_text("height,width\n1,2\n3,4\n")
    ...     read_table(Path(folder, "a.csv")).columns
    ('height', 'width')
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file in it")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if key is not None and path.suffix != ".npz":
        raise ValueError(f"{path} has no arrays with names: a key is for npz files")
    if path.suffix not in BINARY:
        return _parse(path, _lines(path), delimiter, header)
    if delimiter is not None or header is not None:
        raise ValueError(f"{path} has no lines: delimiter and header are for text")
    array = _read_npy(path) if path.suffix == ".npy" else _pick(path, read_npz(path), key)
    if array.ndim != 2:
        words = f"an array of shape {array.shape}: a table has samples in rows and features in columns"
        raise ValueError(f"{path} holds {words}, so reshape it to (N, d)")
    return Table(as_matrix(array, str(path)), None)


def write_table(
    path: str | os.PathLike[str], values: npt.ArrayLike, columns: Sequence[str] | None = None, *, name: str = "values"
) -> None:
    """Write a table of numbers, so that reading it gives the same to the bit.

    Parameters
    ----------
    path : str or path-like
        It ends in ``.csv``, ``.npy`` or ``.npz``, which says the form.
    values : array_like, shape (N, d)
        The numbers.
    columns : sequence of str, optional
        The first line of a csv file.
    name : str
        Of the array in an npz file.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    TypeError, ValueError
        If the name of the file ends otherwise, or the values are no finite matrix.
    """
    values, path = as_matrix(values, "values"), Path(path)
    check_writable_table(path)
    with written_whole(path, "wb") as file:
        if path.suffix == ".npy":
            np.save(file, values)
        elif path.suffix == ".npz":
            np.savez(file, **{name: values})  # type: ignore[arg-type]  # NumPy's stub takes one name for allow_pickle
        else:
            first = io.StringIO()
            csv.writer(first, lineterminator="").writerow(columns or ())
            np.savetxt(file, values, "%.17g", ",", header=first.getvalue(), comments="", encoding="utf-8")


def check_writable_table(path: Path) -> None:
    """Refuse a name that does not say the form of a table."""
    if path.suffix not in (".csv", *BINARY):
        raise ValueError(f"{path} must end in .csv, .npy or .npz, which says how to write it")


def _read_npy(path: Path) -> npt.NDArray[np.generic]:
    with path.open("rb") as file:
        try:
            array = np.load(file, allow_pickle=False)
        except BROKEN as error:
            if "pickle" in str(error):  # what NumPy makes of anything unknown; unpickling is no advice
                raise ValueError(f"{path} is no npy file of numbers: write it with numpy.save") from None
            raise ValueError(f"{path} is no npy file that can be read ({str(error) or type(error).__name__})") from None
        if not isinstance(array, np.ndarray):
            array.close()
            raise ValueError(f"{path} is an npz file by its content: rename it")
    return array


def _pick(path: Path, arrays: dict[str, npt.NDArray[np.generic]], key: str | None) -> npt.NDArray[np.generic]:
    names = ", ".join(arrays) or "none"
    if key is None and len(arrays) != 1:
        raise ValueError(f"{path} must hold one array, or the key of one must be named, got {len(arrays)}: {names}")
    if key is not None and key not in arrays:
        raise ValueError(f"{path} has no array {key!r}: there are {names}")
    return arrays[next(iter(arrays)) if key is None else key]


def _lines(path: Path) -> Lines:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}, line {line}: not text in UTF-8 ({error.reason})") from None
    numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    lines = [(number, line) for number, line in numbered if not line.lstrip().startswith("#")]
    if not lines:
        raise ValueError(f"{path} is empty: it must hold rows of numbers")
    return lines


def _parse(path: Path, lines: Lines, delimiter: str | None, header: bool | None) -> Table:
    first, text = lines[0]
    separator = _separator(text, delimiter)
    names = _fields(path, lines[0], separator)
    if header is None:
        header = not any(map(_is_number, names))
    body = lines[1:] if header else lines
    if not body:
        raise ValueError(f"{path}, line {first} is a header, and no row of numbers follows it")
    try:
        values = np.loadtxt([text for _, text in body], delimiter=separator, ndmin=2, comments=None, quotechar='"')
    except ValueError as error:
        _find_fault(path, body, separator)
        raise ValueError(f"{path} is no table of numbers: {error}") from None
    if header and len(names) != values.shape[1]:
        words = f"line {first} names {len(names)} columns, and line {body[0][0]} has {values.shape[1]}"
        raise ValueError(f"{path}, {words}")
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        words = f"line {body[row][0]}, column {column + 1} is {values[row, column]}: remove the row or impute it"
        raise ValueError(f"{path}, {words}")
    return Table(values, tuple(name.strip() for name in names) if header else None)


def _separator(text: str, delimiter: str | None) -> str | None:
    """Return what stands between two fields; None for any amount of whitespace."""
    if delimiter is None:
        return next((character for character in DELIMITERS.values() if character in text), None)
    if delimiter in (WHITESPACE, " "):
        return None
    delimiter = DELIMITERS.get(delimiter, delimiter)
    if len(delimiter) != 1 or delimiter in '\r\n"' or delimiter.isalnum():
        raise ValueError(f"delimiter must be one character, {', '.join(DELIMITERS)} or {WHITESPACE}, got {delimiter!r}")
    return delimiter


def _fields(path: Path, line: tuple[int, str], separator: str | None) -> list[str]:
    number, text = line
    if separator is None:
        return text.split()
    try:
        return next(csv.reader([text], delimiter=separator))
    except csv.Error as error:
        raise ValueError(f"{path}, line {number}: {error}") from None


def _find_fault(path: Path, body: Lines, separator: str | None) -> None:
    """Refuse the first line that differs in length from the first one, or has a field that is no number."""
    width = len(_fields(path, body[0], separator))
    for number, text in body:
        fields = _fields(path, (number, text), separator)
        for column, field in enumerate(fields, 1):
            if not _is_number(field):
                found = f"{_short(field)} is no number" if field.strip() else "the field is empty"
                hint = ": if it is a header, say so" if number == body[0][0] else ""
                if width == 1 and any(character in field for character in DELIMITERS.values()):
                    hint = ": is it divided by another delimiter?"
                raise ValueError(f"{path}, line {number}, column {column}: {found}{hint}")
        if len(fields) != width:
            words = f"{len(fields)} columns, and line {body[0][0]} has {width}: {_short(text)}"
            raise ValueError(f"{path}, line {number} has {words}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
