"""Ways uphill: gradient ascent (the paper's), line search, Adam, SciPy's L-BFGS-B, and continuation in μ.

None of them knows a model. An objective has ``value_and_gradient(parameters)``, parameters being an array or nested
tuples of arrays; `continuation` needs its ``mu`` and ``with_mu`` as well. All of them *maximise*.
"""

from .ascent import MiniBatches, adam, gradient_ascent
from .climb import DivergenceError, Result, Step, progress_bar
from .constrained import maximize_at_distortion
from .quasi_newton import continuation, maximize

__all__ = [
    "DivergenceError",
    "MiniBatches",
    "Result",
    "Step",
    "adam",
    "continuation",
    "gradient_ascent",
    "maximize",
    "maximize_at_distortion",
    "progress_bar",
]
