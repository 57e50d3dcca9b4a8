import json
from pathlib import Path

import numpy as np
import pytest

import rdae_ref.verify.check
from rdae_ref import paper
from rdae_ref.autoencoder import entropy_gradients
from rdae_ref.cli import main
from rdae_ref.numerics.conditional import FromFactors
from rdae_ref.verify.check import Row, check_table, equation_check, equation_rows, place_in_paper

PRINTED = (9, 10, 11, 12, 13, *range(15, 26))


@pytest.fixture(scope="module")
def rows():
    return equation_check()


def test_every_equation_from_9_to_25_has_a_row_and_passes(rows):
    numbers = {row.equation for row in rows}
    assert {f"({n})" for n in PRINTED} <= numbers
    assert len(rows) >= 66
    assert all(row.passed for row in rows), check_table(rows)


def test_each_printed_equation_of_paper_py_has_a_row_of_its_own(rows):
    literal = {row.equation for row in rows if row.compared.startswith("paper.py: ")}
    assert literal == {f"({n})" for n in PRINTED}


def test_rows_name_the_function_and_the_line_of_paper_py(rows):
    lines = Path(paper.__file__).read_text(encoding="utf-8").splitlines()
    for row in rows:
        number = int(row.equation.strip("()")) if row.equation.strip("()").isdigit() else 0
        assert bool(row.paper) == (number in PRINTED)
        if row.paper:
            name, _, line = row.paper.partition(":")
            start = next(i for i, text in enumerate(lines, 1) if text.startswith(f"def {name}("))
            several = "Eqs. (" in getattr(paper, name).__doc__.partition("\n\n")[0]
            assert lines[int(line) - 1].endswith(f"# {row.equation}") if several else int(line) == start
            assert start <= int(line) < start + 25
    assert place_in_paper("(15)").startswith("entropy_gradient:")
    assert place_in_paper("(19)").startswith("entropy_gradients:")
    assert place_in_paper("(24)") != place_in_paper("(23)")
    assert place_in_paper("(14)") == place_in_paper("(1)") == place_in_paper("models") == ""


@pytest.mark.parametrize(
    ("name", "equations"),
    [
        ("distortion", {"(9)", "(21)", "(22)", "(23)", "(24)"}),
        ("gaussian_gram", {"(11)"}),
        ("entropy_gradient", {"(15)", "(16)", "(17)", "(19)", "(20)"}),
        ("graph_laplacian", {"(17)", "(19)", "(20)"}),
    ],
)
def test_a_mutation_of_paper_py_fails_its_rows(name, equations, monkeypatch):
    right = getattr(paper, name)
    monkeypatch.setattr(paper, name, lambda *arguments: 1.001 * right(*arguments))
    monkeypatch.setattr(equation_rows, "ACTIVATIONS", ["logsig"])
    groups = (equation_rows.distortion_rows, equation_rows.entropy_gradient_rows, equation_rows.parameter_rows)
    rows = [row for group in groups for row in group(equation_rows.as_printed(), np.random.default_rng(0))]
    assert {row.equation for row in rows if not row.passed} >= equations


def test_the_errors_are_those_that_the_readme_promises(rows):
    fifty = [row for row in rows if row.against == "50 digits"]
    assert len(fifty) >= 4
    assert max(row.error for row in fifty) < 1e-11
    assert max(row.error for row in rows if row.against == "central differences") < 1e-7


def test_a_wrong_equation_fails_its_row_and_the_exit_code(monkeypatch, capsys):
    def spoilt(*arguments):
        gradient = entropy_gradients(*arguments)
        return gradient._replace(W=1.001 * gradient.W)

    code = equation_rows.package()._replace(entropy_gradients=spoilt)
    rows = list(equation_rows.parameter_rows(code, np.random.default_rng(0)))
    assert {row.equation for row in rows if not row.passed} == {"(19)"}
    monkeypatch.setattr("rdae_ref.cli.check.equation_check", lambda seed: rows)
    assert main(["check"]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_the_rows_of_the_low_rank_spectrum_fail_without_it_and_with_a_wrong_one(monkeypatch):
    def failed():
        rows = equation_rows.low_rank_rows(np.random.default_rng(2))
        return [row.compared for row in rows if not row.passed]

    def spoilt(self, Xhat):
        found = right(self, Xhat)
        return found._replace(gradient=1.001 * found.gradient)

    right = FromFactors.with_gradient
    monkeypatch.setattr(equation_rows, "ACTIVATIONS", ["linear"])
    assert failed() == []
    with monkeypatch.context() as patch:
        patch.setattr(FromFactors, "at", lambda self, Xhat: self.exact)
        assert failed() == ["L, low-rank spectrum"]
    with monkeypatch.context() as patch:
        patch.setattr(FromFactors, "with_gradient", spoilt)
        assert failed() == ["∇L, low-rank spectrum"]


def test_a_slope_of_one_fails_whatever_the_error():
    row = Row("(25)", "a", "b", 1, 1e-9, 1e-7, slope=1.0)
    assert not row.passed
    assert row._replace(slope=2.0).passed
    assert row._replace(slope=float("inf")).to_dict()["slope"] is None
    assert not row._replace(slope=2.0, error=float("nan")).passed


def test_the_command_writes_the_table_as_json(rows, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("rdae_ref.cli.check.equation_check", lambda seed: rows)
    path = tmp_path / "check.json"
    assert main(["check", "--json", str(path), "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    content = json.loads(path.read_text())
    assert content["passed"] is True
    assert [row["equation"] for row in content["rows"]] == [row.equation for row in rows]
    assert [row["paper"] for row in content["rows"]] == [row.paper for row in rows]
    assert main(["check"]) == 0
    assert f"{len(rows)} of {len(rows)} comparisons passed" in capsys.readouterr().out


def test_an_unwritable_file_is_an_error_without_a_traceback(rows, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("rdae_ref.cli.check.equation_check", lambda seed: rows)
    assert main(["check", "--json", str(tmp_path / "nowhere" / "check.json")]) == 2
    assert "rdae-ref:" in capsys.readouterr().err


def test_nan_anywhere_fails_its_row():
    code = equation_rows.package()
    spoilt = code._replace(joint_entropy=lambda A, B, a: np.nan if a == 2 else code.joint_entropy(A, B, a))
    rows = list(equation_rows.entropy_rows(spoilt, np.random.default_rng(0)))
    assert [row.passed for row in rows if row.equation == "(12)"] == [False]


def test_a_check_against_frameworks_fails_where_there_is_none():
    assert not rdae_ref.verify.check.OracleCheck((), ("install it",), [], []).passed


def test_a_row_that_is_nan_fails_and_is_still_written(monkeypatch, tmp_path, capsys):
    spoilt = Row("(9)", "a", "b", 1, float("nan"), 1e-12)
    monkeypatch.setattr("rdae_ref.cli.check.equation_check", lambda seed: [spoilt])
    assert main(["check", "--json", str(tmp_path / "c.json")]) == 1
    (row,) = json.loads((tmp_path / "c.json").read_text())["rows"]
    assert (row["error"], row["verdict"]) == (None, "FAILED")
