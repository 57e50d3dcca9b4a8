"""Run the Python of a page of these documents, as the tests and the build do.

The ```` ```python ```` blocks of a page run in order and in one namespace. The output of a block of ``>>>`` lines is
compared with the page; other blocks only have to run. Pages write files, such as pictures, into the current folder:
``cd docs/images && python ../executed.py ../tutorial.md`` draws the pictures of the tutorial again.
"""

import doctest
import re
import sys
from pathlib import Path

import numpy as np

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(page: Path) -> list[tuple[int, str]]:
    """Return the Python blocks of a page, each with the number of lines above it."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, block.start(1)), block[1]) for block in found]


def run_page(page: Path) -> dict[str, object]:
    """Run a page and return its names; raise AssertionError where it prints something else."""
    names: dict[str, object] = {"__name__": "__main__"}
    parser, runner, said = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=OPTIONS), []
    with np.printoptions():  # restores the options that a page sets
        for line, block in blocks(page):
            if ">>> " in block:
                test = parser.get_doctest(block, names, page.name, str(page), line)
                runner.run(test, out=said.append, clear_globs=False)
                names = test.globs
                if said:
                    raise AssertionError("".join(said))
            else:
                exec(compile("\n" * line + block, str(page), "exec"), names)
    return names


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        run_page(Path(argument))
