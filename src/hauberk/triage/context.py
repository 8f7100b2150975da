"""What else was said of the hosts of a likely incident, about the time that it happened.

Who investigates an incident reads everything of its hosts from the day before to the day after: a
service stopped, an update. Such findings may be the first step of the attack or its neighbours'
weather, and by themselves they make a story that nobody is shown. They are put beside the likely
incident, in its timeline, and count for nothing there.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from .interface import Incident
from .surprise import host_of

AROUND_HOURS = 24
"""How long before the first and after the last telling finding of an incident is looked at."""

LIKELY = 0.5
"""Probability from which the surroundings of an incident are read."""


def surroundings(
    findings: pl.DataFrame,
    telling: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.int64],
    incidents: Sequence[Incident],
    floor: float,
) -> npt.NDArray[np.int64]:
    """For each finding the cluster that it is context of, -1 where it is of none; in row order.

    Findings of incidents below `floor` become context of a likely incident that has a telling
    finding about the same subject and goes on at the time; of several, of the one that began last.
    Needs the columns uid, time, entities.
    """
    found = np.full(findings.height, -1, dtype=np.int64)
    likely = {uid for one in incidents if one.probability >= LIKELY for uid in one.findings}
    below = {uid for one in incidents if one.probability < floor for uid in one.findings}
    if not likely or not below:
        return found
    rows = findings.select(
        pl.int_range(pl.len()).alias("row"),
        host_of(findings),
        "time",
        pl.Series("story", labels),
        pl.Series("telling", telling),
        pl.col("uid").is_in(list(likely)).alias("likely"),
        pl.col("uid").is_in(list(below)).alias("below"),
    ).filter(pl.col("host") != "", pl.col("time").is_not_null())
    around = pl.duration(hours=AROUND_HOURS)
    told = rows.filter("likely", "telling")
    spans = told.group_by("story").agg(
        (pl.col("time").min() - around).alias("since"),
        (pl.col("time").max() + around).alias("until"),
    )
    near = (
        rows.filter("below")
        .select("row", "host", "time")
        .join(told.select("host", "story").unique(), on="host")
        .join(spans, on="story")
        .filter(pl.col("time").is_between("since", "until"))
        .group_by("row")
        .agg(pl.col("story").sort_by("since", "story").last())
    )
    found[near["row"].to_numpy()] = near["story"].to_numpy()
    return found
