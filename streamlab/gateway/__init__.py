"""The gateway: any run to any number of clients, over protocols that share one core.

A transport does four things: authenticate (`access`), follow (`deliveries`), encode, send.
"""
