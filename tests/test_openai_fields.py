"""Fields that OpenAI would refuse: each is refused by the same name, before a model is asked."""

from collections.abc import Callable
from typing import Any

import pytest

from streamlab.completions.prompt import Prompt
from streamlab.gateway.protocols.openai.errors import FieldRefusal
from tests.test_openai_requests import CHAT_FIELDS, RESPONSE_FIELDS, chat, response

FUNCTION_TYPE: dict[str, Any] = {"type": "function"}
DEEP: Any = 1
for _ in range(150):
    DEEP = [DEEP]
NO_SCHEMAS: list[Any] = [
    "x", [], 5, {"type": "string"}, {"properties": {}}, {"type": "object", "properties": []},
    {"type": "object", "properties": {"a": 5}}, {"type": "object", "required": True},
    {"type": "object", "properties": {"a": {"type": "strng"}}}, {"type": "object", "additionalProperties": "no"},
    {"type": "object", "properties": {"a": {"anyOf": {"type": "null"}}}}, {"type": "object", "$defs": {"a": None}},
    {"type": "object", "properties": {"a": {"items": [{"type": ["string", 5]}]}}}, {"type": "object", "default": DEEP},
]  # fmt: skip
NO_NAMES: list[Any] = ["", "a b", "a.b", "é", "a\n", "x" * 65, 5, None, ["f"]]
NO_COUNTS: list[Any] = ["5", 1.5, 0, -1, True, 10**30, [], {}]
NO_PROBABILITIES: list[Any] = ["1", -0.1, 1.1, True, []]
NO_METADATA: list[Any] = ["x", [], {str(number): "" for number in range(17)}]
NO_FLAGS: list[Any] = ["true", 1, 0.0, [], {}]
NO_EFFORTS: list[Any] = ["huge", "", 5, ["low"], {}]
NO_CHOICES: list[Any] = ["any", "", 5, [], {}, {"type": "allowed_tools"}, {"type": "custom"}, {"name": "f"}]
NO_FORMATS: list[Any] = ["text", 5, []]
NO_TYPES: list[Any] = [{}, {"type": None}, {"type": 5}, {"type": "grammar"}, {"type": ["text"]}]

ALIKE: dict[str, list[Any]] = {
    "top_p": NO_PROBABILITIES,
    "temperature": ["1", -1, 2.1, True, {}],
    "metadata": NO_METADATA,
    "metadata.a": [{"a": 5}, {"a": None}, {"a": "x" * 513}, {"a": {}}],
    "stream": NO_FLAGS,
    "store": NO_FLAGS,
    "background": NO_FLAGS,
    "agent": NO_FLAGS,
    "parallel_tool_calls": NO_FLAGS,
    "stream_options": [5, "x", [], {}, {"include_obfuscation": False}],
    "tool_choice": NO_CHOICES,
    "tools": ["x", {}, 5],
    "tools[0]": [[5], ["f"], [None]],
    "service_tier": ["gold", 5],
    "user": [5, {}],
    "safety_identifier": [5],
    "prompt_cache_key": [5],
    "model": [5, {}, ["demo"]],
    "top_logprobs": [3, True],
    "moderation": [{"model": "m"}, 0.0],
}
OF_CHATS: dict[str, list[Any]] = ALIKE | {
    "stop": [5, True, {}, [""], "", ["a", 5], [None], ["a"] * 5],
    "n": [0, 2, -1, 1.0, "1", True, [1]],
    "max_tokens": NO_COUNTS,
    "max_completion_tokens": NO_COUNTS,
    "seed": ["1", 1.5, True, 2**63, -(2**63) - 1, []],
    "frequency_penalty": ["1", -2.1, 2.1],
    "presence_penalty": ["1", -2.1, 2.1],
    "logit_bias": ["x", [], 5, {"a": 1}, {"-1": 1}, {"²": 1}],
    "logit_bias.5": [{"5": 101}, {"5": -101}, {"5": "x"}, {"5": 0.5}],
    "reasoning_effort": NO_EFFORTS,
    "verbosity": ["loud", 5],
    "response_format": NO_FORMATS,
    "response_format.type": NO_TYPES,
    "response_format.json_schema": [{"type": "json_schema"}, {"type": "json_schema", "json_schema": "x"}],
    "logprobs": [True, "yes", 1],
}
OF_RESPONSES: dict[str, list[Any]] = ALIKE | {
    "max_output_tokens": NO_COUNTS,
    "reasoning": ["low", 5, []],
    "reasoning.effort": [{"effort": each} for each in NO_EFFORTS],
    "reasoning.summary": [{"summary": "long"}, {"summary": True}],
    "text": ["x", 5, []],
    "text.verbosity": [{"verbosity": "loud"}, {"verbosity": 1}],
    "text.format": [{"format": each} for each in NO_FORMATS],
    "text.format.type": [{"format": each} for each in NO_TYPES],
    "include": ["x", {}],
    "include[0]": [["everything"], [5]],
    "truncation": ["middle", 5],
    "instructions": [5, ["Be brief."]],
    "previous_response_id": [5, "x" * 201],
}


def in_tools(nested: bool, name: str, values: list[Any]) -> list[tuple[str, str, Any]]:
    """Make the requests in which a function has these values, and the place of them."""
    place = f"tools[0].{'function.' if nested else ''}{name}"
    functions = [{"name": "f"} | {name: value} for value in values]
    tools = [FUNCTION_TYPE | ({"function": each} if nested else each) for each in functions]
    return [(place, "tools", [tool]) for tool in tools]


