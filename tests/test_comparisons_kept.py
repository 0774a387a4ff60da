"""Comparisons as documents: they outlive their process, and another process knows them."""

import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from streamlab.gateway.changes import versions
from streamlab.hub import Hub
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.models.catalog import Models
from streamlab.prompts import comparison_documents
from streamlab.prompts.comparison import CellKey, Comparison
from streamlab.prompts.comparisons import Comparisons
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.runs.run import RunLimits, Runs
from tests.comparison_process import BROWSER
from tests.comparison_process import prompt_set as seventy_two
from tests.conftest import demo_model
from tests.present import present
from tests.redis_hubs import two_hubs
from tests.redis_server import RedisServer
from tests.shared import name
from tests.test_comparisons import SLOW, ended, known, prompt_set, reaches

pytestmark = pytest.mark.anyio

Process = Callable[[], Comparisons]


@pytest.fixture
async def process(any_hub: Hub, models: Models) -> AsyncIterator[Process]:
    """Makes what has its own runs, and only the store in common with the others."""
    made: list[tuple[Comparisons, Runs]] = []

    def make() -> Comparisons:
        runs = Runs(any_hub, RunLimits())
        made.append((Comparisons(runs, models, any_hub), runs))
        return made[-1][0]

    yield make
    for comparisons, runs in made:
        await comparisons.close()
        await runs.close()


def texts(found: Comparison) -> list[str]:
    return [cell.text for cell in found.cells()]


async def test_what_was_compared_is_there_for_every_process(process: Process) -> None:
    """With its checks, failures and thumbs; what is rated by one is seen by the other."""
    one, other = process(), process()
    models = demo_model(text="It is 1."), demo_model(fault="key")
    made = await one.start(prompt_set(*models, topics=tuple("abc"), checks=[{"type": "contains", "value": "1"}]))
    await ended(one, made)
    found = await reaches(other, made, lambda now: now.state == "completed")
    assert found == await known(one, made)
    assert texts(found) == 3 * ["It is 1.", ""]
    assert [cell.code for cell in found.cells()] == 3 * [None, "auth"]
    assert [[verdict.passed for verdict in cell.verdicts] for cell in found.cells()] == 3 * [[True], []]
    await other.rate(made, CellKey(1, 0, 0), "up")
    assert (await known(one, made)).answers[CellKey(1, 0, 0)].thumb == "up"
    assert texts(await known(one, made)) == texts(found)


