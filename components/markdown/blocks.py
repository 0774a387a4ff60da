"""Cutting Markdown that is still being written, so that what stands before the cut is never drawn again."""

import re
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.fence import make_fence_rule
from mdit_py_plugins.footnote import footnote_plugin

StreamPart = str | Callable[[], None]

_SHORT_FRAME = 0.04
_LONG_FRAME = 0.1
_PER_CHARACTER = 0.00015
_CHARACTERS_PER_SECOND = 20_000

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
# The start of a line that may turn out to be a list item, a rule or plain text.
_UNDECIDED = re.compile(r"(?:[-+*][-+* \t]*|\d{1,9}[.)]?[ \t]*)\Z")
# ``:::name[label]{attributes}``; a line of colons alone opens nothing.
_DIRECTIVE = re.compile(r":{3,}[^\W\d_][\w-]*(?:\[.*\])?(?:\{.*\})?[ \t]*\Z")


def close_element() -> None:
    """Do nothing. A part that is not text makes ``st.write_stream`` finish its element and start another."""


class MarkdownBlocks:
    """Turns text as it arrives into parts for ``st.write_stream``, with ``close_element`` where a block is finished.

    A cut is made only in front of a line that is not indented, follows a blank line and begins a top-level block.
    Whatever else may hold a blank line (code, lists, HTML, formulas, directives, footnotes) therefore stays whole.
    The parts joined are the text that was fed, but for the first characters of a line that may yet become a list
    item: these are held back until the next ones tell.
    """

    def __init__(self) -> None:
        self._open = ""
        self._held = ""

    @property
    def frame_seconds(self) -> float:
        """Return how long to gather text before the open block is sent again.

        40 ms for a block that has just begun, 0.15 ms more for each character up to 100 ms (400 characters); from
        2,000 characters on the time in which 20,000 characters a second repeat the block. This bounds what a long block
        costs per second, in bytes and in drawing, by a constant.
        """
        length = len(self._open)
        return max(min(_SHORT_FRAME + length * _PER_CHARACTER, _LONG_FRAME), length / _CHARACTERS_PER_SECOND)

    def feed(self, text: str) -> list[StreamPart]:
        """Add text and return the parts to show now; none if it decides nothing yet."""
        shown = len(self._open)
        lines = _LINE.findall(self._open + self._held + text)
        undecided = len(lines) > 1 and not lines[-2].strip() and _UNDECIDED.match(lines[-1])
        self._held = lines.pop() if undecided else ""
        whole = "".join(lines)
        cut = _last_start(lines, shown)
        self._open = whole[cut:]
        parts: list[StreamPart] = [whole[shown:cut], close_element, whole[cut:]] if cut else [whole[shown:]]
        return [part for part in parts if part]


def _last_start(lines: list[str], shown: int) -> int:
    """Return the offset of the last block that may have an element of its own, 0 if there is none.

    What is shown already cannot be moved to another element, so ``shown`` is the first offset that counts.
    """
    offsets = {}
    offset = 0
    for number, line in enumerate(lines):
        # st.markdown strips what it is given: indentation at the head of an element would be lost.
        if offset >= shown and number and not lines[number - 1].strip() and not line[0].isspace():
            offsets[number] = offset
        offset += len(line)
    if not offsets:
        return 0
    # The 0-based lines where top-level blocks begin. Link definitions count with what follows them.
    blocks = [token.map[0] for token in _PARSER.parse("".join(lines)) if token.map and token.level == 0]
    return max((offsets[number] for number in blocks[1:] if number in offsets), default=0)


def _block_parser() -> MarkdownIt:
    """Build a parser for CommonMark's blocks and what the browser adds: tables, footnotes, formulas, directives.

    remark-math and remark-directive read ``$$`` and ``:::name`` like code fences: to the closing marker or the end.
    """
    parser = MarkdownIt("commonmark").enable("table").use(footnote_plugin)
    parser.core.ruler.enableOnly(["normalize", "block"])
    formula = make_fence_rule(markers=("$",), token_type="formula", disallow_marker_in_info=("$",), min_markers=2)
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    parser.block.ruler.before("fence", "formula", formula, interrupts)
    parser.block.ruler.before("fence", "directive", _directive, interrupts)
    return parser


def _directive(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    return _DIRECTIVE.match(line) is not None and _colon_fence(state, start, end, silent)


_colon_fence = make_fence_rule(markers=(":",), token_type="directive", disallow_marker_in_info=())
_PARSER = _block_parser()
