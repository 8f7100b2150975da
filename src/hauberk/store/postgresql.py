"""PostgreSQL for a home's databases: where it is, how it is reached, and who may write.

One database serves many homes: each has schemas of its own, named for an id that its folder keeps.
Whoever writes holds an advisory lock, taken by the very connection that writes. The lock is
therefore held as long as a transaction of this writer can still end, and not a moment longer: a
process that was killed, also in the midst of `COMMIT`, leaves the next one a settled state.
"""

import hashlib
import ipaddress
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from hauberk.errors import HomeBusyError, UnreachableError, UsageError

from .durable import sync_folders
from .settings import Table, load_settings

if TYPE_CHECKING:
    from psycopg import Connection

URL = "HAUBERK_DATABASE_URL"
"""Names the server where the settings do not."""

MARKER = "records.postgresql"
"""A file of the home: the id by which its schemas are named."""

CONNECT_SECONDS = 10
LOCK_SECONDS = 5.0
"""How long a writer that was killed may take to be noticed by the server."""

_SCHEME = re.compile(r"postgres(?:ql)?(?:\+psycopg)?://", re.IGNORECASE)
_ID = re.compile(r"[0-9a-f]{16}")
_GONE = ("08", "57P01", "57P02", "57P03")
"""SQLSTATEs of a server that is no longer there, or not yet."""


class Patience(Protocol):
    """What a process does that would rather wait for its database than end; of any thread."""

    def gone(self, error: UnreachableError) -> bool:
        """The server is not there. Waits a while; whether to try again."""
        ...

    def back(self) -> None:
        """It is there again."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL database, and how to reach it. Passwords are in no text of it."""

    parameters: Mapping[str, str] = field(repr=False)  # as libpq names them
    label: str

    def connect(self, schema: str | None, *, writes: bool) -> "Connection[Any]":
        """A connection of the driver's, to one schema or to none. Raises UnreachableError."""
        psycopg = _driver()
        try:
            connection: Connection[Any] = psycopg.connect(
                **self.parameters,
                connect_timeout=CONNECT_SECONDS,
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
                tcp_user_timeout=60_000,
                application_name=f"hauberk {socket.gethostname()[:24]} {os.getpid()}",
                autocommit=True,
            )
            connection.execute(
                # A commit is durable when it ends, whatever the cluster holds to be usual.
                "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
                " WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)"
            )
            if schema is not None:
                connection.execute("SELECT set_config('search_path', %s, false)", (schema,))
        except psycopg.Error as error:
            raise self.unreachable(error) from None  # its text may hold more than it should
        connection.autocommit = False
        if not writes:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return connection

    def unreachable(self, error: BaseException) -> UnreachableError:
        """The error that says so, without the password."""
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        password = self.parameters.get("password")
        if password:
            said = said.replace(password, "…")
        return UnreachableError(
            f"the database cannot be reached: {said[:300]}",
            where=self.label,
            hint="What was committed is kept; run the same command again when it can be",
        )


def is_gone(error: BaseException) -> bool:
    """Whether this error says that the server, or the way to it, is no longer there."""
    if isinstance(error, UnreachableError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(_GONE)


def _driver() -> Any:  # the module; it is an extra
    try:
        import psycopg  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "PostgreSQL needs psycopg, which is not installed",
            hint="pip install 'hauberk[postgres]'",
        ) from error
    return psycopg


def server_of(home: Path) -> Server | None:
    """The server that settings or environment name for a home; None where neither does.

    Raises UsageError naming what is wrong, never the password.
    """
    settings = load_settings(home)
    table = settings.table("database")
    table.only("url", "passfile")
    if "url" in table:
        server = read_server(table.secret("url"), f"{table.where('url')}, url", table)
        if settings.exposed and isinstance(table.values["url"], str) and server.has_password:
            raise UsageError(
                "others than its owner may read the password in it",
                where=str(settings.path),
                hint=f"chmod 600 {settings.path}",
            )
        return server.server
    url = os.environ.get(URL)
    return read_server(url, URL, table).server if url else None


@dataclass(frozen=True, slots=True)
class _Read:
    server: Server
    has_password: bool


def read_server(url: str, where: str, table: Table | None = None) -> _Read:
    """The server of a URL as libpq takes it. Raises UsageError."""
    if not _SCHEME.match(url):
        raise UsageError(
            "this is no URL of PostgreSQL", where=where,
            hint="Expected postgresql+psycopg://USER@HOST:PORT/DATABASE",
        )  # fmt: skip
    psycopg = _driver()
    try:
        found = psycopg.conninfo.conninfo_to_dict("postgresql://" + _SCHEME.sub("", url, count=1))
    except psycopg.Error:
        # What libpq says of it quotes it.
        raise UsageError("this URL cannot be read", where=where) from None
    parameters = {name: str(value) for name, value in found.items() if value is not None}
    for name in ("options", "service", "application_name"):
        if name in parameters:
            raise UsageError(f"{name} cannot be given in the URL", where=where)
    hosts = parameters.get("host") or parameters.get("hostaddr") or os.environ.get("PGHOST", "")
    if "sslmode" not in parameters and not all(map(_is_near, hosts.split(","))):
        parameters["sslmode"] = "verify-full"
    trusted = Path("~/.postgresql/root.crt").expanduser()
    if (
        parameters.get("sslmode") == "verify-full"
        and "sslrootcert" not in parameters
        and not os.environ.get("PGSSLROOTCERT")
        and not trusted.exists()
    ):
        parameters["sslrootcert"] = "system"
    if table is not None and "passfile" in table:
        parameters["passfile"] = str(_private(table.file_path("passfile"), table))
    user = parameters.get("user") or os.environ.get("PGUSER", "")
    at = f"{user}@" if user else ""
    port = f":{parameters['port']}" if "port" in parameters else ""
    name = parameters.get("dbname", user)
    label = f"postgresql://{at}{hosts or 'local'}{port}/{name}"
    return _Read(Server(parameters, label), bool(parameters.get("password")))


