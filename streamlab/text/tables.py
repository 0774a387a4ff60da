"""Tables for other programs: what they would take for a command of their own is made plain text."""

import re
from collections.abc import Iterable, Sequence
from html import escape

_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_MARKUP = re.compile(r"([\\`*_\[\]|~#!$])")


def harmless(text: str) -> str:
    """Return the text of a cell, with an apostrophe before it where a spreadsheet would take it for a formula.

    By OWASP's list: `= + - @`, tab, line end, and their full-width forms.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in GitHub's Markdown; every cell is plain text."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(inline(text) if number != 1 else text for text in line)} |" for number, line in enumerate(lines)
    )


def inline(text: str) -> str:
    """Write the text as it is, in one cell of a table: nothing of it is markup or HTML; line ends become `<br>`."""
    plain = _MARKUP.sub(r"\\\1", escape(text.strip(), quote=False))
    return re.sub(r"\r\n|[\r\n\v\f\x85\u2028\u2029]", "<br>", plain)
