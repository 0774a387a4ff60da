"""The seam to the providers: whose a model is, and what each provider's clients are and send."""

from contextlib import closing

import httpx2
import pytest
from langchain_openai import ChatOpenAI
from openai.resources.chat import Completions

from streamlab.models.catalog import KINDS, Models, provider_kind
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.models.provider import Provider, StockOptions
from streamlab.models.providers.demo import Demo
from streamlab.models.providers.openai import OpenAI
from streamlab.settings import Settings
from tests.conftest import demo_model, http, provider, raw_endpoint, sse

KEY = "sk-this-is-a-secret-of-the-owner"


def stock(models: Models, name: str, options: StockOptions) -> ChatOpenAI:
    model = models.stock_model(name, options, httpx2.Client(), httpx2.AsyncClient())
    assert isinstance(model, ChatOpenAI)
    return model


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("demo", Demo),
        ("demo?rate=9", Demo),
        ("demonstration", OpenAI),
        ("gpt-4.1", OpenAI),
        ("a/b:7b", OpenAI),
        ("", OpenAI),
    ],
)
def test_every_name_is_somebody_s(name: str, kind: type[Provider]) -> None:
    """Also a name that nobody has: the last provider asks its server."""
    assert provider_kind(name) is kind


def test_providers_are_told_apart() -> None:
    """Each name is used once, and everything can be asked without a fault."""
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all("none" in kind.faults for kind in KINDS)


def test_a_stock_client_has_nothing_of_ours(models: Models) -> None:
    """It is what gets measured: the class, its client and its hook are the library's own."""
    for name in ("demo", "gpt-4.1"):
        made = stock(models, name, StockOptions(timeout=1))
        assert type(made) is ChatOpenAI
        assert type(made.client) is Completions


def test_a_client_for_a_wrong_key_never_holds_the_right_one() -> None:
    """Nowhere in it, not even unused; the one with the right key is another."""
    with provider("http://127.0.0.1:9/v1", KEY) as models:
        wrong, right = (models.chat_model("m", DEFAULT_TEMPERATURE, fault) for fault in ("key", "none"))
    for model, key in ((wrong, OpenAI.wrong_key), (right, KEY)):
        assert isinstance(model, ChatOpenAI)
        keys = {model.root_client.api_key, model.root_async_client.api_key}
        assert keys == {key}


def test_a_seed_is_sent_where_it_is_taken() -> None:
    """Not to a server that may refuse it; nor is anything else that was not asked for."""
    with raw_endpoint(http(sse("a"))) as endpoint, provider(endpoint.base_url) as others:
        list(stock(others, "m", StockOptions(timeout=5, seed=7)).stream("hi"))
    assert set(endpoint.requests[0]) == {"messages", "model", "stream", "stream_options"}
    with (
        raw_endpoint(http(sse("a"))) as endpoint,
        closing(Models(Settings(_env_file=None), endpoint.base_url)) as demos,
    ):
        list(stock(demos, demo_model(), StockOptions(timeout=5, seed=7)).stream("hi"))
    assert endpoint.requests[0]["seed"] == 7
