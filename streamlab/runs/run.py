"""Runs: each is produced once, into its log, detached from whoever started it."""

import asyncio
import logging
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, Protocol

import anyio

from streamlab.events.event import Done, Error, FinalAnswer, Retry, Status, StreamEvent, Thinking, ToolResult, Usage
from streamlab.events.outcome import UNKNOWN, Account, Outcome
from streamlab.hub import Hub, Log
from streamlab.models.catalog import classify
from streamlab.models.failures import Failure
from streamlab.runs.chain import Clock
from streamlab.runs.journey import Journey

logger = logging.getLogger(__name__)

DEADLINE_STEP = 0.25  # seconds by which a deadline may be early

StopReason = Literal["asked", "unwatched", "shutdown", "lost"]
Retries = Literal["never", "before_text", "always"]


class Attempt(Protocol):
    """One try at producing an answer."""

    @property
    def usage(self) -> Usage: ...

    @property
    def remark(self) -> str | None: ...

    def events(self, clock: Clock) -> AsyncIterator[list[StreamEvent]]: ...


Observer = Callable[[str, Outcome], None]
"""Told of each run that has ended, by its id."""


class TooManyRuns(RuntimeError):
    """As many runs are live as may be."""


class Closing(TooManyRuns):
    """The process is about to end, and begins nothing any more."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Seconds, but for `attempts` and `live` (runs at the same time). `unwatched` None: a run needs no follower.

    `retries`: with "before_text" an attempt that fails after some of its text was shown is not tried again.
    """

    total: float = 120
    first_token: float = 30
    silence: float = 30
    unwatched: float | None = 60
    attempts: int = 3
    live: int = 200
    backoff: float = 0.5
    retries: Retries = "always"

    def allow_retry(self, failure: Failure, number: int, at: float, *, text_shown: bool) -> bool:
        """Tell whether another attempt may follow the failed attempt `number`, and begin `at` seconds into the run."""
        if self.retries == "never" or (self.retries == "before_text" and text_shown):
            return False
        return failure.retried and number < self.attempts and at < self.total

    def backoff_after(self, number: int) -> float:
        """Return the seconds until the attempt after `number`.

        They grow exponentially, with jitter so that not all return at once.
        """
        longest: float = self.backoff * 2.0**number
        return random.uniform(longest / 2, longest)


@dataclass
class _Live:
    """A run while it is produced."""

    log: Log
    begin: Callable[[], Attempt]
    limits: RunLimits
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    stop_reason: StopReason | None = None
    attempt: Attempt | None = None
    account: Account = field(default_factory=Account)

    def __post_init__(self) -> None:
        self.journey = Journey(self.log.run_id, self.log.began)

    @property
    def step(self) -> int:
        return self.account.text.step

    @property
    def text_shown(self) -> bool:
        """Tell whether anybody may have read something of this attempt's text."""
        return self.account.outcome.timings.ttft is not None

    def clock(self) -> float:
        return time.monotonic() - self.log.began

    def append(self, event: StreamEvent) -> StreamEvent:
        """Append the event and return it with its seq; a log that is written elsewhere has it a moment later."""
        appended = self.log.append(event)
        self.account.observe(event)
        self.journey.observe(event)
        return appended

    def void(self, failure: Failure, wait: float) -> None:
        """Void what the failed attempt wrote; the next one begins after `wait` seconds."""
        self.close_calls()
        self.append(Retry(failure.code, wait, at=self.clock(), step=self.step))

    def close_calls(self) -> None:
        """Give every open tool_call its tool_result, also when nobody waits for the tool any more."""
        for call in list(self.account.open_calls.values()):
            self.append(ToolResult(call.tool, call.call_id, status="stopped", at=self.clock(), step=call.step))


def new_run_id() -> str:
    """Make a random id: whoever does not know it cannot guess it."""
    return secrets.token_urlsafe(16)


