"""What it costs to open a recording on the timeline, by the number of its events, and how well a replay keeps its pace.

*Opening*, in the real app and a real browser: from the upload of a run in which the model calls tools six times and
then writes, in deltas of three characters. The runs differ in the number of deltas alone, and so in the length of
the answer. Counted is every WebSocket frame that the browser receives, the answer's text included; `besides` is what
is left without its bytes, once. *Shown*: seconds from the file input's change, so the upload counts, until the script
has ended and the answer's last word, the chart and the last tab are in the document. *Still*: until the last change
of the document, the hidden tab's diagram included. Its drawing takes long whatever the run, so *shown* is the harder.

*Replay*: words at irregular times, 25 a second at 1×. The error of a word is how far the time since the first word
was in the document is from the recorded one, divided by the speed. *Late* is how long after its time `paced` hands an
event over, to a consumer that needs no time and to one that needs 30 ms a batch; no browser takes part in that.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from random import Random

from playwright.sync_api import Browser, FilePayload, Page

from benchmarks.harness import ROOT, Claim, chromium, medians, print_claims, print_table, streamlit_server, write_json
from components.replay import SPEEDS, paced
from components.texts import texts
from streamlab.demo_model.chunks import cut, synthetic
from streamlab.events import EventType, StreamEvent, Usage
from streamlab.recording import read_recording, write_recording

SIZES = (500, 5_000, 10_000)
DELTA = 3  # characters
RATE = 25  # words a second
WORDS = 200
PARAGRAPH = 80  # words, about 400 characters
STEPS, CALLS = 2, 3  # steps with calls, and calls in each
OTHERS = 2 * STEPS * CALLS + 2  # events that are no text: calls, results, final_answer, done
CONSUMERS = {"no time": 0.0, "30 ms": 0.03}
TARGET = 2.0
LIMIT = 20.0  # milliseconds
PATIENCE = 60_000  # milliseconds
TEXTS = texts("en")
UPLOADER = "input[type=file]"

Measured = list[dict[str, float]]  # one for each round

_IDLE = """document.querySelector('[data-testid="stApp"]').dataset.testScriptState === 'notRunning'"""

_WATCH_OPENING = f"""lastWord => {{
    const main = document.querySelector('[data-testid="stMain"]');
    const drawn = () => {_IDLE} && main.querySelector('[data-testid="stVegaLiteChart"] svg')
        && [...main.querySelectorAll('[role="tab"]')].some(tab => tab.textContent === '{TEXTS["timeline.tab_totals"]}')
        && main.textContent.includes(lastWord);
    document.addEventListener('change', event => {{
        if (event.target.type === 'file') window.began = performance.now();
    }}, true);
    new MutationObserver(() => {{
        window.changed = performance.now();
        window.shown ||= drawn() ? performance.now() : 0;
    }}).observe(document.body, {{subtree: true, childList: true, characterData: true, attributes: true}});
}}"""

_STILL = """() => window.shown && document.querySelector('[data-testid="stMermaidChart"] [src]')
    && performance.now() - window.changed > 1000"""

# The answer stands in the first column. Before the replay it is there whole, and its words count from when it is not.
_WATCH_REPLAY = """last => {
    window.words = [];
    new MutationObserver(() => {
        const text = document.querySelector('[data-testid="stMain"] [data-testid="stColumn"]')?.textContent ?? '';
        const numbers = [...text.matchAll(/w([0-9]+)/g)].map(found => Number(found[1]));
        const count = Math.max(0, ...numbers);
        window.begun ||= count < last;
        while (window.begun && window.words.length < count) window.words.push(performance.now() / 1000);
    }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


def recording(pieces: Sequence[str], times: Sequence[float]) -> bytes:
    """A run that calls tools for its first second; then it writes the pieces, each at its time."""
    events: list[StreamEvent] = []

    def add(type_: EventType, at: float, step: int, **fields: object) -> None:
        events.append(StreamEvent(type_, len(events) + 1, at, step, **fields))  # type: ignore[arg-type]

    for step in range(1, STEPS + 1):
        at = step / (STEPS + 1)
        sums = {f"call-{step}-{number}": {"expression": f"{step} + {number}"} for number in range(CALLS)}
        for call_id, asked in sums.items():
            add("tool_call", at, step, tool="calculate", call_id=call_id, input=asked)
        for call_id, asked in sums.items():
            result = {**asked, "value": step}
            add("tool_result", at + 0.2, step, tool="calculate", call_id=call_id, result=result, status="completed")
    for piece, seconds in zip(pieces, times, strict=True):
        add("text_delta", 1 + seconds, STEPS + 1, content=piece)
    add("final_answer", 1 + times[-1], STEPS + 1, content="".join(pieces))
    add("done", 1 + times[-1], STEPS + 1, status="completed", usage=Usage(100, len(pieces)))
    return write_recording(events)


def long_run(events: int) -> tuple[bytes, str]:
    """A recording of so many events, and its answer."""
    text = synthetic((events - OTHERS) * DELTA, 400)
    pieces = cut(text, DELTA)
    return recording(pieces, [number / 50 for number in range(len(pieces))]), text


def paced_run() -> bytes:
    """Numbered words at times that are the same whenever they are asked for."""
    random = Random(1)
    pieces = [f"w{number}" + (" " if number % PARAGRAPH else "\n\n") for number in range(1, WORDS + 1)]
    return recording(pieces, list(accumulate(random.expovariate(RATE) for _ in pieces)))


@contextmanager
def blank_page(browser: Browser, address: str, watch: str, argument: object) -> Iterator[tuple[Page, list[int]]]:
    """The timeline with its uploader open and watched, and the sizes of the frames that come from now on."""
    frames: list[int] = []
    page = browser.contexts[0].new_page()
    page.set_default_timeout(PATIENCE)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda payload: frames.append(len(payload))))
    page.goto(address)
    page.get_by_role("button", name=TEXTS["timeline.upload"]).click()
    page.locator(UPLOADER).wait_for(state="attached")
    page.wait_for_timeout(1_500)  # whatever loads late
    page.evaluate(watch, argument)
    frames.clear()
    yield page, frames
    page.close()


