"""OpenAI's client for Node before the gateway: its helpers read every stream, and resume one that was left."""

import json
from typing import Any

import anyio.to_thread
import pytest

from tests.access import SECRET
from tests.conftest import demo_model
from tests.gateway import Served
from tests.javascript import ROOT, install, needs_node, run
from tests.openai_clients import WEATHER, address, lab

__all__ = ["lab"]

pytestmark = [pytest.mark.anyio, needs_node]

FOLDER = ROOT / "tests/frontends/openai"
TEXT = "Text that arrives while it is written."

Json = dict[str, Any]


@pytest.fixture(scope="module")
async def outcomes(lab: Served) -> dict[str, Json]:
    """What came of every ask, all of them in one program."""
    asks: dict[str, Json] = {
        "chat": {"model": demo_model(text=TEXT)},
        "tools": {"model": demo_model(), "tool": WEATHER, "city": "Kyoto"},
        "background": {"model": demo_model(chunks=40, rate=100)},
        "kept": {"model": demo_model(text=TEXT)},
        "cancel": {"model": demo_model(chunks=10_000, rate=20)},
        "errors": {"broken": demo_model(text=TEXT, fault="cut", after=2)},
    }
    await anyio.to_thread.run_sync(install, FOLDER)
    told = json.dumps(list(asks.items()))
    done = await anyio.to_thread.run_sync(lambda: run("node", "asks.mjs", address(lab), SECRET, told, cwd=FOLDER))
    return dict(zip(asks, json.loads(done.stdout), strict=True))


async def test_a_chat_is_the_same_streamed_and_whole(outcomes: dict[str, Json]) -> None:
    chat = outcomes["chat"]
    assert chat["whole"] == chat["streamed"] == TEXT, chat
    assert chat["usage"] == chat["asked"]


async def test_the_client_runs_its_tools(outcomes: dict[str, Json]) -> None:
    """Until the model has its answer of them."""
    assert "Kyoto: clear sky" in outcomes["tools"]["text"], outcomes["tools"]


async def test_a_background_response_that_was_left_goes_on(outcomes: dict[str, Json]) -> None:
    """By its number, and by the helper that asks for the whole and leaves out what was had."""
    left = outcomes["background"]
    assert left["seen"] == list(range(len(left["seen"]))), left
    assert left["again"] == left["seen"][21:]
    assert left["text"] == left["final"] == left["kept"]
    assert left["status"] == "completed"


async def test_a_response_is_gone_on_from_listed_and_deleted(outcomes: dict[str, Json]) -> None:
    assert outcomes["kept"] == {"text": TEXT, "items": ["And?"], "gone": 404}


async def test_a_cancelled_response_ends_its_stream(outcomes: dict[str, Json]) -> None:
    assert outcomes["cancel"] == {"last": "response.incomplete", "status": "cancelled"}


async def test_errors_are_those_that_the_client_knows(outcomes: dict[str, Json]) -> None:
    errors = outcomes["errors"]
    assert errors["none"] == {"kind": "NotFoundError", "status": 404, "code": "model_not_found"}
    assert (errors["several"]["kind"], errors["within"]["code"]) == ("BadRequestError", "connection_lost")
