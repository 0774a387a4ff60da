"""Proxies and certificates as the environment names them: this machine is direct, all else is as it says."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.demo_model.process import DemoModel
from streamlab.events.event import Error
from streamlab.models import network
from streamlab.models.catalog import Models, classify
from streamlab.models.network import client_options, loopback, problems
from streamlab.models.providers import openai as providers
from streamlab.settings import Settings
from tests.conftest import Lab, MakeLab, demo_model, provider
from tests.events import end, of
from tests.proxies import (
    PASSWORD,
    USER,
    VARIABLES,
    Proxy,
    far_server,
    http_proxy,
    own_address,
    set_proxies,
    socks_proxy,
)

MakeProxy = Callable[..., AbstractContextManager[Proxy]]

DEAD = "http://127.0.0.1:9"  # nothing listens on the port for discarding
WRONG = [
    "http://",
    "foo://x",
    "socks4://x:1",
    "http://:3128",
    "proxy:no",
    "http://x:99999",
    "http://[::1",
    "http://a b",
]
FAR = demo_model().replace("demo?", "demo-elsewhere?")


@pytest.fixture
def far() -> Iterator[str]:
    with far_server() as url:
        yield url


async def failed(make_lab: MakeLab, models: Models) -> Error:
    (error,) = of(await make_lab(models, attempts=1).run(FAR), Error)
    return error


# This machine is direct


@pytest.mark.anyio
@pytest.mark.parametrize("address", [DEAD, "socks5://127.0.0.1:9", *WRONG])
async def test_no_proxy_keeps_the_demo_model_from_answering(
    demo: DemoModel, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Whatever is wrong with it."""
    set_proxies(monkeypatch, address)
    with closing(Models(Settings(_env_file=None), demo.base_url)) as models:
        assert end(await make_lab(models).run(demo_model())).status == "completed"


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("[::1]", True),
        ("[::ffff:127.0.0.1]", True),
        ("0.0.0.0", True),
        ("mylocalhost", False),
        ("localhost.example.com", False),
        ("128.0.0.1", False),
        ("[::2]", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_what_this_machine_is(monkeypatch: pytest.MonkeyPatch, host: str, here: bool) -> None:
    """By name and by address, of both versions."""
    set_proxies(monkeypatch, "foo://x")
    assert loopback(host) == here
    with httpx2.Client(**client_options()) as client, pytest.raises(httpx2.TransportError) as caught:
        client.get(f"http://{host}:9", timeout=2)
    assert isinstance(caught.value, network.ProxyFailed) != here


# What is elsewhere goes through the proxy


@pytest.mark.anyio
@pytest.mark.parametrize("case", [str.upper, str.lower])
@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize(
    ("make", "scheme"),
    [(http_proxy, ""), (http_proxy, "http://"), (socks_proxy, "socks5://"), (socks_proxy, "socks5h://"),
     (socks_proxy, "socks://")],
)  # fmt: skip
async def test_the_provider_is_reached_through_the_proxy(
    far: str,
    make_lab: MakeLab,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    make: MakeProxy,
    scheme: str,
    guarded: bool,
    case: Callable[[str], str],
) -> None:
    """In either case of the names, with or without a scheme and a password; its own log says so."""
    with make(tmp_path, guarded=guarded) as proxy:
        user = f"{USER}:{PASSWORD}@" if guarded else ""
        monkeypatch.setenv(case("ALL_PROXY"), f"{scheme}{user}{proxy.place}")
        with provider(far, "key") as models:
            assert (await models.names())[-1] == "demo"
            assert end(await make_lab(models).run(FAR)).status == "completed"
        assert proxy.passed(far)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "entry", ["{host}", "{network}/8", "{host}:{port}", "*", "a.example,{host}", " a.example {host} ", "http://{host}/"]
)
async def test_no_proxy_names_what_is_direct(
    far: str, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    """Addresses, networks, ports, lists with commas or spaces."""
    set_proxies(monkeypatch, DEAD)
    host, port = own_address(), far.rpartition(":")[2].removesuffix("/v1")
    monkeypatch.setenv("NO_PROXY", entry.format(host=host, port=port, network=f"{host.partition('.')[0]}.0.0.0"))
    with provider(far) as models:
        assert end(await make_lab(models).run(FAR)).status == "completed"


@pytest.mark.parametrize(
    ("entry", "direct", "through"),
    [
        ("example.com", ["example.com", "www.example.com"], ["notexample.com", "example.org"]),
        (".example.com", ["example.com", "www.example.com"], ["notexample.com"]),
        ("*.example.com", ["www.example.com"], ["notexample.com"]),
        ("EXAMPLE.com", ["example.com"], ["example.org"]),
        ("10.0.0.0/8", ["10.200.0.1"], ["11.0.0.1"]),
        ("fd00::/8", ["[fd00::5]"], ["[fe00::5]"]),
        ("[fd00::5]", ["[fd00::5]"], ["[fd00::6]"]),
        ("fd00::5", ["[fd00::5]"], ["[fd00::6]"]),
        ("[fd00::5]:8080", ["[fd00::5]:8080"], ["[fd00::5]:80"]),
        ("example.com:8080", ["example.com:8080"], ["example.com:80"]),
    ],
)
def test_what_a_name_in_no_proxy_covers(
    monkeypatch: pytest.MonkeyPatch, entry: str, direct: list[str], through: list[str]
) -> None:
    """As curl has it. The hosts are not asked: the transport that would be is looked at."""
    set_proxies(monkeypatch, "foo://x")
    monkeypatch.setenv("no_proxy", entry)
    with httpx2.Client(**client_options()) as client:
        for host in (*direct, *through):
            transport = client._transport_for_url(httpx2.URL(f"http://{host}/"))
            assert (transport is client._transport) == (host in direct), host


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.sampled_from([*VARIABLES, "NO_PROXY"]),
)
def test_whatever_a_variable_says_there_is_a_client(value: str, name: str) -> None:
    """The start never fails, and no value is told."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(name, f"zq{value}")
        httpx2.Client(**client_options()).close()
        assert "zq" not in "".join(problems())


# What goes wrong


@pytest.mark.anyio
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "address", [DEAD, "socks5://127.0.0.1:9", f"http://{USER}:{PASSWORD}@proxy.invalid:3128", *WRONG]
)
async def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(
    far: str, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, variable: str, address: str
) -> None:
    """And no part of its address is told."""
    monkeypatch.setenv(variable, address)
    with provider(far) as models:
        error = await failed(make_lab, models)
    assert error.code == "proxy"
    assert error.detail
    assert error.detail.startswith(f"{variable}: ")
    assert PASSWORD not in error.detail


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("make", "user"), [(http_proxy, ""), (socks_proxy, ""), (socks_proxy, "eve:wrong-word@")]
)  # to a wrong password tinyproxy answers 401, as the server itself would
async def test_a_proxy_that_refuses_is_named(
    far: str, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make: MakeProxy, user: str
) -> None:
    """One that wants a password, and one that gets a wrong one."""
    with make(tmp_path, guarded=True) as proxy, provider(far) as models:
        scheme = "http" if make is http_proxy else "socks5"
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{user}{proxy.place}")
        with provider(far) as models:
            error = await failed(make_lab, models)
    assert (error.code, error.detail and error.detail.partition(":")[0]) == ("proxy", "ALL_PROXY")
    assert "wrong-word" not in (error.detail or "")


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.0 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", None])
@pytest.mark.parametrize(("scheme", "server"), [("socks5", "http"), ("socks5", "https"), ("http", "https")])
async def test_what_is_no_proxy_is_named(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, scheme: str, server: str
) -> None:
    """Something else listens there, and says something else, or nothing for as long as a connection may take."""
    monkeypatch.setattr(providers, "TIMEOUT", httpx2.Timeout(connect=0.2, read=None, write=1, pool=1))
    with greeting(answer) as place:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{place}")
        with provider(f"{server}://{own_address()}:9/v1") as models:
            error = await failed(make_lab, models)
    assert (error.code, (error.detail or "").partition(":")[0]) == ("proxy", "ALL_PROXY")


@contextmanager
def greeting(answer: bytes | None) -> Iterator[str]:
    """Listen, and answer whoever connects with these bytes and the end; with None never."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1024)
            if answer is None:
                self.request.recv(1024)  # until the other leaves
            else:
                self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.anyio
