"""The laws of comparisons: every place is answered, so many at a time, and nothing that arrived is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from streamlab.prompts import comparisons
from streamlab.prompts.checks import Contains
from streamlab.prompts.comparison import CellKey, Comparison
from streamlab.prompts.comparisons import Comparisons, TooManyAnswers
from streamlab.prompts.prompt_set import PromptSet, Variant
from tests.conftest import PATIENCE, Asked, Lab, MakeLab, demo_model, until
from tests.present import present

pytestmark = pytest.mark.anyio

SLOW = {"rate": 10, "chunks": 600}

Compare = Callable[..., Comparisons]


@pytest.fixture
async def compare(make_lab: MakeLab) -> AsyncIterator[Compare]:
    made: list[Comparisons] = []

    def make(lab: Lab | None = None) -> Comparisons:
        lab = lab or make_lab()
        made.append(Comparisons(lab.runs, lab.models, lab.hub))
        return made[-1]

    yield make
    for one in made:
        await one.close()


def prompt_set(*models: str, topics: tuple[str, ...] = (), **values: Any) -> PromptSet:
    """Two variants or more, each of which asks for the topic of the case."""
    variants = [
        Variant(name=f"V{number}", template="Tell me about {topic}" if topics else "What is streaming?", model=model)
        for number, model in enumerate(models)
    ]
    cases = [{"topic": topic} for topic in topics]
    return PromptSet.model_validate(
        {"variants": variants, "columns": ["topic"] if topics else [], "cases": cases, **values}
    )


async def known(found: Comparisons, comparison_id: str) -> Comparison:
    """Return the comparison as it stands; it must be there."""
    return present(await found.find(comparison_id))


async def reaches(found: Comparisons, comparison_id: str, condition: Callable[[Comparison], bool]) -> Comparison:
    """Return the comparison as soon as it stands so."""
    with anyio.fail_after(PATIENCE):
        while not condition(now := await known(found, comparison_id)):  # noqa: ASYNC110
            await anyio.sleep(0.01)
    return now


async def ended(found: Comparisons, comparison_id: str) -> Comparison:
    return await reaches(found, comparison_id, lambda now: not now.live)


async def test_every_variant_answers_every_case_as_often_as_asked(compare: Compare, asked: Asked) -> None:
    """Each with the template filled in."""
    one, two = demo_model(), demo_model()
    found = compare()
    made = await ended(found, await found.start(prompt_set(one, two, topics=("SSE", "gRPC", "{topic}"), repeats=2)))
    assert made.state == "completed"
    assert made.done == made.expected == 12
    assert all(cell.completed and cell.text and cell.total for cell in made.cells())
    for model in (one, two):
        questions = sorted(record["prompt"]["user"] for record in await asked(model, 6))
        assert questions == sorted(2 * ["Tell me about SSE", "Tell me about gRPC", "Tell me about {topic}"])


async def test_no_more_than_so_many_answers_are_asked_for_at_once(compare: Compare, make_lab: MakeLab) -> None:
    """With many cases."""
    lab = make_lab()
    found = compare(lab)
    most = 0
    models = [demo_model(chunks=20, rate=200) for _ in range(3)]
    comparison_id = await found.start(prompt_set(*models, topics=tuple("abcde"), at_once=2))
    with anyio.fail_after(PATIENCE):
        while (await known(found, comparison_id)).state == "running":
            most = max(most, lab.runs.live)
            await anyio.sleep(0.002)
    assert most == 2
    assert (await known(found, comparison_id)).done == 15


async def test_the_answers_to_one_case_arrive_at_the_same_time(compare: Compare, make_lab: MakeLab) -> None:
    """They stand side by side, however few may be asked for at once."""
    lab = make_lab()
    found = compare(lab)
    await found.start(prompt_set(*(demo_model(**SLOW) for _ in range(6)), at_once=1))
    await until(lambda: lab.runs.live == 6)


async def test_what_has_arrived_stays_when_it_is_stopped(compare: Compare, make_lab: MakeLab) -> None:
    """And nothing is asked for any more."""
    lab = make_lab()
    found = compare(lab)
    comparison_id = await found.start(prompt_set(*(demo_model(**SLOW) for _ in range(2)), topics=tuple("abcdefgh")))
    await until(lambda: lab.runs.live == 4)
    await reaches(
        found, comparison_id, lambda now: all(lab.hub.log(one.run_id).seq > 2 for one in now.answers.values())
    )
    await found.stop(comparison_id)
    made = await ended(found, comparison_id)
    assert made.state == "stopped"
    assert len(made.answers) == 4
    assert [cell.status for cell in made.cells()] == 4 * ["stopped"] + 12 * ["waiting"]
    assert all(cell.text for cell in made.cells()[:4])
    assert lab.runs.live == 0


async def test_one_answer_can_be_stopped_alone(compare: Compare) -> None:
    """The others go on."""
    found = compare()
    comparison_id = await found.start(prompt_set(demo_model(**SLOW), demo_model(chunks=30, rate=20)))
    first, second = CellKey(0, 0, 0), CellKey(0, 0, 1)
    await reaches(found, comparison_id, lambda now: len(now.answers) == 2)
    await found.stop(comparison_id, first)
    made = await ended(found, comparison_id)
    assert made.state == "completed"
    assert [cell.status for cell in made.cells()] == ["stopped", "completed"]
    assert made.answers[second].outcome


async def test_a_failure_stays_where_it_happened(compare: Compare) -> None:
    """The rest is answered."""
    found = compare()
    made = await ended(found, await found.start(prompt_set(demo_model(fault="key"), demo_model(), topics=("a", "b"))))
    assert [(cell.status, cell.code) for cell in made.cells()] == 2 * [("failed", "auth"), ("completed", None)]


async def test_a_rate_limit_is_waited_out(compare: Compare, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that outlasts the attempts of a run."""
    monkeypatch.setattr(comparisons, "RATE_LIMIT_WAITS", (0.01, 0.01))
    limited = demo_model(fault="rate_limit", times=5, retry_after=0.01)
    found = compare()
    made = await ended(found, await found.start(prompt_set(limited, demo_model())))
    assert [cell.status for cell in made.cells()] == ["completed", "completed"]
    assert len(await asked(limited)) == 6


