"""What a front end asks that keeps the conversation itself: all that was said, and how to go on."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, messages_to_dict

from streamlab.hub.listing import shortened
from streamlab.models.options import DEFAULT_TEMPERATURE, SYSTEM_CHARACTERS, Options
from streamlab.runs.run import Retries

MESSAGES, TOOLS = 1_000, 128  # that one request may have


@dataclass(frozen=True)
class Prompt:
    """All messages, the last one included. The model `""` is the server's first.

    With `agent` the server's own tools are used. `tools` are functions of the caller's, in the form that OpenAI's chat
    completions have: they are not run here, but the calls handed back. `parameters` are further fields of such a
    request, which go to the model as they are. A `detached` run goes on also while nobody follows it.
    `request` is what was sent, as it came, for which an idempotency key stands.
    """

    messages: tuple[BaseMessage, ...]
    model: str = ""
    temperature: float | None = None
    agent: bool = False
    tools: tuple[dict[str, Any], ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    retries: Retries = "always"
    detached: bool = False
    request: bytes = b""

    @property
    def problem(self) -> str | None:
        """Say in a sentence why this cannot be answered, if so."""
        if len(self.tools) > TOOLS:
            return f"There are more than {TOOLS} tools."
        if not self.messages or all(isinstance(message, SystemMessage) for message in self.messages):
            return "There is no message to answer."
        if not self.agent:
            return None
        if self.tools:
            return "Either the server's tools are used or those that were sent, not both."
        if not isinstance(self.messages[-1], HumanMessage):
            return "To be answered with tools the last message must be the user's."
        if len(self.system) > SYSTEM_CHARACTERS:
            return f"The instructions have more than {SYSTEM_CHARACTERS:,} characters."
        return None

    @property
    def title(self) -> str:
        """What was asked last, shortened."""
        asked = [message.text for message in self.messages if isinstance(message, HumanMessage)]
        return shortened(asked[-1]) if asked else ""

    @property
    def system(self) -> str:
        """All instructions as one text."""
        return "\n\n".join(message.text for message in self.messages if isinstance(message, SystemMessage))

    def options(self, model: str) -> Options:
        """Return how this model is to answer."""
        temperature = DEFAULT_TEMPERATURE if self.temperature is None else self.temperature
        return Options(model, self.system, temperature, tools=self.agent)

    @property
    def fingerprint(self) -> str:
        """Return a digest of what was sent."""
        asked = (messages_to_dict(self.messages), self.model, self.temperature, self.agent, self.tools)
        written = json.dumps([*asked, dict(self.parameters)], sort_keys=True, default=str).encode()
        return hashlib.sha256(self.request or written).hexdigest()
