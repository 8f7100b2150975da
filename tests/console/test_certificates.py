"""The private CA: what it vouches for, who may read its key, and a real TLS handshake."""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hauberk.console.certificates import RENEW_DAYS, SERVER_DAYS, certificate_for
from hauberk.console.private_files import make_private_folder
from hauberk.console.serving import ServeOptions, names_of, read_listen
from hauberk.errors import UsageError

NAMES = ["localhost", "127.0.0.1", "::1"]
NOW = datetime.now(UTC)


def shaken(folder: Path, trusted: Path, name: str) -> str:
    """What a client that trusts the CA says of a server with this certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    client = ssl.create_default_context(cafile=str(trusted))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(ours, server_side=True).close()
        except OSError:
            ours.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(theirs, server_hostname=name):
            return "fine"
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        theirs.close()
        thread.join()


def test_a_browser_that_trusts_the_ca_trusts_the_console(tmp_path: Path) -> None:
    folder = make_private_folder(tmp_path / "console")
    made = certificate_for(folder, NAMES, NOW)
    assert [shaken(folder, made.ca, name) for name in NAMES] == ["fine"] * 3
    assert "mismatch" in shaken(folder, made.ca, "example.org")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_the_ca_can_vouch_for_no_other_site(tmp_path: Path) -> None:
    folder = make_private_folder(tmp_path / "console")
    made = certificate_for(folder, NAMES, NOW)
    from cryptography import x509  # noqa: PLC0415

    from hauberk.console import certificates  # noqa: PLC0415

    ca = x509.load_pem_x509_certificate(made.ca.read_bytes())
    certificates._make_server(folder, ca, ["bank.example"], NOW)
    assert shaken(folder, made.ca, "bank.example") == "permitted subtree violation"


def test_certificates_are_kept_renewed_and_made_anew_for_new_names(tmp_path: Path) -> None:
    folder = make_private_folder(tmp_path / "console")
    first = certificate_for(folder, NAMES, NOW)
    chain = first.chain.read_bytes()
    assert certificate_for(folder, NAMES, NOW).chain.read_bytes() == chain
    soon = NOW + timedelta(days=SERVER_DAYS - RENEW_DAYS + 1)
    renewed = certificate_for(folder, NAMES, soon)
    assert renewed.chain.read_bytes() != chain
    assert renewed.fingerprint == first.fingerprint
    other = certificate_for(folder, [*NAMES, "soc.example"], NOW)
    assert other.fingerprint != first.fingerprint
    assert shaken(folder, other.ca, "soc.example") == "fine"


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    folder = make_private_folder(tmp_path / "console")
    made = certificate_for(folder, NAMES, NOW)
    made.key.chmod(0o644)
    with pytest.raises(UsageError, match="others than its owner"):
        certificate_for(folder, NAMES, NOW)


@pytest.mark.parametrize("text", ["8443", ":8443", "host:", "host:0", "host:70000", "host:\u0661"])
def test_what_names_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        read_listen(text)


def test_a_console_is_known_by_the_names_of_where_it_listens(tmp_path: Path) -> None:
    assert names_of(ServeOptions(tmp_path)) == NAMES
    assert names_of(ServeOptions(tmp_path, "10.0.0.5", names=["SOC.example"])) == [
        "soc.example", "10.0.0.5",
    ]  # fmt: skip
    assert read_listen("[::1]:8443") == ("::1", 8443)
