"""What may be set, what is refused, and that a refusal never tells the value."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamlab.engine import run_limits
from streamlab.runs.run import RunLimits
from streamlab.settings import RESERVED, STORE, Settings, SettingsError, load_settings

ROOT = Path(__file__).parents[1]
SECRET = "sk-recognisable-0123456789"


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `.env` in the working directory, empty as yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    return tmp_path / ".env"


def refused(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name.upper(), value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.__context__ is None, "a traceback would show the values"
    return str(caught.value)


WRONG = {
    "openai_api_key": ["sk-“quoted”", "sk-日本語", "sk-a b", "sk-a\nb"],
    "openai_base_url": [
        "ftp://host/v1",
        "http://",
        "http:///v1",
        "http:host",
        "my host",
        "http://x/v 1",
        "x:y",
        SECRET,
    ],
    "openai_api_base": ["ftp://host/v1", "http://", SECRET],
    "anthropic_api_key": ["a b"],
    "anthropic_base_url": ["ftp://host", SECRET],
    "google_api_key": ["a b"],
    "google_gemini_base_url": ["ftp://host", SECRET],
    "azure_openai_api_key": ["a b"],
    "azure_openai_endpoint": ["ftp://host", SECRET],
    "openai_api_version": ["v1", "2024", SECRET],
    "lab_endpoints": [
        "groq",
        "=http://host",
        "groq=",
        "groq=ftp://host",
        f"groq={SECRET}",
        SECRET,
        "1a=http://host",
        "a b=http://host",
        f"{'a' * 33}=http://host",
        "日本語=http://host",
        "a=http://one,a=http://two",
        "a=http://one,A=http://two",
        "a-b=http://one,a_b=http://two",
        *(f"{name}=http://host" for name in (*RESERVED, "Demo", "OPENAI", "azure-openai")),
    ],
    "gateway_token": ["a b", "日本語"],
    "redis_url": ["localhost:6379", "http://host", "redis:", SECRET],
    "gateway_tokens": ["a b", "日本語", "a:x,a:y"],
    "gateway_origins": ["example.com", "https://example.com/page"],
    "gateway_secret": ["short"],
    "lab_language": ["EN", "de", "auto,en"],
    "lab_history_tokens": ["-1", "1.5", "many", "1000001"],
    "lab_total_timeout": ["0", "-1", "nan", "inf", "soon", "86401", "never"],
    "lab_first_token_timeout": ["0", "-1", "nan", "inf", "soon", "86401", "never"],
    "lab_silence_timeout": ["0", "-1", "nan", "inf", "soon", "86401", "never"],
    "lab_unwatched_stop": ["0", "-1", "nan", "inf", "soon", "86401", "Never"],
    "lab_attempts": ["0", "11", "2.5", "x"],
    "lab_max_runs": ["0", "10001", "x"],
    "lab_local_model": ["nowhere.gguf", "/", "sk-recognisable"],
    "lab_local_threads": ["0", "1025", "x"],
    "lab_local_context": ["255", "x"],
    "lab_local_slots": ["0", "65", "x"],
    "lab_log_level": ["INFO", "trace", "10"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_named_with_what_is_allowed_and_not_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """One sentence that a person can act on. The value may be a key in the wrong place."""
    problem = refused(monkeypatch, **{name: value})
    assert problem == f"{name.upper()} must be {Settings.model_fields[name].description}."


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each, none of which tells a key that was put in its place."""
    keys = [name for name in Settings.model_fields if name.endswith(("_api_key", "_token", "_tokens"))]
    fitting = (*keys, "lab_models", "lab_access_code", "lab_hosts")
    wrong = [name for name in Settings.model_fields if name not in fitting]
    problem = refused(monkeypatch, **dict.fromkeys(wrong, SECRET))
    assert [line.split()[0] for line in problem.splitlines()] == [name.upper() for name in wrong]
    assert "recognisable" not in problem


