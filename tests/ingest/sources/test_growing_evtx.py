"""An EVTX file that Windows writes is read as it grows: each record once, whatever befalls it."""

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hauberk.ingest import Batch, Follower, RecordBatch, find_inputs, read_batches
from hauberk.ingest.formats.windows import Evtx
from hauberk.ingest.formats.windows.chunk_process import SHARED, Reading
from hauberk.ingest.sources.evtx_chunks import CHUNK, HEADER, RECORDS, is_sound, state_of

EVTX = Evtx()


@pytest.fixture(scope="session")
def log(shared_data: Callable[[str], Path]) -> bytes:
    """A real log of four full chunks."""
    for path in sorted(shared_data("win-benign-evtx").rglob("*.evtx")):
        data = path.read_bytes()
        chunks = [data[at : at + CHUNK] for at in range(HEADER, HEADER + 4 * CHUNK, CHUNK)]
        if len(data) >= HEADER + 4 * CHUNK and all(map(is_sound, chunks)):
            return data[:HEADER] + b"".join(chunks)
    pytest.skip("no log with four whole chunks")


def ends(chunk: bytes) -> list[int]:
    """Where the records of a chunk end."""
    found, at = [], RECORDS
    state = state_of(chunk)
    assert state is not None
    while at < state.free:
        (size,) = struct.unpack_from("<I", chunk, at + 4)
        at += size
        found.append(at)
    return found


def until(chunk: bytes, end: int) -> bytes:
    """A chunk as it was when its last record ended at `end`."""
    first, last = state_of(chunk), ends(chunk).index(end)
    assert first is not None
    begin = ([RECORDS, *ends(chunk)])[last]
    grown = bytearray(chunk[:end].ljust(CHUNK, b"\0"))
    struct.pack_into("<Q", grown, 32, first.first + last)
    struct.pack_into("<III", grown, 44, begin, end, zlib.crc32(chunk[RECORDS:end]))
    struct.pack_into("<I", grown, 124, zlib.crc32(grown[128:RECORDS], zlib.crc32(grown[:120])))
    assert is_sound(bytes(grown))
    return bytes(grown)


