"""OpenAI, and every endpoint that speaks its protocol."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import httpx2
import openai
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from pydantic import SecretStr

from streamlab.models.answer_body import Judgement, read_completion
from streamlab.models.capabilities import UNKNOWN, Capabilities, listed, profiled
from streamlab.models.connections import TIMEOUT, async_http_client
from streamlab.models.endpoint import Endpoint, Place
from streamlab.models.failures import Failure
from streamlab.models.provider import LOOK_UP_TIMEOUT, Fault, StockOptions, Unlisted, Variables, list_failure, sent
from streamlab.models.providers.chat_openai import CompatibleAzureChatOpenAI, CompatibleChatOpenAI, give_plain_chunks
from streamlab.models.server_errors import server_failure
from streamlab.settings import NamedEndpoint, Settings

logger = logging.getLogger(__name__)

OPENAI_URL = "https://api.openai.com/v1"  # said explicitly: the client takes an empty OPENAI_BASE_URL for an address
_CHAT = re.compile(r"gpt-\d|o\d")
_OTHER = re.compile(r"audio|realtime|image|transcribe|tts|search|instruct|codex|embedding|\d{4}-\d\d-\d\d")

_NEVER_CONNECTED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.ProxyError)


def openai_failure(error: Exception) -> Failure | None:
    """Name the failure that an exception of OpenAI's client amounts to; None for any other."""
    match error:
        case openai.APIStatusError():
            said = error.message if error.body is None else error.body
            return server_failure(said, error.status_code, error.response.headers, _key(error))
        case openai.ContentFilterFinishReasonError():
            return Failure("content_filtered")
        case openai.APITimeoutError():
            return Failure("timeout")
        case openai.APIConnectionError():
            return Failure("connection_lost" if _was_connected(error) else "provider_unavailable")
        case openai.APIError():
            return server_failure(error.body or error.message, key=_key(error))
    return None


class OpenAI:
    """An endpoint at `base_url`; `http` is the client that all of the app's chains share."""

    name: str = "openai"
    variables: Variables = Variables("OPENAI_BASE_URL", "OPENAI_API_KEY")
    free: ClassVar[bool] = False
    takes_seed: ClassVar[bool] = False  # not every compatible server does
    faults: ClassVar[tuple[Fault, ...]] = ("none", "key", "time_limit")  # the server obeys nobody
    wrong_key: ClassVar[str] = "wrong-key-on-purpose"
    failure: ClassVar[Callable[[Exception], Failure | None]] = staticmethod(openai_failure)
    _listed: Mapping[str, Capabilities] = {}
    _app_class: ClassVar[type[CompatibleChatOpenAI | CompatibleAzureChatOpenAI]] = CompatibleChatOpenAI
    _stock_class: ClassVar[type[ChatOpenAI | AzureChatOpenAI]] = ChatOpenAI

    def __init__(self, base_url: str | None, key: SecretStr | None, http: httpx2.Client) -> None:
        self.configured = bool(base_url or key)
        self._key = key or SecretStr("none")  # a local server needs no key, but the client insists on one
        self._http = http
        self._endpoint = Endpoint(base_url or OPENAI_URL, self._key.get_secret_value(), http, self.variables.address)
        self.address = self._endpoint.address

    @classmethod
    def of(cls, settings: Settings, demo_url: str, http: httpx2.Client) -> Self:
        """Make the provider at OPENAI_BASE_URL, or else at OpenAI's own."""
        return cls(settings.openai_base_url, settings.openai_api_key, http)

    @classmethod
    def has(cls, model: str) -> bool:
        """Tell by the prefix; names without any are its own, too, for only the server knows which there are."""
        return model.startswith("openai:")

    def close(self) -> None:
        """Do nothing: it is nobody's child."""

    def list_models(self) -> tuple[str, ...]:
        """Ask the server; of OpenAI's own list keep what chats, the newest first."""
        address, key = self.address(), self._key.get_secret_value()
        client = openai.OpenAI(
            base_url=address, api_key=key, max_retries=0, timeout=LOOK_UP_TIMEOUT, http_client=self._http
        )
        try:
            page = client.models.list()
            models = list(page)
        except Exception as error:  # the client breaks in many ways on what is no list of models
            failure = list_failure(error, openai_failure)
            raise Unlisted(self.name, self.variables, self._endpoint.shown, failure) from error
        if not models:
            raise Unlisted(self.name, self.variables, self._endpoint.shown, None)
        self._listed = _told(models, (page.model_extra or {}).get("models"))
        if address != OPENAI_URL:
            return tuple(model.id for model in models)
        models.sort(key=lambda model: model.created, reverse=True)
        return tuple(model.id for model in models if _chats(model.id))

    def capabilities(self, name: str) -> Capabilities:
        """Tell what its server said when it listed its models, else what is known of OpenAI's of this name."""
        bare = self._bare(name)
        return self._listed.get(bare, UNKNOWN).or_else(profiled("langchain_openai", bare))

    def chat_model(self, name: str, temperature: float, fault: Fault = "none") -> BaseChatModel:
        """Make the app's client; with the fault `key` it never holds the right one."""
        model = self._app_class(
            **self._place(name),
            openai_proxy=None,  # nor one of OPENAI_PROXY, with which LangChain refuses the connections given here
            http_socket_options=(),  # else it warns that proxies are not heeded; our connections heed them
            api_key=SecretStr(self.wrong_key) if fault == "key" else self._key,
            temperature=sent(temperature),
            streaming=True,
            stream_usage=True,
            stream_chunk_timeout=None,  # how long a chunk may take is the run's to say; this would be a timer for each
            timeout=TIMEOUT,  # the client would take none, also for what connects
            max_retries=0,  # retries are the run's, where people see them
            http_client=self._http,
            http_async_client=async_http_client(),
        )
        give_plain_chunks(model)
        return model

    def bound(
        self, model: BaseChatModel, tools: Sequence[Mapping[str, Any]], fields: Mapping[str, Any]
    ) -> Runnable[Any, BaseMessage]:
        """Send them as they are: LangChain is not to interpret what the server is to judge."""
        body = dict(fields) | ({"tools": list(tools)} if tools else {})
        return model.bind(extra_body=body) if body else model

    def stock_model(
        self, name: str, options: StockOptions, http_client: httpx2.Client, http_async_client: httpx2.AsyncClient
    ) -> BaseChatModel:
        """Make a ChatOpenAI as it comes: neither its chunks nor its reads are ours."""
        given: dict[str, Any] = {} if options.chunk_timer else {"stream_chunk_timeout": None}
        if options.streaming is not None:
            given["streaming"] = options.streaming
        return self._stock_class(
            **self._place(name),
            openai_proxy=None,  # nor one of OPENAI_PROXY, with which LangChain refuses the connections given here
            http_socket_options=(),  # else it warns that proxies are not heeded; our connections heed them
            api_key=self._key,
            temperature=sent(options.temperature),
            max_tokens=options.max_tokens,
            seed=options.seed if self.takes_seed else None,
            stream_usage=True,
            # Bound to the model, it would make ChatOpenAI stream by the client's parsing helper, which adds a chunk
            # of its own and breaks off where an answer is cut short or has no text.
            extra_body={"response_format": {"type": "json_object"}} if options.as_json else None,
            max_retries=0,  # a retry would be measured as part of the call, and show the chunks of two answers
            timeout=options.timeout,
            http_client=http_client,
            http_async_client=http_async_client,
            **given,
        )

    def judge(self, response: httpx2.Response, body: bytes) -> Judgement:
        """Read the body."""
        return read_completion(response, body)

    def _place(self, name: str) -> dict[str, Any]:
        """Return the options that say which server is asked for which model, by the name that it has there."""
        return {"model": self._bare(name), "base_url": self.address()}

    def _bare(self, name: str) -> str:
        """Return the name that a model has at the server, which may itself begin as if a provider's were before it."""
        return name if name in self._listed else name.removeprefix(f"{self.name}:")


