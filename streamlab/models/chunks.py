"""The chunks of a streamed answer as plain dicts: one form for all servers, and as few as what follows allows.

The shapes are those of OpenAI's chat completions; a server's own ways are put right by `ChunkReader`, before anything
else sees them. Whatever the stock client takes is taken; what it breaks on is taken where its meaning is plain. An
answer is complete when the server said so, by a finish reason or `[DONE]`, and only then.

What a chain does with a chunk costs the same whether it holds one token or ten, and several times what it costs to
read it. So chunks that one read from the network gave, and that only carry on the same text, become one (`join`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from streamlab.models.event_stream import EventStream, quoted
from streamlab.models.failures import Code, Failure
from streamlab.models.server_errors import failure_within, server_failure
from streamlab.models.thoughts import Thoughts
from streamlab.models.tool_calls import ToolCalls
from streamlab.text.surrogates import Halves

TEXTS = ("content", "reasoning_content")
MOST_TOKENS = 2**53  # what every reader of JSON holds exactly

Chunk = dict[str, Any]

_REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking", "thought", "reasoning_text")
_TEXT_PARTS = ("text", "content", "summary", "thinking", "reasoning", "value")  # where a part of a list has its text
_FINISH: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("tool_calls", re.compile(r"^function_call$|^tool_use$")),
    ("error", re.compile(r"malformed|unexpected_tool")),
    ("content_filter", re.compile(r"filter|safety|sensitive|block|prohibit|recitation|toxic|refus|moderat|spii")),
    ("length", re.compile(r"length|max\w*tokens|token_?limit|limit_?reached|context")),
    ("error", re.compile(r"error|abort|cancel|timeout|fail|network|insufficient|unavailable|overload|interrupt")),
)
"""What the field calls a reason to stop, by what servers call it in lower case; any other is as good as `stop`."""


class ChunkReader:
    """Reads the body of one answer, piece by piece, into chunks.

    Each chunk is `{"choices": [{"index": 0, "delta": …}]}`, with texts in `content` and `reasoning_content`; tool calls
    have an index and an id of their own; a `finish_reason` comes once, and the usage in a last chunk. `text_kind` in a
    delta says of an answer that it is a `refusal`, or the `transcript` of one that was spoken.

    `taken` are ids of tool calls that were made before; `key` is the secret that was sent, and never told.
    """

    def __init__(self, taken: Iterable[str] = (), key: str = "") -> None:
        self._events = EventStream()
        self._calls = ToolCalls(taken)
        self._thoughts = Thoughts()
        self._halves = {name: Halves() for name in TEXTS}
        self._key = key
        self._choice: int | None = None  # the number of the first choice
        self._kind: str | None = None
        self._model: str | None = None
        self._answered = False
        self._by_deltas = False
        self._written = False
        self.thought = False
        """Whether reasoning was sent."""
        self.finish: str | None = None
        """Why the model stopped, in OpenAI's words."""
        self.usage: dict[str, Any] | None = None
        """What the server reported last; None for what cannot be a count of tokens."""

    @property
    def ended(self) -> bool:
        """Whether the server has said that nothing follows."""
        return self._events.done

    @property
    def complete(self) -> bool:
        """Whether the server has said that the answer is whole."""
        return bool(self.finish) or self._events.done

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """Give the chunks that this piece of the body brings. Raises Failure for an error that the server tells."""
        for value in self._events.feed(data):
            yield from self._chunks(value)

    def close(self) -> Iterator[Chunk]:
        """Give what is left at the end of the body, and the usage. Raises Failure for an answer that is not whole."""
        for value in self._events.close():
            yield from self._chunks(value)
        yield from self._rest()
        if self.finish != "length":  # at which a call was cut too, and half a call is none
            for call in self._calls.whole() if self.complete else ():
                yield {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
        if self.usage and self._written and not self.usage["completion_tokens"]:
            self.usage = None  # nobody counted
        failure = self._failure()
        if self.usage or not failure:
            yield {"choices": [], "usage": self.usage}
        if failure:
            raise failure

    def _failure(self) -> Failure | None:
        if self.finish == "content_filter":
            return Failure("content_filtered")
        if self.finish or (self.complete and not self._events.stray and (self._answered or self.usage)):
            return None
        code: Code = "connection_lost" if self._answered else "provider_unavailable"
        if self._events.stray:
            return self._told(quoted(self._events.stray), code)
        if self._answered:
            return Failure(code, detail="the answer ended before the server said that it was whole")
        return Failure(code, detail="the server sent nothing that is a chunk of an answer")

    def _told(self, words: str, otherwise: Code) -> Failure:
        """Name the failure of which a server tells in bare words; half an event tells of nothing."""
        failure = server_failure(words, key=self._key)
        is_named = failure.code != "provider_unavailable" and not words.startswith(("{", "["))
        return failure if is_named else Failure(otherwise, detail=failure.detail)

    def _chunks(self, value: Any) -> Iterator[Chunk]:
        if (text := self._mere_text(value)) is not None:
            for each in self._text("content", text):
                yield {"choices": [{"index": 0, "delta": each}]}
        elif isinstance(value, list):
            for each in value:
                yield from self._chunks(each)
        elif isinstance(value, dict):
            if not self.finish and (failure := failure_within(value, self._key)):
                raise failure
            yield from self._read(value)
        elif value is not None and not self.finish:  # after the end of the answer nothing can harm it
            raise self._told(str(value), "connection_lost")

    def _mere_text(self, value: Any) -> str | None:
        """Find the text of a chunk such as nearly all are, at half the cost; None for whatever needs a closer look."""
        try:
            (choice,), delta = value["choices"], value["choices"][0]["delta"]
            text = delta["content"]
        except (LookupError, TypeError, ValueError):
            return None
        is_mere = len(delta) == 1 and type(text) is str and choice.get("index") == self._choice
        if not is_mere or not self._thoughts.over or choice.get("finish_reason") or choice.get("usage"):
            return None
        return None if value.get("usage") or value.get("error") or choice.get("error") else text

    def _read(self, value: Mapping[str, Any]) -> Iterator[Chunk]:
        self._model = value.get("model") or self._model
        choice = self._first_choice(value.get("choices"))
        self._note_usage(value.get("usage") or choice.get("usage") or _mapping(value.get("x_groq")).get("usage"))
        if not choice:
            return
        self._answered = True
        for each in self._deltas(self._delta(choice)):
            yield {"choices": [{"index": 0, "delta": each}]}
        if not self.finish and (finish := _finish(choice)):
            yield from self._finished(finish)
        elif self._events.document and "message" in choice and not self.finish:
            yield from self._finished("stop")  # a whole answer in one document

    def _first_choice(self, choices: Any) -> Mapping[str, Any]:
        """Find the choice that is read: of several the first by its number, which it keeps."""
        given = choices if isinstance(choices, list) else [choices]
        numbered = sorted(
            ((_number(choice), choice) for choice in given if isinstance(choice, dict)), key=itemgetter(0)
        )
        if numbered and (self._choice is None or (numbered[0][0] < self._choice and not self._written)):
            self._choice = numbered[0][0]
        return next((choice for number, choice in numbered if number == self._choice), {})

    def _delta(self, choice: Mapping[str, Any]) -> Mapping[str, Any]:
        """Find what a choice brings. A `message` takes the place of deltas; after them it says all of it again."""
        if delta := _mapping(choice.get("delta")):
            self._by_deltas = self._by_deltas or bool(delta.get("content"))
            return delta
        return {} if self._by_deltas else _mapping(choice.get("message")) or {"content": choice.get("text")}

    def _deltas(self, delta: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Give what a delta says, each kind apart, in the order in which it is meant."""
        content, within = _texts(delta.get("content"))
        thought, answer = self._thoughts.part(content) if content else ("", "")
        beside = next(filter(None, (_texts(delta.get(name), thoughts=True)[0] for name in _REASONING)), "")
        yield from self._text("reasoning_content", beside + within + thought)
        yield from self._text("content", answer)
        if not content:
            yield from self._spoken(delta)
        self._calls.gather(delta.get("tool_calls") or _legacy(delta.get("function_call")))

    def _spoken(self, delta: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Give the words of an answer that has them elsewhere than in its content."""
        for kind, words in (
            ("refusal", delta.get("refusal")),
            ("transcript", _mapping(delta.get("audio")).get("transcript")),
        ):
            if isinstance(words, str) and words:
                if self._kind is None:
                    self._kind = kind
                    yield {"content": words, "text_kind": kind}
                else:
                    yield from self._text("content", words)
                self._written = True

    def _text(self, name: str, text: str) -> Iterator[dict[str, Any]]:
        if text and (text := self._halves[name].join(text)):
            self._written = True
            self.thought = self.thought or name == "reasoning_content"
            yield {name: text}

    def _rest(self) -> Iterator[Chunk]:
        """Give what was held until more came."""
        thought, answer = self._thoughts.rest()
        for name, held in (("reasoning_content", thought), ("content", answer)):
            for each in (*self._text(name, held), *self._text(name, self._halves[name].rest())):
                yield {"choices": [{"index": 0, "delta": each}]}

    def _finished(self, finish: str) -> Iterator[Chunk]:
        if finish == "error":
            raise Failure("provider_unavailable", detail="the server ended the answer because of an error")
        self.finish = finish
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}], "model": self._model}

    def _note_usage(self, usage: Any) -> None:
        """Keep the last report: some servers send one with every chunk, each of all there is so far."""
        if usage is not None:
            self.usage = _usage(usage)


