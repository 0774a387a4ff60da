"""A model that is not offered is not asked, whichever way its name came in: an address, a conversation, a request."""

from collections.abc import Iterator

import httpx2
import pytest
from streamlit.testing.v1 import AppTest

from components.page.texts import texts
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from streamlab.models.options import Options
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.serialization import to_address
from tests.comparison_process import prompt_set
from tests.pages import checked, new_question, serving, visit
from tests.test_access_code_pages import FREE, PAID, said, until

HIDDEN = "gpt-that-nobody-offers"


@pytest.fixture(scope="module")
def lab(demo: DemoModel) -> Iterator[Engine]:
    with serving(openai_base_url=demo.base_url, openai_api_key="test", lab_models=(FREE, PAID)) as engine:
        yield engine


def is_refused(app: AppTest) -> bool:
    return texts("en")["notice.not_offered"].format(model=HIDDEN) in said(app)


def test_a_set_that_came_by_its_address_is_refused(lab: Engine) -> None:
    """Each of its variants counts."""
    prompts = prompt_set()
    hidden = prompts.variants[1].model_copy(update={"model": HIDDEN})
    address = to_address(prompts.model_copy(update={"variants": (prompts.variants[0], hidden)}))
    app = visit("prompts", "en", set=str(address))
    checked(app.button(key="prompts.run").click().run())
    assert is_refused(app)
    assert "comparison" not in app.query_params


def test_what_was_asked_of_it_before_is_not_asked_again(lab: Engine) -> None:
    """A comparison goes on with what is offered now."""
    prompts = PromptSet(variants=tuple(Variant(name=name, template="q", model=name) for name in (FREE, HIDDEN)))
    made = lab.portal.call(lab.comparisons.start, prompts)
    lab.portal.call(lab.comparisons.stop, made)
    until(lambda: not getattr(lab.portal.call(lab.comparisons.find, made), "live", True))
    until(lambda: lab.portal.call(lab.comparisons.version, made).startswith("stopped"))  # it is written down
    app = visit("prompts", "en", comparison=made)
    checked(app.button(key="prompts.go_on").click().run())
    assert is_refused(app)


def test_a_conversation_with_it_goes_on_with_another(lab: Engine) -> None:
    """Its address shows it; its last answer is made anew by the model that is chosen then."""
    chat = lab.portal.call(lab.chats.ask, None, new_question(), Options(HIDDEN))
    until(lambda: lab.portal.call(lab.chats.get, chat.id).live is None)
    app = visit("chat", "en", chat=chat.id)
    assert app.selectbox(key="settings.model").value == FREE
    checked(app.button(key="chat.again").click().run())
    assert lab.portal.call(lab.chats.get, chat.id).turns[-1].options.model == FREE


def test_the_gateway_refuses_it(shared_app: str) -> None:
    """Also in a conversation, and with tools."""
    for more in ({}, {"agent": True}):
        answer = httpx2.post(f"{shared_app}/api/runs", json={"message": "q", "model": HIDDEN, **more})
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "unknown_model"
