"""Files of strangers: few and small are held, and what was made to be read slowly holds up nobody."""

import os
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from benchmarks.harness import ROOT, Server, streamlit_server
from components.middleware import uploads
from components.page.texts import texts
from streamlab.events.recording import BrokenRecording, rewrite_recording
from streamlab.latency.measurement import BrokenMeasurement, check_measurement
from streamlab.prompts.cases import BrokenCases, read_cases
from streamlab.prompts.promptfoo_config import open_set
from streamlab.prompts.serialization import BrokenSet, load_yaml
from streamlab.text import reader
from streamlab.text.reader import SMALL, TooSlow, read_apart
from tests.half_requests import connected
from tests.pages import checked, languages, visit
from tests.slow_files import enormous, for_ever, where

MB = 1024 * 1024


# Reading


def test_a_large_file_is_read_in_another_process() -> None:
    """So no stream of this one waits for it; a small one takes less than a process to start."""
    assert read_apart(where, b"x" * SMALL) == os.getpid()
    assert read_apart(where, b"x" * (SMALL + 1)) != os.getpid()


@pytest.mark.parametrize("read", [for_ever, enormous])
def test_what_takes_too_much_is_ended(monkeypatch: pytest.MonkeyPatch, read: Callable[[bytes], None]) -> None:
    """Time, or memory; and the next file is read."""
    with monkeypatch.context() as patched:
        patched.setattr(reader, "SECONDS", 2.0)
        with pytest.raises(TooSlow):
            read_apart(read, b"x" * (SMALL + 1))
    assert read_apart(where, b"x" * (SMALL + 1))


# What takes longest of each kind to read, and what is said of it.
MADE: dict[str, tuple[Callable[..., Any], bytes, tuple[Any, ...], str]] = {
    "yaml of anchors": (open_set, b"".join(b"- &a%d x\n" % n for n in range(100_000)), ("demo",), "too_large"),
    "yaml of blank lines": (open_set, b"a: |\n" + b"\n" * MB, ("demo",), "unknown_version"),
    "yaml deep": (open_set, b"[" * MB, ("demo",), "not_yaml"),
    "yaml of aliases": (
        open_set,
        b"a: &a [x,x]\n"
        + b"".join(b"%c: &%c [*%c,*%c]\n" % (98 + n, 98 + n, 97 + n, 97 + n) for n in range(24))
        + b"#" * SMALL,
        ("demo",),
        "too_large",
    ),
    "json deep": (open_set, b'{"a":' * (MB // 5), ("demo",), "not_yaml"),
    "huge number": (open_set, b'{"version": 1, "a": ' + b"9" * MB + b"}", ("demo",), "wrong_field"),
    "csv of columns": (read_cases, b",".join(b"c%d" % n for n in range(100_000)) + b"\n1\n", (), "too_many_columns"),
    "csv of one quote": (read_cases, b'"' + b"a\n" * MB, (), "too_large"),
    "csv of a rule": (read_cases, b"a|b\n" + b"-|" * (MB - 10), (), "ragged"),
    "csv of any bytes": (read_cases, bytes(range(128, 256)) * 16_000, (), "cell_too_long"),
    "recording of numbers": (rewrite_recording, b"[" + b"1," * (2 * MB) + b"1]", (), "not_an_event"),
    "recording of blanks": (rewrite_recording, b" \n" * (4 * MB), (), "empty"),
    "recording of a wide result": (
        rewrite_recording,
        b'{"type":"tool_call","seq":1,"at":0.0,"step":1,"tool":"a","call_id":"a","input":[' + b"1," * MB + b"1]}",
        (),
        "too_large",
    ),
    "measurement of numbers": (check_measurement, b"[" + b"1," * (2 * MB) + b"1]", (), "not_a_measurement"),
}


LONGEST = ("yaml of anchors", "yaml of blank lines", "csv of a rule", "csv of any bytes", "csv of one quote")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.soak) if n in LONGEST else n for n in MADE])
def test_what_was_made_to_be_read_slowly_is_told_as_any_broken_file(name: str) -> None:
    """With its code and all that is said of it, though it was another process that saw it."""
    read, data, options, code = MADE[name]
    with pytest.raises((BrokenSet, BrokenCases, BrokenRecording, BrokenMeasurement)) as broken:
        read_apart(read, data, *options)
    assert broken.value.code == code  # type: ignore[attr-defined] # all of them have one


