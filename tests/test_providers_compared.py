"""Models of several providers beside each other, over their own clients and protocols: latency, and prompts."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from streamlab.latency.calls import measure
from streamlab.latency.observation import Observation
from streamlab.latency.plan import order
from streamlab.latency.summary import summarize
from streamlab.models.catalog import Models
from streamlab.prompts.comparisons import Comparisons
from streamlab.prompts.conclusion import findings
from tests.aimock import Aimock, aimock, settings_of
from tests.conftest import MakeLab
from tests.javascript import needs_node
from tests.observations import plan_of
from tests.test_comparisons import ended, prompt_set

pytestmark = [needs_node, pytest.mark.soak]

SOON, LATE, GOOGLE = "gpt-4o", "anthropic:claude-opus-4-7", "google_genai:gemini-3.5-flash"


@pytest.fixture(scope="module")
def server() -> Iterator[Aimock]:
    for package in ("langchain_anthropic", "langchain_google_genai"):
        pytest.importorskip(package, reason="`make providers` installs it")
    with aimock() as server:
        yield server


@pytest.fixture(scope="module")
def seen(server: Aimock) -> list[Observation]:
    """Measure three providers by two lengths of the prompt."""
    plan = plan_of(
        models=(SOON, LATE, GOOGLE), prompt="Write slowly.", ways=("stream",), pairs=6, prompt_lengths=(100, 1_000)
    )
    with closing(measure(plan, settings_of(server.url), "http://127.0.0.1:9/v1")) as calls:
        seen = list(calls)
    assert [(one.pair, one.model, one.prompt_length, one.repeated) for one in seen] == [
        (call.pair, call.model, call.prompt_length, call.repeated) for call in order(plan)
    ]
    return seen


def test_every_provider_is_measured_by_its_own_client(seen: list[Observation]) -> None:
    """All calls come to their end, streamed, chunk by chunk."""
    assert {one.error for one in seen} == {None}
    assert all(one.streamed and len(one.chunk_times) > 5 for one in seen)


def test_one_starts_sooner_and_the_others_write_faster(seen: list[Observation]) -> None:
    """By what the stand-in was told: 0.05 and 0.6 s, 40 and 160 chunks a second."""
    found = {
        (one.side.model, one.metric): one.difference
        for one in summarize(seen, 1.0, (SOON, LATE, GOOGLE)).comparisons
        if one.base.model == SOON and one.side.model != SOON and one.side.prompt_length == 1_000
        and not one.side.repeated
    }  # fmt: skip
    for model in (LATE, GOOGLE):
        first, writing = found[model, "ttft"], found[model, "writing"]
        assert first
        assert writing
        assert (first.n, first.distinguishable, writing.distinguishable) == (6, True, True)
        assert first.value > 0.2
        assert writing.value > 0


@pytest.mark.anyio
async def test_prompts_of_several_providers_are_compared(server: Aimock, make_lab: MakeLab) -> None:
    """Each variant is answered by its own; the sentence is about the one that is soonest whole."""
    with closing(Models(settings_of(server.url), "http://127.0.0.1:9/v1")) as models:
        lab = make_lab(models)
        comparisons = Comparisons(lab.runs, lab.models, lab.hub)
        topics = tuple(f"slowly {number}" for number in range(6))
        asked = prompt_set(SOON, LATE, GOOGLE, topics=topics)
        found = await ended(comparisons, await comparisons.start(asked))
        await comparisons.close()
    assert {cell.status for cell in found.cells()} == {"completed"}
    total = {finding.aspect: finding for finding in findings(asked, found.cells())}["total"]
    assert total.difference.n == 6
    assert total.values[0] <= total.values[1]
