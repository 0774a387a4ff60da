"""The text of a paragraph, a heading or a cell, so that Streamlit shows what its author meant."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.markdown.formulas import Formula, Formulas
from components.markdown.literal import BREAK, escape_text, plain

_SPECIAL = re.compile(
    r"(?P<escape>\\[!-/:-@\[-`{-~])"
    r"|(?P<code_span>`+)"
    r"|(?P<autolink><(?:[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*|[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+)>)"
    r"|(?P<url>(?<![A-Za-z])https?://[^\s<]{1,2000}|(?<![^\s*_~(\[\]])www\.[^\s<]{1,2000})"
    r"|(?P<dollars>\$+)"
    r"|(?P<open>!?\[)"
    r"|(?P<close>\])"
    r"|(?P<run>\*+|~+)"
    r"|(?P<newline>\n)"
)
_DESTINATION = re.compile(
    r"\(\s*+(?P<to><(?:\\.|[^<>\\\n])*+>|(?:\\.|[^\s()\\<]|(?<=[^(])<|\((?:\\.|[^\s()\\])*+\))*+)"
    r"(?:\s++(?:\"(?:\\.|[^\"\\])*+\"|'(?:\\.|[^'\\])*+'|\((?:\\.|[^()\\])*+\)))?\s*+\)"
)
_UNFINISHED = re.compile(r"\((?:<[^<>\n]*|[^\s()<>]*|[^\s()<>]+\s+[\"'][^\"'\n]*)\Z|\[[^\[\]]*\Z")
_LABEL = re.compile(r"\[(?P<label>(?:\\.|[^\[\]\\]){0,999}+)\]")
_URL_END = re.compile(r"[、。「」『』（）【】！？，；：]|\*\*|[?!.,:*_~'\"]+\Z|&\w+;\Z")
_BACKTICKS = re.compile(r"`+")
_LONGEST_LABEL = 999
_PICTURE_HERE = re.compile(r"<?data:image/", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """A line of a paragraph: what the containers put before it (``> ``, indentation), and its text."""

    prefix: str
    text: str


@dataclass(frozen=True)
class Targets:
    """What a document defines for links by name: addresses by label, and the labels of footnotes."""

    links: Mapping[str, str] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()


@dataclass
class _Token:
    kind: str  # text, opaque, url, run, newline, bracket; or link, picture and their ends
    text: str
    start: int = 0
    target: str = ""
    role: str = ""  # of a run: opens or closes; of a picture's end: named, if it has a text


def rewrite_lines(lines: Sequence[Line], targets: Targets, *, flow: bool = True, unfinished: bool = False) -> str:
    """Return the lines as Markdown for Streamlit. In `flow`, formulas may take lines of their own.

    With `unfinished`, more is expected at the end: emphasis and code that are open there are closed.
    """
    scanner = _Scanner(lines, targets, flow=flow, unfinished=unfinished)
    scanner.scan()
    if unfinished:
        scanner.close_emphasis()
    return lines[0].prefix + _write(scanner.tokens, scanner.text)


class _Scanner:
    """Reads a paragraph into tokens from left to right, as CommonMark says: code first, then links."""

    def __init__(self, lines: Sequence[Line], targets: Targets, *, flow: bool, unfinished: bool) -> None:
        self.text = "\n".join(line.text for line in lines)
        self.tokens: list[_Token] = []
        self._prefixes = [line.prefix for line in lines]
        self._targets, self._flow, self._unfinished = targets, flow, unfinished
        self._formulas = Formulas(self.text)
        self._brackets: list[int] = []
        self._inactive = 0  # brackets opened before this token hold a link, so they cannot be one
        self._line = 0
        self._ticks: dict[int, list[int]] = {}
        for found in _BACKTICKS.finditer(self.text):
            self._ticks.setdefault(len(found[0]), []).append(found.start())
        for starts in self._ticks.values():
            starts.reverse()

    def scan(self) -> None:
        at = 0
        while found := _SPECIAL.search(self.text, at):
            self._plain(at, found.start())
            at = getattr(self, f"_{found.lastgroup}")(found.start(), found[0])
        self._plain(at, len(self.text))

    def close_emphasis(self) -> None:
        """End what is emphasised at the open end, and leave out marks that have nothing after them yet."""
        while self.tokens and self.tokens[-1].kind == "run":
            self.tokens.pop()
        opened = _pair(self.tokens, self.text)
        if opened and self.tokens[-1].kind == "text":
            self.tokens[-1].text = self.tokens[-1].text.rstrip()
        self.tokens += [_Token("opaque", token.text) for token in reversed(opened)]

    def _plain(self, start: int, end: int) -> None:
        if start < end:
            self._add("text", self.text[start:end], start)

    def _add(self, kind: str, text: str, start: int) -> None:
        if kind == "text" and self.tokens and self.tokens[-1].kind == "text":
            self.tokens[-1].text += text
        else:
            self.tokens.append(_Token(kind, text, start))

    def _escape(self, start: int, text: str) -> int:
        if text in ("\\(", "\\[") and (formula := self._formulas.match(start)):
            return self._formula(start, formula)
        self._add("text", text, start)
        return start + 2

    def _dollars(self, start: int, text: str) -> int:
        if formula := self._formulas.match(start):
            return self._formula(start, formula)
        self._add("text", text, start)
        return start + len(text)

    def _formula(self, start: int, formula: Formula) -> int:
        first = self._line
        self._line += self.text.count("\n", start, formula.end)
        line_start = self.text.rfind("\n", 0, start) + 1
        rest = self.text[formula.end :].partition("\n")[0]
        if self._flow and formula.displayed and not self.text[line_start:start].strip():
            self._add("opaque", _display(formula.body, _continued(self._prefixes[first]), more=bool(rest.strip())), start)
            return formula.end + len(rest) - len(rest.lstrip())
        body = " ".join(formula.body.split("\n"))
        style = "\\displaystyle " if formula.displayed and self.text[start] == "\\" else ""
        # Within two dollars one is a dollar, as in \text{\$5}; alone on a line, they would begin a block.
        mark = "$$" if "$" in body else "$"
        self._add("opaque", f"{BREAK if mark == '$$' else ''}{mark}{style}{body}{mark}", start)
        return formula.end

    def _code_span(self, start: int, text: str) -> int:
        size, end = len(text), start + len(text)
        closers = self._ticks[size]
        while closers and closers[-1] < end:
            closers.pop()
        if closers:
            closer = closers[-1]
            self._code(start, self.text[end:closer], text)
            return closer + size
        if self._unfinished and size < 3:
            if content := self.text[end:].rstrip("`"):
                self._code(start, content, text)
            return len(self.text)
        self._add("text", text, start)
        return end

    def _code(self, start: int, content: str, ticks: str) -> None:
        """Add a code span. Streamlit rewrites ``:material/`` even there, so such a one is parted in two."""
        if ":material/" in content:
            if content[0] == content[-1] == " " and content.strip():
                content = content[1:-1]
            parts = content.replace(":material/", ":\0material/").split("\0")
            content = f"{ticks}{BREAK}{ticks}".join(f" {part} " if "`" in (part[0], part[-1]) else part for part in parts)
        lines = f"{ticks}{content}{ticks}".split("\n")
        following = self._prefixes[self._line + 1 : self._line + len(lines)]
        self._add("opaque", "\n".join([lines[0], *map("".join, zip(following, lines[1:], strict=True))]), start)
        self._line += len(following)

    def _autolink(self, start: int, text: str) -> int:
        if ":material/" in text:
            self._add("url", text[1:-1], start)
        else:
            self._add("opaque", text, start)
        return start + len(text)

    def _url(self, start: int, text: str) -> int:
        """Read an address as GitHub does, but end it also where Japanese punctuation or a bracket does."""
        found = _URL_END.search(text)
        while found:
            text = text[: found.start()]
            found = _URL_END.search(text)
        for opening, closing in ("()", "[]"):
            cut = _first_unmatched(text, opening, closing)
            text = text if cut < 0 else text[:cut]
        self._add("url" if "." in text or ":" in text else "text", text, start)
        return start + len(text)

    def _run(self, start: int, text: str) -> int:
        if text[0] == "~" and len(text) != 2:
            self._add("text", text if len(text) == 1 else "\\~" * len(text), start)
        elif text == "*" and self.text[start - 1 : start].isdigit() and self.text[start + 1 : start + 2].isdigit():
            self._add("text", "\\*", start)  # a product
        else:
            self._add("run", text, start)
        return start + len(text)

    def _newline(self, start: int, _text: str) -> int:
        self._line += 1
        self._add("newline", "\n" + self._prefixes[self._line], start)
        return start + 1

    def _open(self, start: int, text: str) -> int:
        self._brackets.append(len(self.tokens))
        self._add("bracket", text, start)
        return start + len(text)

    def _close(self, start: int, text: str) -> int:
        if self._brackets:
            number = self._brackets.pop()
            opener = self.tokens[number]
            if number >= self._inactive or opener.text == "![":
                end = self._link(number, start)
                if end:
                    return end
        self._add("text", text, start)
        return start + 1

    def _link(self, number: int, close: int) -> int:
        """Make a link, a picture or a footnote's mark of the bracket; return where it ends, 0 if it is none."""
        opener = self.tokens[number]
        own = self.text[opener.start + len(opener.text) : close] if close - opener.start <= _LONGEST_LABEL else ""
        if opener.text == "[" and own[:1] == "^" and own in self._targets.notes:
            self.tokens[number:] = [_Token("opaque", f"[{own}]", opener.start)]
            return close + 1
        if found := _DESTINATION.match(self.text, close + 1):
            target, suffix, end = found["to"].strip("<>"), self._flat(found[0]), found.end()
        elif found := self._reference(own, close + 1):
            target, suffix, end = found
        elif self._unfinished and _UNFINISHED.match(self.text, close + 1):
            target, suffix, end = "", "", len(self.text)
        else:
            return 0
        if opener.text == "![" and _PICTURE_HERE.match(target):
            self.tokens[number:] = [_Token("opaque", self.text[opener.start : end].replace("\n", " "), opener.start)]
            return end
        kind = "picture" if opener.text == "![" else "link"
        opener.kind = kind if suffix else "opaque"
        opener.text = "[" if suffix else ""
        if suffix:
            self.tokens.append(_Token(f"{kind} end", f"]{suffix}", close, target, role="named" if own.strip() else ""))
        if kind == "link":
            self._inactive = number
        return end

    def _reference(self, own: str, start: int) -> tuple[str, str, int] | None:
        found = _LABEL.match(self.text, start)
        label = found["label"] if found and found["label"] else own
        target = self._targets.links.get(normalised(label))
        if target is None or "\n" in label:
            return None
        return target, f"[{label}]", found.end() if found else start

    def _flat(self, suffix: str) -> str:
        self._line += suffix.count("\n")
        # The browser's part looks for shortcodes before it reads the Markdown.
        return " ".join(suffix.split("\n")).replace(":material/", "\\:material/")


