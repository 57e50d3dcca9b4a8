"""The pages in docs/ say what the code does: their Python runs, their names exist, their commands parse, they build."""

import ast
import configparser
import doctest
import importlib.util
import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import browser
import executed
import numpy as np
import pytest
from test_structure import PUBLIC, USER

from rdae_ref import RateDistortion, theory
from rdae_ref.cli import _parser, main
from rdae_ref.experiments import FIGURES, load, stem
from rdae_ref.theory import gaussian_kernel
from rdae_ref.verify.compare import compare_file

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {
    str(page.relative_to(DOCS)): page
    for page in sorted(DOCS.rglob("*.md"))
    if not {"_build", "_api"} & set(page.relative_to(DOCS).parts)
}
NEEDS = {"torch_bridge.md": "torch", "howto/cluster.md": "dask"}  # the first is run by test_torch_bridge.py


def needed(module):
    """Skip without an optional module; fail where it was promised: `scripts/test --docs`."""
    if importlib.util.find_spec(module) is None:
        if os.environ.get("RDAE_REQUIRE_DOCS") == "1" and module != "dask":
            pytest.fail(f"RDAE_REQUIRE_DOCS=1, but there is no {module}")
        pytest.skip(f"needs {module}")


@pytest.mark.parametrize("page", [name for name in PAGES if NEEDS.get(name) != "torch"])
def test_the_python_of_a_page_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch):
    """In order, in one namespace. A block of ``>>>`` lines is compared with what it prints, others have only to run."""
    if page in NEEDS:
        needed(NEEDS[page])
    monkeypatch.chdir(tmp_path)
    executed.run_page(PAGES[page])
    shown = set(re.findall(r"\]\((?:\.\./)?images/([^)]+)\)", PAGES[page].read_text(encoding="utf-8")))
    assert {path.name for path in tmp_path.glob("*.png")} == shown, "each picture that a page shows, it draws"


