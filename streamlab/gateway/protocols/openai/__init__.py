"""OpenAI's API over the gateway's runs: models, chat completions and responses."""

from streamlab.gateway.protocols.openai import responses_routes
from streamlab.gateway.protocols.openai.errors import refused
from streamlab.gateway.protocols.openai.routes import router

__all__ = ["refused", "router"]

router.include_router(responses_routes.router)
