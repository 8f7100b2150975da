"""Stored records parsed once more, so that what was kept can be judged by rules of today."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from hauberk.events import EventBatch, EventGroup
from hauberk.ingest import parse_again
from hauberk.store import Home

STORED = ("metadata.uid", "raw_data", "record.format")
"""Columns of the lake that parsing again needs."""


def parsed_again(home: Home, stored: pl.DataFrame) -> Iterator[EventBatch]:
    """Events with both views from stored rows (STORED), each under the uid that it has.

    One batch for the records of one format whose files began alike: only there can the same head
    be given to the parser. Rows of a batch that the home does not know any more are left out.
    """
    named = stored.with_columns(pl.col("metadata.uid").str.split(":").list.first().alias("batch"))
    heads: dict[str, bytes] = {}
    unknown = set()
    for batch_id in named["batch"].unique().to_list():
        entry = home.records.batch(batch_id)
        if entry is None:
            unknown.add(batch_id)
        else:
            heads[batch_id] = entry.head
    ordinal = pl.col("metadata.uid").str.split(":").list.get(1).cast(pl.Int64)
    known = named.filter(~pl.col("batch").is_in(list(unknown))).sort("batch", ordinal)
    alike: dict[tuple[str, bytes], list[str]] = {}
    for batch_id, format_name in (
        known.select("batch", "record.format").unique().sort(pl.all()).rows()
    ):
        alike.setdefault((format_name, heads[batch_id]), []).append(batch_id)
    for (format_name, head), batches in alike.items():
        rows = known.filter(pl.col("batch").is_in(batches), pl.col("record.format") == format_name)
        parsed = parse_again(rows["raw_data"].to_list(), format_name, head)
        groups = [
            _named(one.group, rows["metadata.uid"].gather(one.records)) for one in parsed.groups
        ]
        yield EventBatch.from_groups(batches[0], groups)


def _named(group: EventGroup, uids: pl.Series) -> EventGroup:
    return replace(group, events=group.events.with_columns(uids.alias("metadata.uid")))
