"""What every Windows event says of itself, whatever its kind, in one pass over the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import polars as pl

from .channels import names
from .clock import times
from .readings import per_distinct, text_series

Row = dict[str, object]

_BLOCK = 256
_CODES = ("EventID", *names().aliases["EventID"])
_CHANNELS = ("Channel", *names().aliases["Channel"])
_COMPUTERS = ("Computer", *names().aliases["Computer"])
_LEVELS = ("Level", *names().aliases["Level"])


@dataclass(frozen=True, slots=True)
class SystemPart:
    """Channel and event id as written, and the columns that every event has, row by row."""

    channels: Sequence[object]
    codes: Sequence[object]
    columns: pl.DataFrame


def system_part(rows: Sequence[Row]) -> SystemPart:
    """Read the rows block by block: a row is in the cache once, not once for each field."""
    channels: list[object] = []
    codes: list[object] = []
    computers: list[object] = []
    levels: list[object] = []
    said: list[object] = []
    clock = names().times
    for begin in range(0, len(rows), _BLOCK):
        block = rows[begin : begin + _BLOCK]
        channels += first_of(block, _CHANNELS)
        codes += first_of(block, _CODES)
        computers += first_of(block, _COMPUTERS)
        levels += first_of(block, _LEVELS)
        said += first_of(block, clock)
    severity = per_distinct(levels, names().severity.get)
    columns = [
        times(rows, said),
        text_series("device.hostname", computers),
        text_series("metadata.log_name", channels),
        pl.Series("severity_id", severity, dtype=pl.Int32),
        pl.Series("metadata.product.name", ["windows"]).new_from_index(0, len(rows)),
    ]
    return SystemPart(channels, codes, pl.DataFrame(columns))


def first_of(rows: Sequence[Row], fields: Sequence[str]) -> list[object]:
    """For each row, the first of `fields` that it has."""
    found = list(map(dict.get, rows, repeat(fields[0])))
    if None not in found:
        return found
    missing = [at for at, value in enumerate(found) if value is None]
    for field in fields[1:]:
        still = []
        for at in missing:
            value = rows[at].get(field)
            if value is None:
                still.append(at)
            else:
                found[at] = value
        missing = still
        if not missing:
            break
    return found
