"""The gradient checker: a verdict on the gradient of any objective, from its values alone."""

from .checker import check_gradient
from .report import ArrayReport, Element, GradientReport

__all__ = ["ArrayReport", "Element", "GradientReport", "check_gradient"]
