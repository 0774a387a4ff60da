"""Conversations: their questions, the runs that answer them, and what the runs came to.

A conversation outlives the logs of its runs: when a run ends its outcome is kept with the question.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable

from streamlab.agents import Agents
from streamlab.chains import ChainAttempt, chat_chain, chat_input
from streamlab.models import Models
from streamlab.outcome import UNKNOWN, Outcome
from streamlab.questions import Options, check_question
from streamlab.runs import Runs
from streamlab.timings import Timings

KEPT = 24 * 3600.0  # seconds after the last use
CAPACITY = 64 * 1024 * 1024  # characters of all conversations together

Ended = Callable[[Outcome], None]


class UnknownChat(KeyError):
    """No conversation of this id is here: it never was, or its time is over."""


class Busy(RuntimeError):
    """The conversation's last question is still being answered."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and the run that answers it; `outcome` is None for as long as the run is live.

    `thread_id` names what the agent remembers of it, if the agent answered and still does.
    """

    question: str
    options: Options
    run_id: str
    asked_at: float  # seconds since the epoch, for people
    outcome: Outcome | None = None
    thread_id: str | None = None


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation as it stood at one moment; it is replaced, never changed, so any thread may read it."""

    id: str
    turns: tuple[Turn, ...] = ()
    used_at: float = 0.0

    @property
    def live(self) -> Turn | None:
        """The turn that is being answered."""
        return self.turns[-1] if self.turns and self.turns[-1].outcome is None else None

    @property
    def size(self) -> int:
        return sum(len(turn.question) + len(turn.options.system) + _outcome_size(turn.outcome) for turn in self.turns)


def _outcome_size(outcome: Outcome | None) -> int:
    if outcome is None:
        return 0
    return len(outcome.text) + len(outcome.thinking) + sum(len(str(tool.result)) for tool in outcome.tools)


class Chats:
    """The conversations of this process. Belongs to one event loop."""

    def __init__(self, runs: Runs, models: Models, agents: Agents, history_tokens: int) -> None:
        self._runs = runs
        self._models = models
        self._agents = agents
        self._history_tokens = history_tokens
        self._chats: dict[str, Chat] = {}  # the longest unused first

    def get(self, chat_id: str) -> Chat:
        """Raises UnknownChat."""
        chat = self._chats.get(chat_id)
        if chat is None:
            raise UnknownChat(chat_id)
        return self._put(chat)

    def ask(self, chat_id: str | None, question: str, options: Options, told: Iterable[tuple[str, str]] = ()) -> Chat:
        """Start answering a question in a conversation, or in a new one, which then begins with the questions and
        answers that are `told`.

        Raises InvalidQuestion, Busy, UnknownChat, TooManyRuns or HubFull; then nothing has changed.
        """
        check_question(question)
        chat = self.get(chat_id) if chat_id else Chat(secrets.token_urlsafe(16), tuple(_told(told, options)))
        return self._answer(chat, chat.turns, question, options)

    def regenerate(self, chat_id: str, options: Options) -> Chat:
        """Answer the last question anew; the former answer goes. Raises as `ask` does."""
        chat = self.get(chat_id)
        return self._answer(chat, chat.turns[:-1], chat.turns[-1].question, options)

    def stop(self, chat_id: str) -> None:
        """End the answer that is live, if one is."""
        if live := self.get(chat_id).live:
            self._runs.stop(live.run_id)

    def _answer(self, chat: Chat, before: tuple[Turn, ...], question: str, options: Options) -> Chat:
        if chat.live:
            raise Busy(chat.id)

        def ended(outcome: Outcome) -> None:
            self._close(chat.id, turn.run_id, outcome)

        answer = self._by_agent if options.tools else self._by_chain
        turn = answer(before, question, options, ended)
        self._forget(chat.turns[len(before) :])
        self._sweep()
        return self._put(replace(chat, turns=(*before, turn)))

    def _by_chain(self, before: tuple[Turn, ...], question: str, options: Options, ended: Ended) -> Turn:
        def build() -> Runnable[dict[str, Any], str]:
            return chat_chain(self._models.chat_model(options.model, options.temperature))

        inputs = chat_input(options.system, list(_messages(before)), question, self._history_tokens)
        run_id = self._runs.start(lambda: ChainAttempt(build, inputs), ended)
        return Turn(question, options, run_id, time.time())

    def _by_agent(self, before: tuple[Turn, ...], question: str, options: Options, ended: Ended) -> Turn:
        """It goes on from what it remembers of its last turn; what came after that is told to it as text."""
        remembered = max((number for number, turn in enumerate(before) if turn.thread_id), default=-1)
        after = before[remembered].thread_id if remembered >= 0 else None
        task = self._agents.go_on(question, options, after, list(_messages(before[remembered + 1 :])), ended)
        return Turn(question, options, task.run_id, time.time(), thread_id=task.thread_id)

    def _close(self, chat_id: str, run_id: str, outcome: Outcome) -> None:
        chat = self._chats.get(chat_id)
        if not chat or chat.turns[-1].run_id != run_id:
            return
        *before, last = chat.turns
        if outcome.status != "completed":
            last = self._forgotten(last)
        # The last thread to go on from, and the one before it to answer the last question anew.
        older = [self._forgotten(turn) for turn in before[:-1]]
        self._put(replace(chat, turns=(*older, *before[-1:], replace(last, outcome=outcome))))

    def _forgotten(self, turn: Turn) -> Turn:
        self._forget([turn])
        return replace(turn, thread_id=None)

    def _forget(self, turns: Iterable[Turn]) -> None:
        self._agents.forget([turn.thread_id for turn in turns if turn.thread_id])

    def _put(self, chat: Chat) -> Chat:
        chat = replace(chat, used_at=time.monotonic())
        self._chats.pop(chat.id, None)
        self._chats[chat.id] = chat
        return chat

    def _sweep(self) -> None:
        """Let go of what was not used for a day, and of the longest unused when all of it grows too large."""
        now = time.monotonic()
        size = sum(chat.size for chat in self._chats.values())
        for chat in list(self._chats.values()):
            if now - chat.used_at <= KEPT and size <= CAPACITY:
                return
            if not chat.live:
                size -= chat.size
                self._forget(chat.turns)
                del self._chats[chat.id]


def _told(exchanges: Iterable[tuple[str, str]], options: Options) -> Iterator[Turn]:
    """Turns of which only the texts are known. No log answers to the ids of their runs."""
    for question, answer in exchanges:
        outcome = Outcome("completed", None, None, answer, "", UNKNOWN, Timings(None, 0.0), 0)
        yield Turn(question, options, secrets.token_urlsafe(16), time.time(), outcome)


def _messages(turns: tuple[Turn, ...]) -> Iterator[BaseMessage]:
    """What the model is told of former turns; a question that got no text is left out, or roles would not alternate."""
    for turn in turns:
        if turn.outcome and turn.outcome.text:
            yield HumanMessage(turn.question)
            yield AIMessage(turn.outcome.text)