def join(chunk: Chunk, following: Chunk) -> Chunk | None:
    """Make one chunk with the text of both; None if one of them has more to say than text of the same kind."""
    first, second = _only_text(chunk), _only_text(following)
    if not first or not second or first[0] != second[0]:
        return None
    return {"choices": [{"index": 0, "delta": {first[0]: first[1] + second[1]}}]}


def _only_text(chunk: Chunk) -> tuple[str, str] | None:
    """Find the kind of text and the text of a chunk that has nothing else."""
    match chunk:
        case {"choices": [{"delta": dict(delta)} as choice]} if len(delta) == 1 and "finish_reason" not in choice:
            ((name, text),) = delta.items()
            return (name, text) if name in TEXTS else None
    return None


def _number(choice: Mapping[str, Any]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any, *, thoughts: bool = False) -> tuple[str, str]:
    """Find the text and the reasoning in a content: a text, a part, or a list of parts; with `thoughts` all is text."""
    match value:
        case str():
            return value, ""
        case list():
            parts = [_texts(part, thoughts=thoughts) for part in value]
            return "".join(text for text, _ in parts), "".join(thought for _, thought in parts)
        case dict():
            found = next((value[name] for name in _TEXT_PARTS if value.get(name)), "")
            is_thought = not thoughts and str(value.get("type", "")).startswith(("thinking", "reasoning"))
            text, thought = _texts(found, thoughts=thoughts or is_thought)
            return ("", text) if is_thought else (text, thought)
        case int() | float() if not isinstance(value, bool):
            return str(value), ""
    return "", ""


