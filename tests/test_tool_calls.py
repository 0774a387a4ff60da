"""The tool calls of a stream: each piece finds its call, whatever the server numbers them by."""

import json
from typing import Any

import pytest

from tests.wire import calling, case, chunk, events, piece, read

NAME = "calculate"
CALL = [(NAME, {"expression": "6*7"})]
WHOLE = '{"expression": "6*7"}'
FIRST, REST = '{"express', 'ion": "6*7"}'


def calls_of(body: bytes, **options: Any) -> list[tuple[str, Any]]:
    found = read(body, **options)
    assert found.failure is None
    assert len(set(found.ids)) == len(found.ids)
    assert all(found.ids)
    return [(name, json.loads(arguments or "{}")) for name, arguments in found.calls]


@pytest.mark.parametrize(
    "calls",
    [
        [piece(WHOLE, name=NAME, index=0, id="a")],
        [piece(WHOLE, name=NAME)],
        [piece(WHOLE, name=NAME, index=None, id=None, type=None)],
        [piece(WHOLE, name=NAME, index="0", id="")],
        [piece(WHOLE, name=NAME, index=3, id=17)],
        [{"index": 0, "id": "a", "name": "calculate", "arguments": WHOLE}],
        [piece(json.loads(WHOLE), name=NAME, index=0, id="a")],
        [piece(FIRST, name=NAME, id="a"), piece(REST)],
        [piece(FIRST, name=NAME, id="a"), piece(REST, id="a")],
        [piece(FIRST, name=NAME, index=0, id="a"), piece(REST, index=0, id="b")],
        [piece(FIRST, name=NAME, index=0, id="a"), piece(REST, name=NAME, index=0, id="b")],
        [piece(FIRST, name=NAME, id="a"), piece(REST, name=NAME, id="b")],
        [piece(FIRST, name=NAME, index=0, id="a"), piece(REST, name=NAME, index=0, id="a")],
        [piece("", name=NAME, index=0, id="a"), piece(WHOLE, name=NAME, index=0, id="a")],
        [piece("{}", name=NAME, index=0, id="a"), piece(WHOLE, index=0)],
        [piece(None, name=NAME, index=0, id="a"), piece(WHOLE, name=None, index=0, id=None)],
        [piece(WHOLE, name=NAME, index=0, id="a"), {"index": 0, "id": None, "function": None}, None, {}, {"index": 0}],
        [piece(WHOLE, name=NAME, index=0, id="a"), piece(WHOLE, name=NAME, index=0, id="a")],
        [piece(name=NAME, index=0, id="a"), piece(FIRST, index=0), piece(REST, index=0)],
        [piece(name="calc", index=0, id="a"), piece(WHOLE, name=NAME, index=0)],
        [piece(json.dumps(WHOLE), name=NAME, index=0, id="a")],
        [piece("", name=NAME, id="a"), piece(FIRST, name=NAME, id="b"), piece(REST, name=NAME, id="c")],
        [piece(FIRST, name=NAME, index=0, id="a"), piece(FIRST + REST, name=NAME, index=0, id="a")],
    ],
)
def test_one_call_in_any_shape(calls: list[Any]) -> None:
    """Without index or id, with changing ones, the name again, an object, nulls anywhere: it is one call."""
    assert calls_of(calling(*calls)) == CALL


@pytest.mark.parametrize("index", [{}, {"index": 0}, {"index": None}])
@pytest.mark.parametrize("ids", [("a", "b"), ("", ""), (None, None), ("a", "a")])
def test_two_calls_that_are_numbered_alike(index: dict[str, Any], ids: tuple[Any, Any]) -> None:
    """A name after whole arguments begins another call."""
    arguments = [WHOLE, '{"expression": "1+1"}']
    given = [
        {**index, "id": id, "function": {"name": "calculate", "arguments": each}}
        for id, each in zip(ids, arguments, strict=True)
    ]
    assert [call["expression"] for _, call in calls_of(calling(*given))] == ["6*7", "1+1"]


def test_calls_without_arguments_that_are_numbered_alike() -> None:
    """Each is a call, for each has its own name."""
    given = [{"index": 0, "id": name, "function": {"name": name, "arguments": "{}"}} for name in ("f", "g")]
    assert calls_of(calling(*given)) == [("f", {}), ("g", {})]


def test_calls_of_one_tool_without_arguments() -> None:
    """Numbered alike, told apart by their ids."""
    given = [piece("", name="now", index=0, id=id) for id in ("a", "b")]
    assert calls_of(calling(*given)) == [("now", {}), ("now", {})]


@pytest.mark.parametrize("arguments", [FIRST, WHOLE])
def test_no_call_of_an_answer_that_was_cut_at_its_length_is_made(arguments: str) -> None:
    """Half a call is none, and nobody knows whether it is half."""
    found = read(calling(piece(arguments, name=NAME, index=0, id="a"), finish="length"))
    assert (found.calls, found.finish, found.failure) == ([], "length", None)


def test_a_function_call_of_old() -> None:
    """One call, in pieces."""
    pieces = [{"name": "calculate", "arguments": ""}, {"arguments": FIRST}, {"name": None, "arguments": REST}]
    body = events(*(chunk({"function_call": piece}) for piece in pieces), chunk(finish="function_call"))
    assert calls_of(body) == CALL
    assert read(body).finish == "tool_calls"


def test_an_id_that_was_taken_is_not_given_again() -> None:
    """The conversation has it already; the new one is such as every server takes."""
    (id,) = read(case("tool-name-each"), taken=["a1"]).ids
    assert id != "a1"
    assert len(id) == 9
    assert id.isalnum()


def test_a_long_call_in_many_pieces_costs_no_more_than_its_length() -> None:
    """It is not parsed anew with each piece."""
    pieces = [piece("", name=NAME, index=0, id="a"), piece('{"text": "', index=0), *[piece("x" * 20, index=0)] * 20_000]
    assert len(calls_of(calling(*pieces, piece('"}', index=0)))[0][1]["text"]) == 400_000


def test_arguments_that_are_too_deep_are_passed_on() -> None:
    """For whoever reads them to refuse."""
    deep = "[" * 100_000
    assert read(calling(piece(deep, name=NAME, index=0, id="a"))).calls == [(NAME, deep)]
