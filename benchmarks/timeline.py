"""What it costs to open a recording on the timeline, by the number of its events, and how well a replay keeps its pace.

*Opening*, in the app and a real browser: the upload of a run that calls tools six times and then writes, in deltas of
three characters. The runs differ in the number of deltas alone, and so in the length of the answer. Counts every
WebSocket frame that the browser receives, the answer's text included. All seconds are from the file input's change, so
the upload counts. *Shown*: until
the browser knows that the script has ended, and the lanes, the answer's end and the last tab are in the document.
*Still*: until the document's last change.

*Replay*: words at irregular times, 25 a second, at 1×. A word is late by the time at which it was in the document less
the recorded one; its error is how far that is from the median of all words, as a delay that all words share is no
change of pace. *Late* is how long after its time `replay_batches` hands an event over, at each speed, no browser.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from random import Random
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.harness import ROOT, Claim, Result, by_turns, chromium, medians, print_table, spread, streamlit_server
from components.page.texts import texts
from components.timeline.replay import SPEEDS, replay_batches
from streamlab.demo_model.chunks import cut, synthetic
from streamlab.events.event import EVENTS, EventType, StreamEvent, Usage
from streamlab.events.recording import read_recording, write_recording

SIZES = (500, 5_000, 10_000)
DELTA = 3  # characters
RATE = 25  # words a second
WORDS = 100
PARAGRAPH = 50  # words, about 200 characters
STEPS, CALLS = 2, 3  # steps with calls, and calls in each
OTHERS = 2 * STEPS * CALLS + 2  # events that are no text: calls, results, final_answer, done
TARGET = 2.0
LIMIT = 20.0  # milliseconds
TIMEOUT_MS = 60_000
TEXTS = texts("en")

COLUMNS = {"bytes": "B", "shown": "s", "still": "s"}
Medians = dict[str, dict[str, float]]

_IDLE = """document.querySelector('[data-testid="stApp"]').dataset.testScriptState === 'notRunning'"""

# The lanes and the diagram stand in shadow trees of their own.
_SHADOWS = """const shadow = selector => [...document.querySelectorAll('[data-testid="stMain"] *')]
        .map(node => node.shadowRoot?.querySelector(selector)).find(Boolean);"""

_WATCH_OPENING = f"""lastWords => {{
    {_SHADOWS}
    const main = document.querySelector('[data-testid="stMain"]');
    const drawn = () => {_IDLE} && main.textContent.includes(lastWords) && shadow('.lanes .bar')
        && [...main.querySelectorAll('[role="tab"]')].some(tab => tab.textContent === '{TEXTS["timeline.tab_totals"]}');
    document.addEventListener('change', event => {{
        if (event.target.type === 'file') window.began = Date.now();
    }}, true);
    new MutationObserver(() => {{
        window.changed = Date.now();
        window.shown ||= drawn() ? Date.now() : 0;
    }}).observe(document.body, {{subtree: true, childList: true, characterData: true, attributes: true}});
}}"""

_STILL = f"""() => {{
    {_SHADOWS}
    return window.shown && shadow('.sequence .message') && Date.now() - window.changed > 1000;
}}"""

# Before the replay it is there whole, and its words count from when it is not.
_WATCH_REPLAY = """last => {
    window.words = [];
    new MutationObserver(() => {
        const text = document.querySelector('.st-key-timeline-answer')?.textContent ?? '';
        const numbers = [...text.matchAll(/w([0-9]+)/g)].map(found => Number(found[1]));
        const count = Math.max(0, ...numbers);
        window.begun ||= count < last;
        while (window.begun && window.words.length < count) window.words.push(performance.now() / 1000);
    }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


def recording(pieces: Sequence[str], times: Sequence[float], steps: int = STEPS) -> bytes:
    """Write a run that calls tools in its first second, in so many steps, and then writes each piece at its time."""
    events: list[StreamEvent] = []

    def add(type_: EventType, at: float, step: int, **fields: Any) -> None:
        events.append(EVENTS[type_](**fields, seq=len(events) + 1, at=at, step=step))

    for step in range(1, steps + 1):
        at = step / (steps + 1)
        calls = {f"call-{step}-{number}": {"expression": f"{step} + {number}"} for number in range(CALLS)}
        for call_id, arguments in calls.items():
            add("tool_call", at, step, tool="calculate", call_id=call_id, input=arguments)
        for call_id, arguments in calls.items():
            result = {**arguments, "value": step}
            add("tool_result", at + 0.2, step, tool="calculate", call_id=call_id, result=result, status="completed")
    for piece, seconds in zip(pieces, times, strict=True):
        add("text_delta", 1 + seconds, steps + 1, content=piece)
    add("final_answer", 1 + times[-1], steps + 1, content="".join(pieces))
    add("done", 1 + times[-1], steps + 1, status="completed", usage=Usage(100, len(pieces)))
    return write_recording(events)


def long_run(events: int) -> tuple[bytes, str]:
    """Return a recording of so many events, and its answer."""
    text = synthetic((events - OTHERS) * DELTA, 400)
    pieces = cut(text, DELTA)
    return recording(pieces, [number / 50 for number in range(len(pieces))]), text


def paced_run() -> bytes:
    """Return a recording of numbered words at fixed, irregular times."""
    random = Random(1)
    pieces = [f"w{number}" + (" " if number % PARAGRAPH else "\n\n") for number in range(1, WORDS + 1)]
    return recording(pieces, list(accumulate(random.expovariate(RATE) for _ in pieces)), steps=0)


@contextmanager
def uploaded(
    browser: Browser, address: str, data: bytes, watch: str, argument: object
) -> Iterator[tuple[Page, list[int]]]:
    """Yield the timeline, observed since before the upload of a recording, and the sizes of the frames since then."""
    frames: list[int] = []
    page = browser.contexts[0].new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda got: frames.append(len(got))))
    page.goto(address)
    page.get_by_role("button", name=TEXTS["timeline.upload"]).click()
    uploader = page.locator("input[type=file]")
    uploader.wait_for(state="attached")
    page.wait_for_timeout(1_500)  # whatever loads late
    page.evaluate(watch, argument)
    frames.clear()
    uploader.set_input_files({"name": "run.jsonl", "mimeType": "application/jsonl", "buffer": data})
    page.get_by_role("tab", name=TEXTS["timeline.tab_totals"]).wait_for()
    yield page, frames
    page.close()


