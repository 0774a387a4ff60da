"""The text of a paragraph, a heading or a cell, so that Streamlit shows what its author meant."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.markdown.formulas import Formula, Formulas, in_text
from components.markdown.literal import BREAK
from components.markdown.tokens import Token, is_beside_cjk, is_literal, needs_label, pair, write

_SPECIAL = re.compile(
    r"(?P<environment>\\begin\{)"
    r"|(?P<escape>\\[!-/:-@\[-`{-~])"
    r"|(?P<code_span>`+)"
    r"|(?P<autolink><(?:[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*|[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9.-]+)>)"
    r"|(?P<url>(?<![A-Za-z])https?://[^\s<]{1,2000}|(?<![^\s*_~(\[\]])www\.[^\s<]{1,2000})"
    r"|(?P<dollars>\$+)"
    r"|(?P<open>!?\[)"
    r"|(?P<close>\])"
    r"|(?P<break>(?i:<br[ \t]*/?>))"
    r"|(?P<run>\*+|~+|(?<!_)__(?!_))"
    r"|(?P<newline>\n)"
)
_DESTINATION = re.compile(
    r"\(\s*+(?P<to><(?:\\.|[^<>\\\n])*+>|(?:\\.|[^\s()\\<]|(?<=[^(])<|\((?:\\.|[^\s()\\])*+\))*+)"
    r"(?:\s++(?:\"(?:\\.|[^\"\\])*+\"|'(?:\\.|[^'\\])*+'|\((?:\\.|[^()\\])*+\)))?\s*+\)"
)
_UNFINISHED = re.compile(r"\((?:<[^<>\n]*|[^\s()<>]*|[^\s()<>]+\s+[\"'][^\"'\n]*)\Z|\[[^\[\]]*\Z")
_LABEL = re.compile(r"\[(?P<label>(?:\\.|[^\[\]\\]){0,999}+)\]")
_URL_END = re.compile(r"[、。「」『』（）【】！？，；：]|\*\*|[?!.,:*_~'\"]+\Z|&\w+;\Z")
_SPACES = re.compile(r"[ \t]*")
_BEGINS = re.compile(r"[-+*#>=|~`:\d]")
# What begins a block though the line before is one of a paragraph.
_INTERRUPTS = re.compile(
    r"(?:[-+*]|#{1,6}|1[.)])(?![^\s])|>|`{3}|~{3}|(?:=+|-+|(?:[-*_][ \t]*){3,})[ \t]*$", re.MULTILINE
)
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


def rewrite_lines(lines: Sequence[Line], targets: Targets, *, flow: bool = True, unfinished: bool = False) -> str:
    """Return the lines as Markdown for Streamlit. In `flow`, formulas may take lines of their own.

    With `unfinished`, more is expected at the end: emphasis and code that are open there are closed.
    """
    scanner = _Scanner(lines, targets, flow=flow, unfinished=unfinished)
    scanner.scan()
    if unfinished:
        scanner.close_emphasis()
    return lines[0].prefix + write(scanner.tokens, scanner.text)


class _Scanner:
    """Reads a paragraph into tokens from left to right, as CommonMark says: code first, then links."""

    def __init__(self, lines: Sequence[Line], targets: Targets, *, flow: bool, unfinished: bool) -> None:
        self.text = "\n".join(line.text for line in lines)
        self.tokens: list[Token] = []
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
        opened = pair(self.tokens, self.text)
        if opened and self.tokens[-1].kind == "text":
            self.tokens[-1].text = self.tokens[-1].text.rstrip()
        for token in opened:
            token.role = "opens"
        self.tokens += [Token("opaque", token.text.replace("_", "*")) for token in reversed(opened)]

    def _plain(self, start: int, end: int) -> None:
        if start < end:
            self._add("text", self.text[start:end], start)

    def _add(self, kind: str, text: str, start: int) -> None:
        if kind == "text" and self.tokens and self.tokens[-1].kind == "text":
            self.tokens[-1].text += text
        else:
            self.tokens.append(Token(kind, text, start))

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

    def _environment(self, start: int, text: str) -> int:
        return self._dollars(start, text)

    def _formula(self, start: int, formula: Formula) -> int:
        first = self._line
        self._line += self.text.count("\n", start, formula.end)
        line_start = self.text.rfind("\n", 0, start) + 1
        rest = self.text[formula.end :].partition("\n")[0]
        if self._flow and formula.displayed and not self.text[line_start:start].strip():
            self._add(
                "opaque", _display(formula.body, _continued(self._prefixes[first]), more=bool(rest.strip())), start
            )
            return formula.end + len(rest) - len(rest.lstrip())
        body = in_text(formula.body)
        style = "\\displaystyle " if formula.displayed and self.text[start] == "\\" else ""
        # Within two dollars one is a dollar, as in \text{\$5}; alone on a line, they would begin a block.
        mark, body = ("$$", f" {body} ") if "$" in body else ("$", body)
        self._add("opaque", f"{BREAK if mark == '$$' else ''}{mark}{style}{body}{mark}", start)
        return formula.end

    def _code_span(self, start: int, text: str) -> int:
        size, end = len(text), start + len(text)
        closers = self._ticks.get(size, [])  # none where an escape took the first of the marks
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
        """Add a code span. Streamlit rewrites ``:material/`` even there, so such a one is parted in two.

        It stays on one line, as it is shown: the next could begin a block.
        """
        self._line += content.count("\n")
        content = content.replace("\n", " ")
        if ":material/" in content:
            if content[0] == content[-1] == " " and content.strip():
                content = content[1:-1]
            parts = content.replace(":material/", ":\0material/").split("\0")
            content = f"{ticks}{BREAK}{ticks}".join(
                f" {part} " if "`" in (part[0], part[-1]) else part for part in parts
            )
        self._add("opaque", f"{ticks}{content}{ticks}", start)

    def _autolink(self, start: int, text: str) -> int:
        if needs_label(text):
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
        elif text[0] == "*" and is_literal(self.text, start, start + len(text)):
            self._add("text", "\\*" * len(text), start)
        elif text == "__" and not is_beside_cjk(self.text, start, start + 2):
            self._add("text", text, start)
        else:
            self._add("run", text, start)
        return start + len(text)

    def _break(self, start: int, text: str) -> int:
        """Write what models write for the end of a line, as such an end; in a cell or a heading by a formula."""
        end = _SPACES.match(self.text, start + len(text)).end()  # type: ignore[union-attr]
        before = self.text[self.text.rfind("\n", 0, start) + 1 : start].strip()
        after = self.text[end : end + 1]
        if not before or not after:
            self._add("text", " ", start)
        elif not self._flow:
            self._add("opaque", " $\\newline$ ", start)
        elif after == "\n":
            self._add("opaque", "\\", start)
        else:
            # Nothing that follows begins a block.
            part = BREAK if _BEGINS.match(after) else ""
            self._add("opaque", f"\\\n{_continued(self._prefixes[self._line])}{part}", start)
        return end

    def _newline(self, start: int, _text: str) -> int:
        """Begin a line, and no block: what would begin one was taken for a part of a formula before."""
        self._line += 1
        part = BREAK if _INTERRUPTS.match(self.text, start + 1) else ""
        self._add("newline", f"\n{self._prefixes[self._line]}{part}", start)
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
            self.tokens[number:] = [Token("opaque", f"[{own}]", opener.start)]
            return close + 1
        if found := _DESTINATION.match(self.text, close + 1):
            target, suffix, end = found["to"].strip("<>"), self._flat(found[0]), found.end()
        elif reference := self._reference(own, close + 1):
            target, suffix, end = reference
        elif self._unfinished and _UNFINISHED.match(self.text, close + 1):
            target, suffix, end = "", "", len(self.text)
        else:
            return 0
        if opener.text == "![" and _PICTURE_HERE.match(target):
            self.tokens[number:] = [Token("opaque", self.text[opener.start : end].replace("\n", " "), opener.start)]
            return end
        kind = "picture" if opener.text == "![" else "link"
        opener.kind = kind if suffix else "opaque"
        opener.text = "[" if suffix else ""
        if suffix:
            self.tokens.append(Token(f"{kind} end", f"]{suffix}", close, target, role="named" if own.strip() else ""))
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
