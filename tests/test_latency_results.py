"""What the latency page says of a measurement: sentences, figures, doubts and comparisons."""

import json
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import pytest
from streamlit.testing.v1 import AppTest

from components.latency.figures import COLUMNS
from components.page.texts import texts
from streamlab.engine import Engine
from streamlab.latency.observation import Observation, write_lines
from streamlab.latency.plan import Way
from tests import latency_page
from tests.latency_page import LINES, PLAN, document, invoked, opened_file, pairs, streamed, upload, warned
from tests.pages import checked, languages, visit

engine = latency_page.engine  # fixtures are found by their names


def relayed(pair: int, late: float = 0.02, **fields: Any) -> Observation:
    """The same answer through the gateway: all of it later by so much, in bunches of three chunks."""
    times = tuple(round(0.5 + late + number * 0.225, 6) for number in range(7))
    through: dict[str, Any] = {
        "way": "gateway", "ttfe": times[0], "ttft": times[0], "e2e": round(2.0 + late, 6), "chunk_times": times,
        "chunk_characters": (15,) * 7, "waits": 7, "written": None,
    }  # fmt: skip
    return streamed(pair, **through | fields)


def failed(pair: int, error: str, way: Way = "stream", **fields: Any) -> Observation:
    nothing: dict[str, Any] = {
        "ttfe": None,
        "ttft": None,
        "e2e": None,
        "chunk_times": (),
        "chunk_characters": (),
        "tokens": None,
    }
    return streamed(pair, error=error, way=way, reading=0.0, written=None, **nothing, **fields)


def folded(app: AppTest) -> str:
    """Return what stands as text, also where it is folded away."""
    return "\n".join(text.value for text in app.markdown)


@languages
def test_the_sentence_says_what_a_stakeholder_needs(engine: Engine, language: str) -> None:
    """In plain words first; and folded how sure that is, and what a reader notices."""
    words = texts(language)

    def seconds(value: str) -> str:
        return words["latency.seconds"].format(value=value)

    def interval(value: str) -> str:
        return words["latency.from_to"].format(middle=seconds(value), low=seconds(value), high=seconds(value))

    app = opened_file(language, pairs())
    way = words["latency.way_stream"]
    earlier = words["latency.first_earlier"].format(seconds=seconds("1.50"))
    same = words["latency.whole_same"].format(signed=seconds("+0.000"))
    sooner = words["latency.plain_first_earlier"].format(seconds=seconds("1.5"))
    assert [text.value for text in app.main.subheader] == [
        (" " if language == "en" else "").join((sooner, words["latency.plain_whole_same"]))
    ]
    exact = words["latency.sentence"].format(way=way, first=earlier, whole=same)
    assert exact in folded(app)
    told = {"way": way, "pairs": 6, "level": 95, "first": interval("-1.50"), "whole": interval("+0.000")}
    assert words["latency.interval"].format(**told) in folded(app)
    noticed = {"way": way, "streamed": seconds("0.50"), "whole": seconds("2.00"), "words": 250, "characters": 500}
    assert words["latency.reader"].format(**noticed) in folded(app)
    assert warned(app) == ""
    assert PLAN.prompt in [text.value for text in app.text]


@languages
def test_what_the_relay_costs_is_a_sentence_of_its_own(engine: Engine, language: str) -> None:
    """Beside the direct way that was measured, with its interval, and with what is in it."""
    words = texts(language)

    def interval(value: str) -> str:
        seconds = words["latency.seconds"].format(value=value)
        return words["latency.from_to"].format(middle=seconds, low=seconds, high=seconds)

    for direct in ("stream", "astream"):
        calls = [call for pair in range(1, 7) for call in (streamed(pair, way=direct), relayed(pair))]
        app = opened_file(language, calls)
        names = {"way": words["latency.way_gateway"], "base": words[f"latency.way_{direct}"]}
        later = words["latency.seconds"].format(value="0.020")
        first = words["latency.first_later"].format(seconds=later)
        whole = words["latency.whole_later"].format(seconds=later)
        plain = [words[f"latency.plain_{name}_same"] for name in ("first", "whole")]
        told_first = words["latency.plain_relayed"].format(**names, first=plain[0], whole=plain[1])
        assert [text.value for text in app.main.subheader] == [told_first]
        assert words["latency.relayed"].format(**names, first=first, whole=whole) in folded(app)
        told = {**names, "first": interval("+0.020"), "whole": interval("+0.020"), "pairs": 6, "level": 95}
        assert words["latency.relayed_interval"].format(**told) in folded(app)
        assert words["latency.relayed_what"] in folded(app)
        assert warned(app) == ""


