"""The doctor finds what is wrong, says what to do, and changes nothing."""

import hashlib
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from tests.cli.commands import run

from hauberk.serve.doctor import Diagnosis, Examined, Grade, examine, examining

MakeHome = Callable[..., Path]


@pytest.fixture
def ask(make_home: MakeHome) -> Callable[..., dict[str, Diagnosis]]:
    def ask(
        home: Path | None = None, now: datetime | None = None, **how: bool
    ) -> dict[str, Diagnosis]:
        return {
            one.check: one
            for one in examine(home or make_home("a"), now or datetime.now(UTC), **how)
        }

    return ask


Ask = Callable[..., dict[str, Diagnosis]]


def digests(home: Path) -> dict[str, str]:
    return {
        str(one): hashlib.sha256(one.read_bytes()).hexdigest()
        for one in home.rglob("*")
        if one.is_file() and not one.name.endswith(("-shm", "-wal"))
    }


def test_a_sound_home_has_no_faults_and_is_left_as_it_is(make_home: MakeHome, ask: Ask) -> None:
    home = make_home("a", "b")
    before = digests(home)
    found = ask(home, deep=True)
    assert [one for one in found.values() if one.grade is Grade.FAULT] == []
    assert found["database records"].grade is Grade.FINE
    assert digests(home) == before


def test_everything_that_is_not_fine_says_what_it_means_and_what_to_do(
    make_home: MakeHome, ask: Ask
) -> None:
    home = make_home("a")
    (home / "hauberk.toml").write_text("[watch]\npath = ['x']\n")
    (home / "keys" / "ledger.pem").chmod(0o644)
    found = ask(home, now=datetime.now(UTC) - timedelta(days=1))
    for name in ("settings", "permissions", "clock"):
        assert found[name].grade is Grade.FAULT, found[name]
    for one in found.values():
        if one.grade in (Grade.WARNING, Grade.FAULT):
            assert one.means
            assert one.do


def test_settings_are_told_with_their_line(make_home: MakeHome, ask: Ask) -> None:
    home = make_home("a")
    (home / "hauberk.toml").write_text("\n[console]\nlisten = 'nowhere'\n")
    assert "line 3" in ask(home)["settings"].found


def test_keys_that_others_may_read_are_a_fault_and_the_public_half_is_not(
    make_home: MakeHome, ask: Ask
) -> None:
    home = make_home("a")
    (home / "keys" / "ledger.pub").chmod(0o644)
    assert ask(home)["permissions"].grade is Grade.FINE
    (home / "keys" / "ledger.pem").chmod(0o640)
    assert "ledger.pem" in ask(home)["permissions"].found


def test_an_entry_without_a_checkpoint_is_a_fault(make_home: MakeHome, ask: Ask) -> None:
    home = make_home("a")
    with sqlite3.connect(home / "records.sqlite3") as connection:
        connection.execute("DELETE FROM checkpoints")
    assert ask(home)["ledger"].grade is Grade.FAULT


def test_a_changed_file_is_found_by_a_deep_look(make_home: MakeHome, ask: Ask) -> None:
    home = make_home("a")
    next((home / "lake").rglob("*.parquet")).unlink()
    assert ask(home)["ledger"].grade is Grade.FINE
    assert ask(home, deep=True)["ledger"].grade is Grade.FAULT


def test_a_writer_that_was_killed_is_told_from_one_that_lives(
    make_home: MakeHome, ask: Ask
) -> None:
    home = make_home("a")
    (home / "owner").write_text(str(os.getpid()))
    assert ask(home)["writer"].grade is Grade.FINE
    (home / "owner").write_text("4194300")
    assert ask(home)["writer"].grade is Grade.WARNING


def test_a_rule_that_does_not_compile_is_named(make_home: MakeHome, ask: Ask) -> None:
    home = make_home("a")
    (home / "rules" / "mine").mkdir(parents=True)
    (home / "rules" / "mine" / "bad.yml").write_text("title: x\ndetection: 7\n")
    assert "bad.yml" in ask(home)["rules"].found


def test_acts_that_wait_are_counted_wherever_the_consoles_database_is(
    engine: str, make_home: MakeHome, ask: Ask
) -> None:
    pytest.importorskip("fastapi")
    home = make_home("a")
    assert "acts" not in ask(home)
    database = import_module("hauberk.console.database").open_database(home)
    assert ask(home)["acts"].found == "0 wait for the ledger"
    acts = import_module("hauberk.console.tables").acts
    with database.write() as connection:
        for number in range(2):
            row = {
                "number": number,
                "uid": f"a{number}",
                "incident": "i",
                "body": "{}",
                "digest": "d",
            }
            connection.execute(acts.insert().values(row))
    database.close()
    assert ask(home)["acts"].found == "2 wait for the ledger"


def test_no_home_at_all_is_told_and_not_made(tmp_path: Path, ask: Ask) -> None:
    assert ask(tmp_path / "none")["home"].grade is Grade.WARNING
    assert not (tmp_path / "none").exists()


def test_a_check_that_fails_itself_keeps_no_other_from_being_run(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(examined: Examined) -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr(examining, "CHECKS", (broken, *examining.CHECKS))
    found = ask()
    assert found["broken"].grade is Grade.UNKNOWN
    assert len(found) > 10


def test_the_exit_code_says_how_bad_it_is(
    make_home: MakeHome, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make_home("a")
    assert run("doctor", "--home", home) in (0, 1)
    (home / "keys" / "ledger.pem").chmod(0o644)
    assert run("doctor", "--home", home) == 2
    assert "✗ permissions" in capsys.readouterr().out
