"""The chat page as Streamlit runs it, with the real engine and the real demo model beneath."""

import json
import re
from typing import Any

import httpx2
import pytest
from streamlit.testing.v1 import AppTest

from components.page.texts import texts
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from streamlab.models.options import QUESTION_CHARACTERS, Options
from tests import chat_page
from tests.chat_page import FAST, FAULTS, PACE, QUESTION, SEEN, answers, ask, checked, choose, click, closed_port, visit
from tests.conftest import http, raw_endpoint
from tests.pages import languages, serving

engine = chat_page.engine  # fixtures are found by their names


def buttons(app: AppTest) -> set[str]:
    return {str(button.key) for button in app.button}


def requests(demo: DemoModel, user: str) -> list[dict[str, Any]]:
    """What the provider's model was asked with this question."""
    log = httpx2.get(demo.base_url.removesuffix("/v1") + "/requests").raise_for_status().json()
    return [entry for entry in log if entry["prompt"]["user"] == user]


@languages
def test_an_empty_chat_suggests_questions(language: str) -> None:
    """Each suggestion is a button; nothing else invites before anything was asked."""
    app = visit(language)
    labels = [button.label for button in app.button]
    assert labels == [texts(language)[f"suggestions.{number}"] for number in ("one", "two", "three", "four")]
    assert app.chat_input[0].placeholder == texts(language)["chat.input"]
    assert not app.chat_message


@languages
def test_a_suggestion_is_asked_with_a_click(language: str) -> None:
    """The question is the button's words, and the suggestions have done their work."""
    app = click(visit(language), "chat.suggestion.one")
    assert app.chat_message[0].text[0].value == texts(language)["suggestions.one"]
    assert len(answers(app)[0]) > 200
    kinds = {".".join(key.split(".")[:2]) for key in buttons(app)}
    assert kinds == {"chat.new", "chat.again", "chat.edit", "chat.share"}


@languages
def test_a_question_gets_its_answer_and_figures(language: str) -> None:
    """The answer, the row of figures with units, and the offer to regenerate; the address names the conversation."""
    app = ask(visit(language), QUESTION[language])
    assert [message.name for message in app.chat_message] == ["user", "assistant"]
    assert len(answers(app)[0]) > 200
    row = app.chat_message[1].caption[0].value
    number = r"\*\*[\d.,]+{}\*\*"
    rate = texts(language)["figures.rate_value"].removeprefix("{value}")
    units = {"ttft": " s", "total": " s", "rate": re.escape(rate), "tokens_in": "", "tokens_out": ""}
    for name, unit in units.items():
        assert re.search(
            re.escape(texts(language)[f"figures.{name}"]) + " " + number.format(unit), row.replace("\u00a0", " ")
        ), row
    assert texts(language)["settings.demo_variant"].format(options=PACE.replace("&", ", ")) in row
    assert app.button(key="chat.again").label == texts(language)["chat.regenerate"]
    assert app.query_params["chat"]


@languages
def test_a_conversation_goes_on_at_its_address(language: str, demo: DemoModel) -> None:
    """The model is told what was said before, and another session sees all of it."""
    question = f"And more examples, please ({language})?"
    first = choose(visit(language), SEEN)
    address = ask(first, QUESTION[language]).query_params["chat"]
    ask(first, question)
    assert [entry["prompt"]["messages"] for entry in requests(demo, question)] == [3]
    assert answers(visit(language, chat=address)) == answers(first)
    assert len(answers(first)) == 2


@languages
def test_an_unknown_address_is_explained_and_the_page_works(language: str) -> None:
    """A link that is too old says so; a question asked there begins a conversation of its own."""
    app = visit(language, chat="no-such-conversation")
    assert [warning.value for warning in app.warning] == [texts(language)["chat.unknown"]]
    ask(app, QUESTION[language])
    assert len(answers(app)) == 1
    assert app.query_params["chat"] != "no-such-conversation"
    assert not app.warning


