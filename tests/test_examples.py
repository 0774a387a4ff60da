"""The examples, as people run them: processes of their own, and a notebook with its kernel, over the demo model."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import nbformat
import pytest
from nbclient import NotebookClient

from examples import console_stream
from examples.program import SENTENCES, read_arguments
from streamlab.demo_model.process import DemoModel
from streamlab.models.failures import CODES
from streamlab.settings import Settings
from tests.conftest import PATIENCE, demo_model, http, raw_endpoint, sse

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
STREAM, ASTREAM = "console_stream.py", "console_astream.py"
LIMIT = 180.0  # seconds; loading the libraries alone may take many on a busy machine
KEY = "sk-secret-0123456789"

both = pytest.mark.parametrize("program", [STREAM, ASTREAM])
asks_politely = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a child without asking it")


def environment(**variables: str) -> dict[str, str]:
    """Without the settings of whoever runs the tests."""
    ours = {name.upper() for name in Settings.model_fields}
    ours.add("PYTHONDONTWRITEBYTECODE")  # else each of the many processes would compile all libraries anew
    inherited = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    return inherited | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])} | variables


def command(program: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, str(EXAMPLES / program), *arguments]


def run(folder: Path, program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        command(program, arguments), cwd=folder, env=environment(**variables), capture_output=True, text=True,
        encoding="utf-8", timeout=LIMIT, check=False,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    assert KEY not in ended.stdout + ended.stderr
    return ended


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


def elsewhere(demo: DemoModel) -> dict[str, str]:
    """The tests' demo model as a compatible server, so that its log can be read."""
    return {"OPENAI_BASE_URL": demo.base_url, "OPENAI_API_KEY": KEY}


def model_of(**options: object) -> str:
    """A model of that server: the programs do not take it for their own demo model."""
    return demo_model(**options).replace("demo?", "demo-elsewhere?")


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
    ("program", "options"), [(STREAM, ()), (ASTREAM, ()), pytest.param(STREAM, ("--json",), marks=pytest.mark.soak)]
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


# What goes wrong. Where only the sentence is in question, the functions are called here, which saves minutes.

FAILURES: list[tuple[dict[str, Any], str, str]] = [
    ({"fault": "cut", "after": 3}, "connection_lost", "one two three"),
    ({"fault": "garbage", "after": 3}, "connection_lost", "one two three"),
    ({"fault": "filter", "after": 3}, "content_filtered", "one two three"),
    ({"fault": "key"}, "auth", ""),
    ({"fault": "context"}, "context_too_long", ""),
    ({"fault": "empty"}, "empty", ""),
    ({"text": " "}, "empty", " "),
    ({"size": 0}, "bad_request", ""),
]


def failing(options: dict[str, Any]) -> str:
    return model_of(**{"text": "one two three four"} | options)


@pytest.mark.parametrize(("options", "code", "text"), FAILURES, ids=str)
def test_a_failure_is_explained_and_what_came_is_kept(
    demo: DemoModel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: dict[str, Any],
    code: str, text: str,
) -> None:  # fmt: skip
    """1, a line of JSON with the text and the code, and the sentence for people."""
    for name, value in elsewhere(demo).items():
        monkeypatch.setenv(name, value)
    status = console_stream.main(["topic", "--json", "--model", failing(options)])
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert (status, answer["error"], answer["text"]) == (1, code, text)
    assert printed.err.startswith(SENTENCES[code])
    assert printed.err.count("\n") == 1


ONE_AFTER_THE_OTHER = """
import asyncio, sys
from examples.console_astream import main

async def all_of(models):
    for model in models:
        assert await main(["topic", "--json", "--model", model]) == 1

asyncio.run(all_of(sys.argv[1:]))
"""


