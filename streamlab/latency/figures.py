"""The figures of one model in one way, and what a reader notices of its waits."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamlab.events.timings import SHORTEST_WRITING, Timings
from streamlab.latency.observation import Observation, Side, counted

WORDS_A_MINUTE = 250
CHARACTERS_A_MINUTE = 500  # of Japanese

_WORD = re.compile(r"\S*\w\S*")
_JAPANESE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")  # kana, kanji, and their punctuation


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds, unless it is tokens a second. Percentiles are linear between neighbours."""

    median: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures(Side):
    """`n` calls count, `failures` others failed with `errors`, and `refused` invokes streamed underneath.

    A prompt that did not fit into the model's context is among the `errors`, but no failure.

    - `ttft`: time to the first chunk with text, which aiperf and guidellm call the time to first output token. Their
      TTFT also counts reasoning; vLLM's is the first chunk of any kind, `ttfe` here
    - `gap`: the time between neighbouring chunks, those of all calls pooled, as vLLM's inter-token latency
    - `tpot`: time per output token of a call, (last text - first written) / (tokens - 1), where there are two tokens or
      more that did not come in one burst (`Timings.tokens_per_second`). Where reasoning was sent, the first written is
      the first event and its tokens count, else the first text. aiperf and guidellm call that inter-token latency;
      vLLM's TPOT ends with its E2E
    - `last_text`: until the last chunk with text, as aiperf's request latency and, but for the chunk that tells why the
      model stopped, vLLM's E2E
    - `e2e`: until the stream ended, as guidellm's request latency
    - `tokens_per_second`: the reciprocal of TPOT, of each call
    - `characters_per_second`: the pace of the visible text (`writing_speed`), of each call
    - `tokens` that were sent, and those that are `visible` where the server told them apart; medians
    - `prompt_tokens` as the server reported them, and how many of these it had in its cache; medians

    What the others do stands in `src/aiperf/metrics/types/` (`TTFTMetric`, `TimeToFirstOutputTokenMetric`,
    `RequestLatencyMetric`, `InterTokenLatencyMetric`), `src/guidellm/schemas/request_stats.py`
    (`time_to_first_token_ms`, `request_latency`, `inter_token_latency_ms`), whose times are taken in
    `src/guidellm/backends/openai/http.py` (`_resolve_streaming`), and `vllm/benchmarks/lib/endpoint_request_func.py`
    (`async_request_openai_chat_completions`).

    - `noticed`: what a reader notices of the wait (`noticed_wait`); `reading` is a median
    - `within_target`: the share of the calls whose TTFT is within the target; a failed call is not. vLLM's goodput
      is their number per second instead
    """

    n: int
    failures: int
    refused: int
    errors: dict[str, int]
    ttfe: Spread | None
    ttft: Spread | None
    gap: Spread | None
    tpot: Spread | None
    last_text: Spread | None
    e2e: Spread | None
    tokens_per_second: Spread | None
    characters_per_second: Spread | None
    noticed: Spread | None
    reading: float | None
    tokens: float | None
    visible: float | None
    prompt_tokens: float | None
    cached_tokens: float | None
    within_target: float | None


def figures(observations: Sequence[Observation], side: Side, target: float) -> Figures:
    """Sum up the observations of one side, without warm-ups."""
    mine = counted(observations, side)
    good = [seen for seen in mine if seen.usable]
    tpots = list(map(time_per_token, good))
    errors = Counter(sorted(seen.error for seen in mine if seen.error))
    return Figures(
        model=side.model,
        way=side.way,
        prompt_length=side.prompt_length,
        repeated=side.repeated,
        n=len(good),
        failures=errors.total() - sum(seen.too_long for seen in mine),
        refused=sum(seen.streamed_underneath and seen.error is None for seen in mine),
        errors=dict(errors),
        ttfe=spread([seen.ttfe for seen in good]),
        ttft=spread([seen.ttft for seen in good]),
        gap=spread([gap for seen in good for gap in seen.gaps]),
        tpot=spread(tpots),
        last_text=spread([seen.last_text for seen in good]),
        e2e=spread([seen.e2e for seen in good]),
        tokens_per_second=spread([1 / tpot for tpot in tpots if tpot]),
        characters_per_second=spread(list(map(writing_speed, good))),
        noticed=spread([wait.noticed for seen in good if (wait := noticed_wait(seen))]),
        reading=middle([seen.reading for seen in good]),
        tokens=middle([tokens for seen in good if (tokens := sent_tokens(seen)) is not None]),
        visible=middle([seen.tokens for seen in good if seen.tokens is not None and not seen.tokens_estimated]),
        prompt_tokens=middle([seen.prompt_tokens for seen in good if seen.prompt_tokens is not None]),
        cached_tokens=middle([seen.cached_tokens for seen in good if seen.cached_tokens is not None]),
        within_target=_within(mine, target),
    )


def time_per_token(observation: Observation) -> float | None:
    """Return TPOT of a call in seconds; None for one token, a burst, and invoke: its tokens' times are unknown."""
    tokens = sent_tokens(observation)
    if observation.e2e is None or tokens is None:
        return None
    from_thought = observation.thought and observation.sent_tokens is not None
    first = observation.ttfe if from_thought else observation.ttft
    rate = Timings(observation.ttft, observation.e2e, first, observation.last_text).tokens_per_second(tokens)
    return 1 / rate if rate else None


def writing_speed(observation: Observation) -> float | None:
    """Return the characters of text a second, from the first to the last; None where there is no TPOT.

    Two models are compared by it, as their tokens are not of one size; what they think is not what people read.
    """
    if not time_per_token(observation) or observation.ttft is None or observation.last_text is None:
        return None
    span = observation.last_text - observation.ttft
    return sum(observation.chunk_characters[1:]) / span if span >= SHORTEST_WRITING else None


def sent_tokens(observation: Observation) -> int | None:
    """Return how many tokens the stream brought; where that was not reported, those of its text."""
    return observation.tokens if observation.sent_tokens is None else observation.sent_tokens


def spread(values: Sequence[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return Spread(*map(float, np.percentile(known, [50, 95]))) if known else None


def middle(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def _within(observations: Sequence[Observation], target: float) -> float | None:
    asked = [seen for seen in observations if not seen.streamed_underneath and not seen.too_long]
    if not asked:
        return None
    return sum(seen.usable and seen.ttft is not None and seen.ttft <= target for seen in asked) / len(asked)


def reading_seconds(text: str) -> float:
    """Estimate how long people read a text, at 250 words a minute.

    One that is mostly Japanese is read at 500 characters a minute, white space not counted.
    """
    written = "".join(text.split())
    if 2 * len(_JAPANESE.findall(written)) > len(written):
        return len(written) / CHARACTERS_A_MINUTE * 60
    return len(_WORD.findall(text)) / WORDS_A_MINUTE * 60


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds since just before the request: how many were `noticed` as a wait, and when the reader was `done`."""

    noticed: float
    done: float


def noticed_wait(observation: Observation) -> Wait | None:
    """Tell how much of the wait a reader notices; None for a call that failed.

    The reader begins with the first text and reads at an even pace: each character takes the same share of `reading`.
    Noticed is the time until the first text, and every time at which all that has arrived is read: so noticed + reading
    = done. With invoke that is E2E, then the whole reading.
    """
    if observation.e2e is None or not observation.chunk_times:
        return None
    pace = observation.reading / sum(observation.chunk_characters)
    done = 0.0
    for time, characters in zip(observation.chunk_times, observation.chunk_characters, strict=True):
        done = max(done, time) + characters * pace
    return Wait(max(0.0, done - observation.reading), done)
