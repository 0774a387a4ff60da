"""A live run as its page reads it: stretches of text, and what happens between them."""

from collections import deque
from collections.abc import Callable, Iterator

from components.page.lab import give_way
from streamlab.events import StreamEvent
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
        tool: Callable[[StreamEvent], None],
        begun: Callable[[], None],
    ) -> None:
        self._batches = batches
        self._thinking = thinking
        self._tool = tool
        self._begun = begun
        self._waiting: deque[Item] = deque()
        self.retry: StreamEvent | None = None
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
                case StreamEvent(type="text_delta", step=step) as event if step != self._step:
                    self._step = step
                    self._waiting.appendleft(event)
                    return "".join(text), True
                case StreamEvent(type="text_delta", content=content):
                    text.append(content or "")
                case StreamEvent(type="thinking", content=content):
                    self._thinking(content or "")
                case StreamEvent(type="tool_call" | "tool_result") as event:
                    self._tool(event)
                case StreamEvent(type="retry") as event:
                    self.retry = event
                    return "", True  # what was not shown yet need not be shown any more
                case Snapshot() as snapshot:
                    self._step = snapshot.step
                    for event in snapshot.tools:
                        self._tool(event)
                    self._waiting.appendleft(
                        StreamEvent("text_delta", snapshot.seq, 0, snapshot.step, content=snapshot.text)
                    )
                    return "", True
                case Gap() | StreamEvent():
                    pass
        return "".join(text), False
