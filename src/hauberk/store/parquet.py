"""Rows as a Parquet file: how each column is written, and what is not written at all.

Records are long and nearly all distinct, and so are uids: no dictionary is made of them, which
would hash every byte and save nothing. A column without any value is left out, as Delta Lake
allows: its readers fill it with nulls.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.datatypes import DataTypeClass

ROW_GROUP = 20_000

BOUNDED = frozenset({"time", "metadata.uid", "uid", "commit"})
"""Columns by whose bounds readers skip row groups; they are written also where they are empty."""

_RECORDS = "raw_data"
# Neighbours share most of their bytes; only what differs is stored.
_ENCODINGS = {
    "metadata.uid": "DELTA_BYTE_ARRAY",
    "uid": "DELTA_BYTE_ARRAY",
    "record.offset": "DELTA_BINARY_PACKED",
    "record.length": "DELTA_BINARY_PACKED",
    "time": "DELTA_BINARY_PACKED",
}

_MANY = 256
"""Rows from which any text is worth compressing: a compressor takes 10 us to set up."""


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Write rows in groups of ROW_GROUP. Raises OSError where the device refuses."""
    kept = frame.select(
        [one.name for one in frame if one.name in BOUNDED or one.null_count() < len(one)]
    )
    leaves = {
        leaf: name == _RECORDS or (frame.height >= _MANY and not dtype.is_numeric())
        for name, dtype in kept.schema.items()
        for leaf in _leaves(name, dtype)
    }
    pq.write_table(
        _arrow(kept),
        path,
        row_group_size=ROW_GROUP,
        compression={leaf: "zstd" if packed else "none" for leaf, packed in leaves.items()},
        compression_level={leaf: 1 for leaf, packed in leaves.items() if packed},
        use_dictionary=[leaf for leaf in leaves if leaf != _RECORDS and leaf not in _ENCODINGS],
        column_encoding={leaf: _ENCODINGS[leaf] for leaf in leaves if leaf in _ENCODINGS},
        write_statistics=[leaf for leaf in leaves if leaf in BOUNDED],
        # Its types would be those that the rows had in memory.
        store_schema=False,
    )


def uncompressed(path: Path) -> int:
    """Bytes of a file's columns before they were compressed; 0 where it is no Parquet file."""
    try:
        facts = pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return 0
    return sum(facts.row_group(one).total_byte_size for one in range(facts.num_row_groups))


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """The rows in Arrow's layout, without a copy of those that are text alone."""
    # The writer takes the views that Polars holds, but cannot cut lists of them.
    levels = {
        name: pl.CompatLevel.oldest() if dtype.is_nested() else pl.CompatLevel.newest()
        for name, dtype in frame.schema.items()
    }
    return pa.table([frame[name].to_arrow(compat_level=level) for name, level in levels.items()],
                    names=frame.columns)  # fmt: skip


def _leaves(name: str, dtype: pl.DataType | DataTypeClass) -> Iterator[str]:
    """Parquet's names of what a column is stored as."""
    if isinstance(dtype, pl.List):
        yield from _leaves(f"{name}.list.element", dtype.inner)
    elif isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            yield from _leaves(f"{name}.{field.name}", field.dtype)
    else:
        yield name
