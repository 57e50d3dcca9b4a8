"""Write docs/tutorial.md as the notebook tutorial.ipynb, without outputs: ``python docs/teach/notebook.py``."""

import argparse
import doctest
import json
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE, NOTEBOOK = HERE.parent / "tutorial.md", HERE / "tutorial.ipynb"
INSTALL = "This is [the tutorial](../tutorial.md) as a notebook. It needs `pip install .` in a clone of rdae_ref."


def code(block: str) -> str:
    """Return the statements of a block of ``>>>`` lines without prompts and outputs; other blocks as they are."""
    if ">>> " not in block:
        return block.rstrip()
    source = "".join(example.source for example in doctest.DocTestParser().get_examples(block)).rstrip()
    return re.sub(r"^_ = ", "", source, flags=re.MULTILINE)


def cells(text: str) -> list[tuple[str, str]]:
    """Return the kind and the text of each cell; pictures are drawn by the cells, links lead from this folder."""
    found = [("markdown", INSTALL)]
    for k, part in enumerate(re.split(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)):
        prose = re.sub(r"!\[[^\]]*\]\(images/[^)]*\)\n*", "", part).strip()
        if k % 2:
            found.append(("code", code(part)))
        elif prose:
            found.append(("markdown", re.sub(r"\]\((?!\w+:|#)", "](../", prose)))
    return found


def notebook(text: str) -> str:
    """Return the notebook as JSON, in the same characters each time."""
    made = []
    for k, (kind, source) in enumerate(cells(text)):
        cell = {"cell_type": kind, "id": f"cell-{k}", "metadata": {}, "source": source.splitlines(keepends=True)}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()  # --help does nothing else
    NOTEBOOK.write_text(notebook(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
