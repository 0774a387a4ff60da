"""What a question wants of the tools."""

import unicodedata
from typing import Protocol

from streamlab.demo_model.notes import Language
from streamlab.demo_model.tool_use.calls import Call, Outcomes
from streamlab.demo_model.tool_use.lookups import read_lookup, read_other_lookup
from streamlab.demo_model.tool_use.queries import about_sales
from streamlab.demo_model.tool_use.sales import read_sales
from streamlab.demo_model.tool_use.sums import find_expressions, read_sums
from streamlab.demo_model.tool_use.words import Words

MAX_QUESTION = 500  # characters that are read


class Wish(Protocol):
    @property
    def lead(self) -> str:
        """The key of what is said before its first call, when there are several steps."""

    @property
    def stepwise(self) -> bool:
        """Whether a call of it depends on the result of another."""

    def calls(self, done: Outcomes) -> list[Call]:
        """All that it takes, as far as this is known by now; those that have been made, too."""

    def tell(self, done: Outcomes, words: Words) -> str:
        """The results as Markdown that begins with a sentence, also of calls that failed or were not made."""


def read_wishes(question: str, language: Language) -> list[Wish]:
    """Sales, then notes, then sums."""
    question = unicodedata.normalize("NFKC", question[:MAX_QUESTION])
    lookup, rest = read_lookup(question, language)
    if lookup is None:
        lookup, rest = read_other_lookup(question, language)
        if lookup and (about_sales(lookup.topic) or find_expressions(lookup.topic)):
            lookup, rest = None, question
    wishes: list[Wish | None] = [read_sales(rest, language), lookup, *read_sums(rest)]
    return [wish for wish in wishes if wish]
