"""Four simulated estates under attack: is rare what is called rare, and is it real.

The labels are read here and nowhere else. The bounds are wide: they hold the detector to its
promise, they do not tune it.
"""

import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from hauberk.detect.products import ProductFindings
from hauberk.events import EventBatch, EventClass
from hauberk.ingest import RecordBatch
from hauberk.ingest.formats.mapped import Mapped

HOUR = pl.col("time").dt.truncate("1h")


@pytest.mark.slow
def test_surprise_is_calibrated_and_attacks_come_first(
    shared_data: Callable[[str], Path],
) -> None:
    files = sorted(shared_data("soc-ait-ads").rglob("*_alerts.txt"))
    seconds = 0.0
    for file in files:
        data = file.read_bytes()
        (part,) = Mapped().parse(RecordBatch(data, file.name, head=data[: 64 << 10])).groups
        labels = pl.read_csv(data, columns=["time_label"])["time_label"]
        alerts = part.group.events.with_columns(
            pl.int_range(pl.len()).cast(pl.String).alias("metadata.uid"),
            (labels != "false_positive").alias("attack"),
        ).sort("time", "metadata.uid")
        batch = EventBatch("b", {EventClass.DETECTION_FINDING: alerts.drop("attack")})
        began = time.process_time()
        findings, _ = ProductFindings().judge(batch, {})
        seconds += time.process_time() - began
        real = (
            findings.select("uid", "surprise", HOUR.alias("hour"), "evidence",
                            host=pl.col("entities").list.first())
            .explode("evidence")
            .join(alerts.select("attack", evidence="metadata.uid"), on="evidence")
            .group_by("uid")
            .agg(pl.first("surprise", "hour", "host"), pl.col("attack").any())
            .sort("surprise", "uid")
        )  # fmt: skip
        first, last = alerts["time"][0], alerts["time"][-1]
        host_hours = alerts["device.hostname"].n_unique() * (last - first).total_seconds() / 3600
        quiet = real.filter(~pl.col("attack"))
        rare = quiet.filter(pl.col("surprise") <= 0.01).select("host", "hour").n_unique()
        assert rare / host_hours < 0.02
        base = real["attack"].sum() / real.height
        assert real.head(50)["attack"].sum() / 50 > 2 * base
    assert seconds < 30  # of one processor, on a busy machine
