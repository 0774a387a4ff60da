"""What the latency page says of several models and of long prompts: who is sooner, who is faster, and how sure."""

import io
import zipfile
from typing import Any

import pytest

from components.latency.contrasts import opening
from components.latency.report import report
from components.page.texts import texts
from streamlab.engine import Engine
from streamlab.latency.measurement import Measurement
from streamlab.latency.observation import Observation
from streamlab.latency.summary import summarize
from tests import latency_page
from tests.latency_page import PLAN, invoked, opened_file, pairs, streamed, warned
from tests.pages import languages
from tests.test_latency_results import failed

engine = latency_page.engine  # fixtures are found by their names

B: dict[str, Any] = {"model": "acme-2"}


def times(*calls: dict[str, Any], number: int = 6) -> list[Observation]:
    """Make these calls in each pair; a value that is a list has one for each pair."""
    return [
        streamed(pair, **{name: value[pair - 1] if isinstance(value, list) else value for name, value in call.items()})
        for pair in range(1, number + 1)
        for call in calls
    ]


def length(tokens: int, *, repeated: bool = False, **fields: Any) -> dict[str, Any]:
    return {"prompt_length": tokens, "repeated": repeated} | fields


LONG = [length(100), length(8_000, first=0.9), length(8_000, repeated=True)]
SAID: dict[str, tuple[list[Observation], list[str]]] = {
    "one sooner, the other faster": (times({"gap": 0.05}, {"first": 0.1, "gap": 0.09} | B),
        ["{begin_sooner model=acme-2 seconds=0.40} {write_faster model=acme-1 times=1.8}"]),
    "the same one sooner and faster": (times({}, {"first": 1.5, "gap": 0.15} | B),
        ["{begin_sooner model=acme-1 seconds=1.0} {write_faster model=acme-1 times=2.0}"]),
    "the same": (times({}, B), ["{begin_same} {write_same}"]),
    "too little to notice": (times({}, {"first": 0.55, "gap": 0.08} | B), ["{begin_same} {write_same}"]),
    "chance": (times({"first": [0.5, 1.5] * 3, "gap": [0.05, 0.15] * 3}, {"first": [1.5, 0.5] * 3,
        "gap": [0.15, 0.05] * 3} | B), ["{begin_unclear} {write_unclear}"]),
    "few pairs": (times({}, {"first": 0.9} | B, number=2), ["{begin_sooner model=acme-1 seconds=0.40} {write_same}"]),
    "a burst has no speed": (times({}, {"first": 0.9, "gap": 0.0001} | B),
        ["{begin_sooner model=acme-1 seconds=0.40}"]),
    "three models": (times({}, {"first": 0.9} | B, {"first": 0.1, "model": "acme-3"}),
        ["{begin_sooner model=acme-1 seconds=0.40} {write_same}",
         "{begin_sooner model=acme-3 seconds=0.40} {write_same}"]),
    "one failed": ([*times({}), *(failed(pair, "auth", **B) for pair in range(1, 7))],
        ["{plain_streamed first=0.50 end=2.0}"]),
    "a long prompt": (times(*LONG), ["{longer_later tokens=8,000 base=100 seconds=0.40} "
        "{again_earlier tokens=8,000 seconds=0.40}"]),
    "without a cache": (times(*LONG[:2], length(8_000, repeated=True, first=0.9)),
        ["{longer_later tokens=8,000 base=100 seconds=0.40} {again_same tokens=8,000}"]),
    "one length": (times(*LONG[1:]), ["{again_earlier tokens=8,000 seconds=0.40}"]),
    "two models, long": (times(*LONG, *(each | B | {"first": 0.2} for each in LONG)),
        ["{at_length tokens=8,000}{begin_sooner model=acme-2 seconds=0.70} {write_same}"]),
    "the longest that both were asked": (times(*LONG, length(100, first=1.5, **B)),
        ["{at_length tokens=100}{begin_sooner model=acme-1 seconds=1.0} {write_same}"]),
}  # fmt: skip


