"""Write the slides and the sheet of equations as pages of their own, when Sphinx has built the others."""

import base64
import html
import inspect
import re
from pathlib import Path

from markdown_it import MarkdownIt
from mathml import as_mathml
from mdit_py_plugins.dollarmath import dollarmath_plugin
from sphinx.application import Sphinx

from rdae_ref import paper

TYPES = {".png": "image/png", ".gif": "image/gif"}
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,"><style>{style}</style></head><body>
{body}
<script>{script}</script></body></html>
"""
FONT = """@font-face {{ font-family: "RDAE Math"; src: url(data:font/woff;base64,{0}); }}
math {{ font-family: "RDAE Math", math; }}
"""


def style(teach: Path, name: str) -> str:
    """Return a style sheet with the font for formulas inside."""
    font = base64.b64encode((teach.parent / "_static" / "rdae-math.woff").read_bytes()).decode()
    return FONT.format(font) + (teach / name).read_text(encoding="utf-8")


def body_of(name: str) -> str:
    """Return the code of a function of paper.py without signature and docstring."""
    body = re.split(r'""".*?"""\n', inspect.getsource(getattr(paper, name)), maxsplit=1, flags=re.DOTALL)[1]
    return inspect.cleandoc("\n" + body)


def sheet(teach: Path) -> str:
    """Return the page of equations with their code: the table of sheet.md, with functions in place of their names."""
    title, text, table, _ = (teach / "sheet.md").read_text(encoding="utf-8").split("\n\n", maxsplit=3)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    rows = []
    for row in table.splitlines()[2:]:
        number, tex, names = (cell.strip() for cell in row.strip("|").split(" | "))
        code = html.escape("\n".join(map(body_of, re.findall(r"`(\w+)`", names))))
        formula = "<br>".join(as_mathml(part, block=False) for part in re.findall(r"\$(.*?)\$", tex))
        rows.append(f"<tr><td>{number}</td><td>{formula}</td><td><pre>{code}</pre></td></tr>")
    body = f"<h1>{title.strip('# ')}</h1><p>{text}</p><table>{''.join(rows)}</table>"
    return PAGE.format(title="Equations (9)–(25)", style=style(teach, "sheet.css"), body=body, script="")


def slides(teach: Path) -> str:
    """Return the slides of slides.md, with their pictures inside."""
    markdown = MarkdownIt("commonmark").enable("table")
    markdown.use(dollarmath_plugin, renderer=lambda tex, how: as_mathml(tex, block=how["display_mode"]))

    def inside(link: re.Match[str]) -> str:
        path = teach / link[1]
        return f'src="data:{TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"'

    parts = re.split(r"^---$", (teach / "slides.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    shown = [f'<section data-number="{k}">{markdown.render(part)}</section>' for k, part in enumerate(parts, 1)]
    body = re.sub(r'src="([^":]*)"', inside, "\n".join(shown))
    title, script = parts[0].split("\n")[0].strip("# "), (teach / "slides.js").read_text(encoding="utf-8")
    return PAGE.format(title=title, style=style(teach, "slides.css"), body=body, script=script)


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write both in place of the pages that Sphinx made of the same files."""
    if exception is None and app.builder.format == "html":
        source, folder = Path(app.srcdir) / "teach", Path(app.outdir) / "teach"
        (folder / "slides.html").write_text(slides(source), encoding="utf-8")
        (folder / "sheet.html").write_text(sheet(source), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the step at the end of the build."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
