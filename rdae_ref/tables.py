"""Tables of numbers: samples in the rows of a csv, npy or npz file, read whole or refused with the line at fault."""

import csv
import io
import itertools
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_matrix
from .files import ContentError, Header, as_path, open_file, read_npy, read_npz, written_whole

__all__ = ["Table", "check_writable_table", "read_table", "write_table"]

DELIMITERS = {"tab": "\t", "semicolon": ";", "comma": ","}  # looked for in this order
WHITESPACE = "whitespace"
BINARY = (".npy", ".npz")
LONGEST_LINE = 2**22  # characters: a hundred thousand columns
MOST_SKIPPED = 10**6  # blank lines and comments
BLOCK = 1000  # lines
BLANKS = " \t\xa0"  # around a field
MISSING = ("na", "n/a", "nan", "null", "none", "nil", "inf", "infinity", "missing", "unknown", "true", "false",
           *("n.a.", "nd", "no data", "undefined", "nat"))  # fmt: skip

EXCEL_ERROR = re.compile(r"\s*#(?:DIV/0!|N/A|REF!|VALUE!|NAME\?|NUM!|NULL!)", re.IGNORECASE)  # no comment
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
# A line with one of these is read field by field, any other one by NumPy: characters that NumPy reads in its own way,
# and numbers so small that they may vanish.
UNUSUAL = (re.compile(r"[^\t -!#-~]"), re.compile(r"[eE]-0*[1-9]\d\d"), re.compile("0" * 100))


class Table(NamedTuple):
    """Finite numbers in rows, and the names of the columns if a header has them."""

    values: Array
    columns: tuple[str, ...] | None


def read_table(
    path: str | os.PathLike[str], *, delimiter: str | None = None, header: bool | None = None, key: str | None = None
) -> Table:
    r"""Read a table of finite numbers from a file.

    Parameters
    ----------
    path : str or path-like
        A ``.npy`` or ``.npz`` file, or else text in UTF-8. In text, blank lines and lines that begin with ``#`` are
        skipped; a quoted field must end on its line.
    delimiter : str, optional
        Of text: one character, ``"tab"``, ``"semicolon"``, ``"comma"`` or ``"whitespace"``. The default is the first of
        these four that occurs in the first line.
    header : bool, optional
        Of text: whether the first line holds the names of the columns. By default it does if every field begins with a
        letter; fields that are neither numbers nor such names are refused.
    key : str, optional
        Of an npz file: the name of the array, if there are several.

    Returns
    -------
    Table
        values and columns.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ContentError
        If it is not a table of finite numbers; for text, with the line and the column at fault.
    ValueError
        If an option is invalid, or meant for another kind of file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.csv").write_text("height,width\n1,2\n3,4\n")
    ...     read_table(Path(folder, "a.csv")).columns
    ('height', 'width')
    """
    path = as_path(path)
    if key is not None and path.suffix != ".npz":
        raise ValueError(f"{path} has no arrays with names: a key is for npz files")
    if path.suffix not in BINARY:
        return _Text(path, delimiter).table(header)
    if delimiter is not None or header is not None:
        raise ValueError(f"{path} has no lines: delimiter and header are for text")

    def choose(headers: Mapping[str, Header]) -> list[str]:
        names = ", ".join(map(repr, headers)) or "none"
        if key is None and len(headers) != 1:
            raise ContentError(f"{path} has {len(headers)} arrays ({names}): name the one to read, --key NAME")
        if key is not None and key not in headers:
            raise ContentError(f"{path} has no array {key!r}, only {names}")
        chosen = key if key is not None else next(iter(headers))
        _check_axes(path, headers[chosen].shape)
        return [chosen]

    array = read_npy(path) if path.suffix == ".npy" else next(iter(read_npz(path, choose).values()))
    _check_axes(path, array.shape)
    try:
        return Table(as_matrix(array, str(path)), None)
    except (TypeError, ValueError) as error:
        raise ContentError(str(error)) from None


