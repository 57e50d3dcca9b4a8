"""The gradient checker over the corpus that scripts/benchmark_checkers.py runs others over."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from corpus import objectives

from rdae_ref import check_gradient

PAGE = Path(__file__).parent.parent / "docs" / "checkers.md"


def test_the_corpus_is_large_and_repeats_itself():
    rights = [entry.right for entry in objectives.CORPUS.values()]
    assert min(sum(rights), len(rights) - sum(rights)) >= 100
    for entry in objectives.CORPUS.values():
        one, other = (entry.function(entry.point.copy()) for _ in range(2))
        assert one[0] == other[0]
        assert np.array_equal(one[1], other[1])
        assert one[1].shape == entry.point.shape


@pytest.mark.parametrize("kind", objectives.KINDS)
def test_no_false_alarm_and_no_miss(kind):
    for name, entry in objectives.CORPUS.items():
        if entry.kind == kind:
            verdict = check_gradient(entry.function, entry.point).verdict
            assert verdict != ("wrong" if entry.right else "right"), name


@pytest.mark.parametrize(("right", "share"), [(True, 0.85), (False, 0.99)])
def test_few_gradients_are_left_undecided(right, share):
    chosen = [entry for entry in objectives.CORPUS.values() if entry.right == right]
    verdicts = Counter(check_gradient(entry.function, entry.point).verdict for entry in chosen)
    assert verdicts["right" if right else "wrong"] >= share * len(chosen)


def test_the_corpus_is_readable_as_data():
    rows = json.loads(objectives.as_json())
    assert len(rows) == len(objectives.CORPUS)
    assert set(rows[0]) == {"name", "kind", "right", "point", "value", "gradient"}


def test_the_page_has_the_numbers_of_this_corpus():
    text = PAGE.read_text(encoding="utf-8")
    rights = sum(entry.right for entry in objectives.CORPUS.values())
    assert f"{rights} right gradients" in text
    assert f"{len(objectives.CORPUS) - rights} wrong gradients" in text
    (ours,) = re.findall(r"`rdae_ref.check_gradient` \| (\d+) \| (\d+) \| (\d+) \| (\d+)", text)
    assert ours[0] == ours[1] == ours[3] == "0"
