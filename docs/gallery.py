"""Write gallery.md from figures/*.json, so that it shows what was measured: ``python docs/gallery.py``."""

import argparse
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from rdae_ref.experiments import FIGURES, stem
from rdae_ref.experiments.claims import agreed
from rdae_ref.experiments.output import runs_of

DOCS = Path(__file__).parent
PAGE, FOLDER = DOCS / "gallery.md", DOCS.parent / "figures"
HEAD = """# Gallery

Every figure, with what the paper says about it, what we measured, and the verdict. A claim is a number with a
threshold, measured over several seeds. [Claims](claims.md) explains the verdicts, and has every row for Figures 1–4;
the JSON file of each figure has its settings and all its rows. `docs/gallery.py` writes this page from those files.

![Outputs gather on the diagonal as the price of distortion falls](play/figure1.gif)

*Figure 1 forming: inputs in grey, outputs in orange, as μ falls from 64 times the paper's value to an eighth of it.
[The page to play with](play/index.html) has the same run with a slider.*
"""
TAIL = "Next: [every claim and its measurement](claims.md).\n"
# What to look at, for the figures of the paper; the others say it in their titles.
LOOK = {
    "1": "Inputs in grey, outputs in orange. With ten units and two inputs nothing stops an auto-encoder from copying, "
    "and the conventional one does: it overfits. With the entropy the outputs line up instead.",
    "2": "The data follow a curve. Linear units can only shrink; the other units bend their outputs towards the curve.",
    "3": "The energy |x − x̂|² over the plane. The plain auto-encoder reproduces every point; the energy of the other "
    "two is low along the data and rises away from them.",
    "4": "The 100 of 200 units with the largest synthesis filters. Blobs and pen strokes come from noise on the inputs "
    "with clean targets; they are the same without the entropy.",
}
SWEEP = {"4": ("figure4_sweep",)}  # more claims of the same figure


def claims_of(file: str) -> list[dict[str, Any]]:
    """Return the claims of a figure on which all its runs agree."""
    return [claim.to_dict() for claim in agreed([*runs_of(FOLDER, file).values()])]


def counted(claims: list[dict[str, Any]]) -> str:
    """Return how many claims hold, and how many are undecided."""
    verdicts = [claim["verdict"] for claim in claims]
    undecided = f", {verdicts.count('undecided')} undecided" if "undecided" in verdicts else ""
    return f"{verdicts.count('yes')} of {len(claims)} hold{undecided}"


def verdict(claims: list[dict[str, Any]]) -> str:
    """Return the verdict on a sentence."""
    verdicts = {claim["verdict"] for claim in claims}
    if len(verdicts) > 1:
        return f"**{counted(claims)}**"
    return {"yes": "holds", "no": "**does not hold**", "undecided": "**undecided**"}[verdicts.pop()]


def measured(claim: dict[str, Any]) -> str:
    """Return what was measured, with the bars of a formula escaped."""
    said, interval = claim["quantity"].replace("|", r"\|"), claim.get("interval")
    spread = "[{:.3g}, {:.3g}]".format(*interval) if interval else f"({claim['low']:.3g} to {claim['high']:.3g})"
    mark = {"yes": "", "no": " **no**", "undecided": " **undecided**"}[claim["verdict"]]
    return f"{said}: {claim['median']:.3g} {spread}, threshold {claim['threshold']}{mark}"


def table(claims: list[dict[str, Any]], *, at_most: int = 3) -> Iterator[str]:
    """Yield the rows of a table: sentences of the paper, what was measured, the verdict."""
    yield "| the paper says | measured: median [95 % interval] or (range) | verdict |"
    yield "|---|---|---|"
    for sentence, group in groupby(claims, key=lambda claim: claim["sentence"]):
        rows = list(group)
        first = sorted(rows, key=lambda claim: claim["verdict"] == "yes")[:at_most]  # those that do not hold first
        more = f"<br>and {len(rows) - len(first)} more" if len(rows) > len(first) else ""
        said = sentence.replace("|", r"\|")
        yield f"| {said} | {'<br>'.join(map(measured, first))}{more} | {verdict(rows)} |"


def section(name: str) -> str:
    """Return the section of one figure."""
    experiment, file = FIGURES[name], stem(name)
    claims = [claim for part in (file, *SWEEP.get(name, ())) for claim in claims_of(part)]
    title = f"{'' if experiment.supplementary else f'Figure {name}: '}{experiment.title}"
    command = f"rdae-ref figures {name}" + (" --mnist mnist" if experiment.digits else "")
    look = f"{LOOK[name]}\n\n" if name in LOOK else ""
    level = "###" if experiment.supplementary else "##"
    return "\n".join([
        f"{level} {title}\n\n![{title}](../figures/{file}.png)\n\n{look}Draw it: `{command}`. Numbers: "
                f"[{file}.json](../figures/{file}.json). Claims: {counted(claims)}.\n",
        *table(claims),
        "",
    ])  # fmt: skip


def gallery() -> str:
    """Return the page."""
    drawn = [name for name in FIGURES if (FOLDER / f"{stem(name)}.json").exists()]
    own = [section(name) for name in drawn if not FIGURES[name].supplementary]
    others = [section(name) for name in drawn if FIGURES[name].supplementary]
    supplement = "## Supplement\n\nWhat the paper leaves open, the theory behind it, and other models.\n"
    return "\n".join([HEAD, *own, supplement, *others, TAIL])


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # --help does nothing else
    PAGE.write_text(gallery(), encoding="utf-8")
