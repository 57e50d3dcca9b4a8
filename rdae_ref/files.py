"""Files: read whole or refused, written whole or not at all. docs/reliability.md lists the promises.

Readers open regular files only, check names, shapes, types and sizes from the headers before any data is read, unpickle
nothing, and raise `ContentError` for a file that is damaged.
"""

import errno
import io
import json
import math
import os
import platform
import re
import secrets
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, NoReturn, cast

import numpy as np
import numpy.typing as npt

try:
    import fcntl
except ImportError:  # Windows: leftovers of killed writers stay
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "GZIP", "ContentError", "Gunzip", "Header", "as_path", "as_text", "json_ready", "open_file", "parse_json",
    "printable", "read_npy", "read_npz", "written_whole",
]  # fmt: skip

PIECE = 2**20  # bytes: the most that is asked of a file at once
MOST_MEMBERS = 1000
MOST_HEADER = 10_000  # bytes, as for numpy.load
MOST_BRACKETS, MOST_COMMAS = 2**18, 2**20  # in JSON text: each pair of brackets costs up to 64 bytes
MOST_TEXT = 2**25  # characters of JSON text
LONGEST_NUMBER = 50  # digits in JSON text: the state of a random generator has 39
DEFLATED = 1032  # times its size in the file, and no more, is what a member can become
GZIP, CHUNK = b"\x1f\x8b", 2**16
MOST_GZIP_MEMBERS = 100  # most files have one
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile and zlib raise for a damaged file.
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(ValueError, RuntimeError, OverflowError, LookupError),
)

KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFLNK: "a link"}
KINDS |= dict.fromkeys((stat.S_IFCHR, stat.S_IFBLK), "a device")
# What a full disk, a quota, a limit or a broken disk raises, and NumPy for any of them, without the name of a file.
DISK = (errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC))
NUMPY_DISK = re.compile(r"\d+ requested and \d+ written")
HOST = f"{zlib.crc32(platform.node().encode()):08x}"  # locks may not reach other machines that share a folder
LEFTOVER = re.compile(r"\.rdae_ref-([0-9a-f]{8})-[0-9a-f]{16}\.part")
ABANDONED = 86_400  # seconds after which nobody on another machine is still writing

STRING = r"""(?:'[^'"\\]*'|"[^'"\\]*")"""
ENTRY = rf"\s*({STRING})\s*:\s*({STRING}|True|False|\(\s*(?:\d{{1,18}}L?\s*,\s*)*(?:\d{{1,18}}L?\s*)?\))\s*"
HEADER = re.compile(rf"\s*\{{{ENTRY},{ENTRY},{ENTRY},?\s*\}}\s*")
NUMBERS_OR_TEXT = re.compile(r"[<>=|]?(?:b1|\?|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[US][1-9]\d{0,8})")


class ContentError(ValueError):
    """A file could be opened, but its content is damaged or not what was expected."""


