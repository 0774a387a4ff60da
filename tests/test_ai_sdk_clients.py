"""The AI SDK's own chats, of `@ai-sdk/react` 2, 3 and 4 over `ai` 5, 6 and 7, at a real gateway."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from tests.ai_sdk import FOLDER, Json
from tests.conftest import demo_model
from tests.gateway import FAST, Served, served
from tests.javascript import install, needs_node

pytestmark = [pytest.mark.anyio, needs_node]

TEXT = "One answer, which is told piece by piece and arrives whole."
LONG = TEXT * 4
VERSIONS = (5, 6, 7)
MODELS = {
    "plain": demo_model(text=TEXT),
    "reasoning": demo_model(text=TEXT, reasoning="true"),
    "cut": demo_model(text=TEXT, fault="cut", after=3, times=1),
    "failing": demo_model(fault="key"),
    "agent": demo_model(),
    "slow": demo_model(text=LONG, rate=10),
    "endless": demo_model(chunks=100_000, rate=20),
}


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served(FAST, gateway_runs_per_minute=10_000, gateway_max_runs=1_000) as lab:
        yield lab


@pytest.fixture(scope="module")
async def outcomes(lab: Served) -> dict[str, Any]:
    """What each page had at the end of what was done, by its name and version."""
    await anyio.to_thread.run_sync(install, FOLDER)
    asked = json.dumps({"url": lab.url, "models": MODELS})
    process = await asyncio.create_subprocess_exec(
        str(shutil.which("node")), "clients.mjs", asked, cwd=FOLDER, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(120):
        said, _ = await process.communicate()
    assert process.returncode == 0
    outcomes: dict[str, Any] = json.loads(said)
    return outcomes


def pages(outcomes: dict[str, Any], name: str) -> list[Json]:
    found: list[Json] = outcomes[name]
    assert isinstance(found, list), found
    return found


def text_of(page: Json, at: int = -1) -> str:
    return "".join(part["text"] for part in page["messages"][at]["parts"] if part["type"] == "text")


def check_whole(page: Json, text: str = TEXT) -> None:
    assert (page["status"], page["error"]) == ("ready", None)
    assert text_of(page) == text
    assert [part["state"] for part in page["messages"][-1]["parts"] if part["type"] == "text"] == ["done"]
    assert page["finishes"][-1]["finishReason"] == "stop"


def roles(page: Json) -> list[str]:
    return [message["role"] for message in page["messages"]]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_an_answer(outcomes: dict[str, Any], version: int) -> None:
    """It arrives whole, with what it cost."""
    (page,) = pages(outcomes, f"plain {version}")
    check_whole(page)
    assert page["messages"][-1]["metadata"]["usage"]["outputTokens"] > 0


def test_an_agent(outcomes: dict[str, Any], version: int) -> None:
    """Its tools are seen, each with what it gave, and none is the page's to run; it is told of them later."""
    (page,) = pages(outcomes, f"agent {version}")
    check_whole(page, text_of(page))
    first = page["messages"][1]["parts"]
    tools = [part for part in first if part["type"] == "dynamic-tool"]
    assert {tool["toolName"] for tool in tools} == {"calculate", "query_sales"}
    assert {tool["state"] for tool in tools} == {"output-available"}
    assert [part["type"] for part in first].count("step-start") >= 2
    assert page["calls"] == 0
    assert roles(page) == ["user", "assistant"] * 2
    assert "4" in text_of(page)


def test_a_chat_that_goes_on_without_tools(outcomes: dict[str, Any], version: int) -> None:
    """What they gave is told in words."""
    (page,) = pages(outcomes, f"told_without_tools {version}")
    check_whole(page)


def test_reasoning(outcomes: dict[str, Any], version: int) -> None:
    """It is a part of its own, before the text."""
    (page,) = pages(outcomes, f"reasoning {version}")
    check_whole(page)
    assert [part["type"] for part in page["messages"][-1]["parts"]] == ["step-start", "reasoning", "text"]


