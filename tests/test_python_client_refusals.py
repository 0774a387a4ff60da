"""What the Python client is refused: each cause has its error."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from streamlab_client import AuthError, Backoff, Client, InvalidRequest, NotFound, RateLimited
from streamlab_client._async.transport import ProtocolName

from tests.conftest import demo_model
from tests.gateway import delta, ending
from tests.python_client import SECRET, Lab, check_whole, lab_of, over_each, told

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def closed_lab(anyio_backend: str) -> AsyncIterator[Lab]:
    """One that has a token."""
    async with lab_of(gateway_tokens=(SecretStr(SECRET),)) as lab:
        yield lab


@over_each
async def test_each_cause_has_its_error(closed_lab: Lab, protocol: ProtocolName) -> None:
    """With the server's code, sentence and hint; never with the token."""
    wrong = "wrong-" + SECRET
    async with closed_lab.aclient(protocol, token=wrong) as client:
        with pytest.raises(AuthError) as refused:
            await client.start("Hi")
    assert refused.value.code == "invalid_access_token"
    assert refused.value.hint
    assert SECRET not in told(refused.value)
    async with closed_lab.aclient(protocol, token=SECRET) as client:
        with pytest.raises(NotFound) as unknown:
            assert [event async for event in client.follow("nobody")] == []
        assert unknown.value.code == "unknown_run"
        with pytest.raises(InvalidRequest) as empty:
            assert [event async for event in client.chat("")] == []
        assert empty.value.code == "invalid_request"
        log = closed_lab.http.log(*ending("a"))
        with pytest.raises(InvalidRequest) as nonsense:
            assert [event async for event in client.follow(log.run_id, after="nonsense")] == []
        assert nonsense.value.code == "invalid_resume_token"


@over_each
async def test_a_token_is_refreshed_by_its_callback(closed_lab: Lab, protocol: ProtocolName) -> None:
    """One that was refused is asked for once more; a callback may be a coroutine function."""
    tokens = iter(["tok-2b81e0-stale", SECRET])

    async def token() -> str:
        return next(tokens)

    async with closed_lab.aclient(protocol, token=token) as client:
        stream = client.chat("Hi", model=demo_model(chunks=5))
        check_whole([event async for event in stream], stream.answer)


@over_each
async def test_a_follow_token_reads_its_run_and_stops_none(closed_lab: Lab, protocol: ProtocolName) -> None:
    """It is a token like any other, for whoever shall only watch."""
    log = closed_lab.http.log(delta("a"), *ending("a"))
    token = closed_lab.http.gateway.access.issue(log.run_id)
    async with closed_lab.aclient(protocol, token=token) as client:
        assert [event.seq async for event in client.follow(log.run_id)] == [1, 2, 3]
        with pytest.raises(AuthError):
            await client.stop(log.run_id)


async def test_too_many_runs_are_told_with_the_time_to_wait(anyio_backend: str) -> None:
    """Once the client has no attempt left; until then it waits as long."""
    async with lab_of(gateway_runs_per_minute=1) as lab, lab.aclient("sse", backoff=Backoff(attempts=1)) as client:
        await client.start("Hi", model=demo_model(chunks=1))
        with pytest.raises(RateLimited) as caught:
            await client.start("Hi", model=demo_model(chunks=1))
        assert caught.value.code == "too_many_runs"
        assert caught.value.retry_after


@over_each
def test_a_wrong_address_is_told_at_once(protocol: ProtocolName) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="address"):
        Client("nowhere", protocol=protocol)


def test_a_protocol_that_there_is_not_is_told_at_once() -> None:
    """With the names of those that there are."""
    with pytest.raises(ValueError, match="sse, websocket or grpc"):
        Client("http://localhost", protocol="carrier pigeon")  # type: ignore[arg-type]
