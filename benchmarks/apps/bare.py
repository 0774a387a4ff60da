"""The peer's model: `ChatOpenAI` as it comes. Without an address it reads OPENAI_BASE_URL and OPENAI_API_KEY."""

from typing import Any

from langchain_openai import ChatOpenAI
from pydantic import SecretStr


def bare_model(name: str, url: str | None = None, **clients: Any) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=url, api_key=SecretStr("demo"), stream_usage=True, max_retries=0, **clients)
