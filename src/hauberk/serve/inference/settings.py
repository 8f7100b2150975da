"""What `[inference]` of a home's settings asks for."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from hauberk.errors import UsageError
from hauberk.store import Settings, Table

TOKENS = Path("keys") / "inference-tokens.json"
"""Digests of the tokens of those who may ask; a source's token opens nothing here."""

LISTEN = ("127.0.0.1", 8444)
PER_MINUTE = 6000
AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Inference:
    """Where models are served and within what limits.

    Without `certificate` and `key` the console's are used, unless `tls` is off, which is for
    loopback alone. `per_minute` is records a client and minute; `at_once` requests that are judged
    at one time.
    """

    listen: tuple[str, int] = LISTEN
    tls: bool = True
    certificate: Path | None = None
    key: Path | None = None
    per_minute: int = PER_MINUTE
    at_once: int = AT_ONCE

    @property
    def address(self) -> str:
        """Host and port as a URL has them."""
        host, port = self.listen
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_inference(settings: Settings, listen: str | None = None) -> Inference | None:
    """What the settings ask for; None without `[inference]`, unless `listen` is given.

    Raises UsageError naming file, line, key and what was expected.
    """
    table = settings.table("inference")
    table.only("on", "listen", "tls", "certificate", "key", "per_minute", "at_once")
    asked = "inference" in settings.top and table.flag("on", default=True)
    if not asked and listen is None:
        return None
    certificate, key = _file(table, "certificate"), _file(table, "key")
    if (certificate is None) != (key is None):
        raise UsageError("certificate and key go together", where=table.where())
    text = listen or table.text("listen", "HOST:PORT", "{}:{}".format(*LISTEN))
    found = Inference(
        listen=read_listen(text, "--listen" if listen else table.where("listen")),
        tls=table.flag("tls", default=True),
        certificate=certificate,
        key=key,
        per_minute=table.whole("per_minute", PER_MINUTE, least=1, most=10**7),
        at_once=table.whole("at_once", AT_ONCE, least=1, most=64),
    )
    if not found.tls and not _near(found.listen[0]):
        raise UsageError(
            "without TLS it listens on loopback alone",
            where=table.where("tls"),
            hint="Take `tls = false` away, or listen at 127.0.0.1",
        )
    return found


def read_listen(text: str, where: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. Raises UsageError."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise UsageError(f"{text!r} is no address", where=where, hint="Expected HOST:PORT")
    return host, int(port)


def _file(table: Table, key: str) -> Path | None:
    if key not in table:
        return None
    path = table.file_path(key)
    if not path.is_file():
        raise UsageError(f"{key}: there is no file {path}", where=table.where(key))
    return path


def _near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
