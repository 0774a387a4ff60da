"""What may be asked, and how an asked question becomes a run."""

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal, Self

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from streamlab.attachments.content import has_images
from streamlab.attachments.files import FILES, AttachmentRefused
from streamlab.chats.chat import Busy, Chat, UnknownChat
from streamlab.completions.prompt import Prompt
from streamlab.demo_model import is_demo
from streamlab.engine import Engine
from streamlab.gateway.access import Access, Grant
from streamlab.gateway.attachments import SentFile, files_sent, no_images, refusal
from streamlab.gateway.errors import Refusal, access_code_needed, in_progress, models_unknown, unavailable
from streamlab.gateway.limits import Limits
from streamlab.hub import HubFull, HubUnreachable
from streamlab.hub.shared import DocumentType
from streamlab.models.catalog import cost_money
from streamlab.models.options import DEFAULT_TEMPERATURE, QUESTION_CHARACTERS, InvalidQuestion, Options
from streamlab.models.provider import Unlisted
from streamlab.runs.run import TooManyRuns

KEYS = 10_000  # idempotency keys that one process remembers; beyond that the longest unused leave
KEY_SECONDS = 24 * 3600.0
CLAIM_SECONDS = 30.0  # after which a key is free again whose request never came to an end: its process died
WAIT = 2.0  # seconds that a repeated request waits for what becomes of the first one
POLL = 0.05  # seconds between two looks at that
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

    attachments: list[SentFile] = Field([], max_length=FILES, description="images and texts that go with the question")

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
    """A run that was asked for, by a caller of this name, in a conversation of the `owner`, which may be another.

    `repeated`: it had been, under the same idempotency key.
    """

    run_id: str
    conversation: str
    model: str
    repeated: bool = False
    caller: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class _KeyedRequest:
    """A request under a key: claimed by the process that began it, and answered once that has `started` its run."""

    fingerprint: str
    claim: str
    started: Started | None = None


def _encode(document: Started | _KeyedRequest) -> bytes:
    return json.dumps(asdict(document)).encode()


STARTED = DocumentType("asked", _encode, TypeAdapter(Started).validate_json, KEY_SECONDS, KEYS)
KEYED = DocumentType("key", _encode, TypeAdapter(_KeyedRequest).validate_json, KEY_SECONDS, KEYS)


