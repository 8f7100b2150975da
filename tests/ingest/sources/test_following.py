"""Following files: every byte once, whatever happens to names and sizes meanwhile."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hauberk.ingest import Batch, Follower, Unreadable


def line(number: int) -> bytes:
    time = f"2026-03-02T10:00:{number % 60:02}.0+0000"
    kind = {"event_type": "dns", "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2"}
    return json.dumps({"timestamp": time, **kind, "flow_id": number}).encode() + b"\n"


class Watched:
    """A folder that is followed, with a clock of its own and a memory of what was read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = 0.0
        self.stored: list[Batch] = []
        self.unread: list[Unreadable] = []
        self.begin()

    def begin(self) -> None:
        self.follower = Follower([self.folder], self._known, now=lambda: self.time)

    def _known(self, first_record: str, start: int) -> list[tuple[int, str]]:
        return [
            (one.length, one.sha256)
            for one in self.stored
            if one.first_record == first_record and one.records.offset == start
        ]

    def poll(self, rounds: int = 4) -> None:
        for _ in range(rounds):
            self.time += 1.1
            for one in self.follower.poll():
                (self.stored if isinstance(one, Batch) else self.unread).append(one)  # type: ignore[arg-type]

    @property
    def data(self) -> bytes:
        return b"".join(one.records.data for one in self.stored)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.follower.close()


def test_a_line_is_read_once_it_has_its_end(watched: Watched, tmp_path: Path) -> None:
    file = tmp_path / "eve.json"
    file.write_bytes(line(1) + line(2)[:30])
    watched.poll()
    assert watched.data == line(1)
    with file.open("ab") as more:
        more.write(line(2)[30:])
    watched.poll()
    assert watched.data == line(1) + line(2)
    assert watched.follower.behind == 0


def test_a_rotated_file_is_read_to_its_end_and_its_successor_from_its_start(
    watched: Watched, tmp_path: Path
) -> None:
    file = tmp_path / "eve.json"
    file.write_bytes(line(1))
    watched.poll()
    with file.open("ab") as more:
        more.write(line(2))
    file.rename(tmp_path / ".eve.json.1")
    file.write_bytes(line(3))
    watched.poll()
    assert watched.data == line(1) + line(2) + line(3)


def test_a_rotated_file_that_is_followed_under_its_new_name_is_not_read_twice(
    watched: Watched, tmp_path: Path
) -> None:
    file = tmp_path / "eve.json"
    file.write_bytes(line(1))
    watched.poll()
    file.rename(tmp_path / "eve.json.1")
    file.write_bytes(line(2))
    watched.poll()
    assert watched.data == line(1) + line(2)


def test_a_file_cut_short_is_read_anew(watched: Watched, tmp_path: Path) -> None:
    file = tmp_path / "eve.json"
    file.write_bytes(line(1) + line(2))
    watched.poll()
    file.write_bytes(line(3))
    watched.poll()
    assert watched.data == line(1) + line(2) + line(3)


def test_a_file_written_over_with_more_is_read_anew(watched: Watched, tmp_path: Path) -> None:
    file = tmp_path / "eve.json"
    file.write_bytes(line(1))
    watched.poll()
    again = line(7).replace(b"2026", b"2027") + line(8)
    file.write_bytes(again)
    watched.poll()
    assert watched.data == line(1) + again


def test_a_removed_file_gives_its_last_line_even_without_an_end(
    watched: Watched, tmp_path: Path
) -> None:
    file = tmp_path / "eve.json"
    file.write_bytes(line(1) + line(2).rstrip())
    watched.poll()
    file.unlink()
    watched.poll()
    assert watched.data == line(1) + line(2).rstrip()


def test_a_restart_goes_on_where_it_was(watched: Watched, tmp_path: Path) -> None:
    file = tmp_path / "eve.json"
    for number in range(5):
        with file.open("ab") as more:
            more.write(line(number))
        watched.poll(1)
    watched.follower.close()
    watched.begin()
    with file.open("ab") as more:
        more.write(line(5))
    watched.poll()
    assert watched.data == b"".join(map(line, range(6)))


def test_a_line_too_long_to_be_read_is_passed_over_once_it_ends(
    watched: Watched, tmp_path: Path
) -> None:
    file = tmp_path / "eve.json"
    file.write_bytes(line(1) + b'{"a":"' + b"x" * (17 << 20))
    watched.poll()
    assert watched.data == line(1)
    with file.open("ab") as more:
        more.write(b'"}\n' + line(2))
    watched.poll()
    assert watched.data == line(1) + line(2)
    skipped = [one for batch in watched.stored for one in batch.oversize]
    assert len(skipped) == 1
    assert sum(one.length for one in watched.stored) == file.stat().st_size


def test_an_archive_is_read_whole_once_it_has_settled(watched: Watched, tmp_path: Path) -> None:
    file = tmp_path / "old.json.gz"
    file.write_bytes(gzip.compress(line(1) + line(2)))
    watched.poll(1)
    assert watched.data == b""
    watched.poll()
    assert watched.data == line(1) + line(2)
    watched.poll()
    assert watched.data == line(1) + line(2)


