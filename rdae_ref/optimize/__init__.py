"""Optimisers: gradient ascent (the paper's), with momentum, line search or batches; Adam; L-BFGS; continuation in μ.

They know no model. An objective has ``value_and_gradient(parameters)``, with parameters that are an array or nested
tuples, lists and dicts of arrays; `continuation` also needs its ``mu`` and ``with_mu``. All of them *maximise*.

All take where to start as `parameters`, and a `callback` that is called with a `Step` after each iteration. All return
a `Result`: x (the parameters), fun (L), nit, success, message and history; after Ctrl-C those of the last iteration.
All raise `TypeError` or `ValueError` if an argument is out of its range, and `DivergenceError`, which carries the last
good parameters, if L or its gradient is not finite.
"""

from .ascent import adam, gradient_ascent
from .batched import BatchedObjective, MiniBatches, batch_ascent
from .checkpoint import CheckpointError
from .constrained import maximize_at_distortion
from .iteration import DivergenceError, Result, Step, progress_bar
from .quasi_newton import continuation, maximize

__all__ = [
    "BatchedObjective", "CheckpointError", "DivergenceError", "MiniBatches", "Result", "Step", "adam",
    "batch_ascent", "continuation", "gradient_ascent", "maximize", "maximize_at_distortion", "progress_bar",
]  # fmt: skip
