"""``zeroloss theorems``: the catalogue, and one theorem in full."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from reports.commands.console import show, table
from reports.commands.options import Flag, require

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.tree import Tree

    from bounds.statements import Statement
    from reports.commands.records import StatementEntry, TheoremComparison, TheoremEntry, TheoremList


app = App(
    name="theorems",
    help_epilogue="""Examples:
  zeroloss theorems
  zeroloss theorems du2019-two-layer
  zeroloss theorems du2019-two-layer --lemmas
  zeroloss theorems du2019-two-layer --html > theorem.html
  zeroloss theorems du2019-two-layer --latex > statement.tex
  zeroloss theorems du2019-two-layer --compare du2019-two-layer-flow
  zeroloss theorems --bibtex > references.bib""",
)


@app.default
def theorems(
    identifier: Annotated[str | None, Parameter(name="ID")] = None,
    /,
    *,
    lemmas: Flag = False,
    bibtex: Flag = False,
    latex: Flag = False,
    html: Flag = False,
    compare: str | None = None,
    json: Flag = False,
) -> None:
    """List the theorems, or show one in full.

    Args:
        identifier: the theorem to show; without it all are listed
        lemmas: also show every lemma of its proof in full
        bibtex: only its citation, or all citations, as BibTeX
        latex: its editions, or the list, as LaTeX (amsmath, booktabs)
        html: the theorem with its lemmas, or the list, as one HTML page
        compare: another theorem: which asks for less width, where, and do the conditions of one imply the other's
        json: JSON on standard output
    """
    forms = [f"--{name}" for name, chosen in (("bibtex", bibtex), ("latex", latex), ("html", html)) if chosen]
    if len(forms) > 1 or (forms and json):
        raise ValueError(f"{' and '.join(forms + ['--json'] * json)} exclude each other: give one of them")
    if lemmas and (identifier is None or forms or json):
        raise ValueError("--lemmas is about one theorem in the terminal: name it, as in `theorems ID --lemmas`")
    if compare is not None:
        if identifier is None or forms or lemmas:
            raise ValueError("--compare is about two theorems: name both, as in `theorems ID --compare ID`")
        both = comparison(identifier, compare)
        show(both, json, lambda console: _compared(both, console))
        return
    if html:
        require("jinja2", "markupsafe", "latex2mathml", "matplotlib")
    from bounds.catalogue import paper_of, papers, theorem
    from reports import entries

    if identifier is None:
        listed = entries.catalogue()
        if bibtex:
            print("\n\n".join(dict.fromkeys(paper.bibtex for paper in papers())))
        elif latex:
            from reports.entry_latex import list_latex

            print(list_latex(listed))
        elif html:
            from reports.entry_pages import list_html

            print(list_html(listed))
        else:
            show(listed, json, lambda console: _list(listed, console))
        return
    statement = theorem(identifier)
    if bibtex:
        print(paper_of(statement).bibtex)
    elif latex:
        from reports.entry_latex import entry_latex

        print(entry_latex(entries.entry(statement)))
    elif html:
        from reports.entry_pages import entry_html

        print(entry_html(entries.entry(statement)))
    else:
        record = entries.entry(statement)
        show(record, json, lambda console: _page(record, statement, console, lemmas=lemmas))


def comparison(first: str, second: str) -> TheoremComparison:
    """Two theorems side by side: orders of their printed widths, and implications between explicit editions."""
    from bounds.catalogue import theorem
    from bounds.orders import compare_orders, implies
    from reports.commands.records import Implication, TheoremComparison

    one, two = theorem(first), theorem(second)
    edition = one.editions[0].name
    orders = compare_orders(one, two, edition)
    explicit = [e.name for e in one.editions if e.name in {x.name for x in two.editions} and not e.hidden_constants]
    implications = []
    if find_spec("z3") and find_spec("cvc5"):
        for name in explicit:
            for a, b in ((one, two), (two, one)):
                verdict = implies(a, b, name)
                implications.append(Implication(a.identifier, b.identifier, name, str(verdict.outcome), verdict.reason))
    return TheoremComparison(
        first=first,
        second=second,
        edition=edition,
        orders=(str(orders.orders[0]), str(orders.orders[1])),
        asks_less=orders.asks_less,
        flags=orders.flags,
        implications=tuple(implications),
    )


def _compared(record: TheoremComparison, console: Console) -> None:
    rows = ((name, order) for name, order in zip((record.first, record.second), record.orders, strict=True))
    console.print(table(("theorem", "width grows like"), rows, title=f"{record.edition} editions; data at their worst"))
    console.print(f"asks for less: {record.asks_less}")
    for flag in record.flags:
        console.print(f"not on one axis: {flag}")
    for row in record.implications:
        console.print(f"{row.edition}: {row.first} implies {row.second}: {row.verdict} ({row.reason})")


def _list(record: TheoremList, console: Console) -> None:
    from rich.padding import Padding

    rows = record.theorems
    for setting in dict.fromkeys(row.setting for row in rows):
        console.print(setting, style="bold")
        for row in (row for row in rows if row.setting == setting):
            numbers = f"in numbers: {', '.join(row.explicit)}" if row.explicit else ""
            facts = "; ".join(filter(None, (row.dynamics, row.concludes, row.mark, numbers)))
            console.print(Padding(f"{row.identifier}   {row.name}", (0, 0, 0, 2)))
            console.print(Padding("\n".join(filter(None, (row.width, facts))), (0, 0, 0, 6)))
        console.print()
    console.print(
        "Width, conclusion and mark are those of the first edition; Omega and C hide constants, and "
        "what stands under `in numbers` hides none. `zeroloss theorems ID` shows a theorem in full.\n"
    )
    for citation in dict.fromkeys(row.citation for row in rows):
        console.print(citation)


def _page(record: TheoremEntry, statement: Statement, console: Console, *, lemmas: bool) -> None:
    for part in (*(record.lemmas if lemmas else ()), record.theorem):
        _show_statement(part, console)
    console.rule("where")
    for symbol in record.symbols:
        console.print(f"  {symbol.text}: {symbol.name}")
    console.rule("the proof rests on")
    console.print(_tree(statement))
    console.rule("source")
    console.print(record.citation)
    if record.remark:
        console.print(record.remark)


def _show_statement(statement: StatementEntry, console: Console) -> None:
    console.rule(f"{statement.name}  {statement.identifier}".strip())
    console.print("; ".join(filter(None, (statement.setting, statement.dynamics, statement.concludes))))
    console.print(statement.title)
    if statement.remark:
        console.print(f"note: {statement.remark}")
    for edition in statement.editions:
        hidden = ", ".join(edition.hidden_constants)
        constants = f"hidden constants {hidden}" if hidden else "explicit constants"
        console.print(f"\n{edition.name} edition ({edition.mark}; {constants})", style="bold")
        rows = [("if", formula.name, formula.text) for formula in edition.conditions]
        rows += [("then", formula.name, formula.text) for formula in edition.promises]
        rows += [] if edition.promises else [("then", "in words", statement.title)]
        rows += [("where", "", f"{formula.name} = {formula.text}") for formula in edition.where]
        if edition.radius is not None:
            rows.append(("radius", "", f"R = {edition.radius.text}"))
        rows += [("spends", event.name, event.value) for event in edition.events]
        rows += [("why", "", edition.reason)] if edition.reason else []
        if edition.obligations:
            proofs = f"{edition.obligations} obligation{'s' if edition.obligations > 1 else ''}"
            rows.append(("proof", "", f"{proofs}: zeroloss prove"))
        console.print(_rows(rows))
    for error in statement.errors:
        console.print(f"\nprinted with an error: {error.text}")
        if error.counterexample is not None:
            console.print(f"  a counterexample, evaluated: the printed inequality {error.counterexample.verdict}")


def _rows(rows: list[tuple[str, str, str]]) -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    previous = ""
    for kind, name, text in rows:
        grid.add_row(f"  {kind if kind != previous else ''}", name, text)
        previous = kind
    return grid


def _tree(statement: Statement) -> Tree:
    from rich.tree import Tree

    def grow(node: Tree, of: Statement) -> Tree:
        for lemma in of.rests_on:
            grow(node.add(f"{lemma.name}: {lemma.title}"), lemma)
        return node

    return grow(Tree(f"{statement.name}: {statement.title}"), statement)