async def test_the_agent_goes_the_same_way(far: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its client is the one of the event loop."""
    for make, scheme in ((http_proxy, "http"), (socks_proxy, "socks5")):
        with make(tmp_path) as proxy:
            monkeypatch.setenv("ALL_PROXY", f"{scheme}://{proxy.place}")
            with provider(far) as models:
                assert (await models.chat_model(FAR, 1.0).ainvoke("hi")).text
            assert proxy.passed(far)
    monkeypatch.setenv("ALL_PROXY", DEAD)
    with provider(far) as models, pytest.raises(Exception, match="Connection error") as caught:
        await models.chat_model(FAR, 1.0).ainvoke("hi")
    assert classify(caught.value).code == "proxy"


@pytest.mark.anyio
async def test_a_run_through_a_proxy_can_be_stopped(
    far: str, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its connection is known, whichever way it goes."""
    for make, scheme in ((http_proxy, "http"), (socks_proxy, "socks5")):
        with make(tmp_path) as proxy:
            monkeypatch.setenv("ALL_PROXY", f"{scheme}://{proxy.place}")
            with provider(far) as models:
                lab: Lab = make_lab(models)
                run = lab.start(demo_model(chunks=100_000, rate=50).replace("demo?", "demo-elsewhere?"))
                await lab.until(run, "text_delta")
                lab.runs.stop(run)
                assert end(await lab.read(run)).status == "stopped"
