"""One batch of records as it is parsed, stamped, and judged by rules."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from hauberk.detect import Detector, State
from hauberk.events import EventBatch, EventClass, no_findings
from hauberk.ingest import Batch, Parsed, dead_letters, stamp
from hauberk.store import BatchEntry, DeadLetter

from .bounded import HungError, Run, at_once
from .guard import DetectorFault, judged
from .salvaging import FormatFault, salvaged

_NO_FINDINGS = no_findings()


@dataclass(frozen=True, slots=True)
class Parsing:
    """What one batch became, ready to be committed."""

    entry: BatchEntry
    tables: Mapping[EventClass, pl.DataFrame]
    letters: Sequence[DeadLetter]
    findings: pl.DataFrame
    seconds: Mapping[str, float]
    faults: Sequence[DetectorFault | FormatFault] = ()
    left: Mapping[str, State] = field(default_factory=dict)  # tables for later, by detector


def parse(batch: Batch, judges: Sequence[Detector], run: Run = at_once) -> Parsing:
    """Parse a batch, stamp its events, and let the detectors that read fields judge them.

    `run` runs the format. Raises HungError where that one does not end.
    """
    began = time.perf_counter()
    faults: list[DetectorFault | FormatFault] = []
    try:
        parsed = run(lambda: batch.format.parse(batch.records))
        parsing = time.perf_counter()
        events = EventBatch.from_groups(batch.batch_id, stamp(parsed, batch))
    except HungError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever a format of anybody's raises
        parsed, lost = salvaged(batch, error, run)
        faults.append(lost)
        parsing = time.perf_counter()
        events = EventBatch.from_groups(batch.batch_id, stamp(parsed, batch))
    stamping = time.perf_counter()
    findings: list[pl.DataFrame] = []
    left = {}
    for judge in judges:
        said, tables, fault = judged(judge, events, {})
        if said.height:
            findings.append(said)
        if tables:
            left[judge.spec.name] = tables
        if fault is not None:
            faults.append(fault)
    judging = time.perf_counter()
    letters = _letters(parsed, batch)
    entry = BatchEntry(
        batch_id=batch.batch_id,
        source=batch.records.source,
        start=batch.records.offset,
        length=batch.length,
        sha256=batch.sha256,
        first_record=batch.first_record,
        format=batch.format.name,
        format_version=batch.format.version,
        records=parsed.records + len(batch.oversize),
        events=events.height,
        aggregated=parsed.aggregated,
        rejected=len(letters),
        head=batch.records.head,
        modified=batch.records.modified,
    )
    return Parsing(
        entry,
        events.tables,
        letters,
        pl.concat(findings) if findings else _NO_FINDINGS,
        {"parse": parsing - began, "normalise": stamping - parsing, "rules": judging - stamping},
        faults,
        left,
    )


def _letters(parsed: Parsed, batch: Batch) -> list[DeadLetter]:
    if not (parsed.rejects or batch.oversize):
        return []
    rows = dead_letters(parsed, batch).select("source", "offset", "length", "reason", "raw")
    return [DeadLetter(batch.batch_id, *row) for row in rows.iter_rows()]
