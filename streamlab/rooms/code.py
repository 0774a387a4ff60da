"""A room's code: six letters that are typed as they are heard and seen, in English and in Japanese."""

import secrets
import unicodedata

# Of letters that sound alike when they are read in either language only one is here (B C D E G P T V Z; A J K; M N;
# F S X; U W; I Y), and none that looks like another or like a digit (O Q D 0, I L 1). There are no vowels, so no code
# is a word. A million codes: who guesses them is slowed down, see `Rooms.find`.
LETTERS = "HKLMQRTWXY"
LENGTH = 6


def new_code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def read_code(typed: str) -> str | None:
    """Return the code that was typed, in any case and width, and with anything between its letters; None for none."""
    letters = [letter for letter in unicodedata.normalize("NFKC", typed[:100]).upper() if letter.isalpha()]
    code = "".join(letters)
    return code if len(code) == LENGTH and set(code) <= set(LETTERS) else None


def spaced(code: str) -> str:
    """Return the code in two halves, as it is shown and read aloud."""
    return f"{code[:3]} {code[3:]}"