def test_every_variable_has_a_default_a_sentence_and_a_line_in_the_example() -> None:
    """Everything is optional, and `.env.example` names all there is with its default."""
    example = (ROOT / ".env.example").read_text()
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"# {name.upper()}=" in example
    lines = [
        line.removeprefix("# ") for line in example.splitlines() if line.startswith("# ") and "=" in line.split()[1]
    ]
    assert len(lines) == len(Settings.model_fields)


def test_the_example_is_the_defaults(env_file: Path) -> None:
    """Who uncomments every line has changed nothing."""
    lines = (ROOT / ".env.example").read_text().splitlines()[1:]
    env_file.write_text("\n".join(line.removeprefix("# ") for line in lines))
    assert load_settings() == Settings(_env_file=None)


def test_the_defaults_of_settings_are_those_of_runs() -> None:
    """Two places say them; they must not drift apart."""
    assert run_limits(Settings()) == RunLimits()


@pytest.mark.parametrize("before", ["", "\ufeff"])
def test_the_env_file_is_read(env_file: Path, before: str) -> None:
    """UTF-8, with the mark that Windows' editors put first or without; what the app does not know is left alone."""
    env_file.write_text(f"{before}LAB_MODELS=モデル, demo\nLAB_ATTEMPTS=5 # five\nOTHER=1\n", encoding="utf-8")
    settings = load_settings()
    assert settings.lab_models == ("モデル", "demo")
    assert settings.lab_attempts == 5


def test_the_environment_wins_over_the_env_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere."""
    env_file.write_text("LAB_ATTEMPTS=5\n")
    monkeypatch.setenv("LAB_ATTEMPTS", "7")
    assert load_settings().lab_attempts == 7


def test_a_wrong_value_in_the_env_file_is_not_told(env_file: Path) -> None:
    """It is a file with keys."""
    env_file.write_text(f"LAB_ATTEMPTS={SECRET}\nOPENAI_API_KEY={SECRET}\n")
    with pytest.raises(SettingsError, match=r"^LAB_ATTEMPTS must be a whole number from 1 to 10\.$"):
        load_settings()


def test_an_env_file_that_is_not_utf_8_is_refused(env_file: Path) -> None:
    """With a sentence, not a traceback of what stands in it."""
    env_file.write_text("LAB_MODELS=モデル\n", encoding="shift_jis")
    with pytest.raises(SettingsError, match="UTF-8") as caught:
        load_settings()
    assert caught.value.__context__ is None


@pytest.mark.parametrize("name", Settings.model_fields)
def test_empty_means_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A line that is there but not filled in changes nothing."""
    monkeypatch.setenv(name.upper(), "")
    assert load_settings() == Settings(_env_file=None)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("a", ("a",)),
        (" a , b ,, ", ("a", "b")),
        (",", ()),
        ("demo?first=1&rate=2,x/y:z", ("demo?first=1&rate=2", "x/y:z")),
    ],
)
def test_model_names_are_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, value: str, names: tuple[str, ...]
) -> None:
    """Spaces around them and empty ones do not count."""
    monkeypatch.setenv("LAB_MODELS", value)
    assert load_settings().lab_models == names