class NamedOpenAI(OpenAI):
    """A compatible endpoint that LAB_ENDPOINTS names; its models' names begin with that name."""

    def __init__(self, endpoint: NamedEndpoint, http: httpx2.Client) -> None:
        self.name = endpoint.name
        self.variables = Variables("LAB_ENDPOINTS", endpoint.key_variable)
        super().__init__(endpoint.address, endpoint.key, http)
        self._has_key = endpoint.key is not None

    @property
    def place(self) -> Place:
        """Where other programs find it, as far as that is known by now."""
        return Place(self._endpoint.shown, self.variables.key if self._has_key else None)

    def list_models(self) -> tuple[str, ...]:
        """Ask the server, and put its name before those of its models."""
        return tuple(f"{self.name}:{model}" for model in super().list_models())

    def _bare(self, name: str) -> str:
        """Take off the name that was put before it."""
        return name.removeprefix(f"{self.name}:")


def _told(models: Sequence[openai.types.Model], beside: object) -> dict[str, Capabilities]:
    """Read what is said of each model by its name; llama.cpp says some of it in a second list, `beside` the first."""
    more = {each.get("name"): each for each in beside if isinstance(each, Mapping)} if isinstance(beside, list) else {}
    return {model.id: listed(model.model_extra or {}).or_else(listed(more.get(model.id, {}))) for model in models}


def _chats(name: str) -> bool:
    """Guess whether a model chats: OpenAI lists everything it has. Dated copies of a name are left out."""
    return bool(_CHAT.match(name)) and not _OTHER.search(name)


def _key(error: openai.APIError) -> str:
    """Find the key that was sent: the provider may repeat it."""
    sent = error.request.headers  # the second as Azure has it
    key: str = sent.get("authorization", "").removeprefix("Bearer ") or sent.get("api-key", "")
    return key


def _was_connected(error: openai.APIConnectionError) -> bool:
    """Tell a read that broke off from a connection that never was."""
    cause = error.__cause__
    while cause:
        if isinstance(cause, _NEVER_CONNECTED):
            return False
        cause = cause.__cause__
    return True
