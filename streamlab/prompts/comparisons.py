"""Comparisons of prompts: every variant answers every case, in runs that outlive the page."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product, starmap
from typing import Any, Literal, NamedTuple

import anyio
import anyio.to_thread

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
MAX_ANSWERS = 5_000
RATE_LIMIT_WAITS = (5.0, 10.0, 20.0, 40.0, 60.0)  # seconds after a run whose own retries all met a 429
FULL_WAIT = 1.0  # seconds to wait when no run can be started

ComparisonState = Literal["running", "completed", "stopped", "unwatched"]


class TooManyAnswers(ValueError):
    """The set asks for more answers than one comparison may have."""

    def __init__(self, answers: int) -> None:
        super().__init__(f"{answers} answers, at most {MAX_ANSWERS} are allowed")
        self.answers = answers


class CellKey(NamedTuple):
    """The coordinates of an answer in a comparison; each counts from 0."""

    case: int
    repeat: int
    variant: int


@dataclass(frozen=True, slots=True)
class CellRun:
    """The run of one cell. `waits` is true while it is to be tried again after a rate limit.

    `verdicts` has one for each check of the set, and is empty until they are done.
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
    """A snapshot of a comparison. A cell without an answer waits for its turn, or never had one."""

    id: str
    prompts: PromptSet
    state: ComparisonState
    answers: Mapping[CellKey, CellRun]

    @property
    def expected(self) -> int:
        return count_answers(self.prompts)

    @property
    def live(self) -> bool:
        """Tell whether something may still arrive; also for a moment after a stop."""
        return self.state == "running" or not all(answer.ended for answer in self.answers.values())

    @property
    def done(self) -> int:
        return sum(answer.ended for answer in self.answers.values())

    def cells(self) -> list[Cell]:
        """Return every cell's result, case by case."""
        return [_cell(self.prompts, key, self.answers.get(key)) for key in cell_keys(self.prompts)]


def count_answers(prompts: PromptSet) -> int:
    """Count the answers that a set asks for."""
    return len(prompts.variants) * len(prompts.inputs()) * prompts.repeats


def cell_keys(prompts: PromptSet) -> Iterator[CellKey]:
    """Yield every cell's key, case by case, so that what is compared is answered at the same time."""
    return starmap(CellKey, product(range(len(prompts.inputs())), range(prompts.repeats), range(len(prompts.variants))))


@dataclass
class _ActiveComparison:
    """The mutable state of a comparison while it runs."""

    prompts: PromptSet
    state: ComparisonState = "running"
    answers: dict[CellKey, CellRun] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)  # run ids
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def at_once(self) -> int:
        """Return how many cells run at once: all variants if there is one case only, to be watched side by side."""
        alone = len(self.prompts.inputs()) * self.prompts.repeats == 1
        return max(self.prompts.at_once, len(self.prompts.variants)) if alone else self.prompts.at_once

    def change(self, key: CellKey, **values: Any) -> None:
        self.answers[key] = replace(self.answers[key], **values)


