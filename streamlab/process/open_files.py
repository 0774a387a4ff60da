"""How many files the process may have open: each reader of a stream and each answer being produced takes one."""

import sys

ENOUGH = 1_024
OWN = 100  # what the process has open itself
# Where the hard limit is none, macOS still has one of its own (kern.maxfilesperproc), and refuses what is above it.
ASKED = (1_048_576, 245_760, 122_880, 61_440, 24_576, 10_240, 4_096)


def raise_open_files_limit() -> int:
    """Raise the soft limit to what the system allows, and return what it is then. Windows has none."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    none = resource.RLIM_INFINITY
    if soft == none:
        return sys.maxsize
    for asked in (hard, *(each for each in ASKED if hard == none or each < hard)):
        if asked != none and asked <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (asked, hard))
        except (ValueError, OSError):
            continue
        return sys.maxsize if asked == none else asked
    return soft


def few_open_files(limit: int) -> str | None:
    """Say what a low limit means; None where it is enough."""
    if limit >= ENOUGH:
        return None
    return (
        f"Only {limit:,} files can be open at once: about {max(0, limit - OWN):,} people can read answers at the same "
        "time, and each answer that is being produced leaves room for one less. Raise the limit before the start "
        f"(ulimit -n {4 * ENOUGH})."
    )
