"""A class: questions asked at a steady rate, and clients that follow their runs, each with habits of its own."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from streamlab_client import RateLimited, StreamlabError

from tests.conftest import demo_model
from tests.ledger import Audit, Entry, Faults, Notes, audit_log, entry_of
from tests.readers import GaveUp, Readers, Way

LIVE = 14  # runs at a time. An access token may have 20, and those of a killed gateway count for half a minute
AGAIN = 1.0  # seconds at most until a client that was cut comes back
PATIENCE = 150.0  # seconds after a run's end: a log is kept for 300
VISIT = 240.0  # seconds: longer than any run, which has two minutes
BETWEEN = 3.0  # seconds at most until a client that has an answer looks for the next
PACE = 4  # events a second of most runs: what so many clients read shall not be bounded by the processor

Question = tuple[str, bool, dict[str, Any]]

# What a class asks: its text, whether with tools, and how the demo model answers.
QUESTIONS: tuple[Question, ...] = (
    ("What is streaming?", False, {"rate": PACE, "first": 0.5}),
    ("ストリーミングとは何ですか。", False, {"rate": PACE, "first": 0.5}),
    ("Think about it.", False, {"rate": PACE, "chunks": 120, "reasoning": 1}),
    ("Say it slowly.", False, {"rate": 2, "chunks": 60, "first": 3}),
    ("Say it at once.", False, {"rate": 40, "chunks": 500}),
    ("Say it in long words.", False, {"rate": PACE, "chunks": 120, "size": 400}),
    ("Break off once.", False, {"rate": PACE, "chunks": 100, "fault": "cut", "after": 30, "times": 1}),
    ("Come later.", False, {"rate": PACE, "chunks": 80, "fault": "rate_limit", "retry_after": 2, "times": 1}),
    ("What is 17 * 23? Use the calculator.", True, {"rate": PACE}),
    ("Compare our sales in Q1 and Q2 2025", True, {"rate": 2 * PACE}),
)

# How a client behaves on a visit, and how often.
HABITS = {
    "stays": 40,
    "is cut": 30,
    "is slow": 15,
    "leaves": 10,
    "goes on for another": 5,
    "comes with a foreign token": 5,
}


@dataclass
class Asked:
    """A run that was asked, and who follows it."""

    id: str
    asked_at: float = 0.0  # seconds of the loop's clock
    ended_at: float = 0.0
    followers: list[Notes] = field(default_factory=list)
    reading: set[asyncio.Task[Any] | None] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended, and when it lived, by the loop's clock."""

    run_id: str
    began: float
    ended: float
    status: str
    code: str


@dataclass
class Tally:
    """What happened."""

    faults: Faults = field(default_factory=Faults)
    counts: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    pages: Counter[str] = field(default_factory=Counter)
    ends: list["End"] = field(default_factory=list)


