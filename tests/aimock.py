"""A server of others that speaks the protocols of OpenAI, Anthropic and Google: `@copilotkit/aimock`, from npm.

`fixtures.json` beside it says what it answers to which question.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from streamlab.settings import NamedEndpoint, Settings
from tests.conftest import PATIENCE
from tests.javascript import ROOT, install

FOLDER = ROOT / "tests/frontends/aimock"
SIGNATURE = "c2lnbmVkLWJ5LXRoZS1zZXJ2ZXI="  # of its thoughts


class Aimock:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url

    def asked(self) -> dict[str, Any]:
        """Return the last request: its `path`, `headers` and `body`, which is in OpenAI's form."""
        entry: dict[str, Any] = httpx2.get(f"{self.url}/__aimock/journal", trust_env=False).json()[-1]
        return entry

    @contextmanager
    def disturbed(self, fault: str) -> Iterator[None]:
        """Let it answer every request with a fault: `drop`, `malformed`, `rateLimit` or `disconnect`."""
        httpx2.post(f"{self.url}/__aimock/chaos", json={f"{fault}Rate": 1}, trust_env=False).raise_for_status()
        try:
            yield
        finally:
            httpx2.delete(f"{self.url}/__aimock/chaos", trust_env=False).raise_for_status()


def settings_of(url: str) -> Settings:
    """Make the settings under which every provider is at this address."""
    return Settings.model_validate(
        {
            **dict.fromkeys(("openai_api_key", "anthropic_api_key", "google_api_key", "azure_openai_api_key"), "k" * 9),
            **dict.fromkeys(("anthropic_base_url", "azure_openai_endpoint"), url),
            "google_gemini_base_url": f"{url}/v1beta",
            "openai_base_url": f"{url}/v1",
            "lab_endpoints": (NamedEndpoint(name="named", address=f"{url}/v1"),),
        }
    )


@contextmanager
def aimock() -> Iterator[Aimock]:
    """Start it, and wait until it answers."""
    install(FOLDER)
    node = shutil.which("node")
    assert node
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = FOLDER / "node_modules/@copilotkit/aimock/dist/cli.js"
    command = [node, str(program), "-p", str(port), "-f", str(FOLDER / "fixtures.json"), "--log-level", "silent"]
    with subprocess.Popen(command) as process:
        try:
            yield Aimock(_answering(f"http://127.0.0.1:{port}"))
        finally:
            process.terminate()


def _answering(url: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            httpx2.get(f"{url}/v1/models", trust_env=False)
        except httpx2.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return url
