"""Run all benchmarks, or the named ones, one after the other, and print a table of their claims at the end."""

import argparse
import os
from importlib import import_module

from benchmarks.harness import print_claims, write_json

BENCHMARKS = (
    "bytes",
    "chunks",
    "providers",
    "local",
    "agent",
    "followers",
    "fanout",
    "crowd",
    "forms",
    "relay_cost",
    "clients",
    "javascript",
    "catch_up",
    "memory",
    "redis_log",
    "store",
    "start",
    "first_text",
    "timeline",
    "columns",
    "truth",
    "pages",
    "idle_pages",
    "visits",
)


def main() -> None:
    os.environ["LAB_STORE"] = "memory:"  # unless a benchmark says otherwise
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}; none means all")
    parser.add_argument("--rounds", type=int, help="of each measurement; each benchmark has a number of its own")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    claims = []
    for name in arguments.names or BENCHMARKS:
        print(f"\n== {name}")
        found = import_module(f"benchmarks.{name}").run(**({"rounds": arguments.rounds} if arguments.rounds else {}))
        print_claims(found.claims)
        print("Written to", write_json(name, found.observations))
        claims += found.claims
    print("\n== all")
    print_claims(claims)


if __name__ == "__main__":
    main()
