"""What the latency page says of several models and of long prompts: who is sooner, who is faster, and how sure."""

import io
import zipfile
from typing import Any

import pytest

from components.latency.contrasts import opening, uncertainty
from components.latency.findings import doubts
from components.latency.report import report
from components.page.texts import texts
from streamlab.latency.measurement import Measurement
from streamlab.latency.observation import Observation
from streamlab.latency.summary import summarize
from tests.latency_page import PLAN, invoked, pairs, streamed
from tests.pages import languages
from tests.test_latency_results import failed

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
def test_what_streaming_changed_of_each_model_comes_next(monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    """With both ways, as for one model, and the interval of the comparison between them."""
    monkeypatch.setattr("components.page.texts._language", lambda: language)
    second = [call for pair in range(1, 7) for call in (invoked(pair, 3.0, **B), streamed(pair, first=0.9, **B))]
    summary = summarize([*pairs(), *second], 1.0)
    words, between = texts(language), "" if language == "ja" else " "
    first, more = opening(summary)
    assert first == [written(words, f"{{begin_sooner model=acme-1 seconds=0.40}}{between}{{write_same}}")]
    assert more == [
        f"acme-1: {written(words, f'{{plain_first_earlier seconds=1.5}}{between}{{plain_whole_same}}')}",
        "acme-2: "
        + written(words, f"{{plain_first_earlier seconds=2.1}}{between}{{plain_whole_earlier seconds=0.60}}"),
    ]
    (interval,) = uncertainty(summary)
    assert "acme-2" in interval
    assert "95" in interval
    assert "+0.400" in interval


def test_a_report_has_the_lines_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the sentence, its interval, and how long the prompts were."""
    monkeypatch.setattr("components.page.texts._language", lambda: "en")
    plan = PLAN.model_copy(update={"prompt_lengths": (100, 8_000), "ways": ("stream",)})
    with zipfile.ZipFile(io.BytesIO(report(Measurement(tuple(SAID["a long prompt"][0]), plan)))) as files:
        text = files.read("report.md").decode()
        assert "charts/lengths.svg" in files.namelist()
    for part in ("![", "delays the first words by **0.40\u00a0s**", "95\u00a0% interval", "100, 8,000"):
        assert part in text


@languages
def test_a_length_that_did_not_fit_is_left_out_and_no_failure(monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    """Nor is it a failed call; one of which the server read only a part is told."""
    monkeypatch.setattr("components.page.texts._language", lambda: language)
    short = [
        failed(pair, "context_too_long", prompt_length=8_000, repeated=repeated)
        for pair in range(1, 7)
        for repeated in (False, True)
    ]
    seen = (*times(length(100, prompt_tokens=90), length(1_000, prompt_tokens=400)), *short)
    words = texts(language)
    assert doubts(Measurement(seen, PLAN), summarize(seen, 1.0)) == [
        words["latency.left_out"].format(model="acme-1", tokens="8,000"),
        words["latency.cut_short"].format(model="acme-1", tokens="1,000", read="400"),
    ]
