"""What the examples say when something goes wrong, and about their arguments."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples import console_stream
from examples.program import SENTENCES, read_arguments
from streamlab.demo_model.process import DemoModel
from streamlab.models.failures import CODES
from tests.conftest import http, raw_endpoint, sse
from tests.programs import KEY, LIMIT, ROOT, STREAM, both, elsewhere, environment, model_of, run

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


@pytest.mark.soak
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


def claude() -> tuple[bytes, bytes]:
    """Return an answer of Claude's, and the same cut politely in its midst."""
    pytest.importorskip("langchain_anthropic", reason="`make providers` installs it")
    from tests.test_anthropic import stopped, text

    return text("one two") + stopped("end_turn"), text("one two")


def gemini() -> tuple[bytes, bytes]:
    pytest.importorskip("langchain_google_genai", reason="`make providers` installs it")
    from tests.test_google import FULL, chunk

    return chunk("one two", finish="STOP", usage=FULL), chunk("one two")


@pytest.mark.parametrize(
    ("make", "name", "model"),
    [
        (claude, "ANTHROPIC_BASE_URL", "anthropic:claude-opus-4-7"),
        (gemini, "GOOGLE_GEMINI_BASE_URL", "google_genai:gemini-3.5-flash"),
    ],
)
@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "cut"])
def test_other_providers_answer_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make: Callable[[], tuple[bytes, bytes]],
    name: str, model: str, is_cut: bool,
) -> None:  # fmt: skip
    """By their own clients and keys; an answer of which they do not say that it is cut is no whole one."""
    with raw_endpoint(http(make()[is_cut])) as endpoint:
        monkeypatch.setenv(name, endpoint.base_url.removesuffix("/v1"))
        monkeypatch.setenv(name.partition("_")[0] + "_API_KEY", KEY)
        status = console_stream.main(["topic", "--json", "--model", model])
        assert KEY in endpoint.headers[0]
    answer = json.loads(capsys.readouterr().out)
    assert (status, answer["text"], answer.get("error")) == (
        (1, "one two", "connection_lost") if is_cut else (0, "one two", None)
    )


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
        (1, ["a", "--model", "anthropic:claude-opus-5"], {"OPENAI_API_KEY": KEY}, "needs ANTHROPIC_API_KEY"),
        (1, ["a", "--model", "google_genai:gemini-3"], {}, "needs GOOGLE_API_KEY"),
        (1, ["a", "--model", "azure_openai:a"], {"AZURE_OPENAI_API_KEY": KEY}, "needs AZURE_OPENAI_ENDPOINT and"),
        (1, ["a", "--model", "local"], {}, "needs what `make local` installs"),
        (1, ["a"], {"OPENAI_BASE_URL": "http://localhost:1/v1"}, "name a model of that server with --model"),
        (1, ["a"], {"LAB_ENDPOINTS": "home=http://localhost:1/v1"}, "LAB_ENDPOINTS is set, so name a model"),
        (2, ["a"], {"OPENAI_API_KEY": f"“{KEY}”"}, "OPENAI_API_KEY must be"),
        (1, ["a"], {"OPENAI_BASE_URL": "ftp://localhost"}, "OPENAI_BASE_URL must be"),
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
        ({"ANTHROPIC_API_KEY": KEY}, "anthropic:claude-haiku-4-5"),
        ({"GOOGLE_API_KEY": KEY}, "google_genai:gemini-3.5-flash"),
        ({"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}, "gpt-4o-mini"),
        ({"ANTHROPIC_API_KEY": KEY, "LAB_MODELS": "gpt-4o,anthropic:claude-opus-5"}, "anthropic:claude-opus-5"),
        ({"LAB_ENDPOINTS": "home=http://localhost:1/v1", "LAB_MODELS": "home:llama3"}, "home:llama3"),
        (
            {
                "AZURE_OPENAI_ENDPOINT": "http://localhost:1",
                "AZURE_OPENAI_API_KEY": KEY,
                "LAB_MODELS": "azure_openai:a",
            },
            "azure_openai:a",
        ),
    ],
    ids=str,
)
def test_the_model_fits_what_is_set(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], model: str) -> None:
    """Without a key and a server it is the demo model, never a request to anywhere else."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert read_arguments("", ["topic"]).model == model
