"""Checkpoints of a long ascent: all that the next step needs, in a file that is whole or not there."""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .._validation import Array
from ..files import written_whole

__all__ = ["Checkpoint", "CheckpointError", "previous", "read_checkpoint", "write_checkpoint"]


class CheckpointError(ValueError):
    """A checkpoint is damaged, or belongs to another run."""


class Checkpoint(NamedTuple):
    """Where an ascent stands after some epochs.

    Parameters
    ----------
    run : str
        What tells runs apart: a digest of start and settings.
    x, velocity : Array, shape (n,)
        The parameters as one vector, and the velocity of the momentum.
    values, gradient_norms : Array, shape (epochs,)
        The history so far.
    generator : dict
        The state of the random generator.
    """

    run: str
    x: Array
    velocity: Array
    values: Array
    gradient_norms: Array
    generator: dict[str, Any]


def write_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the one that had this name is kept as `previous`.

    At every moment there is a whole file of the name: the old one, or the new one.

    Parameters
    ----------
    path : path-like
        Ends in ``.npz``.
    checkpoint : Checkpoint
        All of it.

    Raises
    ------
    OSError
        If the folder is not there, or not to be written to.
    """
    path, archive = Path(path), io.BytesIO()
    generator = json.dumps(checkpoint.generator, default=np.ndarray.tolist)
    np.savez(archive, **checkpoint._replace(generator=generator)._asdict())  # type: ignore[arg-type]
    if path.exists():
        with written_whole(previous(path), "wb") as file:
            file.write(path.read_bytes())
    with written_whole(path, "wb") as file:
        file.write(archive.getbuffer())


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint | None:
    """Read a checkpoint back.

    Parameters
    ----------
    path : path-like
        As it was written.

    Returns
    -------
    Checkpoint or None
        None if there is no such file.

    Raises
    ------
    CheckpointError
        If it is damaged. It is named, beside the one before it.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            content = {name: archive[name] for name in Checkpoint._fields}
        words = {name: str(content[name]) for name in ("run", "generator")}
        return Checkpoint(**content | {"run": words["run"], "generator": json.loads(words["generator"])})
    except FileNotFoundError:
        return None
    except (zipfile.BadZipFile, ValueError, EOFError, KeyError, NotImplementedError, OSError) as error:
        before = previous(path)
        way_out = f"put {before}, one epoch older, in its place" if before.exists() else "remove it to start anew"
        raise CheckpointError(f"{path} is no whole checkpoint ({error}): {way_out}") from error


def previous(path: str | os.PathLike[str]) -> Path:
    """Return where the checkpoint before the one of a name is kept.

    Parameters
    ----------
    path : path-like
        As in ``run.npz``.

    Returns
    -------
    Path
        As in ``run.previous.npz``.
    """
    return Path(path).with_suffix(f".previous{Path(path).suffix}")
