"""The name by which a participant is shown, and what tells one name from another."""

import unicodedata

import regex

CHARACTERS = 32  # as people see them: a letter with its marks is one, and so is a family of emoji

# What no name needs, and what would turn or hide what stands beside it. The joiners make one emoji of several.
_UNSEEN = regex.compile(
    r"[\p{C}\p{Zl}\p{Zp}\u115F\u1160\u2800\u3164\uFFA0--[\u200C\u200D\U000E0020-\U000E007F]]", regex.V1
)
_SEEN = regex.compile(r"[\p{L}\p{N}\p{S}\p{P}]")
_MARKS = 4  # of one character; more are there to spoil the page
_LONGEST = 20  # code points of one character, such as a family of emoji


def display_name(typed: str, characters: int = CHARACTERS) -> str:
    """Make the name that is shown of what was typed: one short line; "" where nothing of it could be seen."""
    whole = typed.encode("utf-8", "ignore").decode()[: 20 * characters]
    line = " ".join(_UNSEEN.sub("", regex.sub(r"\s", " ", unicodedata.normalize("NFC", whole))).split())
    seen = [_shortened(character) for character in regex.findall(r"\X", line)]
    name = "".join(seen)
    if len(seen) > characters:
        name = "".join(seen[: characters - 1]).rstrip() + "…"
    return name if _SEEN.search(name) else ""


def same_name(name: str) -> str:
    """Return what is equal for names that people take for the same: case, width, blanks and joiners do not count."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return regex.sub(r"[\p{Cf}\uFE0E\uFE0F]", "", "".join(folded.split()))


def _shortened(character: str) -> str:
    marks = regex.sub(r"\P{M}", "", character)
    return character[: _LONGEST if len(marks) <= _MARKS else 1 + _MARKS]
