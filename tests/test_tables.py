"""Tables: every way to write one is read, and what is none is refused with the line at fault."""

import csv
import gzip
import io
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from rdae_ref import tables
from rdae_ref.files import ContentError
from rdae_ref.tables import read_table, write_table

VALUES = np.array([[1.0, 2.5], [-3.0, 4e-3], [5.0, 6.0]])
TEXTS = {
    "comma": ("1,2.5\n-3,4e-3\n5,6\n", {}),
    "no last newline": ("1,2.5\n-3,4e-3\n5,6", {}),
    "DOS": ("1,2.5\r\n-3,4e-3\r\n5,6\r\n", {}),
    "old Macintosh": ("1,2.5\r-3,4e-3\r5,6", {}),
    "mark of the byte order": ("\ufeff1,2.5\n-3,4e-3\n5,6\n", {}),
    "semicolon": ("1;2.5\n-3;4e-3\n5;6\n", {}),
    "tab": ("1\t2.5\n-3\t4e-3\n5\t6\n", {}),
    "whitespace": ("  1   2.5\n -3  4e-3\n  5 \t 6\n", {"delimiter": "whitespace"}),
    "spaces": ("  1   2.5\n -3  4e-3\n  5  6\n", {}),
    "stated": ("1|2.5\n-3|4e-3\n5|6\n", {"delimiter": "|"}),
    "stated by name": ("1\t2.5\n-3\t4e-3\n5\t6\n", {"delimiter": "tab"}),
    "quoted": ('"1","2.5"\n"-3","4e-3"\n"5","6"\n', {}),
    "comments and blank lines": ("# by hand\n\n1,2.5\n \n-3,4e-3\n# half way\n5,6\n\n", {}),
    "pipes": ("1|2.5\n-3|4e-3\n5|6\n", {}),
    "decimal commas": ("1,0;2,5\n-3;4e-3\n5;6\n", {"decimal": ","}),
    "decimal commas, blanks": ("1,0 2,5\n-3 4e-3\n5 6\n", {"decimal": ","}),
    "UTF-16": ("1,2.5\n-3,4e-3\n5,6\n".encode("utf-16"), {}),
    "UTF-16, no mark": ("1,2.5\n-3,4e-3\n5,6\n".encode("utf-16-le"), {}),
    "UTF-16, big-endian": ("1,2.5\n-3,4e-3\n5,6\n".encode("utf-16-be"), {}),
    "gzipped": (gzip.compress(b"1,2.5\n-3,4e-3\n5,6\n"), {}),
    "gzipped UTF-16": (gzip.compress("1,2.5\n-3,4e-3\n5,6\n".encode("utf-16")), {}),
    "some columns": ("9,2.5,x,1\n9,4e-3,y,-3\n9,6,z,5\n", {"columns": ["4", "2"]}),
    "columns left out": ("1,x,2.5,9\n-3,y,4e-3,9\n5,z,6,9\n", {"drop": ["4", "2"]}),
    "an index left out": ("a,1,2.5\nb,-3,4e-3\nc,5,6\n", {"index": True, "header": False}),
    "rows left out": ("1,2.5\nNA,7\n-3,4e-3\n,\n5,6\n?,1\n", {"missing": "drop"}),
    "no header, stated": ("1,2.5\n-3,4e-3\n5,6\n", {"header": False}),
}
HEADERS = {
    "names": ("a,b\n1,2.5\n-3,4e-3\n5,6\n", {}, ("a", "b")),
    "names with spaces": ('"the a"; b \n1;2.5\n-3;4e-3\n5;6\n', {}, ("the a", "b")),
    "years, stated": ("2000,2001\n1,2.5\n-3,4e-3\n5,6\n", {"header": True}, ("2000", "2001")),
    "a comma in a name": ('"a, b",c\n1,2.5\n-3,4e-3\n5,6\n', {}, ("a, b", "c")),
}


