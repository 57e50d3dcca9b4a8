"""Show the files of the package as highlighted pages with a number for each line, and lead links to them there.

A link to a module becomes a link to its page. In the tables of the notation each name leads to the line that defines
it. Links to other files of the repository open the file where a browser can show it, and download it otherwise.
"""

import ast
import posixpath
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.addnodes import download_reference
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
FOLDERS = ("rdae_ref", "scripts")
SHOWN = (".png", ".gif", ".json", ".csv", ".html", ".cff", ".txt")  # what a browser opens rather than saves


def page_of(path: Path) -> str | None:
    """Return the name of the page that shows a module, or None for other files."""
    inside = path.suffix == ".py" and any(path.is_relative_to(ROOT / folder) for folder in FOLDERS)
    return f"_source/{path.relative_to(ROOT).with_suffix('')}" if inside else None


def lines_of(path: Path) -> dict[str, int]:
    """Return the line of each name that a file defines: functions, classes and their members, arguments, variables."""
    found: dict[str, int] = {}

    def note(name: str, line: int) -> None:
        found[name] = min(line, found.get(name, line))

    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            note(node.name, node.lineno)
        if isinstance(node, ast.FunctionDef):
            for argument in (*node.args.args, *node.args.kwonlyargs):
                note(argument.arg, argument.lineno)
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                    note(f"{node.name}.{member.target.id}", member.lineno)
                elif isinstance(member, ast.FunctionDef):
                    note(f"{node.name}.{member.name}", member.lineno)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            note(node.id, node.lineno)
    return found


def source_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield a page for each module."""
    format_ = HtmlFormatter(linenos="inline", lineanchors="line", anchorlinenos=True, cssclass="highlight source")
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT)
        code = highlight(path.read_text(encoding="utf-8"), PythonLexer(), format_)
        yield page_of(path), {"title": str(name), "body": f"<h1>{name}</h1>{code}"}, "page.html"


def lead_links(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Replace downloads by links to what a browser shows, and link the names of the notation."""
    here = Path(app.srcdir) / Path(app.env.doc2path(docname)).parent
    for node in list(doctree.findall(download_reference)):
        path = (here / node["reftarget"]).resolve()
        page = page_of(path)
        if page:
            uri = app.builder.get_relative_uri(docname, page)
        elif path == ROOT / "docs" / "play" / "index.html":
            uri = posixpath.relpath("play/index.html", posixpath.dirname(docname) or ".")
        elif path.suffix in SHOWN and "filename" in node:
            uri = posixpath.relpath(f"_downloads/{node['filename']}", posixpath.dirname(docname) or ".")
        else:
            continue
        node.replace_self(nodes.reference("", "", *node.children, refuri=uri, internal=True))


def link_rows(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """In each row of the notation, link the names to the lines that define them."""
    if docname != "notation":
        return
    for row in doctree.findall(nodes.row):
        entries = list(row.findall(nodes.entry))
        files = [node["reftarget"] for node in entries[-1].findall(download_reference)]
        if not files:
            continue
        path = (Path(app.srcdir) / files[0]).resolve()
        lines, page = lines_of(path), page_of(path)
        for literal in list(entries[1].findall(nodes.literal)):
            line = lines.get(literal.astext())
            if line and page:
                uri = f"{app.builder.get_relative_uri(docname, page)}#line-{line}"
                literal.replace_self(nodes.reference("", "", literal.deepcopy(), refuri=uri, internal=True))


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Return the address of an object's source, from the pages of the API."""
    module = sys.modules.get(info["module"])
    file = getattr(module, "__file__", None)
    if domain != "py" or file is None:
        return None
    path = Path(file).resolve()
    name = info["fullname"]
    line = lines_of(path).get(name) or lines_of(path).get(name.split(".")[-1])
    return f"../{page_of(path)}.html#line-{line}" if line and page_of(path) else None


def copy_page(app: Sphinx, exception: Exception | None) -> None:
    """Copy the page to play with, which needs no build."""
    if exception is None and app.builder.format == "html":
        target = Path(app.outdir) / "play" / "index.html"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((Path(app.srcdir) / "play" / "index.html").read_bytes())


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the handlers."""
    app.connect("html-collect-pages", source_pages)
    app.connect("doctree-resolved", link_rows, priority=100)
    app.connect("doctree-resolved", lead_links, priority=200)
    app.connect("build-finished", copy_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