def _private(path: Path, table: Table) -> Path:
    """A file of passwords; libpq would pass over one that others may read, without an error."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise table.wrong("passfile", "a file in libpq's format (.pgpass)") from error
    if os.name == "posix" and mode & 0o077:
        raise UsageError(
            f"passfile: others than its owner may read {path}",
            where=table.where("passfile"), hint=f"chmod 600 {path}",
        )  # fmt: skip
    return path


def _is_near(host: str) -> bool:
    """Whether the way to a host leaves no machine: a socket's folder, or a loopback address."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def id_of(home: Path) -> str | None:
    """The id by which the schemas of a home are named; None where it has none in PostgreSQL."""
    try:
        text = (home / MARKER).read_text("utf-8", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(home / MARKER)) from error
    if not _ID.fullmatch(text):
        raise UsageError("this is no id of a home", where=str(home / MARKER))
    return text


def make_id(home: Path, made: str | None = None) -> str:
    """Note in the folder that the home's databases are in PostgreSQL; its (new) id."""
    made = made or secrets.token_hex(8)
    path = home / MARKER
    part = path.with_name(f".{MARKER}.part")
    part.write_text(f"{made}\n", "utf-8")
    part.chmod(0o600)
    part.replace(path)
    sync_folders([path], home)
    return made


def schema_of(home: Path, begins: str) -> "Schema | None":
    """The schema of a home whose name begins so; None where the home is not in PostgreSQL.

    Raises UsageError where it is, and nothing says on which server.
    """
    home_id = id_of(home)
    return None if home_id is None else Schema(required_server(home), f"{begins}_{home_id}")


def required_server(home: Path) -> Server:
    """The server of a home that is in PostgreSQL. Raises UsageError where none is named."""
    server = server_of(home)
    if server is None:
        raise UsageError(
            "the records of this home are in PostgreSQL, and nothing says where",
            where=str(home),
            hint=f"Name it: url in [database] of hauberk.toml, or {URL}",
        )
    return server


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one home in a database that homes share."""

    server: Server
    name: str

    @property
    def label(self) -> str:
        """Where it is, for people."""
        return f"{self.server.label}, schema {self.name}"

    @property
    def lock_key(self) -> int:
        """The number of its advisory lock: 64 bits, signed."""
        digest = hashlib.sha256(self.name.encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def make(self) -> None:
        """Make it where it is missing. Raises UsageError where the role may not."""
        psycopg = _driver()
        with self.server.connect(None, writes=True) as connection:
            found = connection.execute("SELECT to_regnamespace(%s)", (self.name,)).fetchone()
            if found is not None and found[0] is not None:
                return
            name = psycopg.sql.Identifier(self.name)
            try:
                connection.execute(psycopg.sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
            except psycopg.errors.InsufficientPrivilege as error:
                raise UsageError(
                    f"the role may not make the schema {self.name}",
                    where=self.server.label,
                    hint="GRANT CREATE ON DATABASE to it",
                ) from error

    def reading_engine(self, patience: Patience | None = None) -> Engine:
        """Connections that see one state from first query to last, and change nothing."""
        return _engine(
            lambda: self.server.connect(self.name, writes=False), patience, size=5, more=40
        )

    def writing_engine(self, patience: Patience | None = None) -> Engine:
        """Connections that write; they may be several."""
        return _engine(
            lambda: self.server.connect(self.name, writes=True), patience, size=5, more=40
        )

    def locking_engine(self, patience: Patience | None = None) -> Engine:
        """The one connection that writes, and locks the schema against every other such one.

        Raises HomeBusyError, of whichever call it is that connects, where another process holds
        it.
        """

        def connect() -> "Connection[Any]":
            connection = self.server.connect(self.name, writes=True)
            try:
                self._lock(connection)
            except BaseException as error:
                connection.close()
                if isinstance(error, _driver().Error):
                    raise self.server.unreachable(error) from None
                raise
            return connection

        return _engine(connect, patience, size=1, more=0)

    def _lock(self, connection: "Connection[Any]") -> None:
        until = time.monotonic() + LOCK_SECONDS
        connection.autocommit = True
        while True:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (self.lock_key,)).fetchone()
            if row is not None and row[0]:
                break
            if time.monotonic() > until:
                who = connection.execute(
                    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                    " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
                    " AND (l.classid::bigint << 32 | l.objid::bigint) = %s",
                    (self.lock_key,),
                ).fetchone()
                raise HomeBusyError(
                    f"{who[0] if who else 'another process'} works in this home",
                    where=self.label,
                    hint="Wait for it to end. If it works in a copy of this home, the copy needs"
                    " records of its own (docs/database.md)",
                )
            time.sleep(0.05)
        connection.autocommit = False


def _engine(
    connect: "Callable[[], Connection[Any]]", patience: Patience | None, *, size: int, more: int
) -> Engine:
    lost = False

    def creator() -> "Connection[Any]":
        nonlocal lost
        while True:
            try:
                made = connect()
            except UnreachableError as error:
                if patience is None or not patience.gone(error):
                    raise
                lost = True
                continue
            if lost and patience is not None:
                lost = False
                patience.back()
            return made

    return create_engine(
        "postgresql+psycopg://",
        creator=creator,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=more,
        pool_pre_ping=True,
        hide_parameters=True,
    )
