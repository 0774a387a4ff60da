"""The tokens of an answer, as its server reported them."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from streamlab.events.event import Usage
from streamlab.text.tokens import estimate_tokens

# langchain-openai names them by the tier of service, and langchain-anthropic what went into a cache by its time there.
REASONING = ("reasoning", "priority_reasoning", "flex_reasoning")
CACHED = ("cache_read", "priority_cache_read", "flex_cache_read")
WRITTEN = (
    *("cache_creation", "priority_cache_creation", "flex_cache_creation"),
    *("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
)


def reported_usage(told: UsageMetadata) -> Usage:
    """Read LangChain's form of a report. Output is all that was written, also where a server counts reasoning apart.

    OpenAI counts reasoning within the output; xAI beside it, which shows in the total, or when there is more of it.
    """
    tokens_in, tokens_out = told["input_tokens"], told["output_tokens"]
    reasoning = _sum_of(told.get("output_token_details", {}), REASONING)
    beside = reasoning and (reasoning > tokens_out or told["total_tokens"] == tokens_in + tokens_out + reasoning)
    cached, written = (_sum_of(told.get("input_token_details", {}), names) for names in (CACHED, WRITTEN))
    if (cached or 0) + (written or 0) > tokens_in:
        cached = written = None  # counted otherwise than as a part of the input
    return Usage(
        tokens_in,
        tokens_out + (reasoning or 0 if beside else 0),
        reasoning_tokens=reasoning,
        cached_tokens=cached,
        cache_write_tokens=written,
    )


def _sum_of(details: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """Add up what is told by these names; None where none of them is."""
    told = [count for name in names if (count := details.get(name)) is not None]
    return sum(told) if told else None


def told_usage(told: Mapping[str, Any]) -> Usage:
    """Read the server's own form of a report, as `streamlab.models.chunks` leaves it."""
    read = told.get("prompt_tokens_details", {})
    return reported_usage(
        UsageMetadata(
            input_tokens=told["prompt_tokens"],
            output_tokens=told["completion_tokens"],
            total_tokens=told["total_tokens"],
            input_token_details=InputTokenDetails(
                cache_read=read.get("cached_tokens"), cache_creation=read.get("cache_write_tokens")
            ),
            output_token_details=OutputTokenDetails(
                reasoning=told.get("completion_tokens_details", {}).get("reasoning_tokens")
            ),
        )
    )


def estimated_usage(tokens_in: int, text: str, reasoning: str) -> Usage:
    """Estimate what was written from what has arrived. Of reasoning that was not sent nothing is known."""
    thought = estimate_tokens(reasoning)
    return Usage(tokens_in, estimate_tokens(text) + thought, estimated=True, reasoning_tokens=thought or None)


def added(one: Usage, other: Usage) -> Usage:
    """Sum up two answers; how much of both was reasoning, or cached, is known where it is of each."""

    def known(a: int | None, b: int | None) -> int | None:
        return None if a is None or b is None else a + b

    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        reasoning_tokens=known(one.reasoning_tokens, other.reasoning_tokens),
        cached_tokens=known(one.cached_tokens, other.cached_tokens),
        cache_write_tokens=known(one.cache_write_tokens, other.cache_write_tokens),
    )
