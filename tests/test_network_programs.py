"""The app and the clients of its gateway, behind a proxy that is dead."""

import pytest
from playwright.sync_api import expect
from streamlab_client import Client

from benchmarks.harness import free_port
from components.page.texts import texts
from tests.browser import button, site
from tests.proxies import VARIABLES
from tests.python_client import PROTOCOLS

DEAD = dict.fromkeys((*VARIABLES, "http_proxy", "grpc_proxy"), "http://127.0.0.1:9")


@pytest.mark.soak
def test_the_app_answers_behind_a_dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a browser, over HTTP, WebSocket and gRPC; the provider's failure stands at the top, with the variable."""
    port = free_port()
    with site(OPENAI_API_KEY="sk-test", LAB_GRPC_PORT=str(port), **DEAD) as found:
        page = found.browser.new_page()
        page.goto(f"{found.url}/chat")
        expect(page.get_by_test_id("stAlert").first).to_contain_text("cannot be reached")
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        page.get_by_text(texts("en")["providers.why"], exact=True).first.click()
        expect(page.get_by_text("HTTPS_PROXY").first).to_be_visible()
        page.get_by_test_id("stChatInputTextArea").fill("What is streaming?")
        page.keyboard.press("Enter")
        expect(button(page, "Regenerate")).to_be_visible(timeout=30_000)
        for name, value in DEAD.items():
            monkeypatch.setenv(name, value)
        for protocol in PROTOCOLS:
            url = f"localhost:{port}" if protocol == "grpc" else f"{found.url}/api"
            with Client(url, protocol=protocol) as client:
                assert "".join(client.text("hi", model="demo?first=0&rate=1000"))