@languages
@pytest.mark.parametrize("question", [" \n ", "語" * (QUESTION_CHARACTERS + 8_000)], ids=["blank", "40,000 characters"])
def test_a_question_that_cannot_be_asked_stays_in_the_box(language: str, question: str) -> None:
    """A notice says what is wrong, nothing was asked, and nothing that was written is lost."""
    app = ask(visit(language), question)
    wanted = texts(language)["notice.too_long" if question.strip() else "notice.empty"]
    assert [warning.value for warning in app.warning] == [wanted.format(length="40,000", limit="32,000")]
    assert app.chat_input[0].proto.value == question
    assert app.chat_input[0].proto.set_value
    assert not app.chat_message
    checked(app.run())
    assert not app.warning


def test_the_longest_question_is_asked() -> None:
    """The limit is what may be asked, not the first that may not."""
    assert len(answers(ask(visit("en"), "a" * QUESTION_CHARACTERS))) == 1


@pytest.mark.parametrize(
    "question",
    [
        "<b>bold</b> <script>alert(1)</script>",
        "It costs $5 and $6, or $$x^2$$",
        "# no heading\n- no list\n**no bold** :red[plain] :smile: :material/home:",
        "`code` [link](https://example.org) ![image](x.png)",
        "kept   blanks \t and\n\n\n    lines",
        "絵文字 👩‍👩‍👧 と \u0007 \u200b \u202e制御文字",
    ],
)
def test_a_question_is_shown_as_typed(question: str) -> None:
    """As text: no HTML, no formulas, no Markdown."""
    message = ask(visit("en"), question).chat_message[0]
    assert [type(node).__name__ for node in message][:4] == ["ChatMessage", "Block", "Text", "Button"]
    assert message.text[0].value == question


@languages
@pytest.mark.parametrize(("code", "name"), FAULTS.items(), ids=FAULTS)
def test_a_failure_is_said_and_can_be_tried_again(language: str, code: str, name: str) -> None:
    """A sentence and what to do next, in the reader's language; with a model that works, the same question works."""
    app = ask(choose(visit(language), name), QUESTION[language])
    said = app.error[0].value
    assert said.startswith(f"**{texts(language)[f'error.{code}']}**")
    assert texts(language)[f"error.{code}_next"].partition("{")[0].strip() in said
    assert "Traceback" not in said
    assert (texts(language)["chat.partial_kept"] in said) == (code == "content_filtered")
    assert app.button(key="chat.again").label == texts(language)["chat.retry"]
    click(choose(app, FAST), "chat.again")
    assert not app.error
    assert len(app.chat_message) == 2
    assert len(answers(app)[0]) > 200
    assert app.button(key="chat.again").label == texts(language)["chat.regenerate"]


@languages
@pytest.mark.parametrize(("wait", "unit", "number"), [(864, "minutes", 15), (90, "seconds", 90), (3600, "minutes", 60)])
def test_a_long_wait_that_the_server_asks_for_is_said(language: str, wait: int, unit: str, number: int) -> None:
    """Which no run waits for; rounded up, so that to come back then is never too early."""
    with serving(lab_models=(f"demo?fault=rate_limit&retry_after={wait}&times=9",), lab_attempts=1):
        said = ask(visit(language), QUESTION[language]).error[0].value
    assert texts(language)[f"chat.wait_{unit}"].format(number=number) in said


@languages
def test_an_endpoint_that_nobody_serves_is_said(language: str) -> None:
    """Also a closed port is a sentence, and the demo model answers in its place."""
    with closed_port() as address, serving(openai_base_url=address, lab_models=("far", FAST), lab_attempts=1):
        app = ask(visit(language), QUESTION[language])
        assert texts(language)["error.provider_unavailable"] in app.error[0].value
        assert texts(language)["error.provider_unavailable_next"] in app.error[0].value
        click(choose(app, FAST), "chat.again")
        assert not app.error
        assert len(answers(app)[0]) > 200


