"""Small images of every kind, also with what cameras and programs write into them."""

from io import BytesIO
from typing import Any

from PIL import Image, PngImagePlugin

SECRET = b"secret place"
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def picture(format: str = "PNG", size: tuple[int, int] = (8, 5), **options: Any) -> bytes:
    """Draw one, of which the left half is red and the right one blue."""
    image = Image.new("RGB", size, (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, size[0] // 2, size[1]))
    made = BytesIO()
    image.save(made, format, **options)
    return made.getvalue()


def telling(format: str, orientation: int = 1) -> bytes:
    """Draw one that tells more than it shows, in each place where its kind has one."""
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()  # a description
    exif[0x0112] = orientation
    exif.get_ifd(0x8825)[1] = "N"  # where it was taken
    options: dict[str, Any] = {"exif": exif.tobytes()}
    if format == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", SECRET.decode())
        texts.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        texts.add_text("Zipped", SECRET.decode(), zip=True)
        options["pnginfo"] = texts
    if format == "JPEG":
        options |= {"comment": SECRET, "xmp": SECRET}
    if format == "WEBP":
        options |= {"xmp": SECRET}
    return picture(format, (64, 40), **options)
