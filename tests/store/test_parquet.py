"""How rows are written: nothing of them is lost, and nothing is written for nothing."""

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass
from hauberk.store.lake import read_files
from hauberk.store.lake_files import FINDINGS, stored_schema
from hauberk.store.parquet import ROW_GROUP, write_parquet

DNS = EventClass.DNS_ACTIVITY.table
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = {
    "metadata.uid": TEXT,
    "device.hostname": TEXT,
    "raw_data": st.binary(max_size=30),
    "answers": st.lists(TEXT, max_size=3),
    "time": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001
    "record.offset": st.integers(-(2**63), 2**63 - 1),
}


def rows(table: str, values: Mapping[str, Sequence[object]]) -> pl.DataFrame:
    columns = stored_schema(table)
    height = len(next(iter(values.values())))
    return pl.DataFrame(
        [
            pl.Series(name, values.get(name, [None] * height)).cast(
                pl.Datetime("us") if name == "time" else dtype
            )
            for name, dtype in columns.items()
        ]
    ).with_columns(pl.col("time").dt.replace_time_zone("UTC"))


def through(folder: Path, table: str, frame: pl.DataFrame) -> pl.DataFrame:
    path = folder / "part.parquet"
    write_parquet(path, frame)
    return read_files(table, [str(path)]).collect()


@settings(deadline=None)  # a loaded machine
@given(
    st.integers(0, 20).flatmap(
        lambda height: st.fixed_dictionaries(
            {
                name: st.lists(st.none() | value, min_size=height, max_size=height)
                for name, value in VALUES.items()
            }
        )
    ),
    st.sampled_from([1, 30]),
)
def test_every_value_reads_back_as_it_was(values: dict[str, list[object]], times: int) -> None:
    columns = {name: column * times for name, column in values.items()}
    frame = rows(DNS, columns)
    with tempfile.TemporaryDirectory() as folder:
        assert through(Path(folder), DNS, frame).equals(frame)


def test_findings_with_their_reasons_read_back(tmp_path: Path) -> None:
    columns = stored_schema(FINDINGS)
    nested = [name for name, dtype in columns.items() if dtype.is_nested()]
    assert nested
    empty = pl.DataFrame(schema=columns)
    frame = pl.concat([empty, pl.DataFrame({"uid": ["a", "b"]})], how="diagonal_relaxed")
    lists = [name for name in nested if isinstance(columns[name], pl.List)]
    frame = frame.with_columns(pl.Series(name, [[], None], dtype=columns[name]) for name in lists)
    assert through(tmp_path, FINDINGS, frame).equals(frame)


def test_readers_skip_row_groups_by_time_and_uid(tmp_path: Path) -> None:
    height = ROW_GROUP + 1
    uids = [f"a:{i:06}" for i in range(height)]
    times = [datetime(2024, 1, 1)] * ROW_GROUP + [datetime(2024, 1, 2)]  # noqa: DTZ001
    write_parquet(tmp_path / "f", rows(DNS, {"metadata.uid": uids, "time": times}))
    facts = pq.read_metadata(tmp_path / "f")
    assert facts.num_row_groups == 2
    bounds = {}
    for number in range(facts.num_columns):
        column = facts.row_group(1).column(number)
        if column.statistics is not None and column.statistics.has_min_max:
            bounds[column.path_in_schema] = column.statistics.min
    assert bounds["metadata.uid"] == f"a:{ROW_GROUP:06}"
    assert str(bounds["time"]).startswith("2024-01-02")


def test_a_column_without_any_value_is_not_written(tmp_path: Path) -> None:
    write_parquet(tmp_path / "f", rows(DNS, {"device.hostname": ["a", None]}))
    names = pq.read_schema(tmp_path / "f").names
    assert set(names) == {"device.hostname", "metadata.uid", "time", "commit"}