def test_the_providers_own_list_is_offered() -> None:
    """Without LAB_MODELS the endpoint says what it has; the demo model comes last."""
    models = {"object": "list", "data": [{"id": name, "object": "model", "created": 0} for name in ("one", "two")]}
    with (
        raw_endpoint(http(json.dumps(models).encode(), kind="application/json")) as endpoint,
        serving(openai_base_url=endpoint.base_url),
    ):
        names = visit("en").selectbox(key="settings.model").options
    assert names == ["one", "two", texts("en")["settings.demo_name"]]


@languages
def test_when_all_places_are_taken_the_question_stays(language: str) -> None:
    """The notice says to wait; the question is back in the box."""
    names = ("demo?fault=silent", FAST)
    with serving(lab_models=names, lab_max_runs=1) as engine:
        slow = engine.portal.call(engine.chats.ask, None, "Wait", Options(names[0]))
        app = ask(visit(language), QUESTION[language])
        assert [warning.value for warning in app.warning] == [texts(language)["notice.too_many"]]
        assert app.chat_input[0].proto.value == QUESTION[language]
        engine.portal.call(engine.chats.stop, slow.id)


@languages
def test_an_empty_answer_is_said(language: str) -> None:
    """No text is an outcome as well."""
    with serving(lab_models=("demo?fault=empty&first=0",)):
        app = ask(visit(language), QUESTION[language])
    assert [info.value for info in app.info] == [texts(language)["chat.empty"]]


@languages
def test_thoughts_are_kept_beside_the_answer(language: str) -> None:
    """Reasoning is in an expander of its own, not in the answer."""
    with serving(lab_models=(f"demo?reasoning=1&{PACE}",)):
        app = ask(visit(language), QUESTION[language])
        again = visit(language, chat=app.query_params["chat"])
    for shown in (app, again):
        thoughts = shown.expander[0]
        assert thoughts.label == texts(language)["chat.thought"]
        assert QUESTION[language] in thoughts.markdown[0].value


@languages
def test_regenerate_replaces_the_answer(language: str, demo: DemoModel) -> None:
    """The same question is asked once more, without the answer that goes."""
    question = f"Why stream ({language})?"
    app = ask(choose(visit(language), SEEN), question)
    click(app, "chat.again")
    assert len(answers(app)) == 1
    assert [entry["prompt"]["messages"] for entry in requests(demo, question)] == [1, 1]


@languages
def test_a_new_chat_is_empty(language: str) -> None:
    """The address forgets the conversation, which stays where it is."""
    app = ask(visit(language), QUESTION[language])
    address = app.query_params["chat"]
    click(app, "chat.new")
    assert not app.chat_message
    assert "chat" not in app.query_params
    assert "chat.suggestion.one" in buttons(app)
    ask(app, QUESTION[language])
    assert len(app.chat_message) == 2
    assert app.query_params["chat"] != address
    assert len(visit(language, chat=address).chat_message) == 2


@languages
def test_another_page_does_not_lose_the_conversation(language: str) -> None:
    """Whoever comes back to the chat finds it as it was."""
    app = ask(visit(language), QUESTION[language])
    address, before = app.query_params["chat"], answers(app)
    checked(app.switch_page("../pages/about.py").run())
    del app.query_params["chat"]
    checked(app.switch_page("../pages/chat.py").run())
    assert app.query_params["chat"] == address
    assert answers(app) == before


