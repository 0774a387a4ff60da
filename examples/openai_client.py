"""Ask the gateway by OpenAI's own client: a chat, and a response that goes on while nobody listens.

    make run                                        # in another terminal
    python examples/openai_client.py "streaming"

Only the address is not OpenAI's. (A file `openai.py` would be taken for the package by every program beside it.)
"""

import argparse
import os
import sys
from collections.abc import Sequence

from openai import OpenAI, OpenAIError

CUT_AFTER = 40  # characters of the second answer, as if the connection had broken off there


def chat(client: OpenAI, model: str, topic: str) -> None:
    """Print a chat completion while it arrives."""
    question = f"Explain {topic} to a beginner."
    # 1. `with`: whoever leaves before the end closes the connection, and the server stops the model.
    with client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], stream=True
    ) as chunks:
        for chunk in chunks:
            for choice in chunk.choices:
                print(choice.delta.content or "", end="", flush=True)
    print()


def respond(client: OpenAI, model: str, topic: str) -> None:
    """Print a response that is cut in its midst and gone on with where it was."""
    # 2. In the background the answer is written whoever listens, and kept.
    response_id, last, characters = "", -1, 0
    with client.responses.create(
        model=model, input=f"Explain {topic} to an expert.", background=True, stream=True
    ) as events:
        for event in events:
            if event.type == "response.created":
                response_id = event.response.id
            if event.type == "response.output_text.delta":
                print(event.delta, end="", flush=True)
                characters += len(event.delta)
            last = event.sequence_number  # 3. Every event has a number: the last one is all that is to be remembered
            if characters >= CUT_AFTER:
                break
    print(f"\n[cut after event {last} of {response_id}]", file=sys.stderr)

    # 4. Come back, also from another process or another machine: nothing is lost or repeated.
    with client.responses.retrieve(response_id, stream=True, starting_after=last) as rest:
        for event in rest:
            if event.type == "response.output_text.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "response.failed":
                raise OpenAIError(event.response.error.message if event.response.error else "It failed.")
    print()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status. `argv` replaces the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topic", help="what is to be explained")
    parser.add_argument("--model", default="demo", help="default: %(default)s")
    parser.add_argument("--url", default="http://localhost:8501/api/openai/v1", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    # The key is an access token of the server's, if it has some; the client insists on any.
    with OpenAI(base_url=arguments.url, api_key=os.environ.get("GATEWAY_TOKEN") or "none") as client:
        try:
            chat(client, arguments.model, arguments.topic)
            print("---")
            respond(client, arguments.model, arguments.topic)
        except OpenAIError as error:
            print(f"\n{error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
