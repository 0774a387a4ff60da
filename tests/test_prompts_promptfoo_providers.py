"""Providers by promptfoo's names, and by ours."""

import pytest

from streamlab.models.options import DEFAULT_TEMPERATURE
from tests.test_prompts_promptfoo_import import left_out, opened


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai:gpt-4o", "gpt-4o"),
        ("openai:responses:gpt-4o", "gpt-4o"),
        ("openai:ft:gpt-4o:mine", "ft:gpt-4o:mine"),
        ("openai:chat:anthropic:claude-opus-5", "openai:anthropic:claude-opus-5"),
        ("openai:chat:demo?first=0", "demo?first=0"),
        ("anthropic:messages:claude-opus-5", "anthropic:claude-opus-5"),
        ("anthropic:claude-haiku-4-5", "anthropic:claude-haiku-4-5"),
        ("anthropic:messages:mine", "anthropic:mine"),
        ("google:gemini-3.5-flash", "google_genai:gemini-3.5-flash"),
        ("palm:gemini-3.5-flash", "google_genai:gemini-3.5-flash"),
        ("vertex:gemini-3.5-flash", "google_genai:gemini-3.5-flash"),
        ("vertex:chat:gemini-3.5-flash", "google_genai:gemini-3.5-flash"),
        ("azure:chat:mine", "azure_openai:mine"),
        ("azure:responses:mine", "azure_openai:mine"),
        ("azureopenai:chat:mine", "azure_openai:mine"),
    ],
)
def test_a_model_of_promptfoo_s_has_a_name_here(provider: str, model: str) -> None:
    """Whichever way a provider's text models are named there."""
    found = opened(providers=[provider])
    assert {variant.model for variant in found.prompts.variants} == {model}
    assert not left_out(found)


@pytest.mark.parametrize(
    "provider",
    [
        *(f"openai:{kind}" for kind in ("embedding:x", "realtime:x", "image:x", "tts:x", "assistant:x", "chatkit:x")),
        *("openai:", "openai:codex-sdk", f"openai:{'x' * 2_001}", "OPENAI:gpt-4o"),
        *("anthropic:", "anthropic:x", "anthropic:claude-agent-sdk:x"),
        *("google:live:gemini-3", "google:gemini-3-image", "google:embedding:x", "vertex:claude-opus-5"),
        "vertex:llama",
        *("azure:embedding:x", "azure:mine", "azure:assistant:x"),
        *("groq:llama", "ollama:chat:llama3", "bedrock:x", "echo", "https://example.com"),
    ],
)
def test_a_provider_without_a_name_here_is_told(provider: str) -> None:
    """By its name as it is written, and what is asked instead."""
    found = opened(providers=[provider, "openai:gpt-4o"])
    assert [(each.code, each.detail) for each in found.left_out] == [("provider", provider[:120])]


def test_what_promptfoo_sends_where_nothing_is_said_is_the_temperature() -> None:
    """0 to OpenAI and Anthropic, none to Google."""
    told = {"openai:x": 0.0, "anthropic:messages:x": 0.0, "azure:chat:x": 0.0, "google:gemini-3": DEFAULT_TEMPERATURE}
    for provider, temperature in told.items():
        assert {each.temperature for each in opened(providers=[provider]).prompts.variants} == {temperature}
