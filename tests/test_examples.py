"""The examples, as people run them: processes of their own, their answers and how they end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from examples.program import SENTENCES
from streamlab.demo_model.process import DemoModel
from tests.conftest import PATIENCE, demo_model
from tests.programs import ASTREAM, LIMIT, STREAM, both, command, elsewhere, environment, model_of, run

asks_politely = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a child without asking it")


@contextmanager
def running(folder: Path, program: str, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program whose output is read while it runs; at the end of the block it is gone."""
    with subprocess.Popen(
        command(program, arguments), cwd=folder, env=environment(**variables), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, bufsize=0,
    ) as child:  # fmt: skip
        try:
            yield child
        finally:
            with suppress(OSError):
                child.kill()


def log_of(demo: DemoModel, model: str) -> list[dict[str, Any]]:
    """What the tests' demo model was asked under this name."""
    every = httpx2.get(f"{demo.base_url}/../requests").json()
    return [record for record in every if record["model"] == model]


def asked(demo: DemoModel, model: str) -> list[dict[str, Any]]:
    """The same, once all of it has ended."""
    give_up = time.monotonic() + PATIENCE
    while not (mine := log_of(demo, model)) or any(record["ended"] == "running" for record in mine):
        assert time.monotonic() < give_up, mine
        time.sleep(0.02)
    return mine


def written(demo: DemoModel, model: str, count: int) -> None:
    """Returns when three chunks of so many answers were sent, and have been read as far as one can tell."""
    give_up = time.monotonic() + LIMIT
    while sum(len(record["written"]) == 3 for record in log_of(demo, model)) < count:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    time.sleep(1.5)  # nothing tells when the client has read them


def read_until(child: subprocess.Popen[bytes], text: str) -> str:
    """Standard output up to this text, as it comes. Its end would be an error."""
    assert child.stdout
    seen = b""
    while text not in seen.decode(errors="ignore"):
        data = child.stdout.read(65_536)
        assert data, seen
        seen += data
    return seen.decode()


# Answers


@both
def test_an_answer_needs_no_key(tmp_path: Path, program: str) -> None:
    """From any folder. The demo model is started by the program, and a line beside the answer says that it is scripted.

    The text is UTF-8 whatever the locale says.
    """
    arguments = ("ストリーミング", "--model", "demo?rate=900")
    ended = run(tmp_path, program, *arguments, OPENAI_API_KEY="", PYTHONIOENCODING="ascii")
    assert ended.returncode == 0
    assert "## ストリーミングとは" in ended.stdout
    assert ended.stdout.endswith("\n")
    notice, figures = ended.stderr.splitlines()
    assert "scripted" in notice
    assert re.fullmatch(r"\d+ chunks, the first after \d+\.\d\d s, the last after \d+\.\d\d s\.", figures)


@both
def test_json_is_a_line_for_an_answer(tmp_path: Path, demo: DemoModel, program: str) -> None:
    """Its text is that of all chunks; chunks and times are those of the stream, and nothing else is printed."""
    text = "流れる 文字 ☂️ and\nletters " * 5
    model = model_of(text=text, size=7, first=0.2, rate=100)
    ended = run(tmp_path, program, "何か", "--json", "--model", model, PYTHONIOENCODING="ascii", **elsewhere(demo))
    assert (ended.returncode, ended.stderr, ended.stdout.count("\n")) == (0, "", 1)
    answer = json.loads(ended.stdout)
    (record,) = asked(demo, model)
    assert answer == {
        "topic": "何か", "model": model, "text": text, "chunks": len(record["written"]), "ttft": answer["ttft"],
        "total": answer["total"],
    }  # fmt: skip
    assert 0 < answer["ttft"] < answer["total"]
    assert (record["prompt"]["user"], record["stream"]) == ("何か", True)


