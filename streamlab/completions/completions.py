"""Answers to those who keep their conversations themselves: each is a run, and nothing else of it is kept."""

from dataclasses import replace

from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable

from streamlab.agent.tasks import Agents
from streamlab.completions.prompt import Prompt
from streamlab.events.outcome import Outcome
from streamlab.models.catalog import Models
from streamlab.models.options import DEFAULT_TEMPERATURE, Options
from streamlab.runs.chain import ChainAttempt
from streamlab.runs.run import RunLimits, Runs, new_run_id


class Completions:
    """Belongs to one event loop."""

    def __init__(self, runs: Runs, models: Models, agents: Agents) -> None:
        self._runs = runs
        self._models = models
        self._agents = agents

    def start(self, prompt: Prompt, model: str) -> str:
        """Start a run that answers the prompt by this model, and return its id. Raises TooManyRuns or HubFull."""
        limits = replace(self._runs.limits, retries=prompt.retries)
        if prompt.agent:
            return self._by_agent(prompt, model, limits)
        messages = list(prompt.messages)
        return self._runs.start(lambda: ChainAttempt(lambda: self._chain(prompt, model), messages), limits=limits)

    def _chain(self, prompt: Prompt, model: str) -> Runnable[list[BaseMessage], str]:
        """Make the chain that takes all messages. What goes along as it is LangChain is not to interpret."""
        temperature = DEFAULT_TEMPERATURE if prompt.temperature is None else prompt.temperature
        fields = dict(prompt.parameters) | ({"tools": list(prompt.tools)} if prompt.tools else {})
        chat_model = self._models.chat_model(model, temperature)
        return (chat_model.bind(extra_body=fields) if fields else chat_model) | StrOutputParser()

    def _by_agent(self, prompt: Prompt, model: str, limits: RunLimits) -> str:
        messages = [message for message in prompt.messages if not isinstance(message, SystemMessage)]
        temperature = DEFAULT_TEMPERATURE if prompt.temperature is None else prompt.temperature
        run_id = new_run_id()

        def ended(outcome: Outcome) -> None:
            self._agents.forget([thread_id])

        options = Options(model, prompt.system, temperature, tools=True)
        thread_id = self._agents.go_on(messages, options, ended, run_id, limits=limits)
        return run_id