def in_format(nested: bool, name: str, values: list[Any]) -> list[tuple[str, str, Any]]:
    made = [{"name": "f", "schema": {}} | {name: value} for value in values]
    if nested:
        place, field = f"response_format.json_schema.{name}", "response_format"
        return [(place, field, {"type": "json_schema", "json_schema": each}) for each in made]
    return [(f"text.format.{name}", "text", {"format": {"type": "json_schema", **each}}) for each in made]


def wrong(table: dict[str, list[Any]], nested: bool) -> list[tuple[str, str, Any]]:
    """List the place of what is wrong, the field, and its value."""
    at_fields = [
        (place, place.partition(".")[0].partition("[")[0], value) for place, values in table.items() for value in values
    ]
    return [
        *at_fields,
        *in_tools(nested, "name", NO_NAMES),
        *in_tools(nested, "parameters", NO_SCHEMAS),
        *in_tools(nested, "strict", NO_FLAGS),
        *in_tools(nested, "description", [5, {}]),
        *in_format(nested, "name", NO_NAMES),
        *in_format(nested, "schema", ["x", [], 5, *NO_SCHEMAS[5:]]),
        *in_format(nested, "strict", NO_FLAGS),
    ]


CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}
RESPONSE: dict[str, Any] = {"input": "Hi"}
WRONG = [(chat, CHAT, *each) for each in wrong(OF_CHATS, nested=True)]
WRONG += [(response, RESPONSE, *each) for each in wrong(OF_RESPONSES, nested=False)]


@pytest.mark.parametrize(("ask", "body", "place", "field", "value"), WRONG)
def test_what_openai_would_refuse_is_refused_by_the_same_name(
    ask: Callable[[Any], Prompt], body: dict[str, Any], place: str, field: str, value: Any
) -> None:
    """Before a model is asked; and the sentence says it, too."""
    with pytest.raises(FieldRefusal) as refused:
        ask(body | {field: value})
    assert (refused.value.status, refused.value.field) == (400, place)
    assert place in str(refused.value)


TWICE: list[dict[str, Any]] = [{"name": "f"}, {"name": "f", "description": "another"}]


@pytest.mark.parametrize(
    ("ask", "body", "place"),
    [
        (chat, {"tools": [FUNCTION_TYPE | {"function": each} for each in TWICE]}, "tools"),
        (response, {"tools": [FUNCTION_TYPE | each for each in TWICE]}, "tools"),
        (chat, {"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        (chat, {"stream_options": {"include_usage": True}}, "stream_options"),
        (chat, {"tool_choice": FUNCTION_TYPE | {"function": {"name": "g"}}}, "tool_choice"),
        (response, {"tool_choice": FUNCTION_TYPE | {"name": "g"}}, "tool_choice"),
        (chat, {"tool_choice": "required"}, "tool_choice"),
        (response, {"tool_choice": "required", "tools": []}, "tool_choice"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(
    ask: Callable[[Any], Prompt], body: dict[str, Any], place: str
) -> None:
    with pytest.raises(FieldRefusal) as refused:
        ask(CHAT | RESPONSE | body)
    assert refused.value.field == place
    assert place in str(refused.value)


@pytest.mark.parametrize(("ask", "body", "fields"), [(chat, CHAT, CHAT_FIELDS), (response, RESPONSE, RESPONSE_FIELDS)])
def test_null_is_as_good_as_nothing(ask: Callable[[Any], Prompt], body: dict[str, Any], fields: list[str]) -> None:
    """Some clients send every field that they know."""
    assert ask(dict.fromkeys(fields) | body).parameters == {}


def test_an_empty_list_of_marks_asks_for_nothing() -> None:
    """Some clients send every list that they have."""
    assert chat(CHAT | {"stop": []}).parameters == {}


def test_both_names_of_one_limit_may_be_sent() -> None:
    """As clients do that do not know which of them a server understands."""
    both = {"max_tokens": 5, "max_completion_tokens": 5}
    assert chat(CHAT | both).parameters == both


SOUND = {
    "type": "object",
    "properties": {
        "a": {"type": ["string", "null"], "enum": ["x", None], "default": None},
        "b": {"$ref": "#/$defs/B"},
        "c": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"const": None}]}},
        "type": {"type": "string"},  # a property of this name
        "required": True,
    },
    "required": ["a"],
    "additionalProperties": False,
    "$defs": {"B": {"type": "object", "properties": {}}},
}


@pytest.mark.parametrize("parameters", [{}, {"type": "object"}, SOUND])
def test_what_is_right_goes_on_as_it_is(parameters: dict[str, Any]) -> None:
    """Nothing of it is changed, and what is null in a schema stays there."""
    fields: dict[str, Any] = {
        "stop": ["a", "b"], "seed": -(2**63), "logit_bias": {"50256": -100}, "max_tokens": 2**31 - 1, "top_p": 1,
        "reasoning_effort": "none", "verbosity": "high", "parallel_tool_calls": False,
        "tool_choice": FUNCTION_TYPE | {"function": {"name": "a-B_9"}},
        "response_format": {
            "type": "json_schema", "json_schema": {"name": "x" * 64, "schema": parameters, "strict": True}
        },
    }  # fmt: skip
    tools = [FUNCTION_TYPE | {"function": {"name": "a-B_9", "parameters": parameters}}]
    ignored = {"n": 1, "user": "u", "metadata": {"a": "b"}, "service_tier": "flex", "logprobs": False, "made_up": [1]}
    prompt = chat(CHAT | {"tools": tools} | fields | ignored)
    assert prompt.parameters == fields
    assert list(prompt.tools) == tools
