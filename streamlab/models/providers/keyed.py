"""Providers that a key opens, each asked by a package of its own, which is installed only where somebody wants it."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import ClassVar, NamedTuple, Self

import httpx2
from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from streamlab.models.answer_body import Judgement, ask_again
from streamlab.models.capabilities import UNKNOWN, Capabilities, profiled
from streamlab.models.endpoint import root_address, shown_address
from streamlab.models.failures import Failure
from streamlab.models.provider import INSTALL, Fault, Provider, Unlisted, Variables, list_failure
from streamlab.settings import Settings


class Package(NamedTuple):
    """A package by the name of its `module`, and by the one that it is installed by."""

    module: str
    name: str

    @property
    def missing(self) -> str | None:
        """Its name, if it is not installed."""
        return None if find_spec(self.module) else self.name

    def check(self) -> None:
        """Raise Failure where it is not installed."""
        if self.missing:
            raise Failure("bad_request", detail=f"The package {self.name} is not installed here: {INSTALL}")


class Keyed(Provider):
    """A provider's API, or at `base_url` another server of the same protocol."""

    variables: Variables
    free: ClassVar[bool] = False
    faults: ClassVar[tuple[Fault, ...]] = ("none", "key", "time_limit")
    wrong_key: ClassVar[str] = "wrong-key-on-purpose"
    package: ClassVar[Package]
    url: ClassVar[str]
    """The provider's own address."""
    _listed: Mapping[str, Capabilities] = {}

    def __init__(self, base_url: str | None, key: SecretStr | None, http: httpx2.Client) -> None:
        self.configured = key is not None
        self._key = key
        self._http = http
        self._address = root_address(base_url) if base_url else self.url

    @classmethod
    def of(cls, settings: Settings, demo_url: str, http: httpx2.Client) -> Self:
        """Make the provider whose key is set."""
        address, key = (getattr(settings, variable.lower()) for variable in cls.variables)
        return cls(address, key, http)

    @classmethod
    def has(cls, model: str) -> bool:
        """Tell by the prefix; also without a key: a question for one company goes to no other."""
        return model.startswith(f"{cls.name}:")

    def close(self) -> None:
        """Do nothing: it is nobody's child."""

    def address(self) -> str:
        """Return where it is asked."""
        return self._address

    def list_models(self) -> tuple[str, ...]:
        """Ask the server, and keep what chats."""
        shown = shown_address(self._address)
        if missing := self.package.missing:
            raise Unlisted(self.name, self.variables, shown, None, missing)
        try:
            told = self._told(self._key.get_secret_value() if self._key else "")
        except Exception as error:  # the clients break in many ways on what is no list of models
            raise Unlisted(self.name, self.variables, shown, list_failure(error, type(self).failure)) from error
        if not told:
            raise Unlisted(self.name, self.variables, shown, None)
        self._listed = told
        return tuple(f"{self.name}:{name}" for name in told)

    def judge(self, response: httpx2.Response, body: bytes) -> Judgement:
        """Have the app's own client read the body once more."""
        return ask_again(response, body, self._reader, type(self).failure)

    def _reader(self, http_client: httpx2.Client) -> BaseChatModel:
        """Make the app's own client over this connection; what it asks matters not."""
        raise NotImplementedError

    def capabilities(self, name: str) -> Capabilities:
        """Tell what the server said when it listed its models, else what LangChain's package knows."""
        bare = name.removeprefix(f"{self.name}:")
        return self._listed.get(bare, UNKNOWN).or_else(profiled(self.package.module, bare))

    def _told(self, key: str) -> dict[str, Capabilities]:
        """Ask the server for the models that chat, the best first, and what it says of each by its name."""
        raise NotImplementedError

    def _checked_key(self) -> SecretStr:
        if self._key is None:
            raise Failure("auth", detail=f"{self.variables.key} is not set")
        return self._key