class Submissions:
    """Starts runs for callers. What it remembers of them every process knows that shares the hub."""

    def __init__(self, engine: Engine, limits: Limits, access: Access) -> None:
        self._engine = engine
        self._access = access
        self._limits = limits
        self._shared = engine.hub.shared
        self._keyed = self._shared.documents(KEYED)
        self._asked = self._shared.documents(STARTED)
        self._started: dict[str, Started] = {}  # of logs that are here

    async def started(self, key: str) -> Started | None:
        """Find what is known of a run that was asked for at a gateway, by its id, or by an epoch that was noted."""
        if key not in self._started and self._engine.hub.reachable:
            with suppress(HubUnreachable):
                if found := await self._asked.get(key):
                    self._know(key, found.document)
        return self._started.get(key)

    def note_epoch(self, started: Started, epoch: str) -> None:
        """Let the run be found by the epoch of its log, which is all that the id of an event tells."""
        if epoch not in self._started:
            self._know(epoch, started)
            self._shared.later(partial(self._asked.put, epoch, started))

    async def begin(self, asked: ChatRequest | Prompt, grant: Grant, key: str | None) -> Started:
        """Start a run for the caller, or answer the one that it started under the same key.

        Of requests with one key that come at once, wherever they arrive, one starts a run; the others wait up to WAIT
        seconds for it, and are then refused as `idempotency_in_progress`. A caller that leaves meanwhile does not
        leave half of it done. Raises Refusal; then nothing has changed.
        """
        names = await self._engine.models.names()
        try:
            work = self._start(asked, grant, names) if key is None else self._once(asked, grant, key, names)
            return await self._shared.finish(work)
        except HubUnreachable:
            raise unavailable() from None

    async def repeated(self, asked: ChatRequest, grant: Grant, key: str | None) -> Started | None:
        """Find what the caller started under the key, None for nothing; nothing is started. Raises Refusal."""
        if key is None:
            return None
        try:
            former = await self._recall(_place(grant, key), _KeyedRequest(asked.fingerprint, ""))
        except HubUnreachable:
            raise unavailable() from None
        return former and replace(former, repeated=True)

    async def _once(self, asked: ChatRequest | Prompt, grant: Grant, key: str, names: tuple[str, ...]) -> Started:
        place = _place(grant, key)
        claim = _KeyedRequest(asked.fingerprint, secrets.token_hex(8))
        until = time.monotonic() + WAIT
        while not await self._keyed.add(place, claim, CLAIM_SECONDS):
            if former := await self._recall(place, claim):
                return replace(former, repeated=True)
            if time.monotonic() > until:
                raise in_progress()
            await asyncio.sleep(POLL)
        try:
            started = await self._start(asked, grant, names)
            await self._engine.hub.open(started.run_id)  # from here on every process knows the run
        except Exception:
            await self._shared.now_or_later(partial(self._keyed.remove, place))
            raise
        await self._shared.now_or_later(partial(self._keyed.put, place, replace(claim, started=started)))
        return started

    async def _recall(self, place: str, claim: _KeyedRequest) -> Started | None:
        """Find what the first request with the key started, None for as long as it has not."""
        former = await self._keyed.get(place)
        if former and former.document.fingerprint != claim.fingerprint:
            hint = "Use a new key for a new request."
            raise Refusal(409, "idempotency_conflict", "The Idempotency-Key was used for another request.", hint)
        return former.document.started if former else None

    async def _start(self, asked: ChatRequest | Prompt, grant: Grant, names: tuple[str, ...]) -> Started:
        name = grant.name
        slot = await self._limits.enter(name)
        try:
            started = await self._ask(asked, grant, names)
        except Exception:
            await self._limits.leave(name, slot)
            raise
        self._limits.began(name, slot, started.run_id)
        self._know(started.run_id, started)
        await self._shared.now_or_later(partial(self._asked.put, started.run_id, started))  # and so every gateway knows
        return started

    def _know(self, key: str, started: Started) -> None:
        self._started = {key: each for key, each in self._started.items() if each.run_id in self._engine.hub}
        self._started[key] = started

    async def _ask(self, asked: ChatRequest | Prompt, grant: Grant, names: tuple[str, ...]) -> Started:
        try:
            if isinstance(asked, Prompt):
                return await self._complete(asked, grant, names)
            return await self._converse(asked, grant, names)
        except InvalidQuestion as error:
            raise Refusal(422, "invalid_request", _said(error), "Send a question.") from None
        except AttachmentRefused as refused:
            raise refusal(refused) from None
        except UnknownChat:
            hint = "Leave conversation out to begin a new one; one is kept for some time after its last use."
            raise Refusal(404, "unknown_conversation", "There is no conversation of this id.", hint) from None
        except Busy:
            hint = "Wait for the end of the run, or stop it."
            raise Refusal(409, "conversation_busy", "Its last question is still being answered.", hint) from None
        except (TooManyRuns, HubFull):
            raise Refusal(
                503,
                "at_capacity",
                "The server has as many runs as it can hold.",
                "Ask again in a moment.",
                retry_after=CAPACITY_RETRY,
            ) from None

    async def _converse(self, asked: ChatRequest, grant: Grant, names: tuple[str, ...]) -> Started:
        """Go on in a conversation that is kept here, or begin one."""
        chat = await self._conversation(asked.conversation, grant)
        options = await self._options(asked, chat, names, grant)
        files = await anyio.to_thread.run_sync(files_sent, asked.attachments) if asked.attachments else ()
        chat = await self._engine.chats.ask(
            asked.conversation, asked.question, options, asked.told, owner=grant.name, files=files
        )
        return Started(chat.turns[-1].run_id, chat.id, options.model, caller=grant.name, owner=chat.owner)

    async def _complete(self, prompt: Prompt, grant: Grant, names: tuple[str, ...]) -> Started:
        """Answer in a conversation that the caller keeps."""
        if problem := prompt.problem:
            raise Refusal(422, "invalid_request", problem)
        model = await self._model(prompt.model, names, grant, tools=prompt.agent or bool(prompt.tools))
        if has_images(prompt.messages) and self._engine.models.capabilities(model).images is False:
            raise no_images()
        run_id = await self._engine.completions.start(prompt, model)
        return Started(run_id, "", model, caller=grant.name, owner=grant.name)

    async def _conversation(self, chat_id: str | None, grant: Grant) -> Chat | None:
        """Find the conversation that is gone on with. Raises UnknownChat, also for another caller's."""
        chat = await self._engine.chats.get(chat_id) if chat_id else None
        if chat and not self._access.reaches(grant, chat.owner):
            raise UnknownChat(chat_id)
        return chat

    async def _options(self, asked: ChatRequest, chat: Chat | None, names: tuple[str, ...], grant: Grant) -> Options:
        """Choose how to answer; a conversation goes on as its last question was, but for what is said anew."""
        last = chat.turns[-1].options if chat else None
        model = await self._model(asked.model or (last.model if last else ""), names, grant, tools=asked.agent)
        system = last.system if last else asked.system
        temperature = asked.temperature
        if temperature is None:
            temperature = last.temperature if last else DEFAULT_TEMPERATURE
        return Options(model, system, temperature, tools=asked.agent)

    async def _model(self, named: str, names: tuple[str, ...], grant: Grant, *, tools: bool) -> str:
        """Choose the model of this name, the server's first for "". Raises Refusal where the caller may not ask it."""
        if unlisted := await self._unlisted(named, names):
            raise models_unknown(unlisted.address)
        model = named or names[0]
        if await self._engine.models.not_offered([model]):
            hint = f"There is: {', '.join(names[:20])}."
            raise Refusal(422, "unknown_model", "The server has no model of this name.", hint)
        if grant.only_free and cost_money([model]):
            raise access_code_needed()
        if tools and self._engine.models.capabilities(model).tools is False:
            raise Refusal(422, "no_tools", "This model takes no tools.", "Choose another model, or ask without tools.")
        return model

    async def _unlisted(self, named: str, names: tuple[str, ...]) -> Unlisted | None:
        """Find the server that may have the model, or one that costs money where none is named and none is known."""
        if named in names or is_demo(named) or (not named and cost_money(names[:1])):
            return None
        models = self._engine.models
        asked = models.provider(named).name if named else None
        return next((each for each in await models.unlisted() if asked in (None, each.provider)), None)


def _said(error: InvalidQuestion) -> str:
    return "The question is empty." if error.code == "empty" else f"The question has {error.length:,} characters."


def _place(grant: Grant, key: str) -> str:
    """Say where a caller's key is kept."""
    return hashlib.sha256(json.dumps([grant.name, key]).encode()).hexdigest()
