"""Ask a model to explain a topic, and print the answer while it arrives.

    python examples/console_stream.py "streaming"

Without a key the demo model answers.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # so that it can be started from any folder

try:
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    from examples.program import ASKED, Answer, models_of, read_arguments, report, run, stopping
except KeyboardInterrupt:  # loading all this takes seconds
    sys.exit(130)

PROMPT = ChatPromptTemplate(
    [
        ("system", "Explain the topic to a beginner, in the language that it is written in."),
        ("human", "{topic}"),
    ]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status. `argv` replaces the command line."""
    arguments = read_arguments(__doc__, argv)
    with models_of(arguments) as models:
        answer, http = Answer(arguments.topics[0], arguments.model), DefaultHttpxClient()
        try:
            # 1. The chain: each part hands its chunks to the next one as they come. The model is its provider's own
            # class: of OpenAI's ChatOpenAI(model=…, base_url=…, api_key=…, streaming=True, http_client=http).
            model = models.stock_model(arguments.model, ASKED, http, DefaultAsyncHttpxClient())
            chain = PROMPT | model | StrOutputParser()
            # 2. The loop: one turn for each chunk. Without `flush`, text would wait in a buffer.
            stream = chain.stream({"topic": answer.topic}, {"callbacks": [answer.finish]})
            with stopping(http, stream) as chunks:  # also after Ctrl-C: the connection is closed, so the model stops
                for text in chunks:
                    answer.add(text)
                    if not arguments.json:
                        print(text, end="", flush=True)
            answer.end()
        except BrokenPipeError:  # from `print`: whoever read the text is gone
            raise
        except Exception as error:  # 3. A stream can fail in its midst, too: `answer` keeps what has come
            answer.fail(error)
        finally:
            status = report([answer], arguments, shown=not arguments.json)
    return status


if __name__ == "__main__":
    run(main)
