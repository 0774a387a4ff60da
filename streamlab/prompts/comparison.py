"""A comparison of prompts as it stood at one moment: every variant's answer to every case."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product, starmap
from typing import Literal, NamedTuple

from streamlab.events.outcome import UNKNOWN, Outcome
from streamlab.hub.listing import shortened
from streamlab.prompts.checks import Verdict
from streamlab.prompts.prices import cost
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.results import Cell, Thumb

ComparisonState = Literal["running", "completed", "stopped", "unwatched", "interrupted"]
"""interrupted: the process that ran it has ended."""


class CellKey(NamedTuple):
    """The coordinates of an answer in a comparison; each counts from 0."""

    case: int
    repeat: int
    variant: int


@dataclass(frozen=True, slots=True)
class CellRun:
    """The run of one cell. `waits` is true while it is to be tried again.

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

    @property
    def answered(self) -> Outcome | None:
        """Return what it came to if that is a whole answer."""
        return self.outcome if self.outcome and self.outcome.status == "completed" and not self.waits else None

    def is_whole(self, checks: int) -> bool:
        """Tell whether nothing is left to be done: it was answered, and so many checks were made."""
        return self.answered is not None and len(self.verdicts) == checks


@dataclass(frozen=True, slots=True)
class Comparison:
    """A snapshot of a comparison. A cell without an answer waits for its turn, or never had one.

    `browser` is the one that began it, if it said which it is; `version` is another one after each change.
    """

    id: str
    prompts: PromptSet
    state: ComparisonState
    answers: Mapping[CellKey, CellRun]
    browser: str = ""
    version: str = ""

    @property
    def name(self) -> str:
        """What it asks, in a line."""
        return shortened(self.prompts.variants[0].template)

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

    @property
    def left(self) -> tuple[CellKey, ...]:
        """List what has no whole answer, or one that was not checked."""
        checks = len(self.prompts.checks)
        whole = {key for key, answer in self.answers.items() if answer.is_whole(checks)}
        return tuple(key for key in cell_keys(self.prompts) if key not in whole)

    def cells(self) -> list[Cell]:
        """Return every cell's result, case by case."""
        return [_cell(self.prompts, key, self.answers.get(key)) for key in cell_keys(self.prompts)]


def count_answers(prompts: PromptSet) -> int:
    """Count the answers that a set asks for."""
    return len(prompts.variants) * len(prompts.inputs()) * prompts.repeats


def cell_keys(prompts: PromptSet) -> Iterator[CellKey]:
    """Yield every cell's key, case by case, so that what is compared is answered at the same time."""
    return starmap(CellKey, product(range(len(prompts.inputs())), range(prompts.repeats), range(len(prompts.variants))))


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
