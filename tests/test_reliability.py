"""docs/reliability.md names a test for each promise; each of them exists."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_holds_a_promise_exists(file, name):
    assert re.search(rf"^def {name}\(", (TESTS / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_row_of_promises_names_a_test():
    rows = [line for line in PAGE.split("## The fuzz test")[0].splitlines() if line.endswith(" |")]
    promises = [row for row in rows if not row.startswith("| promise")]
    assert len(promises) >= 18
    assert all("::test_" in row for row in promises)
