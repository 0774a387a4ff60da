"""A server of ours as a child process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Timer
from typing import Self

CLOSE_SECONDS = 3

# What Python needs to start on any system. An allowlist, because the rest may hold keys.
INHERITED = {
    "PATH", "PYTHONHOME", "PYTHONUTF8", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "HOME", "USERPROFILE",
    "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "SYSTEMDRIVE", "APPDATA", "LOCALAPPDATA",
}  # fmt: skip


class ChildServer:
    """Runs `python -m MODULE` while the block does, and never longer than this process. Not to be entered twice.

    The child prints `{"port": 12345}` once it listens on loopback, and ends when its input does. Entering blocks until
    it listens, and raises RuntimeError, which calls it by its `name`, when it does not within `start_seconds`.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        start_seconds: float = 20,
    ) -> None:
        self.name = name
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = dict(environment or {})
        self._start_seconds = start_seconds
        self._child: subprocess.Popen[str] | None = None
        self._port: int | None = None

    def __enter__(self) -> Self:
        self._child = self._start()
        try:
            self._port = self._read_port(self._child)
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
            raise RuntimeError(f"{self.name} has not been started: use it in a with statement.")
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

    def _start(self) -> subprocess.Popen[str]:
        """Give the child what Python needs and the places where this process finds its modules, and no other secret."""
        inherited = {name: value for name, value in os.environ.items() if name.upper() in INHERITED}
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=inherited | {"PYTHONPATH": os.pathsep.join(sys.path)} | self._environment,
            # Ctrl-C in a terminal is for the parent, which closes the child in its own time.
            start_new_session=True,
        )

    def _read_port(self, child: subprocess.Popen[str]) -> int:
        assert child.stdout
        watchdog = Timer(self._start_seconds, child.kill)
        watchdog.start()
        line = child.stdout.readline()
        watchdog.cancel()
        try:
            return int(json.loads(line)["port"])
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self.name} did not start within {self._start_seconds:g} s, or ended; its log may say why."
            raise RuntimeError(message) from error
