"""The sources file: what `hauberk watch` listens to and follows, and what each owes (TOML)."""

import ipaddress
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from hauberk.errors import UsageError
from hauberk.ingest.known_formats import installed_formats

MAX_FILE = 1 << 20
RESERVED = "hauberk"
"""The folder of the spool in which Hauberk writes what it has to say of sources."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
_SPAN = re.compile(r"(\d{1,6})([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Kind(StrEnum):
    """How records of a source come."""

    FOLDER = "folder"
    SYSLOG = "syslog"
    HTTP = "http"


class Transport(StrEnum):
    """How syslog messages come."""

    UDP = "udp"  # RFC 5426; what does not fit is lost and counted
    TCP = "tcp"  # RFC 6587
    TLS = "tls"  # RFC 5425


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a listener: its certificate and key, and who may sign its clients' certificates."""

    certificate: Path
    key: Path
    clients: Path | None = None  # given, no client without a certificate is let in


@dataclass(frozen=True, slots=True)
class Contract:
    """What a source owes; None asks for nothing. `silence` in seconds."""

    formats: frozenset[str] | None = None
    min_per_hour: int | None = None
    max_per_hour: int | None = None
    silence: float | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One source: `path` for a folder, `address` (host, port) and the rest for a listener."""

    name: str
    kind: Kind
    path: Path | None = None
    address: tuple[str, int] | None = None
    transport: Transport | None = None
    tls: Tls | None = None
    contract: Contract = Contract()

    @property
    def on_loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        return self.address is not None and is_loopback(self.address[0])

    @property
    def where(self) -> str:
        """Its folder or address, for people."""
        if self.address is None:
            return str(self.path)
        host = f"[{self.address[0]}]" if ":" in self.address[0] else self.address[0]
        return f"{self.transport or ('https' if self.tls else 'http')}://{host}:{self.address[1]}"


@dataclass(frozen=True, slots=True)
class Sources:
    """A whole file. `max_spool` in bytes."""

    sources: tuple[Source, ...]
    max_spool: int = 2 << 30

    def of(self, *kinds: Kind) -> list[Source]:
        """The sources of these kinds."""
        return [one for one in self.sources if one.kind in kinds]


def is_loopback(host: str) -> bool:
    """Whether an address to bind to is this machine's own."""
    return host == "localhost" or _address(host).is_loopback


def read_sources(path: Path) -> Sources:
    """Read and check a sources file. Raises UsageError naming file, key and what was expected."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        if len(data) > MAX_FILE:
            raise ValueError(f"more than {MAX_FILE} bytes")
        text = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is no TOML: {error}", where=str(path)) from error
    top = _Table(text, str(path), path.resolve().parent)
    top.only("source", "spool")
    spool = top.table("spool")
    spool.only("megabytes")
    megabytes = spool.number("megabytes") or 2048
    entries = text.get("source")
    if not isinstance(entries, list) or not entries:
        raise top.wrong("source", "at least one [[source]]")
    found = []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise top.wrong("source", "a list of tables: [[source]]")
        named = entry.get("name") if isinstance(entry.get("name"), str) else number
        found.append(_source(_Table(entry, f"{path}: source {named}", top.beside)))
    _check_together(found, str(path))
    return Sources(tuple(found), megabytes << 20)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the file, where it stands, and the folder that its paths are relative to."""

    values: Mapping[str, Any]  # as TOML has it; every reading checks the type
    where: str
    beside: Path

    def wrong(self, key: str, expected: str) -> UsageError:
        what = f"{key} is {self.values[key]!r:.80}" if key in self.values else f"{key} is missing"
        return UsageError(what, where=self.where, hint=f"Expected {expected}")

    def only(self, *keys: str) -> None:
        for key in self.values:
            if key not in keys:
                hint = f"Expected one of {', '.join(keys)}"
                raise UsageError(f"{key} means nothing here", where=self.where, hint=hint)

    def table(self, key: str) -> "_Table":
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return _Table(value, f"{self.where}, {key}", self.beside)

    def text(self, key: str, expected: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, expected)
        return value

    def number(self, key: str) -> int | None:
        value = self.values.get(key)
        if value is not None and (type(value) is not int or not 0 < value < 2**40):
            raise self.wrong(key, "a whole number above 0")
        return value

    def file(self, key: str, expected: str) -> Path:
        found = self.beside / Path(self.text(key, expected)).expanduser()
        if not found.is_file():
            raise UsageError(f"{key}: there is no file {found}", where=self.where)
        return found


