"""How a bus is reached: its servers, what is read there, and who we are to it.

Secrets are named by the file that they are in, and never stand in the settings. No secret goes
over a network in the clear: where it would, the settings are refused.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hauberk.errors import UsageError

from .tables import Table

IN_FLIGHT = 5000
"""Messages that a bus may have given out and not heard of, unless the settings say otherwise."""

MAX_IN_FLIGHT = 100_000
MAX_SECRET = 64 << 10
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_WORD = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
_SUBJECT = re.compile(r"[^\s\x00-\x1f\x7f]{1,256}\Z")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}\Z")
_SERVER = re.compile(r"(?:(nats|tls)://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?\Z")
_BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})\Z")


@dataclass(frozen=True, slots=True)
class BusTls:
    """Files by which a bus is known: `ca` signs its certificate; ours, where it asks for one."""

    ca: Path | None = None  # None: those that the system trusts
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class NatsLogin:
    """Who we are to NATS: one of these, or a user and the file of its password."""

    creds: Path | None = None
    nkey: Path | None = None
    token: Path | None = None
    user: str | None = None
    password: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold secrets."""
        return tuple(one for one in (self.creds, self.nkey, self.token, self.password) if one)


@dataclass(frozen=True, slots=True)
class Nats:
    """A durable pull consumer of a JetStream stream."""

    servers: tuple[str, ...]
    stream: str
    durable: str
    subject: str | None = None  # a filter, for a consumer that is not there yet
    in_flight: int = IN_FLIGHT
    login: NatsLogin = NatsLogin()
    tls: BusTls | None = None

    @property
    def where(self) -> str:
        """Its first server and stream, for people."""
        return f"{self.servers[0]}/{self.stream}"

    @property
    def is_near(self) -> bool:
        """Whether all its servers are this machine."""
        return all(_is_near(one, _SERVER, 2) for one in self.servers)

    @property
    def secrets(self) -> tuple[Path, ...]:
        """The files that hold secrets."""
        return self.login.files


@dataclass(frozen=True, slots=True)
class Sasl:
    """Who we are to Kafka."""

    mechanism: str
    user: str
    password: Path


@dataclass(frozen=True, slots=True)
class Kafka:
    """A consumer group of some topics."""

    brokers: tuple[str, ...]
    topics: tuple[str, ...]
    group: str
    in_flight: int = IN_FLIGHT
    sasl: Sasl | None = None
    tls: BusTls | None = None

    @property
    def where(self) -> str:
        """Its first broker and topics, for people."""
        return f"kafka://{self.brokers[0]}/{','.join(self.topics)}"

    @property
    def is_near(self) -> bool:
        """Whether all its brokers are this machine."""
        return all(_is_near(one, _BROKER, 1) for one in self.brokers)

    @property
    def secrets(self) -> tuple[Path, ...]:
        """The files that hold secrets."""
        return () if self.sasl is None else (self.sasl.password,)


def nats(table: Table, name: str, common: Sequence[str]) -> Nats:
    """The settings of a NATS source. Raises UsageError."""
    table.only(*common, "servers", "stream", "durable", "subject", "format", "in_flight",
               "login", "tls")  # fmt: skip
    expected = 'a list of servers such as ["tls://nats.example.org:4222"]'
    servers = table.texts("servers", expected)
    if not all(_SERVER.match(one) for one in servers):
        raise table.wrong("servers", expected)
    tls = _tls(table)
    found = Nats(
        tuple(one if "://" in one else f"nats://{one}" for one in servers),
        _word(table, "stream", None),
        _word(table, "durable", f"hauberk-{name}"),
        _subject(table),
        _in_flight(table),
        _login(table.table("login")),
        tls,
    )
    in_clear = found.login.token or found.login.password
    if in_clear and tls is None and not found.is_near:
        raise table.wrong("tls", "a table: without it, a token or password would go in the clear")
    if tls is None and any(one.startswith("tls://") for one in servers):
        raise table.wrong("tls", "a table, which may be empty ({}), for servers of tls://")
    return found


