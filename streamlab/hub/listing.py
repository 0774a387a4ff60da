"""Lists of what somebody made, newest first, that can be searched by what is in it. Documents are kept beside them."""

import unicodedata
from dataclasses import dataclass
from typing import Protocol

KEPT = 30 * 86_400.0  # seconds after the last change for which a list is kept
MOST = 10_000  # entries of one kind that an owner has listed; then the oldest leave
TITLE_CHARACTERS = 80
TEXT_CHARACTERS = 50_000  # of each entry that can be found


@dataclass(frozen=True, slots=True)
class Entry:
    """What is listed: the key of its document, its title, and when it was used last, in seconds since the epoch."""

    key: str
    title: str
    at: float


class Listing(Protocol):
    """Who made which document of which kind. Every method raises HubUnreachable when the store does not answer."""

    async def put(self, owner: str, kind: str, entry: Entry, text: str = "", seconds: float = KEPT) -> None:
        """List an entry, or a listed one as it is now. It is found by its title and by `text`.

        The owner's list of this kind may leave when for so many `seconds` nothing was put into it.
        """

    async def remove(self, owner: str, kind: str, key: str) -> None: ...

    async def entries(self, owner: str, kind: str, words: str = "", limit: int = MOST) -> list[Entry]:
        """Return the entries that hold all the words, in any form of their characters; the newest first."""


def as_found(text: str) -> str:
    """Normalise a text as it is searched: neither case nor full-width forms count. What is no text is replaced."""
    whole = text.encode("utf-8", "replace").decode().replace("\0", " ")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", whole).casefold())


def searched(entry: Entry, text: str) -> str:
    """Make the text by which an entry is found."""
    return as_found(f"{entry.title}\n{text[:TEXT_CHARACTERS]}")


def shortened(text: str) -> str:
    """Make one line of a text, which is no longer than a title may be."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARACTERS else f"{line[: TITLE_CHARACTERS - 1].rstrip()}…"
