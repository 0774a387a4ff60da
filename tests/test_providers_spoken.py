"""All providers' own clients against one server of others that speaks their protocols: only the names differ."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec

import pytest

from streamlab.attachments.content import question_message
from streamlab.attachments.files import File
from streamlab.events.event import FinalAnswer, TextDelta, Thinking, ToolCall, ToolResult
from streamlab.models.catalog import Models, classify
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.runs.chain import ChainAttempt, chat_chain, chat_input
from tests.aimock import Aimock, aimock, settings_of
from tests.conftest import MakeLab, http, raw_endpoint
from tests.events import end
from tests.javascript import needs_node
from tests.pictures_made import picture
from tests.spoken import agent, attempt_at, chain, events, next_thread

pytestmark = needs_node

NEEDED = {"anthropic:claude-opus-4-7": "langchain_anthropic", "google_genai:gemini-3.5-flash": "langchain_google_genai"}
MODELS = [
    pytest.param(
        name,
        id=name.partition(":")[0],
        marks=pytest.mark.skipif(
            name in NEEDED and not find_spec(NEEDED[name]), reason="`make providers` installs its package"
        ),
    )
    for name in ("gpt-4o", "named:gpt-4o", "azure_openai:gpt-4o", *NEEDED)
]


@pytest.fixture(scope="module")
def server() -> Iterator[Aimock]:
    with aimock() as server:
        yield server


@pytest.fixture(scope="module")
def everybody(server: Aimock) -> Iterator[Models]:
    with closing(Models(settings_of(server.url), "http://127.0.0.1:9/v1")) as models:
        yield models


@pytest.mark.anyio
@pytest.mark.parametrize("model", MODELS)
async def test_a_run_is_the_same_run(everybody: Models, make_lab: MakeLab, model: str) -> None:
    """Its text whole, in both languages, whoever wrote it."""
    log = await make_lab(everybody).run(model, "hello")
    assert end(log).status == "completed"
    assert [each.content for each in log if isinstance(each, FinalAnswer)] == ["Hello from the stand-in, ともだち。"]


@pytest.mark.anyio
@pytest.mark.parametrize("model", MODELS)
async def test_an_image_is_sent_to_each_provider_in_its_own_form(model: str) -> None:
    """Read off the wire: the stand-in's journal leaves images out of Anthropic's and Google's requests."""
    files = [File("red.png", "image/png", picture()), File("plan.txt", "text/plain", b"9:00")]
    inputs = chat_input("", [], question_message("What is it?", files), 1_000)
    with raw_endpoint(http(b"{}", "404 Not Found", "application/json")) as server:
        with closing(Models(settings_of(server.base_url.removesuffix("/v1")), "http://127.0.0.1:9/v1")) as models:
            client = models.chat_model(model, DEFAULT_TEMPERATURE)
            with pytest.raises(Exception, match=r"404|NOT_FOUND|\{\}"):
                await events(ChainAttempt(lambda: chat_chain(client), inputs))
        written = json.dumps(server.requests[-1])
    forms = {"anthropic": '"media_type": "image/png"', "google_genai": '"inlineData": {"data": '}
    assert forms.get(model.partition(":")[0], "data:image/png;base64,") in written
    assert base64.b64encode(picture()).decode() in written
    assert "plan.txt:" in written


@pytest.mark.anyio
@pytest.mark.parametrize("model", MODELS)
async def test_reasoning_is_told_from_the_answer(everybody: Models, model: str) -> None:
    """As thinking, and before it."""
    seen = await events(chain(everybody, model, "think aloud"))
    assert "".join(each.content for each in seen if isinstance(each, Thinking)) == "Let me see. Six by seven."
    assert "".join(each.content for each in seen if isinstance(each, TextDelta)) == "Forty-two."


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:FUNCTION_CALL is not a valid FinishReason")  # Google itself says STOP
@pytest.mark.parametrize("model", MODELS)
async def test_tools_are_called_in_parallel_and_answered(everybody: Models, server: Aimock, model: str) -> None:
    """Each call has its result, which is told with the call's own id or name."""
    seen = await events(agent(everybody, model, "two sums"))
    calls = {each.call_id: each.input for each in seen if isinstance(each, ToolCall)}
    assert sorted(call["expression"] for call in calls.values()) == ["2+3", "7*6"]
    assert {each.call_id for each in seen if isinstance(each, ToolResult)} == set(calls)
    assert "".join(each.content for each in seen if isinstance(each, TextDelta)) == "I count.5 and 42."
    told = [message["role"] for message in server.asked()["body"]["messages"]]
    assert told[-4:] == ["user", "assistant", "tool", "tool"]


@pytest.mark.anyio
@pytest.mark.parametrize("model", MODELS)
async def test_an_answer_that_was_cut_at_its_length_says_so(everybody: Models, model: str) -> None:
    """By the provider's own word for it."""
    attempt = chain(everybody, model, "cut at its length")
    assert "".join(each.content for each in await events(attempt) if isinstance(each, TextDelta)) == "It goes on and"
    assert attempt.remark == "length"


@pytest.mark.anyio
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ("drop", {"provider_unavailable"}),
        ("malformed", {"connection_lost", "provider_unavailable"}),
        ("rateLimit", {"rate_limited"}),
        ("disconnect", {"connection_lost", "provider_unavailable"}),
    ],
)
async def test_faults_are_named(everybody: Models, server: Aimock, model: str, fault: str, codes: set[str]) -> None:
    """What may pass is tried again, by us."""
    with server.disturbed(fault), pytest.raises(Exception) as caught:  # noqa: PT011
        await events(chain(everybody, model))
    failure = classify(caught.value)
    assert failure.code in codes
    assert failure.retried


@pytest.mark.anyio
@pytest.mark.parametrize("model", MODELS)
async def test_an_unknown_model_is_named(everybody: Models, model: str) -> None:
    """By what the provider says of it."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await events(chain(everybody, model, "no such model"))
    assert classify(caught.value).code == "model_not_found"


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:FUNCTION_CALL is not a valid FinishReason")
@pytest.mark.parametrize("other", MODELS)
@pytest.mark.parametrize("model", MODELS)
async def test_a_conversation_goes_on_with_another_provider(
    everybody: Models, server: Aimock, model: str, other: str
) -> None:
    """What one thought, signed and called is told to the next as far as it may know it."""
    before = next_thread("two sums")
    await events(attempt_at(everybody, model, before))
    seen = await events(attempt_at(everybody, other, next_thread("hello", before)))
    assert (
        "".join(each.content for each in seen if isinstance(each, TextDelta)) == "Hello from the stand-in, ともだち。"
    )
    told = [message["role"] for message in server.asked()["body"]["messages"]]
    assert told == ["user", "assistant", "tool", "tool", "assistant", "user"]
