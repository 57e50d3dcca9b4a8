"""Configuration of Sphinx for `scripts/docs`, where a warning is an error."""

import importlib
import inspect
import os
import pkgutil
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import sphinx.ext.autosummary
from docutils import nodes
from executed import run_page  # beside this file
from sources import linkcode_resolve  # noqa: F401  # sphinx.ext.linkcode looks for it here

import rdae_ref

project = "rdae_ref"
author = "The rdae_ref developers"
project_copyright = author
version = release = rdae_ref.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.linkcode", "numpydoc"]
extensions += ["mathml", "sources", "lesson"]  # beside this file
exclude_patterns = ["_build", "_templates", "_static"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"rdae_ref {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["copy.js"]
html_search_scorer = str(Path(__file__).parent / "_static" / "scorer.js")
html_show_sourcelink = False
html_math_renderer = "mathml"

# $…$ and $$…$$, which GitHub shows as well.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

default_role = "autolink"
autodoc_typehints = "none"  # types and shapes are in the docstrings
autodoc_member_order = "bysource"
autodoc_mock_imports = ["torch", "jax"]  # their oracles are documented without them
# Everything else is imported first: SciPy's import would fail with the mocks.
for module in pkgutil.walk_packages(rdae_ref.__path__, "rdae_ref."):
    if not module.name.endswith((".torch", ".jax", ".__main__")):
        importlib.import_module(module.name)
autosummary_generate_overwrite = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
sphinx.ext.autosummary.WELL_KNOWN_ABBREVIATIONS += ("Eq.", "Eqs.")  # no end of a sentence

EXECUTED = ("tutorial",)


def run_executed_pages(app, docname, source):
    """Run a page before it is built, so that it shows what it prints."""
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
    """Escape the bars of |x|², between which reStructuredText would look for a substitution."""
    literal = None  # how far the paragraph before a block of code is indented
    for k, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if literal is not None and line and indent <= literal:
            literal = None
        if literal is None and not line.lstrip().startswith((">>>", "...")):
            lines[k] = line.replace("|", r"\|")
            if line.endswith("::"):
                literal = indent


def skip_imported(app, what, name, thing, skip, options):
    """Document a class or function on the page of the module that defines it, and on no other."""
    here = app.env.temp_data.get("autodoc:module")
    elsewhere = what == "module" and (inspect.isclass(thing) or inspect.isroutine(thing)) and thing.__module__ != here
    return True if elsewhere else None


def no_empty_last_line(app, doctree):
    """Drop the empty line that ends the output of an example in the source."""
    for block in doctree.findall(nodes.literal_block):
        text = block.astext().rstrip("\n")
        block.rawsource, block[:] = text, [nodes.Text(text)]


def setup(app):
    """Connect the handlers, and remove the pages of modules that no longer exist."""
    shutil.rmtree(Path(__file__).parent / "_api", ignore_errors=True)
    app.connect("source-read", run_executed_pages)
    app.connect("doctree-read", no_empty_last_line)
    app.connect("autodoc-skip-member", skip_imported)
    app.connect("autodoc-process-docstring", plain_bars, priority=900)
