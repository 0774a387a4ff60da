"""Addresses of the gateway that programs put others behind."""

from streamlab.gateway.http import ROUTERS


def is_base(path: str) -> bool:
    """Tell whether there are addresses beneath this one, as beneath the base that OpenAI's clients are given."""
    return any(getattr(route, "path", "").startswith(f"{path}/") for each in ROUTERS for route in each.routes)