def written(folder, text, name="data.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("case", TEXTS)
def test_every_way_to_write_a_table_is_read(case, tmp_path):
    text, options = TEXTS[case]
    table = read_table(written(tmp_path, text), **options)
    assert np.array_equal(table.values, VALUES)
    assert table.columns is None


@pytest.mark.parametrize("case", HEADERS)
def test_headers_are_found_or_stated(case, tmp_path):
    text, options, names = HEADERS[case]
    table = read_table(written(tmp_path, text), **options)
    assert np.array_equal(table.values, VALUES)
    assert table.columns == names


def test_one_column_and_one_row_are_tables(tmp_path):
    assert read_table(written(tmp_path, "a\n1\n2\n")).values.shape == (2, 1)
    assert read_table(written(tmp_path, "1,2,3\n")).values.shape == (1, 3)


BAD_TEXTS = {
    "nothing": ("", {}, "is empty"),
    "comments only": ("# a\n\n# b\n", {}, "is empty"),
    "header only": ("a,b\n", {}, "line 1 is a header, and no row"),
    "a word": ("a,b\n1,2\n\n3,x7\n", {}, "line 4, column 2: 'x7' is not a number"),
    "a word in line 1": (
        "1,b\n1,2\n",
        {},
        "line 1, column 2: 'b' is not a number; correct it, or leave out the column, --drop 2; if the first row is a",
    ),
    "a header, denied": (
        "a,b\n1,2\n",
        {"header": False},
        "line 1, column 1: 'a' is not a number; correct it, or leave out the column, --index",
    ),
    "another delimiter": (
        "a,b\n1,2\n",
        {"delimiter": "tab"},
        "line 2, column 1: '1,2'.* is another character the delimiter",
    ),
    "a key": ("1,2\n", {"key": "x"}, "a key is for npz files"),
    "an empty field": ("1,2\n3,\n", {}, "line 2, column 2: the field is empty"),
    "ragged": ("# c\n1,2\n3,4\n5,6,7\n", {}, "line 4 has 3 columns, and line 2 has 2: '5,6,7'"),
    "ragged first": ("1,2,3\n4,5\n", {}, "line 2 has 2 columns, and line 1 has 3"),
    "ragged header": ("a,b,c\n1,2\n3,4\n", {}, "line 1 names 3 columns, but the rows have 2"),
    "NaN": ("a,b\n1,2\n3,nan\n", {}, "line 3, column 2 is nan"),
    "NaN in line 1": ("nan,2\n1,3\n", {}, "line 1, column 1 is nan"),
    "infinite": ("1,2\n-inf,4\n", {}, "line 2, column 1 is -inf"),
    "too large": ("1,2\n1e999,4\n", {}, "line 2, column 1: '1e999' is inf as float64"),
    "decimal comma": (
        "1,5;2,5\n3,5;4,5\n",
        {},
        "line 1, column 1: '1,5' is neither a number nor .* a decimal comma: pass --decimal ,; if the first",
    ),
    "complex": ("1,2j\n3,4j\n", {}, "'2j' is not a number"),
    "latin-1": ("1,2\n3,\xe9\n".encode("latin-1"), {}, "line 2 is not text in UTF-8"),
    "cut UTF-16": ("1,2\n3,4\n".encode("utf-16")[:-1], {}, "line 2 is not text in UTF-16"),
    "UTF-32": ("1,2\n".encode("utf-32"), {}, "line 1, column 1: .* is neither a number nor clearly a name"),
    "a cut gzip file": (gzip.compress(b"1,2\n" * 9)[:-9], {}, "is a damaged gzip file"),
    "gzipped twice": (gzip.compress(gzip.compress(b"1,2\n")), {}, "line 1 is not text in UTF-8"),
    "an image": (b"\x89PNG\r\n\x1a\n\x00\x00", {}, "line 1 is not text in UTF-8"),
    "a page": ("<html>\n<body>not found</body>\n", {}, "line 1, column 1: '<html>' is neither a number nor"),
    "a long word": (f"1\n{'y' * 100}\n", {}, r"'yyyyyy.*\.\.\.' is not a number"),
    "an odd delimiter": ("1,2\n", {"delimiter": "::"}, "delimiter must be one character"),
    "a quote within a field": ('"1"2,3\n4,5\n', {"header": False}, "line 1: a quoted field must be quoted as a whole"),
    "a quote after a number": ('1,2\n1"2",3\n', {}, "line 2, column 1: '1\"2\"' is not a number"),
    "an open quote": ('1,2\n"3,4\n5,6\n', {}, "line 2: a quoted field .* end on its line"),
    "an open quote first": ('"1\n1\n1\n1\n', {}, "line 1: a quoted field .* end on its line"),
    "a quoted field of two lines": ('1,2\n"3\n",4\n', {}, "line 2: a quoted field .* end on its line"),
    "too small": ("1,2\n3,1e-400\n", {}, "line 2, column 2: '1e-400' would become 0 as float64"),
    "too small, quoted": ('1,2\n3,"-2.4E-324"\n', {}, "line 2, column 2: '-2.4E-324' would become 0"),
    "too small, many digits": (f"1,2\n3,0.{'0' * 330}1\n", {}, r"line 2, column 2: '0.000.*' would become 0"),
    "too small in line 1": ("1e-999\n1\n", {}, "line 1, column 1: '1e-999' would become 0"),
    "missing values first": ("NA,NA\n1,2\n", {}, "line 1, column 1: 'NA' is neither a number nor clearly a name"),
    "missing values": ("1,2\nNA,2\n", {}, "line 2, column 1: 'NA' is not a number"),
    "no values first": (",\n1,2\n", {}, "line 1, column 1: the field is empty"),
    "per cent first": (
        "10%\n20\n",
        {},
        "line 1, column 1: '10%' is neither.* as in 1234.5, or leave .*; if the first",
    ),
    "thousands first": (
        '"1,234"\n5\n',
        {},
        "line 1, column 1: '1,234' is neither.*; thousands separators. remove",
    ),
    "thousands": ("1;2\n1,234;5\n", {}, "line 2, column 1: '1,234' is not a number; thousands separators. remove them"),
    "decimal comma first": ("0,5;0,6\n1;2\n", {}, "line 1, column 1: '0,5' is neither"),
    "a date first": ("2020-01-01;x\n1;2\n", {}, "line 1, column 1: '2020-01-01' is neither"),
    "money first": ("$5\n1\n", {}, "line 1, column 1: '.5' is neither"),
    "underscores": ("1\n1_000\n", {}, "line 2, column 1: '1_000' is not a number"),
    "hexadecimal": ("1\n0x10\n", {}, "line 2, column 1: '0x10' is not a number"),
    "digits of another script": ("1\n\u0661\u0662\n", {}, "line 2, column 1: .* is not a number"),
    "a space that is none": ("1 2\n1\xa0000 2\n", {}, "line 2, column 1: .* is not a number"),
    "a control character": ("1,2\n1\x1c,2\n", {}, "line 2, column 1: .* is not a number"),
    "a digit as delimiter": ("112\n", {"delimiter": "1"}, "delimiter must be one character"),
}


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_bad_text_is_refused_with_file_and_line(case, tmp_path):
    text, options, words = BAD_TEXTS[case]
    with pytest.raises(ValueError, match=words) as error:
        read_table(written(tmp_path, text), **options)
    if "delimiter" not in options:
        assert str(error.value).startswith(str(tmp_path / "data.csv"))


def saved(save, *args, **kwargs):
    file = io.BytesIO()
    save(file, *args, **kwargs)
    return file.getvalue()


def test_arrays_of_numpy_are_read(tmp_path):
    assert np.array_equal(read_table(written(tmp_path, saved(np.save, VALUES), "a.npy")).values, VALUES)
    assert np.array_equal(read_table(written(tmp_path, saved(np.savez, x=VALUES), "a.npz")).values, VALUES)
    both = written(tmp_path, saved(np.savez, x=VALUES, y=-VALUES), "b.npz")
    assert np.array_equal(read_table(both, key="y").values, -VALUES)
    integers = read_table(written(tmp_path, saved(np.save, np.arange(6).reshape(3, 2)), "i.npy")).values
    assert integers.dtype == np.float64


BAD_BINARIES = {
    "text as npy": ("a.npy", b"1,2\n3,4\n", {}, "a.npy is not an array"),
    "cut npy": ("a.npy", saved(np.save, VALUES)[:-9], {}, "a.npy is not an array"),
    "objects": (
        "a.npy",
        saved(np.save, np.array([{}, None])),
        {},
        "a.npy holds Python objects, which are not unpickled",
    ),
    "npz as npy": ("a.npy", saved(np.savez, x=VALUES), {}, "npz file by its content"),
    "words": ("a.npy", saved(np.save, np.array([["a", "b"]])), {}, "must hold real numbers"),
    "one axis": ("a.npy", saved(np.save, np.arange(3.0)), {}, r"shape \(3,\).* reshape it to \(N, d\)"),
    "three axes": ("a.npz", saved(np.savez, x=np.zeros((2, 2, 2))), {}, r"shape \(2, 2, 2\).* reshape it"),
    "rubbish as npy": ("a.npy", b"\x00\x01\x02", {}, "write it with numpy.save"),
    "a key of npy": ("a.npy", saved(np.save, VALUES), {"key": "x"}, "a key is for npz files"),
    "a delimiter of npz": ("a.npz", saved(np.savez, x=VALUES), {"delimiter": ","}, "has no lines"),
    "a header of npy": ("a.npy", saved(np.save, VALUES), {"header": False}, "has no lines"),
    "NaN": ("a.npy", saved(np.save, np.array([[1, np.nan]])), {}, r"must be finite, got nan at index \[0, 1\]"),
    "text as npz": ("a.npz", b"1,2\n3,4\n", {}, "is not an npz file"),
    "two arrays": ("a.npz", saved(np.savez, x=VALUES, y=VALUES), {}, "has 2 arrays .'x', 'y'.: name the one to read"),
    "no array": ("a.npz", saved(np.savez), {}, "has 0 arrays .none."),
    "no such array": ("a.npz", saved(np.savez, x=VALUES), {"key": "y"}, "no array 'y', only 'x'"),
    "objects in npz": ("a.npz", saved(np.savez, x=np.array([{}, None])), {}, "not unpickled"),
}


@pytest.mark.parametrize("case", BAD_BINARIES)
def test_bad_arrays_are_refused(case, tmp_path):
    name, content, options, words = BAD_BINARIES[case]
    with pytest.raises((ValueError, TypeError), match=words):
        read_table(written(tmp_path, content, name), **options)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(ValueError, match=r"must end in \.csv, \.tsv, \.npy or \.npz"):
        write_table(tmp_path / "a.txt", VALUES)
    with pytest.raises(ValueError, match="finite"):
        write_table(tmp_path / "a.csv", [[np.nan]])
    assert not list(tmp_path.iterdir())


finite = st.floats(allow_nan=False, allow_infinity=False)

# ----------------------------------------------------------------------------------------- what a table may look like

HINTS = {  # what is in the table, the fault, and the options that are named and help
    "a class": ("a,kind\n1,setosa\n2,virginica\n", "line 2, column 2: 'setosa'.*, --drop kind", {"drop": ["kind"]}),
    "a class, no header": ("1,setosa\n2,virginica\n", "line 1, column 2: 'setosa'.*, --drop 2", {"drop": ["2"]}),
    "a name of two words": ("a,the kind\n1,x\n", "column 2: 'x'.*, --drop 'the kind'", {"drop": ["the kind"]}),
    "an index of words": (",a\nx,1\ny,2\n", "line 2, column 1: 'x' .*, --index", {"index": True}),
    "an index of R": ('"a","b"\n"x",1,2\n"y",2,3\n', "names 2 .* the rows have 3.*pass --index", {"index": True}),
    "decimal commas": ("a;b\n1,5;2\n", "line 2, column 1: '1,5' .*: pass --decimal ,", {"decimal": ","}),
    "decimal commas, 1": ("a\n1,5\n", "line 2, column 1: '1,5' .*: pass --decimal ,", {"decimal": ","}),
    "three decimals": ("a;b\n1,500;2\n", "line 2, column 1: '1,500' .* pass --decimal ,", {"decimal": ","}),
    "thousands": ("a;b\n1,234,567.5;2\n", "line 2, column 1: .*; remove the thousands separators", {}),
    "thousands of points": ("a;b\n1.234,5;2\n", "line 2, column 1: .*; remove the thousands separators", {}),
    "thousands of blanks": ("a;b\n1 234;2\n", "line 2, column 1: .*; remove the thousands separators", {}),
    "thousands of apostrophes": ("a;b\n1'234;2\n", "line 2, column 1: .*; remove the thousands separators", {}),
    "an empty field": (
        "a,b\n1,\n2,3\n",
        "line 2, column 2: .*empty.* --missing mean or drop.*--drop b",
        {"missing": "drop"},
    ),
    "NA": ("a,b\n1,NA\n2,3\n", "line 2, column 2: 'NA' .* --missing mean or drop.*--drop b", {"missing": "mean"}),
    "a question mark": ("a,b\n1,?\n2,3\n", "line 2, column 2: .* --missing mean or drop", {"missing": "mean"}),
    "Fortran": ("a,b\n1.5D+03,1\n", "line 2, column 1: '1.5D.03' .* a Fortran exponent: write e", {}),
    "Fortran of three digits": ("a,b\n1.5+100,1\n", "line 2, column 1: '1.5.100' .* a Fortran exponent", {}),
    "a date": ("day,b\n2020-01-31,1\n", "line 2, column 1: .*a date or a time: .*, --drop day", {"drop": ["day"]}),
    "an American date": ("day,b\n1/31/2020,1\n", "line 2, column 1: .*a date or a time", {"drop": ["day"]}),
    "a German date": ("day;b\n31.1.2020;1\n", "line 2, column 1: .*a date or a time", {"drop": ["day"]}),
    "a time": ("at,b\n12:30,1\n", "line 2, column 1: .*a date or a time", {"drop": ["at"]}),
    "per cent": ("a,b\n10%,1\n", "line 2, column 1: '10%' .* write numbers as in 1234.5", {"drop": ["a"]}),
    "points with decimal commas": ("a;b\n1.234;2\n", "with --decimal , no number has a point", {"decimal": ","}),
}


@pytest.mark.parametrize("case", HINTS)
def test_a_refusal_names_line_column_and_the_option_that_helps(case, tmp_path):
    text, words, options = HINTS[case]
    path = written(tmp_path, text)
    with_comma = options if "with --decimal" in words else {}
    with pytest.raises(ContentError, match=words):
        read_table(path, **with_comma)
    if options and not with_comma:
        assert read_table(path, **options).columns is not None or "header" in case


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("a,b\n1,2\n3,4\n", {}, "2 rows, 2 columns, header, delimiter ','"),
        ("1\n", {}, "1 row, 1 column, no header"),
        (",".join("123456789abcdefghi") + "\n1" + ",1" * 17, {"columns": ["5"], "header": True}, None),
        (
            "a;b;c\n1,5;2;x\n",
            {"drop": ["c"], "decimal": ","},
            "1 row, 2 columns of 3, header, delimiter ';', decimal comma",
        ),
        ("1\t2\n".encode("utf-16"), {}, "1 row, 2 columns, no header, delimiter '\\t', UTF-16"),
    ],
)
def test_what_was_detected_is_said_in_one_line(text, options, said, tmp_path):
    found = read_table(written(tmp_path, text), **options).detected
    assert found == (said or "1 row, 1 column of 18, header, delimiter ','")


