"""A live run as its page reads it: stretches of text, and what happens between them."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import assert_never

from components.page.lab import give_way
from streamlab.events import Done, Error, FinalAnswer, Retry, TextDelta, Thinking, ToolCall, ToolResult
from streamlab.hub import Gap, Item, Snapshot


class Arrivals:
    """Sorts a follower's batches.

    `thinking` hears of the model's reasoning, `tool` of each call and result, `begun` of each stretch's first text.

    A stretch of text ends with the run, with the model's step, or where it turns out to be void; then `retry` is the
    event that voided it, or None where what was evicted is replaced by what it amounts to.
    """

    def __init__(
        self,
        batches: Iterator[list[Item]],
        *,
        thinking: Callable[[str], None],
        tool: Callable[[ToolCall | ToolResult], None],
        begun: Callable[[], None],
    ) -> None:
        self._batches = batches
        self._thinking = thinking
        self._tool = tool
        self._begun = begun
        self._waiting: deque[Item] = deque()
        self.retry: Retry | None = None
        self.ended = False
        self._step = 1

    def stretch(self) -> Iterator[str]:
        """All text that has arrived, again and again, until the stretch ends."""
        begun, self.retry = False, None
        while not self.ended:
            text, over = self._take()
            if text and not begun:
                begun = True
                self._begun()
            if text:
                yield text
            if over:
                return
            if not self._waiting:
                self._wait()

    def _wait(self) -> None:
        batch = next(self._batches, None)
        if batch is None:
            self.ended = True
        elif batch:
            self._waiting.extend(batch)
        else:
            give_way()

    def _take(self) -> tuple[str, bool]:
        """The text up to the next thing that ends the stretch, and whether there was one."""
        text: list[str] = []
        while self._waiting:
            match self._waiting.popleft():
                case TextDelta() as event if event.step != self._step:
                    self._step = event.step
                    self._waiting.appendleft(event)
                    return "".join(text), True
                case TextDelta(content=content):
                    text.append(content)
                case Thinking(content=content):
                    self._thinking(content)
                case ToolCall() | ToolResult() as event:
                    self._tool(event)
                case Retry() as event:
                    self.retry = event
                    return "", True  # what was not shown yet need not be shown any more
                case Snapshot() as snapshot:
                    self._step = snapshot.step
                    for result in snapshot.tools:
                        self._tool(result)
                    self._waiting.appendleft(TextDelta(snapshot.text, seq=snapshot.seq, step=snapshot.step))
                    return "", True
                case FinalAnswer() | Error() | Done() | Gap():
                    pass
                case other:
                    assert_never(other)
        return "".join(text), False
