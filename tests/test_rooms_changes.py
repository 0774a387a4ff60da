"""What a room's pages hear of it: the teacher's of everything, a participant's of what the teacher says."""

import asyncio

import anyio
import pytest

from streamlab.gateway.changes import versions
from streamlab.hub import Hub
from streamlab.rooms.event import Hand, Moved, Presented
from streamlab.rooms.rooms import Rooms, Told
from tests.conftest import PATIENCE
from tests.shared import name

pytestmark = pytest.mark.anyio


async def test_a_participant_s_page_hears_only_what_the_teacher_says(any_hub: Hub) -> None:
    """So that nobody's script runs for what others do; who lowers a hand tells its owner alone."""
    rooms = Rooms(any_hub.shared)
    room, _ = await rooms.open(name(), "Class", "en")
    ken, hana = [await rooms.join(room.code, name(), each) for each in ("Ken", "Hana")]
    heard: dict[str, list[str]] = {"board": [], "ken": [], "hana": []}

    async def listen(who: str) -> None:
        seat = {"ken": ken, "hana": hana}.get(who)
        things = versions(Told(rooms), f"{seat.code}-{seat.who}") if seat else versions(rooms, room.code)
        async for version in things:
            heard[who].append(version)

    async def until(counts: dict[str, int]) -> None:
        with anyio.fail_after(PATIENCE):
            while {who: len(versions) for who, versions in heard.items()} != counts:  # noqa: ASYNC110
                await anyio.sleep(0.01)

    listeners = [asyncio.create_task(listen(who)) for who in heard]
    await until({"board": 1, "ken": 1, "hana": 1})
    await rooms.add(room.code, Moved(who=hana.who, page="chat"))
    await until({"board": 2, "ken": 1, "hana": 1})
    await rooms.add(room.code, Hand(who=ken.who, of=ken.who, up=True))
    await until({"board": 3, "ken": 1, "hana": 1})
    await rooms.add(room.code, Hand(of=ken.who, up=False))
    await until({"board": 4, "ken": 2, "hana": 1})
    await rooms.add(room.code, Presented(address="chat"))
    await until({"board": 5, "ken": 3, "hana": 2})
    await rooms.delete(room.code)
    await until({"board": 6, "ken": 4, "hana": 3})
    assert [versions[-1] for versions in heard.values()] == [""] * 3
    for listener in listeners:
        listener.cancel()
    await asyncio.wait(listeners)
