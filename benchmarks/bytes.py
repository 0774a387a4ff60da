"""What an answer costs on its way to the browser, written by ``st.write_stream`` alone and by the transcript.

Counted from the click that starts the answer until it is complete: every WebSocket frame the browser receives, and
the server's CPU time. ``lag`` is the longest that a character which had arrived was not yet on the page.
"""

import argparse
from collections.abc import Sequence

from playwright.sync_api import Browser

from benchmarks import scheduled_text
from benchmarks.harness import (
    ROOT,
    Claim,
    Server,
    chromium,
    medians,
    print_claims,
    print_table,
    streamlit_server,
    write_json,
)

APP = ROOT / "benchmarks" / "apps" / "answer.py"
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
    ours = results["transcript" + long]
    found = [
        Claim(f"bytes{long} chunks, beside its text", ours["bytes"], ours["bytes"] / ours["per_byte"], 8, "B"),
        Claim(
            f"bytes{long}, beside{short[1:]} chunks", ours["bytes"], results["transcript" + short]["bytes"], 4.5, "B"
        ),
    ]
    if plain := results.get("plain" + long):
        found.append(
            Claim(f"bytes{long} chunks, plain beside ours", plain["bytes"], ours["bytes"], 8, "B", at_least=True)
        )
        found.append(
            Claim(f"server CPU{long} chunks, plain beside ours", plain["cpu"], ours["cpu"], 4, "s", at_least=True)
        )
    return found


def report(results: dict[str, dict[str, float]]) -> None:
    formats = {"bytes": ",.0f", "per_byte": ",.1f", "frames": ",.0f", "cpu": ".2f", "lag": ".3f"}
    head = ("writer, chunks", "bytes", "per byte of text", "frames", "CPU s", "lag s")
    print_table(
        head, [(name, *(format(run[key], spec) for key, spec in formats.items())) for name, run in results.items()]
    )
    print()


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="of the transcript; the medians are kept")
    parser.add_argument("--plain-runs", type=int, default=1, help="of st.write_stream alone, 0 to leave it out")
    options = parser.parse_args(argv)
    results = {}
    with streamlit_server(APP) as server, chromium() as browser:
        measure(browser, server, "transcript", 200)  # the first answer pays for imports
        for writer, runs in (("transcript", options.runs), ("plain", options.plain_runs)):
            for chunks in SIZES if runs else ():
                results[f"{writer}, {chunks:,}"] = medians(
                    [measure(browser, server, writer, chunks) for _ in range(runs)]
                )
    report(results)
    found = claims(results)
    print_claims(found)
    print("Written to", write_json("bytes", results))
    return found


if __name__ == "__main__":
    main()