def test_missing_numbers_are_replaced_or_their_rows_left_out_and_that_is_said(tmp_path):
    path = written(tmp_path, "a,b\n1,10\nNA,20\n5,\n")
    table = read_table(path, missing="mean")
    assert table.values.tolist() == [[1, 10], [3, 20], [5, 15]]
    assert table.detected.endswith("; 2 missing numbers in 2 columns replaced by the mean")
    table = read_table(path, missing="drop")
    assert table.values.tolist() == [[1, 10]]
    assert table.detected.endswith("; 2 rows with missing numbers left out")
    np.save(tmp_path / "a.npy", [[1, np.nan], [3, 4]])
    assert read_table(tmp_path / "a.npy", missing="mean").values.tolist() == [[1, 4], [3, 4]]
    huge = written(tmp_path, "1e308\nNA\n1.5e308\n")
    assert read_table(huge, missing="mean").values.tolist() == [[1e308], [1.25e308], [1.5e308]]
    for text, missing in (("a,b\n1,\n2,NA\n", "mean"), ("a,b\n1,\n2,NA\n", "drop")):
        with pytest.raises(ContentError, match=r"no number in column 2: leave it out, --drop b|a missing number in"):
            read_table(written(tmp_path, text), missing=missing)


def test_columns_are_taken_by_name_or_number_and_unknown_ones_named(tmp_path):
    path = written(tmp_path, "a,b,c\n1,2,x\n3,4,y\n")
    assert read_table(path, columns=["b", "1"]).values.tolist() == [[2, 1], [4, 3]]
    assert read_table(path, columns=["b", "1"]).columns == ("b", "a")
    assert read_table(path, wanted=["b", "a"]).values.tolist() == [[2, 1], [4, 3]]
    assert read_table(written(tmp_path, "1,2\n3,4\n", "n.csv"), wanted=["b", "a"]).values.tolist() == [[1, 2], [3, 4]]
    for options, words in (
        ({"columns": ["hight"]}, "no column 'hight': it has 'a', 'b', 'c'"),
        ({"drop": ["4"]}, "no column '4'"),
        ({"wanted": ["a", "width"]}, "no column 'width'"),
        ({"wanted": ["1"]}, "no column '1'"),
        ({"drop": ["a", "b", "c"]}, "none is left"),
    ):
        with pytest.raises(ContentError, match=words):
            read_table(path, **options)
    with pytest.raises(ContentError, match="no column 'hight': did you mean 'height'"):
        read_table(written(tmp_path, "height,b\n1,2\n"), drop=["hight"])
    with pytest.raises(ContentError, match="has 2 columns 'a': rename them"):
        read_table(written(tmp_path, "a,a\n1,2\n"), drop=["a"])
    np.save(tmp_path / "a.npy", VALUES)
    assert np.array_equal(read_table(tmp_path / "a.npy", drop=["1"]).values, VALUES[:, 1:])


