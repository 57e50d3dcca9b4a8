"""Handwritten digits: the files of MNIST, fetched from any server and checked, and the small ones of scikit-learn."""

import hashlib
import os
import queue
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._validation import Array, as_choice, as_count
from ..files import as_path, open_file, written_whole
from .idx import read_idx

__all__ = [
    "MNIST_FILES", "SMALL", "Digits", "binarised", "centred", "digits_source", "fetch_mnist", "fingerprint",
    "load_digits", "mnist", "small_digits",
]  # fmt: skip

# SHA-256 of the files as LeCun, Cortes and Burges distribute them.
MNIST_FILES = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
# Names under which the digits are found, for training all or the first of them; with .gz or without.
PARTS = {"training": ("train", "train20k"), "test": ("t10k",)}
LARGEST_DOWNLOAD = 2**26  # bytes; the largest file has 9.9 million, 47 million unpacked
CHUNK = 2**16
DEADLINE = 1800  # seconds for all files
SLOWEST = 10_000  # bytes a second, over each
WINDOW = 20  # seconds
SMALL = "sklearn"  # in the place of a folder: the digits that come with scikit-learn
MNIST_VARIANCE = 52.7  # about: summed over the pixels, each in [0, 1]


class Digits(NamedTuple):
    """Images of digits: pixels in rows, labels from 0 to 9, and the height and width of an image."""

    pixels: Array
    labels: npt.NDArray[np.int64]
    shape: tuple[int, int]


def digits_source(asked: str | os.PathLike[str] | None = None) -> str | None:
    """Return the requested folder, or `SMALL`, and otherwise the value of the variable RDAE_MNIST."""
    return str(asked) if asked else os.environ.get("RDAE_MNIST") or None


def load_digits(source: str, n_samples: int, part: str = "training") -> Digits:
    """Read digits of a folder with MNIST, or for ``"sklearn"`` at most so many small ones, for a test the last ones."""
    if source != SMALL:
        return mnist(source, n_samples, part)
    digits, rows = small_digits(), slice(n_samples) if part == "training" else slice(-n_samples, None)
    return digits._replace(pixels=digits.pixels[rows], labels=digits.labels[rows])


