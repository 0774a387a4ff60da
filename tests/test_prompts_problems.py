"""What is found before a set of prompts runs: broken templates, checks and cells."""

from typing import Any

import pytest

from streamlab.prompts.checks import Contains, JsonSchema, Regex
from streamlab.prompts.problems import Problem, problems
from streamlab.prompts.prompt_set import Variant
from streamlab.prompts.serialization import from_yaml, to_yaml
from tests.prompt_sets import a_set


def test_a_sound_set_has_no_problems() -> None:
    """Nothing to tell."""
    assert problems(a_set(Contains(value="{a}"), Regex(value=r"\d{4}"), JsonSchema(value="{}"))) == []


@pytest.mark.parametrize(
    ("template", "code", "position"),
    [
        ("", "template_empty", 0),
        ("{", "template_open_brace", 0),
        ("a }", "template_close_brace", 2),
        ("{}", "template_empty_name", 0),
        ("{a.b}", "template_bad_name", 0),
    ],
)
def test_a_broken_template_is_told_of(template: str, code: Any, position: int) -> None:
    """While it is being typed, too: such a set can be kept."""
    prompts = a_set(templates=("Hi {a}", template))
    assert problems(prompts) == [Problem(code, 1, position=position)]
    assert problems(prompts)[0].blocking
    assert from_yaml(to_yaml(prompts).encode()) == prompts


def test_variables_and_columns_are_compared() -> None:
    """What a variant asks for and nobody gives, and what is given and nobody asks for."""
    found = problems(a_set(columns=("a", "b"), cases=({"a": "1", "b": "2"},), templates=("{a} {x} {y}", "{x}")))
    assert found == [
        Problem("unknown_variable", 0, names=("x", "y")),
        Problem("unknown_variable", 1, names=("x",)),
        Problem("unused_column", names=("b",)),
    ]
    assert [problem.blocking for problem in found] == [True, True, False]
    assert problems(a_set(Contains(value="{b}"), columns=("a", "b"), cases=({"a": "1", "b": "2"},))) == []


def test_variables_need_cases() -> None:
    """A column alone fills nothing in."""
    assert [problem.code for problem in problems(a_set(cases=()))] == ["unknown_variable", "unknown_variable"]


def test_cells_that_a_variant_needs_and_that_are_empty_are_told_of() -> None:
    """With the cases; it may be meant."""
    cases = tuple({"a": text, "b": ""} for text in ("1", "", " ", "2"))
    found = problems(a_set(columns=("a", "b"), cases=cases, templates=("{a}", "none")))
    assert found == [Problem("empty_cell", 0, names=("a",), cases=(1, 2)), Problem("unused_column", names=("b",))]
    assert not any(problem.blocking for problem in found)


def test_two_variants_of_one_name_are_told_of() -> None:
    """Nobody could tell their columns apart."""
    same = Variant(name="a", template="x {a}", model="demo")
    assert problems(a_set(variants=(same, same))) == [Problem("duplicate_name", names=("a",))]


def test_broken_checks_are_told_of() -> None:
    """By their place among the checks."""
    found = problems(
        a_set(
            Regex(value="("),
            Regex(value="a{99999999}"),
            JsonSchema(value="{"),
            JsonSchema(value="[" * 9_999),
            Contains(value=""),
            Contains(value="{captial} {a}"),
        )
    )
    assert found == [
        Problem("check_bad_pattern", check=0),
        Problem("check_pattern_too_complex", check=1),
        Problem("check_bad_schema", check=2),
        Problem("check_schema_too_complex", check=3),
        Problem("check_nothing_to_find", check=4),
        Problem("check_unknown_variable", check=5, names=("captial",)),
    ]
    assert [problem.blocking for problem in found] == [True] * 5 + [False]
