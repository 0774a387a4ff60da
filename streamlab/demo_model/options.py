"""What a request may ask of the demo model: pace, shape and faults."""

from typing import Any, Literal, Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamlab.demo_model.errors import ApiError, describe

DemoFault = Literal[
    "key", "rate_limit", "error", "context", "filter", "cut", "stall", "silent", "garbage", "empty"
]  # fmt: skip

MAX_CHARACTERS = 20_000_000


class Options(BaseModel):
    """Set in the model's name (`demo?first=0.3&rate=60`) or in the request field `demo`, which wins."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    first: float = Field(0.35, ge=0, le=600)
    """Seconds from the request to the first chunk, without the time for reading the prompt."""
    prefill: float = Field(20_000, gt=0, le=1_000_000_000)
    """Tokens of the prompt read per second, before the first chunk. A beginning that the same model's name has read
    before takes no time, and usage counts it as `cached_tokens`. The script only waits so long: it reads nothing."""
    rate: float = Field(45, gt=0, le=1_000_000)
    """Chunks per second. Unless `size` is set, a chunk is one word-like token."""
    jitter: float = Field(0.2, ge=0, le=1)
    """How far `first` and the gaps between chunks vary, as a share of themselves."""
    seed: int | None = None
    """Fixes jitter and choice of words. The request's own `seed` does the same; this one wins."""

    size: int | None = Field(None, ge=1, le=100_000)
    """Characters per chunk. By default a word, or one to three Japanese characters."""
    chunks: int | None = Field(None, ge=1, le=200_000)
    """Answer with a synthetic text of this many chunks of `size` (default 5) characters."""
    paragraph: int | None = Field(None, ge=3, le=100_000)
    """Characters per paragraph of the synthetic text, the blank line included. By default one paragraph."""
    text: str | None = Field(None, max_length=MAX_CHARACTERS)
    """Answer with exactly this text."""

    reasoning: bool = False
    """Send some `reasoning_content` before the answer, at the same pace; `first` is then its first chunk."""
    blocks: bool = False
    """Send content as a list of blocks, `[{"type": "text", "text": …}]`."""
    usage: bool = True
    """Whether usage is reported at all. A stream also needs `stream_options.include_usage`."""
    empty_first: bool = False
    """Begin the stream with a chunk that has no choices, as Azure does."""
    role_only: bool = True
    """Send the role in a chunk of its own just before the first one, as OpenAI does."""
    crlf: bool = False
    """End SSE lines with CRLF."""
    comments: bool = False
    """Send an SSE comment before every event."""
    split: bool = False
    """Cut every event at odd places across socket writes, inside a character where there is a longer one."""

    interleave: bool = True
    """Send the arguments of parallel calls in turn, a piece of each, instead of one call after the other."""
    tool_loop: bool = False
    """Call an offered tool in every answer, without end."""
    unknown_tool: bool = False
    """First call `no_such_tool`, which nobody offered. This and the next two need a tool on offer and come once
    per question; after the result the model goes on as it should."""
    bad_arguments: bool = False
    """First call with arguments that do not fit the tool's schema."""
    broken_arguments: bool = False
    """First call with arguments that are not JSON, nor the beginning of any."""

    fault: DemoFault | None = None
    """`key` 401, `rate_limit` 429, `error` 500, `context` 400; `silent` sends nothing at all, `empty` no content;
    after `after` chunks: `filter` ends politely, `cut` aborts, `stall` goes quiet, `garbage` sends no JSON and ends."""
    after: int = Field(10, ge=0)
    """Content and argument chunks before the fault. An answer that is shorter fails at its end."""
    retry_after: float = Field(1, ge=0, le=3600)
    """Seconds in the Retry-After header of `rate_limit`. Fractions are not standard, OpenAI's clients read them."""
    times: int | None = Field(None, ge=0)
    """How many requests with the same `id` meet the fault before they are answered. By default all."""
    id: str | None = Field(None, max_length=2_000)
    """What `times` counts by. By default the model's whole name, so two tests had better choose their own."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if (self.chunks or 0) * (self.size or 1) > MAX_CHARACTERS:
            raise ValueError(f"chunks * size may be at most {MAX_CHARACTERS:,} characters")
        return self


def read_options(model: str, field: dict[str, Any]) -> Options:
    """Read the options in a model's name and in the request's `demo` field, or raise ApiError 404 or 400."""
    name, _, query = model.partition("?")
    if not name.startswith("demo"):
        raise ApiError(404, f"The model `{name}` does not exist: this endpoint has `demo`.", code="model_not_found")
    try:
        return Options.model_validate(dict(parse_qsl(query, keep_blank_values=True)) | field)
    except ValidationError as error:
        allowed = ", ".join(Options.model_fields)
        message = f"Options of the demo model: {describe(error)}. Allowed are: {allowed}."
        raise ApiError(400, message, code="invalid_option") from error
