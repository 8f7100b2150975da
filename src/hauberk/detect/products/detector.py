"""Alerts of other products, one finding for each hour of an alert type on a host, with a surprise.

An hour that a batch's end cuts is reported with what is known of it; when the rest arrives and
makes it stranger by a bit, or ten times as many, another finding says so, of all of it.
"""

from itertools import pairwise

import numpy as np
import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import EventBatch, EventClass, FindingKind, findings_frame

from .memory import recall
from .report import finding_row
from .tiles import COLUMNS, TILE_SCHEMA, join_tiles, tiles

ORDINARY = 0.5
"""An alert that more than this share of the host's hours bring is the usual state of things:
it enters the baseline and is not reported."""


NEWS = 2.0
"""An hour that was reported before it ended is reported again when its surprise falls by this
factor, or its alerts grow by MORE."""

MORE = 10


MOST_IN_AN_HOUR = 1000
"""Findings of one hour, the strangest; whoever floods a product with new alerts buys no more."""


class ProductFindings:
    """Folds other products' alerts into findings and says how unusual each is here.

    State is kept in whole hours. The last hour of a batch stays pending: it is judged and
    reported, and enters the baseline once a later hour is seen, so that no cut changes the
    baseline that an hour is judged against.
    """

    spec = DetectorSpec(
        name="product-findings",
        version="1",
        kind=FindingKind.PRODUCT,
        title="Alerts of other products that are unusual here",
        columns={EventClass.DETECTION_FINDING: COLUMNS},
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of the hours that the batch touches, and the state after it."""
        fresh = tiles(batch)
        if fresh.is_empty():
            return findings_frame([]), state
        touched = fresh.select("hour", "product", "analytic", "entity")
        pending = state.get("pending", pl.DataFrame(schema=TILE_SCHEMA))
        memory = recall(state, join_tiles(pending, fresh))
        told = memory.tiles["told"].fill_null(np.inf).to_numpy().copy()
        told_count = memory.tiles["told_count"].to_numpy().copy()
        tellings = memory.tiles["tellings"].to_numpy().copy()
        reported = (
            memory.tiles.join(
                touched.with_columns(touched=True),
                on=touched.columns,
                how="left",
                maintain_order="left",
            )["touched"]
            .fill_null(value=False)
            .to_numpy()
        )
        hours = memory.tiles["hour"].to_numpy()
        bounds = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1, append=hours[-1] + 1))
        rows: list[dict[str, object]] = []
        last = int(bounds[-2])
        # A loop over hours: each is judged against all before it, whose weights hang on their
        # own judgements. Within an hour everything is columns.
        for first, end in pairwise(bounds.tolist()):
            hour = int(hours[first])
            positions = memory.hour(first, end)
            # The last hour has not ended: nothing of it is remembered but its alerts.
            baseline = memory.baseline if first < last else memory.baseline.copy()
            late = baseline.clock is not None and hour <= baseline.clock
            baseline.advance(hour)
            judgement = baseline.judge(positions)
            surprise = judgement.surprise
            speaks = reported[first:end] & (surprise <= ORDINARY)
            stranger = surprise <= told[first:end] / NEWS
            speaks &= stranger | (positions.count >= MORE * told_count[first:end])
            chosen = np.flatnonzero(speaks)
            chosen = chosen[np.argsort(surprise[chosen], kind="stable")[:MOST_IN_AN_HOUR]]
            for index in np.sort(chosen).tolist():
                row = first + index
                rows.append(finding_row(self.spec, memory, row, judgement, index, late=late))
                told[row], told_count[row] = surprise[index], positions.count[index]
                tellings[row] += 1
            if first < last:
                baseline.enter(hour, positions, judgement)
        after = memory.tiles.with_columns(
            tellings=tellings, told_count=told_count, told=pl.Series(told, nan_to_null=True)
        ).with_columns(pl.when(pl.col("told") <= 1).then("told"))
        return findings_frame(rows), memory.state(after.slice(last))
