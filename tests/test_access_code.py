"""The access code: what is right, what is counted, tickets, and that no page starts anything but through its gate."""

import ast
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streamlab.access_code import GUESSES, LONGEST, TICKET_SECONDS, WINDOW, AccessCode, TooManyGuesses
from streamlab.models.catalog import cost_money
from streamlab.settings import Settings, SettingsError, load_settings

ROOT = Path(__file__).parent.parent
SECRET = "a-secret-of-thirty-two-characters!"


# The code itself


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that guesses are counted by, to be set."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("typed", ["Room-42b", " Room-42b\n", "Ｒｏｏｍ－４２ｂ", "　Ｒｏｏｍ-42b　"])
def test_full_width_characters_and_blanks_around_the_code_do_not_matter(typed: str) -> None:
    """A Japanese keyboard writes them by mistake, and pasting brings the blanks."""
    assert AccessCode("Room-42b").fits(typed)


def test_a_code_may_be_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is set in full-width characters or typed in pieces that one character is composed of."""
    monkeypatch.setenv("LAB_ACCESS_CODE", "ガイド２０２６")
    code = load_settings().lab_access_code
    assert code
    assert AccessCode(code.get_secret_value()).fits(unicodedata.normalize("NFD", "ガイド2026"))


@pytest.mark.parametrize("typed", ["", "room-42b", "Room-42", "Room-42bb", "Room 42b", "\ud800", "Room-42b" * 1_000])
def test_any_other_text_is_wrong(typed: str) -> None:
    """And none of them is an error."""
    assert not AccessCode("Room-42b").fits(typed)


def test_guesses_of_everybody_count_together_and_then_none_is_heard(clock: list[float]) -> None:
    """Not even the right one, or trying would go on; when the oldest is a minute old there is room for one more."""
    code = AccessCode("Room-42b")
    for number in range(GUESSES):
        assert not code.fits(f"guess {number}")
        clock[0] += 1
    with pytest.raises(TooManyGuesses) as caught:
        code.fits("Room-42b")
    assert caught.value.wait == WINDOW - GUESSES
    clock[0] += WINDOW - GUESSES
    assert not code.fits("one more")
    with pytest.raises(TooManyGuesses):
        code.fits("and another")
    clock[0] += WINDOW
    assert code.fits("Room-42b")


def test_the_right_code_is_no_guess(clock: list[float]) -> None:
    """A whole class may come in at once."""
    code = AccessCode("Room-42b")
    assert all(code.fits("Room-42b") for _ in range(5 * GUESSES))


def test_guesses_at_the_same_time_are_all_counted() -> None:
    """Many sessions guess in threads of their own; no more than the bound is ever compared."""
    code, heard, start = AccessCode("Room-42b"), list[bool](), threading.Barrier(8)

    def guess() -> None:
        start.wait()
        for number in range(GUESSES):
            try:
                heard.append(code.fits(f"guess {number}"))
            except TooManyGuesses:
                return

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == [False] * GUESSES


def test_a_ticket_opens_where_it_was_issued_and_nowhere_else() -> None:
    """Another process has another secret, unless one is set; another code ends the tickets of the former one."""
    code = AccessCode("Room-42b")
    ticket = code.issue()
    assert code.knows(ticket)
    assert not AccessCode("Room-42b").knows(ticket)
    kept = AccessCode("Room-42b", SECRET).issue()
    assert AccessCode("Room-42b", SECRET).knows(kept)
    assert not AccessCode("Room-43b", SECRET).knows(kept)
    assert "Room" not in ticket + kept


@pytest.mark.parametrize("ticket", [None, 7, "", "given", "x.y.z", "é"])
def test_what_is_no_ticket_opens_nothing(ticket: object) -> None:
    """Whatever a browser sends."""
    assert not AccessCode("Room-42b").knows(ticket)


def test_a_ticket_ends_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone's browser is never closed."""
    code = AccessCode("Room-42b")
    ticket, now = code.issue(), time.time()
    monkeypatch.setattr(time, "time", lambda: now + TICKET_SECONDS - 5)
    assert code.knows(ticket)
    monkeypatch.setattr(time, "time", lambda: now + TICKET_SECONDS + 5)
    assert not code.knows(ticket)


@pytest.mark.parametrize(
    ("models", "cost"),
    [([], False), (["demo"], False), (["demo?rate=5", "demo"], False), (["demo", "gpt-5"], True), (["demo-x"], True)],
)
def test_one_model_that_costs_money_is_enough(models: list[str], cost: bool) -> None:
    """Only the demo model is certainly free."""
    assert cost_money(models) == cost


@pytest.mark.parametrize("value", ["12345", "  12345  ", "      ", "line\nline", "x" * (LONGEST + 1)])
def test_a_code_that_cannot_be_given_or_is_soon_guessed_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """At start, with what is allowed and without the value."""
    monkeypatch.setenv("LAB_ACCESS_CODE", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value) == "LAB_ACCESS_CODE must be a code of 6 to 200 characters on one line."


def test_the_code_is_in_no_text_of_the_settings() -> None:
    """They may be printed."""
    settings = Settings(_env_file=None, lab_access_code="Room-42b")
    assert "Room-42b" not in f"{settings!r} {settings} {settings.model_dump()}"
    with pytest.raises(ValidationError) as caught:
        Settings(_env_file=None, lab_access_code="42b-?")
    assert "42b-?" not in str(load_problem(caught.value))


def load_problem(error: ValidationError) -> list[Any]:
    return [problem["msg"] for problem in error.errors()]


# The one gate


STARTERS = {
    "chats": {"ask", "regenerate"}, "agents": {"ask", "go_on"}, "runs": {"start"}, "trials": {"start"},
    "comparisons": {"start"}, "kept_measurements": {"ask"}, "captures": {"start"},
}  # fmt: skip


def test_whatever_a_page_starts_goes_through_the_gate() -> None:
    """What begins a run or a call is only ever named within a call of `started`, or in what such a call is given."""
    found, outside = set[str](), list[str]()
    for path in (*ROOT.glob("pages/*.py"), *ROOT.glob("components/**/*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        guarded = {id(inner) for node in guarded_parts(tree) for inner in ast.walk(node)}
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(attr=verb, value=ast.Attribute(attr=noun)) if verb in STARTERS.get(noun, ()):
                    found.add(f"{noun}.{verb}")
                    if id(node) not in guarded:
                        outside.append(f"{path.name}:{node.lineno}")
    assert outside == []
    assert found == {f"{noun}.{verb}" for noun, verbs in STARTERS.items() for verb in verbs} - {
        "agents.go_on",
        "runs.start",
    }


def guarded_parts(tree: ast.Module) -> Iterator[ast.AST]:
    """The arguments of every call of `started`, and the functions that they name."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("questions.started", "started"):
            yield from node.args
            yield from (functions[part.id] for part in node.args if isinstance(part, ast.Name) and part.id in functions)
