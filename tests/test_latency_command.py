"""The command `python -m streamlab.latency`, as a process of its own against the demo model."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from streamlab.demo_model.process import DemoModel
from streamlab.latency.command import main
from streamlab.latency.measurement import read_measurement
from streamlab.latency.summary import as_json
from streamlab.settings import Settings
from tests.conftest import demo_model, raw_endpoint

ROOT = Path(__file__).parents[1]
LIMIT = 120.0  # seconds; loading the libraries alone may take many on a busy machine
KEY = "sk-secret-0123456789"


def environment(**variables: str) -> dict[str, str]:
    """Without the settings of whoever runs the tests. Warnings are errors here, too."""
    ours = {name.upper() for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    return inherited | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"} | variables


def command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "streamlab.latency", *arguments]


def run(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        command(arguments), cwd=folder, env=environment(**variables or {}), capture_output=True, text=True,
        encoding="utf-8", timeout=LIMIT, check=False,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    assert KEY not in ended.stdout + ended.stderr
    return ended


def fast(**options: object) -> str:
    return demo_model(**{"chunks": 12, "rate": 500} | options)


def test_the_document_is_what_was_promised(tmp_path: Path) -> None:
    """The demo model is started by the command itself. Each call is an observation with its times."""
    ended = run(tmp_path, "--model", fast(), "--pairs", "2", "--json", "out.json", "--csv", "out.csv")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "TTFT" in ended.stderr
    data = (tmp_path / "out.json").read_bytes()
    document = json.loads(data)
    assert document["version"] == 1
    assert document["complete"] is True
    assert len(document["observations"]) == 9
    for seen in document["observations"]:
        assert {"pair", "way", "model", "warm_up", "ttft", "e2e", "chunk_times"} <= seen.keys()
        assert seen["warm_up"] == (seen["pair"] == 0)
        assert seen["ttft"] == seen["chunk_times"][0]
        assert len(seen["chunk_times"]) == (1 if seen["way"] == "invoke" else 12)
    assert document["summary"] == as_json(read_measurement(data).summary)
    assert len((tmp_path / "out.csv").read_text("utf-8").splitlines()) == 10


def test_standard_output_is_for_a_pipeline(tmp_path: Path, demo: DemoModel) -> None:
    """`--json -` gives the document and nothing else, and --quiet says nothing at all."""
    arguments = ("--model", fast(), "--pairs", "1", "--ways", "stream,invoke", "--demo-url", demo.base_url)
    ended = run(tmp_path, *arguments, "--quiet", "--json", "-")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(read_measurement(ended.stdout.encode()).observations) == 4


def test_lines_come_as_soon_as_they_are_made(tmp_path: Path, demo: DemoModel) -> None:
    """One line of JSON for each call, which together are a measurement, while others are still to be made."""
    child = subprocess.Popen(
        command(["--model", fast(), "--pairs", "1", "--lines", "--demo-url", demo.base_url]),
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with child:
        assert child.stdout
        lines = [child.stdout.readline()]
        assert child.poll() is None
        lines += child.stdout.readlines()
        assert child.wait(LIMIT) == 0
    assert len(read_measurement(b"".join(lines)).observations) == 6


def test_who_stops_reading_ends_it(tmp_path: Path, demo: DemoModel) -> None:
    """Like `| head -1`: no complaint of a broken pipe, and what was measured is in the file."""
    model = fast(chunks=40, rate=100)
    arguments = ["--model", model, "--pairs", "50", "--warm-ups", "0", "--lines", "--quiet", "--json", "o.json"]
    child = subprocess.Popen(
        command([*arguments, "--demo-url", demo.base_url]),
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with child:
        assert child.stdout
        assert child.stderr
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(LIMIT) == 1
    read = read_measurement((tmp_path / "o.json").read_bytes())
    assert read.complete is False
    assert 0 < len(read.observations) < 150


@pytest.mark.parametrize(
    ("options", "code", "count"),
    [
        ({"fault": "key"}, "auth", 3),
        ({"fault": "cut", "after": 3, "times": 1}, "connection_lost", 6),
        pytest.param({"fault": "cut", "after": 3}, "connection_lost", 3, marks=pytest.mark.soak),
    ],
)
def test_a_failed_call_is_an_exit_status(
    tmp_path: Path, demo: DemoModel, options: dict[str, Any], code: str, count: int
) -> None:
    """1, with the code in the observations and on standard error; it ends early when nothing works at all."""
    arguments = ("--model", fast(**options), "--pairs", "1", "--demo-url", demo.base_url, "--json", "out.json")
    ended = run(tmp_path, *arguments)
    assert ended.returncode == 1
    assert f"{code} " in ended.stderr
    read = read_measurement((tmp_path / "out.json").read_bytes())
    assert len(read.observations) == count
    assert read.complete is (count == 6)
    assert {seen.error for seen in read.observations} <= {None, code}


def test_a_rate_limit_is_waited_out(tmp_path: Path, demo: DemoModel) -> None:
    """The command succeeds, and no observation tells of the tries that were refused."""
    model = fast(fault="rate_limit", times=1, retry_after=0.2)
    ended = run(tmp_path, "--model", model, "--pairs", "1", "--warm-ups", "0", "--json", "-", "--demo-url",
        demo.base_url)  # fmt: skip
    assert ended.returncode == 0
    assert [seen.error for seen in read_measurement(ended.stdout.encode()).observations] == [None] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a child without asking it")
@pytest.mark.parametrize(
    ("way", "number"),
    [
        ("stream", signal.SIGINT),
        pytest.param("astream", signal.SIGTERM, marks=pytest.mark.soak),
        pytest.param("stream", signal.SIGTERM, marks=pytest.mark.soak),
        pytest.param("astream", signal.SIGINT, marks=pytest.mark.soak),
        pytest.param("invoke", signal.SIGINT, marks=pytest.mark.soak),
        pytest.param("invoke", signal.SIGTERM, marks=pytest.mark.soak),
    ],
)
def test_an_interruption_keeps_what_was_measured(
    tmp_path: Path, demo: DemoModel, number: signal.Signals, way: str
) -> None:
    """130, no traceback, and the document says that it is not complete, in whichever way a call is waiting."""
    child = subprocess.Popen(
        command(["--model", fast(first=1.5), "--ways", way, "--pairs", "50", "--lines", "--json", "out.json",
            "--demo-url", demo.base_url]),
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with child:
        assert child.stdout
        assert child.stderr
        child.stdout.readline()
        child.stdout.readline()
        child.send_signal(number)
        errors = child.stderr.read()
        assert child.wait(LIMIT) == 130
    assert "Traceback" not in errors
    read = read_measurement((tmp_path / "out.json").read_bytes())
    assert read.complete is False
    assert 2 <= len(read.observations) < 51


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pairs", "0"], "pairs"),
        (["--pairs", "many"], "--pairs"),
        (["--ways", "stream,teleport"], "ways"),
        (["--model", "a", "--model", "a"], "once"),
        (["--prompt", " "], "prompt"),
        (["--timeout", "nan"], "timeout"),
        (["--json", "no/such/folder/out.json"], "cannot be written"),
        (["--csv", "."], "cannot be written"),
        (["--json", "-", "--lines"], "standard output"),
        (["--json", "a", "--csv", "a"], "a file each"),
        (["--demo-url", "localhost"], "--demo-url"),
        (["--ways", "stream,gateway"], "--gateway"),
        (["--gateway", "localhost:8501"], "--gateway"),
        (["--gateway", "http://localhost:9/api", "--ways", "stream"], "ways"),
        (["--gateway", "http://localhost:9/api", "--max-tokens", "50"], "max-tokens"),
        (["--colour"], "--colour"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_a_wrong_argument_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """2, told before anything is measured; no file is left."""
    monkeypatch.chdir(tmp_path)
    try:
        status: object = main(Event(), arguments)
    except SystemExit as refused:
        status = refused.code
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert said in printed.err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "arguments"), [("OPENAI_API_KEY", ()), ("GATEWAY_TOKEN", ("--gateway", "http://localhost:9/api"))]
)
def test_a_wrong_setting_is_told_without_its_value(tmp_path: Path, name: str, arguments: tuple[str, ...]) -> None:
    """As everywhere in the app."""
    ended = run(tmp_path, *arguments, variables={name: f"“{KEY}”"})
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{name} must be")


def test_a_file_that_was_there_is_not_harmed_by_a_refusal(tmp_path: Path) -> None:
    """It is overwritten only by a measurement."""
    (tmp_path / "out.json").write_text("precious")
    assert run(tmp_path, "--json", "out.json", "--csv", "no/such/out.csv").returncode == 2
    assert (tmp_path / "out.json").read_text() == "precious"


def test_no_key_is_ever_told(tmp_path: Path) -> None:
    """Also when the provider repeats it in its answer."""
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}})
    answer = f"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{body}"
    with raw_endpoint(answer.encode()) as endpoint:
        ended = run(tmp_path, "--model", "other", "--pairs", "1", "--json", "-",
            variables={"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": endpoint.base_url})  # fmt: skip
        assert KEY in endpoint.headers[0]
    assert ended.returncode == 1
    assert {seen.error for seen in read_measurement(ended.stdout.encode()).observations} == {"auth"}
