"""The gradient checker: a verdict on any objective's gradient, from values alone; `report` is what it returns."""

from .checker import check_gradient
from .report import ArrayReport, Element, GradientReport

__all__ = ["ArrayReport", "Element", "GradientReport", "check_gradient"]
