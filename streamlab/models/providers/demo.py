"""The demo model: a server of our own, which does what a model's name asks for."""

from typing import Self
from urllib.parse import parse_qsl, urlencode

import httpx2
from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from streamlab.demo_model import DEMO, is_demo
from streamlab.models.capabilities import Capabilities
from streamlab.models.provider import Fault
from streamlab.models.providers.openai import OpenAI
from streamlab.settings import Settings

# What the demo model is told. Some text comes before the last three, so that there is some to lose.
FAULTS: dict[Fault, dict[str, object]] = {
    "none": {},
    "key": {"fault": "key"},
    "rate_limit": {"fault": "rate_limit", "retry_after": 2},
    "error": {"fault": "error"},
    "slow": {"first": 8},
    "stall": {"fault": "stall", "after": 60},
    "cut": {"fault": "cut", "after": 60},
    "garbage": {"fault": "garbage", "after": 60},
}


class Demo(OpenAI):
    """The demo model at `base_url`; it speaks OpenAI's protocol."""

    name = "demo"
    free = True
    takes_seed = True
    faults = tuple(FAULTS)

    @classmethod
    def of(cls, settings: Settings, demo_url: str, http: httpx2.Client) -> Self:
        """Make the provider at the demo model's endpoint."""
        return cls(demo_url, SecretStr("demo"), http)

    @classmethod
    def has(cls, model: str) -> bool:
        """Tell whether the name is the demo model's, with or without options."""
        return is_demo(model)

    def list_models(self) -> tuple[str, ...]:
        """Name the one; its options are not listed."""
        return (DEMO,)

    def capabilities(self, name: str) -> Capabilities:
        """Tell what it is scripted for."""
        return Capabilities(tools=True, images=True, json=True, reasoning=True)

    def chat_model(self, name: str, temperature: float, fault: Fault = "none") -> BaseChatModel:
        """Make the app's client; a fault is asked for by the model's name."""
        return super().chat_model(name if fault == "none" else faulty(name, fault), temperature)


def faulty(model: str, fault: Fault) -> str:
    """Add to the demo model's name what asks for a fault; what else the name asks for stays."""
    asked = dict(parse_qsl(model.partition("?")[2], keep_blank_values=True)) | FAULTS[fault]
    return f"{DEMO}?{urlencode(asked)}"
