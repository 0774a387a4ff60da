"""What may be asked, and how it is to be answered."""

from dataclasses import dataclass

QUESTION_CHARACTERS = 32_000
SYSTEM_CHARACTERS = 32_000
DEFAULT_TEMPERATURE = 1.0  # not sent: some models accept no other and some not even that


class InvalidQuestion(ValueError):
    """`code` says what is wrong with the question: "empty" or "too_long"."""

    def __init__(self, code: str, length: int) -> None:
        super().__init__(code)
        self.code = code
        self.length = length


@dataclass(frozen=True, slots=True)
class Options:
    """How a question is to be answered; of `system` the first SYSTEM_CHARACTERS count."""

    model: str
    system: str = ""
    temperature: float = DEFAULT_TEMPERATURE
    tools: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "system", self.system[:SYSTEM_CHARACTERS])


def check_question(question: str, *, alone: bool = True) -> None:
    """Raise InvalidQuestion for a question that is too long, or empty where nothing else goes with it."""
    if alone and not question.strip():
        raise InvalidQuestion("empty", 0)
    if len(question) > QUESTION_CHARACTERS:
        raise InvalidQuestion("too_long", len(question))
