"""What leans on the inside of langchain-google-genai: which connections `ChatGoogleGenerativeAI` uses.

Checked with langchain-google-genai 4.4.3 and google-genai 3.6.1. `client` is a field, but that another client may
stand in it is not promised. Were it taken from elsewhere, connections would be the SDK's: `tests/test_upstream.py`
then fails.
"""

from typing import Any

import httpx2
from google.genai import Client
from google.genai.types import HttpOptions
from langchain_core.messages import BaseMessage
from langchain_google_genai import ChatGoogleGenerativeAI

from streamlab.models.message_chunks import WholeAnswers, own_words


class LabChatGoogle(WholeAnswers, ChatGoogleGenerativeAI):
    """ChatGoogleGenerativeAI whose answers are whole, or fail."""

    def _prepare_request(self, messages: list[BaseMessage], **kwargs: Any) -> dict[str, Any]:
        return super()._prepare_request(own_words(messages, "google_genai"), **kwargs)


def google_client(
    key: str,
    address: str,
    version: str | None,
    timeout: float | None,
    http_client: httpx2.Client,
    http_async_client: httpx2.AsyncClient,
) -> Client:
    """Make Google's own client over these connections; `timeout` are seconds, None is the connections' own."""
    options = HttpOptions(
        base_url=address,
        api_version=version,
        timeout=None if timeout is None else int(timeout * 1_000),
        httpx_client=http_client,
        httpx_async_client=http_async_client,
    )
    return Client(api_key=key, vertexai=False, http_options=options)


def give_connections(
    model: ChatGoogleGenerativeAI, http_client: httpx2.Client, http_async_client: httpx2.AsyncClient
) -> None:
    """Let the model ask over these connections, and over no others."""
    key = model.google_api_key.get_secret_value() if model.google_api_key else ""
    address, version = str(model.base_url), model.api_version
    model.client = google_client(key, address, version, model.timeout, http_client, http_async_client)


def show_thoughts(model: ChatGoogleGenerativeAI) -> None:
    """Ask a model that thinks to tell its thoughts in short; any other would refuse the question."""
    if (model.profile or {}).get("reasoning_output"):
        model.include_thoughts = True
