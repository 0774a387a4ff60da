"""Ordered logs of runs, and followers that read them at their own pace."""

from streamlab.hub.errors import HubFull, HubUnreachable, LogFull, StoreRefused, StoreUnwritable, UnknownRun
from streamlab.hub.hub import Hub, Outage, Stop
from streamlab.hub.log import Follower, Gap, Item, Log, Position, Snapshot, parse_token
from streamlab.hub.memory.hub import MemoryHub

__all__ = [
    "Follower",
    "Gap",
    "Hub",
    "HubFull",
    "HubUnreachable",
    "Item",
    "Log",
    "LogFull",
    "MemoryHub",
    "Outage",
    "Position",
    "Snapshot",
    "Stop",
    "StoreRefused",
    "StoreUnwritable",
    "UnknownRun",
    "parse_token",
]
