"""Settings from the environment and `.env`, checked at start."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    HttpUrl,
    RedisDsn,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from streamlab.access_code import LONGEST, SHORTEST, as_typed

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / ".streamlab" / "store.sqlite3"
GATEWAY_STORE = ROOT / ".streamlab" / "gateway.sqlite3"  # of the gateway alone: a file is one process's

# With a scheme; without one localhost, an IPv6 address, a name with a dot, or a name with a port.
_BASE_URL = re.compile(
    r"https?://[^/]|(localhost|\[[\da-f:.]+\]|[\w-]+(\.[\w-]+)+|[\w.-]+(?=:\d))(:\d+)?([/?]|$)", re.IGNORECASE
)

ADDRESS = "an address that begins with http:// or https://"
KEY = "a key of the provider: ASCII characters without spaces"
# What stands before the colon of a model's name here already, or may be taken for it.
RESERVED = ("demo", "local", "openai", "anthropic", "google", "google_genai", "azure", "azure_openai")


class SettingsError(ValueError):
    """One sentence a line: which variable is wrong and what is allowed. Holds no values, for a value may be a key."""


def _split(value: object) -> object:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


def _seconds_or_never(value: object) -> object:
    return None if value == "never" else value


def _store(value: object) -> object:
    """Read where the embedded store's file is, if there is one; a path without a root begins beside `app.py`."""
    if not isinstance(value, str):
        return value
    kind, _, path = value.partition(":")
    if kind == "memory" and not path.strip("/"):
        return "memory:"
    if kind != "sqlite" or (path and not re.fullmatch(r"///.*[^/]", path)):
        raise ValueError("neither memory: nor sqlite:///path")
    return ROOT / path.removeprefix("///") if path else STORE


def _sendable(key: SecretStr) -> SecretStr:
    """Check that HTTP can send a key; curly quotes and line ends come with pasting."""
    stripped = key.get_secret_value().strip()
    if not re.fullmatch("[!-~]+", stripped):
        raise ValueError("a key cannot be sent")
    return SecretStr(stripped)


def _base_url(address: object) -> str:
    """Check an address, whose scheme may be missing. A single word is none: it may be a key in the wrong place."""
    typed = str(address).strip()
    if re.search(r"\s", typed) or not _BASE_URL.match(typed):
        raise ValueError("not the address of a server")
    if re.match("https?:", typed, re.IGNORECASE):
        return str(TypeAdapter(HttpUrl).validate_python(typed))
    TypeAdapter(HttpUrl).validate_python(f"http://{typed}")
    return typed


def _redis_address(address: SecretStr) -> SecretStr:
    TypeAdapter(RedisDsn).validate_python(address.get_secret_value())
    return address


