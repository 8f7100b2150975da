"""A PostgreSQL server in a temporary folder, reached by a socket alone, for tests."""

import os
import pwd
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import psycopg

USERS = ("postgres", "nobody")
"""Who the server runs as where the tests run as root, which it refuses."""


def binaries() -> Path | None:
    """Where `initdb` and `postgres` are; None where they are not installed."""
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: one.parts[-3])
    found = shutil.which("initdb")
    return known[-1].parent if known else Path(found).parent if found else None


class PostgresServer:
    """The server, and databases in it that tests have for themselves."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user = self._someone()
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._numbers = count()
        self._run("initdb", "-D", self._data, "-U", "tests", "-A", "trust", "--no-sync",
                  "-E", "UTF8", "--locale=C.UTF-8")  # fmt: skip
        with (self.folder / "data" / "pg_hba.conf").open("r+") as file:
            text = file.read()
            file.seek(0)
            file.write("local with_password all scram-sha-256\n" + text)
        self.start()

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _someone(self) -> pwd.struct_passwd | None:
        if os.geteuid() != 0:
            return None
        known = {one.pw_name: one for one in pwd.getpwall()}
        return next(known[name] for name in USERS if name in known)

    def _run(self, program: str, *arguments: str) -> None:
        user = self._user
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=60,
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
        )  # fmt: skip

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-c listen_addresses= -k {self.folder} -F -c max_connections=60"
        self._run("pg_ctl", "-D", self._data, "-o", options, "-w", "-l",
                  str(self.folder / "log"), "start")  # fmt: skip

    def stop(self) -> None:
        """End it as a power cut does: nothing is finished."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def url(self, database: str, user: str = "tests", password: str = "") -> str:
        """The URL of a database."""
        who = f"{user}:{password}" if password else user
        return f"postgresql+psycopg://{who}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """A connection of the owner of everything."""
        return psycopg.connect(host=str(self.folder), user="tests", dbname=database,
                               autocommit=True)  # fmt: skip

    def database(self, template: str = "template1") -> str:
        """Make a database, empty or a copy of another; its name."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(
                psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    psycopg.sql.Identifier(name), psycopg.sql.Identifier(template)
                )
            )
        return name

    def remove(self) -> None:
        """End it and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
