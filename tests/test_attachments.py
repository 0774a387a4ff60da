"""Files that go with a question: told apart by what is in them, bounded, and without what a camera wrote into them."""

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from PIL import Image

from streamlab.attachments.content import has_images, message_tokens, named_text, question_message, typed_tokens
from streamlab.attachments.files import BYTES, FILES, NAME_CHARACTERS, AttachmentRefused, File, file_name, read_files
from streamlab.attachments.images import Looked, bare, look, preview
from streamlab.demo_model.attached import attached_to, without_files
from tests.pictures_made import FORMATS, SECRET, picture, telling

PNG = picture()


def huge() -> bytes:
    """Write the head of an image of 100 million pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    return PNG[:8] + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + PNG[33:]


READ = {
    "png": (File("a.png", "image/png", PNG), "image/png"),
    "jpeg": (File("a.jpg", "image/jpeg", picture("JPEG")), "image/jpeg"),
    "webp": (File("a.webp", "image/webp", picture("WEBP")), "image/webp"),
    "gif": (File("a.gif", "image/gif", picture("GIF")), "image/gif"),
    "by its bytes": (File("notes.txt", "text/plain", PNG), "image/png"),
    "another type": (File("a.jpg", "image/jpeg", PNG), "image/png"),
    "text": (File("a.txt", "text/plain; charset=utf-8", b"hello"), "text/plain"),
    "no type": (File("a.csv", "", b"a,b\n1,2\n"), "text/csv"),
    "any type": (File("Makefile", "application/octet-stream", b"all:\n\techo\n"), "text/plain"),
    "json": (File("a.json", "application/json", b"{}"), "application/json"),
    "vector": (File("a.svg", "image/svg+xml", b"<svg/>"), "image/svg+xml"),
    "colours of a terminal": (File("a.log", "", b"\x1b[31mred\x1b[0m"), "text/plain"),
}


@pytest.mark.parametrize(("sent", "media_type"), READ.values(), ids=READ)
def test_a_file_is_what_is_in_it(sent: File, media_type: str) -> None:
    """Neither its name nor what it was sent as makes a text of an image."""
    (read,) = read_files([sent])
    assert (read.name, read.media_type) == (sent.name, media_type)
    assert read.is_image == (look(sent.data) is not None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "euc_jp", "utf-16", "iso2022_jp"])
def test_a_text_is_read_in_its_own_encoding(encoding: str) -> None:
    """And goes on in UTF-8, without a mark."""
    text = "日本語の文章です。\n二行目もあります。\n"
    (read,) = read_files([File("a.txt", "text/plain", text.encode(encoding))])
    assert read.text == text


UNFIT = {
    "five": ([File("a", "", b"x")] * (FILES + 1), "too_many"),
    "one byte too many": ([File("a", "", b"x" * (BYTES // 2)), File("b", "", b"x" * (BYTES // 2 + 1))], "too_large"),
    "nothing": ([File("a", "text/plain", b"")], "empty"),
    "no image by its type": ([File("a", "image/png", b"hello")], "no_image"),
    "no image by its name": ([File("a.JPEG", "", b"hello")], "no_image"),
    "half an image's head": ([File("a.png", "image/png", PNG[:12])], "no_image"),
    "a damaged one": ([File("a.png", "image/png", PNG[:45] + b"\xff" + PNG[46:])], "no_image"),
    "pixels": ([File("a.png", "image/png", huge())], "too_many_pixels"),
    "pdf": ([File("a.pdf", "application/pdf", b"%PDF-1.7\nhello")], "wrong_type"),
    "zip": ([File("a.docx", "", b"PK\x03\x04" + bytes(40))], "wrong_type"),
    "bytes": ([File("a.bin", "", bytes(range(256)))], "wrong_type"),
    "control characters": ([File("a.txt", "text/plain", b"a\0b")], "wrong_type"),
    "a photo of another kind": ([File("a.heic", "image/heic", b"\0\0\0\x18ftypheic" + bytes(20))], "wrong_type"),
}


@pytest.mark.parametrize(("sent", "code"), UNFIT.values(), ids=UNFIT)
def test_what_may_not_go_with_a_question_is_named(sent: list[File], code: str) -> None:
    """The first that may not, by its name where it is one."""
    with pytest.raises(AttachmentRefused) as refused:
        read_files(sent)
    assert refused.value.code == code
    assert refused.value.name == ("" if code in ("too_many", "too_large") else sent[0].name)


@pytest.mark.soak
def test_a_text_that_grows_when_it_is_read_may_be_too_large() -> None:
    """In UTF-8 a Japanese character takes three bytes, before it was two."""
    with pytest.raises(AttachmentRefused) as refused:
        read_files([File("a", "", "あ".encode("cp932") * (BYTES // 2))])
    assert refused.value.code == "too_large"


@pytest.mark.parametrize("format", FORMATS[:3])
def test_what_a_camera_wrote_is_left_out_and_the_picture_stays(format: str) -> None:
    """Point by point, and which side is up."""
    for orientation in (1, 6):
        told = telling(format, orientation)
        assert SECRET in told
        image = look(told)
        assert image
        left = bare(told, image)
        assert SECRET not in left
        assert look(left) == image
        before, after = Image.open(BytesIO(told)), Image.open(BytesIO(left))
        assert list(before.convert("RGB").tobytes()) == list(after.convert("RGB").tobytes())
        assert not after.getexif().get_ifd(0x8825)
        assert after.getexif().get(0x0112, 1) == (orientation if format == "JPEG" else 1)
        assert bare(left, image) == left


def test_pictures_behind_the_first_one_of_a_photo_go() -> None:
    """Which tell the same once more."""
    told = picture("JPEG") + telling("JPEG")
    image = look(told)
    assert image
    assert bare(told, image) == bare(picture("JPEG"), image)


@given(st.binary(max_size=200), st.sampled_from(FORMATS), st.integers(0, 80))
def test_no_bytes_break_it(noise: bytes, format: str, place: int) -> None:
    """Neither the look nor what is cut: they are an image afterwards, or none."""
    made = telling(format) if format != "GIF" else picture(format)
    data = made[:place] + noise + made[place:]
    for each in (data, made[:place]):
        if image := look(each):
            assert bare(each, image)


def test_a_preview_is_small_and_upright() -> None:
    """A small image is its own; one that ends too early has none."""
    made = preview(telling("JPEG", 6), 32)
    assert made
    assert Image.open(BytesIO(made)).size == (20, 32)
    assert preview(PNG, 32) == PNG
    assert preview(picture("JPEG", (200, 200))[:400], 32) is None
    assert look(PNG) == Looked("image/png", 8, 5)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a b.txt", "a b.txt"),
        ("two\nlines\0.txt", "two lines .txt"),
        ("", "file"),
        ("a/", "file"),
        ("half\ud83d.txt", "half?.txt"),
    ],
)
def test_a_name_is_one_line_without_folders(sent: str, kept: str) -> None:
    """It stands in what the model is told."""
    assert file_name(sent) == kept


def test_a_long_name_keeps_its_ending() -> None:
    """By which people know what it is."""
    name = file_name("x" * 1_000 + ".txt")
    assert name.endswith("….txt")
    assert len(name) <= NAME_CHARACTERS


def test_a_question_is_one_text_unless_an_image_goes_with_it() -> None:
    """Many compatible servers take no other; images come before what is said of them."""
    text, image = File("a.py", "text/plain", b"print(1)\n"), File("b.png", "image/png", PNG)
    assert question_message("Why?") == HumanMessage("Why?")
    assert question_message("Why?", [text]).content == "a.py:\n```py\nprint(1)\n```\n\nWhy?"
    shown = question_message("Why?", [text, image])
    assert [block["type"] for block in shown.content if isinstance(block, dict)] == ["image", "text"]
    assert shown.text == question_message("Why?", [text]).content
    assert [block for block in question_message("", [image]).content if "text" in block] == []
    assert "b.png" in question_message("Why?", [], ["b.png"]).text
    assert has_images([shown])
    assert message_tokens(shown) > 1_000 > typed_tokens(shown)


@given(st.text(st.sampled_from("`a\n:~"), max_size=60), st.text(st.sampled_from("`ab\n:"), max_size=30))
def test_no_text_breaks_out_of_its_fence(text: str, question: str) -> None:
    """The demo model finds it by the same rule, and the question without it."""
    message = question_message(question, [File("a.txt", "text/plain", text.encode())])
    assert named_text("a.txt", text) in message.text
    assert attached_to([], message.text)[0].name == "a.txt"
    if not attached_to([], question):
        assert without_files(message.text) == question.strip()
