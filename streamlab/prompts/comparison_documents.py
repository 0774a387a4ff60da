"""Comparisons as documents: what is compared, how far it has come, and the answers, some of them in each document."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice

from pydantic import TypeAdapter

from streamlab.events.outcome import Outcome
from streamlab.hub import Hub, HubFull, UnknownRun
from streamlab.hub.listing import Entry
from streamlab.hub.lru import LRU
from streamlab.hub.shared import DocumentType, json_form
from streamlab.hub.watched import WatchedDocuments
from streamlab.prompts.comparison import CellKey, CellRun, Comparison, ComparisonState, cell_keys, count_answers
from streamlab.prompts.prompt_set import PromptSet

KIND = "comparison"
KEPT = 30 * 86_400.0  # seconds after the last use
CAPACITY = 64 * 1024 * 1024  # characters of all answers, and of all sets, that one process holds
GROUP = 40  # answers in a document, which is written anew for each of them
BEAT = 5.0  # seconds between two signs of life of who runs a comparison
SILENT = 15.0  # seconds without one after which nobody does
RECENT = 20  # comparisons that are not read anew each time


@dataclass(frozen=True, slots=True)
class Head:
    """What is compared, and for which browser."""

    prompts: PromptSet
    browser: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How it stood at `at`, in seconds since the epoch; `changes` counts what became another since it began."""

    state: ComparisonState
    at: float
    changes: int = 0

    @property
    def version(self) -> str:
        return f"{self.state}.{self.changes}"


@dataclass(frozen=True, slots=True)
class Answers:
    """Some of the answers, in the order of the cells."""

    keys: tuple[CellKey, ...]
    runs: tuple[CellRun, ...]


def _size(answers: Answers) -> int:
    outcomes = (run.outcome for run in answers.runs)
    return sum(len(outcome.text) + len(outcome.thinking) for outcome in outcomes if outcome)


def _without_end(answers: Answers) -> Iterator[str]:
    return (run.run_id for run in answers.runs if run.outcome is None)


_HEAD = TypeAdapter(Head)
_HEADS = DocumentType(
    KIND, _HEAD.dump_json, _HEAD.validate_json, KEPT, CAPACITY, lambda head: head.prompts.size, lasting=True
)
_PROGRESS = DocumentType("comparison_progress", *json_form(Progress), KEPT, 10_000, lasting=True)
_ANSWERS = DocumentType(
    "comparison_answers", *json_form(Answers), KEPT, CAPACITY, _size, lasting=True, holds=_without_end
)


