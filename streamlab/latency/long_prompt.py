"""Prompts that are made long, each of its own so that no server has read its beginning before."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from random import Random

from streamlab.latency.plan import Plan, PlannedCall
from streamlab.text.tokens import estimate_tokens

# Plain words that no question is about: the demo model looks for its subjects, others read them once and forget them.
_WORDS = {
    "who": ("baker", "sailor", "gardener", "painter", "farmer", "tailor", "miller", "carpenter"),
    "what": ("lantern", "basket", "ladder", "kettle", "blanket", "bottle", "hammer", "pillow"),
    "where": ("harbour", "orchard", "attic", "meadow", "cellar", "village", "valley", "courtyard"),
    "when": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one call asks."""

    system: str
    question: str


class LongPrompts:
    """What each call of a plan asks. One that repeats asks exactly what the call before it asked."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._salt = secrets.token_hex(16)  # so that the same plan, measured again, has other beginnings

    def of(self, call: PlannedCall) -> Prompt:
        """Return the prompt; where the call has a length, after a mark of its own and so many notes."""
        plan = self._plan
        own = f"{self._salt} {call.pair} {plan.models.index(call.model)} {call.way} {call.prompt_length}"
        mark = f"{sha256(own.encode()).hexdigest()[:12]}."  # at the very beginning, of which caches go by
        return long_prompt(plan, call.prompt_length, mark)


def long_prompt(plan: Plan, length: int | None, mark: str = "") -> Prompt:
    """Make the plan's prompt long, with a `mark` at its beginning; without a length it is left as it is."""
    if length is None:
        return Prompt(plan.system, plan.prompt)
    has_system = bool(plan.system.strip())
    system = f"{mark}\n\n{plan.system}" if has_system else ""
    head = "" if has_system else f"{mark}\n\n"
    bare = f"{head}Old notes:\n\n\n{plan.prompt}"
    missing = length - estimate_tokens(bare) - estimate_tokens(system)
    return Prompt(system, f"{head}Old notes:\n{_notes(missing)}\n\n{plan.prompt}")


def _notes(tokens: int) -> str:
    """Write notes of about so many tokens. They are the same for all, so that all models read the same."""
    text = "".join(_sentences(4 * tokens))
    return text[: max(0, 4 * tokens)]


def _sentences(characters: int) -> Iterator[str]:
    random = Random(0)
    for number in count(1):
        if characters <= 0:
            return
        who, what, where, when = (random.choice(words) for words in _WORDS.values())
        sentence = f"{number}. On {when} the {who} left a {what} in the {where}.\n"
        characters -= len(sentence)
        yield sentence
