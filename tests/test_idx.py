"""The IDX reader: a file is parsed, or refused by one class, in bounded memory, whatever its bytes are."""

import gzip
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rdae_ref.data.idx import LARGEST_FILE, IDXError, read_idx

CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}
IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx(array, kind="u1"):
    return header(CODES[kind], *array.shape) + array.astype(kind).tobytes()


def header(code, *shape):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


VALID = idx(IMAGES)


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_every_type_is_read_plain_and_gzipped(kind, pack, tmp_path):
    (tmp_path / "file").write_bytes(pack(idx(IMAGES, kind)))
    got = read_idx(tmp_path / "file")
    np.testing.assert_array_equal(got, IMAGES)
    assert got.dtype == np.dtype(kind).newbyteorder("=")
    assert got.flags.writeable


REFUSED = {
    "empty": (b"", "is empty"),
    "gzipped nothing": (gzip.compress(b""), "is empty"),
    "HTML": (b"<!DOCTYPE html><html>Not found</html>", "HTML"),
    "HTML after blanks": (b"\n <html>", "HTML"),
    "gzipped HTML": (gzip.compress(b"<html>moved</html>"), "HTML"),
    "gzipped twice": (gzip.compress(gzip.compress(VALID)), "gzipped twice"),
    "gzip cut off": (gzip.compress(VALID)[:-12], "damaged gzip"),
    "gzip of a wrong sum": (gzip.compress(VALID)[:-8] + bytes(8), "damaged gzip"),
    "gzip of noise": (b"\x1f\x8b\x08" + bytes(range(40)), "damaged gzip"),
    "wrong magic": (b"\x01" + VALID[1:], "must begin with 00 00"),
    "little-endian magic": (b"\x03\x08\x00\x00" + VALID[4:], "must begin with 00 00"),
    "unknown type": (b"\0\0\x0a" + VALID[3:], "must begin with 00 00"),
    "no dimension": (b"\0\0\x08\0", "must begin with 00 00"),
    "three bytes": (VALID[:3], "must begin with 00 00"),
    "many dimensions": (b"\0\0\x08\xff" + bytes([0, 0, 0, 1]) * 255 + b"x", "255 dimensions"),
    "end in the header": (VALID[:9], "ends within its header"),
    "no elements": (VALID[:16], "must have 24 bytes for the shape (2, 3, 4), got 0"),
    "a byte less": (VALID[:-1], "got 23"),
    "a byte more": (VALID + b"\0", "got more"),
    "a dimension of zero": (idx(IMAGES[:0]), "0 bytes"),
    "terabytes": (VALID[:4] + b"\xff" * 12 + VALID[16:], "announces the shape (4294967295,"),
    "gzipped terabytes": (gzip.compress(VALID[:4] + b"\xff" * 12 + VALID[16:]), "announces the shape (4294967295,"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_idx_file_is_refused_by_name_with_its_own_words(what, tmp_path):
    content, words = REFUSED[what]
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(IDXError) as caught:
        read_idx(tmp_path / "broken")
    assert words in str(caught.value)
    assert str(tmp_path / "broken") in str(caught.value)


def test_the_error_is_a_value_error_and_a_missing_file_is_not(tmp_path):
    assert issubclass(IDXError, ValueError)
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nothing")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_nothing_is_allocated_on_the_word_of_a_header(pack, tmp_path):
    """Announced: as much as is believed at most. There: 16 bytes."""
    (tmp_path / "f").write_bytes(pack(b"\0\0\x08\x01" + struct.pack(">I", LARGEST_FILE) + bytes(16)))
    tracemalloc.start()
    try:
        with pytest.raises(IDXError, match="got 16"):
            read_idx(tmp_path / "f")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_names_zeros_and_members_of_a_gzip_file_do_not_keep_the_reader(tmp_path):
    """Python's gzip module takes each of these byte by byte, or member by member: half a minute each."""
    plain = gzip.compress(VALID)
    named = plain[:3] + b"\x08" + plain[4:10] + b"n" * 10**8 + b"\0" + plain[10:]
    many = gzip.compress(VALID[:9]) + gzip.compress(b"") * 2_000_000
    cases = {"named": (named, None), "padded": (plain + bytes(10**8), None), "many": (many, "more than 100 members")}
    for name, (content, words) in cases.items():
        (tmp_path / name).write_bytes(content)
        begin = time.perf_counter()
        if words is None:
            np.testing.assert_array_equal(read_idx(tmp_path / name), IMAGES)
        else:
            with pytest.raises(IDXError, match=words):
                read_idx(tmp_path / name)
        assert time.perf_counter() - begin < 60, name  # each hung before
    (tmp_path / "two").write_bytes(gzip.compress(VALID[:9]) + gzip.compress(VALID[9:]))
    np.testing.assert_array_equal(read_idx(tmp_path / "two"), IMAGES)


def test_a_bomb_is_read_no_further_than_its_elements(tmp_path):
    """A gzip file of 100 kB that unpacks to 100 MB after an honest little array."""
    (tmp_path / "bomb").write_bytes(gzip.compress(VALID + bytes(10**8)))
    tracemalloc.start()
    try:
        with pytest.raises(IDXError, match="got more"):
            read_idx(tmp_path / "bomb")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"shape": (9,)}, r"must have the shape \(9,\), got \(1000000000,\)"),
        ({"shape": (None, 28, 28)}, r"must have the shape \(any, 28, 28\)"),
        ({"dtype": "u1"}, "must have elements of type uint8, got int8"),
        ({"largest": 10**6}, "not from 1 to 1000000"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_what_is_not_expected_is_refused_before_an_element_is_read(expected, words, pack, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(pack(header(0x09, 10**9)))
    monkeypatch.setattr("rdae_ref.data.idx._read_up_to", lambda *_: pytest.fail("elements were read"))
    with pytest.raises(IDXError, match=words):
        read_idx(tmp_path / "file", **expected)


@st.composite
def mutated(draw):
    """A valid file, gzipped or not, with bytes changed, cut out or put in; perhaps gzipped after that."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    content = bytearray(idx(np.zeros(shape), draw(st.sampled_from(list(CODES)))))
    if draw(st.booleans()):
        content = bytearray(gzip.compress(bytes(content), draw(st.integers(0, 9))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return gzip.compress(bytes(content)) if draw(st.booleans()) else bytes(content)


HEADERS = st.builds(
    lambda code, shape, rest: header(code, *shape) + rest,
    st.sampled_from([*CODES.values(), 0x0A]),
    st.lists(st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 1)), max_size=9),
    st.binary(max_size=64),
)


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(gzip.compress), HEADERS, mutated()))
@example(b"\x1f\x8b")
@example(VALID)
@example(b"\x1f\x8b\x08\x00" + bytes(6) + zlib.compress(VALID)[2:-4])
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_parsed_or_refused_in_bounded_memory(tmp_path, content):
    path = tmp_path / "fuzzed"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        array = read_idx(path)
    except IDXError as error:
        assert str(path) in str(error)  # noqa: PT017  # both ways are right
    else:
        assert array.size > 0
        raw = content if content[:2] != b"\x1f\x8b" else gzip.decompress(content)
        assert idx(array, {np.dtype(k).newbyteorder("="): k for k in CODES}[array.dtype]) == raw
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**20
