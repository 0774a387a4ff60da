"""The chat page over AppTest, with the demo model as its provider."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from components.page.texts import texts
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from tests.pages import new_session, serving

PACE = "first=0&rate=2000"
FAST = f"demo?{PACE}"
SEEN = f"demo-seen?{PACE}"  # a name of the provider's, whose requests can be read
FAULTS = {
    "auth": "demo?fault=key",
    "context_too_long": "demo?fault=context",
    "content_filtered": f"demo?fault=filter&{PACE}",
    "model_not_found": "nonsense",
    "bad_request": "demo?rate=0",
}
QUESTION = {"en": "What is token streaming?", "ja": "トークンのストリーミングとは何ですか？"}


@pytest.fixture(scope="module", autouse=True)
def engine(demo: DemoModel) -> Iterator[Engine]:
    """Run the engine with the demo model as the provider as well."""
    names = (FAST, SEEN, *FAULTS.values())
    with serving(openai_base_url=demo.base_url, openai_api_key="test", lab_models=names) as engine:
        yield engine


def visit(language: str, **address: str) -> AppTest:
    """Run the chat page in a new session of a browser of this language."""
    return checked(new_session(language, **address).switch_page("../pages/chat.py").run())


def checked(app: AppTest) -> AppTest:
    """Return the app, on which nothing may be an exception or the key of a text."""
    assert [error.message for error in app.exception] == []
    shown = {word for node in app for text in strings(getattr(node, "proto", None)) for word in text.split()}
    assert shown & texts("en").keys() == set()
    return app


def strings(message: Any) -> Iterator[str]:
    """Yield all strings of an element, but for the ids that the browser sends back."""
    if isinstance(message, str):
        yield message
    elif isinstance(message, Message):
        for field, value in message.ListFields():
            if field.name not in ("id", "group_id"):
                yield from strings(value)
    elif hasattr(message, "__iter__") and not isinstance(message, bytes):
        for item in message:
            yield from strings(item)


def ask(app: AppTest, question: str) -> AppTest:
    return checked(app.chat_input(key="chat.input").set_value(question).run())


def choose(app: AppTest, name: str) -> AppTest:
    return checked(app.selectbox(key="settings.model").select(name).run())


def click(app: AppTest, key: str) -> AppTest:
    return checked(app.button(key=key).click().run())


def answers(app: AppTest) -> list[str]:
    """Return the Markdown of each answer that is shown."""
    messages = [message for message in app.chat_message if message.name == "assistant"]
    return ["\n".join(element.value for element in message.markdown) for message in messages]


@contextmanager
def closed_port() -> Iterator[str]:
    """Yield the address of an endpoint where nothing listens, and nothing else will meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
