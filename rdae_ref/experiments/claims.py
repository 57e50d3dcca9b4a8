"""Sentences of the paper, the quantities that test them, what was measured, and the tables of docs/claims.md."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = [
    "Claim", "agreed", "claim", "claims_table", "median_interval", "runs_table", "with_claims", "with_runs",
    "with_table",
]  # fmt: skip

BEGIN, END = "<!-- claims: written by rdae-ref figures --claims -->", "<!-- end of claims -->"
RUNS_BEGIN, RUNS_END = "<!-- runs: begin -->", "<!-- runs: end -->"


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


def agreed(runs: Sequence[Sequence[Claim]]) -> list[Claim]:
    """Return the claims of the first run, undecided where another run has another verdict."""
    same = (len({claim.verdict for claim in row}) == 1 for row in _rows_of(runs))
    return [item if alike else item._replace(verdict="undecided") for item, alike in zip(runs[0], same, strict=True)]


def runs_table(runs: Mapping[str, Sequence[Claim]]) -> str:
    """Return a Markdown table of the same claims in several runs, given by what they are called."""
    heads = [column for name in runs for column in (f"{name}: median [interval]", "holds")]
    rows = []
    for row in _rows_of([*runs.values()]):
        verdicts = [claim.verdict for claim in row]
        like = verdicts.count(verdicts[0])
        same = "**no**" if {"yes", "no"} <= {*verdicts} else f"{like} of {len(row)}" if like < len(row) else "yes"
        cells = [cell for claim in row for cell in (_values(claim), _verdict(claim))]
        rows.append((row[0].figure, row[0].quantity, row[0].threshold, *cells, same))
    return _markdown(("figure", "measured", "threshold", *heads, "same verdict"), rows)


def _rows_of(runs: Sequence[Sequence[Claim]]) -> list[tuple[Claim, ...]]:
    """Return the same claim of every run, row by row."""
    rows = [*zip(*runs, strict=True)]
    for row in rows:
        if len({claim[:4] for claim in row}) > 1:
            raise ValueError(f"the rows differ: {row[0].quantity!r} and {row[-1].quantity!r}; draw all runs again")
    return rows


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


def with_runs(text: str, runs: Mapping[str, Sequence[Claim]], ascent: Sequence[Claim] = ()) -> str:
    """Return a Markdown page with its table of several runs replaced, and that of the paper's ascent below it."""
    tables = runs_table(runs)
    if ascent:
        tables = f"{tables}\n\nFigure 1 by the paper's own gradient ascent:\n\n{claims_table(ascent)}"
    return with_table(text, RUNS_BEGIN, RUNS_END, f"\n{tables}\n")


def with_table(text: str, begin: str, end: str, table: str) -> str:
    """Return a page with everything between two marks replaced; a ``ValueError`` if it lacks a mark."""
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"the page must have the marks {begin!r} and {end!r} around its table")
    return f"{before}{begin}\n{table}\n{end}{after}"
