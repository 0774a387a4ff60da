"""Google: Gemini, by langchain-google-genai, which is installed only where somebody wants it."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import httpx2
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable
from pydantic import SecretStr

from streamlab.models.capabilities import Capabilities
from streamlab.models.connections import async_http_client
from streamlab.models.endpoint import named_version
from streamlab.models.failures import Failure
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.models.provider import LOOK_UP_TIMEOUT, Fault, StockOptions, Variables, sent
from streamlab.models.providers.fields import bound
from streamlab.models.providers.keyed import Keyed, Package
from streamlab.models.server_errors import server_failure

_OTHER = re.compile(r"tts|image|embedding|audio|live|computer-use|deep-research|robotics|lyria|veo|imagen|aqa|omni")
# What OpenAI calls by these names. A limit of length counts thoughts here, too.
NAMES = {
    **{name: name for name in ("stop", "top_p", "seed", "frequency_penalty", "presence_penalty", "response_format")},
    **dict.fromkeys(("max_tokens", "max_completion_tokens"), "max_output_tokens"),
}
CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def google_failure(error: Exception) -> Failure | None:
    """Name the failure that an exception of Google's client amounts to; None for any other.

    LangChain's own exceptions have the client's as their cause.
    """
    if "google.genai.errors" not in sys.modules:
        return None
    from google.genai import errors

    match error.__cause__ if isinstance(error.__cause__, errors.APIError) else error:
        case errors.APIError() as told:
            response: Any = told.response
            headers = getattr(response, "headers", None)
            return server_failure(told.details, told.code, headers, _key(response))
        case errors.UnknownApiResponseError():
            return Failure("connection_lost", detail="the server sent something that is not JSON")
    return None


class Google(Keyed):
    """Google's Gemini API."""

    name: str = "google_genai"
    variables = Variables("GOOGLE_GEMINI_BASE_URL", "GOOGLE_API_KEY")
    takes_seed: ClassVar[bool] = True
    failure: ClassVar[Callable[[Exception], Failure | None]] = staticmethod(google_failure)
    package = Package("langchain_google_genai", "langchain-google-genai")
    url = "https://generativelanguage.googleapis.com"

    def __init__(self, base_url: str | None, key: SecretStr | None, http: httpx2.Client) -> None:
        super().__init__(base_url, key, http)
        self._version = named_version(base_url) if base_url else None  # else the client's own

    def _told(self, key: str) -> dict[str, Capabilities]:
        from streamlab.models.providers.chat_google import google_client

        client = google_client(key, self._address, self._version, LOOK_UP_TIMEOUT, self._http, async_http_client())
        listed = client.models.list(config={"page_size": 1_000})
        told = {(model.name or "").removeprefix("models/"): _said(model) for model in listed if _generates(model)}
        return {name: said for name, said in told.items() if not _OTHER.search(name)}

    def chat_model(self, name: str, temperature: float, fault: Fault = "none") -> BaseChatModel:
        """Make the app's client; with the fault `key` it never holds the right one."""
        self.package.check()
        from streamlab.models.providers.chat_google import LabChatGoogle, give_connections, show_thoughts

        key = SecretStr(self.wrong_key) if fault == "key" else self._checked_key()
        model = LabChatGoogle(**self._options(name, temperature, key))
        show_thoughts(model)
        give_connections(model, self._http, async_http_client())
        return model

    def bound(
        self, model: BaseChatModel, tools: Sequence[Mapping[str, Any]], fields: Mapping[str, Any]
    ) -> Runnable[Any, BaseMessage]:
        """Say them in Google's words."""
        return bound(model, tools, fields, NAMES, CHOICES)

    def stock_model(
        self, name: str, options: StockOptions, http_client: httpx2.Client, http_async_client: httpx2.AsyncClient
    ) -> BaseChatModel:
        """Make a ChatGoogleGenerativeAI as it comes, over these connections. It never streams unless it is told to."""
        self.package.check()
        from langchain_google_genai import ChatGoogleGenerativeAI

        from streamlab.models.providers.chat_google import give_connections

        model = ChatGoogleGenerativeAI(
            **self._options(name, options.temperature, self._checked_key()),
            max_tokens=options.max_tokens,
            seed=options.seed,
            timeout=options.timeout,
            response_mime_type="application/json" if options.as_json else None,
        )
        give_connections(model, http_client, http_async_client)
        return model

    def _reader(self, http_client: httpx2.Client) -> BaseChatModel:
        from streamlab.models.providers.chat_google import LabChatGoogle, give_connections

        model = LabChatGoogle(**self._options("any", DEFAULT_TEMPERATURE, self._checked_key()))
        give_connections(model, http_client, async_http_client())
        return model

    def _options(self, name: str, temperature: float, key: SecretStr) -> dict[str, Any]:
        """Return what both clients are made with; addresses and keys of the environment count only by the settings."""
        return {
            "model": name.removeprefix(f"{self.name}:"),
            "google_api_key": key,
            "base_url": self._address,
            "api_version": self._version,
            "vertexai": False,
            "temperature": sent(temperature),
            "max_retries": 1,  # attempts, as Google's client counts: retries are the run's, where people see them
        }


def _said(model: Any) -> Capabilities:
    """Read what the list says of a model; that one does not think by itself does not say that it cannot."""
    return Capabilities(reasoning=model.thinking or None, context=model.input_token_limit)


def _generates(model: Any) -> bool:
    return "generateContent" in (model.supported_actions or ())


def _key(response: Any) -> str:
    """Find the key that was sent: the provider may repeat it."""
    key: str = response.request.headers.get("x-goog-api-key", "") if isinstance(response, httpx2.Response) else ""
    return key
