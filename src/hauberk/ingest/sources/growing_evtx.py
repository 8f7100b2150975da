"""An EVTX file that is followed while Windows writes it: every record once, soon after it came.

Windows writes records into the chunk that it is at, and goes round when a log is full that is not
archived: any chunk may be written anew. So the headers of the chunks are looked at, not the end of
the file. Full chunks that were never read are read many at a time; of the others what is new.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hauberk.ingest.interface import Format, RecordBatch

from .batches import Batch, Known, batch_of, piece_of, stored_range
from .evtx_chunks import (
    CHUNK,
    HEADER,
    RECORDS,
    ChunkState,
    is_sound,
    read_pieces,
    state_of,
)
from .streams import HEAD, Stream

RUN_BYTES = 4 << 20
"""Most that is read of full chunks at a time."""

NEAR = 32
"""Chunks after the one that is written at, which are looked at every time."""

LOOK_SECONDS = 0.5
"""Pause between two looks: each reads the chunk that is written at from its start."""

ALL_SECONDS = 30.0
"""Pause between two looks at all chunks."""

SETTLED = 2.0
"""Seconds after which a chunk whose checksums are wrong is read as it is: it is damaged."""


@dataclass(slots=True)
class _Chunk:
    """What was read of a chunk: up to `at` of the chunk whose first record is `first`."""

    first: int
    at: int
    seen: ChunkState


class GrowingEvtx:
    """Follows one open file; the descriptor stays its caller's.

    `base` names the file for its batches. `known` as for `read_batches`; a clock in seconds.
    """

    def __init__(self, descriptor: int, base: RecordBatch, format: Format, known: Known) -> None:  # noqa: A002
        self._descriptor = descriptor
        self._base = base
        self._format = format
        self._known = known
        self._chunks: dict[int, _Chunk] = {}
        self._unsound: dict[int, tuple[bytes, float]] = {}
        self._current = 0
        self._looked_at_all = -ALL_SECONDS
        self._looked = -LOOK_SECONDS
        self._stamp = (-1, -1)
        self._open = False
        self.behind = 0

    def named(self, source: str) -> None:
        """The file has another name from now on."""
        self._base = replace(self._base, source=source)

    def poll(self, now: float) -> Iterator[Batch]:
        """What has come since the last look, at most RUN_BYTES of full chunks. Raises OSError."""
        if not self._open:
            self._pass_over()
            self._open = True
        if now - self._looked < LOOK_SECONDS and not self.behind:
            return
        self._looked = now
        status = os.fstat(self._descriptor)
        stamp = (status.st_size, status.st_mtime_ns)
        due = now - self._looked_at_all >= ALL_SECONDS
        if stamp == self._stamp and not due and not self._unsound and not self.behind:
            return
        self._stamp = stamp
        wanted = sorted(self._wanted(status.st_size, every=due or self.behind > 0),
                        key=lambda pair: pair[1].first)  # fmt: skip
        if due:
            self._looked_at_all = now
        self.behind = sum(self._unread(number, state) for number, state in wanted)
        yield from self._read(wanted, now)

    def _wanted(self, size: int, *, every: bool) -> Iterator[tuple[int, ChunkState]]:
        """The chunks that were never read or have changed, by number."""
        count = max(0, size - HEADER) // CHUNK
        near = {(self._current + step) % count for step in range(NEAR)} if count else set()
        for number in range(count) if every else sorted(near | {0, *self._unsound}):
            state = state_of(os.pread(self._descriptor, RECORDS, _place(number)))
            if state is None:
                continue
            last = self._chunks.get(self._current)
            if last is None or state.first >= last.seen.first:
                self._current = number
            was = self._chunks.get(number)
            if was is None or was.seen != state:
                yield number, state

    def _unread(self, number: int, state: ChunkState) -> int:
        was = self._chunks.get(number)
        return state.free - (was.at if was is not None and was.first == state.first else RECORDS)

    def _read(self, wanted: list[tuple[int, ChunkState]], now: float) -> Iterator[Batch]:
        run: list[tuple[int, ChunkState, bytes]] = []
        taken = 0
        for at, (number, state) in enumerate(wanted):
            if taken >= RUN_BYTES:
                break
            chunk = os.pread(self._descriptor, CHUNK, _place(number))
            if not self._is_whole(number, chunk, now):
                continue
            state = state_of(chunk) or state  # noqa: PLW2901  # as it is by now
            taken += self._unread(number, state)
            was = self._chunks.get(number)
            fresh = was is None or was.first != state.first
            # The one that is written at is read in pieces, for its header will not stay.
            if fresh and at < len(wanted) - 1:
                if run and run[-1][0] != number - 1:
                    yield self._full(run)
                    run = []
                run.append((number, state, chunk))
                continue
            if run:
                yield self._full(run)
                run = []
            yield from self._piece(number, state, chunk)
        if run:
            yield self._full(run)

    def _is_whole(self, number: int, chunk: bytes, now: float) -> bool:
        """Whether a chunk can be read: nothing in it is half written, or it stays as it is."""
        if is_sound(chunk):
            self._unsound.pop(number, None)
            return True
        was, since = self._unsound.get(number, (b"", now))
        if was != chunk[:RECORDS]:
            self._unsound[number] = (chunk[:RECORDS], now)
            return False
        if now - since < SETTLED:
            return False
        del self._unsound[number]
        return True

    def _full(self, run: list[tuple[int, ChunkState, bytes]]) -> Batch:
        for number, state, _ in run:
            self._done(number, state, state.free)
        return batch_of(self._base, self._format, b"".join(chunk for *_, chunk in run),
                        _place(run[0][0]))  # fmt: skip

    def _piece(self, number: int, state: ChunkState, chunk: bytes) -> Iterator[Batch]:
        was = self._chunks.get(number)
        at = was.at if was is not None and was.first == state.first else RECORDS
        self._done(number, state, max(at, state.free))
        yield from piece_of(self._base, self._format, chunk, _place(number), at)

    def _done(self, number: int, state: ChunkState, at: int) -> None:
        self._chunks[number] = _Chunk(state.first, at, state)
        self.behind = max(0, self.behind - (state.free - RECORDS))

    def _pass_over(self) -> None:
        """Find what was read before: runs of chunks as they are, or pieces of them."""
        with os.fdopen(os.dup(self._descriptor), "rb", buffering=0) as raw:
            raw.seek(0)
            stream = Stream(raw)
            number, _ = 0, stream.read(HEADER)
            while data := stream.peek(HEAD):
                found = stored_range(stream, data, _place(number), self._known)
                count = max(1, found[0] // CHUNK) if found is not None else 1
                for at in range(count):
                    chunk = stream.read(CHUNK)
                    state = state_of(chunk)
                    if state is None:
                        continue
                    end = RECORDS + sum(
                        length
                        for _, length, _ in read_pieces(chunk, _place(number + at), self._known)
                    )
                    if found is not None or end > RECORDS:
                        whole = found is not None or end >= state.free
                        seen = state if whole else replace(state, free=0)
                        self._chunks[number + at] = _Chunk(
                            state.first, state.free if whole else end, seen
                        )
                number += count


def _place(number: int) -> int:
    return HEADER + number * CHUNK
