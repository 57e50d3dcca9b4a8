"""Sentences of the paper, the quantities that test them, what was measured, and the tables of docs/claims.md."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["Claim", "claim", "claims_table", "literal_table", "with_claims", "with_literal", "with_table"]

BEGIN, END = "<!-- claims: written by rdae-ref figures --claims -->", "<!-- end of claims -->"
LITERAL_BEGIN, LITERAL_END = "<!-- literal: begin -->", "<!-- literal: end -->"


class Claim(NamedTuple):
    """A sentence of the paper beside a measurement."""

    figure: str
    sentence: str
    quantity: str  # what tests the sentence
    threshold: str  # as in "<= 5"; the claim holds if the median over seeds meets it
    median: float
    low: float
    high: float
    holds: bool
    seeds_that_hold: str  # as in "4 of 5"

    def to_dict(self) -> dict[str, Any]:
        """Return the claim with its field names, for a JSON file."""
        return self._asdict()

    @property
    def depends_on_seed(self) -> bool:
        """Whether some seeds meet the threshold and others do not: rounding can then change the verdict."""
        held, _, seeds = self.seeds_that_hold.partition(" of ")
        return held not in ("0", seeds)


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
    if (at_most is None) == (at_least is None):
        raise ValueError(f"give one of at_most and at_least, got {at_most} and {at_least}")
    values = [float(value) for value in measured]

    def meets(value: float) -> bool:
        return value <= at_most if at_most is not None else value >= at_least  # type: ignore[operator]

    median = statistics.median(values)
    return Claim(
        figure,
        sentence,
        quantity,
        f"<= {at_most:g}" if at_most is not None else f">= {at_least:g}",
        median,
        min(values),
        max(values),
        meets(median),
        f"{sum(map(meets, values))} of {len(values)}",
    )


def claims_table(claims: Sequence[Claim]) -> str:
    """Return claims as a Markdown table with one row each; a sentence is shown in the first row that tests it."""
    heads = ("figure", "the paper says", "measured", "threshold", "median (range)", "holds", "seeds")
    rows, sentence = [], None
    for item in claims:
        said = item.sentence if item.sentence != sentence else ""
        sentence = item.sentence
        row = (item.figure, said, item.quantity, item.threshold, _values(item), _verdict(item), item.seeds_that_hold)
        rows.append(row)
    return _markdown(heads, rows)


def literal_table(claims: Sequence[Claim], literal: Sequence[Claim]) -> str:
    """Return a Markdown table of the same claims measured with the default method and with ``method="paper"``.

    A row whose verdict differs is marked "rounding" where both methods meet the threshold for some seeds only.
    """
    heads = ("figure", "measured", "threshold", "default: median (range)", "holds", "paper: median (range)", "holds")
    rows = []
    for ours, paper in zip(claims, literal, strict=True):
        if ours[:4] != paper[:4]:
            raise ValueError(f"the rows differ: {ours.quantity!r} and {paper.quantity!r}; draw both runs again")
        if ours.holds == paper.holds:
            same = "yes"
        else:
            same = "rounding" if ours.depends_on_seed and paper.depends_on_seed else "**no**"
        values = (_values(ours), _verdict(ours), _values(paper), _verdict(paper))
        rows.append((ours.figure, ours.quantity, ours.threshold, *values, same))
    return _markdown((*heads, "same verdict"), rows)


def _values(item: Claim) -> str:
    return f"{item.median:.3g} ({item.low:.3g} to {item.high:.3g})"


def _verdict(item: Claim) -> str:
    return "yes" if item.holds else "**no**"


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
