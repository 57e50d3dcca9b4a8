"""What a comparison found: a row for each array, what explains the differences, one verdict; as text and for JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from ...files import json_ready
from ...gradcheck.report import aligned
from .causes import Cause

__all__ = ["VERDICTS", "ArrayComparison", "Comparison", "Explanation"]

SHOWN = 12  # explanations that are printed; to_dict has them all
VERDICTS = ("agrees", "follows", "explained", "undecided", "wrong")  # from best to worst


@dataclass(frozen=True)
class ArrayComparison:
    """One array of yours compared with ours."""

    name: str
    precision: str  # of your computation, by the array's type or by its digits
    relative_error: float  # the largest difference over the largest element of ours
    limit: float  # what rounding may leave, relative to the parts that the array is the sum of
    worst: str  # the element that differs most, as in dW[3, 1]
    yours: float  # that element
    ours: float
    verdict: str  # "agrees", "follows" (from your earlier arrays), "explained", "undecided" or "wrong"
    remark: str = ""


@dataclass(frozen=True)
class Explanation:
    """The conventions under which ours become yours."""

    explains: tuple[str, ...]  # the arrays that differ and fit
    alternatives: tuple[tuple[str, ...], ...]  # keys of conventions: these arrays cannot tell the alternatives apart
    sentences: tuple[str, ...]  # the alternatives in words
    layouts: tuple[str, ...]  # arrays that fit transposed, in words
    error: float  # the largest relative error that is left
    n_tried: int  # how many conventions and combinations were compared
    chance: float  # how many of them would fit random numbers
    strong: bool  # whether that is few enough

    def __str__(self) -> str:
        first, *others = self.sentences
        lines = [f"{_listing(self.explains)}: equal ours with {first}", f"  to {self.error:.0e}; {self._evidence()}"]
        if others:
            lines.append("  Equivalent on these arrays, to rounding:")
            lines += [f"    {sentence}" for sentence in others[:SHOWN]]
            if len(others) > SHOWN:
                lines.append(f"    and {len(others) - SHOWN} more")
        return "\n".join(lines)

    def _evidence(self) -> str:
        if not any(self.alternatives):
            return "no other convention is involved"
        strength = "strong" if self.strong else "weak"
        return f"{strength} evidence: of {self.n_tried} combinations tried, chance would fit {self.chance:.0e}"


@dataclass(frozen=True)
class Comparison:
    """What `compare` found; ``str(comparison)`` is a report."""

    arrays: tuple[ArrayComparison, ...]  #: in the order of the computation
    explanation: Explanation | None  #: the conventions that explain what differs, if any do
    causes: tuple[Cause, ...]  #: why arrays differ, those of equally good explanations included
    notes: tuple[str, ...]  #: how the input was read, and what was not tried

    @property
    def verdict(self) -> str:
        """The worst verdict of an array: ``agrees``, ``follows``, ``explained``, ``undecided`` or ``wrong``."""
        return max((array.verdict for array in self.arrays), key=VERDICTS.index)

    @property
    def agrees(self) -> bool:
        """Whether every array is ours to rounding."""
        return self.verdict == "agrees"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ``verdict`` and ``agrees`` for a JSON file."""
        plain = json_ready({"verdict": self.verdict, "agrees": self.agrees, **asdict(self)})
        assert isinstance(plain, dict)
        return plain

    def __str__(self) -> str:
        rows = [("array", "precision", "rel. error", "worst", "yours", "ours", "verdict")]
        rows += [
            (a.name, a.precision, f"{a.relative_error:.1e}", a.worst, f"{a.yours:.9g}", f"{a.ours:.9g}", a.verdict)
            for a in self.arrays
        ]
        lines = aligned(rows)
        lines += [f"{array.name}: {array.remark}" for array in self.arrays if array.remark]
        lines += [str(self.explanation)] if self.explanation else []
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes), self._sentence()])

    def _sentence(self) -> str:
        names = {verdict: [array.name for array in self.arrays if array.verdict == verdict] for verdict in VERDICTS}
        if self.agrees:
            return f"AGREES: {_listing(names['agrees'])} to rounding"
        said = {"explained": "explained", "undecided": "undecided", "wrong": "wrong", "follows": "right given these"}
        parts = [f"{words}: {_listing(names[verdict])}" for verdict, words in said.items() if names[verdict]]
        first = next(array.name for array in self.arrays if array.verdict != "agrees")
        parts += [f"agree: {_listing(names['agrees'])}"] if names["agrees"] else []
        return f"DIFFERS, first in {first}; {'; '.join(parts)}"


def _listing(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
