"""The AI SDK's UI message stream: what `useChat` and all that is built on it speaks."""

from streamlab.gateway.protocols.ai_sdk.routes import refused, router

__all__ = ["refused", "router"]