def opening(browser: Browser, address: str, events: int) -> dict[str, float]:
    """Measure the bytes, and the seconds until the run is shown and until it is still."""
    data, text = long_run(events)
    with uploaded(browser, address, data, _WATCH_OPENING, text[-20:].strip()) as (page, frames):
        page.wait_for_function(_STILL)
        began, shown, still = (at / 1000 for at in page.evaluate("[window.began, window.shown, window.changed]"))
        return {"bytes": sum(frames), "shown": shown - began, "still": still - began}


def replay(browser: Browser, address: str) -> dict[str, float]:
    """Measure the words' errors at 1×."""
    data = paced_run()
    times = [event.at for event in read_recording(data) if event.type == "text_delta"]
    with uploaded(browser, address, data, _WATCH_REPLAY, WORDS) as (page, _):
        page.wait_for_timeout(2_000)  # the run is drawn whole
        page.evaluate("() => { window.words = []; window.begun = false; }")
        page.get_by_role("button", name="1×").click()
        page.wait_for_function(f"window.words.length === {WORDS} && {_IDLE}")
        delays = [word - at for word, at in zip(page.evaluate("window.words"), times, strict=True)]
    usual = statistics.median(delays)
    return spread([abs(delay - usual) for delay in delays])


def lateness(speed: float) -> dict[str, float]:
    """Measure how late `replay_batches` hands over each event."""
    late: list[float] = []
    began = time.monotonic()
    for batch in replay_batches(read_recording(paced_run()), speed, began):
        elapsed = time.monotonic() - began
        late += [elapsed - item.at / speed for item in batch if isinstance(item, StreamEvent)]
    return spread(late)


def claims(opened: Medians, replayed: dict[str, float], late: Medians) -> list[Claim]:
    """Compare a long run with a short one, and the pace with a limit in milliseconds."""
    short, long = (opened[f"{size:,}"] for size in SIZES[:2])
    beside = f"{SIZES[1]:,} events, beside {SIZES[0]:,}"
    at_once = max(found["median"] for found in late.values())
    return [
        *(Claim(f"{key}, {beside}", long[key], short[key], TARGET, unit) for key, unit in COLUMNS.items()),
        Claim("replay_batches hands events over late, median, any speed", at_once, LIMIT, 1.0, "ms"),
        Claim("error of a word in the browser, median, 1×", replayed["median"], LIMIT, 1.0, "ms"),
    ]


def report(opened: Medians, paces: Medians) -> None:
    rows = [
        (name, *(f"{found[key]:,.0f}" if unit == "B" else f"{found[key]:.2f}" for key, unit in COLUMNS.items()))
        for name, found in opened.items()
    ]
    print_table(("opening, events", *(f"{key} {unit}" for key, unit in COLUMNS.items())), rows)
    print()
    rows = [(name, f"{pace['median']:.1f}", f"{pace['p95']:.1f}") for name, pace in paces.items()]
    print_table(("pace", "median ms", "p95 ms"), rows)
    print()


def run(rounds: int = 5) -> Result:
    late = {f"replay_batches, {label}": lateness(speed) for label, speed in SPEEDS.items()}
    with streamlit_server(ROOT / "app.py") as server, chromium() as browser:
        browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
        address = f"{server.url}/timeline"
        measures = {f"{size:,}": partial(opening, browser, address, size) for size in SIZES}
        results = by_turns(measures | {"replay": partial(replay, browser, address)}, rounds)
    middle = {name: medians(runs) for name, runs in results.items()}
    replayed = middle.pop("replay")
    report(middle, {"browser, 1×": replayed} | late)
    return Result(claims(middle, replayed, late), {"browser": results, "replay_batches": late})
