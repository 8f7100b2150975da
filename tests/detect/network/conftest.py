from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest

from hauberk.events import EventBatch, EventClass

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


class Capture:
    """Builds batches of events; every flow is (seconds, src, dst, port) and what differs."""

    start = START

    def flows(self, rows):
        made = [
            {
                "time": START + timedelta(seconds=row[0]),
                "metadata.uid": f"b:{number}",
                "activity_id": 6,
                "status_id": 1,
                "src_endpoint.ip": row[1],
                "src_endpoint.port": 40_000 + number % 20_000,
                "dst_endpoint.ip": row[2],
                "dst_endpoint.port": row[3],
                "connection_info.uid": f"C{number}",
                "connection_info.protocol_name": "tcp",
                "duration": 0.5,
                "traffic.bytes_out": 500,
                "traffic.bytes_in": 4_000,
                "traffic.packets_out": 5,
                "traffic.packets_in": 6,
                **(row[4] if len(row) > 4 else {}),
            }
            for number, row in enumerate(rows)
        ]
        return self.batch({EventClass.NETWORK_ACTIVITY: made})

    def batch(self, rows):
        return EventBatch(
            "b",
            {
                event_class: pl.DataFrame(
                    made,
                    infer_schema_length=None,
                    schema_overrides={
                        "time": pl.Datetime("us", "UTC"),
                        "status_id": pl.Int32,
                        "activity_id": pl.Int32,
                    },
                ).sort("time", "metadata.uid")
                for event_class, made in rows.items()
                if made
            },
        )

    def cut(self, batch, seconds):
        """The same events in batches that end at these moments."""
        edges = [None, *sorted(seconds), None]
        for since, until in pairwise(edges):
            here = pl.lit(value=True)
            if since is not None:
                here &= pl.col("time") >= START + timedelta(seconds=since)
            if until is not None:
                here &= pl.col("time") < START + timedelta(seconds=until)
            yield EventBatch(
                "b", {name: frame.filter(here) for name, frame in batch.tables.items()}
            )

    def run(self, detector, batches, state=None):
        found, state = [], state or {}
        for batch in batches:
            findings, state = detector.judge(batch, state)
            found.append(findings)
        return pl.concat(found), state


@pytest.fixture
def capture():
    return Capture()


UNANSWERED = {
    "status_id": 2, "traffic.bytes_out": 0, "traffic.bytes_in": 0, "traffic.packets_in": 0,
}  # fmt: skip


@pytest.fixture
def unanswered():
    return UNANSWERED