def test_what_no_format_knows_is_told_once(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"hello\nworld\n")
    watched.poll()
    watched.poll()
    assert [one.reason for one in watched.unread] == [
        "text, but of no shape that a known format writes"
    ]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(1, 200)),
            st.tuples(st.sampled_from(["poll", "rotate", "restart"]), st.just(0)),
        ),
        max_size=25,
    )
)
def test_every_byte_is_read_once_in_any_order_of_things(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    watched = Watched(folder)
    file = folder / "eve.json"
    stream = b"".join(map(line, range(40)))
    written = rotated = 0
    for what, amount in steps:
        if what == "write":
            with file.open("ab") as more:
                more.write(stream[written : written + amount])
            written = min(written + amount, len(stream))
        elif what == "poll":
            watched.poll(2)
        elif what == "restart":
            watched.poll(3)
            watched.follower.close()
            watched.begin()
        elif file.exists() and stream[:written].endswith(b"\n"):
            # A rotation moves a file away between two lines, as log rotation does.
            watched.poll(3)
            rotated += 1
            file.rename(folder / f"eve.json.{rotated}")
    with file.open("ab") as more:
        more.write(stream[written:])
    watched.poll(6)
    watched.follower.close()
    lines = sorted(watched.data.splitlines())
    assert lines == sorted(stream.splitlines())


ZEEK = (
    b"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
    b"#open\t2026-03-02-10-00-00\n"
    b"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\n"
    b"#types\ttime\tstring\taddr\tport\taddr\tport\tenum\n"
)


def connection(number: int) -> bytes:
    return b"1772445600.%06d\tC%d\t10.0.0.1\t4%04d\t10.0.0.2\t53\tudp\n" % (number, number, number)


@pytest.fixture
def uncommitted(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """What was read is not stored yet: commits take their time."""
    monkeypatch.setattr(watched, "_known", lambda *_: [])
    watched.follower.close()
    watched.begin()
    return watched


def test_a_zeek_log_that_is_archived_packed_is_not_read_twice(
    uncommitted: Watched, tmp_path: Path
) -> None:
    current, archive = tmp_path / "current", tmp_path / "2026-03-02"
    current.mkdir()
    archive.mkdir()
    log = current / "conn.log"
    log.write_bytes(ZEEK + connection(1))
    uncommitted.poll()
    for number in range(2, 5):
        with log.open("ab") as more:
            more.write(connection(number))
        uncommitted.poll(1)
    with log.open("ab") as more:
        more.write(connection(5) + b"#close\t2026-03-02-11-00-00\n")
    # Zeek renames the log, begins the next, packs the old one and removes it.
    old = current / "conn-26-03-02_10.00.00.log"
    log.rename(old)
    log.write_bytes(ZEEK.replace(b"10-00-00", b"11-00-00") + connection(6))
    uncommitted.poll()
    packed = archive / "conn.10:00:00-11:00:00.log.gz"
    packed.write_bytes(gzip.compress(old.read_bytes()))
    old.unlink()
    uncommitted.poll(6)
    lines = [one for one in uncommitted.data.splitlines() if not one.startswith(b"#")]
    assert lines == [connection(number).rstrip() for number in range(1, 7)]


@pytest.mark.parametrize("way", ["rename", "copytruncate"])
def test_a_suricata_log_that_is_rotated_and_packed_is_not_read_twice(
    uncommitted: Watched, tmp_path: Path, way: str
) -> None:
    file, old = tmp_path / "eve.json", tmp_path / "eve.json.1"
    for number in range(4):
        with file.open("ab") as more:
            more.write(line(number))
        uncommitted.poll(1)
    if way == "rename":
        file.rename(old)
        file.write_bytes(line(4))
    else:
        old.write_bytes(file.read_bytes())
        uncommitted.poll(1)
        file.write_bytes(line(4))
    uncommitted.poll()
    (tmp_path / "eve.json.2.gz").write_bytes(gzip.compress(old.read_bytes()))
    old.unlink()
    uncommitted.poll(6)
    assert uncommitted.data == b"".join(map(line, range(5)))


def test_a_log_that_is_renamed_amid_a_line_is_followed_on(
    uncommitted: Watched, tmp_path: Path
) -> None:
    file = tmp_path / "eve.json"
    file.write_bytes(line(1) + line(2)[:20])
    uncommitted.poll()
    # A name that comes before the old one, and is looked at before it.
    moved = tmp_path / "a.json"
    file.rename(moved)
    file.write_bytes(line(3))
    uncommitted.poll(1)
    with moved.open("ab") as more:
        more.write(line(2)[20:])
    uncommitted.poll()
    assert sorted(uncommitted.data.splitlines()) == [line(n).rstrip() for n in (1, 2, 3)]
