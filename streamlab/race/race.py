"""Races: one question is asked of one model twice at once, to be answered whole and to be streamed."""

from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from streamlab.chats.chat import Chat, Turn
from streamlab.chats.chats import Chats
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.runs.chain import ChainAttempt, chat_chain, chat_input
from streamlab.runs.run import Runs


def whole_chain(model: BaseChatModel) -> Runnable[dict[str, Any], str]:
    """Make the chain whose answer comes in one piece: also where it is read as a stream, the model is invoked."""
    return chat_chain(model.model_copy(update={"disable_streaming": True, "streaming": False}))


def whole_of(turn: Turn) -> str:
    """Return the id of the run that answers the turn's question whole, beside the one that streams."""
    return f"{turn.run_id}-whole"


class Races:
    """Starts and stops them. The streamed answer is a conversation's, the whole one a run beside it.

    Belongs to one event loop.
    """

    def __init__(self, runs: Runs, models: Models, chats: Chats) -> None:
        self._runs = runs
        self._models = models
        self._chats = chats

    async def start(self, question: str, options: Options) -> Chat:
        """Ask for both answers, and return the conversation, which is listed for nobody.

        Raises InvalidQuestion, TooManyRuns, HubFull or HubUnreachable; then no answer is left that goes on.
        """
        chat = await self._chats.ask(None, question, options)
        try:
            self._start_whole(chat.turns[-1])
        except Exception:
            self._runs.stop(chat.turns[-1].run_id)
            raise
        return chat

    def stop(self, turn: Turn) -> None:
        """End what is live of both."""
        for run_id in (whole_of(turn), turn.run_id):
            self._runs.stop(run_id)

    def _start_whole(self, turn: Turn) -> None:
        options, limits = turn.options, self._runs.limits
        inputs = chat_input(options.system, [], turn.question, 0)

        def begin() -> ChainAttempt:
            return ChainAttempt(
                lambda: whole_chain(self._models.chat_model(options.model, options.temperature)), inputs
            )

        # Its first token comes with its last: what is given to the whole answer is given to it.
        self._runs.start(begin, None, replace(limits, first_token=limits.total), whole_of(turn))
