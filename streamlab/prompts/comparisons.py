"""Comparisons of prompts: every variant answers every case, so many at a time, in runs that outlive the page."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product, starmap
from typing import Any, Literal, NamedTuple

import anyio
import anyio.to_thread
from langchain_core.runnables import Runnable

from streamlab.events.outcome import UNKNOWN, Outcome
from streamlab.hub import Hub, HubFull
from streamlab.hub.registry import Registry
from streamlab.models.catalog import Models
from streamlab.prompts.checks import Verdict, run_check
from streamlab.prompts.prices import cost
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.results import Cell, Thumb
from streamlab.prompts.template import fill
from streamlab.runs.chain import ChainAttempt, chat_chain, chat_input
from streamlab.runs.run import Runs, TooManyRuns

KEPT = 20
MOST_ANSWERS = 5_000
RATE_LIMITED = (5.0, 10.0, 20.0, 40.0, 60.0)  # seconds to wait after a run whose own retries all met a 429
NO_ROOM = 1.0  # seconds to wait when no run can be started

State = Literal["running", "completed", "stopped", "unwatched"]


class TooManyAnswers(ValueError):
    """The set asks for more answers than one comparison may have."""

    def __init__(self, answers: int) -> None:
        super().__init__(f"{answers} answers, at most {MOST_ANSWERS} are allowed")
        self.answers = answers


class Place(NamedTuple):
    """Where an answer stands; each counts from 0."""

    case: int
    repeat: int
    variant: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A run that answers, or has answered; `waits` while it is to be tried again after a rate limit.

    `verdicts`: one for each check of the set, as soon as they are done.
    """

    run_id: str
    outcome: Outcome | None = None
    verdicts: tuple[Verdict, ...] = ()
    thumb: Thumb | None = None
    waits: bool = False

    @property
    def ended(self) -> bool:
        return self.outcome is not None and not self.waits


@dataclass(frozen=True, slots=True)
class Comparison:
    """As it stood at one moment. A place that is not among the answers waits for its turn, or never had one."""

    id: str
    prompts: PromptSet
    state: State
    answers: Mapping[Place, Answer]

    @property
    def expected(self) -> int:
        return answers_of(self.prompts)

    @property
    def live(self) -> bool:
        """Something may still arrive; also for a moment after a stop."""
        return self.state == "running" or not all(answer.ended for answer in self.answers.values())

    @property
    def done(self) -> int:
        return sum(answer.ended for answer in self.answers.values())

    def cells(self) -> list[Cell]:
        """What came of each place, case by case."""
        return [_cell(self.prompts, place, self.answers.get(place)) for place in places(self.prompts)]


def answers_of(prompts: PromptSet) -> int:
    """How many answers a set asks for."""
    return len(prompts.variants) * len(prompts.inputs()) * prompts.repeats


def places(prompts: PromptSet) -> Iterator[Place]:
    """Case by case, so that what is compared was answered at the same time."""
    return starmap(Place, product(range(len(prompts.inputs())), range(prompts.repeats), range(len(prompts.variants))))


@dataclass
class _Work:
    """A comparison while it goes on."""

    prompts: PromptSet
    state: State = "running"
    answers: dict[Place, Answer] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)  # run ids
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def at_once(self) -> int:
        """One case, once: people watch all of its answers arrive side by side."""
        alone = len(self.prompts.inputs()) * self.prompts.repeats == 1
        return max(self.prompts.at_once, len(self.prompts.variants)) if alone else self.prompts.at_once

    def change(self, place: Place, **values: Any) -> None:
        self.answers[place] = replace(self.answers[place], **values)


