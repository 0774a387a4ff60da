"""A run that is known before its log is there, or whose producer died before it was: a page waits, and then says so."""

import time
from collections.abc import Iterator

import pytest

from components.page.texts import texts
from streamlab.chats.chat import Chat, Turn
from streamlab.chats.chats import BEGINNING
from streamlab.engine import Engine
from streamlab.models.options import Options
from streamlab.runs.run import new_run_id
from tests.pages import languages, serving, visit


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with serving(lab_models=("demo",)) as engine:
        yield engine


@languages
def test_a_run_whose_log_never_comes_is_said_to_be_lost(engine: Engine, language: str) -> None:
    """Within the time that a run has to begin; the page does not break meanwhile."""
    asked = Turn("What is streaming?", Options("demo"), new_run_id(), time.time() - BEGINNING + 2)
    chat = Chat(new_run_id(), (asked,))
    assert engine.portal.call(engine.chats.documents.add, chat.id, chat)
    app = visit("chat", language)
    app.query_params["chat"] = chat.id
    app.run(timeout=30)
    assert [error.message for error in app.exception] == []
    assert engine.portal.call(engine.chats.get, chat.id).turns[-1].outcome is not None
    shown = [each.value for each in (*app.error, *app.warning, *app.markdown)]
    assert any(texts(language)["error.producer_lost"] in each for each in shown)
