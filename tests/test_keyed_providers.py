"""What holds for every provider that a key opens, and that is asked by a package of its own."""

import pytest

from streamlab.models.catalog import Models, classify
from streamlab.models.failures import Failure
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.models.provider import Unlisted
from tests.spoken import KEY, asking, chain, events, front_end

NOWHERE = "http://127.0.0.1:9"

pytest.importorskip("langchain_anthropic", reason="`make providers` installs it")
pytest.importorskip("langchain_google_genai", reason="`make providers` installs it")


@pytest.fixture(
    params=[
        ("anthropic:m", "anthropic_api_key", "anthropic_base_url"),
        ("google_genai:m", "google_api_key", "google_gemini_base_url"),
    ],
    ids=lambda each: each[1],
)
def keyed(request: pytest.FixtureRequest) -> tuple[str, dict[str, str], str]:
    """A model's name, the settings for a server that is not there, and the variable of its key."""
    model, key, address = request.param
    return model, {key: KEY, address: NOWHERE}, key.upper()


def test_a_server_that_is_not_there(keyed: tuple[str, dict[str, str], str]) -> None:
    """Nothing was answered, so nothing broke off."""
    model, settings, _ = keyed
    with asking(**settings) as models:
        with pytest.raises(Unlisted) as listed:
            models.provider(model).list_models()
        with pytest.raises(Exception) as asked:  # noqa: PT011
            models.chat_model(model, DEFAULT_TEMPERATURE).invoke("hi")
    assert listed.value.failure
    assert listed.value.failure.code == classify(asked.value).code == "provider_unavailable"


@pytest.mark.anyio
async def test_without_a_key_nobody_is_asked(models: Models, keyed: tuple[str, dict[str, str], str]) -> None:
    """Least of all another provider."""
    model, _, variable = keyed
    with pytest.raises(Failure) as caught:
        await events(chain(models, model))
    assert (caught.value.code, caught.value.detail) == ("auth", f"{variable} is not set")


@pytest.mark.anyio
async def test_what_would_make_another_answer_is_refused(keyed: tuple[str, dict[str, str], str]) -> None:
    """Before anything is asked, and by name."""
    model, settings, _ = keyed
    with asking(**settings) as models:
        with pytest.raises(Failure, match="bad_request") as caught:
            await events(front_end(models, model, logit_bias={"1": 2}))
        assert caught.value.detail == "The provider of this model takes no logit_bias."