def mnist(folder: str | os.PathLike[str], n_samples: int = 20_000, part: str = "training") -> Digits:
    """Read the first digits of MNIST, pixels scaled to [0, 1].

    Parameters
    ----------
    folder : path-like
        Holds images and labels as ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, or with ``train20k`` for
        ``train``, or as ``t10k-…`` the test digits; gzipped (``.gz``) or not.
    n_samples, part : int and str
        N, how many; and ``"training"`` or ``"test"``.

    Returns
    -------
    Digits
        Pixels, labels, and the shape of an image.

    Raises
    ------
    TypeError, ValueError, OSError
        If `n_samples` is not an integer from 1 to the number of digits, or a file is not there or damaged (`IDXError`).
    """
    n_samples, folder = as_count(n_samples, "n_samples"), as_path(folder, "folder")
    names = PARTS[as_choice(part, "part", PARTS)]
    images_file, labels_file = (_find(folder, names, f"{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    images = read_idx(images_file, shape=(None, None, None), dtype=np.uint8, largest=LARGEST_DOWNLOAD)
    labels = read_idx(labels_file, shape=(len(images),), dtype=np.uint8)
    as_count(n_samples, "n_samples", maximum=len(images))
    height, width = images.shape[1:]
    pixels = images[:n_samples].reshape(n_samples, height * width) / 255
    return Digits(pixels, labels[:n_samples].astype(np.int64), (height, width))


def _find(folder: Path, parts: Sequence[str], ending: str) -> Path:
    names = [f"{part}-{ending}{suffix}" for part in parts for suffix in (".gz", "")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"there is none of {', '.join(names)} in {folder}: put the files of MNIST there, or fetch them by "
        f"rdae-ref fetch --from URL --to {folder}"
    )


def small_digits() -> Digits:
    """Return the 1797 digits of 8 × 8 pixels that come with scikit-learn, scaled to the variance of MNIST."""
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415  # optional: the extra [test]
    except ImportError as error:
        raise ImportError('the small digits need scikit-learn: pip install "rdae_ref[test]"') from error
    bundled = load_digits()
    pixels = bundled.data * np.sqrt(MNIST_VARIANCE / bundled.data.var(axis=0).sum())
    return Digits(pixels, bundled.target.astype(np.int64), (8, 8))


def centred(digits: Digits) -> Array:
    """Return the pixels minus their mean over all digits: the inputs of the auto-encoder of §4.2."""
    return digits.pixels - digits.pixels.mean(axis=0)


def binarised(digits: Digits, rng: np.random.Generator) -> Array:
    """Return pixels that are 1 with their grey value as probability, and otherwise 0: binarisation, drawn once."""
    return (rng.random(digits.pixels.shape) < digits.pixels).astype(float)


def fingerprint(digits: Digits) -> str:
    """Return the SHA-256 of the pixels as float64, row by row: it identifies the digits behind a result."""
    return hashlib.sha256(digits.pixels.tobytes()).hexdigest()


def fetch_mnist(
    base_url: str, folder: str | os.PathLike[str], *, checksums: dict[str, str] | None = None
) -> list[Path]:
    """Fetch the files of MNIST from a server or folder that has them, as in ``https://…/mnist`` or ``file:///…/mnist``.

    Existing files with the right checksum are not fetched again. ValueError for a file whose SHA-256 differs from that
    in `checksums`, by default `MNIST_FILES`; OSError for one that cannot be fetched or written, or arrives too slowly
    (below 10 kB/s over 20 s, or more than half an hour in all).
    """
    folder = as_path(folder, "folder")
    folder.mkdir(parents=True, exist_ok=True)
    wanted, deadline = MNIST_FILES if checksums is None else checksums, time.monotonic() + DEADLINE
    for name, checksum in wanted.items():
        if not _is_right(folder / name, checksum):
            _fetch(f"{base_url.rstrip('/')}/{name}", folder / name, checksum, deadline)
    return [folder / name for name in wanted]


def _is_right(path: Path, checksum: str) -> bool:
    if not path.is_file() or path.stat().st_size > LARGEST_DOWNLOAD:
        return False
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == checksum


def _fetch(url: str, path: Path, checksum: str, deadline: float) -> None:
    digest, size = hashlib.sha256(), 0
    with written_whole(path, "wb") as file:
        for piece in _pieces(url, deadline):
            digest.update(piece)
            file.write(piece)
            size += len(piece)
            if size > LARGEST_DOWNLOAD:
                break
        if digest.hexdigest() != checksum:  # raised inside, so that no such file takes the name
            raise ValueError(
                f"{url} must have the SHA-256 {checksum}, got {digest.hexdigest()} from {size} bytes: "
                "it was not kept; try another server"
            )


def _pieces(url: str, deadline: float) -> Iterator[bytes]:
    """Yield what a server sends, as long as it keeps up with `SLOWEST` and the deadline."""
    # A thread waits for it: no time limit of a socket covers names, handshakes and headers, or a byte a second.
    pieces: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
    stop, came = threading.Event(), 0
    threading.Thread(target=_receive, args=(url, pieces, stop), daemon=True).start()
    try:
        while True:
            window = time.monotonic() + WINDOW
            needed = came + SLOWEST * WINDOW
            while came < needed:
                try:
                    piece = pieces.get(timeout=max(min(window, deadline) - time.monotonic(), 0))
                except queue.Empty:
                    words = f"{came} bytes came, and {SLOWEST} a second must, {DEADLINE} seconds in all"
                    raise TimeoutError(f"{url} is too slow ({words}): try another server") from None
                if isinstance(piece, Exception):
                    raise OSError(f"{url} cannot be fetched ({piece}): is it the folder of the four files?") from piece
                if not piece:
                    return
                came += len(piece)
                yield piece
    finally:
        stop.set()


def _receive(url: str, pieces: "queue.SimpleQueue[bytes | Exception]", stop: threading.Event) -> None:
    """Put what a server sends into a queue; nothing at the end, or what went wrong."""
    size = 0
    try:
        with _opened(url) as response:
            while size <= LARGEST_DOWNLOAD and not stop.is_set() and (piece := response.read1(CHUNK)):
                pieces.put(piece)
                size += len(piece)
        pieces.put(b"")
    except Exception as error:  # of whatever kind: it is raised where the pieces are wanted
        pieces.put(error)


def _opened(url: str) -> Any:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file":
        return open_file(urllib.request.url2pathname(parts.path))
    return urllib.request.urlopen(url, timeout=WINDOW)
