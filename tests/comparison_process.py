"""A process that runs a comparison of 72 answers and tells each as soon as it shows, to be killed at any moment."""

import asyncio
import json
import sys
from pathlib import Path

from streamlab.engine import open_engine
from streamlab.prompts.checks import Contains
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.settings import Settings

MODEL = "demo?first=0.2&rate=400&text=An answer of a few words, as it comes."
BROWSER = "browser"


def prompt_set() -> PromptSet:
    """Two variants, eighteen cases, twice: 72 answers, each with a check."""
    variants = tuple(
        Variant(name=name, template="Tell me about {topic}", model=f"{MODEL}&id={name}") for name in ("A", "B")
    )
    cases = tuple({"topic": f"topic {number}"} for number in range(18))
    checks = (Contains(value="answer"),)
    return PromptSet(variants=variants, columns=("topic",), cases=cases, checks=checks, repeats=2, at_once=4)


async def main(path: Path) -> None:
    async with open_engine(Settings(_env_file=None, lab_store=f"sqlite:///{path}", lab_grpc_port=0)) as engine:
        comparison_id = await engine.comparisons.start(prompt_set(), BROWSER)
        print(json.dumps(comparison_id), flush=True)
        told = set()
        while True:
            found = await engine.comparisons.find(comparison_id)
            assert found
            for key, run in found.answers.items():
                if run.ended and run.outcome and key not in told:
                    told.add(key)
                    print(json.dumps([key, run.run_id, run.outcome.text]), flush=True)
            await asyncio.sleep(0.005)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
