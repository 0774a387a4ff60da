"""Which chat model: the providers, found by a model's name, and a client for each model."""

import logging
import time
from collections.abc import Iterable
from functools import lru_cache, partial

import anyio
import anyio.to_thread
import httpx2
from langchain_core.language_models import BaseChatModel

from streamlab.demo_model import DEMO
from streamlab.models.capabilities import Capabilities
from streamlab.models.connections import http_client
from streamlab.models.endpoint import Place
from streamlab.models.failures import Failure, common_failure
from streamlab.models.network import network_failure
from streamlab.models.provider import Fault, Provider, StockOptions, Unlisted
from streamlab.models.providers.anthropic import Anthropic
from streamlab.models.providers.azure import Azure
from streamlab.models.providers.demo import Demo
from streamlab.models.providers.google import Google
from streamlab.models.providers.local import Local
from streamlab.models.providers.openai import NamedOpenAI, OpenAI
from streamlab.settings import Settings

logger = logging.getLogger(__name__)

_LOOK_UP_AGAIN = 30.0  # seconds after a failure
_FIRST_LOOK = 3.0  # seconds that a page waits for it

KINDS: tuple[type[Provider], ...] = (OpenAI, Anthropic, Google, Azure, Demo, Local)  # as the picker has them


def provider_kind(model: str) -> type[Provider]:
    """Find of what kind the model's provider is, of which can be asked what is true of all its kind.

    OpenAI's takes what is no other's, also the endpoints that the settings name, which `Models` tells apart.
    """
    return next((kind for kind in KINDS if kind.has(model)), OpenAI)


CLASSIFIERS = (network_failure, *dict.fromkeys(kind.failure for kind in KINDS), common_failure)
"""What names failures: of the way to any server, what each provider's client raises, and what all share."""


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
        self._kinds: dict[type[Provider], Provider] = {kind: kind.of(settings, demo_url, self._http) for kind in KINDS}
        self._named = {endpoint.name: NamedOpenAI(endpoint, self._http) for endpoint in settings.lab_endpoints}
        # As the picker has them: what costs nothing stands last, whoever else is there.
        self._providers = sorted((*self._kinds.values(), *self._named.values()), key=lambda each: each.free)
        local = self._kinds[Local]
        assert isinstance(local, Local)
        self.local = local.server
        self._listed: dict[str, tuple[str, ...]] = {}  # by the provider's name
        self._unlisted: dict[str, Unlisted] = {}
        self._look_up_at = 0.0
        self._looking_up = anyio.Lock()
        self._looked_up = anyio.Event()
        self._clients = lru_cache(maxsize=64)(self._client)

    def close(self) -> None:
        for provider in self._providers:
            provider.close()
        self._http.close()

    async def names(self) -> tuple[str, ...]:
        """List what the picker offers, the default first. Without LAB_MODELS, the providers are asked for it."""
        if self._settings.lab_models:
            return self._settings.lab_models
        await self._look_up()
        return tuple(dict.fromkeys(name for each in self._providers for name in self._listed.get(each.name, ())))

    async def not_offered(self, models: Iterable[str]) -> str | None:
        """Return the first of these models that nobody may ask for here, whichever way its name came in.

        What stands after a `?` is how a scripted model is to answer; it makes no other model of one that is offered,
        here or at a provider that is a demo model.
        """
        names = set(await self.names())
        scripted = {name.partition("?")[0] for name in names if name.startswith(DEMO)} | {DEMO}
        return next((each for each in models if each not in names and each.partition("?")[0] not in scripted), None)

    def provider(self, model: str) -> Provider:
        """Find whose model it is. A colon alone says nothing: models of compatible servers have some in their names.

        Another lab's gateway at OPENAI_BASE_URL even has names such as `anthropic:…`: they are its own where that
        provider has no key here.
        """
        name, colon, _ = model.partition(":")
        if colon and (named := self._named.get(name)):
            return named
        found, compatible = self._kinds[provider_kind(model)], self._kinds[OpenAI]
        return found if found.configured or model not in self._listed.get(compatible.name, ()) else compatible

    def places(self) -> dict[str, Place]:
        """Return where the endpoints are that the settings name, by their names."""
        return {name: provider.place for name, provider in self._named.items()}

    def capabilities(self, model: str) -> Capabilities:
        """Tell what the model can do, as far as that is known."""
        return self.provider(model).capabilities(model)

    async def watch(self) -> None:
        """Ask the providers at start, also with LAB_MODELS, and again until none fails any more."""
        await self._look_up()
        self._looked_up.set()
        while any(unlisted.failure for unlisted in self._unlisted.values()):
            await anyio.sleep(_LOOK_UP_AGAIN)
            await self._look_up()

    async def unlisted(self) -> tuple[Unlisted, ...]:
        """Return which servers fail, and without LAB_MODELS also those that name no models.

        Waits a little for the first look after the start.
        """
        with anyio.move_on_after(_FIRST_LOOK):
            await self._looked_up.wait()
        named = bool(self._settings.lab_models)
        found = filter(None, (self._unlisted.get(provider.name) for provider in self._providers))
        return tuple(each for each in found if each.failure or each.missing or not named)

    def chat_model(self, name: str, temperature: float, fault: Fault = "none") -> BaseChatModel:
        """Return the app's client for a model. May block for a while where the server's address is mended."""
        return self._clients(self.provider(name).address(), name, temperature, fault)

    def stock_model(
        self, name: str, options: StockOptions, http_client: httpx2.Client, http_async_client: httpx2.AsyncClient
    ) -> BaseChatModel:
        """Make the client that a program of one's own would use, over these connections. May block likewise."""
        return self.provider(name).stock_model(name, options, http_client, http_async_client)

    async def _look_up(self) -> None:
        """Ask the providers that have not said yet, all at once, unless they were asked a short while ago."""
        async with self._looking_up:
            left = [each for each in self._providers if each.configured and each.name not in self._listed]
            if left and time.monotonic() >= self._look_up_at:
                async with anyio.create_task_group() as asking:
                    for each in left:
                        asking.start_soon(partial(anyio.to_thread.run_sync, abandon_on_cancel=True), self._list, each)
                self._look_up_at = time.monotonic() + _LOOK_UP_AGAIN

    def _list(self, provider: Provider) -> None:
        before = self._unlisted.pop(provider.name, None)
        try:
            self._listed[provider.name] = provider.list_models()
        except Unlisted as unlisted:
            self._unlisted[provider.name] = unlisted
            if before is None or before.failure != unlisted.failure:
                logger.warning("%s", unlisted)

    def _client(self, address: str, name: str, temperature: float, fault: Fault) -> BaseChatModel:
        return self.provider(name).chat_model(name, temperature, fault)