def test_two_topics_are_answered_at_once(tmp_path: Path, demo: DemoModel) -> None:
    """Their chunks arrive by turns. Where no terminal is, each answer is given whole, under its topic."""
    model = model_of(rate=300)
    ended = run(tmp_path, ASTREAM, "streaming", "ストリーミング", "--model", model, **elsewhere(demo))
    assert ended.returncode == 0
    first, second = asked(demo, model)
    assert first["written"][0] < second["written"][-1]
    assert second["written"][0] < first["written"][-1]
    assert re.search(
        r"\A== streaming ==\n.+What streaming.+\n\n== ストリーミング ==\n.+とは\n", ended.stdout, re.DOTALL
    )
    assert [line.split(":")[0] for line in ended.stderr.splitlines()] == ["streaming", "ストリーミング"]


@pytest.mark.soak
def test_one_of_two_may_fail(tmp_path: Path, demo: DemoModel) -> None:
    """The other one is answered nevertheless; the exit status tells of the failure."""
    model = model_of(chunks=30, fault="cut", after=4, times=1)
    ended = run(tmp_path, ASTREAM, "a", "b", "--json", "--model", model, **elsewhere(demo))
    assert ended.returncode == 1
    answers = sorted(map(json.loads, ended.stdout.splitlines()), key=lambda answer: int(answer["chunks"]))
    assert [(answer["chunks"], answer.get("error")) for answer in answers] == [(4, "connection_lost"), (30, None)]
    assert ended.stderr.startswith(f"{answers[0]['topic']}: {SENTENCES['connection_lost']}")


@asks_politely
@pytest.mark.soak
def test_on_a_terminal_two_answers_stand_side_by_side(tmp_path: Path, demo: DemoModel) -> None:
    """While they arrive; then both are there whole, also where they are longer than the screen."""
    import pty

    model = model_of(rate=300)
    ours, theirs = pty.openpty()
    arguments = command(ASTREAM, ["streaming", "ストリーミング", "--model", model])
    terminal = environment(TERM="xterm", COLUMNS="80", LINES="12", **elsewhere(demo))
    with subprocess.Popen(arguments, cwd=tmp_path, env=terminal, stdout=theirs, stderr=subprocess.PIPE) as child:
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # Linux's way to say that the other end is closed
            while data := os.read(ours, 65_536):
                seen += data
        os.close(ours)
        assert child.wait(LIMIT) == 0
    drawn, given = seen.decode().split("== streaming ==")
    assert re.search("╭─+ streaming ─+╮╭─+ ストリーミング ─+╮", drawn)
    assert "What streaming" in given
    assert "ストリーミングとは" in given
    assert "╭" not in given


@pytest.mark.soak
def test_env_files_are_read(tmp_path: Path, demo: DemoModel) -> None:
    """The one of the folder or of one above. What they say is meant as in the app; the first model is the default."""
    model = model_of(chunks=3)
    (tmp_path / ".env").write_text(f"OPENAI_BASE_URL={demo.base_url}\nLAB_MODELS={model},other\n")
    (tmp_path / "below").mkdir()
    ended = run(tmp_path / "below", STREAM, "streaming", OPENAI_BASE_URL="", OPENAI_API_KEY="")
    assert (ended.returncode, len(ended.stderr.splitlines())) == (0, 1)
    assert len(asked(demo, model)) == 1


# Ends


@asks_politely
@pytest.mark.parametrize(
    ("program", "options"),
    [
        (ASTREAM, ()),
        pytest.param(STREAM, (), marks=pytest.mark.soak),
        pytest.param(STREAM, ("--json",), marks=pytest.mark.soak),
    ],
)
def test_ctrl_c_stops_the_model(tmp_path: Path, demo: DemoModel, program: str, options: tuple[str, ...]) -> None:
    """130, one sentence and no traceback; what had come was printed as it came, or is in the line of JSON."""
    model = model_of(fault="stall", after=3, text="one two three four")
    with running(tmp_path, program, "topic", "--model", model, *options, **elsewhere(demo)) as child:
        assert child.stdout
        assert child.stderr
        seen = "" if options else read_until(child, "three")
        written(demo, model, 1)
        child.send_signal(signal.SIGINT)
        seen += child.stdout.read().decode()
        errors = child.stderr.read().decode()
        assert child.wait(LIMIT) == 130
    if options:
        answer = json.loads(seen)
        assert (answer["text"], answer["error"], answer["total"]) == ("one two three", "interrupted", None)
    else:
        assert seen == "one two three\n"
    assert errors == f"{SENTENCES['interrupted']} What came until then is kept.\n"
    assert [record["ended"] for record in asked(demo, model)] == ["disconnected"]


