"""What waits for whoever writes the home: taken once, in order, and refused where it is forged."""

import json
import os
import random
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hauberk.errors import UsageError
from hauberk.store import Commit, Home, Inbox, InboxReader
from hauberk.store import inbox as rooms
from hauberk.store.inbox import STATE, places_frame, places_of


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    with Home.open(path) as opened:
        opened.commit(Commit())
    return path


def said(number: int) -> dict[str, object]:
    return {"said": number}


def take(home: Path, *, commit: bool = True) -> tuple[list[Any], list[str], list[str]]:
    """What is taken, refused and missing, from where the last commit stands."""
    with Home.open(home) as opened:
        reader = InboxReader.of(opened)
        taken: list[Any] = []
        refused: list[str] = []
        missing: list[str] = []
        while found := reader.read():
            for one in found:
                taken += [record["said"] for record in one.records]
                refused += [reason for _, _, reason in one.refused]
                missing += one.missing
        if commit:
            state = {"places": places_frame(reader.places.values())}
            opened.commit(Commit(states={STATE: state}))
            reader.sweep()
    return taken, refused, missing


def only_file(home: Path) -> Path:
    (path,) = (home / "inbox" / "console").glob("*.jsonl")
    return path


def test_what_is_left_is_taken_once_and_in_order(home: Path) -> None:
    box = Inbox(home, "console")
    box.append([said(1), said(2)])
    assert take(home, commit=False)[0] == [1, 2]
    assert take(home)[0] == [1, 2]
    assert take(home)[0] == []
    box.append([said(3)])
    assert take(home) == ([3], [], [])


def test_the_files_are_their_owners_alone(home: Path) -> None:
    Inbox(home, "console").append([said(1)])
    for path in (only_file(home), home / "keys" / "inbox-console.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "inbox").stat().st_mode) == 0o700


def test_writers_do_not_disturb_each_other(home: Path) -> None:
    Inbox(home, "console").append([said(1)])
    Inbox(home, "cli").append([said(2)])
    Inbox(home, "console").append([said(3)])
    assert sorted(take(home)[0]) == [1, 2, 3]


@pytest.mark.parametrize("name", ["", "../keys", "A", "a/b", "-x", "x" * 41])
def test_a_writer_has_a_plain_name(home: Path, name: str) -> None:
    with pytest.raises(UsageError):
        Inbox(home, name)


def test_a_forged_line_is_refused_and_the_true_ones_around_it_are_taken(home: Path) -> None:
    box = Inbox(home, "console")
    box.append([said(1)])
    path = only_file(home)
    forged = json.loads(path.read_text())
    forged.update(number=2, previous=forged["seal"], said=99)
    with path.open("a") as file:
        file.write(json.dumps(forged) + "\nno json\n")
    box.append([said(2)])
    taken, refused, missing = take(home)
    assert (taken, missing) == ([1, 2], [])
    assert "forged" in refused[0]
    assert "damaged" in refused[1]


def test_an_altered_line_is_refused_and_missed(home: Path) -> None:
    Inbox(home, "console").append([said(1), said(2), said(3)])
    path = only_file(home)
    path.write_text(path.read_text().replace('"said":2', '"said":7'))
    taken, refused, missing = take(home)
    assert taken == [1, 3]
    assert "forged, or altered" in refused[0]
    assert "lines 2 to 2" in missing[0]


def test_a_line_that_was_taken_is_not_taken_again_when_it_is_played_again(home: Path) -> None:
    box = Inbox(home, "console")
    box.append([said(1)])
    line = only_file(home).read_bytes()
    take(home)
    with only_file(home).open("ab") as file:
        file.write(line)
    (home / "inbox" / "other").mkdir()
    (home / "inbox" / "other" / "0000000001.jsonl").write_bytes(line)
    taken, refused, _ = take(home)
    assert taken == []
    assert any("played again" in one for one in refused)
    assert any("forged" in one for one in refused)  # nobody of that name has a key


def test_a_file_that_is_cut_is_told_of_and_what_comes_later_is_taken(home: Path) -> None:
    box = Inbox(home, "console")
    box.append([said(1), said(2)])
    take(home)
    only_file(home).write_bytes(b"")
    assert "was cut" in take(home)[2][0]
    box.append([said(3)])
    assert take(home) == ([3], [], [])


def test_an_emptied_inbox_goes_on_where_it_was_taken(home: Path) -> None:
    box = Inbox(home, "console")
    box.append([said(1)])
    take(home)
    only_file(home).unlink()
    box.append([said(2)])
    assert take(home) == ([2], [], [])


def test_a_line_cut_short_by_a_kill_is_mended_by_the_next(home: Path) -> None:
    box = Inbox(home, "console")
    box.append([said(1)])
    with only_file(home).open("ab") as file:
        file.write(b'{"half":')
    assert take(home, commit=False)[0] == [1]
    box.append([said(2)])
    assert take(home) == ([1, 2], [], [])


def test_files_that_were_taken_go_once_there_is_a_newer_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "FILE_BYTES", 500)
    box = Inbox(home, "console")
    for number in range(12):
        box.append([said(number)])
    assert len(list((home / "inbox" / "console").glob("*.jsonl"))) > 3
    assert take(home)[0] == list(range(12))
    assert len(list((home / "inbox" / "console").glob("*.jsonl"))) == 1
    box.append([said(12)])
    assert take(home) == ([12], [], [])


def test_what_is_no_file_is_not_read(home: Path, tmp_path: Path) -> None:
    box = Inbox(home, "console")
    box.append([said(1)])
    folder = home / "inbox" / "console"
    (tmp_path / "secret").write_text("secret\n")
    (folder / "0000000007.jsonl").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "0000000008.jsonl")
    (home / "inbox" / "linked").symlink_to(tmp_path)
    assert take(home, commit=False) == ([1], [], [])


def test_a_line_without_an_end_is_refused_and_not_held(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "READ_BYTES", 2000)
    box = Inbox(home, "console")
    box.append([said(1)])
    with only_file(home).open("ab") as file:
        file.write(b"x" * 5000 + b"\n")
    box.append([said(2)])
    taken, refused, _ = take(home)
    assert taken == [1, 2]
    assert 1 <= len(refused) <= 4


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(["append", "take", "die", "tear"]), max_size=12), st.integers())
def test_whatever_dies_each_line_is_taken_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], seed: int
) -> None:
    home = tmp_path_factory.mktemp("inbox") / "home"
    with Home.open(home) as opened:
        opened.commit(Commit())
    dice, left, taken = random.Random(seed), 0, []
    for step in [*steps, "append", "take"]:
        if step == "append":
            number = dice.randint(1, 3)
            Inbox(home, "console").append([said(left + one) for one in range(number)])
            left += number
        elif step == "take":
            taken += take(home)[0]
        elif step == "die":
            take(home, commit=False)  # read, and killed before the commit
        else:
            for path in (home / "inbox").rglob("*.jsonl"):
                with path.open("ab") as file:
                    file.write(b'{"torn":')
    assert taken == list(range(left))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_nothing_that_is_written_into_it_raises_or_is_taken(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    home = tmp_path_factory.mktemp("inbox") / "home"
    folder = home / "inbox" / "console"
    folder.mkdir(parents=True)
    (folder / "0000000001.jsonl").write_bytes(data)
    reader = InboxReader(home)
    for one in reader.read():
        assert not one.records
        assert one.refused or not one.data.strip()


def test_the_places_are_those_of_the_last_commit(home: Path) -> None:
    Inbox(home, "console").append([said(1)])
    take(home)
    with Home.open(home, read_only=True) as opened:
        assert places_of(opened)["console"].number == 1
