"""Settings are read strictly, and what is wrong in them is told with its line."""

import tomllib
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.errors import UsageError
from hauberk.store import Settings, load_settings
from hauberk.store.settings import TABLES, _lines, read_settings

GOOD = """
# what a company has
[database]
url = { env = "TEST_DATABASE_URL" }

[console]
listen = "127.0.0.1:8443"
names = ["hauberk.example"]

[outputs.siem]
kind = "syslog"
port = 6514
eager = true

[[source]]
name = "one"

[[source]]
name = "two"
[source.contract]
silence = "5m"
"""


def settings(home: Path, text: str) -> Settings:
    home.mkdir(exist_ok=True)
    (home / "hauberk.toml").write_text(text)
    (home / "hauberk.toml").chmod(0o600)
    return load_settings(home)


def test_a_home_without_the_file_has_empty_tables(home_path: Path) -> None:
    found = load_settings(home_path)
    assert not found.present
    assert not found.table("database")
    assert found.top.list_of("source") == []


def test_every_kind_of_value_is_read_from_its_table(home_path: Path) -> None:
    found = settings(home_path, GOOD)
    assert found.table("console").texts("names") == ["hauberk.example"]
    ((name, siem),) = found.table("outputs").tables()
    assert (name, siem.text("kind"), siem.whole("port"), siem.flag("eager")) == (
        "siem", "syslog", 6514, True,
    )  # fmt: skip
    assert siem.number("missing", 2.5) == 2.5
    assert [one.text("name") for one in found.top.list_of("source")] == ["one", "two"]


def test_an_unknown_key_is_told_with_file_line_table_and_what_was_meant(home_path: Path) -> None:
    siem = settings(home_path, GOOD).table("outputs").table("siem")
    with pytest.raises(UsageError) as told:
        siem.only("kind", "ports", "eager")
    assert told.value.where == f"{home_path}/hauberk.toml, line 12, [outputs.siem]"
    assert told.value.hint == "Did you mean ports"


def test_a_wrong_value_within_a_list_of_tables_is_told_with_its_own_line(home_path: Path) -> None:
    two = settings(home_path, GOOD).top.list_of("source")[1]
    with pytest.raises(UsageError, match="line 19"):
        two.whole("name")
    with pytest.raises(UsageError, match=r"line 21, \[source\.1\.contract\]"):
        two.table("contract").flag("silence")


def test_a_table_that_no_room_reads_is_an_error(home_path: Path) -> None:
    with pytest.raises(UsageError) as told:
        settings(home_path, "\n[databse]\nurl = 'x'\n")
    assert "line 2" in str(told.value)
    assert told.value.hint == "Did you mean database"


@pytest.mark.parametrize("text", ["[console", "a = ", "x = 1\nx = 2", "\x00"])
def test_what_is_no_toml_is_told_as_that(home_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="no TOML"):
        settings(home_path, text)


def test_a_secret_comes_from_the_text_the_environment_or_a_private_file(
    home_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = settings(home_path, GOOD).table("database")
    with pytest.raises(UsageError, match="has no TEST_DATABASE_URL"):
        found.secret("url")
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://x")
    assert found.secret("url") == "postgresql://x"
    found = settings(home_path, '[database]\nurl = { file = "url" }').table("database")
    file = home_path / "url"
    file.write_text("postgresql://y\n")
    file.chmod(0o644)
    with pytest.raises(UsageError, match="others than its owner"):
        found.secret("url")
    file.chmod(0o600)
    assert found.secret("url") == "postgresql://y"


def test_an_error_about_a_secret_does_not_say_it(home_path: Path) -> None:
    found = settings(home_path, "[database]\nurl = ['hunter2']").table("database")
    with pytest.raises(UsageError) as told:
        found.secret("url")
    assert "hunter2" not in str(told.value)


def test_a_file_that_others_may_read_is_known_as_exposed(home_path: Path) -> None:
    assert not settings(home_path, GOOD).exposed
    (home_path / "hauberk.toml").chmod(0o640)
    assert load_settings(home_path).exposed


def test_the_lines_of_a_text_that_looks_like_a_table_are_not_taken_for_one() -> None:
    text = 'a = """\n[console]\nlisten = 1\n"""\n[console]\nlisten = "x"\n'
    assert _lines(text)["console", "listen"] == 6


@given(st.text(max_size=300))
def test_any_text_is_settings_or_an_error_that_names_the_file(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.mktemp("settings") / "hauberk.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        known = tomllib.loads(text.replace("\r\n", "\n")).keys() <= TABLES
    except ValueError:
        known = False
    refused = pytest.raises(UsageError, match=r"this is no TOML|means nothing here")
    with nullcontext() if known else refused:
        assert read_settings(file).present
