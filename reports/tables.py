r"""Tables for papers: booktabs and siunitx, one file each, to be read with ``\input`` into any class.

The first line of each names the packages that it needs. What is wider than the text is scaled down to it, and in two
columns a table spans both. ``standalone.tex`` compiles all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from reports.mathematics import GREEK, plain_formulas
from reports.numerals import (
    as_latex,
    decades,
    digits_of,
    digits_of_float,
    digits_of_width,
    is_lower_estimate,
    lowest_kind,
)
from reports.schema import Comparison, Number, OwnEdition, OwnNetwork

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "−": r"$-$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "√": r"$\surd$",
    "‖": r"$\Vert$",
    "→": r"$\to$",
    "±": r"$\pm$",
    "ᵀ": r"\textsuperscript{T}",
    "ε": r"$\varepsilon$",
    "Σ": r"$\sum$",
} | {character: rf"$\{name}$" for name, character in GREEK.items() if name not in ("eps", "sum")}
PACKAGES = "amsmath,amssymb,booktabs,graphicx,siunitx"
FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""Opens a box that is scaled down where it is wider than the text; closed by a brace."""
_CLEAR = {"own-networks.tex": "\\clearpage"}
"""Before a table that does not float, those that do are set."""
_SUBSCRIPTED = re.compile(r"([A-Za-z]|\$\\[a-z]+\$)\\_(perp|max|min|\w{1,2})\b")
_SUPERSCRIBED = re.compile(r"\\textasciicircum\{\}(-?\d+\.\d+|-?\w+|\([^()]*\))")
_SUPERSCRIPTS = dict(zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))


def tables(comparison: Comparison) -> dict[str, str]:
    """Every table that the record has rows for, by file name, and ``standalone.tex``, which compiles all.

    Returns:
        LaTeX sources in the order of the page.
    """
    made = {f"{name}.tex": table for name, table in _tables(comparison)}
    return {**made, "standalone.tex": _standalone(comparison.title, made)}


def needs(packages: str) -> str:
    """The first line of a source, for whoever reads it into a document of their own."""
    return rf"% needs \usepackage{{{packages}}}"


def escape(text: str) -> str:
    """Write any text in LaTeX; characters that pdflatex has no glyph for become question marks."""
    return "".join(_character(c) for c in text)


def sentence(text: str) -> str:
    """Write a sentence with plain formulas, such as ``sigma_min(J) <= lambda_0 / 2`` or ``n^1.25``, in LaTeX."""
    lowered = _SUBSCRIPTED.sub(r"\1\\textsubscript{\2}", escape(plain_formulas(text)))
    return _SUPERSCRIBED.sub(r"\\textsuperscript{\1}", lowered)