def upload(page: Page, data: bytes) -> None:
    file: FilePayload = {"name": "run.jsonl", "mimeType": "application/jsonl", "buffer": data}
    page.locator(UPLOADER).set_input_files(file)


def opening(browser: Browser, address: str, events: int) -> dict[str, float]:
    """Bytes, those besides the answer, and seconds until the run is shown and until nothing changes any more."""
    data, text = long_run(events)
    with blank_page(browser, address, _WATCH_OPENING, text.split()[-1]) as (page, frames):
        upload(page, data)
        page.wait_for_function(_STILL)
        shown, still = page.evaluate("[window.shown - window.began, window.changed - window.began]")
        received = sum(frames)
    besides = received - len(text.encode())
    return {"bytes": received, "besides": besides, "shown": shown / 1000, "still": still / 1000}


def replays(browser: Browser, address: str) -> dict[str, dict[str, float]]:
    """The words' errors in milliseconds at each speed, one replay after the other."""
    data = paced_run()
    times = [event.at for event in read_recording(data) if event.type == "text_delta"]
    found = {}
    with blank_page(browser, address, _WATCH_REPLAY, WORDS) as (page, _):
        upload(page, data)
        page.get_by_role("tab", name=TEXTS["timeline.tab_totals"]).wait_for()
        for label, speed in SPEEDS.items():
            page.wait_for_timeout(3_000)  # the run is drawn whole
            page.evaluate("() => { window.words = []; window.begun = false; }")
            page.get_by_role("button", name=label).click()
            page.wait_for_function(f"window.words.length === {WORDS} && {_IDLE}")
            shown = page.evaluate("window.words")
            found[label] = spread(
                [abs((word - shown[0]) - (at - times[0]) / speed) * 1000 for word, at in zip(shown, times, strict=True)]
            )
    return found


