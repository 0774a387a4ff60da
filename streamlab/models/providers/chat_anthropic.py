"""What leans on the inside of langchain-anthropic: which connections `ChatAnthropic` uses, and what is read of them.

Checked with langchain-anthropic 1.7.10 and anthropic 2.14.0. Not promised are `_client` and `_async_client`, cached
properties that hold the SDK's clients: there is no public way to give a client connections of one's own. If they were
named otherwise, connections would be the SDK's: `tests/test_upstream.py` then fails.
"""

from typing import Any

import anthropic
import httpx2
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import LanguageModelInput

from streamlab.models.failures import Failure
from streamlab.models.message_chunks import WholeAnswers, own_words

_VISIBLE = {"type": "adaptive", "display": "summarized"}


class LabChatAnthropic(WholeAnswers, ChatAnthropic):
    """ChatAnthropic whose answers are whole, or fail."""

    def _get_request_payload(self, input_: LanguageModelInput, **kwargs: Any) -> dict[str, Any]:
        messages = own_words(self._convert_input(input_).to_messages(), "anthropic")
        try:
            payload: dict[str, Any] = super()._get_request_payload(messages, **kwargs)
        except ValueError as error:  # such as a temperature that this model does not take
            raise Failure("bad_request", detail=str(error)) from None
        return payload


def anthropic_client(key: str, address: str, timeout: float, http_client: httpx2.Client) -> anthropic.Anthropic:
    """Make Anthropic's own client over these connections; `timeout` are seconds."""
    return anthropic.Anthropic(api_key=key, base_url=address, max_retries=0, timeout=timeout, http_client=http_client)


def give_connections(
    model: ChatAnthropic, timeout: Any, http_client: httpx2.Client, http_async_client: httpx2.AsyncClient
) -> None:
    """Let the model ask over these connections, and over no others."""
    options: dict[str, Any] = {
        "api_key": model.anthropic_api_key.get_secret_value(),
        "base_url": model.anthropic_api_url,
        "max_retries": model.max_retries,
        "timeout": timeout,
    }
    model.__dict__["_client"] = anthropic.Anthropic(**options, http_client=http_client)
    model.__dict__["_async_client"] = anthropic.AsyncAnthropic(**options, http_client=http_async_client)


def show_thoughts(model: ChatAnthropic) -> None:
    """Ask a model that thinks by itself to tell its thoughts in short, which it leaves out by default.

    Those are the models with the effort `xhigh`, as langchain-anthropic has it. Others would first have to be told to
    think, which costs, and these take no temperature.
    """
    levels = (model.profile or {}).get("reasoning_effort_levels") or ()
    if "xhigh" in levels and model.temperature is None:
        model.thinking = dict(_VISIBLE)
