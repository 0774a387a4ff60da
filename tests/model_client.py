"""A demo model of its own, a plain HTTP client of it, and LangChain's."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from streamlab.demo_model.process import DemoModel

FAST = "demo?first=0&rate=100000"


@pytest.fixture
def client(demo: DemoModel) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=demo.base_url, timeout=10) as client:
        yield client


@pytest.fixture
def chat(demo: DemoModel) -> Callable[..., ChatOpenAI]:
    def build(model: str = FAST, **settings: Any) -> ChatOpenAI:
        defaults: dict[str, Any] = {"max_retries": 0, "temperature": 0, "timeout": 10}
        return ChatOpenAI(model=model, base_url=demo.base_url, api_key=SecretStr("demo"), **(defaults | settings))

    return build


def body(text: str = "What is streaming?", *, system: str | None = None, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    return {"model": FAST, "messages": messages, "temperature": 0} | fields


def post(client: httpx2.Client, text: str = "What is streaming?", **fields: Any) -> httpx2.Response:
    return client.post("/chat/completions", json=body(text, **fields))


def say(client: httpx2.Client, text: str, **fields: Any) -> str:
    content = post(client, text, **fields).raise_for_status().json()["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


def chunks(response: httpx2.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def contents(response: httpx2.Response) -> list[str]:
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(response) if chunk["choices"]]
    return [delta["content"] for delta in deltas if delta.get("content")]


def record(client: httpx2.Client, model: str) -> dict[str, Any]:
    """Return the newest request to a model."""
    records = client.get("../requests").json()
    return next(record for record in reversed(records) if record["model"] == model)


def unique(options: str = "first=0&rate=100000") -> str:
    return f"demo-{uuid4().hex[:8]}?{options}"
