#!/usr/bin/env python
"""Give hostile files to every reader: each is read, or refused by ContentError, within 300 MB and 2 s.

    scripts/fuzz.py --inputs 20000 [--readers csv npz ...] [--seed 0]

Prints a line for each reader, and exits with 1 if one raised anything else or took more. Inputs that did are kept in
the folder that --keep names. docs/reliability.md says what is promised.
"""

import argparse
import gzip
import io
import json
import resource
import string
import struct
import sys
import tempfile
import time
import traceback
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rdae_ref import RateDistortionAutoencoder, initial_parameters, load_model, save_model
from rdae_ref.data import gaussian
from rdae_ref.data.idx import read_idx
from rdae_ref.experiments import runs
from rdae_ref.files import ContentError
from rdae_ref.optimize.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from rdae_ref.tables import read_table
from rdae_ref.verify.compare import npz
from rdae_ref.verify.compare.arrays import accept

MEMORY, SECONDS = 300e6, 2.0  # more than what is asked for, which is next to nothing here
RUN = "0" * 32
ODD_VALUES = (
    *(None, True, -1, 0, 1, 2, 3.5, 1e308, -1e-308, 10**30, 10**400, "", "nan", "inf", "median", "\x1b[2J", "\ud800"),
    *("x" * 5000, [], [[]], {}, {"value": 1}, [1, 2], {"pos": 10**6}, "PCG64", "random", "linear", [None] * 50),
)
ODD_TEXT = ("NaN", "1e999", "-Infinity", "9" * 5000, "[" * 3000, '{"a":' * 3000, "\\ud800", "", "1" + "0" * 400)
FIELDS = (
    *(
        "1",
        "-2.5",
        "1e-400",
        "1e999",
        "nan",
        "NA",
        "",
        " ",
        '"',
        '""',
        '"1',
        "1_0",
        "0x1",
        "10%",
        "1,2",
        "\t",
        ";",
        "#",
    ),
    *(
        "\x00",
        "\u0661",
        "\xa0",
        "\u2028",
        "\x0b",
        "\x1c",
        "a b",
        "1e",
        "+",
        "9" * 400,
        "0." + "0" * 400 + "1",
        "\r",
        "\n",
    ),
)
ODD_ARRAYS: tuple[Any, ...] = (
    *(
        np.zeros(0),
        np.zeros((0, 3)),
        np.zeros((2, 2)),
        np.zeros(3),
        np.array(3),
        np.array(np.nan),
        np.full((3, 2), np.inf),
    ),
    *(np.zeros((2, 3), "f4", order="F"), np.zeros(2, complex), np.zeros(3, bool), np.array("text"), np.array(b"bytes")),
    *(np.zeros((2, 2, 2)), np.zeros((1,) * 20), np.zeros(2, ">i2"), np.array([["a", "b"]]), np.zeros(5, "f2")),
    *(np.array([{}], dtype=object), np.zeros(2, "M8[s]"), np.zeros(2, "f8,i4"), np.zeros(3, "V5"), np.arange(10**5)),
)


class Reader(NamedTuple):
    """A reader, valid files for it, and the ending of their names."""

    read: Callable[[Path], Any]
    seeds: list[bytes]
    ending: str


def saved(save: Callable[..., Any], *args: Any, **kwargs: Any) -> bytes:
    """Return what a function writes into a file."""
    file = io.BytesIO()
    save(file, *args, **kwargs)
    return file.getvalue()


def readers(folder: Path) -> dict[str, Reader]:
    """Return the readers by name."""
    rng, path = np.random.default_rng(0), folder / "seed.npz"
    X = gaussian(12, rng)
    models, checkpoints = [], []
    for settings in ({}, {"alpha": np.inf}, {"solver": "ascent", "step_size": 0.01, "batch_size": 6}):
        model = RateDistortionAutoencoder(n_hidden=3, sigma=0.5, max_iter=3, tol=1e9, random_state=0, **settings).fit(X)
        save_model(model, path)
        models.append(path.read_bytes())
    for kind in (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64):
        write_checkpoint(path, Checkpoint("0" * 64, *np.ones((4, 3)), kind(0).state))
        checkpoints.append(path.read_bytes())
    outcome = {"X": X, "D": np.array(0.5)}
    seal = runs._seal(RUN, outcome) | {"sha256": runs._sha256(outcome)}
    point = {"X": X, **initial_parameters(2, 3, rng)._asdict(), "Xhat": X, "activation": "logsig", "alpha": 1.01}
    point |= {"mu": 1.5, "sigma_x": 0.4, "sigma_xhat": 0.3, "base": 2.0}
    arrays = [X, X.astype("f4"), np.asfortranarray(X), np.arange(6).reshape(3, 2)]
    images = b"\0\0\x08\x03" + struct.pack(">3I", 3, 2, 2) + bytes(12)
    reals = b"\0\0\x0e\x01" + struct.pack(">I", 2) + np.zeros(2, ">f8").tobytes()
    tables = ["1,2.5\n-3,4e-3\n", "a,b\n1,2\n3,4\n", '"a";"b c"\n1;2\n', "# x\n1 2\n3\t4\n", "1\t2\r\n3\t4\r\n"]
    npz.compare = lambda X, point, results, **settings: accept(X, point, None, results, settings)  # without the search
    return {
        "csv": Reader(read_text, [table.encode() for table in tables], ".csv"),
        "npy": Reader(read_table, [saved(np.save, array) for array in arrays], ".npy"),
        "npz": Reader(read_table, [saved(np.savez, a=a) for a in arrays] + [saved(np.savez_compressed, a=X)], ".npz"),
        "compare": Reader(npz.compare_file, [saved(np.savez, **point), saved(np.savez_compressed, **point)], ".npz"),
        "model": Reader(load_model, models, ".npz"),
        "checkpoint": Reader(read_checkpoint, checkpoints, ".npz"),
        "cache": Reader(
            lambda path: runs._read(path, RUN), [saved(np.savez, **outcome, _run=json.dumps(seal))], ".npz"
        ),
        "idx": Reader(read_idx, [f(x) for x in (images, reals) for f in (bytes, gzip.compress)], ""),
    }