def test_both_ways_fail_alike(demo: DemoModel) -> None:
    """`.astream()` keeps and explains as `.stream()` does; its main function is awaited in a loop that runs already."""
    models = [failing(options) for options, *_ in FAILURES]
    ended = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, *models], cwd=ROOT, env=environment(**elsewhere(demo)),
        capture_output=True, text=True, encoding="utf-8", timeout=LIMIT, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(answer["error"], answer["text"]) for answer in answers] == [(code, text) for _, code, text in FAILURES]
    for line, (_, code, _) in zip(ended.stderr.splitlines(), FAILURES, strict=True):
        assert line.startswith(SENTENCES[code])


USAGE = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}
ONLY_USAGE = json.dumps({"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": USAGE})


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (b"", "empty"),
        (b"data: [DONE]\n\n", "empty"),
        (f"data: {ONLY_USAGE}\n\ndata: [DONE]\n\n".encode(), "empty"),
        (sse("half", finish="length"), "length"),
        (b"data: [1]\n\n", "internal"),
    ],
    ids=["no bytes", "no chunks", "only usage", "cut at its length", "no chunk"],
)
def test_a_stream_that_is_no_answer_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stream: bytes, code: str
) -> None:
    """Also where the server says that all is well."""
    with raw_endpoint(http(stream)) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        status = console_stream.main(["topic", "--model", "m", "--json"])
    printed = capsys.readouterr()
    assert (status, json.loads(printed.out)["error"]) == (1, code)
    assert printed.err.startswith(SENTENCES[code])


def test_a_broken_answer_is_printed_as_far_as_it_came(tmp_path: Path, demo: DemoModel) -> None:
    """And the sentence beside it says that it is not whole."""
    model = model_of(text="one two three four", fault="cut", after=3)
    ended = run(tmp_path, STREAM, "topic", "--model", model, **elsewhere(demo))
    assert (ended.returncode, ended.stdout) == (1, "one two three\n")
    assert ended.stderr == f"{SENTENCES['connection_lost']} What came until then is kept.\n"


def test_no_server_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing listens there."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert console_stream.main(["topic", "--model", "m"]) == 1
    assert capsys.readouterr() == ("", f"{SENTENCES['provider_unavailable']}\n")


def test_no_key_is_ever_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Also when the provider repeats it in its answer."""
    body = json.dumps({"error": {"message": f"{KEY} may not do this", "code": "forbidden"}})
    with raw_endpoint(http(body.encode(), "400 Bad Request", "application/json")) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert console_stream.main(["topic", "--model", "m"]) == 1
        assert KEY in endpoint.headers[0]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "may not do this" in printed.err
    assert KEY not in printed.err


def test_every_code_has_its_sentence() -> None:
    """Only what a plain chain cannot meet is left out."""
    assert set(CODES) - {"producer_lost", "step_limit"} <= set(SENTENCES)


@pytest.mark.parametrize(
    ("most", "arguments", "variables", "said"),
    [
        (1, [], {}, "TOPIC"),
        (1, [""], {}, "a topic is empty"),
        (2, ["streaming", " \n"], {}, "a topic is empty"),
        (1, ["a", "b"], {}, "there are 2 topics, at most 1 can be answered"),
        (1, ["長" * 40_000], {}, "40,000 characters; at most 32,000"),
        (2, ["a", "\udcff"], {}, "not text"),
        (2, ["a", "--colour"], {}, "--colour"),
        (1, ["a", "--model", "gpt-4o-mini"], {}, "gpt-4o-mini needs OPENAI_API_KEY or OPENAI_BASE_URL"),
        (1, ["a"], {"OPENAI_BASE_URL": "http://localhost:1/v1"}, "name a model of that server with --model"),
        (2, ["a"], {"OPENAI_API_KEY": f"“{KEY}”"}, "OPENAI_API_KEY must be"),
        (1, ["a"], {"OPENAI_BASE_URL": "localhost"}, "OPENAI_BASE_URL must be"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_wrong_arguments_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], most: int, arguments: list[str],
    variables: dict[str, str], said: str,
) -> None:  # fmt: skip
    """2, and nobody is asked anything."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        read_arguments("", arguments, most)
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert said in printed.err.splitlines()[-1]
    assert KEY not in printed.err


