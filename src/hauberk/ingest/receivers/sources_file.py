"""The sources file: what `hauberk watch` listens to and follows, and what each owes (TOML)."""

import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from hauberk.errors import UsageError
from hauberk.ingest.interface import Framing
from hauberk.ingest.known_formats import installed_formats
from hauberk.store import SETTINGS, read_settings

from .bus_settings import Kafka, Nats, kafka, nats
from .tables import Table

MAX_FILE = 1 << 20
RESERVED = "hauberk"
"""The folder of the spool in which Hauberk writes what it has to say of sources."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
_SPAN = re.compile(r"(\d{1,6})([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Kind(StrEnum):
    """How records of a source come."""

    FOLDER = "folder"
    WEF = "wef"  # the files of a collector of forwarded Windows events
    SYSLOG = "syslog"
    HTTP = "http"
    NATS = "nats"  # a JetStream consumer
    KAFKA = "kafka"


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
    """One source: `path` for a folder, `address` (host, port) and the rest for a listener.

    Of a bus, `bus` says how it is reached, and `format` what its records are, where that is agreed.
    """

    name: str
    kind: Kind
    path: Path | None = None
    address: tuple[str, int] | None = None
    transport: Transport | None = None
    tls: Tls | None = None
    contract: Contract = Contract()
    bus: Nats | Kafka | None = None
    format: str | None = None

    @property
    def on_loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        return self.address is not None and is_loopback(self.address[0])

    @property
    def where(self) -> str:
        """Its folder or address, for people."""
        if self.bus is not None:
            return self.bus.where
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
    """Read and check a sources file. Raises UsageError naming file, key and what was expected.

    Of a home's settings (`hauberk.toml`) the tables of sources are read, and no others.
    """
    if path.name == SETTINGS:
        top = read_settings(path).top.values
        mine = {name: top[name] for name in ("source", "sources", "spool") if name in top}
        return sources_of(mine, str(path), path.resolve().parent)
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
    return sources_of(text, str(path), path.resolve().parent)


def sources_of(values: Mapping[str, Any], where: str, beside: Path) -> Sources:
    """The sources of a settings table: `[sources.NAME]` or `[[source]]`, and `[spool]`.

    `where` names the file in errors, `beside` is the folder that paths are relative to. Raises
    UsageError.
    """
    top = Table(values, where, beside)
    top.only("source", "sources", "spool")
    spool = top.table("spool")
    spool.only("megabytes")
    megabytes = spool.number("megabytes") or 2048
    found = [_source(one) for one in _entries(top)]
    if not found:
        raise top.wrong("source", "at least one [[source]] or [sources.NAME]")
    _check_together(found, where)
    return Sources(tuple(found), megabytes << 20)


def _entries(top: Table) -> Iterator[Table]:
    listed = top.values.get("source", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise top.wrong("source", "a list of tables: [[source]]")
    for number, entry in enumerate(listed, start=1):
        named = entry.get("name") if isinstance(entry.get("name"), str) else number
        yield Table(entry, f"{top.where}: source {named}", top.beside)
    for name, entry in top.table("sources").values.items():
        if not isinstance(entry, dict) or "name" in entry:
            raise top.wrong("sources", f"a table without a name of its own: [sources.{name}]")
        yield Table({"name": name, **entry}, f"{top.where}: sources.{name}", top.beside)


def _source(table: Table) -> Source:
    name = table.text("name", "a name of small letters, digits and hyphens")
    if not _NAME.match(name) or name == RESERVED:
        raise table.wrong("name", f"1 to 40 small letters, digits and hyphens, not {RESERVED!r}")
    expected = f"one of {', '.join(Kind)}"
    try:
        kind = Kind(table.text("kind", expected))
    except ValueError:
        raise table.wrong("kind", expected) from None
    contract = _contract(table.table("contract"))
    if kind in (Kind.FOLDER, Kind.WEF):
        table.only("name", "kind", "path", "contract")
        path = table.beside / Path(table.text("path", "a folder or file")).expanduser()
        if not path.exists():
            raise UsageError(f"path: there is no folder or file {path}", where=table.where)
        return Source(name, kind, path=path, contract=contract)
    if kind in (Kind.NATS, Kind.KAFKA):
        read = nats if kind is Kind.NATS else kafka
        return Source(
            name, kind, contract=contract, bus=read(table, name, ["name", "kind", "contract"]),
            format=_format(table),
        )  # fmt: skip
    allowed = ["name", "kind", "listen", "tls", "contract"]
    table.only(*allowed, *(["transport"] if kind is Kind.SYSLOG else []))
    tls = _tls(table.table("tls")) if "tls" in table.values else None
    source = Source(
        name, kind, address=_listen(table), transport=_transport(table, kind), tls=tls,
        contract=contract,
    )  # fmt: skip
    _check_tls(source, table)
    return source


def _format(table: Table) -> str | None:
    if "format" not in table.values:
        return None
    known = sorted(
        name
        for name, one in installed_formats().items()
        if one.framing is Framing.LINES and name != "received"
    )
    expected = f"one of {', '.join(known)}"
    found = table.text("format", expected)
    if found not in known:
        raise table.wrong("format", expected)
    return found


def _check_tls(source: Source, table: Table) -> None:
    expected = "a table with certificate and key"
    if source.kind is Kind.SYSLOG and (source.transport is Transport.TLS) != (
        source.tls is not None
    ):
        raise table.wrong("tls", expected if source.tls is None else "no tls without transport tls")
    if source.kind is Kind.HTTP and source.tls is None and not source.on_loopback:
        raise table.wrong("tls", f"{expected}: without it, HTTP listens on loopback alone")


def _transport(table: Table, kind: Kind) -> Transport | None:
    if kind is not Kind.SYSLOG:
        return None
    try:
        return Transport(table.text("transport", "one of udp, tcp, tls"))
    except ValueError:
        raise table.wrong("transport", "one of udp, tcp, tls") from None


def _listen(table: Table) -> tuple[str, int]:
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


def _tls(table: Table) -> Tls:
    table.only("certificate", "key", "clients")
    clients = table.file("clients", "a PEM file") if "clients" in table.values else None
    return Tls(table.file("certificate", "a PEM file"), table.file("key", "a PEM file"), clients)


def _contract(table: Table) -> Contract:
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