@pytest.mark.parametrize(
    "text", [",a,b\n0,5,1\n1,7,2\n2,6,9\n", '"","a","b"\n"1",5,1\n"2",7,2\n"3",6,9\n', "0,5\n1,7\n2,6\n"]
)
def test_a_column_that_counts_and_has_no_name_is_reported_as_an_index(text, tmp_path):
    path = written(tmp_path, text)
    (note,) = read_table(path).notes
    assert "column 1 has no name and counts" in note
    assert "pass --index" in note
    assert read_table(path, index=True).notes == ()
    assert read_table(path, index=True).values[:, 0].tolist() == [5, 7, 6]


def test_a_first_row_that_counts_is_reported_as_names(tmp_path):
    (note,) = read_table(written(tmp_path, "0,1,2\n5,6,9\n")).notes
    assert "pass --header" in note
    assert read_table(written(tmp_path, ",0,1,2\n0,5,6,9\n")).columns == ("", "0", "1", "2")


def real_tables():
    """The tables of scikit-learn as somebody would have them: with classes, an index, commas, tabs."""
    from sklearn import datasets

    for name in ("iris", "wine", "breast_cancer", "digits"):
        found = getattr(datasets, f"load_{name}")()
        names = [f"{n}, as measured" for n in found.feature_names] if name == "wine" else list(found.feature_names)
        yield name, found.data, names, [str(found.target_names[k]) for k in found.target]


