"""The certificate that models are served with: one's own, or the console's."""

import ssl
from datetime import datetime
from importlib import import_module
from pathlib import Path

from hauberk.errors import UsageError

from .settings import Inference

_FOLDER = "console"
_LOCAL = ("localhost", "127.0.0.1", "::1")


def context_for(
    home: Path, asked: Inference, now: datetime
) -> tuple[ssl.SSLContext | None, Path | None]:
    """The context of TLS (None without it), and the CA to trust. Raises UsageError."""
    if not asked.tls:
        return None, None
    if asked.certificate is not None and asked.key is not None:
        return _context(asked.certificate, asked.key), None
    folder = home / _FOLDER
    if not (folder / "server.pem").is_file():
        _make(folder, now)
    return _context(folder / "server.pem", folder / "server.key"), folder / "ca.pem"


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the certificate cannot be used: {error.strerror or error}", where=str(certificate)
        ) from error
    return context


def _make(folder: Path, now: datetime) -> None:
    """Make the console's, as its first start would; it is kept, so that all trust one CA."""
    try:
        certificates = import_module("hauberk.console.certificates")
        files = import_module("hauberk.console.private_files")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hauberk"):
            raise
        raise UsageError(
            "there is no certificate, and to make one needs the extra `console`",
            hint="Name certificate and key in [inference] of hauberk.toml",
        ) from error
    certificates.certificate_for(files.make_private_folder(folder), _LOCAL, now)