class Classroom:
    """Runs and their followers until the class is over."""

    def __init__(self, readers: Readers, seed: int = 1) -> None:
        self.readers = readers
        self._random = random.Random(seed)
        self._live: dict[str, Asked] = {}
        self._audits: set[asyncio.Task[None]] = set()
        self._foreign = ""  # a token of a run of before
        self.over = asyncio.Event()
        self.tally = Tally()

    async def held(self, clients: int, *others: Coroutine[Any, Any, None]) -> None:
        """Hold the class with so many clients, and the others, until it is over and all runs and visits have ended."""
        ways = self.readers.ways
        async with asyncio.TaskGroup() as tasks:
            for _ in range(LIVE):
                tasks.create_task(self._teach())
            for number in range(clients):
                tasks.create_task(self._attend(ways[number % len(ways)], random.Random(f"client {number}")))
            for other in others:
                tasks.create_task(other)
        await asyncio.gather(*self._audits)

    # Questions

    async def _teach(self) -> None:
        """Ask one question after the other, and see to it that each run has its end."""
        await asyncio.sleep(self._random.uniform(0, 20))  # not all at once
        while not self.over.is_set():
            text, agent, options = self._random.choice(QUESTIONS)
            client = self._random.choice(list(self.readers.clients.values()))
            try:
                started = await client.start(text, model=demo_model(**options), agent=agent)
            except StreamlabError as error:
                self.tally.refused[f"{error.code or type(error).__name__}"] += 1
                await asyncio.sleep(5 if isinstance(error, RateLimited) else 1)
                continue
            self.tally.counts["questions"] += 1
            await self._see_through(Asked(started.id, asked_at=asyncio.get_running_loop().time()))

    async def _see_through(self, asked: Asked) -> None:
        self._live[asked.id] = asked
        stopping = self._random.uniform(5, 20) if self._random.random() < 0.1 else None
        stop = asyncio.create_task(self._stop(asked, stopping)) if stopping else None
        notes = await self._follow(asked, self.readers.ways[0], "is cut", self._random)
        self._foreign = notes.token
        asked.ended_at = asyncio.get_running_loop().time()
        self._live.pop(asked.id, None)
        if stop:
            await stop
        self.account(asked)

    async def _stop(self, asked: Asked, after: float) -> None:
        await asyncio.sleep(after)
        with suppress(StreamlabError):
            await self.readers.clients["sse"].stop(asked.id)

    # Clients

    async def _attend(self, way: Way, chance: random.Random) -> None:
        """Follow one run after the other, each from when this client comes upon it."""
        while True:
            await asyncio.sleep(chance.uniform(0, BETWEEN))
            if self._live:
                asked = self._live[chance.choice(list(self._live))]
                habit = chance.choices(list(HABITS), list(HABITS.values()))[0]
                await self._follow(asked, way, habit, chance)
            elif self.over.is_set():
                return

    async def _follow(self, asked: Asked, way: Way, habit: str, chance: random.Random) -> Notes:
        token, foreign = self._token(asked, habit, chance)
        notes = Notes(f"{way.name} that {habit}, run {asked.id[:8]}", token, foreign=foreign)
        asked.followers.append(notes)
        asked.reading.add(asyncio.current_task())
        self.tally.counts["visits"] += 1
        self.tally.counts[habit] += 1
        try:
            async with asyncio.timeout(VISIT):
                await self._read_on(asked.id, way, habit, notes, chance)
        except GaveUp as why:
            self.tally.faults.add("given up", 1, f"{notes.who}: {why}")
        except TimeoutError:
            self.tally.faults.add("unfinished", 1, f"{notes.who}: {notes.token}")
        finally:
            asked.reading.discard(asyncio.current_task())
        return notes

    def _token(self, asked: Asked, habit: str, chance: random.Random) -> tuple[str, bool]:
        """Return the token to begin with, and whether it is foreign. Another client's is good over each protocol."""
        match habit:
            case "goes on for another":
                tokens = [each.token for each in asked.followers if each.is_amid]
                return chance.choice(tokens or [""]), False
            case "comes with a foreign token":
                return self._foreign, bool(self._foreign)
        return "", False

    async def _read_on(self, run_id: str, way: Way, habit: str, notes: Notes, chance: random.Random) -> None:
        """Come back with the last token until the run has ended, or the client leaves."""
        cuts = chance.randint(1, 3) if habit == "is cut" else 1 if habit == "leaves" else 0
        spare = 40.0 if habit == "is slow" else 0.0  # seconds that it dawdles
        while not notes.done:
            try:
                async with asyncio.timeout(chance.uniform(0.5, 12) if cuts else None):
                    spare = await self._connection(way, run_id, notes, spare, chance)
            except TimeoutError:
                cuts -= 1
                self.tally.counts["cuts"] += 1
                if habit == "leaves":
                    notes.stays = False
                    return
            if not notes.done:
                await asyncio.sleep(chance.uniform(0, AGAIN))

    async def _connection(self, way: Way, run_id: str, notes: Notes, spare: float, chance: random.Random) -> float:
        """Read until the connection ends; return the seconds that are left to dawdle."""
        async with aclosing(way.read(run_id, notes.token)) as messages:
            async for message in messages:
                notes.take(*message)
                if spare > 0:
                    pause = chance.uniform(0, 1)
                    spare -= pause
                    await asyncio.sleep(pause)
        return spare

    # Accounts

    def account(self, asked: Asked) -> None:
        """Audit a run that has ended, as soon as nobody reads it any more."""
        audit = asyncio.create_task(self._audit(asked))
        self._audits.add(audit)
        audit.add_done_callback(self._audits.discard)

    async def _audit(self, asked: Asked) -> None:
        """Hold all that was followed of a run against its log, once every follower has what it will get."""
        await until(lambda: not asked.reading, PATIENCE)  # a visit that takes longer says so itself
        log = await self.readers.log(asked.id, PATIENCE)
        if log is None:
            self.tally.faults.add("no log", 1, asked.id)
            return
        entries = [entry_of(event["type"], event) for event in log]
        self.add(asked, entries)

    def add(self, asked: Asked, entries: list[Entry]) -> None:
        """Count how the run ended, and what its followers lack."""
        tally, audit = self.tally, Audit(entries)
        log_faults = audit_log(entries)
        tally.faults.include(log_faults)
        said = entries[-1].said if entries else {}
        end = End(asked.id, asked.asked_at, asked.ended_at, said.get("status", "none"), said.get("code", ""))
        tally.runs[f"{end.status} {end.code}".strip()] += 1
        tally.ends.append(end)
        if log_faults.counts["holed log"]:
            return
        for notes in asked.followers:
            tally.faults.include(audit.of(notes))
            events = [note for note in notes.notes if isinstance(note, Entry)]
            tally.counts["events"] += len(events)
            tally.counts["merged"] += sum(event.first < event.seq for event in events)


async def until(condition: Callable[[], bool], patience: float) -> bool:
    """Wait so many seconds at most for what nothing tells of, and return whether it came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    return condition()


async def sleep_until(event: asyncio.Event, seconds: float) -> None:
    """Sleep so many seconds, or until the event."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