@pytest.mark.parametrize(
    "error",
    [
        BrokenSet("alias", "7"),
        BrokenCases("ragged", 2, 3, 4, "name"),
        BrokenRecording(5, "no_done"),
        BrokenMeasurement("too_many", 6),
    ],
)
def test_what_is_wrong_comes_whole_out_of_the_other_process(error: ValueError) -> None:
    same = pickle.loads(pickle.dumps(error))
    assert type(same) is type(error)
    assert vars(same) == vars(error)


def test_a_set_comes_out_as_it_would_here() -> None:
    data = (
        b"version: 1\nvariants: [{name: a, model: demo, template: hi}, {name: b, model: demo, template: ho}]\n#"
        + b"x" * SMALL
    )
    here = open_set(data, "demo")
    assert read_apart(open_set, data, "demo") == here
    assert read_apart(load_yaml, data) == load_yaml(data)


@languages
@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("prompts.upload", "a.yaml"),
        ("prompts.uploaded", "a.csv"),
        ("timeline.upload", "a.jsonl"),
        ("latency.upload", "a.json"),
    ],
)
def test_a_page_says_that_a_file_takes_too_long(
    monkeypatch: pytest.MonkeyPatch, language: str, key: str, name: str
) -> None:
    """In its own language, as it says how large a file may be; and the page stands as it did."""
    monkeypatch.setattr(reader, "SECONDS", 0.0)
    app = visit(key.partition(".")[0], language)
    assert any(texts(language)["upload.limit"].partition("{")[0] in caption.value for caption in app.caption)
    checked(app.file_uploader(key=key).set_value((name, b"a: b\n" * SMALL, "text/plain")).run())
    assert texts(language)["upload.too_slow"] in [warning.value for warning in app.warning]


# Holding


class Session:
    """A page's session, with what a browser has to send a file."""

    def __init__(self, server: Server, socket: ClientConnection) -> None:
        asked = BackMsg()
        asked.rerun_script.page_name = "prompts"
        socket.send(asked.SerializeToString())
        message = ForwardMsg()
        while not message.HasField("new_session"):
            data = socket.recv()
            message = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
        self.url = f"{server.url}{uploads.PATH}{message.new_session.initialize.session_id}"
        token = httpx2.get(f"{server.url}/_stcore/health").cookies["_streamlit_xsrf"]
        self.headers = {"x-xsrftoken": token, "cookie": f"_streamlit_xsrf={token}"}

    def send(self, name: str, size: int) -> int:
        """Send a file, and return the status of the answer."""
        files = {"file": (name, b"x" * size, "text/plain")}
        return httpx2.put(f"{self.url}/{name}", files=files, headers=self.headers, timeout=60).status_code


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with streamlit_server(ROOT / "app.py") as server:
        yield server


@pytest.fixture
def session(server: Server) -> Iterator[Session]:
    address = f"{server.url.replace('http', 'ws')}/_stcore/stream"
    with connect(address, subprotocols=["streamlit"], compression=None, max_size=None, close_timeout=0.1) as socket:  # type: ignore[list-item]
        yield Session(server, socket)


def test_a_file_has_at_most_what_the_largest_recording_has(session: Session) -> None:
    assert session.send("fits", 32 * MB - 1_000) == 204
    assert session.send("larger", 32 * MB + 1) == 413


def test_a_session_holds_few_files(server: Server, session: Session) -> None:
    """The newest: a page has read the others long since."""
    size = 16 * MB
    for number in range(uploads.FILES):
        assert session.send(f"warm {number}", size) == 204
    before = server.memory()
    for number in range(10):
        assert session.send(str(number), size) == 204
    assert server.memory() - before < 4 * size


def test_few_files_come_at_once(session: Session) -> None:
    """A session that sends several at a time is asked to wait; and who ends one may send the next."""
    url = httpx2.URL(session.url)
    lines = "".join(f"{name}: {value}\r\n" for name, value in session.headers.items())
    head = f"PUT {url.path}/half HTTP/1.1\r\nhost: {url.netloc.decode()}\r\n{lines}"
    half = f"{head}content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n--b\r\n".encode()
    assert url.port
    with ExitStack() as stack:
        for _ in range(uploads.OF_SESSION):
            stack.enter_context(connected(url.port, half))
        _until(lambda: session.send("one more", 10) == 429)
    _until(lambda: session.send("one more", 10) == 204)


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError
