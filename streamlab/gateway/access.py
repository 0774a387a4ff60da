"""Who may do what. Takes plain values, so that every protocol asks the same questions."""

import hmac
import ipaddress
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, Self
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeSerializer
from pydantic import SecretStr

from streamlab.access_code import AccessCode, TooManyGuesses
from streamlab.gateway.errors import Refusal
from streamlab.settings import Settings

LOCAL = "local"  # the name of every caller where no tokens are set
# Headers that a proxy adds, or a network that stands before a server; and any other that begins with `x-forwarded-`.
# Names of headers, in small letters and with hyphens, by which proxies say for whom they ask. There is no list of all.
FORWARDING = re.compile(
    r".*(forwarded|client-?ip|real-?ip|connecting-?ip|remote-?(addr|ip)|original-(host|url)|proxyuser).*|(.*-)?via"
    r"|cdn-loop|proxy-connection|x-varnish|x-envoy-external-address"
)

Clock = Callable[[], float]
"""Seconds since the epoch."""

Lapse = Literal["expired", "revoked"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `client` is an address without a port, `token` a follow token, `code` the access code, the rest are
    headers as they came.

    `forwarded`: something shows that a proxy is between.
    """

    client: str | None
    host: str | None = None
    origin: str | None = None
    forwarded: bool = False
    authorization: str | None = None
    token: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a caller may do: everything, or only read `run_id`. `name` is whom limits count.

    `issued` is nanoseconds since the epoch, of a follow token. With `only_free` no model is asked that costs money.
    """

    name: str
    run_id: str | None = None
    issued: int = 0
    only_free: bool = False

    @property
    def full(self) -> bool:
        return self.run_id is None


class Access:
    """Bearer tokens by name, origins that browsers may come from, and follow tokens that live `seconds`.

    The metrics token reads the figures and nothing else. Without bearer tokens whoever may ask at all may ask for
    everything, or where there is an access code for what is free; what costs money is then for who sends the code.
    """

    def __init__(
        self,
        tokens: Mapping[str, str],
        origins: Sequence[str] = (),
        secret: str | None = None,
        seconds: int = 600,
        metrics_token: str | None = None,
        clock: Clock = time.time,
        code: AccessCode | None = None,
    ) -> None:
        self._code = code
        self._tokens = {name: token.encode() for name, token in tokens.items()}
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self.sign_with(secret or secrets.token_urlsafe(32))
        self._clock = clock
        self._metrics_token = metrics_token.encode() if metrics_token else None
        self._revoked: dict[str, int] = {}  # run -> when, in ns; older than every token that is still good: dropped
        self.seconds = seconds

    @classmethod
    def of(cls, settings: Settings, clock: Clock = time.time, code: AccessCode | None = None) -> Self:
        secret = settings.gateway_secret.get_secret_value() if settings.gateway_secret else None
        metrics = settings.gateway_metrics_token
        return cls(
            named(settings.gateway_tokens),
            settings.gateway_origins,
            secret,
            settings.gateway_follow_token_seconds,
            metrics.get_secret_value() if metrics else None,
            clock,
            code,
        )

    def sign_with(self, secret: str) -> None:
        """Sign follow tokens by this secret; those that were signed by another are no longer good."""
        self._signer = URLSafeSerializer(secret, salt="streamlab follow")

    def now(self) -> int:
        """Return the nanoseconds since the epoch, by the clock of what is kept: it never goes back."""
        return int(self._clock() * 1e9)

    @property
    def open(self) -> bool:
        """Whether no tokens are set, and loopback is all that is served."""
        return not self._tokens

    def admit(self, caller: Caller) -> None:
        """Refuse whoever may not even ask, before any right is looked at. Raises Refusal."""
        if self.open:
            if caller.forwarded or not _is_loopback(caller.client):
                raise Refusal(
                    403,
                    "not_local",
                    "Without access tokens only callers on this machine are served, and none through a proxy.",
                    "Set GATEWAY_TOKENS on the server and send one as `Authorization: Bearer …`.",
                )
            if not _names_loopback(caller.host):
                raise Refusal(
                    403,
                    "foreign_host",
                    "Without access tokens the server answers only to the name localhost.",
                    "Use http://localhost, or set GATEWAY_TOKENS on the server.",
                )
        if caller.origin is not None and not self._is_known_origin(caller.origin, caller.host):
            raise Refusal(
                403,
                "foreign_origin",
                "Pages of this origin are not served.",
                "Add the origin to GATEWAY_ORIGINS on the server.",
            )

    def identify(self, caller: Caller) -> Grant:
        """Grant the right to do everything. Raises Refusal."""
        self.admit(caller)
        if self.open:
            return Grant(LOCAL, only_free=self._code is not None and not self._knows_code(self._code, caller))
        if not _bearer(caller):
            raise _unauthorized("unauthorized", "This needs an access token.")
        if name := self._name_of(_bearer(caller)):
            return Grant(name)
        raise _unauthorized("invalid_access_token", "The access token is not one of this server.")

    def allow_metrics(self, caller: Caller) -> None:
        """Allow reading the figures, by the token for that or by the right to do everything. Raises Refusal.

        Where neither that token nor any other way in is configured, whoever may ask at all may read them.
        """
        self.admit(caller)
        if self._metrics_token is not None and hmac.compare_digest(self._metrics_token, _bearer(caller)):
            return
        grant = self.identify(caller)
        if self.open and (grant.only_free or (self._metrics_token and not self._code)):
            raise _unauthorized("unauthorized", "The figures need the token for them.", "GATEWAY_METRICS_TOKEN")

    def allow_reading(self, caller: Caller, run_id: str) -> Grant:
        """Grant reading one run, by a follow token or by the right to do everything. Raises Refusal."""
        token = self._follow_token_of(caller)
        if token is None:
            return self.identify(caller)
        self.admit(caller)
        grant = self._read_token(token)
        if grant.run_id != run_id:
            raise Refusal(403, "other_run", "The token reads another run.", "Ask for a token of this run.")
        if lapse := self.lapsed(grant):
            raise lapsed(lapse)
        return grant

    def reaches(self, grant: Grant, owner: str | None) -> bool:
        """Tell whether the grant for everything reaches the runs and the conversation of this owner.

        What has the owner "" was asked on the pages, whose addresses open for everyone who has them. Without tokens
        all who are served are one caller.
        """
        return grant.full and (self.open or owner in ("", grant.name))

    def issue(self, run_id: str, issued: int = 0) -> str:
        """Make a follow token: it reads this run and nothing else. It is as old as `issued` says, new by default."""
        return self._signer.dumps([run_id, issued or self.now()])

    def revoke(self, run_id: str, at: int | None = None) -> int:
        """End every follow token of the run that was issued until `at`, nanoseconds since the epoch: which is answered.

        Until now, if it is not said.
        """
        now = self.now()
        at = now if at is None else at
        if at > self._revoked.get(run_id, -1):
            self._revoked = {run: each for run, each in self._revoked.items() if now - each < self.seconds * 10**9}
            self._revoked[run_id] = at
        return at

    def lapsed(self, grant: Grant) -> Lapse | None:
        """Tell why the grant holds no longer; asked again and again while a stream lasts."""
        if grant.run_id is None:
            return None
        if grant.issued <= self._revoked.get(grant.run_id, -1):
            return "revoked"
        return "expired" if self.now() - grant.issued > self.seconds * 10**9 else None

    def _knows_code(self, code: AccessCode, caller: Caller) -> bool:
        """Tell whether the caller sent the code or a ticket for it, by itself or as bearer token. Raises Refusal."""
        sent = caller.code or _bearer(caller).decode(errors="replace")
        if not sent:
            return False
        try:
            if code.knows(sent) or code.fits(sent):
                return True
        except TooManyGuesses as error:
            message = "Too many wrong access codes were sent; none is heard for a while."
            raise Refusal(429, "too_many_guesses", message, "Wait.", retry_after=ceil(error.wait)) from None
        raise Refusal(401, "wrong_access_code", "This is not the access code.", "Send the one of LAB_ACCESS_CODE.")

    def _name_of(self, sent: bytes) -> str | None:
        """Compare with every token, each in a time that does not tell how much of it was right."""
        found = None
        for name, token in self._tokens.items():
            if hmac.compare_digest(token, sent):
                found = name
        return found

    def _follow_token_of(self, caller: Caller) -> str | None:
        """Return the follow token that was sent, by itself or as the bearer token, if there is one."""
        bearer = _bearer(caller).decode(errors="replace")
        if not bearer:  # what a proxy in front has asked for is no word to us
            return caller.token
        signed, _ = self._signer.loads_unsafe(bearer)
        return bearer if signed else None

    def _read_token(self, token: str) -> Grant:
        try:
            run_id, issued = self._signer.loads(token)
        except (BadSignature, ValueError, TypeError):
            raise _unauthorized("invalid_follow_token", "The follow token is not one of this server.") from None
        return Grant(f"follower of {run_id}", run_id, issued)

    def _is_known_origin(self, origin: str, host: str | None) -> bool:
        origin = origin.lower()
        if origin in self._origins:
            return True
        try:
            return bool(host) and urlsplit(origin).netloc == (host or "").lower()
        except ValueError:
            return False


def named(tokens: Sequence[SecretStr]) -> dict[str, str]:
    """Map names to secrets, of `name:secret` or plain secrets, which are called by their number."""
    found: dict[str, str] = {}
    for number, token in enumerate(tokens, 1):
        name, colon, secret = token.get_secret_value().partition(":")
        found.update({name: secret} if colon else {f"token {number}": name})
    return found


def is_here(caller: Caller) -> bool:
    """Tell whether somebody at this machine asks: from it, by its own names, and through no proxy."""
    page = caller.host if caller.origin is None else caller.origin.partition("//")[2]
    names = all(map(_names_loopback, (caller.host, page)))
    return names and _is_loopback(caller.client) and not caller.forwarded


def _bearer(caller: Caller) -> bytes:
    """Read the bearer token that is sent, empty if none is."""
    scheme, _, sent = (caller.authorization or "").partition(" ")
    return sent.strip().encode("utf-8", "surrogatepass") if scheme.lower() == "bearer" else b""


def forwards(headers: Iterable[str]) -> bool:
    """Tell whether these names of headers show that a proxy has handed a request on."""
    return any(FORWARDING.fullmatch(name.lower().replace("_", "-")) for name in headers)


def _unauthorized(code: str, message: str, needed: str = "one of the server's GATEWAY_TOKENS") -> Refusal:
    return Refusal(401, code, message, f"Send {needed} as `Authorization: Bearer …`.")


def lapsed(lapse: Lapse) -> Refusal:
    """Make the refusal for a reader whose follow token is good no longer."""
    sentence = "The follow token's time is over." if lapse == "expired" else "The follow token was revoked."
    return Refusal(401, f"{lapse}_follow_token", sentence, "Ask for a new one and go on where you were.")


def _is_loopback(address: str | None) -> bool:
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None  # a socket for both families has these
    return (mapped or ip).is_loopback


def _names_loopback(host: str | None) -> bool:
    try:
        name = urlsplit(f"//{host or ''}").hostname
    except ValueError:
        return False
    name = (name or "").removesuffix(".")
    return name == "localhost" or _is_loopback(name)
