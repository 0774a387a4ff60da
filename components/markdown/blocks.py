"""Cutting Markdown that is still being written, so that what stands before the cut is never drawn again."""

import re

from components.markdown.bounds import is_too_much
from components.markdown.document import PARSER
from components.markdown.mask import masked

_SHORT_FRAME = 0.04
_LONG_FRAME = 0.1
_PER_CHARACTER = 0.00015
_CHARACTERS_PER_SECOND = 20_000

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
# The start of a line that may turn out to be a list item, a rule or plain text.
_UNDECIDED = re.compile(r"(?:[-+*][-+* \t]*|\d{1,9}[.)]?[ \t]*)\Z")


def frame_seconds(length: int) -> float:
    """Return how long to gather text before a block of this length is sent again.

    40 ms for a block that has just begun, 0.15 ms more for each character up to 100 ms (400 characters); from
    2,000 characters on the time in which 20,000 characters a second repeat the block. This bounds what a long block
    costs per second, in bytes and in drawing, by a constant.
    """
    return max(min(_SHORT_FRAME + length * _PER_CHARACTER, _LONG_FRAME), length / _CHARACTERS_PER_SECOND)


class MarkdownBlocks:
    """Cuts text that arrives in front of a block that certainly begins, so that what stands before never changes.

    A cut is made only in front of a line that is not indented, follows a blank line and begins a top-level block.
    Whatever else may hold a blank line (code, lists, formulas, footnotes) therefore stays whole. The blocks joined are
    the text that was fed, but for the first characters of a line that may yet become a list item: these are held back
    until the next ones tell. What is too much for Markdown is not cut.
    """

    def __init__(self) -> None:
        self._open = ""
        self._held = ""

    @property
    def frame_seconds(self) -> float:
        """Return how long to gather text before the open block is sent again."""
        return frame_seconds(len(self._open))

    def feed(self, text: str) -> tuple[str, str]:
        """Add text. Return what is finished, which begins with what was open, and what is open now."""
        shown = len(self._open)
        lines = _LINE.findall(self._open + self._held + text)
        undecided = len(lines) > 1 and not lines[-2].strip() and _UNDECIDED.match(lines[-1])
        self._held = lines.pop() if undecided else ""
        whole = "".join(lines)
        cut = _last_start(lines, shown)
        self._open = whole[cut:]
        return whole[:cut], self._open


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
    whole = "".join(lines)
    if is_too_much(whole):
        return 0
    # The 0-based lines where top-level blocks begin. Link definitions count with what follows them.
    tokens = PARSER.parse(masked(whole, unfinished=True), {"open": True})
    blocks = [token.map[0] for token in tokens if token.map and token.level == 0]
    return max((offsets[number] for number in blocks[1:] if number in offsets), default=0)
