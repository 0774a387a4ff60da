"""How questions are read: the patterns of `notes/questions.toml`."""

import re
import tomllib
from functools import cache
from typing import Any

from streamlab.demo_model.notes import FOLDER

MAX_QUESTION = 500  # characters that are read


@cache
def read_patterns() -> dict[str, dict[str, Any]]:
    """Read all sections, with the named parts in their places."""
    text = (FOLDER / "questions.toml").read_text("utf-8")
    for name, part in tomllib.loads(text)["parts"].items():
        text = text.replace(f"%{name}%", part)
    return tomllib.loads(text)


@cache
def pattern(section: str, key: str) -> re.Pattern[str]:
    """Compile the alternatives under a key."""
    alternatives = read_patterns()[section][key]
    return re.compile("|".join(alternatives["asked"] if isinstance(alternatives, dict) else alternatives), re.I)


def find_keys(section: str, question: str) -> list[str]:
    """List the keys of a section whose patterns occur in a question."""
    return [key for key in read_patterns()[section] if pattern(section, key).search(question)]
