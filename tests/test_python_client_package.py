"""The Python client without input and output, and installed as a package."""

import asyncio
import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlab_client import Backoff, Event, StreamlabError
from streamlab_client.reader import Reader, parse_message
from streamlab_client.retry import parse_retry_after
from streamlab_client.sse import LineNormalizer

from scripts import unasync
from streamlab.events.event import Done, FinalAnswer, StreamEvent, TextDelta, encode
from streamlab.gateway.feed import Entry
from streamlab.gateway.protocols.sse import encode_event
from tests import python_client
from tests.conftest import PATIENCE
from tests.gateway import parse_stream
from tests.python_client import PROTOCOLS, Lab

lab = python_client.lab  # fixtures are found by their names

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]


# Without input and output


def recorded() -> tuple[bytes, list[bytes]]:
    """A stream as the gateway sends it, and its events."""
    events: list[StreamEvent] = [
        TextDelta(text, seq=number, at=number / 10)
        for number, text in enumerate(["a\r", "日本", "🙂\u2028", "\n\n"], 1)
    ]
    events += [FinalAnswer("x", seq=5, at=0.5), Done("completed", seq=6, at=0.6)]
    lines = [encode(event) for event in events]
    entries = [Entry(f"{'0' * 16}-{event.seq}", event.type, line) for event, line in zip(events, lines, strict=True)]
    return b"retry: 1000\n\n" + b"".join(map(encode_event, entries)), lines


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_cut_at_any_byte_loses_and_repeats_nothing(end: bytes) -> None:
    """What came of it before the cut, and of a server that then repeats all of it, are together the log."""
    stream, lines = recorded()
    whole = stream.replace(b"\n", end)
    for place in range(len(whole) + 1):
        reader = Reader(run_id="run")
        seen = [event for part in (whole[:place], b"\xef\xbb\xbf" + whole) for event in taken(reader, part)]
        assert [event.seq for event in seen] == list(range(1, len(lines) + 1)), place
        assert reader.ended


def taken(reader: Reader, stream: bytes) -> Iterator[Event]:
    lines = LineNormalizer()
    for sent in parse_stream(lines.feed(stream)):
        event = reader.feed(parse_message(sent.type, sent.id, sent.data))
        if event:
            yield event


@given(st.binary(max_size=40).map(lambda raw: raw.replace(b"\x00", b"\r").replace(b"\x01", b"\n")), st.integers(1, 5))
def test_ends_of_lines_are_the_same_however_the_bytes_come(stream: bytes, size: int) -> None:
    """Every CRLF, CR and LF is one LF, cut anywhere."""
    lines = LineNormalizer()
    fed = b"".join(lines.feed(stream[start : start + size]) for start in range(0, len(stream), size))
    wanted = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    held = stream if stream in (b"\xef", b"\xef\xbb") else b""
    assert fed + held == wanted


def test_delays_are_random_and_grow_to_a_bound() -> None:
    """Between nothing and twice as much as before, at most the longest; never less than the server asks for."""
    backoff = Backoff(first=1, longest=10)
    for failures in range(8):
        delays = [backoff.delay(failures, None) for _ in range(300)]
        bound = min(10, 2**failures)
        assert all(0 <= delay <= bound for delay in delays)
        assert max(delays) - min(delays) > bound / 2
        assert min(backoff.delay(failures, 3.0) for _ in range(20)) >= 3


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("5", 5),
        ("0.5", 0.5),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """What cannot be read is as if it were not there."""
    assert parse_retry_after(header) == seconds


# Installed


README = ROOT / "clients" / "python" / "README.md"
SOURCE = ROOT / "clients" / "python" / "src"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


async def test_the_examples_of_the_readme_run(lab: Lab) -> None:
    """As they stand there, but for the address of the server: each prints an answer."""
    assert EXAMPLES
    async with asyncio.TaskGroup() as group:
        running = [
            group.create_task(run_program(sys.executable, example, lab.http.url, PYTHONPATH=str(SOURCE)))
            for example in EXAMPLES
        ]
    assert all(len(program.result()) > 20 for program in running)


async def run_program(python: str, program: str, url: str, **variables: str) -> str:
    address = "http://localhost:8501/api"
    assert address in program
    environment = os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error"} | variables
    with anyio.fail_after(PATIENCE * 3):
        ended = await anyio.run_process(
            [python, "-c", program.replace(address, url)], env=environment, check=False, stderr=subprocess.STDOUT
        )
    printed = ended.stdout.decode()
    assert ended.returncode == 0, printed
    return printed


@pytest.mark.soak
async def test_it_installs_and_runs_on_its_own(lab: Lab, tmp_path: Path) -> None:
    """In an environment that has nothing else, by the README's command, over every protocol."""
    venv.create(tmp_path, with_pip=True)
    python = str(tmp_path / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    command = [python, "-m", "pip", "install", "--quiet", f"{README.parent}[websocket,grpc]"]
    installed = await anyio.run_process(command, cwd=tmp_path, check=False, stderr=subprocess.STDOUT)
    assert installed.returncode == 0, installed.stdout.decode()
    for protocol in PROTOCOLS:
        program = EXAMPLES[0].replace('/api"', f'/api", protocol="{protocol}"')
        printed = await run_program(python, program, lab.url(protocol))
        assert "391" in printed
        assert "completed" in printed
    types = await anyio.run_process([python, "-c", "import streamlab_client as c; print(c.__path__[0])"])
    assert (Path(types.stdout.decode().strip()) / "py.typed").exists()


def test_the_client_loads_neither_the_server_nor_what_it_does_not_use() -> None:
    """Whoever imports it has httpx, and of the rest what was chosen."""
    program = (
        "import streamlab_client, sys; streamlab_client.Client('http://localhost').close();"
        "print(*{'streamlab', 'streamlit', 'langchain_core', 'grpc', 'websockets'} & sys.modules.keys())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=SOURCE, capture_output=True, text=True, timeout=PATIENCE * 3, check=True
    )
    assert ended.stdout.strip() == ""


def test_the_client_for_threads_is_made_from_the_one_for_event_loops() -> None:
    """Of now: `make unasync` would change nothing."""
    made = unasync.made()
    assert set(unasync.TARGET.glob("*.py")) == made.keys()
    assert {path.name for path, text in made.items() if path.read_text("utf-8") != text} == set()


def test_errors_are_of_one_family() -> None:
    """Whoever catches the family catches each, and each has a kind of its own."""
    kinds = [kind.kind for kind in StreamlabError.__subclasses__()]
    assert len(kinds) == len(set(kinds)) == 8
