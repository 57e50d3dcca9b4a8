"""Ways uphill: gradient ascent (the paper's), over batches too, line search, Adam, SciPy's L-BFGS-B, continuation in μ.

None of them knows a model. An objective has ``value_and_gradient(parameters)``, parameters being an array or nested
tuples of arrays; `continuation` needs its ``mu`` and ``with_mu`` as well. All of them *maximise*.
"""

from .ascent import MiniBatches, adam, gradient_ascent
from .checkpoint import CheckpointError
from .constrained import maximize_at_distortion
from .epochs import BatchedObjective, batch_ascent
from .iteration import DivergenceError, Result, Step, progress_bar
from .quasi_newton import continuation, maximize

__all__ = [
    "BatchedObjective",
    "CheckpointError",
    "DivergenceError",
    "MiniBatches",
    "Result",
    "Step",
    "adam",
    "batch_ascent",
    "continuation",
    "gradient_ascent",
    "maximize",
    "maximize_at_distortion",
    "progress_bar",
]
