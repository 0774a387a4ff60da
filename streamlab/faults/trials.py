"""Trials: a question asked while something goes wrong on purpose, under a policy for what is done about it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, repeat
from math import inf
from typing import Literal

from pydantic import TypeAdapter

from streamlab.browsers.items import TRIAL, Items, asked
from streamlab.events.event import Done, Retry, StreamEvent, TextDelta
from streamlab.events.outcome import Outcome
from streamlab.events.recording import read_lines
from streamlab.hub import Hub
from streamlab.models.catalog import Models, provider_kind
from streamlab.models.options import Options, check_question
from streamlab.models.provider import Fault
from streamlab.runs.chain import ChainAttempt, chat_chain, chat_input
from streamlab.runs.run import Retries, Runs, new_run_id

SHORT_TIME = 0.05  # seconds to the first token: less than a model takes
MOST_ATTEMPTS = 10
LEAST_SECONDS, MOST_SECONDS = SHORT_TIME, 120.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done about failures, as in `RunLimits`; the times are seconds and short enough for a lesson.

    A ValueError where `attempts` is not 1 to MOST_ATTEMPTS, or a time not LEAST_SECONDS to MOST_SECONDS.
    """

    retries: Retries = "always"
    attempts: int = 3
    first_token: float = 3
    silence: float = 3
    total: float = 30

    def __post_init__(self) -> None:
        times = (self.first_token, self.silence, self.total)
        if not (1 <= self.attempts <= MOST_ATTEMPTS and all(LEAST_SECONDS <= time <= MOST_SECONDS for time in times)):
            raise ValueError(f"a limit is out of range: {self}")


@dataclass(frozen=True, slots=True)
class Trial:
    """A question, and what goes wrong in the first `times` attempts to answer it (None: in all)."""

    question: str
    options: Options
    fault: Fault
    times: int | None = 1
    policy: Policy = Policy()


class Trials:
    """The trials, and what was made of each, as items. Belongs to one event loop."""

    def __init__(self, runs: Runs, models: Models, hub: Hub) -> None:
        self._runs = runs
        self._models = models
        self._now = hub.shared.now
        self.items = Items(TRIAL, hub, runs.stop)

    async def start(self, trial: Trial, browser: str = "", name: str = "") -> str:
        """Start the run, and return its id, which is also the item's.

        Raises InvalidQuestion, TooManyRuns, HubFull or HubUnreachable, or ValueError for a fault not offered.
        """
        options, fault = trial.options, trial.fault
        check_question(trial.question)
        if fault not in offered(options.model):
            raise ValueError(f"the model cannot be made to have the fault {fault}")
        policy = replace(trial.policy, first_token=SHORT_TIME) if fault == "time_limit" else trial.policy
        inputs, model = chat_input(options.system, [], trial.question, 0), self._models.chat_model
        met: Iterator[Fault] = (
            repeat(fault) if trial.times is None else chain(repeat(fault, trial.times), repeat("none"))
        )

        def begin() -> ChainAttempt:
            now = next(met)
            return ChainAttempt(lambda: chat_chain(model(options.model, options.temperature, now)), inputs)

        def ended(outcome: Outcome) -> None:
            self.items.ended(run_id)

        run_id, limits = new_run_id(), replace(self._runs.limits, **asdict(policy))
        written = _written(replace(trial, policy=policy))
        async with self.items.begun(run_id, asked(browser, name or trial.question, run_id, self._now(), written)):
            self._runs.start(begin, ended, limits, run_id)
        return run_id


_TRIAL = TypeAdapter(Trial)


def _written(trial: Trial) -> bytes:
    return json.dumps(asdict(trial)).encode() + b"\n"


def read_trial(body: bytes) -> tuple[Trial, list[StreamEvent]]:
    """Read the body of an item: the trial, and the events of its run if it has ended."""
    head, _, events = body.partition(b"\n")
    return _TRIAL.validate_python(json.loads(head)), read_lines(events)


def offered(model: str) -> tuple[Fault, ...]:
    """List what can go wrong on purpose with a model of this name."""
    return provider_kind(model).faults


# What became of it

PhaseKind = Literal["waiting", "writing", "pause"]


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of one attempt, from `start` to `end` in seconds since the run began.

    It waits for its first text, and then writes; the `pause` is between the failure and the next attempt. `code` is
    why the attempt failed at the end of the stretch. `stopped`: it was ended there by someone.
    """

    attempt: int
    kind: PhaseKind
    start: float
    end: float
    code: str | None = None
    stopped: bool = False


def phases(events: Sequence[StreamEvent], now: float = 0.0) -> list[Phase]:
    """List the stretches of a run without tools, by their start; what is not over yet lasts until `now`."""
    if not events:
        return [Phase(1, "waiting", 0.0, now)] if now else []
    last = events[-1]
    done = last if isinstance(last, Done) else None
    end = last.at if done else max(last.at, now)
    found = [replace(phase, end=min(phase.end, end)) for phase in _planned(events) if phase.start < end or phase.code]
    if done and found:
        failed = done.status in ("failed", "lost")
        code = done.code if failed else found[-1].code
        found[-1] = replace(found[-1], code=code, stopped=done.status == "stopped")
    return found


def _planned(events: Sequence[StreamEvent]) -> Iterator[Phase]:
    """Lay them out as they would be if the run went on for ever."""
    attempt, start = 1, 0.0
    kind: PhaseKind = "waiting"
    for event in events:
        if isinstance(event, TextDelta) and kind == "waiting":
            yield Phase(attempt, kind, start, event.at)
            kind, start = "writing", event.at
        elif isinstance(event, Retry):
            yield Phase(attempt, kind, start, event.at, event.code)
            begin = event.at + (event.wait or 0.0)
            yield Phase(attempt, "pause", event.at, begin)
            attempt, kind, start = attempt + 1, "waiting", begin
    yield Phase(attempt, kind, start, inf)
