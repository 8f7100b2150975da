"""A home whose records are on a PostgreSQL server keeps what one with a file keeps."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from hauberk.errors import HomeBusyError, UnreachableError, UsageError
from hauberk.store import Commit, Home, Step, postgresql, verify
from hauberk.store.writer import Writer

FullCommit = Callable[..., Commit]
URL = "HAUBERK_DATABASE_URL"


@pytest.fixture
def database(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of this test's own, which homes are made in."""
    name: str = postgres.database()
    monkeypatch.setenv(URL, postgres.url(name))
    return name


class Patient:
    """Waits for ten seconds at most, and notes what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._until = time.monotonic() + 10

    def gone(self, error: UnreachableError) -> bool:
        self.told.append(str(error))
        time.sleep(0.05)
        return time.monotonic() < self._until

    def back(self) -> None:
        self.told.append("back")


def test_what_is_committed_is_there(home_path: Path, full_commit: FullCommit, engine: str) -> None:
    with Home.open(home_path) as home:
        for name in ("a", "b"):
            home.commit(full_commit(name))
    with Home.open(home_path, read_only=True) as home:
        assert home.lake.count() == 40
        assert home.records.accounting()[0].records == 46
        assert home.records.sources(5)[0].events == 20
        assert [one.uid for one in home.records.each_incident()] == ["i-a", "i-b"]
        assert home.records.incident("i-b") is not None
        assert home.records.findings().height == 4
    assert verify(home_path).ok
    assert (home_path / "records.sqlite3").exists() == (engine == "sqlite")


def test_homes_share_a_database_and_nothing_else(
    tmp_path: Path, full_commit: FullCommit, postgres: Any, database: str
) -> None:
    for name in ("one", "two"):
        with Home.open(tmp_path / name) as home:
            home.commit(full_commit(name))
    for name in ("one", "two"):
        with Home.open(tmp_path / name, read_only=True) as home:
            assert home.records.has_batch(name)
            assert home.lake.count() == 20
        assert verify(tmp_path / name).ok
    with postgres.connect(database) as connection:
        query = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'hauberk\\_%'"
        assert connection.execute(query).fetchone() == (2,)


def test_a_copy_of_a_home_that_is_written_is_not_written_too(
    home_path: Path, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "LOCK_SECONDS", 0.1)
    with Home.open(home_path):
        shutil.copytree(home_path, tmp_path / "copy")
        with pytest.raises(HomeBusyError, match=f"hauberk .* {os.getpid()} works in this home"):
            Home.open(tmp_path / "copy")
    Home.open(tmp_path / "copy").close()


def test_a_writer_that_lost_its_lock_to_another_does_not_commit(
    home_path: Path, tmp_path: Path, full_commit: FullCommit, postgres: Any, database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(postgresql, "LOCK_SECONDS", 0.1)
    with Home.open(home_path) as home:
        home.commit(full_commit("a"))
        shutil.copytree(home_path, tmp_path / "copy")
        with postgres.connect(database) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE starts_with(application_name, 'hauberk') AND datname = %s",
                (database,),
            )
        with Home.open(tmp_path / "copy") as other:
            other.commit(full_commit("b"))
            with pytest.raises(HomeBusyError):
                home.commit(full_commit("c"))
    assert verify(tmp_path / "copy").ok


def test_a_commit_waits_for_a_server_that_is_gone(
    home_path: Path, full_commit: FullCommit, postgres: Any, database: str
) -> None:
    patient = Patient()
    with Home.open(home_path, patience=patient) as home:
        home.commit(full_commit("a"))
        postgres.stop()
        back = threading.Timer(0.3, postgres.start)
        back.start()
        home.commit(full_commit("b"))
        back.join()
        assert home.lake.count() == 40
    assert "cannot be reached" in patient.told[0]
    assert "back" in patient.told
    assert verify(home_path).ok


def test_without_patience_it_is_told_and_the_same_may_be_done_again(
    home_path: Path, full_commit: FullCommit, postgres: Any, database: str
) -> None:
    with Home.open(home_path) as home:
        home.commit(full_commit("a"))
        postgres.stop()
        with pytest.raises(UnreachableError, match="committed is kept"):
            home.commit(full_commit("b"))
        postgres.start()
    with Home.open(home_path) as home:
        assert home.lake.count() == 20
        home.commit(full_commit("b"))
    assert verify(home_path).ok


def slow(step: int) -> object:
    return pytest.param(step, marks=pytest.mark.slow)


@pytest.mark.parametrize("step", [step if step in (2, 11) else slow(step) for step in range(1, 13)])
def test_the_server_may_die_at_any_step_of_a_commit(
    home_path: Path, full_commit: FullCommit, postgres: Any, database: str, step: int
) -> None:
    taken: list[Step] = []

    def reach(now: Step) -> None:
        taken.append(now)
        if len(taken) == step:
            postgres.stop()
            postgres.start()

    with Home.open(home_path, patience=Patient()) as home:
        home.commit(full_commit("a"))
    with Home.open(home_path, reach=reach, patience=Patient()) as home:
        home.commit(full_commit("b"))
        assert home.lake.count() == 40
        assert [one.number for one in home.records.commits()] == [1, 2]
        home.commit(full_commit("c"))
    assert len(taken) > step
    assert verify(home_path).ok


def test_a_commit_whose_end_was_not_told_is_not_made_twice(
    home_path: Path, full_commit: FullCommit, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Writer.write

    def cut_off(*arguments: Any) -> int:
        write(*arguments)
        monkeypatch.setattr(Writer, "write", write)
        lost = OSError("the line was cut")
        raise OperationalError("COMMIT", {}, lost, connection_invalidated=True)

    with Home.open(home_path, patience=Patient()) as home:
        monkeypatch.setattr(Writer, "write", cut_off)
        assert home.commit(full_commit("a")) == 1
        assert home.commit(full_commit("b")) == 2
        assert home.lake.count() == 40
    assert verify(home_path).ok


def test_a_reader_sees_one_state_while_commits_go_on(
    home_path: Path, full_commit: FullCommit, database: str
) -> None:
    with Home.open(home_path) as home:
        home.commit(full_commit("a"))
        with Home.open(home_path, read_only=True) as reader:
            entries = reader.ledger.entries()
            seen = [next(entries)]
            home.commit(full_commit("b"))
            seen.extend(entries)
            assert {one["commit"] for one in seen} == {1}
            assert reader.lake.count() == 40


def test_a_setting_alone_moves_no_home(
    home_path: Path, full_commit: FullCommit, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Home.open(home_path) as home:
        home.commit(full_commit("a"))
    monkeypatch.setenv(URL, postgres.url(postgres.database()))
    with pytest.raises(UsageError, match="hauberk db move"):
        Home.open(home_path)
    monkeypatch.delenv(URL)
    with Home.open(home_path) as home:
        assert home.lake.count() == 20


def test_a_home_on_a_server_that_nothing_names_is_refused(
    home_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Home.open(home_path).close()
    monkeypatch.delenv(URL)
    with pytest.raises(UsageError, match="nothing says where"):
        Home.open(home_path)
    assert not (home_path / "records.sqlite3").exists()


def test_the_settings_of_the_home_name_the_server(
    home_path: Path, full_commit: FullCommit, postgres: Any
) -> None:
    home_path.mkdir()
    settings = home_path / "hauberk.toml"
    settings.write_text(f'[database]\nurl = "{postgres.url(postgres.database())}"\n')
    with Home.open(home_path) as home:
        home.commit(full_commit("a"))
    assert verify(home_path).ok
    settings.write_text('[database]\nurl = "postgresql+psycopg://x@/y"\npool = 3\n')
    with pytest.raises(UsageError, match=r"line 3.*pool means nothing here"):
        Home.open(home_path)


def test_records_that_are_lost_are_not_begun_anew(
    home_path: Path, full_commit: FullCommit, postgres: Any, database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with Home.open(home_path) as home:
        home.commit(full_commit("a"))
    monkeypatch.setenv(URL, postgres.url(postgres.database()))
    with pytest.raises(Exception, match="empty, but the home holds lake"):
        Home.open(home_path)


def test_an_older_schema_on_a_server_waits_for_somebody_to_upgrade_it(
    home_path: Path, postgres: Any, database: str
) -> None:
    Home.open(home_path).close()
    with postgres.connect(database) as connection:
        (schema,) = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'hauberk\\_%'"
        ).fetchone()
        connection.execute(f"UPDATE {schema}.alembic_version SET version_num = '0000'")
    for read_only in (True, False):
        with pytest.raises(UsageError, match="hauberk db upgrade"):
            Home.open(home_path, read_only=read_only)


def test_passwords_are_in_no_error_and_no_log(
    home_path: Path,
    postgres: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    name = postgres.database()
    with postgres.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS with_password")
        connection.execute("CREATE ROLE with_password LOGIN PASSWORD 'right-horse'")
        connection.execute(f"ALTER DATABASE {name} OWNER TO with_password")
    monkeypatch.setenv(URL, postgres.url(name, "with_password", "wrong-horse"))
    # The server of the tests asks for passwords where the database is named so.
    with pytest.raises(UnreachableError) as caught:
        postgresql.read_server(
            postgres.url("with_password", "with_password", "wrong-horse"), "here"
        ).server.connect(None, writes=True)
    monkeypatch.setenv(URL, postgres.url(name, "with_password", "right-horse"))
    with Home.open(home_path) as home:
        home.commit(Commit())
        said = [str(caught.value), repr(caught.value), repr(home.__dict__), caplog.text]
    assert "password authentication failed" in said[0]
    assert not [one for one in said if "-horse" in one]


def test_a_password_that_others_may_read_is_refused(home_path: Path, postgres: Any) -> None:
    home_path.mkdir()
    settings = home_path / "hauberk.toml"
    settings.write_text(f'[database]\nurl = "{postgres.url("x", "ann", "right-horse")}"\n')
    settings.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600") as caught:
        Home.open(home_path)
    assert "right-horse" not in str(caught.value)
    secrets = home_path.parent / "passwords"
    secrets.write_text("*:*:*:*:right-horse\n")
    secrets.chmod(0o644)
    settings.write_text(
        f'[database]\nurl = "{postgres.url("x", "ann")}"\npassfile = "../passwords"\n'
    )
    with pytest.raises(UsageError, match="passfile: others"):
        Home.open(home_path)


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql+psycopg://h@db.example/x", "verify-full"),
        ("postgres://h@192.0.2.7:5433/x", "verify-full"),
        ("postgresql://h@db.example/x?sslmode=verify-ca", "verify-ca"),
        ("postgresql://h@127.0.0.1,db.example/x", "verify-full"),
        ("postgresql://h@localhost/x", None),
        ("postgresql://h@[::1]/x", None),
        ("postgresql:///x?host=/run/postgresql", None),
    ],
)
def test_what_leaves_the_machine_is_verified_unless_somebody_says_otherwise(
    url: str, mode: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.delenv("PGHOST", raising=False)
    assert postgresql.read_server(url, "here").server.parameters.get("sslmode") == mode


@pytest.mark.parametrize("url", ["mysql://a@b/c", "postgresql://[", "postgresql://a/?service=b"])
def test_a_url_that_is_none_is_told_without_repeating_it(url: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(UsageError) as caught:
        postgresql.read_server(url, "the settings")
    assert url not in str(caught.value)
