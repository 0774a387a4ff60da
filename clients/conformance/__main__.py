"""The scripted server as a process: `python -m clients.conformance [--port 0]`, from the repository's folder.

Prints one line of JSON, `{"url": "http://127.0.0.1:…"}`, when it answers.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence

from clients.conformance.server import serving


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m clients.conformance", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 is any that is free")
    asyncio.run(_serve(parser.parse_args(argv).port))


async def _serve(port: int) -> None:
    async with serving(port) as url:
        print(json.dumps({"url": url}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