def test_an_answer_after_a_retry(outcomes: dict[str, Any], version: int) -> None:
    """From version 7 on the void text is taken back; before, it stands in a step that says so."""
    (page,) = pages(outcomes, f"retried {version}")
    parts = page["messages"][-1]["parts"]
    assert (page["status"], parts[-1]["text"]) == ("ready", TEXT)
    assert [part["data"]["code"] for part in page["data"]] == ["connection_lost"]
    void = [] if version == 7 else ["text", "data-retry", "step-start"]
    assert [part["type"] for part in parts] == ["step-start", *void, "text"]


def test_a_failure_and_the_way_on(outcomes: dict[str, Any], version: int) -> None:
    """The page is told, and its next question is answered."""
    (page,) = pages(outcomes, f"failed {version}")
    (error,) = page["errors"]
    assert error.startswith("The provider refused the key.")
    check_whole(page)
    assert roles(page) == ["user", "assistant"]


def test_refusals(outcomes: dict[str, Any], version: int) -> None:
    """A page shows one sentence."""
    (refused,) = pages(outcomes, f"refused {version}")
    assert (refused["status"], refused["error"]) == ("error", "The server has no model of this name. There is: demo.")
    (file,) = pages(outcomes, f"with_a_file {version}")
    assert (file["status"], file["error"]) == (
        "error",
        "A file of the messages: an attachment is no image that can be read.",
    )


def test_an_answer_written_anew(outcomes: dict[str, Any], version: int) -> None:
    """Of the last message, or of one that was edited: what came after it is gone."""
    (page,) = pages(outcomes, f"regenerated {version}")
    check_whole(page)
    assert roles(page) == ["user", "assistant"] * 2
    (page,) = pages(outcomes, f"edited {version}")
    check_whole(page)
    assert [text_of(page, 0), *roles(page)] == ["anew", "user", "assistant"]


def test_a_page_that_comes_back(outcomes: dict[str, Any], version: int) -> None:
    """It has the whole answer in one message of the same id, whether it had kept what it had or not."""
    found = pages(outcomes, f"resumed {version}") + pages(outcomes, f"left {version}")[1:]
    for page in found:
        check_whole(page, LONG)
        assert roles(page) == ["user", "assistant"]
    assert len({page["messages"][-1]["id"] for page in found[:3]}) == 1
    asked, *back = found[:3]
    question = {"id": asked["messages"][0]["id"], "text": "q"}
    assert [[part["data"] for part in page["data"]] for page in (asked, *back)] == [[], *([question] for _ in back)]


def test_a_stop(outcomes: dict[str, Any], version: int) -> None:
    """From anywhere; all who follow have the same, and nothing is left to come back to."""
    first, second, third = pages(outcomes, f"stopped {version}")
    for page in (first, second):
        assert (page["status"], page["error"]) == ("ready", None)
        assert page["finishes"][-1]["finishReason"] == ("interrupted" if version == 7 else "other")
    assert text_of(first) == text_of(second)
    assert (third["status"], third["messages"]) == ("ready", [])


def test_a_page_that_leaves_and_asks_anew(outcomes: dict[str, Any], lab: Served, version: int) -> None:
    """The answer that it left is stopped: nobody wants it any more."""
    (page,) = pages(outcomes, f"asked_anew {version}")
    check_whole(page)
    left, _ = (message["id"] for message in page["messages"] if message["role"] == "assistant")
    done = lab.engine.hub.log(left).done
    assert done is not None
    assert done.status == "stopped"


def test_a_cut_connection(outcomes: dict[str, Any], version: int) -> None:
    """A page that comes back by itself has the answer once. Version 5 keeps what it had beside that, a fault of its own
    which a reload mends.
    """
    (page,) = pages(outcomes, f"cut {version}")
    assert (page["status"], page["messages"][-1]["parts"][-1]["text"]) == ("ready", LONG)
    texts = [part for part in page["messages"][-1]["parts"] if part["type"] == "text"]
    assert len(texts) == (2 if version == 5 else 1)


def test_nothing_to_come_back_to(outcomes: dict[str, Any], version: int) -> None:
    """A new chat is at rest."""
    (page,) = pages(outcomes, f"nothing {version}")
    assert (page["status"], page["messages"]) == ("ready", [])
