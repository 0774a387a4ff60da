"""The thread beneath a chain: everything in order, and nothing left behind."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from streamlab.runs.pump import Pump
from tests.conftest import PATIENCE, Lab, demo_model, shown, threads_gone

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
]


class Source:
    """An iterator that waits in a socket, as a chain does, and is ended in the same way."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()
        self.interrupts = 0

    def __iter__(self) -> Iterator[str]:
        while data := self.here.recv(1):
            yield data.decode()
        raise ConnectionError("over")

    def interrupt(self) -> None:
        self.interrupts += 1
        self.here.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.here.close()
        self.there.close()


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    yield source
    source.close()


async def all_of(pump: Pump[Any]) -> list[Any]:
    with anyio.fail_after(PATIENCE):
        return [item async for batch in pump.batches() for item in batch]


@pytest.mark.parametrize("count", [0, 1, 10_000])
async def test_a_pump_gives_everything_in_order(count: int) -> None:
    """However much gathers, in lists that are never empty."""
    with Pump(lambda: iter(range(count)), lambda: None) as pump:
        batches = [batch async for batch in pump.batches()]
    assert [item for batch in batches for item in batch] == list(range(count))
    assert all(batches)
    await threads_gone()


async def test_what_waits_is_handed_over_while_the_iterator_waits(source: Source) -> None:
    """Not only when the next item comes or the iterator ends."""
    with Pump(lambda: iter(source), source.interrupt) as pump, anyio.fail_after(PATIENCE):
        batches = pump.batches()
        for text in ("a", "bc", "d"):
            source.there.send(text.encode())
            got = ""
            while len(got) < len(text):
                got += "".join(await anext(batches))
            assert got == text
    await threads_gone()


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("x"), StopIteration(), SystemExit(1)])
async def test_what_the_iterator_raises_comes_after_its_items(error: BaseException) -> None:
    """The same exception, with nothing of what came before it lost."""

    def items() -> Iterator[int]:
        yield from range(3)
        raise error

    got: list[int] = []

    async def read() -> None:
        with Pump(items, lambda: None) as pump:
            async for batch in pump.batches():
                got.extend(batch)

    with pytest.raises((type(error), RuntimeError)) as caught:
        await read()
    assert error in (caught.value, caught.value.__cause__)  # a StopIteration leaves a generator as RuntimeError
    assert got == [0, 1, 2]
    await threads_gone()


async def test_an_iterator_that_cannot_be_made_raises(source: Source) -> None:
    """Before its first item."""

    def items() -> Iterator[int]:
        raise LookupError("none")

    with pytest.raises(LookupError), Pump(items, source.interrupt) as pump:
        await all_of(pump)


async def test_leaving_interrupts_the_iterator_and_its_thread_ends(source: Source) -> None:
    """Once; what it raises then is nobody's."""
    with Pump(lambda: iter(source), source.interrupt) as pump:
        source.there.send(b"a")
        assert await anext(pump.batches()) == ["a"]
    assert source.interrupts == 1
    await threads_gone()


async def test_a_cancelled_reader_leaves_nothing_behind(source: Source) -> None:
    """As when a run is stopped: the wait ends, the iterator is interrupted, the thread goes."""
    with anyio.move_on_after(0.05) as scope, Pump(lambda: iter(source), source.interrupt) as pump:
        await all_of(pump)
    assert scope.cancelled_caught
    assert source.interrupts == 1
    await threads_gone()


def test_a_thread_may_outlive_the_loop(source: Source) -> None:
    """An item that comes when the loop is closed is nobody's either."""
    go_on, begun = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        begun.set()
        go_on.wait(PATIENCE)
        yield 1

    async def act() -> None:
        with Pump(items, lambda: None):
            await asyncio.to_thread(begun.wait, PATIENCE)

    asyncio.run(act())
    go_on.set()
    asyncio.run(threads_gone())


async def test_many_answers_at_once_do_not_mix(lab: Lab) -> None:
    """Each run has the text, the thread and the connection of its own question."""
    texts = [f"answer {number} " * 20 for number in range(20)]
    runs = [lab.start(demo_model(text=text, rate=500)) for text in texts]
    for run_id in runs[::2]:
        await lab.until(run_id, "text_delta")
        lab.runs.stop(run_id)
    for number, run_id in enumerate(runs):
        events = await lab.read(run_id)
        assert texts[number].startswith(shown(events))
        assert number % 2 == 0 or shown(events) == texts[number]
