"""A model's Markdown, so that Streamlit shows what its author meant."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token
from markdown_it.utils import EnvType
from mdit_py_plugins.footnote import footnote_plugin

from components.markdown.bounds import MOST_HIGHLIGHTED
from components.markdown.formulas import LONGEST
from components.markdown.inline import Line, Targets, rewrite_lines
from components.markdown.mask import masked

DEEPEST = 40  # blocks within blocks
_MARKER = re.compile(r"(?:[ \t]*(?:>|(?:[-+*]|\d{1,9}[.)])(?=[ \t]|$)))+")
_CELL = re.compile(r"(?:\\.|[^|\\])+|\\|\|")
_WORD_JOINER = "\u2060"
# The end of a text of which more is expected: marks that the next character decides.
_UNDECIDED = re.compile(r"(?:^|\n)[ \t>]*(?:[-+*=#|:$~]{1,3}|\d{1,9}[.)]?)?[ \t]*\Z")


@dataclass(frozen=True)
class Markdown:
    """Markdown for `st.markdown`."""

    text: str


@dataclass(frozen=True)
class Code:
    """A block of code that `st.markdown` would not show as it is."""

    text: str
    language: str | None


Part = Markdown | Code


def rewrite(text: str, *, unfinished: bool = False) -> list[Part]:
    """Return a document as what Streamlit has to be given to show it. With `unfinished`, its end is still open."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    if unfinished and (found := _UNDECIDED.search(text)):
        text = text[: found.start()]
    env: dict[str, object] = {}
    parsed = masked(text)
    tokens = PARSER.parse(parsed, env)
    document = _Document(text.split("\n"), parsed.split("\n"), env)
    last = max((number for number, token in enumerate(tokens) if token.type == "inline"), default=0)
    for number, token in enumerate(tokens):
        document.rewrite(token, tokens[number - 1].type, unfinished=unfinished and number >= last)
    return list(document.parts())


class _Document:
    """The lines of a document, rewritten block by block."""

    def __init__(self, lines: list[str], parsed: list[str], env: EnvType) -> None:
        links = {label: str(found["href"]) for label, found in env.get("references", {}).items()}
        notes = frozenset(f"^{label[1:]}" for label in env.get("footnotes", {}).get("refs", {}))
        self._lines: list[str | None] = list(lines)
        self._source, self._parsed = lines, parsed
        self._targets = Targets(links, notes)
        self._codes: list[tuple[int, int, Code]] = []
        self._highlighted = 0

    def rewrite(self, token: Token, opened_by: str, *, unfinished: bool) -> None:
        if token.map is None:
            return
        first, end = token.map
        match token.type:
            case "inline" if opened_by in ("paragraph_open", "heading_open"):
                lines = self._located(token, first)
                flow = opened_by == "paragraph_open"
                self._put(first, rewrite_lines(lines, self._targets, flow=flow, unfinished=unfinished), len(lines))
            case "table_open":
                for number in (first, *range(first + 2, end)):
                    self._put(number, self._row(self._source[number]), 1)
            case "fence" | "code_block":
                self._highlighted += len(token.content)
                plain = token.level == 0 and self._highlighted > MOST_HIGHLIGHTED
                if plain or ":material/" in token.content:
                    self._keep_code(token, first, end, None if plain else token.info)

    def parts(self) -> Iterator[Part]:
        done = 0
        for first, end, code in self._codes:
            yield from self._markdown(done, first)
            yield code
            done = end
        yield from self._markdown(done, len(self._lines))

    def _markdown(self, first: int, end: int) -> Iterator[Markdown]:
        text = "\n".join(line for line in self._lines[first:end] if line is not None)
        if text.strip():
            # Streamlit strips what it is given. A definition, which shows nothing, keeps an indented first line.
            head = "[//]: #\n\n" if re.match(r"\s*(?: {4}|\t)", text.lstrip("\n")) else ""
            yield Markdown(head + text)

    def _put(self, first: int, text: str, count: int) -> None:
        self._lines[first : first + count] = [text, *[None] * (count - 1)]

    def _located(self, token: Token, first: int) -> list[Line]:
        """Find a block's text in its lines: what stands before it is of the containers."""
        lines = []
        for number, content in enumerate(token.content.split("\n"), first):
            source, parsed = self._source[number], self._parsed[number]
            at = max(parsed.rfind(content.lstrip()), 0) if content else len(parsed)
            lines.append(Line(source[:at], source[at:]))
        return lines

    def _row(self, row: str) -> str:
        return "".join(
            cell if cell == "|" else rewrite_lines([Line("", cell)], self._targets, flow=False)
            for cell in _CELL.findall(row)
        )

    def _keep_code(self, token: Token, first: int, end: int, info: str | None) -> None:
        if token.level == 0:
            language = (info or "").split()[:1]
            self._codes.append((first, end, Code(token.content.removesuffix("\n"), language[0] if language else None)))
            return
        for number in range(first, end):  # within a list or a quote nothing better can be done about it
            self._lines[number] = self._source[number].replace(":material/", f":{_WORD_JOINER}material/")


def block_parser() -> MarkdownIt:
    """Build a parser for CommonMark's blocks and what the browser adds: tables, footnotes, formulas.

    HTML is none of them: Streamlit shows it as text, and so it is rewritten as text.
    """
    parser = MarkdownIt("commonmark", {"maxNesting": 4 * DEEPEST}).enable("table").disable("html_block")
    parser.use(footnote_plugin)
    parser.core.ruler.enableOnly(["normalize", "block"])
    interrupts = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    parser.block.ruler.before("fence", "formula", _formula, interrupts)  # type: ignore[arg-type]
    return parser


def _formula(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read ``$$`` alone on a line up to the next such line as a formula.

    One that is not closed is none, and no longer one may be. While more is expected (``open`` in the environment), it
    still may become one.
    """
    if state.is_code_block(start) or not _FENCE.fullmatch(
        state.getLines(start, start + 1, state.blkIndent, False).strip()
    ):
        return False
    begin = state.bMarks[start]
    for line in range(start + 1, end):
        if state.eMarks[line] - begin > LONGEST or (state.sCount[line] < state.blkIndent and not state.isEmpty(line)):
            return False
        if _FENCE.fullmatch(state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].strip()):
            return _end_formula(state, start, line + 1, silent)
    return (
        bool(state.env.get("open"))
        and state.eMarks[end - 1] - begin <= LONGEST
        and _end_formula(state, start, end, silent)
    )


def _end_formula(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if not silent:
        state.line = end
        token = state.push("formula", "", 0)
        token.map = [start, end]
    return True


_FENCE = re.compile(r"\$\$")
PARSER = block_parser()
