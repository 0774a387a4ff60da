"""The branches of a conversation: an edited question begins another one, and none is lost.

A conversation's `turns` are the branch of its last question; the turns of the others lie beside it, each with the run
of the turn that it comes after.
"""

from dataclasses import replace

from streamlab.chats.chat import Aside, Chat, Turn, UnknownChat

START = ""  # stands for the turn before the first one


def branch(chat: Chat, run_id: str | None) -> tuple[Turn, ...]:
    """Return the branch that the turn of this run is on, to its newest end; that of the last question for no run."""
    turns, after = _tree(chat)
    if run_id not in turns:
        return chat.turns
    path = _until(chat, run_id)
    while following := [run for run in turns if after[run] == path[-1].run_id]:
        path = (*path, turns[max(following, key=lambda run: turns[run].asked_at)])
    return path


def versions(chat: Chat, run_id: str) -> tuple[str, ...]:
    """Return the runs of all turns that come after the same turn as that of this run, in the order of asking."""
    turns, after = _tree(chat)
    beside = [run for run in turns if after[run] == after.get(run_id)]
    return tuple(sorted(beside, key=lambda run: turns[run].asked_at))


def before(chat: Chat, run_id: str) -> str:
    """Return the run of the turn before that of this run."""
    return _tree(chat)[1].get(run_id, START)


def cut(chat: Chat, after: str) -> Chat:
    """Return the conversation with a branch that ends with the turn of this run; what is not on it lies beside it.

    Raise UnknownChat where it has no such turn.
    """
    turns, parents = _tree(chat)
    if after != START and after not in turns:
        raise UnknownChat(chat.id)
    path = _until(chat, after) if after != START else ()
    on_it = {turn.run_id for turn in path}
    asides = tuple(Aside(parents[run], turn) for run, turn in turns.items() if run not in on_it)
    return replace(chat, turns=path, asides=asides)


def answering_anew(chat: Chat, run_id: str) -> Chat:
    """Return the conversation with a branch that ends before the turn of this run. That one is gone, unless others
    come after it.
    """
    chat = cut(chat, before(chat, run_id))
    if any(aside.after == run_id for aside in chat.asides):
        return chat
    return replace(chat, asides=tuple(aside for aside in chat.asides if aside.turn.run_id != run_id))


def _until(chat: Chat, run_id: str) -> tuple[Turn, ...]:
    turns, after = _tree(chat)
    path: tuple[Turn, ...] = (turns[run_id],)
    while (parent := after[path[0].run_id]) != START:
        path = (turns[parent], *path)
    return path


def _tree(chat: Chat) -> tuple[dict[str, Turn], dict[str, str]]:
    """Return all turns by run, and the run of the turn that each comes after."""
    turns = {turn.run_id: turn for turn in chat.turns}
    after = dict(zip(turns, (START, *turns), strict=False))
    turns |= {aside.turn.run_id: aside.turn for aside in chat.asides}
    after |= {aside.turn.run_id: aside.after for aside in chat.asides}
    return turns, after
