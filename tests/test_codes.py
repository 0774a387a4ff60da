"""Every failure is told in a sentence, whoever reads it."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.browsers.items import LOST
from streamlab.events.codes import CODES, SENTENCES, UNKNOWN_CODE, sentence_of
from streamlab.events.event import Error, decode, encode, event_of
from streamlab.hub.committed import CommittedLog
from tests.events import of

ROOT = Path(__file__).parents[1]
ENGLISH = tomllib.loads((ROOT / "locales" / "en.toml").read_text())["error"]


def test_every_code_has_its_sentence_and_no_other() -> None:
    """The table is complete."""
    assert tuple(SENTENCES) == CODES


@pytest.mark.parametrize("code", [*CODES, "of a later version", ""])
def test_a_sentence_is_one(code: str) -> None:
    """It begins and ends as one, and shows no code."""
    sentence = sentence_of(code)
    assert re.fullmatch(r"[A-Z][^_\n]+\.", sentence)
    assert (sentence == UNKNOWN_CODE) == (code not in CODES)


@pytest.mark.parametrize("code", CODES)
def test_the_english_pages_say_the_same(code: str) -> None:
    """Who sees the page and who sees the wire need not wonder whether it is the same failure."""
    assert ENGLISH[code] == sentence_of(code)


@pytest.mark.parametrize("said", [{}, {"message": None}, {"message": ""}])
@given(code=st.sampled_from(CODES) | st.text())
def test_an_error_of_before_is_read_with_a_sentence(said: dict[str, None], code: str) -> None:
    """Neither its message nor its detail was always there."""
    error = event_of({"type": "error", "seq": 1, "at": 0.0, "code": code, **said})
    assert error == Error(code, sentence_of(code), None, seq=1)
    assert decode(encode(error)) == error
    assert json.loads(encode(error))["message"]


def test_a_message_that_was_recorded_stays() -> None:
    """A recording is shown and saved again as it was; the words of a server are found where they then were."""
    line = b'{"type":"error","seq":1,"at":0.0,"step":1,"code":"auth","message":"no such key"}'
    error = decode(line)
    assert encode(error) == line
    assert isinstance(error, Error)
    assert error.said == "no such key"


def test_a_lost_run_says_so() -> None:
    """Also where its log was never there."""
    for events in (LOST, list(CommittedLog("run").last_events())):
        assert [error.message for error in of(events, Error)] == [SENTENCES["producer_lost"]]
