"""README and docs/claims.md hold what they say: code runs, numbers are those in figures/, linked files exist."""

import doctest
import json
import re
from pathlib import Path

import pytest
from frameworks import needed

from rdae_ref.experiments.claims import agreed, with_claims
from rdae_ref.experiments.output import runs_of

ROOT = Path(__file__).parents[1]
README, CLAIMS = ROOT / "README.md", ROOT / "docs" / "claims.md"


def test_its_python_prints_what_it_shows():
    failures, tried = doctest.testfile(
        str(README), module_relative=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert tried >= 10
    assert failures == 0


@pytest.fixture(scope="module")
def claims():
    drawn = ("figure1", "figure2", "figure3", "figure4", "figure4_sweep")
    return [item for name in drawn for item in agreed([*runs_of(ROOT / "figures", name).values()])]


def test_its_check_of_a_module_prints_the_line_it_shows(capsys):
    needed("torch")
    import torch

    def entropy(K):
        return (torch.linalg.eigvalsh(K).clamp(min=0) ** 1.01).sum().log() / (1 - 1.01)

    def gram(Y):
        return torch.exp(-((Y[:, None] - Y) ** 2).sum(dim=2) / (2 * 0.28**2)) / len(Y)

    def my_loss(X, Xhat):
        K = gram(Xhat)
        return entropy(K) - entropy(len(X) * gram(X) * K) + 1.5 * ((X - Xhat) ** 2).sum() / len(X)

    text = README.read_text(encoding="utf-8")
    (block,) = [code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if ">>>" not in code]
    X = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exec(block, {"model": torch.nn.Linear(2, 2), "X": X, "my_loss": my_loss})
    line = "value, dXhat: equal ours with the natural logarithm"
    assert f"`{line}`" in text
    assert line in capsys.readouterr().out.splitlines()


def test_the_table_of_claims_is_that_of_the_figures(claims):
    assert len(claims) > 30
    text = CLAIMS.read_text(encoding="utf-8")
    assert with_claims(text, claims) == text, "run scripts/reproduce"


def test_its_summary_counts_the_claims_that_hold(claims):
    """And names what does not hold, for each figure where there is something."""
    rows = re.findall(r"^\| (\d) \| (\d+) of (\d+) \| (.*?) ?\|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    counted = {}
    for item in claims:
        held, all_rows = counted.get(item.figure, (0, 0))
        counted[item.figure] = (held + item.holds, all_rows + 1)
    assert {figure: (int(held), int(rows)) for figure, held, rows, _ in rows} == counted
    assert all(bool(named) == (held != rows) for _, held, rows, named in rows)


def test_it_is_short():
    text = README.read_text(encoding="utf-8")
    assert len(text.encode()) <= 9000
    assert len(text.splitlines()) <= 120


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.name)
def test_every_file_it_links_to_is_there(page):
    links = re.findall(r"(?:\]\(|href=\"|src=\")([^)#\"]+)[)#\"]", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_the_figures_say_what_they_depend_on():
    for n in (1, 2, 3):
        settings = json.loads((ROOT / "figures" / f"figure{n}.json").read_text(encoding="utf-8"))["settings"]
        assert settings["training"]["alpha"] == 1.01
        assert settings["training"]["mu"] == 1.5
        assert len(settings["seeds"]) >= 5


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="marks"):
        with_claims("no table here", [])
