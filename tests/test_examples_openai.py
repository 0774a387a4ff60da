"""The example with OpenAI's client, as people run it: a process of its own before a gateway."""

import re
from pathlib import Path

import anyio.to_thread
import pytest

from tests.access import SECRET
from tests.conftest import demo_model
from tests.gateway import Served
from tests.openai_clients import address, lab
from tests.programs import run

__all__ = ["lab"]

pytestmark = pytest.mark.anyio

PROGRAM = "openai_client.py"


async def test_both_answers_are_whole_and_the_cut_one_goes_on(lab: Served, tmp_path: Path) -> None:
    """Printed as they come, from any folder."""
    text = " ".join(f"word{number}" for number in range(30))
    arguments = ("streaming", "--url", address(lab), "--model", demo_model(text=text, rate=60))
    ended = await anyio.to_thread.run_sync(lambda: run(tmp_path, PROGRAM, *arguments, GATEWAY_TOKEN=SECRET))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{text}\n---\n{text}\n"
    assert re.fullmatch(r"\n\[cut after event \d+ of resp_\S+]\n", ended.stderr)
    assert lab.engine.runs.started == 2


async def test_a_failure_is_one_sentence(lab: Served, tmp_path: Path) -> None:
    """Also in the midst of an answer."""
    arguments = ("streaming", "--url", address(lab), "--model", demo_model(fault="cut", after=2, text="a b c d"))
    ended = await anyio.to_thread.run_sync(lambda: run(tmp_path, PROGRAM, *arguments, GATEWAY_TOKEN=SECRET))
    assert (ended.returncode, ended.stdout.strip()) == (1, "a b")
    assert ended.stderr == "\nThe connection to the model broke off.\n"
