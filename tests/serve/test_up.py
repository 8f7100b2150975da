"""`hauberk up` with real processes: first run, deaths of any of them, and an orderly end."""

import json
import os
import signal
import socket
import ssl
import sys
import threading
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
    """A system that is not up yet."""
    with system(tmp_path) as made:
        yield made


class Manager:
    """Listens where systemd would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said = ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            self.said += self._socket.recv(4096).decode() + "\n"


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Manager:
    return Manager(tmp_path_factory.mktemp("notify") / "socket")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, manager: Manager) -> Iterator[System]:
    """One that all tests share which leave it up; the last of them ends it."""
    with system(tmp_path_factory.mktemp("running")) as made:
        made.home.mkdir(mode=0o700)
        (made.home / "hauberk.toml").write_text("[up]\nstuck = 10\n")
        (made.home / "hauberk.toml").chmod(0o600)
        made.start(NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="2000000")
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


def own(home: Path, part: str) -> list[str]:
    """What became of a part, by Hauberk's own events."""
    said = [json.loads(one) for one in stored(home) if '"system"' in one]
    return [one["operation"] for one in said if one["source"] == part]


def test_systemd_is_told_that_it_lives_while_it_starts_and_when_all_is_up(
    running: System, manager: Manager
) -> None:
    wait(lambda: "READY=1" in manager.said, "the notice")
    # Starting may take longer than the watchdog waits.
    assert "WATCHDOG=1" in manager.said.partition("READY=1")[0]


def test_the_first_run_gives_a_link_that_a_browser_can_open_and_writes_it_nowhere(
    running: System,
) -> None:
    wait(lambda: "/setup/" in running.said(), "the link")
    link = next(word for word in running.said().split() if "/setup/" in word)
    context = ssl.create_default_context(cafile=str(running.home / "console" / "ca.pem"))
    with urllib.request.urlopen(link, context=context, timeout=20) as answer:
        assert b"password" in answer.read().lower()
    token = link.rpartition("/")[2].encode()
    files = [one for one in running.home.rglob("*") if one.is_file()]
    assert [one for one in files if token in one.read_bytes()] == []
    told = hauberk("status", "--home", running.home)
    assert told.returncode == 0, told.stdout
    assert "https://localhost" in told.stdout


def test_a_home_that_is_up_is_refused_to_a_second(running: System) -> None:
    second = hauberk("up", running.logs, "--home", running.home)
    assert second.returncode == 4
    assert running.process is not None
    assert f"process {running.process.pid}" in second.stderr


def test_a_console_that_dies_is_started_again_while_the_watch_goes_on(running: System) -> None:
    watch = running.part("watch")["pid"]
    os.kill(running.part("console")["pid"], signal.SIGKILL)
    wait(lambda: running.part("console")["restarts"] == 1, "the death to be seen")
    wait(lambda: running.status()["state"] == "up", "the console to be back")
    assert running.part("watch")["pid"] == watch


def test_a_watch_that_is_killed_is_started_again_and_nothing_is_lost_or_doubled(
    running: System,
) -> None:
    write(running, range(100))
    wait(lambda: running.part("watch")["report"]["records"] >= 100, "the first records")
    first = running.part("watch")["pid"]
    os.kill(first, signal.SIGKILL)
    write(running, range(100, 250))
    wait(lambda: running.part("watch")["restarts"] == 1, "the death to be seen")
    assert "SIGKILL" in running.part("watch")["last_exit"]
    wait(lambda: running.status()["state"] == "up", "the watch to be back")
    assert running.part("watch")["pid"] != first
    assert "1 restart" in hauberk("status", "--home", running.home).stdout
    wait(lambda: len(own(running.home, "watch")) == 2, "its return to be an event")
    assert own(running.home, "watch") == ["stop", "restart"]
    assert "watch was ended by SIGKILL" in running.said()
    assert "watch is up again" in running.said()


def test_a_watch_that_gives_no_sign_of_life_is_ended_and_started_again(running: System) -> None:
    before = running.part("watch")
    os.killpg(before["pid"], signal.SIGSTOP)
    wait(lambda: running.part("watch")["restarts"] > before["restarts"], "it to be ended")
    wait(lambda: running.status()["state"] == "up", "the watch to be back")
    assert running.part("watch")["pid"] != before["pid"]
    assert "watch gave no sign of life" in running.said()
    wait(lambda: "stuck" in own(running.home, "watch"), "that to be an event")


def test_parts_keep_large_buffers_out_of_the_heap(running: System) -> None:
    told = Path(f"/proc/{running.part('watch')['pid']}/environ").read_bytes().split(b"\0")
    assert b"MALLOC_MMAP_THRESHOLD_=1048576" in told
    assert b"MALLOC_TRIM_THRESHOLD_=16777216" in told


def test_an_end_leaves_nothing_running_and_everything_stored_once(
    running: System, manager: Manager
) -> None:
    write(running, range(5000, 5010))
    wait(lambda: any("b.exe 5009" in one for one in stored(running.home)), "all to be stored")
    assert running.end() == 0
    assert "STOPPING=1" in manager.said
    assert running.left() == []
    assert hauberk("status", "--home", running.home).returncode == 3
    lines = [one for one in stored(running.home) if "@timestamp" in one]
    written = (running.logs / "events.json").read_text().splitlines()
    assert sorted(lines) == sorted(written)
    assert verify(running.home).ok


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
    told = hauberk("up", "--home", up.home, "--listen", listen, "--detach")
    assert told.returncode == 0, told.stderr
    assert "/setup/" in told.stdout
    assert "/setup/" not in (up.home / "run" / "up.log").read_text()
    assert (up.home / "hauberk.toml").stat().st_mode & 0o777 == 0o600
    assert up.status()["state"] == "up"
    up.seen.add(up.status()["holder"]["pid"])
    ended = hauberk("down", "--home", up.home)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith("down\n")
    assert up.left() == []
    assert hauberk("down", "--home", up.home).stdout == "nothing was up\n"


def test_down_kills_a_supervisor_that_does_not_answer_and_its_parts_end(up: System) -> None:
    up.start(watch=False)
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