@languages
def test_without_a_direct_way_nothing_is_said_of_the_relay(engine: Engine, language: str) -> None:
    """It is put beside the whole answer like every stream, and that alone."""
    words = texts(language)
    app = opened_file(language, [call for pair in range(1, 7) for call in (invoked(pair), relayed(pair))])
    (told,) = (text.value for text in app.main.subheader)
    sooner = words["latency.seconds"].format(value="1.5")
    assert told.startswith(words["latency.plain_first_earlier"].format(seconds=sooner))
    earlier = words["latency.seconds"].format(value="1.48")
    assert words["latency.first_earlier"].format(seconds=earlier) in folded(app)
    assert words["latency.sentence"].partition("{first}")[0].format(way=words["latency.way_gateway"]) in folded(app)


@languages
@pytest.mark.parametrize("code", ["gateway_access", "gateway_refused", "gateway_unavailable"])
def test_what_the_gateway_did_not_do_is_told_apart_from_the_model(engine: Engine, language: str, code: str) -> None:
    """Each with a sentence of its own."""
    words = texts(language)
    told = warned(opened_file(language, [*pairs(), failed(7, code, "gateway")]))
    assert words["latency.failed"].format(number=1, reason=words[f"latency.error_{code}"]) in told


@languages
def test_few_pairs_prove_nothing(engine: Engine, language: str) -> None:
    """And it is said beside the sentence, which is what they showed."""
    words = texts(language)
    app = opened_file(language, pairs()[:6])
    assert words["latency.impression"].format(pairs=3) in [caption.value for caption in app.caption]
    signed = words["latency.seconds"].format(value="-1.50")
    assert words["latency.first_open"].format(signed=signed) in folded(app)


@languages
def test_the_table_has_each_figure_with_its_formula(engine: Engine, language: str) -> None:
    """Worked out by hand: TPOT is (2.0 - 0.5) / 20. What invoke does not have is no zero."""
    words = texts(language)
    app = opened_file(language, pairs())
    (table,) = app.dataframe
    target = words["latency.seconds"].format(value="1.00")
    titles = [words[f"latency.column_{name}"].format(target=target) for name in COLUMNS]
    assert list(table.value.columns) == [words["latency.column_way"], *titles]
    whole, stream = table.value.to_dict("records")
    assert whole[words["latency.column_way"]] == words["latency.way_invoke"]
    known = {name: stream[title] for name, title in zip(COLUMNS, titles, strict=True)}
    assert {name: value for name, value in known.items() if pd.notna(value)} == pytest.approx(
        {"n": 6, "ttfe": 0.5, "ttft": 0.5, "gap": 75, "gap_high": 75, "tpot": 75, "last_text": 2.0, "e2e": 2.0,
        "rate": 40 / 3, "characters": 200 / 3, "tokens": 21, "visible": 21, "within": 100}
    )  # fmt: skip
    figures = {name: whole[title] for name, title in zip(COLUMNS, titles, strict=True)}
    assert {name: value for name, value in figures.items() if pd.notna(value)} == pytest.approx(
        {"n": 6, "ttfe": 2.0, "ttft": 2.0, "last_text": 2.0, "e2e": 2.0, "tokens": 21, "visible": 21, "within": 0}
    )
    helps = {title: column["help"] for title, column in json.loads(table.proto.columns).items() if "help" in column}
    assert helps == {
        title: words[f"latency.formula_{name}"].format(target=target)
        for name, title in zip(COLUMNS, titles, strict=True)
    }


@languages
def test_what_speaks_against_the_figures_is_said(engine: Engine, language: str) -> None:
    """An invoke that streamed underneath, a stream that something buffered, and calls that failed."""
    words = texts(language)
    app = opened_file(language, [invoked(1, streamed=True), *pairs()[1:], failed(7, "timeout"), invoked(7)])
    assert words["latency.underneath"].format(number=1) in warned(app)
    assert words["latency.failed"].format(number=1, reason=words["error.timeout"]) in warned(app)
    assert app.dataframe[0].value.iloc[:, 1].tolist() == [6, 6]

    bunched = pairs(first=1.9, gap=0.0002, waits=1)
    told = {"way": words["latency.way_stream"], "held": 6, "number": 6}
    assert words["latency.buffered"].format(**told) == warned(upload(app, document(bunched)))


