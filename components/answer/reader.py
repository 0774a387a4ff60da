"""Reading a live run: stretches of text, and what happens between them."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import assert_never

from components.page.lab import give_way
from components.page.storage import redraw_when_changed
from streamlab.events.event import Done, Error, FinalAnswer, Retry, TextDelta, Thinking, ToolCall, ToolResult
from streamlab.hub import Gap, Item, Snapshot


@dataclass
class AnswerReader:
    """Sorts a follower's batches into stretches of text and callbacks.

    `on_thinking` gets the model's reasoning, `on_tool` each call and result; `on_text` is called at a stretch's first
    text.

    A stretch of text ends with the run, with the model's step, or when a retry voids it; then `retry` is that event. It
    is None where a snapshot replaces evicted events.
    """

    batches: Iterator[list[Item]]
    on_thinking: Callable[[str], None]
    on_tool: Callable[[ToolCall | ToolResult], None]
    on_text: Callable[[], None]
    retry: Retry | None = None
    ended: bool = False
    _waiting: deque[Item] = field(default_factory=deque)
    _step: int = 1

    def stretch(self) -> Iterator[str]:
        """Yield all text that has arrived, again and again, until the stretch ends."""
        begun, self.retry = False, None
        while not self.ended:
            text, over = self._take()
            if text and not begun:
                begun = True
                self.on_text()
            if text:
                yield text
            if over:
                return
            batch = next(self.batches, None)
            self.ended = batch is None
            self._waiting.extend(batch or ())
            if batch == []:
                give_way()
                redraw_when_changed()

    def _take(self) -> tuple[str, bool]:
        """Take the text up to what ends the stretch; return it, and whether the stretch ended."""
        text: list[str] = []
        while self._waiting:
            match self._waiting.popleft():
                case TextDelta() as event if event.step != self._step:
                    self._step = event.step
                    self._waiting.appendleft(event)
                    return "".join(text), True
                case TextDelta(content=content):
                    text.append(content)
                case FinalAnswer() | Error() | Done() | Gap() | Thinking(state="begun"):
                    pass
                case Thinking(content=content):
                    self.on_thinking(content)
                case ToolCall() | ToolResult() as event:
                    self.on_tool(event)
                case Retry() as event:
                    self.retry = event
                    return "", True  # what was not shown yet need not be shown any more
                case Snapshot() as snapshot:
                    self._step = snapshot.step
                    for result in snapshot.tools:
                        self.on_tool(result)
                    self._waiting.appendleft(TextDelta(snapshot.text, seq=snapshot.seq, step=snapshot.step))
                    return "", True
                case other:
                    assert_never(other)
        return "".join(text), False
