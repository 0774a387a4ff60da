"""What processes hold while they run, sample by sample, and how it grows."""

import asyncio
import re
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import psutil
from scipy.stats import theilslopes  # type: ignore[import-untyped]

from tests.stack import METRICS_TOKEN

EVERY = 5.0  # seconds
LOOKS = 5  # at what is at rest
FEW = 6  # samples, of which no line is made
MEASURES = ("memory", "descriptors", "threads", "tasks")
FOLLOWERS = re.compile(r"^streamlab_followers\{[^}]*\} (\S+)$", re.MULTILINE)
HUB_BYTES = re.compile(r"^streamlab_hub_bytes (\S+)$", re.MULTILINE)
SLOW = re.compile(r'^streamlab_disconnects_total\{[^}]*reason="slow"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one process; `calm` when nothing was done to the class for a while. Bytes, and seconds of a clock."""

    name: str
    pid: int
    at: float
    age: float
    calm: bool
    memory: int
    descriptors: int
    threads: int
    tasks: int | None = None
    kinds: tuple[str, ...] = ()  # of the tasks
    followers: int | None = None
    hub_bytes: int | None = None
    slow: int | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """A process by its name: its id at this moment, None while there is none, and where it serves its figures."""

    name: str
    pid: Callable[[], int | None]
    url: str | None = None
    children: bool = False  # its children count with it, as nginx's workers


def _tasks(sample: Sample) -> int:
    return sample.tasks or 0


class Vitals:
    """Looks at the processes again and again."""

    def __init__(self, watched: Sequence[Watched], probe: Path, calm: Callable[[], bool]) -> None:
        self._watched, self._probe, self._calm = watched, probe, calm
        self.samples: list[Sample] = []

    async def look(self) -> None:
        """Take samples until it is cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(EVERY)

    async def once(self) -> dict[str, Sample]:
        """Take a sample of each process, and return them by their names."""
        known = len(self.samples)
        headers = {"authorization": f"Bearer {METRICS_TOKEN}"}
        async with httpx2.AsyncClient(headers=headers, timeout=2) as client:
            await asyncio.gather(*(self._sample(each, client) for each in self._watched))
        return {sample.name: sample for sample in self.samples[known:]}

    async def at_rest(self) -> dict[str, Sample]:
        """Look several times, and return of each process the sample with the fewest tasks: what only passes by, as the
        look itself, is not what remains.
        """
        looks = []
        for _ in range(LOOKS):
            looks.append(await self.once())
            await asyncio.sleep(1)
        names = {name for look in looks for name in look}
        return {name: min((look[name] for look in looks if name in look), key=_tasks) for name in names}

    async def _sample(self, watched: Watched, client: httpx2.AsyncClient) -> None:
        pid = watched.pid()
        if pid is None:
            return
        figures = await self._figures(watched, pid, client)
        with suppress(psutil.Error):
            main = psutil.Process(pid)
            family = [main, *(main.children(recursive=True) if watched.children else [])]
            self.samples.append(
                Sample(
                    watched.name,
                    pid,
                    time.monotonic(),
                    time.time() - main.create_time(),
                    self._calm(),
                    sum(each.memory_info().rss for each in family),
                    sum(each.num_fds() for each in family),
                    sum(each.num_threads() for each in family),
                    **figures,
                )
            )

    async def _figures(self, watched: Watched, pid: int, client: httpx2.AsyncClient) -> dict[str, Any]:
        """Ask the process for what only it knows; a new one is not signalled before it answers."""
        if watched.url is None:
            return {}
        try:
            answer = await client.get(f"{watched.url}/metrics")
        except httpx2.TransportError:
            return {}
        if answer.status_code != 200:
            return {}
        text = answer.text
        figures = {"followers": FOLLOWERS, "hub_bytes": HUB_BYTES, "slow": SLOW}
        found = {name: round(sum(map(float, pattern.findall(text)))) for name, pattern in figures.items()}
        kinds = await self._tasks(pid)
        return found | {"tasks": len(kinds) or None, "kinds": kinds}

    async def _tasks(self, pid: int) -> tuple[str, ...]:
        """Ask by a signal which tasks it has; see tests/probe."""
        told = self._probe / str(pid)
        told.unlink(missing_ok=True)
        with suppress(ProcessLookupError, psutil.Error):
            psutil.Process(pid).send_signal(signal.SIGUSR1)
        for _ in range(20):
            if told.exists():
                return tuple(told.read_text().splitlines())
            await asyncio.sleep(0.05)
        return ()


@dataclass(frozen=True, slots=True)
class Growth:
    """How much a measure grew in a minute of the second half of a process's steady life, and over how many minutes."""

    per_minute: float
    minutes: float


def lives(samples: Iterable[Sample]) -> dict[tuple[str, int], list[Sample]]:
    """Part the samples by process: one that was started again is another."""
    found: dict[tuple[str, int], list[Sample]] = {}
    for sample in samples:
        found.setdefault((sample.name, sample.pid), []).append(sample)
    return found


def growth(samples: Sequence[Sample], measure: str, warm: float) -> Growth | None:
    """Fit a line that outliers do not bend (Theil-Sen) to the calm samples of a process that is `warm` seconds old.

    Of these the second half counts, so that what fills up at first is full. What each follower takes is no growth: how
    many of them are at this gateway and not at the other one is chance.
    """
    steady = [each for each in samples if each.calm and each.age >= warm and getattr(each, measure) is not None]
    half = steady[len(steady) // 2 :]
    if len(half) < FEW:
        return None
    minutes = [each.at / 60 for each in half]
    values = [float(getattr(each, measure)) for each in half]
    slope = _slope(minutes, _without_followers(values, [each.followers or 0 for each in half]))
    return Growth(slope, minutes[-1] - minutes[0])


def _without_followers(values: Sequence[float], followers: Sequence[int]) -> list[float]:
    """Take off what the followers have. Each one's share shows from one sample to the next: little else changes."""
    steps, gained = ([after - before for before, after in pairwise(each)] for each in (followers, values))
    share = _slope(steps, gained) if len(set(steps)) > 1 else 0.0
    return [value - share * number for value, number in zip(values, followers, strict=True)]


def _slope(places: Sequence[float], values: Sequence[float]) -> float:
    return float(theilslopes(values, places)[0])


def as_json(samples: Iterable[Sample]) -> list[dict[str, Any]]:
    return [asdict(sample) for sample in samples]
