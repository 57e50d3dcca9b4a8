"""How Sphinx builds these pages: `scripts/docs`, where a warning is an error."""

import importlib
import os
import pkgutil
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import sphinx.ext.autosummary
from docutils import nodes
from executed import run_page  # beside this file

import rdae_ref

project = "rdae_ref"
author = "The rdae_ref developers"
project_copyright = author
version = release = rdae_ref.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "mathml"]
exclude_patterns = ["_build", "_templates", "_static"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"rdae_ref {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["mathml.css"]
html_math_renderer = "mathml"

# $…$ and $$…$$, as forges show them, too; links to files of the repository are links to files.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

default_role = "autolink"
autodoc_typehints = "none"  # the docstrings have types and shapes
autodoc_member_order = "bysource"
autodoc_mock_imports = ["torch", "jax"]  # their oracles are documented without them
# All the rest is imported before: what SciPy runs when it is imported would trip over the stand-ins.
for room in pkgutil.walk_packages(rdae_ref.__path__, "rdae_ref."):
    if not room.name.endswith((".torch", ".jax", ".__main__")):
        importlib.import_module(room.name)
autosummary_generate_overwrite = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
sphinx.ext.autosummary.WELL_KNOWN_ABBREVIATIONS += ("Eq.", "Eqs.")  # no end of a sentence

EXECUTED = ("tutorial",)


def run_executed_pages(app, docname, source):
    """Run a page before it is built: what it shows is what it prints."""
    if docname not in EXECUTED:
        return
    folder = Path(app.outdir) / "executed"
    folder.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    os.chdir(folder)
    try:
        run_page(Path(app.srcdir) / f"{docname}.md")
    finally:
        os.chdir(before)


def plain_bars(app, what, name, thing, options, lines):
    """Keep the bars of |x|² as they are: reStructuredText would look for a substitution between them."""
    literal = None  # how far the paragraph before a block of code is indented
    for k, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if literal is not None and line and indent <= literal:
            literal = None
        if literal is None and not line.lstrip().startswith((">>>", "...")):
            lines[k] = line.replace("|", r"\|")
            if line.endswith("::"):
                literal = indent


def no_empty_last_line(app, doctree):
    """Drop the empty line that ends the output of an example in the source."""
    for block in doctree.findall(nodes.literal_block):
        text = block.astext().rstrip("\n")
        block.rawsource, block[:] = text, [nodes.Text(text)]


def setup(app):
    """Connect the three, and forget the pages of modules that are gone."""
    shutil.rmtree(Path(__file__).parent / "_api", ignore_errors=True)
    app.connect("source-read", run_executed_pages)
    app.connect("doctree-read", no_empty_last_line)
    app.connect("autodoc-process-docstring", plain_bars, priority=900)
