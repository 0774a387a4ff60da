"""Who is served over gRPC, how often, and the status codes that say why a call was refused."""

import asyncio
import socket
from collections.abc import AsyncIterator

import grpc
import pytest
from pydantic import SecretStr

from streamlab.gateway.protocols.grpc_server import grpc_port
from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1 import streamlab_pb2_grpc
from tests import grpc_gateway
from tests.conftest import demo_model, until
from tests.gateway import FAR_AHEAD, delta, ending
from tests.grpc_gateway import SECRET, Fields, Lab, cut, lab_of, refusal, refused, types, whole

lab = grpc_gateway.lab  # fixtures are found by their names

pytestmark = pytest.mark.anyio

BEARER = (("authorization", f"Bearer {SECRET}"),)


@pytest.fixture(scope="module")
async def closed_lab(anyio_backend: str) -> AsyncIterator[Lab]:
    """One that has a token, and short-lived follow tokens."""
    async with lab_of(gateway_tokens=(SecretStr(SECRET),), gateway_follow_token_seconds=3) as lab:
        yield lab


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ((), "unauthorized"),
        ((("authorization", "Bearer no"),), "invalid_access_token"),
        ((("authorization", f"Basic {SECRET}"),), "unauthorized"),
    ],
)
async def test_who_has_no_right_is_not_served(closed_lab: Lab, metadata: Fields, code: str) -> None:
    """Whatever is asked, before it is looked at."""
    run_id = closed_lab.http.log().run_id
    stub = closed_lab.stub
    expected = (grpc.StatusCode.UNAUTHENTICATED, code)
    assert refused((await cut(stub.Follow(pb.FollowRequest(run_id=run_id), metadata=metadata)))[1]) == expected
    assert refused((await cut(stub.Chat(pb.ChatRequest(), metadata=metadata)))[1]) == expected
    assert await refusal(stub.Start(pb.ChatRequest(), metadata=metadata)) == expected
    assert await refusal(stub.Look(pb.LookRequest(run_id=run_id), metadata=metadata)) == expected
    assert await refusal(stub.Stop(pb.StopRequest(run_id=run_id), metadata=metadata)) == expected


async def test_who_has_the_token_is_served(closed_lab: Lab) -> None:
    """With everything, and with one run's conversation."""
    request = pb.ChatRequest(message="hi", model=demo_model())
    events = await whole(closed_lab.stub.Chat(request, metadata=BEARER))
    assert events[-1].done.status == "completed"


async def test_a_follow_token_reads_one_run_until_its_time_is_over(closed_lab: Lab) -> None:
    """It does not stop it, learns no conversation, and reads no other; then `close` and UNAUTHENTICATED."""
    log = closed_lab.http.log(delta(at=FAR_AHEAD))
    other = closed_lab.http.log(*ending(""))
    token = (("follow-token", closed_lab.http.gateway.access.issue(log.run_id)),)
    call = closed_lab.stub.Follow(pb.FollowRequest(run_id=log.run_id), metadata=token)
    assert (await closed_lab.stub.Look(pb.LookRequest(run_id=log.run_id), metadata=token)).status == "live"
    stop = closed_lab.stub.Stop(pb.StopRequest(run_id=log.run_id), metadata=token)
    assert await refusal(stop) == (grpc.StatusCode.PERMISSION_DENIED, "read_only")
    _, wrong = await cut(closed_lab.stub.Follow(pb.FollowRequest(run_id=other.run_id), metadata=token))
    assert refused(wrong) == (grpc.StatusCode.PERMISSION_DENIED, "other_run")
    events, error = await cut(call)
    assert types(events) == ["open", "text_delta", "close"]
    assert not events[0].open.HasField("conversation")
    assert events[-1].close.code == "expired"
    assert refused(error) == (grpc.StatusCode.UNAUTHENTICATED, "expired_follow_token")
    assert log.done is None


async def test_a_revoked_token_ends_its_streams(closed_lab: Lab) -> None:
    """At once."""
    log = closed_lab.http.log(delta(at=FAR_AHEAD))
    token = (("follow-token", closed_lab.http.gateway.access.issue(log.run_id)),)
    call = closed_lab.stub.Follow(pb.FollowRequest(run_id=log.run_id), metadata=token)
    reading = asyncio.create_task(cut(call))
    await until(lambda: log.followers == 1)
    closed_lab.http.gateway.access.revoke(log.run_id)
    events, error = await reading
    assert events[-1].close.code == "revoked"
    assert refused(error) == (grpc.StatusCode.UNAUTHENTICATED, "revoked_follow_token")


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ((("x-forwarded-for", "127.0.0.1"),), "not_local"),
        ((("via", "1.1 proxy"),), "not_local"),
        ((("origin", "https://evil.example"),), "foreign_origin"),
    ],
)
async def test_without_tokens_no_proxy_and_no_foreign_page_is_served(lab: Lab, metadata: Fields, code: str) -> None:
    """As over HTTP."""
    log = lab.http.log(*ending(""))
    _, error = await cut(lab.stub.Follow(pb.FollowRequest(run_id=log.run_id), metadata=metadata))
    assert refused(error) == (grpc.StatusCode.PERMISSION_DENIED, code)


def _own_address() -> str | None:
    """An address of this machine that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return None if address.startswith("127.") else address


async def test_without_tokens_only_this_machine_is_served(lab: Lab) -> None:
    """Also where the port is open to others."""
    address = _own_address()
    if address is None:
        pytest.skip("this machine has no address besides loopback")
    direct = [("grpc.enable_http_proxy", 0)]
    async with (
        grpc_port(lab.http.gateway, "0.0.0.0", 0) as port,
        grpc.aio.insecure_channel(f"{address}:{port}", direct) as channel,
    ):
        call = streamlab_pb2_grpc.StreamlabStub(channel).Stop(pb.StopRequest(run_id="x"))
        assert await refusal(call) == (grpc.StatusCode.PERMISSION_DENIED, "not_local")


async def test_ipv6_loopback_is_this_machine(lab: Lab) -> None:
    """Where the machine has it."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    async with grpc_port(lab.http.gateway, "::1", 0) as port, grpc.aio.insecure_channel(f"[::1]:{port}") as channel:
        call = streamlab_pb2_grpc.StreamlabStub(channel).Stop(pb.StopRequest(run_id="x"))
        assert await refusal(call) == (grpc.StatusCode.NOT_FOUND, "unknown_run")


async def test_limits_say_when_to_come_again() -> None:
    """RESOURCE_EXHAUSTED with `retry-after` in seconds."""
    async with lab_of(gateway_runs_per_minute=1) as lab:
        await lab.stub.Start(pb.ChatRequest(message="hi", model=demo_model()))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await lab.stub.Start(pb.ChatRequest(message="hi", model=demo_model()))
        assert refused(caught.value) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_runs")
        assert 1 <= int(dict(caught.value.trailing_metadata())["retry-after"]) <= 60
