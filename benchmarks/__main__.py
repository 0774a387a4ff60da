"""Run all benchmarks, or the named ones, one after the other, and print a table of their claims at the end."""

import argparse
from collections.abc import Sequence

from benchmarks import (
    agent,
    catch_up,
    chunks,
    clients,
    columns,
    crowd,
    fanout,
    first_text,
    followers,
    javascript,
    memory,
    pages,
    redis_log,
    relay_cost,
    timeline,
    truth,
)
from benchmarks import bytes as bytes_sent
from benchmarks.harness import print_claims

BENCHMARKS = {
    "bytes": bytes_sent.main,
    "chunks": chunks.main,
    "agent": agent.main,
    "followers": followers.main,
    "fanout": fanout.main,
    "crowd": crowd.main,
    "relay_cost": relay_cost.main,
    "clients": clients.main,
    "javascript": javascript.main,
    "catch_up": catch_up.main,
    "memory": memory.main,
    "redis_log": redis_log.main,
    "first_text": first_text.main,
    "timeline": timeline.main,
    "columns": columns.main,
    "truth": truth.main,
    "pages": pages.main,
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}; none means all")
    names = parser.parse_args(argv).names or list(BENCHMARKS)
    if unknown := set(names) - BENCHMARKS.keys():
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    claims = []
    for name in names:
        print(f"\n== {name}")
        claims += BENCHMARKS[name]([])
    print("\n== all")
    print_claims(claims)


if __name__ == "__main__":
    main()
