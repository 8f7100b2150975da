"""The console dies while acts wait, the watch too: each act is in the ledger once, in order."""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra `console` is not installed")
pytest.importorskip("argon2", reason="the extra `console` is not installed")

from tests.serve.systems import System, system, wait

from hauberk.console import Console
from hauberk.console.passwords import Cost
from hauberk.console.permissions import Role
from hauberk.store import Home, verify

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[System]:
    with system(tmp_path) as made:
        yield made


def invited(home: Path) -> list[str]:
    """Whom the ledger knows to have been invited, in its order."""
    with Home.open(home, read_only=True) as opened:
        found = list(opened.ledger.entries(0, opened.ledger.size))
    said = [one for one in found if str(one.get("type")) == "console.invited"]
    return [str(one["account"]) for one in said]


def restarted(up: System, part: str, times: int) -> bool:
    """Whether a part has died so often."""
    return bool(up.part(part)["restarts"] == times)


def test_acts_that_wait_when_the_console_and_the_watch_are_killed_are_entered_once_in_order(
    up: System,
) -> None:
    (up.logs / "auth.log").write_text("Mar  1 12:00:00 web1 sshd[1]: Failed password for root\n")
    up.start()
    people = Console.of(up.home, cost=Cost(1, 8, 1))
    chance = random.Random(3)
    names = [f"person{number:02}" for number in range(24)]
    for number, name in enumerate(names):
        people.accounts.invite(name, [Role.ANALYST], "chaos", datetime.now(UTC))
        if number in (6, 14):
            time.sleep(chance.uniform(0, 1.5))  # acts are handed over each half second
            wait(lambda: up.part("console").get("pid"), "a console to kill")
            os.kill(up.part("console")["pid"], signal.SIGKILL)
            wait(partial(restarted, up, "console", 1 if number == 6 else 2), "its death")
        if number == 10:
            time.sleep(chance.uniform(0, 1.5))
            wait(lambda: up.part("watch").get("pid"), "a watch to kill")
            os.kill(up.part("watch")["pid"], signal.SIGKILL)
            wait(partial(restarted, up, "watch", 1), "its death")
    wait(lambda: up.status()["state"] == "up", "both to be back")
    assert up.end() == 0
    assert invited(up.home) == names
    assert verify(up.home).ok
