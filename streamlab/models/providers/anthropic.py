"""Anthropic: Claude, by langchain-anthropic, which is installed only where somebody wants it."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import httpx2
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable
from pydantic import SecretStr

from streamlab.models.capabilities import Capabilities
from streamlab.models.connections import TIMEOUT, async_http_client
from streamlab.models.failures import Failure
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.models.provider import LOOK_UP_TIMEOUT, Fault, StockOptions, Variables, sent
from streamlab.models.providers.fields import bound
from streamlab.models.providers.keyed import Keyed, Package
from streamlab.models.server_errors import server_failure

# What OpenAI calls by these names. A limit of length counts thoughts here, too.
NAMES = {
    **{name: name for name in ("max_tokens", "stop", "top_p", "response_format", "parallel_tool_calls")},
    "max_completion_tokens": "max_tokens",
}
CHOICES: dict[str, Any] = {"auto": "auto", "required": "any", "none": {"type": "none"}}


def anthropic_failure(error: Exception) -> Failure | None:
    """Name the failure that an exception of Anthropic's client amounts to; None for any other."""
    if "anthropic" not in sys.modules:
        return None
    import anthropic

    match error:
        case anthropic.APIStatusError():
            status = error.status_code if error.status_code >= 400 else None  # an error within a stream begins with 200
            said = error.message if error.body is None else error.body
            return server_failure(said, status, error.response.headers, _key(error))
        case anthropic.APITimeoutError():
            return Failure("timeout")
        case anthropic.APIConnectionError():
            return Failure("provider_unavailable")
        case anthropic.APIError():
            return server_failure(error.body or error.message, key=_key(error))
    return None


class Anthropic(Keyed):
    """Anthropic's API."""

    name: str = "anthropic"
    variables = Variables("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY")
    takes_seed: ClassVar[bool] = False
    failure: ClassVar[Callable[[Exception], Failure | None]] = staticmethod(anthropic_failure)
    package = Package("langchain_anthropic", "langchain-anthropic")
    url = "https://api.anthropic.com"

    def _told(self, key: str) -> dict[str, Capabilities]:
        # With all that the first question needs, which then need not wait for it.
        from streamlab.models.providers.chat_anthropic import anthropic_client

        client = anthropic_client(key, self._address, LOOK_UP_TIMEOUT, self._http)
        return {model.id: _said(model) for model in client.models.list(limit=1_000)}

    def chat_model(self, name: str, temperature: float, fault: Fault = "none") -> BaseChatModel:
        """Make the app's client; with the fault `key` it never holds the right one."""
        self.package.check()
        from streamlab.models.providers.chat_anthropic import LabChatAnthropic, give_connections, show_thoughts

        key = SecretStr(self.wrong_key) if fault == "key" else self._checked_key()
        model = LabChatAnthropic(**self._options(name, temperature, key), streaming=True)
        show_thoughts(model)
        give_connections(model, TIMEOUT, self._http, async_http_client())
        return model

    def bound(
        self, model: BaseChatModel, tools: Sequence[Mapping[str, Any]], fields: Mapping[str, Any]
    ) -> Runnable[Any, BaseMessage]:
        """Say them in Anthropic's words. A model is not made to call a tool while it thinks: then it does not."""
        if fields.get("tool_choice", "auto") not in ("auto", "none"):
            model = model.model_copy(update={"thinking": None})
        return bound(model, tools, fields, NAMES, CHOICES)

    def stock_model(
        self, name: str, options: StockOptions, http_client: httpx2.Client, http_async_client: httpx2.AsyncClient
    ) -> BaseChatModel:
        """Make a ChatAnthropic as it comes, over these connections. It knows no JSON without a schema, and no seed."""
        self.package.check()
        from langchain_anthropic import ChatAnthropic

        from streamlab.models.providers.chat_anthropic import give_connections

        given: dict[str, Any] = {} if options.streaming is None else {"streaming": options.streaming}
        if options.max_tokens is not None:
            given["max_tokens"] = options.max_tokens
        model = ChatAnthropic(**self._options(name, options.temperature, self._checked_key()), **given)
        give_connections(model, options.timeout, http_client, http_async_client)
        return model

    def _reader(self, http_client: httpx2.Client) -> BaseChatModel:
        from streamlab.models.providers.chat_anthropic import LabChatAnthropic, give_connections

        # With thoughts, or the client would warn of each block that is no text.
        options = self._options("any", DEFAULT_TEMPERATURE, self._checked_key())
        model = LabChatAnthropic(**options, thinking={"type": "adaptive"})
        give_connections(model, None, http_client, async_http_client())
        return model

    def _options(self, name: str, temperature: float, key: SecretStr) -> dict[str, Any]:
        """Return what both clients are made with; addresses and keys of the environment count only by the settings."""
        return {
            "model": name.removeprefix(f"{self.name}:"),
            "anthropic_api_key": key,
            "anthropic_api_url": self._address,
            "anthropic_proxy": None,
            "temperature": sent(temperature),
            "max_retries": 0,  # retries are the run's, where people see them
        }


def _said(model: Any) -> Capabilities:
    """Read what the list says of a model; a server that only speaks the protocol may say nothing."""
    can = model.capabilities
    flags = {"images": "image_input", "json": "structured_outputs", "reasoning": "thinking"}
    said = {ours: getattr(getattr(can, theirs, None), "supported", None) for ours, theirs in flags.items()}
    return Capabilities(**said, context=model.max_input_tokens)


def _key(error: Any) -> str:
    """Find the key that was sent: the provider may repeat it."""
    sent = error.request.headers  # the second as former versions of the client had it
    key: str = sent.get("authorization", "").removeprefix("Bearer ") or sent.get("x-api-key", "")
    return key
