"""The gateway's OpenAPI description: answers are as it says, and its examples work."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
import schemathesis
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, assume, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.gateway import served


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A gateway on a loop of its own, for a client that blocks."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_described()) as lab:
        yield lab.url


def _described() -> Any:
    return served(gateway_runs_per_minute=10_000, gateway_max_runs=500, lab_max_runs=500)


@pytest.mark.filterwarnings("ignore:Do not use the `random` module:Warning")  # what schemathesis itself does
def test_the_answers_are_what_the_description_says(url: str) -> None:
    """Requests made from the description, right ones and wrong ones: no failure of the server, no status, type or
    shape that is not described.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    tried: set[str] = set()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        tried.add(operation.label)

        @settings(max_examples=5, suppress_health_check=list(HealthCheck), database=None)
        @given(operation.as_strategy())
        def check(case: Any) -> None:
            assume("\n" not in unquote(case.formatted_path))  # to Starlette's Mount such a path is none of ours
            case.call_and_validate(
                checks=(
                    not_a_server_error,
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                ),
                timeout=20,
            )

        check()
    assert len(tried) == 12


def test_the_examples_of_the_description_work(url: str) -> None:
    """Everything that /docs offers to try."""
    with httpx2.Client(base_url=url) as client:
        description = client.get("/openapi.json").json()
        assert description["servers"] == [{"url": "/api"}]
        examples = description["components"]["schemas"]["ChatRequest"]["examples"]
        assert len(examples) == 3
        for example in examples:
            assert client.post("/runs", json=example).status_code == 201
        assert 'href="/api/openapi.json"' in client.get("/docs").text
