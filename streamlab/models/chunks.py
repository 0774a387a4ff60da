"""The chunks of a streamed answer as plain dicts: one form for all servers, and as few as what follows allows.

What is here is pure: a dict in, a dict out. The shapes are those of OpenAI's chat completions; a server's own ways are
put right in `normalised`, before anything else sees them.

What a chain does with a chunk costs the same whether it holds one token or ten, and several times what it costs to
read it. So chunks that one read from the network gave, and that only carry on the same text, become one (`join`).
"""

from typing import Any

TEXTS = ("content", "reasoning_content")


def normalised(chunk: Any) -> Any:
    """Put a chunk into the one form; what is no chunk stays as it is.

    Reasoning beside the content is `reasoning_content`, as DeepSeek has it; Ollama and newer vLLM call it `reasoning`.
    """
    try:
        choice = chunk["choices"][0]
        delta = choice["delta"]
    except (LookupError, TypeError):
        return chunk
    if not isinstance(delta, dict) or "reasoning" not in delta:
        return chunk
    delta = {**delta, "reasoning_content": delta.get("reasoning_content") or delta["reasoning"]}
    del delta["reasoning"]
    return {**chunk, "choices": [{**choice, "delta": delta}, *chunk["choices"][1:]]}


def join(chunk: Any, following: Any) -> Any:
    """Make one chunk with the text of both; None if one of them has more to say than text of the same kind."""
    first, second = _only_text(chunk), _only_text(following)
    if not first or not second or first[0] != second[0]:
        return None
    kind, text = first[0], first[1] + second[1]
    choice = chunk["choices"][0]
    return {**chunk, "choices": [{**choice, "delta": {**choice["delta"], kind: text}}]}


def _only_text(chunk: Any) -> tuple[str, str] | None:
    """Find the kind of text and the text of a chunk that has nothing else; who speaks counts for nothing here."""
    match chunk:
        case {"choices": [{"delta": dict(delta)} as choice]} if not (
            chunk.get("usage") or choice.get("finish_reason") or choice.get("logprobs")
        ):
            said = [(name, value) for name, value in delta.items() if value and name != "role"]
            if len(said) == 1 and said[0][0] in TEXTS and isinstance(said[0][1], str):
                return said[0]
    return None
