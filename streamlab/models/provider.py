"""The seam to whoever serves models: what the rest of the code may ask of a provider."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self

import httpx2
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from streamlab.models.answer_body import Judgement
from streamlab.models.capabilities import Capabilities
from streamlab.models.failures import Failure
from streamlab.models.network import network_failure
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.settings import Settings

INSTALL = "pip install --no-deps -r requirements-providers.txt"  # the packages of providers that have some of their own
LOOK_UP_TIMEOUT = 5.0  # seconds that a list of models may take

Fault = Literal["none", "key", "rate_limit", "error", "slow", "stall", "cut", "garbage", "time_limit"]


@dataclass(frozen=True, slots=True)
class StockOptions:
    """How a stock client asks; what is not given is left to the client's library.

    - `timeout`: seconds that the server may be silent
    - `seed`: sent where the provider takes one
    - `as_json`: ask the server for a JSON object
    - `streaming`: whether to stream, however the model is called; None leaves that to the call
    - `chunk_timer`: keep LangChain's own time limit for each chunk, an `asyncio.wait_for`
    """

    timeout: float
    temperature: float = DEFAULT_TEMPERATURE
    max_tokens: int | None = None
    seed: int | None = None
    as_json: bool = False
    streaming: bool | None = None
    chunk_timer: bool = True


class Variables(NamedTuple):
    """The variables that hold a provider's address and its key."""

    address: str
    key: str


class Unlisted(Exception):
    """The server at `address`, which holds nothing secret, did not say which models it has.

    `failure` is what happened; None where it answered, but with no list. `variables` name what is set of it.
    It was not even asked where the package that asks it is `missing`, or where nobody can list them.
    """

    def __init__(
        self,
        provider: str,
        variables: Variables,
        address: str,
        failure: Failure | None,
        missing: str | None = None,
        *,
        asked: bool = True,
    ) -> None:
        why = f"{failure.code} {failure.detail or ''}".strip() if failure else "its answer is no list"
        if missing:
            why = f"{missing} is not installed: {INSTALL}"
        elif not asked:
            why = "name them in LAB_MODELS"
        super().__init__(f"the models of {provider} at {address} could not be listed: {why}")
        self.provider = provider
        self.variables = variables
        self.address = address
        self.failure = failure
        self.missing = missing
        self.asked = asked


def sent(temperature: float) -> float | None:
    """Leave the default out of what is sent: some models accept no other and some not even that."""
    return None if temperature == DEFAULT_TEMPERATURE else temperature


def list_failure(error: Exception, classify: Callable[[Exception], Failure | None]) -> Failure | None:
    """Name what kept a list of models from us; None where the server answered with something else."""
    match failure := network_failure(error) or classify(error):
        case Failure(code="model_not_found" | "bad_request"):
            return None
        case Failure(code="timeout" | "connection_lost"):  # whose sentences are about an answer
            return Failure("provider_unavailable")
    return failure


class Provider(Protocol):
    """A server of models, and how it is asked. Of its class can be asked what is true of all its kind."""

    name: str
    """What stands before the colon of its models' names, where anything does."""
    free: ClassVar[bool]
    """Whether its answers certainly cost nothing."""
    takes_seed: ClassVar[bool]
    faults: ClassVar[tuple[Fault, ...]]
    """What can be made to go wrong with its models."""
    wrong_key: ClassVar[str]
    """A key that nobody has, and that looks like none of anybody's."""
    failure: ClassVar[Callable[[Exception], Failure | None]]
    """Names the failure that an exception of its client amounts to; None for what its client does not raise."""

    configured: bool
    """Whether the settings say enough to ask it."""

    @classmethod
    def of(cls, settings: Settings, demo_url: str, http: httpx2.Client) -> Self:
        """Make the provider that the settings name; `http` is the client that all of the app's chains share."""

    @classmethod
    def has(cls, model: str) -> bool:
        """Tell whether a model of this name is one of its kind, but for endpoints that the settings name."""

    def close(self) -> None:
        """End what was started for it."""

    def address(self) -> str:
        """Return where it is asked; may block while that is found out."""

    def list_models(self) -> tuple[str, ...]:
        """Ask for the names that chat, the best first. Raises Unlisted. Blocks."""

    def capabilities(self, name: str) -> Capabilities:
        """Tell what a model can do, as far as that is known."""

    def chat_model(self, name: str, temperature: float, fault: Fault = "none") -> BaseChatModel:
        """Make the app's client for a model, for a trial one that meets a fault. May block as `address` does."""

    def bound(
        self, model: BaseChatModel, tools: Sequence[Mapping[str, Any]], fields: Mapping[str, Any]
    ) -> Runnable[Any, BaseMessage]:
        """Give the app's client tools of the caller's, and further fields, both as OpenAI's chat completions have them.

        Raises Failure for what would make another answer, and cannot be said to this provider.
        """

    def stock_model(
        self, name: str, options: StockOptions, http_client: httpx2.Client, http_async_client: httpx2.AsyncClient
    ) -> BaseChatModel:
        """Make the client that a program of one's own would use, which is what gets measured and looked at.

        May block as `address` does.
        """

    def judge(self, response: httpx2.Response, body: bytes) -> Judgement:
        """Say what the app's own client would have made of an answer that a stock client got."""
