"""EVTX files, whole and damaged."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from hauberk.ingest import (
    Batch,
    Input,
    Parsed,
    RecordBatch,
    dead_letters,
    find_inputs,
    parse_again,
    read_batches,
    stamp,
)
from hauberk.ingest.formats.windows import Evtx
from hauberk.ingest.formats.windows.chunk_program import CHUNK

SharedData = Callable[[str], Path]


@pytest.fixture(scope="session")
def samples(shared_data: SharedData) -> list[Path]:
    return sorted(shared_data("win-benign-evtx").rglob("*.evtx"))


def parsed_batches(path: Path) -> list[tuple[Batch, Parsed]]:
    found = []
    for each in find_inputs([path]):
        assert isinstance(each, Input)
        for batch in read_batches(each, Evtx(), chunk_bytes=4 * CHUNK):
            assert isinstance(batch, Batch)
            found.append((batch, Evtx().parse(batch.records)))
    return found


def test_real_files_are_read_and_damage_is_told(samples: list[Path]) -> None:
    events = rejects = 0
    for path in samples:
        assert Evtx().sniff(path.read_bytes()[: 1 << 16], path) == 1.0
        for batch, parsed in parsed_batches(path):
            assert parsed.records == parsed.events + len(parsed.rejects)
            events += parsed.events
            rejects += dead_letters(parsed, batch).height
    assert events > 18_000
    assert 0 < rejects < events / 20


def test_records_lead_back_to_their_bytes_and_parse_again(samples: list[Path]) -> None:
    path = next(path for path in samples if path.name == "system.evtx")
    data = path.read_bytes()
    batch, parsed = parsed_batches(path)[0]
    for group in stamp(parsed, batch):
        for row in group.events.head(3).iter_rows(named=True):
            assert data[row["record.offset"] :][:4] == b"\x2a\x2a\0\0"
            assert row["record.length"] > 24
            again = parse_again([row["raw_data"]], row["record.format"])
            [same] = again.groups
            assert same.group.key == group.key
            assert same.group.events["time"].to_list() == [row["time"]]


def test_damaged_files_never_raise(samples: list[Path]) -> None:
    small = [path for path in samples if path.stat().st_size < 100_000]
    chance = random.Random(7)
    for _ in range(40):
        data = bytearray(chance.choice(small).read_bytes())
        for _ in range(chance.randrange(1, 30)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        body = bytes(data[4096 : chance.randrange(4097, len(data))])
        parsed = Evtx().parse(RecordBatch(body, "f", 4096, bytes(data[:4096])))
        assert parsed.records == parsed.events + len(parsed.rejects)


def test_a_broken_record_header_hides_no_record(samples: list[Path]) -> None:
    path = next(path for path in samples if path.name == "system.evtx")
    data = path.read_bytes()[4096 : 4096 + CHUNK]
    whole = Evtx().parse(RecordBatch(data, "f", 4096))
    victim = int(whole.offsets[3]) - 4096
    for broken, lost in ((8, 0), (60, 1)):
        damaged = data[:victim] + b"\0" * broken + data[victim + broken :]
        parsed = Evtx().parse(RecordBatch(damaged, "f", 4096))
        assert parsed.records == whole.records
        assert parsed.events == whole.events - lost
        assert [reject.offset for reject in parsed.rejects] == [victim + 4096] * lost
