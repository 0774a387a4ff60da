"""Components of our own that show something with an id: whatever the id, the page can be drawn."""

import ast
from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe

import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.harness import ROOT
from components.page.component_key import component_key
from tests.pages import checked

ODD = ("a__b", "__", "_", "-", "rt_s__7FvN7nXbl7rc22Lw", "a_b", "a-b", "a~b")


@pytest.mark.parametrize("id", ODD[:5])
def test_whatever_the_id_a_text_can_be_copied(id: str) -> None:
    def draw(id: str) -> None:
        from components.page.copy_button import copy_button

        copy_button("text", "Copy", "copy", id)

    checked(AppTest.from_function(draw, kwargs={"id": id}).run())


def test_each_id_has_a_key_of_its_own() -> None:
    """An id is of letters, digits, `-` and `_`."""
    ids = {*(id for id in ODD if "~" not in id), *(token_urlsafe(3) for _ in range(2_000))}
    keys = {component_key("name", id) for id in ids}
    assert len(keys) == len(ids)
    assert not any("__" in key for key in keys)


def components() -> Iterator[tuple[Path, ast.Call]]:
    """Find the calls that draw components."""
    for path in sorted((ROOT / "components").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_component":
                yield path, node


def test_no_component_has_a_key_of_what_may_be_anything() -> None:
    """It is written out, made by `component_key`, or of an address's parameter, of which each is known."""
    found = list(components())
    assert found
    for path, call in found:
        key = next((keyword.value for keyword in call.keywords if keyword.arg == "key"), None)
        names = {node.id for node in ast.walk(key) if isinstance(node, ast.Name)} if key else set()
        assert not isinstance(key, ast.JoinedStr) or names == {"parameter"}, f"{path}:{call.lineno}"
