"""Tables of numbers: samples in the rows of a text, npy or npz file, read whole or refused with the field at fault."""

import codecs
import csv
import difflib
import io
import itertools
import math
import os
import re
import shlex
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from ._validation import Array, as_array, as_choice, as_matrix
from .files import GZIP, ContentError, Gunzip, Header, as_path, open_file, read_npy, read_npz, written_whole

__all__ = ["Table", "check_writable_table", "read_table", "write_table"]

# Looked for in this order. A blank is any number of blanks and tabs.
DELIMITERS = {"tab": "\t", "semicolon": ";", "pipe": "|", "comma": ",", "whitespace": " "}
BINARY = (".npy", ".npz")
WRITABLE = (".csv", ".tsv", *BINARY)
LONGEST_LINE = 2**21  # characters: a hundred thousand columns
MOST_SKIPPED = 10**6  # blank lines and comments
SAMPLE_LINES, SAMPLE = 20, 2**18  # lines, and characters in them, from which the delimiter is detected
BLANKS = " \t\xa0"  # around a field
MISSING = ("", "na", "n/a", "nan", "null", "none", "nil", "missing", "unknown", "n.a.", "nd", "no data", "undefined",
           *("nat", "?"))  # fmt: skip
NO_NAMES = (*MISSING, "inf", "infinity", "true", "false")  # of columns

EXCEL_ERROR = re.compile(r"\s*#(?:DIV/0!|N/A|REF!|VALUE!|NAME\?|NUM!|NULL!)", re.IGNORECASE)  # no comment
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
# A row of these alone is converted by float, which takes no more of them than `NUMBER` does; without numbers so large
# or so small that they may not fit.
USUAL = re.compile(r"[-+.,\deE \t]*", re.ASCII)
EXTREME = re.compile(r"[eE][+-]?0*[1-9]\d\d|\d{100}", re.ASCII)
# What a field is that is not a number, and what to do about it.
HINTS = {
    r"[+-]?\d{1,3}(,\d{3})+": "thousands separators? remove them; decimal commas? pass --decimal ,",
    r"[+-]?\d*,\d+([eE][+-]?\d+)?": "a decimal comma: pass --decimal ,",
    r"[+-]?\d{1,3}([ '_,.\xa0\u2009\u202f]\d{3})+([.,]\d*)?": "remove the thousands separators",
    r"[+-]?(\d+\.?\d*|\.\d+)([dD][+-]?\d+|[+-]\d+)": "a Fortran exponent: write e in its place, as in 1.5e-3",
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(\D.*)?|\d{1,2}:\d{2}.*": "a date or a time: convert it, or",
    r"\W*\d[\d\W]*": "write numbers as in 1234.5, or",
}


class Table(NamedTuple):
    """Finite numbers in rows, the names of the columns if there are any, what was detected, and what looks odd."""

    values: Array
    columns: tuple[str, ...] | None
    detected: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """How a table is to be read: see `read_table`."""

    columns: Sequence[str] | None
    drop: Sequence[str]
    index: bool
    missing: str
    wanted: Sequence[str] | None