def _check_axes(path: Path, shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise ContentError(f"{path} has an array of shape {shape}: reshape it to (N, d), samples in rows")


def write_table(
    path: str | os.PathLike[str], values: npt.ArrayLike, columns: Sequence[str] | None = None, *, name: str = "values"
) -> None:
    """Write a table of numbers, so that reading it gives the same to the bit.

    `path` ends in ``.csv``, ``.npy`` or ``.npz``, which selects the format. `columns` are the first line of a csv file,
    `name` is that of the array in an npz file.
    """
    values, path = as_matrix(values, "values"), as_path(path)
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
    """Refuse a file name that does not select the format of a table."""
    if path.suffix not in (".csv", *BINARY):
        raise ValueError(f"{path} must end in .csv, .npy or .npz, which selects the format")


class _Text:
    """A text file, read in blocks of lines."""

    def __init__(self, path: Path, delimiter: str | None) -> None:
        self.path, self.separator = path, None if delimiter is None else _separator(delimiter)

    def table(self, header: bool | None) -> Table:
        self.first, text = next(self.lines(), (0, ""))
        if not text:
            raise ContentError(f"{self.path} is empty: it must hold rows of numbers")
        if self.separator is None:
            self.separator = next((c for c in DELIMITERS.values() if c in text), " ")
        names = [field.strip(BLANKS) for field in self.fields(self.first, text)]
        header = self.is_header(names) if header is None else header
        values = self.numbers(header)
        if header and len(names) != values.shape[1]:
            words = f"line {self.first} names {len(names)} columns, but the rows have {values.shape[1]}"
            raise ContentError(f"{self.path}, {words}")
        return Table(values, tuple(names) if header else None)

    def numbers(self, header: bool) -> Array:
        """Read the rows in blocks; one that NumPy does not take is searched for the fault, field by field."""
        content, rows, begin, width = bytearray(), self.body(header), 0, 0
        separator = None if self.separator == " " else self.separator
        while block := list(itertools.islice(rows, BLOCK)):
            begin, width = begin or block[0][0], width or len(self.fields(*block[0]))
            try:
                lines = [text for _, text in block]
                if _is_unusual("".join(lines)):
                    lines = [self.plain(number, text) for number, text in block]
                values = np.loadtxt(lines, delimiter=separator, ndmin=2, comments=None)
            except ContentError:
                raise
            except ValueError as error:
                self.find_fault(block, begin, width)
                raise ContentError(f"{self.path}, lines {block[0][0]} to {block[-1][0]}: {error}") from None
            if values.shape[1] != width or not np.isfinite(values).all():
                self.find_fault(block, begin, width)
            content += values.tobytes()
        return np.frombuffer(content).reshape(-1, width)

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines that are neither blank nor comments, with their numbers."""
        number = given = 0
        with open_file(self.path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig") as file:
            try:
                while line := file.readline(LONGEST_LINE + 1):
                    number += 1
                    if len(line) > LONGEST_LINE:
                        raise ContentError(f"{self.path}, line {number} has more than {LONGEST_LINE} characters")
                    if line.strip() and (not line.lstrip().startswith("#") or EXCEL_ERROR.match(line)):
                        given += 1
                        yield number, line.rstrip("\n")
                    elif number - given > MOST_SKIPPED:
                        raise ContentError(f"{self.path} has more than {MOST_SKIPPED} blank lines and comments")
            except UnicodeDecodeError as error:
                words = f"line {self.line_that_is_no_text()} is not text in UTF-8 ({error.reason})"
                raise ContentError(f"{self.path}, {words}: save the table as UTF-8") from None

    def body(self, header: bool) -> Iterator[tuple[int, str]]:
        """Yield the rows of numbers, of which there must be one."""
        lines = self.lines()
        if header:
            next(lines)
        row = next(lines, None)
        if row is None:
            raise ContentError(f"{self.path}, line {self.first} is a header, and no row of numbers follows it")
        yield row
        yield from lines

    def line_that_is_no_text(self) -> int:
        number = 1
        with open_file(self.path) as file:
            while line := file.readline(LONGEST_LINE):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    break
                number += line.endswith(b"\n")
        return number

    def fields(self, number: int, text: str) -> list[str]:
        """Split a line; a quoted field must be quoted as a whole."""
        assert self.separator is not None
        if self.separator == " ":
            text = text.replace("\t", " ").strip(" ")
        try:
            return next(csv.reader([text], delimiter=self.separator, skipinitialspace=True, strict=True))
        except csv.Error as error:
            words = f"a quoted field must be quoted as a whole, and end on its line ({error})"
            raise ContentError(f"{self.path}, line {number}: {words}") from None

    def is_header(self, names: list[str]) -> bool:
        """Return whether the first line names the columns; refuse one of which that is not clear."""
        if any(NUMBER.fullmatch(name) or NOT_FINITE.fullmatch(name) for name in names):
            return False
        for column, name in enumerate(names, 1):
            if not (name[:1].isalpha() or name[:1] == "_") or name.lower() in MISSING:
                found = f"{_short(name)} is neither a number nor clearly a name" if name else "the field is empty"
                hint = f"{_format_hint(name)}; if the first row is a header, pass --header"
                raise ContentError(f"{self.path}, line {self.first}, column {column}: {found}{hint}")
        return True

    def plain(self, number: int, text: str) -> str:
        """Return a line as NumPy reads it rightly."""
        if not _is_unusual(text):
            return text
        fields = self.fields(number, text)
        for column, field in enumerate(fields, 1):
            self.check(field, number, column, len(fields))
        assert self.separator is not None
        return self.separator.join(field.strip(BLANKS) for field in fields)

    def check(self, field: str, number: int, column: int, width: int) -> None:
        """Refuse a field that is not a finite number, or that float64 rounds to zero."""
        field, where = field.strip(BLANKS), f"{self.path}, line {number}, column {column}"
        if not field:
            raise ContentError(f"{where}: the field is empty: remove the row or impute it")
        if NOT_FINITE.fullmatch(field):
            raise ContentError(f"{where} is {field.lower()}: remove the row or impute it")
        if not NUMBER.fullmatch(field):
            hint = _format_hint(field)
            hint += "; if the first row is a header, pass --header" if number == self.first else ""
            if width == 1 and any(character in field for character in DELIMITERS.values()):
                hint = "; is another character the delimiter?"
            raise ContentError(f"{where}: {_short(field)} is not a number{hint}")
        value = float(field)
        if math.isinf(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", field)[0])):
            words = f"is {value}" if value else "would become 0"
            raise ContentError(f"{where}: {_short(field)} {words} as float64: rescale the column")

    def find_fault(self, block: list[tuple[int, str]], begin: int, width: int) -> None:
        """Refuse the first field that is not a finite number, or the first row of another length than line `begin`."""
        for number, text in block:
            fields = self.fields(number, text)
            for column, field in enumerate(fields, 1):
                self.check(field, number, column, width)
            if len(fields) != width:
                words = f"line {number} has {len(fields)} columns, and line {begin} has {width}: {_short(text)}"
                raise ContentError(f"{self.path}, {words}")


def _is_unusual(text: str) -> bool:
    return any(pattern.search(text) for pattern in UNUSUAL)


def _separator(delimiter: str) -> str:
    """Return the character between two fields; a blank stands for any number of blanks and tabs."""
    if delimiter == WHITESPACE:
        return " "
    delimiter = DELIMITERS.get(delimiter, delimiter)
    if len(delimiter) != 1 or delimiter in '\r\n"' or delimiter.isalnum():
        raise ValueError(f"delimiter must be one character, {', '.join(DELIMITERS)} or {WHITESPACE}, got {delimiter!r}")
    return delimiter


def _format_hint(field: str) -> str:
    return "; write numbers as in 1234.5" if re.fullmatch(r"\W*\d[\d\W]*", field) else ""


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
