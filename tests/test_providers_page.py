"""What the pages say of a configured provider that cannot be asked."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from components.page.providers import ADVICE
from components.page.texts import texts
from streamlab.models.failures import CODES, Code
from streamlab.models.provider import INSTALL
from streamlab.models.providers import keyed
from tests import chat_page
from tests.chat_page import FAST, checked, closed_port, visit
from tests.conftest import http, raw_endpoint
from tests.pages import languages, serving

engine = chat_page.engine  # fixtures are found by their names


@languages
def test_a_provider_that_names_no_models_is_said(language: str) -> None:
    """The demo model stays, with the advice to name the models, and the address that was asked."""
    words = texts(language)
    with raw_endpoint(http(b"{}", kind="application/json")) as endpoint:
        with serving(openai_base_url=endpoint.base_url):
            app = visit(language)
            said = words["providers.no_models"].format(address=f"`{endpoint.base_url}`")
            assert warned(app) == [f"{said}  \n{words['providers.only_demo']}"]
            assert advice(app, language) == words["providers.no_models_next"].format(address="OPENAI_BASE_URL")
            assert app.selectbox(key="settings.model").options == [words["settings.demo_name"]]
        with serving(openai_base_url=endpoint.base_url, lab_models=("one",)):
            assert warned(visit(language)) == []


@languages
def test_a_provider_that_does_not_answer_is_said_above_the_input(language: str) -> None:
    """With its address, but for what may be a secret, whether its models were named or not; why is folded.

    A chat opens at its end, where the input is. Another page opens at its top.
    """
    words = texts(language)
    with closed_port() as address:
        secret = address.replace("//", "//ada:pass-word@") + "?key=hidden"
        said = words["providers.fails"].format(address=f"`{address}`")
        for models in ((), ("far", FAST)):
            with serving(openai_base_url=secret, lab_models=models):
                app = visit(language)
                above = checked(visit(language).switch_page("../pages/about.py").run())
            (warning,) = warned(app)
            assert warning == (said if models else f"{said}  \n{words['providers.only_demo']}")
            why = advice(app, language)
            assert words["error.provider_unavailable"] in why
            assert words["providers.check_server"].format(address="OPENAI_BASE_URL") in why
            assert words["providers.again"] in why
            assert not {"ada", "pass-word", "hidden"} & set(re.findall(r"[\w-]+", warning + why))
            assert warning not in [each.value for each in app.main.warning]
            assert above.main[0].children[0].value == warning  # type: ignore[union-attr]


@languages
@pytest.mark.parametrize("code", CODES)
def test_nobody_is_told_to_choose_another_model_where_there_is_none(language: str, code: Code) -> None:
    """Whatever keeps a server from saying its models."""
    text = texts(language)[f"providers.{ADVICE[code]}" if code in ADVICE else f"error.{code}_next"]
    assert not re.search("another model|faster model|demo model|別のモデル|速いモデル|デモモデル", text)


@languages
def test_of_several_servers_each_that_fails_is_said(language: str) -> None:
    """In one box, each with its own variables; the demo model stands in only where nothing else answers."""
    words = texts(language)
    refusal = http(b'{"error": {"message": "no"}}', "401 Unauthorized", "application/json")
    listed = http(b'{"object": "list", "data": [{"id": "m"}]}', kind="application/json")
    with raw_endpoint(refusal) as one, raw_endpoint(listed) as other:
        fails = [words["providers.fails"].format(address=f"`{name}` (`{one.base_url}`)") for name in ("one-a", "two")]
        named = f"one-a={one.base_url},two={one.base_url}"
        with serving(lab_endpoints=named):
            app = visit(language)
            assert warned(app) == ["  \n".join((*fails, words["providers.only_demo"]))]
            assert words["providers.check_key"].format(variable="ONE_A_API_KEY") in advice(app, language, 0)
            assert words["providers.check_key"].format(variable="TWO_API_KEY") in advice(app, language, 1)
        with serving(lab_endpoints=f"{named},three={other.base_url}"):
            app = visit(language)
            assert warned(app) == ["  \n".join(fails)]
            assert app.selectbox(key="settings.model").options == ["three:m", words["settings.demo_name"]]


@languages
def test_who_has_deployments_is_told_to_name_them(language: str) -> None:
    """Azure was not asked, and that is no failure where they are named."""
    words = texts(language)
    given: dict[str, str] = {"azure_openai_endpoint": "http://127.0.0.1:9", "azure_openai_api_key": "key-123"}
    with serving(**given):
        app = visit(language)
        said = words["providers.no_models"].format(address="`azure_openai` (`http://127.0.0.1:9`)")
        assert warned(app) == [f"{said}  \n{words['providers.only_demo']}"]
        assert advice(app, language) == words["providers.unasked_next"]
    with serving(**given, lab_models=("azure_openai:mine",)):
        app = visit(language)
        assert warned(app) == []
        assert app.selectbox(key="settings.model").value == "azure_openai:mine"


@languages
def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it(
    language: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where LAB_MODELS says which models there are, and in the log; the app starts without it."""
    words = texts(language)
    monkeypatch.setattr(keyed, "find_spec", lambda name: None)
    for models in ((), ("anthropic:claude-opus-5", FAST)):
        with serving(anthropic_api_key="key-123", lab_models=models):
            app = visit(language)
            (warning,) = warned(app)
            named = {"package": "`langchain-anthropic`", "variable": "ANTHROPIC_API_KEY"}
            assert warning.startswith(words["providers.missing"].format(**named))
            assert advice(app, language) == words["providers.missing_next"].format(command=f"`{INSTALL}`")
            assert INSTALL in caplog.text


def advice(app: AppTest, language: str, number: int = 0) -> str:
    (why,) = (each for each in app.expander if each.label == texts(language)["providers.why"])
    return str(why.markdown[number].value)


def warned(app: AppTest) -> list[str]:
    return [warning.value for warning in app.warning]
