"""Time to the first visible text in a real browser, beside a minimal page that does the same with `st.write_stream`.

From the Enter key until the answer's first word is in the document, by the browser's own clock. Both pages ask the
same demo model in the same way; each question is asked in a page newly opened, ours and the peer's in turn.
"""

import argparse
import statistics
from collections.abc import Sequence

from playwright.sync_api import Browser

from benchmarks.harness import ROOT, Claim, Server, chromium, print_claims, streamlit_server, write_json
from streamlab.demo_model.process import DemoModel

APPS = ROOT / "benchmarks" / "apps"
MODEL = "demo-model?first=0.2&jitter=0&rate=50&chunks=20"
TARGET = 1.1

# The synthetic answer begins with "word1"; the question does not have it.
_WATCH = """() => {
    window.firstText = null
    let asked = null
    document.addEventListener("keydown", event => { if (event.key === "Enter") asked = performance.now() }, true)
    new MutationObserver(() => {
        if (asked === null || window.firstText !== null) return
        const answers = [...document.querySelectorAll("[data-testid=stChatMessage]")].slice(1)
        if (answers.some(answer => answer.textContent.includes("word1"))) window.firstText = performance.now() - asked
    }).observe(document.body, {subtree: true, childList: true, characterData: true})
}"""


def measure(browser: Browser, server: Server) -> float:
    """Milliseconds to the first text of one answer."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(server.url)
        box = page.get_by_test_id("stChatInputTextArea")
        box.wait_for()
        page.wait_for_timeout(1_000)  # until the page has settled
        page.evaluate(_WATCH)
        box.fill("How soon?")
        box.press("Enter")
        page.wait_for_function("window.firstText !== null", timeout=60_000)
        return float(page.evaluate("window.firstText"))


def main(argv: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=15)
    questions = parser.parse_args(argv).questions
    results: dict[str, list[float]] = {"ours": [], "plain": []}
    with DemoModel() as demo, chromium() as browser:
        environment = {"OPENAI_BASE_URL": demo.base_url, "OPENAI_API_KEY": "demo", "LAB_MODELS": MODEL}
        with (
            streamlit_server(ROOT / "app.py", environment=environment) as ours,
            streamlit_server(APPS / "plain.py", environment=environment, folder=APPS) as plain,
        ):
            measure(browser, ours), measure(browser, plain)  # the first answers pay for imports
            for _ in range(questions):
                results["ours"].append(measure(browser, ours))
                results["plain"].append(measure(browser, plain))
    medians = {name: statistics.median(times) for name, times in results.items()}
    claims = [Claim("time to the first visible text", medians["ours"], medians["plain"], TARGET, "ms")]
    print_claims(claims)
    print("Written to", write_json("first_text", results))
    return claims


if __name__ == "__main__":
    main()
