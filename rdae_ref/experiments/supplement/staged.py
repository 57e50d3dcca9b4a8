"""Adam in stages of falling steps, with a checkpoint after each, so that a training that was killed resumes."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from ...optimize import MiniBatches, adam
from ...optimize.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from ...pytree import ravel
from ..output import Folder
from ..training import finished

__all__ = ["train_in_stages"]


def train_in_stages(
    objective: Any,
    parameters: Any,
    stages: tuple[tuple[float, int], ...],
    batch_size: int,
    rng: np.random.Generator,
    *,
    decay: float = 0.0,
    folder: Folder | None = None,
) -> Any:
    """Return the parameters after all stages, of a step size and a number of steps each."""
    # With a folder, finished stages are not repeated: of the same settings, data, start and state of the generator.
    x, unravel = ravel(parameters)
    names = [name for name in vars(objective) if name not in ("X", "rng", "activation")]
    settings = [repr(getattr(objective, name)) for name in names], stages, batch_size, decay, rng.bit_generator.state
    run = hashlib.sha256(repr(settings).encode() + objective.X.tobytes() + x.tobytes()).hexdigest()
    path, values = None if folder is None else Path(folder) / f"stages-{run[:32]}.npz", np.empty(0)
    if path is not None and (found := read_checkpoint(path)) is not None and found.run == run:
        x, values, rng.bit_generator.state = found.x, found.values, found.generator
    for step_size, n_steps in stages[values.size :]:
        batches = MiniBatches(objective, batch_size, rng)
        result = finished(adam(batches, unravel(x), step_size=step_size, n_steps=n_steps, decay=decay))
        x, values = ravel(result.x)[0], np.append(values, result.fun)
        if path is not None:
            zeros, state = np.zeros_like, dict(rng.bit_generator.state)
            write_checkpoint(path, Checkpoint(run, x, zeros(x), values, zeros(values), state))
    return unravel(x)