def read_text(path: Path) -> Any:
    """Read a table of text with options that depend on its size alone."""
    ways: tuple[dict[str, Any], ...] = (
        *({}, {}, {"missing": "mean"}, {"missing": "drop"}, {"decimal": ","}, {"index": True}, {"header": True}),
        *({"header": False}, {"drop": ["1"]}, {"columns": ["b", "1"]}, {"wanted": ["b"]}),
    )
    return read_table(path, **ways[path.stat().st_size % len(ways)])


def mutated(reader: Reader, rng: np.random.Generator) -> bytes:
    """Return a hostile file: bytes, fields, members, headers or JSON of a valid one are changed."""
    content = pick(rng, reader.seeds)
    if content.startswith(b"PK") and rng.random() < 0.75:
        content = other_members(content, rng)
    elif reader.ending == ".csv" and rng.random() < 0.8:
        encoding = pick(rng, ("utf-8", "utf-8", "utf-8", "utf-16", "utf-16-be", "latin-1"))
        text = other_fields(content.decode(), rng)
        content = text.encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")
        content = gzip.compress(content) if rng.random() < 0.2 else content
    elif reader.ending == ".npy" and rng.random() < 0.6:
        content = other_header(content, rng) if rng.random() < 0.7 else saved(np.save, pick(rng, ODD_ARRAYS), True)
    elif reader.ending == "" and rng.random() < 0.5:
        content = (gzip.compress if rng.random() < 0.5 else bytes)(other_bytes(reader.seeds[0], rng))
    if rng.random() < 0.25:
        content = other_bytes(content, rng)
    return content


def pick(rng: np.random.Generator, choices: Any) -> Any:
    """Return one of several things."""
    return choices[rng.integers(len(choices))]


def other_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """Change, insert, remove, repeat or cut off bytes."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at, n = int(rng.integers(len(changed) + 1)), int(rng.integers(1, 9))
        kind = rng.integers(6)
        if kind == 0:
            changed[at : at + n] = rng.bytes(n)
        elif kind == 1:
            changed[at:at] = rng.bytes(n)
        elif kind == 2:
            del changed[at : at + n * 8]
        elif kind == 3:
            changed[at : at + n] = pick(rng, (bytes(n), b"\xff" * n, b"\x7f" + b"\xff" * (n - 1), b"\0" * 7 + b"\x80"))
        elif kind == 4:
            changed[at:at] = changed[max(0, at - n * 8) : at]
        else:
            del changed[at:]
    return bytes(changed)


def other_fields(table: str, rng: np.random.Generator) -> str:
    """Put odd fields into a table of text."""
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(table) + 1))
        table = table[:at] + pick(rng, FIELDS) + table[at + int(rng.integers(3)) :]
    return table


def other_header(content: bytes, rng: np.random.Generator) -> bytes:
    """Change the text of the header of an npy file, and say its length rightly, or not."""
    start = 10
    text = content[start:128].decode("latin-1")
    old = pick(rng, ("<f8", "<f4", "<i8", "False", "(12, 2)", "(3, 2)", "shape", "descr", "{", "}", ",", "'", "\n"))
    new = pick(
        rng, ("|O", "<U9", "<f8,<f8", "V8", "M8", "True", "(12,)", "(-1, 2)", "(99999999999, 99999999)", "(" * 500)
    )
    text = text.replace(old, new, 1)
    length = len(text) if rng.random() < 0.7 else int(rng.integers(2**16))
    return content[:6] + bytes([int(rng.integers(1, 5)), 0]) + struct.pack("<H", length) + text.encode() + content[128:]


def other_members(content: bytes, rng: np.random.Generator) -> bytes:
    """Write an npz file again with other arrays, names, text or compression, and right checksums."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(rng.integers(1, 4)):
        name, kind = pick(rng, list(members)), rng.integers(7)
        texts = [name for name, member in members.items() if b"'<U" in member[:30]]
        if texts and rng.random() < 0.5:
            name, kind = pick(rng, texts), 0
        array = array_in(members[name])
        if kind <= 1 and array is not None and array.dtype.kind == "U" and array.ndim == 0:
            members[name] = saved(np.save, np.array(other_json(str(array), rng)))
        elif kind <= 2:
            members[name] = saved(np.save, pick(rng, ODD_ARRAYS), True)
        elif kind == 3 and array is not None and array.dtype.kind == "f" and array.size:
            changed = array.copy()
            with np.errstate(over="ignore"):  # of 1e300 as float32
                changed.flat[rng.integers(array.size)] = pick(rng, (np.nan, np.inf, -1, 0, 1e300, 1e-300))
            members[name] = saved(np.save, changed)
        elif kind == 4 and members[name][:6] == b"\x93NUMPY":
            members[name] = other_header(members[name], rng)
        elif kind == 5:
            members[name] = other_bytes(members[name], rng)
        else:
            members[pick(rng, (name[:-4] or "x", f"../{name}", "X.npy", "W.npy", "about.npy", "\x1b.npy"))] = members[
                name
            ]
            if rng.random() < 0.5:
                del members[name]
        if not members:
            break
    file = io.BytesIO()
    methods = (zipfile.ZIP_STORED,) * 20 + (
        zipfile.ZIP_DEFLATED,
        zipfile.ZIP_DEFLATED,
        zipfile.ZIP_BZIP2,
        zipfile.ZIP_LZMA,
    )
    with zipfile.ZipFile(file, "w", pick(rng, methods)) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name are meant
        for name, member in members.items():
            for _ in range(1 + (rng.random() < 0.003)):
                archive.writestr(name, member)
    return file.getvalue()


