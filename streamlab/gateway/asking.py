"""What may be asked, and how an asked question becomes a run."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streamlab.chats import Busy, UnknownChat
from streamlab.demo_model import is_demo
from streamlab.engine import Engine
from streamlab.gateway.errors import Refused
from streamlab.gateway.limits import Limits
from streamlab.hub import HubFull, HubUnreachable
from streamlab.questions import DEFAULT_TEMPERATURE, QUESTION_CHARACTERS, InvalidQuestion, Options
from streamlab.runs import TooManyRuns

KEYS = 10_000  # idempotency keys that are remembered; beyond that the oldest leave
KEY_SECONDS = 24 * 3600.0
CAPACITY_RETRY = 5  # seconds

Text = Annotated[str, Field(max_length=QUESTION_CHARACTERS)]


class Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: Text


class ChatRequest(BaseModel):
    """A question, as `message` or as the last of `messages`."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"message": "What is streaming?"},
                {"message": "What is 17 * 23, and which products sold best?", "agent": True},
                {
                    "messages": [
                        {"role": "system", "content": "Answer in one sentence."},
                        {"role": "user", "content": "What is a token?"},
                    ],
                    "model": "demo",
                    "temperature": 0,
                },
            ]
        },
    )

    message: Text | None = Field(None, description="the question")
    messages: list[Message] | None = Field(
        None,
        min_length=1,
        max_length=1_000,
        description="the same with what was said before: an optional system message, then user and assistant in turn",
    )
    model: str | None = Field(None, max_length=500, description="the server's first model when it is left out")
    agent: bool = Field(False, description="answer with tools")
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    conversation: str | None = Field(
        None, max_length=100, description="go on in this conversation, whose id an earlier answer gave"
    )

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.message is None) == (self.messages is None):
            raise ValueError("send either message or messages")
        if self.messages is not None and self.conversation is not None:
            raise ValueError("a conversation remembers what was said: send message, not messages")
        roles = [message.role for message in self._spoken]
        if self.messages is not None and (not roles or roles[0] != "user" or roles[-1] != "user"):
            raise ValueError("after the system message, messages begin and end with the user's")
        if "system" in roles or any(before == after for before, after in pairwise(roles)):
            raise ValueError("messages are an optional system message, then user and assistant in turn")
        return self

    @property
    def question(self) -> str:
        return self._spoken[-1].content if self.messages else self.message or ""

    @property
    def system(self) -> str:
        return self.messages[0].content if self.messages and self.messages[0].role == "system" else ""

    @property
    def told(self) -> Iterator[tuple[str, str]]:
        """The questions and answers before the question."""
        texts = [message.content for message in self._spoken[:-1]]
        return zip(texts[::2], texts[1::2], strict=True)

    @property
    def _spoken(self) -> list[Message]:
        messages = self.messages or []
        return messages[1:] if messages and messages[0].role == "system" else messages

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was asked for. `repeated`: it had been, under the same idempotency key."""

    run_id: str
    conversation: str
    model: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class _Former:
    started: Started
    fingerprint: str
    at: float


class Asking:
    """Starts runs for callers. Remembers what it started for as long as the runs' logs are kept."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine = engine
        self._limits = limits
        self._formers: dict[tuple[str, str], _Former] = {}  # by caller and key, the oldest first
        self._started: dict[str, Started] = {}

    def started(self, run_id: str) -> Started | None:
        """What is known of a run that was asked for here."""
        return self._started.get(run_id)

    async def begin(self, asked: ChatRequest, name: str, key: str | None) -> Started:
        """Start a run for the caller of this name, or answer the one that it started under the same key.

        Raises Refused; then nothing has changed.
        """
        names = await self._engine.models.names()
        if key is not None and (former := self._recall(name, key, asked.fingerprint)):
            return replace(former, repeated=True)
        self._limits.check(name)
        started = self._start(asked, names)
        if key is not None:
            self._remember(name, key, _Former(started, asked.fingerprint, time.monotonic()))
        self._limits.count(name, await self._engine.hub.open(started.run_id))
        return started

    def _start(self, asked: ChatRequest, names: tuple[str, ...]) -> Started:
        try:
            options = self._options(asked, names)
            chat = self._engine.chats.ask(asked.conversation, asked.question, options, asked.told)
        except InvalidQuestion as error:
            raise Refused(422, "invalid_request", _said(error), "Send a question.") from None
        except UnknownChat:
            hint = "Leave conversation out to begin a new one; one is kept for a day after its last use."
            raise Refused(404, "unknown_conversation", "There is no conversation of this id.", hint) from None
        except Busy:
            hint = "Wait for the end of the run, or stop it."
            raise Refused(409, "conversation_busy", "Its last question is still being answered.", hint) from None
        except (TooManyRuns, HubFull, HubUnreachable):
            raise Refused(
                503,
                "at_capacity",
                "The server has as many runs as it can hold.",
                "Ask again in a moment.",
                retry_after=CAPACITY_RETRY,
            ) from None
        started = Started(chat.turns[-1].run_id, chat.id, options.model)
        self._started = {run: each for run, each in self._started.items() if run in self._engine.hub}
        self._started[started.run_id] = started
        return started

    def _options(self, asked: ChatRequest, names: tuple[str, ...]) -> Options:
        """How it is to be answered; a conversation goes on as its last question was, but for what is said anew."""
        last = self._engine.chats.get(asked.conversation).turns[-1].options if asked.conversation else None
        model = asked.model or (last.model if last else names[0])
        if model not in names and not is_demo(model):
            hint = f"There is: {', '.join(names[:20])}."
            raise Refused(422, "unknown_model", "The server has no model of this name.", hint)
        system = last.system if last else asked.system
        temperature = asked.temperature
        if temperature is None:
            temperature = last.temperature if last else DEFAULT_TEMPERATURE
        return Options(model, system, temperature, tools=asked.agent)

    def _recall(self, name: str, key: str, fingerprint: str) -> Started | None:
        now = time.monotonic()
        while self._formers and now - next(iter(self._formers.values())).at > KEY_SECONDS:
            del self._formers[next(iter(self._formers))]
        former = self._formers.get((name, key))
        if former and former.fingerprint != fingerprint:
            hint = "Use a new key for a new request."
            raise Refused(409, "idempotency_conflict", "The Idempotency-Key was used for another request.", hint)
        return former.started if former else None

    def _remember(self, name: str, key: str, former: _Former) -> None:
        self._formers[name, key] = former
        if len(self._formers) > KEYS:
            del self._formers[next(iter(self._formers))]


def _said(error: InvalidQuestion) -> str:
    return "The question is empty." if error.code == "empty" else f"The question has {error.length:,} characters."
