"""What a parser at the end of a chain drops: the message that the model wrote."""

from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from streamlab.models.message_chunks import finish_of


class MessageObserver(BaseCallbackHandler):
    """Keeps the whole message; called once, after the last chunk."""

    run_inline = True  # else each event of astream goes through a thread

    def __init__(self) -> None:
        self.message: AIMessage | None = None

    @property
    def finish(self) -> str | None:
        """Why the model stopped, in OpenAI's words."""
        return finish_of(self.message.response_metadata) if self.message else None

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        """Be there, and no more: without it, the prompt is turned into one string for another event."""

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        generation = response.generations[0][0]
        if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
            self.message = generation.message
