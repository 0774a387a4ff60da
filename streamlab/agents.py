"""Questions to the agent: each is a run of its own that anyone with its id can follow."""

from dataclasses import dataclass

from langchain_core.messages import HumanMessage

from streamlab.agent import Agent, AgentAttempt, chat_agent
from streamlab.chats import SYSTEM_CHARACTERS, Options, check_question
from streamlab.hub import MemoryHub
from streamlab.models import Models
from streamlab.runs import Runs


class UnknownTask(KeyError):
    """No run of the agent has this id: it never had, or its time is over."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the agent was asked, and the run that answers it."""

    question: str
    options: Options
    run_id: str


class Agents:
    """The agent's tasks, for as long as their logs are kept. Belongs to one event loop."""

    def __init__(self, runs: Runs, models: Models, hub: MemoryHub) -> None:
        self._runs = runs
        self._models = models
        self._hub = hub
        self._tasks: dict[str, Task] = {}

    def ask(self, question: str, options: Options) -> Task:
        """Start the agent. Raises InvalidQuestion, TooManyRuns or HubFull."""
        check_question(question)

        def build() -> Agent:
            model = self._models.chat_model(options.model, options.temperature)
            return chat_agent(model, options.system[:SYSTEM_CHARACTERS])

        run_id = self._runs.start(lambda: AgentAttempt(build, [HumanMessage(question)]))
        self._sweep()
        task = self._tasks[run_id] = Task(question, options, run_id)
        return task

    def get(self, run_id: str) -> Task:
        """Raises UnknownTask."""
        self._sweep()
        try:
            return self._tasks[run_id]
        except KeyError:
            raise UnknownTask(run_id) from None

    def _sweep(self) -> None:
        self._tasks = {run_id: task for run_id, task in self._tasks.items() if run_id in self._hub}
