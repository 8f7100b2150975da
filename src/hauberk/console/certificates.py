"""The console's private CA and server certificate (RFC 5280), made at the first run.

The CA may sign for the console's own names and for nothing else (name constraints, marked
critical), so that whoever trusts it in a browser trusts it with no other site.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hauberk.errors import UsageError

from .private_files import read_private, write_private

CA_DAYS = 3650
SERVER_DAYS = 397
RENEW_DAYS = 30
CA, CA_KEY = "ca.pem", "ca.key"
SERVER, SERVER_KEY = "server.pem", "server.key"


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """Files that a TLS server needs, and the CA that browsers may be told to trust."""

    chain: Path
    key: Path
    ca: Path
    fingerprint: str  # SHA-256 of the CA's certificate, hex


def certificate_for(folder: Path, names: Sequence[str], now: datetime) -> ServerCertificate:
    """The certificate for these names (hosts or addresses), renewed where it ends soon.

    A new name needs a new CA, for the old one is not allowed to sign for it. Raises UsageError.
    """
    ca = _stored(folder / CA)
    wanted = set(names)
    if ca is None or not _lasts(ca, now) or not wanted <= _permitted(ca):
        ca = _make_ca(folder, names, now)
        server = None
    else:
        server = _stored(folder / SERVER)
    if server is None or not _lasts(server, now) or not wanted <= _names(server):
        _make_server(folder, ca, names, now)
    read_private(folder / SERVER_KEY)
    print_of_ca = ca.fingerprint(hashes.SHA256()).hex()
    return ServerCertificate(folder / SERVER, folder / SERVER_KEY, folder / CA, print_of_ca)


def _stored(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"this is no certificate: {error}", where=str(path), hint="Remove it: it is made anew"
        ) from error


def _lasts(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc > now + timedelta(days=RENEW_DAYS)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _network(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError:
        return x509.DNSName(name)


def _names(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(one.value) for one in names}


def _permitted(ca: x509.Certificate) -> set[str]:
    trees = ca.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
    return {str(one.value).removesuffix("/32").removesuffix("/128") for one in trees or ()}


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _make_ca(folder: Path, names: Sequence[str], now: datetime) -> x509.Certificate:
    key = _new_key(folder / CA_KEY)
    name = _name(f"Hauberk console CA {now:%Y-%m-%d}")
    ca = (
        _begin(name, name, key.public_key(), now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints([_network(one) for one in names], None), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_private(folder / CA, ca.public_bytes(Encoding.PEM))
    return ca


def _make_server(folder: Path, ca: x509.Certificate, names: Sequence[str], now: datetime) -> None:
    ca_key = load_pem_private_key(read_private(folder / CA_KEY), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise UsageError("this is no key of the console's CA", where=str(folder / CA_KEY))
    key = _new_key(folder / SERVER_KEY)
    server = (
        _begin(_name(names[0]), ca.subject, key.public_key(), now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([_general(one) for one in names]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    chain = server.public_bytes(Encoding.PEM) + ca.public_bytes(Encoding.PEM)
    write_private(folder / SERVER, chain)


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(
        path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )  # fmt: skip
    return key
