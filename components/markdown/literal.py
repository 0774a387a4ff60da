"""Text that Streamlit shows as it stands.

What Streamlit adds to Markdown was read in, and tried on, the browser's part of streamlit 1.67: directives
(``:name[..]{..}``), shortcodes (``:smile:``, ``:material/home:``, ``:streamlit:``) and typography (``->``). Shortcodes
and typography are replaced in text after it was parsed, so that no escape keeps them out: the text has to be parted.
"""

import html
import re

# A directive that gives no colours becomes an empty <span>: it parts text, and leaves no trace in what is copied.
BREAK = ":color[]"

_ESCAPE = r"\\[!-/:-@\[-`{-~]|&(?:#[xX][0-9a-fA-F]{1,6}|#[0-9]{1,7}|[A-Za-z][A-Za-z0-9]{1,31});"
_ATOM = re.compile(rf"{_ESCAPE}|(?s:.)")
_MEANT = re.compile(
    r":(?=material/|[\w+-]{1,80}:)"  # a shortcode
    r"|:(?=[^\W\d_])"  # a directive
    r"|(?:^|(?<=[\s_]))(?:<->|->|<-|--|>=|<=|~=)(?=[\s_]|$)"
    r"|[<$~]"
)
# What has a meaning in Markdown, wherever it stands; underscores not within a word. Addresses are no links here.
_MARK = re.compile(r"[\\`*\[\]<>|~${@]|(?<![^\W_])_|_(?![^\W_])|&(?=[#\w])|(?<=www)\.|:(?=//)")
_LINE_MARK = re.compile(r"^[ \t]*(?:\d+(?=[.)](?:\s|$))|(?=[-+](?:\s|$)|#+(?:\s|$)|(?:=+|-+)[ \t]*$))", re.MULTILINE)


def plain(text: str) -> str:
    """Write plain text, as people and models give it, so that Streamlit's Markdown shows just this: also as a label."""
    return escape_text(_LINE_MARK.sub(r"\g<0>\\", _MARK.sub(r"\\\g<0>", text)))


def escape_text(text: str) -> str:
    """Take from Markdown's plain text the meaning that only Streamlit gives it; emphasis and links are not touched.

    Text that nothing separates from this, as what follows on the same line, must be given together with it.
    """
    atoms = _ATOM.findall(text) if "\\" in text or "&" in text else text
    decoded = text if atoms is text else "".join(map(_decode, atoms))
    out: list[str] = []
    done = 0
    for found in _MEANT.finditer(decoded):
        start, end = found.span()
        out.append("".join(atoms[done:start]))
        parted = end - start > 1 or _MEANT_BY_NAME.match(decoded, start)
        marks = [_ESCAPED.get(atom, atom) for atom in atoms[start:end]]
        out.append(BREAK.join(marks) if end - start > 1 else marks[0] + (BREAK if parted else ""))
        done = end
    out.append("".join(atoms[done:]))
    return "".join(out)


_MEANT_BY_NAME = re.compile(r":(?:material/|[\w+-]{1,80}:)")
_ESCAPED = {":": "\\:", "<": "&lt;", "$": "\\$", "~": "\\~"}


def _decode(atom: str) -> str:
    """Return the one character that an escape or a reference stands for; `x` for what is none."""
    if len(atom) == 1:
        return atom
    character = atom[1] if atom[0] == "\\" else html.unescape(atom)
    return character if len(character) == 1 else "x"