def test_a_page_that_prints_something_else_fails(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\n>>> x = 1\n>>> x\n1\n\n```\n\n```python\nx += 1\n```\n\n```python\n>>> x\n1\n\n```\n")
    with pytest.raises(AssertionError, match="Expected:\n    1\nGot:\n    2"):
        executed.run_page(page)


@pytest.mark.parametrize(("page", "blocks"), [("rate_distortion.md", 10), ("derivations.md", 20), ("tutorial.md", 15)])
def test_the_blocks_of_a_page_are_found(page, blocks):
    assert len(executed.blocks(PAGES[page])) >= blocks


THEORY = [getattr(module, name) for module in (theory, gaussian_kernel) for name in module.__all__]


FUNCTIONS = [*filter(inspect.isfunction, THEORY)]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_each_function_of_the_theory_is_shown_in_use_in_a_few_lines(function):
    assert 1 <= len(doctest.DocTestParser().get_examples(function.__doc__)) <= 6


# ------------------------------------------------------------------------------------------------------------ notation


def notation():
    """Read the tables of notation.md: each row has symbols, names, and the file that defines them."""
    for line in (DOCS / "notation.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 5 and "](" in cells[4]:
            yield re.findall(r"`([^`]+)`", cells[1]), DOCS / re.search(r"\]\((.*)\)", cells[4])[1]


def names_in(path):
    """Name what a file defines: functions and their arguments, classes with their members, variables."""
    tree, names = ast.parse(path.read_text(encoding="utf-8")), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names |= {node.name, *(argument.arg for argument in (*node.args.args, *node.args.kwonlyargs))}
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
            for member in node.body:
                if isinstance(member, ast.AnnAssign):
                    names.add(f"{node.name}.{member.target.id}")
                elif isinstance(member, ast.FunctionDef):
                    names.add(f"{node.name}.{member.name}")
        elif isinstance(node, ast.Name):
            names.add(node.id)
    return names


def test_every_name_of_the_notation_is_in_its_file():
    rows = list(notation())
    assert len(rows) > 50
    missing = [f"{name} in {path.name}" for names, path in rows for name in set(names) - names_in(path) - {"len(X)"}]
    assert not missing


# ------------------------------------------------------------------------------------------------------------ commands

COMMAND = re.compile(
    r"(?:^    |`|^\$ )(?:python )?((?:rdae-ref|scripts/\w+(?:\.py)?|pip install)(?: [^`\n]*)?)", re.MULTILINE
)


def commands():
    """List the commands in README and docs/, in blocks and in the text, without their comments."""
    for page in (ROOT / "README.md", *PAGES.values()):
        for command in COMMAND.findall(page.read_text(encoding="utf-8")):
            yield page.name, tuple(shlex.split(command, comments=True))


COMMANDS = sorted(set(commands()))


@pytest.mark.parametrize(
    ("page", "command"), COMMANDS, ids=lambda value: " ".join(value) if type(value) is tuple else value
)
def test_a_command_on_a_page_is_one(page, command):
    """That it parses. What takes minutes (check, figures, scripts) is run elsewhere, or by hand; the rest below."""
    program, *arguments = command
    if program == "pip":
        config = configparser.ConfigParser()
        config.read(ROOT / "setup.cfg")
        wanted = re.findall(r"\[(.*)\]", command[-1])
        assert set(",".join(wanted).split(",")) - {""} <= set(config["options.extras_require"])
    elif program == "rdae-ref" and len(arguments) == 1:  # a verb by itself is its name
        with pytest.raises(SystemExit, match="0"):
            _parser().parse_args([*arguments, "--help"])
    elif program == "rdae-ref" and arguments:
        options = _parser().parse_args(arguments)
        for name in getattr(options, "names", ()):
            load(name)
    elif program != "rdae-ref":
        script = ROOT / program
        if script.suffix == ".py":
            compile(script.read_text(encoding="utf-8"), script, "exec")
        else:
            assert os.access(script, os.X_OK)
            subprocess.run(["bash", "-n", str(script)], check=True)
        known = script.read_text(encoding="utf-8")
        assert all(argument in known for argument in arguments if argument.startswith("--"))


def test_there_are_commands():
    assert {("rdae-ref", "check"), ("rdae-ref", "compare", "mine.npz"), ("scripts/test",)} <= {c for _, c in COMMANDS}


def test_the_template_of_a_comparison_filled_as_the_pages_say(tmp_path, monkeypatch, capsys):
    """`rdae-ref compare --template mine.npz`, then `rdae-ref compare mine.npz`; and the list of figures."""
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "--template", "mine.npz"]) == 0
    assert main(["compare", "mine.npz"]) == 2  # there is nothing in it yet
    content = dict(np.load("mine.npz"))
    settings = {name: float(content[name]) for name in ("alpha", "mu", "sigma_x", "sigma_xhat")}
    objective = RateDistortion(content["X"], activation=str(content["activation"]), **settings)
    value, _ = objective.value_and_gradient(tuple(content[name] for name in "WcAb"))
    np.savez("mine.npz", **content, value=value)
    assert main(["compare", "mine.npz"]) == 0
    assert compare_file("mine.npz").agrees
    assert main(["figures", "--list"]) == 0
    assert "Mixture data" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------------- English

