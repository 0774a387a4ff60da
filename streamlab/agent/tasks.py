"""Questions to the agent: each is a run of its own that anyone with its id can follow."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from streamlab.agent.graph import Agent, AgentAttempt, Thread, chat_agent
from streamlab.events.outcome import Outcome
from streamlab.hub import Hub
from streamlab.hub.registry import Registry
from streamlab.models.catalog import Models
from streamlab.models.options import Options, check_question
from streamlab.runs.run import Runs


@dataclass(frozen=True, slots=True)
class Task:
    """What the agent was asked, the run that answers it, and the thread that its memory keeps of it."""

    question: str
    options: Options
    run_id: str
    thread_id: str


class Agents:
    """The agent's tasks, for as long as their logs are kept, and its memory. Belongs to one event loop."""

    def __init__(self, runs: Runs, models: Models, hub: Hub, history_tokens: int) -> None:
        self._runs = runs
        self._models = models
        self._history_tokens = history_tokens
        self._memory = InMemorySaver()
        self._tasks: Registry[Task] = Registry(0, lambda task: task.run_id in hub)
        self.find = self._tasks.find

    def ask(self, question: str, options: Options) -> Task:
        """Start the agent on a question of its own. Raises InvalidQuestion, TooManyRuns or HubFull."""
        check_question(question)
        task = self.go_on(question, options, None, [], lambda outcome: self.forget([task.thread_id]))
        return task

    def go_on(
        self,
        question: str,
        options: Options,
        after: str | None,
        since: Sequence[BaseMessage],
        ended: Callable[[Outcome], None],
        run_id: str | None = None,
    ) -> Task:
        """Start the agent on a question in a conversation: what it remembers of the thread `after`, and what was said
        `since`. It remembers the new thread until it is told to `forget` it. Raises TooManyRuns or HubFull.
        """
        thread = Thread(self._memory, [*since, HumanMessage(question)], after)

        def build() -> Agent:
            model = self._models.chat_model(options.model, options.temperature)
            return chat_agent(model, options.system, self._memory, self._history_tokens)

        run_id = self._runs.start(lambda: AgentAttempt(build, thread), ended, run_id=run_id)
        task = Task(question, options, run_id, thread.id)
        self._tasks.keep(run_id, task)
        return task

    @property
    def threads(self) -> int:
        """How many it remembers."""
        return len({found.config["configurable"]["thread_id"] for found in self._memory.list(None)})

    def forget(self, threads: Iterable[str]) -> None:
        for thread in threads:
            self._memory.delete_thread(thread)