def kafka(table: Table, name: str, common: Sequence[str]) -> Kafka:
    """The settings of a Kafka source. Raises UsageError."""
    table.only(*common, "brokers", "topics", "group", "format", "in_flight", "sasl", "tls")
    expected = 'a list of brokers such as ["kafka1.example.org:9093"]'
    brokers = table.texts("brokers", expected)
    if not all(_BROKER.match(one) for one in brokers):
        raise table.wrong("brokers", expected)
    expected = "a list of topics by their names: letters, digits, . _ and -"
    topics = table.texts("topics", expected)
    if not all(_TOPIC.match(one) for one in topics) or len(set(topics)) != len(topics):
        raise table.wrong("topics", expected)
    group = table.text("group", "a name") if "group" in table.values else f"hauberk-{name}"
    if not _TOPIC.match(group):
        raise table.wrong("group", "a name of letters, digits, . _ and -")
    tls = _tls(table)
    sasl = _sasl(table.table("sasl")) if "sasl" in table.values else None
    found = Kafka(brokers, topics, group, _in_flight(table), sasl, tls)
    in_clear = sasl is not None and sasl.mechanism == "PLAIN"
    if in_clear and tls is None and not found.is_near:
        raise table.wrong("tls", "a table: without it, the password would go in the clear")
    return found


def secret(path: Path) -> str:
    """What a file of a secret holds, without white space around it. Raises UsageError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SECRET + 1)
        if len(data) > MAX_SECRET:
            raise ValueError(f"more than {MAX_SECRET} bytes")
        found = data.decode("utf-8").strip()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"the secret cannot be read: {said}", where=str(path)) from error
    if not found:
        raise UsageError("the file of a secret is empty", where=str(path))
    return found


def _word(table: Table, key: str, default: str | None) -> str:
    if default is not None and key not in table.values:
        return default
    expected = "a name of letters, digits, _ and -"
    found = table.text(key, expected)
    if not _WORD.match(found):
        raise table.wrong(key, expected)
    return found


def _subject(table: Table) -> str | None:
    if "subject" not in table.values:
        return None
    expected = 'a subject such as "logs.>"'
    found = table.text("subject", expected)
    if not _SUBJECT.match(found):
        raise table.wrong("subject", expected)
    return found


def _in_flight(table: Table) -> int:
    found = table.number("in_flight") or IN_FLIGHT
    if found > MAX_IN_FLIGHT:
        raise table.wrong("in_flight", f"at most {MAX_IN_FLIGHT}")
    return found


def _login(table: Table) -> NatsLogin:
    table.only("creds", "nkey", "token", "user", "password")
    files = {
        key: table.file(key, "a file") if key in table.values else None
        for key in ("creds", "nkey", "token", "password")
    }
    user = table.text("user", "a name") if "user" in table.values else None
    if (user is None) != (files["password"] is None):
        raise table.wrong("password" if user else "user", "a user and the file of its password")
    ways = [files["creds"], files["nkey"], files["token"], user]
    if sum(one is not None for one in ways) > 1:
        raise UsageError(
            "there is more than one way to log in",
            where=table.where,
            hint="Expected one of creds, nkey, token, or user and password",
        )
    return NatsLogin(files["creds"], files["nkey"], files["token"], user, files["password"])


def _sasl(table: Table) -> Sasl:
    table.only("mechanism", "user", "password")
    expected = f"one of {', '.join(MECHANISMS)}"
    mechanism = table.text("mechanism", expected)
    if mechanism not in MECHANISMS:
        raise table.wrong("mechanism", expected)
    return Sasl(mechanism, table.text("user", "a name"), table.file("password", "a file"))


def _tls(table: Table) -> BusTls | None:
    if "tls" not in table.values:
        return None
    tls = table.table("tls")
    tls.only("ca", "certificate", "key")
    ca, certificate, key = (
        tls.file(one, "a PEM file") if one in tls.values else None
        for one in ("ca", "certificate", "key")
    )
    if (certificate is None) != (key is None):
        raise tls.wrong("key" if certificate else "certificate", "a certificate and its key")
    return BusTls(ca, certificate, key)


def _is_near(server: str, form: re.Pattern[str], group: int) -> bool:
    """Whether a server is this machine."""
    found = form.match(server)
    host = found[group].strip("[]") if found else ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