def normalised(label: str) -> str:
    """Return a link's label as CommonMark compares it."""
    return " ".join(label.split()).lower().upper()


def _first_unmatched(text: str, opening: str, closing: str) -> int:
    depth = 0
    for place, character in enumerate(text):
        depth += (character == opening) - (character == closing)
        if depth < 0:
            return place
    return -1


def _continued(prefix: str) -> str:
    """Return what stands before the next line of the same container: list markers become spaces."""
    return re.sub(r"[^>\s]", " ", prefix)


def _display(body: str, prefix: str, *, more: bool) -> str:
    lines = ["$$", *(line.strip() for line in body.split("\n")), "$$", *([""] if more else [])]
    return f"\n{prefix}".join(lines)


def _write(tokens: Sequence[_Token], source: str) -> str:
    """Write the tokens; only then is it known what stands beside a mark of emphasis."""
    out: list[str] = []
    runs: list[tuple[int, _Token]] = []
    links: list[str] = []
    for token in tokens:
        if token.kind == "run":
            runs.append((len(out), token))
            out.append(token.text)
        else:
            out.append(_write_token(token, links))
    _pair(tokens, source)
    for place, token in runs:
        out[place] = _flanked(out, place, token)
    return re.sub(rf"({re.escape(BREAK)})(?=\{{)", r"\1\\", "".join(out))