class Comparisons:
    """The comparisons of this process, the newest `KEPT`. Belongs to one event loop."""

    def __init__(self, runs: Runs, models: Models, hub: Hub) -> None:
        self._runs = runs
        self._models = models
        self._hub = hub
        self._known: Registry[_Work] = Registry(KEPT, lambda work: work.state == "running")
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, prompts: PromptSet) -> str:
        """Begin, and answer the id. The set has no problems. Raises TooManyAnswers."""
        if (answers := answers_of(prompts)) > MOST_ANSWERS:
            raise TooManyAnswers(answers)
        work = _Work(prompts)
        comparison_id = secrets.token_urlsafe(16)
        self._known.keep(comparison_id, work)
        task = asyncio.get_running_loop().create_task(self._work(work), name=f"comparison {comparison_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return comparison_id

    def find(self, comparison_id: str | None) -> Comparison | None:
        """Return the comparison as it stands. Who asks is watching: its runs are not stopped as followed by nobody."""
        work = self._known.find(comparison_id)
        if not work or not comparison_id:
            return None
        for run_id in work.live:
            self._hub.log(run_id).unfollowed_since = time.monotonic()
        return Comparison(comparison_id, work.prompts, work.state, dict(work.answers))

    def stop(self, comparison_id: str, place: Place | None = None) -> None:
        """End one answer, or all of it. What has arrived stays."""
        work = self._known.find(comparison_id)
        if not work:
            return
        if place is None:
            self._end(work, "stopped")
        elif answer := work.answers.get(place):
            work.change(place, waits=False)
            self._runs.stop(answer.run_id)

    def rate(self, comparison_id: str, place: Place, thumb: Thumb | None) -> None:
        """Rate one answer, or take its rating back."""
        if work := self._known.find(comparison_id):
            work.change(place, thumb=thumb)

    async def close(self) -> None:
        """Stop all of them."""
        for work in self._known:
            self._end(work, "stopped")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def _end(self, work: _Work, state: State) -> None:
        if work.state == "running":
            work.state = state
            work.scope.cancel()

    async def _work(self, work: _Work) -> None:
        limiter = anyio.CapacityLimiter(work.at_once)
        with work.scope:
            async with anyio.create_task_group() as group:
                for place in places(work.prompts):
                    await limiter.acquire_on_behalf_of(place)
                    group.start_soon(self._answer, work, place, limiter)
        if work.state == "running":
            work.state = "completed"

    async def _answer(self, work: _Work, place: Place, limiter: anyio.CapacityLimiter) -> None:
        try:
            for wait in (*RATE_LIMITED, None):
                outcome = await self._produce(work, place)
                if outcome.code == "unwatched":
                    self._end(work, "unwatched")
                if outcome.code != "rate_limited" or wait is None:
                    break
                work.change(place, waits=True)
                await anyio.sleep(wait)
                if not work.answers[place].waits:  # stopped in the meantime
                    break
        finally:
            if place in work.answers:
                work.change(place, waits=False)
            limiter.release_on_behalf_of(place)

    async def _produce(self, work: _Work, place: Place) -> Outcome:
        """One run, to its end; it is stopped when this is cancelled."""
        ended = asyncio.Event()
        run_id = await self._start(work, place, ended)
        try:
            await ended.wait()
        finally:
            self._runs.stop(run_id)
        outcome = work.answers[place].outcome
        assert outcome
        if work.prompts.checks and outcome.status == "completed":
            # In a thread: a check may take as long as its time limit.
            verdicts = await anyio.to_thread.run_sync(_verdicts, work.prompts, place, outcome.text)
            work.change(place, verdicts=verdicts)
        return outcome

    async def _start(self, work: _Work, place: Place, ended: asyncio.Event) -> str:
        """Start the run as soon as there is room for one, and answer its id."""

        def keep(outcome: Outcome) -> None:
            work.live.discard(run_id)
            work.change(place, outcome=outcome)
            ended.set()

        while True:
            try:
                run_id = self._runs.start(self._attempt(work.prompts, place), keep)
            except (TooManyRuns, HubFull):
                await anyio.sleep(NO_ROOM)
                continue
            work.live.add(run_id)
            before = work.answers.get(place)
            work.answers[place] = Answer(run_id, thumb=before.thumb if before else None)
            return run_id

    def _attempt(self, prompts: PromptSet, place: Place) -> Callable[[], ChainAttempt]:
        variant = prompts.variants[place.variant]
        question = fill(variant.template, prompts.inputs()[place.case])
        inputs = chat_input(variant.system, [], question, 0)

        def build() -> Runnable[dict[str, Any], str]:
            return chat_chain(self._models.chat_model(variant.model, variant.temperature))

        return lambda: ChainAttempt(build, inputs)


def _verdicts(prompts: PromptSet, place: Place, text: str) -> tuple[Verdict, ...]:
    return tuple(run_check(check, text, prompts.inputs()[place.case]) for check in prompts.checks)


def _cell(prompts: PromptSet, place: Place, answer: Answer | None) -> Cell:
    at = Cell(place.variant, place.case, place.repeat)
    if answer is None:
        return at
    outcome = answer.outcome
    if outcome is None or answer.waits:
        return replace(at, status="running", thumb=answer.thumb)
    usage, known = outcome.usage, outcome.usage != UNKNOWN
    return replace(
        at,
        text=outcome.text,
        status=outcome.status,
        code=outcome.code,
        ttft=outcome.timings.ttft,
        total=outcome.timings.total,
        input_tokens=usage.input_tokens if known else None,
        output_tokens=usage.output_tokens if known else None,
        estimated=usage.estimated,
        cost=cost(prompts.variants[place.variant].model, usage) if known else None,
        verdicts=answer.verdicts,
        thumb=answer.thumb,
    )
