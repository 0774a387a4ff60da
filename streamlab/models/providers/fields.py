"""What front ends ask of a model in OpenAI's words, said to the clients of other providers in theirs."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from streamlab.models.failures import Failure

# An answer that does not heed these is one, too.
_HINTS = frozenset(("seed", "parallel_tool_calls", "reasoning_effort", "verbosity"))


def bound(
    model: BaseChatModel,
    tools: Sequence[Mapping[str, Any]],
    fields: Mapping[str, Any],
    names: Mapping[str, str],
    choices: Mapping[str, Any],
) -> Runnable[Any, BaseMessage]:
    """Bind tools and fields of OpenAI's chat completions to a provider's client.

    `names` are the client's by OpenAI's, `choices` the client's ways to say how tools are used. What a provider cannot
    be told is left out where it is a hint or asks for nothing, and raises Failure where it would make another answer.
    """
    given: dict[str, Any] = {}
    for field, value in fields.items():
        if field == "tool_choice":
            given[field] = choices[value] if isinstance(value, str) else value["function"]["name"]
        elif field in names:
            given[names[field]] = [value] if field == "stop" and isinstance(value, str) else value
        elif value and field not in _HINTS:
            raise Failure("bad_request", detail=f"The provider of this model takes no {field}.")
    try:
        return model.bind_tools([dict(tool) for tool in tools], **given) if tools else model.bind(**given)
    except ValueError as error:  # such as a schema that the provider does not take
        raise Failure("bad_request", detail=str(error)) from None