@asks_politely
@both
@pytest.mark.soak
def test_ctrl_c_in_the_flow_stops_the_model(tmp_path: Path, demo: DemoModel, program: str) -> None:
    """Wherever the program is in that moment; what is left of the answer is not read."""
    model = model_of(chunks=100_000, rate=200)
    with running(tmp_path, program, "topic", "--model", model, **elsewhere(demo)) as child:
        assert child.stdout
        assert child.stderr
        for _ in range(20):
            assert child.stdout.read(1)
        child.send_signal(signal.SIGINT)
        child.stdout.read()
        assert child.stderr.read().decode() == f"{SENTENCES['interrupted']} What came until then is kept.\n"
        assert child.wait(LIMIT) == 130
    (record,) = asked(demo, model)
    assert record["ended"] == "disconnected"
    assert len(record["written"]) < 90_000


@asks_politely
@pytest.mark.soak
def test_ctrl_c_stops_both_answers(tmp_path: Path, demo: DemoModel) -> None:
    """Each is told to stop, and what came of each is given."""
    model = model_of(fault="stall", after=3, text="one two three four")
    with running(tmp_path, ASTREAM, "a", "b", "--model", model, **elsewhere(demo)) as child:
        assert child.stdout
        assert child.stderr
        written(demo, model, 2)
        child.send_signal(signal.SIGINT)
        assert child.stdout.read().decode() == "== a ==\n\none two three\n\n== b ==\n\none two three\n\n"
        assert b"Traceback" not in child.stderr.read()
        assert child.wait(LIMIT) == 130
    assert [record["ended"] for record in asked(demo, model)] == ["disconnected"] * 2


@asks_politely
@both
def test_ctrl_c_while_loading_leaves_no_traceback(tmp_path: Path, program: str) -> None:
    """The libraries take seconds to load, and people are impatient."""
    (tmp_path / "langchain_core.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
    )
    ended = run(tmp_path, program, "topic", PYTHONPATH=str(tmp_path))
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@both
def test_who_stops_reading_stops_the_model(tmp_path: Path, demo: DemoModel, program: str) -> None:
    """Like `| head -1`: no complaint of a broken pipe."""
    model = model_of(chunks=100_000, rate=200)
    with running(tmp_path, program, "topic", "--model", model, **elsewhere(demo)) as child:
        assert child.stdout
        assert child.stderr
        assert child.stdout.read(1)
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(LIMIT) == 1
    assert [record["ended"] for record in asked(demo, model)] == ["disconnected"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is full")
def test_a_full_disk_is_one_sentence(tmp_path: Path, demo: DemoModel) -> None:
    """As every end is."""
    arguments = command(STREAM, ["topic", "--model", model_of(chunks=3), "--json"])
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            arguments, cwd=tmp_path, env=environment(**elsewhere(demo)), stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=LIMIT, check=False,
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (1, "The answer could not be written: No space left on device.\n")


@pytest.mark.parametrize("program", [ASTREAM, pytest.param(STREAM, marks=pytest.mark.soak)])  # they start it alike
def test_a_company_s_proxy_is_not_in_the_way(tmp_path: Path, program: str) -> None:
    """The demo model is on this machine, which no proxy reaches."""
    dead = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    assert run(tmp_path, program, "streaming", "--model", demo_model(), **dead).returncode == 0
