"""What openapi-python-client makes of the gateway's description works against the gateway, and validators agree."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import SecretStr

from streamlab.events.event import EVENTS
from streamlab.hub.log import Bounds
from tests.gateway import FAR_AHEAD, Served, delta, parse_stream, served
from tests.test_protocol_docs import event_of, on_the_wire

ROOT = Path(__file__).parents[1]
TOKEN = "a-token-of-a-tester"


@pytest.fixture(scope="module")
def lab() -> Iterator[tuple[Served, BlockingPortal]]:
    """A gateway on a loop of its own, which programs ask."""
    gateway = served(gateway_tokens=[SecretStr(f"me:{TOKEN}")], gateway_max_runs=2, gateway_runs_per_minute=1_000)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(gateway) as lab:
        yield lab, portal


@pytest.fixture(scope="module")
def got(lab: tuple[Served, BlockingPortal], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a program got that uses the generated client."""
    gateway, portal = lab
    folder = tmp_path_factory.mktemp("generated") / "client"
    generating = [sys.executable, "-m", "openapi_python_client", "generate", "--url", f"{gateway.url}/openapi.json"]
    run(*generating, "--output-path", str(folder), "--fail-on-warning")
    whole, cut = portal.call(logs, gateway)
    program = run(sys.executable, "-m", "tests.generated_client", gateway.url, str(folder), TOKEN, whole, cut)
    told: dict[str, Any] = json.loads(program.stdout)
    return told


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run it with this environment's programs: the generator formats what it makes with ruff."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()
    return done


async def logs(lab: Served) -> tuple[str, str]:
    """Write a log with every type of event, with all fields and without any that may be absent, and one that is cut."""
    samples = [event_of(kind, whole=whole) for whole in (True, False) for kind in EVENTS.values()]
    whole = lab.log(*[each for each in samples if each.type != "done"], event_of(EVENTS["done"], whole=True))
    cut = lab.log()
    cut.bounds = Bounds(events=2)
    for event in (event_of(EVENTS["tool_call"], whole=True), event_of(EVENTS["tool_result"], whole=True)):
        cut.append(event)
    for letter in "abc":
        cut.append(delta(letter, FAR_AHEAD))
    return whole.run_id, cut.run_id


def test_a_run_is_started_looked_at_and_stopped(got: dict[str, Any]) -> None:
    """Typed answers, and the links within them."""
    assert got["state"] == ["RunState", "completed", True]
    assert got["links"].keys() == {"run", "events", "websocket", "token"}
    assert got["stopped"] == [202, 204]
    assert got["health"] == ["ok", "ready"]
    assert got["metrics"] == "str"


def test_a_page_has_each_type_of_event_as_an_object(got: dict[str, Any]) -> None:
    """Each of its own class, with the fields that were sent; a gap and its snapshot too."""
    classes = {kind.__name__ for kind in EVENTS.values()}
    assert set(got["types"]) == classes
    assert [fields["type"] for fields in got["fields"]] == [
        next(kind.type for kind in EVENTS.values() if kind.__name__ == name) for name in got["types"]
    ]
    sent = on_the_wire(event_of(EVENTS["done"], whole=True))
    assert got["fields"][-1] == sent | {"seq": len(got["fields"])}
    count, following, last, gap = got["pages"]
    assert (count, last, gap) == (2, None, None)
    assert following.endswith("-2")
    assert got["missed"] == ["Gap", "Snapshot", "a"]
    assert got["tools"] == ["ToolResult"]


def test_a_stream_is_the_text_that_it_is(got: dict[str, Any]) -> None:
    """From `open` to `done`; nothing where there is nothing after the token."""
    kinds = [each.type for each in parse_stream(got["stream"].encode())]
    assert (kinds[0], kinds[-1]) == ("open", "done")
    assert got["nothing"] is None


def test_each_error_is_an_object(got: dict[str, Any]) -> None:
    """Whatever its status: the same class, with the code that programs tell apart."""
    for code, (kind, told, message) in got["errors"].items():
        assert (kind, told) == ("ErrorBody", code)
        assert message.endswith(".")
    assert len(got["errors"]) == 11


def test_the_description_is_openapi(lab: tuple[Served, BlockingPortal]) -> None:
    """A validator has nothing to say."""
    description = httpx2.get(f"{lab[0].url}/openapi.json").json()
    assert [error.message for error in OpenAPIV31SpecValidator(description).iter_errors()] == []
    operations = [each for path in description["paths"].values() for each in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["summary"] and each["description"] and each["tags"] for each in operations)