async def test_one_that_runs_elsewhere_is_seen_and_stopped_from_here(
    models: Models, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not begun a second time here."""
    monkeypatch.setattr("streamlab.prompts.comparisons.BEAT", 0.05)
    async with two_hubs(redis_server.url) as hubs:
        one, other = (Comparisons(Runs(hub, RunLimits()), models, hub) for hub in hubs)
        made = await one.start(prompt_set(*(demo_model(**SLOW) for _ in range(2)), topics=tuple("abcd")))
        found = await reaches(other, made, lambda now: len(now.answers) == 4)
        assert found.state == "running"
        await other.go_on(made)
        await other.stop(made)
        for each in (one, other):
            found = await reaches(each, made, lambda now: not now.live)
            assert found.state == "stopped"
            assert {cell.status for cell in found.cells()} == {"stopped", "waiting"}


async def test_one_answer_is_stopped_from_another_process(models: Models, redis_server: RedisServer) -> None:
    """The others go on."""
    async with two_hubs(redis_server.url) as hubs:
        one, other = (Comparisons(Runs(hub, RunLimits()), models, hub) for hub in hubs)
        made = await one.start(prompt_set(demo_model(**SLOW), demo_model(**SLOW)))
        await reaches(other, made, lambda now: len(now.answers) == 2)
        await other.stop(made, CellKey(0, 0, 1))
        found = await reaches(one, made, lambda now: now.answers[CellKey(0, 0, 1)].ended)
        assert [cell.status for cell in found.cells()] == ["running", "stopped"]
        await one.close()
        assert (await known(other, made)).state == "interrupted"


async def test_nothing_more_is_asked_after_a_stop_elsewhere(models: Models, redis_server: RedisServer) -> None:
    """The runs that end by it are not followed by others."""
    async with two_hubs(redis_server.url) as hubs:
        here, there = (Runs(hub, RunLimits()) for hub in hubs)
        one, other = (Comparisons(runs, models, hub) for runs, hub in zip((here, there), hubs, strict=True))
        made = await one.start(prompt_set(*(demo_model(**SLOW) for _ in range(2)), topics=tuple("abcdef"), at_once=4))
        await reaches(other, made, lambda now: len(now.answers) == 4)
        await other.stop(made)
        found = await ended(one, made)
        assert found.state == "stopped"
        assert here.started == 4


async def test_each_change_is_told(process: Process) -> None:
    """Its end, a rating, that it goes on, and its end again; each is another version."""
    one, other = process(), process()
    made = await one.start(prompt_set(demo_model(), demo_model(fault="key", times=2)))
    last = ""
    with anyio.fail_after(30):
        async with aclosing(versions(one, made)) as heard:
            for act in (None, one.rate(made, CellKey(0, 0, 0), "up"), one.go_on(made)):
                if act:
                    await act
                found = await reaches(other, made, lambda now: now.state == "completed")
                assert found.version != last
                while (last := await anext(heard)) != found.version:
                    pass
    assert await other.version("unknown") == ""


async def test_what_was_interrupted_goes_on(process: Process) -> None:
    """In another process, at what is missing: nothing that was answered is asked for again."""
    one = process()
    quick, slow = demo_model(), demo_model(first=0.05, chunks=30, rate=100)
    made = await one.start(prompt_set(quick, slow, topics=tuple("abcdefgh"), at_once=2), BROWSER)
    await reaches(one, made, lambda now: now.done >= 5)
    await one.close()
    other = process()
    found = await known(other, made)
    assert found.state == "interrupted"
    whole = {key: run for key, run in found.answers.items() if key not in found.left}
    assert 5 <= len(whole) < 16
    await other.rate(made, next(iter(whole)), "down")
    await other.go_on(made)
    assert (await known(other, made)).state == "running"
    again = await ended(other, made)
    assert again.state == "completed"
    assert not again.left
    assert {key: again.answers[key].run_id for key in whole} == {key: run.run_id for key, run in whole.items()}
    assert again.answers[next(iter(whole))].thumb == "down"
    assert again.browser == BROWSER


async def test_what_failed_or_was_stopped_is_asked_again(process: Process) -> None:
    """If somebody asks for it; what was whole stays."""
    one = process()
    model = demo_model(fault="key", times=1)
    made = await one.start(prompt_set(model, demo_model(**SLOW)))
    await reaches(one, made, lambda now: len(now.answers) == 2 and now.answers[CellKey(0, 0, 0)].ended)
    await one.stop(made)
    found = await ended(one, made)
    assert [cell.status for cell in found.cells()] == ["failed", "stopped"]
    await one.go_on(made)
    found = await reaches(one, made, lambda now: now.cells()[0].completed)
    assert found.state == "running"
    assert found.cells()[1].status == "running"


async def test_what_breaks_it_off_leaves_it_whole(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    """A set with problems, which no page starts: what had arrived is there, and it can be deleted."""
    one, mine = process(), name()
    variants = [Variant(name=each, template=each, model=demo_model(**SLOW)) for each in ("Say A", "Say {nothing}")]
    made = await one.start(PromptSet(variants=tuple(variants), at_once=1), mine)
    found = await reaches(one, made, lambda now: not now.live)
    assert found.state == "interrupted"
    assert "comparison" in caplog.text
    assert present(await one.delete(mine, made)).state == "interrupted"
    assert await one.find(made) is None


async def test_they_are_listed_found_deleted_and_brought_back(process: Process) -> None:
    """By the browser that began them, and no other one."""
    one, mine = process(), name()
    sse = await one.start(prompt_set(demo_model(text="ひらがな"), demo_model(), topics=("zebras",)), mine)
    grpc = await one.start(prompt_set(demo_model(), demo_model(), topics=("lemurs",)), mine)
    for made in (sse, grpc):
        await ended(one, made)
        await one.go_on(made)  # nothing is left, and all is written down then

    async def listed(words: str = "", browser: str = mine) -> list[str]:
        return [entry.key for entry in await one.entries(browser, words, 10)]

    assert sorted(await listed()) == sorted([sse, grpc])
    assert await listed("ひらがな") == [sse]
    assert await listed("lemurs") == [grpc]
    assert await listed(browser="another") == []
    assert await one.delete("another", sse) is None
    assert await one.find(sse)
    whole = await known(one, sse)
    deleted = present(await one.delete(mine, sse))
    assert await one.find(sse) is None
    assert await listed() == [grpc]
    await one.restore(sse, deleted)
    assert replace(await known(one, sse), version=whole.version) == whole
    assert await listed("ひらがな") == [sse]


async def test_one_that_runs_is_stopped_when_it_is_deleted(process: Process, any_hub: Hub) -> None:
    """It does not come back by itself; whoever brings it back has what had arrived."""
    one = process()
    made = await one.start(prompt_set(demo_model(**SLOW), demo_model(**SLOW)), BROWSER)
    found = await reaches(one, made, lambda now: len(now.answers) == 2)
    logs = [any_hub.log(run.run_id) for run in found.answers.values()]
    with anyio.fail_after(10):
        while min(log.seq for log in logs) < 3:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    deleted = present(await one.delete(BROWSER, made))
    with anyio.fail_after(10):
        while not all(log.done for log in logs):  # noqa: ASYNC110
            await anyio.sleep(0.01)
    await anyio.sleep(0.1)
    assert await one.find(made) is None
    await one.restore(made, deleted)
    found = await known(one, made)
    assert found.state == "stopped"
    assert all(cell.text and cell.status == "stopped" for cell in found.cells())


@pytest.mark.parametrize("answers", [1, 3])
async def test_many_answers_are_in_few_documents(
    process: Process, monkeypatch: pytest.MonkeyPatch, answers: int
) -> None:
    """However many each of them holds."""
    monkeypatch.setattr(comparison_documents, "GROUP", answers)
    one, other = process(), process()
    made = await one.start(prompt_set(demo_model(), demo_model(), demo_model(), topics=tuple("abcd"), repeats=2))
    await ended(one, made)
    found = await reaches(other, made, lambda now: now.state == "completed")
    assert found.done == found.expected == 24


def killed(path: Path, answers: int) -> tuple[str, dict[CellKey, tuple[str, str]]]:
    """Run a process until so many answers have come, kill it, and return what it had told by then."""
    command = [sys.executable, "-m", "tests.comparison_process", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        made = json.loads(process.stdout.readline())
        told = [json.loads(process.stdout.readline()) for _ in range(answers)]
        process.kill()
        told += [json.loads(line) for line in process.stdout if line.endswith("]\n")]
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    return made, {CellKey(*key): (run_id, text) for key, run_id, text in told}


async def test_seventy_two_answers_go_on_after_a_kill(tmp_path: Path, models: Models) -> None:
    """Killed at any moment: all that showed is there, and only what is missing is asked for."""
    made, told = killed(tmp_path / "store", random.randrange(1, 60))
    async with SqliteHub(tmp_path / "store") as hub:
        runs = Runs(hub, RunLimits())
        comparisons = Comparisons(runs, models, hub)
        found = await known(comparisons, made)
        assert found.prompts == seventy_two()
        assert found.state == "interrupted"
        assert {key: (found.answers[key].run_id, _text(found, key)) for key in told} == told
        left = len(found.left)
        lost = [run for key, run in found.answers.items() if key not in told]
        assert all(run.outcome and run.outcome.status in ("lost", "completed") for run in lost)
        await comparisons.go_on(made)
        again = await ended(comparisons, made)
        assert runs.started <= left
        await comparisons.close()
        await runs.close()
    assert again.state == "completed"
    assert again.done == 72
    assert not again.left
    assert {key: (again.answers[key].run_id, _text(again, key)) for key in told} == told


def _text(found: Comparison, key: CellKey) -> Any:
    return present(found.answers[key].outcome).text
