"""`hauberk up` with real processes: first run, deaths of any of them, and an orderly end."""

import json
import os
import signal
import socket
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.systems import System, alive, hauberk, system, wait

from hauberk.store import Home, verify

pytest.importorskip("uvicorn")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[System]:
    with system(tmp_path) as made:
        yield made


def event(number: int) -> str:
    return json.dumps(
        {
            "@timestamp": f"2026-03-02T10:{number % 60:02}:00Z",
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational", "event_id": 1,
                "computer_name": "ws07.corp.example",
                "event_data": {"Image": r"C:\a\b.exe", "CommandLine": f"b.exe {number}"},
            },
        }
    )  # fmt: skip


def write(up: System, numbers: range) -> None:
    with (up.logs / "events.json").open("a") as file:
        file.writelines(event(number) + "\n" for number in numbers)


def stored(home: Path) -> list[str]:
    with Home.open(home, read_only=True) as opened:
        return [
            line.decode()
            for event_class in opened.lake.event_classes()
            for line in opened.lake.scan(event_class, ["raw_data"]).collect()["raw_data"]
        ]


def test_the_first_run_gives_a_link_that_a_browser_can_open_and_writes_it_nowhere(
    up: System,
) -> None:
    up.start()
    wait(lambda: "/setup/" in up.said(), "the link")
    link = next(word for word in up.said().split() if "/setup/" in word)
    context = ssl.create_default_context(cafile=str(up.home / "console" / "ca.pem"))
    with urllib.request.urlopen(link, context=context, timeout=20) as answer:
        assert b"password" in answer.read().lower()
    token = link.rpartition("/")[2].encode()
    written = [one for one in up.home.rglob("*") if one.is_file() and token in one.read_bytes()]
    assert written == []
    assert (up.home / "hauberk.toml").stat().st_mode & 0o777 == 0o600
    told = hauberk("status", "--home", up.home)
    assert told.returncode == 0, told.stdout
    assert "https://localhost" in told.stdout

    second = hauberk("up", up.logs, "--home", up.home)
    assert second.returncode == 4
    assert up.process is not None
    assert f"process {up.process.pid}" in second.stderr

    assert up.end() == 0
    assert up.left() == []
    assert hauberk("status", "--home", up.home).returncode == 3


def test_a_watch_that_is_killed_is_started_again_and_nothing_is_lost_or_doubled(
    up: System,
) -> None:
    write(up, range(100))
    up.start()
    wait(lambda: up.part("watch")["report"]["records"] >= 100, "the first records")
    first = up.part("watch")["pid"]
    os.kill(first, signal.SIGKILL)
    write(up, range(100, 250))
    wait(lambda: up.part("watch")["restarts"] == 1, "the death to be seen")
    assert "SIGKILL" in up.part("watch")["last_exit"]
    wait(lambda: up.status()["state"] == "up", "the watch to be back")
    assert up.part("watch")["pid"] != first
    told = hauberk("status", "--home", up.home)
    assert "1 restart" in told.stdout
    assert up.end() == 0
    lines = stored(up.home)
    assert sorted(one for one in lines if "@timestamp" in one) == sorted(map(event, range(250)))
    own = [json.loads(one) for one in lines if '"system"' in one]
    assert [(one["operation"], one["source"]) for one in own] == [
        ("stop", "watch"), ("restart", "watch"),
    ]  # fmt: skip
    assert verify(up.home).ok
    assert "watch was ended by SIGKILL" in up.said()
    assert "watch is up again" in up.said()


def test_a_supervisor_that_is_killed_takes_its_parts_along(up: System) -> None:
    up.start()
    pids = [one["pid"] for one in up.status()["parts"]]
    assert up.process is not None
    up.process.kill()
    up.process.wait()
    wait(lambda: not any(alive(pid) for pid in pids), "the parts to end")
    told = hauberk("status", "--home", up.home)
    assert told.returncode == 3
    assert "was killed" in told.stdout


def test_down_ends_what_was_started_away_from_the_terminal(up: System) -> None:
    listen = f"127.0.0.1:{up.port}"
    told = hauberk("up", up.logs, "--home", up.home, "--listen", listen, "--detach")
    assert told.returncode == 0, told.stderr
    assert "/setup/" in told.stdout
    assert "/setup/" not in (up.home / "run" / "up.log").read_text()
    assert up.status()["state"] == "up"
    up.seen.add(up.status()["holder"]["pid"])
    ended = hauberk("down", "--home", up.home)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith("down\n")
    assert up.left() == []
    assert hauberk("down", "--home", up.home).stdout == "nothing was up\n"


def test_down_kills_a_supervisor_that_does_not_answer_and_its_parts_end(up: System) -> None:
    up.start()
    assert up.process is not None
    up.process.send_signal(signal.SIGSTOP)
    told = hauberk("down", "--home", up.home, "--wait", 1)
    assert told.returncode == 0, told.stdout
    assert "had to be killed" in told.stdout
    assert up.left() == []
    assert verify(up.home).ok


def test_an_address_that_is_taken_is_told_before_anything_starts(up: System) -> None:
    with socket.create_server(("127.0.0.1", up.port)):
        told = hauberk("up", up.logs, "--home", up.home, "--listen", f"127.0.0.1:{up.port}")
    assert told.returncode == 2
    assert "cannot listen" in told.stderr
    assert not (up.home / "run" / "up.json").exists()


def test_a_console_that_dies_is_started_again_while_the_watch_goes_on(up: System) -> None:
    up.start()
    watch = up.part("watch")["pid"]
    os.kill(up.part("console")["pid"], signal.SIGKILL)
    wait(lambda: up.part("console")["restarts"] == 1, "the death to be seen")
    wait(lambda: up.status()["state"] == "up", "the console to be back")
    assert up.part("watch")["pid"] == watch
    assert up.end() == 0


def test_systemd_is_told_when_all_is_up_that_it_lives_and_that_it_ends(
    up: System, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        up.start(ready=False, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="2000000")
        heard = ""
        while "READY=1" not in heard:
            heard += manager.recv(4096).decode() + "\n"
        assert "WATCHDOG=1" in heard  # starting may take longer than the watchdog waits
        assert up.process is not None
        up.process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in heard:
            heard += manager.recv(4096).decode() + "\n"
        assert up.process.wait(60) == 0
