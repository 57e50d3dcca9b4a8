"""Files in the IDX format of MNIST, gzipped or not: read whole, or refused.

A header says what follows, in big-endian numbers: two zero bytes, one byte for the type of the elements, one for the
number of dimensions, four bytes for each dimension; then the elements. No memory is allocated on the word of a header:
a file is read up to where its elements must end, and one byte further to check that they do.
"""

import io
import math
import os
import struct
import zlib
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..files import GZIP, ContentError, Gunzip, open_file

__all__ = ["IDXError", "read_idx"]

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
LARGEST_FILE = 2**30  # bytes of elements; all of MNIST has 47 million
MOST_DIMENSIONS = 8  # MNIST has up to 3
CHUNK = 2**16


class IDXError(ContentError):
    """A file does not follow the IDX format; the message says how."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_idx(
    path: str | os.PathLike[str],
    *,
    shape: tuple[int | None, ...] | None = None,
    dtype: npt.DTypeLike | None = None,
    largest: int = LARGEST_FILE,
) -> npt.NDArray[Any]:
    """Return the array of an IDX file; its first two bytes, not its name, show whether it is gzipped.

    `IDXError` if it is empty, not an IDX file, gzipped twice, damaged, an HTML page, or shorter or longer than its
    header says. Also, before any element is read, if the header announces no elements, more than `largest` bytes, more
    than eight dimensions, or a `shape` (None in it matches any number) or `dtype` other than expected. The format is
    described on the page of MNIST (LeCun, Cortes, Burges).
    """
    with open_file(path) as file:
        zipped = file.read(2) == GZIP
        file.seek(0)
        try:
            return _read_array(io.BufferedReader(Gunzip(file)) if zipped else file, shape, dtype, largest)
        except (EOFError, zlib.error) as error:
            raise IDXError(f"{path} is a damaged gzip file ({error}): fetch it again") from error
        except IDXError as error:
            raise IDXError(f"{path} {error}") from None


def _read_array(
    file: _Readable, expected: tuple[int | None, ...] | None, dtype: npt.DTypeLike | None, largest: int
) -> npt.NDArray[Any]:
    kind, n_dimensions = _checked_magic(file.read(4))
    header = file.read(4 * n_dimensions)
    if len(header) < 4 * n_dimensions:
        raise IDXError(f"ends within its header, which announces {n_dimensions} dimensions")
    shape = struct.unpack(f">{n_dimensions}I", header)
    if expected is not None and not (len(shape) == len(expected) and all(map(_fits, shape, expected))):
        words = ", ".join("any" if n is None else str(n) for n in expected)
        raise IDXError(f"must have the shape ({words}{',' * (len(expected) == 1)}), got {shape}")
    if dtype is not None and kind != dtype:
        raise IDXError(f"must have elements of type {np.dtype(dtype)}, got {kind}")
    size = math.prod(shape) * kind.itemsize
    if not 0 < size <= largest:
        raise IDXError(f"announces the shape {shape}, {size} bytes of elements: not from 1 to {largest}")
    content = _read_up_to(file, size + 1)
    if len(content) != size:
        came = "more" if len(content) > size else f"{len(content)}"
        raise IDXError(f"must have {size} bytes for the shape {shape}, got {came}: fetch it again")
    array = np.frombuffer(content, kind).reshape(shape)
    return array if kind.isnative else array.byteswap(inplace=True).view(kind.newbyteorder("="))


def _fits(n: int, wanted: int | None) -> bool:
    return wanted in (None, n)


def _checked_magic(magic: bytes) -> tuple[np.dtype[Any], int]:
    """Return type and number of dimensions from the first four bytes, or say what the file seems to be."""
    if not magic:
        raise IDXError("is empty: fetch it again")
    if magic[:2] == GZIP:
        raise IDXError("is gzipped twice: unpack it once")
    if magic.lstrip()[:1] == b"<":
        raise IDXError("is an HTML or XML page, perhaps the message of a server: look at it, and fetch the file again")
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] == 0:
        found = magic.hex(" ")
        raise IDXError(f"is not an IDX file: it must begin with 00 00, a type and a number of dimensions, got {found}")
    if magic[3] > MOST_DIMENSIONS:
        raise IDXError(f"announces {magic[3]} dimensions, more than {MOST_DIMENSIONS}: it is damaged")
    return np.dtype(TYPES[magic[2]]), magic[3]


def _read_up_to(file: _Readable, size: int) -> bytearray:
    """Read in pieces: a request for all at once would allocate what the header announces, be it there or not."""
    content = bytearray()
    while len(content) < size and (piece := file.read(min(CHUNK, size - len(content)))):
        content += piece
    return content
