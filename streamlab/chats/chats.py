"""Conversations: their questions, the runs that answer them, and what the runs came to.

A conversation outlives the logs of its runs: when a run ends its outcome is kept with the question. Where the logs are
shared by several processes, so are the conversations.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from streamlab.agent.tasks import Agents
from streamlab.attachments.files import AttachmentRefused, File
from streamlab.chats import branches, told
from streamlab.chats.attached import Attached
from streamlab.chats.chat import (
    CHAT_IDS,
    CHATS,
    LOST,
    NOTE_CHARACTERS,
    Attachment,
    Busy,
    Chat,
    Feedback,
    Turn,
    UnknownChat,
)
from streamlab.chats.threads import Threads
from streamlab.events.outcome import UNKNOWN, Outcome
from streamlab.events.timings import Timings
from streamlab.hub import Hub, HubFull, HubUnreachable, UnknownRun
from streamlab.hub.shared import Versioned
from streamlab.hub.watched import WatchedDocuments
from streamlab.models.catalog import Models
from streamlab.models.options import Options, check_question
from streamlab.runs.chain import ChainAttempt, chat_chain, chat_input
from streamlab.runs.run import Runs, new_run_id

BEGINNING = 15.0  # seconds after which a run that has been asked for and has no log is none


class Chats:
    """The conversations that the processes of a hub share. Belongs to one event loop.

    A conversation is changed by who knows it as it stands, so two who ask at once cannot both be answered. A turn is
    in it before its run begins. The process that produces the run keeps what became of it; if that process dies, the
    next one that looks at the conversation, or that ends the run's log, takes it from there.
    """

    def __init__(self, runs: Runs, models: Models, agents: Agents, hub: Hub, history_tokens: int) -> None:
        self._runs = runs
        self._models = models
        self._agents = agents
        self._hub = hub
        self._history_tokens = history_tokens
        self.attached = Attached(hub.shared)
        self.documents = self._chats = WatchedDocuments(CHATS, hub.shared)
        self.on_changed: Callable[[Chat], None] = lambda chat: None
        self.on_asked: Callable[[Chat], Awaitable[None]] = _nothing
        self._chat_ids = hub.shared.documents(CHAT_IDS)
        self._threads = Threads(agents)
        self._outcomes: dict[str, Outcome | None] = {}  # of runs of this process, until the conversation has them
        hub.on_taken_over.append(lambda run_id: hub.shared.later(partial(self._taken_over, run_id)))

    async def get(self, chat_id: str) -> Chat:
        """Return the conversation as it stands. Raises UnknownChat or HubUnreachable."""
        return (await self._get(chat_id)).document

    def watch(self, chat_id: str) -> AbstractContextManager[asyncio.Event]:
        """Yield an event that is set whenever the conversation may have changed, here or in another process."""
        return self._chats.watch(chat_id)

    async def version(self, chat_id: str) -> str:
        """Return the conversation's version, "" for none. Raises HubUnreachable."""
        try:
            return (await self.get(chat_id)).version
        except UnknownChat:
            return ""

    async def ask(
        self,
        chat_id: str | None,
        question: str,
        options: Options,
        told: Iterable[tuple[str, str]] = (),
        browser: str = "",
        owner: str = "",
        after: str | None = None,
        files: Sequence[File] = (),
    ) -> Chat:
        """Start answering a question in a conversation, or in a new one, which then begins with the questions and
        answers that are `told`.

        It comes after the turn of the run `after`, the last one for None and none for "": where another question
        came there already, the conversation has one branch more.

        Raises InvalidQuestion, AttachmentRefused, Busy, UnknownChat, TooManyRuns, HubFull or HubUnreachable; then
        nothing has changed.
        """
        check_question(question, alone=not files)
        known = await self._get(chat_id) if chat_id else None
        chat = (
            known.document
            if known
            else Chat(secrets.token_urlsafe(16), tuple(_told(told, options)), browser, owner=owner)
        )
        if after is not None and not chat.live:
            chat = branches.cut(chat, after)
        attachments = await self.attached.keep(chat.id, files)
        try:
            return await self._answer(known, chat, chat.turns, question, options, attachments)
        except Exception:
            before = {each.key for each in known.document.attachments} if known else set()
            left = [each for each in attachments if each.key not in before]
            if not known:  # otherwise somebody may have asked with the same file meanwhile
                await self._hub.shared.now_or_later(partial(self.attached.forget, left))
            raise

    async def regenerate(self, chat_id: str, options: Options, run_id: str | None = None) -> Chat:
        """Answer the last question anew, or that of this run on another branch; the former answer goes.

        Raises as `ask` does.
        """
        known = await self._get(chat_id)
        chat = known.document
        turn = next((turn for turn in chat.all_turns if turn.run_id == run_id), chat.turns[-1])
        if not chat.live:
            chat = branches.answering_anew(chat, turn.run_id)
        return await self._answer(known, chat, chat.turns, turn.question, options, turn.attachments)

    async def rate(self, chat_id: str, run_id: str, feedback: Feedback | None) -> Chat:
        """Keep what a reader thinks of an answer, or that nothing any more. Raises UnknownChat or HubUnreachable."""
        if feedback:
            feedback = replace(feedback, note=feedback.note[:NOTE_CHARACTERS])
        while known := await self._chats.get(chat_id):
            rated = known.document.rated(run_id, feedback)
            if rated == known.document or await self._chats.replace(chat_id, known, rated):
                return rated
        raise UnknownChat(chat_id)

    async def stop(self, chat_id: str) -> None:
        """End the answer that is live, if one is. Raises as `get` does."""
        if live := (await self.get(chat_id)).live:
            self._runs.stop(live.run_id)

    async def chat_of(self, run_id: str) -> str | None:
        """Return the id of the conversation in which the run answers, None for a run of no conversation."""
        known = await self._chat_ids.get(run_id)
        return known.document if known else None

    async def owner_of(self, run_id: str) -> str | None:
        """Return the caller that began the run's conversation over the gateway, "" for none; None when that can be told
        no more, for the conversation is gone. Raises HubUnreachable.
        """
        if not (chat_id := await self.chat_of(run_id)):
            return ""
        known = await self._chats.get(chat_id)
        return known.document.owner if known else None

    async def _get(self, chat_id: str) -> Versioned[Chat]:
        """Read the conversation as it stands, closed if its run has its end.

        While that cannot be written it is as who follows the run sees it: nothing is shown that may be gone later.
        """
        while known := await self._chats.get(chat_id):
            live = known.document.live
            outcome = await self._outcome(live) if live else None
            if live is None or outcome is None:
                return known
            try:
                if closed := await self._close(known, outcome):
                    return closed
            except HubUnreachable:
                return self._as_followed(known, live.run_id)
        raise UnknownChat(chat_id)

    def _as_followed(self, known: Versioned[Chat], run_id: str) -> Versioned[Chat]:
        """Return the conversation with its last turn closed if the run's log in this process has its end."""
        if run_id in self._hub and (log := self._hub.log(run_id)).done:
            return replace(known, document=_closed(known.document, log.outcome()))
        return known

    # Answering

    async def _answer(
        self,
        known: Versioned[Chat] | None,
        chat: Chat,
        before: tuple[Turn, ...],
        question: str,
        options: Options,
        attachments: tuple[Attachment, ...],
    ) -> Chat:
        if chat.live:
            raise Busy(chat.id)
        turn = Turn(question, options, new_run_id(), time.time(), attachments=attachments)
        chat = replace(chat, turns=(*before, turn))
        start = await (self._by_agent if options.tools else self._by_chain)(chat, before, turn)
        undo = partial(self._undo, chat, known)
        try:
            if not await (self._chats.replace(chat.id, known, chat) if known else self._chats.add(chat.id, chat)):
                raise Busy(chat.id)  # somebody else was faster
        except HubUnreachable:
            self._hub.shared.later(undo)  # the question may be there, and only the answer was lost
            raise
        try:
            start()
        except Exception:
            await self._hub.shared.now_or_later(undo)
            raise
        self._threads.keep(chat, before)
        # Before anyone hears of the run: whose it is, every process must know that is asked for it.
        await self._hub.shared.now_or_later(partial(self._chat_ids.put, turn.run_id, chat.id))
        await self.on_asked(chat)
        return chat

    async def _undo(self, chat: Chat, known: Versioned[Chat] | None) -> None:
        """Take back the last turn, which never began."""
        now = await self._chats.get(chat.id)
        if now and now.document.turns[-1].run_id == chat.turns[-1].run_id:
            if known:
                await self._chats.replace(chat.id, now, known.document)
            else:
                await self._chats.remove(chat.id)

    async def _by_chain(self, chat: Chat, before: tuple[Turn, ...], turn: Turn) -> Callable[[], None]:
        """Prepare the start of a run without tools."""
        options, images = turn.options, self._takes_images(turn)

        def build() -> Runnable[dict[str, Any], str]:
            return chat_chain(self._models.chat_model(options.model, options.temperature))

        def ended(outcome: Outcome) -> None:
            self._ended(chat, turn, outcome)

        history = await told.messages(self.attached, before, images=images)
        question = await told.question(self.attached, turn, images=images)
        inputs = chat_input(options.system, history, question, self._history_tokens)

        def start() -> None:
            self._runs.start(lambda: ChainAttempt(build, inputs), ended, run_id=turn.run_id)
            self._outcomes[turn.run_id] = None

        return start

    async def _by_agent(self, chat: Chat, before: tuple[Turn, ...], turn: Turn) -> Callable[[], None]:
        """Prepare to go on from what the agent remembers of its last turn; what came after that is told to it as text.

        So is all of it to a model that takes no images, where there are some.
        """
        images = self._takes_images(turn)
        seen = any(each.is_image for former in before for each in former.attachments)
        threads = self._threads.of(chat) if images or not seen else {}
        remembered = max((number for number, each in enumerate(before) if each.run_id in threads), default=-1)
        after = threads[before[remembered].run_id] if remembered >= 0 else None

        def ended(outcome: Outcome) -> None:
            self._ended(chat, turn, outcome, thread_id)

        messages: list[BaseMessage] = await told.messages(self.attached, before[remembered + 1 :], images=images)
        messages.append(await told.question(self.attached, turn, images=images))
        thread_id = ""

        def start() -> None:
            nonlocal thread_id
            thread_id = self._agents.go_on(messages, turn.options, ended, turn.run_id, after)
            self._outcomes[turn.run_id] = None

        return start

    def _takes_images(self, turn: Turn) -> bool:
        """Tell whether the model may be shown images. Raises AttachmentRefused for a question that has some."""
        takes = self._models.capabilities(turn.options.model).images is not False
        if not takes and (image := next((each for each in turn.attachments if each.is_image), None)):
            raise AttachmentRefused("images_not_taken", image.name)
        return takes

    # What became of it

    def _ended(self, chat: Chat, turn: Turn, outcome: Outcome, thread_id: str | None = None) -> None:
        """Keep the outcome of a run of this process that has ended."""
        self._outcomes[turn.run_id] = outcome
        if thread_id and outcome.status != "completed":
            self._agents.forget([thread_id])
            thread_id = None
        # The last thread to go on from, and the one before it to answer the last question anew.
        self._threads.keep(chat, chat.turns[-2:], thread_id)
        self._hub.shared.later(partial(self._tell, chat.id, turn.run_id, outcome))

    async def _tell(self, chat_id: str, run_id: str, outcome: Outcome) -> None:
        """Write the outcome into the conversation.

        Its producer knows best what became of a run that others thought lost.
        """
        while known := await self._chats.get(chat_id):
            last = known.document.turns[-1]
            lost = last.outcome is not None and last.outcome.status == "lost" != outcome.status
            if last.run_id != run_id or (last.outcome and not lost) or await self._close(known, outcome):
                break
        del self._outcomes[run_id]

    async def _taken_over(self, run_id: str) -> None:
        """Close the conversation of a run whose producer is dead and whose log was ended here."""
        if chat_id := await self.chat_of(run_id):
            with suppress(UnknownChat):
                await self.get(chat_id)

    async def _close(self, known: Versioned[Chat], outcome: Outcome) -> Versioned[Chat] | None:
        """Write what became of the last turn, unless the conversation has changed meanwhile."""
        closed = _closed(known.document, outcome)
        if written := await self._chats.replace(closed.id, known, closed):
            self.on_changed(closed)
        return written

    async def _outcome(self, turn: Turn) -> Outcome | None:
        """Return what became of the turn's run, None for as long as it is live. Raises HubUnreachable."""
        if turn.run_id in self._outcomes:
            return self._outcomes[turn.run_id]
        try:
            log = await self._hub.open(turn.run_id)
        except UnknownRun:
            return LOST if abs(time.time() - turn.asked_at) > BEGINNING else None
        except HubFull:
            return None
        return log.outcome() if log.done else None


async def _nothing(chat: Chat) -> None: ...


def _closed(chat: Chat, outcome: Outcome) -> Chat:
    """Write into the last turn what became of it."""
    *before, last = chat.turns
    return replace(chat, turns=(*before, replace(last, outcome=outcome)))


def _told(exchanges: Iterable[tuple[str, str]], options: Options) -> Iterator[Turn]:
    """Make turns of which only the texts are known. No log answers to the ids of their runs."""
    for question, answer in exchanges:
        outcome = Outcome("completed", None, None, answer, "", UNKNOWN, Timings(None, 0.0), 0)
        yield Turn(question, options, secrets.token_urlsafe(16), time.time(), outcome)