class Header(NamedTuple):
    """What an array will be, from its header."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int  # of the data, in bytes

    @property
    def size(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)


def as_path(path: str | os.PathLike[str], name: str = "path") -> Path:
    """Return a path; an empty one, which would be the working folder, or one with a null byte is refused."""
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise ValueError(f"{name} must be the name of a file or a folder, without a null byte, got {text!r}")
    return Path(text)


def open_file(path: str | os.PathLike[str], *, follow: bool = True) -> io.BufferedReader:
    """Open a regular file to read bytes from it; a pipe, a device, a socket or a folder is an OSError at once.

    With ``follow=False`` it must not be a symbolic link either.
    """
    path = as_path(path)
    try:
        _check_regular(path, os.stat(path, follow_symlinks=follow).st_mode)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    try:
        _check_regular(path, os.fstat(descriptor).st_mode)  # it may have been exchanged in between
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check_regular(path: str | os.PathLike[str], mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "not a file")
        raise (IsADirectoryError if stat.S_ISDIR(mode) else OSError)(f"{path} is {kind}: name a file")


class Gunzip(io.RawIOBase):
    """The content of a gzip file, unpacked only as far as requested; EOFError or zlib.error if it is damaged.

    The gzip module reads names in headers, and zeros after the end, byte by byte: minutes for a hostile file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.members, self.inflate, self.rest = file, 1, zlib.decompressobj(31), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, but for the last one."""
        content, size = bytearray(), len(buffer)
        while len(content) < size:
            packed = self.rest or self.file.read(CHUNK)
            if not packed and self.inflate.eof:
                break
            if not packed:
                raise EOFError("it ends too early")
            if self.inflate.eof and (packed := packed.lstrip(b"\0")):  # zeros pad the end
                self.members += 1
                if self.members > MOST_GZIP_MEMBERS:
                    raise EOFError(f"it has more than {MOST_GZIP_MEMBERS} members")
                self.inflate = zlib.decompressobj(31)
            if packed:
                content += self.inflate.decompress(packed, size - len(content))
            self.rest = (self.inflate.unconsumed_tail or self.inflate.unused_data) if packed else b""
        buffer[: len(content)] = content
        return len(content)


# Writing ------------------------------------------------------------------------------------------------------------


@contextmanager
def written_whole(
    path: str | os.PathLike[str], mode: str = "w", *, follow: bool = True, like: str | os.PathLike[str] | None = None
) -> Iterator[IO[Any]]:
    """Open a file, for text in UTF-8 or for bytes, that takes its name only when all of it is on the disk.

    At every moment there is either the old file or the new one; after an error or an interrupt it is the old one. The
    new file keeps the mode, owner and group of the one it replaces. If `path` is a symbolic link, its target is written
    and the link kept, or with ``follow=False`` the link is replaced. OSError if the folder does not exist or cannot be
    written to, or if `path` is write-protected or not a regular file.

    A writer that is killed leaves a file ``.rdae_ref-*.part``, which the next writer in the same folder removes.
    """
    path = as_path(path)
    path = Path(os.path.realpath(path)) if follow else path
    before = _replaced(path, follow) if like is None else os.stat(like)  # whose mode and owner the file takes
    _remove_leftovers(path.parent)
    temporary = path.parent / f".rdae_ref-{HOST}-{secrets.token_hex(8)}.part"
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        try:
            descriptor = _create_locked(temporary, 0o666 if before is None else 0o600)  # less the process's umask
        except OSError as error:
            raise type(error)(f"{path} cannot be written: {error.strerror} in its folder") from None
        with os.fdopen(descriptor, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
            mode_after = stat.S_IRUSR if before is None else _take_over(temporary, before)
            if fcntl is not None:  # while it is locked, so that nobody takes it for a leftover
                os.replace(temporary, path)
                if not mode_after & stat.S_IRUSR:
                    os.fchmod(file.fileno(), mode_after)
        if fcntl is None:
            os.replace(temporary, path)
    except BaseException as error:
        with suppress(FileNotFoundError):  # an interrupt may come just after the renaming
            os.unlink(temporary)
        if isinstance(error, OSError) and (error.errno in DISK or NUMPY_DISK.fullmatch(str(error))):
            named = OSError(f"{path} cannot be written: {error.strerror or error}")
            named.errno = error.errno
            raise named from error
        raise


def _replaced(path: Path, follow: bool) -> os.stat_result | None:
    """Return the status of the file that will be replaced, or None if there is none."""
    try:
        status = os.stat(path, follow_symlinks=follow)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode) or follow:
        _check_regular(path, status.st_mode)
    if follow and not os.access(path, os.W_OK):
        raise PermissionError(f"{path} is write-protected: name another file, or change its mode")
    return status if stat.S_ISREG(status.st_mode) else None


def _create_locked(path: Path, mode: int) -> int:
    """Create a file and lock it: `_remove_leftovers` spares it for as long as its writer lives."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink == 0:  # removed between its creation and the lock
                os.close(descriptor)
                continue
        return descriptor


def _take_over(temporary: Path, before: os.stat_result) -> int:
    """Give a file the mode, owner and group of the one that it replaces; return the mode.

    Its owner can read it until it has its name: a file that nobody can open cannot be found unlocked.
    """
    mode, now = stat.S_IMODE(before.st_mode), os.stat(temporary)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        try:
            os.chown(temporary, before.st_uid, before.st_gid)
        except OSError:  # another group must not get the rights that were meant for the first one
            mode &= ~0o6070
    os.chmod(temporary, mode | stat.S_IRUSR)
    return mode


def _remove_leftovers(folder: Path) -> None:
    """Remove the files of this user's killed writers, which nobody locks any more."""
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if found := LEFTOVER.fullmatch(entry.name):
                _remove_unlocked(entry.path, 0 if found[1] == HOST else ABANDONED)


