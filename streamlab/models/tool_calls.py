"""The tool calls of a streamed answer: which piece belongs to which call, whatever the server numbers them by."""

import json
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

_ID_CHARACTERS = 9  # letters and digits: the only form that Mistral takes
_NONE_YET = "{}"


@dataclass(eq=False)
class _Gathered:
    """A call as far as it has come. `index` and `id` are the server's."""

    index: Any
    id: str
    name: str = ""
    arguments: str = ""

    @property
    def whole(self) -> bool:
        """Whether its arguments are complete, so that more of them would be another call's."""
        try:
            json.loads(self.arguments)
        except ValueError:
            return False
        return True

    def may_have(self, piece: "_Piece") -> bool:
        """Tell whether nothing speaks against it: numbers, or where there are none ids, that both have and differ."""
        if self.index is not None and piece.index is not None:
            return bool(self.index == piece.index)
        another = self.id and piece.id and piece.name and self.id != piece.id
        return not another or (bool(self.arguments) and not self.whole)

    def is_followed_by(self, piece: "_Piece") -> bool:
        """Tell whether a piece that it may have begins another call: it brings a name although this one is whole."""
        if not piece.name:
            return False
        if self.arguments in ("", _NONE_YET) and self.id == piece.id:
            return False
        if not self.arguments:  # as good as whole if the other is another tool
            return bool(self.id and piece.id and self.name != piece.name)
        return self.whole and bool(piece.arguments or piece.id != self.id)

    def take_name(self, given: str) -> str:
        """Add to the name what is new of it, and give that: it comes once, in every piece, in parts, or ever longer."""
        if given == self.name or (self.name and self.arguments):
            return ""
        new = given.removeprefix(self.name)
        self.name += new
        return new

    def take_arguments(self, given: str) -> str:
        """Add to the arguments, and give what is to be passed on: an empty object may be a mere beginning."""
        begun = "" if self.arguments == _NONE_YET else self.arguments
        self.arguments = begun + given
        return "" if self.arguments == _NONE_YET else given


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
    """Gives each piece its call: numbered 0, 1, 2 …, with an id that no other call has, and a name that comes once.

    `taken` are the ids of calls that were made before in the conversation.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._calls: list[_Gathered] = []
        self._ids = set(taken)

    def __bool__(self) -> bool:
        return bool(self._calls)

    def pieces(self, given: Any) -> Iterator[dict[str, Any]]:
        """Give the pieces of a delta's `tool_calls`, each in the one form; what says nothing is left out."""
        for each in given if isinstance(given, list) else [given]:
            piece = _Piece.read(each)
            if piece and (piece.name or piece.arguments) and not self._is_repeated(piece):
                yield self._placed(piece)

    def _is_repeated(self, piece: _Piece) -> bool:
        """Tell whether it is a whole call that came before: some servers send each again at the end."""
        return any(
            call.whole and (call.index, call.id, call.name, call.arguments)
            == (piece.index, piece.id, piece.name, piece.arguments)
            for call in self._calls
        )  # fmt: skip

    def _placed(self, piece: _Piece) -> dict[str, Any]:
        call = self._find(piece)
        first = call is None
        if call is None:
            call = _Gathered(piece.index, piece.id)
            self._calls.append(call)
        name = call.take_name(piece.name)
        return {
            "index": self._calls.index(call),
            "id": self._unique(piece.id) if first else None,
            "type": "function",
            "function": {"name": name or None, "arguments": call.take_arguments(piece.arguments)},
        }

    def _find(self, piece: _Piece) -> _Gathered | None:
        """Find the call that a piece goes on with; None for the first of another."""
        open_calls = [call for call in self._calls if call.may_have(piece)]
        same = [call for call in open_calls if piece.id and call.id == piece.id] or open_calls
        return same[-1] if same and not same[-1].is_followed_by(piece) else None

    def _unique(self, id: str) -> str:
        while not id or id in self._ids:
            id = secrets.token_hex(_ID_CHARACTERS)[:_ID_CHARACTERS]
        self._ids.add(id)
        return id
