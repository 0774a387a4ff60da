"""The agent: a model that may call the tools, within limits, and one attempt at running it."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelCallLimitMiddleware,
    ModelRequest,
    ModelResponse,
    ToolCallRequest,
    hook_config,
)
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from streamlab.agent.tools import TIMEOUTS, TOOLS
from streamlab.agent.translate import Translator
from streamlab.events.event import FinalAnswer, StreamEvent, TextDelta, Thinking, Usage
from streamlab.models.failures import Failure
from streamlab.models.usage import estimated_usage
from streamlab.runs.chain import Clock, count_tokens, newest

STEPS = 8  # model calls of one run; a model that asks for tools forever ends there
SUPERSTEPS = 10 * STEPS  # of the graph, which counts each hook too: never the limit that is met first
HISTORY_TOKENS = 8_000  # that the model is told of what was said before the question
LONGEST_TIMEOUT = 10.0  # seconds, of a tool that names none

Agent = CompiledStateGraph[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Thread:
    """Is a turn's conversation in `memory`: what the thread `after` holds, then `messages`, is where it begins."""

    memory: InMemorySaver
    messages: Sequence[BaseMessage]
    after: str | None = None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))


def chat_agent(
    model: BaseChatModel, system: str, memory: InMemorySaver | None = None, history_tokens: int = HISTORY_TOKENS
) -> Agent:
    """Build an agent that takes `{"messages": [...]}`. Its tools never raise, but tell the model what went wrong.

    Raises Failure for a model that takes no tools.
    """
    try:
        model.bind_tools(TOOLS)
    except NotImplementedError:
        raise Failure("bad_request", detail="This model takes no tools.") from None
    return create_agent(
        model,
        TOOLS,
        system_prompt=system or None,
        middleware=[
            ToolGuard(),
            HistoryBudget(history_tokens),
            ModelCallLimitMiddleware(run_limit=STEPS, exit_behavior="error"),
        ],
        checkpointer=memory,
    )


class HistoryBudget(AgentMiddleware[Any, Any, Any]):
    """Tells the model the newest that fits of what was said before the last question; the memory keeps it all."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self._tokens = tokens

    async def awrap_model_call(
        self, request: ModelRequest, handler: Callable[[ModelRequest], Awaitable[ModelResponse]]
    ) -> ModelResponse:
        messages = request.messages
        asked = max(number for number, message in enumerate(messages) if isinstance(message, HumanMessage))
        told: list[Any] = [*newest(messages[:asked], self._tokens), *messages[asked:]]
        return await handler(request.override(messages=told))


class ToolGuard(AgentMiddleware[Any, Any, Any]):
    """Ends a tool that takes too long, and makes of every failure a result that the model can act on."""

    @hook_config(can_jump_to=["model"])
    async def aafter_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Answer also calls whose arguments are not JSON: the graph would take the turn for the last one."""
        last = state["messages"][-1]
        if not isinstance(last, AIMessage) or last.tool_calls or not last.invalid_tool_calls:
            return None
        answers = [
            ToolMessage("The arguments are not JSON.", tool_call_id=call["id"], name=call["name"], status="error")
            for call in last.invalid_tool_calls
        ]
        return {"messages": answers, "jump_to": "model"}

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
    ) -> ToolMessage | Command[Any]:
        name = request.tool_call["name"]
        seconds = TIMEOUTS.get(name, LONGEST_TIMEOUT)
        try:
            with anyio.fail_after(seconds):
                return await handler(request)
        except TimeoutError:
            said = f"The tool {name} did not answer within {seconds:g} s."
        except Exception as error:
            said = str(error)
        return ToolMessage(said, tool_call_id=request.tool_call["id"], name=name, status="error")


class AgentAttempt:
    """One run of the agent, from its messages to its events."""

    def __init__(self, build: Callable[[], Agent], thread: Thread) -> None:
        self._build = build
        self._thread = thread
        self._translator: Translator | None = None
        self._text: list[str] = []
        self._thoughts: list[str] = []

    @property
    def usage(self) -> Usage:
        """Return the tokens that the server reported, over all steps.

        Without a report they are estimated from what was sent first and has arrived.
        """
        if (translator := self._translator) and translator.usage:
            return replace(translator.usage, estimated=translator.unreported)
        return estimated_usage(count_tokens(self._thread.messages), "".join(self._text), "".join(self._thoughts))

    @property
    def remark(self) -> str | None:
        """What is to be said of the answer's last step."""
        return self._translator.remark if self._translator else None

    async def events(self, clock: Clock) -> AsyncIterator[list[StreamEvent]]:
        """Give the events in batches, but for the end, which is the run's to write."""
        translator = self._translator = Translator(clock)
        agent = await anyio.to_thread.run_sync(self._build)  # a new model's client takes time to make
        await self._thread.memory.adelete_thread(self._thread.id)  # of an attempt that failed
        upstream = agent.astream_events(
            {"messages": [*await self._before(agent), *self._thread.messages]},
            {"recursion_limit": SUPERSTEPS, "configurable": {"thread_id": self._thread.id}},
            version="v2",
            durability="exit",
        )
        try:
            async for event in upstream:
                batch: list[StreamEvent] = [
                    ours for ours in translator.translate(event) if not isinstance(ours, FinalAnswer)
                ]
                self._text += [each.content for each in batch if isinstance(each, TextDelta)]
                self._thoughts += [each.content for each in batch if isinstance(each, Thinking)]
                if batch:
                    yield batch
        except ModelCallLimitExceededError:
            raise Failure("step_limit") from None

    async def _before(self, agent: Agent) -> list[BaseMessage]:
        if self._thread.after is None:
            return []
        state = await agent.aget_state({"configurable": {"thread_id": self._thread.after}})
        found: list[BaseMessage] = state.values.get("messages", [])
        return found
