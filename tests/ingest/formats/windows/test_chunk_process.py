"""Chunks that hang or kill what reads them cost themselves and nothing else."""

import gc
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.ingest import RecordBatch
from hauberk.ingest.formats.windows import Evtx, chunk_process, chunk_program
from hauberk.ingest.formats.windows.chunk_process import ChunkProcess, Reading
from hauberk.ingest.formats.windows.chunk_program import CHUNK, pack, unpack

OBEDIENT = f"""
import os, sys, time
sys.path.append({str(Path(chunk_program.__file__).parent)!r})
from chunk_program import READY, pack, receive, send
sys.stdin = open(0, "rb"); sys.stdout = open(1, "wb")
send(sys.stdout, READY)
while (chunk := receive(sys.stdin, 65536)) is not None:
    order = chunk.rstrip(b"\\0")
    if order == b"hang":
        time.sleep(600)
    if order == b"abort":
        os.abort()
    if order == b"lie":
        sys.stdout.write(b"\\xff" * 8); sys.stdout.flush()
    send(sys.stdout, pack([(os.getpid(), order)], ""))
"""


def name_chunk(table: int) -> bytes:
    """A chunk with a table that leads to two names, or templates, which follow each other."""
    chunk = bytearray(CHUNK)
    chunk[:8] = b"ElfChnk\0"
    struct.pack_into("<QQQQIIII", chunk, 8, 1, 1, 1, 1, 128, 0x200, 0x300, 0)
    struct.pack_into("<I", chunk, table, 0x220)
    struct.pack_into("<4sIQQ", chunk, 0x200, b"\x2a\x2a\0\0", 0x100, 1, 130_000_000_000_000_000)
    struct.pack_into("<IHH", chunk, 0x220, 0x260, 7, 1)  # the offset of the next comes first
    struct.pack_into("<IHH", chunk, 0x260, 0x220, 7, 1)
    struct.pack_into("<I", chunk, 0x2FC, 0x100)
    return bytes(chunk)


@pytest.fixture
def obedient(tmp_path: Path) -> Iterator[ChunkProcess]:
    program = tmp_path / "program.py"
    program.write_text(OBEDIENT, "utf-8")
    process = ChunkProcess(program, seconds=1.0)
    yield process
    process.close()


def pid(reading: Reading) -> int:
    return reading.records[0][0]


def gone(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("order", [b"hang", b"abort", b"lie"])
def test_a_chunk_that_ends_its_reader_is_told_and_the_next_is_read(
    obedient: ChunkProcess, order: bytes
) -> None:
    before = obedient.read(b"one")
    assert before.records[0][1] == b"one"
    lost = obedient.read(order)
    assert lost.lost
    assert not lost.records
    assert ("more than 1 seconds" in lost.fault) == (order == b"hang")
    assert gone(pid(before))
    after = obedient.read(b"two")
    assert after.records[0][1] == b"two"
    assert pid(after) != pid(before)


def test_the_records_of_a_lost_chunk_are_rejected_with_the_reason(obedient: ChunkProcess) -> None:
    whole = name_chunk(128)
    answers = iter([b"hang", b"fine", b"abort"])
    parsed = Evtx(lambda _: obedient.read(next(answers))).parse(RecordBatch(whole * 3, "f", 4096))
    reasons = {reject.offset: reject.reason for reject in parsed.rejects}
    assert "more than 1 seconds" in reasons[4096 + 512]
    assert "died" in reasons[4096 + 2 * CHUNK + 512]
    assert parsed.records == parsed.events + len(parsed.rejects)


def test_many_slow_chunks_get_less_time_each(
    obedient: ChunkProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_process, "_IMPATIENT", 0.05)
    faults = [obedient.read(b"hang").fault for _ in range(5)]
    assert ["0.05" in fault for fault in faults] == [False, False, False, True, True]


def test_threads_share_one_reader_and_get_their_own_answers(obedient: ChunkProcess) -> None:
    seen: dict[bytes, Reading] = {}

    def ask(name: bytes) -> None:
        seen[name] = obedient.read(name)

    threads = [threading.Thread(target=ask, args=(b"%d" % i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: reading.records[0][1] for name, reading in seen.items()} == {n: n for n in seen}
    assert len({pid(reading) for reading in seen.values()}) == 1


def test_no_process_is_left_behind(obedient: ChunkProcess, tmp_path: Path) -> None:
    idle = pid(obedient.read(b"one"))
    obedient.close()
    assert gone(idle)
    forgotten = ChunkProcess(tmp_path / "program.py")
    number = pid(forgotten.read(b"one"))
    del forgotten
    gc.collect()
    assert gone(number)


@pytest.mark.skipif(sys.platform == "win32", reason="uses POSIX signals")
def test_a_hanging_reader_dies_soon_after_the_process_that_asked() -> None:
    program = str(Path(chunk_program.__file__))
    asked = subprocess.Popen(
        [sys.executable, "-P", program, "1.0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert asked.stdin is not None
    assert asked.stdout is not None
    chunk_program.send(asked.stdin, name_chunk(128))
    assert asked.wait(timeout=30) == 1  # nobody killed it
    asked.stdin.close()
    asked.stdout.close()


def test_a_reader_that_does_not_start_is_told(tmp_path: Path) -> None:
    reading = ChunkProcess(tmp_path / "there is no such program").read(b"one")
    assert reading.lost
    assert "does not start" in reading.fault


def test_names_that_follow_themselves_hang_the_parser_and_not_the_scan() -> None:
    chunk = name_chunk(128)
    process = ChunkProcess(seconds=0.5)
    began = time.monotonic()
    assert process.read(chunk).lost
    assert time.monotonic() - began < 30
    process.close()
    # Evtx takes the tables out, so nothing hangs in the first place.
    for table in (128, 384):
        parsed = Evtx().parse(RecordBatch(name_chunk(table), "f", 4096))
        assert parsed.records == 1
        assert not any("seconds" in reject.reason for reject in parsed.rejects)


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.binary(max_size=40))), st.text(max_size=20))
def test_answers_come_out_as_they_were_packed(records: list[tuple[int, bytes]], said: str) -> None:
    fault = said.encode("utf-8", "replace").decode()
    assert unpack(pack(records, fault)) == (records, fault)


def test_a_chunk_that_swells_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    class Swelling:
        def __init__(self, *_: object) -> None: ...

        def records_json(self) -> Iterator[dict[str, object]]:
            while True:
                yield {"event_record_id": 1, "data": "x" * 1000}

    monkeypatch.setattr(chunk_program, "PyEvtxParser", Swelling)
    monkeypatch.setattr(chunk_program, "MAX_TEXT", 10_500)
    records, fault = chunk_program.read_chunk(b"")
    assert len(records) == 10
    assert "swell" in fault
