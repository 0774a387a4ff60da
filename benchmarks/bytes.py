"""What an answer costs on its way to the browser, written by ``st.write_stream`` alone and by the transcript.

Counted from the click that starts the answer until it is complete: every WebSocket frame the browser receives, and
the server's CPU time. ``lag`` is the longest that a character which had arrived was not yet on the page.
"""

from collections.abc import Sequence

from playwright.sync_api import Browser

from benchmarks import scheduled_text
from benchmarks.harness import APPS, Claim, Result, Server, chromium, medians, print_table, streamlit_server

APP = APPS / "answer.py"
SIZES = (1_000, 4_000)

# How many characters are on the page, spaces aside, and since when.
_WATCH = """() => {
    const main = document.querySelector('[data-testid="stMain"]');
    const characters = () => main.textContent.replaceAll(/\\s/g, '').length;
    const before = characters();
    window.seen = [];
    new MutationObserver(() => window.seen.push([Date.now() / 1000, characters() - before]))
        .observe(main, {subtree: true, childList: true, characterData: true});
}"""


def measure(browser: Browser, server: Server, writer: str, chunks: int) -> dict[str, float]:
    """Measure one answer: bytes, bytes per byte of text, frames, seconds of CPU and of lag."""
    page = browser.new_page()
    frames: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda payload: frames.append(len(payload))))
    page.goto(f"{server.url}/?writer={writer}&chunks={chunks}")
    start = page.get_by_role("button", name="Start")
    start.wait_for()
    page.wait_for_timeout(500)
    page.evaluate(_WATCH)
    frames.clear()
    cpu = server.cpu_seconds()
    start.click()
    end = page.get_by_text("Complete, begun at").inner_text(timeout=300_000)
    spent = server.cpu_seconds() - cpu
    lag = longest_lag(page.evaluate("window.seen"), chunks, began=float(end.split()[-1]))
    page.close()
    text = len(scheduled_text.answer(chunks).encode())
    return {"bytes": sum(frames), "per_byte": sum(frames) / text, "frames": len(frames), "cpu": spent, "lag": lag}


def longest_lag(seen: Sequence[tuple[float, int]], chunks: int, began: float) -> float:
    """Return the longest time from a character's arrival to the change of the page that showed it, in seconds."""
    places = [place for place, character in enumerate(scheduled_text.answer(chunks)) if not character.isspace()]
    lags = []
    shown = 0
    for at, characters in seen:
        if shown < characters and shown < len(places):
            lags.append(at - began - places[shown] // scheduled_text.CHUNK_CHARACTERS * scheduled_text.CHUNK_SECONDS)
        shown = max(shown, characters)
    return max(lags)


def claims(results: dict[str, dict[str, float]]) -> list[Claim]:
    """Compare the long answer with its own text, with a quarter of it, and with plain `st.write_stream`."""
    short, long = (f", {chunks:,}" for chunks in SIZES)
    ours, plain, less = results["transcript" + long], results["plain" + long], results["transcript" + short]
    return [
        Claim(f"bytes{long} chunks, beside its text", ours["bytes"], ours["bytes"] / ours["per_byte"], 8, "B"),
        Claim(f"bytes{long}, beside{short[1:]} chunks", ours["bytes"], less["bytes"], 4.5, "B"),
        Claim(f"bytes{long} chunks, plain beside ours", plain["bytes"], ours["bytes"], 8, "B", at_least=True),
        Claim(f"server CPU{long} chunks, plain beside ours", plain["cpu"], ours["cpu"], 4, "s", at_least=True),
    ]


def run(rounds: int = 3) -> Result:
    """Measure; what `st.write_stream` costs is measured once, for it takes long."""
    with streamlit_server(APP) as server, chromium() as browser:
        measure(browser, server, "transcript", 200)  # the first answer pays for imports
        results = {
            f"{writer}, {chunks:,}": medians([measure(browser, server, writer, chunks) for _ in range(count)])
            for writer, count in (("transcript", rounds), ("plain", 1))
            for chunks in SIZES
        }
    formats = {"bytes": ",.0f", "per_byte": ",.1f", "frames": ",.0f", "cpu": ".2f", "lag": ".3f"}
    rows = [(name, *(format(run[key], spec) for key, spec in formats.items())) for name, run in results.items()]
    print_table(("writer, chunks", "bytes", "per byte of text", "frames", "CPU s", "lag s"), rows)
    return Result(claims(results), results)
