"""Where a gateway is, and what it wants to be shown."""

from dataclasses import dataclass

from pydantic import SecretStr

TOKEN = "GATEWAY_TOKEN"  # variable of the environment: an argument could be read by everyone on the machine


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """`url` is what its paths begin with, such as `http://localhost:8501/api`; `token` one of its access tokens."""

    url: str
    token: SecretStr | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token.get_secret_value()}"} if self.token else {}
