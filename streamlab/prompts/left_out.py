"""What a file asks for and a set cannot hold: told, never dropped in silence."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

MAX_DETAIL = 120  # characters

LeftOutCode = Literal[
    "assertion",
    "by_case",
    "code",
    "columns",
    "file",
    "key",
    "limit",
    "messages",
    "no_prompt",
    "no_provider",
    "one_prompt",
    "provider",
    "system_variables",
    "template",
    "value",
]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a file asks for and is not taken: where it stands, and a detail of it, as it is written there."""

    code: LeftOutCode
    place: str
    detail: str = ""


class LeftOuts(list[LeftOut]):
    """Grows while a file is read; each is told once."""

    def leave(self, code: LeftOutCode, place: str, detail: object = "") -> None:
        found = LeftOut(code, place, str(detail)[:MAX_DETAIL])
        if found not in self:
            self.append(found)

    def leave_keys(self, entry: Mapping[str, object], taken: Collection[str], place: str) -> None:
        """Leave all keys of an entry that are not taken."""
        for key, value in entry.items():
            if key not in taken:
                self.leave("key", f"{place}.{key}" + (f" = {value[:MAX_DETAIL]}" if isinstance(value, str) else ""))
