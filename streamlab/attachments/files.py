"""Files as they may go with a question: an image or a text, so many and so large, whatever their names say of them."""

import mimetypes
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from streamlab.attachments import images
from streamlab.text.encodings import UnknownEncoding, decode
from streamlab.text.reader import TooSlow, read_apart
from streamlab.text.surrogates import whole

FILES = 4  # of one question
BYTES = 5 * 1024 * 1024  # of all of them together
NAME_CHARACTERS = 120

Refused = Literal[
    "too_many", "too_large", "empty", "no_image", "too_many_pixels", "wrong_type", "too_slow", "images_not_taken"
]

_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
_TEXT_TYPES = re.compile(r"text/|application/(?:[\w.-]+\+)?(?:json|xml|yaml|toml|sql|javascript)$|image/svg\+xml$")
_CONTROL = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # in no text
_NO_NAME = re.compile(r"[\0-\x1f\x7f\u2028\u2029]+")
_DOCUMENTS = (b"%PDF-", b"PK\x03\x04", b"{\\rtf")  # which may hold little but ASCII, and mean something else


class AttachmentRefused(ValueError):
    """A file may not go with a question, for what `code` says; `name` is its name, "" where it is all of them."""

    def __init__(self, code: Refused, name: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.name = name


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was read: an image, or a text in UTF-8; before, whatever was sent."""

    name: str
    media_type: str
    data: bytes

    @property
    def is_image(self) -> bool:
        return self.media_type in images.MEDIA_TYPES

    @property
    def text(self) -> str:
        return self.data.decode("utf-8")


def read_files(sent: Sequence[File], *, at_once: bool = False) -> tuple[File, ...]:
    """Read the files that are to go with one question. Raises AttachmentRefused.

    May block for seconds where a text is not in UTF-8, unless it is to be done `at_once`: then such a text is refused.
    """
    if len(sent) > FILES:
        raise AttachmentRefused("too_many")
    check_size(sent)
    read = tuple(_read(each, at_once) for each in sent)
    check_size(read)  # a text may have been written in half as many bytes
    return read


def check_size(files: Sequence[File]) -> None:
    """Raise AttachmentRefused for files that are too large together."""
    if sum(len(file.data) for file in files) > BYTES:
        raise AttachmentRefused("too_large")


def file_name(name: str) -> str:
    """Make one line of a name, without the folders that it came from."""
    line = " ".join(_NO_NAME.sub(" ", whole(name)).replace("\\", "/").rpartition("/")[2].split())
    if len(line) > NAME_CHARACTERS:
        stem, dot, ending = line.rpartition(".")
        line = f"{(stem or line)[: NAME_CHARACTERS - 12]}…{dot}{ending[:10]}"
    return line or "file"


def _read(sent: File, at_once: bool) -> File:
    name, declared = file_name(sent.name), sent.media_type.partition(";")[0].strip().lower()
    if not sent.data:
        raise AttachmentRefused("empty", name)
    try:
        image = images.look(sent.data)
    except images.TooManyPixels:
        raise AttachmentRefused("too_many_pixels", name) from None
    if image:
        return File(name, image.media_type, images.bare(sent.data, image))
    if declared in images.MEDIA_TYPES or name.lower().endswith(_IMAGE_ENDINGS):
        raise AttachmentRefused("no_image", name)
    text = _text(sent.data, name, at_once)
    guessed = mimetypes.guess_type(name)[0] or ""
    media_type = next((each for each in (declared, guessed) if _TEXT_TYPES.match(each)), "text/plain")
    return File(name, media_type, text.encode("utf-8", "replace"))


def _text(data: bytes, name: str, at_once: bool) -> str:
    """Decode a text by whichever encoding it is in; what is not in UTF-8 is looked at apart, for that may take long."""
    if data.startswith(_DOCUMENTS):
        raise AttachmentRefused("wrong_type", name)
    text = _as_utf_8(data)
    if text is None and at_once:
        raise AttachmentRefused("wrong_type", name)
    if text is None:
        try:
            text = read_apart(decode, data).text
        except UnknownEncoding:
            raise AttachmentRefused("wrong_type", name) from None
        except TooSlow:
            raise AttachmentRefused("too_slow", name) from None
    if _CONTROL.search(text):
        raise AttachmentRefused("wrong_type", name)
    return text


def _as_utf_8(data: bytes) -> str | None:
    """Decode what is certainly in UTF-8: UTF-16 has control characters, ISO-2022-JP what an escape begins."""
    with suppress(UnicodeDecodeError):
        text = data.decode("utf-8").removeprefix("\ufeff")
        return None if _CONTROL.search(text) or "\x1b$" in text else text
    return None
