"""The same events over gRPC: order, resuming, stopping, and what cannot be asked."""

import json

import grpc
import pytest

from streamlab.events.event import ToolResult, encode
from streamlab.hub.log import Bounds
from streamlab.v1 import streamlab_pb2 as pb
from tests import grpc_gateway
from tests.conftest import demo_model, until
from tests.gateway import FAR_AHEAD, delta, ending
from tests.grpc_gateway import (
    SECRET,
    Lab,
    cut,
    entries,
    plain,
    plain_usage,
    refusal,
    refused,
    seqs,
    slow_model,
    text,
    types,
    whole,
)

lab = grpc_gateway.lab  # fixtures are found by their names

pytestmark = pytest.mark.anyio


async def test_a_chat_is_answered_while_it_is_made(lab: Lab) -> None:
    """`open` first, then every event of the run with its resume token; OK at its end."""
    call = lab.stub.Chat(pb.ChatRequest(message="What is streaming?", model=demo_model(rate=200)))
    events = await whole(call)
    run_id = dict(await call.initial_metadata())["x-run-id"]
    log = lab.http.engine.hub.log(run_id)
    assert await call.code() == grpc.StatusCode.OK
    assert events[0].open.run_id == run_id
    assert events[0].open.epoch == log.epoch
    assert events[0].open.conversation
    assert seqs(events) == list(range(1, log.seq + 1))
    assert [event.token for event in events[1:]] == [f"{log.epoch}-{event.seq}" for event in events[1:]]
    assert text(events) == events[-2].final_answer.content
    assert types(events)[-2:] == ["final_answer", "done"]
    assert events[-1].done.status == "completed"


async def test_an_agent_s_calls_arrive_with_their_values(lab: Lab) -> None:
    """What a tool was given and gave, as free values."""
    events = await whole(lab.stub.Chat(pb.ChatRequest(message="What is 17 * 23?", agent=True, model=demo_model())))
    log = lab.http.engine.hub.log(events[0].open.run_id)
    kinds = types(events)
    assert "tool_call" in kinds
    assert "tool_result" in kinds
    tools = [event for event in entries(events) if event.type in ("tool_call", "tool_result")]
    logged = [json.loads(encode(event)) for event in log.since(0) if event.type in ("tool_call", "tool_result")]
    assert [plain(event) for event in tools] == logged


async def test_a_run_is_started_followed_and_stopped(lab: Lab) -> None:
    """Each by a call of its own; to stop again changes nothing."""
    run = await lab.stub.Start(pb.ChatRequest(message="hi", model=slow_model()))
    assert run.model.startswith("demo")
    call = lab.stub.Follow(pb.FollowRequest(run_id=run.id))
    assert (await call.read()).open.conversation == run.conversation
    assert (await call.read()).seq == 1
    assert not (await lab.stub.Stop(pb.StopRequest(run_id=run.id))).ended
    last = None
    while (event := await call.read()) is not grpc.aio.EOF:
        last = event
    assert last is not None
    assert last.done.status == "stopped"
    assert (await lab.stub.Stop(pb.StopRequest(run_id=run.id))).ended


async def test_what_was_said_before_is_told_in_messages(lab: Lab) -> None:
    """And a conversation goes on by its id."""
    messages = [pb.Message(role="user", content="hi")]
    run = await lab.stub.Start(pb.ChatRequest(messages=messages, model=demo_model(), temperature=0))
    await whole(lab.stub.Follow(pb.FollowRequest(run_id=run.id)))
    again = await lab.stub.Start(pb.ChatRequest(message="and?", conversation=run.conversation))
    assert again.conversation == run.conversation
    assert len((await lab.http.engine.chats.get(run.conversation)).turns) == 2


async def test_the_same_key_gives_the_same_run(lab: Lab) -> None:
    """Over both ways to ask; another request under it is refused."""
    request, key = pb.ChatRequest(message="hi", model=demo_model()), (("idempotency-key", "k1"),)
    first = await lab.stub.Start(request, metadata=key)
    second = await lab.stub.Start(request, metadata=key)
    assert (second.id, first.replayed, second.replayed) == (first.id, False, True)
    call = lab.stub.Chat(request, metadata=key)
    assert (await whole(call))[0].open.run_id == first.id
    assert dict(await call.initial_metadata())["idempotency-replayed"] == "true"
    other = lab.stub.Start(pb.ChatRequest(message="hello"), metadata=key)
    assert await refusal(other) == (grpc.StatusCode.FAILED_PRECONDITION, "idempotency_conflict")


async def test_resuming_anywhere_repeats_nothing_and_loses_nothing(lab: Lab) -> None:
    """At the end of a finished run there is only the end, and it is a good one."""
    log = lab.http.log(*[delta(letter, FAR_AHEAD) for letter in "stream"], *ending("stream"))
    for seq in range(log.seq + 1):
        events = await lab.follow(log, f"{log.epoch}-{seq}")
        assert seqs(events) == list(range(seq + 1, log.seq + 1))
    assert types(events) == ["open"]


