"""docs/teach: the notebook is the tutorial, the graded exercises judge rightly, slides and sheet need nothing else."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import browser
import matplotlib.pyplot as plt
import numpy as np
import pytest

from rdae_ref import paper

TEACH = Path(__file__).parents[1] / "docs" / "teach"
EXERCISES = (TEACH / "exercises.md").read_text(encoding="utf-8")


def module(name):
    spec = importlib.util.spec_from_file_location(name, TEACH / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


# ------------------------------------------------------------------------------------------------------------ notebook


def test_the_notebook_is_the_tutorial():
    made = module("notebook")
    assert made.NOTEBOOK.read_text(encoding="utf-8") == made.notebook(made.PAGE.read_text(encoding="utf-8")), (
        "run python docs/teach/notebook.py"
    )


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    """In one namespace, and prints the numbers of the page."""
    monkeypatch.chdir(tmp_path)
    content = json.loads((TEACH / "tutorial.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 15
    assert all(not cell.get("outputs") for cell in content["cells"])
    names = {"__name__": "__main__"}
    with np.printoptions():
        for cell in cells:
            assert ">>>" not in cell
            exec(compile(cell, "tutorial.ipynb", "exec"), names)
    plt.close("all")
    said = capsys.readouterr().out
    assert "1.25 bits" in said
    assert "mu = 0.2  outputs [1.205 1.35  1.445]  D = 1.33" in said
    assert {path.name for path in tmp_path.glob("*.png")} == {"springs.png", "sweep.png", "line.png"}


# ----------------------------------------------------------------------------------------------------------- exercises

# The function of the answer in place of the one that raises, and what students write instead.
SOLUTIONS = {name: code for code, name in re.findall(r"```python\n(def (\w+)\(.*?)```", EXERCISES, re.DOTALL)}
FILES = {"pullback": "laplacian", "slope": "kernel_size"}
WRONG = {
    "half of the springs": ("pullback", "-4 *", "-2 *"),
    "the wrong sign": ("pullback", "-4 *", "4 *"),
    "the Gaussian kernel": ("pullback", "2 * sigma * r", "2 * sigma**2"),
    "one power of sigma": ("slope", "sigma**3", "sigma**2"),
}


def judged(name, code, tmp_path):
    """Run a student's file: the template with a function filled in."""
    template = (TEACH / f"{FILES[name]}.py").read_text(encoding="utf-8")
    filled = re.sub(rf'def {name}\(.*?"replace this line with your own"\)\n', lambda _: code, template, flags=re.DOTALL)
    student = tmp_path / f"{FILES[name]}.py"
    student.write_text(filled, encoding="utf-8")
    return subprocess.run([sys.executable, student], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", FILES)
def test_the_judge_accepts_the_answer(name, tmp_path):
    done = judged(name, SOLUTIONS[name], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RIGHT" in done.stdout


@pytest.mark.parametrize("mistake", WRONG)
def test_the_judge_refuses_a_mistake(mistake, tmp_path):
    name, right, wrong = WRONG[mistake]
    assert right in SOLUTIONS[name]
    done = judged(name, SOLUTIONS[name].replace(right, wrong), tmp_path)
    assert done.returncode == 1
    assert "WRONG" in done.stdout


@pytest.mark.parametrize("name", FILES.values())
def test_an_exercise_that_was_not_done_says_so(name):
    student = [sys.executable, TEACH / f"{name}.py"]
    done = subprocess.run(student, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "replace this line with your own" in done.stderr


def test_each_question_has_a_folded_answer():
    questions = re.findall(r"^\*\*(\w)\. ", EXERCISES, re.MULTILINE)
    assert questions == re.findall(r"<summary>Answer (\w)</summary>", EXERCISES) == [*"123456AB"]


# ---------------------------------------------------------------------------------------------------- slides and sheet


def needed_lesson():
    pytest.importorskip("sphinx", reason="needs sphinx")
    pytest.importorskip("myst_parser", reason="needs myst_parser")
    import lesson

    return lesson


def test_the_sheet_has_every_equation_from_9_to_25_with_the_code_of_paper_py():
    lesson = needed_lesson()
    page = lesson.sheet(TEACH)
    ranges = re.findall(r"<td>\((\d+)\)(?:–\((\d+)\))?</td>", page)
    numbers = [n for first, last in ranges for n in range(int(first), int(last or first) + 1)]
    assert numbers == list(range(9, 26))
    assert page.count("<pre>") == len(ranges) + 1  # P and Q have no number
    assert page.count("<math") == page.count("<br>") + len(ranges) + 1
    for name in re.findall(r"`(\w+)`", (TEACH / "sheet.md").read_text(encoding="utf-8").split("---|")[1]):
        if hasattr(paper, name):
            body = lesson.body_of(name)
            assert body
            assert '"""' not in body


def test_slides_and_sheet_load_nothing_and_show_every_picture():
    lesson = needed_lesson()
    slides = lesson.slides(TEACH)
    text = (TEACH / "slides.md").read_text(encoding="utf-8")
    assert slides.count("<section") == text.count("\n---\n") + 1 >= 12
    assert slides.count('src="data:image/') == text.count("![") >= 5
    for page in (slides, lesson.sheet(TEACH)):
        assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_the_sheet_fits_one_page_and_the_arrow_keys_turn_the_slides(tmp_path):
    lesson = needed_lesson()
    with browser.started() as page:
        for name, write in (("sheet", lesson.sheet), ("slides", lesson.slides)):
            (tmp_path / f"{name}.html").write_text(write(TEACH), encoding="utf-8")
        page.open(tmp_path / "sheet.html")
        assert page.pages_printed() == 1
        page.size(1200, 675)
        page.open(tmp_path / "slides.html")
        page.keys("body", browser.RIGHT)
        slide = "Math.round(scrollY / innerHeight)"
        assert page.run(f"return new Promise(done => setTimeout(() => done({slide}), 800))") == 1
        assert page.errors() == []


def test_the_plan_takes_90_minutes_without_a_gap():
    times = re.findall(r"^\| (\d+)–(\d+) \|", (TEACH / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    starts, ends = zip(*((int(start), int(end)) for start, end in times), strict=True)
    assert (starts[0], ends[-1]) == (0, 90)
    assert starts[1:] == ends[:-1]