def in_text(values, names, classes, *, delimiter=",", decimal=".", index=False, header=True, **dialect):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, **dialect)
    rows = [[repr(float(v)).replace(".", decimal) for v in row] for row in values]
    if classes is not None:
        rows = [[*row, of] for row, of in zip(rows, classes, strict=True)]
    if index:
        rows = [[str(i), *row] for i, row in enumerate(rows)]
    if header:
        writer.writerow([*[""] * index, *names, *["class"] * (classes is not None)])
    writer.writerows(rows)
    return file.getvalue()


FORMS = {
    "a class": ({}, {"drop": ["class"]}, "data.csv"),
    "pandas": ({"index": True}, {"drop": ["class"], "index": True}, "DATA.CSV"),
    "tabs": ({"delimiter": "\t"}, {"drop": ["class"]}, "data.tsv"),
    "decimal commas": ({"delimiter": ";", "decimal": ","}, {"drop": ["class"], "decimal": ","}, "data.csv"),
    "no header": ({"header": False}, {"drop": ["LAST"]}, "data.data"),
    "gzipped": ({"quoting": csv.QUOTE_ALL}, {"drop": ["class"]}, "data.csv.gz"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_real_tables_are_refused_for_their_class_and_read_without_it(name, form, tmp_path):
    values, names, classes = next(found for kind, *found in real_tables() if kind == name)
    how, options, file = FORMS[form]
    content = in_text(values, names, classes, **how).encode()
    path = written(tmp_path, gzip.compress(content) if file.endswith(".gz") else content, file)
    width = values.shape[1] + 1 + how.get("index", False)
    if "LAST" in options["drop"]:
        options = {"drop": [str(width)]}
    left = options["drop"][0]
    if not (name == "digits" and form != "decimal commas"):  # whose classes are numbers
        with pytest.raises(ContentError, match=rf"line {1 + ('header' not in how)}, column \d+: "):
            read_table(path)
    if form != "decimal commas" and name != "digits":
        with pytest.raises(ContentError, match=f"column {width}: '.*' is not a number; .*, --drop {left}"):
            read_table(path)
    table = read_table(path, **options)
    assert np.array_equal(table.values, values)
    assert table.columns == (None if how.get("header") is False else tuple(names))
    assert table.detected.startswith(f"{len(values)} rows, {values.shape[1]} columns of {width}, ")
    assert f"delimiter {how.get('delimiter', ',')!r}" in table.detected
    assert table.notes == ()


NAMES = (
    "a",
    "petal length (cm)",
    "x_1",
    "Größe",
    'the "best"',
    "a,b",
    "c;d",
    "x|y",
    "2nd",
    "NA",
    "od280/od315",
    "p value",
)
WORDS = (
    "setosa",
    "",
    "NA",
    "1,5",
    "1.234,5",
    "2020-01-01",
    "10%",
    "1e999",
    "1_000",
    "nan",
    "-",
    "?",
    "1 2",
    "0x1",
    "\u0661",
)


@st.composite
def dialects(draw):
    """A table of numbers, written in some way, and whether one of its fields is not a number."""
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=4))
    number = st.one_of(st.integers(-5, 5).map(float), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), finite)
    values = [[draw(number) for _ in range(shape[1])] for _ in range(shape[0])]
    decimal = draw(st.sampled_from([".", ".", ","]))
    delimiter = draw(st.sampled_from([",", ";", "\t", "|", " "]))
    form = draw(st.sampled_from(["{!r}", "{:.17g}", "{:+.17e}", " {!r} "]))
    rows = [[form.format(v).replace(".", decimal) for v in row] for row in values]
    named, index = draw(st.booleans()), draw(st.booleans())
    odd = draw(st.none() | st.sampled_from(WORDS)) if index or shape[1] > 1 else None  # or it may be a name
    if odd is not None:
        rows[draw(st.integers(0, shape[0] - 1))][draw(st.integers(0, shape[1] - 1))] = odd
    if index:
        rows = [[str(i), *row] for i, row in enumerate(rows)]
        values = [[i, *row] for i, row in enumerate(values)]
    if named:
        names = draw(st.lists(st.sampled_from(NAMES), min_size=shape[1], max_size=shape[1], unique=True))
        rows.insert(0, [*[""] * index, *names])
    file = io.StringIO()
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    csv.writer(
        file, delimiter=delimiter, quoting=quoting, lineterminator=draw(st.sampled_from(["\n", "\r\n"]))
    ).writerows(rows)
    content = file.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])))
    content = gzip.compress(content) if draw(st.booleans()) else content
    # Without quotes 1,5 is one number or two, and nobody can tell.
    unclear = decimal == "," and quoting == csv.QUOTE_MINIMAL and len(rows[-1]) == 1 + (delimiter == ",")
    return content, values, decimal, odd, unclear


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(table=dialects(), stated=st.booleans())
def test_a_table_in_any_dialect_is_read_to_the_same_numbers_or_refused_by_line(table, stated, tmp_path_factory):
    content, values, decimal, odd, unclear = table
    path = written(tmp_path_factory.mktemp("t"), content)
    said = ""
    try:
        found = read_table(path, decimal=decimal if stated else ".").values
    except ContentError as error:
        said = str(error)
    if said:
        assert re.search(r"line \d+(, column \d+|:| names| has| is )", said)
    elif not unclear:
        assert odd is None or (stated and decimal == "," and odd == "1,5")
        assert odd is not None or np.array_equal(found, values)


