"""Providers by promptfoo's names and by ours, and what promptfoo has to be told of each for it to ask as we do.

Checked with promptfoo 0.121.20. What is none of its text providers here (embeddings, speech, other companies') has no
name of ours.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from streamlab.demo_model import DEMO
from streamlab.local_model import LOCAL
from streamlab.models.endpoint import Place
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.settings import RESERVED

DEMO_URL = "DEMO_BASE_URL"  # the environment variable that holds the demo model's address, if that is not the next one
DEMO_PORT = 8502
LOCAL_URL = "LAB_GATEWAY_URL"  # likewise of the gateway, over which the local model is asked
LOCAL_ADDRESS = "http://127.0.0.1:8501/api/openai/v1"
_MOST_NAME = 2_000  # characters

Places = Mapping[str, Place]
"""The compatible servers that the settings name, by their names."""
NO_PLACES: Places = MappingProxyType({})


def _environment(variable: str, otherwise: str = "") -> str:
    return f"{{{{ env.{variable}" + (f" | default('{otherwise}', true) }}}}" if otherwise else " }}")


@dataclass(frozen=True, slots=True)
class PromptfooProvider:
    """A provider as promptfoo has it.

    `pattern` finds the model in what stands after the name and its colon; `config` is what promptfoo is told besides,
    and `silent` the temperature with which it asks where a configuration says none.
    """

    name: str
    prefix: str
    """What stands before a model's name here."""
    kind: str
    """What stands before it there."""
    pattern: re.Pattern[str]
    config: Mapping[str, Any] = field(default_factory=dict)
    silent: float = 0.0

    def model(self, rest: str) -> str | None:
        """Return the model's own name, None for what is no model that chats."""
        found = self.pattern.fullmatch(rest)
        return found[1] if found and len(found[1]) <= _MOST_NAME else None

    def ours(self, model: str, named: Collection[str]) -> str:
        """Return our name for the model; `named` are what else stands before a model's name here."""
        begin, colon, _ = model.partition(":")
        other = self.prefix == "" and colon and (begin in RESERVED or begin in named)
        return f"openai:{model}" if other else f"{self.prefix}{model}"


# Otherwise promptfoo sends OpenAI and Azure a temperature of 0 and a limit of 1,024 tokens, and Anthropic as well, who
# insists on a limit.
_PLAIN = {"omitDefaults": True}
_OPENAI = re.compile(
    r"(?:(?:chat|responses|completion):)?"
    r"((?!(?:embeddings?|image|realtime|moderation|transcription|tts|speech|video|assistant|agents|chatkit|codex(?:-\w+)*)"
    r"(?::|$))(?!image|embedding|realtime).+)",
    re.DOTALL,
)
_AZURE = re.compile(r"(?:chat|responses|completion):(.+)", re.DOTALL)
_GEMINI = re.compile(r"((?!.*(?:-image|embedding))[^:]+)")
_ON_VERTEX = re.compile(r"(?:chat:)?((?=gemini|gemma)(?!.*-image)[^:]+)")  # which also has those of other companies

PROVIDERS: tuple[PromptfooProvider, ...] = (
    PromptfooProvider("openai", "", "chat:", _OPENAI, _PLAIN),
    PromptfooProvider(
        "anthropic",
        "anthropic:",
        "messages:",
        re.compile(r"(?:(?:messages|completion):|(?=claude))([^:]+)"),
        {"temperature": DEFAULT_TEMPERATURE, "max_tokens": 8_192},
    ),
    PromptfooProvider("google", "google_genai:", "", _GEMINI, silent=DEFAULT_TEMPERATURE),
    PromptfooProvider("vertex", "google_genai:", "", _ON_VERTEX, silent=DEFAULT_TEMPERATURE),
    PromptfooProvider("palm", "google_genai:", "", _GEMINI, silent=DEFAULT_TEMPERATURE),
    PromptfooProvider(
        "azure",
        "azure_openai:",
        "chat:",
        _AZURE,
        _PLAIN | {"apiBaseUrl": _environment("AZURE_OPENAI_ENDPOINT")},
    ),
    PromptfooProvider("azureopenai", "azure_openai:", "chat:", _AZURE),
)
"""The first with a prefix is the one that is written for it."""

# What is asked elsewhere than at its protocol's own address.
_PLACES: dict[str, dict[str, Any]] = {
    DEMO: {"apiBaseUrl": _environment(DEMO_URL, f"http://127.0.0.1:{DEMO_PORT}/v1"), "apiKey": "demo"},
    LOCAL: {
        "apiBaseUrl": _environment(LOCAL_URL, LOCAL_ADDRESS),
        "apiKey": _environment("GATEWAY_TOKEN", "none"),
    },
}


def provider_of(id: object, config: Mapping[str, Any], places: Places) -> tuple[PromptfooProvider, str] | None:
    """Find the provider that promptfoo's id names, and our name for its model; None where there is none."""
    name, _, rest = id.partition(":") if isinstance(id, str) else ("", "", "")
    found = next((each for each in PROVIDERS if each.name == name), None)
    model = found.model(rest) if found else None
    if not found or not model:
        return None
    place = _place_of(config, places) if found is PROVIDERS[0] else None
    return found, f"{place}:{model}" if place else found.ours(model, places)


def _place_of(config: Mapping[str, Any], places: Places) -> str | None:
    """Find the server that a configuration of OpenAI's provider means: by its address, else by whose key it takes."""
    if not isinstance(address := config.get("apiBaseUrl"), str):
        return None
    by_address = (name for name, place in places.items() if place.address == address.rstrip("/"))
    variable = config.get("apiKeyEnvar")
    by_key = (name for name, place in places.items() if place.key_variable and place.key_variable == variable)
    return next(by_address, None) or next(by_key, None)


def written_for(model: str, places: Places) -> tuple[str, dict[str, Any]]:
    """Return promptfoo's id for a model of ours, and its configuration without the variant's own temperature."""
    prefix, _, name = model.partition(":")
    found = next((each for each in PROVIDERS if each.prefix == f"{prefix}:"), PROVIDERS[0])
    bare = name if found.prefix or prefix in places else model.removeprefix("openai:")
    return f"{found.name}:{found.kind}{bare}", taken_config(found, model, places)


def taken_config(provider: PromptfooProvider, model: str, places: Places) -> dict[str, Any]:
    """Return what a configuration may say of the provider that is no part of a set, and how we say it."""
    prefix, colon, _ = model.partition(":")
    if colon and (place := places.get(prefix)):
        key = {"apiKeyEnvar": place.key_variable} if place.key_variable else {"apiKey": "none"}  # it insists on one
        return {**provider.config, "apiBaseUrl": place.address, **key}
    return {**provider.config, **_PLACES.get(model.partition("?")[0], {})}
