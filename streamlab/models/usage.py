"""The tokens of an answer, as its server reported them."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages.ai import OutputTokenDetails, UsageMetadata

from streamlab.events.event import Usage
from streamlab.text.tokens import estimate_tokens

REASONING = ("reasoning", "priority_reasoning", "flex_reasoning")  # langchain-openai names it by the tier of service


def reported_usage(told: UsageMetadata) -> Usage:
    """Read LangChain's form of a report. Output is all that was written, also where a server counts reasoning apart.

    OpenAI counts reasoning within the output; xAI beside it, which shows in the total, or when there is more of it.
    """
    tokens_in, tokens_out = told["input_tokens"], told["output_tokens"]
    details: Mapping[str, Any] = told.get("output_token_details", {})
    reasoning = next((count for name, count in details.items() if name in REASONING), None)
    beside = reasoning and (reasoning > tokens_out or told["total_tokens"] == tokens_in + tokens_out + reasoning)
    return Usage(tokens_in, tokens_out + (reasoning or 0 if beside else 0), reasoning_tokens=reasoning)


def told_usage(told: Mapping[str, Any]) -> Usage:
    """Read the server's own form of a report, as `streamlab.models.chunks` leaves it."""
    details = OutputTokenDetails(reasoning=told.get("completion_tokens_details", {}).get("reasoning_tokens"))
    return reported_usage(
        UsageMetadata(
            input_tokens=told["prompt_tokens"],
            output_tokens=told["completion_tokens"],
            total_tokens=told["total_tokens"],
            output_token_details=details,
        )
    )


def estimated_usage(tokens_in: int, text: str, reasoning: str) -> Usage:
    """Estimate what was written from what has arrived. Of reasoning that was not sent nothing is known."""
    thought = estimate_tokens(reasoning)
    return Usage(tokens_in, estimate_tokens(text) + thought, estimated=True, reasoning_tokens=thought or None)


def added(one: Usage, other: Usage) -> Usage:
    """Sum up two answers; how much of both was reasoning is known where it is of each."""
    known = [each.reasoning_tokens for each in (one, other) if each.reasoning_tokens is not None]
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        reasoning_tokens=sum(known) if len(known) == 2 else None,
    )