# Translated-sounding phrases, each of which was here once, and what NumPy's documents would say.
NOT_ENGLISH = {
    r"ways uphill": "optimisers",
    r"(has|have|had|no) (a )?say\b": "matters, hardly matters",
    r"hangs? on": "depends on",
    r"broken off": "interrupted",
    r"stands? in (`|the table|the README|its file|their JSON)": "is in",
    r"the face for": "the interface for",
    r"found out": "detected",
    r"(?<!there )\b(is|are) no (number|array|matrix|file|folder|page|model)\b": "is not a",
    r"\brooms\b|(its|their) room\b": "modules",
    r"as somebody who": "idiomatically",
    r"how it came there": "training history",
    r"it pays from|pays? from some": "worthwhile above",
    r"to say as little": "should reveal as little",
    r"nothing needs them": "not needed",
    r"\bfor ever\b": "indefinitely",
    r"likeness": "similarity",
    r"\banew\b": "again",
    r"whoever": "the caller",
    r"contestant": "baseline",
    r"(sees|see) to it": "the tests check it",
    r"can be had|be had (from|by|at)": "is available",
    r"at fault named": "names the faulty",
    r"what it is worth": "whether it is worthwhile",
    r"goes on (from|where)": "resumes",
    r"in the midst": "during",
    r"by itself is no\b": "alone is not",
    r"(nobody|none) but (it|this)\b": "only this",
    r"what the false alarms are": "these are the false alarms",
    r"makes? \d+ things of": "can be told apart",
    r"(allows?|enables?|permits?) to\b": "lets you",
    r"so-called": "named",
    r"whereby|therein|thereof": "by which, in it, of it",
    r"at the latest|at the earliest": "by, from",
    r"in the first place, that": "that",
    r"(gradient|derivative)s? (of \w+ )?by (the|its|each) (parameter|output|input|variable)": "with respect to",
    r"equally many": "the same number of",
    r"storeys?\b": "layers",
    r"\ba person('s)?\b": "the user",
    r"(hold|holds) all the same|with the other sign|turned round": "still hold, minus, reversed",
    r"(is|are) no function\b": "is not a function",
    r"as running NumPy": "as runnable NumPy code",
    r"beside (ours|the data|the signal|differences|a list|the others)": "compared with",
    r"acts? as \d": "acts like",
    r"\bbring at least one|\bis there already\b": "give at least one, already exists",
    r"knows? no model": "works with any model",
}


