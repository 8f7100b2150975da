"""The supervisor's pieces by themselves: logs, notices, plans, who holds a home."""

import contextlib
import os
import re
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hauberk.errors import HomeBusyError, UsageError
from hauberk.serve import (
    PARTS,
    Notifier,
    Process,
    State,
    holder_of,
    plan_of,
    read_status,
    write_first_settings,
)
from hauberk.serve.part_log import FILES, PartLog
from hauberk.serve.running import held, started_of
from hauberk.serve.status import STALE_SECONDS, write_status

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_a_log_is_bounded_and_keeps_its_newest_lines(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "a.log", file_bytes=20_000)
    for number in range(5000):
        log.write(f"line {number}\nforged".encode())
    log.write(b"x" * 1_000_000)
    log.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == FILES
    assert sum(one.stat().st_size for one in files) <= FILES * 20_000
    newest = (tmp_path / "a.log").read_text().splitlines()
    assert newest[-1].endswith("xxx")
    assert all(" " in one and one.split(" ")[0].endswith("Z") for one in newest)
    assert (tmp_path / "a.log").stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_written_ends_nobody(tmp_path: Path) -> None:
    PartLog(tmp_path / "none" / "a.log").write(b"lost")


def test_systemd_is_told_by_datagrams_also_in_the_abstract_name_space(tmp_path: Path) -> None:
    for name in (str(tmp_path / "socket"), f"@hauberk-test-{os.getpid()}"):
        if name.startswith("@") and sys.platform != "linux":
            continue
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind("\0" + name[1:] if name.startswith("@") else name)
            Notifier({"NOTIFY_SOCKET": name}).tell("READY=1", "STATUS=up")
            assert manager.recv(100) == b"READY=1\nSTATUS=up"


def test_a_manager_that_does_not_listen_holds_nobody_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "socket"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
            full.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(100_000):
                    full.sendto(b"x", str(tmp_path / "socket"))
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "socket")}).tell("WATCHDOG=1")


def test_nobody_is_told_where_nobody_listens() -> None:
    Notifier({}).tell("READY=1")
    Notifier({"NOTIFY_SOCKET": "/nonexistent"}).tell("READY=1")
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).every is None
    assert Notifier({"WATCHDOG_USEC": "30000000"}).every == 15.0
    assert Notifier({"WATCHDOG_USEC": "soon"}).every is None


def test_the_settings_that_a_first_run_writes_are_valid_as_they_are_and_uncommented(
    home_path: Path,
) -> None:
    path = write_first_settings(home_path)
    assert path is not None
    assert write_first_settings(home_path) is None
    assert plan_of(home_path).paths == ()
    text = re.sub(r"^# (?=\w+ = |\[)", "", path.read_text(), flags=re.MULTILINE)
    for folder in ("/var/log/zeek/current", "/var/log/suricata/eve.json", "/srv/sigma/rules"):
        text = text.replace(folder, str(home_path))
    path.write_text(text)
    plan = plan_of(home_path, listen="[::1]:9000")
    assert (plan.sources, plan.listen, plan.budget) == (1, ("::1", 9000), 10.0)
    assert plan.names == ("hauberk.example",)
    given = {part.name: list(part.arguments(plan) or ()) for part in PARTS}
    watch, console, inference = (given[name] for name in ("watch", "console", "inference"))
    assert inference == ["serve", "--home", str(plan.home), "--json"]
    assert plan.patience == 120
    assert ["--sources", str(path)] == watch[watch.index("--sources") :][:2]
    assert "[::1]:9000" in console


@pytest.mark.parametrize(
    "text",
    [
        "[watch]\npaths = ['/nonexistent']", "[watch]\nevery = 0", "[watch]\nsilly = 1",
        "[console]\nlisten = 'x'", "[console]\non = 'yes'", "[console]\nlisten = 'a:99999'",
        "[sources.a]\nkind = 'fax'", "[up]\nstuck = 1", "[inference]\nlisten = 'x'",
        "[inference]\nlisten = '0.0.0.0:1'\ntls = false", "[inference]\nkey = '/none'",
        "[inference]\nper_minute = 0", "[inference]\nsilly = 1",
    ],
)  # fmt: skip
def test_a_plan_of_wrong_settings_is_refused_with_its_place(home_path: Path, text: str) -> None:
    home_path.mkdir()
    (home_path / "hauberk.toml").write_text(text)
    with pytest.raises(UsageError, match=r"hauberk\.toml"):
        plan_of(home_path)


def test_a_home_has_one_supervisor_who_is_named_to_the_next(home_path: Path) -> None:
    with held(home_path) as holder:
        assert holder_of(home_path) == holder
        with pytest.raises(HomeBusyError, match=f"process {os.getpid()}"), held(home_path):
            pass
    assert holder_of(home_path) is None


@linux
def test_a_process_is_known_by_its_start_so_that_a_reused_id_is_nobody(home_path: Path) -> None:
    me = Process(os.getpid(), started_of(os.getpid()))
    assert me.alive
    assert not Process(os.getpid(), "00000000:1").alive
    assert not Process(os.getpid(), "").alive
    assert not Process(os.getpid(), "00000000:1").signal(15)  # type: ignore[arg-type]


@linux
def test_a_status_that_is_no_longer_written_is_not_healthy(home_path: Path) -> None:
    assert read_status(home_path).state is State.ENDED
    with held(home_path) as holder:
        now = datetime.now(UTC).timestamp()
        write_status(home_path, State.UP, holder, [], now)
        assert read_status(home_path, now).healthy
        assert not read_status(home_path, now + STALE_SECONDS + 1).healthy
        (home_path / "run" / "status.json").write_bytes(b"[]")
        assert read_status(home_path).state is State.STARTING
