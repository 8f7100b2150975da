"""What is sent, in which order, and what becomes of it when receivers or we ourselves fail."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.reports.outputs.conftest import Receiver, finding, incident, say

from hauberk.errors import HomeBusyError, HomeDamagedError
from hauberk.events import findings_frame
from hauberk.reports.outputs import (
    Message,
    Output,
    Refused,
    letters_path,
    read_outputs,
    run_outputs,
    running,
    statuses,
)
from hauberk.reports.outputs import changes as reading
from hauberk.reports.outputs.cursor import cursor_path, load_cursor
from hauberk.store import Commit, Home, load_settings

Configured = Callable[..., list[Output]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(running, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(running, "POLL_SECONDS", 0.05)


def until(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


@contextmanager
def running_outputs(home: Path, outputs: list[Output]) -> Iterator[list[str]]:
    stop, said = threading.Event(), []
    thread = threading.Thread(
        target=run_outputs,
        args=(home, outputs, stop, lambda name, one: said.append(f"{name}: {one}"), lambda _: None),
    )
    thread.start()
    try:
        yield said
    finally:
        stop.set()
        thread.join(15)
        assert not thread.is_alive()


def bodies(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def ids(path: Path) -> list[str]:
    return [one["metadata"]["uid"] for one in bodies(path)]


def status(home: Path, outputs: list[Output]) -> dict[str, Any]:
    with Home.open(home, read_only=True) as opened:
        newest = opened.records.last_commit()
    return {one.name: one for one in statuses(home, outputs, newest)}


FILE = '[outputs.siem]\nkind = "file"\npath = "out.jsonl"\n'


def test_a_first_start_tells_only_what_comes_after_it(
    home_path: Path, configured: Configured
) -> None:
    say(home_path, "old", incidents=[incident("i1")])
    outputs = configured(FILE)
    out = home_path / "out.jsonl"
    with running_outputs(home_path, outputs):
        until(lambda: load_cursor(home_path, "siem"))
        say(home_path, "new")
        until(lambda: len(ids(out)) == 1)
    assert ids(out) == ["new-2"]


def test_from_the_beginning_everything_is_told_once_findings_before_their_incidents(
    home_path: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WINDOW", 7)
    said = [f"f{number:02}" for number in range(40)]
    for at in range(0, 40, 10):
        say(home_path, *said[at : at + 10])
    say(home_path, incidents=[incident("i1"), incident("i2")])
    outputs = configured(FILE + 'from = "beginning"\n')
    out = home_path / "out.jsonl"
    for _ in range(2):  # started again, it tells nothing twice
        with running_outputs(home_path, outputs):
            until(lambda: len(ids(out)) == 42)
    assert [one.rpartition("-")[0] for one in ids(out)[:40]] == said
    assert [one["class_uid"] for one in bodies(out)[40:]] == [2005, 2005]
    assert len(set(ids(out))) == 42


def test_an_incident_is_told_again_when_it_has_changed_and_only_then(
    home_path: Path, configured: Configured
) -> None:
    outputs = configured(FILE + 'send = ["incidents"]\n')
    out = home_path / "out.jsonl"
    say(home_path)
    with running_outputs(home_path, outputs):
        until(lambda: load_cursor(home_path, "siem"))
        say(home_path, incidents=[incident("i1")])
        until(lambda: len(ids(out)) == 1)
        say(home_path, incidents=[incident("i1", probability=0.7501)])  # as good as the same
        say(home_path, incidents=[incident("i1", probability=0.9)])
        until(lambda: len(ids(out)) == 2)
        say(home_path, incidents=[incident("i1")])  # as it was at first: that is news too
        until(lambda: len(ids(out)) == 3)
    first, second, third = bodies(out)
    assert [one["unmapped"]["revision"] for one in (first, second, third)] == [1, 2, 3]
    assert [one["activity_id"] for one in (first, second, third)] == [1, 2, 2]
    assert first["unmapped"]["uid"] == third["unmapped"]["uid"]
    assert len(set(ids(out))) == 3


def test_whoever_was_told_of_an_incident_hears_that_it_fell_below_what_is_asked_for(
    home_path: Path, configured: Configured
) -> None:
    outputs = configured(FILE + 'send = ["incidents"]\nleast_probability = 0.5\n')
    out = home_path / "out.jsonl"
    say(home_path, incidents=[incident("was", probability=0.1)])
    with running_outputs(home_path, outputs):
        until(lambda: load_cursor(home_path, "siem"))
        say(home_path, incidents=[incident("was", probability=0.2), incident("i1")])
        until(lambda: len(ids(out)) == 1)
        say(home_path, incidents=[incident("was", probability=0.6),
                                  incident("i1", probability=0.1)])  # fmt: skip
        until(lambda: len(ids(out)) == 3)
    assert {(one["unmapped"]["uid"], one["confidence_score"]) for one in bodies(out)} == {
        ("i1", 75), ("i1", 10), ("was", 60),
    }  # fmt: skip


def test_a_dead_output_holds_back_no_other_and_its_lag_and_reason_are_seen(
    home_path: Path, configured: Configured, receiver: Callable[..., Receiver]
) -> None:
    server = receiver()
    server.answer = lambda _body, _headers: (503, b"busy", {})
    say(home_path)
    outputs = configured(
        FILE + f'[outputs.dead]\nkind = "http"\nurl = "http://127.0.0.1:{server.port}/in"\n'
    )
    out = home_path / "out.jsonl"
    with running_outputs(home_path, outputs):
        until(lambda: load_cursor(home_path, "dead") and load_cursor(home_path, "siem"))
        say(home_path, "a", "b")
        until(lambda: len(ids(out)) == 2)
        until(lambda: status(home_path, outputs)["dead"].fault)
        found = status(home_path, outputs)
        assert "503: busy" in found["dead"].fault
        assert found["dead"].commits == 1
        assert found["dead"].sent == 0
        assert found["siem"].fault == ""
        assert found["siem"].sent == 2
        server.answer = lambda _body, _headers: (200, b"", {})
        until(lambda: status(home_path, outputs)["dead"].sent == 2)
    assert status(home_path, outputs)["dead"].fault == ""
    assert status(home_path, outputs)["dead"].behind == 0
    received = orjson.loads(server.bodies[-1])
    assert [one["finding_info"]["uid"] for one in received] == ["a", "b"]


def test_what_is_refused_for_good_goes_to_the_dead_letters_with_the_reason_and_the_rest_on(
    home_path: Path, configured: Configured, receiver: Callable[..., Receiver]
) -> None:
    server = receiver()
    taken: list[str] = []

    def answer(body: bytes, _headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        uids = [one["finding_info"]["uid"] for one in orjson.loads(body)]
        if any("bad" in one for one in uids):
            return 422, b"field out of range", {}
        taken.extend(uids)
        return 200, b"", {}

    server.answer = answer
    said = [f"{n:02}-ok" if n not in (3, 7) else f"{n:02}-bad" for n in range(20)]
    say(home_path, *said)
    outputs = configured(
        f'[outputs.siem]\nkind = "http"\nurl = "http://127.0.0.1:{server.port}/"\n'
        'from = "beginning"\n'
    )
    with running_outputs(home_path, outputs):
        until(lambda: status(home_path, outputs)["siem"].sent == 18)
    assert taken == [one for one in said if one.endswith("ok")]
    letters = bodies(letters_path(home_path, "siem"))
    assert [one["message"]["finding_info"]["uid"] for one in letters] == ["03-bad", "07-bad"]
    assert all("422: field out of range" in one["reason"] for one in letters)
    assert status(home_path, outputs)["siem"].refused == 2
    assert letters_path(home_path, "siem").stat().st_mode & 0o077 == 0
    assert cursor_path(home_path, "siem").stat().st_mode & 0o077 == 0


def test_a_receiver_that_refuses_everything_does_not_drain_the_home_into_dead_letters(
    home_path: Path,
    configured: Configured,
    receiver: Callable[..., Receiver],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "MAX_REFUSED_IN_ROW", 5)
    server = receiver()
    server.answer = lambda _body, _headers: (400, b"what is this", {})
    say(home_path, *(f"f{n:02}" for n in range(12)))
    outputs = configured(
        f'[outputs.siem]\nkind = "http"\nurl = "http://127.0.0.1:{server.port}/"\n'
        'from = "beginning"\n'
    )
    with running_outputs(home_path, outputs):
        until(lambda: "refuses everything" in status(home_path, outputs)["siem"].fault)
        server.answer = lambda _body, _headers: (200, b"", {})
        until(lambda: status(home_path, outputs)["siem"].sent == 7)
    assert status(home_path, outputs)["siem"].refused == 5


def test_a_damaged_cursor_stops_its_output_and_is_never_taken_for_a_first_start(
    home_path: Path, configured: Configured
) -> None:
    say(home_path, "f1")
    outputs = configured(FILE)
    cursor_path(home_path, "siem").parent.mkdir()
    cursor_path(home_path, "siem").write_text("{")
    with pytest.raises(HomeDamagedError, match="Remove it to begin anew"):
        load_cursor(home_path, "siem")
    with running_outputs(home_path, outputs) as said:
        until(lambda: said)
    assert "cannot be read" in said[0]
    assert cursor_path(home_path, "siem").read_text() == "{"
    assert "cannot be read" in status(home_path, outputs)["siem"].fault


def test_a_home_that_is_older_than_the_cursor_is_gone_on_with_and_that_is_said(
    home_path: Path, configured: Configured, tmp_path: Path
) -> None:
    say(home_path, "f1")
    outputs = configured(FILE)
    with running_outputs(home_path, outputs):
        until(lambda: load_cursor(home_path, "siem"))
    cursor = cursor_path(home_path, "siem")
    known = orjson.loads(cursor.read_bytes())
    cursor.write_bytes(orjson.dumps(known | {"commit": 99}))
    with running_outputs(home_path, outputs) as said:
        until(lambda: load_cursor(home_path, "siem").commit == 1)  # type: ignore[union-attr]
        say(home_path, "f2")
        until(lambda: ids(home_path / "out.jsonl") == ["f2-2"])
    assert "the cursor was at 99" in said[0]


def test_many_incidents_are_read_some_at_a_time_and_each_is_told_once(
    home_path: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "STORIES", 4)
    say(home_path, "f1", incidents=[incident(f"i{n:02}") for n in range(11)])
    outputs = configured(FILE + 'from = "beginning"\n')
    with running_outputs(home_path, outputs):
        until(lambda: len(ids(home_path / "out.jsonl")) == 12)
        until(lambda: status(home_path, outputs)["siem"].commits == 0)
    assert len(set(ids(home_path / "out.jsonl"))) == 12


def test_raw_records_leave_only_where_settings_say_so_and_fields_can_be_left_out(
    home_path: Path, configured: Configured, full_commit: Callable[..., Commit]
) -> None:
    with Home.open(home_path) as home:
        rows = [finding("f1", evidence=["b1:0", "b1:1"])]
        home.commit(replace(full_commit("b1"), findings=findings_frame(rows), incidents=()))
    text = FILE + 'from = "beginning"\nsend = ["findings"]\n'
    kept = '[outputs.raw]\nkind = "file"\npath = "raw.jsonl"\nraw = true\nfrom = "beginning"\n'
    less = 'leave_out = ["unmapped.reasons", "observables", "nothing.such"]\n'
    outputs = configured(text + less + kept)
    with running_outputs(home_path, outputs):
        until(lambda: ids(home_path / "out.jsonl") and ids(home_path / "raw.jsonl"))
    assert b"b1 line 0" not in (home_path / "out.jsonl").read_bytes()
    plain, raw = (bodies(home_path / name)[0] for name in ("out.jsonl", "raw.jsonl"))
    assert "observables" not in plain
    assert "reasons" not in plain["unmapped"]
    assert plain["message"] == raw["message"]
    assert {one["raw_data"] for one in raw["unmapped"]["records"]} == {"b1 line 0", "b1 line 1"}
    assert outputs[1].notes == ("raw records are sent",)


def test_suppressed_findings_and_those_below_the_least_severity_are_never_told(
    home_path: Path, configured: Configured
) -> None:
    rows = [
        finding("quiet", kind="suppressed"), finding("low", severity_id=2),
        finding("high", severity_id=4), finding("none", severity_id=None),
    ]  # fmt: skip
    with Home.open(home_path) as home:
        home.commit(Commit(findings=findings_frame(rows)))
    outputs = configured(FILE + 'from = "beginning"\nleast_severity = "high"\n')
    with running_outputs(home_path, outputs):
        until(lambda: ids(home_path / "out.jsonl"))
        until(lambda: status(home_path, outputs)["siem"].commits == 0)
    assert ids(home_path / "out.jsonl") == ["high-1"]


class Gathering:
    """A sender that is told seldom."""

    pause = 2.0
    batch = 100

    def __init__(self) -> None:
        self.told: list[list[str]] = []

    def send(self, messages: Sequence[Message]) -> Sequence[Refused]:
        self.told.append([one.uid for one in messages])
        return ()

    def check(self) -> str:
        return ""

    def close(self) -> None:
        pass


def test_what_comes_while_a_digest_waits_goes_into_the_same_one_and_is_no_lag(
    home_path: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Gathering()
    monkeypatch.setattr(running, "sender_of", lambda _: sender)
    say(home_path)
    outputs = configured(FILE + 'from = "beginning"\n')
    with running_outputs(home_path, outputs):
        say(home_path, "a")
        until(lambda: len(sender.told) == 1)
        say(home_path, "b")
        time.sleep(0.2)
        assert status(home_path, outputs)["siem"].behind == 0
        say(home_path, "c")
        until(lambda: len(sender.told) == 2)
    assert sender.told == [["a"], ["b", "c"]]


def test_one_home_has_one_process_that_runs_its_outputs(
    home_path: Path, configured: Configured
) -> None:
    say(home_path, "a")
    outputs = configured(FILE)
    with running_outputs(home_path, outputs):
        until(lambda: load_cursor(home_path, "siem"))
        with pytest.raises(HomeBusyError):
            run_outputs(home_path, outputs, threading.Event(), print, print)


SENDER = """
import sys, threading
from pathlib import Path
from hauberk.reports.outputs import read_outputs, run_outputs
from hauberk.reports.outputs import changes, running
from hauberk.store import load_settings
changes.WINDOW = 50
running.POLL_SECONDS = 0.05
running.FIRST_PAUSE = 0.02
home = Path(sys.argv[1])
print("on", flush=True)
run_outputs(home, read_outputs(load_settings(home)), threading.Event(), print, lambda _: None)
"""


@pytest.mark.slow
def test_a_sender_that_is_killed_at_random_loses_nothing_and_doubles_keep_their_ids(
    home_path: Path, configured: Configured, receiver: Callable[..., Receiver]
) -> None:
    server = receiver()
    received: list[tuple[str, str]] = []
    turn = threading.Lock()

    def answer(body: bytes, _headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        with turn:
            for one in orjson.loads(body):
                uid = (one.get("finding_info") or one["unmapped"])["uid"]
                received.append((one["metadata"]["uid"], uid))
        time.sleep(0.01)  # between what it has taken and its answer a kill is worst
        return 200, b"", {}

    server.answer = answer
    say(home_path)
    configured(
        f'[outputs.siem]\nkind = "http"\nurl = "http://127.0.0.1:{server.port}/"\nbatch = 7\n'
        'from = "beginning"\n'
    )
    dice = random.Random(4)
    expected: set[str] = set()
    process: subprocess.Popen[bytes] | None = None
    for round_ in range(6):
        if process is None:
            process = subprocess.Popen(
                [sys.executable, "-c", SENDER, str(home_path)], stdout=subprocess.PIPE
            )
            assert process.stdout is not None
            assert process.stdout.readline() == b"on\n"
        for part in range(2):
            uids = [f"f{round_}-{part}-{n}" for n in range(40)]
            say(home_path, *uids, incidents=[incident(f"i{round_}", event_count=part)])
            expected.update(uids)
        expected.add(f"i{round_}")
        time.sleep(dice.uniform(0.0, 0.5))
        if round_ < 5:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            process = None
    assert process is not None
    # An incident that was there for less than a kill's while is in no later state of the home.
    until(lambda: {uid for _, uid in received} >= {one for one in expected if one[0] == "f"}, 60)
    time.sleep(0.3)
    process.kill()
    process.wait()
    findings = [(identity, uid) for identity, uid in received if uid.startswith("f")]
    assert {uid for _, uid in findings} == {one for one in expected if one[0] == "f"}
    assert len({identity for identity, _ in findings}) == len({uid for _, uid in findings})
    assert "i5" in {uid for _, uid in received}


@pytest.mark.slow
def test_the_commands_check_test_and_status_say_how_outputs_are(
    home_path: Path, configured: Configured
) -> None:
    say(home_path, "f1")
    configured(FILE + 'from = "beginning"\n')

    def hauberk(*given: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "hauberk.cli", "outputs", *given, "--home", str(home_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert "not started yet" in hauberk("status").stdout
    checked = hauberk("check")
    assert checked.returncode == 0
    assert "it can be written" in checked.stdout
    tested = hauberk("test", "siem")
    assert "has taken test-" in tested.stdout, tested.stderr
    body = bodies(home_path / "out.jsonl")[0]
    assert body["unmapped"] == {"test": True}
    assert "nothing has happened" in body["message"]
    with running_outputs(home_path, read_outputs(load_settings(home_path))):
        until(lambda: len(ids(home_path / "out.jsonl")) == 2)
    said = json.loads(hauberk("status", "--json").stdout)
    assert (said[0]["name"], said[0]["sent"], said[0]["commits"]) == ("siem", 1, 0)
