"""Formulas of the pages as MathML: a browser shows them without a script or a network."""

import html
import re

from docutils import nodes

from reports.mathematics import mathml


def inline(translator, node):
    """Write a formula in a line of text; those of the catalogue stand alone and have fractions of full size."""
    formula = str(mathml(node.astext()))
    alone = translator.builder.current_docname.startswith("catalogue/")
    translator.body.append(formula if alone else formula.replace(' displaystyle="true"', "", 1))
    raise nodes.SkipNode


def displayed(translator, node):
    """Write a formula on a line of its own; its environments are those that latex2mathml knows."""
    formula = str(mathml(node.astext())).replace("<math", '<math style="display: block math"', 1)
    translator.body.append(f'<div class="math" style="overflow-x: auto">{formula}</div>\n')
    raise nodes.SkipNode


def in_outputs(app, page, template, context, doctree):
    """Write the formulas that results of notes show in cells of their tables."""
    if "body" in context:
        context["body"] = re.sub(
            r"<td>\\\((.*?)\\\)</td>", lambda found: f"<td>{mathml(html.unescape(found[1]))}</td>", context["body"]
        )
