"""Pages of the catalogue, written when the documentation is built: one for every paper, and their list."""

from pathlib import Path

from bounds.catalogue import modules
from reports.entries import catalogue
from reports.entry_pages import list_markdown, paper_markdown

FOLDER = Path(__file__).parent / "catalogue"


def write_pages(app):
    """Write a page for every paper and the table of theorems into the folder ``catalogue``."""
    FOLDER.mkdir(exist_ok=True)
    written = {f"{module.__name__.rpartition('.')[2]}.md": paper_markdown(module.PAPER) for module in modules()}
    written["index.md"] = list_markdown(catalogue(), [name.removesuffix(".md") for name in written])
    for name, text in written.items():
        page = FOLDER / name
        if not page.exists() or page.read_text() != text:
            page.write_text(text)
    for page in FOLDER.glob("*.md"):
        if page.name not in written:
            page.unlink()
