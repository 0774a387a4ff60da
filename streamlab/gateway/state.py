"""What a run has come to by now, for JSON."""

from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, Field

from streamlab.events.event import Retry, StepText, ToolResult
from streamlab.events.timings import Stopwatch
from streamlab.hub import Log


class RunUsage(BaseModel):
    input_tokens: int
    output_tokens: int = Field(description="all that the model wrote, reasoning included")
    estimated: bool = Field(description="true when the model's server did not report them")
    reasoning_tokens: int | None = Field(description="those of the output that were reasoning; null when not known")
    cached_tokens: int | None = Field(description="those of the input that were in the provider's cache")
    cache_write_tokens: int | None = Field(description="those of the input that were put into it")


class RunState(BaseModel):
    """Times are seconds since the run began. Of a log that lost its beginning they are those of what is left."""

    id: str
    epoch: str
    status: Literal["live", "completed", "stopped", "failed", "lost"]
    code: str | None = Field(description="why it ended as it did")
    seq: int = Field(description="of the last event")
    text: str = Field(description="the answer, as far as it is there")
    retries: int
    tools: int = Field(description="finished calls")
    time_to_first_token: float | None
    seconds: float = Field(description="from the begin to the last event")
    usage: RunUsage | None = Field(description="null while the run is live")


def state_of(log: Log) -> RunState:
    """Sum up the events of a run."""
    text, stopwatch = StepText(), Stopwatch()
    retries = tools = 0
    for event in log.since(0):
        text.observe(event)
        stopwatch.observe(event)
        retries += isinstance(event, Retry)
        tools += isinstance(event, ToolResult)
    snapshot, done = log.snapshot(), log.done
    cut = snapshot.text if snapshot.step == text.step and not retries else ""
    return RunState(
        id=log.run_id,
        epoch=log.epoch,
        status=done.status if done else "live",
        code=done.code if done else None,
        seq=log.seq,
        text=_readable(cut + str(text)),
        retries=retries,
        tools=tools + len(snapshot.tools),
        time_to_first_token=stopwatch.timings.ttft,
        seconds=stopwatch.timings.total,
        usage=RunUsage(**asdict(done.usage)) if done and done.usage else None,
    )


def _readable(text: str) -> str:
    """Replace lone surrogates, which have no place in a JSON answer."""
    return text.encode("utf-8", "replace").decode()
