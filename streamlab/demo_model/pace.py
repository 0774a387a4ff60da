"""How long the demo model takes, before it is asked."""

from itertools import islice
from random import Random
from typing import NamedTuple

from streamlab.demo_model.answers import compose
from streamlab.demo_model.chunks import cut, due_times
from streamlab.demo_model.errors import ApiError
from streamlab.demo_model.options import read_options
from streamlab.demo_model.reply import prompt_tokens
from streamlab.demo_model.request import ChatRequest


class DemoPace(NamedTuple):
    """Seconds from the request; `reading` are those for a prompt of which nothing was read before, within both."""

    first: float
    end: float
    reading: float


def demo_pace(model: str, question: str, system: str, max_tokens: int | None) -> DemoPace | None:
    """Work out when the first text and the end come; None for a model that refuses.

    Seed and temperature change the words a little, and the times by tenths of a second.
    """
    said = [("system", system)] if system.strip() else []
    messages = [{"role": role, "content": text} for role, text in (*said, ("user", question))]
    request = ChatRequest.model_validate({"model": model, "messages": messages, "max_tokens": max_tokens, "seed": 0})
    try:
        options = read_options(model, {}).model_copy(update={"jitter": 0.0})
    except ApiError:
        return None
    answer = compose(request, options)
    thoughts = len(cut(answer.reasoning, None))
    size = options.size or (5 if options.chunks else None)
    reading = prompt_tokens(request) / options.prefill
    due = due_times(options, Random(0), reading)
    first = next(islice(due, thoughts, None))
    return DemoPace(first, first + len(cut(answer.text, size)) / options.rate, reading)
