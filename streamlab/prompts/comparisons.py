"""Comparisons of prompts: every variant answers every case, in runs that outlive the page."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from streamlab.browsers.tombstones import Tombstones
from streamlab.events.outcome import Outcome
from streamlab.hub import Hub, HubFull, HubUnreachable, UnknownRun
from streamlab.hub.shared import PAUSE
from streamlab.models.catalog import Models
from streamlab.prompts.checks import run_check
from streamlab.prompts.comparison import CellKey, CellRun, Comparison, ComparisonState, cell_keys, count_answers
from streamlab.prompts.comparison_documents import BEAT, ComparisonDocuments, group_of
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.results import Thumb
from streamlab.prompts.template import fill
from streamlab.runs.chain import ChainAttempt, chat_chain, chat_input
from streamlab.runs.run import Runs, TooManyRuns, new_run_id

logger = logging.getLogger(__name__)

MAX_ANSWERS = 5_000
RATE_LIMIT_WAITS = (5.0, 10.0, 20.0, 40.0, 60.0)  # seconds after a run whose own retries all met a 429
FULL_WAIT = 1.0  # seconds to wait when no run can be started
ENDING = 5.0  # seconds that one which ends is given until that is written down


class TooManyAnswers(ValueError):
    """The set asks for more answers than one comparison may have."""

    def __init__(self, answers: int) -> None:
        super().__init__(f"{answers} answers, at most {MAX_ANSWERS} are allowed")
        self.answers = answers


@dataclass
class _Active:
    """A comparison while it runs here.

    `planned` are runs that are written down and have not begun; `unsaved` groups of answers that are not written yet.
    """

    id: str
    prompts: PromptSet
    browser: str = ""
    version: str = ""
    state: ComparisonState = "running"
    answers: dict[CellKey, CellRun] = field(default_factory=dict)
    planned: dict[CellKey, CellRun] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)  # run ids
    unsaved: set[int] = field(default_factory=set)
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)
    written: asyncio.Event = field(default_factory=asyncio.Event)  # how it ended, too
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    deleted: bool = False

    @property
    def at_once(self) -> int:
        """Return how many cells run at once: all variants if there is one case only, to be watched side by side."""
        alone = len(self.prompts.inputs()) * self.prompts.repeats == 1
        return max(self.prompts.at_once, len(self.prompts.variants)) if alone else self.prompts.at_once

    @property
    def snapshot(self) -> Comparison:
        return Comparison(self.id, self.prompts, self.state, dict(self.answers), self.browser, self.version)

    def change(self, key: CellKey, **values: Any) -> None:
        self.answers[key] = replace(self.answers[key], **values)

    def cancel(self, state: ComparisonState) -> None:
        if self.state == "running":
            self.state = state
            self.scope.cancel()

    async def settled(self) -> None:
        """Wait until it is written down how it ended. Raises HubUnreachable where that takes too long."""
        try:
            async with asyncio.timeout(ENDING):
                await self.written.wait()
        except TimeoutError:
            raise HubUnreachable("the store does not take how a comparison ended") from None


class Comparisons:
    """Runs comparisons on one event loop, and keeps each as a document from its beginning.

    The run of a cell is written down before it begins, so that a process which dies leaves nothing that nobody knows.
    Every method that waits raises HubUnreachable when the store does not answer.
    """

    def __init__(self, runs: Runs, models: Models, hub: Hub) -> None:
        self._runs = runs
        self._models = models
        self._hub = hub
        self._tombstones = Tombstones(hub.shared)
        self._documents = ComparisonDocuments(hub)
        self.entries = self._documents.entries
        self.watch = self._documents.watch
        self.version = self._documents.version
        self._active: dict[str, _Active] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, prompts: PromptSet, browser: str = "") -> str:
        """Start a comparison of a set without problems and return its id. Raises TooManyAnswers."""
        if (answers := count_answers(prompts)) > MAX_ANSWERS:
            raise TooManyAnswers(answers)
        active = _Active(secrets.token_urlsafe(16), prompts, browser)
        active.version = await self._documents.begin(active.snapshot)
        self._begin(active, cell_keys(prompts))
        return active.id

    async def go_on(self, comparison_id: str) -> None:
        """Ask for what has no whole answer yet, in a comparison that has ended; nothing else is asked again."""
        if (ending := self._active.get(comparison_id)) and ending.state != "running":
            await ending.settled()
        found = await self.find(comparison_id)
        if not found or found.live or not (version := await self._documents.take(comparison_id)):
            return
        active = _Active(found.id, found.prompts, found.browser, version, answers=dict(found.answers))
        for key in found.left:
            if key in active.answers and not active.answers[key].answered:  # what lacks its checks only is not asked
                active.change(key, waits=True)
        self._begin(active, found.left)

    async def find(self, comparison_id: str | None) -> Comparison | None:
        """Return a snapshot of the comparison, or None.

        Looking counts as following: it keeps the comparison's runs from being stopped as unwatched.
        """
        if not comparison_id:
            return None
        if active := self._active.get(comparison_id):
            for run_id in active.live:
                self._hub.log(run_id).unfollowed_since = time.monotonic()
            return active.snapshot
        return await self._documents.read(comparison_id)

    async def stop(self, comparison_id: str, key: CellKey | None = None) -> None:
        """Stop one cell, or the whole comparison, in whichever process it runs. What has arrived stays."""
        active = self._active.get(comparison_id)
        found = await self.find(comparison_id)
        if not found or not found.live:
            return
        if active and key in active.answers:
            active.change(key, waits=False)
        elif active and key is None:
            active.cancel("stopped")
        elif key is None:
            await self._documents.note(comparison_id, "stopped")
        for each, answer in found.answers.items():
            if answer.outcome is None and key in (each, None):
                self._runs.stop(answer.run_id)

    async def rate(self, comparison_id: str, key: CellKey, thumb: Thumb | None) -> None:
        """Rate one answer, or take its rating back with None."""
        if (active := self._active.get(comparison_id)) and key in active.answers:
            active.change(key, thumb=thumb)
            active.unsaved.add(group := group_of(active.prompts, key))
            await self._save_group(active, group)
        elif (found := await self.find(comparison_id)) and key in found.answers:
            answers = {**found.answers, key: replace(found.answers[key], thumb=thumb)}
            await self._documents.change(comparison_id, replace(found, answers=answers), key)

    async def delete(self, browser: str, comparison_id: str) -> Comparison | None:
        """Stop and delete a comparison that is the browser's, and return it; `restore` brings it back."""
        active = self._active.get(comparison_id)
        if active and active.browser == browser:
            active.cancel("stopped")
            await active.settled()
        if deleted := await self._documents.delete(browser, comparison_id):
            await self._tombstones.put(comparison_id, browser)
        return deleted

    async def restore(self, comparison_id: str, deleted: Comparison) -> None:
        """Bring back what was deleted."""
        await self._documents.restore(comparison_id, deleted)
        await self._tombstones.remove(comparison_id)

    async def close(self) -> None:
        """Interrupt all comparisons, and wait up to ENDING seconds until it is written down."""
        for active in self._active.values():
            active.cancel("interrupted")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=ENDING)

    def _begin(self, active: _Active, keys: Iterable[CellKey]) -> None:
        self._active[active.id] = active
        task = asyncio.create_task(self._run(active, keys), name=f"comparison {active.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, active: _Active, keys: Iterable[CellKey]) -> None:
        try:
            with active.scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._beat, active)
                    await self._run_cells(active, keys)
                    group.cancel_scope.cancel()
        except Exception:  # what is there stays, and can be taken up
            logger.exception("comparison %s", active.id)
            active.state = "interrupted"
        if active.state == "running":
            active.state = "completed"
        while not active.deleted:
            try:
                await self._finish(active)
                break
            except HubUnreachable:
                await asyncio.sleep(PAUSE)
        self._active.pop(active.id, None)
        active.written.set()

    async def _finish(self, active: _Active) -> None:
        """Write down what it came to."""
        for group in tuple(active.unsaved):
            await self._save_group(active, group)
        async with active.saving:
            active.version = await self._documents.finish(active.snapshot)

    async def _beat(self, active: _Active) -> None:
        """Show that it is running, and hear when another process has stopped or deleted it."""
        while True:
            await anyio.sleep(BEAT)
            await self._hear(active)

    async def _hear(self, active: _Active) -> None:
        with suppress(HubUnreachable):
            state = await self._documents.beat(active.id)
            if state != "running":
                active.deleted = state is None
                active.cancel(state or "stopped")

    async def _plan(self, active: _Active, key: CellKey, run: CellRun) -> None:
        """Write down which run is about to answer a cell."""
        active.planned[key] = run
        active.unsaved.add(group := group_of(active.prompts, key))
        await self._save_group(active, group)

    async def _save_group(self, active: _Active, group: int) -> None:
        """Write down the answers of a group, unless somebody else has meanwhile."""
        async with active.saving:
            if group not in active.unsaved or active.deleted:
                return
            active.unsaved.discard(group)
            try:
                await self._documents.write(active.id, active.prompts, active.answers | active.planned, group)
            except BaseException:
                active.unsaved.add(group)
                raise

    async def _run_cells(self, active: _Active, keys: Iterable[CellKey]) -> None:
        limiter = anyio.CapacityLimiter(active.at_once)
        async with anyio.create_task_group() as group:
            for key in keys:
                await limiter.acquire_on_behalf_of(key)
                group.start_soon(self._run_cell, active, key, limiter)

    async def _run_cell(self, active: _Active, key: CellKey, limiter: anyio.CapacityLimiter) -> None:
        try:
            for wait in (*RATE_LIMIT_WAITS, None):
                outcome = await self._answered(active, key)
                if outcome.code == "unwatched":
                    active.cancel("unwatched")
                elif outcome.status == "stopped":  # perhaps with all others, by another process: ask no more then
                    await self._hear(active)
                if outcome.code != "rate_limited" or wait is None:
                    break
                active.change(key, waits=True)
                await anyio.sleep(wait)
                if not active.answers[key].waits:  # stopped in the meantime
                    break
        finally:
            if key in active.answers:
                active.change(key, waits=False)
                active.unsaved.add(group := group_of(active.prompts, key))
                self._hub.shared.later(partial(self._save_group, active, group))
            limiter.release_on_behalf_of(key)

    async def _answered(self, active: _Active, key: CellKey) -> Outcome:
        """Ask, unless that was answered before, and check the answer."""
        known = active.answers.get(key)
        outcome = known.answered if known else None
        outcome = outcome or await self._asked(active, key)
        if active.prompts.checks and outcome.status == "completed":
            case = active.prompts.inputs()[key.case]
            checks = (run_check(check, outcome.text, case) for check in active.prompts.checks)
            # In a thread: a check may take as long as its time limit.
            active.change(key, verdicts=await anyio.to_thread.run_sync(tuple, checks))
        return outcome

    async def _asked(self, active: _Active, key: CellKey) -> Outcome:
        """Run the cell once; stop the run when this is cancelled. What it came to shows when its log is committed."""
        ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        run_id = await self._start(active, key, ended.set_result)
        try:
            await asyncio.shield(ended)
        finally:
            self._runs.stop(run_id)
            with anyio.CancelScope(shield=True):
                outcome = await ended
                with suppress(UnknownRun, HubFull, HubUnreachable):
                    await self._hub.open(run_id)
                active.live.discard(run_id)
                active.change(key, outcome=outcome)
        return outcome

    async def _start(self, active: _Active, key: CellKey, ended: Callable[[Outcome], None]) -> str:
        """Write the cell's run down, start it as soon as the limits allow, and return its id."""
        known = active.answers.get(key)
        run_id = new_run_id()
        run, planned = CellRun(run_id, thumb=known.thumb if known else None), False
        while True:
            try:
                if not planned:
                    await self._plan(active, key, run)
                    planned = True
                self._runs.start(self._attempt(active.prompts, key), ended, run_id=run_id)
            except (TooManyRuns, HubFull, HubUnreachable):
                await anyio.sleep(FULL_WAIT)
                continue
            active.live.add(run_id)
            active.answers[key] = active.planned.pop(key)
            return run_id

    def _attempt(self, prompts: PromptSet, key: CellKey) -> Callable[[], ChainAttempt]:
        variant = prompts.variants[key.variant]
        question = fill(variant.template, prompts.inputs()[key.case])
        inputs, model = chat_input(variant.system, [], question, 0), self._models.chat_model
        return lambda: ChainAttempt(lambda: chat_chain(model(variant.model, variant.temperature)), inputs)