SOURCES = sorted([*(ROOT / "rdae_ref").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")])
OTHERS = [*(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")), DOCS / "play" / "index.html"]
READ = [*OTHERS, *PAGES.values(), *SOURCES]


@pytest.mark.parametrize("page", READ, ids=lambda p: str(p.relative_to(ROOT)))
def test_phrases_that_no_english_manual_would_use_do_not_come_back(page):
    text = " ".join(page.read_text(encoding="utf-8").split())
    found = {text[max(0, m.start() - 30) : m.end() + 20]: better
             for phrase, better in NOT_ENGLISH.items() for m in re.finditer(phrase, text, re.IGNORECASE)}  # fmt: skip
    assert not found


# -------------------------------------------------------------------------------------------------------------- Sphinx

# All of numpydoc's checks but: an extended summary, examples, See Also (where they help, they are there); a capital
# letter first (descriptions begin with symbols); the type alone under Returns (a name says more).
NOT_ASKED = {"ES01", "EX01", "SA01", "PR08", "RT02", "RT04"}
# Where no user calls, a sentence does without these: sections; a text that a protocol has; a capital before a formula.
INSIDE = {"PR01", "RT01", "YD01", "GL08", "SS02"}


@pytest.mark.parametrize("name", sorted({*PUBLIC, *USER}))
def test_docstrings_are_numpydoc(name):
    needed("numpydoc")
    from numpydoc.validate import validate

    not_asked = NOT_ASKED if name in USER else NOT_ASKED | INSIDE
    found = [f"{code}: {text}" for code, text in validate(name)["errors"] if code not in not_asked]
    if getattr({**PUBLIC, **USER}[name], "_is_protocol", False):  # which takes no arguments
        found = [error for error in found if not error.startswith("PR01")]
    assert not found


HALF, N_TH = "<mn>1</mn><mn>2</mn></mfrac><mi>K</mi>", "<mfrac><mn>1</mn><mi>N</mi></mfrac>"
SPACE = "<mspace width='0.17em'/>"


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        (r"\frac12 K", HALF),
        (r"\tfrac12 K", HALF),
        (r"\frac1N K", N_TH),
        (r"\hat x_i", '<msub><mover accent="true"><mi>x</mi><mo stretchy="false">ˆ</mo></mover><mi>i</mi></msub>'),
        (r"\hat X_{ij}^2", "</mover><mrow><mi>i</mi><mi>j</mi></mrow></msub><mn>2</mn></msup>"),
        (r"\sum_{i=1}^N x", "<mi>N</mi></munderover>"),
        (r"2 \ln \operatorname{tr} K", f"<mn>2</mn>{SPACE}<mi>ln</mi>"),
        (r"\operatorname{tr} K", f"tr</mi><mo>&ApplyFunction;</mo>{SPACE}<mi>K</mi>"),
        (r"\operatorname{tr}(K)", 'tr</mi><mo>&ApplyFunction;</mo><mo stretchy="false">(</mo>'),
        (r"\log_2 n", f"<msub><mi>log</mi><mn>2</mn></msub>{SPACE}<mi>n</mi>"),
        (r"\lVert J \rVert_F", "<msub><mo stretchy='false' lspace='0' rspace='0'>‖</mo><mi>F</mi></msub>"),
        (r"|x|", "<mo stretchy='false' lspace='0' rspace='0'>|</mo><mi>x</mi>"),
        (r"\left|x\right|", "<mo>|</mo><mi>x</mi><mo>|</mo>"),
    ],
)
def test_formulas_keep_the_rules_of_tex(tex, expected):
    needed("sphinx")
    from mathml import as_mathml

    assert expected in re.sub(r"\s*\n\s*", "", as_mathml(tex, block=True))


def test_the_gallery_shows_what_the_figures_measured():
    import gallery

    assert gallery.gallery() == gallery.PAGE.read_text(encoding="utf-8"), "run python docs/gallery.py"
    drawn = [name for name in FIGURES if (gallery.FOLDER / f"{stem(name)}.json").exists()]
    assert {"1", "2", "3", "4"} < set(drawn)
    assert gallery.gallery().count("![") == 1 + len(drawn)


def test_each_name_of_the_notation_has_a_line_that_defines_it():
    needed("sphinx")
    from sources import lines_of

    for names, path in notation():
        lines, text = lines_of(path), path.read_text(encoding="utf-8").splitlines()
        for name in set(names) - {"len(X)"}:
            assert re.search(rf"\b{name.split('.')[-1]}\b", text[lines[name] - 1]), f"{name} in {path.name}"


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """Build the pages, where a warning is an error."""
    for module in ("sphinx", "myst_parser", "numpydoc", "furo"):
        needed(module)
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-d", folder / "doctrees"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    subprocess.run([*build, DOCS, folder / "html"], check=True, env=environment)
    return folder / "html"


@pytest.mark.slow
def test_the_pages_build_without_a_warning_and_need_no_network(html):
    written = {str(path.relative_to(html)) for path in html.rglob("*.html")}
    assert {page.removesuffix(".md") + ".html" for page in PAGES} <= written
    assert "_api/rdae_ref.verify.oracles.jax_oracle.html" in written
    text = (html / "derivations.html").read_text(encoding="utf-8")
    assert text.count("<math") > 100
    for path in html.rglob("*.html"):
        loaded = re.findall(r'(?:src|<link[^>]*href)="(https?:[^"]*)"', path.read_text(encoding="utf-8"))
        assert not loaded, f"{path.name} loads {loaded}"


@pytest.mark.slow
def test_each_equation_leads_to_its_lines_in_highlighted_source(html):
    text = (html / "notation.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(_source/[^"#]+)#line-(\d+)"><code[^>]*>(.*?)</code>', text)
    assert len(links) > 60
    for page, line, code in links:
        name = re.sub("<[^>]+>", "", code)
        source = (ROOT / page.removeprefix("_source/")).with_suffix(".py").read_text(encoding="utf-8").splitlines()
        assert re.search(rf"\b{name.split('.')[-1]}\b", source[int(line) - 1]), (name, page, line)
        assert f'name="line-{line}"' in (html / page).read_text(encoding="utf-8")
    shown = {name for page, _, code in links if page.endswith("/paper.html") for name in re.findall(r"\w+", code)}
    assert set(paper_functions()) - {"forward"} <= shown


def paper_functions():
    """Name the public functions of paper.py."""
    tree = ast.parse((ROOT / "rdae_ref" / "paper.py").read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


@pytest.mark.slow
def test_no_link_to_a_module_is_a_download(html):
    for page in PAGES:
        text = (html / page).with_suffix(".html").read_text(encoding="utf-8")
        files = set(re.findall(r'href="[^"]*_downloads/[^"]*/([^"/]+\.py)"', text))
        assert files <= {"laplacian.py", "kernel_size.py"}, page  # the exercises, which a student edits


@pytest.mark.slow
def test_every_page_leads_on(html):
    """By the theme's link to the next page; the last leads to the one before."""
    for page in PAGES:
        text = (html / page).with_suffix(".html").read_text(encoding="utf-8")
        assert 'class="next-page"' in text or page in ("teach/slides.md", "teach/sheet.md"), page


# ------------------------------------------------------------------------------------------------------------- browser


@pytest.fixture(scope="module")
def page():
    with browser.started() as page:
        yield page


@pytest.mark.slow
@pytest.mark.parametrize("query", ["overfit", "graph laplacian", "distortion"])
def test_search_finds_prose_before_the_api(html, page, query):
    page.open(f"{(html / 'search.html').as_uri()}?q={query.replace(' ', '+')}")
    found = page.run("""
        return new Promise(done => { const ask = (n) => {
            const links = [...document.querySelectorAll("#search-results .search a")].map(a => a.getAttribute("href"));
            if ((links.length && !Search._pulse_status) || n === 0) done(links); else setTimeout(ask, 200, n - 1); };
            setTimeout(ask, 500, 50); })""")
    assert found
    inside = [link.startswith(("_api/", "api.html")) for link in found]
    assert inside == sorted(inside)
    assert not inside[0]


@pytest.mark.slow
def test_the_copy_button_copies_what_is_typed(html, page):
    page.open(html / "tutorial.html")
    copied = page.run("""
        const buttons = [...document.querySelectorAll("div.highlight button.copy")];
        return buttons.map(button => { button.click(); return button.dataset.copied; })""")
    made = [executed.doctest.DocTestParser().get_examples(block) for _, block in executed.blocks(PAGES["tutorial.md"])]
    typed = ["".join(example.source for example in examples).rstrip() for examples in made]
    assert [text.rstrip() for text in copied] == typed


@pytest.mark.slow
@pytest.mark.parametrize("width", [1400, 400])
def test_no_page_is_wider_than_its_window(html, page, width):
    page.size(width)
    page.errors()
    for name in PAGES:
        page.open((html / name).with_suffix(".html"))
        assert page.run("return document.documentElement.scrollWidth") <= width, name
        wide = "e => e.scrollWidth > e.clientWidth + 1"
        if width < 600:  # code wraps on a phone
            assert page.run(f"return [...document.querySelectorAll('.highlight pre')].filter({wide}).length") == 0, name
        assert page.errors() == [], name


@pytest.mark.slow
def test_brackets_are_as_high_as_their_matrix_without_math_fonts(html, page):
    """Where only the font of these pages is asked for."""
    page.size(1400)
    page.open(html / "tutorial.html")
    heights = page.run("""
        const style = document.createElement("style");
        style.textContent = "math { font-family: 'RDAE Math' !important; }";
        document.head.append(style);
        return document.fonts.load("20px 'RDAE Math'").then(fonts => {
            const table = document.querySelector("mtable"), around = [...table.parentElement.children];
            const bracket = around.find(e => e.localName === "mo" && e.textContent === "(");
            return [fonts.length, ...[bracket, table].map(e => e.getBoundingClientRect().height)]; })""")
    assert heights[0] == 1
    assert heights[1] >= 0.9 * heights[2]


@pytest.mark.slow
def test_figures_have_a_light_frame_in_dark_mode(html, page):
    page.size(1400, dark=True)
    page.open(html / "gallery.html")
    read = "return getComputedStyle(document.querySelector('.content img')).backgroundColor"
    assert page.run(read) == "rgb(255, 255, 255)"