class ComparisonDocuments:
    """Belongs to one event loop. Every method raises HubUnreachable when the store does not answer."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._listing = hub.shared.listing
        self._heads = hub.shared.documents(_HEADS)
        self._progress = WatchedDocuments(_PROGRESS, hub.shared)
        self.watch = self._progress.watch
        self._answers = hub.shared.documents(_ANSWERS)
        self._recent: LRU[tuple[Progress, Comparison]] = LRU(RECENT, lambda known: 1)

    async def begin(self, comparison: Comparison) -> str:
        """Write a new comparison, list it for its browser, and return its version."""
        await self._heads.put(comparison.id, Head(comparison.prompts, comparison.browser))
        return await self.finish(comparison)

    async def note(self, id: str, state: ComparisonState) -> str:
        """Note how it stands now, and return its version."""
        known = await self._progress.get(id)
        progress = Progress(state, self._hub.shared.now(), known.document.changes + 1 if known else 0)
        await self._progress.put(id, progress)
        return progress.version

    async def finish(self, comparison: Comparison) -> str:
        """Note how it stands, and list it for its browser, to be found by what it asks and by what was answered.

        Returns its version.
        """
        version = await self.note(comparison.id, comparison.state)
        if comparison.browser:
            entry = Entry(comparison.id, comparison.name, self._hub.shared.now())
            await self._listing.put(comparison.browser, KIND, entry, "\n".join(_texts(comparison)))
        return version

    async def take(self, id: str) -> str | None:
        """Note that it runs from now on, and return its version; None where somebody else was faster."""
        known = await self._progress.get(id)
        if known is None:
            return None
        running = Progress("running", self._hub.shared.now(), known.document.changes + 1)
        return running.version if await self._progress.replace(id, known, running) else None

    async def beat(self, id: str) -> ComparisonState | None:
        """Show that who runs it is alive, and return how it stood until now; None when it is gone."""
        known = await self._progress.get(id)
        if known and known.document.state == "running":
            await self._progress.replace(id, known, replace(known.document, at=self._hub.shared.now()))
        return known.document.state if known else None

    async def version(self, id: str) -> str:
        """Return another text after each change of how it stands or is rated; "" for none."""
        known = await self._progress.get(id)
        return known.document.version if known else ""

    async def write(self, id: str, prompts: PromptSet, runs: Mapping[CellKey, CellRun], group: int) -> None:
        """Write one group of the answers."""
        cells = islice(cell_keys(prompts), group * GROUP, (group + 1) * GROUP)
        keys = tuple(key for key in cells if key in runs)
        await self._answers.put(f"{id}.{group}", Answers(keys, tuple(runs[key] for key in keys)))

    async def change(self, id: str, comparison: Comparison, key: CellKey) -> None:
        """Write one answer of a comparison that has ended anew."""
        await self.write(id, comparison.prompts, comparison.answers, group_of(comparison.prompts, key))
        if known := await self._progress.get(id):
            await self._progress.put(id, replace(known.document, changes=known.document.changes + 1))

    async def read(self, id: str) -> Comparison | None:
        """Read a comparison as it stands, which does not run in this process; None when there is none of this id."""
        known, progress = await self._heads.get(id), await self._progress.get(id)
        if not known or not progress:
            return None
        recent = self._recent.get(id)
        if recent and recent[0] == progress.document:
            return recent[1]
        head = known.document
        runs = await self._runs(id, head.prompts)
        stands = progress.document.state, runs, head.browser, progress.document.version
        found = await self._as_it_stands(Comparison(id, head.prompts, *stands))
        silent = self._hub.shared.alone or self._hub.shared.now() - progress.document.at > SILENT
        if found.state == "running" and silent:
            found = replace(found, state="interrupted")
        if not found.live:
            self._recent.put(id, (progress.document, found), KEPT)
        return found

    async def entries(self, browser: str, words: str, limit: int) -> list[Entry]:
        """Return the browser's comparisons that hold all the words, the newest first."""
        return await self._listing.entries(browser, KIND, words, limit)

    async def delete(self, browser: str, id: str) -> Comparison | None:
        """Delete a comparison that is the browser's, and return it."""
        await self._listing.remove(browser, KIND, id)
        found = await self.read(id)
        if not found or found.browser != browser:
            return None
        await self._heads.remove(id)
        await self._progress.remove(id)
        for key in _keys(id, found.prompts):
            await self._answers.remove(key)
        return found if found.state != "running" else replace(found, state="stopped")

    async def restore(self, id: str, comparison: Comparison) -> None:
        """Bring a deleted comparison back."""
        for group in range(len(_keys(id, comparison.prompts))):
            await self.write(id, comparison.prompts, comparison.answers, group)
        await self.begin(comparison)

    async def _runs(self, id: str, prompts: PromptSet) -> dict[CellKey, CellRun]:
        groups = await asyncio.gather(*map(self._answers.get, _keys(id, prompts)))
        pairs = (zip(known.document.keys, known.document.runs, strict=True) for known in groups if known)
        return dict(chain.from_iterable(pairs))

    async def _as_it_stands(self, comparison: Comparison) -> Comparison:
        """Complete the answers by what became of the runs whose end was not written down."""
        answers, state = dict(comparison.answers), comparison.state
        for key, run in comparison.answers.items():
            if run.outcome is None:
                begun, outcome = await self._outcome(run.run_id)
                if not begun:
                    del answers[key]
                elif outcome:
                    answers[key] = replace(run, outcome=outcome)
                    # Its process is dead: runs and comparison were one process's.
                    state = "interrupted" if outcome.status == "lost" and state == "running" else state
        if state != "running":  # nobody will ask again by itself
            answers = {key: replace(run, waits=False) for key, run in answers.items()}
        return replace(comparison, answers=answers, state=state)

    async def _outcome(self, run_id: str) -> tuple[bool, Outcome | None]:
        """Tell whether the run has begun, and what became of it; None while it is live."""
        try:
            log = await self._hub.open(run_id)
        except UnknownRun:
            return False, None
        except HubFull:
            return True, None
        return True, log.outcome() if log.done else None


def _keys(id: str, prompts: PromptSet) -> list[str]:
    """List the keys of the documents that hold the answers."""
    return [f"{id}.{group}" for group in range(-(-count_answers(prompts) // GROUP))]


def _texts(comparison: Comparison) -> Iterator[str]:
    for variant in comparison.prompts.variants:
        yield from (variant.name, variant.system, variant.template)
    for case in comparison.prompts.cases:
        yield from case.values()
    yield from (run.outcome.text for run in comparison.answers.values() if run.outcome)


def group_of(prompts: PromptSet, key: CellKey) -> int:
    """Return the number of the document that holds this answer."""
    return ((key.case * prompts.repeats + key.repeat) * len(prompts.variants) + key.variant) // GROUP
