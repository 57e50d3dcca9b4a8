"""Optimisers: gradient ascent (the paper's), with momentum, line search or batches; Adam; L-BFGS; continuation in μ.

They work with any model. An objective has ``value_and_gradient(parameters)``, where the parameters are an array or
nested tuples, lists and dicts of arrays; `continuation` also needs ``mu`` and ``with_mu``. All optimisers *maximise*.

All start from `parameters` and call a `callback` with a `Step` after each iteration. All return a `Result`: x (the
parameters), fun (L), nit, success, message and history; after Ctrl-C those of the last iteration. All raise `TypeError`
or `ValueError` if an argument is out of range, and `DivergenceError`, which carries the last good parameters, if L or
its gradient is not finite.
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
