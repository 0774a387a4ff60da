"""A task is done by one's own deed: who only opens somebody's address has done nothing."""

from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from components.page.address import RACE, RUN, TRIAL
from components.page.texts import texts
from streamlab.engine import Engine
from tests.pages import languages, serving, visit

FAST = "demo?first=0&rate=2000"


@pytest.fixture
def engine() -> Iterator[Engine]:
    with serving(lab_models=(FAST,)) as engine:
        yield engine


def run_two_tools(language: str) -> AppTest:
    app = visit("timeline", language, "maker")
    return app.button(key="timeline.suggestion.parallel").click().run()


def recover_from_a_cut(language: str) -> AppTest:
    app = visit("faults", language, "maker")
    app.button_group(key="faults.retries").set_value("always")  # the fault that it offers first is the cut
    return app.button(key="faults.start").click().run()


def race_with_a_question(language: str) -> AppTest:
    app = visit("home", language, "maker")
    return app.chat_input(key="home.own").set_value("Why?").run().run()


def is_done(app: AppTest, language: str) -> bool:
    return f":material/task_alt: {texts(language)['lesson.done']}" in [caption.value for caption in app.caption]


@languages
@pytest.mark.parametrize(
    ("page", "parameter", "do"),
    [
        ("timeline", RUN, run_two_tools),
        ("faults", TRIAL, recover_from_a_cut),
        pytest.param("home", RACE, race_with_a_question, marks=pytest.mark.soak),
    ],
)
def test_a_task_is_done_for_who_did_it_alone(
    engine: Engine, language: str, page: str, parameter: str, do: Callable[[str], AppTest]
) -> None:
    """Its maker is told; another browser at the same address is not, however often it looks."""
    made = do(language)
    assert is_done(made, language)
    found = made.query_params[parameter]
    id = found if isinstance(found, str) else found[0]
    looking = visit(page, language, "visitor", **{parameter: id})
    assert [error.message for error in looking.exception] == []
    assert not is_done(looking.run(), language)
