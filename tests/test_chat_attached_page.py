"""Files in the chat: attached, shown beside their question, refused with a sentence, and in the exports."""

import base64
import json

import pytest

from components.answer.export import to_json, to_markdown
from components.page.texts import texts
from streamlab.attachments.files import BYTES, FILES
from streamlab.engine import Engine
from tests.chat_page import FAST, answers, checked, engine, visit
from tests.pages import languages
from tests.pictures_made import picture

__all__ = ["engine"]  # the fixture

PNG = picture()


@languages
def test_files_are_shown_with_their_question_and_told(language: str, engine: Engine) -> None:
    """An image by its name for who cannot see it; a text folded; both also after a visit from elsewhere."""
    app = visit(language)
    box = (
        app.chat_input(key="chat.input").upload("red.png", PNG, "image/png").upload("plan.md", b"9:00", "text/markdown")
    )
    checked(box.set_value("Look" if language == "en" else "見て").run())
    for each in (app, visit(language, chat=str(app.query_params["chat"]))):
        (image,) = each.image
        assert image.proto.imgs[0].alt == "red.png"
        assert [expander.label for expander in each.expander] == ["plan.md · 4 B"]
        assert "8 × 5" in answers(each)[0]
        assert "plan.md" in answers(each)[0]
    chat = engine.portal.call(engine.chats.get, str(app.query_params["chat"]))
    assert chat.turns[0].options.model == FAST
    files = engine.portal.call(engine.chats.attached.found, chat.attachments)
    written = to_markdown(chat, chat.turns, files)
    assert f"![red.png](data:image/png;base64,{base64.b64encode(PNG).decode()})" in written
    assert "plan.md:\n```md\n9:00\n```" in written
    told = json.loads(to_json(chat, chat.turns, files))["turns"][0]["attachments"]
    assert told == [
        {"name": "red.png", "media_type": "image/png", "size": len(PNG), "base64": base64.b64encode(PNG).decode()},
        {"name": "plan.md", "media_type": "text/markdown", "size": 4, "text": "9:00"},
    ]
    assert "plan.md (4 B)" in to_markdown(chat, chat.turns, {})


@languages
@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([("a.png", b"no image")], "no_image"),
        ([("a.pdf", b"%PDF-1.7")], "wrong_type"),
        ([("a.txt", b"")], "empty"),
        ([("a.txt", b"x" * (BYTES + 1))], "too_large"),
        ([(f"{number}.txt", b"x") for number in range(FILES + 1)], "too_many"),
    ],
    ids=["no image", "pdf", "empty", "large", "many"],
)
def test_what_cannot_be_attached_is_told_and_the_text_stays(
    language: str, sent: list[tuple[str, bytes]], code: str
) -> None:
    """Nothing is asked then."""
    app = visit(language)
    box = app.chat_input(key="chat.input")
    for name, data in sent:
        box.upload(name, data)
    checked(box.set_value("Look at this").run())
    said = texts(language)[f"unfit.{code}"].format(name=sent[0][0], number=FILES, size="5.0 MB")
    assert [warning.value.replace("\\", "") for warning in app.warning] == [said]
    assert app.chat_input(key="chat.input").proto.value == "Look at this"
    assert not app.chat_message


@languages
def test_files_of_a_question_that_was_refused_wait_for_the_next(language: str) -> None:
    """Above the box, each to be taken away."""
    app = visit(language)
    box = app.chat_input(key="chat.input").upload("one.txt", b"1").upload("two.txt", b"2")
    checked(box.set_value("x" * 40_000).run())
    assert [app.button(key=f"files.waiting.{number}").label for number in (0, 1)] == ["one.txt · 1 B", "two.txt · 1 B"]
    checked(app.button(key="files.waiting.0").click().run())
    checked(app.chat_input(key="chat.input").set_value("Shorter").run())
    assert [expander.label for expander in app.expander] == ["two.txt · 1 B"]
    assert not [button for button in app.button if str(button.key).startswith("files.waiting")]
