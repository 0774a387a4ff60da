"""The laws of templates: what they name is filled in once, and what is no template is refused where it shows."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.prompts import template
from streamlab.prompts.template import TemplateError, TemplateErrorCode, fill, variables

names = st.sampled_from(["city", "名前", "_x", "Größe", "カナ", "class", "x1"])
texts = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["{", "}", "{{", "}}", "{city}", "{0}", ""]
)


def doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def refusal(text: str) -> tuple[TemplateErrorCode, int] | None:
    try:
        variables(text)
    except TemplateError as error:
        return error.code, error.position
    return None


@given(st.lists(st.tuples(texts, names)), texts, st.dictionaries(names, texts))
def test_what_is_filled_in_is_never_read_again(parts: list[tuple[str, str]], end: str, values: dict[str, str]) -> None:
    """Literal text and values come out as they went in, whatever braces they hold."""
    written = "".join(f"{doubled(text)}{{{name}}}" for text, name in parts) + doubled(end)
    if not written.strip():
        return
    given_values = {name: values.get(name, "") for _, name in parts}
    assert variables(written) == tuple(dict.fromkeys(name for _, name in parts))
    assert fill(written, given_values) == "".join(text + given_values[name] for text, name in parts) + end


@given(st.text(st.sampled_from("{}ab名 .[]!:0\n"), max_size=12))
def test_whatever_is_accepted_means_what_python_means_by_it(text: str) -> None:
    """Braces are those of format strings; only names are allowed within them."""
    if refusal(text):
        return
    values = {name: f"<{name}>" for name in variables(text)}
    assert fill(text, values) == text.format_map(values)
    assert list(values) == list(dict.fromkeys(name for _, name, _, _ in string.Formatter().parse(text) if name))


@pytest.mark.parametrize(
    ("text", "code", "position"),
    [
        ("", "empty", 0),
        (" \n\t", "empty", 0),
        ("a {", "open_brace", 2),
        ("{ {a}", "open_brace", 0),
        ("{a", "open_brace", 0),
        ("{a{b}}", "open_brace", 0),
        ("{a:{b}}", "open_brace", 0),
        ("a}", "close_brace", 1),
        ("{a}}", "close_brace", 3),
        ("{{a}", "close_brace", 3),
        ("日本 {}", "empty_name", 3),
        ("{a.b}", "bad_name", 0),
        ("{a[0]}", "bad_name", 0),
        ("{a!r}", "bad_name", 0),
        ("{a:>3}", "bad_name", 0),
        ("{ a }", "bad_name", 0),
        ("{0}", "bad_name", 0),
        ("x{a b}", "bad_name", 1),
    ],
)
def test_each_flaw_has_its_code_and_its_place(text: str, code: TemplateErrorCode, position: int) -> None:
    """The writer is told what it is, and where to look."""
    assert refusal(text) == (code, position)


def test_a_template_is_as_long_as_a_message_may_be() -> None:
    """One character more is refused."""
    assert refusal("a" * template.MAX_CHARACTERS) is None
    assert refusal("a" * (template.MAX_CHARACTERS + 1)) == ("too_long", template.MAX_CHARACTERS)


def test_a_variable_without_a_value_is_an_error() -> None:
    """Nothing is silently left out of a prompt."""
    with pytest.raises(KeyError):
        fill("{a} {b}", {"a": "1"})


def test_variables_come_in_the_order_of_their_first_place() -> None:
    """Each once, and none of those in doubled braces."""
    assert variables("{b} {{c}} {a} {b} {{{d}}}") == ("b", "a", "d")
