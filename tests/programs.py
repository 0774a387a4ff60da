"""The examples as processes of their own, and models that answer them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from streamlab.demo_model.process import DemoModel
from streamlab.settings import Settings
from tests.conftest import demo_model

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
STREAM, ASTREAM = "console_stream.py", "console_astream.py"
LIMIT = 180.0  # seconds; loading the libraries alone may take many on a busy machine
KEY = "sk-secret-0123456789"

both = pytest.mark.parametrize("program", [STREAM, pytest.param(ASTREAM, marks=pytest.mark.soak)])


def environment(**variables: str) -> dict[str, str]:
    """Return the variables without the settings of whoever runs the tests."""
    ours = {name.upper() for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    return inherited | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])} | variables


def command(program: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, str(EXAMPLES / program), *arguments]


def run(folder: Path, program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        command(program, arguments), cwd=folder, env=environment(**variables), capture_output=True, text=True,
        encoding="utf-8", timeout=LIMIT, check=False,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    assert KEY not in ended.stdout + ended.stderr
    return ended


def elsewhere(demo: DemoModel) -> dict[str, str]:
    """Name the tests' demo model as a compatible server, so that its log can be read."""
    return {"OPENAI_BASE_URL": demo.base_url, "OPENAI_API_KEY": KEY}


def model_of(**options: object) -> str:
    """Make a model of that server: the programs do not take it for their own demo model."""
    return demo_model(**options).replace("demo?", "demo-elsewhere?")
