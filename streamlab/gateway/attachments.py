"""Files that go with what is asked over the gateway, whichever protocol they come in."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from streamlab.attachments.content import image_block, named_text
from streamlab.attachments.files import BYTES, FILES, AttachmentRefused, File, Refused, read_files
from streamlab.gateway.errors import Refusal

DATA = (BYTES + 2) // 3 * 4  # characters of base64 that all of them may have
NAME = 1_000  # characters

_WHY: dict[Refused, str] = {
    "too_many": f"At most {FILES} files may go with a question.",
    "too_large": f"The files of a question may have {BYTES:,} bytes together.",
    "empty": "An attachment is empty.",
    "no_image": "An attachment is no image that can be read.",
    "too_many_pixels": "An attached image has more than 50 million pixels.",
    "wrong_type": "An attachment is neither an image (PNG, JPEG, WebP or GIF) nor a text, in UTF-8 if it can be.",
    "too_slow": "An attachment takes too long to read.",
    "images_not_taken": "This model takes no images.",
}
_DATA_URL = re.compile(r"data:(?P<type>[\w/+.-]*)(?:;[\w-]+=[^;,]*)*;base64,", re.IGNORECASE)


class SentFile(BaseModel):
    """An image (PNG, JPEG, WebP, GIF) or a text, told apart by what is in it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: Annotated[str, Field(max_length=NAME, description="what the model and readers see it called")]
    media_type: Annotated[str, Field(max_length=200, description="such as image/png or text/csv")] = ""
    data: Annotated[str, Field(max_length=DATA, description="its bytes, in base64")]


def files_sent(sent: Sequence[SentFile]) -> tuple[File, ...]:
    """Read what was sent. Raises Refusal. May block for seconds."""
    try:
        return read_files([File(each.name, each.media_type, decoded(each.data)) for each in sent])
    except AttachmentRefused as refused:
        raise refusal(refused) from None
    except ValueError:
        raise Refusal(422, "invalid_request", "The data of each attachment must be base64.") from None


def decoded(data: str) -> bytes:
    """Read base64. Raises ValueError for what is none."""
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise ValueError("files must be in base64") from None


def refusal(refused: AttachmentRefused) -> Refusal:
    """Say in a sentence why a file may not go with what is asked."""
    if refused.code == "images_not_taken":
        return no_images()
    return Refusal(422, "invalid_attachment", _WHY[refused.code])


def no_images() -> Refusal:
    return Refusal(422, "no_images", _WHY["images_not_taken"], "Choose another model, or ask without images.")


def file_at(url: object, name: str = "", media_type: str = "") -> File:
    """Read a file that an address itself holds. Raises ValueError with a sentence that begins small and has no end."""
    begin = _DATA_URL.match(url) if isinstance(url, str) else None
    if begin is None or not isinstance(url, str):
        raise ValueError("files must be data: URLs in base64, for this server fetches nothing from elsewhere")
    data = decoded(url[begin.end() :])
    try:
        (read,) = read_files([File(name or "file", begin["type"] or media_type, data)], at_once=True)
    except AttachmentRefused as refused:
        said = _WHY[refused.code].removesuffix(".")
        raise ValueError(f"{said[0].lower()}{said[1:]}") from None
    return read


def part_of(file: File) -> str | dict[str, Any]:
    """Return a file as a part of a message: a text under its name, or an image."""
    return image_block(file.media_type, file.data) if file.is_image else named_text(file.name, file.text)


def content_of(parts: Sequence[str | dict[str, Any]], between: str = "\n") -> str | list[str | dict[str, Any]]:
    """Make a message's content of its parts: one text, or blocks where it shows an image."""
    if all(isinstance(part, str) for part in parts):
        return between.join(part for part in parts if isinstance(part, str))
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts if part]
