"""Ask a model to explain one topic or two at once, and print the answers while they arrive.

    python examples/console_astream.py "streaming" "backpressure"

In a notebook, where a loop runs already: `await main(["streaming"])`, or `await answer(chain, Answer(topic, model))`.
"""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # so that it can be started from any folder

try:
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import Runnable
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    from examples.program import ASKED, Answer, models_of, quietly, read_arguments, report, run, side_by_side
except KeyboardInterrupt:  # loading all this takes seconds
    sys.exit(130)

PROMPT = ChatPromptTemplate(
    [
        ("system", "Explain the topic to a beginner, in the language that it is written in."),
        ("human", "{topic}"),
    ]
)


async def answer(chain: Runnable[dict[str, str], str], into: Answer, *, show: bool = True) -> Answer:
    """Ask for `into.topic` and add the chunks to it; `show` prints them as well. Others work while it waits."""
    try:
        async for text in chain.astream({"topic": into.topic}, {"callbacks": [into.finish]}):
            into.add(text)
            if show:
                print(text, end="", flush=True)
        into.end()
    except BrokenPipeError:  # from `print`: whoever read the text is gone
        raise
    except Exception as error:  # what has come stays, and the other answer goes on
        into.fail(error)
    return into


async def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status. `argv` replaces the command line."""
    arguments = read_arguments(__doc__, argv, most=2)
    with models_of(arguments) as models:
        # Its provider's own class: of OpenAI's ChatOpenAI(model=…, base_url=…, api_key=…, streaming=True).
        model = models.stock_model(arguments.model, ASKED, DefaultHttpxClient(), DefaultAsyncHttpxClient())
        chain = PROMPT | model | StrOutputParser()

        answers = [Answer(topic, arguments.model) for topic in arguments.topics]
        show = len(answers) == 1 and not arguments.json  # the chunks of two would be mixed up
        drawn = len(answers) > 1 and not arguments.json and sys.stdout.isatty()
        try:
            with side_by_side(answers) if drawn else contextlib.nullcontext():
                await asyncio.gather(*(answer(chain, into, show=show) for into in answers))
        finally:  # also after Ctrl-C, which cancels the tasks: their connections close, and that stops the model
            status = report(answers, arguments, shown=show)
    return status


if __name__ == "__main__":
    run(lambda: asyncio.run(quietly(main())))
