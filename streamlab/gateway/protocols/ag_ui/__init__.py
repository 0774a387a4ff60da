"""AG-UI 1.0 (https://ag-ui.com): the front ends that speak it are pointed at the gateway as they are."""

from streamlab.gateway.protocols.ag_ui.routes import refused, router

__all__ = ["refused", "router"]