@languages
@pytest.mark.parametrize(
    ("reason", "fields", "value"),
    [
        ("late", {"late": 0.05}, "50"),
        ("ttft_error", {"written": tuple(round(0.45 + number * 0.075, 6) for number in range(21))}, "50"),
        ("gap_error", {"written": tuple(round(0.499 + number * 0.055, 6) for number in range(21))}, "20"),
    ],
)
def test_a_noisy_machine_is_called_so(
    engine: Engine, language: str, reason: str, fields: dict[str, Any], value: str
) -> None:
    """With what was beyond its bound, and by how much."""
    words = texts(language)
    told = warned(opened_file(language, pairs(**fields)))
    assert words["latency.noisy"] in told
    assert words[f"latency.noisy_{reason}"].format(value=value) in told


def test_a_bound_that_was_kept_is_not_called_broken(engine: Engine) -> None:
    """An error of 8 ms is beyond the 5 ms of the median; that 15 ms are allowed is not the reason then."""
    written = tuple(round(0.492 + number * 0.075, 6) for number in range(21))
    told = warned(opened_file("en", [streamed(pair, written=written) for pair in range(1, 7)]))
    assert texts("en")["latency.noisy"] in told
    assert texts("en")["latency.noisy_ttft_error"].format(value="8") not in told


@languages
def test_two_measurements_are_compared(engine: Engine, language: str) -> None:
    """From the one that was chosen to the one that is shown, figure by figure, with a verdict."""
    words = texts(language)
    app = upload(visit("latency", language), document(pairs()), "before.json")
    after = [call for pair in range(1, 7) for call in (invoked(pair), streamed(pair, first=1.0, gap=0.05))]
    upload(app, document(after), "after.json")
    kept = app.session_state["latency.seen"]
    chosen = next(key for key, seen in kept.items() if seen.read.name == "before.json")
    checked(next(box for box in app.selectbox if "latency.compare" in str(box.key)).set_value(chosen).run())
    assert words["latency.compared"].format(before="before.json", after="after.json") in [
        text.value for text in app.markdown
    ]
    rows = app.dataframe[1].value.to_dict("records")
    first = next(
        row
        for row in rows
        if row[words["latency.column_way"]].startswith(words["latency.way_stream"])
        and row[words["latency.column_metric"]] == words["latency.metric_ttft"]
    )
    assert first[words["latency.column_verdict"]] == words["latency.verdict_later"]
    assert words["latency.seconds"].format(value="+0.500") in first[words["latency.column_difference"]]
    verdicts = [row[words["latency.column_verdict"]] for row in rows]
    assert verdicts.count(words["latency.verdict_same"]) == 4  # of invoke all, and the end of the stream
    assert len(verdicts) == 6


@languages
def test_what_has_nothing_in_common_is_not_compared(engine: Engine, language: str) -> None:
    """That is said, instead of an empty table."""
    app = upload(visit("latency", language), document([invoked(1)]), "one.json")
    upload(app, write_lines([streamed(1)]), "two.jsonl")
    box = next(box for box in app.selectbox if "latency.compare" in str(box.key))
    checked(box.select_index(0).run())
    assert texts(language)["latency.nothing_shared"] in [info.value for info in app.info]


BROKEN = {
    "cut.jsonl": (LINES[:-30], "not_json", 3),
    "twice.jsonl": (LINES + LINES, "called_twice", 4),
    "order.jsonl": (LINES.replace(b'"e2e": 2.0', b'"e2e": 0.1', 1), "times_out_of_order", 1),
    "field.jsonl": (LINES.replace(b'"waits"', b'"delays"'), "not_an_observation", 1),
    "latin.jsonl": (LINES + "é".encode("latin-1"), "not_text", 4),
    "empty.json": (b"", "empty", None),
    "other.json": (b'{"name": "x"}', "not_a_measurement", None),
    "cut.json": (document(pairs())[:400], "not_json", None),
    "newer.json": (document(pairs()).replace(b'"version": 1', b'"version": 2'), "unknown_version", None),
}


@languages
def test_a_broken_file_is_refused_with_line_and_reason(engine: Engine, language: str) -> None:
    """And what was there stays there: the measurement that is shown, and the list."""
    words = texts(language)
    app = opened_file(language, pairs())
    shown = [text.value for text in app.main.subheader]
    for name, (data, code, line) in BROKEN.items():
        upload(app, data, name)
        reason = words[f"latency.broken_{code}"]
        told = "latency.broken_line" if line else "latency.broken"
        assert warned(app) == words[told].format(line=line, reason=reason), name
        assert [text.value for text in app.main.subheader] == shown
    assert [button.label for button in app.button if "latency.open." in str(button.key)] == ["former.json"]
