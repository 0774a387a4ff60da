"""The local model: a real one on this machine, if it is installed."""

from typing import Any, ClassVar, Self

import httpx2
from pydantic import SecretStr

from streamlab.local_model import LOCAL
from streamlab.local_model.server import LocalServer
from streamlab.models.capabilities import Capabilities
from streamlab.models.failures import Failure
from streamlab.models.provider import Fault
from streamlab.models.providers.openai import OpenAI
from streamlab.settings import Settings


class Local(OpenAI):
    """llama.cpp's server, which speaks OpenAI's protocol; it is started when it is first asked."""

    name = "local"
    free = True
    takes_seed = True
    faults: ClassVar[tuple[Fault, ...]] = ("none", "key", "time_limit")

    def __init__(self, server: LocalServer, context: int, http: httpx2.Client) -> None:
        self.configured = server.file is not None
        self.server = server
        self._context = context
        self._key = SecretStr(server.key)
        self._http = http

    @classmethod
    def of(cls, settings: Settings, demo_url: str, http: httpx2.Client) -> Self:
        """Make the provider over the file that the settings name, or that is installed."""
        return cls(LocalServer(settings), settings.lab_local_context, http)

    @classmethod
    def has(cls, model: str) -> bool:
        """Tell whether the name is the local model's."""
        return model == LOCAL

    def address(self) -> str:
        """Return where it is asked; blocks while it is started. Raises Failure."""
        try:
            return self.server.address()
        except RuntimeError as error:
            raise Failure("provider_unavailable", detail=str(error)) from None

    def list_models(self) -> tuple[str, ...]:
        """Name the one, without starting it."""
        return (LOCAL,)

    def _place(self, name: str) -> dict[str, Any]:
        """Ask each time over a new connection, which on this machine takes no time: xllamacpp 2026's server promises to
        keep one for 5 s, but on a busy machine sometimes closes it as the next request comes, which is lost then."""
        return super()._place(name) | {"default_headers": {"connection": "close"}}

    def capabilities(self, name: str) -> Capabilities:
        """Tell what its server is started for: text alone. So small a model calls no tools, or the wrong ones."""
        return Capabilities(tools=False, images=False, json=True, context=self._context)

    def close(self) -> None:
        """End the server."""
        self.server.close()
