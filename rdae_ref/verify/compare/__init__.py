"""Is your implementation right? Your arrays compared with ours: a verdict, and an explanation where they differ."""

from .causes import CAUSES, Cause
from .comparison import ArrayComparison, Comparison, Explanation
from .npz import SNIPPETS, compare_file, write_template
from .settings import CONVENTIONS, Convention
from .verdict import compare

__all__ = [
    "CAUSES", "CONVENTIONS", "SNIPPETS", "ArrayComparison", "Cause", "Comparison", "Convention", "Explanation",
    "compare", "compare_file", "write_template",
]  # fmt: skip
