"""The same objectives, apart from the package: HIPS autograd, PyTorch and JAX differentiate one set of `definitions`.

The fifty-digit oracle shares no mathematics with them: it defines all again, and its derivatives are differences.

Each oracle has ``value_and_gradient(parameters, X, *, model="RateDistortion", **settings)``; ``load("torch")`` imports
one, and with it the framework.
"""

from .framework_table import FRAMEWORKS, SHAPES, Row, Shape, agreement, as_table, degenerate_cases, load, wrong

__all__ = ["FRAMEWORKS", "SHAPES", "Row", "Shape", "agreement", "as_table", "degenerate_cases", "load", "wrong"]
