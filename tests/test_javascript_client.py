"""The JavaScript client, its React example and the plain page: checked, built, and tried against a real gateway."""

import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from playwright.sync_api import Page, Route, expect
from pydantic import SecretStr

from benchmarks.harness import chromium, free_port
from clients.conformance.server import load_cases
from tests.browser import needs_chromium
from tests.conftest import until
from tests.gateway import FAR_AHEAD, FAST, Served, delta, ending, served
from tests.javascript import CLIENT, FOREIGN, REACT, ROOT, Json, differences, files, install, needs_node, run, scripted
from tests.python_client import SECRET
from tests.test_gateway_command import running

PATIENCE = 60_000  # milliseconds
QUESTION = "What is 17 * 23, and which products sold best?"

pytestmark = needs_node


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


@pytest.mark.parametrize(
    "folder", [pytest.param(CLIENT, id="client"), pytest.param(REACT, id="example", marks=pytest.mark.soak)]
)
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


OFFLINE = """(url) => new Promise((resolve, reject) => {
  const told = { states: [], types: [] };
  const onConnection = (state) => { told.states.push(state); if (state === "waiting") window.waiting = true; };
  const hour = 3_600_000;
  const stream = StreamingLab.chat(url, { message: "Hi", firstWait: hour, longestWait: hour, onConnection });
  window.answered = (async () => {
    for await (const event of stream) told.types.push(event.type);
    return told;
  })();
  resolve();
})"""


@needs_chromium
def test_the_client_comes_back_as_soon_as_the_browser_is_online(client: Path, page: Page, gateway: str) -> None:
    """Its waits would be an hour otherwise."""
    browser = page.context.browser
    assert browser
    page = browser.new_context(bypass_csp=True).new_page()  # the example's own policy lets no other script in
    page.goto(f"{gateway}/api/examples/browser")
    page.add_script_tag(path=client / "dist/browser.js")
    page.context.set_offline(True)
    page.evaluate(OFFLINE, f"{gateway}/api")
    page.wait_for_function("() => window.waiting")
    page.context.set_offline(False)
    told = page.evaluate("() => window.answered")
    assert told["states"] == ["connecting", "waiting", "connecting", "open"]
    assert told["types"][-1] == "done"
    page.context.close()


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


@pytest.mark.soak
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


# Reads the run with one follow token, or with as many as the gateway gives; prints what came of it.
FOLLOWING = """
import { WebSocket } from "ws";
import { follow } from "streaming-lab-client";
const { url, run, protocol, followToken, access } = JSON.parse(process.argv[1]);
const issue = async () => {
  const headers = { Authorization: `Bearer ${access}` };
  const answer = await fetch(`${url}/runs/${run}/token`, { method: "POST", headers });
  told.tokens += 1;
  return (await answer.json()).token;
};
const told = { seqs: [], tokens: 0 };
const token = "of-nothing"; // which is not used
try {
  const options = { token, followToken: followToken ?? issue, protocol, WebSocket, firstWait: 10, longestWait: 50 };
  for await (const { seq } of follow(url, run, options)) told.seqs.push(seq);
} catch (error) {
  const { name, code, message, hint } = error;
  Object.assign(told, { name, code, message, hint, written: error.stack + JSON.stringify(error) });
}
console.log(JSON.stringify(told));
"""


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    """A gateway that has a token."""
    async with served(FAST, gateway_tokens=(SecretStr(SECRET),)) as lab:
        yield lab


async def read(lab: Served, run_id: str, protocol: str, token: str | None = None) -> Json:
    asked = {"url": lab.url, "run": run_id, "protocol": protocol, "followToken": token, "access": SECRET}
    command = [str(shutil.which("node")), "--input-type=module", "--eval", FOLLOWING, json.dumps(asked)]
    with anyio.fail_after(PATIENCE / 1_000):
        done = await anyio.run_process(command, cwd=CLIENT, stderr=None)
    told: Json = json.loads(done.stdout)
    return told


@pytest.mark.anyio
@pytest.mark.parametrize("protocol", ["sse", "websocket"])
async def test_a_follow_token_reads_its_run_and_no_other(client: Path, lab: Served, protocol: str) -> None:
    """In the place of the access token."""
    log, other = (lab.log(delta("a"), *ending("a")) for _ in range(2))
    token = lab.gateway.access.issue(log.run_id)
    assert (await read(lab, log.run_id, protocol, token))["seqs"] == [1, 2, 3]
    refused = await read(lab, other.run_id, protocol, token)
    assert (refused["name"], refused["code"], refused["seqs"]) == ("StreamingLabError", "other_run", [])
    assert token not in refused["written"]


@pytest.mark.anyio
@pytest.mark.parametrize("protocol", ["sse", "websocket"])
async def test_the_end_of_its_time_is_told_or_it_is_renewed(client: Path, lab: Served, protocol: str) -> None:
    """In the midst of a stream: an error that says so, or with a function another one, and the run goes on."""
    log = lab.log(delta("a", FAR_AHEAD))
    told: dict[str, Json] = {}

    async def follow(name: str, token: str | None) -> None:
        told[name] = await read(lab, log.run_id, protocol, token)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow, "one", lab.gateway.access.issue(log.run_id))
        tasks.start_soon(follow, "many", None)
        await until(lambda: log.followers == 2)
        lab.gateway.access.revoke(log.run_id)
        await until(lambda: "one" in told and log.followers == 1)
        for event in (delta("b", FAR_AHEAD), *ending("ab")):
            log.append(event)
    one, many = told["one"], told["many"]
    assert (one["seqs"], one["code"]) == ([1], "revoked_follow_token")
    assert one["message"] == "The follow token was revoked."
    assert one["hint"]
    assert (many["seqs"], many["tokens"], many.get("code")) == ([1, 2, 3, 4], 2, None)


CALLING = """
import { chat, follow, start, stop } from "streaming-lab-client";
const options = { token: "swordfish", attempts: 1 };
const drain = async (stream) => { for await (const _ of stream); };
const calls = [
  (url) => drain(chat(url, { message: "x", ...options })),
  (url) => start(url, { message: "x", ...options }),
  (url) => drain(follow(url, "x", options)),
  (url) => stop(url, "x", options),
];
const told = [];
for (const url of process.argv.slice(1)) {
  for (const call of calls) {
    const error = await call(url).then(() => ({}), (error) => error);
    told.push([url, error.message, error.hint, error.stack + JSON.stringify(error)]);
  }
}
console.log(JSON.stringify(told));
"""


def test_an_address_where_no_gateway_is_is_told(client: Path, shared_app: str) -> None:
    """By each call, with the one that is meant: that of the pages, and that of another web server."""
    with files(client) as other:
        urls = [shared_app, f"{shared_app}/", other]
        told = json.loads(run("node", "--input-type=module", "--eval", CALLING, *urls, cwd=client).stdout)
    assert len(told) == 4 * len(urls)
    for url, message, hint, written in told:
        assert re.match(rf"What answers at {url.rstrip('/')}/\S+ is not a gateway: status \d+, text/", message)
        assert hint == f"Is it {url.rstrip('/')}/api?"
        assert "swordfish" not in written