@pytest.mark.parametrize(
    "address", ["localhost:11434/v1", "localhost", "[::1]:80/v1", "10.0.0.1", "ollama:11434", "api.example.com/v1"]
)
def test_an_address_may_lack_its_scheme(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Which one the server has is found out later."""
    monkeypatch.setenv("OPENAI_BASE_URL", f" {address} ")
    assert load_settings().openai_base_url == address


def test_endpoints_have_names_addresses_and_keys_of_their_own(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys come from the environment or the file, whichever the names come from; a server may need none."""
    env_file.write_text(
        f"LAB_ENDPOINTS=groq=https://api.example.com/v1?a=b, my-home = localhost:1 ,\nGROQ_API_KEY={SECRET}\n"
    )
    for key in ("", "another-key"):
        monkeypatch.setenv("MY_HOME_API_KEY", key)
        settings = load_settings()
        groq, home = settings.lab_endpoints
        assert (groq.name, groq.address) == ("groq", "https://api.example.com/v1?a=b")
        assert (home.name, home.address, home.key_variable) == ("my-home", "localhost:1", "MY_HOME_API_KEY")
        assert groq.key
        assert groq.key.get_secret_value() == SECRET
        assert (home.key.get_secret_value() if home.key else "") == key
        assert SECRET not in f"{settings} {settings!r} {settings.model_dump_json()}"


def test_a_wrong_key_of_an_endpoint_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not told."""
    monkeypatch.setenv("GROQ_API_KEY", f"“{SECRET}”")
    problem = refused(monkeypatch, lab_endpoints="groq=https://host/v1")
    assert problem == "GROQ_API_KEY must be a key of the provider: ASCII characters without spaces."


@pytest.mark.parametrize("in_file", [False, True])
def test_the_old_name_of_the_address_is_used_and_told(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, in_file: bool
) -> None:
    """A key must not go to OpenAI because the address of another server had its former name."""
    if in_file:
        env_file.write_text("OPENAI_API_BASE=http://old.example/v1\n")
    else:
        monkeypatch.setenv("OPENAI_API_BASE", "http://old.example/v1")
    settings = load_settings()
    assert settings.openai_base_url == "http://old.example/v1"
    (remark,) = settings.remarks
    assert "OPENAI_API_BASE" in remark
    assert "old.example" not in remark


def test_of_both_names_the_new_one_counts(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever each stands, and it is said that the other does not."""
    env_file.write_text("OPENAI_BASE_URL=http://new.example/v1\n")
    monkeypatch.setenv("OPENAI_API_BASE", "http://old.example/v1")
    settings = load_settings()
    assert settings.openai_base_url == "http://new.example/v1"
    assert "not used" in settings.remarks[0]


def test_nothing_is_to_be_said_of_the_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what somebody should change is said."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://new.example/v1")
    assert load_settings().remarks == []


def test_never_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only for the runs that nobody watches."""
    monkeypatch.setenv("LAB_UNWATCHED_STOP", "never")
    assert run_limits(load_settings()).unwatched is None


def test_a_key_is_stripped_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space or a line end that came with pasting is not part of it."""
    monkeypatch.setenv("OPENAI_API_KEY", f" {SECRET}\n")
    settings = load_settings()
    assert settings.openai_api_key
    assert settings.openai_api_key.get_secret_value() == SECRET
    assert SECRET not in f"{settings} {settings!r} {settings.model_dump_json()}"


@given(st.text())
def test_a_key_either_can_be_sent_or_is_refused(key: str) -> None:
    """No key gets as far as a header that cannot carry it."""
    try:
        taken = Settings.model_validate({"openai_api_key": key}).openai_api_key
    except ValidationError:
        return
    assert taken
    assert taken.get_secret_value().isascii()
    assert len(taken.get_secret_value().split()) == 1


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("memory:", None),
        ("memory://", None),
        ("sqlite:", STORE),
        ("sqlite:///folder/a file.db", ROOT / "folder" / "a file.db"),
        ("sqlite:////folder/file", Path("/folder/file")),
    ],
)
def test_the_store_is_named_by_an_address(address: str, file: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes and a path from here, four and one from the root; and Redis comes before it."""
    monkeypatch.setenv("LAB_STORE", address)
    assert load_settings(STORE).store_file == file
    monkeypatch.setenv("REDIS_URL", "redis://localhost/0")
    assert load_settings(STORE).store_file is None


def test_without_a_store_who_starts_a_server_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others keep nothing."""
    monkeypatch.delenv("LAB_STORE")
    assert load_settings().store_file is None
    assert load_settings(STORE).store_file == STORE


@pytest.mark.parametrize(
    "address", ["sqlite:///", "sqlite:///folder/", "sqlite://file", "memory:x", "redis://x", "/path"]
)
def test_what_names_no_store_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence."""
    monkeypatch.setenv("LAB_STORE", address)
    with pytest.raises(SettingsError, match="LAB_STORE must be"):
        load_settings()
