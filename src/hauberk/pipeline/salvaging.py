"""A record on which a format fails costs itself, and not the batch that it came in.

Formats promise to raise on nothing; one that does is asked for ever smaller pieces of the batch,
until what it fails on stands alone. That goes to the dead letters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hauberk.ingest import Batch, Framing, Parsed, ParsedGroup, RecordBatch, Reject, stamp

from .bounded import HungError, Run

TRIES = 64
"""Pieces that are tried. One bad line of 20,000 takes 30."""

_WIDE = (b"\xff\xfe", b"\xfe\xff")  # UTF-16, whose line ends are two bytes


@dataclass(frozen=True, slots=True)
class FormatFault:
    """A batch on which a format failed; what it fails on is in the dead letters."""

    format: str
    version: str
    batch: str
    records: int
    error: str

    @property
    def who(self) -> str:
        """Whose fault it is."""
        return f"format {self.format}"

    def __str__(self) -> str:
        return (
            f"{self.format} {self.version} failed on {self.records:,} records of {self.batch}, "
            f"which are in the dead letters: {self.error}"
        )


def salvaged(batch: Batch, error: Exception, run: Run) -> tuple[Parsed, FormatFault]:
    """What the format makes of a batch that it failed on, and what it lost there.

    Raises HungError.
    """
    said = f"{type(error).__name__}: {error}"[:200]
    reason = f"the format {batch.format.name} {batch.format.version} failed on it: {said}"
    lines = batch.format.framing is Framing.LINES and not batch.records.head.startswith(_WIDE)
    parts: list[Parsed] = []
    pieces = [batch.records]
    left = TRIES
    while pieces:
        piece = pieces.pop()
        halves = _halves(piece) if lines else []
        # The whole is known to fail.
        part = _tried(batch, piece, run) if left > 0 and piece is not batch.records else None
        left -= 1
        if part is not None:
            parts.append(part)
        elif halves and left > 0:
            pieces.extend(reversed(halves))
        else:
            parts.append(_refused(piece, reason, lines=lines))
    joined = _joined(parts, batch.records)
    lost = sum(one.reason == reason for one in joined.rejects)
    fault = FormatFault(batch.format.name, batch.format.version, batch.batch_id, lost, said)
    return joined, fault


def _halves(piece: RecordBatch) -> list[RecordBatch]:
    """Two pieces of whole lines; none where it is one line."""
    data = piece.data
    cut = data.rfind(b"\n", 0, len(data) // 2) + 1 or data.find(b"\n") + 1
    if not 0 < cut < len(data):
        return []
    return [
        replace(piece, data=data[:cut]),
        replace(piece, data=data[cut:], offset=piece.offset + cut, before=b""),
    ]


def _tried(batch: Batch, piece: RecordBatch, run: Run) -> Parsed | None:
    def work() -> Parsed:
        parsed = batch.format.parse(piece)
        stamp(parsed, replace(batch, records=piece))
        return parsed

    try:
        return run(work)
    except HungError:
        raise
    except Exception:  # noqa: BLE001  # whatever a format of anybody's raises
        return None


def _refused(piece: RecordBatch, reason: str, *, lines: bool) -> Parsed:
    """Every line, or the whole, as a reject."""
    found = []
    at = 0
    for text in piece.data.split(b"\n") if lines else [piece.data]:
        if text.strip():
            found.append(Reject(piece.offset + at, len(text), reason))
        at += len(text) + 1
    return Parsed(
        [],
        np.array([one.offset for one in found], dtype=np.int64),
        np.array([one.length for one in found], dtype=np.int64),
        rejects=found,
    )


def _joined(parts: Sequence[Parsed], records: RecordBatch) -> Parsed:
    groups: list[ParsedGroup] = []
    raw: list[bytes] = []
    at = 0
    for part in parts:
        groups += [replace(one, records=one.records + at) for one in part.groups]
        raw += part.raw if part.raw is not None else _bytes(part, records)
        at += part.records
    texts = [part for part in parts if part.raw is not None]
    return Parsed(
        groups,
        np.concatenate([part.offsets for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        aggregated=sum(part.aggregated for part in parts),
        rejects=[reject for part in parts for reject in part.rejects],
        raw=raw if texts else None,
        raw_format=texts[0].raw_format if texts else None,
    )


def _bytes(part: Parsed, records: RecordBatch) -> list[bytes]:
    starts = (part.offsets - records.offset).tolist()
    return [
        records.data[at : at + length]
        for at, length in zip(starts, part.lengths.tolist(), strict=True)
    ]
