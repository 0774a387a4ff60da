"""Which chat model: the providers, found by a model's name, and a client for each model."""

import time
from collections.abc import Iterable
from functools import lru_cache

import anyio.to_thread
import httpx2
from langchain_core.language_models import BaseChatModel

from streamlab.models.connections import http_client
from streamlab.models.failures import Failure, common_failure
from streamlab.models.provider import Fault, Provider, StockOptions
from streamlab.models.providers.demo import Demo
from streamlab.models.providers.openai import OpenAI
from streamlab.settings import Settings

_LOOK_UP_AGAIN = 30.0  # seconds after a failure

KINDS: tuple[type[Provider], ...] = (Demo, OpenAI)  # the last takes every name


def provider_kind(model: str) -> type[Provider]:
    """Find whose model it is; what is true of all of a provider's models can be asked of the class."""
    return next(kind for kind in KINDS if kind.has(model))


CLASSIFIERS = (*dict.fromkeys(kind.failure for kind in KINDS), common_failure)
"""What names failures: what each provider's client raises, and what all share."""


def classify(error: Exception) -> Failure:
    """Name the failure that an exception amounts to, whatever model was asked."""
    return next(filter(None, (named(error) for named in CLASSIFIERS)))


def cost_money(models: Iterable[str]) -> bool:
    """Tell whether one of them is not certainly free."""
    return not all(provider_kind(model).free for model in models)


class Models:
    """The models that can be chosen, and a client for each. `demo_url` is the demo model's endpoint."""

    def __init__(self, settings: Settings, demo_url: str) -> None:
        self.demo_url = demo_url
        self._settings = settings
        self._http = http_client()
        self._providers: dict[type[Provider], Provider] = {
            kind: kind.of(settings, demo_url, self._http) for kind in KINDS
        }
        self._known: list[str] = []
        self._look_up_at = 0.0
        self.chat_model = lru_cache(maxsize=64)(self._chat_model)

    def close(self) -> None:
        self._http.close()

    @property
    def has_provider(self) -> bool:
        """Whether a provider can be asked whose answers may cost money."""
        return any(provider.configured and not provider.free for provider in self._providers.values())

    async def names(self) -> tuple[str, ...]:
        """List what the picker offers, the default first. Without LAB_MODELS, the providers are asked for it."""
        if self._settings.lab_models:
            return self._settings.lab_models
        if self.has_provider and not self._known and time.monotonic() >= self._look_up_at:
            self._known = await anyio.to_thread.run_sync(self._list_models, False)
            self._look_up_at = time.monotonic() + _LOOK_UP_AGAIN
        return tuple(dict.fromkeys((*self._known, *self._list_models(free=True))))

    def stock_model(
        self, name: str, options: StockOptions, http_client: httpx2.Client, http_async_client: httpx2.AsyncClient
    ) -> BaseChatModel:
        """Make the client that a program of one's own would use, over these connections."""
        return self._provider(name).stock_model(name, options, http_client, http_async_client)

    def _list_models(self, free: bool) -> list[str]:
        """Ask the providers whose answers are free, or the others, for their models. Blocks for the latter."""
        asked = [each for each in self._providers.values() if each.configured and each.free == free]
        return [name for provider in asked for name in provider.list_models()]

    def _chat_model(self, name: str, temperature: float, fault: Fault = "none") -> BaseChatModel:
        return self._provider(name).chat_model(name, temperature, fault)

    def _provider(self, name: str) -> Provider:
        return self._providers[provider_kind(name)]
