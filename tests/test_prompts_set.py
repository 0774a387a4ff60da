"""Sets of prompts: kept and shared without loss, and refused where they are broken."""

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamlab.prompts import serialization
from streamlab.prompts.checks import Contains, Json
from streamlab.prompts.prompt_set import MAX_CHARACTERS, PromptSet, Variant
from streamlab.prompts.serialization import (
    MAX_ADDRESS,
    BrokenSet,
    SetErrorCode,
    from_address,
    from_yaml,
    to_address,
    to_yaml,
)
from tests.prompt_sets import a_set, sets


def refusal(data: bytes) -> tuple[SetErrorCode, str] | None:
    try:
        from_yaml(data)
    except BrokenSet as broken:
        return broken.code, broken.detail
    return None


# Kept and shared


@given(sets())
def test_a_file_keeps_everything(prompts: PromptSet) -> None:
    """Every text to the last character, control characters and line ends included."""
    assert from_yaml(to_yaml(prompts).encode()) == prompts


@given(sets())
def test_an_address_keeps_everything_or_there_is_none(prompts: PromptSet) -> None:
    """It is short enough for any program, and needs no escapes."""
    address = to_address(prompts)
    if address is not None:
        assert len(address) <= MAX_ADDRESS
        assert set(address) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        assert from_address(address) == prompts


def test_a_file_can_be_read_and_edited() -> None:
    """Texts in blocks, Unicode as it is, keys in their order, numbers and names unquoted."""
    prompts = a_set(Contains(value="東京"), templates=("首都は？\n{a}\n", "x"), cases=({"a": "日本"},))
    assert to_yaml(prompts) == (
        "version: 1\nvariants:\n- name: v0\n  system: ''\n  template: |\n    首都は？\n    {a}\n"
        "  model: demo\n  temperature: 1.0\n"
        "- name: v1\n  system: ''\n  template: x\n  model: demo\n  temperature: 1.0\n"
        "columns:\n- a\ncases:\n- a: 日本\nchecks:\n- type: contains\n  value: 東京\n  ignore_case: false\n"
        "repeats: 1\nat_once: 4\n"
    )


MINIMAL = b"""version: 1
variants:
- {name: a, template: "Hi {city}", model: demo}
- {name: b, template: "Ho {city}", model: demo, temperature: 0.5}
columns: [city, year]
cases:
- {city: no, year: 2024-01-01}
- city: 007
"""


def test_what_people_write_is_taken_as_they_wrote_it() -> None:
    """`no` is a text and 007 no number; what is left out has its default, and an empty text in a case."""
    prompts = from_yaml(b"\xef\xbb\xbf" + MINIMAL.replace(b"\n", b"\r\n"))
    assert prompts.cases == ({"city": "no", "year": "2024-01-01"}, {"city": "007", "year": ""})
    assert (prompts.variants[0].temperature, prompts.variants[1].temperature) == (1.0, 0.5)
    assert (prompts.repeats, prompts.at_once) == (1, 4)


def test_the_largest_set_is_kept() -> None:
    """A thousand cases of twenty columns."""
    columns = tuple(f"c{n}" for n in range(20))
    prompts = a_set(columns=columns, cases=(dict.fromkeys(columns, "x"),) * 1_000)
    assert from_yaml(to_yaml(prompts).encode()) == prompts


def test_200_cases_are_kept() -> None:
    """In a file; for an address they are too many."""
    prompts = a_set(cases=tuple({"a": f"case {n} " + "x" * n} for n in range(200)))
    assert from_yaml(to_yaml(prompts).encode()) == prompts
    varied = a_set(cases=tuple({"a": str(n**9)} for n in range(900)))
    assert to_address(varied) is None


# Broken


@pytest.mark.parametrize(
    ("old", "new", "code", "detail"),
    [
        (b"no, ", b"\xff, ", "not_text", "7"),
        (b"columns: [", b"columns: [[", "not_yaml", ""),
        (b"columns:", b"columns: \x07", "not_yaml", "5"),
        (b"- city: 007", b"? [a, b]\n: 1", "not_yaml", ""),
        (b"columns: [city, year]", b"columns: &x [city, year]\nmore: *x", "alias", "6"),
        (b"version: 1\n", b"version: 1\nversion: 1\n", "duplicate_key", "2"),
        (b"version: 1\n", b"version: 2\n", "unknown_version", "2"),
        (b"version: 1\n", b"", "unknown_version", "none"),
        (b"version: 1\n", b"version: " + b"9" * 99 + b"\n", "unknown_version", "9" * 20),
        (b"0.5", b"2.5", "wrong_field", "variants.1.temperature: Input should be less than or equal to 2"),
        (b"0.5", b"warm", "wrong_field", "variants.1.temperature: Input should be a valid number"),
        (b"model: demo}", b"model: ''}", "wrong_field", "variants.0.model: "),
        (b"model: demo}", b"modell: demo}", "wrong_field", "variants.0.model: Field required"),
        (b"[city, year]", b"[city, city]", "wrong_field", ": columns with different names"),
        (b"[city, year]", b"[city]", "wrong_field", ": cases with the columns of the set and no other"),
        (b"columns:", b"repeats: 11\ncolumns:", "wrong_field", "repeats: "),
        (b"columns:", b"at_once: 0\ncolumns:", "wrong_field", "at_once: "),
        (b"columns:", b"checks: [{type: python, value: secret}]\ncolumns:", "wrong_field", "checks.0.type: one of "),
        (b"columns:", b"checks: [{type: json, value: secret}]\ncolumns:", "wrong_field", "checks.0.json.value: "),
        (b"columns:", b"columns: []\nextra: 1\nno:", "wrong_field", ""),
        (b"- {name: a", b"- {name: !!python/object/apply:os.system [ls]", "wrong_field", "variants.0.name: "),
        (b"variants:\n", b"variants: []\nother:\n", "wrong_field", ""),
    ],
)
def test_each_flaw_of_a_file_has_its_code(old: bytes, new: bytes, code: SetErrorCode, detail: str) -> None:
    """And says where: a line, or the path of a field and what is allowed there."""
    refused = refusal(MINIMAL.replace(old, new, 1))
    assert refused
    assert refused[0] == code
    assert refused[1].startswith(detail) if code == "wrong_field" or not detail else refused[1] == detail


