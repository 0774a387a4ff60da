"""OpenAI's API over the gateway's runs: models, chat completions and responses."""

from streamlab.gateway.protocols.openai.errors import refused
from streamlab.gateway.protocols.openai.responses_routes import router as responses_router
from streamlab.gateway.protocols.openai.routes import router

__all__ = ["refused", "responses_router", "router"]
