"""Questions to the agent: each is a run of its own that anyone with its id can follow."""

from collections.abc import Callable, Iterable, Sequence

from langchain_core.messages import BaseMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from streamlab.agent.graph import Agent, AgentAttempt, Thread, chat_agent
from streamlab.browsers.items import RECORDING, Items, asked
from streamlab.events.outcome import Outcome
from streamlab.hub import Hub
from streamlab.models.catalog import Models
from streamlab.models.options import Options, check_question
from streamlab.runs.run import RunLimits, Runs, new_run_id


class Agents:
    """The agent's memory, and the recordings of the questions of their own. Belongs to one event loop."""

    def __init__(self, runs: Runs, models: Models, hub: Hub, history_tokens: int) -> None:
        self._runs = runs
        self._models = models
        self._now = hub.shared.now
        self._history_tokens = history_tokens
        self._memory = InMemorySaver()
        self.recordings = Items(RECORDING, hub, runs.stop)

    async def ask(self, question: str, options: Options, browser: str = "") -> str:
        """Start the agent on a question of its own, and return the id of the run, which is also its recording's.

        Raises InvalidQuestion, TooManyRuns, HubFull or HubUnreachable.
        """
        check_question(question)
        run_id = new_run_id()

        def ended(outcome: Outcome) -> None:
            self.forget([thread_id])
            self.recordings.ended(run_id)

        async with self.recordings.begun(run_id, asked(browser, question, run_id, self._now())):
            thread_id = self.go_on([HumanMessage(question)], options, ended, run_id)
        return run_id

    def go_on(
        self,
        messages: Sequence[BaseMessage],
        options: Options,
        ended: Callable[[Outcome], None],
        run_id: str,
        after: str | None = None,
        limits: RunLimits | None = None,
    ) -> str:
        """Start the agent on messages, of which the last asks: they come after what it remembers of the thread `after`.
        It remembers the new thread, whose id is returned, until it is told to `forget` it.

        Raises TooManyRuns or HubFull.
        """
        thread = Thread(self._memory, messages, after)

        def build() -> Agent:
            model = self._models.chat_model(options.model, options.temperature)
            return chat_agent(model, options.system, self._memory, self._history_tokens)

        self._runs.start(lambda: AgentAttempt(build, thread), ended, limits, run_id)
        return thread.id

    @property
    def threads(self) -> int:
        """How many it remembers."""
        return len({found.config["configurable"]["thread_id"] for found in self._memory.list(None)})

    def forget(self, threads: Iterable[str]) -> None:
        for thread in threads:
            self._memory.delete_thread(thread)
