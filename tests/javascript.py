"""The JavaScript packages of the repository: where they are, how they are installed, and what their cases must give."""

import fcntl
import json
import os
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

from clients.conformance.server import TOKEN

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "clients/javascript"
REACT = ROOT / "examples/react"
FOREIGN = ROOT / "tests/foreign_clients"
OLDEST = (20, 19)  # what package.json asks for

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
    """What the lock file names, unless it is there. Of several processes one installs it, and the others wait."""
    installed, lock = folder / "node_modules/.package-lock.json", folder / "package-lock.json"
    with (folder / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            run("npm", "ci", cwd=folder)


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
