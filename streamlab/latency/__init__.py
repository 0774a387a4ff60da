"""Measuring how long answers take, streamed and not: `python -m streamlab.latency`."""
