"""Images and texts over the gateway, in its own form and in those of front ends of others, by their own clients."""

import base64
from typing import Any

import pytest

from streamlab.attachments.files import FILES
from streamlab.events.event import FinalAnswer
from streamlab.gateway.limits import BODY, WITH_FILES
from tests import openai_clients
from tests.access import BEARER
from tests.conftest import demo_model
from tests.gateway import Served, ended, is_refusal
from tests.openai_clients import openai_client
from tests.pictures_made import SECRET, picture, telling

pytestmark = pytest.mark.anyio
lab = openai_clients.lab  # fixtures are found by their names

PNG = picture()
URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
NOTES = f"data:text/plain;base64,{base64.b64encode('九時'.encode()).decode()}"
SEEN = "8 × 5 pixels"


def sent(name: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"name": name, "data": base64.b64encode(data).decode()} | more


async def ask(lab: Served, **body: Any) -> Any:
    return await lab.client.post("/runs", json={"model": demo_model()} | body, headers=BEARER)


async def test_files_go_with_a_question_and_are_kept_with_its_conversation(lab: Served) -> None:
    """Without what a camera wrote, and told again with the next question."""
    photo = telling("JPEG", 6)
    files = [sent("photo.jpg", photo, media_type="image/jpeg"), sent("plan.md", b"9:00")]
    response = await ask(lab, message="Look", attachments=files)
    assert response.status_code == 201
    (answer,) = [each.content for each in await ended(lab, response) if isinstance(each, FinalAnswer)]
    assert "64 × 40 pixels" in answer
    assert "**plan.md**" in answer
    chat = await lab.engine.chats.get(response.json()["conversation"])
    found = await lab.engine.chats.attached.found(chat.attachments)
    kept, text = (found[each.key] for each in chat.attachments)
    assert SECRET not in kept.data
    assert text.text == "9:00"


@pytest.mark.parametrize(
    ("attachments", "code"),
    [
        ([sent("a.png", b"no image")], "invalid_attachment"),
        ([sent("a.pdf", b"%PDF-1.7")], "invalid_attachment"),
        ([sent("a.txt", b"")], "invalid_attachment"),
        ([sent("a", b"x")] * (FILES + 1), "invalid_request"),
        ([{"name": "a", "data": "no base64!"}], "invalid_request"),
        ([{"name": "a"}], "invalid_request"),
        ([sent("a", b"x", url="http://127.0.0.1:9")], "invalid_request"),
        ("a", "invalid_request"),
    ],
)
async def test_what_may_not_go_with_a_question_is_refused_in_a_sentence(
    lab: Served, attachments: object, code: str
) -> None:
    """And nothing was asked."""
    assert is_refusal(await ask(lab, message="Look", attachments=attachments), 422, code)


async def test_only_files_make_a_body_large(lab: Served) -> None:
    """Text has the bound that it had before, also beside a file."""
    large = sent("a.txt", b"x" * (2 * BODY))
    assert (await ask(lab, message="Look", attachments=[large])).status_code == 201
    headers = BEARER | {"content-type": "application/json"}
    for body in (b'{"message":"hi"}'.ljust(BODY + 1), b'"' + b"A" * WITH_FILES + b'"'):
        assert is_refusal(await lab.client.post("/runs", content=body, headers=headers), 413, "too_large")


async def test_openai_s_client_shows_images_and_files(lab: Served) -> None:
    """Chat completions and responses; an address of elsewhere is refused."""
    async with openai_client(lab) as client:
        parts: list[Any] = [
            {"type": "text", "text": "Look"},
            {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
            {"type": "file", "file": {"filename": "plan.txt", "file_data": NOTES}},
        ]
        chat = await client.chat.completions.create(model=demo_model(), messages=[{"role": "user", "content": parts}])
        assert SEEN in str(chat.choices[0].message.content)
        assert "plan.txt" in str(chat.choices[0].message.content)
        shown: list[Any] = [
            {"type": "input_image", "image_url": URL, "detail": "auto"},
            {"type": "input_file", "filename": "plan.txt", "file_data": NOTES},
        ]
        response = await client.responses.create(model=demo_model(), input=[{"role": "user", "content": shown}])
        assert SEEN in response.output_text
        items = (await client.responses.input_items.list(response.id)).data
        assert URL in items[0].to_json()
        more = await client.responses.create(model=demo_model(), input="And?", previous_response_id=response.id)
        assert more.output_text
        far: Any = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
        with pytest.raises(Exception, match="fetches nothing from elsewhere"):
            await client.chat.completions.create(model=demo_model(), messages=[{"role": "user", "content": far}])


async def test_the_ai_sdk_s_and_ag_ui_s_forms_show_images(lab: Served) -> None:
    """As their clients send them."""
    file = {"type": "file", "mediaType": "image/png", "filename": "red.png", "url": URL}
    chat = {"id": "c", "messages": [{"id": "m", "role": "user", "parts": [file]}], "model": demo_model()}
    response = await lab.client.post("/ai-sdk/chat", json=chat, headers=BEARER)
    assert response.status_code == 200
    assert "pixels" in response.text
    data = {"type": "data", "value": URL.partition(",")[2], "mimeType": "image/png"}
    parts = [{"type": "image", "source": data}, {"type": "text", "text": "Look"}]
    message = {"id": "u", "role": "user", "content": parts}
    asked = {
        "threadId": "t", "runId": "r", "messages": [message], "tools": [], "context": [], "state": {},
        "forwardedProps": {"model": demo_model()},
    }  # fmt: skip
    response = await lab.client.post("/ag-ui", json=asked, headers=BEARER)
    assert response.status_code == 200
    assert "pixels" in response.text
