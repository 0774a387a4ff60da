"""The command and the app as real processes: what they serve, what they refuse, and how they leave."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from benchmarks.harness import free_port
from streamlab.gateway.command import main
from tests.conftest import demo_model
from tests.events import end
from tests.gateway import Sent, is_refusal, log_events, parse_stream, seqs

ROOT = Path(__file__).parents[1]
START = 60.0  # seconds, on a machine that has other things to do
LEAVE = 30.0

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")


@contextmanager
def running(*command: str, port: int, cwd: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The process once it is ready, and the file that it logs to."""
    log = cwd / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        deadline = time.monotonic() + START
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}/api") as client:
            while not _ready(client):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield process, log
    finally:
        process.terminate()
        try:
            process.wait(LEAVE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


@needs_signals
def test_the_command_serves_and_leaves_in_peace(tmp_path: Path) -> None:
    """SIGTERM with clients: not ready first, then every stream ends with its run's end, then the process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    body = {"message": "What is streaming?", "model": demo_model(chunks=100_000, rate=50)}
    with (
        running("streamlab.gateway", "--port", str(port), port=port, cwd=tmp_path) as (process, log),
        httpx2.Client(base_url=url, timeout=LEAVE) as client,
        ThreadPoolExecutor(22) as pool,
    ):
        assert client.get(url).json()["docs"] == "/api/docs"
        elsewhere = httpx2.get(f"http://127.0.0.1:{port}/")
        assert is_refusal(elsewhere, 404, "not_found")
        assert "/api" in elsewhere.json()["error"]["hint"]
        run_id = client.post("/runs", json=body).json()["id"]
        token = client.post(f"/runs/{run_id}/token").json()["token"]
        streams = [pool.submit(_read_to_end, client, f"/runs/{run_id}/events") for _ in range(20)]
        with connect(f"ws://127.0.0.1:{port}/api/runs/{run_id}/ws?token={token}") as late:
            while '"seq":9' not in str(late.recv(LEAVE)):
                pass
            until_followed = time.monotonic() + START
            while 'streamlab_followers{protocol="sse"} 20.0' not in client.get("/metrics").text:
                assert time.monotonic() < until_followed
            process.send_signal(signal.SIGTERM)
            not_ready = client.get("/readyz")
            while not_ready.status_code == 200:
                not_ready = client.get("/readyz")
            assert is_refusal(not_ready, 503, "draining")
            messages: list[str] = []
            with suppress(ConnectionClosed):
                while True:
                    messages.append(str(late.recv(LEAVE)))
            assert '"status":"stopped","code":"shutdown"' in messages[-1].replace(" ", "")
            assert late.close_code == 1000
        for stream in streams:
            sent = stream.result(LEAVE)
            events = log_events(sent)
            assert seqs(events) == list(range(1, events[-1].seq + 1))
            assert (end(events).status, end(events).code) == ("stopped", "shutdown")
        assert process.wait(LEAVE) in (0, -signal.SIGTERM)
        logged = log.read_text()
        assert "Traceback" not in logged
        assert token not in logged
        assert logged.count("reason=ended") == 21


def _read_to_end(client: httpx2.Client, path: str) -> list[Sent]:
    return parse_stream(client.get(path, timeout=LEAVE * 2).content)


@needs_signals
def test_the_app_serves_pages_and_api_from_one_engine(tmp_path: Path) -> None:
    """`streamlit run app.py`: the gateway under /api, and pages beside it; SIGTERM ends it with a client connected."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    options = ["--server.headless=true", f"--server.port={port}", "--browser.gatherUsageStats=false"]
    with (
        running("streamlit", "run", str(ROOT / "app.py"), *options, port=port, cwd=tmp_path) as (process, log),
        httpx2.Client(base_url=url, timeout=LEAVE) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        answer = client.post("/chat", json={"message": "hi", "model": demo_model()})
        assert end(log_events(parse_stream(answer.content))).status == "completed"
        assert answer.headers["location"] == f"/api/runs/{answer.headers['x-run-id']}"
        assert client.get(url).json()["docs"] == "/api/docs"
        assert client.get("/docs").status_code == 200
        assert "<title>" in httpx2.get(f"http://127.0.0.1:{port}/chat").text
        assert is_refusal(client.get("/runs/x", headers={"host": "evil.example"}), 403, "foreign_host")
        body = {"message": "hi", "model": demo_model(chunks=100_000, rate=50)}
        run_id = client.post("/runs", json=body).json()["id"]
        stream = pool.submit(_read_to_end, client, f"/runs/{run_id}/events")
        deadline = time.monotonic() + START
        while 'streamlab_followers{protocol="sse"} 1.0' not in client.get("/metrics").text:
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGTERM)
        assert end(log_events(stream.result(LEAVE))).code == "shutdown"
        assert process.wait(LEAVE) in (0, -signal.SIGTERM)
        assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (["--workers", "2"], {}, "--workers needs REDIS_URL"),
        (["--workers", "2"], {"REDIS_URL": "redis://127.0.0.1:9"}, "--workers needs GATEWAY_SECRET"),
        (["--workers", "0"], {}, "a whole number from 1 to 64"),
        (["--port", "x"], {}, "a whole number from 0 to 65535"),
        ([], {"GATEWAY_TOKENS": "ada:secret-1,ada:secret-2"}, "GATEWAY_TOKENS must be"),
        ([], {"GATEWAY_TOKENS": "ada:"}, "GATEWAY_TOKENS must be"),
        ([], {"GATEWAY_SECRET": "short-secret"}, "GATEWAY_SECRET must be"),
        ([], {"GATEWAY_ORIGINS": "example.com"}, "GATEWAY_ORIGINS must be"),
    ],
)
def test_what_cannot_be_served_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    variables: dict[str, str],
    sentence: str,
) -> None:
    """Exit status 2 and a sentence, without what was set."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    try:
        status: object = main(arguments)
    except SystemExit as refused:
        status = refused.code
    printed = capsys.readouterr().err
    assert status == 2
    assert sentence in printed
    assert "secret-" not in printed


def test_what_cannot_be_served_is_no_traceback(tmp_path: Path) -> None:
    """The process ends with that status."""
    done = subprocess.run(
        [sys.executable, "-m", "streamlab.gateway"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "GATEWAY_SECRET": "short-secret"},
        capture_output=True,
        text=True,
        timeout=START,
        check=False,
    )
    assert done.returncode == 2
    assert "GATEWAY_SECRET must be" in done.stderr
    assert "Traceback" not in done.stderr
