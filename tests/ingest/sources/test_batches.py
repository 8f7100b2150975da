"""Cutting inputs into batches with a stable identity."""

import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.ingest import (
    MAX_RECORD,
    Batch,
    Framing,
    Input,
    Parsed,
    RecordBatch,
    Skipped,
    dead_letters,
    read_ahead,
    read_batches,
)
from hauberk.ingest.formats.lines import split_lines
from hauberk.ingest.sources.streams import Stream


class Plain:
    """Every line is rejected: all that matters here is which lines there are."""

    name = "plain"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:
        return 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        lines = split_lines(records)
        return Parsed([], lines.offsets, lines.lengths, aggregated=len(lines.texts),
                      rejects=lines.rejects)  # fmt: skip


def given_input(data: bytes | BinaryIO) -> Input:
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    return Input("f", PurePath("f"), Stream(file))


def batches(data: bytes, chunk_bytes: int = 64) -> list[Batch]:
    found = list(read_batches(given_input(data), Plain(), chunk_bytes=chunk_bytes))
    assert all(isinstance(each, Batch) for each in found)
    return [each for each in found if isinstance(each, Batch)]


class Ledger:
    """Remembers batches, as the store does."""

    def __init__(self) -> None:
        self.chunks: list[tuple[str, int, int, str]] = []

    def add(self, batch: Batch) -> None:
        self.chunks.append((batch.first_record, batch.records.offset, batch.length, batch.sha256))

    def known(self, first_record: str, start: int) -> Sequence[tuple[int, str]]:
        return [
            (n, sha) for first, at, n, sha in self.chunks if (first, at) == (first_record, start)
        ]


@given(st.binary(max_size=400), st.integers(1, 80))
def test_batches_hold_every_byte_once_and_whole_lines(data: bytes, chunk_bytes: int) -> None:
    cut = batches(data, chunk_bytes)
    assert b"".join(batch.records.data for batch in cut) == data
    assert [b.records.offset for b in cut] == np.cumsum([0, *(b.length for b in cut)])[:-1].tolist()
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        assert all(batch.records.data.endswith(b"\n") for batch in cut[:-1])
    assert [b.batch_id for b in batches(data, chunk_bytes)] == [b.batch_id for b in cut]


def test_utf16_is_cut_at_its_own_line_ends() -> None:
    data = "\ufeffone\n\u0a0atwo\nthree".encode("utf-16-le")
    for size in range(2, 30, 2):
        texts = [t for b in batches(data, size) for t in split_lines(b.records).texts]
        assert texts == [b"one", "\u0a0atwo".encode(), b"three"]


def test_the_same_bytes_are_skipped_and_a_grown_file_is_read_from_where_it_was_left() -> None:
    ledger = Ledger()
    old = b"".join(b"line %d\n" % i for i in range(50))
    for batch in batches(old):
        ledger.add(batch)
    new = old + b"more\nand more\n"
    found = list(read_batches(given_input(new), Plain(), known=ledger.known, chunk_bytes=100))
    assert sum(each.length for each in found if isinstance(each, Skipped)) == len(old)
    assert [e.records.data for e in found if isinstance(e, Batch)] == [b"more\nand more\n"]
    again = list(read_batches(given_input(old), Plain(), known=ledger.known))
    assert all(isinstance(each, Skipped) for each in again)


def test_a_file_with_other_bytes_is_read_again() -> None:
    ledger = Ledger()
    for batch in batches(b"one\ntwo\n"):
        ledger.add(batch)
    found = list(read_batches(given_input(b"one\nTWO\n"), Plain(), known=ledger.known))
    assert [type(each) for each in found] == [Batch]


def test_a_line_that_was_still_being_written_is_read_again_and_no_other() -> None:
    ledger = Ledger()
    for batch in batches(b"one\ntwo\nthr"):
        ledger.add(batch)
    found = list(read_batches(given_input(b"one\ntwo\nthree\n"), Plain(), known=ledger.known))
    assert [e.records.data for e in found if isinstance(e, Batch)] == [b"three\n"]


class Endless(io.RawIOBase):
    """A file of one line of a given length, then a short one, made as it is read."""

    def __init__(self, length: int) -> None:
        self.left = length
        self.largest = 0

    def read(self, size: int = -1) -> bytes:
        self.largest = max(self.largest, size)
        if self.left == 0:
            self.left = -1
            return b"\nshort\n"
        if self.left < 0:
            return b""
        part = min(size, self.left)
        self.left -= part
        return b"x" * part


def test_a_line_without_end_is_skipped_with_flat_memory_and_its_start_is_kept() -> None:
    length = MAX_RECORD * 8
    file = Endless(length)
    found = list(read_batches(given_input(file), Plain(), chunk_bytes=1 << 20))  # type: ignore[arg-type]
    long, short = (each for each in found if isinstance(each, Batch))
    assert long.oversize[0].reject.offset == 0
    assert long.oversize[0].reject.length == length + 1
    assert short.records.data == b"short\n"
    assert short.records.offset == length + 1
    letters = dead_letters(Plain().parse(long.records), long)
    assert letters["raw"].to_list() == [b"x" * 4096]
    assert file.largest <= 1 << 20


def test_reading_ahead_keeps_order_and_hands_on_errors() -> None:
    assert list(read_ahead(iter(range(100)), depth=3)) == list(range(100))

    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    ahead = read_ahead(broken())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


def test_reading_ahead_stops_when_nobody_reads_on() -> None:
    made: list[int] = []

    def endless() -> Iterator[int]:
        for n in itertools.count():
            made.append(n)
            yield n

    ahead = read_ahead(endless(), depth=2)
    assert next(ahead) == 0
    ahead.close()  # type: ignore[attr-defined]
    assert len(made) <= 5


class Chunked(Plain):
    framing = Framing.EVTX_CHUNKS


def test_an_evtx_file_that_grew_is_read_from_its_last_chunk_on() -> None:
    def evtx(*chunks: bytes) -> bytes:
        return b"ElfFile\0".ljust(4096, b"\0") + b"".join(c.ljust(65536, b"\0") for c in chunks)

    ledger = Ledger()
    old = evtx(b"ElfChnk\0one", b"ElfChnk\0two", b"ElfChnk\0thr", b"", b"")
    for each in read_batches(given_input(old), Chunked()):
        assert isinstance(each, Batch)
        ledger.add(each)
    new = evtx(b"ElfChnk\0one", b"ElfChnk\0two", b"ElfChnk\0three", b"ElfChnk\0four", b"")
    found = list(read_batches(given_input(new), Chunked(), known=ledger.known))
    told = [(type(e), e.length // 65536) for e in found]
    # The last one is room that Windows made ahead.
    assert told == [(Skipped, 2), (Batch, 1), (Batch, 1), (Batch, 1)]