@both
def test_the_programs_refuse_more_topics_than_they_answer(tmp_path: Path, program: str) -> None:
    """And wrong arguments are an exit status, too."""
    ended = run(tmp_path, program, "a", "b", "c")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "there are 3 topics" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("variables", "model"),
    [
        ({}, "demo"),
        ({"LAB_MODELS": "gpt-4o"}, "demo"),
        ({"OPENAI_API_KEY": ""}, "demo"),
        ({"OPENAI_API_KEY": KEY}, "gpt-4o-mini"),
        ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": ""}, "gpt-4o-mini"),
        ({"OPENAI_BASE_URL": "http://localhost:1/v1", "LAB_MODELS": "llama3, other"}, "llama3"),
    ],
    ids=str,
)
def test_the_model_fits_what_is_set(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], model: str) -> None:
    """Without a key and a server it is the demo model, never a request to anywhere else."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert read_arguments("", ["topic"]).model == model


# The notebook and the README


def notebook() -> nbformat.NotebookNode:
    text = (EXAMPLES / "notebook.ipynb").read_text("utf-8")
    book: nbformat.NotebookNode = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]  # as it is
    return book


def test_the_notebook_is_kept_clean() -> None:
    """Valid, without outputs of anyone's run; a Japanese line stands under each heading."""
    book = notebook()
    nbformat.validate(book)
    assert (book.nbformat, book.nbformat_minor) == (4, 5)
    assert len({cell.id for cell in book.cells}) == len(book.cells)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
        else:
            heading, beneath, *_ = cell.source.splitlines()
            assert heading.startswith("#")
            assert re.search("[ぁ-んァ-ヶ]", beneath)


@pytest.mark.soak
def test_the_notebook_runs() -> None:
    """From top to bottom in a kernel, whose loop runs already, without a key. Its errors are those that it shows."""
    book = notebook()
    NotebookClient(book, timeout=LIMIT, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    printed, result = {}, {}
    for cell in book.cells:
        outputs = cell.get("outputs", [])
        printed[cell.id] = "".join(each.text for each in outputs if each.get("name") == "stdout")
        result[cell.id] = "".join(each.data["text/plain"] for each in outputs if each.output_type == "execute_result")
    assert "## What streaming" in printed["stream"]
    assert result["join"].endswith(f", {len(printed['stream'])})")
    assert "ストリーミングとは" in printed["join-messages"]
    assert result["join-messages"] == "'stop'"
    assert "## Backpressure" in printed["astream"]
    assert {"streaming", "ストリーミング"} <= set(printed["two"].split())
    assert "ストリーミングとは" in printed["program-answer"]
    assert "chunks, the first after" in result["program-answer"]
    topics = [json.loads(line)["topic"] for line in printed["program-main"].splitlines()]
    assert (topics, result["program-main"]) == (["streaming", "backpressure"], "0")
    assert printed["errors-cut"].strip().endswith("ConnectionError")
    assert len(result["errors-cut"]) > 10
    assert SENTENCES["auth"] in result["errors-key"]


def commands(readme: str) -> list[str]:
    return re.findall(r"^    (python .+)$", (EXAMPLES / readme).read_text("utf-8"), re.MULTILINE)


def test_the_readmes_show_the_same_commands() -> None:
    """Both were tried, for one of them is run below."""
    assert commands("README.md") == commands("README.ja.md") != []


@pytest.mark.soak
@pytest.mark.skipif(not shutil.which("sh"), reason="the commands are run as a shell reads them")
@pytest.mark.parametrize("line", commands("README.md"))
def test_the_commands_of_the_readme_work(line: str) -> None:
    """As they stand there. The one that shows a fault ends with 1."""
    ended = subprocess.run(
        line, cwd=ROOT, env=environment(), shell=True, capture_output=True, text=True, encoding="utf-8", timeout=LIMIT,
        check=False,
    )  # fmt: skip
    assert ended.returncode == ("fault=" in line), ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stdout) > 50
