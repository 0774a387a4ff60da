"""`python -m scripts.unasync`: make the Python client for threads from the one for event loops.

The way of httpcore: what is written is `_async/`, and `_sync/` is the same without `async` and `await`.
"""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "clients/python/src/streamlab_client"
SOURCE, TARGET = PACKAGE / "_async", PACKAGE / "_sync"

REPLACEMENTS = (  # made one after the other
    (r"\b_async\b", "_sync"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__a(iter|enter|exit)__\b", r"__\1__"),
    (r"\ba(close|closing|get|iter_bytes|read)\b", r"\1"),
    (r"\banyio\b", "time"),  # its sleep
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bAwaitable, ", ""),
    (r"\bgrpc\.aio\b", "grpc"),
    (r"\bwebsockets\.asyncio\b", "websockets.sync"),
    (r"\bAsyncByteStream\b", "SyncByteStream"),
    (r"\bAsync(?=[A-Z])", ""),
)


def made() -> dict[Path, str]:
    """Return what each file of the client for threads should hold."""
    return {TARGET / source.name: _synchronous(source) for source in sorted(SOURCE.glob("*.py"))}


def _synchronous(source: Path) -> str:
    text = source.read_text("utf-8")
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text)
    mark = f"# Made by `make unasync` from {SOURCE.name}/{source.name}: change that file, not this one.\n"
    return _ruff(_ruff(mark + text, "check", "--fix-only", "--select", "I,F811"), "format")


def _ruff(text: str, *command: str) -> str:
    name = str(TARGET / "file.py")
    arguments = [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", name, "-"]
    return subprocess.run(arguments, input=text, capture_output=True, text=True, encoding="utf-8", check=True).stdout


if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text, "utf-8")
