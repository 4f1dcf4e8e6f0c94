"""Help for eyes: paragraphs of docstrings, filled to the width of the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cyclopts.help.formatters import DefaultFormatter

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions


class Filled(DefaultFormatter):
    """The usual help, where a line ends because it is full and not because it did so in the source.

    Args:
        summaries: of commands by name; what a command does at length stands on its own page.
    """

    def __init__(self, summaries: Mapping[str, str]) -> None:
        super().__init__()
        self.summaries = summaries

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Write the options or the commands."""
        entries = [
            entry.copy(description=self.summaries.get("".join(entry.names), _filled(entry.description)))
            for entry in panel.entries
        ]
        super().__call__(console, options, panel.copy(entries=entries))

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """Write what the command does."""
        super().render_description(console, options, _filled(description))


def _filled(words: Any) -> Any:
    """The same words; lines that no empty line parts are joined."""
    from cyclopts.help import InlineText
    from rich.text import Text

    if not isinstance(words, InlineText) or not isinstance(words.primary_renderable, Text):
        return words
    joined = Text(re.sub(r"(?<!\n)\n(?!\n)", " ", words.primary_renderable.plain))
    filled = InlineText(joined, force_empty_end=words.force_empty_end)
    filled.texts = list(words.texts)
    return filled
