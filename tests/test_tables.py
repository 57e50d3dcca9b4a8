"""Tables: every way to write one is read, and what is none is refused with the line at fault."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
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
        "line 1, column 2: 'b' is not a number; if the first row is a header, pass --header",
    ),
    "a header, denied": (
        "a,b\n1,2\n",
        {"header": False},
        "line 1, column 1: 'a' is not a number; if the first row is a header",
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
        "line 1, column 1: '1,5' is neither a number nor .* write numbers as in 1234.5",
    ),
    "complex": ("1,2j\n3,4j\n", {}, "'2j' is not a number"),
    "latin-1": ("1,2\n3,\xe9\n".encode("latin-1"), {}, "line 2 is not text in UTF-8"),
    "UTF-16": ("1,2\n".encode("utf-16"), {}, "line 1 is not text in UTF-8"),
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
    "per cent first": ("10%\n20\n", {}, "line 1, column 1: '10%' is neither.* as in 1234.5; if the first row is a"),
    "thousands first": ('"1,234"\n5\n', {}, "line 1, column 1: '1,234' is neither.* as in 1234.5"),
    "thousands": ("1;2\n1,234;5\n", {}, "line 2, column 1: '1,234' is not a number; write numbers as in 1234.5"),
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
    with pytest.raises(ValueError, match=r"must end in \.csv, \.npy or \.npz"):
        write_table(tmp_path / "a.txt", VALUES)
    with pytest.raises(ValueError, match="finite"):
        write_table(tmp_path / "a.csv", [[np.nan]])
    assert not list(tmp_path.iterdir())


finite = st.floats(allow_nan=False, allow_infinity=False)


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
