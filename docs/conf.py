"""Sphinx configuration: pages in Markdown, notes executed, the API from the docstrings."""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from catalogue import write_pages  # noqa: E402
from formulas import displayed, in_outputs, inline  # noqa: E402

project = "zeroloss"
author = "The zeroloss authors"
copyright = "2026, The zeroloss authors"
version = release = installed_version("zeroloss")

extensions = [
    "myst_nb",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib.bibtex",
]
suppress_warnings = ["ref.python"]  # two modules may use one name, and annotations do not say which is meant
exclude_patterns = ["_build", "api/*/modules.rst"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600

apidoc_modules = [
    {
        "path": f"../{package}",
        "destination": f"api/{package}",
        "separate_modules": True,
        "module_first": True,
        "automodule_options": {"members"},
    }
    for package in ("bounds", "empirical", "reports")
]
autodoc_default_options = {
    "ignore-module-all": True
}  # a name is documented where it is defined, not where it is offered
autodoc_member_order = "bysource"

bibtex_bibfiles = ["references.bib"]

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"zeroloss {release}"


def keep_as_written(app, what, name, obj, options, lines):
    """Keep ``|x|`` an absolute value, not a substitution, and words before a colon words, not a property's type."""
    lines[:] = [re.sub(r"(``.*?``)|\|", lambda found: found[1] or r"\|", line) for line in lines]
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]  # an empty comment


def setup(app):
    app.connect("builder-inited", write_pages)
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
    app.connect("html-page-context", in_outputs)
    app.connect("autodoc-process-docstring", keep_as_written, priority=400)  # before napoleon reads them