def _legacy(call: Any) -> list[Any]:
    """Make of a `function_call`, of which there was only one, a call as they are now."""
    return [{"index": 0, "function": call}] if isinstance(call, dict) else []


def _finish(choice: Mapping[str, Any]) -> str | None:
    return finish_reason(choice.get("finish_reason") or choice.get("finishReason"))


def finish_reason(said: Any) -> str | None:
    """Say in OpenAI's words why a model stopped; None where it has not."""
    reason = said.lower() if isinstance(said, str) else ""
    if reason in ("", "null", "none"):
        return None
    return next((known for known, pattern in _FINISH if pattern.search(reason)), reason)


def _usage(usage: Any) -> dict[str, Any] | None:
    """Keep of a report what can be a count of tokens; None unless both directions are."""
    told = _mapping(usage)
    counts = {
        "prompt_tokens": _count(told.get("prompt_tokens", told.get("input_tokens"))),
        "completion_tokens": _count(told.get("completion_tokens", told.get("output_tokens"))),
    }
    if None in counts.values():
        return None
    total = _count(told.get("total_tokens"))
    kept: dict[str, Any] = {**counts, "total_tokens": sum(filter(None, counts.values())) if total is None else total}
    hidden = _count(_mapping(told.get("completion_tokens_details")).get("reasoning_tokens"))
    if hidden is not None:
        kept["completion_tokens_details"] = {"reasoning_tokens": hidden}
    if of_prompt := _of_prompt(told):
        kept["prompt_tokens_details"] = of_prompt
    return kept


def _of_prompt(told: Mapping[str, Any]) -> dict[str, int]:
    """Keep how much of the prompt was in the server's cache, also as DeepSeek and Moonshot say it."""
    details = _mapping(told.get("prompt_tokens_details", told.get("input_tokens_details")))
    places = (details.get("cached_tokens"), told.get("prompt_cache_hit_tokens"), told.get("cached_tokens"))
    cached = next((count for place in places if (count := _count(place)) is not None), None)
    parts = {"cached_tokens": cached, "cache_write_tokens": _count(details.get("cache_write_tokens"))}
    return {name: count for name, count in parts.items() if count is not None}


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value) if value == int(value) else None
