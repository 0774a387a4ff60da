"""Azure OpenAI: OpenAI's models as deployments of one's own, by langchain-openai's own client for it."""

from typing import Any, ClassVar, Self

import httpx2
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from pydantic import SecretStr

from streamlab.models.capabilities import UNKNOWN, Capabilities
from streamlab.models.endpoint import root_address, shown_address
from streamlab.models.failures import Failure
from streamlab.models.provider import Unlisted, Variables
from streamlab.models.providers.chat_openai import CompatibleAzureChatOpenAI, CompatibleChatOpenAI
from streamlab.models.providers.openai import OpenAI
from streamlab.settings import Settings

API_VERSION = "2024-10-21"  # the last one that is stable; OPENAI_API_VERSION names another


class Azure(OpenAI):
    """A resource of Azure OpenAI; its models are the deployments that LAB_MODELS names."""

    name = "azure_openai"
    variables = Variables("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY")
    _app_class: ClassVar[type[CompatibleChatOpenAI | CompatibleAzureChatOpenAI]] = CompatibleAzureChatOpenAI
    _stock_class: ClassVar[type[ChatOpenAI | AzureChatOpenAI]] = AzureChatOpenAI

    def __init__(self, endpoint: str | None, key: SecretStr | None, version: str | None, http: httpx2.Client) -> None:
        self.configured = bool(endpoint and key)
        self._key = key or SecretStr("none")
        self._http = http
        self._resource = root_address(endpoint) if endpoint else ""
        self._version = version or API_VERSION

    @classmethod
    def of(cls, settings: Settings, demo_url: str, http: httpx2.Client) -> Self:
        """Make the provider at AZURE_OPENAI_ENDPOINT."""
        return cls(settings.azure_openai_endpoint, settings.azure_openai_api_key, settings.openai_api_version, http)

    @classmethod
    def has(cls, model: str) -> bool:
        """Tell by the prefix; also without a key: a question for one company goes to no other."""
        return model.startswith("azure_openai:")

    def address(self) -> str:
        """Return where it is asked."""
        return self._resource

    def list_models(self) -> tuple[str, ...]:
        """Raise Unlisted: a key for a resource cannot list its deployments, only the models that one could deploy."""
        raise Unlisted(self.name, self.variables, shown_address(self._resource), None, asked=False)

    def capabilities(self, name: str) -> Capabilities:
        """Tell nothing: a deployment has whatever name somebody gave it."""
        return UNKNOWN

    def _place(self, name: str) -> dict[str, Any]:
        """Return the options that name the deployment; what the environment has for OpenAI is none of Azure's."""
        if not self.configured:
            raise Failure("auth", detail=f"{' and '.join(self.variables)} are not both set")
        deployment = name.removeprefix(f"{self.name}:")
        return {
            "model": deployment,
            "azure_deployment": deployment,
            "azure_endpoint": self._resource,
            "api_version": self._version,
            "azure_ad_token": None,
            "base_url": None,
        }
