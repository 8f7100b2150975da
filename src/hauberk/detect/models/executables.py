"""Windows executables that look like malware, by the models that may judge executables here.

The numbers of headers and sections come from the record that the format kept of the file.
"""

import math
from collections.abc import Sequence

import orjson
import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import (
    EntityKind,
    EventBatch,
    EventClass,
    FindingKind,
    entity,
    no_findings,
)

from .counting import left
from .panel import Panel, Verdicts, parsed_rows
from .saying import LONGEST, Row, Word, findings_of, reason, said

NAME = "model-executable"
FORMAT = "portable-executable"
COLUMNS = (
    "time", "metadata.uid", "file.path", "file.hashes", "record.format", "raw_data",
    "device.hostname",
)  # fmt: skip


class ExecutableModels:
    """Judges each executable once."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.spec = DetectorSpec(
            name=NAME,
            version=panel.version,
            kind=FindingKind.MODEL,
            title="Executables that look like malware",
            reads_fields=True,
        )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch, and the tables that are left with it."""
        if EventClass.FILE_ACTIVITY not in batch.tables:
            return no_findings(), state
        rows = parsed_rows(batch, EventClass.FILE_ACTIVITY, COLUMNS)
        rows = rows.filter(pl.col("record.format") == FORMAT).drop_nulls("time")
        if not rows.height:
            return no_findings(), state
        days = rows["time"].dt.date()
        told, tallies, inputs, queries = [], [], [], []
        facts = [numbers_of(raw) for raw in rows["raw_data"]]
        for seat in self.panel.seats:
            alone = Panel((seat,), self.panel.clock)
            mine = self.panel.assigned(seat, rows["file.hashes"])
            names = seat.judging.features.names
            chosen = rows.filter(pl.Series(mine))
            own = [row_of(one, names) for one, yes in zip(facts, mine, strict=True) if yes]
            for verdicts in alone.judge(own, chosen["file.hashes"]) if own else ():
                when = days.filter(pl.Series(mine))
                tallies.append(verdicts.counted(when))
                inputs.append(verdicts.inputs(when))
                queries.append(verdicts.queries(when, chosen["device.hostname"]))
                told += findings_of(NAME, verdicts, chosen, _word)
        return left(self.panel, said(told), tallies, inputs, queries)


def numbers_of(raw: bytes | None) -> dict[str, object] | None:
    """The numbers that the format kept of a file, by name; None where there are none."""
    try:
        kept = orjson.loads(raw or b"")
    except orjson.JSONDecodeError:
        return None
    found = kept.get("numbers") if isinstance(kept, dict) else None
    return found if isinstance(found, dict) else None


def row_of(numbers: dict[str, object] | None, names: Sequence[str]) -> list[float] | None:
    """The numbers that a model asks for, in its order; what the file has not is -1."""
    if numbers is None:
        return None
    found = (numbers.get(name) for name in names)
    return [float(one) if isinstance(one, int | float) else -1.0 for one in found]


def _word(verdicts: Verdicts, at: int, row: Row, explained: bool) -> Word:
    path, digest = str(row["file.path"] or ""), str(row["file.hashes"] or "")
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    score = float(verdicts.scores[at])
    odds = f"{score / math.log(10):+.1f}" if math.isfinite(score) else "?"
    uid, time = str(row["metadata.uid"]), row["time"]
    return Word(
        title="Executable that looks like malware",
        message=f"The headers of {name[:LONGEST]} look like malware (log10 odds {odds}).",
        techniques=["T1204.002"],
        entities=[
            entity(EntityKind.HASH, digest.removeprefix("SHA256=")),
            entity(EntityKind.FILE, path),
        ],
        evidence=[uid],
        since=time,  # type: ignore[arg-type]  # rows without a time were left out
        until=time,  # type: ignore[arg-type]
        count=1,
        p=float(verdicts.p_values[at]),
        name=uid,
        reasons=[reason(part) for part in verdicts.why(at)] if explained else (),
    )
