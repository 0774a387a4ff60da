"""The clock that all times are taken from."""

import time

now = time.perf_counter
"""Seconds of a monotonic clock. On Linux and macOS it is `time.monotonic()`; on Windows that steps by 16 ms until
Python 3.13, too coarse for this."""

SHARED = time.get_clock_info("perf_counter").implementation == time.get_clock_info("monotonic").implementation
"""Whether the demo model, which notes `time.monotonic()`, has the same clock: only then its times can be compared."""
