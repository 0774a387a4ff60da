"""Word-by-word differences between two texts."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby, takewhile
from typing import Literal

Change = Literal["same", "removed", "added"]
Range = tuple[bool, int, int, int, int]  # whether a[i1:i2] and b[j1:j2] are the same, i1, i2, j1, j2

# difflib looks at every pair of equal tokens, and again for each stretch it finds. What has more pairs than this, or
# is longer, is first divided where a token is found once in both. Spaces are paired only beside what else is.
MAX_PAIRS = 200_000
MAX_PRODUCT = 4_000_000  # tokens of one times tokens of the other
MAX_DEPTH = 20

_CJK = "぀-ヿㇰ-ㇿ㐀-䶿一-鿿豈-﫿ｦ-ﾟ々〆"
_TOKEN = re.compile(rf"\s+|[{_CJK}]|[^\W{_CJK}]+|[^\w\s]")
_SENTENCE = re.compile(r"[^\n。．！？.!?]*[\n。．！？.!?]+|[^\n。．！？.!?]+")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text; never empty, and never of the same kind as the one before it."""

    kind: Change
    text: str


def word_diff(a: str, b: str) -> list[Segment]:
    """Return the segments that make `a` without the added ones, and `b` without the removed ones.

    Words are compared whole, Japanese and Chinese characters one by one. What is removed comes before what is added.
    Long texts are compared by sentences first, and by words only within what differs: two texts of 100,000 characters
    take a second or two. Where even that finds nothing in common, the whole stretch counts as replaced.
    """
    first, second = _TOKEN.findall(a), _TOKEN.findall(b)
    if _is_small(first, second):
        return _merge(_segments(first, second))
    return _merge(_segments(_SENTENCE.findall(a), _SENTENCE.findall(b), sentences=True))


def _segments(a: Sequence[str], b: Sequence[str], *, sentences: bool = False) -> Iterator[Segment]:
    for same, i1, i2, j1, j2 in _ranges(a, b):
        before, after = "".join(a[i1:i2]), "".join(b[j1:j2])
        if same:
            yield Segment("same", before)
        elif sentences:
            yield from _segments(_TOKEN.findall(before), _TOKEN.findall(after))
        else:
            yield from (Segment("removed", before), Segment("added", after))


def _merge(segments: Iterator[Segment]) -> list[Segment]:
    """Merge what changed between two same stretches into one removed and one added segment.

    A space alone between two changes is a part of both: a replaced sentence would otherwise fall into its words.
    """
    joined: list[Segment] = []
    found = [segment for segment in segments if segment.text]
    changed = [segment.kind != "same" for segment in found]
    for index in range(1, len(found) - 1):
        if changed[index - 1] and changed[index + 1] and found[index].text.isspace():
            changed[index] = True
    for differs, group in groupby(zip(changed, found, strict=True), key=lambda pair: pair[0]):
        stretch = [segment for _, segment in group]
        if not differs:
            joined.append(Segment("same", "".join(segment.text for segment in stretch)))
            continue
        kinds: tuple[tuple[Change, Change], ...] = (("removed", "added"), ("added", "removed"))
        for kind, other in kinds:
            if text := "".join(segment.text for segment in stretch if segment.kind != other):
                joined.append(Segment(kind, text))
    return joined


def _ranges(a: Sequence[str], b: Sequence[str], depth: int = 0) -> Iterator[Range]:
    """Yield ranges that cover both sequences from the beginning to the end."""
    start = _common_prefix(a, b)
    end = _common_prefix(a[start:][::-1], b[start:][::-1])
    i2, j2 = len(a) - end, len(b) - end
    if start:
        yield True, 0, start, 0, start
    yield from _shift(_middle_ranges(a[start:i2], b[start:j2], depth), start, start)
    if end:
        yield True, i2, len(a), j2, len(b)


def _middle_ranges(a: Sequence[str], b: Sequence[str], depth: int) -> Iterator[Range]:
    """Yield the ranges of two sequences that begin and end differently."""
    if not a or not b:
        if a or b:
            yield False, 0, len(a), 0, len(b)
    elif _is_small(a, b):
        for tag, i1, i2, j1, j2 in SequenceMatcher(str.isspace, a, b, autojunk=False).get_opcodes():
            yield tag == "equal", i1, i2, j1, j2
    else:
        yield from _divide(a, b, depth)


def _is_small(a: Sequence[str], b: Sequence[str]) -> bool:
    if len(a) * len(b) > MAX_PRODUCT:
        return False
    counts = Counter(token for token in b if not token.isspace())
    return sum(counts[token] for token in a) <= MAX_PAIRS


def _divide(a: Sequence[str], b: Sequence[str], depth: int) -> Iterator[Range]:
    """Split at unique common tokens, as patience diff does, and compare what is between them."""
    anchors = _anchors(a, b) if depth < MAX_DEPTH else []
    if not anchors:
        yield False, 0, len(a), 0, len(b)
        return
    i, j = 0, 0
    for anchor_i, anchor_j in [*anchors, (len(a), len(b))]:
        if anchor_i > i or anchor_j > j:
            yield from _shift(_ranges(a[i:anchor_i], b[j:anchor_j], depth + 1), i, j)
        if anchor_i < len(a):
            yield True, anchor_i, anchor_i + 1, anchor_j, anchor_j + 1
        i, j = anchor_i + 1, anchor_j + 1


def _anchors(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Return the longest series of positions, rising in both, of tokens that each has once."""
    in_a, in_b = Counter(a), Counter(b)
    index_in_b = {token: j for j, token in enumerate(b) if in_b[token] == 1}
    pairs = [(i, index_in_b[token]) for i, token in enumerate(a) if in_a[token] == 1 and token in index_in_b]
    ends: list[int] = []  # the lowest end in b of a rising series of each length
    chain: list[int] = []  # the pair that ends it
    before: list[int | None] = []
    for number, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        before.append(chain[length - 1] if length else None)
        ends[length : length + 1] = [j]
        chain[length : length + 1] = [number]
    series: list[tuple[int, int]] = []
    index: int | None = chain[-1] if chain else None
    while index is not None:
        series.append(pairs[index])
        index = before[index]
    return series[::-1]


def _common_prefix(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the length of the common prefix, in tokens."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))
    return sum(1 for _ in same)


def _shift(ranges: Iterator[Range], i: int, j: int) -> Iterator[Range]:
    return ((same, i + i1, i + i2, j + j1, j + j2) for same, i1, i2, j1, j2 in ranges)