def _tables(it: Comparison) -> Iterator[tuple[str, str]]:
    yield (
        "data",
        _table(
            "data",
            "The data.",
            f"l{_wrapped('10.5cm')}",
            ("", ""),
            [(escape(r.name), escape(r.value)) for r in it.data],
        ),
    )
    yield (
        "invariants",
        _table(
            "invariants",
            "Certified invariants.",
            "llrl",
            ("invariant", "symbol", "value", "kind"),
            [(escape(r.name), f"${r.latex}$", _digits(r.value, 6), r.value.kind) for r in it.invariants],
        ),
    )
    asked = [row for row in it.editions if row.width is not None]
    if asked:
        yield (
            "widths",
            _table(
                "widths",
                r"Required widths and largest steps; estimates with hidden constants at 1 ($\gtrsim$, $\lesssim$).",
                "llrrl",
                ("statement", "edition", "width", "step size", "kind"),
                [
                    (escape(r.statement), r.edition, _asked(r.width), _asked(r.step_size, r"\lesssim"), _kind(r.width))
                    for r in asked
                ],
            ),
        )
    if it.least_width:
        least = it.least_width
        yield (
            "least-width",
            _table(
                "least-width",
                f"Measured least width {_digits(least.interval, 3)} for ${least.conclusion}$; seeds that kept and that "
                r"broke it, and limits of the share at \SI{95}{\percent}.",
                "rrrrr",
                ("width", "kept", "broke", "seeds", "share"),
                [
                    (
                        _plain(t.width),
                        str(t.successes),
                        str(t.failures),
                        str(t.trials),
                        f"[{_plain(t.lower, 3)}, {_plain(t.upper, 3)}]",
                    )
                    for t in least.trials
                ],
            ),
        )
    if it.proved_widths:
        yield (
            "proved-widths",
            _table(
                "proved-widths",
                r"Widths asked, proved and measured, by network family; hidden constants at 1 ($\gtrsim$).",
                f"l{_wrapped('6cm')}rrr",
                ("networks", "asked by", "asked", "proved", "measured"),
                [
                    (
                        "" if index else escape(row.family),
                        escape(", ".join(filter(None, (asked.statement, asked.edition)))) if asked else "",
                        _asked(asked.width if asked else None),
                        "" if index else as_latex(digits_of_width(row.proved)),
                        "" if index else as_latex(digits_of_width(row.measured)),
                    )
                    for row in it.proved_widths
                    for index, asked in enumerate(row.asked or (None,))
                ],
            ),
        )
    if it.runs:
        yield (
            "runs",
            _table(
                "runs",
                "Condition and conclusion, judged apart.",
                f"{_wrapped('5cm')}lrrll",
                ("run", "edition", "width", "step size", "condition", "conclusion"),
                [
                    (
                        escape(r.label),
                        r.edition,
                        _plain(r.width),
                        _plain(r.step_size),
                        escape(r.condition),
                        _seen(r.conclusion),
                    )
                    for r in it.runs
                ],
            ),
        )
        yield (
            "observations",
            _table(
                "observations",
                "Every promise on the first run, both sides.",
                "llrrl",
                ("edition", "quantity", "measured", "promised", "on this run"),
                [
                    (run.edition, f"${row.latex}$", _digits(row.measured), _digits(row.promised), _seen(row.verdict))
                    for run in next(list(rows) for _, rows in groupby(it.runs, key=lambda run: run.key))
                    for row in run.observations
                ],
            ),
        )
    if it.own_networks:
        yield "own-networks", _own_networks(it.own_networks)
    if it.looseness:
        yield (
            "looseness",
            _table(
                "looseness",
                "Looseness in decades; positive means that the theorem is pessimistic.",
                f"l{_wrapped('3.6cm')}rrrl",
                ("edition", "quantity", "promised", "measured", "decades", "kind"),
                [
                    (
                        "" if index else f"{escape(statement)}, {edition}",
                        escape(row.quantity),
                        _digits(row.promised, 3),
                        _digits(row.measured, 3),
                        as_latex(decades(row.decades_lower, row.decades_upper)),
                        "lower bound" if is_lower_estimate(row.promised) else lowest_kind(row.promised, row.measured),
                    )
                    for (statement, edition), rows in groupby(
                        it.looseness, key=lambda row: (row.statement, row.edition)
                    )
                    for index, row in enumerate(rows)
                ],
            ),
        )
    for number, ledger in enumerate(it.ledgers, start=1):
        rows = [("required", "", "", "", _digits(ledger.start, 3))]
        rows += [
            (
                f"{escape(step.lemma)}: {escape(step.what)}",
                _digits(step.promised, 3),
                _digits(step.measured, 3),
                as_latex(decades(step.decades, step.decades)),
                _digits(step.width_after, 3),
            )
            for step in ledger.steps
        ]
        remainder = as_latex(decades(ledger.remainder, ledger.remainder))
        rows.append(("not explained by these steps", "", "", remainder, _digits(ledger.end, 3)))
        yield (
            f"ledger-{number}",
            _table(
                f"ledger-{number}",
                f"Where {escape(ledger.statement)}, {ledger.edition} edition, gives width away.",
                f"{_wrapped('5.5cm')}rrrr",
                ("step of the proof", "promised", "measured", "decades", "width left"),
                rows,
            ),
        )
    if it.figure_one:
        yield (
            "figure-1",
            _table(
                "figure-1",
                "Figure 1 of Du, Zhai, Poczos and Singh (2019) at its last epoch.",
                f"{_wrapped('4cm')}{_wrapped('3.5cm')}rrr",
                ("panel", "convention", "width", "here", "read off the paper"),
                [
                    (
                        escape("" if i else p.panel),
                        escape("" if i else p.convention),
                        _plain(width),
                        _plain(p.here[i]),
                        _paper(p.paper, i),
                    )
                    for p in it.figure_one
                    for i, width in enumerate(p.widths)
                ],
            ),
        )


def _table(name: str, caption: str, columns: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = [" & ".join(row) + r" \\" for row in rows]
    title = [" & ".join(head) + r" \\", r"\midrule"] if any(head) else []
    return "\n".join(
        [
            needs(PACKAGES),
            r"\begin{table*}[htbp]",
            r"\centering\small",
            rf"\caption{{{caption}}}\label{{tab:zeroloss-{name}}}\par\smallskip",
            FITTED,
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            *title,
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table*}",
            "",
        ]
    )


def _own_networks(networks: Iterable[OwnNetwork]) -> str:
    """Both sides of every promise of theorems of other families."""
    shares = ("0.26", "0.21", "0.21", "0.12", "0.2")
    head = r"promise & measured & promised & decades & on this run \\"
    parts = [[*([r"\addlinespace[1.5ex]"] if rank else []), *_own_network(one)] for rank, one in enumerate(networks)]
    caption = (
        r"\caption{Theorems of other families, each on a run of its own networks: both sides of every promise.}"
        r"\label{tab:zeroloss-own-networks}\\"
    )
    columns = [rf"{share}\linewidth-1.6\tabcolsep" for share in shares]
    return over_pages(PACKAGES, columns, head, (line for lines in parts for line in lines), caption) + "\n"


