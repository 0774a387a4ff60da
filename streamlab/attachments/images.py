"""Images as bytes: whether they are any, and without what a camera or a program wrote into them.

What is left out is cut from the bytes rather than written anew by a library: nothing is lost of the picture, and a
photograph need not be decoded, which takes half a second and hundreds of megabytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from threading import Lock

from PIL import Image, ImageOps

MEDIA_TYPES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/gif": "GIF"}
PIXELS = 50_000_000  # of an image: its preview takes four bytes of memory for each

_FORMATS = tuple(MEDIA_TYPES.values())
_ORIENTATION = 0x0112  # the one thing that a camera says without which the picture lies on its side
_PNG_TEXTS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME")
_WEBP_TEXTS = (b"EXIF", b"XMP ")
_previewing = Lock()


class TooManyPixels(ValueError):
    """The image would take more memory than it may."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What an image is, and how it is to be turned, as EXIF counts that; 1 is upright."""

    media_type: str
    width: int
    height: int
    orientation: int = 1


def look(data: bytes) -> Looked | None:
    """Look whether the bytes are an image of the four kinds; None if not. Raises TooManyPixels."""
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > PIXELS:
                raise TooManyPixels
            format = "JPEG" if image.format == "MPO" else image.format  # several pictures, of which the first counts
            orientation = image.getexif().get(_ORIENTATION, 1) if format == "JPEG" else 1
            image.verify()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixels from None
    except TooManyPixels:
        raise
    except Exception:  # its readers break in many ways on what is no image
        return None
    media_type = next(name for name, known in MEDIA_TYPES.items() if known == format)
    return Looked(media_type, width, height, orientation if orientation in range(1, 9) else 1)


def bare(data: bytes, image: Looked) -> bytes:
    """Leave out when, where and by what it was made; colours, movement and which side is up stay."""
    match MEDIA_TYPES[image.media_type]:
        case "PNG":
            return b"".join((data[:8], *(chunk for kind, chunk in _png_chunks(data) if kind not in _PNG_TEXTS)))
        case "JPEG":
            return b"".join((data[:2], _turned(image.orientation), *_jpeg_segments(data)))
        case "WEBP":
            chunks = b"".join(_webp_chunks(data))
            return b"".join((b"RIFF", (len(chunks) + 4).to_bytes(4, "little"), b"WEBP", chunks))
    return data


def preview(data: bytes, side: int) -> bytes | None:
    """Make a smaller one of which neither side is longer; None where the bytes end too early. Blocks."""
    try:
        with _previewing, Image.open(BytesIO(data), formats=_FORMATS) as image:
            if max(image.size) <= side:
                return data
            image.draft("RGB", (side, side))  # of a JPEG only as much is decoded as is needed
            upright: Image.Image = ImageOps.exif_transpose(image)
            upright.thumbnail((side, side))
            made = BytesIO()
            if upright.mode in ("RGB", "L"):
                upright.save(made, "JPEG", quality=85)
            else:
                upright.convert("RGBA").save(made, "PNG")
            return made.getvalue()
    except (OSError, SyntaxError, ValueError):
        return None


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """https://www.w3.org/TR/png-3/#5Chunk-layout"""
    place = 8
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8], data[place:end]
        if data[place + 4 : place + 8] == b"IEND":
            return
        place = end


def _jpeg_segments(data: bytes) -> Iterator[bytes]:
    """https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1.1; of the applications' own those that colours need stay."""
    place = 2
    while place + 4 <= len(data) and (marker := data[place + 1]) != 0xDA:
        if marker == 0xFF:  # a byte that fills
            place += 1
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        segment = data[place:end]
        told = marker == 0xFE or (0xE1 <= marker <= 0xEF and marker != 0xEE)
        if not told or segment[4:].startswith(b"ICC_PROFILE\0"):
            yield segment
        place = end
    finish = data.find(b"\xff\xd9", place)  # what follows the picture is another one, which has the same to tell
    yield data[place : finish + 2] if finish >= 0 else data[place:]


def _turned(orientation: int) -> bytes:
    """Write an EXIF segment that holds which side is up, and nothing else; none for an upright picture."""
    if orientation == 1:
        return b""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2, "big") + b"\0\0"
    body = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + entry + b"\0\0\0\0"
    return b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    """https://developers.google.com/speed/webp/docs/riff_container"""
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        kind, end = data[place : place + 4], place + 8 + size + size % 2
        if kind == b"VP8X":  # says which chunks there are
            yield data[place : place + 8] + bytes([data[place + 8] & ~0x0C]) + data[place + 9 : end]
        elif kind not in _WEBP_TEXTS:
            yield data[place:end]
        place = end
