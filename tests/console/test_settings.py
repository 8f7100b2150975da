"""Settings: what is in force and where it comes from, never a secret."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.console.conftest import CHEAP

from hauberk.console import Console
from hauberk.console.permissions import Role
from hauberk.console.settings import BUILT_IN, overview
from hauberk.errors import UsageError

TEXT = """
[watch]
budget = 8
paths = ["logs"]

[database]
url = "postgresql://hauberk:p-one-secret@db.example:5432/hauberk?sslkey=p-two-secret"

[outputs.siem]
kind = "splunk"
url = "https://u:p-three-secret@siem.example/services/collector?token=p-four-secret"
token = { env = "SIEM_TOKEN" }
headers = { Authorization = "p-five-secret" }
anything = "p-six-secret"
several = ["p-seven-secret"]

[[source]]
name = "fw"
kind = "syslog"
password = "p-eight-secret"

[identity.sessions]
idle_minutes = 10
hours = 8
"""


def write(home: Path, text: str) -> None:
    (home / "hauberk.toml").write_text(text)
    (home / "hauberk.toml").chmod(0o600)


def test_what_the_file_says_is_shown_with_its_line_and_no_secret(home: Path) -> None:
    write(home, TEXT)
    found = overview(home)
    assert not found.fault
    said = {one.name: one for one in found.given}
    assert said["watch.budget"].value == "8"
    assert said["watch.budget"].source == "line 3"
    assert said["database.url"].value == "postgresql://db.example:5432/hauberk"
    assert said["outputs.siem.url"].value == "https://siem.example/services/collector"
    assert said["outputs.siem.token"].value == "from the environment SIEM_TOKEN, not shown"
    assert said["outputs.siem.headers.Authorization"].value == "set, not shown"
    assert said["source.0.name"].value == "fw"
    assert "-secret" not in str(found)
    assert "watch.budget" not in {one.name for one in found.defaults}
    assert {one.source for one in (*found.defaults, *found.fixed)} == {BUILT_IN}


def test_without_a_file_everything_is_built_in(
    console: Console, person: Callable[..., Any], home: Path
) -> None:
    found = overview(home)
    assert not found.present
    assert not found.given
    page = person(Role.AUDITOR).browser.get("/settings").text
    assert "There is no such file" in page
    assert "argon2id" in page


def test_a_file_that_became_wrong_is_told_of_and_the_page_still_stands(
    console: Console, person: Callable[..., Any], home: Path
) -> None:
    write(home, "[identity.sessions]\nidle_minutes = 1\n")
    page = person(Role.ADMINISTRATOR).browser.get("/settings")
    assert page.status_code == 200
    assert "would not be taken" in page.text
    assert "from 5 to 240" in page.text


def test_lengths_of_sessions_are_as_the_file_says(home: Path, clock: Any) -> None:
    write(home, TEXT.replace("[database]", "[unused]").split("[unused]")[0]
          + "[identity.sessions]\nidle_minutes = 10\nhours = 8\n")  # fmt: skip
    console = Console.of(home, clock=clock, cost=CHEAP)
    assert console.sessions.lengths.idle == timedelta(minutes=10)
    token = console.accounts.invite("ann", [Role.VIEWER], "test", clock())
    secret = console.accounts.invitation(token, clock()).secret
    from hauberk.console import totp  # noqa: PLC0415

    code = totp.code_at(secret, totp.step_of(clock()))
    word = "plaited mail of rings"
    account = console.accounts.accept(token, "", word, word, code, (), clock())
    held = console.sessions.begin(account, "10.0.0.1", clock())
    clock.move(minutes=9, seconds=59)
    visitor = console.sessions.visitor(held, clock())
    assert visitor is not None
    clock.move(minutes=10)
    assert console.sessions.visitor(held, clock()) is None
    console.database.close()


@pytest.mark.parametrize(
    "text",
    ["idle_minutes = 4", "idle_minutes = 241", "hours = 25", "hours = 0.5", "minutes = 30"],
)
def test_lengths_without_bounds_are_refused(text: str, home: Path) -> None:
    write(home, f"[identity.sessions]\n{text}\n")
    with pytest.raises(UsageError):
        Console.of(home, cost=CHEAP)
