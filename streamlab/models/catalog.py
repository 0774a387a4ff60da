"""Which chat model: OpenAI, an OpenAI-compatible endpoint, or the demo model."""

import logging
import re
import time
from functools import lru_cache
from typing import Any

import anyio.to_thread
import openai
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from streamlab.demo_model import DEMO, is_demo
from streamlab.models.chunks import AsyncPlainCompletions, PlainCompletions
from streamlab.models.connections import async_http_client, http_client
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.settings import Settings

logger = logging.getLogger(__name__)

OPENAI = "https://api.openai.com/v1"  # said explicitly: the client takes an empty OPENAI_BASE_URL for an address
_LOOK_UP_TIMEOUT = 5.0  # seconds
_LOOK_UP_AGAIN = 30.0  # seconds after a failure
_OPENAI_CHAT = re.compile(r"gpt-\d|o\d")
_OPENAI_OTHER = re.compile(r"audio|realtime|image|transcribe|tts|search|instruct|codex|embedding|\d{4}-\d\d-\d\d")


class CompatibleChatOpenAI(ChatOpenAI):
    """ChatOpenAI that also keeps the reasoning that vLLM, Ollama, LM Studio and DeepSeek send beside the content.

    They send it as `reasoning_content` or `reasoning` of a delta, which is not part of OpenAI's protocol and is
    dropped by ChatOpenAI on purpose. Here it goes into `additional_kwargs["reasoning_content"]`.
    """

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        generation = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if generation and (choices := chunk.get("choices")):
            delta = choices[0].get("delta") or {}
            if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
                generation.message.additional_kwargs["reasoning_content"] = reasoning
        return generation


def endpoint(name: str, settings: Settings, demo_url: str) -> tuple[str, SecretStr]:
    """A model's address, and the key for it."""
    if is_demo(name):
        return demo_url, SecretStr("demo")
    base_url = settings.openai_base_url
    # A local server needs no key, but the client insists on one.
    return str(base_url).rstrip("/") if base_url else OPENAI, settings.openai_api_key or SecretStr("none")


class Models:
    """The models that can be chosen, and a client for each. `demo_url` is the demo model's endpoint."""

    def __init__(self, settings: Settings, demo_url: str) -> None:
        self._settings = settings
        self._demo_url = demo_url
        self._http = http_client()
        self._known: tuple[str, ...] = ()
        self._look_up_at = 0.0
        self.chat_model = lru_cache(maxsize=64)(self._chat_model)

    def close(self) -> None:
        self._http.close()

    @property
    def has_provider(self) -> bool:
        return bool(self._settings.openai_api_key or self._settings.openai_base_url)

    async def names(self) -> tuple[str, ...]:
        """What the picker offers; the first is the default. Without LAB_MODELS, the provider is asked what it has."""
        if self._settings.lab_models:
            return self._settings.lab_models
        if self.has_provider and not self._known and time.monotonic() >= self._look_up_at:
            self._known = await anyio.to_thread.run_sync(self._look_up)
            self._look_up_at = time.monotonic() + _LOOK_UP_AGAIN
        return tuple(dict.fromkeys((*self._known, DEMO)))

    def _chat_model(self, name: str, temperature: float) -> CompatibleChatOpenAI:
        base_url, key = endpoint(name, self._settings, self._demo_url)
        model = CompatibleChatOpenAI(
            model=name,
            base_url=base_url,
            api_key=key,
            temperature=None if temperature == DEFAULT_TEMPERATURE else temperature,
            streaming=True,
            stream_usage=True,
            stream_chunk_timeout=None,  # how long a chunk may take is the run's to say; this would be a timer for each
            max_retries=0,  # retries are the run's, where people see them
            http_client=self._http,
            http_async_client=async_http_client(),
        )
        model.client = PlainCompletions(model.root_client)
        model.async_client = AsyncPlainCompletions(model.root_async_client)
        return model

    def _look_up(self) -> tuple[str, ...]:
        base_url, key = endpoint("", self._settings, self._demo_url)
        try:
            with openai.OpenAI(
                base_url=base_url, api_key=key.get_secret_value(), max_retries=0, timeout=_LOOK_UP_TIMEOUT
            ) as client:
                models = list(client.models.list())
        except Exception as error:  # the client breaks in many ways on what is no list of models
            logger.warning("the provider's list of models could not be read: %s", type(error).__name__)
            return ()
        if base_url != OPENAI:
            return tuple(model.id for model in models)
        models.sort(key=lambda model: model.created, reverse=True)
        return tuple(model.id for model in models if _is_openai_chat(model.id))


def _is_openai_chat(name: str) -> bool:
    """OpenAI lists everything it has, and does not say what chats; dated copies of a name are left out."""
    return bool(_OPENAI_CHAT.match(name)) and not _OPENAI_OTHER.search(name)