def _write_token(token: _Token, links: list[str]) -> str:
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
    target = url if "://" in url or ":" in url.partition("/")[0] else f"http://{url}"
    if target == url and ":material/" not in url and not re.search(r":[\w+-]+:", url):
        return f"<{url}>"
    return f"[{plain(url)}](<{target.replace(':material/', '%3Amaterial/')}>)"


def _pair(tokens: Sequence[_Token], source: str) -> list[_Token]:
    """Mark which runs open and which close emphasis, and return those that are left open.

    CommonMark wants a space between Japanese text and a mark next to a bracket or a full stop. What is meant is decided
    as in https://github.com/tats-u/markdown-cjk-friendly.
    """
    opened: list[_Token] = []
    for token in tokens:
        if token.kind == "run":
            before, after = source[token.start - 1 : token.start], source[token.start + len(token.text) :][:1]
            opener = next((number for number in range(len(opened))[::-1] if opened[number].text == token.text), -1)
            if opener >= 0 and _opens(after, before):
                opened[opener].role, token.role = "opens", "closes"
                del opened[opener:]
            elif _opens(before, after):
                opened.append(token)
    return opened


def _opens(before: str, after: str) -> bool:
    return _left_flanking(before, after) or (_kind(after) != "space" and (_is_cjk(before) or _is_cjk(after)))


def _flanked(out: Sequence[str], place: int, token: _Token) -> str:
    """Part a mark of emphasis from its neighbours where CommonMark would not see it open or close for them."""
    before = next((part[-1] for part in reversed(out[:place]) if part), "")
    after = next((part[0] for part in out[place + 1 :] if part), "")
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
    return bool(character) and unicodedata.east_asian_width(character) in "WFH" and unicodedata.category(character) != "So"