def array_in(content: bytes) -> Any:
    """Return the array of an npy file, or None."""
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:  # NumPy raises nearly everything
        return None


def other_json(text: str, rng: np.random.Generator) -> str:
    """Change a value, anywhere in it, or the text."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return str(pick(rng, ODD_TEXT))
    if rng.random() < 0.1 and text:
        return text[: rng.integers(len(text))] + pick(rng, ODD_TEXT)
    holder = content
    while isinstance(holder, (dict, list)) and holder:
        key = pick(rng, list(holder) if isinstance(holder, dict) else range(len(holder)))
        if not isinstance(holder[key], (dict, list)) or not holder[key] or rng.random() < 0.2:
            odd = pick(rng, ODD_TEXT) if rng.random() < 0.2 else pick(rng, ODD_VALUES)
            if rng.random() < 0.1 and isinstance(holder, dict):
                holder[pick(rng, ("x", "", "callback", "method", *string.ascii_letters))] = holder.pop(key)
            else:
                holder[key] = odd
            break
        holder = holder[key]
    try:
        return json.dumps(content)
    except ValueError:  # an integer of more digits than Python writes
        return text


class Count(NamedTuple):
    """How a reader took its inputs."""

    read: int
    refused: int
    others: int
    slowest: float
    largest: float


def fuzz(name: str, reader: Reader, n_inputs: int, seed: int, folder: Path, keep: Path | None) -> Count:
    """Give inputs to one reader."""
    path, tally, slowest, largest = folder / f"input{reader.ending}", {"read": 0, "refused": 0, "others": 0}, 0.0, 0.0
    for index in range(n_inputs):
        content = mutated(reader, np.random.default_rng([seed, index]))
        path.write_bytes(content)
        tracemalloc.reset_peak()
        before, begin = tracemalloc.get_traced_memory()[0], time.process_time()
        try:
            reader.read(path)
            result = "read"
        except ContentError:
            result = "refused"
        except BaseException:
            result = "others"
            traceback.print_exc(limit=-3)
        seconds, memory = time.process_time() - begin, tracemalloc.get_traced_memory()[1] - before
        slowest, largest = max(slowest, seconds), max(largest, memory)
        if result != "others" and (seconds > SECONDS or memory > MEMORY):
            result = "others"
            print(f"{name}, input {index}: {seconds:.2f} s, {memory / 1e6:.0f} MB", file=sys.stderr)
        if result == "others" and keep is not None:
            (keep / f"{name}-{seed}-{index}{reader.ending}").write_bytes(content)
        tally[result] += 1
    return Count(**tally, slowest=slowest, largest=largest)


def main() -> int:
    """Run the readers that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000, help="for each reader (default 20000)")
    parser.add_argument("--readers", nargs="+", help="which (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for inputs that a reader mishandled")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))  # a reader that takes all memory ends here
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        known = readers(Path(folder))
        tracemalloc.start()
        print(f"{'reader':12}{'inputs':>8}{'read':>8}{'refused':>9}{'others':>8}{'slowest':>10}{'memory':>10}")
        for name in options.readers or known:
            count = fuzz(name, known[name], options.inputs, options.seed, Path(folder), options.keep)
            bad += count.others
            row = f"{name:12}{options.inputs:8}{count.read:8}{count.refused:9}{count.others:8}"
            print(f"{row}{count.slowest:8.2f} s{count.largest / 1e6:7.1f} MB", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