def _remove_unlocked(path: str, age: float) -> None:
    with suppress(OSError):
        status = os.lstat(path)
        is_old = age == 0 or time.time() - status.st_mtime > age
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and is_old:
            if not status.st_mode & stat.S_IRUSR:  # no writer is at work on it
                os.unlink(path)
                return
            with open_file(path, follow=False) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)


# Arrays -------------------------------------------------------------------------------------------------------------


def read_npy(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Return the array of numbers or text of an npy file; `ContentError` if it is damaged or holds anything else."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(4) == b"PK\3\4":
            raise ContentError(f"{path} is an npz file by its content: rename it")
        file.seek(0)
        header = _header(file, size, str(path))
        return _data(file, header, str(path))


Choose = Callable[[Mapping[str, Header]], Iterable[str]]


def read_npz(
    path: str | os.PathLike[str], choose: Choose = list, *, compressed: bool = True, follow: bool = True
) -> dict[str, Any]:
    """Return arrays of an npz file by name; `ContentError` if it is damaged, or they are not of numbers or text.

    `choose` is given the header of each array by name, before any data is read. It returns the names of those to read,
    by default all, or raises `ContentError`. Arrays may be compressed, as `numpy.savez_compressed` does, unless
    ``compressed=False``: a small file can then hold gigabytes. With ``follow=False`` it must not be a symbolic link.
    """
    with open_file(path, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(cast(Any, _InPieces(file, path))) as archive:
                members = _members(archive, size, COMPRESSIONS if compressed else COMPRESSIONS[:1], path)
                headers = {}
                for name, member in members.items():
                    with archive.open(member) as stream:
                        headers[name] = _header(stream, member.file_size, f"{path}: {name}")
                arrays = {}
                for name in choose(headers):
                    with archive.open(members[name]) as stream:
                        stream.read(headers[name].start)
                        arrays[name] = _data(stream, headers[name], f"{path}: {name}")
                return arrays
        except ContentError:
            raise
        except DAMAGE as error:
            said = str(error) or type(error).__name__
            words = "" if said == "File is not a zip file" else f" that can be read ({said})"
            raise ContentError(f"{path} is not an npz file{words}: write it with numpy.savez") from None


class _InPieces:
    """A file of which nobody can ask for more than a piece at once, such as a directory of a gigabyte."""

    def __init__(self, file: BinaryIO, path: str | os.PathLike[str]) -> None:
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._read, self.path = file.read, path

    def read(self, size: int = -1) -> bytes:
        piece = self._read(size if 0 <= size <= PIECE else PIECE + 1)
        if len(piece) > PIECE:
            raise ContentError(f"{self.path} has a directory of more than {PIECE} bytes: write it with numpy.savez")
        return piece


def _members(
    archive: zipfile.ZipFile, size: int, compressions: tuple[int, ...], path: str | os.PathLike[str]
) -> dict[str, zipfile.ZipInfo]:
    """Return the members by the names of their arrays, or refuse what they say about themselves."""
    members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    if len(archive.infolist()) > MOST_MEMBERS:
        raise ContentError(f"{path} has {len(archive.infolist())} members, more than {MOST_MEMBERS}")
    if len(members) < len(archive.infolist()):
        raise ContentError(f"{path} has two members of the same name")
    for name, member in members.items():
        if not member.filename.endswith(".npy"):
            raise ContentError(f"{path}: {name!r} is not an array: write the file with numpy.savez")
        if member.flag_bits & 1:
            raise ContentError(f"{path}: {name!r} is encrypted")
        if member.compress_type not in compressions:
            raise ContentError(f"{path}: {name!r} is compressed in a way that is not read: write it with numpy.savez")
        stored = member.compress_type == zipfile.ZIP_STORED
        most = member.compress_size * (1 if stored else DEFLATED) + (0 if stored else PIECE)
        if member.compress_size > size or member.file_size > most:
            raise ContentError(f"{path}: {name!r} announces {member.file_size} bytes, which the file does not hold")
    return members


def _header(stream: IO[bytes], size: int, where: str) -> Header:
    """Read the header of an array, which must announce as many bytes as there are."""
    start = stream.read(8)
    if len(start) < 8 or start[:6] != b"\x93NUMPY" or start[6] not in (1, 2, 3):
        raise ContentError(f"{where} is not an array in NumPy's format: write it with numpy.save")
    form = "<H" if start[6] == 1 else "<I"
    length = int.from_bytes(stream.read(struct.calcsize(form)), "little")
    if length > MOST_HEADER:
        raise ContentError(f"{where} is not an array that can be read: its header announces {length} bytes of text")
    text = stream.read(length).decode("utf-8" if start[6] == 3 else "latin-1", errors="replace")
    shape, dtype, fortran = _parse_header(text, where)
    header = Header(shape, dtype, fortran, 8 + struct.calcsize(form) + length)
    announced = header.start + header.size * dtype.itemsize
    if announced != size:
        words = f"announces {announced} bytes for an array of shape {shape} and type {dtype}, and has {size}"
        raise ContentError(f"{where} is not an array that can be read: it {words}")
    return header


def _parse_header(text: str, where: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    found = HEADER.fullmatch(text)
    entries = {} if found is None else {found[i][1:-1]: found[i + 1] for i in (1, 3, 5)}
    descr, order, shape = (entries.get(name, "") for name in ("descr", "fortran_order", "shape"))
    sizes = tuple(int(number) for number in re.findall(r"\d+", shape))
    if "O" in descr[:3]:
        raise ContentError(f"{where} holds Python objects, which are not unpickled (allow_pickle=False): store numbers")
    if not NUMBERS_OR_TEXT.fullmatch(descr[1:-1]) or order not in ("True", "False") or not shape.startswith("("):
        raise ContentError(f"{where} is not an array of numbers or text, its header is {text[:80].strip()!r}")
    try:
        dtype = np.dtype(descr[1:-1])
        if len(sizes) > 32:
            raise ValueError(f"{len(sizes)} axes")
        np.broadcast_to(np.empty((), dtype), sizes)  # refuses more elements than can be counted
    except (TypeError, ValueError) as error:
        raise ContentError(f"{where} is not an array that can be read: {error}") from None
    return sizes, dtype, order == "True"


def _data(stream: IO[bytes], header: Header, where: str) -> npt.NDArray[Any]:
    size = header.size * header.dtype.itemsize
    try:
        content = np.empty(size, np.uint8)
    except MemoryError:
        raise ContentError(f"{where} has {size / 1e9:.3g} GB, more than there is memory") from None
    done = 0
    while done < size and (piece := stream.read(min(PIECE, size - done))):
        content.data[done : done + len(piece)] = piece
        done += len(piece)
    if done < size or stream.read(1):  # the last call compares the checksum of an npz file
        raise ContentError(f"{where} is not an array that can be read: it does not have the size that it announces")
    return content.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")


# Text ---------------------------------------------------------------------------------------------------------------


def as_text(array: npt.NDArray[Any], name: str) -> str:
    """Return the text that an array of no dimension holds, or refuse it."""
    if array.dtype.kind != "U" or array.ndim != 0:
        raise ContentError(f"{name} must be text, got an array of shape {array.shape} and type {array.dtype}")
    try:
        return str(array.item())
    except ValueError as error:
        raise ContentError(f"{name} must be text ({error})") from None


def parse_json(text: str, name: str) -> Any:
    """Return what JSON text says; numbers that are not finite or too long, and endless nesting, are refused."""
    brackets = text.count("{") + text.count("[")
    if len(text) > MOST_TEXT or brackets > MOST_BRACKETS or text.count(",") > MOST_COMMAS:
        limits = f"{MOST_TEXT} characters, {MOST_BRACKETS} brackets and {MOST_COMMAS} commas"
        raise ContentError(f"{name} must be JSON of at most {limits}")
    try:
        return json.loads(text, parse_float=_finite, parse_int=_short, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ContentError(f"{name} must be JSON that can be read ({error})") from None


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_constant(text[:LONGEST_NUMBER])


def _short(text: str) -> int:
    return int(text) if len(text) <= LONGEST_NUMBER else _refuse_constant(f"an integer of {len(text)} digits")


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that float64 can hold")


def json_ready(value: Any) -> Any:
    """Return a value as JSON can hold it: tuples as lists, what is not finite as None."""
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [json_ready(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def printable(text: object, keep: str = "") -> str:
    r"""Return text that a terminal shows as it is: control characters as escapes such as ``\x1b``."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in str(text))
