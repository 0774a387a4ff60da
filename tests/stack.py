"""What the tests of the deployment share: nginx with the project's configuration before two gateways on one Redis."""

import os
import re
import shutil
import signal
import string
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from benchmarks.harness import free_port, listens
from streamlab.settings import Settings
from tests.redis_server import RedisServer

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
PATIENCE = 60.0  # seconds, on a machine that has other things to do
TOKEN = "a-token-of-the-tests"
METRICS_TOKEN = "a-token-that-reads-the-figures"
BEARER = {"authorization": f"Bearer {TOKEN}"}

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed here")


class Process:
    """A program that logs to a file of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def logged(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int | None:
        """Its id while it runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(self, command: Sequence[str | Path], cwd: Path, environment: Mapping[str, str] | None = None) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def wait(self) -> int:
        assert self._process
        return self._process.wait(PATIENCE)

    def end(self) -> None:
        if self._process and self.running:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Nginx(Process):
    """nginx with the project's own configuration, on two free ports."""

    def __init__(self, folder: Path, gateways: Sequence[int], app: int, gateways_grpc: Sequence[int] = (9, 9)) -> None:
        super().__init__(folder, "nginx")
        self._folder = folder
        self.port, self.grpc_port = free_port(), free_port()
        local = [f"127.0.0.1:{port}" for port in (*gateways, *gateways_grpc, app)]
        names = ("GATEWAY_1", "GATEWAY_2", "GATEWAY_1_GRPC", "GATEWAY_2_GRPC", "APP")
        self._values = dict(zip(names, local, strict=True)) | {
            "GRAFANA": local[-1],
            "NGINX_FOLDER": str(folder),
            "NGINX_HTTP_PORT": f"127.0.0.1:{self.port}",
            "NGINX_GRPC_PORT": f"127.0.0.1:{self.grpc_port}",
        }

    def start(self) -> None:
        assert NGINX
        config = self._folder / "nginx.conf"
        config.write_text(string.Template((DEPLOY / "nginx.conf").read_text()).safe_substitute(self._values))
        user = " user root;" if os.geteuid() == 0 else ""  # else root's workers cannot reach the test's own folder
        self.launch([NGINX, "-e", "stderr", "-c", config, "-g", f"daemon off;{user}"], self._folder)
        deadline = time.monotonic() + PATIENCE
        while not listens(self.port):
            assert self.running, self.logged
            assert time.monotonic() < deadline, self.logged
            time.sleep(0.02)


class GatewayProcess(Process):
    """A gateway as compose.yaml starts it, from a folder that holds what the image does."""

    def __init__(self, name: str, folder: Path, image: Path, redis: str, more: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, name)
        self.port, self.grpc_port = free_port(), free_port()
        self._image = image
        self._redis = redis
        self._more = more or {}  # variables besides those of compose.yaml

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        command = [str(part) for part in compose()["services"]["gateway-1"]["command"]]
        places = {"python": sys.executable, "0.0.0.0": "127.0.0.1", "8600": str(self.port)}
        variables = {
            "REDIS_URL": self._redis,
            "GATEWAY_TOKENS": f"tests:{TOKEN}",
            "GATEWAY_METRICS_TOKEN": METRICS_TOKEN,
            "GATEWAY_SECRET": "a secret of the tests, and a long one",
            "LAB_GRPC_PORT": str(self.grpc_port),
        }
        environment = clean_environment() | variables | dict(self._more)
        self.launch([places.get(part, part) for part in command], self._image, environment)

    def until_ready(self) -> None:
        deadline = time.monotonic() + 3 * PATIENCE
        while not self._ready():
            assert self.running, self.logged
            assert time.monotonic() < deadline, self.logged
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz").status_code == 200
        except httpx2.TransportError:
            return False


def clean_environment() -> dict[str, str]:
    """Return the environment without the developer's settings, and without the way to the project's sources."""
    own = {name.upper() for name in Settings.model_fields} | {"PYTHONPATH"}
    return {name: value for name, value in os.environ.items() if name not in own}


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions and their arguments."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with what the Dockerfile copies, and nothing else of the project."""
    folder = tmp_path_factory.mktemp("image")
    for name, rest in instructions():
        if name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    if target.endswith("/"):
                        (folder / target).mkdir(exist_ok=True)
                    shutil.copy(ROOT / source, folder / target)
    return folder


class Stack:
    """nginx before two gateways."""

    def __init__(
        self, folder: Path, image: Path, redis: str, app: int = 9, more: Mapping[str, str] | None = None
    ) -> None:
        self.gateways = [GatewayProcess(f"gateway-{number}", folder, image, redis, more) for number in (1, 2)]
        ports, grpc_ports = zip(*((each.port, each.grpc_port) for each in self.gateways), strict=True)
        self.nginx = Nginx(folder, ports, app, gateways_grpc=grpc_ports)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.nginx.port}/api"

    def up(self) -> None:
        """Start what does not run."""
        for gateway in self.gateways:
            if not gateway.running:
                gateway.start()
        for gateway in self.gateways:
            gateway.until_ready()
        if not self.nginx.running:
            self.nginx.start()

    def end(self) -> None:
        for process in (self.nginx, *self.gateways):
            process.end()


@pytest.fixture(scope="module")
def running_stack(tmp_path_factory: pytest.TempPathFactory, image: Path, redis_server: RedisServer) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"), image, redis_server.url)
    try:
        yield stack
    finally:
        stack.end()


@pytest.fixture
def stack(running_stack: Stack) -> Stack:
    """Bring both gateways up, whatever the last test did to them."""
    running_stack.up()
    return running_stack
