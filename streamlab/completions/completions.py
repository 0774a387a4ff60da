"""Answers to those who keep their conversations themselves: each is a run, of which only a title is kept."""

from dataclasses import replace
from functools import partial

from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable

from streamlab.agent.tasks import Agents
from streamlab.completions.prompt import Prompt
from streamlab.events.outcome import Outcome
from streamlab.hub import Hub
from streamlab.hub.shared import DocumentType
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.runs.chain import ChainAttempt
from streamlab.runs.run import RunLimits, Runs, new_run_id

TITLES = DocumentType("completion", str.encode, bytes.decode, 24 * 3600.0, 10_000)
"""The last question by the id of its run: at least as long as the run's log is there."""


class Completions:
    """Belongs to one event loop."""

    def __init__(self, runs: Runs, models: Models, agents: Agents, hub: Hub) -> None:
        self._runs = runs
        self._models = models
        self._agents = agents
        self._shared = hub.shared
        self._titles = hub.shared.documents(TITLES)

    async def start(self, prompt: Prompt, model: str) -> str:
        """Start a run that answers the prompt by this model, and return its id. Raises TooManyRuns or HubFull."""
        limits = replace(self._runs.limits, retries=prompt.retries)
        if prompt.detached:
            limits = replace(limits, unwatched=None)
        run_id = (self._by_agent if prompt.agent else self._by_chain)(prompt, prompt.options(model), limits)
        await self._shared.now_or_later(partial(self._titles.put, run_id, prompt.title))
        return run_id

    async def title(self, run_id: str) -> str | None:
        """Return what was asked last of the run, shortened; None where no front end asked. Raises HubUnreachable."""
        known = await self._titles.get(run_id)
        return known.document if known else None

    def _by_chain(self, prompt: Prompt, options: Options, limits: RunLimits) -> str:
        messages = list(prompt.messages)
        return self._runs.start(lambda: ChainAttempt(lambda: self._chain(prompt, options), messages), limits=limits)

    def _chain(self, prompt: Prompt, options: Options) -> Runnable[list[BaseMessage], str]:
        """Make the chain that takes all messages."""
        chat_model = self._models.chat_model(options.model, options.temperature)
        provider = self._models.provider(options.model)
        return provider.bound(chat_model, prompt.tools, prompt.parameters) | StrOutputParser()

    def _by_agent(self, prompt: Prompt, options: Options, limits: RunLimits) -> str:
        messages = [message for message in prompt.messages if not isinstance(message, SystemMessage)]
        run_id = new_run_id()

        def ended(outcome: Outcome) -> None:
            self._agents.forget([thread_id])

        thread_id = self._agents.go_on(messages, options, ended, run_id, limits=limits)
        return run_id
