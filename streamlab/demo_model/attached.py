"""Files that go with a question: what the demo model can say of them, which looks at none."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from streamlab.attachments.images import TooManyPixels, look
from streamlab.text.sizes import readable_size

# As attachments.content.named_text writes them.
_OPENING = re.compile(r"^([^\n]{1,200}):\n(`{3,})[a-z0-9+#]*\n", re.M)
_DATA = re.compile(r"data:[\w/+.-]+;base64,")


class Attached(NamedTuple):
    """A file in a few words: a text by its name and lines, an image by its type and pixels."""

    name: str
    size: str
    lines: int = 0
    width: int = 0
    height: int = 0


def attached_to(parts: Sequence[dict[str, Any]], text: str) -> list[Attached]:
    """Find the images among a message's parts, and the texts in its text."""
    images = [found for part in parts if part.get("type") == "image_url" and (found := _image(part.get("image_url")))]
    texts = [Attached(name, readable_size(len(body)), body.count(b"\n") + 1) for name, body, _, _ in _named(text)]
    return [*images, *texts]


def without_files(text: str) -> str:
    """Leave out the texts that stand in a text under their names."""
    left, place = [], 0
    for _, _, start, end in _named(text):
        left.append(text[place:start])
        place = end
    return "".join((*left, text[place:])).strip() if place else text


def _named(text: str) -> Iterator[tuple[str, bytes, int, int]]:
    """Find texts by their names, with where each begins and ends."""
    place, whole = 0, f"{text}\n"
    while opening := _OPENING.search(whole, place):
        close = f"\n{opening[2]}\n"
        end = whole.find(close, opening.end() - 1)
        if end < 0:
            return
        place = end + len(close)
        yield opening[1], whole[opening.end() : end].encode("utf-8", "replace"), opening.start(), place


def _image(given: object) -> Attached | None:
    url = given.get("url") if isinstance(given, dict) else given
    begin = _DATA.match(url) if isinstance(url, str) else None
    if not (begin and isinstance(url, str)):
        return None
    try:
        data = base64.b64decode(url[begin.end() :], validate=True)
        image = look(data)
    except (binascii.Error, TooManyPixels):
        return None
    return (
        Attached(image.media_type, readable_size(len(data)), width=image.width, height=image.height) if image else None
    )
