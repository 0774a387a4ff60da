"""The tool calls of a streamed answer: which piece belongs to which call, whatever the server numbers them by."""

import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

from streamlab.models.event_stream import parse_json

_ID_CHARACTERS = 9  # letters and digits: the only form that Mistral takes
_NONE_YET = "{}"


@dataclass(eq=False)
class _Gathered:
    """A call as far as it has come. `index` and `id` are the server's."""

    index: Any
    id: str
    name: str = ""
    parts: list[str] = field(default_factory=list)

    @property
    def arguments(self) -> str:
        """What the parts amount to: they go on, or each is all there is so far; an empty object was a beginning."""
        joined = "".join(self.parts)
        if len(self.parts) < 2 or _is_json(joined):
            return joined
        if all(after.startswith(before) for before, after in pairwise(self.parts)):
            return self.parts[-1]
        return joined.removeprefix(_NONE_YET)

    @property
    def whole(self) -> bool:
        """Whether its arguments are complete, so that more of them would be another call's."""
        return _is_json(self.arguments)

    def goes_on(self, piece: "_Piece") -> bool:
        """Tell whether a piece is of this call, by number, id, name and what this one has already."""
        numbered = self.index is not None and piece.index is not None
        if numbered and self.index != piece.index:
            return False
        if not piece.name or (numbered and not piece.id and not piece.arguments):
            return True
        if not self.parts:  # its name alone has come
            is_named = piece.name.startswith(self.name) or not self.name
            same = self.id == piece.id or (numbered and not piece.id)
            return same or (is_named and bool(piece.arguments))
        if self.id == piece.id and (piece.id or numbered) and not piece.arguments:
            return True
        return not self.whole or (self.arguments == _NONE_YET and bool(piece.id) and self.id == piece.id)

    def take(self, piece: "_Piece") -> None:
        """Add a piece. A name comes once, in every piece, in parts, or ever longer."""
        if piece.name != self.name and not (self.name and self.parts):
            self.name += piece.name.removeprefix(self.name)
        if piece.arguments:
            self.parts.append(piece.arguments)


def _unwrapped(arguments: str) -> str:
    """Take out of its quotes an object that was written as JSON twice."""
    if not arguments.startswith('"') or not _is_json(arguments):
        return arguments
    inner: str = parse_json(arguments)
    return inner if inner.lstrip().startswith("{") and _is_json(inner) else arguments


def _is_json(text: str) -> bool:
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class _Piece:
    """A part of a call as the server sent it, without its nulls."""

    index: Any
    id: str
    name: str
    arguments: str

    @classmethod
    def read(cls, given: Any) -> Self | None:
        if not isinstance(given, dict):
            return None
        function = given.get("function")
        function = function if isinstance(function, dict) else given
        arguments, name, index = function.get("arguments"), function.get("name"), given.get("index")
        if isinstance(index, str) and index.isdigit():
            index = int(index)
        if arguments is not None and not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        return cls(
            index if isinstance(index, int | str) else None,
            str(given.get("id") or ""),
            name if isinstance(name, str) else "",
            arguments or "",
        )


class ToolCalls:
    """Gathers the calls of an answer, each with a number, an id that no other call has, and its whole name.

    `taken` are the ids of calls that were made before in the conversation.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._calls: list[_Gathered] = []
        self._ids = set(taken)

    def gather(self, given: Any) -> None:
        """Take the pieces of a delta's `tool_calls`; what says nothing is left out."""
        for each in given if isinstance(given, list) else [given]:
            piece = _Piece.read(each)
            if piece and (piece.name or piece.arguments) and not self._is_repeated(piece):
                call = self._find(piece)
                if call is None:
                    call = _Gathered(piece.index, piece.id)
                    self._calls.append(call)
                call.take(piece)

    def whole(self) -> Iterator[dict[str, Any]]:
        """Give each call, in the one form. They are whole only when the answer is: until then one may be half."""
        for number, call in enumerate(self._calls):
            function = {"name": call.name or None, "arguments": _unwrapped(call.arguments)}
            yield {"index": number, "id": self._unique(call.id), "type": "function", "function": function}

    def _is_repeated(self, piece: _Piece) -> bool:
        """Tell whether it is a whole call that came before: some servers send each again at the end."""
        return bool(piece.name) and any(
            (call.index, call.id, call.name) == (piece.index, piece.id, piece.name)
            and call.arguments == piece.arguments
            and call.whole  # which costs the most
            for call in self._calls
        )

    def _find(self, piece: _Piece) -> _Gathered | None:
        """Find the call that a piece goes on with; None for the first of another."""
        going_on = [call for call in self._calls if call.goes_on(piece)]
        same = [call for call in going_on if piece.id and call.id == piece.id] or going_on
        return same[-1] if same else None

    def _unique(self, id: str) -> str:
        while not id or id in self._ids:
            id = secrets.token_hex(_ID_CHARACTERS)[:_ID_CHARACTERS]
        self._ids.add(id)
        return id
