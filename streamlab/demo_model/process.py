"""The demo model as a child process."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from threading import Timer
from typing import Self

START_SECONDS = 20
CLOSE_SECONDS = 3

# What Python needs to start on any system. An allowlist, because the rest may hold keys.
INHERITED = {
    "PATH", "PYTHONHOME", "PYTHONUTF8", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "HOME", "USERPROFILE",
    "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "SYSTEMDRIVE", "APPDATA", "LOCALAPPDATA",
}  # fmt: skip


class DemoModel:
    """Runs while the block does, and never longer than this process. Not to be entered twice.

    Entering blocks until it listens, and raises RuntimeError when it does not within 20 s.
    """

    def __init__(self, port: int = 0) -> None:
        self._wanted = port
        self._child: subprocess.Popen[str] | None = None
        self._port: int | None = None

    def __enter__(self) -> Self:
        self._child = _start(self._wanted)
        try:
            self._port = _read_port(self._child)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """Return the address for `ChatOpenAI(base_url=…)`."""
        if self._port is None:
            raise RuntimeError("The demo model has not been started: use it as `with DemoModel() as model`.")
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def close(self) -> None:
        """Ask it to stop by ending its input, then insist. May be called again."""
        if self._child is None:
            return
        assert self._child.stdin
        with suppress(OSError):  # it died first
            self._child.stdin.close()
        for insist in (self._child.terminate, self._child.kill):
            try:
                self._child.wait(CLOSE_SECONDS)
                break
            except subprocess.TimeoutExpired:
                insist()
        self._child.wait()
        if self._child.stdout:
            self._child.stdout.close()


def _start(port: int) -> subprocess.Popen[str]:
    """Give the child what Python needs and the places where this process finds its modules, and no secret."""
    inherited = {name: value for name, value in os.environ.items() if name.upper() in INHERITED}
    return subprocess.Popen(
        [sys.executable, "-m", "streamlab.demo_model", "--port", str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=inherited | {"PYTHONPATH": os.pathsep.join(sys.path)},
        # Ctrl-C in a terminal is for the parent, which closes the child in its own time.
        start_new_session=True,
    )


def _read_port(child: subprocess.Popen[str]) -> int:
    assert child.stdout
    watchdog = Timer(START_SECONDS, child.kill)
    watchdog.start()
    line = child.stdout.readline()
    watchdog.cancel()
    try:
        return int(json.loads(line)["port"])
    except (ValueError, KeyError, TypeError) as error:
        message = f"The demo model did not start within {START_SECONDS} s; its standard error may say why."
        raise RuntimeError(message) from error