class Comparisons:
    """Runs comparisons on one event loop and keeps the newest `KEPT`."""

    def __init__(self, runs: Runs, models: Models, hub: Hub) -> None:
        self._runs = runs
        self._models = models
        self._hub = hub
        self._known: Registry[_ActiveComparison] = Registry(KEPT, lambda active: active.state == "running")
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, prompts: PromptSet) -> str:
        """Start a comparison of a set without problems and return its id. Raise TooManyAnswers."""
        if (answers := count_answers(prompts)) > MAX_ANSWERS:
            raise TooManyAnswers(answers)
        active = _ActiveComparison(prompts)
        comparison_id = secrets.token_urlsafe(16)
        self._known.keep(comparison_id, active)
        task = asyncio.get_running_loop().create_task(self._run_cells(active), name=f"comparison {comparison_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return comparison_id

    def find(self, comparison_id: str | None) -> Comparison | None:
        """Return a snapshot of the comparison, or None.

        Looking counts as following: it keeps the comparison's runs from being stopped as unwatched.
        """
        active = self._known.find(comparison_id)
        if not active or not comparison_id:
            return None
        for run_id in active.live:
            self._hub.log(run_id).unfollowed_since = time.monotonic()
        return Comparison(comparison_id, active.prompts, active.state, dict(active.answers))

    def stop(self, comparison_id: str, key: CellKey | None = None) -> None:
        """Stop one cell, or the whole comparison. What has arrived stays."""
        active = self._known.find(comparison_id)
        if not active:
            return
        if key is None:
            self._cancel(active, "stopped")
        elif answer := active.answers.get(key):
            active.change(key, waits=False)
            self._runs.stop(answer.run_id)

    def rate(self, comparison_id: str, key: CellKey, thumb: Thumb | None) -> None:
        """Rate one answer, or take its rating back with None."""
        if active := self._known.find(comparison_id):
            active.change(key, thumb=thumb)

    async def close(self) -> None:
        """Stop all comparisons, and wait up to 5 s for their tasks."""
        for active in self._known:
            self._cancel(active, "stopped")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def _cancel(self, active: _ActiveComparison, state: ComparisonState) -> None:
        if active.state == "running":
            active.state = state
            active.scope.cancel()

    async def _run_cells(self, active: _ActiveComparison) -> None:
        limiter = anyio.CapacityLimiter(active.at_once)
        with active.scope:
            async with anyio.create_task_group() as group:
                for key in cell_keys(active.prompts):
                    await limiter.acquire_on_behalf_of(key)
                    group.start_soon(self._run_cell, active, key, limiter)
        if active.state == "running":
            active.state = "completed"

    async def _run_cell(self, active: _ActiveComparison, key: CellKey, limiter: anyio.CapacityLimiter) -> None:
        try:
            for wait in (*RATE_LIMIT_WAITS, None):
                outcome = await self._run_once(active, key)
                if outcome.code == "unwatched":
                    self._cancel(active, "unwatched")
                if outcome.code != "rate_limited" or wait is None:
                    break
                active.change(key, waits=True)
                await anyio.sleep(wait)
                if not active.answers[key].waits:  # stopped in the meantime
                    break
        finally:
            if key in active.answers:
                active.change(key, waits=False)
            limiter.release_on_behalf_of(key)

    async def _run_once(self, active: _ActiveComparison, key: CellKey) -> Outcome:
        """Run the cell once and check its answer; stop the run when this is cancelled."""
        ended = asyncio.Event()
        run_id = await self._start(active, key, ended)
        try:
            await ended.wait()
        finally:
            self._runs.stop(run_id)
        outcome = active.answers[key].outcome
        assert outcome
        if active.prompts.checks and outcome.status == "completed":
            case = active.prompts.inputs()[key.case]
            checks = (run_check(check, outcome.text, case) for check in active.prompts.checks)
            # In a thread: a check may take as long as its time limit.
            active.change(key, verdicts=await anyio.to_thread.run_sync(tuple, checks))
        return outcome

    async def _start(self, active: _ActiveComparison, key: CellKey, ended: asyncio.Event) -> str:
        """Start the cell's run as soon as the limits allow, and return its id."""

        def keep(outcome: Outcome) -> None:
            active.live.discard(run_id)
            active.change(key, outcome=outcome)
            ended.set()

        while True:
            try:
                run_id = self._runs.start(self._attempt(active.prompts, key), keep)
            except (TooManyRuns, HubFull):
                await anyio.sleep(FULL_WAIT)
                continue
            active.live.add(run_id)
            before = active.answers.get(key)
            active.answers[key] = CellRun(run_id, thumb=before.thumb if before else None)
            return run_id

    def _attempt(self, prompts: PromptSet, key: CellKey) -> Callable[[], ChainAttempt]:
        variant = prompts.variants[key.variant]
        question = fill(variant.template, prompts.inputs()[key.case])
        inputs, model = chat_input(variant.system, [], question, 0), self._models.chat_model
        return lambda: ChainAttempt(lambda: chat_chain(model(variant.model, variant.temperature)), inputs)


def _cell(prompts: PromptSet, key: CellKey, answer: CellRun | None) -> Cell:
    at = Cell(key.variant, key.case, key.repeat)
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
        cost=cost(prompts.variants[key.variant].model, usage) if known else None,
        verdicts=answer.verdicts,
        thumb=answer.thumb,
    )
