"""Follow tokens in the Python client: what reads one run and nothing else, and what is told when its time is over."""

from collections.abc import AsyncIterator

import anyio
import pytest
from pydantic import SecretStr
from streamlab_client import AuthError, Event
from streamlab_client._async.transport import ProtocolName

from tests.conftest import PATIENCE, until
from tests.gateway import FAR_AHEAD, delta, ending
from tests.python_client import SECRET, Lab, in_thread, lab_of, over_each, told

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Lab]:
    """One that has a token."""
    async with lab_of(gateway_tokens=(SecretStr(SECRET),)) as lab:
        yield lab


@pytest.fixture(scope="module")
async def brief_lab(anyio_backend: str) -> AsyncIterator[Lab]:
    """One whose follow tokens are good for three seconds."""
    async with lab_of(gateway_tokens=(SecretStr(SECRET),), gateway_follow_token_seconds=3) as lab:
        yield lab


@over_each
async def test_it_reads_its_run_and_nothing_else(lab: Lab, protocol: ProtocolName) -> None:
    """Given to the client or to a call, in the place of the access token, which all else is asked with."""
    log, other = (lab.http.log(delta("a"), *ending("a")) for _ in range(2))
    token = lab.http.gateway.access.issue(log.run_id)
    async with lab.aclient(protocol, follow_token=token) as client:
        assert [event.seq async for event in client.follow(log.run_id)] == [1, 2, 3]
        assert (await client.run(log.run_id)).text == "a"
        for refused in (client.stop(log.run_id), client.run(other.run_id)):
            with pytest.raises(AuthError):
                await refused
    async with lab.aclient(protocol, token=SECRET, follow_token="of-nothing") as client:
        with pytest.raises(AuthError):
            await client.run(log.run_id)
        assert [event.seq async for event in client.follow(log.run_id, follow_token=token)] == [1, 2, 3]
        assert (await client.run(log.run_id, follow_token=token)).status == "completed"
        assert not await client.stop(log.run_id)


@over_each
async def test_it_does_in_threads_too(lab: Lab, protocol: ProtocolName) -> None:
    """From a function that gives it, which is asked when it is needed."""
    log = lab.http.log(delta("a"), *ending("a"))
    asked: list[int] = []

    def token() -> str:
        asked.append(1)
        return lab.http.gateway.access.issue(log.run_id)

    def read() -> None:
        with lab.client(protocol, follow_token=token) as client:
            assert not asked
            assert [event.seq for event in client.follow(log.run_id)] == [1, 2, 3]
            assert client.run(log.run_id).text == "a"

    await in_thread(read)
    assert len(asked) == 1


@over_each
@pytest.mark.parametrize("lapse", ["expired", "revoked"])
async def test_the_end_of_its_time_is_told(lab: Lab, brief_lab: Lab, protocol: ProtocolName, lapse: str) -> None:
    """In the midst of a stream; with what came before, the server's code and what to do, and without the token."""
    at = brief_lab if lapse == "expired" else lab
    log = at.http.log(delta("a", FAR_AHEAD))
    token = at.http.gateway.access.issue(log.run_id)
    seen: list[Event] = []

    async def read() -> None:
        async for event in client.follow(log.run_id):
            seen.append(event)
            if lapse == "revoked":
                at.http.gateway.access.revoke(log.run_id)

    async with at.aclient(protocol, follow_token=token) as client:
        with pytest.raises(AuthError) as caught, anyio.fail_after(PATIENCE):
            await read()
        with pytest.raises(AuthError) as again:
            await client.run(log.run_id)
    assert len(seen) == 1
    for error in (caught.value, again.value):
        assert error.code == f"{lapse}_follow_token"
        assert "follow token" in error.message
        assert error.hint
        assert token not in told(error)
    assert log.done is None


@over_each
async def test_it_is_renewed_where_there_is_a_way_to(lab: Lab, protocol: ProtocolName) -> None:
    """By a function, which may be a coroutine function: the run goes on where it was."""
    log = lab.http.log(delta("a", FAR_AHEAD))
    issued: list[str] = []

    async def token() -> str:
        issued.append(lab.http.gateway.access.issue(log.run_id))
        return issued[-1]

    async with lab.aclient(protocol) as client:
        seqs: list[int] = []
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                seqs.extend([event.seq async for event in client.follow(log.run_id, follow_token=token)])

            tasks.start_soon(read)
            await until(lambda: log.followers == 1)
            lab.http.gateway.access.revoke(log.run_id)
            await until(lambda: len(issued) == 2 and log.followers == 1)
            for event in (delta("b", FAR_AHEAD), *ending("ab")):
                log.append(event)
    assert seqs == [1, 2, 3, 4]
    assert len(issued) == 2
