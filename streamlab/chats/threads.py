"""What the agent remembers of conversations: a thread for each of the last turns."""

from collections.abc import Iterable
from dataclasses import dataclass

from streamlab.agent.tasks import Agents
from streamlab.chats.chat import CAPACITY, KEPT, Chat, Turn
from streamlab.hub.lru import LRU


@dataclass(frozen=True, slots=True)
class _Remembered:
    threads: dict[str, str]  # by run
    size: int


class Threads:
    """What the agent remembers in this process, of the conversations that were used here last."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents
        self._recent: LRU[_Remembered] = LRU(CAPACITY, lambda each: each.size, left=self._forget)

    def of(self, chat: Chat) -> dict[str, str]:
        """Return the threads of a conversation by run."""
        known = self._recent.get(chat.id)
        return known.threads if known else {}

    def keep(self, chat: Chat, turns: Iterable[Turn], newest: str | None = None) -> None:
        """Keep the threads of these turns, and the newest one, which is of the last turn; the others are forgotten."""
        runs = {turn.run_id for turn in turns}
        known = self.of(chat)
        kept = {run: thread for run, thread in known.items() if run in runs}
        self._agents.forget([thread for run, thread in known.items() if run not in runs])
        if newest:
            kept[chat.turns[-1].run_id] = newest
        if kept:
            size = chat.size + sum(each.size for each in chat.attachments)
            self._recent.put(chat.id, _Remembered(kept, size), KEPT)
        else:
            self._recent.remove(chat.id)

    def _forget(self, remembered: _Remembered) -> None:
        self._agents.forget(remembered.threads.values())
