"""Google: Gemini, by langchain-google-genai, which is installed only where somebody wants it."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import httpx2
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable
from pydantic import SecretStr

from streamlab.models.connections import async_http_client
from streamlab.models.endpoint import named_version, root_address, shown_address
from streamlab.models.failures import Failure
from streamlab.models.provider import LOOK_UP_TIMEOUT, Fault, StockOptions, Unlisted, Variables, list_failure, sent
from streamlab.models.providers.fields import bound
from streamlab.models.providers.packages import Package
from streamlab.models.server_errors import server_failure
from streamlab.settings import Settings

GOOGLE_URL = "https://generativelanguage.googleapis.com"
PACKAGE = Package("langchain_google_genai", "langchain-google-genai")
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


class Google:
    """Google's Gemini API, or another server of the same protocol."""

    name: str = "google_genai"
    variables = Variables("GOOGLE_GEMINI_BASE_URL", "GOOGLE_API_KEY")
    free: ClassVar[bool] = False
    takes_seed: ClassVar[bool] = True
    takes_tools: ClassVar[bool] = True
    speaks_openai: ClassVar[bool] = False
    faults: ClassVar[tuple[Fault, ...]] = ("none", "key", "time_limit")
    wrong_key: ClassVar[str] = "wrong-key-on-purpose"
    failure: ClassVar[Callable[[Exception], Failure | None]] = staticmethod(google_failure)

    def __init__(self, base_url: str | None, key: SecretStr | None, http: httpx2.Client) -> None:
        self.configured = key is not None
        self._key = key
        self._http = http
        self._address = root_address(base_url) if base_url else GOOGLE_URL
        self._version = named_version(base_url) if base_url else None  # else the client's own

    @classmethod
    def of(cls, settings: Settings, demo_url: str, http: httpx2.Client) -> Self:
        """Make the provider that GOOGLE_API_KEY opens."""
        return cls(settings.google_gemini_base_url, settings.google_api_key, http)

    @classmethod
    def has(cls, model: str) -> bool:
        """Tell by the prefix; also without a key: a question for one company goes to no other."""
        return model.startswith("google_genai:")

    def close(self) -> None:
        """Do nothing: it is nobody's child."""

    def address(self) -> str:
        """Return where it is asked."""
        return self._address

    def list_models(self) -> tuple[str, ...]:
        """Ask the server, and keep what chats."""
        shown = shown_address(self._address)
        if missing := PACKAGE.missing:
            raise Unlisted(self.name, self.variables, shown, None, missing)
        from streamlab.models.providers.chat_google import google_client

        key = self._key.get_secret_value() if self._key else ""
        client = google_client(key, self._address, self._version, LOOK_UP_TIMEOUT, self._http, async_http_client())
        try:
            listed = list(client.models.list(config={"page_size": 1_000}))
        except Exception as error:  # the client breaks in many ways on what is no list of models
            raise Unlisted(self.name, self.variables, shown, list_failure(error, google_failure)) from error
        names = [(model.name or "").removeprefix("models/") for model in listed if _generates(model)]
        if not names:
            raise Unlisted(self.name, self.variables, shown, None)
        return tuple(f"{self.name}:{name}" for name in names if not _OTHER.search(name))

    def chat_model(self, name: str, temperature: float, fault: Fault = "none") -> BaseChatModel:
        """Make the app's client; with the fault `key` it never holds the right one."""
        PACKAGE.check()
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
        PACKAGE.check()
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

    def _checked_key(self) -> SecretStr:
        if self._key is None:
            raise Failure("auth", detail=f"{self.variables.key} is not set")
        return self._key


def _generates(model: Any) -> bool:
    return "generateContent" in (model.supported_actions or ())


def _key(response: Any) -> str:
    """Find the key that was sent: the provider may repeat it."""
    key: str = response.request.headers.get("x-goog-api-key", "") if isinstance(response, httpx2.Response) else ""
    return key
