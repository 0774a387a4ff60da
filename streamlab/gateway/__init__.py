"""The gateway: any run to any number of clients, over protocols that share one core.

A request goes through `access` (who may), `submissions` (what becomes a run), `delivery` (one client's way through one
log) and `feed` (frames, shared by all who stand at them). A `writer` puts them into a protocol's words: `protocols/`.
"""
