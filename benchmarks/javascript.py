"""What it costs to read an answer in JavaScript: the client beside a loop by hand, and what a page has to load.

The measuring is `npm run bench` in clients/javascript, in Node: both read the same stream of a server in a process of
its own, taken in turns; the ratio is the median of the rounds'. Sizes are minified and gzipped, the main entry with its
parser, without what is loaded only when it is used.
"""

import json
import shutil
import subprocess
from typing import Any

from benchmarks.harness import ROOT, Claim, Result, print_table

CLIENT = ROOT / "clients" / "javascript"
TARGET = 1.3
LIMIT = 5000  # bytes
TIMEOUT = 600  # seconds


def measured() -> dict[str, Any]:
    """Run `npm run bench`, and return its figures. Raise SystemExit with a sentence where it cannot run."""
    npm = shutil.which("npm")  # on Windows npm.cmd
    if not npm or not shutil.which("node"):
        raise SystemExit("The JavaScript client is measured in Node: install Node 20.19 or later, with npm.")
    if not (CLIENT / "node_modules").exists():
        _run(npm, "ci")
    _run(npm, "run", "build")
    found: dict[str, Any] = json.loads(_run(npm, "run", "--silent", "bench"))
    return found


def _run(npm: str, *arguments: str) -> str:
    """Run npm, and return its output."""
    command = [npm, *arguments]
    done = subprocess.run(command, cwd=CLIENT, capture_output=True, encoding="utf-8", timeout=TIMEOUT)
    if done.returncode:
        raise SystemExit(f"npm {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def run(rounds: int = 1) -> Result:
    """Measure; Node has rounds of its own."""
    found = measured()
    sizes = {
        name.removeprefix("gzip_").removesuffix("_bytes"): value for name, value in found.items() if "gzip" in name
    }
    print_table(("minified and gzipped", "bytes"), [(name.replace("_", " "), value) for name, value in sizes.items()])
    ours = found["cpu_by_hand_us"] * found["cpu_ratio"]  # by the median of the rounds' ratios
    claims = [
        Claim("CPU per event, beside a loop by hand", ours, found["cpu_by_hand_us"], TARGET, "µs"),
        Claim("main entry with its parser, beside its limit", sizes["client"], LIMIT, 1.0, "bytes"),
    ]
    return Result(claims, found)