class Runs:
    """Starts runs, ends them, and stops those that nobody follows. Belongs to one event loop."""

    def __init__(self, hub: Hub, limits: RunLimits | None = None) -> None:
        self._hub = hub
        self.limits = limits or RunLimits()
        self.started = 0
        self.last: Journey | None = None  # of the run that was started last
        self.ended: Counter[Status] = Counter()
        self.observers: list[Observer] = []
        self._live: dict[str, _Live] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def live(self) -> int:
        return len(self._live)

    def start(
        self,
        begin: Callable[[], Attempt],
        ended: Callable[[Outcome], None] | None = None,
        limits: RunLimits | None = None,
        run_id: str | None = None,
    ) -> str:
        """Begin a run and answer its id. `begin` makes each attempt; `ended` hears what became of the run.

        `limits` are the run's own, but for `live`; `run_id` is one of `new_run_id` that the caller needed before.
        Raises TooManyRuns or HubFull when there is no room, and Closing when the process is about to end.
        """
        if self._closing:
            raise Closing("no more runs begin here")
        if len(self._live) >= self.limits.live:
            raise TooManyRuns(f"{self.limits.live} runs are live")
        id = run_id or new_run_id()
        log = self._hub.create(id, lambda reason: self.stop(id, reason))
        run = self._live[id] = _Live(log, begin, limits or self.limits)
        self.last = run.journey
        task = asyncio.get_running_loop().create_task(self._produce(run, ended), name=f"run {id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.started += 1
        return id

    def stop(self, run_id: str, reason: StopReason = "asked") -> None:
        """End the run at the model; the text so far stays. A run that has ended already is left as it is.

        One that another process produces is asked to stop there.
        """
        if run := self._live.get(run_id):
            run.stop_reason = run.stop_reason or reason
            run.scope.cancel()
        elif reason == "asked":
            self._hub.stop(run_id)

    async def watch(self) -> None:
        """Stop the runs that nobody follows, and let go of logs whose time is over, for as long as it runs."""
        while True:
            await asyncio.sleep(1)
            self._hub.sweep()
            now = time.monotonic()
            for run_id, run in list(self._live.items()):
                limit = run.limits.unwatched
                if limit is not None and not run.log.followers and now - run.log.unfollowed_since > limit:
                    self.stop(run_id, "unwatched")

    async def close(self, finishing: float = 0.0) -> None:
        """Begin no more runs, give the live ones so many seconds, stop the rest, and wait for each log's end."""
        self._closing = True
        if self._tasks and finishing:
            await asyncio.wait(self._tasks, timeout=finishing)
        for run_id in list(self._live):
            self.stop(run_id, "shutdown")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _produce(self, run: _Live, ended: Callable[[Outcome], None] | None) -> None:
        run.append(Thinking("", state="begun", at=run.clock()))
        failure = await self._outcome(run)
        status: Status = "completed" if failure is None else "failed"
        if run.stop_reason and run.scope.cancelled_caught:
            status, failure = ("lost", Failure("producer_lost")) if run.stop_reason == "lost" else ("stopped", None)
        outcome = self._finish(run, status, failure)
        del self._live[run.log.run_id]
        self.ended[status] += 1
        if ended:
            ended(outcome)
        for observe in self.observers:
            observe(run.log.run_id, outcome)

    async def _outcome(self, run: _Live) -> Failure | None:
        try:
            with run.scope, anyio.fail_after(run.limits.total):
                await self._attempts(run)
        except TimeoutError:
            return Failure("timeout")
        except Failure as failure:
            return failure
        return None

    def _finish(self, run: _Live, status: Status, failure: Failure | None) -> Outcome:
        """Write the end of the log, whatever happened.

        Open calls are answered; an error or the final answer and one `done` follow.
        """
        run.close_calls()
        usage = run.attempt.usage if run.attempt else UNKNOWN
        code: str | None = None
        if failure:
            code = failure.code
            run.append(Error(failure.code, detail=failure.detail, at=run.clock(), step=run.step))
        elif status == "completed":
            code = run.attempt.remark if run.attempt else None
            run.append(FinalAnswer(str(run.account.text), at=run.clock(), step=run.step))
        elif run.stop_reason != "asked":
            code = run.stop_reason
        done = run.append(Done(status, code, usage, at=run.clock(), step=run.step))
        outcome = run.account.outcome
        logger.info(
            "run %s %s code=%s events=%d retries=%d total=%.2fs",
            run.log.run_id,
            status,
            code,
            done.seq,
            outcome.retries,
            outcome.timings.total,
        )
        return outcome

    async def _attempts(self, run: _Live) -> None:
        for number in range(1, run.limits.attempts + 1):
            try:
                await self._attempt(run)
                return
            except Exception as error:
                failure = classify(error)
                said = failure.detail or type(error).__name__
                logger.warning("run %s attempt %d: %s (%s)", run.log.run_id, number, failure.code, said)
                if failure.code == "internal":
                    logger.exception("unexpected")
            wait = run.limits.backoff_after(number) if failure.retry_after is None else failure.retry_after
            if not run.limits.allow_retry(failure, number, run.clock() + wait, text_shown=run.text_shown):
                raise failure
            run.void(failure, wait)
            await asyncio.sleep(wait)

    async def _attempt(self, run: _Live) -> None:
        run.attempt = run.begin()
        loop = asyncio.get_running_loop()  # its time is anyio's
        with anyio.fail_after(run.limits.first_token) as limit:
            async with aclosing(run.attempt.events(run.clock)) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    deadline = loop.time() + run.limits.silence
                    if abs(deadline - limit.deadline) > DEADLINE_STEP:  # to set it costs a timer
                        limit.deadline = deadline
                    for event in batch:
                        run.append(event)
