"""What models were asked by other programs (`hauberk serve`), counted with all else they judged.

Who serves a model does not write the home: it leaves records of counts in the inbox, which become
events. This detector adds them up into the same tables that the other detectors of models keep, so
that drift and copying are seen whichever way a model is asked. No record holds what was asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import (
    OWN_CLASS,
    OWN_FORMAT,
    OWN_PRODUCT,
    OWN_SERVICE,
    EventBatch,
    FindingKind,
    no_findings,
)
from hauberk.models import INPUTS, QUERIES, TALLY, LoadedModel

from .counting import INPUTS_TABLE, QUERIES_TABLE, TALLY_TABLE, added

NAME = "model-requests"
WRITER, OPERATION = "inference", "asked"
"""Who leaves the records in the inbox, and how they name what they tell of."""

SOURCE = f"hauberk:inbox/{WRITER}/"
COLUMNS = (
    "time", "metadata.uid", "metadata.event_code", "record.source", "record.format", "raw_data",
)  # fmt: skip
MOST_BINS = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """What one client had one model judge on one day: rows of TALLY, QUERIES and INPUTS."""

    tally: pl.DataFrame
    queries: pl.DataFrame
    inputs: pl.DataFrame


def request_record(
    loaded: LoadedModel, client: str, day: date, asked: Asked, at: datetime
) -> dict[str, object]:
    """The record of it, as it is left in the inbox."""
    model, judged = loaded.model, int(asked.tally["judged"].sum())
    return {
        "class_uid": int(OWN_CLASS),
        "product": OWN_PRODUCT,
        "log": OWN_SERVICE,
        "time": at.isoformat(),
        "status": "success",
        "operation": OPERATION,
        "actor": client,
        "model": model.name,
        "version": model.version,
        "digest": loaded.digest,
        "task": str(model.task),
        "after": str(loaded.stage),
        "samples": judged,
        "message": f"{client} had {model.name}@{model.version} judge {judged:,}",
        "day": day.isoformat(),
        "tally": _plain(asked.tally),
        "queries": _plain(asked.queries),
        "inputs": _plain(asked.inputs),
    }


def _plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return frame.drop("day").to_dicts()


class RequestCounts:
    """Adds up what the records of requests say; finds nothing itself."""

    def __init__(self) -> None:
        self.spec = DetectorSpec(
            name=NAME,
            version="1",
            kind=FindingKind.MODEL,
            title="What models were asked by other programs, by day",
            columns={OWN_CLASS: COLUMNS},
        )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """No findings, and the counts with those of this batch."""
        if OWN_CLASS not in batch.tables:
            return no_findings(), state
        told = batch.events(OWN_CLASS, COLUMNS).filter(
            pl.col("metadata.event_code") == OPERATION,
            pl.col("record.format") == OWN_FORMAT,
            # Only what the inbox's seal let in: whoever writes a log could say as much.
            pl.col("record.source").str.starts_with(SOURCE),
            pl.col("metadata.uid").str.starts_with("acts-"),
        )
        if not told.height:
            return no_findings(), state
        found = [one for raw in told["raw_data"] if (one := read_request(raw)) is not None]
        return no_findings(), added(
            state,
            [one.tally for one in found],
            [one.inputs for one in found],
            [one.queries for one in found],
        )


def read_request(raw: bytes | None) -> Asked | None:
    """The counts that a record holds; None where it holds none that could be."""
    try:
        said = orjson.loads(raw or b"")
        day = date.fromisoformat(said["day"])
        tables = {
            name: _table(said[name], day, schema)
            for name, schema in ((TALLY_TABLE, TALLY), (QUERIES_TABLE, QUERIES),
                                 (INPUTS_TABLE, INPUTS))
        }  # fmt: skip
    except (ValueError, TypeError, LookupError, pl.exceptions.PolarsError):
        return None
    return Asked(tables[TALLY_TABLE], tables[QUERIES_TABLE], tables[INPUTS_TABLE])


def _table(rows: Sequence[Mapping[str, Any]], day: date, schema: pl.Schema) -> pl.DataFrame:
    """Rows as they were counted. Raises ValueError where a count could not be one."""
    made = pl.DataFrame([{**row, "day": day} for row in rows], schema=schema, strict=True)
    lists = [name for name, kind in schema.items() if isinstance(kind, pl.List)]
    strange = [*(pl.col(one).list.len() > MOST_BINS for one in lists),
               *(pl.col(one).list.min() < 0 for one in lists),
               pl.any_horizontal(pl.col(pl.Int64, pl.Float64) < 0),
               pl.any_horizontal(pl.all().is_null())]  # fmt: skip
    if made.select(pl.any_horizontal(*strange).any()).item():
        raise ValueError("no counts")
    return made