@settings(deadline=None, max_examples=40)
@given(
    values=arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=4), elements=finite),
    kind=st.sampled_from(["csv", "npy", "npz"]),
    named=st.booleans(),
)
def test_a_table_that_is_written_is_read_the_same_to_the_bit(values, kind, named, tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / f"a.{kind}"
    columns = tuple(f'x{i}, "é"' for i in range(values.shape[1])) if named else None
    write_table(path, values, columns)
    table = read_table(path)
    assert np.array_equal(table.values, values)
    assert table.columns == (columns if kind == "csv" else None)


@settings(deadline=None, max_examples=150)
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.text(max_size=40).map(str.encode),
        st.text(alphabet='0123456789.,;e+-\t \n\r"#nax\x00', max_size=60).map(str.encode),
    ),
    name=st.sampled_from(["a.csv", "a.npy", "a.npz"]),
    delimiter=st.sampled_from([None, None, "whitespace", "comma", "\x00", "#", "."]),
    header=st.sampled_from([None, True, False]),
)
def test_any_content_is_a_table_or_refused(content, name, delimiter, header, tmp_path_factory):
    path = written(tmp_path_factory.mktemp("t"), content, name)
    said = ""
    try:
        table = read_table(path, delimiter=delimiter, header=header)
    except (ValueError, TypeError) as error:
        said = str(error)
    if said:
        assert str(path) in said or "delimiter" in said
    else:
        assert table.values.ndim == 2
        assert np.isfinite(table.values).all()


def test_endless_lines_and_endless_blanks_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "LONGEST_LINE", 100)
    monkeypatch.setattr(tables, "MOST_SKIPPED", 10)
    for name, text, words in (
        ("wide.csv", "1," * 100 + "1\n", "line 1 has more than 100 characters"),
        ("blank.csv", "\n" * 20 + "1,2\n", "more than 10 blank lines and comments"),
        ("comments.csv", "# so\n" * 20 + "1,2\n", "more than 10 blank lines and comments"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ContentError, match=words):
            read_table(tmp_path / name)


@pytest.mark.parametrize("word", ["#DIV/0!", "#N/A", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"])
def test_a_row_that_begins_with_an_error_of_a_spreadsheet_is_no_comment(word, tmp_path):
    (tmp_path / "x.csv").write_text(f"1,2\n{word},2\n3,4\n")
    with pytest.raises(ContentError, match="line 2, column 1"):
        read_table(tmp_path / "x.csv")
