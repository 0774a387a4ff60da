"""Ordered logs of runs, and followers that read them at their own pace."""

from streamlab.hub.log import Follower, Gap, Item, Log, LogFull, Position, Snapshot, parse_token
from streamlab.hub.memory import HubFull, MemoryHub, UnknownRun

__all__ = [
    "Follower",
    "Gap",
    "HubFull",
    "Item",
    "Log",
    "LogFull",
    "MemoryHub",
    "Position",
    "Snapshot",
    "UnknownRun",
    "parse_token",
]
