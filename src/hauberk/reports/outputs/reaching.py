"""How receivers are reached: addresses, TLS, and secrets that are read when they are needed.

No secret goes over a network in the clear: where it would, the settings are refused.
"""

import ipaddress
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hauberk.errors import UsageError
from hauberk.store import Table

Secret = Callable[[], str]
"""Reads a secret anew, so that one that was replaced is used. Raises UsageError."""

SECONDS = 30.0
"""Longest that a receiver may take to answer."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})\Z")


@dataclass(frozen=True, slots=True)
class Tls:
    """Files by which both sides are known: `ca` signs theirs; ours, where it asks for one."""

    ca: Path | None = None  # None: those that the system trusts
    certificate: Path | None = None
    key: Path | None = None

    def context(self, where: str) -> ssl.SSLContext:
        """TLS 1.2 or later, by which certificate and name are checked. Raises UsageError."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key, password=_no_passphrase)
        except (ssl.SSLError, OSError, ValueError) as error:
            said = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise UsageError(
                f"ca, certificate or key cannot be used: {said}", where=where,
                hint="Expected PEM files; the key without a passphrase",
            ) from error  # fmt: skip
        return context


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")


def read_tls(table: Table) -> Tls:
    """The `tls` of an output, which may be left out. Raises UsageError."""
    tls = table.table("tls")
    tls.only("ca", "certificate", "key")
    files = {one: tls.file_path(one, "a PEM file") if one in tls else None for one in
             ("ca", "certificate", "key")}  # fmt: skip
    if (files["certificate"] is None) != (files["key"] is None):
        raise tls.wrong("key" if files["certificate"] else "certificate", "a certificate, its key")
    return Tls(**files)


def read_secret(table: Table, key: str, expected: str) -> Secret | None:
    """A secret of an output, None where it has none. Raises UsageError where it is not there."""
    if key not in table:
        return None
    table.secret(key, expected)
    return lambda: table.secret(key, expected)


def read_address(table: Table, key: str) -> tuple[str, int]:
    """Host and port of a receiver. Raises UsageError."""
    expected = 'HOST:PORT, such as "siem.example.org:6514"'
    found = _HOST.match(table.text(key, expected))
    if found is None or not 0 < int(found[2]) < 65536:
        raise table.wrong(key, expected)
    return found[1].strip("[]"), int(found[2])


def is_near(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
