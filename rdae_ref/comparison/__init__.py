"""Is your implementation right? Your arrays beside ours, with a verdict, and an explanation where they differ."""

from .core import compare
from .npz import SNIPPETS, compare_file, write_template
from .report import ArrayComparison, Comparison, Explanation
from .settings import CONVENTIONS, Convention

__all__ = [
    "CONVENTIONS",
    "SNIPPETS",
    "ArrayComparison",
    "Comparison",
    "Convention",
    "Explanation",
    "compare",
    "compare_file",
    "write_template",
]
