"""Sentences of the paper, the quantities that test them, what was measured, and the tables of docs/claims.md."""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = [
    "Claim", "claim", "claims_table", "literal_table", "median_interval", "with_claims", "with_literal", "with_table",
]  # fmt: skip

BEGIN, END = "<!-- claims: written by rdae-ref figures --claims -->", "<!-- end of claims -->"
LITERAL_BEGIN, LITERAL_END = "<!-- literal: begin -->", "<!-- literal: end -->"


class Claim(NamedTuple):
    """A sentence of the paper and a measurement."""

    figure: str
    sentence: str
    quantity: str  # what tests the sentence
    threshold: str  # as in "<= 5"
    median: float
    low: float  # smallest over the seeds
    high: float
    interval: tuple[float, float] | None  # of the median: see `median_interval`
    verdict: str  # "yes", "no" or "undecided"
    seeds_that_hold: str  # as in "4 of 9"

    def to_dict(self) -> dict[str, Any]:
        """Return the claim with its field names, for a JSON file."""
        return self._asdict()

    @property
    def holds(self) -> bool:
        """Whether the verdict is "yes"."""
        return self.verdict == "yes"


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Return the distribution-free interval of the median between two order statistics, or None if n is too small."""
    # The median lies outside [x_(k), x_(n+1−k)] with probability 2 P(Bin(n, ½) < k). Six values are the fewest for
    # 95 %: k = 1, the range. Nine leave out one at each end, twelve two.
    ordered, n, k, outside = sorted(values), len(values), 0, 0.0
    while (outside := outside + 2 * math.comb(n, k) / 2**n) <= 1 - confidence:
        k += 1
    return (ordered[k - 1], ordered[n - k]) if k else None


def claim(
    figure: str,
    sentence: str,
    quantity: str,
    measured: Iterable[float],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Claim:
    """Compare a quantity, measured once for each seed, with a threshold: `at_most` or `at_least`."""
    # It is decided if the whole 95 % interval of the median is on one side of the threshold or, with fewer than six
    # seeds, which have no such interval, if all seeds are.
    if (at_most is None) == (at_least is None):
        raise ValueError(f"give one of at_most and at_least, got {at_most} and {at_least}")
    values = [float(value) for value in measured]

    def meets(value: float) -> bool:
        return value <= at_most if at_most is not None else value >= at_least  # type: ignore[operator]

    interval = median_interval(values)
    ends = {meets(value) for value in interval or (min(values), max(values))}
    threshold = f"<= {at_most:g}" if at_most is not None else f">= {at_least:g}"
    spread = statistics.median(values), min(values), max(values), interval
    holds = "undecided" if len(ends) > 1 else "yes" if ends.pop() else "no"
    seeds = f"{sum(map(meets, values))} of {len(values)}"
    return Claim(figure, sentence, quantity, threshold, *spread, holds, seeds)


def claims_table(claims: Sequence[Claim]) -> str:
    """Return claims as a Markdown table with one row each; a sentence is shown in the first row that tests it."""
    heads = ("figure", "the paper says", "measured", "threshold", "median [95 % interval] or (range)", "holds", "seeds")
    rows, sentence = [], None
    for item in claims:
        said = item.sentence if item.sentence != sentence else ""
        sentence = item.sentence
        row = (item.figure, said, item.quantity, item.threshold, _values(item), _verdict(item), item.seeds_that_hold)
        rows.append(row)
    return _markdown(heads, rows)


def literal_table(claims: Sequence[Claim], literal: Sequence[Claim]) -> str:
    """Return a Markdown table of the same claims measured with the default method and with ``method="paper"``."""
    # A row that only one of them decides is marked "one undecided".
    heads = ("figure", "measured", "threshold", "default: median [interval]", "holds", "paper", "holds")
    rows = []
    for ours, paper in zip(claims, literal, strict=True):
        if ours[:4] != paper[:4]:
            raise ValueError(f"the rows differ: {ours.quantity!r} and {paper.quantity!r}; draw both runs again")
        values = (_values(ours), _verdict(ours), _values(paper), _verdict(paper))
        verdicts = {ours.verdict, paper.verdict}
        same = "yes" if len(verdicts) == 1 else "one undecided" if "undecided" in verdicts else "**no**"
        rows.append((ours.figure, ours.quantity, ours.threshold, *values, same))
    return _markdown((*heads, "same verdict"), rows)


def _values(item: Claim) -> str:
    if item.interval is None:
        return f"{item.median:.3g} ({item.low:.3g} to {item.high:.3g})"
    return f"{item.median:.3g} [{item.interval[0]:.3g}, {item.interval[1]:.3g}]"


def _verdict(item: Claim) -> str:
    return item.verdict if item.holds else f"**{item.verdict}**"


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]])


def with_claims(text: str, claims: Sequence[Claim]) -> str:
    """Return a Markdown page with its table of claims replaced."""
    return with_table(text, BEGIN, END, claims_table(claims))


def with_literal(text: str, claims: Sequence[Claim], literal: Sequence[Claim], ascent: Sequence[Claim] = ()) -> str:
    """Return a Markdown page with its tables on the printed equations replaced: methods compared, and the ascent."""
    tables = literal_table(claims, literal)
    if ascent:
        tables = f"{tables}\n\nFigure 1 by the paper's own gradient ascent:\n\n{claims_table(ascent)}"
    return with_table(text, LITERAL_BEGIN, LITERAL_END, f"\n{tables}\n")


def with_table(text: str, begin: str, end: str, table: str) -> str:
    """Return a page with everything between two marks replaced; a ``ValueError`` if it lacks a mark."""
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"the page must have the marks {begin!r} and {end!r} around its table")
    return f"{before}{begin}\n{table}\n{end}{after}"
