"""Certificates as the environment names them: what is trusted, and what is said where that cannot be read."""

import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
import trustme

from streamlab.demo_model.process import DemoModel
from streamlab.models.catalog import Models, classify
from streamlab.models.network import problems
from streamlab.settings import Settings
from tests.conftest import MakeLab, demo_model, provider
from tests.events import end
from tests.proxies import far_server, http_proxy, own_address
from tests.test_network import FAR, failed


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secured(authority: trustme.CA, tmp_path: Path) -> Iterator[str]:
    """Serve the demo model over TLS, with a certificate of an authority that nobody knows."""
    own = authority.issue_cert(own_address())
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    with far_server(ssl_keyfile=str(tmp_path / "key.pem"), ssl_certfile=str(tmp_path / "cert.pem")) as url:
        yield url


@pytest.mark.anyio
async def test_a_certificate_of_the_company_s_own_authority_is_trusted_when_it_is_named(
    secured: str, authority: trustme.CA, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By SSL_CERT_FILE, directly and through a proxy's tunnel."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with provider(secured) as models:
        assert end(await make_lab(models).run(FAR)).status == "completed"
    with http_proxy(tmp_path) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.place}")
        with provider(secured) as models:
            assert end(await make_lab(models).run(FAR)).status == "completed"
        assert proxy.passed(secured)


@pytest.mark.anyio
async def test_an_unknown_authority_is_said_with_what_would_name_it(
    secured: str, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a company's proxy opens what is encrypted."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with provider(secured) as models:
        error = await failed(make_lab, models)
    assert error.code == "certificate"
    assert "SSL_CERT_FILE" in (error.detail or "")


@pytest.mark.anyio
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("kind", ["missing", "empty", "wrong", "other"])
async def test_certificates_that_cannot_be_read_are_named_and_stop_nothing_else(
    secured: str,
    demo: DemoModel,
    make_lab: MakeLab,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
    kind: str,
) -> None:
    """Not there, empty, no certificates, a folder for a file and the reverse; the demo model answers."""
    place = tmp_path / "certificates"
    is_file = (variable == "SSL_CERT_FILE") != (kind == "other")
    if kind != "missing" and is_file:
        place.write_text("" if kind == "empty" else "-----BEGIN CERTIFICATE-----\nnonsense\n")
    elif kind != "missing":
        place.mkdir()
        if kind == "wrong":
            (place / "ca.pem").write_text("nonsense")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv(variable, str(place))
    assert [problem.split()[0] for problem in problems()] == [variable]
    assert str(place) not in problems()[0]
    with provider(secured) as models:
        error = await failed(make_lab, models)
    assert error.code == "certificate"
    assert variable in (error.detail or "")
    with closing(Models(Settings(_env_file=None), demo.base_url)) as models:
        assert end(await make_lab(models).run(demo_model())).status == "completed"


def test_a_certificate_of_another_name_is_said_as_such() -> None:
    """It does not help to trust its authority."""
    refused = ssl.SSLCertVerificationError(1, "mismatch")
    refused.verify_code, refused.verify_message = 62, "Hostname mismatch"
    error = httpx2.ConnectError("no")
    error.__cause__ = refused
    assert (classify(error).code, classify(error).detail) == ("certificate", "Hostname mismatch")