async def test_a_rate_limit_without_end_is_told_at_last(
    compare: Compare, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last wait."""
    monkeypatch.setattr(comparisons, "RATE_LIMIT_WAITS", (0.01,))
    limited = demo_model(fault="rate_limit", retry_after=0.01)
    found = compare()
    made = await ended(found, await found.start(prompt_set(limited, demo_model())))
    assert next((cell.status, cell.code) for cell in made.cells()) == ("failed", "rate_limited")
    assert len(await asked(limited)) == 6


async def test_an_answer_that_waits_can_be_stopped(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not asked for again."""
    monkeypatch.setattr(comparisons, "RATE_LIMIT_WAITS", (0.3,))
    found = compare()
    comparison_id = await found.start(prompt_set(demo_model(fault="rate_limit", retry_after=0.01), demo_model()))
    place = CellKey(0, 0, 0)
    await reaches(found, comparison_id, lambda now: place in now.answers and now.answers[place].waits)
    run_id = (await known(found, comparison_id)).answers[place].run_id
    await found.stop(comparison_id, place)
    made = await ended(found, comparison_id)
    assert made.answers[place].run_id == run_id
    assert made.cells()[0].code == "rate_limited"


@pytest.mark.parametrize("watched", [False, True])
async def test_only_what_nobody_looks_at_is_stopped(compare: Compare, make_lab: MakeLab, *, watched: bool) -> None:
    """Tokens cost money; to ask for the comparison is to look at it."""
    lab = make_lab(unwatched=1.0)
    found = compare(lab)
    watch = asyncio.create_task(lab.runs.watch())
    comparison_id = await found.start(prompt_set(demo_model(**SLOW), demo_model(**SLOW)))
    with anyio.move_on_after(3.5):
        while True:
            await anyio.sleep(0.1)
            if watched:
                (await known(found, comparison_id))
    made = await known(found, comparison_id)
    assert made.state == ("running" if watched else "unwatched")
    assert [cell.status for cell in made.cells()] == 2 * ["running" if watched else "stopped"]
    assert watched or "unwatched" in {cell.code for cell in made.cells()}
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch


async def test_answers_are_checked_as_soon_as_they_are_there(compare: Compare) -> None:
    """With the values of their case."""
    model = demo_model(text="It is called SSE.")
    found = compare()
    checks = (Contains(value="{topic}"),)
    made = await ended(found, await found.start(prompt_set(model, model, topics=("SSE", "gRPC"), checks=checks)))
    assert [cell.verdicts[0].passed for cell in made.cells()] == [True, True, False, False]


async def test_a_thumb_stays(compare: Compare) -> None:
    """It can be taken back."""
    found = compare()
    comparison_id = await found.start(prompt_set(demo_model(), demo_model()))
    await ended(found, comparison_id)
    await found.rate(comparison_id, CellKey(0, 0, 1), "up")
    assert [cell.thumb for cell in (await known(found, comparison_id)).cells()] == [None, "up"]
    await found.rate(comparison_id, CellKey(0, 0, 1), None)
    assert [cell.thumb for cell in (await known(found, comparison_id)).cells()] == [None, None]


async def test_a_set_that_asks_for_too_much_is_refused(compare: Compare) -> None:
    """Nothing has begun."""
    topics = tuple(map(str, range(1_000)))
    with pytest.raises(TooManyAnswers) as error:
        await compare().start(prompt_set("demo", "demo", topics=topics, repeats=3))
    assert error.value.answers == 6_000


async def test_more_runs_than_there_is_room_for_wait(
    compare: Compare, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are started when others have ended."""
    monkeypatch.setattr(comparisons, "FULL_WAIT", 0.01)
    found = compare(make_lab(live=1))
    made = await ended(found, await found.start(prompt_set(*(demo_model() for _ in range(4)))))
    assert [cell.status for cell in made.cells()] == 4 * ["completed"]


async def test_closing_ends_all(compare: Compare, make_lab: MakeLab) -> None:
    """At the model, too."""
    lab = make_lab()
    found = compare(lab)
    await found.start(prompt_set(demo_model(**SLOW), demo_model(**SLOW)))
    await until(lambda: lab.runs.live == 2)
    await found.close()
    await until(lambda: lab.runs.live == 0)
