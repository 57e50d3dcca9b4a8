"""Checkpoints of a long ascent: all that the next step needs, in a file that is whole or not there."""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..files import ContentError, Header, as_path, as_text, open_file, parse_json, read_npz, written_whole

__all__ = ["Checkpoint", "CheckpointError", "previous", "read_checkpoint", "write_checkpoint"]

GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
POSITIONS = {"pos": 624, "buffer_pos": 4}  # the largest that a state can have; NumPy reads there without a check


class CheckpointError(ContentError):
    """A checkpoint is damaged, or belongs to another run."""


class Checkpoint(NamedTuple):
    """The state of an ascent after some epochs."""

    run: str  # identifies the run: a digest of start and settings
    x: Array  # the parameters as one vector
    velocity: Array  # of the momentum
    values: Array  # the history so far
    gradient_norms: Array
    generator: dict[str, Any]  # the state of the random generator


def write_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the one that had this name is kept as `previous`.

    At every moment there is a whole file of the name: the old one, or the new one. A symbolic link under either name is
    replaced, not followed.
    """
    path, archive = as_path(path), io.BytesIO()
    generator = json.dumps(checkpoint.generator, default=np.ndarray.tolist)
    np.savez(archive, **checkpoint._replace(generator=generator)._asdict())  # type: ignore[arg-type]
    if path.exists():
        with open_file(path) as old, written_whole(previous(path), "wb", follow=False, like=path) as file:
            file.write(old.read())
    with written_whole(path, "wb", follow=False) as file:
        file.write(archive.getbuffer())


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint | None:
    """Read a checkpoint, or return None if there is none.

    Raises `CheckpointError` for one that is not whole; the message names the one before it, if that exists.
    """
    path = as_path(path)
    try:
        return _checked(read_npz(path, _choose, compressed=False))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        before = previous(path)
        way_out = f"put {before}, one epoch older, in its place" if before.exists() else "remove it to start over"
        raise CheckpointError(f"{path} is not a complete checkpoint ({error}): {way_out}") from error


def previous(path: str | os.PathLike[str]) -> Path:
    """Return where the checkpoint before the one of a name is kept: ``run.previous.npz`` for ``run.npz``."""
    path = Path(path)
    return path.parent / f"{path.stem}.previous{path.suffix}"


def _choose(headers: Mapping[str, Header]) -> tuple[str, ...]:
    """Refuse other names, types or lengths than those of a checkpoint."""
    if set(headers) != set(Checkpoint._fields):
        raise ContentError(f"it must hold {', '.join(Checkpoint._fields)}, got {', '.join(map(repr, headers))}")
    for first, second in (("x", "velocity"), ("values", "gradient_norms")):
        shapes = headers[first].shape, headers[second].shape
        if len(shapes[0]) != 1 or shapes[0] != shapes[1] or headers[first].size == 0:
            raise ContentError(f"{first} and {second} must be vectors of one length, got shapes {shapes}")
        if any(headers[name].dtype != np.float64 for name in (first, second)):
            raise ContentError(f"{first} and {second} must be float64")
    return Checkpoint._fields


def _checked(content: dict[str, Any]) -> Checkpoint:
    run, generator = as_text(content["run"], "run"), parse_json(as_text(content["generator"], "generator"), "generator")
    for name in ("x", "velocity", "values", "gradient_norms"):
        if not np.isfinite(content[name]).all():
            raise ContentError(f"{name} must be finite")
    _check_generator(generator)
    return Checkpoint(**content | {"run": run, "generator": generator})


def _check_generator(state: Any) -> None:
    """Refuse what is not the state of a random generator."""
    name = state.get("bit_generator") if isinstance(state, dict) else None
    if name not in GENERATORS:
        raise ContentError(f"generator must be the state of one of {', '.join(GENERATORS)}")
    for key, most in POSITIONS.items():
        holder = state if key in state else state.get("state")
        position = holder.get(key, 0) if isinstance(holder, dict) else 0
        if not isinstance(position, int) or not 0 <= position <= most:
            raise ContentError(f"generator: {key} must be from 0 to {most}, got {position!r}")
    generator = getattr(np.random, name)()
    try:
        generator.state = state
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise ContentError(f"generator is not a valid state of {name} ({type(error).__name__}: {error})") from None
    if json.loads(json.dumps(generator.state, default=np.ndarray.tolist)) != state:
        raise ContentError(f"generator is not a valid state of {name}")