def read_table(
    path: str | os.PathLike[str],
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    key: str | None = None,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    index: bool = False,
    decimal: str = ".",
    missing: str = "refuse",
    wanted: Sequence[str] | None = None,
) -> Table:
    r"""Read a table of finite numbers from a file.

    Parameters
    ----------
    path : str or path-like
        A ``.npy`` or ``.npz`` file, or else text in UTF-8 or UTF-16, gzipped or not. In text, blank lines and lines
        that begin with ``#`` are skipped; a quoted field must end on its line.
    delimiter : str, optional
        Of text: one character, ``"tab"``, ``"semicolon"``, ``"pipe"``, ``"comma"`` or ``"whitespace"``. The default is
        the first of these five that splits the first lines into the same number of fields.
    header : bool, optional
        Of text: whether the first line has the names of the columns. By default it does if every field begins with a
        letter (the first field may be empty); fields that are neither numbers nor such names are refused.
    key : str, optional
        Of an npz file: the name of the array, if there are several.
    columns, drop : sequence of str
        The columns to read, in this order, and those to leave out: names, or numbers from 1.
    index, decimal : bool and str
        Whether to leave out the first column; and for text the decimal sign, ``"."`` or ``","``.
    missing : str
        What to do about empty fields and words such as NA: ``"refuse"`` the table, ``"drop"`` the row, or use the
        ``"mean"`` of the column in this table.
    wanted : sequence of str, optional
        Like `columns` if the table has names; without names all columns are read.

    Returns
    -------
    Table
        values, columns, detected (one line of text) and notes (on what may be a mistake).

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ContentError
        If it is not a table of finite numbers; for text, the message names line and column and says what to do.
    ValueError
        If an option is invalid, or is for another kind of file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.csv").write_text("height,width,kind\n1,2,big\n3,4,small\n")
    ...     table = read_table(Path(folder, "a.csv"), drop=["kind"])
    >>> table.columns, table.detected
    (('height', 'width'), "2 rows, 2 columns of 3, header, delimiter ','")
    """
    path = as_path(path)
    as_choice(missing, "missing", ("refuse", "mean", "drop"))
    as_choice(decimal, "decimal", (".", ","))
    reading, suffix = _Reading(columns, drop, index, missing, wanted), path.suffix.lower()
    if key is not None and suffix != ".npz":
        raise ValueError(f"{path} has no arrays with names: a key is for npz files")
    if suffix not in BINARY:
        return _Text(path, delimiter, decimal, reading).table(header)
    if delimiter is not None or header is not None or decimal != ".":
        raise ValueError(f"{path} has no lines: delimiter, header and decimal are for text")
    found = read_npy(path) if suffix == ".npy" else _member(path, key)
    _check_axes(path, found.shape)
    try:
        values = as_array(found, str(path), finite=missing == "refuse")
    except (TypeError, ValueError) as error:
        raise ContentError(str(error)) from None
    if np.isinf(values).any():
        raise ContentError(f"{path} has infinite elements: remove their rows")
    keep = _chosen(path, None, values.shape[1], reading)
    return _completed(path, values[:, keep], None, keep, values.shape[1], "", reading)


def _member(path: Path, key: str | None) -> npt.NDArray[Any]:
    def choose(headers: Mapping[str, Header]) -> list[str]:
        names = ", ".join(map(repr, headers)) or "none"
        if key is None and len(headers) != 1:
            raise ContentError(f"{path} has {len(headers)} arrays ({names}): name the one to read, --key NAME")
        if key is not None and key not in headers:
            raise ContentError(f"{path} has no array {key!r}, only {names}")
        chosen = key if key is not None else next(iter(headers))
        _check_axes(path, headers[chosen].shape)
        return [chosen]

    return cast("npt.NDArray[Any]", next(iter(read_npz(path, choose).values())))