def _source(table: _Table) -> Source:
    name = table.text("name", "a name of small letters, digits and hyphens")
    if not _NAME.match(name) or name == RESERVED:
        raise table.wrong("name", f"1 to 40 small letters, digits and hyphens, not {RESERVED!r}")
    try:
        kind = Kind(table.text("kind", "one of folder, syslog, http"))
    except ValueError:
        raise table.wrong("kind", "one of folder, syslog, http") from None
    contract = _contract(table.table("contract"))
    if kind is Kind.FOLDER:
        table.only("name", "kind", "path", "contract")
        path = table.beside / Path(table.text("path", "a folder or file")).expanduser()
        if not path.exists():
            raise UsageError(f"path: there is no folder or file {path}", where=table.where)
        return Source(name, kind, path=path, contract=contract)
    allowed = ["name", "kind", "listen", "tls", "contract"]
    table.only(*allowed, *(["transport"] if kind is Kind.SYSLOG else []))
    tls = _tls(table.table("tls")) if "tls" in table.values else None
    source = Source(
        name, kind, address=_listen(table), transport=_transport(table, kind), tls=tls,
        contract=contract,
    )  # fmt: skip
    _check_tls(source, table)
    return source


def _check_tls(source: Source, table: _Table) -> None:
    expected = "a table with certificate and key"
    if source.kind is Kind.SYSLOG and (source.transport is Transport.TLS) != (
        source.tls is not None
    ):
        raise table.wrong("tls", expected if source.tls is None else "no tls without transport tls")
    if source.kind is Kind.HTTP and source.tls is None and not source.on_loopback:
        raise table.wrong("tls", f"{expected}: without it, HTTP listens on loopback alone")


def _transport(table: _Table, kind: Kind) -> Transport | None:
    if kind is not Kind.SYSLOG:
        return None
    try:
        return Transport(table.text("transport", "one of udp, tcp, tls"))
    except ValueError:
        raise table.wrong("transport", "one of udp, tcp, tls") from None


def _listen(table: _Table) -> tuple[str, int]:
    expected = 'an address and a port, such as "127.0.0.1:6514" or "[::]:6514"'
    host, _, port = table.text("listen", expected).rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        if host != "localhost":
            _address(host)
        number = int(port) if port.isascii() and port.isdigit() else -1
    except ValueError:
        number = -1
    if not 0 <= number < 65536:
        raise table.wrong("listen", expected)
    return host, number


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(host)


def _tls(table: _Table) -> Tls:
    table.only("certificate", "key", "clients")
    clients = table.file("clients", "a PEM file") if "clients" in table.values else None
    return Tls(table.file("certificate", "a PEM file"), table.file("key", "a PEM file"), clients)


def _contract(table: _Table) -> Contract:
    table.only("formats", "min_per_hour", "max_per_hour", "silence")
    formats = table.values.get("formats")
    known = sorted(installed_formats())
    if formats is not None and (
        not isinstance(formats, list) or not formats or not all(one in known for one in formats)
    ):
        raise table.wrong("formats", f"a list of formats out of {', '.join(known)}")
    low, high = table.number("min_per_hour"), table.number("max_per_hour")
    if low and high and low > high:
        raise table.wrong("min_per_hour", f"no more than max_per_hour ({high})")
    silence = None
    if "silence" in table.values:
        span = _SPAN.match(table.text("silence", 'a span such as "15m"'))
        if span is None or int(span[1]) == 0:
            raise table.wrong("silence", 'a number and s, m, h or d, such as "15m"')
        silence = float(int(span[1]) * _SECONDS[span[2]])
    return Contract(None if formats is None else frozenset(formats), low, high, silence)


def _check_together(found: Sequence[Source], where: str) -> None:
    names: set[str] = set()
    listeners: dict[tuple[bool, tuple[str, int]], Source] = {}
    for one in found:
        if one.name in names:
            raise UsageError(f"two sources are named {one.name}", where=where)
        names.add(one.name)
        if one.address is None or one.address[1] == 0:
            continue
        key = (one.transport is Transport.UDP, one.address)
        other = listeners.setdefault(key, one)
        shared = one.kind is other.kind is Kind.HTTP and one.tls == other.tls
        if other is not one and not shared:
            raise UsageError(
                f"{other.name} and {one.name} listen at one address",
                where=where,
                hint="Only HTTP sources with the same tls can share one",
            )
