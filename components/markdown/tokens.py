"""What a paragraph consists of, and how it is written for Streamlit."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from components.markdown.literal import BREAK, escape_text, plain

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,31}:")


@dataclass
class Token:
    kind: str  # text, opaque, url, run, newline, bracket; or link, picture and their ends
    text: str
    start: int = 0
    target: str = ""
    role: str = ""  # of a run: opens or closes; of a picture's end: named, if it has a text

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def write(tokens: Sequence[Token], source: str) -> str:
    """Write the tokens; only then is it known what stands beside a mark of emphasis."""
    out: list[str] = []
    runs: list[tuple[int, Token]] = []
    links: list[str] = []
    for token in tokens:
        if token.kind == "run":
            runs.append((len(out), token))
            out.append(token.text)
        else:
            out.append(_write_token(token, links))
            if out[-1][:1] in ("[", "<"):
                _part(out)
    pair(tokens, source)
    for place, token in runs:
        if token.role:
            # Underscores need more around them than stars do.
            token.text = token.text.replace("_", "*")
        out[place] = _flanked(out, place, token)
    return re.sub(rf"({re.escape(BREAK)})(?=\{{)", r"\1\\", "".join(out))


def _part(out: list[str]) -> None:
    """Keep the last of these, which begins with a bracket, from being a picture or escaped by what stands before it."""
    place = next((other for other in range(len(out) - 2, -1, -1) if out[other]), -1)
    if place >= 0 and re.search(r"(?<!\\)(?:\\\\)*[!\\]\Z", out[place]):
        out[place] = f"{out[place][:-1]}\\{out[place][-1]}"


def _write_token(token: Token, links: list[str]) -> str:
    inner = bool(links)
    match token.kind:
        case "text":
            return escape_text(token.text)
        case "bracket":
            return token.text.replace("!", "\\!")
        case "url":
            return plain(token.text) if inner else _address(token.text)
        case "link" | "picture":
            links.append(token.kind)
            return "" if inner else token.text
        case "link end":
            links.pop()
            return token.text if not links else ""
        case "picture end":
            links.pop()
            # Without a text of its own, the picture is its address.
            address = f" ({plain(token.target)})" if token.role else plain(token.target)
            return address if links else f"{address}{token.text}"
        case _:
            return token.text


def _address(url: str) -> str:
    """Write a link that shows its address."""
    target = url if _SCHEME.match(url) else f"http://{url}"
    if target == url and ">" not in url and not needs_label(url):
        return f"<{url}>"
    target = target.replace(":material/", "%3Amaterial/").replace(">", "%3E").replace("\\", "%5C")
    return f"[{plain(url)}](<{target}>)"


def pair(tokens: Sequence[Token], source: str) -> list[Token]:
    """Mark which runs open and which close emphasis, and return those that are left open.

    CommonMark wants a space between Japanese text and a mark next to a bracket or a full stop. What is meant is decided
    as in https://github.com/tats-u/markdown-cjk-friendly.
    """
    opened: list[Token] = []
    places: dict[str, list[int]] = {}  # of the marks of each kind in `opened`
    for token in tokens:
        if token.kind == "run":
            before, after = source[token.start - 1 : token.start], source[token.end : token.end + 1]
            if places.get(token.text) and _closes(opened[places[token.text][-1]], token, source):
                token.role, first = "closes", places[token.text][-1]
                opened[first].role = "opens"
                while len(opened) > first:
                    places[opened.pop().text].pop()
            elif _opens(before, after, token.text):
                places.setdefault(token.text, []).append(len(opened))
                opened.append(token)
    return opened


def _opens(before: str, after: str, mark: str) -> bool:
    """Tell whether the mark may open emphasis between these; with the two exchanged, whether it may close it."""
    if mark == "__":  # elsewhere CommonMark decides, which leaves ``a__init__`` alone
        return _is_cjk(after) and not after.isspace()
    if _left_flanking(before, after):
        return True
    # A single star between another letter and a bracket points to a note, as in ``A*（注）``.
    return _kind(after) != "space" and (_is_cjk(before) or (mark != "*" and _is_cjk(after)))


def _closes(opener: Token, token: Token, source: str) -> bool:
    before, after = source[token.start - 1 : token.start], source[token.end : token.end + 1]
    if not _opens(after, before, token.text):
        return False
    if token.text != "*" or _kind(before) != "letter" or _kind(after) != "mark":
        return True
    # Two stars that each stand before a bracket point to notes.
    return _left_flanking(source[opener.start - 1 : opener.start], source[opener.end : opener.end + 1])


def is_literal(source: str, start: int, end: int) -> bool:
    """Tell stars that multiply, or are cheeks of a face as in ``(*^^*)``, from marks of emphasis."""
    before, after = source[max(start - 1, 0) : start], source[end : end + 1]
    if after.isdigit() and before.isdigit():
        return True
    if end - start == 2:
        return after.isdigit() and before.isascii() and (before.isalnum() or before in (")", "]"))
    return end - start == 1 and (
        (before in ("(", "（") and _is_of_a_face(after)) or (after in (")", "）") and _is_of_a_face(before))
    )


def _is_of_a_face(character: str) -> bool:
    if not character:
        return False
    return character in "^`・ﾟ゜゚；;" or (not character.isascii() and unicodedata.category(character)[0] == "S")


def is_beside_cjk(source: str, start: int, end: int) -> bool:
    """Tell whether a mark of underscores stands beside Japanese text, where CommonMark may see no emphasis."""
    return _is_cjk(source[max(start - 1, 0) : start]) or _is_cjk(source[end : end + 1])


def needs_label(url: str) -> bool:
    """Tell whether Streamlit would see a shortcode in an address that is shown as it is."""
    return ":material/" in url or re.search(r":[\w+-]+:", url) is not None


def _flanked(out: Sequence[str], place: int, token: Token) -> str:
    """Part a mark of emphasis from its neighbours where CommonMark would not see it open or close for them."""
    before = next((out[other][-1] for other in range(place - 1, -1, -1) if out[other]), "")
    after = next((out[other][0] for other in range(place + 1, len(out)) if out[other]), "")
    left = BREAK if token.role == "opens" and not _left_flanking(before, after) else ""
    right = BREAK if token.role == "closes" and not _left_flanking(after, before) else ""
    return f"{left}{token.text}{right}"


def _left_flanking(before: str, after: str) -> bool:
    """Tell whether a run between these may open emphasis; with the two exchanged, whether it may close it."""
    return _kind(after) != "space" and (_kind(after) != "mark" or _kind(before) != "letter")


def _kind(character: str) -> str:
    if not character or character.isspace():
        return "space"
    return "mark" if unicodedata.category(character)[0] in "PS" else "letter"


def _is_cjk(character: str) -> bool:
    return (
        bool(character) and unicodedata.east_asian_width(character) in "WFH" and unicodedata.category(character) != "So"
    )