def _check_axes(path: Path, shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise ContentError(f"{path} has an array of shape {shape}: reshape it to (N, d), samples in rows")


def write_table(
    path: str | os.PathLike[str], values: npt.ArrayLike, columns: Sequence[str] | None = None, *, name: str = "values"
) -> None:
    """Write a table of numbers, so that reading it gives the same to the bit.

    `path` ends in ``.csv``, ``.tsv``, ``.npy`` or ``.npz``, which selects the format. `columns` are the first line of
    text, `name` is that of the array in an npz file.
    """
    values, path = as_matrix(values, "values"), as_path(path)
    check_writable_table(path)
    suffix = path.suffix.lower()
    with written_whole(path, "wb") as file:
        if suffix == ".npy":
            np.save(file, values)
        elif suffix == ".npz":
            np.savez(file, **{name: values})  # type: ignore[arg-type]  # NumPy's stub takes one name for allow_pickle
        else:
            first, delimiter = io.StringIO(), "\t" if suffix == ".tsv" else ","
            csv.writer(first, delimiter=delimiter, lineterminator="").writerow(columns or ())
            np.savetxt(file, values, "%.17g", delimiter, header=first.getvalue(), comments="", encoding="utf-8")


def check_writable_table(path: Path) -> None:
    """Refuse a file name that does not select the format of a table."""
    if path.suffix.lower() not in WRITABLE:
        raise ValueError(f"{path} must end in {', '.join(WRITABLE[:-1])} or {WRITABLE[-1]}, which selects the format")


def _chosen(path: Path, names: list[str] | None, width: int, reading: _Reading) -> list[int]:
    """Return the columns to read, as indices from 0."""
    if reading.wanted is not None and names is not None:
        return [_column(path, name, names, width, by_number=False) for name in reading.wanted]
    if reading.columns is not None:
        keep = [_column(path, name, names, width) for name in reading.columns]
    else:
        keep = list(range(width))[reading.index :]
    dropped = {_column(path, name, names, width) for name in reading.drop}
    keep = [j for j in keep if j not in dropped]
    if not keep:
        raise ContentError(f"{path} has {width} columns, and none is left to read")
    return keep


def _column(path: Path, name: str, names: list[str] | None, width: int, *, by_number: bool = True) -> int:
    """Return the index of a column from its name or its number."""
    found = [j for j, known in enumerate(names or ()) if known == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise ContentError(f"{path} has {len(found)} columns {name!r}: rename them")
    if by_number and name.isdecimal() and 1 <= int(name) <= width:
        return int(name) - 1
    if names is None:
        raise ContentError(f"{path} has no column {_short(name)}: it has {width}, without names: use numbers from 1")
    near = difflib.get_close_matches(name, names[:1000], 1)
    listed = ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")
    raise ContentError(f"{path} has no column {name!r}: {f'did you mean {near[0]!r}? ' if near else ''}it has {listed}")


def _completed(
    path: Path, values: Array, names: list[str] | None, keep: list[int], width: int, how: str, reading: _Reading
) -> Table:
    """Return the table, with missing numbers replaced or their rows dropped, and say what was done and what is odd."""
    holes, words = np.isnan(values), ""
    rows = holes.any(axis=1)
    if reading.missing == "drop" and rows.any():
        values, words = values[~rows], f"; {int(rows.sum())} rows with missing numbers left out"
        if not len(values):
            raise ContentError(f"{path} has a missing number in each row: pass --missing mean, or leave out columns")
    elif rows.any():
        empty = np.flatnonzero(holes.all(axis=0))
        if empty.size:
            which = _flag(names, keep[empty[0]])
            raise ContentError(f"{path} has no number in column {keep[empty[0]] + 1}: leave it out, {which}")
        values = np.where(holes, [_mean(column[~hole]) for column, hole in zip(values.T, holes.T, strict=True)], values)
        words = f"; {int(holes.sum())} missing numbers in {int(holes.any(axis=0).sum())} columns replaced by the mean"
    of = "" if len(keep) == width else f" of {width}"
    said = f"{len(values)} row{'s' * (len(values) != 1)}, {len(keep)} column{'s' * (len(keep) != 1)}{of}{how}{words}"
    columns = None if names is None else tuple(names[j] for j in keep)
    notes = [f"{path}: {note}" for note in _odd(values, columns, keep)]
    return Table(np.ascontiguousarray(values), columns, said, tuple(notes))


def _mean(column: Array) -> float:
    return math.ldexp(math.fsum(np.ldexp(column, -60)) / len(column), 60)  # no sum overflows


def _odd(values: Array, columns: tuple[str, ...] | None, keep: list[int]) -> Iterator[str]:
    first = values[:, 0]
    unnamed = columns is None or columns[0] == "" or columns[0].startswith("Unnamed")
    if keep[0] == 0 and unnamed and len(first) > 2 and first[0] in (0, 1) and (np.diff(first) == 1).all():
        begin = int(first[0])
        yield f"column 1 has no name and counts {begin}, {begin + 1}, {begin + 2}, ...: if it is an index, pass --index"
    if columns is None and len(keep) > 2 and keep == list(range(len(keep))) and (values[0] == keep).all():
        yield "the first row is 0, 1, 2, ...: if these are the names of the columns, pass --header"


class _Text:
    """A text file, read line by line."""

    def __init__(self, path: Path, delimiter: str | None, decimal: str, reading: _Reading) -> None:
        self.path, self.decimal, self.reading = path, decimal, reading
        self.separator = None if delimiter is None else _separator(delimiter)
        self.names: list[str] | None = None
        self.width, self.encoding = 0, "UTF-8"

    def table(self, header: bool | None) -> Table:
        lines = self.lines()
        sample = list(itertools.islice(_of_size(lines, SAMPLE), SAMPLE_LINES))
        lines = itertools.chain(sample, lines)
        if not sample:
            raise ContentError(f"{self.path} is empty: it must hold rows of numbers")
        if self.separator is None:
            self.separator = self.detected([text for _, text in sample])
        self.first, text = sample[0]
        names = [field.strip(BLANKS) for field in self.fields(self.first, text)]
        self.stated = header is not None
        if self.is_header(names) if header is None else header:
            next(lines)
            self.names = names
        rows = iter(lines)
        begin = next(rows, None)
        if begin is None:
            raise ContentError(f"{self.path}, line {self.first} is a header, and no row of numbers follows it")
        self.begin, self.width = begin[0], len(self.fields(*begin))
        if self.names is not None and self.reading.index and len(names) == self.width - 1:
            self.names.insert(0, "")  # as R writes it
        if self.names is not None and len(self.names) != self.width:
            more = "; if the first one is an index, pass --index" if len(names) == self.width - 1 else ""
            words = f"line {self.first} names {len(names)} columns, but the rows have {self.width}{more}"
            raise ContentError(f"{self.path}, {words}")
        self.keep = _chosen(self.path, self.names, self.width, self.reading)
        content = bytearray()
        for number, text in itertools.chain([begin], rows):
            content += self.row(number, text).tobytes()
        values = np.frombuffer(content).reshape(-1, len(self.keep))
        return _completed(self.path, values, self.names, self.keep, self.width, self.how(), self.reading)

    def how(self) -> str:
        """Say what was detected."""
        said = "" if self.width == 1 else f", delimiter {self.separator!r}"
        decimal = ", decimal comma" if self.decimal == "," else ""
        encoding = "" if self.encoding == "UTF-8" else f", {self.encoding}"
        return f", {'no ' if self.names is None else ''}header{said}{decimal}{encoding}"

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines that are neither blank nor comments, with their numbers."""
        number = given = 0
        with open_file(self.path) as raw:
            try:
                file = _decoded(raw)
                self.encoding = file.encoding.upper().removesuffix("-SIG")
                while line := file.readline(LONGEST_LINE + 1):
                    number += 1
                    if len(line) > LONGEST_LINE:
                        raise ContentError(f"{self.path}, line {number} has more than {LONGEST_LINE} characters")
                    if "\ufffd" in line:
                        words = f"line {number} is not text in {self.encoding}: save the table as UTF-8"
                        raise ContentError(f"{self.path}, {words}")
                    if line.strip() and (not line.lstrip().startswith("#") or EXCEL_ERROR.match(line)):
                        given += 1
                        yield number, line.rstrip("\n")
                    elif number - given > MOST_SKIPPED:
                        raise ContentError(f"{self.path} has more than {MOST_SKIPPED} blank lines and comments")
            except (EOFError, zlib.error) as error:
                raise ContentError(f"{self.path} is a damaged gzip file after line {number} ({error})") from None

    def detected(self, sample: list[str]) -> str:
        """Return the first delimiter that splits all lines into the same number of fields, two or more."""
        candidates = [c for c in DELIMITERS.values() if c != self.decimal]
        for self.separator in candidates:
            try:
                widths = [len(self.fields(0, text)) for text in sample]
            except ContentError:
                continue
            of_index = int(widths[0] > 1 or self.reading.index)  # which has no name in R's tables
            if widths[-1] > 1 and len(set(widths[1:])) <= 1 and 0 <= widths[-1] - widths[0] <= of_index:
                return self.separator
        last = sample[-1].strip()
        return next((c for c in candidates if c in sample[0] and (c != " " or c in last)), "\t")

    def fields(self, number: int, text: str) -> list[str]:
        """Split a line; a quoted field must be quoted as a whole."""
        assert self.separator is not None
        if self.separator == " ":
            text = text.replace("\t", " ").strip(" ")
        if '"' not in text:
            fields = text.split(self.separator)
            return [field for field in fields if field] if self.separator == " " else fields
        try:
            return next(csv.reader([text], delimiter=self.separator, skipinitialspace=True, strict=True))
        except csv.Error as error:
            words = f"a quoted field must be quoted as a whole, and end on its line ({error})"
            raise ContentError(f"{self.path}, line {number}: {words}") from None

    def is_header(self, names: list[str]) -> bool:
        """Return whether the first line names the columns; refuse one of which that is not clear."""
        rest = names[1:] if names[0] == "" and any(names) else names  # an index has no name
        if len(rest) < len(names) and rest == [str(j) for j in range(len(rest))]:
            return True
        may_miss = self.reading.missing != "refuse"
        for name in names:
            plain = name.replace(",", ".") if self.decimal == "," else name
            if NUMBER.fullmatch(plain) or NOT_FINITE.fullmatch(name) or (may_miss and name and name.lower() in MISSING):
                return False
        for column, name in enumerate(rest, 1 + len(names) - len(rest)):
            if not (name[:1].isalpha() or name[:1] == "_") or name.lower() in NO_NAMES:
                found = f"{_short(name)} is neither a number nor clearly a name" if name else "the field is empty"
                hint = f"{self.hint(name, column - 1)}; if the first row is a header, pass --header"
                raise ContentError(f"{self.path}, line {self.first}, column {column}: {found}{hint}")
        return True

    def row(self, number: int, text: str) -> "array[float]":
        """Return the numbers of a row."""
        fields = self.fields(number, text)
        if len(fields) != self.width:
            words = f"line {number} has {len(fields)} columns, and line {self.begin} has {self.width}: {_short(text)}"
            raise ContentError(f"{self.path}, {words}")
        if len(self.keep) < self.width or self.keep[0] > 0:
            fields = [fields[j] for j in self.keep]
        joined = ",".join(fields)
        if self.decimal == "." and USUAL.fullmatch(joined) and not EXTREME.search(joined):
            try:
                return array("d", map(float, fields))
            except ValueError:
                pass  # one of them is not a number
        return array("d", [self.number(field, number, j) for j, field in zip(self.keep, fields, strict=True)])

    def number(self, field: str, line: int, column: int) -> float:
        """Return the number in a field, NaN for one that is missing; or refuse it."""
        field, where = field.strip(BLANKS), f"{self.path}, line {line}, column {column + 1}"
        if self.reading.missing != "refuse" and field.lower() in MISSING:
            return math.nan
        plain = field if self.decimal == "." else field.replace(".", "_").replace(",", ".")
        if not NUMBER.fullmatch(plain):
            raise ContentError(f"{where}{self.fault(field, line, column)}")
        value = float(plain)
        if math.isinf(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", plain)[0])):
            words = f"is {value}" if value else "would become 0"
            raise ContentError(f"{where}: {_short(field)} {words} as float64: rescale the column")
        return value

    def fault(self, field: str, line: int, column: int) -> str:
        """Say why a field is not a number, and what to do."""
        ways = f"remove the row, pass --missing mean or drop, or leave out the column, {_flag(self.names, column)}"
        if not field:
            return f": the field is empty: {ways}"
        if NOT_FINITE.fullmatch(field):
            return f" is {field.lower()}: {ways}"
        if field.lower() in MISSING:
            return f": {_short(field)} is not a number: {ways}"
        hint = self.hint(field, column)
        if self.width == 1 and any(c in field for c in DELIMITERS.values()):
            hint = f"{hint}; is another character the delimiter? pass --delimiter"
        if line == self.first and not self.stated:
            hint += "; if the first row is a header, pass --header"
        return f": {_short(field)} is not a number{hint}"

    def hint(self, field: str, column: int) -> str:
        leave_out = f"leave out the column, {_flag(self.names, column)}"
        hint = next((hint for pattern, hint in HINTS.items() if re.fullmatch(pattern, field)), "correct it, or")
        if self.decimal == "," and "." in field:
            hint = "with --decimal , no number has a point"
        return f"; {hint} {leave_out}" if hint.endswith("or") else f"; {hint}"


def _decoded(raw: io.BufferedReader) -> io.TextIOWrapper:
    """Return the text of a file, unpacked and decoded; the replacement character stands for what cannot be."""
    content: BinaryIO = io.BufferedReader(Gunzip(raw)) if raw.peek(2)[:2] == GZIP else raw
    begin = content.peek(2)[:2] if isinstance(content, io.BufferedReader) else b""
    encoding = "utf-8-sig"
    if begin in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        encoding = "utf-16"
    elif len(begin) == 2 and 0 in begin and any(begin):  # digits and letters have a zero byte in UTF-16
        encoding = "utf-16-le" if begin[1] == 0 else "utf-16-be"
    return io.TextIOWrapper(content, encoding=encoding, errors="replace")


def _of_size(lines: Iterator[tuple[int, str]], size: int) -> Iterator[tuple[int, str]]:
    """Yield lines until they have so many characters."""
    total = 0
    while total < size and (line := next(lines, None)) is not None:
        total += len(line[1])
        yield line


def _flag(names: list[str] | None, column: int) -> str:
    """Return the flag that leaves out a column."""
    name = names[column] if names is not None else ""
    if column == 0 and not name:
        return "--index"
    return f"--drop {shlex.quote(name) if name else column + 1}"


def _separator(delimiter: str) -> str:
    """Return the character between two fields; a blank stands for any number of blanks and tabs."""
    delimiter = DELIMITERS.get(delimiter, delimiter)
    if len(delimiter) != 1 or delimiter in '\r\n"' or delimiter.isalnum():
        raise ValueError(f"delimiter must be one character or one of {', '.join(DELIMITERS)}, got {delimiter!r}")
    return delimiter


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
