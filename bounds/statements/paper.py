"""Publications and their statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bounds.statements.checked import one_of, tuple_of
from bounds.statements.statement import Statement

Kind = Literal["inproceedings", "article", "misc"]


@dataclass(frozen=True)
class Paper:
    """A publication and its statements.

    Args:
        key: BibTeX key.
        authors, title, year: the citation.
        venue: proceedings, journal, or how else it was published.
        arxiv: number, or empty.
        statements: all of them, foundations first.
        kind: of BibTeX entry.
        part: which part of the publication, where several files encode it.
        remark: what a reader must know of all its statements, such as that its text could not be read.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    year: int
    venue: str
    arxiv: str
    statements: tuple[Statement, ...]
    kind: Kind = "inproceedings"
    part: str = ""
    remark: str = ""

    def __post_init__(self) -> None:
        tuple_of(str, "authors", self.authors)
        tuple_of(Statement, "statements", self.statements)
        one_of("kind", self.kind, Kind)
        if not isinstance(self.year, int):
            raise TypeError(f"the year is {self.year!r}: give a whole number")

    @property
    def citation(self) -> str:
        """Authors, year, title and venue in one line."""
        surnames = [author.partition(",")[0] for author in self.authors]
        names = " and ".join(filter(None, [", ".join(surnames[:-1]), surnames[-1]]))
        parts = (f"{names} ({self.year})", self.title, self.venue, self.arxiv and f"arXiv:{self.arxiv}")
        return ", ".join(filter(None, parts))

    @property
    def bibtex(self) -> str:
        """The BibTeX entry."""
        place = {"inproceedings": "booktitle", "article": "journal", "misc": "howpublished"}[self.kind]
        fields = {"author": " and ".join(self.authors), "title": f"{{{self.title}}}"}
        fields |= {place: self.venue} if self.venue else {}
        fields |= {"year": str(self.year)}
        fields |= {"eprint": self.arxiv, "archiveprefix": "arXiv"} if self.arxiv else {}
        return f"@{self.kind}{{{self.key},\n" + ",\n".join(f"  {k} = {{{v}}}" for k, v in fields.items()) + "\n}"
