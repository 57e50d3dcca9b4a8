"""The same objectives, written independently with HIPS autograd, PyTorch, JAX, and at fifty digits with mpmath.

Each module has ``value_and_gradient(parameters, X, *, model="RateDistortion", **settings)``; ``load("torch")`` imports
one, and with it the framework.
"""

from .framework_table import FRAMEWORKS, SHAPES, Row, Shape, agreement, as_table, degenerate_cases, load, wrong

__all__ = ["FRAMEWORKS", "SHAPES", "Row", "Shape", "agreement", "as_table", "degenerate_cases", "load", "wrong"]