@pytest.mark.parametrize("data", [b"", b"text", b"- a", b"1", b"null"])
def test_a_file_that_holds_no_set_is_refused(data: bytes) -> None:
    """Whatever else it may be."""
    assert refusal(data) == ("wrong_field", ": a set with version, variants, columns and cases")


def test_no_refusal_repeats_what_is_in_the_file() -> None:
    """It may be long, or meant for nobody's eyes."""
    secret = b"s3cret" * 50
    for field in (b"temperature: ", b"name: ", b"checks: [{type: "):
        refused = refusal(MINIMAL.replace(b"temperature: ", field) + b"\nat_once: " + secret)
        assert refused
        assert b"s3cret" not in refused[1].encode()


@pytest.mark.parametrize(
    "data",
    [
        b"a: &a [x, x]\n" + b"".join(b"%c: &%c [%b]\n" % (n, n, b"*%c," % (n - 1) * 9) for n in range(98, 120)),
        b"[" * 100_000,
        b"{a: " * 100_000,
        b"- " * 100_000,
        b"version: 1\nvariants: " + b"[" * 300 + b"]" * 300,
    ],
    ids=["aliases", "lists", "mappings", "nested", "deep"],
)  # fmt: skip
def test_bombs_are_refused(data: bytes) -> None:
    """Small files that would unfold to large ones, or never end."""
    assert refusal(data)


def test_a_file_has_a_largest_size() -> None:
    """Refused unread; so are too many values, and a set has a size too, however it is made."""
    assert refusal(b"[" + b"a," * serialization.MAX_NODES + b"]") == ("too_large", f"{serialization.MAX_NODES} values")
    assert refusal(b"#" * (serialization.MAX_BYTES + 1)) == ("too_large", f"{serialization.MAX_BYTES} bytes")
    with pytest.raises(ValidationError, match="at most 1000000 characters"):
        a_set(cases=tuple({"a": "x" * 10_000} for _ in range(MAX_CHARACTERS // 10_000 + 1)))


def address(content: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(content, 9)).decode().rstrip("=")


@given(st.text(max_size=30) | st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_an_address_that_was_damaged_is_refused(text: str) -> None:
    """Whatever is left of it."""
    with pytest.raises(BrokenSet) as broken:
        from_address(text)
    assert broken.value.code == "damaged"


@given(st.data())
def test_an_address_that_was_cut_is_refused(data: st.DataObject) -> None:
    """As chat programs do to long ones."""
    whole = to_address(a_set())
    assert whole
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BrokenSet):
        from_address(whole[:cut])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("A" * (MAX_ADDRESS + 1), "too_large"),
        (address(b" " * 2_900_000), "damaged"),
        (address(b"[" * 100_000), "damaged"),
        (address(b"\xff"), "damaged"),
        (address(b"[1]"), "wrong_field"),
        (address(b'{"version": 2}'), "unknown_version"),
        (address(b'{"version": 1, "variants": []}'), "wrong_field"),
        (address(b'{"version": 1}') + "AAAA", "damaged"),
        ("é", "damaged"),
    ],
)
def test_each_flaw_of_an_address_has_its_code(text: str, code: SetErrorCode) -> None:
    """Those of a file where they can be said; nothing unpacks to more than a file may hold."""
    with pytest.raises(BrokenSet) as broken:
        from_address(text)
    assert broken.value.code == code


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 61},
        {"name": "two\nlines"},
        {"model": ""},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"template": "x" * 32_001},
        {"system": "x\0"},
        {"template": "\ud800"},
        {"other": 1},
    ],
    ids=str,
)
def test_a_variant_has_its_bounds(wrong: dict[str, Any]) -> None:
    """A text with a NUL or half a character has no place in a file."""
    with pytest.raises(ValidationError):
        Variant.model_validate({"name": "a", "template": "b", "model": "demo"} | wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"variants": 1},
        {"variants": 7},
        {"columns": tuple(map(str, range(21))), "cases": ()},
        {"columns": ("",), "cases": ()},
        {"cases": ({"b": "1"},)},
        {"cases": ({"a": "x" * 32_001},)},
        {"cases": ({"a": "1"},) * 1_001},
        {"checks": (Json(),) * 21},
        {"repeats": 0},
        {"repeats": 11},
        {"at_once": 17},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_a_set_has_its_bounds(wrong: dict[str, Any]) -> None:
    """Two to six variants, up to a thousand cases."""
    if isinstance(count := wrong.get("variants"), int):
        wrong = {"variants": (Variant(name="a", template="b", model="demo"),) * count}
    with pytest.raises(ValidationError):
        a_set(**wrong)


def test_a_set_without_cases_has_one_input() -> None:
    """Prompts without variables run once."""
    assert a_set(columns=(), cases=()).inputs() == ({},)
    assert a_set().inputs() == ({"a": "1"},)


def test_an_address_is_compact() -> None:
    """What has its default is left out."""
    short = to_address(a_set())
    assert short
    content = json.loads(zlib.decompress(base64.urlsafe_b64decode(short + "=" * (-len(short) % 4))))
    assert set(content) == {"version", "variants", "columns", "cases"}
