"""Files in the IDX format of MNIST, gzipped or not: read whole, or refused.

A header says what follows, in big-endian numbers: two zero bytes, one byte for the type of the elements, one for the
number of dimensions, four bytes for each dimension; then the elements. Nothing is allocated on the word of a header: a
file is read up to where its elements must end, and one byte further to see that they do.
"""

import gzip
import math
import os
import struct
import zlib
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

__all__ = ["IDXError", "read_idx"]

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP = b"\x1f\x8b"
LARGEST_FILE = 2**30  # bytes of elements; all of MNIST has 47 million
MOST_DIMENSIONS = 8  # MNIST has up to 3
CHUNK = 2**16


class IDXError(ValueError):
    """A file is not what the IDX format says: each way in which it is not has words of its own."""


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Read an array from an IDX file, gzipped or not: that is seen from its first two bytes and not from its name.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    array
        Of the type and shape that the header states.

    Raises
    ------
    IDXError
        If it is empty, no IDX file, gzipped twice, damaged, an HTML page, shorter or longer than its header says; or if
        that announces nothing, more than a gibibyte, or more than eight dimensions.
    OSError
        If the file cannot be opened.

    Notes
    -----
    The format is described on the page of MNIST (LeCun, Cortes, Burges).
    """
    with open(path, "rb") as file:
        zipped = file.read(2) == GZIP
        file.seek(0)
        try:
            if not zipped:
                return _read_array(file)
            with gzip.open(file) as inside:
                return _read_array(cast(BinaryIO, inside))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise IDXError(f"{path} is a damaged gzip file ({error}): fetch it again") from error
        except IDXError as error:
            raise IDXError(f"{path} {error}") from None


def _read_array(file: BinaryIO) -> npt.NDArray[Any]:
    magic = file.read(4)
    kind, n_dimensions = _checked_magic(magic)
    header = file.read(4 * n_dimensions)
    if len(header) < 4 * n_dimensions:
        raise IDXError(f"ends within its header, which announces {n_dimensions} dimensions")
    shape = struct.unpack(f">{n_dimensions}I", header)
    size = math.prod(shape) * kind.itemsize
    if not 0 < size <= LARGEST_FILE:
        raise IDXError(f"announces the shape {shape}, {size} bytes of elements: not from 1 to {LARGEST_FILE}")
    content = _read_up_to(file, size + 1)
    if len(content) != size:
        came = "more" if len(content) > size else f"{len(content)}"
        raise IDXError(f"must have {size} bytes for the shape {shape}, got {came}: fetch it again")
    return np.frombuffer(content, kind).reshape(shape).astype(kind.newbyteorder("="))


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
        raise IDXError(f"is no IDX file: it must begin with 00 00, a type and a number of dimensions, got {found}")
    if magic[3] > MOST_DIMENSIONS:
        raise IDXError(f"announces {magic[3]} dimensions, more than {MOST_DIMENSIONS}: it is damaged")
    return np.dtype(TYPES[magic[2]]), magic[3]


def _read_up_to(file: BinaryIO, size: int) -> bytearray:
    """Read in pieces: a request for all at once would allocate what the header announces, be it there or not."""
    content = bytearray()
    while len(content) < size and (piece := file.read(min(CHUNK, size - len(content)))):
        content += piece
    return content