class Collector:
    """A log that is written record by record, and what was read of it."""

    def __init__(self, folder: Path, log: bytes) -> None:
        self.path = folder / "ForwardedEvents.evtx"
        self.log = log
        self.chunks = [log[at : at + CHUNK] for at in range(HEADER, len(log), CHUNK)]
        self.steps = [(n, end) for n, one in enumerate(self.chunks) for end in ends(one)]
        self.written = 0
        self.time = 0.0
        self.stored: list[Batch] = []
        self.begin()

    def begin(self) -> None:
        self.follower = Follower([self.path.parent], self.known, now=lambda: self.time)

    def known(self, first_record: str, start: int) -> list[tuple[int, str]]:
        return [
            (one.length, one.sha256)
            for one in self.stored
            if one.first_record == first_record and one.records.offset == start
        ]

    def write(self, records: int) -> None:
        self.written = min(self.written + records, len(self.steps))
        if self.written:
            number, end = self.steps[self.written - 1]
            whole = b"".join(self.chunks[:number]) + until(self.chunks[number], end)
            with self.path.open("r+b" if self.path.exists() else "xb") as file:
                # Windows makes room ahead of what it writes.
                file.write(self.log[:HEADER] + whole.ljust(6 * CHUNK, b"\0"))

    def poll(self, rounds: int = 3) -> None:
        for _ in range(rounds):
            self.time += 1.1
            self.stored += [one for one in self.follower.poll() if isinstance(one, Batch)]

    def scan(self) -> None:
        for found in find_inputs([self.path]):
            batches = read_batches(found, EVTX, known=self.known)  # type: ignore[arg-type]
            self.stored += [one for one in batches if isinstance(one, Batch)]

    @property
    def ids(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for batch in self.stored:
            parsed = EVTX.parse(batch.records)
            assert not parsed.rejects
            for raw in parsed.raw or ():
                found[orjson.loads(raw)["Event"]["System"]["EventRecordID"]] += 1
        return found

    def is_read_once(self) -> bool:
        ids = self.ids
        return len(ids) == self.written and set(ids.values()) <= {1}


@pytest.fixture
def collector(tmp_path: Path, log: bytes) -> Iterator[Collector]:
    made = Collector(tmp_path, log)
    yield made
    made.follower.close()


def test_records_are_read_as_they_come_and_each_once(collector: Collector) -> None:
    for records in (1, 1, 30, 100, 1, 90):
        collector.write(records)
        collector.poll()
        assert collector.is_read_once()
    read = sum(one.length for one in collector.stored)
    assert read <= collector.written * 4096
    assert collector.follower.behind == 0


def test_a_place_of_a_record_is_where_it_stands_in_the_file(collector: Collector) -> None:
    for records in (10, 10):
        collector.write(records)
        collector.poll()
    offsets = [
        int(at) for one in collector.stored for at in EVTX.parse(one.records).offsets.tolist()
    ]
    assert offsets == [HEADER + at for at in [RECORDS, *ends(collector.chunks[0])][:20]]


def test_an_archived_log_is_followed_on_under_its_new_name(collector: Collector) -> None:
    collector.write(150)
    collector.poll()
    collector.write(5)
    archive = collector.path.with_name("Archive-ForwardedEvents-2026-03-02-10-00-00-000.evtx")
    collector.path.rename(archive)
    collector.poll()
    assert collector.is_read_once()
    # A copy of the archive, as a tool brings it from another machine.
    (archive.parent / "copies").mkdir()
    (archive.parent / "copies" / archive.name).write_bytes(archive.read_bytes())
    collector.poll(5)
    assert collector.is_read_once()


def test_a_chunk_that_is_half_written_is_waited_for(collector: Collector) -> None:
    collector.write(5)
    collector.poll()
    before = collector.path.read_bytes()
    collector.write(5)
    after = collector.path.read_bytes()
    torn = bytearray(after)
    torn[HEADER : HEADER + RECORDS] = after[HEADER : HEADER + RECORDS]
    torn[HEADER + RECORDS : HEADER + CHUNK] = before[HEADER + RECORDS : HEADER + CHUNK]
    collector.path.write_bytes(torn)
    collector.poll(1)
    assert len(collector.ids) == 5
    collector.path.write_bytes(after)
    collector.poll()
    assert collector.is_read_once()


def test_a_log_that_goes_round_is_read_where_it_is_written(collector: Collector) -> None:
    collector.write(len(collector.steps))
    collector.poll()
    assert collector.is_read_once()
    first = state_of(collector.chunks[0])
    assert first is not None
    again = bytearray(collector.path.read_bytes())
    newer = bytearray(until(collector.chunks[1], ends(collector.chunks[1])[4]))
    struct.pack_into("<QQ", newer, 24, 900_000, 900_004)
    struct.pack_into("<I", newer, 124, zlib.crc32(newer[128:RECORDS], zlib.crc32(newer[:120])))
    again[HEADER : HEADER + CHUNK] = newer
    collector.path.write_bytes(again)
    count = len(collector.stored)
    collector.poll()
    assert [len(EVTX.parse(one.records).offsets) for one in collector.stored[count:]] == [5]


def test_a_scan_and_a_watch_do_not_read_each_others_records_again(collector: Collector) -> None:
    for turn, records in enumerate((60, 100, 3, 120, 1)):
        collector.write(records)
        if turn % 2:
            collector.scan()
        else:
            collector.follower.close()
            collector.begin()
            collector.poll()
        assert collector.is_read_once()


def test_the_host_of_a_forwarded_event_is_the_computer_that_it_comes_from(log: bytes) -> None:
    def forwarded(chunk: bytes) -> Reading:
        """As if every second record had come from another computer."""
        reading = SHARED.read(chunk)
        records = []
        for at, (number, text) in enumerate(reading.records):
            event = orjson.loads(text)
            event["Event"]["System"]["Computer"] = f"ws{at % 2:02}.example.org"
            event["Event"]["RenderingInfo"] = {"#attributes": {"Culture": "en-US"}, "Message": "x"}
            records.append((number, orjson.dumps(event)))
        return Reading(records)

    chunk = log[HEADER : HEADER + CHUNK]
    parsed = Evtx(forwarded).parse(RecordBatch(chunk, "ForwardedEvents.evtx", HEADER, log[:HEADER]))
    hosts = {
        host for one in parsed.groups for host in one.group.events["device.hostname"].to_list()
    }
    assert not parsed.rejects
    assert {str(one).split(".")[0].lower() for one in hosts} == {"ws00", "ws01"}


@settings(max_examples=12, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(1, 120)),
            st.tuples(st.sampled_from(["poll", "restart", "scan", "archive"]), st.just(0)),
        ),
        max_size=14,
    )
)
def test_every_record_is_read_once_in_any_order_of_things(
    tmp_path_factory: pytest.TempPathFactory, log: bytes, steps: list[tuple[str, int]]
) -> None:
    collector = Collector(tmp_path_factory.mktemp("collector"), log)
    for what, amount in [*steps, ("write", 1), ("poll", 0)]:
        if what == "write":
            collector.write(amount)
        elif what == "poll":
            collector.poll(4)
        elif what == "scan" and collector.written:
            collector.scan()
            collector.follower.close()
            collector.begin()
        elif what == "restart":
            collector.follower.close()
            collector.begin()
        elif what == "archive" and collector.written:
            collector.poll(4)  # a copy of what was not read yet is read beside it (docs/live.md)
            number = len(list(collector.path.parent.iterdir()))
            archive = collector.path.with_name(f"Archive-ForwardedEvents-{number}.evtx")
            archive.write_bytes(collector.path.read_bytes())
    collector.poll(4)
    collector.follower.close()
    assert collector.is_read_once()


@given(st.binary(max_size=700))
def test_no_header_confuses_the_reading_of_it(header: bytes) -> None:
    for data in (header, b"ElfChnk\0" + header):
        found = state_of(data)
        assert found is None or RECORDS <= found.free <= CHUNK
        assert not is_sound(data) or found is not None
