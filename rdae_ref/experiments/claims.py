"""What the paper says, the quantity that tests it, and what was measured."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["Claim", "claim", "claims_table", "with_claims", "with_table"]

BEGIN, END = "<!-- claims: written by rdae-ref figures --readme -->", "<!-- end of claims -->"


class Claim(NamedTuple):
    """A sentence of the paper beside a measurement.

    Parameters
    ----------
    figure : str
        The figure it belongs to.
    sentence : str
        What the paper says.
    quantity : str
        What tests it.
    threshold : str
        As in ``"<= 5"``; holds if the median over seeds meets it.
    median, low, high : float
        Measured, over seeds.
    holds : bool
        Whether the median meets the threshold.
    seeds_that_hold : str
        As in ``"4 of 5"``.
    """

    figure: str
    sentence: str
    quantity: str
    threshold: str
    median: float
    low: float
    high: float
    holds: bool
    seeds_that_hold: str

    def to_dict(self) -> dict[str, Any]:
        """Return the claim with its field names, for a JSON file.

        Returns
        -------
        dict
            One entry for each field.
        """
        return self._asdict()


def claim(
    figure: str,
    sentence: str,
    quantity: str,
    measured: Iterable[float],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Claim:
    """Hold one quantity, measured for several seeds, against a threshold.

    Parameters
    ----------
    figure : str
        The figure it belongs to.
    sentence : str
        What the paper says.
    quantity : str
        What tests it.
    measured : iterable of float
        One value for each seed.
    at_most, at_least : float
        The threshold: one of the two.

    Returns
    -------
    Claim
        With median, range, and whether it holds.

    Raises
    ------
    ValueError
        Unless exactly one threshold is given.
    """
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
    """Return claims as a Markdown table.

    Parameters
    ----------
    claims : sequence of Claim
        In the order of the rows.

    Returns
    -------
    str
        One line for each claim, below two of heading; the sentence stands in the first row of those that test it.
    """
    lines = [
        "| figure | the paper says | measured | threshold | median (range) | holds | seeds |",
        "|---|---|---|---|---|---|---|",
    ]
    sentence = None
    for item in claims:
        said = item.sentence if item.sentence != sentence else ""
        sentence = item.sentence
        values = f"{item.median:.3g} ({item.low:.3g} to {item.high:.3g})"
        verdict = "yes" if item.holds else "**no**"
        cells = (item.figure, said, item.quantity, item.threshold, values, verdict, item.seeds_that_hold)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def with_claims(text: str, claims: Sequence[Claim]) -> str:
    """Return a Markdown page with its table of claims replaced.

    Parameters
    ----------
    text : str
        The page, with the two marks between which the table stands.
    claims : sequence of Claim
        In the order of the rows.

    Returns
    -------
    str
        The page with the new table.

    Raises
    ------
    ValueError
        If the marks are not there.
    """
    return with_table(text, BEGIN, END, claims_table(claims))


def with_table(text: str, begin: str, end: str, table: str) -> str:
    """Return a page with what stands between two marks replaced.

    Parameters
    ----------
    text : str
        The page.
    begin, end : str
        The marks, each on a line of its own.
    table : str
        What shall stand between them.

    Returns
    -------
    str
        The page with the new table.

    Raises
    ------
    ValueError
        If the marks are not there.
    """
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"the page must have the marks {begin!r} and {end!r} around its table")
    return f"{before}{begin}\n{table}\n{end}{after}"