def lateness(speed: float, work: float) -> dict[str, float]:
    """How many milliseconds after its time `paced` hands over each event, when a batch takes `work` seconds."""
    late: list[float] = []
    began = time.monotonic()
    for batch in paced(read_recording(paced_run()), speed, began):
        elapsed = time.monotonic() - began
        late += [(elapsed - item.at / speed) * 1000 for item in batch if isinstance(item, StreamEvent)]
        if work and batch:
            time.sleep(work)
    return spread(late)


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "p95": statistics.quantiles(values, n=20)[-1]}


def measure(rounds: int) -> tuple[dict[int, Measured], dict[str, Measured]]:
    """Openings by size and replays by speed, interleaved; the first round, which pays for imports, does not count."""
    opened: dict[int, Measured] = {size: [] for size in SIZES}
    replayed: dict[str, Measured] = {label: [] for label in SPEEDS}
    with streamlit_server(ROOT / "app.py") as server, chromium() as browser:
        browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
        for number in range(rounds + 1):
            costs = {size: opening(browser, f"{server.url}/timeline", size) for size in SIZES}
            errors = replays(browser, f"{server.url}/timeline")
            if number:
                for size in SIZES:
                    opened[size].append(costs[size])
                for label in SPEEDS:
                    replayed[label].append(errors[label])
    return opened, replayed


def claims(
    opened: dict[int, dict[str, float]], replayed: dict[str, dict[str, float]], late: dict[str, dict[str, float]]
) -> list[Claim]:
    """A long run beside a short one, and the pace beside what nobody notices."""
    short, long = (opened[size] for size in SIZES[:2])
    found = [
        Claim(f"{name}, {SIZES[1]:,} events, beside {SIZES[0]:,}", long[key], short[key], TARGET, unit)
        for key, name, unit in (("bytes", "bytes", "B"), ("shown", "shown", "s"), ("still", "still", "s"))
    ]
    worst = max(late[f"{label}, {next(iter(CONSUMERS))}"]["median"] for label in SPEEDS)
    return [
        *found,
        Claim("paced hands events over late, median, any speed", worst, LIMIT, 1.0, "ms"),
        Claim("error of a word in the browser, median, 1×", replayed["1×"]["median"], LIMIT, 1.0, "ms"),
    ]


def report(
    opened: dict[int, dict[str, float]], replayed: dict[str, dict[str, float]], late: dict[str, dict[str, float]]
) -> None:
    rows = [
        (f"{size:,}", f"{run['bytes']:,.0f}", f"{run['besides']:,.0f}", f"{run['shown']:.2f}", f"{run['still']:.2f}")
        for size, run in opened.items()
    ]
    print_table(("opening, events", "bytes", "besides", "shown s", "still s"), rows)
    print()
    paces = {f"browser, {label}": run for label, run in replayed.items()} | {
        f"paced, {n}": run for n, run in late.items()
    }
    print_table(
        ("pace", "median ms", "p95 ms"), [(n, f"{r['median']:.1f}", f"{r['p95']:.1f}") for n, r in paces.items()]
    )
    print()


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(argv).rounds
    late = {
        f"{label}, {name}": lateness(speed, work) for name, work in CONSUMERS.items() for label, speed in SPEEDS.items()
    }
    opened, replayed = measure(rounds)
    costs = {size: medians(runs) for size, runs in opened.items()}
    errors = {label: medians(runs) for label, runs in replayed.items()}
    report(costs, errors, late)
    found = claims(costs, errors, late)
    print_claims(found)
    print("Written to", write_json("timeline", {"opening": opened, "replay": replayed, "paced": late}))
    return found


if __name__ == "__main__":
    main()
