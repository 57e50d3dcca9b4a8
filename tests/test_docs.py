"""The pages in docs/ say what the code does: their Python runs, and prints what they show."""

import doctest
import inspect
import re
from pathlib import Path

import pytest

from rdae_ref import theory
from rdae_ref.theory import gaussian_kernel

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [page for page in sorted(DOCS.glob("*.md")) if page.name != "torch_bridge.md"]  # which needs PyTorch


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs_and_prints_what_it_shows(page):
    """In order, in one namespace. A block of ``>>>`` lines is compared with what it prints, others have only to run."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    names, runner = {"__name__": "__main__"}, doctest.DocTestRunner(optionflags=options)
    parser = doctest.DocTestParser()
    for number, block in enumerate(blocks(page)):
        if ">>> " in block:
            test = parser.get_doctest(block, names, f"{page.name}, block {number}", str(page), 0)
            runner.run(test, clear_globs=False)
            assert runner.failures == 0
            names = test.globs
        else:
            exec(compile(block, f"{page.name}, block {number}", "exec"), names)


def test_there_are_pages():
    assert "rate_distortion.md" in {page.name for page in PAGES}
    assert len(blocks(DOCS / "rate_distortion.md")) > 10


THEORY = [getattr(module, name) for module in (theory, gaussian_kernel) for name in module.__all__]


FUNCTIONS = [*filter(inspect.isfunction, THEORY)]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_each_function_of_the_theory_is_shown_in_use_in_a_few_lines(function):
    assert 1 <= len(doctest.DocTestParser().get_examples(function.__doc__)) <= 6
