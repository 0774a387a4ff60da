"""The JavaScript client, its React example and the plain page: checked, built, and tried against a real gateway."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from benchmarks.harness import chromium
from clients.conformance.server import TOKEN, load_cases
from tests.browser import needs_chromium
from tests.test_gateway_command import free_port, running

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "clients/javascript"
REACT = ROOT / "examples/react"
FOREIGN = ROOT / "tests/foreign_clients"
OLDEST = (20, 19)  # what package.json asks for
PATIENCE = 60_000  # milliseconds
QUESTION = "What is 17 * 23, and which products sold best?"

KINDS = {
    "auth": "AuthError",
    "invalid_request": "InvalidRequest",
    "not_found": "NotFound",
    "rate_limited": "RateLimited",
    "unavailable": "Unavailable",
    "protocol": "ProtocolError",
    "connection_lost": "ConnectionLost",
}
Json = dict[str, Any]
Run = subprocess.CompletedProcess[str]


def _node() -> tuple[int, ...]:
    """Its version; () where there is none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return ()
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in version.strip().lstrip("v").split("."))


needs_node = pytest.mark.skipif(_node() < OLDEST, reason="needs Node 20.19 or later, and npm")
pytestmark = needs_node


def run(*command: str, cwd: Path) -> Run:
    program = shutil.which(command[0])  # on Windows npm is npm.cmd
    assert program
    variables = os.environ | {"PYTHON": sys.executable, "CI": "1", "npm_config_yes": "true"}  # what one answers npm
    done = subprocess.run(
        [program, *command[1:]], cwd=cwd, env=variables, capture_output=True, text=True, encoding="utf-8", timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def install(folder: Path) -> None:
    """What the lock file names, unless it is there."""
    installed, lock = folder / "node_modules/.package-lock.json", folder / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run("npm", "ci", cwd=folder)


@pytest.fixture(scope="module")
def client() -> Path:
    """The client, built."""
    install(CLIENT)
    run("npm", "run", "build", cwd=CLIENT)
    return CLIENT


@pytest.fixture(scope="module")
def example(client: Path) -> Path:
    """The React page's folder, where the client is installed as it is now."""
    install(REACT)
    copy = REACT / "node_modules/streaming-lab-client/dist"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(client / "dist", copy)
    return REACT


@pytest.fixture(scope="module")
def page_folder(example: Path) -> Path:
    """The React page, built."""
    run("npm", "run", "build", cwd=example)
    return example / "dist"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of a real gateway with the demo model."""
    port, folder = free_port(), tmp_path_factory.mktemp("gateway")
    with running("streamlab.gateway", "--port", str(port), port=port, cwd=folder, LAB_GRPC_PORT="0"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page(locale="en-US")
        page.set_default_timeout(PATIENCE)
        yield page


@pytest.mark.parametrize("folder", [CLIENT, REACT], ids=["client", "example"])
def test_the_types_hold(folder: Path, example: Path) -> None:
    """`tsc --noEmit`, strict, finds nothing."""
    run("npm", "run", "check", cwd=folder)


def test_the_client_passes_its_tests(client: Path) -> None:
    """Every conformance case, the state machine at every byte, the hook, leaving the loop, the sizes."""
    run("npm", "test", cwd=client)


def test_the_page_has_the_client_as_it_is(client: Path) -> None:
    """What stands there is what its sources make; `make client` renews it."""
    built, taken = client / "dist/browser.js", ROOT / "components/relay/client/streaming_lab_client.js"
    assert taken.read_text("utf-8") == built.read_text("utf-8")


@pytest.mark.parametrize("folder", [CLIENT, REACT, FOREIGN], ids=["client", "example", "foreign"])
def test_the_lock_file_names_no_registry(folder: Path) -> None:
    """Packages come from whatever registry the reader uses."""
    assert '"resolved": "http' not in (folder / "package-lock.json").read_text("utf-8")


class QuietFiles(SimpleHTTPRequestHandler):
    """The files of a folder."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def files(folder: Path) -> Iterator[str]:
    """The address of a server of the folder's files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def scripted() -> Iterator[str]:
    """The address of the conformance cases' server."""
    command = [sys.executable, "-m", "clients.conformance"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def named(event: Json, like: Json) -> Json:
    """Of the event the fields that the case names."""
    fields = event | {"length": len(event.get("content", ""))}
    return {name: fields.get(name) for name in like}


def differences(case: Json, outcome: Json) -> list[str]:
    """What is otherwise than the case says."""
    wanted, seen, found = case["deliver"], outcome["events"], list(outcome["report"]["problems"])
    parts = [named(event, like) for event, like in zip(seen, wanted["events"], strict=False)]
    if parts != wanted["events"] or len(seen) != len(wanted["events"]):
        found.append(f"the events are {json.dumps(seen)[:400]}")
    text = {"length": len(outcome["text"])} if isinstance(wanted["text"], dict) else outcome["text"]
    if text != wanted["text"]:
        found.append(f"the text is {json.dumps(text)[:400]}")
    error, expected = outcome["error"], wanted["error"]
    if (error is None) != (expected is None):
        found.append(f"the error is {error}")
    elif error and expected:
        if error["kind"] != KINDS[expected["kind"]] or error["code"] != expected.get("code", error["code"]):
            found.append(f"the error is {error['kind']} {error['code']}")
        if any(token in error["written"] for token in case["client"].get("tokens", [TOKEN])):
            found.append("the error holds a token")
    return found


@needs_chromium
@pytest.mark.soak
def test_the_client_keeps_every_rule_in_a_browser(client: Path, page: Page) -> None:
    """From another origin than the server's. None is left out: a page sees enough of each."""
    cases = load_cases()
    with files(client) as site, scripted() as server:
        page.goto(f"{site}/test/conformance.html")
        page.wait_for_function("() => window.goThroughAll")
        outcomes = page.evaluate("([server, names]) => goThroughAll(server, names)", [server, list(cases)])
    assert outcomes.keys() == cases.keys()
    assert {name: found for name, case in cases.items() if (found := differences(case, outcomes[name]))} == {}


def code_of(readme: Path, language: str) -> str:
    """The first block of that language."""
    block = re.search(rf"^```{language}\n(.*?)^```", readme.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert block
    return block[1]


def test_the_example_of_the_readme_prints_an_answer(client: Path, gateway: str) -> None:
    """It is run as it stands, but for the address; its package is found by its own name."""
    program = code_of(CLIENT / "README.md", "js")
    assert len(program.splitlines()) <= 10
    assert "http://localhost:8501" in program
    source = program.replace("http://localhost:8501", gateway)
    printed = run("node", "--input-type=module", "--eval", source, cwd=client).stdout
    assert len(printed) > 100
    assert printed.endswith("\ncompleted\n")


def serve(page: Page, pattern: str, folder: Path, start: str) -> None:
    """The files of the folder below `start`, at the gateway's own origin, so that all else is the gateway's."""

    def answer(route: Route) -> None:
        name = route.request.url.split("?")[0].rpartition(start)[2] or "index.html"
        route.fulfill(path=folder / name)

    page.route(pattern, answer)


def open_react(page: Page, folder: Path, gateway: str) -> None:
    serve(page, "**/react/**", folder, "/react/")
    page.goto(f"{gateway}/react/")


def status(page: Page, expected: str) -> None:
    expect(page.locator(".status")).to_have_attribute("data-status", expected, timeout=PATIENCE)


@needs_chromium
def test_the_react_page_survives_a_cut_network_and_a_reload(page: Page, page_folder: Path, gateway: str) -> None:
    """The answer is whole in the end, with its tools, and it was asked once."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url.removeprefix(gateway)}"))
    open_react(page, page_folder, gateway)
    page.get_by_label("Ask something").fill(QUESTION)
    page.keyboard.press("Enter")
    status(page, "streaming")
    page.get_by_role("button", name="Cut the network").click()
    status(page, "reconnecting")
    page.get_by_role("button", name="Mend the network").click()
    status(page, "streaming")
    page.reload()
    status(page, "done")
    answer = page.get_by_role("article", name="Answer")
    expect(answer.locator(".tool[data-status=completed]")).to_have_count(2)
    expect(answer).to_contain_text("391")
    expect(page.get_by_role("article", name="You")).to_have_text(QUESTION)
    assert asked.count("POST /api/chat") == 1
    assert any("/events?after=" in each for each in asked)


@needs_chromium
@pytest.mark.soak
def test_the_react_page_stops_by_the_keyboard(page: Page, page_folder: Path, gateway: str) -> None:
    """Escape stops the run at the model, and the next question goes on in the conversation."""
    open_react(page, page_folder, gateway)
    page.get_by_label("Ask something").fill("What is streaming?")
    page.keyboard.press("Enter")
    status(page, "streaming")
    page.keyboard.press("Escape")
    status(page, "stopped")
    expect(page.get_by_role("article", name="Answer")).to_contain_text("Stopped")


@pytest.mark.soak
@needs_chromium
def test_the_way_from_nothing_to_a_page_is_as_the_readme_says(page: Page, gateway: str, tmp_path: Path) -> None:
    """Its commands and its files, in a copy where nothing is installed; only the gateway's address differs."""
    away = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(CLIENT, tmp_path / "clients/javascript", ignore=away)
    readme = CLIENT / "README.md"
    run("sh", "-ec", code_of(readme, "sh"), cwd=tmp_path)
    folder = tmp_path / "my-chat"
    (folder / "src/App.tsx").write_text(code_of(readme, "tsx"), "utf-8")
    config = code_of(readme, "ts")
    assert "http://localhost:8501" in config
    (folder / "vite.config.ts").write_text(config.replace("http://localhost:8501", gateway), "utf-8")
    run("npm", "run", "build", cwd=folder)
    serve(page, "**/mine/**", folder / "dist", "/mine/")
    page.route("**/assets/**", lambda route: route.fulfill(path=folder / "dist" / route.request.url.split("/", 3)[3]))
    page.goto(f"{gateway}/mine/")
    page.locator("input[name=question]").fill("What is streaming?")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("form")).to_contain_text("done", timeout=PATIENCE)
    assert len(page.locator("p").nth(1).inner_text()) > 100