def _distinct(tokens: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    """Check that HTTP can send the secrets, and that no name stands twice."""
    parts = [token.get_secret_value().partition(":") for token in tokens]
    names = [name for name, colon, _ in parts if colon]
    if len(set(names)) < len(names):
        raise ValueError("a name stands twice")
    if not all(re.fullmatch("[!-~]+", secret if colon else name) for name, colon, secret in parts):
        raise ValueError("a token cannot be sent")
    return tokens


def _listening_address(host: str) -> str:
    return host if host == "localhost" else str(ipaddress.ip_address(host))


def _long(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < 32:
        raise ValueError("a secret that short can be guessed")
    return secret


def _access_code(code: SecretStr) -> SecretStr:
    typed = as_typed(code.get_secret_value())
    if not SHORTEST <= len(typed) <= LONGEST or not typed.isprintable():
        raise ValueError("a code of this length cannot be given")
    return SecretStr(typed)


HostName = Annotated[str, Field(pattern=r"^[^/:\s]+$")]
Origin = Annotated[str, Field(pattern=r"^https?://[^/\s]+/?$")]
BaseUrl = Annotated[str, BeforeValidator(_base_url)]
Key = Annotated[SecretStr, AfterValidator(_sendable)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class NamedEndpoint(BaseModel):
    """A compatible server by a name of one's own, which stands before the colon of its models' names."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]
    address: BaseUrl
    key: SecretStr | None = None

    @property
    def key_variable(self) -> str:
        """The variable that holds its key."""
        return key_variable(self.name)

    @field_validator("key")
    @classmethod
    def _name_the_variable(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        try:
            return _sendable(key) if key else None
        except ValueError:
            variable = key_variable(info.data.get("name", ""))
            raise PydanticCustomError("key", "a key cannot be sent", {"variable": variable}) from None


def key_variable(name: str) -> str:
    """Name the variable that holds the key of an endpoint of this name."""
    return f"{name.upper().replace('-', '_')}_API_KEY"


def _endpoints(value: object) -> object:
    """Read `name=address,name=address`."""
    if not isinstance(value, str):
        return value
    parts = [entry.partition("=") for entry in value.split(",") if entry.strip()]
    return [{"name": name.strip(), "address": address} for name, _, address in parts]


def _differently_named(endpoints: tuple[NamedEndpoint, ...]) -> tuple[NamedEndpoint, ...]:
    """Check that each name means one server, and each variable one key."""
    variables = {endpoint.key_variable for endpoint in endpoints}
    if len(variables) < len(endpoints) or variables & {key_variable(name) for name in RESERVED}:
        raise ValueError("a name stands twice, or is taken")
    return endpoints


class _EndpointKeys(PydanticBaseSettingsSource):
    """Gives the endpoints of LAB_ENDPOINTS with their keys, whose variables no list of fields can know."""

    def __init__(self, settings: type[BaseSettings], *sources: PydanticBaseSettingsSource) -> None:
        super().__init__(settings)
        self._sources = sources

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Give nothing: what one field is depends on others."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        variables: dict[str, str | None] = {}
        for source in self._sources:
            found: Mapping[str, str | None] = source.env_vars if isinstance(source, EnvSettingsSource) else {}
            variables |= {name: value for name, value in found.items() if value}
        if not (given := variables.get("lab_endpoints")):
            return {}
        read: Any = _endpoints(given)
        for endpoint in read:
            endpoint["key"] = variables.get(key_variable(endpoint["name"]).lower())
        return {"lab_endpoints": read}


class Settings(BaseSettings):
    """Every variable is named in `.env.example`. Times are seconds."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore")

    openai_api_key: Key | None = Field(None, description=KEY)
    openai_base_url: BaseUrl | None = Field(None, description=ADDRESS)
    openai_api_base: BaseUrl | None = Field(None, description=ADDRESS)
    anthropic_api_key: Key | None = Field(None, description=KEY)
    anthropic_base_url: BaseUrl | None = Field(None, description=ADDRESS)
    google_api_key: Key | None = Field(None, description=KEY)
    google_gemini_base_url: BaseUrl | None = Field(None, description=ADDRESS)
    azure_openai_api_key: Key | None = Field(None, description=KEY)
    azure_openai_endpoint: BaseUrl | None = Field(None, description=ADDRESS)
    openai_api_version: Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d(-preview)?|preview|latest)$")] | None = Field(
        None, description="a version of Azure OpenAI's API, such as 2024-10-21"
    )
    lab_endpoints: Annotated[
        tuple[NamedEndpoint, ...], NoDecode, BeforeValidator(_endpoints), AfterValidator(_differently_named)
    ] = Field(
        (),
        description="name=address, separated by commas: names of up to 32 letters, digits, - and _ that begin with a "
        f"letter, each once and none of {', '.join(RESERVED)}; addresses that begin with http:// or https://",
    )
    lab_models: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="model names, separated by commas"
    )
    lab_language: Literal["auto", "en", "ja"] = Field("auto", description="auto, en or ja")
    lab_access_code: Annotated[SecretStr, AfterValidator(_access_code)] | None = Field(
        None, description=f"a code of {SHORTEST} to {LONGEST} characters on one line"
    )
    lab_history_tokens: int = Field(6_000, ge=0, le=1_000_000, description="a whole number from 0 to 1000000")
    lab_total_timeout: Seconds = Field(120, description="seconds, more than 0 and at most 86400")
    lab_first_token_timeout: Seconds = Field(30, description="seconds, more than 0 and at most 86400")
    lab_silence_timeout: Seconds = Field(30, description="seconds, more than 0 and at most 86400")
    lab_unwatched_stop: Annotated[Seconds | None, BeforeValidator(_seconds_or_never)] = Field(
        60, description="seconds, more than 0 and at most 86400, or never"
    )
    lab_attempts: int = Field(3, ge=1, le=10, description="a whole number from 1 to 10")
    lab_max_runs: int = Field(200, ge=1, le=1_000, description="a whole number from 1 to 1000")
    lab_store: Annotated[Path | Literal["memory:"] | None, NoDecode, BeforeValidator(_store)] = Field(
        None, description="memory: or sqlite:///path/to/file"
    )
    lab_kept_days: float = Field(30, gt=0, le=36_500, description="days, more than 0 and at most 36500")
    lab_store_megabytes: int = Field(1024, ge=16, le=1_048_576, description="a whole number from 16 to 1048576")
    lab_local_model: FilePath | None = Field(None, description="the path of a GGUF file that is there")
    lab_local_threads: int | None = Field(None, ge=1, le=1_024, description="a whole number from 1 to 1024")
    lab_local_context: int = Field(4_096, ge=256, le=1_048_576, description="a whole number from 256 to 1048576")
    lab_local_slots: int = Field(2, ge=1, le=64, description="a whole number from 1 to 64")
    redis_url: Annotated[SecretStr, AfterValidator(_redis_address)] | None = Field(
        None, description="an address that begins with redis:// or rediss://"
    )
    gateway_tokens: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split), AfterValidator(_distinct)] = (
        Field(
            (),
            description="secrets or name:secret, separated by commas: ASCII characters without spaces, no name twice",
        )
    )
    gateway_token: Key | None = Field(None, description="ASCII characters without spaces")
    gateway_metrics_token: Key | None = Field(None, description="a secret: ASCII characters without spaces")
    lab_hosts: Annotated[tuple[HostName, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="names such as lab.example.com, without a port, separated by commas"
    )
    gateway_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="origins such as https://example.com, separated by commas"
    )
    gateway_secret: Annotated[SecretStr, AfterValidator(_long)] | None = Field(
        None, description="a secret of 32 or more characters"
    )
    gateway_follow_token_seconds: int = Field(600, ge=1, le=86_400, description="a whole number from 1 to 86400")
    gateway_max_runs: int = Field(20, ge=1, le=1_000, description="a whole number from 1 to 1000")
    gateway_runs_per_minute: int = Field(60, ge=1, le=10_000, description="a whole number from 1 to 10000")
    lab_grpc_port: int = Field(50_051, ge=0, le=65_535, description="a whole number from 0 to 65535")
    lab_grpc_host: Annotated[str, AfterValidator(_listening_address)] = Field(
        "127.0.0.1", description="an IP address of this machine, or localhost"
    )
    lab_log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the keys of the named endpoints as well, of which the environment's count."""
        keys = _EndpointKeys(settings_cls, dotenv_settings, env_settings)
        return init_settings, keys, env_settings, dotenv_settings, file_secret_settings

    @model_validator(mode="after")
    def _old_name(self) -> Self:
        """Take the address by its old name, which other programs still read: else the key went to OpenAI."""
        self.openai_base_url = self.openai_base_url or self.openai_api_base
        return self

    @property
    def remarks(self) -> list[str]:
        """What is to be said at start, a sentence each. Holds no values, as SettingsError."""
        if not self.openai_api_base:
            return []
        if self.openai_api_base != self.openai_base_url:
            return ["OPENAI_API_BASE is not used, for OPENAI_BASE_URL is set as well and says something else."]
        return ["OPENAI_API_BASE is the old name of OPENAI_BASE_URL; it is used, but please rename it."]

    @property
    def store_file(self) -> Path | None:
        """The file in which everything is kept, None for this process's memory or Redis."""
        return self.lab_store if isinstance(self.lab_store, Path) and not self.redis_url else None


def load_settings(store: Path | None = None) -> Settings:
    """Read the settings; `store` is the embedded store's file where nothing else is set. Raises SettingsError."""
    try:
        settings = Settings()
    except UnicodeDecodeError:
        problems = [".env must be text in UTF-8."]
    except ValidationError as error:
        problems = list(dict.fromkeys(_sentence(problem["loc"], problem.get("ctx", {})) for problem in error.errors()))
    else:
        return settings if settings.lab_store or not store else settings.model_copy(update={"lab_store": store})
    raise SettingsError("\n".join(problems))


def _sentence(place: tuple[int | str, ...], context: Mapping[str, Any]) -> str:
    """Say what the variable must be that a problem is with."""
    if variable := context.get("variable"):
        return f"{variable} must be {KEY}."
    name = str(place[0])
    return f"{name.upper()} must be {Settings.model_fields[name].description}."