def written(words: dict[str, str], said: str) -> str:
    """Fill in the texts that are named in braces, with their values."""
    for part in (part.partition("}")[0] for part in said.split("{")[1:]):
        name, *given = part.split()
        values = dict(value.split("=") for value in given)
        seconds = {name: words["latency.seconds"].format(value=values[name]) for name in ("seconds", "first", "end")
                   if name in values}  # fmt: skip
        said = said.replace(f"{{{part}}}", words[f"latency.{name}"].format(text="", **(values | seconds)))
    return said


@languages
@pytest.mark.parametrize("name", SAID)
def test_what_sets_models_and_prompts_apart_is_said_first(
    monkeypatch: pytest.MonkeyPatch, language: str, name: str
) -> None:
    """Nothing is claimed that the interval does not hold, nor what nobody would notice."""
    monkeypatch.setattr("components.page.texts._language", lambda: language)
    seen, said = SAID[name]
    if language == "ja":  # where nothing stands between sentences
        said = [each.replace("} {", "}{") for each in said]
    first, _ = opening(summarize(seen, 1.0))
    assert first == [written(texts(language), each) for each in said]


@languages
def test_what_streaming_changed_of_each_model_comes_next(engine: Engine, language: str) -> None:
    """With both ways, as for one model, and the interval of the comparison between them."""
    words = texts(language)
    second = [call for pair in range(1, 7) for call in (invoked(pair, 3.0, **B), streamed(pair, first=0.9, **B))]
    app = opened_file(language, [*pairs(), *second])
    assert [text.value for text in app.main.subheader] == [
        written(words, "{begin_sooner model=acme-1 seconds=0.40}" + ("" if language == "ja" else " ") + "{write_same}")
    ]
    between = "" if language == "ja" else " "
    seconds = words["latency.seconds"]
    told = [
        between.join((words["latency.plain_first_earlier"], words["latency.plain_whole_same"])).format(
            seconds=seconds.format(value="1.5")
        ),
        between.join(
            (
                words["latency.plain_first_earlier"].format(seconds=seconds.format(value="2.1")),
                words["latency.plain_whole_earlier"].format(seconds=seconds.format(value="0.60")),
            )
        ),
    ]
    assert f"acme-1: {told[0]}  \nacme-2: {told[1]}" in [text.value for text in app.main.markdown]
    assert [text for text in app.caption if "acme-2" in text.value and "95" in text.value and "+0.400" in text.value]


def test_a_report_has_the_lines_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the sentence, its interval, and how long the prompts were."""
    monkeypatch.setattr("components.page.texts._language", lambda: "en")
    plan = PLAN.model_copy(update={"prompt_lengths": (100, 8_000), "ways": ("stream",)})
    with zipfile.ZipFile(io.BytesIO(report(Measurement(tuple(SAID["a long prompt"][0]), plan)))) as files:
        text = files.read("report.md").decode()
        assert "charts/lengths.svg" in files.namelist()
    for part in ("![", "delays the first words by **0.40 s**", "95 % interval", "100, 8,000"):
        assert part in text


@languages
def test_a_length_that_did_not_fit_is_left_out_and_no_failure(engine: Engine, language: str) -> None:
    """Nor is it a failed call; one of which the server read only a part is told."""
    words = texts(language)
    short = [
        failed(pair, "context_too_long", prompt_length=8_000, repeated=repeated)
        for pair in range(1, 7)
        for repeated in (False, True)
    ]
    fits = times(length(100, prompt_tokens=90), length(1_000, prompt_tokens=400))
    assert warned(opened_file(language, [*fits, *short])).split("  \n") == [
        words["latency.left_out"].format(model="acme-1", tokens="8,000"),
        words["latency.cut_short"].format(model="acme-1", tokens="1,000", read="400"),
    ]