@languages
def test_an_export_holds_the_conversation(language: str) -> None:
    """Markdown for people, JSON for programs; both with every question and answer."""
    questions = ["First\n# no heading, <b>", QUESTION[language]]
    app = visit(language)
    for question in questions:
        ask(app, question)
    chat = app.query_params["chat"]
    written = AppTest.from_function(exported, args=(chat, language)).run()
    markdown, data = written.code[0].value, json.loads(written.code[1].value)
    assert markdown.startswith(f"# {texts(language)['export.heading']}\n")
    assert "\n> First\n> # no heading, <b>\n" in markdown
    assert all(answer in markdown for answer in answers(app))
    assert data["id"] == chat
    assert [turn["question"] for turn in data["turns"]] == questions
    assert [turn["outcome"]["text"] for turn in data["turns"]] == answers(app)


@languages
def test_a_read_only_address_shows_all_and_takes_nothing(language: str, engine: Engine) -> None:
    """There is no box; and a question that a page sends all the same is refused where it is asked."""
    words = texts(language)
    app = ask(visit(language), QUESTION[language])
    chat_id = app.query_params["chat"]
    reader_id = engine.portal.call(engine.readers.share, chat_id)
    reader = visit(language, chat=reader_id)
    assert answers(reader) == answers(app)
    assert words["chat.read_only"] in [info.value for info in reader.info]
    assert not reader.chat_input
    assert not reader.feedback
    assert {".".join(key.split(".")[:2]) for key in buttons(reader)} == {"chat.new", "chat.share"}
    app.query_params["chat"] = reader_id  # the box is there still
    app.chat_input(key="chat.input").set_value("Let me in").run()
    assert words["notice.read_only"] in [warning.value for warning in app.warning] or not app.chat_input
    assert [turn.question for turn in engine.portal.call(engine.chats.get, chat_id).turns] == [QUESTION[language]]


@languages
def test_an_edited_question_and_a_thumb_with_its_note_are_in_the_page_and_the_files(
    language: str, engine: Engine
) -> None:
    """Both versions stay: the switch leads to either, and a question that is asked there goes on with it."""
    words = texts(language)
    app = ask(visit(language), QUESTION[language])
    chat_id = app.query_params["chat"]
    first = engine.portal.call(engine.chats.get, chat_id).turns[0].run_id
    click(app, f"chat.edit.{first}")
    app.text_area(key=f"chat.edited_text.{first}").set_value("Edited?")
    click(app, "chat.edit_ask")
    assert [message.text[0].value for message in app.chat_message if message.name == "user"] == ["Edited?"]
    second = engine.portal.call(engine.chats.get, chat_id).turns[0].run_id
    assert "2/2" in [text.value for text in app.chat_message[0].markdown]
    click(app, f"chat.before.{second}")
    assert app.chat_message[0].text[0].value == QUESTION[language]
    assert "1/2" in [text.value for text in app.chat_message[0].markdown]
    checked(app.feedback(key=f"chat.thumbs.{first}").set_value(0).run())
    checked(app.text_area(key=f"chat.note_text.{first}").set_value("Too long").run())
    assert any("Too long" in caption.value for caption in app.chat_message[1].caption)
    ask(app, "And then?")
    chat = engine.portal.call(engine.chats.get, chat_id)
    assert [turn.question for turn in chat.turns] == [QUESTION[language], "And then?"]
    files = AppTest.from_function(exported, args=(chat_id, language)).run()
    markdown, data = files.code[0].value, json.loads(files.code[1].value)
    assert f"**{words['export.down']}**: Too long" in markdown
    assert f"## {words['export.branch'].format(number=1)}\n\n> Edited?" in markdown
    assert data["turns"][0]["feedback"] == {"thumb": "down", "note": "Too long"}
    assert [(turn["after"], turn["question"]) for turn in data["branches"]] == [("", "Edited?")]


def exported(chat_id: str, language: str) -> None:
    """Both files of a conversation, as a script."""
    import streamlit as st

    from components.answer.export import to_json, to_markdown
    from components.page.lab import engine

    st.session_state["lang"] = language
    chat = engine().portal.call(engine().chats.get, chat_id)
    st.code(to_markdown(chat, chat.turns, {}))
    st.code(to_json(chat, chat.turns, {}))
