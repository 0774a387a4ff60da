"""Sets of prompts, made by hand or at random with all that files find hard."""

from typing import Any

from hypothesis import strategies as st

from streamlab.prompts.checks import Check, Contains, Equals, Json, JsonSchema, MaxWords, NotContains, Regex
from streamlab.prompts.prompt_set import PromptSet, Variant

NASTY = [
    "",
    "no",
    "1e3",
    "~",
    "# no comment",
    "a: #b",
    "- a",
    "  leading",
    "\n  leading\n",
    "trailing  \nspaces \n\n",
    "CRLF\r\nand\rCR",
    "tab\there\n\tand there",
    "\x07bell\x1b[0m\x7f",
    "\x85\u2028\u2029",
    "\ufeffmark",
    "\ufffe\uffff",
    "日本語のとても長い文章です。" * 12,
    "word " * 40,
    "😀👨‍👩‍👧 emoji",
    "'quotes' \"and\" \\back\\slash",
    "%TAG ! tag:x\n---\n...\n",
    "| > & * ! @ `",
    "{{ a }} {b}",
    "=",
    "<<",
]
texts = st.sampled_from(NASTY) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
lines = texts.map(lambda text: " ".join(text.split())[:60] or "x")
checks = st.one_of(
    st.builds(Contains, value=texts, ignore_case=st.booleans()),
    st.builds(NotContains, value=texts, ignore_case=st.booleans()),
    st.builds(Equals, value=texts),
    st.builds(Regex, value=texts),
    st.builds(JsonSchema, value=texts),
    st.builds(MaxWords, value=st.integers(1, 1_000)),
    st.just(Json()),
)
variants = st.builds(
    Variant, name=lines, system=texts, template=texts, model=texts.filter(bool), temperature=st.floats(0, 2)
)


@st.composite
def sets(draw: st.DrawFn) -> PromptSet:
    columns = draw(st.lists(lines, unique=True, max_size=3))
    return PromptSet(
        variants=tuple(draw(st.lists(variants, min_size=2, max_size=6))),
        columns=tuple(columns),
        cases=tuple(draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, texts)), max_size=4))),
        checks=tuple(draw(st.lists(checks, max_size=3))),
        repeats=draw(st.integers(1, 10)),
        at_once=draw(st.integers(1, 16)),
    )


def a_set(*checks: Check, templates: tuple[str, ...] = ("Hi {a}", "Ho {a}"), **fields: Any) -> PromptSet:
    made = tuple(Variant(name=f"v{n}", template=text, model="demo") for n, text in enumerate(templates))
    return PromptSet(**{"variants": made, "columns": ("a",), "cases": ({"a": "1"},), "checks": checks} | fields)