def over_pages(packages: str, columns: Iterable[str], head: str, rows: Iterable[str], caption: str = "") -> str:
    """A table over as many pages as it takes, in one column (booktabs, longtable).

    Args:
        packages: what its rows need.
        columns: widths of columns of words.
        head: its first line, repeated on each page.
        rows: its other lines.
        caption: with its label, on the first page.
    """
    wide = "".join(_wrapped(rf"\dimexpr{width}\relax") for width in columns)
    heading = [r"\toprule", head, r"\midrule"]
    return "\n".join(
        [
            needs(f"{packages},longtable"),
            r"\makeatletter\let\zerolossback\relax",  # LaTeX sets such tables in one column only
            r"\if@twocolumn\onecolumn\let\zerolossback\twocolumn\fi\makeatother",
            rf"{{\footnotesize\begin{{longtable}}{{@{{}}{wide}@{{}}}}",
            *([caption, *heading, r"\endfirsthead"] if caption else []),
            *heading,
            r"\endhead",
            r"\bottomrule",
            r"\endfoot",
            *rows,
            r"\end{longtable}}",
            r"\zerolossback",
        ]
    )


def _own_network(one: OwnNetwork) -> Iterator[str]:
    name = rf"\textbf{{{escape(one.statement)}}}" + (f" ({escape(one.identifier)})" if one.identifier else "")
    yield _across(f"{name}: {escape(one.setting)}; {escape(one.dynamics)}.")
    if one.network:
        chosen = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in one.network.items() if key != "type")
        step = "" if one.step_size is None else f" step {_plain(one.step_size)},"
        losses = [_plain(loss) for loss in (one.first_loss, one.last_loss) if loss is not None]
        yield _across(
            f"{escape(one.network['type'])}: {escape(chosen)}; seed {one.seed},{step} {escape(one.horizon)}; "
            f"loss {' to '.join(losses)}."
        )
    if one.note:
        yield _across(f"{escape(one.note)}.")
    for edition in one.editions:
        yield from _own_edition(edition)


def _own_edition(edition: OwnEdition) -> Iterator[str]:
    if not edition.sides:
        return
    measured = edition.condition_measured
    estimate = "" if measured == edition.condition else f"; with the run's own numbers: {escape(measured)}"
    yield r"\addlinespace"
    yield _across(
        rf"\emph{{{edition.edition.capitalize()} edition}}; condition: {escape(edition.condition)}{estimate}", r"\\*"
    )
    for side in edition.sides:
        apart = "--" if side.promised is None else as_latex(decades(side.decades_lower, side.decades_upper))
        sides = (_digits(side.measured), _digits(side.promised), apart, _seen(side.verdict))
        yield " & ".join((escape(side.name), *sides)) + r" \\*"
        yield _across(rf"\quad ${side.latex}$" + (rf" \quad {sentence(side.note)}" if side.note else ""))


def _across(words: str, end: str = r"\\") -> str:
    column = _wrapped(r"\linewidth")
    return rf"\multicolumn{{5}}{{@{{}}{column}@{{}}}}{{{words}}} {end}"


def _wrapped(width: str) -> str:
    """A column of words of some width, ragged to the right."""
    return rf">{{\raggedright\arraybackslash}}p{{{width}}}"


def _standalone(title: str, made: Iterable[str]) -> str:
    return "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage[utf8]{inputenc}",
            r"\usepackage[a4paper,margin=20mm]{geometry}",
            rf"\usepackage{{{PACKAGES},longtable}}",
            r"\setlength{\LTcapwidth}{\textwidth}",
            r"\begin{document}",
            rf"\section*{{{escape(title)}}}",
            *(f"{_CLEAR.get(name, '')}\\input{{{name.removesuffix('.tex')}}}" for name in made),
            r"\end{document}",
            "",
        ]
    )


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character in _SUPERSCRIPTS:
        return rf"\textsuperscript{{{_SUPERSCRIPTS[character]}}}"
    if character in _SUBSCRIPTS:
        return rf"\textsubscript{{{_SUBSCRIPTS[character]}}}"
    if character.isspace():
        return " "
    return character if " " <= character <= "~" or "\u00c0" <= character <= "\u017f" else "?"


def _digits(number: Number | None, digits: int = 4) -> str:
    return "--" if number is None else as_latex(digits_of(number, digits))


def _asked(number: Number | None, relation: str = r"\gtrsim") -> str:
    prefix = f"${relation}$ " if number is not None and is_lower_estimate(number) else ""
    return prefix + _digits(number)


def _kind(number: Number | None) -> str:
    return "" if number is None else "estimate" if number.assumption else number.kind


def _plain(value: float, digits: int = 4) -> str:
    return as_latex(digits_of_float(float(value), digits))


def _seen(verdict: str) -> str:
    return {"holds": "measured to hold", "fails": "measured to fail"}.get(verdict, escape(verdict))


def _paper(values: Sequence[float], index: int) -> str:
    return _plain(values[index]) if values else "--"