async def test_a_token_goes_from_protocol_to_protocol(lab: Lab) -> None:
    """From SSE to gRPC and back, also within a range that was merged."""
    log = lab.http.log(*[delta(str(n % 10)) for n in range(100)], *ending("0123456789" * 10))
    merged = (await lab.follow(log, f"{log.epoch}-10"))[1]
    assert (merged.seq_from, merged.seq, merged.token) == (11, 100, f"{log.epoch}-100")
    rest = await lab.http.events(log, merged.token)
    assert [each.type for each in rest] == ["open", "final_answer", "done"]
    by_sse = (await lab.http.events(log, f"{log.epoch}-10"))[1]
    assert json.loads(by_sse.data) == plain(merged)
    assert types(await lab.follow(log, by_sse.id)) == ["open", "final_answer", "done"]


async def test_who_comes_late_sees_the_whole_run(lab: Lab) -> None:
    """While it goes on, and when its starter has gone."""
    call = lab.stub.Chat(pb.ChatRequest(message="hi", model=demo_model(chunks=60, rate=200)))
    run_id = (await call.read()).open.run_id
    call.cancel()
    log = lab.http.engine.hub.log(run_id)
    await until(lambda: log.seq > 10)
    events = await lab.follow(log)
    assert seqs(events) == list(range(1, log.seq + 1))
    assert text(events) == events[-2].final_answer.content
    assert events[-1].done.status == "completed"


@pytest.mark.parametrize("seq", [1, 99])
async def test_what_cannot_be_had_is_a_gap_and_its_sum(lab: Lab, seq: int) -> None:
    """What was evicted, and a place that the log does not have; both without tokens."""
    log = lab.http.log()
    log.bounds = Bounds(events=3)
    result = ToolResult("calculator", "1", [391], at=FAR_AHEAD)
    for event in (result, *[delta(letter, FAR_AHEAD) for letter in "abc"], *ending("abc")):
        log.append(event)
    events = await lab.follow(log, f"{log.epoch}-{seq}")
    assert types(events) == ["open", "gap", "snapshot", "text_delta", "final_answer", "done"]
    assert not any(event.token for event in events[:3])
    assert (events[1].gap.after, events[1].gap.seq) == (seq, 3)
    snapshot = events[2].snapshot
    assert (snapshot.seq, snapshot.step, snapshot.text) == (3, 1, "ab")
    assert plain(snapshot.tools[0]) == json.loads(encode(log.snapshot().tools[0]))


@pytest.mark.parametrize("after", ["7", "x", "0123456789abcdef-", "é"])
async def test_what_is_no_token_is_refused(lab: Lab, after: str) -> None:
    """And nothing of it is told back."""
    call = lab.stub.Follow(pb.FollowRequest(run_id=lab.http.log().run_id, after=after))
    _, error = await cut(call)
    assert refused(error) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_resume_token")


@pytest.mark.parametrize(
    "request_",
    [
        pb.ChatRequest(),
        pb.ChatRequest(message="a", messages=[pb.Message(role="user", content="b")]),
        pb.ChatRequest(messages=[pb.Message(role="assistant", content=SECRET)]),
        pb.ChatRequest(messages=[pb.Message(role=SECRET, content="b")]),
        pb.ChatRequest(message="x" * 32_001),
        pb.ChatRequest(message="hi", temperature=float("nan")),
        pb.ChatRequest(message="hi", temperature=3),
        pb.ChatRequest(message=" "),
    ],
)
async def test_what_cannot_be_asked_is_refused(lab: Lab, request_: pb.ChatRequest) -> None:
    """With a sentence that does not tell what was sent; nothing has begun."""
    before = lab.http.engine.runs.started
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await lab.stub.Start(request_)
    assert refused(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")
    assert SECRET not in repr(caught.value)
    assert lab.http.engine.runs.started == before


async def test_a_key_has_a_length(lab: Lab) -> None:
    """From 1 to 255 characters."""
    for key in ("", "k" * 256):
        call = lab.stub.Start(pb.ChatRequest(message="hi"), metadata=(("idempotency-key", key),))
        assert await refusal(call) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_request")


async def test_a_request_has_a_size(lab: Lab) -> None:
    """1 MiB, as over HTTP; gRPC itself says so."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await lab.stub.Start(pb.ChatRequest(message="x" * 1_100_000))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_run_is_looked_at(lab: Lab) -> None:
    """Live and ended: what HTTP says of it, field by field."""
    live, done = lab.http.log(delta("a", FAR_AHEAD)), lab.http.log(delta("日本", FAR_AHEAD), *ending("日本"))
    for log in (live, done):
        state = plain_state(await lab.stub.Look(pb.LookRequest(run_id=log.run_id)))
        assert state == (await lab.http.client.get(f"/runs/{log.run_id}")).json()


def plain_state(state: pb.RunState) -> dict[str, object]:
    """Return the state as JSON has it: what is not set is null."""
    data: dict[str, object] = {
        each.name: getattr(state, each.name) if not each.has_presence or state.HasField(each.name) else None
        for each in state.DESCRIPTOR.fields
    }
    return data | ({"usage": plain_usage(state.usage)} if state.HasField("usage") else {})


async def test_an_unknown_run_is_not_found(lab: Lab) -> None:
    """To follow, to look at and to stop."""
    not_found = (grpc.StatusCode.NOT_FOUND, "unknown_run")
    assert refused((await cut(lab.stub.Follow(pb.FollowRequest(run_id="nobody"))))[1]) == not_found
    assert await refusal(lab.stub.Look(pb.LookRequest(run_id="nobody"))) == not_found
    assert await refusal(lab.stub.Stop(pb.StopRequest(run_id="nobody"))) == not_found
